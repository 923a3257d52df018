//! Somebody behind Asterisk calls the telephone.

use std::process::Command;

use crate::lab::wait_until;
use crate::peers::Asterisk;
use crate::sound;
use crate::tipring::{Account, DIAL_TONE_HZ, Tipring};

#[test]
fn a_called_telephone_rings_and_both_hear_each_other() {
    let Some(asterisk) = Asterisk::start() else { return };
    let tipring = Tipring::registered(&Account::line_one(asterisk.uri()));
    let telephone = tipring.telephone();
    telephone.wait_quiet(50, 2);
    asterisk.call("6001", "600");
    telephone.wait_ringing(3);
    telephone.lift();
    tipring.wait_line("talking", 3);
    assert!(!telephone.is_ringing());
    telephone.wait_quiet(300, 3);

    let said = asterisk.speech();
    let mark = telephone.mark();
    telephone.say(said.clone());
    telephone.wait_silent();
    telephone.listen(500);
    sound::assert_alike(&said, &telephone.heard_since(mark), &tipring.folder());

    telephone.hang_up();
    tipring.wait_line("idle", 3);
    asterisk.wait_channels(0, 3);
    let calls = tipring.calls();
    assert_eq!(calls[0]["direction"], "incoming", "{calls:?}");
    assert_eq!(calls[0]["cause"], "local_hangup", "{calls:?}");
}

#[test]
fn ringing_stops_when_the_caller_gives_up() {
    let Some(asterisk) = Asterisk::start() else { return };
    let tipring = Tipring::registered(&Account::line_one(asterisk.uri()));
    let telephone = tipring.telephone();
    telephone.wait_quiet(50, 2);
    asterisk.call("6001", "600");
    telephone.wait_ringing(3);
    asterisk.hang_up_all();
    tipring.wait_line("idle", 2);
    wait_until("ringing stops", 1, || !telephone.is_ringing());
    asterisk.wait_channels(0, 3);
    assert_eq!(tipring.calls()[0]["cause"], "cancelled");
}

#[test]
fn a_caller_is_told_when_nobody_answers() {
    let Some(asterisk) = Asterisk::start() else { return };
    let tipring = Tipring::start_with(&Account::line_one(asterisk.uri()), "ring_timeout_s: 5,");
    tipring.wait_account("registered", 5);
    let telephone = tipring.telephone();
    telephone.wait_quiet(50, 2);
    asterisk.call_through("6001");
    telephone.wait_ringing(3);
    asterisk.wait_log("the call to 6001 ended as NOANSWER", 8);
    tipring.wait_line("idle", 2);
    assert!(!telephone.is_ringing());
    asterisk.wait_channels(0, 3);
    assert_eq!(tipring.calls()[0]["cause"], "no_answer");
}

#[test]
fn a_caller_hears_busy_while_the_handset_is_lifted() {
    let Some(asterisk) = Asterisk::start() else { return };
    let tipring = Tipring::registered(&Account::line_one(asterisk.uri()));
    let telephone = tipring.telephone();
    telephone.lift();
    telephone.wait_tone(DIAL_TONE_HZ, 2);
    asterisk.call_through("6001");
    asterisk.wait_log("the call to 6001 ended as BUSY", 3);
    assert!(!telephone.is_ringing());
    assert_eq!(tipring.line_state(), "dial_tone");
}

#[test]
fn the_callers_number_and_name_are_shown_to_a_real_telephone() {
    let Some(asterisk) = Asterisk::start() else { return };
    let tipring = Tipring::registered(&Account::line_one(asterisk.uri()));
    let mut telephone = Command::new(env!("CARGO_BIN_EXE_tipring"))
        .arg("phone")
        .arg(tipring.socket())
        .args([
            "--json",
            "--timeout",
            "10",
            "wait-ring",
            "wait-caller-id",
            "off-hook",
            "wait",
            "0.5",
            "on-hook",
        ])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("tipring starts");
    tipring.wait_log("plugged in", 3);
    asterisk.call_through("76001");
    assert!(telephone.wait().expect("it ends").success());
    let mut said = String::new();
    let mut output = telephone.stdout.take().expect("piped");
    std::io::Read::read_to_string(&mut output, &mut said).expect("text");
    let caller = said
        .lines()
        .find(|line| line.contains("caller_id"))
        .unwrap_or_else(|| panic!("{said}"));
    assert!(caller.contains("5551234"), "{caller}");
    assert!(caller.contains("Far End"), "{caller}");
}
