//! TLS, servers found by name, and registrations that mend themselves, against real servers and a real kernel.

use std::time::{Duration, Instant};

use crate::lab::{self, pass, wait_until};
use crate::network::OtherHost;
use crate::peers::{Asterisk, Certificates, Kamailio, NameServer, Ways};
use crate::tipring::{Account, DIAL_TONE_HZ, Tipring};

/// From an event on the network to the registration that follows it.
const GOAL: Duration = Duration::from_secs(3);

#[test]
fn asterisk_over_tls_is_registered_at_and_called_through() {
    let address = lab::address();
    let certificates = Certificates::new(address, "pbx.example.test");
    let Some(asterisk) = Asterisk::start_with_tls(address, certificates.folder()) else {
        return;
    };
    let server = format!("sip:{address};transport=tls");
    let tls = format!("tls: {{ ca_file: {:?} }}\n", certificates.authority());
    let tipring = Tipring::start_with_sections(&Account::line_one(&server), "", &tls);
    tipring.wait_account("registered", 5);
    let telephone = tipring.telephone();
    telephone.lift();
    telephone.wait_tone(DIAL_TONE_HZ, 2);
    telephone.press("601");
    tipring.wait_line("talking", 5);
    telephone.hang_up();
    tipring.wait_line("idle", 3);
    // Asterisk calls over the connection that the registration came by: there is no listener of ours.
    asterisk.call("6001", "601");
    telephone.wait_ringing(5);
    telephone.lift();
    tipring.wait_line("talking", 3);
}

#[test]
fn a_certificate_of_an_unknown_authority_or_another_name_is_refused() {
    let address = lab::address();
    let certificates = Certificates::new(address, "pbx.example.test");
    let Some(asterisk) = Asterisk::start_with_tls(address, certificates.folder()) else {
        return;
    };
    let names = NameServer::start(60);
    names.set_address("other.example.test", address);
    for (server, ca, reason) in [
        (address.to_string(), false, "no authority known here"),
        ("other.example.test".to_owned(), true, "other.example.test"),
    ] {
        let server = format!("sip:{server};transport=tls");
        let ca_file = certificates.authority();
        let tls = if ca {
            format!("tls: {{ ca_file: {ca_file:?} }}\n")
        } else {
            String::new()
        };
        let sip = format!("dns_servers: [\"{}\"]", names.address());
        let tipring = Tipring::start_with_sections(&Account::line_one(&server), &sip, &tls);
        tipring.wait_account("failed", 10);
        let status = tipring.status().to_string();
        assert!(status.contains(reason), "{status}");
    }
    assert!(!asterisk.has_contact("6001"));
}

#[test]
fn kamailio_keeps_the_flow_over_tls() {
    let address = lab::address();
    let certificates = Certificates::new(address, "sip.example.test");
    let names = NameServer::start(60);
    names.set_address("sip.example.test", address);
    let ways = Ways {
        address: Some(address),
        certificates: Some(certificates.folder()),
        ..Ways::default()
    };
    let Some(kamailio) = Kamailio::start(&ways) else {
        return;
    };
    let sip = format!("dns_servers: [\"{}\"]", names.address());
    let tls = format!("tls: {{ ca_file: {:?} }}\n", certificates.authority());
    let account = Account::line_one("sip:sip.example.test:5061;transport=tls");
    let tipring = Tipring::start_with_sections(&account, &sip, &tls);
    tipring.wait_account("registered", 5);
    let log = kamailio.log();
    assert!(
        log.contains("outbound contact ") && log.contains("reg-id=1"),
        "{log}"
    );
    assert!(log.contains("+sip.instance=\"<urn:uuid:"), "{log}");
    assert!(log.contains("supported path, outbound"), "{log}");
}

#[test]
fn the_second_server_serves_while_the_first_is_away_and_dns_may_change_its_mind() {
    let Some(mut first) = Kamailio::start(&Ways::default()) else {
        return;
    };
    let Some(second) = Kamailio::start(&Ways::default()) else {
        return;
    };
    let names = NameServer::start(1);
    names.set_address("a.example.test", first.address());
    names.set_address("b.example.test", second.address());
    names.set_srv(
        "_sip._tcp.example.test",
        &[(10, "a.example.test"), (20, "b.example.test")],
    );
    let sip = format!("dns_servers: [\"{}\"]", names.address());
    let account = Account {
        expires_s: 10,
        ..Account::line_one("sip:example.test;transport=tcp")
    };
    let tipring = Tipring::start_with_sections(&account, &sip, "");
    tipring.wait_account("registered", 5);
    let at = |server: &Kamailio| server.requests("REGISTER", "6001", "tcp");
    assert!(at(&first) > 0 && at(&second) == 0);

    let gone = Instant::now();
    first.stop();
    wait_until("registered at the second server", 10, || at(&second) >= 2);
    println!(
        "registered at the second server after {} ms",
        gone.elapsed().as_millis()
    );

    // DNS has the second server only from now on, and then nothing at all: it serves on.
    names.set_srv("_sip._tcp.example.test", &[(10, "b.example.test")]);
    let before = at(&second);
    wait_until("refreshed there", 15, || at(&second) > before);
    names.fall_silent();
    pass(Duration::from_secs(2));
    let before = at(&second);
    wait_until("refreshed by the last good answer", 30, || at(&second) > before);
    tipring.wait_account("registered", 10);
}

#[test]
fn a_changed_address_and_a_link_that_returns_are_registered_within_three_seconds() {
    let Some(host) = OtherHost::new() else { return };
    let ways = Ways {
        address: Some(host.there()),
        namespace: Some(host.namespace().to_owned()),
        ..Ways::default()
    };
    let Some(kamailio) = Kamailio::start(&ways) else {
        return;
    };
    for transport in ["udp", "tcp"] {
        let server = format!("{};transport={transport}", kamailio.uri());
        let tipring = Tipring::start_at("0.0.0.0:0", &Account::line_one(&server));
        tipring.wait_account("registered", 5);
        let count = || kamailio.requests("REGISTER", "6001", transport);
        let follows = |what: &str, before: usize, since: Instant| {
            wait_until(what, 10, || count() > before);
            let took = since.elapsed();
            println!(
                "new registration over {transport} after {what}: {} ms",
                took.as_millis()
            );
            assert!(took <= GOAL, "{what}: {took:?}");
            tipring.wait_account("registered", 5);
        };
        let before = count();
        let since = Instant::now();
        host.move_here();
        follows("address change", before, since);

        host.link("down");
        pass(Duration::from_millis(1500));
        let before = count();
        let since = Instant::now();
        host.link("up");
        follows("link return", before, since);
    }
}
