//! Loss, jitter and drift.

use std::fmt::Write;

use super::world::{Link, World, talker};
use crate::media::{SessionStats, VoiceConfig};

/// `moved`: the line that hears has no crystal.
fn run(seed: u64, link: Link, drift_ppm: f64, seconds: i64, moved: bool) -> (SessionStats, Vec<i16>) {
    let mut world = World::new(seed, VoiceConfig::default(), 4_300, drift_ppm);
    if moved {
        world.move_turns(1);
    }
    world.sides[0].telephone = talker();
    world.sides[0].link = Link {
        delay_us: 30_000,
        ..link
    };
    world.run(seconds * 1_000_000);
    let side = &world.sides[1];
    (side.path.stats().unwrap(), side.heard.clone())
}

fn table(losses: &[f64], moved: bool) -> String {
    let mut table =
        String::from("loss %  jitter ms  drift ppm | lost  late  concealed ms  mean wait ms  MOS\n");
    for &loss in losses {
        for jitter_ms in [0, 10, 40, 120] {
            for drift_ppm in [-200.0, 0.0, 200.0] {
                let link = Link {
                    loss,
                    jitter_us: jitter_ms * 1000,
                    ..Link::default()
                };
                let (stats, _) = run(11, link, drift_ppm, 60, moved);
                writeln!(
                    table,
                    "{:6}  {jitter_ms:9}  {drift_ppm:9} | {:4}  {:4}  {:12}  {:12.0}  {:.1}",
                    loss * 100.0,
                    stats.lost_packets,
                    stats.late_packets,
                    stats.concealed_ms,
                    stats.buffer_ms,
                    stats.mean_opinion_score(),
                )
                .unwrap();
            }
        }
    }
    table
}

#[test]
fn a_minute_of_every_network() {
    insta::assert_snapshot!(table(&[0.0, 0.01, 0.05, 0.2], false));
}

#[test]
fn a_minute_of_every_network_where_turns_are_moved() {
    insta::assert_snapshot!(table(&[0.0, 0.05], true));
}

/// 200 ppm for ten minutes are 120 ms: without following the clock six packets would be lost or doubled.
#[test]
fn drift_costs_nothing() {
    for drift_ppm in [-200.0, 200.0] {
        let (stats, _) = run(5, Link::default(), drift_ppm, 600, false);
        assert!(stats.concealed_ms <= 20, "{drift_ppm} ppm: {stats:?}");
        assert_eq!((stats.late_packets, stats.lost_packets), (0, 0));
        assert!(stats.buffer_ms < 14.0, "{stats:?}");
    }
}

#[test]
fn a_clean_stream_between_equal_clocks_passes_bit_by_bit() {
    let mut world = World::new(5, VoiceConfig::default(), 4_300, 0.0);
    world.sides[0].telephone = talker();
    world.run(20_000_000);
    let mut said = Vec::new();
    let mut line = talker();
    for _ in 0..2000 {
        said.extend(
            line(0, &[0; 80])
                .map(|sample| crate::dsp::g711::decode_alaw(crate::dsp::g711::encode_alaw(sample))),
        );
    }
    let heard = &world.sides[1].heard;
    let window = &heard[10 * 8000..15 * 8000];
    let found = (9 * 8000..10 * 8000).find(|&start| said[start..start + window.len()] == *window);
    assert!(found.is_some());
}

#[test]
fn doubled_and_reordered_packets_are_played_once() {
    let link = Link {
        doubled: 0.3,
        jitter_us: 35_000,
        ..Link::default()
    };
    let (stats, _) = run(5, link, 0.0, 60, false);
    assert!(stats.concealed_ms < 300, "{stats:?}");
    assert_eq!(stats.lost_packets, 0);
}

/// A stall of the network is not a delay for ever.
#[test]
fn a_stall_of_a_second_is_forgotten() {
    let mut world = World::new(9, VoiceConfig::default(), 4_300, 0.0);
    world.sides[0].telephone = talker();
    world.run(10_000_000);
    // Every packet of this second arrives at its end.
    for step in 0..50 {
        world.sides[0].link.delay_us = 1_000_000 - step * 20_000;
        world.run(10_000_000 + (step + 1) * 20_000);
    }
    world.sides[0].link.delay_us = 0;
    world.run(40_000_000);
    let depth = world.sides[1].path.depth_ms().unwrap();
    assert!(depth < 30.0, "{depth}");
}
