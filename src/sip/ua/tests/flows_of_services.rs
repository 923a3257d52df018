//! The flows of RFC 5359 that need a second call, REFER, Replaces or SUBSCRIBE, each as the endpoint of ours sees it. Their
//! table is in [`super::flows`].

use super::calls::{A, B, direct, story};
use super::events::{self, Answers, lamps, subscriber, watch};
use super::transfer::{C, obliging, replacing, three};
use super::world::*;
use crate::sip::account::AccountEvents;
use crate::sip::message::{HeaderName, Method, Request};
use crate::sip::ua::*;

/// Straight from B to C.
fn to_c() -> Via {
    Via::Address {
        transport: Transport::Udp,
        route: Route {
            remote: address("192.0.2.3:5060"),
            local_ip: address("192.0.2.2:5060").ip(),
        },
    }
}

fn reoffer(world: &mut World, node: usize, call: CallId, body: &str) {
    let body = body.into();
    world.command(node, UaCommand::Reoffer { call, body });
    world.run_s(1);
}

/// Takes whatever it is offered.
fn agreeable(event: &UaEvent) -> Vec<UaCommand> {
    match event {
        UaEvent::Reoffer { call, .. } => vec![UaCommand::AnswerReoffer {
            call: *call,
            body: b"v=0 again".to_vec(),
        }],
        other => obliging(other),
    }
}

/// Bob holds Alice, asks Carol something, and takes Alice back.
pub fn consultation_hold() {
    let (mut world, _, b_to_a) = three();
    world.uas[A].react = Box::new(agreeable);
    reoffer(&mut world, B, b_to_a, "v=0 sendonly");
    assert_eq!(story(&world, A).last().unwrap(), "reoffer v=0 sendonly");
    let b_to_c = world.call_via(B, to_c(), "3");
    world.run_s(1);
    assert_eq!(story(&world, C), ["incoming 3", "confirmed"]);
    world.command(B, UaCommand::HangUp { call: b_to_c });
    world.run_s(1);
    assert_eq!(story(&world, C).last().unwrap(), "ended Remote { reason: None }");
    reoffer(&mut world, B, b_to_a, "v=0 sendrecv");
    assert_eq!(story(&world, A).last().unwrap(), "reoffer v=0 sendrecv");
    assert_eq!(world.uas[B].ua.load().calls, 1);
    world.command(B, UaCommand::HangUp { call: b_to_a });
    world.assert_clean();
}

/// A call from a peer at `node`, answered and acknowledged.
fn answered(world: &mut World, node: usize, invite: &Request) {
    world.inject(PEER, node, invite.clone());
    world.run_ms(100);
    let ack = within(world, invite, Method::Ack, 1);
    world.inject(PEER, node, ack);
    world.run_ms(100);
}

/// Bob, whom Alice talks to, becomes the focus of a conference: a re-INVITE from a Contact that says so. Whoever wants us
/// to be the focus (Join, RFC 3911) is told that we can't mix.
pub fn conference() {
    let mut world = World::new(9);
    let alice = world.add("192.0.2.1:5060");
    world.uas[alice].react = Box::new(agreeable);
    let first = invite("sip:1@192.0.2.1", "z9hG4bKa");
    answered(&mut world, alice, &first);
    let mut focus = within(&world, &first, Method::Invite, 2);
    focus
        .headers
        .push(HeaderName::CONTACT, "<sip:conference@192.0.2.77:5099>;isfocus");
    world.inject(
        PEER,
        alice,
        focus.with_body("application/sdp", b"v=0 mixed".to_vec()),
    );
    world.run_ms(100);
    let ack = within(&world, &first, Method::Ack, 2);
    world.inject(PEER, alice, ack);
    world.run_ms(100);
    assert_eq!(story(&world, alice).last().unwrap(), "reoffer v=0 mixed");

    let mut third = invite("sip:1@192.0.2.1", "z9hG4bKj");
    third.headers.push(
        HeaderName::parse("Join").unwrap(),
        "id-z9hG4bKa;to-tag=a;from-tag=peer",
    );
    third.headers.push(HeaderName::REQUIRE, "join");
    world.inject(PEER, alice, third);
    world.run_ms(100);
    let refusal = world.responses(420).remove(0);
    assert_eq!(refusal.headers.first(&HeaderName::UNSUPPORTED).unwrap(), "join");

    world.command(alice, UaCommand::HangUp { call: CallId(1) });
    world.run_s(1);
    assert!(world.sent_to("192.0.2.77:5099")[0].starts_with("BYE sip:conference@192.0.2.77:5099"));
}

/// Bob parks Alice: a park server takes Bob's place at Alice's, and later Carol takes the server's.
pub fn call_park() {
    let mut world = World::new(10);
    let alice = world.add("192.0.2.1:5060");
    world.uas[alice].react = Box::new(obliging);
    let mut talked_to = invite("sip:1@192.0.2.1", "z9hG4bKbob");
    answered(&mut world, alice, &talked_to);
    for (branch, byes) in [("z9hG4bKpark", 1), ("z9hG4bKcarol", 2)] {
        let ours = within(&world, &talked_to, Method::Bye, 9).headers.to().unwrap();
        let dialog = format!(
            "{};to-tag={};from-tag=peer",
            talked_to.headers.call_id().unwrap(),
            ours.tag().unwrap()
        );
        let taking = replacing(&[&dialog], branch);
        answered(&mut world, alice, &taking);
        assert_eq!(world.requests(Method::Bye).len(), byes, "{branch}");
        talked_to = taking;
    }
    assert_eq!(
        story(&world, alice),
        [
            "incoming 1",
            "confirmed",
            "incoming 1",
            "ended Local",
            "confirmed",
            "incoming 1",
            "ended Local",
            "confirmed"
        ]
    );
    let bye = within(&world, &talked_to, Method::Bye, 10);
    world.inject(PEER, alice, bye);
    world.assert_clean();
}

/// Alice calls Bob, whose telephone rings; Carol picks the call up, and Bob's stops.
pub fn call_pickup() {
    let mut world = World::new(11);
    for at in ["192.0.2.1:5060", "192.0.2.2:5060"] {
        world.add(at);
    }
    world.uas[A].react = Box::new(obliging);
    world.uas[B].react = Box::new(|event| match event {
        UaEvent::Incoming(incoming) => vec![UaCommand::Ring {
            call: incoming.call,
            status: 180,
            body: None,
        }],
        _ => Vec::new(),
    });
    world.call_via(A, direct(Transport::Udp), "2");
    world.run_s(1);
    let ringing = world.responses(180).remove(0).headers;
    let dialog = format!(
        "{};to-tag={};from-tag={};early-only",
        ringing.call_id().unwrap(),
        ringing.from().unwrap().tag().unwrap(),
        ringing.to().unwrap().tag().unwrap()
    );
    let picked_up = replacing(&[&dialog], "z9hG4bKcarol");
    answered(&mut world, A, &picked_up);
    world.run_s(1);
    assert_eq!(story(&world, B), ["incoming 2", "cancelled false"]);
    let told = story(&world, A);
    assert!(told.contains(&"confirmed".to_owned()), "{told:?}");
    let bye = within(&world, &picked_up, Method::Bye, 2);
    world.inject(PEER, A, bye);
    world.assert_clean();
}

/// Alice finds Bob busy, watches his calls, and calls again when he is free.
pub fn automatic_redial() {
    let mut world = subscriber(AccountEvents::default(), Method::Subscribe, &Answers::default());
    let mut busy = true;
    world.uas[0].react = Box::new(move |event| match event {
        UaEvent::Incoming(incoming) if std::mem::take(&mut busy) => vec![UaCommand::Reject {
            call: incoming.call,
            status: 486,
        }],
        other => obliging(other),
    });
    let call = world.call(0, "office", "600");
    world.run_s(1);
    world.inject(PEER, 0, invite("sip:6001@192.0.2.9", "z9hG4bKfirst"));
    world.run_ms(100);
    assert_eq!(world.responses(486).len(), 1);
    world.inject(events::SERVER, 0, watch("dialog", 90, "d"));
    world.run_ms(100);
    assert_eq!(lamps(&world), ["confirmed"]);
    world.command(0, UaCommand::HangUp { call });
    world.run_s(1);
    assert_eq!(lamps(&world).last().unwrap(), "none");
    answered(&mut world, 0, &invite("sip:6001@192.0.2.9", "z9hG4bKsecond"));
    assert_eq!(story(&world, 0).last().unwrap(), "confirmed");
}
