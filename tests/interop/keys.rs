//! Keys of the telephone through Asterisk, and Asterisk's own at the telephone.

use crate::lab::wait_until;
use crate::peers::Asterisk;
use crate::sound;
use crate::tipring::{Account, DIAL_TONE_HZ, Tipring};

/// Calls 602 with these keys for the line, presses keys there by `press`, and returns what Asterisk took them for and
/// what came back from it.
fn keys_there_and_back(
    line_keys: &str,
    account: impl Fn(&Asterisk) -> Account,
    press: impl Fn(&crate::telephone::Telephone),
) -> Option<(String, String)> {
    let asterisk = Asterisk::start()?;
    let tipring = Tipring::start_with(&account(&asterisk), line_keys);
    tipring.wait_account("registered", 5);
    let telephone = tipring.telephone();
    telephone.lift();
    telephone.wait_tone(DIAL_TONE_HZ, 2);
    telephone.press("602");
    tipring.wait_line("talking", 5);
    telephone.wait_quiet(300, 3);
    press(&telephone);
    let mark = telephone.mark();
    wait_until("Asterisk has read the keys", 10, || {
        asterisk.file("keys").exists()
    });
    tipring.wait_line("busy_tone", 15);
    let there = std::fs::read_to_string(asterisk.file("keys"))
        .expect("text")
        .trim()
        .to_owned();
    Some((there, sound::keys(&telephone.heard_since(mark))))
}

fn line_one(asterisk: &Asterisk) -> Account {
    Account::line_one(asterisk.uri())
}

#[test]
fn keys_pressed_in_a_call_arrive_once_each_and_come_back_clean() {
    let keys = "0123456789*";
    let result = keys_there_and_back("", line_one, |telephone| telephone.press(keys));
    let Some((there, back)) = result else { return };
    assert_eq!(there, keys);
    assert_eq!(back, keys);
}

#[test]
fn keys_pressed_in_a_call_arrive_by_info() {
    let result = keys_there_and_back(
        "dtmf: info,",
        |asterisk| Account {
            username: "6002",
            password: "secret6002",
            ..Account::line_one(asterisk.uri())
        },
        |telephone| telephone.press("147*"),
    );
    let Some((there, _)) = result else { return };
    assert_eq!(there, "147*");
}

#[test]
fn digits_dialed_by_pulses_in_a_call_arrive_as_keys() {
    let result = keys_there_and_back("", line_one, |telephone| telephone.pulse("420"));
    let Some((there, back)) = result else { return };
    assert_eq!(there, "420");
    assert_eq!(back, "420");
}

#[test]
fn a_dial_of_pulses_reaches_the_number() {
    let Some(asterisk) = Asterisk::start() else { return };
    let tipring = Tipring::registered(&line_one(&asterisk));
    let telephone = tipring.telephone();
    telephone.lift();
    telephone.wait_tone(DIAL_TONE_HZ, 2);
    telephone.pulse("601");
    telephone.wait_tone(1004.0, 5);
}

#[test]
fn every_key_of_the_far_end_is_heard_once_as_a_clean_tone() {
    let Some(asterisk) = Asterisk::start() else { return };
    let tipring = Tipring::registered(&line_one(&asterisk));
    let telephone = tipring.telephone();
    telephone.lift();
    telephone.wait_tone(DIAL_TONE_HZ, 2);
    telephone.press("607");
    tipring.wait_line("talking", 5);
    telephone.wait_quiet(300, 3);
    let mark = telephone.mark();
    tipring.wait_line("busy_tone", 15);
    assert_eq!(sound::keys(&telephone.heard_since(mark)), "0123456789*#ABCD");
}
