//! A telephone of pjsua2 (`tests/lab/pjsua/telephone.py`): it rings until it is told to answer, speaks recordings,
//! and keeps what it hears.

use std::io::{BufRead, BufReader, Write};
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};

use tempfile::TempDir;

use super::Asterisk;
use crate::lab::{Process, SIP_PORT, address, cache, lab_folder, skip, wait_until};
use crate::sound;

/// A running telephone.
pub struct Pjsua {
    process: Process,
    folder: TempDir,
    orders: ChildStdin,
    told: Arc<Mutex<Vec<String>>>,
    address: Ipv4Addr,
}

impl Pjsua {
    /// Starts one that is reached as `user` at its address, unregistered; `None` where pjsua2 isn't installed.
    pub fn at(user: &str) -> Option<Self> {
        Self::start(user, None)
    }

    /// Starts one that registers at Asterisk.
    pub fn registered(asterisk: &Asterisk, user: &str) -> Option<Self> {
        Self::registered_at(asterisk.address, user)
    }

    /// Starts one that registers at any server.
    pub fn registered_at(registrar: impl Into<IpAddr>, user: &str) -> Option<Self> {
        let pjsua = Self::start(user, Some(registrar.into()))?;
        pjsua.wait_told("registered 200", 5);
        Some(pjsua)
    }

    fn start(user: &str, registrar: Option<IpAddr>) -> Option<Self> {
        let python = cache().join("venv/bin/python");
        if !has_pjsua2(&python) {
            return skip("no pjsua2");
        }
        let folder = tempfile::tempdir().expect("a temporary folder");
        let address = address();
        let errors = std::fs::File::create(folder.path().join("errors")).expect("a file");
        let mut command = Command::new(python);
        command
            .arg(lab_folder().join("pjsua/telephone.py"))
            .args([&address.to_string(), &SIP_PORT.to_string(), user])
            .arg(folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(errors);
        if let Some(registrar) = registrar {
            command.args([format!("{registrar}:{SIP_PORT}"), format!("secret{user}")]);
        }
        let mut process = Process::start(&mut command);
        let (orders, output) = process.pipes();
        let told = Arc::new(Mutex::new(Vec::new()));
        let notes = Arc::clone(&told);
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                notes.lock().expect("whole").push(line);
            }
        });
        let pjsua = Self {
            process,
            folder,
            orders,
            told,
            address,
        };
        pjsua.wait_told("ready", 10);
        Some(pjsua)
    }

    /// What an account that calls it directly is told.
    pub fn uri(&self) -> String {
        format!("sip:{}:{SIP_PORT}", self.address)
    }

    /// Calls somebody.
    pub fn dial(&mut self, target: &str) {
        self.order(&format!("call {target}"));
    }

    /// Takes the call that it rings for.
    pub fn answer(&mut self) {
        self.order("answer");
    }

    /// Refuses the call that it rings for.
    pub fn refuse(&mut self, status: u16) {
        self.order(&format!("refuse {status}"));
    }

    /// Ends its call, or cancels it where it isn't answered yet.
    pub fn hang_up(&mut self) {
        self.order("hang-up");
    }

    /// Puts its call on hold.
    pub fn hold(&mut self) {
        self.order("hold");
    }

    /// Takes its call back.
    pub fn resume(&mut self) {
        self.order("resume");
    }

    /// Sends whom it talks to elsewhere (REFER).
    pub fn transfer(&mut self, target: &str) {
        self.order(&format!("transfer {target}"));
    }

    /// Presses keys.
    pub fn press(&mut self, keys: &str) {
        self.order(&format!("keys {keys}"));
    }

    /// Speaks.
    pub fn say(&mut self, samples: &[i16]) {
        let file = self.folder.path().join("mouth.wav");
        sound::write_wav(&file, samples);
        self.order(&format!("say {}", file.display()));
    }

    /// Waits until it has told of this.
    #[track_caller]
    pub fn wait_told(&self, line: &str, bound_s: u64) {
        wait_until(&format!("pjsua tells {line:?}"), bound_s, || {
            self.told.lock().expect("whole").iter().any(|told| told == line)
        });
    }

    /// Forgets what it has told.
    pub fn forget(&self) {
        self.told.lock().expect("whole").clear();
    }

    /// The keys that the other side has pressed.
    pub fn keys(&self) -> String {
        let told = self.told.lock().expect("whole");
        told.iter().filter_map(|line| line.strip_prefix("key ")).collect()
    }

    /// Ends it; what it has heard in all its calls.
    pub fn heard(mut self) -> Vec<i16> {
        self.order("quit");
        wait_until("pjsua ends", 10, || !self.process.is_running());
        sound::read_wav(&self.folder.path().join("heard.wav"))
    }

    fn order(&mut self, line: &str) {
        writeln!(self.orders, "{line}").expect("pjsua runs");
    }
}

impl Drop for Pjsua {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let read = |name| std::fs::read_to_string(self.folder.path().join(name)).unwrap_or_default();
            println!(
                "--- pjsua's log:\n{}\n{}\n{:?}",
                read("errors"),
                read("pjsua.log"),
                self.told
            );
        }
    }
}

fn has_pjsua2(python: &Path) -> bool {
    let import = Command::new(python)
        .args(["-c", "import pjsua2"])
        .stderr(Stdio::null())
        .status();
    import.is_ok_and(|status| status.success())
}
