//! Section 1, `tipring phone`: from a script and in a terminal.

use std::io::{Read, Write};

use crate::binary::telephone::sine;
use crate::binary::{Daemon, assert_success, assert_wav, json, text, two_lines, wait, write_wav};

#[test]
fn a_scripted_telephone_knows_every_word() {
    let daemon = Daemon::start(&two_lines());
    let (heard, spoken) = (
        daemon.directory().name("heard.wav"),
        daemon.directory().name("spoken.wav"),
    );
    write_wav(&spoken, &sine(700.0, 600));
    let office = daemon
        .directory()
        .program(&[
            "phone",
            "office",
            "wait-ring",
            "off-hook",
            "wait",
            "0.2",
            "play",
            &spoken,
            "wait",
            "0.2",
            "on-hook",
            "wait",
            "0.2",
        ])
        .spawn()
        .unwrap();
    let kitchen = daemon.ask(&[
        "phone", "kitchen", "off-hook", "wait", "0.5", "dial", "12", "--pulse", "record", &heard, "wait",
        "1", "flash", "wait", "0.4", "dial", "5", "wait", "0.3", "on-hook", "wait", "0.2",
    ]);
    let office = office.wait_with_output().unwrap();
    assert_success(&kitchen);
    assert_success(&office);
    assert!(
        text(&office.stdout).contains("ring on"),
        "{}",
        text(&office.stdout)
    );
    assert!(!assert_wav(std::path::Path::new(&heard)).is_empty());
    let calls = json(&daemon.ask(&["calls", "--json"]));
    assert!(
        calls
            .as_array()
            .unwrap()
            .iter()
            .any(|call| call["remote"] == "12"),
        "{calls}"
    );
    assert_eq!(
        daemon.log_lines(" flash "),
        1,
        "a recall that the line takes for one"
    );
    for wrong in [
        &["phone", "kitchen", "jump"][..],
        &["phone", "kitchen", "dial"],
        &["phone", "nowhere", "off-hook"],
    ] {
        let output = daemon.ask(wrong);
        assert!(!output.status.success(), "{wrong:?}");
        assert_eq!(
            text(&output.stderr).lines().count(),
            1,
            "{}",
            text(&output.stderr)
        );
    }
}

#[test]
fn the_telephone_in_a_terminal_lifts_dials_quits_and_restores_the_terminal() {
    use nix::sys::termios::{LocalFlags, tcgetattr};
    let daemon = Daemon::start(&two_lines());
    let terminal = nix::pty::openpty(None, None).unwrap();
    let slave = std::fs::File::from(terminal.slave);
    let mut command = daemon.directory().program(&["phone", "kitchen"]);
    let mut process = command
        .stdin(slave.try_clone().unwrap())
        .stdout(slave.try_clone().unwrap())
        .stderr(slave.try_clone().unwrap())
        .spawn()
        .unwrap();
    drop(command);
    let mut keyboard = std::fs::File::from(terminal.master);
    let mut screen = keyboard.try_clone().unwrap();
    let shown = std::sync::Arc::new(std::sync::Mutex::new(String::new()));
    let display = std::sync::Arc::clone(&shown);
    std::thread::spawn(move || {
        let mut chunk = [0; 1024];
        while let Ok(length @ 1..) = screen.read(&mut chunk) {
            display.lock().unwrap().push_str(&text(&chunk[..length]));
        }
    });
    let canonical = || {
        tcgetattr(&slave)
            .unwrap()
            .local_flags
            .contains(LocalFlags::ICANON)
    };
    wait("the keys one by one", || !canonical());
    keyboard.write_all(b" ").unwrap();
    daemon.wait_line(0, "dial_tone");
    wait("dial tone named", || shown.lock().unwrap().contains("dial tone"));
    keyboard.write_all(b"12").unwrap();
    daemon.wait_line(1, "ringing");
    keyboard.write_all(b"q").unwrap();
    assert_eq!(process.wait().unwrap().code(), Some(0));
    assert!(canonical(), "the terminal isn't put back");
    daemon.wait_line(0, "idle");
}
