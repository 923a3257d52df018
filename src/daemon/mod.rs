//! The outer ring's running half: the only users of tokio, ALSA, GPIO, sockets, files and systemd.
//!
//! One single-threaded tokio runtime turns the crank of [`crate::gateway`]: inputs in, outputs carried out, sleep
//! until the next deadline. One real-time thread ([`audio`]) serves every line's samples and every session's
//! RTP; bounded single-producer rings join the two. What is here decides nothing about calls.

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the outer ring reads clocks and opens sockets and files so that the inner one need not"
)]

pub mod audio;
mod clock;
mod control;
mod crank;
mod error;
pub mod hardware;
mod history;
mod inbound;
mod instance;
mod lines;
mod log;
mod nat;
mod net;
mod service;
mod setup;
mod strangers;

pub use control::{Reply, Request, event_line};
pub use error::DaemonError;
pub use history::{default_state_directory, read as read_history};
pub use setup::Setup;

use std::path::{Path, PathBuf};

/// Where the configuration is unless told otherwise.
pub const CONFIG_FILE: &str = "/etc/tipring/tipring.yaml";

/// What `tipring run` is told.
#[derive(Clone, Debug)]
pub struct Options {
    /// The configuration file.
    pub config_file: PathBuf,
    /// Where the call history is kept.
    pub state_directory: PathBuf,
    /// The control socket, where the command line or the environment names one; it goes before the configuration's.
    pub control: Option<PathBuf>,
    /// The control socket where nobody names one.
    pub control_default: PathBuf,
}

/// Runs the daemon until SIGTERM or SIGINT.
pub fn run(options: &Options) -> Result<(), DaemonError> {
    log::start();
    hardware::stop_on_panic();
    let setup = Setup::read(&options.config_file)?;
    let control = options
        .control
        .clone()
        .or_else(|| setup.control.clone())
        .unwrap_or_else(|| options.control_default.clone());
    // Missing directories of the default places are ours to make; those that were named are not.
    make_directory(&options.state_directory);
    if control == options.control_default
        && let Some(directory) = control.parent()
    {
        make_directory(directory);
    }
    let config_file = std::path::absolute(&options.config_file)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let reread_file = config_file.clone();
    let start = crank::Start {
        setup,
        reread: Box::new(move || Setup::read(&reread_file)),
        config_file,
        control,
        state_directory: Some(options.state_directory.clone()),
    };
    let result = runtime.block_on(crank::run(start));
    // A name that nobody resolves must not hold up the end.
    runtime.shutdown_timeout(std::time::Duration::from_millis(50));
    result
}

fn make_directory(path: &Path) {
    if let Err(error) = std::fs::create_dir_all(path) {
        tracing::warn!(path = %path.display(), %error, "a directory cannot be made");
    }
}
