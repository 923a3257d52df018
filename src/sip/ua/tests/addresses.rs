//! Numbers and names in addresses, both ways; extensions that must be understood; what is ignored; redirections by
//! policy.

use super::calls::{A, B, direct, pair, story};
use super::world::*;
use crate::sip::message::{HeaderName, Message, Method, Request};
use crate::sip::ua::*;

const SERVER: &str = "192.0.2.1:5060";

/// The INVITEs that came in, as the call room hears of them: account, called, caller.
fn heard(world: &World, node: usize) -> Vec<(Option<String>, String, Option<String>)> {
    let events = world.uas[node].events.iter();
    let incoming = events.filter_map(|event| match event {
        UaEvent::Incoming(i) => Some((
            i.account.as_ref().map(|name| name.0.to_string()),
            i.called_user.clone(),
            i.caller_user.clone(),
        )),
        _ => None,
    });
    incoming.collect()
}

#[test]
fn numbers_are_known_in_every_form_they_come_in() {
    let mut world = pair(1);
    world.uas[B].react = Box::new(|_| Vec::new());
    let mut office = account("office", "+15551234", "192.0.2.50");
    office.register = false;
    world.command(B, UaCommand::SetAccounts(vec![office]));
    let forms = [
        ("sip:%2B15551234@192.0.2.2", "<sip:6002@192.0.2.50>;tag=p"),
        (
            "sip:+1-555-1234@192.0.2.2;user=phone",
            "<tel:+44(20)7946-0000>;tag=p",
        ),
        (
            "tel:+1-555-1234",
            "\"A\" <sip:+442079460000;isub=1@gw;user=phone>;tag=p",
        ),
        (
            "sip:%2B1555%31234;phone-context=example.com@192.0.2.2",
            "<sip:%2B442079460000@gw>;tag=p",
        ),
    ];
    for (at, (uri, from)) in forms.iter().enumerate() {
        let mut request = invite("sip:x@192.0.2.2", &format!("z9hG4bK{at}"));
        request.uri = uri.parse().unwrap();
        request.headers.set(HeaderName::TO, format!("<{uri}>"));
        request.headers.set(HeaderName::FROM, *from);
        world.inject(PEER, B, request);
        world.run_ms(10);
    }
    let office = || Some("office".to_owned());
    let number = || "+15551234".to_owned();
    let caller = || Some("+442079460000".to_owned());
    assert_eq!(
        heard(&world, B),
        [
            (office(), number(), Some("6002".to_owned())),
            (office(), number(), caller()),
            (office(), number(), caller()),
            (office(), number(), caller()),
        ]
    );
}

#[test]
fn what_we_dial_is_escaped_where_it_must_be() {
    for (number, uri) in [
        ("+15551234", "sip:+15551234@192.0.2.2"),
        ("*21*5#", "sip:*21*5%23@192.0.2.2"),
        ("a b", "sip:a%20b@192.0.2.2"),
    ] {
        let mut world = pair(2);
        let call = world.call_via(A, direct(Transport::Udp), number);
        world.run_s(1);
        let sent = world.requests(Method::Invite).remove(0);
        assert_eq!(sent.uri.to_string().split(":5060").next().unwrap(), uri);
        assert_eq!(heard(&world, B)[0].1, number);
        world.command(A, UaCommand::HangUp { call });
    }
}

/// An account at a server that sends every INVITE to itself on to these Contacts.
fn sent_on(contacts: &'static str, code: u16, follow: bool) -> World {
    let mut world = World::new(3);
    world.add("192.0.2.9:5060");
    world.script(SERVER, move |message| match message {
        Message::Request(request)
            if request.method == Method::Invite && request.uri.to_string() == "sip:600@192.0.2.1" =>
        {
            let mut response = respond(request, code, "x");
            response.headers.push(HeaderName::CONTACT, contacts);
            vec![response.into()]
        }
        Message::Request(request) if request.method == Method::Invite => {
            vec![respond(request, 486, "x").into()]
        }
        Message::Request(request) if request.method == Method::Ack => Vec::new(),
        Message::Request(request) => vec![respond(request, 200, "x").into()],
        Message::Response(_) => Vec::new(),
    });
    let mut office = account("office", "6001", "192.0.2.1");
    office.follow_redirects = follow;
    world.command(0, UaCommand::SetAccounts(vec![office]));
    world.call(0, "office", "600");
    world.run_s(5);
    world
}

#[test]
fn redirections_are_followed_or_refused_as_the_account_says() {
    let world = sent_on("<sip:desk@192.0.2.1>", 302, true);
    assert_eq!(story(&world, 0), ["failed 486"]);
    let world = sent_on("<sip:desk@192.0.2.1>", 302, false);
    assert_eq!(story(&world, 0), ["failed 302"]);
    assert_eq!(world.requests(Method::Invite).len(), 1);
    // Another service than the one called is never taken for it.
    let world = sent_on("<sip:desk@192.0.2.1>", 380, true);
    assert_eq!(story(&world, 0), ["failed 380"]);
}

#[test]
fn a_redirection_to_a_number_goes_through_the_own_server() {
    let world = sent_on("<tel:+1-555-0199>", 301, true);
    let targets: Vec<String> = world
        .requests(Method::Invite)
        .iter()
        .map(|r| r.uri.to_string())
        .collect();
    assert_eq!(
        targets,
        ["sip:600@192.0.2.1", "sip:+15550199@192.0.2.1;user=phone"]
    );
}

fn options() -> Request {
    let mut request = invite("sip:600@192.0.2.2", "z9hG4bKo");
    request.method = Method::Options;
    request.headers.set(HeaderName::CSEQ, "1 OPTIONS");
    request.headers.remove(&HeaderName::CONTENT_TYPE);
    request.body.clear();
    request
}

#[test]
fn options_says_what_invite_would_say_and_what_we_can() {
    let mut world = pair(4);
    world.uas[B].react = Box::new(|event| match event {
        UaEvent::Inquiry(inquiry) => {
            assert_eq!(inquiry.called_user.as_deref(), Some("600"));
            let status = if inquiry.wants_description { 200 } else { 486 };
            vec![UaCommand::AnswerInquiry {
                inquiry: inquiry.clone(),
                status,
                body: Some(b"v=0 abilities".to_vec()),
            }]
        }
        _ => Vec::new(),
    });
    world.inject(PEER, B, options());
    let mut curious = options();
    curious.headers.push(HeaderName::ACCEPT, "application/sdp");
    world.inject(PEER, B, curious);
    world.run_ms(10);
    assert!(world.responses(486)[0].body.is_empty());
    let able = world.responses(200).remove(0);
    assert_eq!(able.body, b"v=0 abilities");
    let supported = able.headers.supported();
    for extension in ["100rel", "timer"] {
        assert!(supported.contains(&extension.to_owned()), "{supported:?}");
    }
    let allowed = able.headers.allow();
    for method in [Method::Prack, Method::Update, Method::Info, Method::Options] {
        assert!(allowed.contains(&method), "{allowed:?}");
    }
    assert!(able.headers.has(&HeaderName::ACCEPT));
    assert!(world.uas[B].ua.is_idle());
}

/// Peers have been seen to answer 200 to both.
#[test]
fn what_peers_get_wrong_about_require_and_content_length() {
    let mut world = pair(5);
    let mut demanding = options();
    demanding
        .headers
        .push(HeaderName::REQUIRE, "nothingSupportsThis, timer");
    world.inject(PEER, B, demanding);
    let text = "INVITE sip:600@192.0.2.2 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.50;branch=z9hG4bKtwo;rport\r\nMax-Forwards: 70\r\n\
                From: <sip:a@b>;tag=1\r\nTo: <sip:600@192.0.2.2>\r\nCall-ID: two\r\nCSeq: 1 INVITE\r\nContact: <sip:a@192.0.2.50>\r\n\
                Content-Length: 0\r\nContent-Length: 4\r\n\r\nv=0\n";
    world.inject_bytes(PEER, B, text.as_bytes());
    world.run_ms(10);
    let refused = world.responses(420).remove(0);
    assert_eq!(
        refused.headers.first(&HeaderName::UNSUPPORTED).unwrap(),
        "nothingsupportsthis"
    );
    assert_eq!(world.responses(400).len(), 1);
    assert!(story(&world, B).is_empty());
}

/// RFC 5373 would let a stranger lift our handset: it is asked for in vain, and demanded gets 420.
#[test]
fn nobody_else_decides_that_a_call_is_answered() {
    let mut world = pair(6);
    world.uas[B].react = Box::new(|_| Vec::new());
    let mut asked = invite("sip:600@192.0.2.2", "z9hG4bKa");
    asked
        .headers
        .push(HeaderName::parse("Answer-Mode").unwrap(), "Auto");
    world.inject(PEER, B, asked);
    let mut demanded = invite("sip:600@192.0.2.2", "z9hG4bKb");
    demanded
        .headers
        .push(HeaderName::parse("Priv-Answer-Mode").unwrap(), "Auto;require");
    demanded.headers.push(HeaderName::REQUIRE, "answermode");
    world.inject(PEER, B, demanded);
    world.run_s(5);
    assert_eq!(story(&world, B), ["incoming 600"]);
    assert!(world.responses(200).is_empty());
    assert_eq!(world.responses(420).len(), 1);
}
