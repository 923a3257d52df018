//! What Asterisk insists on in signalling: ringing that is acknowledged (100rel), session timers, media sent past it.

use crate::lab::wait_until;
use crate::peers::Asterisk;
use crate::sound;
use crate::telephone::Telephone;
use crate::tipring::{Account, DIAL_TONE_HZ, Tipring};

/// A subscriber from whom and to whom every provisional response is reliable, in sessions of 90 s.
fn strict(server: String) -> Account {
    Account {
        username: "6005",
        password: "secret6005",
        // Asterisk takes what it is asked for.
        keys: "session_expires_s: 90",
        ..Account::line_one(server)
    }
}

fn start() -> Option<(Asterisk, Tipring, Telephone)> {
    let asterisk = Asterisk::start()?;
    asterisk.command("pjsip set logger on");
    let tipring = Tipring::registered(&strict(asterisk.uri()));
    let telephone = tipring.telephone();
    Some((asterisk, tipring, telephone))
}

#[track_caller]
fn both_hear(telephone: &Telephone) {
    telephone.wait_quiet(300, 3);
    telephone.say(sound::sine(1000.0, 1500));
    telephone.wait_tone(1000.0, 2);
}

#[test]
fn ringing_is_acknowledged_and_the_session_refreshed_in_time() {
    let Some((asterisk, tipring, telephone)) = start() else {
        return;
    };
    telephone.lift();
    telephone.wait_tone(DIAL_TONE_HZ, 2);
    telephone.press("614");
    asterisk.wait_log("PRACK sip:", 5);
    tipring.wait_line("talking", 8);
    both_hear(&telephone);
    // Half of 90 s: whoever refreshes, the session is refreshed, and stands.
    asterisk.wait_log("UPDATE sip:", 50);
    assert!(asterisk.log().contains("Session-Expires: 90;refresher="));
    both_hear(&telephone);
    assert_eq!(tipring.line_state(), "talking");
    telephone.hang_up();
    tipring.wait_line("idle", 3);
    asterisk.wait_channels(0, 3);
    assert_eq!(tipring.calls()[0]["cause"], "local_hangup");
}

#[test]
fn our_own_ringing_is_reliable_where_the_caller_demands_it() {
    let Some((asterisk, tipring, telephone)) = start() else {
        return;
    };
    telephone.wait_quiet(50, 2);
    asterisk.call("6005", "600");
    telephone.wait_ringing(3);
    asterisk.wait_log("RAck: ", 3);
    assert!(asterisk.log().contains("RSeq: "));
    telephone.lift();
    tipring.wait_line("talking", 3);
    both_hear(&telephone);
    asterisk.hang_up_all();
    tipring.wait_line("busy_tone", 3);
    telephone.hang_up();
    tipring.wait_line("idle", 3);
    asterisk.wait_channels(0, 3);
    assert_eq!(tipring.calls()[0]["cause"], "remote_hangup");
}

#[test]
fn media_that_is_sent_past_the_server_arrives() {
    let Some(asterisk) = Asterisk::start() else { return };
    asterisk.command("module load bridge_native_rtp.so");
    asterisk.command("pjsip set logger on");
    let [one, two] = [("6006", "secret6006"), ("6007", "secret6007")].map(|(username, password)| {
        Tipring::registered(&Account {
            username,
            password,
            ..Account::line_one(asterisk.uri())
        })
    });
    let (caller, called) = (one.telephone(), two.telephone());
    called.wait_quiet(50, 2);
    caller.lift();
    caller.wait_tone(DIAL_TONE_HZ, 2);
    caller.press("6007");
    called.wait_ringing(5);
    called.lift();
    one.wait_line("talking", 3);
    two.wait_line("talking", 3);
    // Each is told the other's own address.
    for tipring in [&one, &two] {
        let told = format!("c=IN IP4 {}", tipring.address);
        wait_until("Asterisk passes the address on", 5, || {
            asterisk.log().matches(&told).count() >= 2
        });
    }
    for (speaker, listener) in [(&caller, &called), (&called, &caller)] {
        speaker.say(sound::sine(1000.0, 1500));
        listener.wait_tone(1000.0, 3);
    }
    caller.hang_up();
    two.wait_line("busy_tone", 3);
    called.hang_up();
    two.wait_line("idle", 3);
    asterisk.wait_channels(0, 3);
    for (tipring, cause) in [(&one, "local_hangup"), (&two, "remote_hangup")] {
        assert_eq!(tipring.calls()[0]["cause"], cause);
    }
}
