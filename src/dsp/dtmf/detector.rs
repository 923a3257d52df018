//! Hears keys, at the edges of what the standards allow (ITU-T Q.24 Annex A, ETSI ES 201 235-3).
//!
//! A filter a group of tones shows what sounds in it once a millisecond (see [`super::bands`]). Where both
//! groups hold one steady tone each, near a tone of Q.23, a key is suspected. It counts once both have sounded
//! for [`TONE_TICKS`] in one piece and everything else fits: both frequencies, measured on those milliseconds and
//! not on a fixed raster, level, twist, how much of each group's energy is in that one tone, and how much sounds
//! besides. The key is up when its tones have been away for [`PAUSE_TICKS`].

use super::bands::{Bands, DELAY_SAMPLES, TICK, Tick, wide_gain};
use super::group::{Group, LEVEL_MIN_DBM0, MEASURED, Measured, OFFSET_MAX, PAST, PRESENT, QUICK};
use super::{HIGH_GROUP_HZ, LOW_GROUP_HZ, key_at};
use crate::dsp::Key;
use crate::dsp::level::{amplitude, mean_square_to_dbm0};

/// Milliseconds a tone must have lasted. Q.24: 23 is to be ignored, 40 to be accepted; here a tone of 25 is the
/// shortest, and is reported 5 ms later, when its end can be excluded.
const TONE_TICKS: usize = 25;

/// Milliseconds by which a key has fitted, if ever: what has sounded longer and only then looks like one is a
/// vowel, unless it is clean.
const PROMPT_TICKS: usize = 40;

/// Milliseconds of absence that end a key. Q.24: gaps of 10 are ridden over, pauses of 40 are heard; here
/// everything to 22 is a gap and everything from 26 a pause.
const PAUSE_TICKS: u64 = 24;

/// How far a key may be from its nominal shape.
struct Limits {
    /// Offset of each frequency, as a share of it.
    offset: f32,
    /// High group over low group, in dB.
    twist_db: std::ops::RangeInclusive<f32>,
}

/// For keys with noise or speech about them: what the standards require (1.5 % + 2 Hz, which is 1.8 % at 697 Hz,
/// heard and 3.5 % not; -8 to +4 dB), and a little for errors of measurement.
const REQUIRED: Limits = Limits {
    offset: 0.022,
    twist_db: -9.0..=5.0,
};

/// For clean keys: more, since speech is never that clean.
const CLEAN: Limits = Limits {
    offset: OFFSET_MAX,
    twist_db: -10.8..=6.8,
};

/// Share of the groups' energy beside the two tones at most: white noise 12 dB under the key brings 0.02. In
/// speech it is less than twice that once in hours, all else fitting.
const RESIDUE_MAX: f32 = 0.035;

/// With less than this beside the tones (white noise 15 dB under the key) a key counts at once; with more, speech
/// must be told from noise: it has to fit for [`DOUBTFUL_TICKS`].
const RESIDUE_PLAIN: f32 = 0.012;

/// Milliseconds in a row for which a noisy key must fit. Speech seldom does for more than one or two.
const DOUBTFUL_TICKS: u32 = 4;

/// Share of the groups' energy beside the two tones in a clean key; A-law's own noise brings less.
const RESIDUE_CLEAN: f32 = 0.005;

/// Share of each group's energy that must be in its tone.
const PURITY_MIN: f32 = 0.89;

/// Energy in the speech band at most, in multiples of what the two tones bring there.
const WIDE_MAX: f32 = 4.0;

/// What the detector heard. Samples count from the detector's start; 8 are a millisecond.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum DtmfReport {
    /// A key is down.
    Down {
        /// Which.
        key: Key,
        /// Where its tones began.
        start_sample: u64,
        /// Samples heard when this was reported.
        at_sample: u64,
        /// Level of both tones together.
        level_dbm0: f32,
    },
    /// The key is up.
    Up {
        /// Which.
        key: Key,
        /// Where its tones began.
        start_sample: u64,
        /// Where they ended.
        end_sample: u64,
        /// Samples heard when this was reported.
        at_sample: u64,
    },
}

/// The detector of one line. Give it every sample of the line in order.
#[derive(Clone, Debug)]
pub struct Detector {
    bands: Bands,
    hearing: Hearing,
}

/// What stands behind the filters.
#[derive(Clone, Debug)]
struct Hearing {
    low: Group,
    high: Group,
    wide: [f32; PAST],
    /// Ticks so far.
    ticks: u64,
    suspect: Option<Suspect>,
    down: Option<Down>,
}

/// Both groups hold a tone near one key's.
#[derive(Clone, Copy, Debug)]
struct Suspect {
    row: usize,
    column: usize,
    ticks: u32,
    /// Ticks in a row in which everything fitted.
    fits: u32,
}

/// A suspicion that fits, this tick.
struct Verdict {
    down: Down,
    level_dbm0: f32,
    residue: f32,
}

/// The key that is down.
#[derive(Clone, Copy, Debug)]
struct Down {
    key: Key,
    row: usize,
    column: usize,
    start_sample: u64,
    /// Powers of the two tones as they were.
    low_power: f32,
    high_power: f32,
    /// Since when they have been away.
    absent_since: Option<u64>,
    /// Ticks in a row in which they were back.
    back: u32,
}

impl Default for Detector {
    fn default() -> Self {
        Self::new()
    }
}

impl Detector {
    /// A detector that has heard nothing.
    pub fn new() -> Self {
        let bands = Bands::new();
        let (low, high) = (Group::new(LOW_GROUP_HZ, 319.0), Group::new(HIGH_GROUP_HZ, 921.0));
        let low = low.with_gains(|frequency_hz| bands.low_gain(frequency_hz));
        let high = high.with_gains(|frequency_hz| bands.high_gain(frequency_hz));
        Self {
            bands,
            hearing: Hearing {
                low,
                high,
                wide: [0.0; PAST],
                ticks: 0,
                suspect: None,
                down: None,
            },
        }
    }

    /// Hears some more samples, any number of them.
    pub fn process(&mut self, samples: &[i16], sink: &mut impl FnMut(DtmfReport)) {
        let hearing = &mut self.hearing;
        self.bands.push(samples, |tick| hearing.tick(tick, sink));
    }

    /// Whether a key sounds, or probably begins to: from about 14 ms after its onset. Audio muted while this
    /// holds lets little of a key through; speech raises it for single milliseconds only.
    pub fn suspects(&self) -> bool {
        self.hearing.down.is_some_and(|down| down.absent_since.is_none())
            || self.hearing.suspect.is_some_and(|suspect| suspect.ticks >= 3)
    }

    /// The key that is down.
    pub fn key_down(&self) -> Option<Key> {
        self.hearing.down.map(|down| down.key)
    }

    /// The samples have ended: a key still down is up.
    pub fn finish(&mut self, sink: &mut impl FnMut(DtmfReport)) {
        let hearing = &mut self.hearing;
        if let Some(down) = hearing.down.take() {
            sink(hearing.up(&down, down.absent_since.unwrap_or(hearing.ticks)));
        }
        hearing.suspect = None;
    }
}

impl Hearing {
    fn tick(&mut self, tick: Tick, sink: &mut impl FnMut(DtmfReport)) {
        let now = self.ticks;
        self.low.push(now, tick.low);
        self.high.push(now, tick.high);
        self.wide[now as usize % PAST] = tick.wide;
        self.ticks += 1;

        let seen = match (self.low.quick(), self.high.quick()) {
            (Some(row), Some(column)) => Some((row, column)),
            _ => None,
        };
        self.suspect = seen.map(|(row, column)| match self.suspect {
            Some(suspect) if (suspect.row, suspect.column) == (row, column) => Suspect {
                ticks: suspect.ticks + 1,
                ..suspect
            },
            _ => Suspect {
                row,
                column,
                ticks: 0,
                fits: 0,
            },
        });
        self.watch_down(now, seen, sink);

        if let Some((down, level_dbm0)) = self.confirm() {
            if let Some(before) = self.down.replace(down) {
                let ended = before.absent_since.unwrap_or(now);
                sink(self.up(&before, ended));
            }
            sink(DtmfReport::Down {
                key: down.key,
                start_sample: down.start_sample,
                at_sample: self.ticks * TICK as u64,
                level_dbm0,
            });
        }
    }

    /// The suspected key, once it has fitted long enough; and its level.
    fn confirm(&mut self) -> Option<(Down, f32)> {
        let suspect = self.suspect?;
        let is_down = self
            .down
            .is_some_and(|down| (down.row, down.column) == (suspect.row, suspect.column));
        if is_down || (suspect.ticks as usize) < TONE_TICKS - QUICK - 2 {
            return None;
        }
        let verdict = self.judge(suspect);
        let fits = if verdict.is_some() { suspect.fits + 1 } else { 0 };
        self.suspect = Some(Suspect { fits, ..suspect });
        let verdict = verdict?;
        let wanted = if verdict.residue < RESIDUE_PLAIN {
            1
        } else {
            DOUBTFUL_TICKS
        };
        (fits >= wanted).then_some((verdict.down, verdict.level_dbm0))
    }

    /// Follows the key that is down to its end.
    fn watch_down(&mut self, now: u64, seen: Option<(usize, usize)>, sink: &mut impl FnMut(DtmfReport)) {
        let Some(down) = &mut self.down else { return };
        let other = seen.is_some_and(|seen| seen != (down.row, down.column));
        let (low_power, high_power) = (self.low.power(now), self.high.power(now));
        let sounds = low_power >= PRESENT * down.low_power && high_power >= PRESENT * down.high_power;
        let steady = self.low.is_near(down.row) && self.high.is_near(down.column);
        if sounds && steady && !other {
            down.back += 1;
            // Two in a row, so that a click in a pause doesn't count as the tone's return.
            if down.back >= 2 {
                down.absent_since = None;
                down.low_power += (low_power - down.low_power) * 0.02;
                down.high_power += (high_power - down.high_power) * 0.02;
            }
            return;
        }
        down.back = 0;
        let since = *down.absent_since.get_or_insert(now);
        if now - since >= PAUSE_TICKS {
            let down = *down;
            self.down = None;
            sink(self.up(&down, since));
        }
    }

    fn up(&self, down: &Down, end_tick: u64) -> DtmfReport {
        DtmfReport::Up {
            key: down.key,
            start_sample: down.start_sample,
            end_sample: sample_of(end_tick),
            at_sample: self.ticks * TICK as u64,
        }
    }

    /// The whole of the evidence for a suspicion, where it suffices.
    fn judge(&self, suspect: Suspect) -> Option<Verdict> {
        let run = self.low.run(self.ticks).min(self.high.run(self.ticks));
        if run < TONE_TICKS {
            return None;
        }
        let residue_max = if run <= PROMPT_TICKS {
            RESIDUE_MAX
        } else {
            RESIDUE_CLEAN
        };
        let low = self.low.measure(self.ticks);
        let high = self.high.measure(self.ticks);
        let residue = (low.residue() + high.residue()) / (low.power + high.power);
        if low.purity < PURITY_MIN || high.purity < PURITY_MIN || residue > residue_max {
            return None;
        }
        let limits = if residue < RESIDUE_CLEAN { CLEAN } else { REQUIRED };
        let is_off = |measured: &Measured, nominal_hz: f32| {
            (measured.frequency_hz - nominal_hz).abs() > limits.offset * nominal_hz
        };
        if is_off(&low, LOW_GROUP_HZ[suspect.row]) || is_off(&high, HIGH_GROUP_HZ[suspect.column]) {
            return None;
        }
        // Mean squares of the two sines, the filters' droop taken out.
        let low_square = low.power / self.low.gain(suspect.row, low.frequency_hz).powi(2) / 2.0;
        let high_square = high.power / self.high.gain(suspect.column, high.frequency_hz).powi(2) / 2.0;
        let floor = mean_square_floor();
        let twist_db = 10.0 * (high_square / low_square).log10();
        if low_square < floor || high_square < floor || !limits.twist_db.contains(&twist_db) {
            return None;
        }
        let tones = low_square * wide_gain(low.frequency_hz).powi(2)
            + high_square * wide_gain(high.frequency_hz).powi(2);
        if self.wide_mean_square() > WIDE_MAX * tones {
            return None;
        }
        let down = Down {
            key: key_at(suspect.row, suspect.column)?,
            row: suspect.row,
            column: suspect.column,
            start_sample: sample_of(self.ticks - run as u64),
            low_power: low.power,
            high_power: high.power,
            absent_since: None,
            back: 0,
        };
        Some(Verdict {
            down,
            level_dbm0: mean_square_to_dbm0(low_square + high_square),
            residue,
        })
    }

    /// Of the wide filter's output over the measured ticks, as far back as the group filters look.
    fn wide_mean_square(&self) -> f32 {
        let late = DELAY_SAMPLES as usize / TICK;
        let ticks = (self.ticks as usize - MEASURED - late)..(self.ticks as usize - late);
        let sum: f32 = ticks.map(|tick| self.wide[tick % PAST]).sum();
        sum / (MEASURED * TICK) as f32
    }
}

fn mean_square_floor() -> f32 {
    amplitude(LEVEL_MIN_DBM0).powi(2) / 2.0
}

/// The sample at which what a tick shows began.
fn sample_of(tick: u64) -> u64 {
    ((tick + 1) * TICK as u64).saturating_sub(DELAY_SAMPLES + TICK as u64 / 2)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::dsp::dtmf::Generator;

    fn heard(samples: &[i16]) -> Vec<DtmfReport> {
        let mut detector = Detector::new();
        let mut reports = Vec::new();
        detector.process(samples, &mut |report| reports.push(report));
        detector.finish(&mut |report| reports.push(report));
        reports
    }

    #[test]
    fn each_key_is_heard_with_its_times() {
        for key in Key::ALL {
            let mut generator = Generator::new();
            let mut samples = vec![0; 8 * 200];
            generator.play(key, -10.0, 50, 0);
            generator.fill(&mut samples[8 * 60..]);
            let reports = heard(&samples);
            let [
                DtmfReport::Down {
                    key: down,
                    start_sample,
                    at_sample,
                    level_dbm0,
                },
                DtmfReport::Up {
                    key: up, end_sample, ..
                },
            ] = reports[..]
            else {
                panic!("{key}: {reports:?}")
            };
            assert_eq!((down, up), (key, key));
            assert!(
                start_sample.abs_diff(500) <= 8 && end_sample.abs_diff(900) <= 8,
                "{key}: {reports:?}"
            );
            assert!(
                at_sample - start_sample <= 8 * 32 && (level_dbm0 + 7.0).abs() < 0.2,
                "{key}: {reports:?}"
            );
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        /// Whatever comes in, in pieces of whatever length: no panic, and each Down has its Up.
        #[test]
        fn any_samples_are_survived(pieces in proptest::collection::vec(proptest::collection::vec(any::<i16>(), 0..300), 0..20)) {
            let mut detector = Detector::new();
            let (mut downs, mut ups) = (0, 0);
            let mut count = |report| match report {
                DtmfReport::Down { .. } => downs += 1,
                DtmfReport::Up { .. } => ups += 1,
            };
            for piece in &pieces {
                detector.process(piece, &mut count);
            }
            detector.finish(&mut count);
            prop_assert_eq!(downs, ups);
        }

        /// Where the frames begin changes nothing.
        #[test]
        fn frames_of_any_length_hear_the_same(size in 1_usize..400, offset in 0_usize..80) {
            let mut samples = vec![0; 2400];
            let mut generator = Generator::new();
            generator.play(Key::ALL[7], -12.0, 60, 0);
            generator.fill(&mut samples[offset..]);
            let mut reports = Vec::new();
            let mut detector = Detector::new();
            samples.chunks(size).for_each(|chunk| detector.process(chunk, &mut |report| reports.push(report)));
            prop_assert_eq!(reports, heard(&samples));
        }
    }
}
