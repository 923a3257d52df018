//! REFER and Replaces: the transfers of RFC 5359 2.4 to 2.6 and RFC 5589, between user agents of ours and with scripted
//! peers.

use super::calls::{A, B, direct, story};
use super::world::*;
use crate::sip::message::{HeaderName, Message, Method, Request};
use crate::sip::ua::*;

pub const C: usize = 2;

/// A's call to where it is sent.
const SENT: CallId = CallId(100);

/// Answers everybody, and follows every REFER to C.
pub fn obliging(event: &UaEvent) -> Vec<UaCommand> {
    match event {
        UaEvent::Incoming(incoming) => {
            let mut commands = vec![UaCommand::Answer {
                call: incoming.call,
                body: b"v=0 answer".to_vec(),
            }];
            // Whose place it takes is told goodbye.
            commands.extend(incoming.replaces.map(|call| UaCommand::HangUp { call }));
            commands
        }
        UaEvent::Referred { request, .. } => {
            let via = Via::Address {
                transport: Transport::Udp,
                route: Route {
                    remote: address("192.0.2.3:5060"),
                    local_ip: address("192.0.2.1:5060").ip(),
                },
            };
            vec![
                UaCommand::AcceptReferral {
                    referral: request.referral,
                },
                UaCommand::Invite {
                    call: SENT,
                    via,
                    number: request.number.clone(),
                    from_user: "1".into(),
                    from_name: None,
                    offer: b"v=0 offer".to_vec(),
                    options: InviteOptions {
                        referral: Some(request.referral),
                        anonymous: None,
                    },
                },
            ]
        }
        _ => Vec::new(),
    }
}

/// A, B and C, all obliging; A has called B.
pub fn three() -> (World, CallId, CallId) {
    let mut world = World::new(3);
    for at in ["192.0.2.1:5060", "192.0.2.2:5060", "192.0.2.3:5060"] {
        let node = world.add(at);
        world.uas[node].react = Box::new(obliging);
    }
    let a_to_b = world.call_via(A, direct(Transport::Udp), "2");
    world.run_s(1);
    let b_to_a = world.uas[B]
        .events
        .iter()
        .find_map(|event| match event {
            UaEvent::Incoming(incoming) => Some(incoming.call),
            _ => None,
        })
        .unwrap();
    (world, a_to_b, b_to_a)
}

fn notified(world: &World) -> Vec<String> {
    let notifies = world.requests(Method::Notify);
    let told = notifies.iter().map(|notify| {
        let state = notify.headers.first(&HeaderName::SUBSCRIPTION_STATE).unwrap();
        let body = String::from_utf8_lossy(&notify.body);
        format!("{} {}", body.trim(), state.split(';').next().unwrap())
    });
    told.collect()
}

#[test]
pub fn a_blind_transfer_as_in_rfc_5589_6_1() {
    let (mut world, _, b_to_a) = three();
    world.command(
        B,
        UaCommand::Refer {
            call: b_to_a,
            to: ReferTo::Number("3".into()),
        },
    );
    world.run_s(1);
    let refer = world.requests(Method::Refer).remove(0);
    let to = refer.headers.first(&HeaderName::REFER_TO).unwrap().into_owned();
    assert_eq!(to, "<sip:3@192.0.2.1:5060>");
    assert!(refer.headers.has(&HeaderName::REFERRED_BY));
    assert_eq!(
        notified(&world),
        ["SIP/2.0 100 Trying active", "SIP/2.0 200 OK terminated"]
    );
    // B is told; ending its call is its own business.
    assert_eq!(
        story(&world, B),
        [
            "incoming 2",
            "confirmed",
            "transfer 202 false",
            "transfer 100 false",
            "transfer 200 true"
        ]
    );
    assert_eq!(
        story(&world, A),
        ["answered v=0 answer", "referred 3 true", "answered v=0 answer"]
    );
    let sent = world.requests(Method::Invite).pop().unwrap();
    assert_eq!(
        sent.headers.first(&HeaderName::REFERRED_BY),
        refer.headers.first(&HeaderName::REFERRED_BY)
    );
    world.command(B, UaCommand::HangUp { call: b_to_a });
    world.command(A, UaCommand::HangUp { call: SENT });
    world.assert_clean();
}

#[test]
pub fn an_attended_transfer_as_in_rfc_5589_7_1() {
    let (mut world, _, b_to_a) = three();
    let via = Via::Address {
        transport: Transport::Udp,
        route: Route {
            remote: address("192.0.2.3:5060"),
            local_ip: address("192.0.2.2:5060").ip(),
        },
    };
    let b_to_c = world.call_via(B, via, "3");
    world.run_s(1);
    world.clear();
    world.command(
        B,
        UaCommand::Refer {
            call: b_to_a,
            to: ReferTo::Call(b_to_c),
        },
    );
    world.run_s(1);
    let sent = world.requests(Method::Invite).remove(0);
    let replaces = sent.headers.first(&HeaderName::REPLACES).unwrap().into_owned();
    assert!(
        replaces.contains(";to-tag=") && replaces.contains(";from-tag="),
        "{replaces}"
    );
    assert_eq!(sent.headers.require(), ["replaces"]);
    // C turns from B to A, and tells B so.
    assert_eq!(
        story(&world, C),
        [
            "incoming 3",
            "confirmed",
            "incoming 3",
            "ended Local",
            "confirmed"
        ]
    );
    assert!(
        story(&world, B).ends_with(&["ended Remote { reason: None }".into(), "transfer 200 true".into()])
    );
    world.command(B, UaCommand::HangUp { call: b_to_a });
    world.command(A, UaCommand::HangUp { call: SENT });
    world.assert_clean();
}

/// Two calls of a telephone at a server; the transferee's attempts end with these, one after the other.
fn sent_by_a_subscriber(outcomes: &[u16]) -> World {
    let mut world = World::new(8);
    let node = world.add("192.0.2.9:5060");
    world.script("192.0.2.1:5060", |message| match message {
        Message::Request(request) if request.method == Method::Invite => {
            let user = request.uri.user().unwrap().into_owned();
            let contact = format!("sip:{user}@198.51.100.{user}");
            vec![accept(request, &user, &contact, "v=0 peer").into()]
        }
        Message::Request(request) if request.method == Method::Refer => {
            vec![respond(request, 202, "x").into()]
        }
        Message::Request(request) if request.method != Method::Ack => {
            vec![respond(request, 200, "x").into()]
        }
        _ => Vec::new(),
    });
    let accounts = vec![account("office", "6001", "192.0.2.1")];
    world.command(node, UaCommand::SetAccounts(accounts));
    world.run_s(1);
    let [call, other] = ["2", "3"].map(|number| {
        let call = world.call(node, "office", number);
        world.run_s(1);
        call
    });
    let to = ReferTo::Call(other);
    world.command(node, UaCommand::Refer { call, to });
    world.run_ms(100);
    for (number, outcome) in (1..).zip(outcomes) {
        let refer = world.requests(Method::Refer).pop().unwrap();
        let mut notify = Request::new(Method::Notify, refer.headers.contact().unwrap().uri);
        let headers = &mut notify.headers;
        headers.push(
            HeaderName::VIA,
            format!("SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKn{number}"),
        );
        headers.push(
            HeaderName::FROM,
            refer.headers.first(&HeaderName::TO).unwrap().into_owned(),
        );
        headers.push(
            HeaderName::TO,
            refer.headers.first(&HeaderName::FROM).unwrap().into_owned(),
        );
        headers.copy_from(&refer.headers, &HeaderName::CALL_ID);
        headers.push(HeaderName::CSEQ, format!("{number} NOTIFY"));
        headers.push(HeaderName::EVENT, "refer");
        headers.push(HeaderName::SUBSCRIPTION_STATE, "terminated;reason=noresource");
        let body = format!("SIP/2.0 {outcome} Outcome").into_bytes();
        world.inject("192.0.2.1:5060", node, notify.with_body("message/sipfrag", body));
        world.run_ms(100);
    }
    world
}

#[test]
fn a_target_that_hears_its_own_server_only_is_reached_by_its_address() {
    let world = sent_by_a_subscriber(&[403, 200]);
    let refers = world.requests(Method::Refer);
    let to: Vec<_> = refers
        .iter()
        .map(|refer| refer.headers.first(&HeaderName::REFER_TO).unwrap().into_owned())
        .collect();
    assert_eq!(to.len(), 2, "{to:?}");
    assert!(to[0].starts_with("<sip:3@198.51.100.3?Replaces="), "{to:?}");
    assert!(to[1].starts_with("<sip:3@192.0.2.1?Replaces="), "{to:?}");
    assert!(to[1].ends_with("&Require=replaces>"), "{to:?}");
    let told = story(&world, 0);
    assert_eq!(told.last().unwrap(), "transfer 200 true", "{told:?}");
    assert!(!told.contains(&"transfer 403 true".to_owned()), "{told:?}");
}

#[test]
fn a_transfer_is_tried_twice_and_no_more() {
    let world = sent_by_a_subscriber(&[403, 486]);
    assert_eq!(world.requests(Method::Refer).len(), 2);
    assert_eq!(story(&world, 0).last().unwrap(), "transfer 486 true");
}

#[test]
fn the_call_that_was_asked_for_fails_and_who_asked_hears_why() {
    let (mut world, a_to_b, b_to_a) = three();
    world.uas[C].react = Box::new(|event| match event {
        UaEvent::Incoming(incoming) => vec![UaCommand::Reject {
            call: incoming.call,
            status: 486,
        }],
        _ => Vec::new(),
    });
    let to = ReferTo::Number("3".into());
    world.command(B, UaCommand::Refer { call: b_to_a, to });
    world.run_s(1);
    assert_eq!(story(&world, B).last().unwrap(), "transfer 486 true");
    assert_eq!(story(&world, A).last().unwrap(), "failed 486");
    world.command(A, UaCommand::HangUp { call: a_to_b });
    world.assert_clean();
}

#[test]
fn who_asked_may_leave_and_still_hears_how_it_went() {
    let (mut world, _, b_to_a) = three();
    world.uas[C].react = Box::new(|event| match event {
        UaEvent::Incoming(incoming) => vec![UaCommand::Ring {
            call: incoming.call,
            status: 180,
            body: None,
        }],
        _ => Vec::new(),
    });
    let to = ReferTo::Number("3".into());
    world.command(B, UaCommand::Refer { call: b_to_a, to });
    world.run_s(1);
    // B hangs up while C rings; C answers afterwards.
    world.command(B, UaCommand::HangUp { call: b_to_a });
    world.run_s(1);
    let ringing = world.uas[C]
        .events
        .iter()
        .find_map(|event| match event {
            UaEvent::Incoming(incoming) => Some(incoming.call),
            _ => None,
        })
        .unwrap();
    world.clear();
    let body = b"v=0 answer".to_vec();
    world.command(C, UaCommand::Answer { call: ringing, body });
    world.run_s(1);
    // The subscription outlived its call here; B has forgotten both, and says so.
    let notifies = world.requests(Method::Notify);
    assert_eq!(notifies.len(), 1);
    assert_eq!(
        notifies[0].headers.cseq().unwrap().number,
        4,
        "counted on in the dialog"
    );
    assert_eq!(world.responses(481).len(), 1);
    world.command(A, UaCommand::HangUp { call: SENT });
    world.assert_clean();
}

fn refer(world: &World, invite: &Request, number: u32, to: &[&str]) -> Request {
    let mut request = within(world, invite, Method::Refer, number);
    for to in to {
        request.headers.push(HeaderName::REFER_TO, *to);
    }
    request
}

#[test]
fn a_refer_is_refused_for_what_is_wrong_with_it() {
    let mut world = World::new(4);
    let node = world.add("192.0.2.1:5060");
    world.uas[node].react = Box::new(|event| match event {
        UaEvent::Referred { request, .. } => vec![UaCommand::EndReferral {
            referral: request.referral,
            status: 603,
        }],
        other => obliging(other),
    });
    let invite = invite("sip:1@192.0.2.1", "z9hG4bKa");
    world.inject(PEER, node, invite.clone());
    world.run_ms(100);
    let ack = within(&world, &invite, Method::Ack, 1);
    world.inject(PEER, node, ack);
    world.run_ms(100);
    for (number, to, expected) in [
        (2, vec![], 400),
        (3, vec!["<sip:3@192.0.2.3>", "<sip:4@192.0.2.3>"], 400),
        (4, vec!["<mailto:you@example.org>"], 416),
        (5, vec!["<sip:3@192.0.2.3;method=BYE>"], 416),
        // Well formed, and against the policy of whoever is asked.
        (6, vec!["<sip:3@192.0.2.3>"], 603),
    ] {
        let request = refer(&world, &invite, number, &to);
        world.clear_but_answers();
        world.inject(PEER, node, request);
        world.run_ms(100);
        assert_eq!(world.responses(expected).len(), 1, "{to:?}");
    }
    // From outside of a call it is refused whatever it says.
    let mut outside = refer(&world, &invite, 7, &["<sip:3@192.0.2.3>"]);
    outside.headers.set(HeaderName::TO, "<sip:1@192.0.2.1>");
    world.clear_but_answers();
    world.inject(PEER, node, outside);
    world.run_ms(100);
    assert_eq!(world.responses(603).len(), 1);
    let bye = within(&world, &invite, Method::Bye, 8);
    world.inject(PEER, node, bye);
    world.assert_clean();
}

#[test]
fn a_referrer_that_wants_no_notifies_gets_none() {
    let mut world = World::new(5);
    let node = world.add("192.0.2.1:5060");
    world.uas[node].react = Box::new(obliging);
    world.script("192.0.2.3:5060", |message| match message {
        Message::Request(request) if request.method == Method::Invite => {
            vec![respond(request, 404, "c").into()]
        }
        _ => Vec::new(),
    });
    let invite = invite("sip:1@192.0.2.1", "z9hG4bKa");
    world.inject(PEER, node, invite.clone());
    world.run_ms(100);
    let ack = within(&world, &invite, Method::Ack, 1);
    world.inject(PEER, node, ack);
    world.run_ms(100);
    let mut request = refer(&world, &invite, 2, &["<sip:3@192.0.2.3>"]);
    request.headers.push(HeaderName::REFER_SUB, "false");
    world.inject(PEER, node, request);
    world.run_s(1);
    let accepted = world.responses(202);
    assert_eq!(
        accepted[0].headers.first(&HeaderName::REFER_SUB).unwrap(),
        "false"
    );
    assert!(world.requests(Method::Notify).is_empty());
    assert_eq!(story(&world, node).last().unwrap(), "failed 404");
    let bye = within(&world, &invite, Method::Bye, 3);
    world.inject(PEER, node, bye);
    world.assert_clean();
}

/// An INVITE that claims another call's place.
pub fn replacing(replaces: &[&str], branch: &str) -> Request {
    let mut request = invite("sip:1@192.0.2.1", branch);
    for replaces in replaces {
        request.headers.push(HeaderName::REPLACES, *replaces);
    }
    request.headers.push(HeaderName::REQUIRE, "replaces");
    request
}

#[test]
fn the_rules_of_rfc_3891_section_3() {
    let mut world = World::new(6);
    let node = world.add("192.0.2.1:5060");
    world.uas[node].react = Box::new(obliging);
    let first = invite("sip:1@192.0.2.1", "z9hG4bKa");
    world.inject(PEER, node, first.clone());
    world.run_ms(100);
    let ack = within(&world, &first, Method::Ack, 1);
    world.inject(PEER, node, ack);
    world.run_ms(100);
    let to = world.responses(200)[0].headers.to().unwrap();
    let dialog = format!("id-z9hG4bKa;to-tag={};from-tag=peer", to.tag().unwrap());
    let early = format!("{dialog};early-only");
    for (replaces, expected) in [
        (vec!["nowhere;to-tag=1;from-tag=2"], 481),
        (vec![dialog.as_str(), dialog.as_str()], 400),
        (vec!["id-z9hG4bKa"], 400),
        (vec![early.as_str()], 486),
    ] {
        world.clear_but_answers();
        let branch = format!("z9hG4bK{expected}{}", replaces.len());
        world.inject(PEER, node, replacing(&replaces, &branch));
        world.run_ms(100);
        assert_eq!(world.responses(expected).len(), 1, "{replaces:?}");
    }
    // The real one is answered, and the call it replaces ends.
    let taking = replacing(&[&dialog], "z9hG4bKb");
    world.inject(PEER, node, taking.clone());
    world.run_ms(100);
    assert_eq!(
        story(&world, node),
        ["incoming 1", "confirmed", "incoming 1", "ended Local"]
    );
    assert_eq!(world.requests(Method::Bye).len(), 1);
    let ack = within(&world, &taking, Method::Ack, 1);
    world.inject(PEER, node, ack);
    // A call that is over can't be replaced a second time.
    world.run_ms(100);
    world.inject(PEER, node, replacing(&[&dialog], "z9hG4bKc"));
    world.run_ms(100);
    assert_eq!(world.responses(481).len(), 1);
    let bye = within(&world, &taking, Method::Bye, 2);
    world.inject(PEER, node, bye);
    world.assert_clean();
}

#[test]
fn replaces_is_among_what_we_can() {
    let mut world = World::new(7);
    let node = world.add("192.0.2.1:5060");
    let mut options = invite("sip:1@192.0.2.1", "z9hG4bKo");
    options.method = Method::Options;
    options.headers.set(HeaderName::CSEQ, "1 OPTIONS");
    options.body.clear();
    options.headers.remove(&HeaderName::CONTENT_TYPE);
    world.inject(PEER, node, options);
    world.run_ms(100);
    let able = world.responses(200).remove(0);
    assert!(able.headers.supported().contains(&"replaces".to_owned()));
    assert!(able.headers.allow().contains(&Method::Refer));
}
