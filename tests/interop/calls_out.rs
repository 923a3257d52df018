//! A telephone calls somebody behind Asterisk.

use crate::lab::pass;
use crate::peers::Asterisk;
use crate::sound;
use crate::telephone::Telephone;
use crate::tipring::{Account, DIAL_TONE_HZ, Tipring};

use std::time::Duration;

/// What a caller hears for the outcomes of a call in Ukraine: 425 Hz, so long.
const RINGBACK_MS: usize = 1000;
const BUSY_MS: usize = 400;
const CONGESTION_MS: usize = 200;

/// A registered telephone that has dialled.
fn dialed(asterisk: &Asterisk, number: &str) -> (Tipring, Telephone) {
    dialed_as(&Account::line_one(asterisk.uri()), number)
}

fn dialed_as(account: &Account, number: &str) -> (Tipring, Telephone) {
    let tipring = Tipring::registered(account);
    let telephone = tipring.telephone();
    telephone.lift();
    telephone.wait_tone(DIAL_TONE_HZ, 2);
    telephone.press(number);
    (tipring, telephone)
}

/// Hangs up, and checks that nobody holds on to the call, which ended like this.
#[track_caller]
fn ends(asterisk: &Asterisk, tipring: &Tipring, telephone: &Telephone, cause: &str) {
    telephone.hang_up();
    tipring.wait_line("idle", 3);
    asterisk.wait_channels(0, 3);
    let calls = tipring.calls();
    assert_eq!(calls.len(), 1, "{calls:?}");
    assert_eq!(calls[0]["cause"], cause, "{calls:?}");
}

#[test]
fn speech_comes_back_from_the_echo_as_it_was_said() {
    let Some(asterisk) = Asterisk::start() else { return };
    let (tipring, telephone) = dialed(&asterisk, "600");
    tipring.wait_line("talking", 5);
    telephone.wait_quiet(300, 3);

    let said = asterisk.speech();
    let mark = telephone.mark();
    telephone.say(said.clone());
    telephone.wait_silent();
    telephone.listen(500);
    sound::assert_alike(&said, &telephone.heard_since(mark), &tipring.folder());

    ends(&asterisk, &tipring, &telephone, "local_hangup");
    let calls = tipring.calls();
    assert_eq!(calls[0]["codec"], "PCMA");
    assert_eq!(calls[0]["lost_packets"], 0);
}

#[test]
fn speech_and_signalling_over_tcp_come_back_too() {
    let Some(asterisk) = Asterisk::start() else { return };
    let account = Account::line_one(asterisk.uri() + ";transport=tcp");
    let (tipring, telephone) = dialed_as(&account, "600");
    tipring.wait_line("talking", 5);
    telephone.wait_quiet(300, 3);
    telephone.say(sound::sine(1000.0, 2000));
    telephone.wait_tone(1000.0, 2);
    ends(&asterisk, &tipring, &telephone, "local_hangup");
}

#[test]
fn a_recording_of_the_exchange_is_heard_as_it_was_recorded() {
    let Some(asterisk) = Asterisk::start() else { return };
    let (tipring, telephone) = dialed(&asterisk, "605");
    let mark = telephone.mark();
    tipring.wait_line("talking", 5);
    tipring.wait_line("busy_tone", 20);
    sound::assert_alike(
        &asterisk.speech(),
        &telephone.heard_since(mark),
        &tipring.folder(),
    );
    ends(&asterisk, &tipring, &telephone, "remote_hangup");
}

#[test]
fn what_is_said_arrives_at_the_far_end_as_it_was_said() {
    let Some(asterisk) = Asterisk::start() else { return };
    let (tipring, telephone) = dialed(&asterisk, "617");
    tipring.wait_line("talking", 5);
    let said = asterisk.speech();
    telephone.say(said.clone());
    telephone.wait_silent();
    telephone.listen(300);
    ends(&asterisk, &tipring, &telephone, "local_hangup");
    let recording = sound::read_wav(&asterisk.file("recording.wav"));
    sound::assert_alike(&said, &recording, &tipring.folder());
}

#[test]
fn a_busy_number_gives_busy_tone() {
    let Some(asterisk) = Asterisk::start() else { return };
    let (tipring, telephone) = dialed(&asterisk, "603");
    telephone.wait_cadence(DIAL_TONE_HZ, BUSY_MS, 8);
    ends(&asterisk, &tipring, &telephone, "busy");
}

#[test]
fn an_exchange_without_circuits_gives_congestion_tone() {
    let Some(asterisk) = Asterisk::start() else { return };
    let (tipring, telephone) = dialed(&asterisk, "606");
    telephone.wait_cadence(DIAL_TONE_HZ, CONGESTION_MS, 8);
    ends(&asterisk, &tipring, &telephone, "failed");
}

#[test]
fn a_number_that_does_not_exist_gives_the_three_tones() {
    let Some(asterisk) = Asterisk::start() else { return };
    let (tipring, telephone) = dialed(&asterisk, "699");
    for hz in [950.0, 1400.0, 1800.0] {
        telephone.wait_tone(hz, 8);
    }
    ends(&asterisk, &tipring, &telephone, "failed");
    assert_eq!(tipring.calls()[0]["sip_status"], 404);
}

#[test]
fn a_caller_who_hangs_up_before_the_answer_cancels() {
    let Some(asterisk) = Asterisk::start() else { return };
    let (tipring, telephone) = dialed(&asterisk, "604");
    telephone.wait_cadence(DIAL_TONE_HZ, RINGBACK_MS, 12);
    ends(&asterisk, &tipring, &telephone, "cancelled");
}

#[test]
fn what_is_played_before_the_answer_is_heard_instead_of_ringback() {
    let Some(asterisk) = Asterisk::start() else { return };
    let (tipring, telephone) = dialed(&asterisk, "613");
    telephone.wait_tone(440.0, 5);
    assert_eq!(tipring.line_state(), "calling");
    ends(&asterisk, &tipring, &telephone, "cancelled");
}

#[test]
fn ringback_gives_way_to_speech_at_the_answer() {
    let Some(asterisk) = Asterisk::start() else { return };
    let (tipring, telephone) = dialed(&asterisk, "614");
    telephone.wait_tone(DIAL_TONE_HZ, 3);
    assert_eq!(tipring.line_state(), "calling");
    tipring.wait_line("talking", 6);
    telephone.wait_quiet(300, 3);
    telephone.say(sound::sine(1000.0, 1000));
    telephone.wait_tone(1000.0, 2);
    ends(&asterisk, &tipring, &telephone, "local_hangup");
}

#[test]
fn busy_tone_follows_the_far_ends_hanging_up() {
    let Some(asterisk) = Asterisk::start() else { return };
    let (tipring, telephone) = dialed(&asterisk, "616");
    tipring.wait_line("talking", 5);
    tipring.wait_line("busy_tone", 6);
    telephone.wait_cadence(DIAL_TONE_HZ, BUSY_MS, 4);
    ends(&asterisk, &tipring, &telephone, "remote_hangup");
}

#[test]
fn a_flash_that_fits_no_service_leaves_the_call_as_it_is() {
    let Some(asterisk) = Asterisk::start() else { return };
    let (tipring, telephone) = dialed(&asterisk, "601");
    telephone.wait_tone(1004.0, 5);
    // A slip of the hand on the hook, shorter than any register recall.
    telephone.flash(20);
    pass(Duration::from_millis(500));
    telephone.wait_tone(1004.0, 2);
    assert_eq!(tipring.line_state(), "talking");
    ends(&asterisk, &tipring, &telephone, "local_hangup");
}
