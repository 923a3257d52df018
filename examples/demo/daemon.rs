//! The real program: started, followed, asked, and ended.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use serde_json::Value;
use tempfile::TempDir;
use tipring::call::record::CallRecord;

use crate::clock::Clock;

/// The kitchen's number.
pub const KITCHEN: &str = "21";

/// The hall's number.
pub const HALL: &str = "22";

/// `tipring run` on a configuration of its own.
pub struct Daemon {
    program: PathBuf,
    folder: TempDir,
    child: Child,
}

impl Daemon {
    /// Starts it: two lines that reach each other by number, no server, any free SIP port of loopback.
    pub fn start(country: &str) -> anyhow::Result<Self> {
        let program = program()?;
        let folder = tempfile::tempdir()?;
        let line = |name: &str, number: &str| {
            format!(
                "  - name: {name}\n    number: \"{number}\"\n    dial_plan: \"(2xS0)\"\n    \
                 interface: {{ driver: virtual, socket: {} }}\n",
                folder.path().join(name).display()
            )
        };
        let configuration = format!(
            "country: {country}\nsip: {{ bind: \"127.0.0.1:0\" }}\nlines:\n{}{}",
            line("kitchen", KITCHEN),
            line("hall", HALL)
        );
        std::fs::write(folder.path().join("tipring.yaml"), configuration)?;
        let log = std::fs::File::create(folder.path().join("log"))?;
        let child = Command::new(&program)
            .args(["run", "--config"])
            .arg(folder.path().join("tipring.yaml"))
            .arg("--state-dir")
            .arg(folder.path().join("state"))
            .env("TIPRING_SOCKET", folder.path().join("control"))
            .stderr(log)
            .spawn()
            .context("tipring cannot be started")?;
        let mut daemon = Self {
            program,
            folder,
            child,
        };
        daemon.wait_until_ready()?;
        Ok(daemon)
    }

    fn wait_until_ready(&mut self) -> anyhow::Result<()> {
        let deadline = Instant::now() + Duration::from_secs(5);
        while !self.folder.path().join("hall").exists() || !self.folder.path().join("control").exists() {
            if self.child.try_wait()?.is_some() || Instant::now() > deadline {
                let log = std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
                bail!("tipring doesn't start:\n{log}");
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(())
    }

    /// The socket a line's telephone is plugged into.
    pub fn socket(&self, line: &str) -> PathBuf {
        self.folder.path().join(line)
    }

    /// Follows `tipring events --json` from now on.
    pub fn follow_events(&self) -> anyhow::Result<Events> {
        let mut child = self.ask(&["events", "--json"]).stdout(Stdio::piped()).spawn()?;
        let output = child.stdout.take().context("no output")?;
        let reader =
            std::thread::spawn(move || BufReader::new(output).lines().map_while(Result::ok).collect());
        Ok(Events { child, reader })
    }

    /// `tipring calls --json`.
    pub fn records(&self) -> anyhow::Result<Vec<CallRecord>> {
        let answer = self.ask(&["calls", "--json"]).output()?;
        serde_json::from_slice(&answer.stdout).context("tipring calls gives no records")
    }

    /// SIGTERM. Whether it ended with status 0 within the 5 s it has.
    pub fn end(mut self) -> anyhow::Result<bool> {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.child.id())?);
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM)?;
        let deadline = Instant::now() + Duration::from_secs(5);
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait()? {
                return Ok(ExitStatus::success(&status));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(false)
    }

    fn ask(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(arguments)
            .arg("--socket")
            .arg(self.folder.path().join("control"));
        command
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A happening as the daemon told it.
pub struct Event {
    /// Milliseconds on the demonstration's clock.
    pub at_ms: f64,
    /// The line as it was printed.
    pub text: String,
    /// Its fields.
    pub fields: Value,
}

impl Event {
    /// A field of text; empty where it has none of that name.
    pub fn field(&self, name: &str) -> &str {
        self.fields[name].as_str().unwrap_or_default()
    }
}

/// A `tipring events` that runs. It ends with the daemon.
pub struct Events {
    child: Child,
    reader: JoinHandle<Vec<String>>,
}

impl Events {
    /// All that was told, once the daemon has ended.
    pub fn collect(mut self, clock: Clock) -> Vec<Event> {
        let lines = self.reader.join().unwrap_or_default();
        let _ = self.child.wait();
        lines
            .into_iter()
            .filter_map(|text| {
                let fields: Value = serde_json::from_str(&text).ok()?;
                Some(Event {
                    at_ms: clock.of_unix_ms(fields["time_ms"].as_f64()?),
                    text,
                    fields,
                })
            })
            .collect()
    }
}

/// Cargo puts examples into a folder beside the program.
fn program() -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe()?;
    let program = own
        .parent()
        .and_then(Path::parent)
        .map(|folder| folder.join("tipring"))
        .filter(|program| program.exists());
    program.context("the program isn't built yet: `make demo` builds it")
}
