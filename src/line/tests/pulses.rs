//! Dial pulses of every speed, ratio and contact a dial may have.

use std::fmt::Write;

use super::rig::Rig;
use crate::line::{DigitSource, Expectation, LineEvent, LineOutput};
use crate::zone::PulseMapping;

/// Digits dialled right out of all of them: 1 to 12 pulses each, at bounces of 0 to 5 ms, under `mapping`.
fn right(
    country: &str,
    mapping: PulseMapping,
    expectation: Expectation,
    pps: f64,
    break_percent: f64,
) -> (u32, u32) {
    let keys = match mapping {
        PulseMapping::General => "1234567890*#",
        PulseMapping::Swedish => "0123456789*#",
        PulseMapping::NewZealand => "9876543210*#",
    };
    let (mut right, mut dialled) = (0, 0);
    for bounce_us in (0..=5).map(|ms| ms * 1000) {
        let mut rig = Rig::with(country, |config| {
            std::sync::Arc::make_mut(&mut config.zone).pulse_mapping = mapping;
        });
        rig.expect(expectation);
        rig.contact_us(true, 0, bounce_us);
        let mut from_us = 500_000;
        for pulses in 1..=12 {
            from_us = rig.pulses_us(from_us, pulses, pps, break_percent, bounce_us) + 700_000;
        }
        rig.run_for(2000);
        let heard: Vec<_> = rig
            .events()
            .into_iter()
            .filter(|event| event.starts_with("digit") || event.starts_with("flash"))
            .collect();
        for (key, heard) in keys.chars().zip(&heard) {
            right += u32::from(*heard == format!("digit {key}"));
        }
        dialled += 12;
    }
    (right, dialled)
}

fn matrix(country: &str, expectation: Expectation) -> String {
    let mut table = format!(
        "{country}, {expectation:?}: digits right of those dialled, 1 to 12 pulses, bounce 0 to 5 ms, three mappings\n"
    );
    let ratios = [45, 50, 55, 60, 65, 70, 75];
    table.push_str("  pps");
    for ratio in ratios {
        let _ = write!(table, "{:>9}", format!("{ratio} %"));
    }
    table.push('\n');
    for pps in 7..=14 {
        let _ = write!(table, "{pps:>5}");
        for ratio in ratios {
            let mut sum = (0, 0);
            for mapping in [
                PulseMapping::General,
                PulseMapping::Swedish,
                PulseMapping::NewZealand,
            ] {
                let (right, dialled) = right(country, mapping, expectation, pps.into(), ratio.into());
                sum = (sum.0 + right, sum.1 + dialled);
            }
            let _ = write!(table, "{:>9}", format!("{}/{}", sum.0, sum.1));
        }
        table.push('\n');
    }
    table
}

#[test]
fn matrix_while_digits_are_awaited() {
    insta::assert_snapshot!("pulse_matrix_us", matrix("us", Expectation::Digits));
    insta::assert_snapshot!("pulse_matrix_gb", matrix("gb", Expectation::Digits));
}

#[test]
fn speed_and_ratio_are_measured() {
    for (pps, percent) in [(8.0, 67.0), (10.0, 61.0), (12.0, 50.0)] {
        let mut rig = Rig::new("us");
        rig.edge(true, 0);
        rig.pulses_us(1_000_000, 9, pps, percent, 4000);
        rig.run_for(1000);
        let measured = rig.outputs.iter().find_map(|(_, output)| match output {
            LineOutput::Event(LineEvent::Digit {
                source:
                    DigitSource::Pulse {
                        speed_pps,
                        break_percent,
                    },
                ..
            }) => Some((*speed_pps, *break_percent)),
            _ => None,
        });
        let (speed_pps, break_percent) = measured.unwrap();
        assert!((speed_pps - pps as f32).abs() < 0.01, "{speed_pps} of {pps}");
        assert!(
            (break_percent - percent as f32).abs() < 0.1,
            "{break_percent} of {percent}"
        );
    }
}

#[test]
fn more_than_twelve_pulses_are_no_digit() {
    let mut rig = Rig::new("us");
    rig.edge(true, 0);
    rig.pulses_us(1_000_000, 13, 10.0, 60.0, 0);
    rig.run_for(1000);
    assert_eq!(
        rig.events(),
        [
            "off-hook 0",
            "pulsing",
            "rejected: more pulses than any digit has"
        ]
    );
}

#[test]
fn a_dial_that_varies_from_digit_to_digit() {
    let mut rig = Rig::new("us");
    rig.edge(true, 0);
    let mut from_us = 1_000_000;
    for (pulses, pps, percent, bounce_us) in [
        (3, 8.0, 70.0, 2000),
        (10, 12.5, 55.0, 4000),
        (1, 10.0, 66.0, 0),
        (7, 9.1, 48.0, 3000),
    ] {
        from_us = rig.pulses_us(from_us, pulses, pps, percent, bounce_us) + 600_000;
    }
    rig.run_for(1000);
    assert_eq!(
        rig.events(),
        [
            "off-hook 0",
            "pulsing",
            "digit 3",
            "pulsing",
            "digit 0",
            "pulsing",
            "digit 1",
            "pulsing",
            "digit 7"
        ]
    );
}

#[test]
fn matrix_while_somebody_is_talking() {
    // A single pulse inside the recall window is a recall then: 18 of 216 are single.
    insta::assert_snapshot!("pulse_matrix_talking_us", matrix("us", Expectation::Conversation));
    insta::assert_snapshot!("pulse_matrix_talking_gb", matrix("gb", Expectation::Conversation));
}
