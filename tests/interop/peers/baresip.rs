//! baresip, a telephone of somebody else's making: it answers at once, and sounds a tone for as long as the call
//! lasts. Driven through its control socket (netstrings of JSON).

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::Asterisk;
use crate::lab::{Process, SIP_PORT, address, find_program, lab_folder, skip, wait_until};
use crate::sound;

/// The tone that it says.
pub const SAYS_HZ: f32 = 1000.0;

const CONTROL_PORT: u16 = 4444;

/// A running baresip.
pub struct Baresip {
    process: Process,
    folder: TempDir,
    control: TcpStream,
    received: Vec<u8>,
    address: Ipv4Addr,
}

impl Baresip {
    /// Starts one that is reached as `user` at its address, unregistered; `None` where it isn't installed.
    pub fn at(user: &str) -> Option<Self> {
        Self::start(address(), |address| format!("<sip:{user}@{address}>;regint=0"))
    }

    /// The same at an address of the test's own, with ICE.
    pub fn with_ice(user: &str, address: Ipv4Addr) -> Option<Self> {
        Self::start(address, |address| {
            format!("<sip:{user}@{address}>;regint=0;medianat=ice")
        })
    }

    /// The same with `mediaenc` of its account set.
    pub fn encrypting(user: &str, mode: &str) -> Option<Self> {
        Self::start(address(), |address| {
            format!("<sip:{user}@{address}>;regint=0;mediaenc={mode}")
        })
    }

    /// Starts one that registers at Asterisk.
    pub fn registered(asterisk: &Asterisk, user: &str) -> Option<Self> {
        let server = asterisk.address;
        let baresip = Self::start(address(), |_| {
            format!("<sip:{user}@{server}>;auth_user={user};auth_pass=secret{user};regint=60")
        })?;
        wait_until("baresip is registered", 5, || asterisk.has_contact(user));
        Some(baresip)
    }

    fn start(address: Ipv4Addr, account: impl FnOnce(Ipv4Addr) -> String) -> Option<Self> {
        let modules = modules();
        let (Some(program), Some(modules)) = (find_program("baresip"), modules) else {
            return skip("no baresip");
        };
        let folder = tempfile::tempdir().expect("a temporary folder");
        let config = std::fs::read_to_string(lab_folder().join("baresip/config")).expect("its configuration");
        let config = config
            .replace("@ADDRESS@", &address.to_string())
            .replace("@SIP_PORT@", &SIP_PORT.to_string())
            .replace("@RUN@", folder.path().to_str().expect("a path of UTF-8"))
            .replace("@CONTROL_PORT@", &CONTROL_PORT.to_string())
            .replace("@MODULES@", modules.to_str().expect("a path of UTF-8"));
        std::fs::write(folder.path().join("config"), config).expect("written");
        sound::write_wav(&folder.path().join("mouth.wav"), &sound::sine(SAYS_HZ, 60_000));
        let account = account(address) + ";answermode=auto;audio_codecs=PCMA/8000/1;ptime=20\n";
        std::fs::write(folder.path().join("accounts"), account).expect("written");
        let log = std::fs::File::create(folder.path().join("log")).expect("a file");
        let errors = log.try_clone().expect("a file");
        let process = Process::start(
            Command::new(program)
                .args(["-s", "-f"])
                .arg(folder.path())
                .stdin(Stdio::null())
                .stdout(log)
                .stderr(errors),
        );
        let mut control = None;
        wait_until("baresip is up", 10, || {
            control = TcpStream::connect((address, CONTROL_PORT)).ok();
            control.is_some()
        });
        let control = control.expect("waited for");
        control
            .set_read_timeout(Some(Duration::from_millis(10)))
            .expect("a timeout can be set");
        Some(Self {
            process,
            folder,
            control,
            received: Vec::new(),
            address,
        })
    }

    /// What an account that calls it directly is told.
    pub fn uri(&self) -> String {
        format!("sip:{}:{SIP_PORT}", self.address)
    }

    /// Calls somebody.
    pub fn dial(&mut self, target: &str) {
        self.command("dial", target);
    }

    /// Ends its call.
    pub fn hang_up(&mut self) {
        self.command("hangup", "");
    }

    /// Puts its call on hold.
    pub fn hold(&mut self) {
        self.command("hold", "");
    }

    /// Takes its call back.
    pub fn resume(&mut self) {
        self.command("resume", "");
    }

    /// Waits until it tells of this.
    #[track_caller]
    pub fn wait_event(&mut self, kind: &str, bound_s: u64) {
        wait_until(&format!("baresip tells of {kind}"), bound_s, || {
            self.message().is_some_and(|message| message["type"] == kind)
        });
    }

    /// All that it has heard in calls that are over.
    pub fn heard(&self) -> Vec<i16> {
        let files = std::fs::read_dir(self.folder.path()).expect("its folder");
        files
            .flatten()
            .filter(|file| file.file_name().to_string_lossy().ends_with("-dec.wav"))
            .flat_map(|file| sound::read_wav(&file.path()))
            .collect()
    }

    fn command(&mut self, command: &str, parameters: &str) {
        let text = json!({"command": command, "params": parameters}).to_string();
        let netstring = format!("{}:{text},", text.len());
        self.control
            .write_all(netstring.as_bytes())
            .expect("baresip listens");
    }

    /// The next event or answer, if there is one.
    fn message(&mut self) -> Option<Value> {
        let mut bytes = [0; 4096];
        match self.control.read(&mut bytes) {
            Ok(length) => self.received.extend_from_slice(&bytes[..length]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(error) => panic!("baresip is gone: {error}"),
        }
        let colon = self.received.iter().position(|byte| *byte == b':')?;
        let length: usize = std::str::from_utf8(&self.received[..colon])
            .ok()
            .and_then(|text| text.parse().ok())
            .expect("a netstring");
        let end = colon + 1 + length;
        if self.received.len() <= end {
            return None;
        }
        let message = serde_json::from_slice(&self.received[colon + 1..end]).expect("JSON");
        self.received.drain(..=end);
        Some(message)
    }
}

impl Drop for Baresip {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            println!(
                "--- baresip's log (running: {}):\n{log}",
                self.process.is_running()
            );
        }
    }
}

/// Where its modules are: Debian has moved them.
fn modules() -> Option<PathBuf> {
    let triplets = std::fs::read_dir("/usr/lib").ok()?;
    triplets
        .flatten()
        .map(|folder| folder.path().join("baresip/modules"))
        .chain([Path::new("/usr/lib/baresip/modules").to_owned()])
        .find(|folder| folder.join("aubridge.so").exists())
}
