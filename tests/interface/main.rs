//! The outside surface, section by section of its description, held to by the real binary: arguments, exit codes, shapes of what is
//! printed, the virtual line's bytes.

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test that cannot run its programs shall fail; it opens sockets and waits, and prints what it measures"
)]

#[path = "../binary/mod.rs"]
mod binary;

mod command_line;
mod configuration;
mod phone;
mod start;
mod tools;
mod virtual_line;

use std::process::{Command, Output};

use binary::server::Server;
use binary::telephone::Telephone;
use binary::{Daemon, PROGRAM, one_account, wait};

/// `tipring` with these arguments and no daemon to ask.
fn tipring(arguments: &[&str]) -> Output {
    Command::new(PROGRAM)
        .args(arguments)
        .env("TIPRING_SOCKET", "/nonexistent/control.sock")
        .output()
        .unwrap()
}

/// A daemon whose kitchen talks with the far end of `server`.
fn talking(server: &Server) -> (Daemon, Telephone) {
    let daemon = Daemon::start(&one_account(server.address(), true));
    let telephone = Telephone::plug(&daemon.path("kitchen.sock"));
    wait("registered", || {
        daemon.status()["accounts"][0]["state"] == "registered"
    });
    telephone.lift();
    telephone.wait_tone(440.0);
    telephone.press("600");
    daemon.wait_line(0, "talking");
    (daemon, telephone)
}
