//! REGISTER against a model registrar: the rows of what real registrars do.

use super::world::*;
use crate::sip::message::{HeaderName, Message, Method, Request};
use crate::sip::ua::*;
use RegistrationState::*;
use std::cell::RefCell;
use std::rc::Rc;

const REGISTRAR: &str = "192.0.2.1:5060";

fn world() -> World {
    let mut world = World::new(7);
    world.add("192.0.2.9:5060");
    world
        .names
        .insert("pbx.example.net".into(), vec![address(REGISTRAR)]);
    world
}

fn register(world: &mut World) {
    let account = account("office", "6001", "pbx.example.net");
    world.command(0, UaCommand::SetAccounts(vec![account]));
}

/// A registrar that answers with `answer`.
fn registrar(world: &mut World, mut answer: impl FnMut(&Request) -> crate::sip::message::Response + 'static) {
    world.script(REGISTRAR, move |message| match message {
        Message::Request(request) if request.method == Method::Register => vec![answer(request).into()],
        _ => Vec::new(),
    });
}

fn challenge(request: &Request, header: HeaderName, code: u16, value: &str) -> crate::sip::message::Response {
    let mut response = respond(request, code, "r");
    response.headers.push(header, value);
    response
}

fn granted(request: &Request) -> crate::sip::message::Response {
    let mut response = respond(request, 200, "r");
    response.headers.copy_from(&request.headers, &HeaderName::CONTACT);
    response.headers.copy_from(&request.headers, &HeaderName::EXPIRES);
    response
}

/// The value of a field of the credentials, without quotes.
fn field(request: &Request, header: &HeaderName, name: &str) -> Option<String> {
    let value = request.headers.first(header)?.into_owned();
    let (_, rest) = value.split_once(&format!(" {name}="))?;
    Some(rest.split(',').next()?.trim_matches('"').to_owned())
}

#[test]
fn one_challenge_then_registered_and_refreshed_with_the_same_nonce() {
    let mut world = world();
    registrar(&mut world, |request| {
        match request.headers.has(&HeaderName::AUTHORIZATION) {
            true => granted(request),
            false => challenge(
                request,
                HeaderName::WWW_AUTHENTICATE,
                401,
                r#"Digest realm="pbx", nonce="n1", qop="auth", algorithm=MD5"#,
            ),
        }
    });
    register(&mut world);
    world.run_s(10);
    assert_eq!(world.states(0), [Registering, Registered]);
    assert_eq!(world.requests(Method::Register).len(), 2);
    world.run_s(290);
    let sent = world.requests(Method::Register);
    assert_eq!(sent.len(), 3, "one refresh within 300 s");
    let counts: Vec<_> = sent
        .iter()
        .filter_map(|r| field(r, &HeaderName::AUTHORIZATION, "nc"))
        .collect();
    assert_eq!(counts, ["00000001", "00000002"]);
    let numbers: Vec<u32> = sent.iter().map(|r| r.headers.cseq().unwrap().number).collect();
    assert_eq!(numbers, [1, 2, 3]);
    assert!(
        sent.windows(2)
            .all(|w| w[0].headers.call_id() == w[1].headers.call_id())
    );
    let status = world.uas[0].ua.registrations();
    assert_eq!(
        (status[0].state, status[0].last_error.clone()),
        (Registered, None)
    );
}

#[test]
fn every_kind_of_challenge_is_answered() {
    for (value, algorithm) in [
        (r#"Digest realm="r", nonce="n", qop="auth""#, None),
        (r#"Digest realm="r", nonce="n""#, None),
        (r#"Digest realm="r", nonce="n", qop="auth-int""#, None),
        (r#"Digest realm="r", nonce="n", qop="auth,auth-int""#, None),
        (r#"Digest realm="r", nonce="n", qop="auth", stale=TRUE"#, None),
        (
            r#"Digest realm="r", nonce="n", qop="auth", algorithm=SHA-256"#,
            Some("SHA-256"),
        ),
        (
            r#"Digest realm="r", nonce="n", qop="auth", algorithm=MD5-sess"#,
            Some("MD5-sess"),
        ),
    ] {
        let mut world = world();
        registrar(&mut world, move |request| {
            match request.headers.has(&HeaderName::AUTHORIZATION) {
                true => granted(request),
                false => challenge(request, HeaderName::WWW_AUTHENTICATE, 401, value),
            }
        });
        register(&mut world);
        world.run_s(5);
        assert_eq!(world.states(0).last(), Some(&Registered), "{value}");
        let sent = world.requests(Method::Register);
        assert_eq!(
            field(&sent[1], &HeaderName::AUTHORIZATION, "algorithm").as_deref(),
            algorithm,
            "{value}"
        );
    }
}

#[test]
fn of_several_challenges_the_strongest_is_answered() {
    let mut world = world();
    registrar(&mut world, |request| {
        if request.headers.has(&HeaderName::AUTHORIZATION) {
            return granted(request);
        }
        let mut response = respond(request, 401, "r");
        for algorithm in ["MD5", "SHA-256"] {
            let value = format!(r#"Digest realm="r", nonce="n", qop="auth", algorithm={algorithm}"#);
            response.headers.push(HeaderName::WWW_AUTHENTICATE, value);
        }
        response
    });
    register(&mut world);
    world.run_s(5);
    let sent = world.requests(Method::Register);
    assert_eq!(
        field(&sent[1], &HeaderName::AUTHORIZATION, "algorithm").as_deref(),
        Some("SHA-256")
    );
}

#[test]
fn a_proxy_and_then_the_registrar_ask() {
    let mut world = world();
    registrar(&mut world, |request| {
        let headers = &request.headers;
        match (
            headers.has(&HeaderName::PROXY_AUTHORIZATION),
            headers.has(&HeaderName::AUTHORIZATION),
        ) {
            (false, _) => challenge(
                request,
                HeaderName::PROXY_AUTHENTICATE,
                407,
                r#"Digest realm="p", nonce="a", qop="auth""#,
            ),
            (true, false) => challenge(
                request,
                HeaderName::WWW_AUTHENTICATE,
                401,
                r#"Digest realm="r", nonce="b", qop="auth""#,
            ),
            (true, true) => granted(request),
        }
    });
    register(&mut world);
    world.run_s(5);
    assert_eq!(world.states(0), [Registering, Registered]);
    assert_eq!(world.requests(Method::Register).len(), 3);
}

#[test]
fn a_wrong_password_is_tried_once_however_fresh_the_nonce() {
    let mut world = world();
    let count = Rc::new(RefCell::new(0));
    registrar(&mut world, move |request| {
        *count.borrow_mut() += 1;
        let value = format!(r#"Digest realm="r", nonce="n{}", qop="auth""#, count.borrow());
        challenge(request, HeaderName::WWW_AUTHENTICATE, 401, &value)
    });
    register(&mut world);
    world.run_s(120);
    assert_eq!(world.requests(Method::Register).len(), 2);
    assert_eq!(world.states(0), [Registering, Failed]);
    let error = world.uas[0].ua.registrations()[0].last_error.clone().unwrap();
    assert!(error.contains("401") && !error.contains("secret"), "{error}");
    world.run_s(24 * 3600);
    let per_day = world.requests(Method::Register).len();
    assert!((2 * 24..2 * 60).contains(&per_day), "{per_day} in a day");
}

#[test]
fn nonces_that_are_always_stale_end_too() {
    let mut world = world();
    let mut count = 0;
    registrar(&mut world, move |request| {
        count += 1;
        let value = format!(r#"Digest realm="r", nonce="n{count}", qop="auth", stale=true"#);
        challenge(request, HeaderName::WWW_AUTHENTICATE, 401, &value)
    });
    register(&mut world);
    world.run_s(100);
    assert!(world.requests(Method::Register).len() <= 5);
    assert_eq!(world.states(0).last(), Some(&Failed));
}

#[test]
fn too_brief_an_interval_is_raised() {
    let mut world = world();
    registrar(&mut world, |request| {
        if request.headers.expires() >= Some(1800) {
            return granted(request);
        }
        challenge(request, HeaderName::MIN_EXPIRES, 423, "1800")
    });
    register(&mut world);
    world.run_s(1);
    assert_eq!(world.states(0), [Registering, Registered]);
    let expires: Vec<_> = world
        .requests(Method::Register)
        .iter()
        .map(|r| r.headers.expires())
        .collect();
    assert_eq!(expires, [Some(300), Some(1800)]);
}

#[test]
fn a_byte_that_is_no_utf8_before_via_harms_nothing() {
    let mut world = world();
    registrar(&mut world, |request| {
        let mut response = granted(request);
        response
            .headers
            .insert_front(HeaderName::SERVER, b"Vermittlung M\xfcnchen".to_vec());
        response
    });
    register(&mut world);
    world.run_s(1);
    assert_eq!(world.states(0), [Registering, Registered]);
}

#[test]
fn lost_datagrams_are_repeated_after_half_a_second() {
    let mut world = world();
    let mut count = 0;
    world.script(REGISTRAR, move |message| {
        count += 1;
        match message {
            Message::Request(request) if count > 2 => vec![granted(request).into()],
            _ => Vec::new(),
        }
    });
    register(&mut world);
    world.run_s(2);
    let at: Vec<u64> = world
        .log
        .iter()
        .filter(|l| l.2 == address(REGISTRAR))
        .map(|l| l.0)
        .collect();
    assert_eq!(at, [0, 500, 1500]);
    assert_eq!(world.states(0), [Registering, Registered]);
}

#[test]
fn the_expiry_granted_decides_about_the_refresh() {
    for (contact, header, refresh_s) in [
        (Some("<sip:6001@192.0.2.9:5060>;expires=100"), None, 75..=85),
        (
            Some("<sip:6001@192.0.2.77>;expires=30, <sip:6001@192.0.2.9>;expires=100"),
            Some("50"),
            75..=85,
        ),
        (Some("<sip:6001@10.0.0.1:7777>;expires=100"), None, 75..=85),
        (None, Some("200"), 150..=170),
        (None, None, 225..=255),
    ] {
        let mut world = world();
        registrar(&mut world, move |request| {
            let mut response = respond(request, 200, "r");
            if let Some(contact) = contact {
                response.headers.push(HeaderName::CONTACT, contact);
            }
            if let Some(header) = header {
                response.headers.push(HeaderName::EXPIRES, header);
            }
            response
        });
        register(&mut world);
        world.run_s(260);
        let second = world
            .log
            .iter()
            .filter(|l| l.2 == address(REGISTRAR))
            .nth(1)
            .unwrap()
            .0
            / 1000;
        assert!(refresh_s.contains(&second), "{contact:?} {header:?}: {second}");
    }
}

#[test]
fn a_silent_server_is_tried_for_ever_but_not_often() {
    let mut world = world();
    register(&mut world);
    world.run_s(40);
    assert_eq!(world.states(0), [Registering, Failed]);
    world.clear();
    world.run_s(3600);
    let attempts = world
        .requests(Method::Register)
        .iter()
        .map(|r| r.headers.cseq().unwrap().number)
        .max()
        .unwrap();
    assert!((10..40).contains(&attempts), "{attempts} attempts in an hour");
    registrar(&mut world, granted);
    world.run_s(340);
    assert_eq!(world.states(0).last(), Some(&Registered));
}

#[test]
fn a_network_that_comes_later_is_found() {
    let mut world = World::new(1);
    world.add("192.0.2.9:5060");
    register(&mut world);
    world.run_s(60);
    assert_eq!(world.states(0)[..2], [Registering, Failed]);
    assert!(
        world.uas[0].ua.registrations()[0]
            .last_error
            .clone()
            .unwrap()
            .contains("no such host")
    );
    world
        .names
        .insert("pbx.example.net".into(), vec![address(REGISTRAR)]);
    registrar(&mut world, granted);
    world.run_s(70);
    assert_eq!(world.states(0).last(), Some(&Registered));
}

#[test]
fn retry_after_is_obeyed() {
    let mut world = world();
    registrar(&mut world, |request| {
        challenge(request, HeaderName::RETRY_AFTER, 503, "90 (restarting)")
    });
    register(&mut world);
    world.run_s(89);
    assert_eq!(world.requests(Method::Register).len(), 1);
    world.run_s(3);
    assert_eq!(world.requests(Method::Register).len(), 2);
}

#[test]
fn a_server_restarted_between_two_refreshes_leaves_the_state_alone() {
    let mut world = world();
    registrar(&mut world, granted);
    register(&mut world);
    world.run_s(1);
    world.script(REGISTRAR, |_| Vec::new());
    world.run_s(260);
    let status = world.uas[0].ua.registrations();
    assert_eq!(status[0].state, Registered, "known to the registrar until 300 s");
    registrar(&mut world, granted);
    world.run_s(60);
    assert!(!world.states(0).contains(&Failed), "{:?}", world.states(0));
}

#[test]
fn the_next_server_is_tried_when_one_is_silent_or_refuses_connections() {
    let mut world = world();
    let second = "192.0.2.2:5060";
    world.names.insert(
        "pbx.example.net".into(),
        vec![address(REGISTRAR), address(second)],
    );
    world.dead.push((Transport::Udp, address(REGISTRAR)));
    world.script(second, |message| match message {
        Message::Request(request) => vec![granted(request).into()],
        Message::Response(_) => Vec::new(),
    });
    register(&mut world);
    world.run_s(1);
    assert_eq!(world.states(0), [Registering, Registered]);
    world.run_s(250);
    assert_eq!(
        world.sent_to(REGISTRAR).len(),
        0,
        "the one that worked is asked first"
    );
}

#[test]
fn behind_a_nat_the_public_address_is_registered_and_the_old_one_taken_back() {
    let mut world = world();
    world.uas[0].public = Some(address("198.51.100.4:31000"));
    world.script(REGISTRAR, |message| {
        let Message::Request(request) = message else {
            return Vec::new();
        };
        let mut response = granted(request);
        let mut via = response.headers.via_top().unwrap();
        via.params.set("received", "198.51.100.4");
        via.params.set("rport", "31000");
        response
            .headers
            .replace_first_element(&HeaderName::VIA, &via.to_string());
        vec![response.into()]
    });
    register(&mut world);
    world.run_s(10);
    let sent = world.requests(Method::Register);
    assert_eq!(sent.len(), 2);
    let contacts: Vec<_> = sent[1].headers.all(&HeaderName::CONTACT).collect();
    assert_eq!(
        contacts,
        [
            "<sip:6001@198.51.100.4:31000>",
            "<sip:6001@192.0.2.9:5060>;expires=0"
        ]
    );
    world.clear();
    world.run_s(60);
    assert_eq!(world.log.len(), 2, "the mapping is kept open");
}

#[test]
fn accounts_that_go_and_shutdown_unregister() {
    let mut world = world();
    registrar(&mut world, granted);
    register(&mut world);
    world.run_s(1);
    world.clear();
    world.command(0, UaCommand::Shutdown);
    world.run_s(1);
    let sent = world.requests(Method::Register);
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].headers.expires(), Some(0));
    assert_eq!(world.states(0).last(), Some(&Unregistered));
    assert!(matches!(world.uas[0].events.last(), Some(UaEvent::Idle)));
    world.assert_clean();
}

#[test]
fn shutdown_does_not_wait_for_a_dead_server() {
    let mut world = world();
    registrar(&mut world, granted);
    register(&mut world);
    world.run_s(1);
    world.script(REGISTRAR, |_| Vec::new());
    world.command(0, UaCommand::Shutdown);
    world.run_ms(4100);
    assert!(
        world.uas[0]
            .events
            .iter()
            .any(|event| matches!(event, UaEvent::Idle))
    );
    world.assert_clean();
}

#[test]
fn a_changed_password_registers_anew_and_a_changed_user_does_both() {
    let mut world = world();
    registrar(&mut world, granted);
    register(&mut world);
    world.run_s(1);
    world.clear();
    let mut changed = account("office", "6001", "pbx.example.net");
    changed.password = "other".into();
    world.command(0, UaCommand::SetAccounts(vec![changed.clone()]));
    world.run_s(1);
    assert_eq!(world.requests(Method::Register).len(), 1);
    world.command(0, UaCommand::SetAccounts(vec![changed.clone()]));
    world.run_s(1);
    assert_eq!(world.requests(Method::Register).len(), 1, "nothing changed");
    world.clear();
    changed.username = "6002".into();
    world.command(0, UaCommand::SetAccounts(vec![changed]));
    world.run_s(1);
    let expires: Vec<_> = world
        .requests(Method::Register)
        .iter()
        .map(|r| r.headers.expires())
        .collect();
    assert_eq!(expires, [Some(0), Some(300)]);
    assert_eq!(world.states(0).last(), Some(&Registered));
}

#[test]
fn an_account_that_does_not_register_says_so() {
    let mut world = world();
    let mut trunk = account("trunk", "t", "pbx.example.net");
    trunk.register = false;
    world.command(0, UaCommand::SetAccounts(vec![trunk]));
    world.run_s(100);
    assert_eq!(world.states(0), [Direct]);
    assert!(world.log.is_empty());
    assert!(world.uas[0].ua.is_idle());
}

#[test]
fn registers_over_tcp() {
    let mut world = world();
    registrar(&mut world, granted);
    let mut over_tcp = account("office", "6001", "pbx.example.net");
    over_tcp.transport = Some(Transport::Tcp);
    world.command(0, UaCommand::SetAccounts(vec![over_tcp]));
    world.run_s(1);
    assert_eq!(world.states(0), [Registering, Registered]);
    let sent = world.requests(Method::Register);
    assert_eq!(sent[0].headers.via_top().unwrap().transport, "TCP");
    assert_eq!(
        sent[0].headers.first(&HeaderName::CONTACT).unwrap(),
        "<sip:6001@192.0.2.9:5060;transport=tcp>"
    );
}

#[test]
fn a_lost_connection_registers_anew_soon() {
    let mut world = world();
    registrar(&mut world, granted);
    let mut over_tcp = account("office", "6001", "pbx.example.net");
    over_tcp.transport = Some(Transport::Tcp);
    world.command(0, UaCommand::SetAccounts(vec![over_tcp]));
    world.run_s(1);
    let (now, remote, reason) = (world.now, address(REGISTRAR), "closed".to_owned());
    let lost = UaInput::TransportFailed {
        transport: Transport::Tcp,
        remote,
        domain: None,
        reason,
    };
    world.uas[0].ua.handle_input(now, lost);
    world.run_s(5);
    assert_eq!(world.requests(Method::Register).len(), 2);
    assert_eq!(world.states(0).last(), Some(&Registered));
}

#[test]
fn a_trunk_calls_without_registering_and_its_server_is_recognised() {
    let mut world = world();
    world.script(REGISTRAR, |message| match message {
        Message::Request(request) if request.method == Method::Invite => {
            vec![respond(request, 486, "x").into()]
        }
        _ => Vec::new(),
    });
    let mut trunk = account("trunk", "t", "pbx.example.net");
    trunk.register = false;
    world.command(0, UaCommand::SetAccounts(vec![trunk]));
    world.run_s(400);
    world.call(0, "trunk", "600");
    world.run_s(1);
    assert!(
        world.uas[0]
            .events
            .iter()
            .any(|event| matches!(event, UaEvent::Failed { status: 486, .. }))
    );
    world.inject(REGISTRAR, 0, invite("sip:+4930123@192.0.2.9", "z9hG4bKt"));
    world.run_s(1);
    let account = world.uas[0].events.iter().find_map(|event| match event {
        UaEvent::Incoming(incoming) => incoming.account.clone(),
        _ => None,
    });
    assert_eq!(account, Some(AccountName("trunk".into())));
}
