//! Scripted peers that do what SIP allows and few do.

use crate::peers::Sipp;
use crate::telephone::Telephone;
use crate::tipring::{Account, DIAL_TONE_HZ, Tipring};

/// A telephone on an unregistered account of a scripted peer.
fn beside(sipp: &Sipp) -> (Tipring, Telephone) {
    let tipring = Tipring::start(&Account {
        username: "21",
        register: false,
        ..Account::line_one(sipp.uri())
    });
    tipring.wait_account("direct", 5);
    let telephone = tipring.telephone();
    telephone.wait_quiet(50, 2);
    (tipring, telephone)
}

/// The scenario calls, the telephone answers; when the scenario is over, so is the call.
fn answered(scenario: &'static str) -> Option<Tipring> {
    let sipp = Sipp::installed()?;
    let (tipring, telephone) = beside(&sipp);
    let scenario = sipp.call(scenario, tipring.address);
    telephone.wait_ringing(5);
    telephone.lift();
    tipring.wait_line("talking", 3);
    scenario.succeeds();
    tipring.wait_line("busy_tone", 2);
    telephone.hang_up();
    tipring.wait_line("idle", 2);
    let calls = tipring.calls();
    assert_eq!(calls.len(), 1, "{calls:?}");
    assert_eq!(calls[0]["cause"], "remote_hangup", "{calls:?}");
    Some(tipring)
}

#[test]
fn an_invite_that_comes_three_times_is_one_call() {
    answered("call_invited_three_times");
}

#[test]
fn a_cancel_that_crosses_the_answer_leaves_the_call() {
    answered("call_cancelled_too_late");
}

#[test]
fn a_caller_without_an_offer_is_made_one() {
    let Some(tipring) = answered("call_without_offer") else {
        return;
    };
    // A-law was offered first; the caller's answer took the other.
    assert_eq!(tipring.calls()[0]["codec"], "PCMU");
}

#[test]
fn speech_follows_a_caller_who_holds_and_moves() {
    let Some(sipp) = Sipp::installed() else { return };
    let (tipring, telephone) = beside(&sipp);
    let scenario = sipp.call("call_held_and_moved", tipring.address);
    telephone.wait_ringing(5);
    telephone.lift();
    sipp.first_port.wait_packets(20, 3);
    sipp.second_port.wait_packets(20, 6);
    sipp.first_port.wait_packets(20, 3);
    scenario.succeeds();
    tipring.wait_line("busy_tone", 2);
}

#[test]
fn strangers_are_answered_and_change_nothing() {
    let Some(sipp) = Sipp::installed() else { return };
    let (tipring, telephone) = beside(&sipp);
    sipp.call("requests_of_strangers", tipring.address).succeeds();
    assert!(!telephone.is_ringing());
    assert_eq!(tipring.line_state(), "idle");
}

/// The telephone calls, the scenario answers, the telephone hangs up once `talking`.
fn calling(scenario: &'static str, talking: impl FnOnce(&Sipp)) -> Option<Tipring> {
    let sipp = Sipp::installed()?;
    let (tipring, telephone) = beside(&sipp);
    let scenario = sipp.answer(scenario);
    telephone.lift();
    telephone.wait_tone(DIAL_TONE_HZ, 2);
    telephone.press("600");
    tipring.wait_line("talking", 6);
    talking(&sipp);
    telephone.hang_up();
    scenario.succeeds();
    tipring.wait_line("idle", 2);
    let calls = tipring.calls();
    assert_eq!(calls.len(), 1, "{calls:?}");
    assert_eq!(calls[0]["cause"], "local_hangup", "{calls:?}");
    Some(tipring)
}

#[test]
fn of_two_who_answer_the_first_is_talked_to() {
    calling("answered_by_two", |sipp| {
        sipp.first_port.wait_packets(50, 3);
        assert_eq!(sipp.second_port.packets(), 0);
    });
}

#[test]
fn an_answer_that_comes_again_is_acknowledged_again() {
    calling("answered_twice", |sipp| {
        sipp.first_port.wait_packets(50, 3);
    });
}

#[test]
fn a_number_that_has_moved_is_followed() {
    calling("moved_temporarily", |sipp| {
        sipp.first_port.wait_packets(20, 3);
    });
}

#[test]
fn speech_goes_where_the_answer_says_whatever_was_announced_before() {
    calling("answered_elsewhere_than_announced", |sipp| {
        sipp.second_port.wait_packets(20, 3);
        let before = sipp.first_port.packets();
        sipp.second_port.wait_packets(20, 3);
        assert_eq!(sipp.first_port.packets(), before);
    });
}
