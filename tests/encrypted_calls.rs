//! Encrypted calls from end to end in virtual time: keys in offers and answers (RFC 4568), and what the person hears.

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

use support::World;
use support::host::HostOptions;
use support::ip;
use support::peer::{Server, Step, session_description};
use support::server;
use support::telephone::Voice;
use tipring::call::CallRecord;
use tipring::sip::message::{HeaderName, Method};
use tipring::sip::sdp::SrtpPolicy;

const KITCHEN_SAYS: Voice = Voice::Sine {
    frequency_hz: 600.0,
    peak: 8000.0,
};
const HALL_SAYS: Voice = Voice::Sine {
    frequency_hz: 1000.0,
    peak: 8000.0,
};

const SUITE: &str = "srtp-sdes AES_CM_128_HMAC_SHA1_80";

/// A key that is none of ours.
const STRANGE_KEY: &str = "IiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIi";

fn options(policy: SrtpPolicy) -> HostOptions {
    HostOptions {
        call: match policy {
            SrtpPolicy::Off => |_| {},
            SrtpPolicy::Optional => |call| call.srtp = SrtpPolicy::Optional,
            SrtpPolicy::Required => |call| call.srtp = SrtpPolicy::Required,
            SrtpPolicy::Dtls => |call| call.srtp = SrtpPolicy::Dtls,
        },
        ..HostOptions::subscriber(ip(9), "6001", true)
    }
}

fn server_world(policy: SrtpPolicy, scripts: Vec<Vec<Step>>) -> World {
    let mut world = World::new(2);
    world.add_peer(Server::new(ip(9), scripts));
    world.add_host(1, options(policy));
    world.run_until("registration", 2000, |world| {
        world.hosts[0].account_state(world.now) == "registered"
    });
    world
}

fn state(world: &World, line: &str) -> String {
    world.hosts[0].line_state(world.now, line)
}

fn dial(world: &mut World, keys: &str) {
    let now = world.now;
    world.telephone(0, "kitchen").lift(now);
    world.run_until("dial tone", 500, |world| {
        world.telephone(0, "kitchen").hears(425.0, 100)
    });
    world.telephone(0, "kitchen").press(keys);
}

fn hang_up(world: &mut World) -> CallRecord {
    let now = world.now;
    world.telephone(0, "kitchen").hang_up(now);
    world.run_until("the record", 2000, |world| !world.hosts[0].records.is_empty());
    world.hosts[0].records[0].clone()
}

/// The lines of the last description we sent to the server in an INVITE.
fn offered(world: &mut World) -> String {
    let requests = &server(world).requests;
    let invite = requests
        .iter()
        .rev()
        .find(|request| request.method == Method::Invite);
    String::from_utf8(invite.expect("an INVITE").body.clone()).unwrap()
}

fn crypto(description: &str) -> Vec<&str> {
    description
        .lines()
        .filter(|line| line.starts_with("a=crypto:"))
        .collect()
}

/// The encryption of the call in progress, as `status --json` tells it.
fn encryption(world: &World) -> serde_json::Value {
    let status = serde_json::to_value(world.hosts[0].gateway.status(world.now)).unwrap();
    status["calls"][0]["encryption"].clone()
}

/// The answer of a peer that happens to have drawn our own key: then the server's echo of our packets is what such a
/// peer would send.
fn same_key(offer: &str, answer: String) -> String {
    let profile = if offer.contains("RTP/SAVP") {
        "RTP/SAVP"
    } else {
        "RTP/AVP"
    };
    let key = crypto(offer)[0];
    format!("{}{key}\r\n", answer.replace("RTP/AVP", profile))
}

/// The answer of a peer that agrees and then sends (here: echoes) what another key has encrypted.
fn another_key(offer: &str, answer: String) -> String {
    let profile = if offer.contains("RTP/SAVP") {
        "RTP/SAVP"
    } else {
        "RTP/AVP"
    };
    let line = format!("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{STRANGE_KEY}\r\n");
    format!("{}{line}", answer.replace("RTP/AVP", profile))
}

fn answering(rewrite: fn(&str, String) -> String) -> Vec<Vec<Step>> {
    vec![vec![Step::new(50, 200).with_sdp().rewriting(rewrite)]]
}

/// Calls, talks to the echo, and says whether the caller hears itself.
fn call(world: &mut World) -> bool {
    dial(world, "5551234");
    world.run_until("talking", 8000, |world| state(world, "kitchen") == "talking");
    world.telephone(0, "kitchen").voice = KITCHEN_SAYS;
    world.run_ms(600);
    world.telephone(0, "kitchen").hears(600.0, 200)
}

#[test]
fn an_answer_with_a_key_encrypts_the_call() {
    for policy in [SrtpPolicy::Optional, SrtpPolicy::Required] {
        let mut world = server_world(policy, answering(same_key));
        assert!(call(&mut world), "{policy:?}");
        assert_eq!(encryption(&world), SUITE);
        let offer = offered(&mut world);
        let profile = match policy {
            SrtpPolicy::Required => "RTP/SAVP",
            SrtpPolicy::Off | SrtpPolicy::Optional => "RTP/AVP",
            SrtpPolicy::Dtls => "UDP/TLS/RTP/SAVP",
        };
        assert!(offer.contains(&format!(" {profile} ")), "{offer}");
        assert_eq!(crypto(&offer).len(), 4);
        let record = hang_up(&mut world);
        assert_eq!(record.encryption.as_deref(), Some(SUITE));
        assert_eq!((record.unauthentic_packets, record.lost_packets), (0, 0));
        // 12 + 160 + 10 bytes: nothing of the call was in the clear, and no key in any line of the event log.
        let wire = &world.network.wire;
        let media = wire.iter().filter(|(_, packet)| packet.to.port() >= 16_384);
        let lengths: std::collections::BTreeSet<_> = media
            .filter(|(_, packet)| packet.to.port() % 2 == 0)
            .map(|(_, packet)| packet.bytes.len())
            .collect();
        assert_eq!(lengths.into_iter().collect::<Vec<_>>(), [182]);
        let key = crypto(&offer)[0].split("inline:").nth(1).unwrap();
        assert!(!format!("{:?}", world.hosts[0].events).contains(key));
    }
}

#[test]
fn nothing_is_offered_where_it_is_switched_off() {
    let mut world = server_world(SrtpPolicy::Off, answering(|_, answer| answer));
    assert!(call(&mut world));
    let offer = offered(&mut world);
    assert!(offer.contains(" RTP/AVP ") && crypto(&offer).is_empty());
    assert_eq!(hang_up(&mut world).encryption, None);
}

#[test]
fn an_answer_without_a_key_is_a_call_in_the_clear_where_that_is_allowed() {
    let mut world = server_world(SrtpPolicy::Optional, answering(|_, answer| answer));
    assert!(call(&mut world));
    assert_eq!(encryption(&world), serde_json::Value::Null);
    assert_eq!(hang_up(&mut world).encryption, None);
}

#[test]
fn an_answer_without_a_key_is_no_call_where_encryption_is_required() {
    let mut world = server_world(SrtpPolicy::Required, answering(|_, answer| answer));
    dial(&mut world, "5551234");
    world.run_until("BYE", 8000, |world| server(world).count(&Method::Bye) == 1);
    world.run_until("a tone", 2000, |world| state(world, "kitchen") == "busy_tone");
    let record = hang_up(&mut world);
    assert_eq!((record.sent_packets, record.encryption), (0, None));
    assert_eq!(server(&mut world).rtp_received, 0, "not a word in the clear");
}

#[test]
fn a_peer_with_another_key_is_not_heard() {
    let mut world = server_world(SrtpPolicy::Required, answering(another_key));
    assert!(!call(&mut world));
    world.telephone(0, "kitchen").forget();
    world.run_ms(400);
    let heard = world.telephone(0, "kitchen").heard.clone();
    assert!(heard.iter().all(|sample| *sample == 0), "silence, not noise");
    let record = hang_up(&mut world);
    assert_eq!(record.received_packets, 0);
    assert!(record.unauthentic_packets > 30, "{record:?}");
}

#[test]
fn each_fork_has_a_key_of_its_own() {
    // Early media from one telephone, the answer from another.
    let script = vec![vec![
        Step::new(50, 183).with_sdp().rewriting(another_key),
        Step::new(1500, 200).with_sdp().rewriting(same_key),
    ]];
    let mut world = server_world(SrtpPolicy::Required, script);
    assert!(call(&mut world));
    assert!(hang_up(&mut world).received_packets > 20);
}

#[test]
fn hold_keeps_the_key_and_offers_nothing_else() {
    let mut world = server_world(
        SrtpPolicy::Required,
        vec![
            vec![Step::new(50, 200).with_sdp().rewriting(same_key)],
            vec![
                Step::new(20, 200)
                    .with_sdp()
                    .rewriting(|offer, answer| same_key(offer, answer).replace("sendrecv", "recvonly")),
            ],
            vec![Step::new(20, 200).with_sdp().rewriting(same_key)],
        ],
    );
    assert!(call(&mut world));
    let first = offered(&mut world);
    for (count, held) in [(2, "held"), (3, "talking")] {
        let now = world.now;
        world.telephone(0, "kitchen").flash(now, 100);
        world.run_until("re-INVITE", 2000, |world| {
            server(world).count(&Method::Invite) == count
        });
        world.run_until(held, 2000, |world| state(world, "kitchen") == held);
        let again = offered(&mut world);
        assert_eq!(crypto(&again), crypto(&first)[..1], "{again}");
        assert!(again.contains(" RTP/SAVP "));
        world.run_ms(300);
    }
    world.telephone(0, "kitchen").forget();
    world.run_ms(500);
    assert!(
        world.telephone(0, "kitchen").hears(600.0, 200),
        "heard again after the hold"
    );
    let record = hang_up(&mut world);
    assert_eq!(record.unauthentic_packets, 0, "{record:?}");
}

#[test]
fn a_peer_changes_its_key_in_the_middle() {
    let mut world = server_world(SrtpPolicy::Required, answering(same_key));
    assert!(call(&mut world));
    let offer = session_description(ip(9), "sendrecv").replace("RTP/AVP", "RTP/SAVP");
    let line = format!("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{STRANGE_KEY}\r\n");
    server(&mut world).within_dialog("INVITE", 1, &format!("{offer}{line}"));
    world.run_until("200 to the re-INVITE", 1000, |world| {
        server(world)
            .responses
            .iter()
            .any(|response| response.status.code() == 200)
    });
    let answer = server(&mut world).responses.last().unwrap().body.clone();
    let answer = String::from_utf8(answer).unwrap();
    let first = offered(&mut world);
    assert_eq!(
        crypto(&answer),
        crypto(&first)[..1],
        "ours stays: its packets go on being numbered"
    );
    world.run_ms(300);
    world.telephone(0, "kitchen").forget();
    world.run_ms(400);
    assert!(
        !world.telephone(0, "kitchen").hears(600.0, 200),
        "the echo still has the old key"
    );
    assert!(hang_up(&mut world).unauthentic_packets > 20);
}

/// An INVITE from the server with this offer; the response's status, and its description.
fn called(policy: SrtpPolicy, offer: &str) -> (u16, String) {
    let mut world = server_world(policy, answering(|_, answer| answer));
    let (to, from) = (world.hosts[0].ip, ip(9));
    let head = format!(
        "INVITE sip:6001@{to}:5060 SIP/2.0
        Via: SIP/2.0/UDP {from}:5060;branch=z9hG4bKin;rport
        Max-Forwards: 70
        From: <sip:100@{from}>;tag=in
        To: <sip:6001@{to}>
        Call-ID: in@{from}
        CSeq: 1 INVITE
        Contact: <sip:peer@{from}:5060>
        Content-Type: application/sdp"
    );
    server(&mut world).send(std::net::SocketAddr::new(to, 5060), &head, offer);
    world.run_until("ringing or refused", 2000, |world| {
        let responses = &server(world).responses;
        responses.iter().any(|response| response.status.code() >= 180)
    });
    if state(&world, "kitchen") == "ringing" {
        let now = world.now;
        world.telephone(0, "kitchen").lift(now);
        world.run_until("200", 2000, |world| {
            let responses = &server(world).responses;
            responses.iter().any(|response| response.status.code() == 200)
        });
    }
    let last = server(&mut world).responses.last().unwrap();
    assert!(last.headers.first(&HeaderName::TO).is_some());
    (
        last.status.code(),
        String::from_utf8_lossy(&last.body).into_owned(),
    )
}

#[test]
fn incoming_calls_are_answered_as_the_policy_says() {
    let plain = session_description(ip(9), "sendrecv");
    let line = format!("a=crypto:5 AES_256_CM_HMAC_SHA1_80 inline:{}\r\n", {
        "IiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIg=="
    });
    let encrypted = format!("{}{line}", plain.replace("RTP/AVP", "RTP/SAVP"));
    let beside = format!("{plain}{line}");
    let refused = [(SrtpPolicy::Off, &encrypted), (SrtpPolicy::Required, &plain)];
    for (policy, offer) in refused {
        assert_eq!(called(policy, offer).0, 488, "{policy:?} {offer}");
    }
    let taken = [
        (SrtpPolicy::Off, &plain, "RTP/AVP", 0),
        (SrtpPolicy::Off, &beside, "RTP/AVP", 0),
        (SrtpPolicy::Optional, &plain, "RTP/AVP", 0),
        (SrtpPolicy::Optional, &beside, "RTP/AVP", 1),
        (SrtpPolicy::Optional, &encrypted, "RTP/SAVP", 1),
        (SrtpPolicy::Required, &beside, "RTP/AVP", 1),
        (SrtpPolicy::Required, &encrypted, "RTP/SAVP", 1),
    ];
    for (policy, offer, profile, lines) in taken {
        let (status, answer) = called(policy, offer);
        assert_eq!(status, 200, "{policy:?} {offer}");
        assert!(answer.contains(&format!(" {profile} ")), "{policy:?} {answer}");
        let crypto = crypto(&answer);
        assert_eq!(crypto.len(), lines, "{policy:?} {answer}");
        assert!(
            crypto
                .iter()
                .all(|line| line.starts_with("a=crypto:5 AES_256_CM_HMAC_SHA1_80 inline:"))
        );
    }
}

/// Lines of one machine reach each other whatever their accounts ask for.
#[test]
fn two_lines_of_one_machine() {
    let mut world = World::new(1);
    world.add_host(
        1,
        HostOptions {
            call: |call| call.srtp = SrtpPolicy::Required,
            ..HostOptions::intercom()
        },
    );
    dial(&mut world, "22");
    world.run_until("ringing in the hall", 2000, |world| {
        world.telephone(0, "hall").ringing
    });
    let now = world.now;
    world.telephone(0, "hall").lift(now);
    world.run_until("talking", 500, |world| {
        state(world, "hall") == "talking" && state(world, "kitchen") == "talking"
    });
    world.telephone(0, "kitchen").voice = KITCHEN_SAYS;
    world.telephone(0, "hall").voice = HALL_SAYS;
    world.run_ms(500);
    assert!(world.telephone(0, "hall").hears(600.0, 200));
    assert!(world.telephone(0, "kitchen").hears(1000.0, 200));
    world.telephone(0, "kitchen").voice = Voice::Silent;
    world.telephone(0, "kitchen").press("5");
    world.run_until("the key in the hall", 1000, |world| {
        let events = format!("{:?}", world.hosts[0].events);
        events.contains("RemoteDigit")
    });
    let record = hang_up(&mut world);
    assert_eq!(record.encryption.as_deref(), Some(SUITE));
}

/// The offers of a call whose first one gets 488, the second the peer's answer.
fn offers_after_488(policy: SrtpPolicy, answering: fn(&str, String) -> String) -> Vec<String> {
    let mut world = server_world(
        policy,
        vec![
            vec![Step::new(10, 488)],
            vec![Step::new(50, 200).with_sdp().rewriting(answering)],
        ],
    );
    dial(&mut world, "5551234");
    world.run_until("talking", 8000, |world| state(world, "kitchen") == "talking");
    let invites = server(&mut world).requests.iter();
    invites
        .filter(|request| request.method == Method::Invite)
        .map(|request| String::from_utf8(request.body.clone()).unwrap())
        .collect()
}

#[test]
fn an_offer_that_was_refused_is_made_again_without_keys_where_that_is_allowed() {
    let offers = offers_after_488(SrtpPolicy::Optional, |_, answer| answer);
    let [first, second] = &offers[..] else {
        panic!("{offers:#?}")
    };
    assert_eq!((crypto(first).len(), crypto(second).len()), (4, 0), "{second}");
    assert!(first.contains(" RTP/AVP 8 0 "), "{first}");
    assert!(second.contains(" RTP/AVP 0 8 "), "{second}");
}

#[test]
fn where_encryption_is_required_no_refusal_takes_it_away() {
    let offers = offers_after_488(SrtpPolicy::Required, same_key);
    let [first, second] = &offers[..] else {
        panic!("{offers:#?}")
    };
    assert_eq!((crypto(first).len(), crypto(second).len()), (4, 4), "{second}");
    assert!(second.contains(" RTP/SAVP 0 8 "), "{second}");
}
