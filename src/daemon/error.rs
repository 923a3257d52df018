//! What can keep the daemon from starting or running.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use super::net::PortOwner;

/// Why the daemon ended or never began. Every text says what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DaemonError {
    /// Not even the user agent can read it.
    #[error("`{0}` is no SIP URI; check the account's message_waiting and voice_quality_reports")]
    SipUri(String),
    /// Somebody else has the port.
    #[error("{address} ({transport}) is in use{}: stop it, or choose another sip.bind", by_whom(.owner.as_ref()))]
    AddressInUse {
        /// The address wanted.
        address: SocketAddr,
        /// `UDP` or `TCP`.
        transport: &'static str,
        /// By whom, where the kernel tells.
        owner: Option<PortOwner>,
    },
    /// The address cannot be bound for another reason.
    #[error("cannot listen on {address} ({transport}): {reason}; check sip.bind")]
    Bind {
        /// The address wanted.
        address: SocketAddr,
        /// `UDP` or `TCP`.
        transport: &'static str,
        /// The system's words.
        reason: String,
    },
    /// Our own certificate cannot be used.
    #[error("tls: {0}")]
    Tls(String),
    /// A Unix socket cannot be made.
    #[error("cannot listen on {}: {reason}", .path.display())]
    UnixSocket {
        /// Where.
        path: PathBuf,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// The configuration has problems; each is a line of its own.
    #[error("{0}")]
    Config(String),
    /// A line's hardware cannot be used.
    #[error("line {line}: {reason}")]
    Line {
        /// Which.
        line: String,
        /// What is wrong.
        reason: String,
    },
    /// The audio thread died: a bug of ours. The service manager starts us again.
    #[error("the audio thread has ended; please report this with the log")]
    AudioThread,
    /// The system refused something every system grants.
    #[error("the system refused a basic resource: {0}")]
    Io(#[from] io::Error),
}

fn by_whom(owner: Option<&PortOwner>) -> String {
    owner.map_or_else(String::new, |owner| {
        format!(" by {} (process {})", owner.command, owner.pid)
    })
}
