//! Calls between two user agents, and with scripted peers.

use super::world::*;
use crate::sip::message::{HeaderName, Message, Method};
use crate::sip::ua::*;

/// Events of calls, without their numbers and bodies.
pub fn story(world: &World, node: usize) -> Vec<String> {
    let told = world.uas[node].events.iter().filter_map(|event| {
        Some(match event {
            UaEvent::Registration { .. } => return None,
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
