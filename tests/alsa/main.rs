//! A line's sound through ALSA: the audio thread on PCMs that a clock paces like a card's crystal
//! (`tests/lab/pcm_paced.c`), heard and fed at the card's far end.
//!
//! ALSA finds its PCMs by the environment, which a process has once: each test runs in a child of this program, one
//! a configuration.

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "real ticks, sockets and files are what is tested"
)]

#[path = "../support/counting.rs"]
mod counting;
mod line;
mod peer;
mod tone;
mod wire;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

#[global_allocator]
static ALLOCATOR: counting::Counting = counting::Counting;

/// Where a child finds its directory.
const DIRECTORY: &str = "TIPRING_TEST_PCM_DIRECTORY";

/// Where it finds the keys of its PCM.
const KEYS: &str = "TIPRING_TEST_PCM_KEYS";

#[test]
fn a_card_at_8_khz() {
    in_child("talk", "rate 8000 channels 1");
}

#[test]
fn a_card_that_has_48_khz_and_two_channels_only() {
    in_child("talk", "rate 48000 channels 2");
}

#[test]
fn a_fast_crystal() {
    in_child("steady", "rate 8000 ppm 200");
}

#[test]
fn a_slow_crystal() {
    in_child("steady", "rate 48000 ppm -200");
}

#[test]
fn two_crystals() {
    in_child("steady", "rate 48000 ppm 200 ppm_playback -200");
}

#[test]
fn interruptions_are_counted_and_passed() {
    in_child("interrupted", "rate 48000 channels 1");
}

#[test]
fn a_machine_that_sleeps_goes_on_when_it_wakes() {
    in_child("suspended", "rate 8000 channels 1");
}

#[test]
fn a_card_that_is_pulled_out_comes_back() {
    in_child("pulled_out", "rate 8000 channels 1");
}

#[test]
fn a_card_that_cannot_do_it_is_refused_with_a_reason() {
    in_child("refused", "rate 11025 channels 1");
}

/// Runs one of [`line`]'s tests on a PCM with these keys.
fn in_child(test: &str, keys: &str) {
    let Some(plugin) = plugin() else { return };
    // In memory: the card must not wait for a disk.
    let shared = Path::new("/dev/shm");
    let directory = if shared.is_dir() {
        tempfile::tempdir_in(shared)
    } else {
        tempfile::tempdir()
    };
    let directory = directory.expect("a directory");
    let wire = directory.path().join("line");
    let configuration =
        format!("pcm_type.paced {{ lib {plugin:?} }}\npcm.line {{ type paced wire {wire:?} {keys} }}\n");
    let file = directory.path().join("asoundrc");
    std::fs::write(&file, configuration).expect("writable");
    let output = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "--ignored", "--nocapture", &format!("line::{test}")])
        .env("ALSA_CONFIG_PATH", file)
        .env(DIRECTORY, directory.path())
        .env(KEYS, keys)
        .env("RUST_BACKTRACE", "0")
        .output()
        .expect("a child");
    let said = String::from_utf8_lossy(&output.stdout);
    for line in said.lines().filter(|line| line.starts_with("figure: ")) {
        println!("{keys}: {}", line.trim_start_matches("figure: "));
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{keys}:\n{said}\n{errors}");
    assert!(said.contains("1 passed"), "no such test: {test}");
}

/// The plugin, built once; `None` where it cannot be.
fn plugin() -> Option<&'static Path> {
    static PLUGIN: OnceLock<Result<(tempfile::TempDir, PathBuf), String>> = OnceLock::new();
    match PLUGIN.get_or_init(build) {
        Ok((_, plugin)) => Some(plugin),
        Err(reason) => {
            assert!(
                std::env::var_os("TIPRING_REQUIRE_PEERS").is_none_or(|value| value != "1"),
                "{reason}"
            );
            println!("skipped: {}", reason.lines().next().unwrap_or_default());
            None
        }
    }
}

fn build() -> Result<(tempfile::TempDir, PathBuf), String> {
    let directory = tempfile::tempdir().map_err(|error| error.to_string())?;
    let plugin = directory.path().join("libasound_module_pcm_paced.so");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lab/pcm_paced.c");
    let output = Command::new("cc")
        .args(["-std=gnu11", "-O2", "-Wall", "-Werror", "-shared", "-fPIC", "-o"])
        .args([&plugin, &source])
        .arg("-lasound")
        .output()
        .map_err(|error| format!("no C compiler (cc): {error}"))?;
    if output.status.success() {
        Ok((directory, plugin))
    } else {
        let said = String::from_utf8_lossy(&output.stderr);
        Err(format!(
            "the paced PCM cannot be built (is libasound2-dev there?): {said}"
        ))
    }
}
