//! Packet-loss concealment in the manner of ITU-T G.711 Appendix I, without its 3.75 ms of delay.
//!
//! The last pitch period before the gap is repeated; after 10 ms the last two, after 20 ms the last three, which
//! keeps a long gap from buzzing. From 10 ms on the level falls by a fifth every 10 ms: silence at 60 ms. What
//! Appendix I delays its output for (blending the last quarter period before the gap) is done without delay by
//! letting the step at the seam die away over that quarter period.

/// Samples of the past kept: three periods of the lowest pitch and a quarter period (Appendix I: 48.75 ms).
const HISTORY: usize = 390;

/// Shortest and longest pitch period searched: 200 Hz to 66 Hz.
const PITCH_MIN: usize = 40;
const PITCH_MAX: usize = 120;

/// Samples compared in the search: 20 ms.
const COMPARED: usize = 160;

/// 10 ms, the step in which a gap grows.
const STEP: usize = 80;

/// Samples after which nothing is left of the signal.
const SILENT_AFTER: usize = 6 * STEP;

/// Longest blend of concealment into the signal that came back.
const BLEND_MAX: usize = 80;

/// Fills gaps in one stream of samples.
#[derive(Clone, Debug)]
pub struct Concealer {
    /// What was played last, newest at the end.
    history: [f32; HISTORY],
    gap: Option<Gap>,
}

/// A gap being filled.
#[derive(Clone, Copy, Debug)]
struct Gap {
    source: Source,
    /// Samples filled so far.
    filled: usize,
    /// Step between the last sample before the gap and what the repetition would have had there.
    seam: f32,
    /// The source before it last grew, blended out over a quarter period.
    before: [f32; PITCH_MAX / 4],
    before_at: usize,
}

/// One to three pitch periods read round and round.
#[derive(Clone, Copy, Debug)]
struct Source {
    /// The past when the gap began, its last quarter period blended so that the end runs into the start.
    samples: [f32; HISTORY],
    pitch: usize,
    periods: usize,
    offset: usize,
}

impl Default for Concealer {
    fn default() -> Self {
        Self::new()
    }
}

impl Concealer {
    /// A concealer that has heard silence.
    pub fn new() -> Self {
        Self {
            history: [0.0; HISTORY],
            gap: None,
        }
    }

    /// Whether the last samples were made up.
    pub fn is_concealing(&self) -> bool {
        self.gap.is_some()
    }

    /// Takes samples that arrived. After a gap their beginning is blended with the concealment.
    pub fn receive(&mut self, samples: &mut [i16]) {
        if let Some(mut gap) = self.gap.take() {
            let length = gap.blend_length();
            // A blend longer than these samples ends with them: the next ones are whole.
            let length = length.min(samples.len());
            for (index, sample) in samples.iter_mut().take(length).enumerate() {
                let share = (index + 1) as f32 / (length + 1) as f32;
                let blended = f32::from(*sample) * share + gap.next_value() * (1.0 - share);
                *sample = blended.round() as i16;
            }
        }
        self.remember(samples);
    }

    /// Makes samples up for a gap, as many as the slice holds.
    pub fn conceal(&mut self, samples: &mut [i16]) {
        let gap = self.gap.get_or_insert_with(|| Gap::new(&self.history));
        for sample in samples.iter_mut() {
            *sample = gap.next_value().round() as i16;
        }
        self.remember(samples);
    }

    fn remember(&mut self, samples: &[i16]) {
        let newest = &samples[samples.len().saturating_sub(HISTORY)..];
        self.history.copy_within(newest.len().., 0);
        let at = HISTORY - newest.len();
        for (slot, &sample) in self.history[at..].iter_mut().zip(newest) {
            *slot = f32::from(sample);
        }
    }
}

impl Gap {
    fn new(history: &[f32; HISTORY]) -> Self {
        let source = Source::new(history);
        let start = HISTORY - source.pitch;
        Self {
            seam: history[HISTORY - 1] - history[start - 1],
            source,
            filled: 0,
            before: [0.0; PITCH_MAX / 4],
            before_at: PITCH_MAX / 4,
        }
    }

    /// Appendix I: a quarter period, and 4 ms for every 10 ms the gap went on; 10 ms at most.
    fn blend_length(&self) -> usize {
        let more = self.filled.saturating_sub(1) / STEP * 32;
        (self.source.quarter() + more).min(BLEND_MAX)
    }

    #[inline]
    fn next_value(&mut self) -> f32 {
        if self.filled >= SILENT_AFTER {
            return 0.0;
        }
        if (self.filled == STEP || self.filled == 2 * STEP) && self.source.periods < 3 {
            self.grow();
        }
        let quarter = self.source.quarter();
        let mut value = self.source.next_value();
        if self.before_at < quarter {
            let share = (self.before_at + 1) as f32 / (quarter + 1) as f32;
            value = value * share + self.before[self.before_at] * (1.0 - share);
            self.before_at += 1;
        }
        if self.filled < quarter {
            value += self.seam * (1.0 - (self.filled + 1) as f32 / (quarter + 1) as f32);
        }
        let fall = self.filled.saturating_sub(STEP) as f32 / (SILENT_AFTER - STEP) as f32;
        self.filled += 1;
        value * (1.0 - fall)
    }

    /// Repeats one period more from here on.
    fn grow(&mut self) {
        let quarter = self.source.quarter();
        let mut ahead = self.source;
        for slot in &mut self.before[..quarter] {
            *slot = ahead.next_value();
        }
        self.before_at = 0;
        self.source.grow();
    }
}

impl Source {
    fn new(history: &[f32; HISTORY]) -> Self {
        let mut source = Self {
            samples: *history,
            pitch: pitch_of(history),
            periods: 1,
            offset: 0,
        };
        source.close(history);
        source
    }

    fn quarter(&self) -> usize {
        self.pitch / 4
    }

    /// Blends the end of the repeated part into what stands before its start.
    fn close(&mut self, history: &[f32; HISTORY]) {
        let quarter = self.quarter();
        let start = HISTORY - self.pitch * self.periods;
        for index in 0..quarter {
            let share = (index + 1) as f32 / (quarter + 1) as f32;
            let end = HISTORY - quarter + index;
            self.samples[end] = history[end] * (1.0 - share) + history[start - quarter + index] * share;
        }
    }

    #[inline]
    fn next_value(&mut self) -> f32 {
        let length = self.pitch * self.periods;
        let value = self.samples[HISTORY - length + self.offset];
        self.offset += 1;
        if self.offset == length {
            self.offset = 0;
        }
        value
    }

    fn grow(&mut self) {
        // The place within the period stays; the repetition now begins one period earlier.
        self.offset %= self.pitch;
        self.periods += 1;
        let history = self.samples;
        self.close(&history);
    }
}

/// The period of `history`'s end: the lag at which its last 20 ms resemble what was before them most.
fn pitch_of(history: &[f32; HISTORY]) -> usize {
    let likeness = |lag: usize, stride: usize| {
        let newest = history[HISTORY - COMPARED..].iter().step_by(stride);
        let older = history[HISTORY - COMPARED - lag..HISTORY - lag]
            .iter()
            .step_by(stride);
        let (mut product, mut energy) = (0.0_f32, 1.0_f32);
        for (new, old) in newest.zip(older) {
            product += new * old;
            energy += old * old;
        }
        product / energy.sqrt()
    };
    let best = |lags: &mut dyn Iterator<Item = usize>, stride| {
        let mut best = (PITCH_MIN, f32::MIN);
        for lag in lags {
            let likeness = likeness(lag, stride);
            if likeness > best.1 {
                best = (lag, likeness);
            }
        }
        best.0
    };
    let coarse = best(&mut (PITCH_MIN..=PITCH_MAX).step_by(2), 2);
    best(
        &mut (coarse.max(PITCH_MIN + 1) - 1..=(coarse + 1).min(PITCH_MAX)),
        1,
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::dsp::signal::Signal;

    /// A voice-like signal: a pitch of `hz` with five harmonics.
    fn voice(hz: f64, ms: f64) -> Vec<i16> {
        let mut signal = Signal::silence_ms(ms);
        for harmonic in 1..=5 {
            signal.hum(
                hz * f64::from(harmonic),
                -12.0 - 3.0 * harmonic as f32,
                0.1 * f64::from(harmonic),
            );
        }
        signal.samples()
    }

    /// Plays `samples` in frames with those of `lost` missing.
    fn with_loss(samples: &[i16], lost: std::ops::Range<usize>) -> Vec<i16> {
        let mut concealer = Concealer::new();
        let mut out = samples.to_vec();
        for (index, frame) in out.chunks_mut(80).enumerate() {
            if lost.contains(&index) {
                concealer.conceal(frame);
            } else {
                concealer.receive(frame);
            }
        }
        out
    }

    /// The largest second difference: what a click shows in.
    fn sharpest(samples: &[i16]) -> i32 {
        let bend =
            |window: &[i16]| (i32::from(window[0]) - 2 * i32::from(window[1]) + i32::from(window[2])).abs();
        samples.windows(3).map(bend).max().unwrap_or(0)
    }

    #[test]
    fn a_gap_of_20_ms_in_a_steady_voice_is_hardly_heard() {
        for hz in [70.0, 100.0, 133.0, 195.0] {
            let samples = voice(hz, 400.0);
            let out = with_loss(&samples, 20..22);
            let noise: f64 = samples
                .iter()
                .zip(&out)
                .map(|(a, b)| f64::from(a.abs_diff(*b)).powi(2))
                .sum();
            let energy: f64 = samples[1600..1760].iter().map(|a| f64::from(*a).powi(2)).sum();
            assert!(noise < 0.12 * energy, "{hz} Hz: {noise} of {energy}");
        }
    }

    #[test]
    fn neither_seam_clicks() {
        for hz in [70.0, 91.0, 133.0, 217.0, 340.0] {
            for frames in 1..=8 {
                let samples = voice(hz, 400.0);
                let out = with_loss(&samples, 20..20 + frames);
                // A step at a seam would show at its full height, some thousands.
                let usual = sharpest(&samples);
                assert!(
                    sharpest(&out) < usual * 3 / 2,
                    "{hz} Hz, {frames} frames: {} {usual}",
                    sharpest(&out)
                );
            }
        }
    }

    #[test]
    fn a_long_gap_falls_silent_at_60_ms() {
        let out = with_loss(&voice(133.0, 400.0), 20..40);
        assert!(out[1600..1680].iter().any(|&sample| sample.abs() > 1000));
        assert!(out[1600 + 480..].iter().all(|&sample| sample == 0) || out.len() > 3200);
        assert!(out[1600 + 480..3200].iter().all(|&sample| sample == 0));
    }

    #[test]
    fn what_arrives_without_gaps_is_untouched() {
        let samples = voice(133.0, 200.0);
        assert_eq!(with_loss(&samples, 0..0), samples);
    }

    #[test]
    fn silence_stays_silence() {
        let out = with_loss(&[0; 1600], 5..12);
        assert!(out.iter().all(|&sample| sample == 0));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        /// Nothing louder than twice what was heard comes out, and nothing panics, whatever comes in and goes
        /// missing in pieces of any length.
        #[test]
        fn output_is_bounded(peak in 1_i16..=16_000, pieces in proptest::collection::vec((any::<bool>(), 0_usize..500), 0..20), seed in any::<u64>()) {
            let mut seeded = crate::dsp::signal::Seeded::new(seed);
            let mut concealer = Concealer::new();
            for (lost, length) in pieces {
                let mut piece: Vec<i16> = (0..length)
                    .map(|_| seeded.between(-f64::from(peak), f64::from(peak)) as i16)
                    .collect();
                if lost {
                    concealer.conceal(&mut piece);
                } else {
                    concealer.receive(&mut piece);
                }
                prop_assert!(piece.iter().all(|sample| i32::from(*sample).abs() <= 3 * i32::from(peak) + 1));
            }
        }
    }
}
