//! Requests that aren't for us, crooked ones, floods, and plain noise.

use super::calls::{A, B, direct, pair, story};
use super::world::*;
use crate::sip::message::{HeaderName, Method, Request};
use crate::sip::ua::*;
use proptest::prelude::*;

/// A request of a method without a dialog.
fn stray(method: &str) -> Request {
    let mut request = invite("sip:600@192.0.2.2", "z9hG4bKs");
    request.method = Method::parse(method).unwrap();
    request.headers.set(HeaderName::CSEQ, format!("1 {method}"));
    request.headers.remove(&HeaderName::CONTENT_TYPE);
    request.body.clear();
    request
}

/// The status a request gets, and a field of the response.
fn answer(request: Request, name: &HeaderName) -> (u16, Option<String>) {
    let mut world = pair(1);
    world.inject(PEER, B, request);
    world.run_ms(100);
    assert!(world.uas[B].events.is_empty(), "{:?}", world.uas[B].events);
    assert!(world.uas[B].ua.is_idle(), "nothing is kept of it");
    assert_eq!(world.log.len(), 2, "{:?}", world.log);
    let code = world.log[1].3.split(' ').nth(1).unwrap().parse().unwrap();
    let response = world.responses(code).remove(0);
    assert!(response.headers.to().unwrap().tag().is_some());
    (code, response.headers.first(name).map(|value| value.into_owned()))
}

#[test]
fn every_method_out_of_place_gets_its_answer() {
    let allow = HeaderName::ALLOW;
    for (method, code) in [
        ("OPTIONS", 200),
        ("BYE", 481),
        ("UPDATE", 481),
        ("INFO", 481),
        ("CANCEL", 481),
        ("MESSAGE", 405),
        // A transfer is the business of a call.
        ("REFER", 603),
        ("REGISTER", 405),
        ("PUBLISH", 405),
        ("PRACK", 481),
        ("SUBSCRIBE", 489),
        ("NOTIFY", 489),
        ("WHATEVER", 501),
    ] {
        let (got, allowed) = answer(stray(method), &allow);
        assert_eq!(got, code, "{method}");
        if matches!(code, 200 | 405 | 501) {
            let allowed = allowed.unwrap();
            assert!(
                allowed.contains("INVITE") && !allowed.contains("MESSAGE"),
                "{allowed}"
            );
        }
    }
}

#[test]
fn message_waiting_of_a_stranger_belongs_to_no_subscription() {
    let mut notify = stray("NOTIFY");
    notify.headers.push(HeaderName::EVENT, "message-summary");
    let notify = notify.with_body(
        "application/simple-message-summary",
        b"Messages-Waiting: yes\r\n".to_vec(),
    );
    assert_eq!(answer(notify, &HeaderName::ALLOW).0, 481);
}

#[test]
fn what_we_cannot_do_is_named() {
    let with = |name: HeaderName, value: &str| {
        let mut request = invite("sip:600@192.0.2.2", "z9hG4bKs");
        request.headers.set(name, value);
        request
    };
    let (code, tags) = answer(
        with(HeaderName::REQUIRE, "100rel, precondition"),
        &HeaderName::UNSUPPORTED,
    );
    assert_eq!((code, tags.as_deref()), (420, Some("precondition")));
    let (code, kinds) = answer(with(HeaderName::CONTENT_TYPE, "text/plain"), &HeaderName::ACCEPT);
    assert_eq!(
        (code, kinds.is_some_and(|k| k.contains("application/sdp"))),
        (415, true)
    );
    let mut other = invite("sip:600@192.0.2.2", "z9hG4bKs");
    other.uri = "http://192.0.2.2/".parse().unwrap();
    assert_eq!(answer(other, &HeaderName::ALLOW).0, 416);
    let mut homeless = invite("sip:600@192.0.2.2", "z9hG4bKs");
    homeless.headers.remove(&HeaderName::CONTACT);
    assert_eq!(answer(homeless, &HeaderName::ALLOW).0, 400);
    let mut unknown = stray("BYE");
    unknown
        .headers
        .set(HeaderName::TO, "<sip:600@192.0.2.2>;tag=never");
    assert_eq!(answer(unknown, &HeaderName::ALLOW).0, 481);
}

#[test]
fn the_same_invite_over_two_paths_is_merged() {
    let mut world = pair(2);
    world.uas[B].react = Box::new(|_| Vec::new());
    let first = invite("sip:600@192.0.2.2", "z9hG4bKa");
    let mut second = first.clone();
    second.headers.set(
        HeaderName::VIA,
        format!("SIP/2.0/UDP {PEER};branch=z9hG4bKb;rport"),
    );
    world.inject(PEER, B, first.clone());
    world.inject(PEER, B, first);
    world.run_ms(50);
    world.inject(PEER, B, second);
    world.run_ms(50);
    assert_eq!(world.responses(482).len(), 1);
    assert_eq!(story(&world, B), ["incoming 600"]);
    assert_eq!(
        world.responses(100).len(),
        2,
        "the repetition is answered from memory"
    );
    let UaEvent::Incoming(incoming) = &world.uas[B].events[0] else {
        panic!()
    };
    let call = incoming.call;
    world.command(B, UaCommand::Reject { call, status: 486 });
    world.assert_clean();
    assert_eq!(story(&world, B), ["incoming 600", "ended Local"]);
    assert_eq!(
        world.responses(486).len(),
        11,
        "repeated until acknowledged, and no longer"
    );
}

#[test]
fn requests_out_of_order_are_refused_and_the_call_goes_on() {
    let mut world = pair(3);
    let invite = invite("sip:600@192.0.2.2", "z9hG4bKa");
    world.inject(PEER, B, invite.clone());
    world.run_ms(100);
    world.inject(PEER, B, within(&world, &invite, Method::Ack, 1));
    world.run_ms(100);
    world.inject(PEER, B, within(&world, &invite, Method::Options, 9));
    world.run_ms(50);
    world.inject(PEER, B, within(&world, &invite, Method::Options, 4));
    world.run_ms(50);
    assert_eq!(world.responses(500).len(), 1);
    world.inject(PEER, B, within(&world, &invite, Method::Update, 10));
    world.run_ms(50);
    assert!(
        world
            .responses(200)
            .last()
            .unwrap()
            .headers
            .has(&HeaderName::CONTACT)
    );
    let mut odd = within(&world, &invite, Method::Info, 11).with_body("application/x-odd", b"?".to_vec());
    odd.headers.push(HeaderName::SUBJECT, "s");
    world.inject(PEER, B, odd);
    world.run_ms(50);
    assert_eq!(world.responses(415).len(), 1);
    world.inject(PEER, B, within(&world, &invite, Method::Bye, 12));
    world.run_ms(50);
    assert_eq!(
        story(&world, B),
        ["incoming 600", "confirmed", "ended Remote { reason: None }"]
    );
    world.assert_clean();
}

#[test]
fn a_second_offer_before_the_first_is_answered_waits() {
    let mut world = pair(4);
    let invite = invite("sip:600@192.0.2.2", "z9hG4bKa");
    world.inject(PEER, B, invite.clone());
    world.run_ms(100);
    world.inject(PEER, B, within(&world, &invite, Method::Ack, 1));
    world.run_ms(100);
    world.uas[B].react = Box::new(|_| Vec::new());
    for number in [2, 3] {
        let offer = within(&world, &invite, Method::Invite, number);
        let mut offer = offer.with_body("application/sdp", b"v=0".to_vec());
        offer
            .headers
            .push(HeaderName::CONTACT, format!("<sip:4711@{PEER}>"));
        world.inject(PEER, B, offer);
        world.run_ms(50);
    }
    let refused = world.responses(500);
    assert!(
        refused[0]
            .headers
            .retry_after()
            .is_some_and(|s| (1..=10).contains(&s))
    );
    world.inject(PEER, B, within(&world, &invite, Method::Bye, 4));
    world.run_ms(50);
    assert_eq!(world.responses(487).len(), 1, "the open offer ends with the call");
    let acknowledged = within(&world, &invite, Method::Ack, 2);
    world.inject(PEER, B, acknowledged);
    world.assert_clean();
}

#[test]
fn crooked_requests_get_400_and_garbage_gets_silence() {
    let mut world = pair(5);
    let no_from =
        b"INVITE sip:600@192.0.2.2 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.50;branch=z9hG4bKx;rport\r\n\r\n";
    world.inject_bytes(PEER, B, no_from);
    world.run_ms(10);
    assert_eq!(world.sent_to(PEER).len(), 1);
    assert!(world.sent_to(PEER)[0].starts_with("SIP/2.0 400 "));
    world.clear();
    for noise in [
        &b""[..],
        b"\r\n\r\n",
        b"\0\0\0\0",
        b"GET / HTTP/1.1\r\n\r\n",
        &[0xff; 2000],
        b"SIP/2.0 999 x\r\n\r\n",
    ] {
        world.inject_bytes(PEER, B, noise);
    }
    world.run_s(1);
    assert!(world.sent_to(PEER).is_empty());
    assert!(world.uas[B].ua.is_idle());
}

#[test]
fn a_flood_of_invites_is_bounded_and_passes() {
    let mut world = pair(6);
    world.uas[B].react = Box::new(|_| Vec::new());
    for number in 0..500 {
        world.inject(PEER, B, invite("sip:600@192.0.2.2", &format!("z9hG4bK{number}")));
    }
    world.run_s(1);
    let load = world.uas[B].ua.load();
    assert_eq!(load.calls, 64);
    assert!(load.server_transactions <= 64);
    assert_eq!(world.responses(503).len(), 500 - 64);
    let calls: Vec<CallId> = world.uas[B]
        .events
        .iter()
        .filter_map(|event| match event {
            UaEvent::Incoming(incoming) => Some(incoming.call),
            _ => None,
        })
        .collect();
    for call in calls {
        world.command(B, UaCommand::Reject { call, status: 404 });
    }
    world.assert_clean();
}

#[test]
fn responses_that_match_nothing_are_dropped() {
    let mut world = pair(7);
    let request = invite("sip:600@192.0.2.2", "z9hG4bKa");
    world.inject(PEER, B, accept(&request, "x", "sip:a@192.0.2.50", "v=0"));
    world.run_s(1);
    assert_eq!(world.log.len(), 1);
    assert!(world.uas[B].ua.is_idle());
}

#[test]
fn pings_on_a_connection_are_answered() {
    let mut world = pair(8);
    let (now, local) = (world.now, world.uas[B].address);
    let input = UaInput::Stream {
        transport: Transport::Tcp,
        local,
        remote: address(PEER),
        domain: None,
        bytes: b"\r\n\r\n".to_vec(),
    };
    world.uas[B].ua.handle_input(now, input);
    let Some(UaOutput::Transmit { bytes, .. }) = world.uas[B].ua.poll_output() else {
        panic!()
    };
    assert_eq!(bytes, b"\r\n");
}

/// Messages that would mean something, to be damaged.
fn seeds() -> Vec<Vec<u8>> {
    let invite_of = invite("sip:600@192.0.2.2", "z9hG4bKa");
    let mut cancel = invite_of.clone();
    cancel.method = Method::Cancel;
    cancel.headers.set(HeaderName::CSEQ, "1 CANCEL");
    let mut seeds = vec![
        invite_of.to_bytes(),
        cancel.to_bytes(),
        stray("OPTIONS").to_bytes(),
    ];
    seeds.push(accept(&invite_of, "x", "sip:a@192.0.2.50", "v=0").to_bytes());
    seeds
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn noise_of_any_kind_harms_nothing(
        packets in prop::collection::vec((0..5usize, any::<u16>(), any::<u8>(), prop::collection::vec(any::<u8>(), 0..40)), 1..12),
        seed in any::<u64>(),
    ) {
        let mut world = pair(seed);
        let seeds = seeds();
        let call = world.call_via(A, direct(Transport::Udp), "600");
        for (kind, at, byte, junk) in packets {
            let bytes = match seeds.get(kind) {
                Some(message) => {
                    let mut message = message.clone();
                    let at = usize::from(at) % message.len();
                    message[at] = byte;
                    message.splice(at..at, junk.iter().copied().take(usize::from(byte % 3)));
                    message
                }
                None => junk,
            };
            world.inject_bytes(PEER, B, &bytes);
            world.inject_bytes("192.0.2.2:5060", A, &bytes);
            world.run_ms(u64::from(byte));
        }
        world.run_s(1);
        prop_assert!(story(&world, A).contains(&"answered v=0 answer".to_owned()));
        world.command(A, UaCommand::HangUp { call });
        world.command(A, UaCommand::Shutdown);
        world.command(B, UaCommand::Shutdown);
        world.run_s(100);
        world.assert_clean();
    }

    #[test]
    fn commands_in_any_order_end_clean(
        steps in prop::collection::vec((0..2usize, 0..9u8, 0..3u64, 0..600u64), 1..40),
        seed in any::<u64>(),
    ) {
        let mut world = pair(seed);
        world.faults = Faults { loss: 0.1, duplication: 0.1, delay_ms: 50 };
        for (node, what, call, wait_ms) in steps {
            let (call, body) = (CallId(call + 1), b"v=0".to_vec());
            let via = if node == A { direct(Transport::Udp) } else {
                let route = Route { remote: address("192.0.2.1:5060"), local_ip: address("192.0.2.2:5060").ip() };
                Via::Address { transport: Transport::Tcp, route }
            };
            let command = match what {
                0 => {
                    world.call_via(node, via, "1");
                    continue;
                }
                1 => UaCommand::Ring { call, status: 180, body: None },
                2 => UaCommand::Answer { call, body },
                3 => UaCommand::Reject { call, status: 486 },
                4 => UaCommand::HangUp { call },
                5 => UaCommand::AnswerReoffer { call, body },
                6 => UaCommand::RejectReoffer { call, status: 488 },
                7 => UaCommand::Reoffer { call, body },
                _ => UaCommand::InfoKey { call, key: '1', duration_ms: 100 },
            };
            world.command(node, command);
            world.run_ms(wait_ms);
        }
        world.command(A, UaCommand::Shutdown);
        world.command(B, UaCommand::Shutdown);
        world.run_s(100);
        world.assert_clean();
        for node in [A, B] {
            let told = story(&world, node);
            prop_assert_eq!(told.iter().filter(|e| *e == "idle").count(), 1);
        }
    }
}
