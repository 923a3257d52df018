//! pjsua2 at the other end: directly, and behind Asterisk.

use crate::lab::{SIP_PORT, wait_until};
use crate::peers::{Asterisk, Pjsua, speech};
use crate::sound;
use crate::telephone::Telephone;
use crate::tipring::{Account, DIAL_TONE_HZ, Tipring};

/// The tone that the telephone says.
const TELEPHONE_HZ: f32 = 700.0;

/// The tone that pjsua says.
const PJSUA_HZ: f32 = 1000.0;

/// What a caller hears of a busy number in Ukraine: 425 Hz, so long.
const BUSY_MS: usize = 400;

/// A telephone whose calls go to this pjsua, and which it reaches as 21.
fn beside(pjsua: &Pjsua) -> (Tipring, Telephone) {
    let tipring = Tipring::start(&Account {
        username: "21",
        register: false,
        ..Account::line_one(pjsua.uri())
    });
    let telephone = tipring.telephone();
    telephone.wait_quiet(50, 2);
    (tipring, telephone)
}

fn dial(telephone: &Telephone, number: &str) {
    telephone.lift();
    telephone.wait_tone(DIAL_TONE_HZ, 2);
    telephone.press(number);
}

/// Both say the recording at once; what the telephone hears is compared here, the other half when pjsua has ended.
fn speak_both_ways(pjsua: &mut Pjsua, tipring: &Tipring, telephone: &Telephone, said: &[i16]) {
    telephone.wait_quiet(300, 3);
    let mark = telephone.mark();
    pjsua.say(said);
    telephone.say(said.to_vec());
    telephone.wait_silent();
    telephone.listen(500);
    sound::assert_alike(said, &telephone.heard_since(mark), &tipring.folder());
}

#[test]
fn a_telephone_of_pjsua_is_called_speaks_and_hangs_up() {
    let (Some(said), Some(mut pjsua)) = (speech(), Pjsua::at("600")) else {
        return;
    };
    let (tipring, telephone) = beside(&pjsua);
    dial(&telephone, "600");
    pjsua.wait_told("incoming", 5);
    telephone.wait_tone(DIAL_TONE_HZ, 3);
    assert_eq!(tipring.line_state(), "calling");
    pjsua.answer();
    tipring.wait_line("talking", 3);
    speak_both_ways(&mut pjsua, &tipring, &telephone, &said);
    pjsua.hang_up();
    tipring.wait_line("busy_tone", 3);
    let calls = tipring.calls();
    assert_eq!(
        (&calls[0]["cause"], &calls[0]["codec"], &calls[0]["lost_packets"]),
        (&"remote_hangup".into(), &"PCMA".into(), &0.into())
    );
    sound::assert_alike(&said, &pjsua.heard(), &tipring.folder());
}

#[test]
fn a_telephone_of_pjsua_calls_keys_go_both_ways_and_it_is_hung_up_on() {
    let Some(mut pjsua) = Pjsua::at("600") else { return };
    let (tipring, telephone) = beside(&pjsua);
    pjsua.dial(&format!("sip:21@{}:{SIP_PORT}", tipring.address));
    telephone.wait_ringing(5);
    pjsua.wait_told("state EARLY 180", 3);
    telephone.lift();
    pjsua.wait_told("state CONFIRMED 200", 3);
    telephone.wait_quiet(300, 3);
    let keys = "0123456789*#";
    telephone.press(keys);
    wait_until("pjsua has got the last key", 3, || pjsua.keys().ends_with('#'));
    assert_eq!(pjsua.keys(), keys);
    let mark = telephone.mark();
    pjsua.press("159#");
    wait_until("the telephone has heard its keys", 5, || {
        sound::keys(&telephone.heard_since(mark)).len() >= 4
    });
    telephone.listen(300);
    assert_eq!(sound::keys(&telephone.heard_since(mark)), "159#");
    telephone.hang_up();
    pjsua.wait_told("state DISCONNECTED 200", 3);
    tipring.wait_line("idle", 3);
    assert_eq!(tipring.calls()[0]["cause"], "local_hangup");
}

#[test]
fn a_telephone_of_pjsua_gives_up_calling() {
    let Some(mut pjsua) = Pjsua::at("600") else { return };
    let (tipring, telephone) = beside(&pjsua);
    pjsua.dial(&format!("sip:21@{}:{SIP_PORT}", tipring.address));
    telephone.wait_ringing(5);
    pjsua.hang_up();
    pjsua.wait_told("state DISCONNECTED 487", 3);
    tipring.wait_line("idle", 3);
    wait_until("the bell stops", 1, || !telephone.is_ringing());
    assert_eq!(tipring.calls()[0]["cause"], "cancelled");
}

#[test]
fn a_caller_gives_up_and_a_telephone_of_pjsua_stops_ringing() {
    let Some(pjsua) = Pjsua::at("600") else { return };
    let (tipring, telephone) = beside(&pjsua);
    dial(&telephone, "600");
    pjsua.wait_told("incoming", 5);
    telephone.hang_up();
    pjsua.wait_told("state DISCONNECTED 487", 3);
    tipring.wait_line("idle", 3);
    assert_eq!(tipring.calls()[0]["cause"], "cancelled");
}

#[test]
fn busy_is_understood_by_either() {
    let Some(mut pjsua) = Pjsua::at("600") else { return };
    let (tipring, telephone) = beside(&pjsua);
    dial(&telephone, "600");
    pjsua.wait_told("incoming", 5);
    pjsua.refuse(486);
    telephone.wait_cadence(DIAL_TONE_HZ, BUSY_MS, 5);
    assert_eq!(tipring.calls()[0]["cause"], "busy");
    // The receiver is still off: this line is busy now.
    pjsua.forget();
    pjsua.dial(&format!("sip:21@{}:{SIP_PORT}", tipring.address));
    pjsua.wait_told("state DISCONNECTED 486", 3);
}

#[test]
fn a_telephone_of_pjsua_holds_and_resumes() {
    let Some(mut pjsua) = Pjsua::at("600") else { return };
    let (tipring, telephone) = beside(&pjsua);
    dial(&telephone, "600");
    pjsua.wait_told("incoming", 5);
    pjsua.answer();
    tipring.wait_line("talking", 3);
    pjsua.say(&sound::sine(PJSUA_HZ, 60_000));
    for _ in 0..2 {
        telephone.wait_tone(PJSUA_HZ, 3);
        telephone.say(sound::sine(TELEPHONE_HZ, 500));
        telephone.wait_silent();
        telephone.listen(300);
        pjsua.hold();
        telephone.wait_quiet(500, 3);
        pjsua.resume();
        // Whoever holds connects the mouth anew.
        pjsua.say(&sound::sine(PJSUA_HZ, 60_000));
    }
    telephone.wait_tone(PJSUA_HZ, 3);
    telephone.hang_up();
    pjsua.wait_told("state DISCONNECTED 200", 3);
    tipring.wait_line("idle", 3);
    let bursts = sound::bursts_ms(&pjsua.heard(), TELEPHONE_HZ);
    let whole = bursts.iter().filter(|burst| burst.abs_diff(500) <= 40).count();
    assert_eq!(whole, 2, "{bursts:?} ms: once before hold, once after");
}

#[test]
fn a_subscriber_with_a_telephone_of_pjsua_calls_through_the_exchange() {
    let Some(asterisk) = Asterisk::start() else { return };
    let Some(mut pjsua) = Pjsua::registered(&asterisk, "6002") else {
        return;
    };
    let tipring = Tipring::registered(&Account::line_one(asterisk.uri()));
    let telephone = tipring.telephone();
    telephone.wait_quiet(50, 2);
    pjsua.dial(&format!("sip:6001@{}", asterisk.address));
    telephone.wait_ringing(5);
    telephone.lift();
    tipring.wait_line("talking", 3);
    let said = asterisk.speech();
    speak_both_ways(&mut pjsua, &tipring, &telephone, &said);
    telephone.press("42");
    wait_until("pjsua has got both keys", 3, || pjsua.keys() == "42");
    pjsua.hang_up();
    tipring.wait_line("busy_tone", 3);
    asterisk.wait_channels(0, 3);
    sound::assert_alike(&said, &pjsua.heard(), &tipring.folder());
}

#[test]
fn a_subscriber_with_a_telephone_of_pjsua_is_called_through_the_exchange() {
    let Some(asterisk) = Asterisk::start() else { return };
    let Some(mut pjsua) = Pjsua::registered(&asterisk, "6002") else {
        return;
    };
    let tipring = Tipring::registered(&Account::line_one(asterisk.uri()));
    let telephone = tipring.telephone();
    dial(&telephone, "6002");
    pjsua.wait_told("incoming", 5);
    pjsua.answer();
    tipring.wait_line("talking", 3);
    let said = asterisk.speech();
    speak_both_ways(&mut pjsua, &tipring, &telephone, &said);
    telephone.hang_up();
    tipring.wait_line("idle", 3);
    asterisk.wait_channels(0, 3);
    pjsua.wait_told("state DISCONNECTED 200", 3);
    sound::assert_alike(&said, &pjsua.heard(), &tipring.folder());
}
