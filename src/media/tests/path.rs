//! Where a session sends: the way that ICE finds, and something now and then where nothing else is sent.

use std::net::SocketAddr;
use std::time::Instant;

use super::world::{at, params, rtp_address};
use crate::dsp::FRAME;
use crate::media::rtp::{HEADER_BYTES, Header};
use crate::media::{Direction, SessionParams, TransmitKind, VoiceCommand, VoiceConfig, VoicePath};

/// What left in so many seconds from `start_s` on: by which socket, where to, how long.
fn sent(path: &mut VoicePath, start_s: u64, seconds: u64) -> Vec<(TransmitKind, SocketAddr, usize)> {
    let mut sent = Vec::new();
    for turn in start_s * 100..(start_s + seconds) * 100 {
        let now = at(turn as i64 * 10_000);
        path.playback(now, &mut [0; FRAME]);
        path.capture(now, &[0; FRAME]);
        while let Some(packet) = path.poll_transmit() {
            sent.push((packet.kind, packet.to, packet.bytes.len()));
        }
    }
    sent
}

fn session(params: SessionParams) -> VoicePath {
    let mut path = VoicePath::new(&VoiceConfig::default(), 1);
    path.handle_command(at(0), VoiceCommand::OffHook(true));
    path.handle_command(at(0), VoiceCommand::Session(params));
    path
}

fn hear(path: &mut VoicePath, now: Instant, from: SocketAddr, sequence: u16) {
    let mut packet = [0xD5; HEADER_BYTES + 160];
    let header = Header {
        marker: false,
        payload_type: 8,
        sequence,
        timestamp: u32::from(sequence) * 160,
        ssrc: 7,
    };
    if let Some(head) = packet.first_chunk_mut::<HEADER_BYTES>() {
        header.write(head);
    }
    path.handle_rtp(now, from, &packet);
}

#[test]
fn nothing_is_sent_before_there_is_a_way_nor_after() {
    let mut path = session(SessionParams {
        awaits_path: true,
        rtcp_mux: true,
        ..params(1)
    });
    assert_eq!(
        sent(&mut path, 0, 20),
        [],
        "neither media nor reports nor keep-alives"
    );

    let way = SocketAddr::from(([203, 0, 113, 4], 40_000));
    let command = VoiceCommand::Path {
        rtp: Some(way),
        rtcp: Some(way),
        parked: false,
    };
    path.handle_command(at(20_000_000), command);
    let packets = sent(&mut path, 20, 10);
    assert!(packets.len() > 500);
    assert!(packets.iter().all(|(_, to, _)| *to == way), "all of it this way");
    assert!(
        packets.iter().all(|(kind, ..)| *kind == TransmitKind::Rtp),
        "reports too: one port serves both"
    );
    assert!(
        packets.iter().any(|(.., length)| *length < 172),
        "and there are reports"
    );

    // Media from another of the peer's addresses is heard and doesn't turn ours away.
    for number in 0..3 {
        hear(&mut path, at(30_000_000), rtp_address(1), number);
    }
    assert!(sent(&mut path, 30, 1).iter().all(|(_, to, _)| *to == way));

    let lost = VoiceCommand::Path {
        rtp: None,
        rtcp: None,
        parked: false,
    };
    path.handle_command(at(31_000_000), lost);
    assert_eq!(sent(&mut path, 31, 20), []);
}

#[test]
fn a_new_offer_that_keeps_ice_keeps_the_way() {
    let awaiting = SessionParams {
        awaits_path: true,
        ..params(1)
    };
    let mut path = session(awaiting);
    let way = SocketAddr::from(([203, 0, 113, 4], 40_000));
    let command = VoiceCommand::Path {
        rtp: Some(way),
        rtcp: None,
        parked: false,
    };
    path.handle_command(at(0), command);
    path.handle_command(
        at(0),
        VoiceCommand::Session(SessionParams {
            remote_rtp: rtp_address(0),
            ..awaiting
        }),
    );
    let packets = sent(&mut path, 0, 8);
    assert!(!packets.is_empty() && packets.iter().all(|(_, to, _)| *to == way));
    path.handle_command(at(8_000_000), VoiceCommand::Session(params(1)));
    let packets = sent(&mut path, 8, 1);
    assert!(
        packets.iter().any(|(_, to, _)| *to == rtp_address(1)),
        "without ICE any more: as described"
    );
}

#[test]
fn what_befalls_the_way_of_a_parked_session_leaves_the_heard_one_alone() {
    let awaiting = SessionParams {
        awaits_path: true,
        ..params(1)
    };
    let way = |end| VoiceCommand::Path {
        rtp: Some(SocketAddr::from(([203, 0, 113, end], 40_000))),
        rtcp: None,
        parked: false,
    };
    let mut path = session(awaiting);
    path.handle_command(at(0), way(4));
    path.handle_command(at(0), VoiceCommand::SwapSessions);
    path.handle_command(at(0), VoiceCommand::Session(awaiting));
    path.handle_command(at(0), way(5));
    let lost = VoiceCommand::Path {
        rtp: None,
        rtcp: None,
        parked: true,
    };
    path.handle_command(at(0), lost);
    let packets = sent(&mut path, 0, 1);
    assert!(
        !packets.is_empty()
            && packets
                .iter()
                .all(|(_, to, _)| to.ip().to_string() == "203.0.113.5")
    );
    path.handle_command(at(1_000_000), VoiceCommand::SwapSessions);
    assert_eq!(sent(&mut path, 1, 1), [], "the parked one has no way any more");
}

#[test]
fn on_hold_the_router_is_reminded_of_us_every_fifteen_seconds() {
    let held = SessionParams {
        direction: Direction::ReceiveOnly,
        ..params(1)
    };
    let mut path = session(held);
    let packets = sent(&mut path, 0, 61);
    let kept: Vec<_> = packets
        .iter()
        .filter(|(kind, ..)| *kind == TransmitKind::Rtp)
        .collect();
    assert_eq!(kept.len(), 4);
    assert!(
        kept.iter()
            .all(|(_, to, length)| (*to, *length) == (rtp_address(1), HEADER_BYTES))
    );
    // Who speaks needs no reminder.
    path.handle_command(at(61_000_000), VoiceCommand::Session(params(1)));
    assert!(
        sent(&mut path, 61, 40)
            .iter()
            .all(|(kind, _, length)| { *kind == TransmitKind::Rtcp || *length == HEADER_BYTES + 160 })
    );
}
