//! Packets from elsewhere, packets that are none, and silence.

use std::net::SocketAddr;
use std::time::Instant;

use proptest::prelude::*;

use super::world::{World, at, params, rtp_address, talker};
use crate::dsp::FRAME;
use crate::media::rtp::{HEADER_BYTES, Header};
use crate::media::{
    Direction, FlowReport, OneWay, TransmitKind, VoiceCommand, VoiceConfig, VoiceEvent, VoicePath,
};

fn at_ms(ms: u64) -> Instant {
    at(ms as i64 * 1000)
}

fn packet(ssrc: u32, number: u32, code: u8) -> Vec<u8> {
    let mut head = [0; HEADER_BYTES];
    Header {
        marker: false,
        payload_type: 8,
        sequence: number as u16,
        timestamp: number * 160,
        ssrc,
    }
    .write(&mut head);
    [&head[..], &[code; 160]].concat()
}

fn path() -> VoicePath {
    let mut path = VoicePath::new(&VoiceConfig::default(), 1);
    path.handle_command(at_ms(0), VoiceCommand::OffHook(true));
    path.handle_command(at_ms(0), VoiceCommand::Session(params(1)));
    path
}

/// One turn: what the telephone hears, and where RTP is sent.
fn turn(path: &mut VoicePath, ms: u64) -> ([i16; FRAME], Option<SocketAddr>) {
    let mut frame = [0; FRAME];
    path.playback(at_ms(ms), &mut frame);
    path.capture(at_ms(ms), &[0; FRAME]);
    let mut to = None;
    while let Some(packet) = path.poll_transmit() {
        if packet.kind == TransmitKind::Rtp {
            to = Some(packet.to);
        }
    }
    (frame, to)
}

#[test]
fn a_stranger_is_neither_heard_nor_talked_to() {
    let mut path = path();
    let stranger = SocketAddr::from(([203, 0, 113, 66], 9));
    for number in 0..200u32 {
        let ms = u64::from(number) * 20;
        path.handle_rtp(at_ms(ms + 1), rtp_address(1), &packet(7, number, 0xD5));
        path.handle_rtp(at_ms(ms + 2), stranger, &packet(8, number, 0xAA));
        path.handle_rtp(at_ms(ms + 3), stranger, &packet(7, number + 1, 0xAA));
        for ms in [ms + 5, ms + 15] {
            let (frame, to) = turn(&mut path, ms);
            assert!(frame.iter().all(|sample| sample.unsigned_abs() < 100));
            assert!(to.is_none_or(|to| to == rtp_address(1)));
        }
    }
}

#[test]
fn media_follows_the_address_it_really_comes_from() {
    let mut path = path();
    let behind_nat = SocketAddr::from(([203, 0, 113, 5], 31_000));
    let mut last = None;
    for number in 0..10u32 {
        path.handle_rtp(
            at_ms(u64::from(number) * 20 + 1),
            behind_nat,
            &packet(7, number, 0xD5),
        );
        for ms in [5, 15] {
            last = turn(&mut path, u64::from(number) * 20 + ms).1.or(last);
        }
    }
    assert_eq!(last, Some(behind_nat));
}

#[test]
fn other_payload_types_are_not_played() {
    let mut path = path();
    for number in 0..50u32 {
        let mut bytes = packet(7, number, 0xAA);
        bytes[1] = 0;
        path.handle_rtp(at_ms(u64::from(number) * 20), rtp_address(1), &bytes);
        let (frame, _) = turn(&mut path, u64::from(number) * 20 + 5);
        assert_eq!(frame, [0; FRAME]);
    }
    assert_eq!(path.stats().unwrap().received_packets, 0);
}

#[test]
fn silence_is_reported_once_and_its_end_too() {
    let mut world = World::new(1, VoiceConfig::default(), 0, 0.0);
    world.run(2_000_000);
    world.sides[0].link.loss = 1.0;
    world.run(60_000_000);
    world.sides[0].link.loss = 0.0;
    world.run(70_000_000);
    let events: Vec<_> = world.sides[1]
        .events
        .iter()
        .map(|(at_us, event)| (at_us / 1_000_000, *event))
        .collect();
    let nothing_comes = OneWay::NothingComes {
        before: true,
        refused: None,
    };
    let expected = [
        (0, VoiceEvent::FirstRtp),
        (5, VoiceEvent::Flow(FlowReport::OneWay(nothing_comes))),
        (32, VoiceEvent::RtpTimeout),
        (60, VoiceEvent::RtpResumed),
        (60, VoiceEvent::Flow(FlowReport::BothWays)),
    ];
    assert!(
        events.len() == expected.len()
            && events
                .iter()
                .zip(&expected)
                .all(|(got, want)| got.1 == want.1 && got.0.abs_diff(want.0) <= 1),
        "{events:?}"
    );
}

#[test]
fn a_held_call_sends_nothing_and_does_not_time_out() {
    let mut world = World::new(1, VoiceConfig::default(), 0, 0.0);
    world.run(1_000_000);
    for direction in [Direction::Inactive, Direction::SendReceive] {
        for side in 0..2 {
            world.command(
                side,
                VoiceCommand::Session(crate::media::SessionParams {
                    direction,
                    ..params(1 - side)
                }),
            );
        }
        let from_us = world.now_us;
        world.run(from_us + 40_000_000);
        let sent = world.sides[0].sent.iter();
        let audio = sent
            .filter(|(at_us, kind, _)| *at_us > from_us && *kind == TransmitKind::Rtp)
            // What keeps routers' doors open is no audio.
            .filter(|(.., bytes)| bytes.len() > HEADER_BYTES)
            .count();
        assert_eq!(
            audio > 0,
            direction == Direction::SendReceive,
            "{direction:?}: {audio}"
        );
    }
    assert_eq!(world.sides[1].events.len(), 1, "{:?}", world.sides[1].events);
}

/// A stream replaced by another in mid-call (a transfer behind the server) goes on within some packets.
#[test]
fn a_new_ssrc_with_other_timestamps_is_played() {
    let mut path = path();
    let mut loud = 0;
    for number in 0..200u32 {
        let ms = u64::from(number) * 20;
        let bytes = if number < 100 {
            packet(7, number, 0xD5)
        } else {
            let mut bytes = packet(8, number + 20_000, 0xAA);
            bytes[4..8].copy_from_slice(&(number * 160).wrapping_sub(0x7000_0000).to_be_bytes());
            bytes
        };
        path.handle_rtp(at_ms(ms + 1), rtp_address(1), &bytes);
        for ms in [ms + 5, ms + 15] {
            loud += usize::from(
                turn(&mut path, ms)
                    .0
                    .iter()
                    .any(|sample| sample.unsigned_abs() > 10_000),
            );
        }
    }
    assert!(loud >= 190, "{loud} of 200");
    assert_eq!(path.stats().unwrap().lost_packets, 0);
}

#[test]
fn reports_tell_round_trip_and_remote_loss() {
    let mut world = World::new(1, VoiceConfig::default(), 0, 0.0);
    world.sides[0].telephone = talker();
    for side in &mut world.sides {
        side.link.delay_us = 40_000;
    }
    world.sides[0].link.loss = 0.1;
    world.run(60_000_000);
    let stats = world.sides[0].path.stats().unwrap();
    assert!((stats.round_trip_ms.unwrap() - 80.0).abs() < 1.0, "{stats:?}");
    assert!(
        (4.0..18.0).contains(&stats.remote_loss_percent.unwrap()),
        "{stats:?}"
    );
    world.command(0, VoiceCommand::EndSession);
    assert!(matches!(
        world.sides[0].events.last(),
        Some((_, VoiceEvent::SessionEnded(_)))
    ));
    let (_, kind, bytes) = world.sides[0].sent.last().unwrap();
    assert_eq!(
        (*kind, bytes[bytes.len() - 7]),
        (TransmitKind::Rtcp, 203),
        "BYE last"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_datagrams_panic(operations in proptest::collection::vec(any::<u8>(), 0..4000)) {
        crate::media::fuzz::datagrams(&operations);
    }
}
