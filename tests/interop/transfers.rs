//! Transfers with Asterisk between: by this telephone, attended and blind, and at Asterisk's own wish.

use crate::lab::wait_until;
use crate::peers::Asterisk;
use crate::telephone::Telephone;
use crate::tipring::{Account, DIAL_TONE_HZ, Tipring};

/// What 601 plays.
const ANNOUNCEMENT_HZ: f32 = 1004.0;

/// A subscriber and his telephone.
fn subscriber(asterisk: &Asterisk, username: &'static str, password: &'static str) -> (Tipring, Telephone) {
    let tipring = Tipring::registered(&Account {
        username,
        password,
        ..Account::line_one(asterisk.uri())
    });
    let telephone = tipring.telephone();
    telephone.wait_quiet(50, 5);
    (tipring, telephone)
}

fn two_subscribers(asterisk: &Asterisk) -> [(Tipring, Telephone); 2] {
    [
        subscriber(asterisk, "6001", "secret6001"),
        subscriber(asterisk, "6002", "secret6002"),
    ]
}

/// One calls the other, who lifts.
#[track_caller]
fn connect(one: &(Tipring, Telephone), number: &str, other: &(Tipring, Telephone)) {
    one.1.press(number);
    other.1.wait_ringing(10);
    other.1.lift();
    one.0.wait_line("talking", 10);
    other.0.wait_line("talking", 10);
}

/// A flash: the far end is on hold, and dial tone asks for a number.
#[track_caller]
fn consult((tipring, telephone): &(Tipring, Telephone)) {
    telephone.flash(100);
    tipring.wait_line("held", 10);
    telephone.wait_tone(DIAL_TONE_HZ, 10);
}

/// One has called the other, put it on hold, and hears dial tone.
fn holding(one: &(Tipring, Telephone), other: &(Tipring, Telephone)) {
    one.1.lift();
    one.1.wait_tone(DIAL_TONE_HZ, 10);
    connect(one, "6002", other);
    consult(one);
}

/// Each hears what the other says.
#[track_caller]
fn talk(one: &Telephone, other: &Telephone) {
    for (speaker, listener, hz) in [(one, other, 800.0), (other, one, 1200.0)] {
        listener.wait_quiet(200, 10);
        speaker.reach(listener, hz, 15);
    }
}

/// How its calls have ended.
fn causes(tipring: &Tipring) -> Vec<String> {
    let calls = tipring.calls();
    calls.iter().map(|call| call["cause"].to_string()).collect()
}

#[test]
fn hanging_up_between_two_telephones_connects_them() {
    let Some(asterisk) = Asterisk::start() else { return };
    let [one, other] = two_subscribers(&asterisk);
    let third = subscriber(&asterisk, "6008", "secret6008");
    holding(&one, &other);
    connect(&one, "6008", &third);
    one.1.hang_up();
    one.0.wait_line("idle", 10);
    talk(&other.1, &third.1);
    assert_eq!(causes(&one.0), [r#""transferred""#, r#""transferred""#]);
    // Asterisk connects the calls that it has, and asks neither of the two to call anybody.
    assert!(other.0.calls().is_empty() && third.0.calls().is_empty());
    third.1.hang_up();
    other.0.wait_line("busy_tone", 10);
    other.1.hang_up();
    asterisk.wait_channels(0, 10);
}

#[test]
fn hanging_up_between_a_telephone_and_a_service_of_the_exchange_connects_them() {
    let Some(asterisk) = Asterisk::start() else { return };
    let [one, other] = two_subscribers(&asterisk);
    holding(&one, &other);
    // It says back what it hears.
    one.1.press("600");
    one.0.wait_line("talking", 10);
    talk(&one.1, &one.1);
    one.1.hang_up();
    one.0.wait_line("idle", 10);
    talk(&other.1, &other.1);
    assert_eq!(other.0.line_state(), "talking");
    assert_eq!(causes(&one.0), [r#""transferred""#, r#""transferred""#]);
}

#[test]
fn hanging_up_while_the_second_telephone_rings_sends_the_held_call_there() {
    let Some(asterisk) = Asterisk::start() else { return };
    let [one, other] = two_subscribers(&asterisk);
    let third = subscriber(&asterisk, "6008", "secret6008");
    holding(&one, &other);
    one.1.press("6008");
    third.1.wait_ringing(10);
    // Ringback: the exchange has said that it rings.
    one.1.wait_cadence(DIAL_TONE_HZ, 1000, 15);
    one.1.hang_up();
    wait_until("the held call rings there", 15, || {
        third.0.status()["calls"][0]["remote"] == "6002"
    });
    third.1.lift();
    third.0.wait_line("talking", 10);
    talk(&other.1, &third.1);
    one.0.wait_line("idle", 10);
    third.1.hang_up();
    other.0.wait_line("busy_tone", 10);
}

#[test]
fn a_code_and_a_number_send_the_held_call_there() {
    let Some(asterisk) = Asterisk::start() else { return };
    let [one, other] = two_subscribers(&asterisk);
    holding(&one, &other);
    one.1.press("*98");
    one.1.wait_tone(DIAL_TONE_HZ, 10);
    one.1.press("601");
    other.1.wait_tone(ANNOUNCEMENT_HZ, 15);
    assert_eq!(other.0.line_state(), "talking");
    one.1.hang_up();
    one.0.wait_line("idle", 10);
    assert_eq!(causes(&one.0), [r#""transferred""#]);
}

#[test]
fn a_held_call_that_cannot_be_sent_away_comes_back() {
    let Some(asterisk) = Asterisk::start() else { return };
    let [one, other] = two_subscribers(&asterisk);
    holding(&one, &other);
    one.1.press("*98");
    one.1.wait_tone(DIAL_TONE_HZ, 10);
    // Nobody's number.
    one.1.press("699");
    one.0.wait_line("talking", 15);
    talk(&one.1, &other.1);
    other.1.hang_up();
    one.0.wait_line("busy_tone", 10);
    one.1.hang_up();
    asterisk.wait_channels(0, 10);
}

#[test]
fn a_call_that_asterisk_sends_elsewhere_goes_there() {
    let Some(asterisk) = Asterisk::start() else { return };
    let (tipring, telephone) = subscriber(&asterisk, "6001", "secret6001");
    telephone.lift();
    telephone.wait_tone(DIAL_TONE_HZ, 10);
    // 620 refers to 614, which echoes.
    telephone.press("620");
    wait_until("the call to 614", 20, || {
        let calls = tipring.status()["calls"].clone();
        let calls = calls.as_array().map(Vec::as_slice).unwrap_or_default();
        matches!(calls, [call] if call["remote"] == "614" && call["state"] == "talking")
    });
    asterisk.wait_log("the transfer ended as SUCCESS", 10);
    telephone.wait_quiet(200, 10);
    telephone.reach(&telephone, 1000.0, 15);
    telephone.hang_up();
    tipring.wait_line("idle", 10);
    asterisk.wait_channels(0, 10);
}

#[test]
fn asterisk_is_told_that_the_number_it_sends_us_to_does_not_exist() {
    let Some(asterisk) = Asterisk::start() else { return };
    let (tipring, telephone) = subscriber(&asterisk, "6001", "secret6001");
    telephone.lift();
    telephone.wait_tone(DIAL_TONE_HZ, 10);
    telephone.press("621");
    asterisk.wait_log("the transfer ended as FAILURE 404", 20);
    // And back at who sent us: it plays a tone.
    telephone.wait_tone(ANNOUNCEMENT_HZ, 10);
    assert_eq!(tipring.line_state(), "talking");
    telephone.hang_up();
    tipring.wait_line("idle", 10);
    asterisk.wait_channels(0, 10);
}
