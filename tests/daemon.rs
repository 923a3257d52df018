//! The real binary: started, asked, called through its virtual lines and real sockets, stopped.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::expect_used,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "tests run by the clock on real files and sockets, and end at the first surprise"
)]

use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const PROGRAM: &str = env!("CARGO_BIN_EXE_tipring");

/// Nothing here takes longer on a machine that isn't broken.
const PATIENCE: Duration = Duration::from_secs(20);

/// A daemon of its own directory; killed when dropped.
struct Daemon {
    process: Child,
    directory: tempfile::TempDir,
}

impl Daemon {
    /// Two lines, 11 and 12, on an address nobody else uses.
    fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(
            directory.path().join("tipring.yaml"),
            two_lines(directory.path(), "127.0.0.1:0"),
        )
        .unwrap();
        let process = daemon(directory.path()).spawn().unwrap();
        let daemon = Self { process, directory };
        let deadline = Instant::now() + PATIENCE;
        while !daemon.ask(&["status"]).status.success() {
            assert!(Instant::now() < deadline, "the daemon doesn't come up");
            std::thread::yield_now();
        }
        daemon
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn program(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        command
            .args(arguments)
            .env("TIPRING_SOCKET", self.path("control.sock"))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    fn ask(&self, arguments: &[&str]) -> Output {
        self.program(arguments).output().unwrap()
    }

    fn status(&self) -> serde_json::Value {
        let output = self.ask(&["status", "--json"]);
        assert!(output.status.success(), "{}", text(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.process.id().cast_signed()), signal).unwrap();
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn two_lines(directory: &Path, bind: &str) -> String {
    let socket = |name: &str| directory.join(name).display().to_string();
    format!(
        "country: us\nsip:\n  bind: {bind}\nlines:\n\
         - {{name: kitchen, number: \"11\", interface: {{driver: virtual, socket: {}}}}}\n\
         - {{name: office, number: \"12\", dial_plan: \"(1x)\", interface: {{driver: virtual, socket: {}}}}}\n",
        socket("kitchen.sock"),
        socket("office.sock"),
    )
}

fn daemon(directory: &Path) -> Command {
    let mut command = Command::new(PROGRAM);
    command
        .arg("run")
        .arg("--config")
        .arg(directory.join("tipring.yaml"))
        .arg("--state-dir")
        .arg(directory)
        .env("TIPRING_SOCKET", directory.join("control.sock"))
        .stderr(Stdio::piped());
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn it_comes_up_without_root_or_network_and_ends_politely() {
    let mut daemon = Daemon::start();
    let status = daemon.status();
    let names: Vec<&str> = status["lines"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| line["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["kitchen", "office"]);
    assert_eq!(status["lines"][0]["state"], "idle");
    assert_eq!(status["lines"][0]["hook"], "on");
    let asked = Instant::now();
    daemon.signal(Signal::SIGTERM);
    let ended = daemon.process.wait().unwrap();
    assert_eq!(ended.code(), Some(0));
    assert!(asked.elapsed() < Duration::from_secs(5));
    assert!(!daemon.path("control.sock").exists());
    assert!(!daemon.path("kitchen.sock").exists());
}

#[test]
fn lines_of_one_machine_talk_to_each_other() {
    let daemon = Daemon::start();
    let (from_kitchen, from_office) = (daemon.path("low.wav"), daemon.path("high.wav"));
    write_sine(&from_kitchen, 500.0);
    write_sine(&from_office, 900.0);
    let (at_kitchen, at_office) = (daemon.path("kitchen.wav"), daemon.path("office.wav"));
    let path = |path: &Path| path.display().to_string();
    let office = daemon
        .program(&[
            "phone",
            "office",
            "wait-ring",
            "off-hook",
            "wait",
            "1",
            "record",
            &path(&at_office),
            "play",
            &path(&from_office),
            "wait",
            "3",
            "on-hook",
            "wait",
            "1",
        ])
        .spawn()
        .unwrap();
    let kitchen = daemon.ask(&[
        "phone",
        "kitchen",
        "off-hook",
        "wait-tone",
        "dial",
        "dial",
        "12#",
        "record",
        &path(&at_kitchen),
        "wait",
        "3",
        "play",
        &path(&from_kitchen),
        "wait",
        "2",
        "on-hook",
        "wait",
        "1",
    ]);
    let office = office.wait_with_output().unwrap();
    assert!(
        kitchen.status.success(),
        "{}{}",
        text(&kitchen.stdout),
        text(&kitchen.stderr)
    );
    assert!(
        office.status.success(),
        "{}{}",
        text(&office.stdout),
        text(&office.stderr)
    );
    assert!(
        text(&kitchen.stdout).contains("tone dial"),
        "{}",
        text(&kitchen.stdout)
    );
    assert!(share_of(&at_office, 500.0) > 0.9, "office hears kitchen");
    assert!(share_of(&at_kitchen, 900.0) > 0.9, "kitchen hears office");
    let calls: serde_json::Value = serde_json::from_slice(&daemon.ask(&["calls", "--json"]).stdout).unwrap();
    assert_eq!(calls.as_array().unwrap().len(), 2, "{calls}");
    assert_eq!(calls[0]["lost_packets"], 0);
    let id = calls[0]["id"].as_str().unwrap();
    let shown = daemon.ask(&["call", "show", id]);
    assert!(text(&shown.stdout).contains("codec"), "{}", text(&shown.stdout));
}

#[test]
fn a_bad_configuration_is_refused_on_reload_and_the_running_one_stays() {
    let daemon = Daemon::start();
    let before = std::fs::read_to_string(daemon.path("tipring.yaml")).unwrap();
    std::fs::write(
        daemon.path("tipring.yaml"),
        before.replace("country: us", "contry: us"),
    )
    .unwrap();
    let refused = daemon.ask(&["reload"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        text(&refused.stderr).contains("country"),
        "{}",
        text(&refused.stderr)
    );
    assert_eq!(daemon.status()["lines"].as_array().unwrap().len(), 2);

    let shorter: Vec<&str> = before.lines().filter(|line| !line.contains("office")).collect();
    std::fs::write(daemon.path("tipring.yaml"), shorter.join("\n")).unwrap();
    let taken = daemon.ask(&["reload"]);
    assert!(taken.status.success(), "{}", text(&taken.stderr));
    assert_eq!(daemon.status()["lines"].as_array().unwrap().len(), 1);
    assert!(!daemon.path("office.sock").exists());
}

#[test]
fn a_port_in_use_is_named_with_its_holder() {
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(
        directory.path().join("tipring.yaml"),
        two_lines(directory.path(), &address),
    )
    .unwrap();
    let output = daemon(directory.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let complaint = text(&output.stderr);
    assert!(complaint.contains(&address), "{complaint}");
    assert!(complaint.contains(&std::process::id().to_string()), "{complaint}");
}

#[test]
fn a_wait_that_times_out_fails_the_script() {
    let daemon = Daemon::start();
    let output = daemon.ask(&["phone", "kitchen", "--timeout", "0.2", "wait-ring"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stderr).contains("doesn't ring"),
        "{}",
        text(&output.stderr)
    );
}

#[test]
fn a_second_telephone_is_turned_away() {
    let daemon = Daemon::start();
    let socket = daemon.path("kitchen.sock");
    let mut first = std::os::unix::net::UnixStream::connect(&socket).unwrap();
    let mut state = [0; 8];
    std::io::Read::read_exact(&mut first, &mut state).unwrap();
    assert_eq!(state, *b"B\x01\0\x01P\x01\0\0", "battery and polarity come first");
    let mut second = std::os::unix::net::UnixStream::connect(&socket).unwrap();
    let mut nothing = Vec::new();
    std::io::Read::read_to_end(&mut second, &mut nothing).unwrap();
    assert_eq!(nothing, b"");
}

/// One second and a half of a sine at -10 dBm0.
fn write_sine(path: &Path, hz: f32) {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: 8000,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut file = hound::WavWriter::create(path, spec).unwrap();
    for index in 0..12_000 {
        let phase = 2.0 * std::f32::consts::PI * hz * index as f32 / 8000.0;
        file.write_sample((7218.0 * phase.sin()) as i16).unwrap();
    }
    file.finalize().unwrap();
}

/// The frequency's share of a recording's power (Goertzel over 50 ms, the best piece of it).
fn share_of(path: &Path, hz: f32) -> f32 {
    let samples: Vec<f32> = hound::WavReader::open(path)
        .unwrap()
        .samples::<i16>()
        .map(|sample| f32::from(sample.unwrap()))
        .collect();
    samples
        .chunks_exact(400)
        .filter(|piece| piece.iter().map(|sample| sample * sample).sum::<f32>() > 400.0 * 1000.0 * 1000.0)
        .map(|piece| {
            let turn = 2.0 * (2.0 * std::f32::consts::PI * hz / 8000.0).cos();
            let (mut one, mut two) = (0.0_f32, 0.0_f32);
            for sample in piece {
                (one, two) = (sample + turn * one - two, one);
            }
            let power: f32 = piece.iter().map(|sample| sample * sample).sum();
            2.0 * (one * one + two * two - turn * one * two) / (400.0 * power)
        })
        .fold(0.0, f32::max)
}
