//! Registration at Asterisk, and what becomes of it when that goes away.

use std::time::Duration;

use crate::lab::{pass, wait_until};
use crate::peers::Asterisk;
use crate::tipring::{Account, Tipring};

#[test]
fn the_right_password_registers_and_leaving_unregisters() {
    let Some(asterisk) = Asterisk::start() else { return };
    let mut tipring = Tipring::registered(&Account::line_one(asterisk.uri()));
    assert!(asterisk.has_contact("6001"));
    assert!(
        tipring.status()["accounts"][0]["expires_s"]
            .as_u64()
            .is_some_and(|left| left <= 60)
    );
    tipring.stop();
    wait_until("the registration is taken back", 2, || {
        !asterisk.has_contact("6001")
    });
}

#[test]
fn a_wrong_password_fails_and_is_not_tried_over_and_over() {
    let Some(asterisk) = Asterisk::start() else { return };
    asterisk.command("pjsip set logger on");
    let tipring = Tipring::start(&Account {
        password: "wrong",
        ..Account::line_one(asterisk.uri())
    });
    tipring.wait_account("failed", 5);
    pass(Duration::from_secs(5));
    let tries = asterisk.log().matches("\nREGISTER sip:").count();
    assert!((1..=2).contains(&tries), "{tries} REGISTERs");
    assert!(!asterisk.has_contact("6001"));
    let status = tipring.status().to_string();
    assert!(
        !status.contains("wrong") && !tipring.log().contains("wrong"),
        "the password is told: {status}"
    );
    assert!(
        tipring.status()["accounts"][0]["last_error"].is_string(),
        "{status}"
    );
}

#[test]
fn a_server_that_comes_up_later_is_registered_at() {
    let Some(mut asterisk) = Asterisk::start() else {
        return;
    };
    asterisk.kill();
    let tipring = Tipring::start(&Account::line_one(asterisk.uri()));
    tipring.wait_account("registering", 3);
    pass(Duration::from_secs(1));
    asterisk.start_again();
    tipring.wait_account("registered", 40);
    assert!(asterisk.has_contact("6001"));
}

#[test]
fn a_server_that_was_restarted_and_forgot_us_is_registered_at_again() {
    for transport in ["udp", "tcp"] {
        let Some(mut asterisk) = Asterisk::start() else {
            return;
        };
        let tipring = Tipring::registered(&Account {
            expires_s: 10,
            ..Account::line_one(format!("{};transport={transport}", asterisk.uri()))
        });
        asterisk.kill();
        asterisk.start_again();
        assert!(!asterisk.has_contact("6001"));
        wait_until("Asterisk knows us again", 20, || asterisk.has_contact("6001"));
        tipring.wait_account("registered", 2);
        asterisk.call("6001", "601");
        tipring.wait_line("ringing", 3);
    }
}
