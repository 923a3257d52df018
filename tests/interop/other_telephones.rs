//! baresip at the other end: directly, and behind Asterisk.

use crate::lab::SIP_PORT;
use crate::peers::{Asterisk, Baresip, SAYS_HZ};
use crate::sound;
use crate::telephone::Telephone;
use crate::tipring::{Account, DIAL_TONE_HZ, Tipring};

/// The tone that the telephone says.
const TELEPHONE_HZ: f32 = 700.0;

/// The music of the exchange.
const MUSIC_HZ: f32 = 1500.0;

/// Both talk: the telephone's own part is looked for when the call is over.
#[track_caller]
fn talk(telephone: &Telephone) {
    telephone.wait_tone(SAYS_HZ, 5);
    telephone.say(sound::sine(TELEPHONE_HZ, 500));
    telephone.wait_silent();
    telephone.listen(300);
}

/// The other telephone has heard so many tones of this one.
#[track_caller]
fn assert_heard(baresip: &Baresip, tones: usize) {
    let bursts = sound::bursts_ms(&baresip.heard(), TELEPHONE_HZ);
    let whole = bursts.iter().filter(|burst| burst.abs_diff(500) <= 40).count();
    assert_eq!(whole, tones, "{bursts:?} ms");
}

fn beside(baresip: &Baresip) -> (Tipring, Telephone) {
    let tipring = Tipring::start(&Account {
        username: "21",
        register: false,
        ..Account::line_one(baresip.uri())
    });
    let telephone = tipring.telephone();
    telephone.wait_quiet(50, 2);
    (tipring, telephone)
}

#[test]
fn a_telephone_of_another_make_is_called_and_hangs_up() {
    let Some(mut baresip) = Baresip::at("600") else {
        return;
    };
    let (tipring, telephone) = beside(&baresip);
    telephone.lift();
    telephone.wait_tone(DIAL_TONE_HZ, 2);
    telephone.press("600");
    tipring.wait_line("talking", 5);
    talk(&telephone);
    baresip.hang_up();
    tipring.wait_line("busy_tone", 3);
    assert_eq!(tipring.calls()[0]["cause"], "remote_hangup");
    assert_heard(&baresip, 1);
}

#[test]
fn a_telephone_of_another_make_calls_and_is_hung_up_on() {
    let Some(mut baresip) = Baresip::at("600") else {
        return;
    };
    let (tipring, telephone) = beside(&baresip);
    baresip.dial(&format!("sip:21@{}:{SIP_PORT}", tipring.address));
    telephone.wait_ringing(5);
    telephone.lift();
    baresip.wait_event("CALL_ESTABLISHED", 3);
    talk(&telephone);
    telephone.hang_up();
    baresip.wait_event("CALL_CLOSED", 3);
    tipring.wait_line("idle", 3);
    assert_eq!(tipring.calls()[0]["cause"], "local_hangup");
    assert_heard(&baresip, 1);
}

#[test]
fn a_telephone_of_another_make_gives_up_calling() {
    let Some(mut baresip) = Baresip::at("600") else {
        return;
    };
    let (tipring, telephone) = beside(&baresip);
    baresip.dial(&format!("sip:21@{}:{SIP_PORT}", tipring.address));
    telephone.wait_ringing(5);
    baresip.hang_up();
    tipring.wait_line("idle", 3);
    assert_eq!(tipring.calls()[0]["cause"], "cancelled");
}

#[test]
fn a_telephone_of_another_make_holds_and_resumes() {
    let Some(mut baresip) = Baresip::at("600") else {
        return;
    };
    let (tipring, telephone) = beside(&baresip);
    telephone.lift();
    telephone.wait_tone(DIAL_TONE_HZ, 2);
    telephone.press("600");
    tipring.wait_line("talking", 5);
    talk(&telephone);
    baresip.hold();
    telephone.wait_quiet(500, 3);
    baresip.resume();
    talk(&telephone);
    telephone.hang_up();
    baresip.wait_event("CALL_CLOSED", 3);
    // Its player does not come back from hold, whatever arrives; odd_peers.rs counts what we send then.
    assert_heard(&baresip, 1);
}

#[test]
fn a_subscriber_who_holds_has_the_exchange_play_music() {
    let Some(asterisk) = Asterisk::start_with_music(&sound::sine(MUSIC_HZ, 5000)) else {
        return;
    };
    let Some((mut baresip, tipring, telephone)) = called_by_six_thousand_one(&asterisk, "6002") else {
        return;
    };
    baresip.hold();
    telephone.wait_tone(MUSIC_HZ, 5);
    baresip.resume();
    talk(&telephone);
    telephone.hang_up();
    tipring.wait_line("idle", 3);
    asterisk.wait_channels(0, 3);
}

/// The telephone is 6001 and has called a baresip that is registered as this subscriber.
fn called_by_six_thousand_one(
    asterisk: &Asterisk,
    subscriber: &str,
) -> Option<(Baresip, Tipring, Telephone)> {
    let baresip = Baresip::registered(asterisk, subscriber)?;
    let tipring = Tipring::registered(&Account::line_one(asterisk.uri()));
    let telephone = tipring.telephone();
    telephone.lift();
    telephone.wait_tone(DIAL_TONE_HZ, 2);
    telephone.press(subscriber);
    tipring.wait_line("talking", 5);
    talk(&telephone);
    Some((baresip, tipring, telephone))
}

#[test]
fn an_exchange_that_passes_hold_on_is_obeyed() {
    let Some(asterisk) = Asterisk::start() else { return };
    let Some(mut baresip) = Baresip::registered(&asterisk, "6001") else {
        return;
    };
    // Asterisk passes hold on to this one, as a re-INVITE.
    let tipring = Tipring::registered(&Account {
        username: "6002",
        password: "secret6002",
        ..Account::line_one(asterisk.uri())
    });
    let telephone = tipring.telephone();
    telephone.wait_quiet(50, 2);
    asterisk.command("pjsip set logger on");
    baresip.dial(&format!("sip:6002@{}", asterisk.address));
    telephone.wait_ringing(5);
    telephone.lift();
    tipring.wait_line("talking", 3);
    talk(&telephone);
    baresip.hold();
    asterisk.wait_log("a=recvonly", 3);
    telephone.wait_quiet(500, 3);
    baresip.resume();
    talk(&telephone);
    baresip.hang_up();
    tipring.wait_line("busy_tone", 3);
}
