//! What proxies do with calls and registrations between here and there: forking, one after the other and at once, other
//! destinations, routes that are recorded, edge proxies in the path of a registration.

use std::net::Ipv4Addr;

use crate::home::{Home, Router};
use crate::lab::{SIP_PORT, address, wait_until};
use crate::peers::{Certificates, Kamailio, NameServer, Ways};
use crate::telephone::Telephone;
use crate::tipring::{Account, DIAL_TONE_HZ, Tipring};

fn subscriber(server: String, username: &'static str, password: &'static str) -> Account {
    Account {
        username,
        password,
        ..Account::line_one(server)
    }
}

/// The registered account and its telephone.
fn registered(account: &Account) -> (Tipring, Telephone) {
    let tipring = Tipring::registered(account);
    let telephone = tipring.telephone();
    telephone.wait_quiet(50, 5);
    (tipring, telephone)
}

#[track_caller]
fn dial(telephone: &Telephone, number: &str) {
    telephone.lift();
    telephone.wait_tone(DIAL_TONE_HZ, 10);
    telephone.press(number);
}

/// Each hears what the other says.
#[track_caller]
fn talk(one: &Telephone, other: &Telephone) {
    for (speaker, listener, hz) in [(one, other, 800.0), (other, one, 1200.0)] {
        listener.wait_quiet(200, 10);
        speaker.reach(listener, hz, 15);
    }
}

/// The called party answers, both talk, and the called party hangs up.
#[track_caller]
fn answered(caller: &(Tipring, Telephone), called: &(Tipring, Telephone)) {
    called.1.wait_ringing(15);
    called.1.lift();
    caller.0.wait_line("talking", 10);
    called.0.wait_line("talking", 10);
    talk(&caller.1, &called.1);
    called.1.hang_up();
    caller.0.wait_line("busy_tone", 10);
    caller.1.hang_up();
    caller.0.wait_line("idle", 10);
}

#[test]
fn two_telephones_of_one_number_ring_until_one_is_lifted() {
    let ways = Ways {
        features: &["WITH_SEVERAL_CONTACTS"],
        ..Ways::default()
    };
    let Some(kamailio) = Kamailio::start(&ways) else {
        return;
    };
    let caller = registered(&Account::line_one(kamailio.uri()));
    // Of one machine they are one instance to a registrar that keeps flows (RFC 5626 4.1).
    let [upstairs, downstairs] = [(), ()].map(|()| {
        registered(&Account {
            keys: "outbound: false",
            ..subscriber(kamailio.uri(), "6002", "secret6002")
        })
    });
    dial(&caller.1, "6002");
    upstairs.1.wait_ringing(15);
    answered(&caller, &downstairs);
    upstairs.0.wait_line("idle", 10);
    assert!(!upstairs.1.is_ringing());
    assert_eq!(upstairs.0.calls()[0]["cause"], "answered_elsewhere");
    assert_eq!(caller.0.calls()[0]["cause"], "remote_hangup");
}

#[test]
fn a_call_that_nobody_answers_goes_on_to_the_next_number() {
    let Some(kamailio) = Kamailio::start(&Ways::default()) else {
        return;
    };
    let caller = registered(&Account::line_one(kamailio.uri()));
    let first = registered(&subscriber(kamailio.uri(), "6002", "secret6002"));
    let second = registered(&subscriber(kamailio.uri(), "6003", "secret6003"));
    dial(&caller.1, "7002");
    first.1.wait_ringing(15);
    assert!(!second.1.is_ringing());
    answered(&caller, &second);
    assert!(!first.1.is_ringing());
    assert_eq!(first.0.calls()[0]["cause"], "cancelled");
    // Refused, it goes on at once.
    first.1.lift();
    first.1.wait_tone(DIAL_TONE_HZ, 10);
    dial(&caller.1, "7002");
    answered(&caller, &second);
}

#[test]
fn a_call_is_made_where_the_proxy_says_the_number_has_moved_to() {
    let Some(kamailio) = Kamailio::start(&Ways::default()) else {
        return;
    };
    let caller = registered(&Account::line_one(kamailio.uri()));
    let called = registered(&subscriber(kamailio.uri(), "6002", "secret6002"));
    dial(&caller.1, "7001");
    answered(&caller, &called);
    assert_eq!(caller.0.calls()[0]["cause"], "remote_hangup");
}

#[test]
fn requests_in_a_call_follow_the_recorded_route_between_two_transports() {
    let Some(kamailio) = Kamailio::start(&Ways::default()) else {
        return;
    };
    let caller = registered(&Account::line_one(format!("{};transport=udp", kamailio.uri())));
    let called = registered(&subscriber(
        format!("{};transport=tcp", kamailio.uri()),
        "6002",
        "secret6002",
    ));
    dial(&caller.1, "6002");
    called.1.wait_ringing(10);
    called.1.lift();
    caller.0.wait_line("talking", 10);
    // Hold and back, by either.
    for (holds, user, transport) in [(&caller, "6001", "udp"), (&called, "6002", "tcp")] {
        let invites = || kamailio.requests("INVITE", user, transport);
        let before = invites();
        holds.1.flash(100);
        holds.0.wait_line("held", 10);
        wait_until("hold goes through the proxy", 10, || invites() == before + 1);
        holds.1.wait_tone(DIAL_TONE_HZ, 10);
        holds.1.flash(100);
        holds.0.wait_line("talking", 10);
        wait_until("so does its end", 10, || invites() == before + 2);
        talk(&caller.1, &called.1);
    }
    called.1.hang_up();
    caller.0.wait_line("busy_tone", 10);
    assert_eq!(kamailio.requests("BYE", "6002", "tcp"), 1, "{}", kamailio.log());
}

#[test]
fn a_call_between_two_over_tls_uses_the_connections_of_their_registrations() {
    let at = address();
    let certificates = Certificates::new(at, "sip.example.test");
    let Some(kamailio) = Kamailio::start(&Ways {
        address: Some(at),
        certificates: Some(certificates.folder()),
        ..Ways::default()
    }) else {
        return;
    };
    let names = NameServer::start(60);
    names.set_address("sip.example.test", at);
    let sip = format!("dns_servers: [\"{}\"]", names.address());
    let tls = format!("tls: {{ ca_file: {:?} }}\n", certificates.authority());
    let server = "sip:sip.example.test:5061;transport=tls";
    let [caller, called] = [("6001", "secret6001"), ("6002", "secret6002")].map(|(username, password)| {
        let account = subscriber(server.to_owned(), username, password);
        let tipring = Tipring::start_with_sections(&account, &sip, &tls);
        tipring.wait_account("registered", 10);
        let telephone = tipring.telephone();
        telephone.wait_quiet(50, 5);
        (tipring, telephone)
    });
    dial(&caller.1, "6002");
    answered(&caller, &called);
    dial(&called.1, "6001");
    answered(&called, &caller);
    for user in ["6001", "6002"] {
        assert_eq!(kamailio.requests("INVITE", user, "tls"), 2, "{}", kamailio.log());
        assert_eq!(kamailio.requests("BYE", user, "tls"), 1, "{}", kamailio.log());
    }
}

/// A registrar, and the edge proxies before it at these addresses.
fn behind_edges<const N: usize>(edges: [Ipv4Addr; N]) -> Option<(Kamailio, [Kamailio; N])> {
    let registrar = Kamailio::start(&Ways::default())?;
    let edges = edges.map(|address| {
        Kamailio::start(&Ways {
            address: Some(address),
            edge_of: Some(registrar.address()),
            ..Ways::default()
        })
        .expect("installed, as the registrar is")
    });
    Some((registrar, edges))
}

/// The subscriber whose domain is the registrar's address, and his server an edge proxy.
fn subscriber_behind(edge: String, registrar: &Kamailio) -> Account {
    Account {
        keys: format!("domain: \"{}\"", registrar.address()).leak(),
        ..subscriber(edge, "6002", "secret6002")
    }
}

#[test]
fn calls_come_by_the_path_of_the_registration() {
    let Some((registrar, [edge])) = behind_edges([address()]) else {
        return;
    };
    let caller = registered(&Account::line_one(registrar.uri()));
    for transport in ["udp", "tcp"] {
        let server = format!("{};transport={transport}", edge.uri());
        let called = registered(&subscriber_behind(server, &registrar));
        dial(&caller.1, "6002");
        answered(&caller, &called);
        let way = format!("routed INVITE for 6002 to sip:{}", called.0.address);
        assert!(edge.log().contains(&way), "{}", edge.log());
        // And back the same way.
        dial(&called.1, "6001");
        answered(&called, &caller);
        assert_eq!(edge.requests("INVITE", "6002", transport), 2, "{}", edge.log());
    }
}

/// Nothing but answers and what comes down the connection that it has made gets in.
#[test]
fn a_home_behind_a_router_is_called_down_its_flow_through_whichever_edge_is_up() {
    let Some(home) = Home::behind(Router::FullCone) else {
        return;
    };
    let [first, second, outside] = home.world();
    let Some((registrar, [mut first, second])) = behind_edges([first, second]) else {
        return;
    };
    let names = NameServer::start_at(outside, 60);
    names.set_address("a.example.test", first.address());
    names.set_address("b.example.test", second.address());
    names.set_srv(
        "_sip._tcp.example.test",
        &[(10, "a.example.test"), (20, "b.example.test")],
    );
    let [network @ .., _] = outside.octets();
    let router = network.map(|octet| octet.to_string()).join(".") + ".9";
    let called = Tipring::start_at_home_with(
        &home,
        &subscriber_behind("sip:example.test;transport=tcp".to_owned(), &registrar),
        &format!("ice: 'off', external_address: \"{router}\""),
        &format!("dns_servers: [\"{}\"]", names.address()),
    );
    called.wait_account("registered", 15);
    let telephone = called.telephone();
    let called = (called, telephone);
    let account = Account::line_one(registrar.uri());
    let caller = Tipring::start_at(&format!("{outside}:{SIP_PORT}"), &account);
    caller.wait_account("registered", 15);
    let telephone = caller.telephone();
    telephone.wait_quiet(50, 5);
    let caller = (caller, telephone);

    let calls_both_ways = |edge: &Kamailio| {
        dial(&caller.1, "6002");
        answered(&caller, &called);
        assert!(
            edge.log().contains("routed INVITE for 6002 to sip:"),
            "{}",
            edge.log()
        );
        // Whoever was called ends it: that BYE comes down the flow, too.
        dial(&called.1, "6001");
        answered(&called, &caller);
    };
    calls_both_ways(&first);
    assert_eq!(second.requests("REGISTER", "6002", "tcp"), 0);
    first.stop();
    wait_until("registered through the second edge", 30, || {
        second.requests("REGISTER", "6002", "tcp") >= 2
    });
    called.0.wait_account("registered", 15);
    calls_both_ways(&second);
}
