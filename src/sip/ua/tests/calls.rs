//! Calls between two user agents, and with scripted peers.

use super::world::*;
use crate::sip::message::{HeaderName, Message, Method, Request};
use crate::sip::ua::*;

/// Events of calls, without their numbers and bodies.
pub fn story(world: &World, node: usize) -> Vec<String> {
    let told = world.uas[node].events.iter().filter_map(|event| {
        Some(match event {
            UaEvent::Registration { .. } | UaEvent::Located { .. } | UaEvent::Rewritten { .. } => {
                return None;
            }
            UaEvent::Incoming(incoming) => format!("incoming {}", incoming.called_user),
            UaEvent::Progress { status, .. } => format!("progress {status}"),
            UaEvent::Answered { body, .. } => format!("answered {}", String::from_utf8_lossy(body)),
            UaEvent::Failed { status, .. } => format!("failed {status}"),
            UaEvent::Confirmed { .. } => "confirmed".into(),
            UaEvent::Ended { cause, .. } => format!("ended {cause:?}"),
            UaEvent::Cancelled {
                answered_elsewhere, ..
            } => format!("cancelled {answered_elsewhere}"),
            UaEvent::Reoffer { body, .. } => format!("reoffer {}", String::from_utf8_lossy(body)),
            UaEvent::Reanswered { body, .. } => {
                format!(
                    "reanswered {:?}",
                    body.as_ref()
                        .map(|body| String::from_utf8_lossy(body).into_owned())
                )
            }
            UaEvent::InfoKey { key, duration_ms, .. } => format!("key {key} {duration_ms}"),
            UaEvent::Idle => "idle".into(),
            UaEvent::RefreshDue { .. } => "refresh due".into(),
            UaEvent::Moved { .. } => "moved".into(),
            UaEvent::MessagesWaiting { summary, .. } => format!("messages {}", summary.waiting),
            UaEvent::Referred { request, .. } => format!("referred {} {}", request.number, request.trusted),
            UaEvent::TransferProgress { status, done, .. } => format!("transfer {status} {done}"),
            UaEvent::Inquiry(inquiry) => format!("inquiry {:?}", inquiry.called_user),
        })
    });
    told.collect()
}

pub const A: usize = 0;
pub const B: usize = 1;

/// Two user agents that know each other's address; B answers after ringing.
pub fn pair(seed: u64) -> World {
    let mut world = World::new(seed);
    world.add("192.0.2.1:5060");
    world.add("192.0.2.2:5060");
    world.uas[B].react = Box::new(|event| match event {
        UaEvent::Incoming(incoming) => vec![
            UaCommand::Ring {
                call: incoming.call,
                status: 180,
                body: None,
            },
            UaCommand::Answer {
                call: incoming.call,
                body: b"v=0 answer".to_vec(),
            },
        ],
        UaEvent::Reoffer { call, .. } => {
            vec![UaCommand::AnswerReoffer {
                call: *call,
                body: b"v=0 again".to_vec(),
            }]
        }
        _ => Vec::new(),
    });
    world
}

/// Straight from A to B.
pub fn direct(transport: Transport) -> Via {
    let route = Route {
        remote: address("192.0.2.2:5060"),
        local_ip: address("192.0.2.1:5060").ip(),
    };
    Via::Address { transport, route }
}

#[test]
fn a_call_up_and_down_over_udp_and_tcp() {
    for transport in [Transport::Udp, Transport::Tcp] {
        let mut world = pair(1);
        let call = world.call_via(A, direct(transport), "600");
        world.run_s(1);
        assert_eq!(story(&world, A), ["progress 180", "answered v=0 answer"]);
        assert_eq!(story(&world, B), ["incoming 600", "confirmed"]);
        world.command(A, UaCommand::HangUp { call });
        world.run_s(1);
        assert_eq!(story(&world, A).last().unwrap(), "ended Local");
        assert_eq!(story(&world, B).last().unwrap(), "ended Remote { reason: None }");
        world.assert_clean();
    }
}

#[test]
fn an_account_calls_with_credentials() {
    let mut world = World::new(2);
    world.add("192.0.2.9:5060");
    let server = "192.0.2.1:5060";
    world.script(server, |message| {
        let Message::Request(request) = message else {
            return Vec::new();
        };
        match request.method {
            Method::Invite if !request.headers.has(&HeaderName::PROXY_AUTHORIZATION) => {
                let mut response = respond(request, 407, "p");
                response.headers.push(
                    HeaderName::PROXY_AUTHENTICATE,
                    r#"Digest realm="p", nonce="n", qop="auth""#,
                );
                vec![response.into()]
            }
            Method::Invite => vec![
                respond(request, 100, "x").into(),
                respond(request, 180, "x").into(),
                accept(request, "x", "sip:600@192.0.2.1:5060", "v=0 server").into(),
            ],
            Method::Ack => Vec::new(),
            _ => vec![respond(request, 200, "x").into()],
        }
    });
    world.command(
        0,
        UaCommand::SetAccounts(vec![account("office", "6001", "192.0.2.1")]),
    );
    world.run_s(1);
    let call = world.call(0, "office", "600#");
    world.run_s(1);
    assert_eq!(story(&world, 0), ["progress 180", "answered v=0 server"]);
    let invites = world.requests(Method::Invite);
    assert_eq!(invites[1].uri.to_string(), "sip:600%23@192.0.2.1");
    assert_eq!(invites[1].headers.cseq().unwrap().number, 2);
    let acks = world.requests(Method::Ack);
    assert_eq!(acks.len(), 2, "one for the 407, one for the 200");
    assert!(acks[1].headers.has(&HeaderName::PROXY_AUTHORIZATION));
    world.command(0, UaCommand::HangUp { call });
    world.run_s(1);
    assert_eq!(world.requests(Method::Bye)[0].headers.cseq().unwrap().number, 3);
    world.assert_clean();
}

/// A server that handles INVITE by `invite` and says 200 to everything else.
fn server(world: &mut World, mut invite: impl FnMut(&Request) -> Vec<Message> + 'static) {
    world.add("192.0.2.9:5060");
    world.script(SERVER, move |message| match message {
        Message::Request(request) if request.method == Method::Invite => invite(request),
        Message::Request(request) if request.method == Method::Ack => Vec::new(),
        Message::Request(request) => vec![respond(request, 200, "x").into()],
        Message::Response(_) => Vec::new(),
    });
    world.command(
        0,
        UaCommand::SetAccounts(vec![account("office", "6001", "192.0.2.1")]),
    );
    world.run_s(1);
    world.clear();
}

const SERVER: &str = "192.0.2.1:5060";
const TARGET: &str = "sip:600@192.0.2.1:5060";

#[test]
fn refusals_are_told_with_their_status_and_acknowledged() {
    for code in [403, 404, 480, 486, 488, 500, 603] {
        let mut world = World::new(3);
        server(&mut world, move |request| {
            vec![respond(request, code, "x").into()]
        });
        world.call(0, "office", "600");
        world.run_s(1);
        assert_eq!(story(&world, 0), [format!("failed {code}")]);
        assert_eq!(world.requests(Method::Ack).len(), 1);
        world.assert_clean();
    }
}

#[test]
fn credentials_refused_end_the_call() {
    let mut world = World::new(3);
    server(&mut world, |request| {
        let mut response = respond(request, 401, "x");
        response.headers.push(
            HeaderName::WWW_AUTHENTICATE,
            r#"Digest realm="r", nonce="n", qop="auth""#,
        );
        vec![response.into()]
    });
    world.call(0, "office", "600");
    world.run_s(40);
    assert_eq!(story(&world, 0), ["failed 401"]);
    assert_eq!(world.requests(Method::Invite).len(), 2);
    world.assert_clean();
}

#[test]
fn nobody_answers_is_408_and_no_transport_is_503() {
    let mut world = World::new(3);
    server(&mut world, |_| Vec::new());
    world.call(0, "office", "600");
    world.run_s(31);
    assert!(story(&world, 0).is_empty());
    world.run_s(2);
    assert_eq!(story(&world, 0), ["failed 408"]);
    world.dead.push((Transport::Udp, address(SERVER)));
    world.call(0, "office", "600");
    assert_eq!(story(&world, 0)[1..], ["failed 503"]);
    world.call(0, "nowhere", "600");
    assert_eq!(story(&world, 0)[2..], ["failed 503"]);
    world.assert_clean();
}

#[test]
fn a_cancel_waits_for_the_first_provisional_response() {
    let mut world = World::new(4);
    let mut asked = 0;
    server(&mut world, move |request| {
        asked += 1;
        if asked < 2 {
            Vec::new()
        } else {
            vec![respond(request, 100, "x").into()]
        }
    });
    let call = world.call(0, "office", "600");
    world.run_ms(100);
    world.command(0, UaCommand::HangUp { call });
    assert_eq!(story(&world, 0), ["ended Local"]);
    world.run_ms(300);
    assert_eq!(world.requests(Method::Cancel).len(), 0);
    world.run_s(1);
    let (cancel, invite) = (
        &world.requests(Method::Cancel)[0],
        &world.requests(Method::Invite)[0],
    );
    assert_eq!(cancel.headers.via_top(), invite.headers.via_top());
    assert_eq!(
        cancel.headers.cseq().unwrap().number,
        invite.headers.cseq().unwrap().number
    );
    assert_eq!(cancel.uri, invite.uri);
    world.assert_clean();
    assert_eq!(story(&world, 0), ["ended Local"], "told once");
}

#[test]
fn a_200_that_crosses_the_cancel_is_acknowledged_and_ended() {
    let mut world = World::new(5);
    let mut kept = None;
    world.add("192.0.2.9:5060");
    world.script(SERVER, move |message| {
        let Message::Request(request) = message else {
            return Vec::new();
        };
        match request.method {
            Method::Invite => {
                kept = Some(request.clone());
                vec![respond(request, 180, "x").into()]
            }
            Method::Cancel => {
                let invite = kept.as_ref().unwrap();
                vec![
                    respond(request, 200, "x").into(),
                    accept(invite, "x", TARGET, "v=0").into(),
                ]
            }
            Method::Ack => Vec::new(),
            _ => vec![respond(request, 200, "x").into()],
        }
    });
    world.command(
        0,
        UaCommand::SetAccounts(vec![account("office", "6001", "192.0.2.1")]),
    );
    let call = world.call(0, "office", "600");
    world.run_s(1);
    world.command(0, UaCommand::HangUp { call });
    world.run_s(1);
    assert_eq!(story(&world, 0), ["progress 180", "ended Local"]);
    assert_eq!(
        (
            world.requests(Method::Ack).len(),
            world.requests(Method::Bye).len()
        ),
        (1, 1)
    );
    world.assert_clean();
}

#[test]
fn of_several_forks_the_first_to_answer_is_kept() {
    let mut world = World::new(6);
    server(&mut world, |request| {
        vec![
            respond(request, 180, "a").into(),
            respond(request, 183, "b")
                .with_body("application/sdp", b"v=0 early".to_vec())
                .into(),
            accept(request, "b", "sip:b@192.0.2.1:5060", "").into(),
            accept(request, "a", "sip:a@192.0.2.1:5060", "v=0 a").into(),
            accept(request, "b", "sip:b@192.0.2.1:5060", "").into(),
        ]
    });
    let call = world.call(0, "office", "600");
    world.faults.delay_ms = 1;
    world.run_s(1);
    assert_eq!(
        story(&world, 0),
        ["progress 180", "progress 183", "answered v=0 early"]
    );
    let acks: Vec<String> = world
        .requests(Method::Ack)
        .iter()
        .map(|r| r.uri.to_string())
        .collect();
    assert_eq!(
        acks,
        [
            "sip:b@192.0.2.1:5060",
            "sip:a@192.0.2.1:5060",
            "sip:b@192.0.2.1:5060"
        ]
    );
    let byes: Vec<String> = world
        .requests(Method::Bye)
        .iter()
        .map(|r| r.uri.to_string())
        .collect();
    assert_eq!(byes, ["sip:a@192.0.2.1:5060"]);
    world.command(0, UaCommand::HangUp { call });
    world.assert_clean();
}

#[test]
fn redirections_are_followed_up_to_five_and_never_in_a_circle() {
    let mut world = World::new(7);
    let mut count = 0;
    server(&mut world, move |request| {
        count += 1;
        let mut response = respond(request, 302, "x");
        let next = format!("<sip:next{count}@192.0.2.1>;q=0.9, <sip:600@192.0.2.1>;q=1.0");
        response.headers.push(HeaderName::CONTACT, next);
        vec![response.into()]
    });
    world.call(0, "office", "600");
    world.run_s(5);
    assert_eq!(story(&world, 0), ["failed 302"]);
    let targets: Vec<String> = world
        .requests(Method::Invite)
        .iter()
        .map(|r| r.uri.to_string())
        .collect();
    let expected = ["600", "next1", "next2", "next3", "next4", "next5"].map(|u| format!("sip:{u}@192.0.2.1"));
    assert_eq!(targets, expected);
    world.assert_clean();
}

#[test]
fn a_redirection_elsewhere_is_looked_up_and_gets_no_credentials() {
    let mut world = World::new(8);
    server(&mut world, |request| {
        let mut response = respond(request, 302, "x");
        response
            .headers
            .push(HeaderName::CONTACT, "<sip:desk@elsewhere.example:5090>");
        vec![response.into()]
    });
    world
        .names
        .insert("elsewhere.example".into(), vec![address("192.0.2.5:5090")]);
    world.script("192.0.2.5:5090", |message| match message {
        Message::Request(request) if request.method == Method::Invite => {
            let mut response = respond(request, 401, "y");
            response
                .headers
                .push(HeaderName::WWW_AUTHENTICATE, r#"Digest realm="thief", nonce="n""#);
            vec![response.into()]
        }
        _ => Vec::new(),
    });
    world.call(0, "office", "600");
    world.run_s(5);
    assert_eq!(story(&world, 0), ["failed 401"]);
    let sent = world.sent_to("192.0.2.5:5090");
    assert_eq!(
        sent,
        [
            "INVITE sip:desk@elsewhere.example:5090 SIP/2.0",
            "ACK sip:desk@elsewhere.example:5090 SIP/2.0"
        ]
    );
    world.assert_clean();
}

#[test]
fn the_caller_gives_up() {
    let mut world = pair(9);
    world.uas[B].react = Box::new(|event| match event {
        UaEvent::Incoming(incoming) => vec![UaCommand::Ring {
            call: incoming.call,
            status: 180,
            body: None,
        }],
        _ => Vec::new(),
    });
    let call = world.call_via(A, direct(Transport::Udp), "600");
    world.run_s(3);
    world.command(A, UaCommand::HangUp { call });
    world.run_s(1);
    assert_eq!(story(&world, A), ["progress 180", "ended Local"]);
    assert_eq!(story(&world, B), ["incoming 600", "cancelled false"]);
    assert_eq!(
        (world.responses(487).len(), world.requests(Method::Ack).len()),
        (1, 1)
    );
    world.assert_clean();
}

#[test]
fn a_call_answered_elsewhere_is_no_missed_call() {
    let mut world = pair(10);
    world.uas[B].react = Box::new(|_| Vec::new());
    let invite = invite("sip:600@192.0.2.2", "z9hG4bKa");
    world.inject(PEER, B, invite.clone());
    world.run_s(1);
    let mut cancel = invite.clone();
    cancel.method = Method::Cancel;
    cancel.body.clear();
    cancel.headers.set(HeaderName::CSEQ, "1 CANCEL");
    cancel.headers.push(
        HeaderName::REASON,
        "SIP;cause=200;text=\"Call completed elsewhere\"",
    );
    world.inject(PEER, B, cancel.clone());
    world.run_s(1);
    assert_eq!(story(&world, B), ["incoming 600", "cancelled true"]);
    world.assert_clean();
    world.clear();
    world.inject(PEER, B, cancel);
    world.run_s(1);
    assert_eq!(world.responses(481).len(), 1, "no such INVITE any more");
}

#[test]
fn ringing_says_so_again_every_minute() {
    let mut world = pair(11);
    world.uas[B].react = Box::new(|event| match event {
        UaEvent::Incoming(incoming) => vec![UaCommand::Ring {
            call: incoming.call,
            status: 180,
            body: None,
        }],
        _ => Vec::new(),
    });
    let call = world.call_via(A, direct(Transport::Udp), "600");
    world.run_s(130);
    assert_eq!(world.responses(180).len(), 3);
    world.command(A, UaCommand::HangUp { call });
    world.assert_clean();
}

#[test]
fn an_answer_that_nobody_acknowledges_is_repeated_and_given_up() {
    let mut world = pair(12);
    world.inject(PEER, B, invite("sip:600@192.0.2.2", "z9hG4bKa"));
    world.run_s(31);
    assert_eq!(
        world.responses(200).len(),
        10,
        "at 0, 0.5, 1.5, 3.5, 7.5 s and every 4 s"
    );
    world.run_ms(1200);
    assert_eq!(story(&world, B), ["incoming 600", "ended Timeout"]);
    assert_eq!(world.requests(Method::Bye).len(), 1);
    world.assert_clean();
}

#[test]
fn hanging_up_before_the_ack_waits_for_it() {
    let mut world = pair(13);
    let invite = invite("sip:600@192.0.2.2", "z9hG4bKa");
    world.inject(PEER, B, invite.clone());
    world.run_s(1);
    let UaEvent::Incoming(incoming) = &world.uas[B].events[0] else {
        panic!()
    };
    let call = incoming.call;
    world.command(B, UaCommand::HangUp { call });
    assert_eq!(world.requests(Method::Bye).len(), 0);
    world.inject(PEER, B, within(&world, &invite, Method::Ack, 1));
    world.run_ms(300);
    assert_eq!(world.requests(Method::Bye).len(), 1);
    assert_eq!(story(&world, B), ["incoming 600", "ended Local"]);
    world.assert_clean();
}

#[test]
fn a_call_without_offer_gets_ours_and_the_ack_brings_the_answer() {
    let mut world = pair(14);
    let mut invite = invite("sip:600@192.0.2.2", "z9hG4bKa");
    invite.body.clear();
    invite.headers.remove(&HeaderName::CONTENT_TYPE);
    world.inject(PEER, B, invite.clone());
    world.run_s(1);
    let ack = within(&world, &invite, Method::Ack, 1).with_body("application/sdp", b"v=0 theirs".to_vec());
    world.inject(PEER, B, ack);
    world.run_s(1);
    assert_eq!(
        story(&world, B),
        ["incoming 600", "reanswered Some(\"v=0 theirs\")", "confirmed"]
    );
    let bye = within(&world, &invite, Method::Bye, 2);
    world.inject(PEER, B, bye);
    world.assert_clean();
}

#[test]
fn a_bye_that_overtakes_the_ack_ends_the_call() {
    let mut world = pair(15);
    let invite = invite("sip:600@192.0.2.2", "z9hG4bKa");
    world.inject(PEER, B, invite.clone());
    world.run_s(1);
    let mut bye = within(&world, &invite, Method::Bye, 2);
    bye.headers.push(HeaderName::REASON, "Q.850;cause=16");
    world.inject(PEER, B, bye);
    world.run_s(1);
    assert_eq!(
        story(&world, B),
        [
            "incoming 600",
            "ended Remote { reason: Some(\"Q.850;cause=16\") }"
        ]
    );
    let repeated = world.responses(200).len();
    world.run_s(10);
    assert_eq!(
        world.responses(200).len(),
        repeated,
        "the answer is not repeated any more"
    );
    world.assert_clean();
}

#[test]
fn hold_and_resume_from_both_ends() {
    let mut world = pair(16);
    let call = world.call_via(A, direct(Transport::Udp), "600");
    world.run_s(1);
    world.command(
        A,
        UaCommand::Reoffer {
            call,
            body: b"v=0 hold".to_vec(),
        },
    );
    world.run_s(1);
    assert_eq!(story(&world, A).last().unwrap(), "reanswered Some(\"v=0 again\")");
    assert_eq!(story(&world, B).last().unwrap(), "reoffer v=0 hold");

    world.uas[A].react = Box::new(|event| match event {
        UaEvent::Reoffer { call, .. } => vec![UaCommand::RejectReoffer {
            call: *call,
            status: 488,
        }],
        _ => Vec::new(),
    });
    let UaEvent::Incoming(incoming) = &world.uas[B].events[0] else {
        panic!()
    };
    let theirs = incoming.call;
    world.command(
        B,
        UaCommand::Reoffer {
            call: theirs,
            body: b"v=0 change".to_vec(),
        },
    );
    world.run_s(1);
    assert_eq!(
        story(&world, B).last().unwrap(),
        "reanswered None",
        "refused, and the call goes on"
    );
    world.command(B, UaCommand::HangUp { call: theirs });
    world.run_s(1);
    assert_eq!(story(&world, A).last().unwrap(), "ended Remote { reason: None }");
    world.assert_clean();
}

#[test]
fn offers_that_cross_are_sorted_out() {
    let mut world = pair(17);
    let call = world.call_via(A, direct(Transport::Udp), "600");
    world.run_s(1);
    let answer = |event: &UaEvent| match event {
        UaEvent::Reoffer { call, .. } => vec![UaCommand::AnswerReoffer {
            call: *call,
            body: b"v=0 yes".to_vec(),
        }],
        _ => Vec::new(),
    };
    world.uas[A].react = Box::new(answer);
    world.uas[B].react = Box::new(answer);
    let UaEvent::Incoming(incoming) = &world.uas[B].events[0] else {
        panic!()
    };
    let theirs = incoming.call;
    world.command(
        A,
        UaCommand::Reoffer {
            call,
            body: b"v=0 from a".to_vec(),
        },
    );
    world.command(
        B,
        UaCommand::Reoffer {
            call: theirs,
            body: b"v=0 from b".to_vec(),
        },
    );
    world.run_ms(100);
    assert_eq!(world.responses(491).len(), 2);
    world.run_s(10);
    for node in [A, B] {
        let told = story(&world, node);
        assert!(told.contains(&"reanswered Some(\"v=0 yes\")".into()), "{told:?}");
        assert!(
            told.iter().any(|event| event.starts_with("reoffer v=0 from")),
            "{told:?}"
        );
    }
    world.command(A, UaCommand::HangUp { call });
    world.assert_clean();
}

#[test]
fn keys_go_by_info() {
    let mut world = pair(18);
    let call = world.call_via(A, direct(Transport::Udp), "600");
    world.run_s(1);
    world.command(
        A,
        UaCommand::InfoKey {
            call,
            key: '#',
            duration_ms: 200,
        },
    );
    world.run_s(1);
    assert_eq!(story(&world, B).last().unwrap(), "key # 200");
    world.command(A, UaCommand::HangUp { call });
    world.assert_clean();
}

#[test]
fn a_peer_that_forgot_the_call_ends_it() {
    let mut world = World::new(19);
    world.add("192.0.2.9:5060");
    world.script(SERVER, |message| {
        let Message::Request(request) = message else {
            return Vec::new();
        };
        match request.method {
            Method::Invite if request.headers.to().unwrap().tag().is_none() => {
                vec![accept(request, "x", TARGET, "v=0").into()]
            }
            Method::Register => vec![respond(request, 200, "x").into()],
            Method::Ack => Vec::new(),
            _ => vec![respond(request, 481, "x").into()],
        }
    });
    world.command(
        0,
        UaCommand::SetAccounts(vec![account("office", "6001", "192.0.2.1")]),
    );
    let call = world.call(0, "office", "600");
    world.run_s(1);
    world.command(
        0,
        UaCommand::Reoffer {
            call,
            body: b"v=0".to_vec(),
        },
    );
    world.run_s(1);
    assert_eq!(story(&world, 0), ["answered v=0", "ended Timeout"]);
    world.assert_clean();
}

#[test]
fn two_lines_of_one_machine_call_each_other() {
    let mut world = World::new(20);
    world.add("192.0.2.9:5060");
    world.script(SERVER, |message| match message {
        Message::Request(request) => vec![respond(request, 200, "x").into()],
        Message::Response(_) => Vec::new(),
    });
    // An account of the same name as the line called, to be told apart from.
    world.command(
        0,
        UaCommand::SetAccounts(vec![account("office", "200", "192.0.2.1")]),
    );
    for transport in [Transport::Udp, Transport::Tcp] {
        world.uas[0].events.clear();
        world.uas[0].react = Box::new(|event| match event {
            UaEvent::Incoming(incoming) => {
                assert_eq!(incoming.account, None);
                assert_eq!(incoming.caller_user.as_deref(), Some("4711"));
                vec![UaCommand::Answer {
                    call: incoming.call,
                    body: b"v=0 b".to_vec(),
                }]
            }
            _ => Vec::new(),
        });
        let own = address("192.0.2.9:5060");
        let via = Via::Address {
            transport,
            route: Route {
                remote: own,
                local_ip: own.ip(),
            },
        };
        let call = world.call_via(0, via, "200");
        world.run_s(1);
        assert_eq!(story(&world, 0), ["incoming 200", "answered v=0 b", "confirmed"]);
        world.command(0, UaCommand::HangUp { call });
        world.run_s(1);
        assert_eq!(
            story(&world, 0)[3..],
            ["ended Local", "ended Remote { reason: None }"]
        );
        world.assert_clean();
    }
}

#[test]
fn a_long_invite_goes_over_tcp_where_that_works() {
    for tcp_works in [true, false] {
        let mut world = pair(21);
        if !tcp_works {
            world.dead.push((Transport::Tcp, address("192.0.2.2:5060")));
        }
        let call = world.uas[A].ua.new_call();
        let offer = [b"v=0 ".to_vec(), vec![b'x'; 1300]].concat();
        let (number, from_user) = ("600".to_owned(), "4711".to_owned());
        let via = direct(Transport::Udp);
        world.command(
            A,
            UaCommand::Invite {
                call,
                via,
                number,
                from_user,
                from_name: None,
                offer,
                options: InviteOptions::default(),
            },
        );
        world.run_s(1);
        assert_eq!(story(&world, A), ["progress 180", "answered v=0 answer"]);
        let over = world.requests(Method::Invite)[0]
            .headers
            .via_top()
            .unwrap()
            .transport;
        assert_eq!(over, if tcp_works { "TCP" } else { "UDP" });
        world.command(A, UaCommand::HangUp { call });
        world.assert_clean();
    }
}

#[test]
fn the_caller_is_who_the_own_server_says() {
    let mut world = World::new(22);
    server(&mut world, |_| Vec::new());
    let asserted = |from: &str, branch: &str| {
        let mut invite = invite("sip:6001@192.0.2.9", branch);
        invite
            .headers
            .push(HeaderName::P_ASSERTED_IDENTITY, "\"Alice\" <sip:+4930123@pbx>");
        invite.headers.push(HeaderName::PRIVACY, "id");
        invite
            .headers
            .push(HeaderName::ALERT_INFO, "<urn:alert:source:external>");
        (from.to_owned(), invite)
    };
    for (from, message) in [
        asserted(SERVER, "z9hG4bK1"),
        asserted("203.0.113.5:5060", "z9hG4bK2"),
    ] {
        world.inject(&from, 0, message);
        world.run_s(1);
    }
    let callers: Vec<_> = world.uas[0]
        .events
        .iter()
        .filter_map(|event| match event {
            UaEvent::Incoming(i) => Some((i.caller_user.clone().unwrap(), i.caller_name.clone(), i.private)),
            _ => None,
        })
        .collect();
    let alice = ("+4930123".to_owned(), Some("Alice".to_owned()), true);
    assert_eq!(callers, [alice, ("4711".to_owned(), None, true)]);
}

#[test]
fn calls_get_through_a_bad_network() {
    for seed in 0..60 {
        for transport in [Transport::Udp, Transport::Tcp] {
            let mut world = pair(seed);
            world.faults = Faults {
                loss: 0.2,
                duplication: 0.2,
                delay_ms: 400,
            };
            let call = world.call_via(A, direct(transport), "600");
            world.run_s(31);
            let (a, b) = (story(&world, A), story(&world, B));
            assert!(a.iter().any(|e| e == "answered v=0 answer"), "{seed}: {a:?}");
            assert_eq!(b, ["incoming 600", "confirmed"], "{seed}");
            world.command(A, UaCommand::HangUp { call });
            world.run_s(33);
            assert_eq!(
                story(&world, A).iter().filter(|e| e.starts_with("ended")).count(),
                1
            );
            assert_eq!(
                story(&world, B).last().unwrap(),
                "ended Remote { reason: None }",
                "{seed}"
            );
            world.faults = CLEAN;
            world.assert_clean();
        }
    }
}

#[test]
fn a_thousand_hang_ups_at_any_moment_leave_nothing_behind() {
    for seed in 0..300 {
        let mut world = pair(seed);
        world.faults = Faults {
            loss: 0.1,
            duplication: 0.1,
            delay_ms: 300,
        };
        let call = world.call_via(A, direct(Transport::Udp), "600");
        world.run_ms(seed * 5);
        world.command(A, UaCommand::HangUp { call });
        world.run_s(80);
        for node in [A, B] {
            let told = story(&world, node);
            let starts = told.iter().filter(|e| e.starts_with("incoming")).count();
            let ends = told
                .iter()
                .filter(|e| {
                    ["ended", "failed", "cancelled"]
                        .iter()
                        .any(|end| e.starts_with(end))
                })
                .count();
            assert_eq!(ends, if node == A { 1 } else { starts }, "{seed}: {told:?}");
        }
        world.faults = CLEAN;
        world.assert_clean();
    }
}
