//! The real program with a configuration of the test's, and what its own commands say of it.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::home::{HOME, Home};
use crate::lab::{Process, SIP_PORT, address, wait_until};
use crate::telephone::Telephone;

/// All tones of Ukraine are of this frequency.
pub const DIAL_TONE_HZ: f32 = 425.0;

/// What the program is told of the account; the rest is the same in every test.
pub struct Account {
    /// Registrar and proxy.
    pub server: String,
    pub username: &'static str,
    pub password: &'static str,
    pub register: bool,
    pub expires_s: u32,
    /// More keys of the account, `key: value` separated by `, `.
    pub keys: &'static str,
}

impl Account {
    /// 6001 with its right password.
    pub fn line_one(server: impl Into<String>) -> Self {
        Self {
            server: server.into(),
            username: "6001",
            password: "secret6001",
            register: true,
            expires_s: 60,
            keys: "",
        }
    }
}

/// Where it runs.
struct Place {
    program: Command,
    address: Ipv4Addr,
    /// `sip.bind`.
    bind: String,
}

impl Place {
    fn at(address: Ipv4Addr) -> Self {
        Self {
            program: Command::new(env!("CARGO_BIN_EXE_tipring")),
            address,
            bind: format!("{address}:{SIP_PORT}"),
        }
    }
}

/// More of its configuration.
#[derive(Default)]
struct Keys<'a> {
    sip: &'a str,
    nat: &'a str,
    sections: &'a str,
}

/// The running program, with one line called kitchen.
pub struct Tipring {
    process: Process,
    folder: TempDir,
    pub address: Ipv4Addr,
}

impl Tipring {
    pub fn start(account: &Account) -> Self {
        Self::start_with(account, "")
    }

    /// Starts it, with more keys for the line, `key: value` separated by `, `.
    pub fn start_with(account: &Account, line_keys: &str) -> Self {
        let address = address();
        let place = Place::at(address);
        Self::start_configured(account, line_keys, place, Keys::default())
    }

    /// Starts it in a home behind a router, with these keys in the section `nat`.
    pub fn start_at_home(home: &Home, account: &Account, nat_keys: &str) -> Self {
        Self::start_at_home_with(home, account, nat_keys, "")
    }

    /// The same, with more keys for SIP.
    pub fn start_at_home_with(home: &Home, account: &Account, nat: &str, sip: &str) -> Self {
        let place = Place {
            program: home.command(env!("CARGO_BIN_EXE_tipring")),
            ..Place::at(HOME)
        };
        let keys = Keys {
            nat,
            sip,
            ..Keys::default()
        };
        Self::start_configured(account, "", place, keys)
    }

    /// Starts it, with more keys for SIP and more sections.
    pub fn start_with_sections(account: &Account, sip: &str, sections: &str) -> Self {
        let keys = Keys {
            sip,
            sections,
            ..Keys::default()
        };
        Self::start_configured(account, "", Place::at(address()), keys)
    }

    /// Starts it bound to another address than one of its own.
    pub fn start_at(bind: &str, account: &Account) -> Self {
        let place = Place {
            bind: bind.to_owned(),
            ..Place::at(Ipv4Addr::UNSPECIFIED)
        };
        Self::start_configured(account, "", place, Keys::default())
    }

    fn start_configured(account: &Account, line_keys: &str, place: Place, keys_of: Keys<'_>) -> Self {
        let Place {
            mut program,
            address,
            bind,
        } = place;
        let Keys {
            sip: sip_keys,
            nat: nat_keys,
            sections,
        } = keys_of;
        let folder = tempfile::tempdir().expect("a temporary folder");
        let socket = folder.path().join("kitchen.sock");
        // Each peer of these tests has an address of its own, and some call without being anybody's server.
        let config = format!(
            "country: ua\n\
             sip: {{ bind: \"{bind}\", accept_from: [127.0.0.0/8], {sip_keys} }}\n{sections}\
             control: {{ socket: {control:?} }}\n\
             nat: {{ {nat_keys} }}\n\
             accounts:\n  office: {{ server: {server:?}, username: {username:?}, password: {password:?}, \
             register: {register}, expires_s: {expires_s}, {keys} }}\n\
             lines:\n  - {{ name: kitchen, account: office, echo_canceller: false, dial_plan: \"(xxx|xxxx)\", \
             interdigit_short_s: 1, {line_keys} interface: {{ driver: virtual, socket: {socket:?} }} }}\n",
            control = control_socket(folder.path()),
            server = account.server,
            username = account.username,
            password = account.password,
            register = account.register,
            expires_s = account.expires_s,
            keys = account.keys,
        );
        std::fs::write(folder.path().join("tipring.yaml"), config).expect("written");
        let log = std::fs::File::create(folder.path().join("log")).expect("a file");
        let process = Process::start(
            program
                .arg("run")
                .arg("--config")
                .arg(folder.path().join("tipring.yaml"))
                .arg("--state-dir")
                .arg(folder.path().join("state"))
                .stderr(log),
        );
        Self {
            process,
            folder,
            address,
        }
    }

    /// Starts it, and waits until it is registered.
    pub fn registered(account: &Account) -> Self {
        let tipring = Self::start(account);
        tipring.wait_account("registered", 5);
        tipring
    }

    /// A telephone in the kitchen.
    pub fn telephone(&self) -> Telephone {
        Telephone::plug_in(&self.socket())
    }

    /// The socket that a telephone plugs into.
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("kitchen.sock")
    }

    /// `tipring status --json`; nothing while it isn't up yet.
    pub fn status(&self) -> Value {
        self.ask(&["status", "--json"])
    }

    pub fn account_state(&self) -> String {
        word(&self.status()["accounts"][0]["state"])
    }

    pub fn line_state(&self) -> String {
        word(&self.status()["lines"][0]["state"])
    }

    #[track_caller]
    pub fn wait_account(&self, state: &str, bound_s: u64) {
        wait_until(&format!("the account is {state}"), bound_s, || {
            self.account_state() == state
        });
    }

    #[track_caller]
    pub fn wait_line(&self, state: &str, bound_s: u64) {
        wait_until(&format!("the line is {state}"), bound_s, || {
            self.line_state() == state
        });
    }

    /// The calls that are over, oldest first.
    pub fn calls(&self) -> Vec<Value> {
        self.ask(&["calls", "--json"])
            .as_array()
            .cloned()
            .unwrap_or_default()
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    #[track_caller]
    pub fn wait_log(&self, text: &str, bound_s: u64) {
        wait_until(&format!("the log says {text:?}"), bound_s, || {
            self.log().contains(text)
        });
    }

    /// A folder for the test's own files.
    pub fn folder(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    /// Ends it politely.
    pub fn stop(&mut self) {
        self.process.stop();
    }

    fn ask(&self, words: &[&str]) -> Value {
        let output = Command::new(env!("CARGO_BIN_EXE_tipring"))
            .args(words)
            .arg("--socket")
            .arg(control_socket(self.folder.path()))
            .output()
            .expect("tipring starts");
        serde_json::from_slice(&output.stdout).unwrap_or(Value::Null)
    }
}

impl Drop for Tipring {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!(
                "--- the program's log:\n{}\n--- its status: {}",
                self.log(),
                self.status()
            );
        }
    }
}

fn control_socket(folder: &Path) -> PathBuf {
    folder.join("control.sock")
}

fn word(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
