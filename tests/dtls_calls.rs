//! Calls keyed by DTLS from end to end in virtual time: two machines of ours, what lies between them, and what the
//! people at both ends hear (RFC 5763, RFC 5764).

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

use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::StdRng;
use support::World;
use support::host::HostOptions;
use support::ip;
use support::network::{Faults, Packet};
use support::peer::{Server, Step};
use support::server;
use support::telephone::Voice;
use tipring::call::{CallConfig, CallRecord, IcePolicy};
use tipring::media::dtls::{Agreement, Handshake, Identity, Role, is_dtls};
use tipring::media::stun::is_stun;
use tipring::sip::message::{HeaderName, Message, Method};
use tipring::sip::sdp::SrtpPolicy;

const CALLER_HZ: f32 = 600.0;
const CALLED_HZ: f32 = 1000.0;

const SUITE: &str = "srtp-dtls AEAD_AES_256_GCM";

fn sine(frequency_hz: f32) -> Voice {
    Voice::Sine {
        frequency_hz,
        peak: 8000.0,
    }
}

/// 10.0.0.1 calls 10.0.0.2, which are each other's servers.
fn pair(caller: fn(&mut CallConfig), called: fn(&mut CallConfig)) -> World {
    let mut world = World::new(3);
    for (own, other, name, call) in [(1, 2, "6001", caller), (2, 1, "6002", called)] {
        let seed = own;
        let options = HostOptions {
            call,
            seed,
            ..HostOptions::subscriber(ip(other), name, false)
        };
        world.add_host(own, options);
    }
    world
}

fn offers(call: &mut CallConfig) {
    call.srtp = SrtpPolicy::Dtls;
}

fn answers(call: &mut CallConfig) {
    call.srtp = SrtpPolicy::Optional;
}

fn state(world: &World, host: usize) -> String {
    world.hosts[host].line_state(world.now, "kitchen")
}

/// The encryption of the call in progress, as `status --json` tells it.
fn encryption(world: &World, host: usize) -> serde_json::Value {
    let status = serde_json::to_value(world.hosts[host].gateway.status(world.now)).unwrap();
    status["calls"][0]["encryption"].clone()
}

fn dial(world: &mut World, number: &str) {
    let now = world.now;
    world.telephone(0, "kitchen").lift(now);
    world.run_until("dial tone", 500, |world| {
        world.telephone(0, "kitchen").hears(425.0, 100)
    });
    world.telephone(0, "kitchen").press(number);
}

/// Both are on the telephone.
fn connect(world: &mut World) {
    dial(world, "6002");
    world.run_until("ringing", 20_000, |world| world.telephone(1, "kitchen").ringing);
    let now = world.now;
    world.telephone(1, "kitchen").lift(now);
    world.run_until("talking", 5000, |world| {
        state(world, 0) == "talking" && state(world, 1) == "talking"
    });
}

/// Both talk, and hear each other.
#[track_caller]
fn assert_both_heard(world: &mut World) {
    for (host, frequency_hz) in [(0, CALLER_HZ), (1, CALLED_HZ)] {
        let telephone = world.telephone(host, "kitchen");
        telephone.voice = sine(frequency_hz);
        telephone.forget();
    }
    world.run_ms(500);
    assert!(world.telephone(1, "kitchen").hears(CALLER_HZ, 200));
    assert!(world.telephone(0, "kitchen").hears(CALLED_HZ, 200));
}

fn hang_up(world: &mut World) -> [CallRecord; 2] {
    let now = world.now;
    world.telephone(0, "kitchen").hang_up(now);
    world.run_until("the records", 5000, |world| {
        world.hosts.iter().all(|host| !host.records.is_empty())
    });
    [0, 1].map(|host| world.hosts[host].records[0].clone())
}

/// Datagrams of handshakes so far.
fn handshakes(world: &World) -> Vec<&Packet> {
    let wire = world.network.wire.iter().map(|(_, packet)| packet);
    wire.filter(|packet| packet.to.port() != 5060 && is_dtls(&packet.bytes))
        .collect()
}

#[test]
fn a_call_is_encrypted_with_keys_that_sip_never_saw() {
    for (caller, called) in [
        (offers as fn(&mut CallConfig), answers as fn(&mut CallConfig)),
        (offers, |call| call.srtp = SrtpPolicy::Required),
        (offers, offers),
    ] {
        let mut world = pair(caller, called);
        connect(&mut world);
        world.run_until("keys", 100, |world| {
            encryption(world, 0) == SUITE && encryption(world, 1) == SUITE
        });
        assert_both_heard(&mut world);
        world.run_ms(8000);
        for host in &world.hosts {
            let events = serde_json::to_string(&host.events).unwrap();
            let told = format!("\"encryption\":\"{SUITE}\"");
            assert!(events.contains(&told), "{events}");
        }
        let wire = world.network.wire.iter().map(|(_, packet)| packet);
        let media: Vec<_> = wire.clone().filter(|packet| packet.to.port() != 5060).collect();
        assert!(
            media.iter().all(|packet| packet.to.port() % 2 == 0),
            "RTCP shares RTP's port"
        );
        let rtcp = media
            .iter()
            .filter(|packet| (192..224).contains(&packet.bytes[1]));
        assert!(rtcp.count() > 2, "and is there");
        // 12 + 160 bytes and a tag of 16.
        let speech = media.iter().filter(|packet| packet.bytes[1] & 0x7F == 8);
        assert!(speech.clone().count() > 100 && speech.clone().all(|packet| packet.bytes.len() == 188));
        let signalling = wire.filter(|packet| packet.to.port() == 5060);
        assert!(
            signalling
                .clone()
                .all(|packet| !String::from_utf8_lossy(&packet.bytes).contains("inline:"))
        );
        for record in hang_up(&mut world) {
            assert_eq!(record.encryption.as_deref(), Some(SUITE));
            assert_eq!(
                (record.unauthentic_packets, record.lost_packets),
                (0, 0),
                "{record:?}"
            );
            assert!(record.round_trip_ms.is_some(), "{record:?}");
        }
    }
}

#[test]
fn lost_delayed_and_doubled_handshakes_come_about() {
    for seed in 1..=6 {
        let mut world = pair(offers, answers);
        world.network = support::network::Network::new(
            seed,
            Faults {
                loss: 0.15,
                duplication: 0.1,
                delay_ms: 40,
                jitter_ms: 60,
            },
        );
        connect(&mut world);
        world.run_until("keys", 9900, |world| {
            encryption(world, 0) == SUITE && encryption(world, 1) == SUITE
        });
        world.network.faults = Faults::none();
        world.run_ms(200);
        assert_both_heard(&mut world);
    }
}

/// Another certificate in whatever passes that begins like this.
fn another_fingerprint(packet: &mut Packet, beginning: &str) {
    let text = String::from_utf8_lossy(&packet.bytes).into_owned();
    if packet.to.port() == 5060
        && text.starts_with(beginning)
        && let Some((head, rest)) = text.split_once("a=fingerprint:sha-256 ")
    {
        let forged = vec!["66"; 32].join(":");
        let (_, rest) = rest.split_at(forged.len());
        packet.bytes = format!("{head}a=fingerprint:sha-256 {forged}{rest}").into_bytes();
    }
}

#[test]
fn a_certificate_that_is_not_the_one_in_sip_ends_the_call() {
    let by_caller: fn(&mut Packet) = |packet| another_fingerprint(packet, "SIP/2.0 200");
    let by_called: fn(&mut Packet) = |packet| another_fingerprint(packet, "INVITE ");
    for (between, finds) in [(by_caller, 0), (by_called, 1)] {
        let mut world = pair(offers, answers);
        world.network.between = between;
        connect(&mut world);
        for (host, frequency_hz) in [(0, CALLER_HZ), (1, CALLED_HZ)] {
            world.telephone(host, "kitchen").voice = sine(frequency_hz);
        }
        world.run_until("both are told", 1000, |world| {
            [0, 1].iter().all(|host| state(world, *host) == "busy_tone")
        });
        let wire = world.network.wire.iter().map(|(_, packet)| packet);
        let bye = wire
            .clone()
            .find(|packet| packet.bytes.starts_with(b"BYE "))
            .expect("a BYE");
        let text = String::from_utf8_lossy(&bye.bytes).into_owned();
        assert!(
            text.contains("Reason: SIP;cause=488;text=\"DTLS-SRTP: the certificate"),
            "{text}"
        );
        assert_eq!(bye.from.ip(), world.hosts[finds].ip);
        // Neither side has said a word that the other one could have heard.
        let mut media = wire.filter(|packet| packet.to.port() != 5060);
        let verified = world.hosts[1 - finds].ip;
        let says_nothing = |packet: &Packet| is_dtls(&packet.bytes) || is_stun(&packet.bytes);
        assert!(media.all(|packet| says_nothing(packet) || packet.from.ip() == verified));
        let [caller, called] = hang_up(&mut world);
        let (found, other) = if finds == 0 {
            (caller, called)
        } else {
            (called, caller)
        };
        assert_eq!((found.cause.as_str(), found.encryption), ("security", None));
        assert_eq!((found.received_packets, other.received_packets), (0, 0));
        assert!(
            found.diagnosis[0].contains("fingerprint"),
            "{:?}",
            found.diagnosis
        );
        assert_eq!(other.cause, "remote_hangup");
    }
}

#[test]
fn strangers_and_garbage_change_nothing() {
    let stranger = Identity::new(&mut StdRng::seed_from_u64(66)).unwrap();
    let mut world = pair(offers, answers);
    dial(&mut world, "6002");
    world.run_until("ringing", 20_000, |world| world.telephone(1, "kitchen").ringing);
    let now = world.now;
    world.telephone(1, "kitchen").lift(now);
    for round in 0..60u8 {
        let agreement = Agreement {
            role: Role::Client,
            fingerprints: vec![stranger.fingerprint()],
        };
        let hello = Handshake::new(world.now, &stranger, agreement)
            .poll_transmit()
            .unwrap();
        let garbage = |first: u8| vec![first.wrapping_add(round); 13 + usize::from(round) * 7];
        // Each host takes the first even port for its first session.
        for to in [1, 2].map(|last| std::net::SocketAddr::new(ip(last), 16_386)) {
            let from = |last, port| std::net::SocketAddr::new(ip(last), port);
            let other = if to.ip() == ip(1) { 2 } else { 1 };
            for (from, bytes) in [
                (from(66, 4000), hello.clone()),
                (from(66, 4000), garbage(20)),
                (from(other, 16_386), garbage(20)),
                (from(other, 16_386), garbage(0x16)),
            ] {
                let stream = false;
                let now = world.now;
                world.network.send(
                    now,
                    Packet {
                        from,
                        to,
                        stream,
                        bytes,
                    },
                );
            }
        }
        world.run_ms(5);
    }
    world.run_until("keys", 3000, |world| {
        encryption(world, 0) == SUITE && encryption(world, 1) == SUITE
    });
    assert_both_heard(&mut world);
    let answered = handshakes(&world)
        .iter()
        .filter(|packet| packet.to.ip() == ip(66))
        .count();
    assert_eq!(answered, 0, "no word to a stranger");
}

#[test]
fn a_second_offer_keeps_the_handshake() {
    let mut world = pair(offers, answers);
    connect(&mut world);
    assert_both_heard(&mut world);
    let before = handshakes(&world).len();
    for held in ["held", "talking"] {
        let now = world.now;
        world.telephone(0, "kitchen").flash(now, 100);
        world.run_until(held, 2000, |world| state(world, 0) == held);
        world.run_ms(300);
        assert_eq!(encryption(&world, 0), SUITE);
        assert_eq!(encryption(&world, 1), SUITE);
    }
    assert_both_heard(&mut world);
    // And one of the other side's, whose role is the other one.
    for held in ["held", "talking"] {
        let now = world.now;
        world.telephone(1, "kitchen").flash(now, 100);
        world.run_until(held, 2000, |world| state(world, 1) == held);
        world.run_ms(300);
    }
    assert_both_heard(&mut world);
    assert_eq!(handshakes(&world).len(), before, "nobody began anew");
    let offers = world.network.wire.iter().filter(|(_, packet)| {
        let text = String::from_utf8_lossy(&packet.bytes);
        text.starts_with("INVITE ") && text.contains("a=setup:actpass") && text.contains("UDP/TLS/RTP/SAVP ")
    });
    assert_eq!(offers.count(), 5);
    for record in hang_up(&mut world) {
        assert_eq!(record.unauthentic_packets, 0, "{record:?}");
    }
}

#[test]
fn with_ice_the_handshake_goes_the_way_that_was_found() {
    let mut world = pair(
        |call| {
            offers(call);
            call.nat.ice = IcePolicy::Offer;
        },
        answers,
    );
    connect(&mut world);
    world.run_until("keys", 3000, |world| {
        encryption(world, 0) == SUITE && encryption(world, 1) == SUITE
    });
    assert_both_heard(&mut world);
    let first = |wanted: fn(&[u8]) -> bool| {
        let mut wire = world.network.wire.iter();
        wire.position(|(_, packet)| packet.to.port() != 5060 && wanted(&packet.bytes))
    };
    assert!(first(is_stun) < first(is_dtls));
}

#[test]
fn keys_that_come_while_a_call_is_put_aside_are_taken_up_with_it() {
    let mut world = pair(offers, answers);
    dial(&mut world, "6002");
    world.run_until("ringing", 20_000, |world| world.telephone(1, "kitchen").ringing);
    let now = world.now;
    world.telephone(1, "kitchen").lift(now);
    world.run_until("talking", 5000, |world| state(world, 0) == "talking");
    // Long before the handshake's six flights have gone to and fro.
    world.network.faults.delay_ms = 150;
    let now = world.now;
    world.telephone(0, "kitchen").flash(now, 100);
    world.run_until("dial tone beside it", 600, |world| state(world, 0) == "held");
    assert_eq!(encryption(&world, 0), serde_json::Value::Null);
    world.run_ms(3000);
    assert_eq!(encryption(&world, 0), SUITE);
    let now = world.now;
    world.telephone(0, "kitchen").flash(now, 100);
    world.run_until("talking", 2000, |world| state(world, 0) == "talking");
    world.run_ms(1000);
    assert_both_heard(&mut world);
}

// What a peer that is none of ours does.

fn server_world(scripts: Vec<Vec<Step>>) -> World {
    let mut world = World::new(2);
    world.add_peer(Server::new(ip(9), scripts));
    world.add_host(
        1,
        HostOptions {
            call: offers,
            ..HostOptions::subscriber(ip(9), "6001", true)
        },
    );
    world.run_until("registration", 2000, |world| {
        world.hosts[0].account_state(world.now) == "registered"
    });
    world
}

/// The answer of a peer with a certificate that nobody has.
fn answering(setup: &str, answer: &str) -> String {
    let fingerprint = vec!["5A"; 32].join(":");
    let answer = answer.replace("RTP/AVP", "UDP/TLS/RTP/SAVP");
    format!("{answer}a=setup:{setup}\r\na=fingerprint:sha-256 {fingerprint}\r\n")
}

/// The last BYE we sent says why.
#[track_caller]
fn assert_ended_insecure(world: &mut World, word: &str) {
    let requests = &server(world).requests;
    let bye = requests
        .iter()
        .find(|request| request.method == Method::Bye)
        .unwrap();
    let reason = bye
        .headers
        .first(&HeaderName::REASON)
        .expect("a reason")
        .into_owned();
    assert!(reason.starts_with("SIP;cause=488;text=\"DTLS-SRTP: "), "{reason}");
    assert!(reason.contains(word), "{reason}");
    world.run_until("a tone", 2000, |world| state(world, 0) == "busy_tone");
    let events = serde_json::to_string(&world.hosts[0].events).unwrap();
    assert!(events.contains("\"problem\":\"encryption\""), "{events}");
    let now = world.now;
    world.telephone(0, "kitchen").hang_up(now);
    world.run_until("the record", 2000, |world| !world.hosts[0].records.is_empty());
    let record = world.hosts[0].records[0].clone();
    assert_eq!((record.cause.as_str(), record.encryption), ("security", None));
    assert!(
        record.diagnosis.iter().any(|sentence| sentence.contains(word)),
        "{:?}",
        record.diagnosis
    );
}

/// Nothing that was said left the machine: only handshakes went to the peer's media port.
#[track_caller]
fn assert_not_a_word(world: &World) {
    let wire = world.network.wire.iter().map(|(_, packet)| packet);
    let mut media = wire.filter(|packet| packet.to.ip() == ip(9) && packet.to.port() != 5060);
    assert!(
        media.all(|packet| is_dtls(&packet.bytes) || is_stun(&packet.bytes)),
        "speech in the clear"
    );
}

#[test]
fn a_peer_that_never_shakes_hands_is_left() {
    // As server we wait for it, as client we try.
    for setup in ["active", "passive"] {
        let rewrite: fn(&str, String) -> String = match setup {
            "active" => |_, answer| answering("active", &answer),
            _ => |_, answer| answering("passive", &answer),
        };
        let mut world = server_world(vec![vec![Step::new(50, 200).with_sdp().rewriting(rewrite)]]);
        server(&mut world).echo = false;
        dial(&mut world, "5551234");
        world.run_until("talking", 8000, |world| state(world, 0) == "talking");
        world.telephone(0, "kitchen").voice = sine(CALLER_HZ);
        let before = world.now;
        world.run_until("BYE", 11_000, |world| server(world).count(&Method::Bye) == 1);
        assert!(world.now - before > Duration::from_secs(7));
        // Who waits has to be let in by the router at home; who begins is.
        let wire = world.network.wire.iter();
        let knocks = wire.filter(|(_, packet)| packet.to.port() == 20_000 && is_stun(&packet.bytes));
        assert_eq!(knocks.count(), if setup == "active" { 20 } else { 0 });
        assert_not_a_word(&world);
        assert_ended_insecure(&mut world, "within 10 s");
    }
}

#[test]
fn before_the_answer_a_failed_handshake_ends_nothing() {
    // The network plays something to us that we never get the keys of; with the answer it is tried once more.
    let passive: fn(&str, String) -> String = |_, answer| answering("passive", &answer);
    for again in [true, false] {
        let answer = if again {
            Step::new(15_000, 200).with_sdp().rewriting(passive)
        } else {
            Step::new(15_000, 200)
        };
        let early = Step::new(50, 183).with_sdp().rewriting(passive);
        let mut world = server_world(vec![vec![early, answer]]);
        server(&mut world).echo = false;
        dial(&mut world, "5551234");
        world.run_until("the first try", 10_000, |world| !handshakes(world).is_empty());
        world.run_ms(11_000);
        let tried = handshakes(&world).len();
        assert!(tried >= 4, "{tried}");
        assert_eq!(
            (
                state(&world, 0).as_str(),
                server(&mut world).count(&Method::Cancel)
            ),
            ("calling", 0)
        );
        world.run_until("talking", 5000, |world| state(world, 0) == "talking");
        world.run_until("another try", 100, |world| handshakes(world).len() > tried);
        world.run_until("BYE", 11_000, |world| server(world).count(&Method::Bye) == 1);
        assert_not_a_word(&world);
        assert_ended_insecure(&mut world, "within 10 s");
    }
}

#[test]
fn an_answer_without_a_fingerprint_is_no_call() {
    for rewrite in [
        (|_, answer| answer) as fn(&str, String) -> String,
        |_, answer| answer.replace("RTP/AVP", "UDP/TLS/RTP/SAVP"),
        |_, answer| answering("holdconn", &answer),
    ] {
        let mut world = server_world(vec![vec![Step::new(50, 200).with_sdp().rewriting(rewrite)]]);
        dial(&mut world, "5551234");
        world.run_until("BYE", 8000, |world| server(world).count(&Method::Bye) == 1);
        world.run_until("a tone", 2000, |world| state(world, 0) == "busy_tone");
        assert_eq!(server(&mut world).rtp_received, 0);
    }
}

#[test]
fn offers_are_refused_where_encryption_is_switched_off() {
    let mut world = pair(offers, |call| call.srtp = SrtpPolicy::Off);
    dial(&mut world, "6002");
    world.run_until("refused", 8000, |world| state(world, 0) == "busy_tone");
    let refusals = world.network.wire.iter().filter(|(_, packet)| {
        matches!(Message::parse(&packet.bytes), Ok(Message::Response(response)) if response.status.code() == 488)
    });
    // The second offer has the other codec first, and is encrypted as well.
    assert_eq!(refusals.count(), 2);
    let wire = world.network.wire.iter().map(|(_, packet)| packet);
    let mut invites = wire.filter(|packet| packet.bytes.starts_with(b"INVITE "));
    assert!(invites.all(|packet| String::from_utf8_lossy(&packet.bytes).contains(" UDP/TLS/RTP/SAVP ")));
}
