//! What `make install` leaves on a system, and what systemd thinks of the unit.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that cannot run its programs shall fail, and say what it skips"
)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

/// Highest exposure that `systemd-analyze security` may find, tenths of its 0 to 10: below 2.0 it says "OK", and what
/// is left is what a telephone adapter does (network, real-time scheduling, devices).
const EXPOSURE_MAX: &str = "20";

/// Every file with its mode.
const INSTALLED: [(&str, u32); 8] = [
    ("usr/bin/tipring", 0o755),
    ("usr/lib/systemd/system/tipring.service", 0o644),
    ("usr/lib/sysusers.d/tipring.conf", 0o644),
    ("usr/lib/tmpfiles.d/tipring.conf", 0o644),
    ("usr/lib/udev/rules.d/60-tipring.rules", 0o644),
    ("usr/share/doc/tipring/README.md", 0o644),
    ("usr/share/doc/tipring/examples/full.yaml", 0o644),
    ("etc/tipring/tipring.yaml", 0o640),
];

#[test]
fn install_puts_every_file_in_place_and_uninstall_takes_it_away_but_the_configuration() {
    let root = tempfile::tempdir().unwrap();
    make("install", root.path(), &[]);
    for (path, mode) in INSTALLED {
        let metadata = fs::metadata(root.path().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
        assert_eq!(metadata.permissions().mode() & 0o777, mode, "{path}");
        assert!(metadata.len() > 0, "{path} is empty");
    }
    let installed = Command::new(root.path().join("usr/bin/tipring"))
        .args(["check"])
        .arg(root.path().join("etc/tipring/tipring.yaml"))
        .output()
        .unwrap();
    assert!(installed.status.success(), "{}", text(&installed));

    make("uninstall", root.path(), &[]);
    for (path, _) in INSTALLED {
        assert_eq!(
            root.path().join(path).exists(),
            path.starts_with("etc/"),
            "{path}"
        );
    }
}

#[test]
fn an_update_overwrote_the_configuration() {
    let root = tempfile::tempdir().unwrap();
    let configuration = root.path().join("etc/tipring/tipring.yaml");
    fs::create_dir_all(configuration.parent().unwrap()).unwrap();
    fs::write(&configuration, "country: de\n").unwrap();
    make("install", root.path(), &[]);
    assert_eq!(fs::read_to_string(&configuration).unwrap(), "country: de\n");
}

#[test]
fn the_unit_starts_the_binary_of_another_prefix() {
    let root = tempfile::tempdir().unwrap();
    make("install", root.path(), &["PREFIX=/usr/local"]);
    let unit = root.path().join("usr/local/lib/systemd/system/tipring.service");
    let unit = fs::read_to_string(unit).unwrap();
    assert!(unit.contains("ExecStart=/usr/local/bin/tipring run"), "{unit}");
}

#[test]
fn systemd_accepts_the_unit_and_finds_it_confined() {
    if !is_installed("systemd-analyze") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    // The program has to be where the unit says for systemd to accept it.
    let unit = fs::read_to_string(source("systemd/tipring.service")).unwrap();
    let unit = unit.replace("/usr/bin/tipring", env!("CARGO_BIN_EXE_tipring"));
    let path = folder.path().join("tipring.service");
    fs::write(&path, unit).unwrap();

    let verified = Command::new("systemd-analyze")
        .args(["verify", "--man=no"])
        .arg(&path)
        .output()
        .unwrap();
    assert!(
        verified.status.success() && verified.stderr.is_empty(),
        "{}",
        text(&verified)
    );

    let exposure = Command::new("systemd-analyze")
        .args(["security", "--offline=true", "--no-pager"])
        .arg(format!("--threshold={EXPOSURE_MAX}"))
        .arg(&path)
        .output()
        .unwrap();
    assert!(exposure.status.success(), "{}", text(&exposure));
}

#[test]
fn the_user_is_made_with_the_groups_of_the_hardware_also_where_those_are_missing() {
    if !is_installed("systemd-sysusers") {
        return;
    }
    let root = tempfile::tempdir().unwrap();
    fs::create_dir(root.path().join("etc")).unwrap();
    let made = Command::new("systemd-sysusers")
        .arg(format!("--root={}", root.path().display()))
        .arg(source("systemd/tipring.sysusers"))
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", text(&made));
    let users = fs::read_to_string(root.path().join("etc/passwd")).unwrap();
    assert!(users.starts_with("tipring:"), "{users}");
    let groups = fs::read_to_string(root.path().join("etc/group")).unwrap();
    for group in ["audio", "gpio", "spi"] {
        let line = groups
            .lines()
            .find(|line| line.starts_with(&format!("{group}:")))
            .unwrap();
        assert!(line.ends_with(":tipring"), "{line}");
    }
}

fn make(target: &str, root: &Path, more: &[&str]) {
    let made = Command::new("make")
        .current_dir(source(""))
        .arg(target)
        .arg(format!("DESTDIR={}", root.display()))
        .arg(format!("BINARY={}", env!("CARGO_BIN_EXE_tipring")))
        .args(more)
        // A `make test` that runs us hands down its own flags.
        .env_remove("MAKEFLAGS")
        .env_remove("MAKELEVEL")
        .output()
        .unwrap();
    assert!(made.status.success(), "make {target}: {}", text(&made));
}

fn source(path: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn is_installed(program: &str) -> bool {
    let found = Command::new(program).arg("--version").output().is_ok();
    if !found {
        println!("skipped: {program} is not installed");
    }
    found
}

fn text(output: &Output) -> String {
    format!(
        "{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}
