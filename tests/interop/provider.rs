//! Kamailio as a provider: registrations by digest over UDP and TCP, calls through a proxy that asks for credentials.

use crate::lab::{pass, wait_until};
use crate::peers::{Kamailio, Ways};
use crate::sound;
use crate::tipring::{Account, DIAL_TONE_HZ, Tipring};

use std::time::Duration;

#[test]
fn a_proxy_that_asks_for_credentials_connects_two_telephones() {
    for transport in ["udp", "tcp"] {
        let Some(kamailio) = Kamailio::start(&Ways::default()) else {
            return;
        };
        let server = format!("{};transport={transport}", kamailio.uri());
        let one = Tipring::registered(&Account::line_one(&server));
        let two = Tipring::registered(&Account {
            username: "6002",
            password: "secret6002",
            ..Account::line_one(&server)
        });
        let (caller, called) = (one.telephone(), two.telephone());
        called.wait_quiet(50, 2);
        caller.lift();
        caller.wait_tone(DIAL_TONE_HZ, 2);
        caller.press("6002");
        called.wait_ringing(5);
        caller.wait_tone(DIAL_TONE_HZ, 6);
        called.lift();
        one.wait_line("talking", 3);
        two.wait_line("talking", 3);
        caller.wait_quiet(300, 3);
        caller.say(sound::sine(800.0, 1500));
        called.say(sound::sine(1200.0, 1500));
        called.wait_tone(800.0, 3);
        caller.wait_tone(1200.0, 3);
        called.hang_up();
        one.wait_line("busy_tone", 3);
        caller.hang_up();
        assert_eq!(one.calls()[0]["cause"], "remote_hangup");
        assert_eq!(two.calls()[0]["cause"], "local_hangup");
        assert_eq!(
            kamailio.requests("INVITE", "6001", transport),
            2,
            "{}",
            kamailio.log()
        );
    }
}

#[test]
fn a_provider_that_wants_sha_256_is_registered_at() {
    let ways = Ways {
        algorithm: "SHA-256",
        ..Ways::default()
    };
    let Some(kamailio) = Kamailio::start(&ways) else {
        return;
    };
    Tipring::registered(&Account::line_one(kamailio.uri()));
}

#[test]
fn a_nonce_that_has_grown_stale_costs_one_request_more_and_nothing_else() {
    let ways = Ways {
        nonce_s: 1,
        ..Ways::default()
    };
    let Some(kamailio) = Kamailio::start(&ways) else {
        return;
    };
    let tipring = Tipring::registered(&Account {
        expires_s: 10,
        ..Account::line_one(kamailio.uri())
    });
    assert_eq!(kamailio.requests("REGISTER", "6001", "udp"), 2);
    wait_until("it is refreshed", 11, || {
        kamailio.requests("REGISTER", "6001", "udp") >= 4
    });
    pass(Duration::from_millis(500));
    assert_eq!(
        kamailio.requests("REGISTER", "6001", "udp"),
        4,
        "{}",
        kamailio.log()
    );
    assert_eq!(tipring.account_state(), "registered");
}

#[test]
fn a_provider_that_refuses_the_password_is_not_asked_over_and_over() {
    let Some(kamailio) = Kamailio::start(&Ways::default()) else {
        return;
    };
    let tipring = Tipring::start(&Account {
        password: "not this",
        ..Account::line_one(kamailio.uri())
    });
    tipring.wait_account("failed", 5);
    pass(Duration::from_secs(3));
    assert_eq!(
        kamailio.requests("REGISTER", "6001", "udp"),
        2,
        "{}",
        kamailio.log()
    );
}
