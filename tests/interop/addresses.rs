//! Servers found by what DNS says of a domain, and reached by IPv6.

use std::net::Ipv6Addr;

use crate::lab::{SIP_PORT, address_v6};
use crate::peers::{Asterisk, Kamailio, NameServer, Ways};
use crate::telephone::Telephone;
use crate::tipring::{Account, DIAL_TONE_HZ, Tipring};

/// A telephone that hears dial tone, at a program that speaks IPv6 only.
fn start_at(address: Ipv6Addr, account: &Account) -> (Tipring, Telephone) {
    let tipring = Tipring::start_at(&format!("[{address}]:{SIP_PORT}"), account);
    tipring.wait_account("registered", 10);
    let telephone = tipring.telephone();
    telephone.wait_quiet(50, 5);
    (tipring, telephone)
}

#[test]
fn an_exchange_is_called_and_calls_over_ipv6() {
    let (Some(exchange), Some(here)) = (address_v6(), address_v6()) else {
        return;
    };
    let Some(asterisk) = Asterisk::start_at_ipv6(exchange) else {
        return;
    };
    let (tipring, telephone) = start_at(here, &Account::line_one(asterisk.uri()));
    telephone.lift();
    telephone.wait_tone(DIAL_TONE_HZ, 10);
    telephone.press("600");
    tipring.wait_line("talking", 10);
    telephone.reach(&telephone, 1000.0, 15);
    telephone.hang_up();
    tipring.wait_line("idle", 10);
    asterisk.wait_channels(0, 10);
    // And called.
    asterisk.call("6001", "600");
    telephone.wait_ringing(10);
    telephone.lift();
    tipring.wait_line("talking", 10);
    telephone.reach(&telephone, 1000.0, 15);
}

/// NAPTR wants TCP first, its SRV record names a host, and that has an address of either family; ours is IPv4.
#[test]
fn a_domain_is_followed_to_the_transport_host_and_address_that_answers() {
    let Some(nobody) = address_v6() else { return };
    let Some(kamailio) = Kamailio::start(&Ways::default()) else {
        return;
    };
    let names = NameServer::start(60);
    names.set_naptr(
        "example.test",
        &[
            ("SIP+D2T", "_sip._tcp.example.test"),
            ("SIP+D2U", "_sip._udp.example.test"),
        ],
    );
    names.set_srv("_sip._tcp.example.test", &[(10, "host.example.test")]);
    names.set_srv("_sip._udp.example.test", &[(10, "host.example.test")]);
    names.set_address("host.example.test", nobody);
    names.set_address("host.example.test", kamailio.address());
    let sip = format!("dns_servers: [\"{}\"]", names.address());
    let tipring = Tipring::start_with_sections(&Account::line_one("sip:example.test"), &sip, "");
    tipring.wait_account("registered", 20);
    assert_eq!(
        kamailio.requests("REGISTER", "6001", "tcp"),
        2,
        "{}",
        kamailio.log()
    );
    assert_eq!(
        kamailio.requests("REGISTER", "6001", "udp"),
        0,
        "{}",
        kamailio.log()
    );
}
