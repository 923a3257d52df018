//! Provisional responses that are acknowledged, and UPDATE: both roles, in early dialogs (RFC 3262, RFC 3311).

use super::calls::{A, B, direct, pair, story};
use super::world::*;
use crate::sip::message::{HeaderName, Message, Method, Request, Response};
use crate::sip::ua::*;
use std::collections::VecDeque;

const SERVER: &str = "192.0.2.1:5060";

/// A caller with an account at a server that answers INVITE and PRACK by script, everything else with 200.
fn caller(script: impl FnMut(&Request) -> Vec<Message> + 'static) -> World {
    let mut world = World::new(1);
    world.add("192.0.2.9:5060");
    let mut script = script;
    world.script(SERVER, move |message| match message {
        Message::Request(request) if matches!(request.method, Method::Invite | Method::Prack) => {
            script(request)
        }
        Message::Request(request) if request.method == Method::Ack => Vec::new(),
        Message::Request(request) => vec![respond(request, 200, "x").into()],
        Message::Response(_) => Vec::new(),
    });
    let commands = UaCommand::SetAccounts(vec![account("office", "6001", "192.0.2.1")]);
    world.command(0, commands);
    world.run_s(1);
    world.clear();
    world
}

fn reliable(invite: &Request, code: u16, tag: &str, rseq: u32, sdp: &str) -> Message {
    let mut response = respond(invite, code, tag);
    response.headers.push(HeaderName::REQUIRE, "100rel");
    response.headers.push(HeaderName::RSEQ, rseq.to_string());
    response
        .headers
        .push(HeaderName::ALLOW, "INVITE, ACK, BYE, PRACK, UPDATE");
    let contact = format!("<sip:{tag}@192.0.2.1:5060>");
    response.headers.push(HeaderName::CONTACT, contact);
    if sdp.is_empty() {
        return response.into();
    }
    response.with_body("application/sdp", sdp.into()).into()
}

/// RAck, sequence number and To tag of every PRACK.
fn pracks(world: &World) -> Vec<(String, u32, String)> {
    let requests = world.requests(Method::Prack);
    let shown = requests.iter().map(|request| {
        let headers = &request.headers;
        let tag = headers.to().unwrap().tag().unwrap().into_owned();
        (
            headers.rack().unwrap().to_string(),
            headers.cseq().unwrap().number,
            tag,
        )
    });
    shown.collect()
}

#[test]
fn each_reliable_response_is_acknowledged_once_and_in_its_order() {
    let mut world = caller(|request| match request.method {
        Method::Invite => vec![
            reliable(request, 180, "x", 100, ""),
            reliable(request, 180, "x", 100, ""),
            // Overtakes the one before it: it comes again.
            reliable(request, 183, "x", 102, "v=0 late"),
            reliable(request, 183, "x", 101, "v=0 early"),
            reliable(request, 183, "x", 100, "v=0 old"),
        ],
        _ => vec![respond(request, 200, "x").into()],
    });
    let call = world.call(0, "office", "600");
    let invite = &world.requests(Method::Invite)[0];
    assert!(invite.headers.supported().contains(&"100rel".to_owned()));
    world.run_s(2);
    assert_eq!(
        pracks(&world),
        [
            ("100 1 INVITE".to_owned(), 2, "x".to_owned()),
            ("101 1 INVITE".to_owned(), 3, "x".to_owned())
        ]
    );
    assert_eq!(story(&world, 0), ["progress 180", "progress 183"]);
    world.command(0, UaCommand::HangUp { call });
    world.run_s(40);
}

#[test]
fn the_answer_in_a_reliable_response_stands_and_the_200_needs_none() {
    let mut kept = None;
    let mut world = caller(move |request| match request.method {
        Method::Invite => {
            kept = Some(request.clone());
            vec![reliable(request, 183, "x", 7, "v=0 early")]
        }
        _ => vec![
            respond(request, 200, "x").into(),
            accept(kept.as_ref().unwrap(), "x", "sip:x@192.0.2.1:5060", "").into(),
        ],
    });
    let call = world.call(0, "office", "600");
    world.run_s(1);
    assert_eq!(story(&world, 0), ["progress 183", "answered v=0 early"]);
    world.command(0, UaCommand::HangUp { call });
    world.run_s(1);
    assert_eq!(world.requests(Method::Bye)[0].headers.cseq().unwrap().number, 3);
    world.assert_clean();
}

#[test]
fn every_fork_has_its_own_numbers_and_all_but_the_first_to_answer_are_ended() {
    let mut kept = None;
    let mut world = caller(move |request| match request.method {
        Method::Invite => {
            kept = Some(request.clone());
            vec![
                reliable(request, 180, "a", 5, ""),
                reliable(request, 183, "b", 900, "v=0 b"),
            ]
        }
        _ if request.headers.rack().unwrap().rseq == 5 => vec![respond(request, 200, "a").into()],
        _ => {
            let invite = kept.as_ref().unwrap();
            vec![
                respond(request, 200, "b").into(),
                accept(invite, "b", "sip:b@192.0.2.1:5060", "").into(),
                accept(invite, "a", "sip:a@192.0.2.1:5060", "v=0 a").into(),
            ]
        }
    });
    let call = world.call(0, "office", "600");
    world.run_s(1);
    let told = story(&world, 0);
    assert_eq!(told, ["progress 180", "progress 183", "answered v=0 b"]);
    let forks = world.uas[0].events.iter().filter_map(|event| match event {
        UaEvent::Progress { fork, .. } => Some(fork.clone()),
        _ => None,
    });
    assert_eq!(forks.collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(
        pracks(&world),
        [
            ("5 1 INVITE".to_owned(), 2, "a".to_owned()),
            ("900 1 INVITE".to_owned(), 2, "b".to_owned())
        ]
    );
    let byes = world.requests(Method::Bye);
    assert_eq!(byes.len(), 1);
    assert_eq!(byes[0].uri.to_string(), "sip:a@192.0.2.1:5060");
    assert_eq!(
        byes[0].headers.cseq().unwrap().number,
        3,
        "after that fork's PRACK"
    );
    world.command(0, UaCommand::HangUp { call });
    world.assert_clean();
}

#[test]
fn a_fork_that_ends_with_199_is_told_and_can_still_not_be_answered_twice() {
    let mut world = caller(|request| {
        let mut gone = respond(request, 199, "a");
        gone.headers.push(HeaderName::REASON, "SIP;cause=486");
        vec![
            respond(request, 183, "a")
                .with_body("application/sdp", b"v=0 a".to_vec())
                .into(),
            gone.into(),
            respond(request, 180, "b").into(),
            accept(request, "b", "sip:b@192.0.2.1:5060", "v=0 b").into(),
        ]
    });
    let call = world.call(0, "office", "600");
    world.run_s(1);
    let told = story(&world, 0);
    assert_eq!(
        told,
        ["progress 183", "progress 199", "progress 180", "answered v=0 b"]
    );
    world.command(0, UaCommand::HangUp { call });
    world.assert_clean();
}

#[test]
fn a_fork_that_answers_after_the_call_was_given_up_is_acknowledged_and_ended() {
    let (mut kept, mut cancelled) = (None, false);
    let mut world = World::new(2);
    world.add("192.0.2.9:5060");
    world.script(SERVER, move |message| {
        let Message::Request(request) = message else {
            return Vec::new();
        };
        match request.method {
            Method::Invite => {
                kept = Some(request.clone());
                vec![respond(request, 180, "a").into()]
            }
            Method::Cancel => {
                let invite = kept.as_ref().unwrap();
                vec![
                    respond(request, 200, "a").into(),
                    respond(invite, 487, "a").into(),
                ]
            }
            // The ACK of the 487; only now the other fork's answer comes through, twice.
            Method::Ack if !cancelled => {
                cancelled = true;
                let late = accept(
                    kept.as_ref().unwrap(),
                    "late",
                    "sip:late@192.0.2.1:5060",
                    "v=0 late",
                );
                vec![late.clone().into(), late.into()]
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
    world.clear();
    world.command(0, UaCommand::HangUp { call });
    world.run_s(1);
    assert_eq!(story(&world, 0), ["progress 180", "ended Local"]);
    let to_late = |method: Method| {
        let sent = world.requests(method);
        let late = sent
            .iter()
            .filter(|r| r.uri.to_string() == "sip:late@192.0.2.1:5060");
        late.count()
    };
    assert_eq!((to_late(Method::Ack), to_late(Method::Bye)), (2, 1));
    world.assert_clean();
}

/// An INVITE that wants, or demands, reliable provisional responses.
fn wanting(name: HeaderName, branch: &str) -> Request {
    let mut request = invite("sip:600@192.0.2.2", branch);
    request.headers.push(name, "100rel");
    request
        .headers
        .push(HeaderName::ALLOW, "INVITE, ACK, BYE, PRACK, UPDATE");
    request
}

/// A called user agent that does this when it is called.
fn called(commands: impl Fn(CallId) -> Vec<UaCommand> + 'static) -> World {
    let mut world = pair(3);
    world.uas[B].react = Box::new(move |event| match event {
        UaEvent::Incoming(incoming) => commands(incoming.call),
        UaEvent::Reoffer { call, .. } => vec![UaCommand::AnswerReoffer {
            call: *call,
            body: b"v=0 again".to_vec(),
        }],
        _ => Vec::new(),
    });
    world
}

fn ring(call: CallId, status: u16, sdp: &str) -> UaCommand {
    let body = (!sdp.is_empty()).then(|| sdp.as_bytes().to_vec());
    UaCommand::Ring { call, status, body }
}

fn answer(call: CallId, sdp: &str) -> UaCommand {
    let body = sdp.as_bytes().to_vec();
    UaCommand::Answer { call, body }
}

fn number_of(response: &Response) -> u32 {
    assert_eq!(response.headers.require(), ["100rel"]);
    response.headers.rseq().unwrap()
}

/// A request in the early dialog that this response made.
fn early(response: &Response, method: Method, number: u32, sdp: &str) -> Request {
    let mut request = Request::new(method.clone(), response.headers.contact().unwrap().uri);
    let headers = &mut request.headers;
    let branch = format!("z9hG4bKearly{method}{number}");
    headers.push(
        HeaderName::VIA,
        format!("SIP/2.0/UDP {PEER};branch={branch};rport"),
    );
    for name in [HeaderName::FROM, HeaderName::TO, HeaderName::CALL_ID] {
        headers.copy_from(&response.headers, &name);
    }
    headers.push(HeaderName::CSEQ, format!("{number} {method}"));
    headers.push(HeaderName::CONTACT, format!("<sip:4711@{PEER}>"));
    if sdp.is_empty() {
        request
    } else {
        request.with_body("application/sdp", sdp.into())
    }
}

fn prack(response: &Response, number: u32, sdp: &str) -> Request {
    let mut request = early(response, Method::Prack, number, sdp);
    let rack = format!("{} 1 INVITE", number_of(response));
    request.headers.push(HeaderName::RACK, rack);
    request
}

#[test]
fn ringing_that_must_be_acknowledged_is_repeated_and_given_up() {
    let mut world = called(|call| vec![ring(call, 180, "")]);
    world.inject(PEER, B, wanting(HeaderName::REQUIRE, "z9hG4bKa"));
    world.run_ms(32_100);
    let sent: Vec<u64> = world
        .log
        .iter()
        .filter(|entry| entry.3.starts_with("SIP/2.0 180"))
        .map(|entry| entry.0)
        .collect();
    assert_eq!(
        sent,
        [1, 501, 1501, 3501, 7501, 15_501, 31_501],
        "doubled from T1"
    );
    let numbers: Vec<u32> = world.responses(180).iter().map(number_of).collect();
    assert!(
        numbers
            .iter()
            .all(|number| *number == numbers[0] && *number < 1 << 31)
    );
    assert_eq!(story(&world, B), ["incoming 600", "ended Timeout"]);
    let refused = world.responses(504).len();
    assert!(refused > 0, "the INVITE is refused with a 5xx");
    world.assert_clean();
}

#[test]
fn the_prack_has_to_name_what_waits_for_it() {
    let mut world = called(|call| vec![ring(call, 180, ""), ring(call, 182, "")]);
    world.inject(PEER, B, wanting(HeaderName::REQUIRE, "z9hG4bKa"));
    world.run_ms(100);
    let first = world.responses(180).remove(0);
    assert!(world.responses(182).is_empty(), "one at a time");
    let mut wrong = prack(&first, 2, "");
    wrong
        .headers
        .set(HeaderName::RACK, format!("{} 1 INVITE", number_of(&first) + 1));
    let mut nameless = prack(&first, 3, "");
    nameless.headers.remove(&HeaderName::RACK);
    world.inject(PEER, B, wrong);
    world.run_ms(10);
    world.inject(PEER, B, nameless);
    world.run_ms(10);
    assert_eq!((world.responses(481).len(), world.responses(400).len()), (1, 1));
    let right = prack(&first, 4, "");
    world.inject(PEER, B, right.clone());
    world.run_ms(10);
    world.inject(PEER, B, right);
    world.run_ms(10);
    assert_eq!(
        world.responses(200).len(),
        2,
        "repeated, it is answered from memory"
    );
    let second = world.responses(182).remove(0);
    assert_eq!(number_of(&second), number_of(&first) + 1);
    world.inject(PEER, B, prack(&second, 5, ""));
    world.run_s(140);
    assert_eq!(
        world.responses(182).len(),
        1,
        "nothing is repeated after its PRACK"
    );
    world.run_s(20);
    assert!(
        world.responses(182).len() > 1,
        "it says after 150 s that it still rings"
    );
    let call = CallId(1);
    world.command(B, UaCommand::HangUp { call });
    world.assert_clean();
}

#[test]
fn the_200_waits_for_the_prack_of_the_answer() {
    let mut world = called(|call| vec![ring(call, 183, "v=0 early"), answer(call, "v=0 answer")]);
    world.inject(PEER, B, wanting(HeaderName::SUPPORTED, "z9hG4bKa"));
    world.run_s(5);
    assert!(world.responses(200).is_empty());
    let early = world.responses(183).remove(0);
    assert_eq!(early.body, b"v=0 early");
    world.inject(PEER, B, prack(&early, 2, ""));
    world.run_ms(100);
    let accepted = world.responses(200);
    let answer = accepted
        .iter()
        .find(|r| r.headers.cseq().unwrap().method == Method::Invite);
    assert!(answer.unwrap().body.is_empty(), "the answer has been said");
    world.inject(PEER, B, self::early(&early, Method::Ack, 1, ""));
    world.run_ms(100);
    assert_eq!(story(&world, B), ["incoming 600", "confirmed"]);
    world.inject(PEER, B, self::early(&early, Method::Bye, 3, ""));
    world.assert_clean();
}

#[test]
fn ringing_without_sdp_is_reliable_only_on_demand_and_does_not_hold_the_200() {
    let mut world = called(|call| vec![ring(call, 180, ""), answer(call, "v=0 answer")]);
    world.inject(PEER, B, wanting(HeaderName::SUPPORTED, "z9hG4bKa"));
    world.run_ms(100);
    assert!(!world.responses(180)[0].headers.has(&HeaderName::RSEQ));
    world.inject(PEER, B, wanting(HeaderName::REQUIRE, "z9hG4bKb"));
    world.run_ms(100);
    let rung = world.responses(180).remove(1);
    assert_eq!(world.responses(200).len(), 2, "both are answered");
    // The PRACK that the 200 overtook is welcome all the same, once.
    world.inject(PEER, B, prack(&rung, 2, ""));
    world.run_ms(10);
    assert_eq!(world.responses(200).len(), 3);
    world.inject(PEER, B, prack(&rung, 3, ""));
    world.run_ms(10);
    assert_eq!(world.responses(481).len(), 1);
    world.command(B, UaCommand::Shutdown);
    world.run_s(40);
    world.assert_clean();
}

#[test]
fn an_offer_of_ours_in_the_ringing_gets_its_answer_with_the_prack() {
    let mut world = called(|call| vec![ring(call, 180, "v=0 offer of ours")]);
    let mut bare = wanting(HeaderName::REQUIRE, "z9hG4bKa");
    bare.body.clear();
    bare.headers.remove(&HeaderName::CONTENT_TYPE);
    world.inject(PEER, B, bare);
    world.run_ms(100);
    let UaEvent::Incoming(incoming) = &world.uas[B].events[0] else {
        panic!()
    };
    assert!(incoming.wants_early_offer);
    let call = incoming.call;
    let rung = world.responses(180).remove(0);
    world.command(B, answer(call, "v=0 offer of ours"));
    assert!(world.responses(200).is_empty(), "the answer is not here yet");
    world.inject(PEER, B, prack(&rung, 2, "v=0 theirs"));
    world.run_ms(100);
    world.inject(PEER, B, early(&rung, Method::Ack, 1, ""));
    world.run_ms(100);
    assert_eq!(
        story(&world, B),
        ["incoming 600", "reanswered Some(\"v=0 theirs\")", "confirmed"]
    );
    world.command(B, UaCommand::HangUp { call });
    world.run_s(33);
    world.assert_clean();
}

#[test]
fn offers_in_prack_and_update_before_the_answer() {
    let mut world = called(|call| vec![ring(call, 183, "v=0 early")]);
    world.inject(PEER, B, wanting(HeaderName::SUPPORTED, "z9hG4bKa"));
    world.run_ms(100);
    let rung = world.responses(183).remove(0);
    world.inject(PEER, B, early(&rung, Method::Update, 2, "v=0 too early"));
    world.run_ms(10);
    assert!(world.responses(500)[0].headers.retry_after().is_some());
    world.inject(PEER, B, prack(&rung, 3, "v=0 in prack"));
    world.run_ms(10);
    world.inject(PEER, B, early(&rung, Method::Update, 4, "v=0 in update"));
    world.run_ms(10);
    let bodies: Vec<Vec<u8>> = world.responses(200).into_iter().map(|r| r.body).collect();
    assert_eq!(bodies, [b"v=0 again", b"v=0 again"]);
    let call = CallId(1);
    world.command(
        B,
        UaCommand::Reoffer {
            call,
            body: b"v=0 ours".to_vec(),
        },
    );
    world.run_ms(10);
    let update = world
        .requests(Method::Update)
        .into_iter()
        .find(|r| r.body == b"v=0 ours");
    let update = update.expect("an UPDATE of ours");
    world.inject(
        PEER,
        B,
        respond(&update, 200, "x").with_body("application/sdp", b"v=0 yes".to_vec()),
    );
    world.run_ms(10);
    assert_eq!(
        story(&world, B),
        [
            "incoming 600",
            "reoffer v=0 in prack",
            "reoffer v=0 in update",
            "reanswered Some(\"v=0 yes\")"
        ]
    );
    world.command(B, UaCommand::HangUp { call });
    world.run_s(33);
    world.assert_clean();
}

#[test]
fn an_early_session_changed_by_update_is_not_undone_by_the_200() {
    let mut kept: Option<Request> = None;
    let mut world = caller(move |request| match request.method {
        Method::Invite => {
            kept = Some(request.clone());
            vec![reliable(request, 183, "x", 7, "v=0 early")]
        }
        _ => {
            let mut update = Request::new(Method::Update, "sip:6001@192.0.2.9".parse().unwrap());
            let (invite, headers) = (kept.as_ref().unwrap(), &mut update.headers);
            headers.push(
                HeaderName::VIA,
                format!("SIP/2.0/UDP {SERVER};branch=z9hG4bKu;rport"),
            );
            headers.push(
                HeaderName::FROM,
                format!("{};tag=x", invite.headers.to().unwrap()),
            );
            headers.push(HeaderName::TO, invite.headers.from().unwrap().to_string());
            headers.copy_from(&invite.headers, &HeaderName::CALL_ID);
            headers.push(HeaderName::CSEQ, "1 UPDATE");
            headers.push(HeaderName::CONTACT, "<sip:x@192.0.2.1>");
            vec![
                respond(request, 200, "x").into(),
                update
                    .with_body("application/sdp", b"v=0 changed".to_vec())
                    .into(),
            ]
        }
    });
    world.uas[0].react = Box::new(|event| match event {
        UaEvent::Reoffer { call, .. } => vec![UaCommand::AnswerReoffer {
            call: *call,
            body: b"v=0 yes".to_vec(),
        }],
        _ => Vec::new(),
    });
    let call = world.call(0, "office", "600");
    world.run_s(1);
    assert_eq!(world.responses(200).last().unwrap().body, b"v=0 yes");
    let invite = world.requests(Method::Invite).remove(0);
    world.inject(
        SERVER,
        0,
        accept(&invite, "x", "sip:x@192.0.2.1:5060", "v=0 early"),
    );
    world.run_s(1);
    assert_eq!(
        story(&world, 0),
        ["progress 183", "reoffer v=0 changed", "answered "]
    );
    world.command(0, UaCommand::HangUp { call });
    world.assert_clean();
}

#[test]
fn our_update_in_an_early_dialog_needs_an_agreed_session_and_a_peer_that_takes_it() {
    let mut answers: VecDeque<Message> = VecDeque::new();
    let mut world = caller(move |request| match request.method {
        Method::Invite => {
            answers.push_back(reliable(request, 183, "x", 7, "v=0 early"));
            vec![respond(request, 180, "x").into()]
        }
        _ => vec![respond(request, 200, "x").into()],
    });
    let call = world.call(0, "office", "600");
    world.run_ms(100);
    world.command(
        0,
        UaCommand::Reoffer {
            call,
            body: b"v=0 new".to_vec(),
        },
    );
    assert_eq!(story(&world, 0).last().unwrap(), "reanswered None");
    let invite = world.requests(Method::Invite).remove(0);
    world.inject(SERVER, 0, reliable(&invite, 183, "x", 7, "v=0 early"));
    world.run_ms(100);
    world.command(
        0,
        UaCommand::Reoffer {
            call,
            body: b"v=0 new".to_vec(),
        },
    );
    world.run_ms(100);
    assert_eq!(world.requests(Method::Update)[0].body, b"v=0 new");
    assert_eq!(story(&world, 0).last().unwrap(), "reanswered Some(\"\")");
    world.command(0, UaCommand::HangUp { call });
    world.run_s(40);
}

#[test]
fn reliable_calls_get_through_a_bad_network() {
    for seed in 0..60 {
        let mut world = pair(seed);
        world.uas[B].react = Box::new(|event| match event {
            UaEvent::Incoming(incoming) => {
                let call = incoming.call;
                vec![ring(call, 183, "v=0 early"), answer(call, "v=0 early")]
            }
            _ => Vec::new(),
        });
        world.faults = Faults {
            loss: 0.2,
            duplication: 0.2,
            delay_ms: 400,
        };
        let call = world.call_via(A, direct(Transport::Udp), "600");
        world.run_s(60);
        let told = story(&world, A);
        assert_eq!(told, ["progress 183", "answered v=0 early"], "{seed}");
        assert_eq!(story(&world, B), ["incoming 600", "confirmed"], "{seed}");
        world.command(A, UaCommand::HangUp { call });
        world.run_s(40);
        world.faults = CLEAN;
        world.assert_clean();
    }
}
