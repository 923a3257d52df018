//! Calls from end to end in virtual time: telephones, gateways, a network, and a scripted server.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::expect_used,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "tests run by the clock on real files and sockets, and end at the first surprise"
)]

mod support;

use std::net::SocketAddr;

use support::World;
use support::host::HostOptions;
use support::ip;
use support::network::Faults;
use support::peer::{Server, Step, session_description};
use support::server;
use support::telephone::Voice;
use tipring::dsp::fsk::{Demodulator, FskEvent};
use tipring::dsp::transmission::Modem;
use tipring::gateway::Input;
use tipring::line::caller_id::message::{Message, parse};
use tipring::line::{Caller, Presentation};
use tipring::sip::message::{HeaderName, Method};

const KITCHEN_SAYS: Voice = Voice::Sine {
    frequency_hz: 600.0,
    peak: 8000.0,
};
const HALL_SAYS: Voice = Voice::Sine {
    frequency_hz: 1000.0,
    peak: 8000.0,
};

/// Two lines of one machine, the kitchen's handset lifted and dial tone heard.
fn intercom() -> World {
    let mut world = World::new(1);
    world.add_host(1, HostOptions::intercom());
    world
}

fn lift(world: &mut World, line: &str) {
    let now = world.now;
    world.telephone(0, line).lift(now);
}

fn hang_up(world: &mut World, line: &str) {
    let now = world.now;
    world.telephone(0, line).hang_up(now);
}

fn state(world: &World, line: &str) -> String {
    world.hosts[0].line_state(world.now, line)
}

/// Lifts the kitchen's handset, waits for dial tone (425 Hz in Ukraine), and presses these keys.
fn dial(world: &mut World, keys: &str) {
    lift(world, "kitchen");
    world.run_until("dial tone", 500, |world| {
        world.telephone(0, "kitchen").hears(425.0, 100)
    });
    world.telephone(0, "kitchen").press(keys);
}

fn server_world(scripts: Vec<Vec<Step>>) -> World {
    let mut world = World::new(2);
    world.add_peer(Server::new(ip(9), scripts));
    world.add_host(1, HostOptions::subscriber(ip(9), "6001", true));
    world.run_until("registration", 2000, |world| {
        world.hosts[0].account_state(world.now) == "registered"
    });
    world
}

#[test]
fn two_lines_of_one_machine_talk_without_any_server() {
    let mut world = intercom();
    dial(&mut world, "22");
    world.run_until("ringing in the hall", 2000, |world| {
        world.telephone(0, "hall").ringing
    });
    world.run_until("ringback in the kitchen", 500, |world| {
        world.telephone(0, "kitchen").hears(425.0, 100)
    });
    lift(&mut world, "hall");
    world.run_until("talking", 500, |world| {
        state(world, "hall") == "talking" && state(world, "kitchen") == "talking"
    });
    assert!(!world.telephone(0, "hall").ringing, "ringing stopped");
    world.telephone(0, "kitchen").voice = KITCHEN_SAYS;
    world.telephone(0, "hall").voice = HALL_SAYS;
    world.run_ms(500);
    assert!(world.telephone(0, "hall").hears(600.0, 200));
    assert!(world.telephone(0, "kitchen").hears(1000.0, 200));
    assert!(
        !world.telephone(0, "kitchen").hears(425.0, 200),
        "ringback stopped"
    );

    hang_up(&mut world, "kitchen");
    world.run_until("the kitchen is idle", 1500, |world| {
        state(world, "kitchen") == "idle"
    });
    world.run_until("busy tone in the hall", 1500, |world| {
        state(world, "hall") == "busy_tone"
    });
    world.run_until("425 Hz in the hall", 2000, |world| {
        world.telephone(0, "hall").hears(425.0, 100)
    });
    hang_up(&mut world, "hall");
    world.run_until("the hall is idle", 1500, |world| state(world, "hall") == "idle");
    world.run_ms(100);
    let records = &world.hosts[0].records;
    assert_eq!(records.len(), 2);
    assert!(
        records
            .iter()
            .any(|record| record.cause == "local_hangup" && record.direction == "outgoing")
    );
    assert!(
        records
            .iter()
            .any(|record| record.cause == "remote_hangup" && record.direction == "incoming")
    );
    assert!(
        records
            .iter()
            .all(|record| record.received_packets > 20 && record.lost_packets == 0)
    );
}

#[test]
fn a_rotary_telephone_calls_the_other_line() {
    let mut world = intercom();
    lift(&mut world, "kitchen");
    world.run_until("dial tone", 500, |world| {
        world.telephone(0, "kitchen").hears(425.0, 100)
    });
    let now = world.now;
    world.telephone(0, "kitchen").dial_pulses(now, "22");
    world.run_until("ringing in the hall", 5000, |world| {
        world.telephone(0, "hall").ringing
    });
}

#[test]
fn dial_tone_begins_within_debounce_and_20_ms() {
    let mut world = intercom();
    let lifted = world.now;
    lift(&mut world, "kitchen");
    world.run_until("a sample of dial tone", 200, |world| {
        world
            .telephone(0, "kitchen")
            .heard
            .iter()
            .any(|sample| *sample != 0)
    });
    let debounce_ms = 12 + 3; // the zone's window, after the bounce of the model's contact
    assert!(
        (world.now - lifted).as_millis() <= debounce_ms + 20,
        "{:?}",
        world.now - lifted
    );
}

#[test]
fn registers_calls_out_and_talks_through_a_server() {
    let mut world = server_world(vec![vec![
        Step::new(0, 100),
        Step::new(200, 180),
        Step::new(1500, 200).with_sdp(),
    ]]);
    dial(&mut world, "5551234");
    world.run_until("ringback", 6000, |world| state(world, "kitchen") == "calling");
    world.telephone(0, "kitchen").forget();
    world.run_until("ringback", 1000, |world| {
        world.telephone(0, "kitchen").hears(425.0, 100)
    });
    world.run_until("talking", 2000, |world| state(world, "kitchen") == "talking");
    world.telephone(0, "kitchen").voice = KITCHEN_SAYS;
    world.run_ms(600);
    assert!(
        world.telephone(0, "kitchen").hears(600.0, 200),
        "the server's echo is heard"
    );
    hang_up(&mut world, "kitchen");
    world.run_until("BYE", 2000, |world| server(world).count(&Method::Bye) == 1);
    let ack = server(&mut world)
        .requests
        .iter()
        .filter(|request| request.method == Method::Ack)
        .count();
    assert_eq!(ack, 1);
}

#[test]
fn early_media_is_heard_instead_of_ringback() {
    let mut world = server_world(vec![vec![
        Step::new(100, 183).with_sdp(),
        Step::new(3000, 200).with_sdp(),
    ]]);
    dial(&mut world, "5551234");
    world.run_until("early media", 6000, |world| state(world, "kitchen") == "calling");
    world.telephone(0, "kitchen").voice = KITCHEN_SAYS;
    world.run_ms(1000);
    assert_eq!(state(&world, "kitchen"), "calling");
    assert!(
        world.telephone(0, "kitchen").hears(600.0, 200),
        "the network's own sound"
    );
    assert!(
        !world.telephone(0, "kitchen").hears(425.0, 200),
        "no ringback of ours"
    );
}

#[test]
fn every_failure_has_its_tone() {
    // Ukraine: busy 425 Hz; special information tone begins with 950 Hz.
    for (status, expected_hz) in [
        (486, 425.0),
        (404, 950.0),
        (403, 950.0),
        (503, 425.0),
        (480, 425.0),
        (603, 425.0),
    ] {
        let mut world = server_world(vec![vec![Step::new(50, status)]]);
        dial(&mut world, "5551234");
        world.run_until("the failure's tone", 6000, |world| {
            state(world, "kitchen") == "busy_tone"
        });
        world.telephone(0, "kitchen").forget();
        world.run_until("the tone itself", 2000, |world| {
            world.telephone(0, "kitchen").hears(expected_hz, 100)
        });
        hang_up(&mut world, "kitchen");
        world.run_until("idle", 1500, |world| state(world, "kitchen") == "idle");
        assert_eq!(world.hosts[0].records[0].sip_status, Some(status));
    }
}

#[test]
fn hanging_up_while_it_rings_cancels() {
    let mut world = server_world(vec![vec![Step::new(50, 180)]]);
    dial(&mut world, "5551234");
    world.run_until("calling", 6000, |world| server(world).count(&Method::Invite) == 1);
    world.run_ms(500);
    hang_up(&mut world, "kitchen");
    world.run_until("CANCEL", 2000, |world| server(world).count(&Method::Cancel) == 1);
    world.run_until("ACK of 487", 2000, |world| server(world).count(&Method::Ack) == 1);
    let record = &world.hosts[0].records[0];
    assert_eq!(record.cause, "cancelled");
    assert_eq!(record.sip_status, None, "180 is no outcome");
    assert_eq!(record.codec, None, "nothing was ever said");
}

#[test]
fn an_incoming_call_rings_with_caller_id_and_is_answered() {
    let mut world = server_world(vec![]);
    let host = SocketAddr::new(ip(1), 5060);
    let started = world.now;
    server(&mut world).invite(host, "6001", "\"Ann\" <sip:100@10.0.0.9>", "a1");
    world.run_until("ringing", 200, |world| world.telephone(0, "kitchen").ringing);
    assert!(
        (world.now - started).as_millis() <= 30,
        "INVITE to ringing voltage: {:?}",
        world.now - started
    );
    world.run_ms(3500);
    assert!(world.hosts[0].events.iter().any(|event| {
        serde_json::to_string(event)
            .expect("events serialise")
            .contains("caller_id_sent")
    }));
    lift(&mut world, "kitchen");
    let lifted = world.now;
    world.run_until("200 OK", 500, |world| {
        server(world)
            .responses
            .iter()
            .any(|response| response.status.code() == 200)
    });
    assert!((world.now - lifted).as_millis() <= 60, "{:?}", world.now - lifted);
    assert!(!world.telephone(0, "kitchen").ringing);
    server(&mut world).within_own_dialog(host, "6001", "ACK", 1, "a1");
    world.run_ms(200);
    server(&mut world).within_own_dialog(host, "6001", "BYE", 2, "a1");
    world.run_until("busy tone after BYE", 1000, |world| {
        state(world, "kitchen") == "busy_tone"
    });
    // Calling-party control: the loop opened for half a second, then busy tone.
    world.run_ms(700);
    let feed: Vec<bool> = world
        .telephone(0, "kitchen")
        .feed_changes
        .iter()
        .map(|(_, fed)| *fed)
        .collect();
    assert_eq!(feed, [false, true]);
}

#[test]
fn a_caller_who_gives_up_stops_the_bell() {
    let mut world = server_world(vec![]);
    let host = SocketAddr::new(ip(1), 5060);
    server(&mut world).invite(host, "6001", "<sip:100@10.0.0.9>", "b1");
    world.run_until("ringing", 200, |world| world.telephone(0, "kitchen").ringing);
    world.run_ms(300);
    server(&mut world).within_own_dialog(host, "6001", "CANCEL", 1, "b1");
    world.run_until("the bell is quiet", 200, |world| {
        !world.telephone(0, "kitchen").ringing
    });
    assert_eq!(state(&world, "kitchen"), "idle");
    world.run_until("487", 1000, |world| {
        server(world)
            .responses
            .iter()
            .any(|response| response.status.code() == 487)
    });
    assert_eq!(world.hosts[0].records[0].cause, "cancelled");
}

#[test]
fn a_second_caller_hears_busy() {
    let mut world = server_world(vec![]);
    lift(&mut world, "kitchen");
    world.run_ms(100);
    server(&mut world).invite(SocketAddr::new(ip(1), 5060), "6001", "<sip:100@10.0.0.9>", "c1");
    world.run_until("486", 1000, |world| {
        server(world)
            .responses
            .iter()
            .any(|response| response.status.code() == 486)
    });
}

#[test]
fn the_peer_holds_and_resumes() {
    let mut world = server_world(vec![vec![Step::new(50, 200).with_sdp()]]);
    dial(&mut world, "5551234");
    world.run_until("talking", 8000, |world| state(world, "kitchen") == "talking");
    world.run_ms(200);
    server(&mut world).within_dialog("INVITE", 10, &session_description(ip(9), "sendonly"));
    world.run_until("an answer that only receives", 1000, |world| {
        server(world).responses.iter().any(|response| {
            response.status.code() == 200 && String::from_utf8_lossy(&response.body).contains("a=recvonly")
        })
    });
    assert_eq!(world.hosts[0].line_state(world.now, "kitchen"), "talking");
    server(&mut world).within_dialog("ACK", 10, "");
    world.run_ms(10);
    server(&mut world).within_dialog("INVITE", 11, &session_description(ip(9), "sendrecv"));
    world.run_until("both ways again", 1000, |world| {
        let last = server(world).responses.last().expect("a response");
        String::from_utf8_lossy(&last.body).contains("a=sendrecv")
    });
}

#[test]
fn a_hook_flash_holds_the_far_end_and_takes_it_back() {
    let mut world = server_world(vec![vec![Step::new(50, 200).with_sdp()]]);
    dial(&mut world, "5551234");
    world.run_until("talking", 8000, |world| state(world, "kitchen") == "talking");
    world.run_ms(1000);
    let now = world.now;
    world.telephone(0, "kitchen").flash(now, 100);
    world.run_until("held", 1500, |world| state(world, "kitchen") == "held");
    world.run_until("a re-INVITE that only sends", 1000, |world| {
        let body = server(world)
            .requests
            .last()
            .map(|request| request.body.clone())
            .unwrap_or_default();
        String::from_utf8_lossy(&body).contains("a=sendonly")
    });
    world.run_ms(1000);
    let now = world.now;
    world.telephone(0, "kitchen").flash(now, 100);
    world.run_until("talking again", 1500, |world| {
        state(world, "kitchen") == "talking"
    });
}

#[test]
fn silence_on_the_network_ends_the_call() {
    let mut world = server_world(vec![vec![Step::new(50, 200).with_sdp()]]);
    dial(&mut world, "5551234");
    world.run_until("talking", 8000, |world| state(world, "kitchen") == "talking");
    world.run_ms(500);
    server(&mut world).echo = false;
    world.run_until("the call ends by itself", 40_000, |world| {
        state(world, "kitchen") == "busy_tone"
    });
    world.run_until("BYE", 1000, |world| server(world).count(&Method::Bye) == 1);
    assert_eq!(world.hosts[0].records[0].cause, "media_timeout");
}

#[test]
fn a_handset_left_off_hook_hears_congestion_then_the_howler_then_nothing() {
    let mut world = intercom();
    lift(&mut world, "kitchen");
    world.run_until("no digit: congestion", 20_000, |world| {
        state(world, "kitchen") == "busy_tone"
    });
    world.run_until("howler", 31_000, |world| state(world, "kitchen") == "howler");
    world.run_until("the howler's 2600 Hz", 1000, |world| {
        world.telephone(0, "kitchen").hears(2600.0, 60)
    });
    world.run_ms(61_000);
    assert!(world.telephone(0, "kitchen").hears_silence(500), "locked out");
    hang_up(&mut world, "kitchen");
    world.run_until("idle", 1500, |world| state(world, "kitchen") == "idle");
    lift(&mut world, "kitchen");
    world.telephone(0, "kitchen").forget();
    world.run_until("dial tone again", 500, |world| {
        world.telephone(0, "kitchen").hears(425.0, 100)
    });
}

#[test]
fn the_hotline_dials_by_itself() {
    let mut options = HostOptions::intercom();
    options.call = |call| {
        call.hotline = Some(tipring::dial::Hotline {
            number: "22".to_owned(),
            delay: std::time::Duration::from_millis(0),
        });
    };
    let mut world = World::new(3);
    world.add_host(1, options);
    lift(&mut world, "kitchen");
    world.run_until("ringing in the hall", 500, |world| {
        world.telephone(0, "hall").ringing
    });
}

#[test]
fn shutdown_ends_calls_and_unregisters() {
    let mut world = server_world(vec![vec![Step::new(50, 200).with_sdp()]]);
    dial(&mut world, "5551234");
    world.run_until("talking", 8000, |world| state(world, "kitchen") == "talking");
    let now = world.now;
    world.hosts[0].input(now, Input::Shutdown);
    world.run_until("done", 5000, |world| world.hosts[0].done);
    assert_eq!(server(&mut world).count(&Method::Bye), 1);
    let last = server(&mut world)
        .requests
        .iter()
        .rev()
        .find(|request| request.method == Method::Register);
    let last = last.expect("a REGISTER");
    let contact = last
        .headers
        .first(&HeaderName::CONTACT)
        .expect("a Contact")
        .into_owned();
    let expires = last.headers.expires();
    assert!(
        expires == Some(0) || contact.contains("expires=0"),
        "{contact} {expires:?}"
    );
}

#[test]
fn calls_come_through_a_network_that_loses_a_fifth() {
    for seed in 0..8 {
        let mut world = World::new(seed);
        world.network.faults = Faults {
            loss: 0.2,
            duplication: 0.1,
            delay_ms: 20,
            jitter_ms: 15,
        };
        world.add_peer(Server::new(
            ip(9),
            [vec![Step::new(10, 180), Step::new(800, 200).with_sdp()]],
        ));
        world.add_host(1, HostOptions::subscriber(ip(9), "6001", true));
        world.run_until("registration", 40_000, |world| {
            world.hosts[0].account_state(world.now) == "registered"
        });
        dial(&mut world, "5551234");
        world.run_until("talking", 40_000, |world| state(world, "kitchen") == "talking");
        world.telephone(0, "kitchen").voice = KITCHEN_SAYS;
        world.run_ms(3000);
        assert!(world.telephone(0, "kitchen").hears(600.0, 200), "seed {seed}");
        hang_up(&mut world, "kitchen");
        world.run_until("BYE", 40_000, |world| server(world).count(&Method::Bye) >= 1);
    }
}

#[test]
fn a_fork_that_ends_leaves_the_ringing_to_us_again() {
    let mut world = server_world(vec![vec![
        Step::new(50, 180),
        Step::new(1500, 183).with_sdp(),
        Step::new(4000, 199),
        Step::new(9000, 486),
    ]]);
    dial(&mut world, "5551234");
    world.run_until("ringback", 6000, |world| {
        state(world, "kitchen") == "calling" && world.telephone(0, "kitchen").hears(425.0, 100)
    });
    world.telephone(0, "kitchen").voice = KITCHEN_SAYS;
    world.run_until("early media", 3000, |world| {
        world.telephone(0, "kitchen").hears(600.0, 200)
    });
    world.run_until("the end of it, and ringback", 6000, |world| {
        let telephone = world.telephone(0, "kitchen");
        telephone.hears(425.0, 200) && !telephone.hears(600.0, 200)
    });
    assert_eq!(state(&world, "kitchen"), "calling");
    world.run_until("busy", 6000, |world| state(world, "kitchen") == "busy_tone");
    hang_up(&mut world, "kitchen");
    world.run_until("idle", 1500, |world| state(world, "kitchen") == "idle");
    world.run_ms(100);
    assert_eq!(world.hosts[0].records.len(), 1);
}

/// The tag that our last response put into To.
fn own_to(world: &mut World) -> String {
    let last = server(world).responses.last().expect("a response");
    last.headers.first(&HeaderName::TO).expect("To").into_owned()
}

#[test]
fn an_offer_of_ours_in_the_ringing_is_answered_by_prack() {
    let mut world = server_world(Vec::new());
    let own = SocketAddr::new(ip(1), 5060);
    let head = |method: &str, branch: &str, number: u32, to: &str, more: &str| {
        format!(
            "{method} sip:6001@{own} SIP/2.0
            Via: SIP/2.0/UDP 10.0.0.9:5060;branch=z9hG4bK{branch};rport
            Max-Forwards: 70
            From: <sip:100@10.0.0.9>;tag=peer
            To: {to}
            Call-ID: bare@10.0.0.9
            CSeq: {number} {method}
            Contact: <sip:peer@10.0.0.9:5060>
            {more}"
        )
    };
    let bare = head("INVITE", "a", 1, "<sip:6001@10.0.0.1>", "Require: 100rel");
    server(&mut world).send(own, &bare, "");
    world.run_until("ringing", 1000, |world| world.telephone(0, "kitchen").ringing);
    world.run_ms(50);
    let rung = server(&mut world)
        .responses
        .iter()
        .find(|r| r.status.code() == 180);
    let rung = rung.expect("180").clone();
    assert!(
        String::from_utf8_lossy(&rung.body).contains("m=audio"),
        "our offer"
    );
    let to = own_to(&mut world);
    let rack = format!(
        "RAck: {} 1 INVITE\nContent-Type: application/sdp",
        rung.headers.rseq().expect("RSeq")
    );
    let answer = session_description(ip(9), "sendrecv");
    server(&mut world).send(own, &head("PRACK", "b", 2, &to, &rack), &answer);
    world.run_ms(200);
    lift(&mut world, "kitchen");
    world.run_until("talking", 500, |world| state(world, "kitchen") == "talking");
    world.run_ms(50);
    let accepted = server(&mut world).responses.last().expect("200").clone();
    assert_eq!(
        (accepted.status.code(), accepted.body.len()),
        (200, 0),
        "nothing is left to say"
    );
    server(&mut world).send(own, &head("ACK", "c", 1, &to, ""), "");
    world.telephone(0, "kitchen").voice = KITCHEN_SAYS;
    world.run_ms(600);
    assert!(
        world.telephone(0, "kitchen").hears(600.0, 200),
        "the server's echo"
    );
    hang_up(&mut world, "kitchen");
    world.run_until("BYE", 2000, |world| server(world).count(&Method::Bye) == 1);
}

#[test]
fn options_gets_what_an_invite_would_get() {
    let mut world = server_world(Vec::new());
    let own = SocketAddr::new(ip(1), 5060);
    let ask = |world: &mut World, target: &str, number: u32| {
        let head = format!(
            "OPTIONS sip:{target} SIP/2.0
            Via: SIP/2.0/UDP 10.0.0.9:5060;branch=z9hG4bKo{number};rport
            Max-Forwards: 70
            From: <sip:100@10.0.0.9>;tag=peer
            To: <sip:{target}>
            Call-ID: options{number}@10.0.0.9
            Accept: application/sdp
            CSeq: {number} OPTIONS"
        );
        server(world).send(own, &head, "");
        world.run_ms(50);
        server(world).responses.last().expect("a response").clone()
    };
    let line = "6001@10.0.0.1:5060";
    let idle = ask(&mut world, line, 1);
    assert_eq!(idle.status.code(), 200);
    assert!(String::from_utf8_lossy(&idle.body).contains("m=audio 0 RTP/AVP 8 0 101"));
    lift(&mut world, "kitchen");
    world.run_ms(200);
    assert_eq!(ask(&mut world, line, 2).status.code(), 486);
    assert_eq!(
        ask(&mut world, "10.0.0.1:5060", 3).status.code(),
        200,
        "the device as a whole"
    );
    hang_up(&mut world, "kitchen");
    world.run_ms(2000);
    assert_eq!(ask(&mut world, line, 4).status.code(), 200);
}

/// A call that the server refuses by these scripts: the offers made, once congestion is heard.
fn refused_offers(options: HostOptions, scripts: Vec<Vec<Step>>) -> Vec<String> {
    let mut world = World::new(2);
    world.add_peer(Server::new(ip(9), scripts));
    world.add_host(1, options);
    world.run_until("registration", 2000, |world| {
        world.hosts[0].account_state(world.now) == "registered"
    });
    dial(&mut world, "5551234");
    world.run_until("congestion", 9000, |world| state(world, "kitchen") == "busy_tone");
    hang_up(&mut world, "kitchen");
    world.run_until("the record", 2000, |world| !world.hosts[0].records.is_empty());
    let record = &world.hosts[0].records[0];
    assert_eq!(
        (record.cause.as_str(), world.hosts[0].records.len()),
        ("failed", 1)
    );
    assert!(matches!(record.sip_status, Some(488 | 606)), "{record:?}");
    world.run_ms(40_000);
    assert_eq!(world.hosts[0].gateway.load().calls, 0, "nothing is left of it");
    let invites = server(&mut world).requests.iter();
    invites
        .filter(|request| request.method == Method::Invite)
        .map(|request| String::from_utf8(request.body.clone()).unwrap())
        .collect()
}

fn one_codec() -> HostOptions {
    HostOptions {
        call: |call| call.codecs = vec![tipring::media::Codec::Pcma],
        ..HostOptions::subscriber(ip(9), "6001", true)
    }
}

#[test]
fn media_that_was_refused_is_offered_once_more_in_another_form_and_no_third_time() {
    for status in [488, 606] {
        let offers = refused_offers(
            HostOptions::subscriber(ip(9), "6001", true),
            vec![vec![Step::new(10, status)]],
        );
        let [first, second] = &offers[..] else {
            panic!("{offers:#?}")
        };
        assert!(
            first.contains("RTP/AVP 8 0 ") && second.contains("RTP/AVP 0 8 "),
            "{second}"
        );
    }
}

#[test]
fn the_second_offer_has_no_candidates() {
    let mut options = one_codec();
    options.call = |call| {
        call.codecs = vec![tipring::media::Codec::Pcma];
        call.nat.ice = tipring::call::IcePolicy::Offer;
    };
    let offers = refused_offers(options, vec![vec![Step::new(10, 488)]]);
    let [first, second] = &offers[..] else {
        panic!("{offers:#?}")
    };
    assert!(
        first.contains("a=candidate") && first.contains("a=ice-ufrag"),
        "{first}"
    );
    assert!(
        !second.contains("a=candidate") && !second.contains("a=ice"),
        "{second}"
    );
}

#[test]
fn with_nothing_else_to_offer_a_refusal_is_final() {
    let offers = refused_offers(one_codec(), vec![vec![Step::new(10, 488)]]);
    assert_eq!(offers.len(), 1);
}

#[test]
fn a_refusal_after_ringing_is_final() {
    let offers = refused_offers(
        HostOptions::subscriber(ip(9), "6001", true),
        vec![vec![Step::new(10, 180), Step::new(500, 488)]],
    );
    assert_eq!(offers.len(), 1);
}

/// The caller-ID message among these samples, as a telephone of the country reads it.
fn announced(samples: &[i16]) -> Option<Caller> {
    let mut bytes = Vec::new();
    Demodulator::new(Modem::V23).process(samples, &mut |event| {
        if let FskEvent::Byte(byte) = event {
            bytes.push(byte);
        }
    });
    (0..bytes.len()).find_map(|at| match parse(&bytes[at..]) {
        Ok(Message::CallSetup(caller)) => Some(caller),
        Ok(Message::MessageWaiting(_)) | Err(_) => None,
    })
}

#[test]
fn an_internal_call_sent_on_by_somebody_rings_its_own_way_and_says_by_whom() {
    let mut world = server_world(vec![]);
    let (host, peer) = (SocketAddr::new(ip(1), 5060), ip(9));
    let head = format!(
        "INVITE sip:6001@{host} SIP/2.0
        Via: SIP/2.0/UDP {peer}:5060;branch=z9hG4bKalert;rport
        Max-Forwards: 70
        From: <sip:100@{peer}>;tag=peeralert
        To: <sip:6001@{host}>
        Call-ID: call-alert@{peer}
        CSeq: 1 INVITE
        Contact: <sip:peer@{peer}:5060>
        Alert-Info: <urn:alert:source:internal>
        Diversion: <sip:200@{peer}>;reason=no-answer
        Content-Type: application/sdp"
    );
    server(&mut world).send(host, &head, &session_description(peer, "sendrecv"));
    world.run_until("ringing", 200, |world| world.telephone(0, "kitchen").ringing);
    let from = world.now;
    world.run_ms(6000);
    let bursts = &world.telephone(0, "kitchen").bursts;
    let changes: Vec<_> = bursts
        .iter()
        .map(|(at, on)| ((*at - from).as_millis() as u64, *on))
        .collect();
    let expected = [(0, true), (800, false), (1200, true), (2000, false), (6000, true)];
    assert!(
        changes
            .iter()
            .zip(expected)
            .all(|(is, meant)| is.1 == meant.1 && is.0.abs_diff(meant.0) <= 10)
            && changes.len() >= 4,
        "{changes:?}"
    );
    let caller = announced(&world.telephone(0, "kitchen").heard).expect("caller ID");
    assert_eq!(caller.number, Presentation::Given("100".to_owned()));
    assert_eq!(caller.redirecting.as_deref(), Some("200"));
}
