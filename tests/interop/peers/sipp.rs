//! sipp with the scenarios of `tests/lab/sipp`: peers that do what SIP allows and few do, and check what they get.

use std::cell::Cell;
use std::net::{Ipv4Addr, UdpSocket};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::lab::{Process, SIP_PORT, address, find_program, lab_folder, skip, wait_until};

/// A scripted peer, and the two ports that its scenarios take RTP at.
pub struct Sipp {
    program: PathBuf,
    folder: TempDir,
    address: Ipv4Addr,
    pub first_port: Port,
    pub second_port: Port,
}

/// A scenario that is being played.
pub struct Scenario {
    name: &'static str,
    process: Process,
    folder: PathBuf,
}

impl Sipp {
    /// A peer that does nothing yet; `None` where sipp isn't installed.
    pub fn installed() -> Option<Self> {
        let Some(program) = find_program("sipp") else {
            return skip("no sipp");
        };
        let address = address();
        Some(Self {
            program,
            folder: tempfile::tempdir().expect("a temporary folder"),
            address,
            first_port: Port::open(address),
            second_port: Port::open(address),
        })
    }

    /// What an account of it is told.
    pub fn uri(&self) -> String {
        format!("sip:{}:{SIP_PORT}", self.address)
    }

    /// Plays a scenario that waits to be called.
    pub fn answer(&self, scenario: &'static str) -> Scenario {
        self.play(scenario, None)
    }

    /// Plays a scenario that calls.
    pub fn call(&self, scenario: &'static str, target: Ipv4Addr) -> Scenario {
        self.play(scenario, Some(target))
    }

    fn play(&self, name: &'static str, target: Option<Ipv4Addr>) -> Scenario {
        let mut command = Command::new(&self.program);
        if let Some(target) = target {
            command.arg(format!("{target}:{SIP_PORT}"));
        }
        command
            .arg("-sf")
            .arg(lab_folder().join("sipp").join(name).with_extension("xml"))
            .args(["-i", &self.address.to_string(), "-p", &SIP_PORT.to_string()])
            .args(["-key", "first_port", &self.first_port.number()])
            .args(["-key", "second_port", &self.second_port.number()])
            // One call, no keyboard; errors and messages into files. No retransmissions: sipp would answer each of
            // ours with one of its own, and we its.
            .args(["-m", "1", "-nr", "-nostdin", "-timeout", "25", "-timeout_error"])
            .args([
                "-trace_err",
                "-error_file",
                "errors",
                "-trace_msg",
                "-message_file",
                "messages",
            ])
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        Scenario {
            name,
            process: Process::start(&mut command),
            folder: self.folder.path().to_owned(),
        }
    }
}

impl Scenario {
    /// Waits until the scenario has been played to its end.
    ///
    /// # Panics
    ///
    /// Where something else came than what the scenario waits for.
    #[track_caller]
    pub fn succeeds(mut self) {
        wait_until(&format!("{} is over", self.name), 30, || {
            !self.process.is_running()
        });
        assert!(self.process.succeeded(), "{} failed", self.name);
    }

    /// Waits until one of its messages has said this.
    #[track_caller]
    pub fn wait_traced(&self, text: &str, bound_s: u64) {
        wait_until(&format!("{} is told {text:?}", self.name), bound_s, || {
            self.trace().contains(text)
        });
    }

    fn trace(&self) -> String {
        ["errors", "messages"]
            .map(|name| std::fs::read_to_string(self.folder.join(name)).unwrap_or_default())
            .concat()
    }
}

impl Drop for Scenario {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("--- {}:\n{}", self.name, self.trace());
        }
    }
}

/// A port that takes RTP and only counts it.
pub struct Port {
    socket: UdpSocket,
    packets: Cell<usize>,
}

impl Port {
    fn open(address: Ipv4Addr) -> Self {
        let socket = UdpSocket::bind((address, 0)).expect("a port");
        socket.set_nonblocking(true).expect("a socket");
        Self {
            socket,
            packets: Cell::new(0),
        }
    }

    fn number(&self) -> String {
        self.socket.local_addr().expect("bound").port().to_string()
    }

    /// Packets so far.
    pub fn packets(&self) -> usize {
        let mut packet = [0; 2048];
        let new = std::iter::from_fn(|| self.socket.recv(&mut packet).ok()).count();
        self.packets.set(self.packets.get() + new);
        self.packets.get()
    }

    /// Waits for so many packets more.
    #[track_caller]
    pub fn wait_packets(&self, count: usize, bound_s: u64) {
        let before = self.packets();
        wait_until("speech arrives", bound_s, || self.packets() >= before + count);
    }
}
