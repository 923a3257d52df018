//! Encrypted calls: keys by SDES with Asterisk and baresip, by DTLS with Asterisk, speech both ways.

use crate::lab::SIP_PORT;
use crate::peers::{Asterisk, Baresip, SAYS_HZ};
use crate::sound;
use crate::telephone::Telephone;
use crate::tipring::{Account, DIAL_TONE_HZ, Tipring};

const SUITE: &str = "srtp-sdes AES_CM_128_HMAC_SHA1_80";
const TELEPHONE_HZ: f32 = 700.0;

/// A subscriber of Asterisk's with these keys of the account.
fn subscriber(asterisk: &Asterisk, username: &'static str, keys: &'static str) -> Account {
    Account {
        username,
        password: match username {
            "6001" => "secret6001",
            "6003" => "secret6003",
            "6010" => "secret6010",
            "6011" => "secret6011",
            _ => "secret6004",
        },
        keys,
        ..Account::line_one(asterisk.uri())
    }
}

fn dialed(account: &Account, number: &str) -> (Tipring, Telephone) {
    let tipring = Tipring::start(account);
    if account.register {
        tipring.wait_account("registered", 5);
    }
    let telephone = tipring.telephone();
    telephone.wait_quiet(50, 2);
    telephone.lift();
    telephone.wait_tone(DIAL_TONE_HZ, 2);
    telephone.press(number);
    (tipring, telephone)
}

/// Hangs up; what encrypted the call, by its record.
#[track_caller]
fn encryption(tipring: &Tipring, telephone: &Telephone) -> Option<String> {
    telephone.hang_up();
    tipring.wait_line("idle", 3);
    let call = tipring.calls().remove(0);
    assert_eq!(call["unauthentic_packets"], 0, "{call}");
    call["encryption"].as_str().map(str::to_owned)
}

/// What is said into the echo comes back as it was said.
#[track_caller]
fn assert_speech_comes_back(asterisk: &Asterisk, tipring: &Tipring, telephone: &Telephone) {
    let said = asterisk.speech();
    let mark = telephone.mark();
    telephone.say(said.clone());
    telephone.wait_silent();
    telephone.listen(500);
    sound::assert_alike(&said, &telephone.heard_since(mark), &tipring.folder());
}

#[test]
fn encrypted_speech_comes_back_from_the_echo_as_it_was_said() {
    let Some(asterisk) = Asterisk::start() else { return };
    let account = subscriber(&asterisk, "6003", "srtp: required");
    let (tipring, telephone) = dialed(&account, "600");
    tipring.wait_line("talking", 5);
    telephone.wait_quiet(300, 3);
    assert_eq!(tipring.status()["calls"][0]["encryption"], SUITE);
    assert_speech_comes_back(&asterisk, &tipring, &telephone);
    assert_eq!(encryption(&tipring, &telephone).as_deref(), Some(SUITE));
}

#[test]
fn an_exchange_that_encrypts_calls() {
    let Some(asterisk) = Asterisk::start() else { return };
    let tipring = Tipring::registered(&subscriber(&asterisk, "6003", "srtp: optional"));
    let telephone = tipring.telephone();
    telephone.wait_quiet(50, 2);
    asterisk.call("6003", "600");
    telephone.wait_ringing(5);
    telephone.lift();
    tipring.wait_line("talking", 3);
    telephone.say(sound::sine(TELEPHONE_HZ, 2000));
    telephone.wait_tone(TELEPHONE_HZ, 3);
    // Keys pressed in an encrypted call are events in it.
    assert_eq!(encryption(&tipring, &telephone).as_deref(), Some(SUITE));
}

#[test]
fn keys_pressed_in_an_encrypted_call_arrive() {
    let Some(asterisk) = Asterisk::start() else { return };
    let (tipring, telephone) = dialed(&subscriber(&asterisk, "6003", "srtp: required"), "602");
    tipring.wait_line("talking", 5);
    telephone.wait_quiet(300, 3);
    telephone.press("159");
    crate::lab::wait_until("Asterisk has read the keys", 10, || {
        asterisk.file("keys").exists()
    });
    let keys = std::fs::read_to_string(asterisk.file("keys")).expect("text");
    assert_eq!(keys.trim(), "159");
    assert_eq!(encryption(&tipring, &telephone).as_deref(), Some(SUITE));
}

#[test]
fn both_encrypt_where_both_can_and_neither_must() {
    let Some(asterisk) = Asterisk::start() else { return };
    for (username, encrypted) in [("6004", Some(SUITE)), ("6001", None)] {
        let (tipring, telephone) = dialed(&subscriber(&asterisk, username, "srtp: optional"), "600");
        tipring.wait_line("talking", 5);
        telephone.say(sound::sine(TELEPHONE_HZ, 2000));
        telephone.wait_tone(TELEPHONE_HZ, 3);
        assert_eq!(
            encryption(&tipring, &telephone).as_deref(),
            encrypted,
            "{username}"
        );
    }
}

#[test]
fn an_exchange_that_does_not_encrypt_is_refused_where_it_must() {
    let Some(asterisk) = Asterisk::start() else { return };
    let (tipring, telephone) = dialed(&subscriber(&asterisk, "6001", "srtp: required"), "600");
    tipring.wait_line("busy_tone", 5);
    assert_eq!(encryption(&tipring, &telephone), None);
    assert_eq!(tipring.calls()[0]["sip_status"], 488);
    asterisk.call_through("6001");
    asterisk.wait_log("the call to 6001 ended as", 5);
    assert!(!telephone.is_ringing());
}

/// What Asterisk agrees to by DTLS; its own default.
const DTLS_SUITE: &str = "srtp-dtls AES_CM_128_HMAC_SHA1_80";

#[test]
fn speech_keyed_by_a_handshake_comes_back_as_it_was_said() {
    let Some(asterisk) = Asterisk::start() else { return };
    // Asterisk's answer begins the handshake; with RTCP beside RTP, and without any.
    for username in ["6010", "6011"] {
        let (tipring, telephone) = dialed(&subscriber(&asterisk, username, "srtp: dtls"), "600");
        tipring.wait_line("talking", 5);
        telephone.wait_quiet(300, 3);
        assert_eq!(tipring.status()["calls"][0]["encryption"], DTLS_SUITE);
        assert_speech_comes_back(&asterisk, &tipring, &telephone);
        assert_eq!(encryption(&tipring, &telephone).as_deref(), Some(DTLS_SUITE));
        let round_trip = &tipring.calls()[0]["round_trip_ms"];
        assert_eq!(round_trip.is_number(), username == "6010", "{round_trip}");
    }
}

#[test]
fn an_exchange_that_offers_a_handshake() {
    let Some(asterisk) = Asterisk::start() else { return };
    // Here we begin it.
    for (username, keys) in [("6010", "srtp: optional"), ("6011", "srtp: required")] {
        let tipring = Tipring::registered(&subscriber(&asterisk, username, keys));
        let telephone = tipring.telephone();
        telephone.wait_quiet(50, 2);
        asterisk.call(username, "600");
        telephone.wait_ringing(5);
        telephone.lift();
        tipring.wait_line("talking", 3);
        telephone.wait_quiet(300, 3);
        assert_speech_comes_back(&asterisk, &tipring, &telephone);
        assert_eq!(encryption(&tipring, &telephone).as_deref(), Some(DTLS_SUITE));
    }
}

/// Both talk for a moment.
#[track_caller]
fn talk(telephone: &Telephone) {
    telephone.wait_tone(SAYS_HZ, 5);
    telephone.say(sound::sine(TELEPHONE_HZ, 500));
    telephone.wait_silent();
    telephone.listen(300);
}

#[track_caller]
fn assert_heard(baresip: &Baresip) {
    let bursts = sound::bursts_ms(&baresip.heard(), TELEPHONE_HZ);
    let whole = bursts.iter().filter(|burst| burst.abs_diff(500) <= 40).count();
    assert_eq!(whole, 1, "{bursts:?} ms");
}

#[test]
fn a_telephone_of_another_make_encrypts_both_ways() {
    for (mode, keys) in [("srtp", "srtp: optional"), ("srtp-mand", "srtp: required")] {
        let Some(mut baresip) = Baresip::encrypting("600", mode) else {
            return;
        };
        let account = Account {
            username: "21",
            register: false,
            keys,
            ..Account::line_one(baresip.uri())
        };
        let (tipring, telephone) = dialed(&account, "600");
        tipring.wait_line("talking", 5);
        talk(&telephone);
        let called = encryption(&tipring, &telephone);
        baresip.wait_event("CALL_CLOSED", 3);
        assert_heard(&baresip);

        baresip.dial(&format!("sip:21@{}:{SIP_PORT}", tipring.address));
        telephone.wait_ringing(5);
        telephone.lift();
        talk(&telephone);
        let answered = encryption(&tipring, &telephone);
        println!("mediaenc={mode}, {keys}: called {called:?}, answered {answered:?}");
        assert!(
            called.is_some() && answered.is_some(),
            "{mode}: {called:?} {answered:?}"
        );
    }
}
