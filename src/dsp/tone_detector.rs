//! Says what a telephone hears: which frequencies, in which cadence, and so which call-progress tone of a zone.
//!
//! Every 25 ms the last 80 ms are measured by a bank of Goertzel filters and their strongest peaks are kept; the
//! level of each 25 ms makes bursts and pauses, those make a cadence, and a cadence is compared with the plans of
//! the zone. The cost is the same whatever is heard.

use super::SAMPLE_RATE_HZ;
use super::level::{SILENCE_DBM0, mean_square_to_dbm0};
use crate::zone::{Tone, TonePlan, ToneStep, Zone};

/// Samples measured at once: 80 ms, through a Hann window just enough to tell ringback's 440 from its 480 Hz.
const BLOCK: usize = 640;

/// Samples between two measurements.
const HOP: usize = 200;

/// Milliseconds between two measurements.
const HOP_MS: u32 = 25;

/// A burst that has lasted this long fills the block.
const WHOLE_MS: u32 = 100;

/// A pause is at least this much softer than its burst.
const PAUSE_DB: f32 = 12.0;

/// The bank: 300 to 2787 Hz.
const FIRST_HZ: f32 = 300.0;
const SPACING_HZ: f32 = 12.5;
const FILTERS: usize = 200;

/// Most frequencies of a tone told apart.
const PEAKS_MAX: usize = 4;

/// Nothing softer is a tone.
const LEVEL_MIN_DBM0: f32 = -45.0;

/// One frequency may be this far from the plan's.
const OFFSET_MAX_HZ: f32 = 16.0;

/// A burst or pause may be off by this share (IVRs take 16 to 20 %; blocks of 25 ms add to it).
const CADENCE_ERROR_MAX: f32 = 0.25;

/// Bursts and pauses kept.
const CADENCE_MAX: usize = 8;

/// No sound is called continuous before it has lasted this long.
const CONTINUOUS_MIN_MS: u32 = 400;

/// After a pause of this length what is soft may be a tone again: longer than any pause within a cadence.
const RESTED_MS: u32 = 6_400;

/// A tone is over when it has been silent this much longer than the longest pause of its cadence.
const OVER_MS: f32 = 100.0;

/// One Goertzel filter: the power of one frequency in a block of samples, two multiplications a sample.
#[derive(Clone, Copy, Debug)]
pub struct Goertzel {
    coefficient: f32,
}

impl Goertzel {
    /// Tuned to `frequency_hz`.
    pub fn new(frequency_hz: f32) -> Self {
        let angle = std::f32::consts::TAU * frequency_hz / SAMPLE_RATE_HZ as f32;
        Self {
            coefficient: 2.0 * angle.cos(),
        }
    }

    /// Mean square of the part of `samples` at the frequency, of a sine of 1 exactly 1/2 where whole periods fit.
    pub fn mean_square(self, samples: &[f32]) -> f32 {
        let (mut before, mut last) = (0.0, 0.0);
        for &sample in samples {
            (before, last) = (last, sample + self.coefficient * last - before);
        }
        let power = before * before + last * last - self.coefficient * before * last;
        2.0 * power / (samples.len() * samples.len()).max(1) as f32
    }
}

/// What is sounding, by frequencies.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Chord {
    /// Ascending; 0.0 in unused places.
    frequencies_hz: [f32; PEAKS_MAX],
    count: usize,
}

impl Chord {
    fn as_slice(&self) -> &[f32] {
        &self.frequencies_hz[..self.count]
    }

    fn is_like(&self, other: &[f32]) -> bool {
        self.count == other.len()
            && self
                .as_slice()
                .iter()
                .zip(other)
                .all(|(mine, theirs)| (mine - theirs).abs() <= OFFSET_MAX_HZ)
    }
}

/// One burst and the pause after it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Burst {
    chord: Chord,
    level_dbm0: f32,
    on_ms: u32,
    off_ms: u32,
}

/// What is heard, as it was at the end of a block.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Heard {
    /// Level of the last 25 ms.
    pub level_dbm0: f32,
    /// Frequencies that sound, ascending; 0.0 in unused places. All unused: silence, speech or noise.
    pub frequencies_hz: [f32; PEAKS_MAX],
    /// How long they have sounded.
    pub on_ms: u32,
}

/// Listens to one telephone's receiver.
#[derive(Clone, Debug)]
pub struct ToneDetector {
    bank: [Goertzel; FILTERS],
    window: [f32; BLOCK],
    /// The last 80 ms, oldest first, and how much of the newest hop is there.
    block: [f32; BLOCK],
    filled: usize,
    /// Newest last.
    bursts: [Burst; CADENCE_MAX],
    count: usize,
    heard: Heard,
}

impl Default for ToneDetector {
    fn default() -> Self {
        Self::new()
    }
}

impl ToneDetector {
    /// A detector that has heard nothing.
    pub fn new() -> Self {
        Self {
            bank: std::array::from_fn(|index| Goertzel::new(FIRST_HZ + SPACING_HZ * index as f32)),
            // Hann, scaled so that a sine keeps its power.
            window: std::array::from_fn(|index| {
                let across = (index as f32 + 0.5) / BLOCK as f32;
                1.0 - (std::f32::consts::TAU * across).cos()
            }),
            block: [0.0; BLOCK],
            filled: 0,
            bursts: [Burst::default(); CADENCE_MAX],
            count: 0,
            heard: Heard {
                level_dbm0: SILENCE_DBM0,
                frequencies_hz: [0.0; PEAKS_MAX],
                on_ms: 0,
            },
        }
    }

    /// Hears some more samples; `sink` gets what is heard once every 25 ms.
    pub fn process(&mut self, samples: &[i16], sink: &mut impl FnMut(Heard)) {
        for &sample in samples {
            self.block[BLOCK - HOP + self.filled] = f32::from(sample);
            self.filled += 1;
            if self.filled == HOP {
                self.filled = 0;
                self.look();
                self.block.copy_within(HOP.., 0);
                sink(self.heard);
            }
        }
    }

    /// What was heard last.
    pub fn heard(&self) -> Heard {
        self.heard
    }

    /// Which of the zone's tones is being heard: the one whose frequencies and cadence fit best. A cadence needs
    /// a burst and its pause; a continuous tone is named once it has lasted longer than any burst of the zone's at
    /// its frequencies. `None` again when the tone has stopped.
    pub fn recognise(&self, zone: &Zone) -> Option<Tone> {
        let bursts = &self.bursts[..self.count];
        let continuous_ms = self.longest_burst_ms(zone);
        let fits = Tone::ALL
            .into_iter()
            .filter_map(|tone| Some((tone, fit(zone.tone(tone), bursts, continuous_ms)?)));
        // Of tones that fit alike the first one listed: dial before its variants, busy before congestion.
        fits.min_by(|one, other| one.1.total_cmp(&other.1))
            .map(|(tone, _)| tone)
    }

    /// What the newest burst has to exceed not to be one of a cadence.
    fn longest_burst_ms(&self, zone: &Zone) -> u32 {
        let Some(newest) = self.bursts[..self.count].last() else {
            return CONTINUOUS_MIN_MS;
        };
        let steps = Tone::ALL.into_iter().flat_map(|tone| zone.tone(tone).steps());
        let alike = steps.filter(|step| sounds_like(step, &newest.chord));
        let longest_ms = alike.filter_map(|step| step.on_ms).max().unwrap_or(0);
        // E.180: cadences within 10 %.
        (longest_ms + longest_ms / 10 + HOP_MS).max(CONTINUOUS_MIN_MS)
    }

    fn look(&mut self) {
        let newest = &self.block[BLOCK - HOP..];
        let level_dbm0 =
            mean_square_to_dbm0(newest.iter().map(|value| value * value).sum::<f32>() / HOP as f32);
        let chord = if level_dbm0 >= LEVEL_MIN_DBM0 {
            self.chord()
        } else {
            Chord::default()
        };
        self.note(level_dbm0, chord);
        let sounding = self.bursts[..self.count]
            .last()
            .filter(|burst| burst.off_ms == 0 && burst.chord.count > 0);
        self.heard = Heard {
            level_dbm0,
            frequencies_hz: sounding.map_or([0.0; PEAKS_MAX], |burst| burst.chord.frequencies_hz),
            on_ms: sounding.map_or(0, |burst| burst.on_ms),
        };
    }

    /// The peaks of the bank, where they are what the block consists of.
    fn chord(&self) -> Chord {
        let windowed: [f32; BLOCK] = std::array::from_fn(|index| self.block[index] * self.window[index]);
        // The window takes the mean square of anything steady times 3/2, and leaves a sine's peak as it is.
        let mean_square = windowed.iter().map(|value| value * value).sum::<f32>() / BLOCK as f32 / 1.5;
        let powers: [f32; FILTERS] = std::array::from_fn(|index| self.bank[index].mean_square(&windowed));
        let strongest = powers.iter().copied().fold(0.0, f32::max);
        let mut peaks = [(0.0_f32, 0.0_f32); PEAKS_MAX];
        let mut explained = 0.0;
        for index in 1..FILTERS - 1 {
            let [left, here, right] = [powers[index - 1], powers[index], powers[index + 1]];
            // 14 dB under the strongest is the window's skirt or noise.
            if here < left || here <= right || here < 0.04 * strongest {
                continue;
            }
            let (left_db, here_db, right_db) = (left.log10(), here.log10(), right.log10());
            let curve = left_db - 2.0 * here_db + right_db;
            let shift = if curve < 0.0 {
                0.5 * (left_db - right_db) / curve
            } else {
                0.0
            };
            let frequency_hz = FIRST_HZ + SPACING_HZ * (index as f32 + shift.clamp(-0.5, 0.5));
            explained += here;
            if let Some(weakest) = peaks.iter_mut().min_by(|a, b| a.0.total_cmp(&b.0))
                && weakest.0 < here
            {
                *weakest = (here, frequency_hz);
            }
        }
        let mut chord = Chord::default();
        // Speech and noise spread over many more peaks and leave most of themselves between them.
        if explained < 0.5 * mean_square || peaks.iter().map(|peak| peak.0).sum::<f32>() < 0.45 * mean_square
        {
            return chord;
        }
        peaks.sort_by(|a, b| a.1.total_cmp(&b.1));
        for (_, frequency_hz) in peaks.into_iter().filter(|peak| peak.0 > 0.0) {
            chord.frequencies_hz[chord.count] = frequency_hz;
            chord.count += 1;
        }
        chord
    }

    /// Adds 25 ms to the cadence.
    fn note(&mut self, level_dbm0: f32, chord: Chord) {
        let newest = self.bursts[..self.count].last_mut();
        let floor = newest
            .as_ref()
            .map_or(LEVEL_MIN_DBM0, |burst| burst.level_dbm0 - PAUSE_DB);
        // After a long pause what is soft may be a tone again.
        let rested = newest.as_ref().is_none_or(|burst| burst.off_ms > RESTED_MS);
        let sounds = level_dbm0 >= LEVEL_MIN_DBM0 && (rested || level_dbm0 >= floor);
        match newest {
            None if !sounds => {}
            Some(burst) if !sounds => burst.off_ms = burst.off_ms.saturating_add(HOP_MS),
            Some(burst) if burst.off_ms == 0 && !burst.is_followed_by(&chord) => {
                burst.on_ms = burst.on_ms.saturating_add(HOP_MS);
                burst.level_dbm0 = burst.level_dbm0.max(level_dbm0);
                burst.chord = chord;
            }
            _ => {
                if self.count == CADENCE_MAX {
                    self.bursts.rotate_left(1);
                    self.count -= 1;
                }
                self.bursts[self.count] = Burst {
                    chord,
                    level_dbm0,
                    on_ms: HOP_MS,
                    off_ms: 0,
                };
                self.count += 1;
            }
        }
    }
}

impl Burst {
    /// How far this burst and its pause are from `step`, 0 at best; `None` where they are something else.
    fn error(&self, step: &ToneStep) -> Option<f32> {
        let on = (self.on_ms as f32 / step.on_ms?.max(1) as f32 - 1.0).abs();
        let off = (self.off_ms as f32 / step.off_ms.max(1) as f32 - 1.0).abs();
        let fits = sounds_like(step, &self.chord) && on < CADENCE_ERROR_MAX && off < CADENCE_ERROR_MAX;
        fits.then_some(on + off)
    }

    /// Whether `chord` is another tone that begins without a pause.
    fn is_followed_by(&self, chord: &Chord) -> bool {
        self.on_ms >= WHOLE_MS
            && self.chord.count > 0
            && chord.count > 0
            && !self.chord.is_like(chord.as_slice())
    }
}

/// How far what was heard is from `plan`, 0 at best; `None` where it is something else.
fn fit(plan: &TonePlan, bursts: &[Burst], continuous_ms: u32) -> Option<f32> {
    let newest = bursts.last()?;
    let steps = plan.steps();
    let longest_pause_ms = steps.iter().map(|step| step.off_ms).max()?;
    if newest.off_ms as f32 > longest_pause_ms as f32 * (1.0 + CADENCE_ERROR_MAX) + OVER_MS {
        return None;
    }
    if newest.off_ms == 0 && newest.on_ms >= continuous_ms {
        let step = steps.last().filter(|step| step.on_ms.is_none())?;
        return sounds_like(step, &newest.chord).then(|| more_steps(plan));
    }
    // The newest burst or its pause may not be over: those before it tell the cadence, where there are any.
    let whole = match bursts {
        [only] if only.off_ms > 0 => bursts,
        [before @ .., _] => before,
        [] => return None,
    };
    if !plan.repeats() || steps.is_empty() {
        return None;
    }
    // As many bursts as the cadence has, beginning with any of its steps.
    let heard = &whole[whole.len().checked_sub(steps.len())?..];
    let error_from = |first: usize| {
        let pairs = heard.iter().zip(steps.iter().cycle().skip(first));
        pairs.map(|(burst, step)| burst.error(step)).sum::<Option<f32>>()
    };
    let least = (0..steps.len()).filter_map(error_from).min_by(f32::total_cmp)?;
    Some(least / steps.len() as f32 + more_steps(plan))
}

/// Plans of many steps fit anything more easily: of two that fit, the plainer one is meant.
fn more_steps(plan: &TonePlan) -> f32 {
    0.05 * plan.steps().len().saturating_sub(1) as f32
}

/// Whether the step's frequencies are those heard.
fn sounds_like(step: &ToneStep, chord: &Chord) -> bool {
    let mut wanted = [0.0; PEAKS_MAX];
    let mut count = 0;
    for &frequency_hz in step
        .frequencies_hz
        .iter()
        .filter(|&&frequency_hz| frequency_hz > 0.0)
    {
        wanted[count] = frequency_hz;
        count += 1;
    }
    let wanted = &mut wanted[..count];
    wanted.sort_by(f32::total_cmp);
    count > 0 && chord.is_like(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dsp::signal::{Seeded, Signal};
    use crate::dsp::tone::TonePlayer;

    fn hear(samples: &[i16]) -> ToneDetector {
        let mut detector = ToneDetector::new();
        samples
            .chunks(80)
            .for_each(|frame| detector.process(frame, &mut |_| {}));
        detector
    }

    #[test]
    fn frequencies_and_levels_are_told() {
        let mut signal = Signal::silence_ms(500.0);
        signal.hum(350.0, -13.0, 0.1).hum(440.0, -13.0, 0.3);
        let heard = hear(&signal.samples()).heard();
        assert!((heard.level_dbm0 + 10.0).abs() < 1.0, "{heard:?}");
        assert!((heard.frequencies_hz[0] - 350.0).abs() < 12.0, "{heard:?}");
        assert!((heard.frequencies_hz[1] - 440.0).abs() < 12.0, "{heard:?}");
        assert_eq!(heard.frequencies_hz[2], 0.0);
        assert!(heard.on_ms >= 400, "{heard:?}");
    }

    #[test]
    fn noise_is_no_tone() {
        let mut signal = Signal::silence_ms(500.0);
        signal.noise(-20.0, &mut Seeded::new(3));
        assert_eq!(hear(&signal.samples()).heard().on_ms, 0);
    }

    #[test]
    fn a_goertzel_filter_measures_its_frequency() {
        let samples: Vec<f32> = (0..200)
            .map(|index| (index as f32 * std::f32::consts::TAU / 8.0).sin())
            .collect();
        assert!((Goertzel::new(1000.0).mean_square(&samples) - 0.5).abs() < 1e-3);
        assert!(Goertzel::new(2000.0).mean_square(&samples) < 1e-4);
    }

    #[test]
    fn the_tones_of_a_zone_are_named() {
        for code in ["us", "de", "ua", "gb", "fr", "se"] {
            let zone = crate::zone::zone(code).unwrap();
            for tone in [Tone::Dial, Tone::Ringback, Tone::Busy] {
                let mut player = TonePlayer::new();
                player.start(zone.tone(tone));
                let mut samples = vec![0; 8 * 16_100];
                player.fill(&mut samples);
                assert_eq!(hear(&samples).recognise(&zone), Some(tone), "{code} {tone:?}");
            }
        }
    }

    #[test]
    fn dial_tone_is_named_within_a_second_and_a_half_and_is_over_when_it_stops() {
        let zone = crate::zone::zone("ua").unwrap();
        let mut player = TonePlayer::new();
        player.start(zone.tone(Tone::Dial));
        let mut detector = ToneDetector::new();
        let mut named = Vec::new();
        for frame_number in 0..400 {
            let mut frame = [0; 80];
            if frame_number < 200 {
                player.fill(&mut frame);
            }
            detector.process(&frame, &mut |_| {});
            let tone = detector.recognise(&zone);
            if named.last().is_none_or(|(_, last)| *last != tone) {
                named.push((frame_number * 10, tone));
            }
        }
        assert!(
            matches!(named[..], [(0, None), (at_ms, Some(Tone::Dial)), (2000..2200, None)] if at_ms < 1500),
            "{named:?}"
        );
    }
}
