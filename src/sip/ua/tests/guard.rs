//! Who is heard and who isn't, and what a source gets at most.

use super::calls::{A, B, direct, pair, story};
use super::world::*;
use crate::sip::message::{HeaderName, Message, Method, Request};
use crate::sip::ua::*;
use std::net::{IpAddr, SocketAddr};

const SERVER: &str = "192.0.2.1:5060";
/// Nobody.
const STRANGER: &str = "198.51.100.7:5060";

/// What the guard has by default: nobody but whom the user agent knows by itself.
fn close(world: &mut World, node: usize) {
    admit(world, node, Admission::default());
}

fn admit(world: &mut World, node: usize, admission: Admission) {
    world.command(node, UaCommand::SetAdmission(Box::new(admission)));
}

/// A user agent with one account, registered at [`SERVER`], which DNS names beside another address.
fn registered() -> World {
    let mut world = World::new(1);
    world.add("192.0.2.9:5060");
    close(&mut world, A);
    world.names.insert(
        "pbx.example.net".into(),
        vec![address(SERVER), address("192.0.2.3:5060")],
    );
    world.script(SERVER, |message| match message {
        Message::Request(request) if request.method == Method::Register => {
            let mut response = respond(request, 200, "r");
            response.headers.copy_from(&request.headers, &HeaderName::CONTACT);
            response.headers.copy_from(&request.headers, &HeaderName::EXPIRES);
            vec![response.into()]
        }
        _ => Vec::new(),
    });
    world.command(
        A,
        UaCommand::SetAccounts(vec![account("office", "6001", "pbx.example.net")]),
    );
    world.run_s(1);
    assert_eq!(world.states(A).last(), Some(&RegistrationState::Registered));
    world.clear();
    world
}

fn request(method: &str, branch: &str) -> Request {
    let mut request = invite("sip:6001@192.0.2.9", branch);
    request.method = Method::parse(method).unwrap();
    request.headers.set(HeaderName::CSEQ, format!("1 {method}"));
    request
}

/// Messages that a node sent to an address.
fn answers(world: &World, to: &str) -> usize {
    world.sent_to(to).len()
}

#[test]
fn strangers_get_no_answer_whatever_they_send() {
    let mut world = registered();
    for method in [
        "INVITE",
        "OPTIONS",
        "REGISTER",
        "BYE",
        "CANCEL",
        "ACK",
        "SUBSCRIBE",
        "NOTIFY",
        "MESSAGE",
        "REFER",
        "PUBLISH",
        "INFO",
        "UPDATE",
        "PRACK",
        "NONSENSE",
    ] {
        world.inject(STRANGER, A, request(method, &format!("z9hG4bK{method}")));
    }
    let crooked =
        b"INVITE sip:6001@192.0.2.9 SIP/2.0\r\nVia: SIP/2.0/UDP 198.51.100.7;branch=z9hG4bKx\r\n\r\n";
    world.inject_bytes(STRANGER, A, crooked);
    world.inject_bytes(STRANGER, A, b"\r\n\r\n");
    world.run_s(1);
    assert_eq!(answers(&world, STRANGER), 0, "{:?}", world.log);
    assert_eq!(world.log.len(), 17, "nothing is sent elsewhere either");
    let load = world.uas[A].ua.load();
    assert_eq!(
        (load.calls, load.server_transactions, load.sources),
        (0, 0, 1),
        "only the server's rate is kept"
    );
    let ua = &mut world.uas[A].ua;
    assert!(!ua.takes_connection(address(STRANGER)));
    let ping = UaInput::Stream {
        transport: Transport::Tcp,
        local: address("192.0.2.9:5060"),
        remote: address(STRANGER),
        domain: None,
        bytes: b"\r\n\r\n".to_vec(),
    };
    ua.handle_input(world.now, ping);
    assert!(ua.poll_output().is_none());
    assert_eq!(ua.load().streams, 0);
}

#[test]
fn every_address_that_dns_names_is_heard_from_any_port() {
    let mut world = registered();
    for from in [SERVER, "192.0.2.1:40000", "192.0.2.3:5060", "192.0.2.3:1"] {
        assert!(world.uas[A].ua.takes_connection(address(from)), "{from}");
        world.inject(from, A, request("OPTIONS", &format!("z9hG4bK{from}")));
        world.run_ms(50);
        assert_eq!(answers(&world, from), 1, "{from}");
    }
}

#[test]
fn a_server_that_moves_is_heard_at_both_places_and_a_removed_one_no_longer() {
    let mut world = registered();
    let moved = "203.0.113.5:5060";
    world.inject(moved, A, request("OPTIONS", "z9hG4bKearly"));
    world.names.insert("pbx.example.net".into(), vec![address(moved)]);
    world.script(moved, |_| Vec::new());
    world.run_s(300);
    world.clear();
    for (number, from) in [moved, SERVER].into_iter().enumerate() {
        world.inject(from, A, request("OPTIONS", &format!("z9hG4bK{number}")));
    }
    world.run_ms(50);
    assert_eq!(world.responses(200).len(), 2, "{:?}", world.log);
    world.command(A, UaCommand::SetAccounts(Vec::new()));
    world.run_s(100);
    world.clear();
    for (number, from) in [moved, SERVER].into_iter().enumerate() {
        world.inject(from, A, request("OPTIONS", &format!("z9hG4bKlate{number}")));
    }
    world.run_ms(50);
    assert!(world.responses(200).is_empty(), "{:?}", world.log);
}

#[test]
fn whom_we_call_is_heard_for_the_call_and_not_after_it() {
    let mut world = pair(3);
    close(&mut world, A);
    let there = "192.0.2.2:5060";
    world.inject(there, A, request("OPTIONS", "z9hG4bKbefore"));
    world.run_ms(50);
    assert!(world.responses(200).is_empty());
    let call = world.call_via(A, direct(Transport::Udp), "600");
    world.run_s(1);
    assert_eq!(story(&world, A), ["progress 180", "answered v=0 answer"]);
    assert!(world.uas[A].ua.takes_connection(address("192.0.2.2:33333")));
    world.run_s(100);
    world.command(B, UaCommand::HangUp { call: CallId(1) });
    world.run_s(1);
    assert_eq!(story(&world, A).last().unwrap(), "ended Remote { reason: None }");
    let _ = call;
    world.run_s(100);
    assert!(!world.uas[A].ua.takes_connection(address(there)));
}

#[test]
fn a_dialog_peer_may_move_to_another_address_and_nobody_else_may_use_it() {
    let mut world = registered();
    let mut call = request("INVITE", "z9hG4bKcall");
    call.headers.set(
        HeaderName::VIA,
        format!("SIP/2.0/UDP {SERVER};branch=z9hG4bKcall;rport"),
    );
    world.uas[A].react = Box::new(|event| match event {
        UaEvent::Incoming(incoming) => vec![UaCommand::Answer {
            call: incoming.call,
            body: b"v=0 answer".to_vec(),
        }],
        _ => Vec::new(),
    });
    world.inject(SERVER, A, call.clone());
    world.run_ms(50);
    world.inject(SERVER, A, within(&world, &call, Method::Ack, 1));
    world.run_ms(50);
    let mut guessed = within(&world, &call, Method::Bye, 2);
    guessed
        .headers
        .set(HeaderName::TO, "<sip:6001@192.0.2.9>;tag=0123456789abcdef");
    let before = world.log.len();
    world.inject(STRANGER, A, guessed);
    world.run_ms(50);
    assert_eq!(world.log.len(), before + 1, "a guess gets no answer");
    let mut bye = within(&world, &call, Method::Bye, 3);
    bye.headers.set(
        HeaderName::VIA,
        format!("SIP/2.0/UDP {STRANGER};branch=z9hG4bKbye;rport"),
    );
    world.inject(STRANGER, A, bye);
    world.run_ms(50);
    assert_eq!(story(&world, A).last().unwrap(), "ended Remote { reason: None }");
    assert_eq!(answers(&world, STRANGER), 1);
}

#[test]
fn lists_let_in_whom_they_name() {
    let mut world = registered();
    let network = Network::new("198.51.100.0".parse().unwrap(), 24).unwrap();
    let office = AccountName("office".into());
    for (number, admission) in [
        Admission {
            networks: vec![network],
            ..Admission::default()
        },
        Admission {
            by_account: [(office, vec![network])].into(),
            ..Admission::default()
        },
        Admission {
            anybody: true,
            ..Admission::default()
        },
    ]
    .into_iter()
    .enumerate()
    {
        admit(&mut world, A, admission);
        let mut options = request("OPTIONS", &format!("z9hG4bK{number}"));
        options.headers.push(HeaderName::SUBJECT, "x".repeat(200));
        world.inject(STRANGER, A, options);
        world.run_ms(50);
        assert_eq!(answers(&world, STRANGER), number + 1);
        let beyond = "198.51.101.7:5060";
        let heard = world.uas[A].ua.hears(address(beyond), b"OPTIONS");
        assert_eq!(heard, number == 2, "{beyond}");
    }
}

#[test]
fn our_own_socket_is_heard_and_others_of_this_machine_are_not() {
    let mut world = registered();
    let own = address("192.0.2.9:5060");
    admit(
        &mut world,
        A,
        Admission {
            own: Some(own),
            ..Admission::default()
        },
    );
    let ua = &world.uas[A].ua;
    assert!(ua.hears(own, b"OPTIONS"));
    assert!(!ua.hears(address("192.0.2.9:5061"), b"OPTIONS"));
    assert!(
        !ua.takes_connection(address("192.0.2.9:40000")),
        "lines use UDP where there is some"
    );
}

#[test]
fn one_source_gets_its_rate_and_no_more() {
    let mut world = registered();
    admit(
        &mut world,
        A,
        Admission {
            anybody: true,
            ..Admission::default()
        },
    );
    let mut seconds = |from: &str, seconds: u64, name: &str| {
        world.clear();
        for second in 0..seconds {
            for number in 0..3000 {
                let mut options = request("OPTIONS", &format!("z9hG4bK{name}{second}x{number}"));
                options.headers.push(HeaderName::SUBJECT, "x".repeat(200));
                world.inject(from, A, options);
            }
            world.run_s(1);
        }
        answers(&world, from)
    };
    assert_eq!(seconds(STRANGER, 3, "a"), 40 + 2 * 20);
    assert_eq!(seconds(SERVER, 2, "b"), 2000 + 500);
}

/// Bytes sent from an address and to it.
fn bytes(world: &World, with: &str) -> (usize, usize) {
    let mut bytes = (0, 0);
    for (line, message) in world.log.iter().zip(&world.wire) {
        if line.1 == address(with) {
            bytes.0 += message.len();
        } else if line.2 == address(with) {
            bytes.1 += message.len();
        }
    }
    bytes
}

#[test]
fn nothing_is_amplified_towards_a_source_that_may_be_forged() {
    let anybody = Admission {
        anybody: true,
        ..Admission::default()
    };
    // What nothing is kept of is answered with no more bytes than it had: shortened, or not at all.
    let mut world = registered();
    admit(&mut world, A, anybody.clone());
    let mut small = request("OPTIONS", "z9hG4bKs");
    small.body.clear();
    for name in [
        HeaderName::CONTACT,
        HeaderName::CONTENT_TYPE,
        HeaderName::MAX_FORWARDS,
    ] {
        small.headers.remove(&name);
    }
    world.inject(STRANGER, A, small);
    world.run_s(1);
    assert_eq!(answers(&world, STRANGER), 0);
    world.inject(STRANGER, A, request("OPTIONS", "z9hG4bKm"));
    world.inject(STRANGER, A, request("MESSAGE", "z9hG4bKn"));
    world.inject_bytes(
        STRANGER,
        A,
        b"INVITE sip:1@192.0.2.9 SIP/2.0\r\nVia: SIP/2.0/UDP 198.51.100.7;branch=z9hG4bKx;rport\r\n\r\n",
    );
    world.run_s(1);
    let (received, sent) = bytes(&world, STRANGER);
    assert!(
        sent > 0 && sent <= received,
        "{received} bytes received, {sent} sent"
    );

    // A call rings, is answered, and the answer is repeated for an acknowledgement that never comes.
    let mut world = registered();
    admit(&mut world, A, anybody);
    world.uas[A].react = Box::new(|event| match event {
        UaEvent::Incoming(incoming) => {
            let call = incoming.call;
            let ring = UaCommand::Ring {
                call,
                status: 180,
                body: None,
            };
            let body = [b'x'; 300].to_vec();
            vec![ring, UaCommand::Answer { call, body }]
        }
        _ => Vec::new(),
    });
    let mut call = request("INVITE", "z9hG4bKi");
    // As long as INVITEs of real telephones are.
    call.headers.push(HeaderName::SUBJECT, "x".repeat(450));
    world.inject(STRANGER, A, call);
    world.run_s(60);
    let (received, sent) = bytes(&world, STRANGER);
    assert!(
        sent > received && sent <= 3 * received,
        "{received} bytes received, {sent} sent"
    );
    assert!(
        world
            .sent_to(STRANGER)
            .iter()
            .any(|line| line.starts_with("SIP/2.0 200"))
    );
}

#[test]
fn a_caller_let_in_by_any_that_hears_us_talks_without_limits() {
    let mut world = pair(4);
    admit(
        &mut world,
        B,
        Admission {
            anybody: true,
            ..Admission::default()
        },
    );
    let call = world.call_via(A, direct(Transport::Udp), "600");
    world.run_s(1);
    for number in 0..30 {
        let body = format!("v=0 {number} {}", "x".repeat(900)).into_bytes();
        world.command(A, UaCommand::Reoffer { call, body });
        world.run_s(1);
    }
    assert_eq!(
        story(&world, A)
            .iter()
            .filter(|event| event.starts_with("reanswered Some"))
            .count(),
        30
    );
    world.command(A, UaCommand::HangUp { call });
    world.assert_clean();
}

#[test]
fn five_thousand_strangers_a_second_leave_no_trace() {
    let mut world = registered();
    let before = world.uas[A].ua.load();
    let datagram = request("INVITE", "z9hG4bKflood").to_bytes();
    let (now, local) = (world.now, world.uas[A].address);
    let ua = &mut world.uas[A].ua;
    for number in 0..5000_u32 {
        let address = IpAddr::from((0x0a00_0000 | number).to_be_bytes());
        let remote = SocketAddr::new(address, 5060);
        assert!(!ua.hears(remote, &datagram));
        let bytes = datagram.clone();
        ua.handle_input(now, UaInput::Datagram { local, remote, bytes });
    }
    assert!(ua.poll_output().is_none());
    assert_eq!(ua.load(), before);
}
