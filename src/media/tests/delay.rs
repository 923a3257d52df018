//! How long audio is under way: the figure that baresip reaches with 44 to 49 ms.

use super::world::{Micros, World, at, params, rtp_address};
use crate::dsp::FRAME;
use crate::media::rtp::{self, HEADER_BYTES, Header};
use crate::media::{JitterConfig, TransmitKind, VoiceCommand, VoiceConfig, VoicePath};

const PACKETS: i64 = 1000;

/// Sends 20 ms packets that arrive `phase_us` after the audio thread's turn, to a line whose telephone answers
/// what it hears at once. The time from speaking a click to hearing it (20 ms of packet fill included), in ms.
/// `moved`: the turns may be moved.
fn loop_delays(phase_us: Micros, jitter_us: Micros, moved: bool) -> Vec<f64> {
    let mut path = VoicePath::new(&VoiceConfig::default(), 7);
    if moved {
        path.move_turns();
    }
    path.handle_command(at(0), VoiceCommand::OffHook(true));
    path.handle_command(at(0), VoiceCommand::Session(params(1)));
    let mut spoken = Vec::new();
    let mut heard = Vec::new();
    let mut frame = [0; FRAME];
    let mut turn_us = 0;
    for number in 0..PACKETS {
        let sent_us = number * 20_000 + phase_us;
        let arrives_us = sent_us + number * 7919 % (jitter_us + 1);
        // The turns before it arrives.
        while turn_us < arrives_us {
            path.playback(at(turn_us), &mut frame);
            path.capture(at(turn_us), &frame);
            heard_in(&mut path, turn_us, &mut heard);
            turn_us += 10_000 - path.turn_sooner_by().as_micros() as Micros;
        }
        let mut payload = [0xD5; 160];
        // A click every second, at a different place each time.
        if number % 50 == 25 {
            let place = (number * 13 % 150) as usize;
            payload[place..place + 8].fill(0xAA);
            spoken.push(sent_us - 20_000 + place as i64 * 125);
        }
        let mut packet = [0; HEADER_BYTES + 160];
        let (head, rest) = packet.split_first_chunk_mut().unwrap();
        Header {
            marker: number == 0,
            payload_type: 8,
            sequence: number as u16,
            timestamp: number as u32 * 160,
            ssrc: 99,
        }
        .write(head);
        rest.copy_from_slice(&payload);
        path.handle_rtp(at(arrives_us), rtp_address(1), &packet);
    }
    assert!(
        heard.len() + 1 >= spoken.len() && heard.len() > 15,
        "{} of {}",
        heard.len(),
        spoken.len()
    );
    spoken
        .iter()
        .zip(&heard)
        .map(|(spoken, heard)| (heard - spoken) as f64 / 1000.0)
        .collect()
}

/// Where a click is in what the path sends at `now_us`.
fn heard_in(path: &mut VoicePath, now_us: Micros, heard: &mut Vec<Micros>) {
    while let Some(packet) = path.poll_transmit() {
        if packet.kind != TransmitKind::Rtp {
            continue;
        }
        let (_, payload) = rtp::parse(packet.bytes).unwrap();
        let loud = payload.iter().position(|code| (code ^ 0x55) & 0x7F > 0x60);
        if let Some(place) = loud {
            heard.push(now_us + place as i64 * 125);
        }
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// `cargo test --lib media::tests::delay -- --nocapture` prints the table.
#[test]
fn the_loop_takes_at_most_40_ms_in_a_quiet_network() {
    let (mut all, mut all_moved) = (Vec::new(), Vec::new());
    for phase_us in (200..10_000).step_by(500) {
        // 0.3 ms: a loaded machine's loopback.
        let delays = loop_delays(phase_us, 300, false);
        let moved = loop_delays(phase_us, 300, true);
        println!(
            "packets {:4.1} ms after the turn: loop {:.1} ms, {:.1} ms where turns are moved",
            phase_us as f64 / 1000.0,
            median(delays.clone()),
            median(moved.clone()),
        );
        // What a virtual line has, whatever the chance of its phase; its first seconds are as those of others.
        assert!(median(moved.clone()) <= 34.0, "{phase_us}: {moved:?}");
        all.extend(delays);
        all_moved.extend(moved);
    }
    for (name, all, most) in [("by a card's clock", all, 40.0), ("turns moved", all_moved, 34.0)] {
        let largest = all.iter().copied().fold(0.0, f64::max);
        let median = median(all);
        println!(
            "loop RTP -> line -> RTP, 20 ms packets, {name}: median {median:.1} ms, largest {largest:.1} ms"
        );
        assert!(median <= most, "{median}");
        assert!(largest <= 55.0, "{largest}");
    }
}

/// Two lines that both move their turns towards each other's packets come to rest.
#[test]
fn two_lines_without_a_crystal_do_not_chase_each_other() {
    for phase_us in [0, 1_000, 4_300, 9_000] {
        let mut world = World::new(3, VoiceConfig::default(), phase_us, 0.0);
        for side in 0..2 {
            world.sides[side].telephone = super::world::talker();
            world.move_turns(side);
        }
        world.run(120_000_000);
        for side in &world.sides {
            let ahead_ms = side.heard.len() as i64 / 8 - 120_000;
            assert!((-10..=20).contains(&ahead_ms), "{ahead_ms} ms");
            let stats = side.path.stats().unwrap();
            assert_eq!((stats.concealed_ms, stats.late_packets), (0, 0), "{stats:?}");
        }
    }
}

/// Speech is under way for no longer than what jitter asks for.
#[test]
fn depth_follows_jitter_up_and_down() {
    let mut world = World::new(3, VoiceConfig::default(), 3_000, 0.0);
    world.sides[0].telephone = super::world::talker();
    world.run(20_000_000);
    let quiet = world.sides[1].path.depth_ms().unwrap();
    assert!(quiet < 13.0, "{quiet}");
    world.sides[0].link.jitter_us = 60_000;
    world.run(60_000_000);
    let rough = world.sides[1].path.depth_ms().unwrap();
    assert!((55.0..80.0).contains(&rough), "{rough}");
    world.sides[0].link.jitter_us = 0;
    world.run(120_000_000);
    let quiet = world.sides[1].path.depth_ms().unwrap();
    assert!(quiet < 13.0, "{quiet}");
}

/// Heard as speech that is not alike: each change of the jitter by a millisecond played it faster or slower for a while.
#[test]
fn jitter_less_than_the_shortest_delay_bends_no_speech() {
    let config = VoiceConfig {
        jitter: JitterConfig {
            min_ms: 5,
            ..JitterConfig::default()
        },
        ..VoiceConfig::default()
    };
    let mut world = World::new(5, config, 3_000, 0.0);
    world.move_turns(1);
    // 20 samples a period.
    let period = [0_i16, 2472, 4702, 6472, 7608, 8000, 7608, 6472, 4702, 2472];
    world.sides[0].telephone = Box::new(move |_, _| {
        std::array::from_fn(|place| {
            let value = period[place % 10];
            if place / 10 % 2 == 0 { value } else { -value }
        })
    });
    for seconds in 1..=60 {
        // A peer whose machine becomes busy.
        world.sides[0].link.jitter_us = if seconds <= 20 { 300 } else { 3_000 };
        world.run(seconds as i64 * 1_000_000);
    }
    let side = &world.sides[1];
    let stats = side.path.stats().unwrap();
    assert_eq!((stats.concealed_ms, stats.late_packets), (0, 0), "{stats:?}");
    let settled = &side.heard[10 * 8000..];
    // Playing 0.4 % faster moves a period by 0.08 samples, which is 200 at its steepest.
    let bent = settled
        .iter()
        .zip(&settled[20..])
        .filter(|(one, next)| one.abs_diff(**next) > 60);
    assert_eq!(bent.count(), 0, "samples of {}", settled.len());
}
