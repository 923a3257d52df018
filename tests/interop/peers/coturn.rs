//! coturn, a STUN and TURN server.

use std::net::{Ipv4Addr, UdpSocket};
use std::process::{Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::lab::{Process, find_program, skip, wait_until};

/// The account at it.
pub const USER: &str = "kitchen";
pub const PASSWORD: &str = "a word";

/// A running coturn on port 3478.
pub struct Coturn {
    process: Process,
    folder: TempDir,
}

impl Coturn {
    /// Starts one; `None` where it isn't installed.
    pub fn start(address: Ipv4Addr) -> Option<Self> {
        let Some(program) = find_program("turnserver") else {
            return skip("no coturn");
        };
        let folder = tempfile::tempdir().expect("a temporary folder");
        let log = std::fs::File::create(folder.path().join("log")).expect("a file");
        let process = Process::start(
            Command::new(program)
                .args([
                    "-n",
                    "--no-cli",
                    "--no-tls",
                    "--no-dtls",
                    "--log-file",
                    "stdout",
                    "--verbose",
                ])
                .args([
                    "--lt-cred-mech",
                    "--realm",
                    "example.net",
                    "--no-software-attribute",
                ])
                .args(["--user", &format!("{USER}:{PASSWORD}")])
                .args([
                    "--listening-ip",
                    &address.to_string(),
                    "--relay-ip",
                    &address.to_string(),
                ])
                .args(["--min-port", "50000", "--max-port", "50999"])
                .arg("--pidfile")
                .arg(folder.path().join("pid"))
                .arg("--userdb")
                .arg(folder.path().join("db"))
                .current_dir(folder.path())
                .stdin(Stdio::null())
                .stdout(log.try_clone().expect("a file"))
                .stderr(log),
        );
        let mut coturn = Self { process, folder };
        let socket = UdpSocket::bind((address, 0)).expect("a socket");
        socket
            .set_read_timeout(Some(Duration::from_millis(50)))
            .expect("a timeout can be set");
        wait_until("coturn answers", 10, || {
            assert!(coturn.process.is_running(), "coturn has ended: {}", coturn.log());
            // A Binding request (RFC 8489).
            let request = [
                0, 1, 0, 0, 0x21, 0x12, 0xA4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12,
            ];
            let _ = socket.send_to(&request, (address, 3478));
            socket.recv(&mut [0; 500]).is_ok()
        });
        // Media goes through it.
        coturn.process.give_precedence();
        Some(coturn)
    }

    /// Its log.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Coturn {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("--- coturn's log:\n{}", self.log());
        }
    }
}
