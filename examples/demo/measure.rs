//! How long sound takes from one person's mouth to the other's ear, by cross-correlation of what was said and heard.

use std::ops::Range;

use tipring::dsp::SAMPLE_RATE_HZ;

use crate::heard::{Heard, time_ms};

/// Samples compared at a time: 300 ms, so that a jitter buffer that changes its delay in between is seen doing so.
const WINDOW: usize = 2400;

/// The longest delay looked for, in samples: half a second.
const DELAY_MAX: usize = 4000;

/// A window quieter than this (mean square) says nothing about delay.
const QUIET: f64 = 10_000.0;

/// A delay from mouth to ear.
#[derive(Clone, Debug)]
pub struct Delay {
    /// Median over the windows, milliseconds.
    pub median_ms: f64,
    /// Least and most.
    pub range_ms: Range<f64>,
    /// Median of how alike said and heard are: 1 is the same wave.
    pub similarity: f64,
}

/// The delay of what `speaker` said by voice to `listener`'s ear; `None` where nothing alike was heard.
pub fn mouth_to_ear(speaker: &Heard, listener: &Heard) -> Option<Delay> {
    let speech = speaker.speech()?;
    let (said, heard) = (&speaker.recording.said, &listener.recording.heard);
    let mut found: Vec<(f64, f64)> = Vec::new();
    for start in speech.samples.clone().step_by(WINDOW) {
        let Some(window) = said.get(start..start + WINDOW) else {
            continue;
        };
        if power(window) < QUIET * WINDOW as f64 {
            continue;
        }
        let spoken_ms = time_ms(&speaker.recording, start);
        let first = (spoken_ms - listener.recording.start_ms).max(0.0) * f64::from(SAMPLE_RATE_HZ) / 1000.0;
        let Some((at, similarity)) = best_match(window, heard, first as usize) else {
            continue;
        };
        found.push((time_ms(&listener.recording, at) - spoken_ms, similarity));
    }
    let median = |mut values: Vec<f64>| {
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied()
    };
    let delays: Vec<f64> = found.iter().map(|(delay_ms, _)| *delay_ms).collect();
    let least = delays.iter().copied().reduce(f64::min)?;
    let most = delays.iter().copied().reduce(f64::max)?;
    Some(Delay {
        median_ms: median(delays)?,
        range_ms: least..most,
        similarity: median(found.into_iter().map(|(_, similarity)| similarity).collect())?,
    })
}

/// Where in `heard`, from `first` on, the window is found, and how alike it is there.
fn best_match(window: &[i16], heard: &[i16], first: usize) -> Option<(usize, f64)> {
    let own = power(window);
    (first..first + DELAY_MAX)
        .filter_map(|at| {
            let other = heard.get(at..at + window.len())?;
            let product: i64 = window
                .iter()
                .zip(other)
                .map(|(&said, &heard)| i64::from(i32::from(said) * i32::from(heard)))
                .sum();
            let alike = product as f64 / (own * power(other)).sqrt().max(1.0);
            Some((at, alike))
        })
        .max_by(|one, other| one.1.total_cmp(&other.1))
}

fn power(samples: &[i16]) -> f64 {
    let sum: i64 = samples
        .iter()
        .map(|&sample| i64::from(i32::from(sample) * i32::from(sample)))
        .sum();
    sum as f64
}
