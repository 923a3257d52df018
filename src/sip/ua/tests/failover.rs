//! Servers that fail, come back, move, and names that lead to them.

use super::world::*;
use crate::sip::message::{HeaderName, Message, Method, Request, Response};
use crate::sip::ua::*;
use RegistrationState::*;
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

const FIRST: &str = "192.0.2.1:5060";
const SECOND: &str = "192.0.2.2:5060";

/// How a server of the tests is.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Mood {
    Well,
    Silent,
    /// 503, and for how long.
    Busy(u32),
    /// Answers calls so.
    Refuses(u16),
    /// The telephone has rung before.
    RingsAndRefuses(u16),
}

fn granted(request: &Request) -> Response {
    let mut response = respond(request, 200, "r");
    response.headers.copy_from(&request.headers, &HeaderName::CONTACT);
    response.headers.copy_from(&request.headers, &HeaderName::EXPIRES);
    response
}

fn server(world: &mut World, at: &str) -> Rc<Cell<Mood>> {
    let mood = Rc::new(Cell::new(Mood::Well));
    let felt = mood.clone();
    world.script(at, move |message| {
        let Message::Request(request) = message else {
            return Vec::new();
        };
        match (felt.get(), &request.method) {
            (Mood::Silent, _) | (_, Method::Ack) => Vec::new(),
            (Mood::Busy(seconds), _) => {
                let mut response = respond(request, 503, "r");
                response
                    .headers
                    .push(HeaderName::RETRY_AFTER, seconds.to_string());
                vec![response.into()]
            }
            (_, Method::Register | Method::Options) => vec![granted(request).into()],
            (Mood::Refuses(code), _) => vec![respond(request, code, "r").into()],
            (Mood::RingsAndRefuses(code), _) => {
                vec![
                    respond(request, 180, "r").into(),
                    respond(request, code, "r").into(),
                ]
            }
            (Mood::Well, _) => vec![respond(request, 486, "r").into()],
        }
    });
    mood
}

fn srv(priority: u16, target: &str) -> Srv {
    Srv {
        priority,
        weight: 10,
        port: 5060,
        target: target.into(),
    }
}

/// Two servers, the second for the time that the first is away.
fn world() -> (World, Rc<Cell<Mood>>, Rc<Cell<Mood>>) {
    let mut world = World::new(3263);
    world.add("192.0.2.9:5060");
    world.services.insert(
        "_sip._udp.example.net".into(),
        vec![srv(20, "b.example.net"), srv(10, "a.example.net")],
    );
    world.names.insert("a.example.net".into(), vec![address(FIRST)]);
    world.names.insert("b.example.net".into(), vec![address(SECOND)]);
    let (first, second) = (server(&mut world, FIRST), server(&mut world, SECOND));
    (world, first, second)
}

fn register(world: &mut World) {
    world.command(
        0,
        UaCommand::SetAccounts(vec![account("office", "6001", "example.net")]),
    );
}

/// Methods sent to a server since the log was cleared last.
fn asked(world: &World, at: &str) -> Vec<String> {
    let methods = world.sent_to(at).into_iter();
    methods
        .map(|line| line.split(' ').next().unwrap().to_owned())
        .collect()
}

/// When the log's first message of that kind went there, in ms since the start.
fn first_at(world: &World, at: &str, method: &str) -> u64 {
    let sent = world
        .log
        .iter()
        .find(|(_, _, to, line)| *to == address(at) && line.starts_with(method));
    sent.unwrap_or_else(|| panic!("no {method} to {at}: {:#?}", world.log))
        .0
}

#[test]
fn the_better_priority_is_used_while_it_is_well() {
    let (mut world, _, _) = world();
    register(&mut world);
    world.run_s(3600);
    assert_eq!(world.states(0).last(), Some(&Registered));
    assert!(asked(&world, SECOND).is_empty());
    assert!(
        (12..=18).contains(&asked(&world, FIRST).len()),
        "{}",
        asked(&world, FIRST).len()
    );
}

#[test]
fn a_server_that_asks_for_rest_has_it_and_is_used_again_afterwards() {
    let (mut world, first, _) = world();
    first.set(Mood::Busy(600));
    register(&mut world);
    world.run_s(1);
    assert_eq!(
        world.states(0),
        [Registering, Registered],
        "at the second at once"
    );
    assert_eq!(asked(&world, FIRST), ["REGISTER"]);
    world.clear();
    first.set(Mood::Well);
    world.run_s(590);
    assert_eq!(
        asked(&world, FIRST).len(),
        0,
        "left alone as long as it asked for"
    );
    let call = world.call(0, "office", "600");
    world.run_s(1);
    assert!(asked(&world, SECOND).contains(&"INVITE".to_owned()));
    assert!(world.uas[0].ua.load().calls == 0, "{call:?}");
    world.run_s(60);
    assert_eq!(
        asked(&world, FIRST),
        ["OPTIONS", "REGISTER"],
        "probed, and taken back"
    );
    assert!(!world.states(0).contains(&Failed));
    world.clear();
    world.run_s(600);
    assert!(asked(&world, SECOND).is_empty());
}

#[test]
fn a_silent_server_costs_seconds_not_half_a_minute() {
    let (mut world, first, _) = world();
    first.set(Mood::Silent);
    register(&mut world);
    world.run_s(7);
    assert_eq!(world.states(0), [Registering, Registered]);
    assert_eq!(first_at(&world, SECOND, "REGISTER"), 6000);
    world.clear();
    world.run_s(600);
    let probes = asked(&world, FIRST);
    assert!(
        probes.iter().all(|method| method == "OPTIONS"),
        "only asked whether it's back: {probes:?}"
    );
    first.set(Mood::Well);
    world.clear();
    world.run_s(45);
    assert_eq!(asked(&world, FIRST), ["OPTIONS", "REGISTER"]);
}

#[test]
fn a_call_finds_the_second_server_and_takes_the_registration_with_it() {
    let (mut world, first, _) = world();
    register(&mut world);
    world.run_s(1);
    first.set(Mood::Silent);
    world.clear();
    let start = u64::try_from((world.now - world.start).as_millis()).unwrap();
    world.call(0, "office", "600");
    world.run_s(7);
    assert_eq!(first_at(&world, SECOND, "INVITE") - start, 6000);
    assert!(
        world.uas[0]
            .events
            .iter()
            .any(|event| matches!(event, UaEvent::Failed { status: 486, .. }))
    );
    world.run_s(10);
    assert!(asked(&world, SECOND).contains(&"REGISTER".to_owned()));
    assert!(!world.states(0).contains(&Failed));
    world.assert_clean_but_registered();
}

#[test]
fn with_both_away_it_goes_on_trying_and_recovers() {
    let (mut world, first, second) = world();
    first.set(Mood::Silent);
    second.set(Mood::Silent);
    register(&mut world);
    world.run_s(60);
    assert_eq!(world.states(0).last(), Some(&Failed));
    second.set(Mood::Well);
    world.run_s(320);
    assert_eq!(world.states(0).last(), Some(&Registered));
}

/// What a call comes to whose first server answers so, the second with 486; and what went to the second.
fn call_refused(mood: Mood) -> (u16, Vec<String>) {
    let (mut world, first, _) = world();
    register(&mut world);
    world.run_s(1);
    first.set(mood);
    world.clear();
    let call = world.call(0, "office", "600");
    world.run_s(2);
    let heard = world.uas[0].events.iter().find_map(|event| match event {
        UaEvent::Failed { call: of, status, .. } if *of == call => Some(*status),
        _ => None,
    });
    assert_eq!(asked(&world, FIRST), ["INVITE", "ACK"]);
    assert_eq!(world.states(0).last(), Some(&Registered), "{mood:?}");
    (heard.unwrap(), asked(&world, SECOND))
}

#[test]
fn a_server_in_trouble_hands_the_call_to_the_next() {
    for code in [500, 502, 503, 504, 505, 513] {
        let (heard, second) = call_refused(Mood::Refuses(code));
        assert_eq!(
            (heard, second),
            (486, vec!["INVITE".to_owned(), "ACK".to_owned()]),
            "{code}"
        );
    }
}

#[test]
fn what_is_no_server_trouble_is_final() {
    for code in [404, 408, 480, 486, 488, 501, 580, 600, 603] {
        assert_eq!(call_refused(Mood::Refuses(code)), (code, Vec::new()));
    }
}

#[test]
fn a_telephone_that_has_rung_is_not_rung_again_by_the_next_server() {
    for code in [500, 502, 504] {
        assert_eq!(call_refused(Mood::RingsAndRefuses(code)), (code, Vec::new()));
    }
}

#[test]
fn the_last_server_in_trouble_is_what_is_heard() {
    let (mut world, first, second) = world();
    register(&mut world);
    world.run_s(1);
    first.set(Mood::Refuses(500));
    second.set(Mood::Refuses(502));
    world.call(0, "office", "600");
    world.run_s(2);
    let failed = |event: &UaEvent| matches!(event, UaEvent::Failed { status: 502, .. });
    assert!(
        world.uas[0].events.iter().any(failed),
        "{:#?}",
        world.uas[0].events
    );
    assert_eq!(world.uas[0].ua.load().calls, 0);
}

#[test]
fn both_asking_for_rest_have_it() {
    let (mut world, first, second) = world();
    first.set(Mood::Busy(300));
    second.set(Mood::Busy(200));
    register(&mut world);
    world.run_s(1);
    world.clear();
    world.run_s(195);
    assert!(
        asked(&world, FIRST).is_empty() && asked(&world, SECOND).is_empty(),
        "{:?}",
        world.log
    );
    second.set(Mood::Well);
    world.run_s(300);
    assert_eq!(world.states(0).last(), Some(&Registered));
}

#[test]
fn changed_records_are_followed_once_their_time_is_up() {
    let (mut world, _, _) = world();
    world.ttl = Duration::from_secs(100);
    register(&mut world);
    world.run_s(1);
    world
        .services
        .insert("_sip._udp.example.net".into(), vec![srv(10, "b.example.net")]);
    world.run_s(300);
    assert!(asked(&world, SECOND).contains(&"REGISTER".to_owned()));
    world.clear();
    // DNS goes away altogether: the last good answer serves.
    world.dns_down = true;
    world.run_s(3000);
    assert!(!asked(&world, SECOND).is_empty() && asked(&world, FIRST).is_empty());
    assert_eq!(world.states(0).last(), Some(&Registered));
}

#[test]
fn tls_names_the_domain_asked_for_and_sips_shows_everywhere() {
    let (mut world, _, _) = world();
    world.services.insert(
        "_sips._tcp.example.net".into(),
        vec![Srv {
            port: 5071,
            ..srv(10, "a.example.net")
        }],
    );
    let server = "192.0.2.1:5071";
    world.script(server, |message| match message {
        Message::Request(request) if request.method == Method::Register => vec![granted(request).into()],
        _ => Vec::new(),
    });
    let mut secure = account("office", "6001", "example.net");
    secure.secure = true;
    world.command(0, UaCommand::SetAccounts(vec![secure]));
    world.run_s(1);
    assert_eq!(world.states(0), [Registering, Registered]);
    assert_eq!(
        world.connected[0],
        (address(server), "example.net".to_owned()),
        "the domain, not the host"
    );
    let sent = &world.requests(Method::Register)[0];
    assert_eq!(sent.uri.to_string(), "sips:example.net");
    let headers = &sent.headers;
    assert_eq!(headers.via_top().unwrap().transport, "TLS");
    assert!(
        headers
            .first(&HeaderName::TO)
            .unwrap()
            .contains("sips:6001@example.net")
    );
    assert!(
        headers
            .first(&HeaderName::CONTACT)
            .unwrap()
            .contains("<sips:6001@192.0.2.9:")
    );

    let mut plain = account("office", "6001", "example.net");
    plain.transport = Some(Transport::Tls);
    world.command(0, UaCommand::SetAccounts(vec![plain]));
    world.run_s(1);
    let sent = world.requests(Method::Register);
    let contact = sent
        .last()
        .unwrap()
        .headers
        .first(&HeaderName::CONTACT)
        .unwrap()
        .into_owned();
    assert!(contact.contains(";transport=tls>"), "{contact}");
}

#[test]
fn sips_over_anything_but_tls_is_refused() {
    let (mut world, _, _) = world();
    world.inject(PEER, 0, invite("sips:6001@192.0.2.9", "z9hG4bKs"));
    world.run_s(1);
    assert_eq!(world.responses(416).len(), 1);
}

#[test]
fn two_domains_at_one_address_have_a_connection_each() {
    let mut world = World::new(5922);
    world.add("192.0.2.9:5060");
    let server = "192.0.2.1:5061";
    for domain in ["one.example.net", "two.example.net"] {
        world.names.insert(domain.into(), vec![address(server)]);
    }
    world.script(server, |message| match message {
        Message::Request(request) => match request.method {
            Method::Register => vec![granted(request).into()],
            Method::Ack => Vec::new(),
            _ => vec![respond(request, 486, "r").into()],
        },
        Message::Response(_) => Vec::new(),
    });
    let mut accounts = Vec::new();
    for (name, domain) in [("one", "one.example.net"), ("two", "two.example.net")] {
        let mut account = account(name, "6001", domain);
        account.transport = Some(Transport::Tls);
        accounts.push(account);
    }
    world.command(0, UaCommand::SetAccounts(accounts));
    world.run_s(1);
    let domains = |world: &World, method: &str| -> Vec<String> {
        let sent = world.over_tls.iter();
        sent.filter(|(_, line)| line.starts_with(method))
            .map(|(domain, _)| domain.clone())
            .collect()
    };
    let mut registered = domains(&world, "REGISTER");
    registered.sort();
    assert_eq!(registered, ["one.example.net", "two.example.net"]);

    // Calls, with their ACKs, whichever account was used last.
    for (account, domain) in [
        ("one", "one.example.net"),
        ("two", "two.example.net"),
        ("one", "one.example.net"),
    ] {
        world.over_tls.clear();
        world.call(0, account, "600");
        world.run_s(1);
        assert_eq!(domains(&world, "INVITE"), [domain]);
        assert_eq!(domains(&world, "ACK"), [domain]);
    }

    // Requests are answered over the connection they came by; pieces of two don't mix.
    for (domain, branch) in [("one.example.net", "z9hG4bKo"), ("two.example.net", "z9hG4bKt")] {
        world.over_tls.clear();
        let options = Request {
            method: Method::Options,
            ..invite("sip:6001@192.0.2.9", branch)
        };
        world.over(server, 0, domain, &options.to_bytes()[..40]);
        world.over(server, 0, "three.example.net", b"\r\n\r\n");
        world.over(server, 0, domain, &options.to_bytes()[40..]);
        world.run_s(1);
        assert_eq!(domains(&world, "SIP/2.0"), [domain]);
        let pongs = world.over_tls.iter().filter(|(_, line)| line.is_empty());
        assert_eq!(
            pongs.map(|(domain, _)| domain).collect::<Vec<_>>(),
            ["three.example.net"]
        );
    }

    // One of them lost concerns its own account only.
    world.over_tls.clear();
    world.input(
        0,
        UaInput::TransportFailed {
            transport: Transport::Tls,
            remote: address(server),
            domain: Some("two.example.net".into()),
            reason: "closed by the peer".into(),
        },
    );
    world.run_s(3);
    assert_eq!(domains(&world, "REGISTER"), ["two.example.net"]);
}
