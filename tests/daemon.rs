//! The real binary: started, asked, called through its virtual lines and real sockets, stopped.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "tests run by the clock on real files and sockets, and end at the first surprise"
)]

mod binary;

use std::net::UdpSocket;
use std::path::Path;
use std::time::Duration;

use binary::telephone::{level_dbm0, sine};
use binary::{Daemon, Directory, assert_success, assert_wav, json, text, two_lines, write_wav};

#[test]
fn it_comes_up_without_root_or_network_and_ends_politely() {
    let mut daemon = Daemon::start(&two_lines());
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
    let (ended, took) = daemon.terminate();
    assert_eq!(ended.code(), Some(0));
    assert!(took < Duration::from_secs(5), "{took:?}");
    assert!(!daemon.path("control.sock").exists());
    assert!(!daemon.path("kitchen.sock").exists());
}

#[test]
fn lines_of_one_machine_talk_to_each_other() {
    let daemon = Daemon::start(&two_lines());
    let path = |name: &str| daemon.directory().name(name);
    write_wav(&path("low.wav"), &sine(500.0, 1500));
    write_wav(&path("high.wav"), &sine(900.0, 1500));
    let (at_kitchen, at_office) = (path("kitchen.wav"), path("office.wav"));
    let office = daemon
        .directory()
        .program(&[
            "phone",
            "office",
            "wait-ring",
            "off-hook",
            "wait",
            "0.5",
            "record",
            &at_office,
            "play",
            &path("high.wav"),
            "wait",
            "2",
            "on-hook",
            "wait",
            "0.5",
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
        &at_kitchen,
        "wait",
        "2",
        "play",
        &path("low.wav"),
        "wait",
        "1.7",
        "on-hook",
        "wait",
        "0.5",
    ]);
    let office = office.wait_with_output().unwrap();
    assert_success(&kitchen);
    assert_success(&office);
    assert!(
        text(&kitchen.stdout).contains("tone dial"),
        "{}",
        text(&kitchen.stdout)
    );
    // Each at -10 dBm0 as it was spoken.
    let (low, high) = (
        loudest_dbm0(Path::new(&at_office), 500.0),
        loudest_dbm0(Path::new(&at_kitchen), 900.0),
    );
    assert!((-11.0..-9.0).contains(&low), "office hears kitchen: {low} dBm0");
    assert!((-11.0..-9.0).contains(&high), "kitchen hears office: {high} dBm0");
    let calls = json(&daemon.ask(&["calls", "--json"]));
    assert_eq!(calls.as_array().unwrap().len(), 2, "{calls}");
    assert_eq!(calls[0]["lost_packets"], 0);
    let id = calls[0]["id"].as_str().unwrap();
    let shown = daemon.ask(&["call", "show", id]);
    assert!(text(&shown.stdout).contains("codec"), "{}", text(&shown.stdout));
}

#[test]
fn a_line_taken_out_of_the_configuration_takes_its_socket_along() {
    let daemon = Daemon::start(&two_lines());
    let shorter: Vec<String> = two_lines()
        .lines()
        .filter(|line| !line.contains("office"))
        .map(str::to_owned)
        .collect();
    daemon.directory().configure(&shorter.join("\n"));
    let taken = daemon.ask(&["reload"]);
    assert!(taken.status.success(), "{}", text(&taken.stderr));
    assert_eq!(daemon.status()["lines"].as_array().unwrap().len(), 1);
    assert!(!daemon.path("office.sock").exists());
    assert!(daemon.path("kitchen.sock").exists());
}

#[test]
fn a_port_in_use_is_named_with_its_holder() {
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let directory = Directory::new(&two_lines().replace("127.0.0.1:0", &address));
    let output = directory.daemon().output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let complaint = text(&output.stderr);
    assert!(complaint.contains(&address), "{complaint}");
    assert!(complaint.contains(&std::process::id().to_string()), "{complaint}");
}

#[test]
fn a_wait_that_times_out_fails_the_script() {
    let daemon = Daemon::start(&two_lines());
    let output = daemon.ask(&["phone", "kitchen", "--timeout", "0.2", "wait-ring"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stderr).contains("doesn't ring"),
        "{}",
        text(&output.stderr)
    );
}

/// The frequency's level in the loudest 50 ms of a recording.
fn loudest_dbm0(path: &Path, hz: f32) -> f32 {
    let samples = assert_wav(path);
    let pieces = samples.chunks_exact(400);
    pieces.map(|piece| level_dbm0(piece, hz)).fold(f32::MIN, f32::max)
}
