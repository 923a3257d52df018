//! The real binary with hardware that isn't there: it starts all the same, the line says what is wrong, the others
//! serve.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test in real time; what it stands on and doesn't get shall stop it"
)]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

const PROGRAM: &str = env!("CARGO_BIN_EXE_tipring");

/// Nothing here takes longer on a machine that isn't broken.
const PATIENCE: Duration = Duration::from_secs(20);

/// A daemon of its own directory; killed when dropped.
struct Daemon {
    process: Child,
    directory: tempfile::TempDir,
}

impl Daemon {
    fn start(configuration: impl FnOnce(&Path) -> String) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("tipring.yaml");
        std::fs::write(&file, configuration(directory.path())).unwrap();
        let process = Command::new(PROGRAM)
            .args(["run", "--config"])
            .arg(&file)
            .arg("--state-dir")
            .arg(directory.path())
            .env("TIPRING_SOCKET", directory.path().join("control.sock"))
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let daemon = Self { process, directory };
        wait_for("the daemon", || daemon.ask(&["status"]).status.success());
        daemon
    }

    fn ask(&self, arguments: &[&str]) -> Output {
        Command::new(PROGRAM)
            .args(arguments)
            .env("TIPRING_SOCKET", self.directory.path().join("control.sock"))
            .output()
            .unwrap()
    }

    /// Of all lines.
    fn lines(&self) -> Vec<Value> {
        let status: Value = serde_json::from_slice(&self.ask(&["status", "--json"]).stdout).unwrap();
        status["lines"].as_array().unwrap().clone()
    }

    fn reload(&self, configuration: &str) -> Output {
        std::fs::write(self.directory.path().join("tipring.yaml"), configuration).unwrap();
        self.ask(&["reload"])
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn wait_for(what: &str, so: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !so() {
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::yield_now();
    }
}

/// The example, on a chip that no machine has, an account that needs no file, and a port of its own.
fn example() -> String {
    let mut text = std::fs::read_to_string(example_file()).unwrap();
    for (from, to) in [
        ("gpiochip: gpiochip0", "gpiochip: gpiochip-of-nobody"),
        ("password_file: /etc/tipring/office.password", "register: false"),
        ("country: ua\n", "country: ua\nsip: {bind: \"127.0.0.1:0\"}\n"),
    ] {
        assert!(text.contains(from), "the example has `{from}`");
        text = text.replace(from, to);
    }
    text
}

fn example_file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("configs/gpio-module.yaml")
}

/// The example's line, and a kitchen in software.
fn hall_and_kitchen(directory: &Path) -> String {
    let socket = directory.join("kitchen.sock");
    format!(
        "{}  - {{name: kitchen, number: \"11\", interface: {{driver: virtual, socket: {}}}}}\n",
        example(),
        socket.display()
    )
}

#[test]
fn the_example_is_valid_wherever_it_is_read() {
    let output = Command::new(PROGRAM)
        .arg("check")
        .arg(example_file())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
}

#[test]
fn a_line_without_its_chip_is_faulted_with_the_reason_and_the_others_serve() {
    let mut daemon = Daemon::start(hall_and_kitchen);
    let lines = daemon.lines();
    assert_eq!(lines[0]["name"], "hall");
    assert_eq!(lines[0]["state"], "faulted");
    let fault = lines[0]["fault"].as_str().unwrap();
    assert!(
        fault.starts_with("there is no GPIO chip gpiochip-of-nobody: "),
        "{fault}"
    );
    assert_eq!(
        (&lines[1]["state"], &lines[1]["fault"]),
        (&"idle".into(), &Value::Null)
    );
    let status = daemon.ask(&["status"]).stdout;
    let status = String::from_utf8_lossy(&status);
    assert!(status.contains("gpiochip-of-nobody"), "{status}");

    // Lifting the other line's receiver gives dial tone.
    let phone = daemon.ask(&["phone", "kitchen", "off-hook", "wait", "0.5", "on-hook"]);
    assert!(
        phone.status.success(),
        "{}",
        String::from_utf8_lossy(&phone.stderr)
    );

    let asked = Instant::now();
    kill(Pid::from_raw(daemon.process.id().cast_signed()), Signal::SIGTERM).unwrap();
    assert_eq!(daemon.process.wait().unwrap().code(), Some(0));
    assert!(asked.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_device_that_is_no_chip_is_named() {
    let daemon = Daemon::start(|_| example().replace("gpiochip-of-nobody", "/dev/null"));
    let fault = daemon.lines()[0]["fault"].clone();
    assert!(fault.as_str().unwrap().starts_with("/dev/null: "), "{fault}");
}

#[test]
fn another_configuration_takes_a_faulted_line_out_or_brings_one_in() {
    let daemon = Daemon::start(hall_and_kitchen);
    let software = |name: &str| {
        let socket = daemon.directory.path().join(format!("{name}.sock"));
        format!(
            "- {{name: {name}, number: \"12\", interface: {{driver: virtual, socket: {}}}}}\n",
            socket.display()
        )
    };
    let head = "country: ua\nsip: {bind: \"127.0.0.1:0\"}\nlines:\n";
    let reloaded = daemon.reload(&format!("{head}{}", software("hall")));
    assert!(
        reloaded.status.success(),
        "{}",
        String::from_utf8_lossy(&reloaded.stderr)
    );
    let lines = daemon.lines();
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0]["state"], "idle", "the hall is a line in software now");

    assert!(daemon.reload(&example()).status.success());
    let lines = daemon.lines();
    assert_eq!(
        (&lines[0]["name"], &lines[0]["state"]),
        (&"hall".into(), &"faulted".into())
    );
}
