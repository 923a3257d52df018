//! Keys as telephone-events, from the telephone's tones to the far telephone's tones.

use super::world::{Link, Micros, Telephone, World};
use crate::dsp::dtmf::{Detector, DtmfReport, Generator};
use crate::dsp::{FRAME, Key};
use crate::media::event_receiver::EventPayload;
use crate::media::rtp;
use crate::media::{TransmitKind, VoiceCommand, VoiceConfig};

/// A telephone on which `keys` are pressed, `on_ms` and `off_ms` long.
fn dialler(keys: &str, start_us: Micros, on_ms: u32, off_ms: u32) -> Telephone {
    let mut keys: Vec<Key> = keys.chars().rev().filter_map(Key::from_char).collect();
    let mut generator = Generator::new();
    Box::new(move |now_us, _| {
        if now_us >= start_us
            && !generator.is_playing()
            && let Some(key) = keys.pop()
        {
            generator.play(key, -8.0, on_ms, off_ms);
        }
        let mut frame = [0; FRAME];
        generator.fill(&mut frame);
        frame
    })
}

/// What a detector makes of what a telephone hears: keys and the lengths of their tones.
fn tones(heard: &[i16]) -> Vec<(char, u32)> {
    let mut found = Vec::new();
    Detector::new().process(heard, &mut |report| {
        if let DtmfReport::Up {
            key,
            start_sample,
            end_sample,
            ..
        } = report
        {
            found.push((key.as_char(), ((end_sample - start_sample) / 8) as u32));
        }
    });
    found
}

const ALL: &str = "1234567890*#ABCD5550019";

#[test]
fn every_key_arrives_exactly_once_whatever_is_lost() {
    for (loss, seed) in [(0.0, 1), (0.05, 2), (0.1, 3), (0.2, 4), (0.2, 5), (0.2, 6)] {
        let mut world = World::new(seed, VoiceConfig::default(), 2_000, 0.0);
        world.sides[0].telephone = dialler(ALL, 500_000, 80, 80);
        world.sides[0].link = Link {
            loss,
            jitter_us: 15_000,
            doubled: 0.1,
            ..Link::default()
        };
        world.run(8_000_000);
        assert_eq!(world.remote_keys(1), ALL, "loss {loss}, seed {seed}");
        let heard: String = tones(&world.sides[1].heard).iter().map(|(key, _)| *key).collect();
        assert_eq!(heard, ALL, "heard on the line, loss {loss}, seed {seed}");
    }
}

#[test]
fn a_tone_lasts_about_as_long_as_the_key() {
    for on_ms in [50, 100, 300, 1000] {
        let mut world = World::new(1, VoiceConfig::default(), 2_000, 0.0);
        world.sides[0].telephone = dialler("5", 500_000, on_ms, 80);
        world.run(3_000_000);
        let heard = tones(&world.sides[1].heard);
        assert_eq!(heard.len(), 1, "{heard:?}");
        let length = heard[0].1;
        assert!(
            length.abs_diff(on_ms) <= 40 && length >= 45,
            "{on_ms} ms became {length} ms"
        );
    }
}

#[test]
fn little_of_the_key_leaks_into_the_audio() {
    for phase_ms in 0..10 {
        let mut world = World::new(1, VoiceConfig::default(), 2_000, 0.0);
        let mut line = dialler("5", 500_000, 200, 80);
        let mut before = vec![0i16; phase_ms * 8];
        world.sides[0].telephone = Box::new(move |now_us, heard| {
            before.extend_from_slice(&line(now_us, heard));
            let mut frame = [0; FRAME];
            frame.copy_from_slice(&before[..FRAME]);
            before.drain(..FRAME);
            frame
        });
        world.run(2_000_000);
        let mut loud = 0;
        for (_, _, bytes) in world.sides[0]
            .sent
            .iter()
            .filter(|(_, kind, _)| *kind == TransmitKind::Rtp)
        {
            let (header, payload) = rtp::parse(bytes).unwrap();
            if header.payload_type == 8 {
                let quiet = |code: &u8| crate::dsp::g711::decode_alaw(*code).unsigned_abs() < 100;
                loud += payload.chunks(8).filter(|chunk| !chunk.iter().all(quiet)).count();
            }
        }
        assert!(loud <= 40, "{loud} ms of tone sent, {phase_ms} ms off the frame");
    }
}

#[test]
fn an_event_is_one_timestamp_one_marker_growing_durations_and_three_ends() {
    let mut world = World::new(1, VoiceConfig::default(), 2_000, 0.0);
    world.sides[0].telephone = dialler("7", 500_000, 200, 80);
    world.run(2_000_000);
    let sent = world.sides[0].sent.iter();
    let packets: Vec<_> = sent
        .filter(|(_, kind, _)| *kind == TransmitKind::Rtp)
        .filter_map(|(_, _, bytes)| rtp::parse(bytes))
        .filter(|(header, _)| header.payload_type == 101)
        .map(|(header, payload)| (header, EventPayload::parse(payload).unwrap()))
        .collect();
    assert!(packets.len() >= 10, "{packets:?}");
    assert!(
        packets
            .iter()
            .all(|(header, payload)| header.timestamp == packets[0].0.timestamp && payload.event == 7)
    );
    assert_eq!(packets.iter().filter(|(header, _)| header.marker).count(), 1);
    assert!(packets[0].0.marker);
    assert!(packets.is_sorted_by_key(|(_, payload)| payload.duration));
    let ends: Vec<_> = packets.iter().filter(|(_, payload)| payload.end).collect();
    assert_eq!(ends.len(), 3);
    assert!(
        ends.iter()
            .all(|(_, payload)| payload.duration == ends[0].1.duration)
    );
}

#[test]
fn pulsed_keys_are_sent_one_after_the_other() {
    let mut world = World::new(1, VoiceConfig::default(), 2_000, 0.0);
    world.run(100_000);
    for key in "9115".chars().filter_map(Key::from_char) {
        world.command(
            0,
            VoiceCommand::SendKey {
                key,
                duration_ms: 100,
            },
        );
    }
    world.run(3_000_000);
    assert_eq!(world.remote_keys(1), "9115");
    let heard = tones(&world.sides[1].heard);
    assert_eq!(heard.iter().map(|(key, _)| *key).collect::<String>(), "9115");
    assert!(
        heard.iter().all(|(_, length)| (80..130).contains(length)),
        "{heard:?}"
    );
}

#[test]
fn a_key_held_for_20_s_is_one_key() {
    let mut world = World::new(1, VoiceConfig::default(), 2_000, 0.0);
    world.sides[0].telephone = dialler("0", 500_000, 20_000, 80);
    world.run(22_000_000);
    assert_eq!(world.remote_keys(1), "0");
    let heard = tones(&world.sides[1].heard);
    assert_eq!(heard.len(), 1, "{heard:?}");
    assert!(heard[0].1.abs_diff(20_000) < 100, "{heard:?}");
}
