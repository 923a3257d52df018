//! Session timers (RFC 4028), both roles, and the waits after a glare (RFC 3261 14.1).

use super::calls::{B, pair, story};
use super::world::*;
use crate::sip::message::{HeaderName, Message, Method, Request};
use crate::sip::ua::*;
use std::cell::RefCell;
use std::rc::Rc;

const SERVER: &str = "192.0.2.1:5060";
const TARGET: &str = "sip:600@192.0.2.1:5060";

/// A caller whose account wants sessions of 1800 s, at a server that answers by script.
fn caller(script: impl FnMut(&Request) -> Vec<Message> + 'static) -> World {
    let mut world = World::new(1);
    world.add("192.0.2.9:5060");
    let mut script = script;
    world.script(SERVER, move |message| match message {
        Message::Request(request) if request.method == Method::Ack => Vec::new(),
        Message::Request(request) if request.method == Method::Register => {
            vec![respond(request, 200, "x").into()]
        }
        Message::Request(request) => script(request),
        Message::Response(_) => Vec::new(),
    });
    let mut office = account("office", "6001", "192.0.2.1");
    office.session_expires_s = 1800;
    office.register = false;
    world.command(0, UaCommand::SetAccounts(vec![office]));
    world.uas[0].react = Box::new(|event| match event {
        UaEvent::RefreshDue { call } => vec![UaCommand::Reoffer {
            call: *call,
            body: b"v=0 same".to_vec(),
        }],
        _ => Vec::new(),
    });
    world
}

/// 200 with an interval, and the methods its sender takes.
fn granted(request: &Request, interval: &str, allow: &str) -> Message {
    let sdp = if request.body.is_empty() { "" } else { "v=0 server" };
    let mut response = accept(request, "x", TARGET, sdp);
    response.headers.push(HeaderName::ALLOW, allow);
    response.headers.push(HeaderName::SESSION_EXPIRES, interval);
    response.into()
}

/// When requests of a method were sent to a place, s.
fn times(world: &World, method: &str) -> Vec<u64> {
    let sent = world.log.iter().filter(|entry| entry.3.starts_with(method));
    sent.map(|entry| entry.0 / 1000).collect()
}

#[test]
fn a_session_we_refresh_is_refreshed_by_update_at_half_time() {
    let mut world =
        caller(|request| vec![granted(request, "1800;refresher=uac", "INVITE, ACK, BYE, UPDATE")]);
    let call = world.call(0, "office", "600");
    let invite = world.requests(Method::Invite).remove(0);
    assert_eq!(
        invite.headers.first(&HeaderName::SESSION_EXPIRES).unwrap(),
        "1800"
    );
    assert!(invite.headers.supported().contains(&"timer".to_owned()));
    world.run_s(2800);
    assert_eq!(times(&world, "UPDATE"), [900, 1800, 2700]);
    let update = world.requests(Method::Update).remove(0);
    let said = update
        .headers
        .first(&HeaderName::SESSION_EXPIRES)
        .unwrap()
        .into_owned();
    assert_eq!(said, "1800;refresher=uac");
    assert!(update.body.is_empty());
    assert_eq!(story(&world, 0), ["answered v=0 server"]);
    world.command(0, UaCommand::HangUp { call });
    world.assert_clean();
}

#[test]
fn without_update_it_is_refreshed_by_a_re_invite_of_the_same_session() {
    for allow in ["INVITE, ACK, BYE", "INVITE, ACK, BYE, UPDATE"] {
        let mut world = caller(move |request| match request.method {
            Method::Update => vec![respond(request, 501, "x").into()],
            _ => vec![granted(request, "600;refresher=uac", allow)],
        });
        let call = world.call(0, "office", "600");
        world.run_s(700);
        let invites = world.requests(Method::Invite);
        assert_eq!(times(&world, "INVITE"), [0, 300, 600], "{allow}");
        assert_eq!(invites[1].body, b"v=0 same");
        assert_eq!(
            invites[1].headers.first(&HeaderName::SESSION_EXPIRES).unwrap(),
            "600;refresher=uac"
        );
        world.command(0, UaCommand::HangUp { call });
        world.assert_clean();
    }
}

#[test]
fn a_session_nobody_refreshes_is_ended_before_its_time() {
    for (interval, end_s) in [("1800", 1768), ("90", 60)] {
        let mut world = caller(move |request| match request.method {
            Method::Bye => vec![respond(request, 200, "x").into()],
            _ => vec![granted(
                request,
                &format!("{interval};refresher=uas"),
                "INVITE, UPDATE",
            )],
        });
        world.call(0, "office", "600");
        world.run_s(2000);
        assert_eq!(times(&world, "BYE"), [end_s]);
        assert_eq!(story(&world, 0), ["answered v=0 server", "ended Timeout"]);
        world.assert_clean();
    }
}

#[test]
fn a_server_that_is_gone_is_found_out_by_the_refresh() {
    let alive = Rc::new(RefCell::new(true));
    let switch = alive.clone();
    let mut world = caller(move |request| {
        if *alive.borrow() {
            vec![granted(request, "1800", "INVITE, UPDATE")]
        } else {
            Vec::new()
        }
    });
    world.call(0, "office", "600");
    world.run_s(1);
    *switch.borrow_mut() = false;
    world.run_s(940);
    // 900 s, and the 32 s a request is waited for.
    assert_eq!(story(&world, 0), ["answered v=0 server", "ended Timeout"]);
    world.assert_clean();
}

#[test]
fn a_refresh_refused_for_a_moment_is_tried_again_in_half_of_what_is_left() {
    let mut refused = 0;
    let mut world = caller(move |request| match request.method {
        Method::Update if refused < 2 => {
            refused += 1;
            vec![respond(request, 500, "x").into()]
        }
        _ => vec![granted(request, "1800;refresher=uac", "INVITE, UPDATE")],
    });
    let call = world.call(0, "office", "600");
    world.run_s(2300);
    assert_eq!(times(&world, "UPDATE"), [900, 1334, 1551]);
    assert_eq!(story(&world, 0), ["answered v=0 server"]);
    world.command(0, UaCommand::HangUp { call });
    world.assert_clean();
}

#[test]
fn a_longer_session_is_asked_for_when_the_server_insists() {
    let mut world = caller(|request| {
        let asked = request
            .headers
            .session_expires()
            .map_or(0, |asked| asked.interval_s);
        if request.method == Method::Invite && asked < 3600 {
            let mut response = respond(request, 422, "x");
            response.headers.push(HeaderName::MIN_SE, "3600");
            return vec![response.into()];
        }
        vec![granted(request, "3600;refresher=uac", "INVITE, UPDATE")]
    });
    let call = world.call(0, "office", "600");
    world.run_s(2000);
    let invites = world.requests(Method::Invite);
    let said = |n: usize, name| invites[n].headers.first(&name).map(|v| v.into_owned());
    assert_eq!(invites.len(), 2);
    assert_eq!(said(1, HeaderName::SESSION_EXPIRES).unwrap(), "3600");
    assert_eq!(said(1, HeaderName::MIN_SE).unwrap(), "3600");
    assert_eq!(invites[1].headers.cseq().unwrap().number, 2);
    assert_eq!(times(&world, "UPDATE"), [1800]);
    assert_eq!(story(&world, 0), ["answered v=0 server"]);
    world.command(0, UaCommand::HangUp { call });
    world.run_s(40);
}

#[test]
fn a_server_that_insists_on_ever_longer_sessions_is_left() {
    let mut least = 1800;
    let mut world = caller(move |request| {
        least += 100;
        let mut response = respond(request, 422, "x");
        response.headers.push(HeaderName::MIN_SE, least.to_string());
        vec![response.into()]
    });
    world.call(0, "office", "600");
    world.run_s(5);
    assert_eq!(story(&world, 0), ["failed 422"]);
    assert_eq!(world.requests(Method::Invite).len(), 5);
    world.assert_clean();
}

/// A peer's INVITE with a session interval.
fn timed(interval: &str, branch: &str) -> Request {
    let mut request = invite("sip:600@192.0.2.2", branch);
    request.headers.push(HeaderName::SUPPORTED, "timer");
    request.headers.push(HeaderName::SESSION_EXPIRES, interval);
    request
        .headers
        .push(HeaderName::ALLOW, "INVITE, ACK, BYE, UPDATE");
    request
}

#[test]
fn too_short_an_interval_is_refused_with_the_least_we_take() {
    let mut world = pair(2);
    world.inject(PEER, B, timed("60", "z9hG4bKa"));
    world.run_ms(100);
    let refused = world.responses(422).remove(0);
    assert_eq!(refused.headers.min_se(), Some(90));
    assert!(story(&world, B).is_empty());
    let invite = timed("90", "z9hG4bKb");
    world.inject(PEER, B, invite.clone());
    world.run_ms(100);
    world.inject(PEER, B, within(&world, &invite, Method::Ack, 1));
    world.run_ms(100);
    let mut update = within(&world, &invite, Method::Update, 2);
    update.headers.push(HeaderName::SUPPORTED, "timer");
    update.headers.push(HeaderName::SESSION_EXPIRES, "30");
    world.inject(PEER, B, update);
    world.run_ms(100);
    assert_eq!(world.responses(422).len(), 2);
    world.inject(PEER, B, within(&world, &invite, Method::Bye, 3));
    world.assert_clean();
}

#[test]
fn a_caller_that_refreshes_keeps_the_call_and_one_that_stops_loses_it() {
    let mut world = pair(3);
    let invite = timed("300;refresher=uac", "z9hG4bKa");
    world.inject(PEER, B, invite.clone());
    world.run_ms(100);
    let accepted = world.responses(200).remove(0);
    assert_eq!(
        accepted.headers.first(&HeaderName::SESSION_EXPIRES).unwrap(),
        "300;refresher=uac"
    );
    assert_eq!(accepted.headers.require(), ["timer"]);
    world.inject(PEER, B, within(&world, &invite, Method::Ack, 1));
    for number in 2..6 {
        world.run_s(150);
        let mut update = within(&world, &invite, Method::Update, number);
        update.headers.push(HeaderName::SUPPORTED, "timer");
        update
            .headers
            .push(HeaderName::SESSION_EXPIRES, "300;refresher=uac");
        world.inject(PEER, B, update);
        world.run_ms(10);
    }
    let refreshed = world.responses(200).pop().unwrap();
    assert_eq!(
        refreshed.headers.first(&HeaderName::SESSION_EXPIRES).unwrap(),
        "300;refresher=uac"
    );
    assert_eq!(story(&world, B), ["incoming 600", "confirmed"]);
    world.run_s(300);
    assert_eq!(story(&world, B).last().unwrap(), "ended Timeout");
    // 4 x 150 s, and 300 - 32 s.
    assert_eq!(times(&world, "BYE")[0], 868);
    world.assert_clean();
}

#[test]
fn called_we_refresh_where_the_caller_leaves_it_to_us() {
    let mut world = pair(4);
    let invite = timed("300;refresher=uas", "z9hG4bKa");
    world.inject(PEER, B, invite.clone());
    world.run_ms(100);
    let accepted = world.responses(200).remove(0);
    assert!(accepted.headers.require().is_empty());
    world.inject(PEER, B, within(&world, &invite, Method::Ack, 1));
    world.run_s(151);
    let update = world.requests(Method::Update).remove(0);
    assert_eq!(
        update.headers.first(&HeaderName::SESSION_EXPIRES).unwrap(),
        "300;refresher=uac"
    );
    let mut answer = respond(&update, 200, "peer");
    answer
        .headers
        .push(HeaderName::SESSION_EXPIRES, "300;refresher=uac");
    world.inject(PEER, B, answer);
    world.run_s(151);
    assert_eq!(
        world
            .requests(Method::Update)
            .last()
            .unwrap()
            .headers
            .cseq()
            .unwrap()
            .number,
        2
    );
    world.inject(PEER, B, within(&world, &invite, Method::Bye, 2));
    world.run_s(60);
    world.assert_clean();
}

/// From one re-INVITE to the next, ms; a message takes 1 ms each way.
fn waits(world: &World, from: &str) -> Vec<u64> {
    let sent = world
        .log
        .iter()
        .filter(|e| e.1 == address(from) && e.3.starts_with("INVITE"));
    let at: Vec<u64> = sent.map(|entry| entry.0).collect();
    at.windows(2).map(|pair| pair[1] - pair[0] - 2).collect()
}

/// 2.1 to 4 s for the owner of the Call-ID, up to 2 s for the other, in steps of 10 ms.
#[test]
fn waits_after_a_glare_are_those_of_the_standard() {
    let offer = |call| UaCommand::Reoffer {
        call,
        body: b"v=0 offer".to_vec(),
    };
    let mut world = caller(|request| {
        let within = request.headers.to().unwrap().tag().is_some();
        match request.method {
            Method::Invite if !within => vec![accept(request, "x", TARGET, "v=0").into()],
            Method::Invite => vec![respond(request, 491, "x").into()],
            _ => vec![respond(request, 200, "x").into()],
        }
    });
    let call = world.call(0, "office", "600");
    world.run_s(1);
    world.clear();
    world.command(0, offer(call));
    world.run_s(300);
    let owner = waits(&world, "192.0.2.9:5060");
    world.command(0, UaCommand::HangUp { call });
    world.run_s(10);
    world.assert_clean();

    let mut world = pair(5);
    world.script(PEER, |message| match message {
        Message::Request(request) if request.method == Method::Invite => {
            vec![respond(request, 491, "x").into()]
        }
        Message::Request(request) if request.method != Method::Ack => vec![respond(request, 200, "x").into()],
        _ => Vec::new(),
    });
    let invite = invite("sip:600@192.0.2.2", "z9hG4bKa");
    world.inject(PEER, B, invite.clone());
    world.run_ms(100);
    world.inject(PEER, B, within(&world, &invite, Method::Ack, 1));
    world.run_ms(100);
    world.clear();
    let call = CallId(1);
    world.command(B, offer(call));
    world.run_s(100);
    let other = waits(&world, "192.0.2.2:5060");
    world.command(B, UaCommand::HangUp { call });
    world.run_s(10);
    world.assert_clean();

    assert!(
        owner.len() > 50 && owner.iter().all(|ms| (2100..=4000).contains(ms)),
        "{owner:?}"
    );
    assert!(
        other.len() > 50 && other.iter().all(|ms| *ms <= 2000),
        "{other:?}"
    );
    assert!(
        owner.iter().chain(&other).all(|ms| ms % 10 == 0),
        "{owner:?} {other:?}"
    );
    let spread = |waits: &[u64]| waits.iter().max().unwrap() - waits.iter().min().unwrap();
    assert!(
        spread(&owner) > 1500 && spread(&other) > 1500,
        "{owner:?} {other:?}"
    );
}
