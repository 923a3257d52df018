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
mod history;
mod inbound;
mod lines;
mod log;
mod net;
mod service;
mod setup;

pub use control::{Reply, Request, event_line};
pub use error::DaemonError;
pub use history::{default_state_directory, read as read_history};
