//! Subcommands that need no daemon, by the real binary.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::expect_used,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "tests run by the clock on real files and sockets, and end at the first surprise"
)]

use std::path::Path;
use std::process::{Command, Output};

fn tipring(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tipring"))
        .args(arguments)
        .env("TIPRING_SOCKET", "/nonexistent/control.sock")
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn path(directory: &Path, name: &str) -> String {
    directory.join(name).display().to_string()
}

#[test]
fn every_command_explains_itself() {
    for command in [
        "run",
        "check",
        "schema",
        "status",
        "events",
        "reload",
        "calls",
        "call show",
        "dial explain",
        "phone",
        "tool dtmf",
        "tool tone",
        "tool callerid",
    ] {
        let words: Vec<&str> = command.split(' ').chain(["--help"]).collect();
        let output = tipring(&words);
        assert_eq!(output.status.code(), Some(0), "{command}");
        assert!(text(&output.stdout).contains("Usage:"), "{command}");
        assert!(output.stderr.is_empty(), "{command}");
    }
}

#[test]
fn unusable_arguments_are_2_and_a_missing_daemon_is_1() {
    assert_eq!(tipring(&["frobnicate"]).status.code(), Some(2));
    assert_eq!(tipring(&["check", "a", "b"]).status.code(), Some(2));
    let output = tipring(&["status"]);
    assert_eq!(output.status.code(), Some(1));
    let complaint = text(&output.stderr);
    assert!(complaint.contains("/nonexistent/control.sock"), "{complaint}");
    assert_eq!(complaint.lines().count(), 1, "{complaint}");
}

#[test]
fn check_finds_every_problem_with_its_place() {
    let directory = tempfile::tempdir().unwrap();
    let file = path(directory.path(), "tipring.yaml");
    std::fs::write(
        &file,
        "country: us\nsipp:\n  bind: 0.0.0.0:5060\nlines:\n  - nam: kitchen\n",
    )
    .unwrap();
    let output = tipring(&["check", &file]);
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stdout);
    assert!(said.contains(&format!("{file}:2:1: error: ")), "{said}");
    assert!(said.contains(&format!("{file}:5:5: error: ")), "{said}");
}

#[test]
fn schema_is_json_with_descriptions() {
    let schema: serde_json::Value = serde_json::from_slice(&tipring(&["schema"]).stdout).unwrap();
    assert!(schema["properties"]["lines"].is_object(), "{schema}");
    assert!(
        schema["properties"]["country"]["description"].is_string(),
        "{schema}"
    );
}

#[test]
fn dial_explain_reads_a_file_where_no_daemon_runs() {
    let directory = tempfile::tempdir().unwrap();
    let file = path(directory.path(), "tipring.yaml");
    let socket = path(directory.path(), "kitchen.sock");
    std::fs::write(
        &file,
        format!(
            "country: us\nlines:\n  - name: kitchen\n    number: \"11\"\n    dial_plan: \"(<8:1650>xxx|911)\"\n    \
             interface: {{driver: virtual, socket: {socket}}}\n"
        ),
    )
    .unwrap();
    let output = tipring(&["dial", "explain", "8123", "--config", &file]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(
        text(&output.stdout).contains("1650123"),
        "{}",
        text(&output.stdout)
    );
}

#[test]
fn a_tone_and_a_digit_go_through_files() {
    let directory = tempfile::tempdir().unwrap();
    let file = path(directory.path(), "dial.wav");
    let output = tipring(&[
        "tool",
        "tone",
        "--country",
        "de",
        "dial",
        "--seconds",
        "2",
        "-o",
        &file,
    ]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(hound::WavReader::open(&file).unwrap().duration(), 16_000);
    let digits = tipring(&["tool", "dtmf", &file, "--json"]);
    assert_eq!(text(&digits.stdout).trim(), "[]");
    let refused = tipring(&["tool", "tone", "--country", "zz", "dial", "-o", &file]);
    assert_eq!(refused.status.code(), Some(1));
}

#[test]
fn caller_id_is_written_for_a_country() {
    let directory = tempfile::tempdir().unwrap();
    let file = path(directory.path(), "cid.wav");
    let output = tipring(&[
        "tool",
        "callerid",
        "--country",
        "us",
        "--number",
        "5551234567",
        "--name",
        "Ann",
        "--time",
        "2026-11-23T07:30",
        "-o",
        &file,
    ]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(hound::WavReader::open(&file).unwrap().duration() > 4000);
}
