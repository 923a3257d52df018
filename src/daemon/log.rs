//! Where the log goes: journald's own protocol when systemd connects our stderr to it, else plain lines on stderr.

use std::io::IsTerminal;

use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry};

/// The variable that sets what is logged, in the notation of tracing's `EnvFilter`: `debug`,
/// `info,tipring::sip=trace`.
pub const FILTER_VARIABLE: &str = "TIPRING_LOG";

/// Starts logging. A second call does nothing.
pub fn start() {
    let filter = EnvFilter::try_from_env(FILTER_VARIABLE).unwrap_or_else(|_| EnvFilter::new("info"));
    let _ = tracing_subscriber::registry()
        .with(filter)
        .with(output())
        .try_init();
}

type Output = Box<dyn Layer<tracing_subscriber::layer::Layered<EnvFilter, Registry>> + Send + Sync>;

fn output() -> Output {
    #[cfg(feature = "journald")]
    if stderr_is_the_journal()
        && let Ok(journald) = tracing_journald::layer()
    {
        return Box::new(journald);
    }
    Box::new(
        tracing_subscriber::fmt::layer()
            .with_writer(std::io::stderr)
            .with_ansi(std::io::stderr().is_terminal())
            .with_target(false),
    )
}

/// systemd.exec(5): `JOURNAL_STREAM` holds device and inode of the journal's socket; where stderr was sent
/// elsewhere, they differ.
#[cfg(feature = "journald")]
fn stderr_is_the_journal() -> bool {
    let Ok(stream) = std::env::var("JOURNAL_STREAM") else {
        return false;
    };
    nix::sys::stat::fstat(std::io::stderr())
        .is_ok_and(|stderr| stream == format!("{}:{}", stderr.st_dev, stderr.st_ino))
}
