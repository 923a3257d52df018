//! The call flows of RFC 3665 and RFC 5359 by their section numbers, each as the endpoint of ours sees it.
//!
//! | not in the table | why |
//! |---|---|
//! | 3665 2.3 | asks a registrar for what it knows, which no telephone shows |
//! | 5359 2.6 | transfer by instant message: a telephone on a line shows no messages and has nothing to choose with |
//! | 5359 2.18 | a program has the telephone call somebody, by a REFER outside of calls: refused with 603, or every stranger could have it call premium numbers (`a_refer_is_refused_for_what_is_wrong_with_it`) |
//!
//! Of 2.10 and 2.11 the focus is not ours to be, for there is no mixer: what a participant sees is there. Of 2.16 it is
//! the caller; who picks up needs tags of the ringing dialog, which our busy lamps keep to themselves. Of 2.17 it is the
//! one who was busy.

use super::calls::{A, B, direct, pair, story};
use super::flows_of_services::*;
use super::transfer::{a_blind_transfer_as_in_rfc_5589_6_1, an_attended_transfer_as_in_rfc_5589_7_1};
use super::world::*;
use crate::sip::message::{HeaderName, Message, Method, Request};
use crate::sip::ua::*;
use std::panic::{AssertUnwindSafe, catch_unwind};

const PROXY: &str = "192.0.2.1:5060";
const BOB: &str = "sip:bob@192.0.2.201";

/// What a scripted server does with a request; `seen` counts those of its method.
type Script = fn(&Request, usize) -> Vec<Message>;

/// Alice, an account at a proxy.
fn alice(script: Script) -> World {
    let mut world = World::new(1);
    world.add("192.0.2.101:5060");
    let mut seen: Vec<Request> = Vec::new();
    world.script(PROXY, move |message| match message {
        Message::Request(request) => {
            // A retransmission gets what the first one got; nothing here depends on more.
            seen.push(request.clone());
            let count = seen.iter().filter(|r| r.method == request.method).count();
            script(request, count)
        }
        Message::Response(_) => Vec::new(),
    });
    world
}

fn sign_in(world: &mut World) {
    let mut account = account("atlanta", "alice", "192.0.2.1");
    account.session_expires_s = 1800;
    world.command(0, UaCommand::SetAccounts(vec![account]));
    world.run_s(1);
}

fn ok(request: &Request) -> Vec<Message> {
    match request.method {
        Method::Ack => Vec::new(),
        _ => vec![respond(request, 200, "314159").into()],
    }
}

fn challenge(request: &Request, code: u16, realm: &str) -> Vec<Message> {
    let mut response = respond(request, code, "c");
    let name = if code == 401 {
        HeaderName::WWW_AUTHENTICATE
    } else {
        HeaderName::PROXY_AUTHENTICATE
    };
    let value = format!(r#"Digest realm="{realm}", nonce="f84f1cec41e6cbe5aea9c8e88d359", qop="auth""#);
    response.headers.push(name, value);
    vec![response.into()]
}

/// 180 and 200 of Bob's, over these proxies.
fn bob_answers(request: &Request, routes: &[&str]) -> Vec<Message> {
    let mut ringing = respond(request, 180, "314159");
    let mut answer = accept(request, "314159", BOB, "v=0 bob");
    for route in routes {
        for response in [&mut ringing, &mut answer] {
            response.headers.push(HeaderName::RECORD_ROUTE, *route);
        }
    }
    vec![respond(request, 100, "").into(), ringing.into(), answer.into()]
}

/// Calls Bob, is answered and hangs up; gives the BYE.
fn talk_and_end(world: &mut World) -> Request {
    let call = world.call(0, "atlanta", "bob");
    world.run_s(60);
    assert_eq!(story(world, 0).last().unwrap(), "answered v=0 bob");
    world.command(0, UaCommand::HangUp { call });
    world.run_s(1);
    assert_eq!(story(world, 0).last().unwrap(), "ended Local");
    world.requests(Method::Bye).pop().unwrap()
}

fn fails_with(script: Script, code: u16) {
    let mut world = alice(script);
    sign_in(&mut world);
    world.call(0, "atlanta", "bob");
    world.run_s(40);
    assert_eq!(story(&world, 0).last().unwrap(), &format!("failed {code}"));
    let (invites, acks) = (world.requests(Method::Invite), world.requests(Method::Ack));
    assert_eq!(invites.len(), acks.len(), "every refusal is acknowledged");
}

fn new_registration() {
    let mut world = alice(|request, count| {
        if count == 1 {
            challenge(request, 401, "atlanta")
        } else {
            ok(request)
        }
    });
    sign_in(&mut world);
    let registers = world.requests(Method::Register);
    assert!(registers[1].headers.has(&HeaderName::AUTHORIZATION));
    assert_eq!(world.states(0).last(), Some(&RegistrationState::Registered));
}

/// The address we are seen under changes: it is registered, and the old one taken back.
fn contact_list_updated() {
    let mut world = alice(|request, _| {
        let mut response = respond(request, 200, "r");
        let contact = request.headers.first(&HeaderName::CONTACT).unwrap().into_owned();
        response.headers.push(HeaderName::CONTACT, contact);
        let mut via = request.headers.via_top().unwrap();
        via.params.set("received", "203.0.113.9");
        via.params.set("rport", "40000");
        response
            .headers
            .replace_first_element(&HeaderName::VIA, &via.to_string());
        vec![response.into()]
    });
    world.uas[0].public = Some(address("203.0.113.9:40000"));
    sign_in(&mut world);
    let last = world.requests(Method::Register).pop().unwrap();
    let contacts: Vec<String> = last.headers.all(&HeaderName::CONTACT).collect();
    assert!(
        contacts
            .iter()
            .any(|contact| contact.contains("203.0.113.9:40000")),
        "{contacts:?}"
    );
}

fn registration_cancelled() {
    let mut world = alice(|request, _| ok(request));
    sign_in(&mut world);
    world.command(0, UaCommand::SetAccounts(Vec::new()));
    world.run_s(1);
    let last = world.requests(Method::Register).pop().unwrap();
    assert_eq!(last.headers.expires(), Some(0));
}

fn registration_refused() {
    let mut world = alice(|request, _| challenge(request, 401, "atlanta"));
    sign_in(&mut world);
    assert_eq!(world.requests(Method::Register).len(), 2);
    assert_eq!(world.states(0).last(), Some(&RegistrationState::Failed));
}

fn session_established() {
    let mut world = pair(2);
    let call = world.call_via(A, direct(Transport::Udp), "bob");
    world.run_s(1);
    world.command(A, UaCommand::HangUp { call });
    world.run_s(1);
    assert_eq!(
        story(&world, A),
        ["progress 180", "answered v=0 answer", "ended Local"]
    );
    assert_eq!(
        story(&world, B),
        ["incoming bob", "confirmed", "ended Remote { reason: None }"]
    );
    world.assert_clean();
}

const TWO_PROXIES: [&str; 2] = [
    "<sip:ss2.biloxi.example.com;lr>",
    "<sip:ss1.atlanta.example.com;lr>",
];

fn through_two_proxies() {
    let mut world = alice(|request, count| match request.method {
        Method::Invite if count == 1 => challenge(request, 407, "atlanta"),
        Method::Invite => bob_answers(request, &TWO_PROXIES),
        _ => ok(request),
    });
    sign_in(&mut world);
    let bye = talk_and_end(&mut world);
    let routes: Vec<String> = bye.headers.all(&HeaderName::ROUTE).collect();
    assert_eq!(
        routes,
        [TWO_PROXIES[1], TWO_PROXIES[0]],
        "the route set is the reverse of Record-Route"
    );
    assert_eq!(bye.uri.to_string(), BOB);
}

fn with_multiple_proxy_authentication() {
    let mut world = alice(|request, count| match request.method {
        Method::Invite if count == 1 => challenge(request, 407, "atlanta"),
        Method::Invite if count == 2 => challenge(request, 407, "biloxi"),
        Method::Invite => bob_answers(request, &TWO_PROXIES),
        _ => ok(request),
    });
    sign_in(&mut world);
    talk_and_end(&mut world);
    let invite = world.requests(Method::Invite).pop().unwrap();
    let credentials: Vec<String> = invite.headers.all(&HeaderName::PROXY_AUTHORIZATION).collect();
    assert!(
        credentials.iter().any(|line| line.contains("atlanta")),
        "{credentials:?}"
    );
    assert!(
        credentials.iter().any(|line| line.contains("biloxi")),
        "{credentials:?}"
    );
}

/// The first proxy is silent, the second one answers.
fn with_proxy_failure() {
    let mut world = World::new(3);
    world.add("192.0.2.101:5060");
    let proxies = vec![address("192.0.2.1:5060"), address("192.0.2.2:5060")];
    world.names.insert("atlanta.example.com".into(), proxies);
    world.script("192.0.2.2:5060", |message| match message {
        Message::Request(request) if request.method == Method::Invite => bob_answers(request, &[]),
        Message::Request(request) => ok(request),
        Message::Response(_) => Vec::new(),
    });
    let mut account = account("atlanta", "alice", "atlanta.example.com");
    account.register = false;
    world.command(0, UaCommand::SetAccounts(vec![account]));
    talk_and_end(&mut world);
}

fn through_an_alg() {
    let mut world = alice(|request, _| match request.method {
        Method::Invite => bob_answers(request, &["<sip:192.0.2.1:5060;lr>"]),
        _ => ok(request),
    });
    sign_in(&mut world);
    let bye = talk_and_end(&mut world);
    assert_eq!(
        bye.headers.first(&HeaderName::ROUTE).unwrap(),
        "<sip:192.0.2.1:5060;lr>"
    );
}

/// Alice is redirected; Bob is called without an offer and gets the answer with the ACK.
fn redirected_with_sdp_in_ack() {
    let mut world = alice(|request, count| match request.method {
        Method::Invite if count == 1 => {
            let mut response = respond(request, 302, "r");
            response
                .headers
                .push(HeaderName::CONTACT, "<sip:bob@chicago.example.com>");
            vec![response.into()]
        }
        Method::Invite => bob_answers(request, &["<sip:192.0.2.1:5060;lr>"]),
        _ => ok(request),
    });
    sign_in(&mut world);
    world
        .names
        .insert("chicago.example.com".into(), vec![address(PROXY)]);
    talk_and_end(&mut world);
    let invite = world.requests(Method::Invite).pop().unwrap();
    assert_eq!(invite.uri.to_string(), "sip:bob@chicago.example.com");

    let mut world = pair(4);
    let mut bare = invite_without_offer();
    bare.headers.push(HeaderName::RECORD_ROUTE, TWO_PROXIES[0]);
    world.inject(PEER, B, bare.clone());
    world.run_s(1);
    let ack = within(&world, &bare, Method::Ack, 1).with_body("application/sdp", b"v=0 alice".to_vec());
    world.inject(PEER, B, ack);
    world.run_s(1);
    assert_eq!(
        story(&world, B),
        ["incoming 600", "reanswered Some(\"v=0 alice\")", "confirmed"]
    );
}

fn invite_without_offer() -> Request {
    let mut bare = invite("sip:600@192.0.2.2", "z9hG4bKbare");
    bare.body.clear();
    bare.headers.remove(&HeaderName::CONTENT_TYPE);
    bare
}

/// A call from a peer, answered and acknowledged; what it sends next within the call.
fn answered_call(seed: u64) -> (World, Request) {
    let mut world = pair(seed);
    let invite = invite("sip:600@192.0.2.2", "z9hG4bKa");
    world.inject(PEER, B, invite.clone());
    world.run_s(1);
    world.inject(PEER, B, within(&world, &invite, Method::Ack, 1));
    world.run_s(1);
    (world, invite)
}

fn reinvite(world: &World, invite: &Request, number: u32, contact: &str, sdp: &str) -> Request {
    let mut request = within(world, invite, Method::Invite, number);
    request.headers.push(HeaderName::CONTACT, contact);
    if sdp.is_empty() {
        return request;
    }
    request.with_body("application/sdp", sdp.into())
}

/// The peer's address changes: the answer goes with it, and so does the BYE.
fn reinvited_from_another_address() {
    let (mut world, invite) = answered_call(5);
    let moved = reinvite(&world, &invite, 2, "<sip:4711@192.0.2.77:5099>", "v=0 moved");
    world.inject(PEER, B, moved);
    world.run_s(1);
    world.inject(PEER, B, within(&world, &invite, Method::Ack, 2));
    world.run_s(1);
    assert_eq!(story(&world, B).last().unwrap(), "reoffer v=0 moved");
    world.command(B, UaCommand::HangUp { call: CallId(1) });
    world.run_s(1);
    assert!(world.sent_to("192.0.2.77:5099")[0].starts_with("BYE sip:4711@192.0.2.77:5099"));
}

fn no_answer() {
    let mut world = pair(6);
    world.uas[B].react = Box::new(|event| match event {
        UaEvent::Incoming(incoming) => vec![UaCommand::Ring {
            call: incoming.call,
            status: 180,
            body: None,
        }],
        _ => Vec::new(),
    });
    let call = world.call_via(A, direct(Transport::Udp), "bob");
    world.run_s(20);
    world.command(A, UaCommand::HangUp { call });
    world.run_s(1);
    assert_eq!(story(&world, B), ["incoming bob", "cancelled false"]);
    assert_eq!(world.responses(487).len(), 1);
    world.assert_clean();
}

fn busy() {
    fails_with(
        |request, _| {
            if request.method == Method::Invite {
                vec![respond(request, 486, "b").into()]
            } else {
                ok(request)
            }
        },
        486,
    );
}

/// The proxy gives up on a user agent that doesn't answer.
fn no_response() {
    fails_with(
        |request, _| match request.method {
            Method::Invite => vec![
                respond(request, 100, "").into(),
                respond(request, 480, "p").into(),
            ],
            _ => ok(request),
        },
        480,
    );
}

fn temporarily_unavailable() {
    fails_with(
        |request, _| match request.method {
            Method::Invite => vec![
                respond(request, 180, "b").into(),
                respond(request, 480, "b").into(),
            ],
            _ => ok(request),
        },
        480,
    );
}

fn call_hold() {
    let mut world = pair(7);
    let call = world.call_via(A, direct(Transport::Udp), "bob");
    world.run_s(1);
    for body in ["v=0 sendonly", "v=0 sendrecv"] {
        world.command(
            A,
            UaCommand::Reoffer {
                call,
                body: body.into(),
            },
        );
        world.run_s(5);
        assert_eq!(story(&world, B).last().unwrap(), &format!("reoffer {body}"));
        assert_eq!(story(&world, A).last().unwrap(), "reanswered Some(\"v=0 again\")");
    }
    world.command(A, UaCommand::HangUp { call });
    world.assert_clean();
}

/// The held party is asked for its offer, which a music server answers (third-party call control).
fn music_on_hold() {
    let (mut world, invite) = answered_call(8);
    world.inject(PEER, B, reinvite(&world, &invite, 2, "<sip:4711@192.0.2.50>", ""));
    world.run_ms(100);
    assert_eq!(
        world.responses(200).last().unwrap().body,
        b"v=0 again",
        "our offer"
    );
    let ack = within(&world, &invite, Method::Ack, 2).with_body("application/sdp", b"v=0 music".to_vec());
    world.inject(PEER, B, ack);
    world.run_ms(100);
    assert_eq!(story(&world, B).last().unwrap(), "reanswered Some(\"v=0 music\")");
    world.inject(PEER, B, within(&world, &invite, Method::Bye, 3));
    world.assert_clean();
}

/// The proxy forwards: 181, and the answer of somebody else.
fn forwarded(request: &Request, _: usize) -> Vec<Message> {
    match request.method {
        Method::Invite => vec![
            respond(request, 180, "b1").into(),
            respond(request, 181, "b1").into(),
            respond(request, 180, "b2").into(),
            accept(request, "b2", BOB, "v=0 bob").into(),
        ],
        _ => ok(request),
    }
}

fn call_forwarding() {
    let mut world = alice(forwarded);
    sign_in(&mut world);
    let bye = talk_and_end(&mut world);
    assert_eq!(bye.headers.to().unwrap().tag().unwrap(), "b2");
    let told = story(&world, 0);
    assert!(told.contains(&"progress 181".to_owned()), "{told:?}");
}

/// The proxy tries several places at once and one after the other; two of them answer.
fn find_me() {
    let mut world = alice(|request, _| match request.method {
        Method::Invite => vec![
            respond(request, 180, "office").into(),
            respond(request, 180, "mobile").into(),
            accept(request, "home", BOB, "v=0 bob").into(),
            accept(request, "mobile", "sip:mobile@192.0.2.202", "v=0 mobile").into(),
        ],
        _ => ok(request),
    });
    sign_in(&mut world);
    let bye = talk_and_end(&mut world);
    assert_eq!(bye.headers.to().unwrap().tag().unwrap(), "home");
    let byes: Vec<String> = world
        .requests(Method::Bye)
        .iter()
        .map(|bye| bye.uri.to_string())
        .collect();
    assert_eq!(
        byes[0], "sip:mobile@192.0.2.202",
        "the second one to answer was ended at once"
    );
}

fn screened() {
    fails_with(
        |request, count| match request.method {
            Method::Invite if count == 1 => challenge(request, 407, "atlanta"),
            Method::Invite => vec![respond(request, 403, "p").into()],
            _ => ok(request),
        },
        403,
    );
}

#[test]
fn flows_of_rfc_3665_and_rfc_5359() {
    let flows: [(&str, fn()); 31] = [
        ("3665 2.1 Successful New Registration", new_registration),
        ("3665 2.2 Update of Contact List", contact_list_updated),
        ("3665 2.4 Cancellation of Registration", registration_cancelled),
        ("3665 2.5 Unsuccessful Registration", registration_refused),
        ("3665 3.1 Successful Session Establishment", session_established),
        (
            "3665 3.2 Session Establishment Through Two Proxies",
            through_two_proxies,
        ),
        (
            "3665 3.3 Session with Multiple Proxy Authentication",
            with_multiple_proxy_authentication,
        ),
        (
            "3665 3.4 Successful Session with Proxy Failure",
            with_proxy_failure,
        ),
        ("3665 3.5 Session Through a SIP ALG", through_an_alg),
        (
            "3665 3.6 Session via Redirect and Proxy Servers with SDP in ACK",
            redirected_with_sdp_in_ack,
        ),
        (
            "3665 3.7 Session with re-INVITE (IP Address Change)",
            reinvited_from_another_address,
        ),
        ("3665 3.8 Unsuccessful No Answer", no_answer),
        ("3665 3.9 Unsuccessful Busy", busy),
        ("3665 3.10 Unsuccessful No Response from User Agent", no_response),
        (
            "3665 3.11 Unsuccessful Temporarily Unavailable",
            temporarily_unavailable,
        ),
        ("5359 2.1 Call Hold", call_hold),
        ("5359 2.2 Consultation Hold", consultation_hold),
        ("5359 2.3 Music on Hold", music_on_hold),
        (
            "5359 2.4 Transfer - Unattended",
            a_blind_transfer_as_in_rfc_5589_6_1,
        ),
        (
            "5359 2.5 Transfer - Attended",
            an_attended_transfer_as_in_rfc_5589_7_1,
        ),
        ("5359 2.7 Call Forwarding Unconditional", call_forwarding),
        ("5359 2.8 Call Forwarding - Busy", call_forwarding),
        ("5359 2.9 Call Forwarding - No Answer", call_forwarding),
        ("5359 2.10 3-Way Conference - Third Party Is Added", conference),
        ("5359 2.11 3-Way Conference - Third Party Joins", conference),
        ("5359 2.12 Find-Me", find_me),
        ("5359 2.13 Call Management (Incoming Call Screening)", screened),
        ("5359 2.14 Call Management (Outgoing Call Screening)", screened),
        ("5359 2.15 Call Park", call_park),
        ("5359 2.16 Call Pickup", call_pickup),
        ("5359 2.17 Automatic Redial", automatic_redial),
    ];
    let verdicts = flows.map(|(name, flow)| {
        let passed = catch_unwind(AssertUnwindSafe(flow)).is_ok();
        format!("{name}: {}", if passed { "pass" } else { "FAIL" })
    });
    let table = verdicts.join("\n");
    println!("{table}");
    insta::assert_snapshot!(table);
    assert!(!table.contains("FAIL"));
}
