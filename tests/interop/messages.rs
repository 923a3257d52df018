//! Messages that wait in a mailbox of Asterisk's: told, asked for or not, heard as another dial tone, and forgotten.

use crate::lab::wait_until;
use crate::peers::Asterisk;
use crate::sound;
use crate::telephone::Telephone;
use crate::tipring::{Account, DIAL_TONE_HZ, Tipring};

/// The bursts that begin the dial tone of a line with messages.
const STUTTER_MS: usize = 100;

fn waits(tipring: &Tipring) -> bool {
    tipring.status()["lines"][0]["message_waiting"] == true
}

/// Leaves a message in the mailbox of its own.
fn leave_message(asterisk: &Asterisk, tipring: &Tipring, telephone: &Telephone) {
    telephone.lift();
    telephone.wait_tone(DIAL_TONE_HZ, 10);
    telephone.press("622");
    asterisk.wait_log("Recording the message", 15);
    telephone.say(sound::sine(1000.0, 1000));
    telephone.wait_silent();
    telephone.hang_up();
    tipring.wait_line("idle", 10);
}

fn a_message_comes_and_goes(account: impl FnOnce(&Asterisk) -> Account, is_asked_for: bool) {
    let Some(asterisk) = Asterisk::start() else { return };
    for module in ["app_voicemail", "res_pjsip_mwi", "res_pjsip_mwi_body_generator"] {
        asterisk.command(&format!("module load {module}.so"));
    }
    asterisk.command("pjsip set logger on");
    let account = account(&asterisk);
    let tipring = Tipring::registered(&account);
    let telephone = tipring.telephone();
    // One NOTIFY at least says that there is none.
    asterisk.wait_log("Messages-Waiting: no", 10);
    assert!(!waits(&tipring));
    leave_message(&asterisk, &tipring, &telephone);
    wait_until("a message waits", 20, || waits(&tipring));
    asterisk.wait_log("Messages-Waiting: yes", 1);
    telephone.lift();
    telephone.wait_cadence(DIAL_TONE_HZ, STUTTER_MS, 10);
    telephone.wait_tone(DIAL_TONE_HZ, 10);
    telephone.hang_up();
    tipring.wait_line("idle", 10);

    let mailbox = asterisk
        .file("spool/voicemail/default")
        .join(account.username)
        .join("INBOX");
    std::fs::remove_dir_all(mailbox).expect("a mailbox with a message");
    wait_until("no message waits", 20, || !waits(&tipring));
    assert_eq!(asterisk.log().contains("SUBSCRIBE sip:"), is_asked_for);
    let mark = telephone.mark();
    telephone.lift();
    telephone.wait_tone(DIAL_TONE_HZ, 10);
    let bursts = sound::bursts_ms(&telephone.heard_since(mark), DIAL_TONE_HZ);
    assert!(
        !bursts.iter().any(|burst| burst.abs_diff(STUTTER_MS) <= 40),
        "{bursts:?}"
    );
}

#[test]
fn messages_that_are_asked_for_are_told_and_heard() {
    a_message_comes_and_goes(
        |asterisk| Account {
            username: "6008",
            password: "secret6008",
            keys: "message_waiting: true",
            ..Account::line_one(asterisk.uri())
        },
        true,
    );
}

#[test]
fn messages_that_are_told_unasked_are_heeded() {
    a_message_comes_and_goes(
        |asterisk| Account {
            username: "6009",
            password: "secret6009",
            ..Account::line_one(asterisk.uri())
        },
        false,
    );
}
