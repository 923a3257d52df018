//! Proves the two rules of `docs/architecture.md` on the source itself: the inner ring does no I/O, and imports point
//! one way.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::expect_used,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "tests run by the clock on real files and sockets, and end at the first surprise"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Which rooms each room may use. `daemon` and `cli` are the outer ring and may use anything.
const MAY_USE: &[(&str, &[&str])] = &[
    ("zone", &[]),
    ("dsp", &["zone"]),
    ("line", &["zone", "dsp"]),
    ("dial", &[]),
    // Codecs and directions are what offer and answer agree on.
    ("sip", &["media"]),
    // It carries the line's DTMF reports and plays the zone's tones.
    ("media", &["dsp", "line", "zone"]),
    ("call", &["line", "dial", "sip", "media", "dsp", "zone"]),
    (
        "gateway",
        &["call", "line", "dial", "sip", "media", "dsp", "zone"],
    ),
    ("config", &["zone", "dial"]),
];

/// The rooms that are sans-IO.
const INNER_RING: &[&str] = &["zone", "dsp", "line", "dial", "sip", "media", "call", "gateway"];

/// What the inner ring never names, and why.
const FORBIDDEN: &[(&str, &str)] = &[
    ("tokio::", "the runtime belongs to the daemon"),
    ("alsa::", "devices belong to the daemon"),
    ("gpiocdev", "devices belong to the daemon"),
    ("linux_embedded_hal", "devices belong to the daemon"),
    ("tipring_hw", "the line hardware stands behind SlicAction"),
    ("std::fs", "files belong to the daemon"),
    ("std::io::", "files belong to the daemon"),
    ("std::thread", "threads belong to the daemon"),
    ("std::process", "processes belong to the daemon"),
    ("std::env", "the environment belongs to the command line"),
    ("std::sync::Mutex", "machines have one owner"),
    ("Instant::now", "time comes in as `now`"),
    ("SystemTime", "wall time comes in as an input"),
    ("UdpSocket", "sockets belong to the daemon"),
    ("TcpStream", "sockets belong to the daemon"),
    ("TcpListener", "sockets belong to the daemon"),
    ("UnixStream", "sockets belong to the daemon"),
    ("println!", "the core reports events"),
    ("unsafe ", "the inner ring has no need of it"),
    (
        "rand::rng()",
        "randomness comes from a seeded generator passed in",
    ),
];

#[test]
fn the_inner_ring_does_no_input_or_output() {
    let mut found = Vec::new();
    for (path, code) in sources(INNER_RING) {
        for (number, line) in code.lines().enumerate() {
            for (word, reason) in FORBIDDEN {
                if line.contains(word) {
                    found.push(format!("{}:{}: `{word}`: {reason}", path.display(), number + 1));
                }
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn imports_point_one_way() {
    let allowed: BTreeMap<&str, &[&str]> = MAY_USE.iter().copied().collect();
    let rooms: Vec<&str> = MAY_USE.iter().map(|(room, _)| *room).collect();
    let mut found = Vec::new();
    for (path, code) in sources(&rooms) {
        let room = room_of(&path);
        for (number, line) in code.lines().enumerate() {
            for used in rooms_named(line) {
                let is_room = rooms.contains(&used) || ["daemon", "cli"].contains(&used);
                if is_room && used != room && !allowed[room].contains(&used) {
                    found.push(format!(
                        "{}:{}: `{room}` must not use `{used}`",
                        path.display(),
                        number + 1
                    ));
                }
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn every_room_says_what_it_is_for() {
    for room in INNER_RING.iter().chain(&["config", "daemon", "cli"]) {
        let text =
            fs::read_to_string(source_root().join(room).join("mod.rs")).expect("every room has a mod.rs");
        let opening = text.lines().take_while(|line| line.starts_with("//!")).count();
        assert!(
            opening >= 2,
            "src/{room}/mod.rs must open by telling what the room is for"
        );
    }
}

#[test]
fn no_file_outgrows_one_sitting() {
    // 400 lines of code is the signal to look for the seam; past 550 there is no excuse.
    let hardware = source_root().join("../hw/src");
    let mut found = Vec::new();
    for path in rust_files(&source_root())
        .into_iter()
        .chain(rust_files(&hardware))
    {
        let lines = without_tests(&fs::read_to_string(&path).expect("readable"))
            .lines()
            .count();
        if !is_test_file(&path) && lines > 550 {
            found.push(format!("{}: {lines} lines before its tests", path.display()));
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

fn source_root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Every source file of these rooms, comments and test modules taken out.
fn sources(rooms: &[&str]) -> Vec<(PathBuf, String)> {
    let mut all = Vec::new();
    for room in rooms {
        for path in rust_files(&source_root().join(room)) {
            if !is_test_file(&path) {
                let text = fs::read_to_string(&path).expect("a readable source file");
                let code = without_tests(&text)
                    .lines()
                    .map(|line| format!("{}\n", without_comment(line)));
                all.push((path, code.collect()));
            }
        }
    }
    assert!(all.len() > rooms.len(), "the walk found the sources");
    all
}

fn is_test_file(path: &Path) -> bool {
    let named = path
        .file_name()
        .is_some_and(|name| name == "tests.rs" || name == "fuzz.rs");
    named || path.components().any(|part| part.as_os_str() == "tests")
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

fn without_tests(text: &str) -> &str {
    text.split("#[cfg(test)]\nmod tests {").next().unwrap_or(text)
}

fn without_comment(line: &str) -> &str {
    if line.trim_start().starts_with("//") {
        ""
    } else {
        line.split(" // ").next().unwrap_or(line)
    }
}

fn room_of(path: &Path) -> &str {
    let relative = path.strip_prefix(source_root()).expect("below src");
    relative
        .components()
        .next()
        .and_then(|part| part.as_os_str().to_str())
        .expect("a room")
}

/// The rooms a line names as `crate::room`, also in `use crate::{a, b::c}`.
fn rooms_named(line: &str) -> Vec<&str> {
    let mut named = Vec::new();
    for (index, _) in line.match_indices("crate::") {
        let rest = &line[index + "crate::".len()..];
        let parts: Vec<&str> = match rest.strip_prefix('{') {
            Some(list) => list.split(',').collect(),
            None => vec![rest],
        };
        for part in parts {
            let name = part
                .trim()
                .split(|c: char| !c.is_alphanumeric() && c != '_')
                .next()
                .unwrap_or("");
            if !name.is_empty() {
                named.push(name);
            }
        }
    }
    named
}
