//! What the telephone hears of streams that aren't the usual one.

use proptest::prelude::*;

use super::world::{World, at, params, rtp_address};
use crate::dsp::dtmf::{Detector, DtmfReport};
use crate::dsp::{FRAME, g711, level};
use crate::media::event_receiver::{EventPayload, EventReceiver};
use crate::media::jitter::{JitterBuffer, JitterConfig, Pulled};
use crate::media::rtp::{HEADER_BYTES, Header};
use crate::media::{Codec, SessionParams, VoiceCommand, VoiceConfig, VoicePath};

fn packet(payload_type: u8, number: u32, timestamp: u32, payload: &[u8]) -> Vec<u8> {
    let mut head = [0; HEADER_BYTES];
    Header {
        marker: false,
        payload_type,
        sequence: number as u16,
        timestamp,
        ssrc: 7,
    }
    .write(&mut head);
    [&head[..], payload].concat()
}

fn path() -> VoicePath {
    let mut path = VoicePath::new(&VoiceConfig::default(), 1);
    path.handle_command(at(0), VoiceCommand::Session(params(1)));
    path
}

fn sine(place: usize) -> i16 {
    // 20 samples a period: single precision is enough for the first only.
    (8000.0 * ((place % 20) as f32 * std::f32::consts::TAU / 20.0).sin()) as i16
}

/// Largest step from one sample to the next.
fn largest_step(samples: &[i16]) -> u16 {
    let pairs = samples.windows(2);
    pairs
        .map(|pair| pair[0].abs_diff(pair[1]))
        .max()
        .unwrap_or_default()
}

#[test]
fn packets_of_10_to_200_ms_play_without_a_gap() {
    for packet_ms in [10, 20, 30, 40, 60, 100, 200] {
        let mut path = path();
        let mut heard = Vec::new();
        for turn in 0..600u32 {
            if turn * 10 % packet_ms == 0 {
                let timestamp = turn * 80;
                let codes: Vec<u8> = (timestamp..timestamp + packet_ms * 8)
                    .map(|place| g711::encode_alaw(sine(place as usize)))
                    .collect();
                let bytes = packet(8, turn * 10 / packet_ms, timestamp.wrapping_sub(4000), &codes);
                path.handle_rtp(at(i64::from(turn) * 10_000), rtp_address(1), &bytes);
            }
            let mut frame = [0; FRAME];
            path.playback(at(i64::from(turn) * 10_000 + 5_000), &mut frame);
            heard.extend(frame);
        }
        let stats = path.stats().unwrap();
        assert_eq!((stats.concealed_ms, stats.late_packets), (0, 0), "{packet_ms} ms");
        // 2 pi 400 / 8000 of 8000, and a step of A-law.
        let step = largest_step(&heard[8000..]);
        assert!(step < 2_700, "{packet_ms} ms: {step}");
    }
}

#[test]
fn each_packet_time_is_sent_as_agreed() {
    for packet_time_ms in [10, 20, 30, 40, 50, 60] {
        let mut path = VoicePath::new(&VoiceConfig::default(), 1);
        let codec = Codec::Pcmu;
        let params = SessionParams {
            packet_time_ms,
            codec,
            payload_type: 0,
            ..params(1)
        };
        path.handle_command(at(0), VoiceCommand::Session(params));
        let mut last: Option<Header> = None;
        for turn in 0..100 {
            path.capture(at(turn * 10_000), &[0; FRAME]);
            while let Some(packet) = path.poll_transmit() {
                let (header, payload) = crate::media::rtp::parse(packet.bytes).unwrap();
                assert_eq!(
                    (payload.len(), header.payload_type),
                    (usize::from(packet_time_ms) * 8, 0)
                );
                assert_eq!(header.marker, last.is_none());
                if let Some(last) = last {
                    assert_eq!(header.sequence, last.sequence.wrapping_add(1));
                    assert_eq!(
                        header.timestamp,
                        last.timestamp.wrapping_add(u32::from(packet_time_ms) * 8)
                    );
                }
                last = Some(header);
            }
        }
        assert!(last.is_some());
    }
}

/// Time stamps that jump on (a media server's next announcement) do not leave a hole of the jump's length.
#[test]
fn a_jump_of_the_time_stamps_is_followed_at_once() {
    for jump in [1_000_000u32, 1_000_000u32.wrapping_neg(), 0x8000_0000] {
        let mut path = path();
        let mut silent = 0;
        for turn in 0..400u32 {
            if turn % 2 == 0 {
                let offset = if turn < 200 { 0 } else { jump };
                let bytes = packet(8, turn / 2, (turn * 80).wrapping_add(offset), &[0xAA; 160]);
                path.handle_rtp(at(i64::from(turn) * 10_000), rtp_address(1), &bytes);
            }
            let mut frame = [0; FRAME];
            path.playback(at(i64::from(turn) * 10_000 + 5_000), &mut frame);
            silent += usize::from(turn > 20 && frame.iter().all(|sample| sample.unsigned_abs() < 5_000));
        }
        assert!(silent <= 4, "{jump}: {silent} turns");
    }
}

#[test]
fn comfort_noise_sounds_at_its_level_and_is_not_loss() {
    let mut path = path();
    let mut heard = Vec::new();
    for turn in 0..300u32 {
        let now = at(i64::from(turn) * 10_000);
        if turn < 100 && turn % 2 == 0 {
            path.handle_rtp(now, rtp_address(1), &packet(8, turn / 2, turn * 80, &[0xD5; 160]));
        } else if turn == 100 {
            path.handle_rtp(now, rtp_address(1), &packet(13, 50, 8000, &[56]));
        }
        let mut frame = [0; FRAME];
        path.playback(at(i64::from(turn) * 10_000 + 5_000), &mut frame);
        heard.extend(frame);
    }
    // -56 dBov is -49.85 dBm0.
    let level_dbm0 = level::rms_dbm0(&heard[16_000..]);
    assert!((level_dbm0 + 49.85).abs() < 1.0, "{level_dbm0}");
    assert_eq!(path.stats().unwrap().concealed_ms, 0);
}

/// Two clocks 200 ppm apart, a pure tone: the buffer's corrections are never heard as steps.
#[test]
fn drift_makes_no_clicks() {
    for drift_ppm in [-200.0, 200.0] {
        let mut world = World::new(2, VoiceConfig::default(), 3_000, drift_ppm);
        let mut place = 0;
        world.sides[0].telephone = Box::new(move |_, _| {
            std::array::from_fn(|_| {
                place += 1;
                sine(place)
            })
        });
        world.run(120_000_000);
        let stats = world.sides[1].path.stats().unwrap();
        let step = largest_step(&world.sides[1].heard[16_000..]);
        assert!(step < 2_700, "{drift_ppm} ppm: {step}, {stats:?}");
    }
}

#[test]
fn the_volume_of_an_event_is_the_level_of_its_tone() {
    for (volume, expected_dbm0) in [(3, -3.0), (10, -10.0), (25, -25.0), (63, -36.0)] {
        let mut path = path();
        let mut heard = Vec::new();
        for turn in 0..40u32 {
            let now = at(i64::from(turn) * 10_000);
            if turn < 30 && turn % 2 == 0 {
                let duration = (turn * 80 + 160) as u16;
                let payload = EventPayload {
                    event: 5,
                    end: turn == 28,
                    volume,
                    duration,
                };
                path.handle_rtp(
                    now,
                    rtp_address(1),
                    &packet(101, turn / 2, 0, &payload.to_bytes()),
                );
            }
            let mut frame = [0; FRAME];
            path.playback(now, &mut frame);
            heard.extend(frame);
        }
        let level_dbm0 = level::rms_dbm0(&heard[800..2000]);
        assert!(
            (level_dbm0 - expected_dbm0).abs() < 0.5,
            "volume {volume}: {level_dbm0}"
        );
        let mut keys = 0;
        Detector::new().process(&heard, &mut |report| {
            keys += usize::from(matches!(report, DtmfReport::Down { .. }))
        });
        assert_eq!(keys, 1);
    }
}

/// Only one packet of an event came, whichever it was: one key, a tone that ends by itself.
#[test]
fn one_packet_is_enough_for_a_key() {
    for end in [false, true] {
        let mut receiver = EventReceiver::new();
        let payload = EventPayload {
            event: 11,
            end,
            volume: 10,
            duration: 800,
        };
        assert_eq!(
            receiver.packet(5, false, payload).map(|key| key.as_char()),
            Some('#')
        );
        assert_eq!(receiver.packet(5, false, payload), None);
        let played = (0..1000).filter(|_| receiver.play(80).is_some()).count();
        assert_eq!(played, if end { 10 } else { 18 });
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    /// Whatever packets come in whatever order, a turn is always answered, and a sample that was sent once is
    /// played once at most. (Within half a second: what is further behind begins a new stream.)
    #[test]
    fn nothing_is_played_twice(
        packets in proptest::collection::vec((0..40u32, 0..2u32), 1..50),
        start in any::<u32>(),
    ) {
        let mut buffer = JitterBuffer::new(JitterConfig::default());
        let mut highest = None;
        let mut played = [0u32; 130];
        let mut now_us = 0;
        for (number, turns) in packets {
            let newest = highest.is_none_or(|highest| number > highest);
            if newest {
                highest = Some(number);
            }
            // Loud, so that nothing is repeated or left out as silence; each packet has a level of its own.
            let samples = [1000 + number as i16; 160];
            buffer.insert(now_us, start.wrapping_add(number * 160), newest, &samples);
            for _ in 0..turns {
                now_us += 10_000;
                let mut block = [0; FRAME];
                if buffer.pull(now_us, &mut block) == Pulled::Audio {
                    played[(block[0] - 1000) as usize] += 1;
                    prop_assert!(block.iter().all(|sample| *sample == block[0]));
                }
            }
        }
        prop_assert!(played.iter().all(|blocks| *blocks <= 2), "{:?}", played);
    }
}
