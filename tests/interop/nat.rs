//! Calls out of a home behind a router: what is said arrives, both ways, whatever the router does. Asterisk is told
//! never to send back to where media came from by itself, so that only what we tell it can have helped.

use crate::home::{Home, Router};
use crate::peers::{Asterisk, Baresip, Coturn, SAYS_HZ, coturn};
use crate::sound;
use crate::telephone::Telephone;
use crate::tipring::{Account, DIAL_TONE_HZ, Tipring};

/// The subscriber whose media Asterisk sends where the description says (6013), or finds by ICE (6014).
fn subscriber(asterisk: &Asterisk, username: &'static str, password: &'static str) -> Account {
    Account {
        username,
        password,
        ..Account::line_one(asterisk.uri())
    }
}

fn plain(asterisk: &Asterisk) -> Account {
    subscriber(asterisk, "6013", "secret6013")
}

fn with_ice(asterisk: &Asterisk) -> Account {
    subscriber(asterisk, "6014", "secret6014")
}

/// A telephone that talks to the echo.
fn talking(tipring: &Tipring) -> Telephone {
    tipring.wait_account("registered", 5);
    let telephone = tipring.telephone();
    telephone.lift();
    telephone.wait_tone(DIAL_TONE_HZ, 2);
    telephone.press("600");
    tipring.wait_line("talking", 5);
    telephone
}

/// What is said comes back.
fn assert_echo(asterisk: &Asterisk, tipring: &Tipring) {
    let telephone = talking(tipring);
    telephone.reach(&telephone, 1000.0, 15);
    telephone.hang_up();
    tipring.wait_line("idle", 3);
    asterisk.wait_channels(0, 5);
}

/// And so does speech, as it was said. The tests beside this one keep Asterisk busy, and a packet that its echo sends late
/// tells nothing of the way here: of three times once is enough.
fn assert_speech_comes_back(asterisk: &Asterisk, tipring: &Tipring, telephone: &Telephone) {
    let said = asterisk.speech();
    for time in 1..=3 {
        telephone.wait_quiet(300, 5);
        let mark = telephone.mark();
        telephone.say(said.clone());
        telephone.wait_silent();
        telephone.listen(500);
        let heard = telephone.heard_since(mark);
        let judge = || sound::assert_alike(&said, &heard, &tipring.folder());
        if time == 3 {
            judge();
        } else if std::panic::catch_unwind(std::panic::AssertUnwindSafe(judge)).is_ok() {
            break;
        }
    }
    telephone.hang_up();
    asterisk.wait_channels(0, 5);
}

#[test]
fn behind_a_full_cone_the_address_that_stun_tells_serves_without_ice() {
    let Some(home) = Home::behind(Router::FullCone) else {
        return;
    };
    let [exchange, server, _] = home.world();
    let (Some(asterisk), Some(_coturn)) = (Asterisk::start_at(exchange), Coturn::start(server)) else {
        return;
    };
    let nat = format!("ice: 'off', stun_server: \"{server}\"");
    let tipring = Tipring::start_at_home(&home, &plain(&asterisk), &nat);
    assert_echo(&asterisk, &tipring);
}

#[test]
fn a_literal_external_address_serves_where_the_router_forwards() {
    let Some(home) = Home::behind(Router::FullCone) else {
        return;
    };
    let [exchange, ..] = home.world();
    let Some(asterisk) = Asterisk::start_at(exchange) else {
        return;
    };
    let mut octets = exchange.octets();
    octets[3] = 9;
    let outside = std::net::Ipv4Addr::from(octets);
    let nat = format!("ice: 'off', external_address: \"{outside}\"");
    let tipring = Tipring::start_at_home(&home, &plain(&asterisk), &nat);
    assert_echo(&asterisk, &tipring);
}

#[test]
fn behind_a_symmetric_router_ice_finds_the_way_to_asterisk() {
    let Some(home) = Home::behind(Router::Symmetric) else {
        return;
    };
    let [exchange, server, _] = home.world();
    let (Some(asterisk), Some(_coturn)) = (Asterisk::start_at(exchange), Coturn::start(server)) else {
        return;
    };
    let nat = format!("ice: offer, stun_server: \"{server}\"");
    let tipring = Tipring::start_at_home(&home, &with_ice(&asterisk), &nat);
    let telephone = talking(&tipring);
    tipring.wait_log("media goes to", 5);
    assert_speech_comes_back(&asterisk, &tipring, &telephone);
    assert!(!tipring.log().contains("through the TURN server"));
}

#[test]
fn asterisk_that_calls_and_offers_ice_is_answered_with_it() {
    let Some(home) = Home::behind(Router::Symmetric) else {
        return;
    };
    let [exchange, ..] = home.world();
    let Some(asterisk) = Asterisk::start_at(exchange) else {
        return;
    };
    let tipring = Tipring::start_at_home(&home, &with_ice(&asterisk), "ice: answer");
    tipring.wait_account("registered", 5);
    let telephone = tipring.telephone();
    asterisk.call("6014", "600");
    tipring.wait_line("ringing", 5);
    telephone.lift();
    tipring.wait_line("talking", 5);
    tipring.wait_log("media goes to", 5);
    telephone.reach(&telephone, 1000.0, 15);
    telephone.hang_up();
    asterisk.wait_channels(0, 5);
}

#[test]
fn where_only_the_turn_server_is_reached_media_goes_through_it() {
    let Some(home) = Home::behind(Router::Strict) else {
        return;
    };
    let [exchange, server, _] = home.world();
    let (Some(asterisk), Some(coturn)) = (Asterisk::start_at(exchange), Coturn::start(server)) else {
        return;
    };
    let nat = format!(
        "ice: offer, turn_server: \"{server}\", turn_username: {}, turn_password: \"{}\"",
        coturn::USER,
        coturn::PASSWORD
    );
    let tipring = Tipring::start_at_home(&home, &with_ice(&asterisk), &nat);
    let telephone = talking(&tipring);
    tipring.wait_log("through the TURN server", 15);
    assert_speech_comes_back(&asterisk, &tipring, &telephone);
    assert!(
        coturn.log().contains("CHANNEL_BIND processed, success"),
        "{}",
        coturn.log()
    );
}

/// Not behind a symmetric router: libre 1.0 answers checks from addresses it wasn't told of and then doesn't use them.
#[test]
fn baresip_with_ice_is_called_from_behind_a_full_cone() {
    let Some(home) = Home::behind(Router::FullCone) else {
        return;
    };
    let [_, server, telephone] = home.world();
    let (Some(baresip), Some(_coturn)) = (Baresip::with_ice("2000", telephone), Coturn::start(server)) else {
        return;
    };
    let account = Account {
        register: false,
        ..Account::line_one(baresip.uri())
    };
    let nat = format!("ice: offer, stun_server: \"{server}\"");
    let tipring = Tipring::start_at_home(&home, &account, &nat);
    tipring.wait_account("direct", 5);
    let telephone = tipring.telephone();
    telephone.lift();
    telephone.wait_tone(DIAL_TONE_HZ, 2);
    telephone.press("2000");
    tipring.wait_line("talking", 5);
    tipring.wait_log("media goes to", 5);
    telephone.wait_tone(SAYS_HZ, 15);
    telephone.say(sound::sine(700.0, 1500));
    telephone.wait_silent();
    telephone.listen(300);
    telephone.hang_up();
    tipring.wait_line("idle", 3);
}
