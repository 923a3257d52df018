//! Kamailio as a provider's registrar and proxy, with `tests/lab/kamailio/kamailio.cfg`.

use std::net::Ipv4Addr;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::lab::{Process, SIP_PORT, address, find_program, lab_folder, skip, wait_until};

/// What the provider does in its own way.
pub struct Ways {
    /// Of its digest: MD5 or SHA-256.
    pub algorithm: &'static str,
    /// How long a nonce of its is good for.
    pub nonce_s: u32,
}

impl Default for Ways {
    fn default() -> Self {
        Self {
            algorithm: "MD5",
            nonce_s: 300,
        }
    }
}

/// A running Kamailio.
pub struct Kamailio {
    process: Process,
    folder: TempDir,
    address: Ipv4Addr,
}

impl Kamailio {
    /// Starts one; `None` where it isn't installed.
    pub fn start(ways: &Ways) -> Option<Self> {
        let Some(program) = find_program("kamailio") else {
            return skip("no Kamailio");
        };
        let folder = tempfile::tempdir().expect("a temporary folder");
        let address = address();
        let config =
            std::fs::read_to_string(lab_folder().join("kamailio/kamailio.cfg")).expect("its configuration");
        let config = config
            .replace("@ADDRESS@", &address.to_string())
            .replace("@SIP_PORT@", &SIP_PORT.to_string())
            .replace("@ALGORITHM@", ways.algorithm)
            .replace("@NONCE_S@", &ways.nonce_s.to_string());
        std::fs::write(folder.path().join("kamailio.cfg"), config).expect("written");
        let log = std::fs::File::create(folder.path().join("log")).expect("a file");
        let process = Process::start(
            Command::new(program)
                .args(["-DD", "-E", "-m", "16", "-M", "4", "-f"])
                .arg(folder.path().join("kamailio.cfg"))
                .arg("-Y")
                .arg(folder.path())
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(log),
        );
        let mut kamailio = Self {
            process,
            folder,
            address,
        };
        wait_until("Kamailio is up", 10, || {
            assert!(
                kamailio.process.is_running(),
                "Kamailio has ended: {}",
                kamailio.log()
            );
            std::net::TcpStream::connect((address, SIP_PORT)).is_ok()
        });
        Some(kamailio)
    }

    /// What an account of it is told.
    pub fn uri(&self) -> String {
        format!("sip:{}:{SIP_PORT}", self.address)
    }

    /// Requests of this method that came from a user, by a transport.
    pub fn requests(&self, method: &str, user: &str, transport: &str) -> usize {
        self.log()
            .matches(&format!("request {method} from {user} by {transport}\n"))
            .count()
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Kamailio {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("--- Kamailio's log:\n{}", self.log());
        }
        // Its worker processes end with it only when it is asked to.
        self.process.stop();
    }
}
