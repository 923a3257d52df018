use super::*;
use crate::media::TransmitKind;
use crate::media::ice::{Candidate, CandidateKind, Credentials};
use crate::sip::fuzz;
use crate::sip::message::{HeaderName, Headers};
use proptest::prelude::*;
use std::fmt::Write;

const OFFERS: &str = include_str!("../../../tests/data/sip/offers.txt");

fn capabilities() -> MediaCapabilities {
    MediaCapabilities {
        codecs: vec![Codec::Pcma, Codec::Pcmu],
        telephone_event: true,
        packet_time_ms: 20,
        address: IpAddr::from([192, 0, 2, 10]),
        rtp_port: 16_384,
        rtcp_mux: false,
        reach: Reach::default(),
        security: Security::default(),
    }
}

fn offers() -> impl Iterator<Item = (&'static str, String)> {
    OFFERS.split("\n=== ").skip(1).map(|section| {
        let (name, text) = section.split_once('\n').unwrap();
        (name, format!("{text}\n").replace('\n', "\r\n"))
    })
}

fn offer_of(name: &str) -> String {
    offers().find(|(other, _)| *other == name).unwrap().1
}

fn described(negotiated: &Negotiated) -> String {
    format!(
        "{:?} {}/{} events {:?}/{:?} {} ms {:?} rtp {} rtcp {} mux {}",
        negotiated.codec,
        negotiated.payload_type,
        negotiated.receive_payload_type,
        negotiated.telephone_event,
        negotiated.receive_telephone_event,
        negotiated.packet_time_ms,
        negotiated.direction,
        negotiated.remote_rtp,
        negotiated.remote_rtcp,
        negotiated.rtcp_mux
    )
}

const ORIGIN: Origin = Origin { id: 17, version: 17 };

#[test]
fn answers_to_the_offers_of_real_peers() {
    let mut table = String::new();
    for (name, text) in offers() {
        let _ = writeln!(table, "=== {name}");
        match answer(&capabilities(), ORIGIN, text.as_bytes(), Direction::SendReceive) {
            Ok((body, negotiated)) => {
                let _ = writeln!(table, "{}", described(&negotiated));
                // The first five lines are the same every time.
                String::from_utf8(body).unwrap().lines().skip(5).for_each(|line| {
                    let _ = writeln!(table, "  {line}");
                });
            }
            Err(error) => {
                let _ = writeln!(table, "{error}");
            }
        }
    }
    insta::assert_snapshot!(table);
}

#[test]
fn our_offer() {
    let body = offer(&capabilities(), ORIGIN, Direction::SendReceive);
    insta::assert_snapshot!(String::from_utf8(body).unwrap().replace('\r', ""));
}

#[test]
fn two_of_us_agree() {
    let (mut caller, mut callee) = (Session::new(34), Session::new(100));
    let address = "2001:db8::20".parse().unwrap();
    let callee_capabilities = MediaCapabilities {
        codecs: vec![Codec::Pcmu],
        address,
        rtp_port: 20_000,
        rtcp_mux: true,
        reach: Reach::default(),
        packet_time_ms: 40,
        ..capabilities()
    };
    let caller_capabilities = MediaCapabilities {
        address: "2001:db8::10".parse().unwrap(),
        rtcp_mux: true,
        reach: Reach::default(),
        ..capabilities()
    };
    let offered = caller.offer(&caller_capabilities, Direction::SendReceive);
    let (answered, theirs) = callee
        .answer(&callee_capabilities, &offered, Direction::SendReceive)
        .unwrap();
    let ours = caller.accept_answer(&caller_capabilities, &answered).unwrap();
    assert_eq!(
        described(&ours),
        "Pcmu 0/0 events Some(101)/Some(101) 20 ms SendReceive rtp [2001:db8::20]:20000 rtcp [2001:db8::20]:20000 mux true"
    );
    assert_eq!(
        described(&theirs),
        "Pcmu 0/0 events Some(101)/Some(101) 20 ms SendReceive rtp [2001:db8::10]:16384 rtcp [2001:db8::10]:16384 mux true"
    );
}

fn answered(answer: &str) -> Result<Negotiated, SdpError> {
    let body = offer(&capabilities(), ORIGIN, Direction::SendReceive);
    let text = format!("v=0\no=- 1 1 IN IP4 192.0.2.9\ns=-\nc=IN IP4 192.0.2.9\nt=0 0\n{answer}");
    accept_answer(&capabilities(), &body, text.as_bytes())
}

#[test]
fn answers_with_numbers_of_their_own() {
    let negotiated =
        answered("m=audio 4000 RTP/AVP 96 97\na=rtpmap:96 PCMU/8000\na=rtpmap:97 telephone-event/8000\n");
    let negotiated = negotiated.unwrap();
    assert_eq!(
        (negotiated.payload_type, negotiated.receive_payload_type),
        (96, 0)
    );
    assert_eq!(
        (negotiated.telephone_event, negotiated.receive_telephone_event),
        (Some(97), Some(101))
    );
}

#[test]
fn answers_that_refuse() {
    assert_eq!(answered("m=audio 0 RTP/AVP 0\n"), Err(SdpError::Refused));
    assert_eq!(answered(""), Err(SdpError::NoAudio));
    assert_eq!(
        answered("m=audio 4000 RTP/AVP 18\n"),
        Err(SdpError::NoCodec(vec!["18".into()]))
    );
    let without_events = answered("m=audio 4000 RTP/AVP 8\n").unwrap();
    assert_eq!(
        (
            without_events.telephone_event,
            without_events.receive_telephone_event
        ),
        (None, None)
    );
    assert!(
        !answered("m=audio 4000 RTP/AVP 8\na=rtcp-mux\n").unwrap().rtcp_mux,
        "not offered"
    );
}

#[test]
fn directions_meet() {
    let theirs = ["sendrecv", "sendonly", "recvonly", "inactive"];
    let mut table = String::new();
    for ours in [
        Direction::SendReceive,
        Direction::SendOnly,
        Direction::ReceiveOnly,
        Direction::Inactive,
    ] {
        for remote in theirs {
            let text = format!("v=0\nc=IN IP4 192.0.2.9\nm=audio 4 RTP/AVP 8\na={remote}\n");
            let (_, negotiated) = answer(&capabilities(), ORIGIN, text.as_bytes(), ours).unwrap();
            let _ = writeln!(table, "{ours:?} + {remote} = {:?}", negotiated.direction);
        }
    }
    insta::assert_snapshot!(table);
}

#[test]
fn the_version_grows_with_every_change_and_only_then() {
    let version = |body: &[u8]| {
        let text = String::from_utf8(body.to_vec()).unwrap();
        text.split_ascii_whitespace()
            .nth(3)
            .unwrap()
            .parse::<u64>()
            .unwrap()
    };
    let mut session = Session::new(200);
    let first = session.offer(&capabilities(), Direction::SendReceive);
    assert_eq!(version(&first), 100);
    assert_eq!(session.offer(&capabilities(), Direction::SendReceive), first);
    let hold = session.offer(&capabilities(), Direction::SendOnly);
    assert_eq!(version(&hold), 101);
    let remote = offer_of("asterisk");
    let (reply, _) = session
        .answer(&capabilities(), remote.as_bytes(), Direction::SendReceive)
        .unwrap();
    assert_eq!(version(&reply), 102);
    let (again, _) = session
        .answer(&capabilities(), remote.as_bytes(), Direction::SendReceive)
        .unwrap();
    assert_eq!(again, reply);
    // What can't be answered changes nothing.
    assert!(
        session
            .answer(&capabilities(), b"hello", Direction::SendReceive)
            .is_err()
    );
    assert_eq!(session.last(), Some(reply.as_slice()));
}

#[test]
fn our_own_offer_after_an_answer_with_refused_streams_before_the_audio() {
    let remote = offer_of("video first, then two audio streams");
    let (body, _) = answer(&capabilities(), ORIGIN, remote.as_bytes(), Direction::SendReceive).unwrap();
    let reply =
        "v=0\nc=IN IP4 192.0.2.9\nm=video 0 RTP/AVP 96\nm=audio 0 RTP/SAVP 0\nm=audio 4000 RTP/AVPF 0\n";
    let negotiated = accept_answer(&capabilities(), &body, reply.as_bytes()).unwrap();
    assert_eq!(negotiated.remote_rtp, "192.0.2.9:4000".parse().unwrap());
}

#[test]
fn descriptions_among_other_parts() {
    let typed = |kind: &str| {
        let mut headers = Headers::new();
        headers.push(HeaderName::CONTENT_TYPE, kind);
        headers
    };
    let body = b"preamble\r\n--x\r\nContent-Type: application/ISUP\r\n\r\n\x01\x00\r\n--x\r\nc: Application/SDP\r\n\r\nv=0\r\n\r\n--x--\r\n";
    let mixed = typed("multipart/mixed;boundary=\"x\"");
    assert_eq!(session_description(&mixed, body), Some(&b"v=0\r\n"[..]));
    let nested = [
        b"--y\r\nContent-Type: multipart/mixed;boundary=x\r\n\r\n".as_slice(),
        body,
        b"\r\n--y--",
    ]
    .concat();
    let outer = typed("multipart/related;boundary=y");
    assert_eq!(session_description(&outer, &nested), Some(&b"v=0\r\n"[..]));
    assert_eq!(session_description(&mixed, b"--x\r\n\r\ntext\r\n--x--"), None);
    assert_eq!(
        session_description(&typed("application/sdp"), b"v=0"),
        Some(&b"v=0"[..])
    );
    assert_eq!(session_description(&typed("text/plain"), b"v=0"), None);
    assert_eq!(session_description(&Headers::new(), b"v=0"), Some(&b"v=0"[..]));
    assert_eq!(session_description(&typed("application/sdp"), b""), None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn mutated_descriptions_never_panic(
        at in any::<prop::sample::Index>(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..10),
    ) {
        let all: Vec<_> = offers().map(|(_, text)| text.into_bytes()).collect();
        let mut bytes = at.get(&all).clone();
        for (at, byte) in edits {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        fuzz::description(&bytes);
        fuzz::challenge(&bytes);
    }
}

fn with_ice(candidates: &[(TransmitKind, &str)]) -> MediaCapabilities {
    let candidates = candidates.iter().map(|(component, address)| Candidate {
        foundation: "1".to_owned(),
        component: *component,
        priority: 2_130_706_431,
        address: address.parse().unwrap(),
        kind: CandidateKind::Host,
        related: None,
    });
    let ice = LocalIce {
        credentials: Credentials {
            username_fragment: "8hhY".to_owned(),
            password: "asd88fgpdd777uzjYhagZg".to_owned(),
        },
        candidates: candidates.collect(),
        remote: Vec::new(),
    };
    MediaCapabilities {
        rtcp_mux: true,
        reach: Reach {
            rtcp: Some("203.0.113.7:40008".parse().unwrap()),
            ice: Some(ice),
        },
        ..capabilities()
    }
}

#[test]
fn our_offer_with_ice() {
    let capabilities = with_ice(&[
        (TransmitKind::Rtp, "192.0.2.1:16384"),
        (TransmitKind::Rtcp, "192.0.2.1:16385"),
    ]);
    let body = offer(&capabilities, ORIGIN, Direction::SendReceive);
    insta::assert_snapshot!(String::from_utf8(body).unwrap().replace('\r', ""));
}

const ICE_OFFER: &str = "v=0\no=- 1 1 IN IP4 192.0.2.9\ns=-\nc=IN IP4 192.0.2.9\nt=0 0\na=ice-lite\n\
    a=ice-pwd:YH75Fviy6338Vbrhrlp8Yh\nm=audio 4000 RTP/AVP 0\na=ice-ufrag:9uB6\na=rtcp-mux\n\
    a=candidate:1 1 UDP 2130706431 192.0.2.9 4000 typ host generation 0\n\
    a=candidate:2 2 udp 1694498814 203.0.113.9 4001 typ srflx raddr 192.0.2.9 rport 4001\n\
    a=candidate:3 1 TCP 2105458943 192.0.2.9 9 typ host tcptype active\n\
    a=candidate:4 1 UDP 77 host.local 4000 typ host\na=candidate:nonsense\n";

#[test]
fn ice_is_answered_where_it_is_offered() {
    let capabilities = with_ice(&[(TransmitKind::Rtp, "192.0.2.1:16384")]);
    let answer_to = |offer: &str| {
        let (body, negotiated) =
            answer(&capabilities, ORIGIN, offer.as_bytes(), Direction::SendReceive).unwrap();
        (String::from_utf8(body).unwrap(), negotiated.ice)
    };
    let (body, ice) = answer_to(ICE_OFFER);
    let ice = ice.unwrap();
    assert!(ice.lite);
    assert_eq!(ice.credentials.username_fragment, "9uB6");
    assert_eq!(ice.credentials.password, "YH75Fviy6338Vbrhrlp8Yh");
    let found: Vec<String> = ice
        .candidates
        .iter()
        .map(|candidate| {
            format!(
                "{:?} {:?} {}",
                candidate.component, candidate.kind, candidate.address
            )
        })
        .collect();
    assert_eq!(
        found,
        ["Rtp Host 192.0.2.9:4000", "Rtcp ServerReflexive 203.0.113.9:4001"]
    );
    assert!(
        body.contains("a=ice-ufrag:8hhY\r\n") && body.contains("a=candidate:1 1 UDP 2130706431 192.0.2.1")
    );

    // Ta (RFC 8839 section 5.5): what it says, what RFC 8445 has where it says nothing, RFC 5245 before that.
    let pace_ms = |attributes: &str| {
        let offer = ICE_OFFER.replace("a=ice-lite\n", &format!("a=ice-lite\n{attributes}"));
        answer_to(&offer).1.unwrap().pace.as_millis()
    };
    assert_eq!(pace_ms(""), 20);
    assert_eq!(pace_ms("a=ice-options:trickle\n"), 20);
    assert_eq!(pace_ms("a=ice-options:trickle ice2\n"), 50);
    assert_eq!(pace_ms("a=ice-options:ice2\na=ice-pacing:30\n"), 30);
    assert_eq!(pace_ms("a=ice-pacing:4000000000\n"), 500);
    assert_eq!(pace_ms("a=ice-pacing:-1\n"), 20);
    assert!(body.contains("a=ice-pacing:20\r\n"));

    // Changed by a router on the way: said, and not done (RFC 8839 section 4.2.5).
    let (body, ice) = answer_to(&ICE_OFFER.replace("c=IN IP4 192.0.2.9", "c=IN IP4 198.51.100.7"));
    assert!(ice.is_none() && body.contains("a=ice-mismatch\r\n") && !body.contains("ice-ufrag"));

    // A peer that doesn't do it hears nothing of it.
    let (body, ice) = answer_to(&ICE_OFFER.replace("ice-ufrag", "x-nothing"));
    assert!(ice.is_none() && !body.contains("ice") && !body.contains("candidate"));
}

#[test]
fn an_answer_without_ice_or_with_a_mismatch_is_a_call_without_it() {
    let without = capabilities();
    let capabilities = with_ice(&[(TransmitKind::Rtp, "192.0.2.1:16384")]);
    let offered = offer(&capabilities, ORIGIN, Direction::SendReceive);
    let accepted = |answer: &str| {
        accept_answer(&capabilities, &offered, answer.as_bytes())
            .unwrap()
            .ice
    };
    assert!(accepted(ICE_OFFER).is_some());
    assert!(accepted(&format!("{ICE_OFFER}a=ice-mismatch\n")).is_none());
    assert!(accepted(&ICE_OFFER.replace("ice-pwd", "x-nothing")).is_none());
    // One that we did not ask for.
    let plain = offer(&without, ORIGIN, Direction::SendReceive);
    let negotiated = accept_answer(&without, &plain, ICE_OFFER.as_bytes()).unwrap();
    assert!(negotiated.ice.is_none());
}
