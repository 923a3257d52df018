//! What the tests of the real binary share: a daemon in a directory of its own, a telephone on its virtual line by
//! raw bytes, a SIP server on a real socket.

#![allow(dead_code, reason = "each test file uses its own part")]

pub mod server;
pub mod telephone;

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_tipring");

/// Nothing here takes longer on a machine that isn't broken.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// What no output may ever show.
pub const PASSWORD: &str = "xyzzy-tr0mbone-plugh";

/// A running `tipring run`; killed when dropped.
pub struct Daemon {
    process: Child,
    log: Arc<Mutex<String>>,
    directory: Directory,
}

/// A directory with a configuration and everything a daemon makes.
pub struct Directory(tempfile::TempDir);

impl Directory {
    /// With this configuration; `{dir}` in it becomes the directory.
    pub fn new(configuration: &str) -> Self {
        let directory = Self(tempfile::tempdir().unwrap());
        directory.configure(configuration);
        directory
    }

    pub fn configure(&self, configuration: &str) {
        let text = configuration.replace("{dir}", &self.0.path().display().to_string());
        std::fs::write(self.path("tipring.yaml"), text).unwrap();
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// `path` as an argument.
    pub fn name(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// `tipring` with these arguments, asking this directory's daemon.
    pub fn program(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        command
            .args(arguments)
            .env("TIPRING_SOCKET", self.path("control.sock"))
            .env("TIPRING_LOG", "trace")
            .env_remove("NOTIFY_SOCKET")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    pub fn ask(&self, arguments: &[&str]) -> Output {
        self.program(arguments).output().unwrap()
    }

    /// The daemon's command.
    pub fn daemon(&self) -> Command {
        self.program(&[
            "run",
            "--config",
            &self.name("tipring.yaml"),
            "--state-dir",
            &self.name("state"),
        ])
    }
}

impl Daemon {
    pub fn start(configuration: &str) -> Self {
        Self::start_in(Directory::new(configuration))
    }

    pub fn start_in(directory: Directory) -> Self {
        let command = directory.daemon();
        Self::spawn(directory, command)
    }

    /// Starts `command` and waits until it is ready.
    pub fn spawn(directory: Directory, mut command: Command) -> Self {
        let mut process = command.spawn().unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        for mut pipe in [
            process
                .stderr
                .take()
                .map(|pipe| Box::new(pipe) as Box<dyn Read + Send>),
            process
                .stdout
                .take()
                .map(|pipe| Box::new(pipe) as Box<dyn Read + Send>),
        ]
        .into_iter()
        .flatten()
        {
            let log = Arc::clone(&log);
            std::thread::spawn(move || {
                let mut chunk = [0; 4096];
                while let Ok(length @ 1..) = pipe.read(&mut chunk) {
                    log.lock()
                        .unwrap()
                        .push_str(&String::from_utf8_lossy(&chunk[..length]));
                }
            });
        }
        let mut daemon = Self {
            process,
            log,
            directory,
        };
        let deadline = Instant::now() + PATIENCE;
        while !daemon.log().contains("ready sip=") {
            let ended = daemon.process.try_wait().unwrap();
            assert!(
                ended.is_none() && Instant::now() < deadline,
                "the daemon doesn't come up ({ended:?}):\n{}",
                daemon.log()
            );
            std::thread::sleep(Duration::from_millis(2));
        }
        daemon
    }

    pub fn directory(&self) -> &Directory {
        &self.directory
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path(name)
    }

    pub fn ask(&self, arguments: &[&str]) -> Output {
        self.directory.ask(arguments)
    }

    /// The log so far.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Lines of the log that contain `text`.
    pub fn log_lines(&self, text: &str) -> usize {
        self.log().lines().filter(|line| line.contains(text)).count()
    }

    pub fn status(&self) -> serde_json::Value {
        json(&self.ask(&["status", "--json"]))
    }

    /// State of the line of that place in the configuration.
    pub fn line_state(&self, index: usize) -> String {
        self.status()["lines"][index]["state"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    pub fn wait_line(&self, index: usize, state: &str) {
        wait(&format!("line {index} {state}"), || {
            self.line_state(index) == state
        });
    }

    /// Where its SIP socket is.
    pub fn sip(&self) -> std::net::SocketAddr {
        let log = self.log();
        let rest = &log[log.find("ready sip=").unwrap() + "ready sip=".len()..];
        rest.split_whitespace().next().unwrap().parse().unwrap()
    }

    pub fn pid(&self) -> Pid {
        Pid::from_raw(self.process.id().cast_signed())
    }

    pub fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).unwrap();
    }

    pub fn is_running(&mut self) -> bool {
        self.process.try_wait().unwrap().is_none()
    }

    /// SIGTERM; how it ended and how long that took.
    pub fn terminate(&mut self) -> (ExitStatus, Duration) {
        let asked = Instant::now();
        self.signal(Signal::SIGTERM);
        (self.process.wait().unwrap(), asked.elapsed())
    }

    /// Processor time used so far.
    pub fn cpu(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap();
        let fields: Vec<&str> = stat[stat.rfind(')').unwrap()..].split_whitespace().collect();
        let ticks: u64 = fields[12].parse::<u64>().unwrap() + fields[13].parse::<u64>().unwrap();
        // USER_HZ is 100 on every architecture that Linux still runs on.
        Duration::from_millis(10 * ticks)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        if std::thread::panicking() {
            eprintln!("--- the daemon's log ---\n{}", tail(&self.log()));
        }
    }
}

fn tail(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(60)..].join("\n")
}

/// Waits for something, with a bound.
#[track_caller]
pub fn wait(what: &str, mut reached: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !reached() {
        assert!(Instant::now() < deadline, "waiting in vain: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// It ended well, or what it said is shown.
#[track_caller]
pub fn assert_success(output: &Output) {
    let (said, complained) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{said}{complained}");
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[track_caller]
pub fn json(output: &Output) -> serde_json::Value {
    assert!(output.status.success(), "{}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Two lines without accounts: kitchen 11 and office 12.
pub fn two_lines() -> String {
    "country: us\nsip: {bind: \"127.0.0.1:0\"}\nlines:\n\
     - {name: kitchen, number: \"11\", dial_plan: \"(1xS0)\", interface: {driver: virtual, socket: {dir}/kitchen.sock}}\n\
     - {name: office, number: \"12\", dial_plan: \"(1xS0)\", interface: {driver: virtual, socket: {dir}/office.sock}}\n"
        .to_owned()
}

/// One line on an account at `server`.
pub fn one_account(server: std::net::SocketAddr, register: bool) -> String {
    format!(
        "country: us\nsip: {{bind: \"127.0.0.1:0\"}}\naccounts:\n  \
         pbx: {{server: \"sip:{server}\", username: \"6001\", password: \"{PASSWORD}\", register: {register}}}\n\
         lines:\n- {{name: kitchen, account: pbx, number: \"11\", dial_plan: \"(6xxS0|1xS0)\", echo_canceller: false, \
         interface: {{driver: virtual, socket: {{dir}}/kitchen.sock}}}}\n"
    )
}

/// The WAV files that commands write: 8000 Hz, 16 bit, mono.
pub fn assert_wav(path: &Path) -> Vec<i16> {
    let mut reader = hound::WavReader::open(path).unwrap();
    let spec = reader.spec();
    assert_eq!(
        (spec.sample_rate, spec.bits_per_sample, spec.channels),
        (8000, 16, 1),
        "{}",
        path.display()
    );
    reader.samples::<i16>().map(Result::unwrap).collect()
}

/// The WAV files that commands read: 8000 Hz, 16 bit, mono.
pub fn write_wav(path: &str, samples: &[i16]) {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: 8000,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut file = hound::WavWriter::create(path, spec).unwrap();
    for sample in samples {
        file.write_sample(*sample).unwrap();
    }
    file.finalize().unwrap();
}
