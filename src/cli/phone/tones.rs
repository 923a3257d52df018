//! Naming the tone that is heard, by the frequencies and cadences of a country.

use std::f32::consts::PI;

use crate::dsp::level::rms_dbm0;
use crate::dsp::{FRAME, SAMPLE_RATE_HZ};
use crate::zone::{Tone, Zone};

/// Samples looked at together: 40 ms, a whole beat of North America's 440 and 480 Hz.
const WINDOW: usize = 4 * FRAME;

/// A new look after 20 ms.
const STEP: usize = 2 * FRAME;
const STEP_MS: u32 = 20;

/// Quieter is silence: E.180's tones are 30 dB louder.
const HEARD_DBM0: f32 = -42.0;

/// Share of the power at the zone's frequencies that makes a sound a tone, and speech not.
const TONAL: f32 = 0.4;

/// Least share of each of a tone's frequencies.
const PRESENT: f32 = 0.1;

/// Least part of what sounds at the zone's frequencies that a tone's own must be: half of 440 and 480 Hz is no 440 Hz.
const OWN: f32 = 0.6;

/// Shortest sound that is taken for a continuous tone.
const CONTINUOUS_MS: u32 = 160;

/// Silence after which a tone is over, beyond the silence that belongs to it.
const OVER_MS: u32 = 300;

/// The order in which tones that sound alike are named.
const USUAL: [Tone; 5] = [
    Tone::Dial,
    Tone::Ringback,
    Tone::Busy,
    Tone::Congestion,
    Tone::CallWaiting,
];

/// Names tones.
#[derive(Debug)]
pub struct ToneEar {
    frequencies_hz: Vec<f32>,
    candidates: Vec<Candidate>,
    window: Vec<i16>,
    /// Shares of each frequency, summed over the sound.
    shares: Vec<f32>,
    on_ms: u32,
    off_ms: u32,
    /// The last sound's length and shares, while the silence after it lasts.
    last: Option<(u32, Vec<f32>)>,
    named: Option<Tone>,
}

/// A tone as a list of sounds.
#[derive(Clone, Debug, PartialEq)]
struct Candidate {
    tone: Tone,
    sounds: Vec<Sound>,
}

/// Frequencies (indices), how long (`None`: for ever), silence after it.
#[derive(Clone, Debug, PartialEq)]
struct Sound {
    frequencies: Vec<usize>,
    on_ms: Option<u32>,
    off_ms: u32,
}

impl ToneEar {
    /// An ear for that country's tones.
    pub fn new(zone: &Zone) -> Self {
        let mut frequencies_hz: Vec<f32> = Vec::new();
        let mut candidates: Vec<Candidate> = Vec::new();
        let rest = Tone::ALL.into_iter().filter(|tone| !USUAL.contains(tone));
        for tone in USUAL.into_iter().chain(rest) {
            let candidate = Candidate {
                tone,
                sounds: sounds(zone, tone, &mut frequencies_hz),
            };
            if !candidates.iter().any(|other| other.sounds == candidate.sounds) {
                candidates.push(candidate);
            }
        }
        Self {
            shares: vec![0.0; frequencies_hz.len()],
            frequencies_hz,
            candidates,
            window: Vec::with_capacity(WINDOW),
            on_ms: 0,
            off_ms: 0,
            last: None,
            named: None,
        }
    }

    /// The tone that sounds, as far as it is clear.
    pub fn named(&self) -> Option<Tone> {
        self.named
    }

    /// Hears a frame; `Some` where what is heard has changed.
    pub fn hear(&mut self, frame: &[i16]) -> Option<Option<Tone>> {
        self.window.extend_from_slice(frame);
        if self.window.len() < WINDOW {
            return None;
        }
        let before = self.named;
        match self.shares_of_window() {
            Some(shares) => self.sound(&shares),
            None => self.silence(),
        }
        self.window.drain(..STEP);
        (self.named != before).then_some(self.named)
    }

    fn sound(&mut self, shares: &[f32]) {
        if self.on_ms == 0 {
            self.name_by_cycle(true);
            self.shares.fill(0.0);
        }
        self.off_ms = 0;
        self.on_ms += STEP_MS;
        for (sum, share) in self.shares.iter_mut().zip(shares) {
            *sum += share;
        }
        let mut heard = self.candidates.iter().filter(|candidate| {
            candidate
                .sounds
                .iter()
                .any(|sound| sound.on_ms.is_none() && sound.is_heard(&self.shares, self.on_ms))
        });
        if let Some(candidate) = heard.next()
            && self.on_ms > self.longest_limited_ms().max(CONTINUOUS_MS)
        {
            self.named = Some(candidate.tone);
        }
    }

    fn silence(&mut self) {
        if self.on_ms > 0 {
            self.last = Some((self.on_ms, self.shares.clone()));
            self.on_ms = 0;
        }
        self.off_ms += STEP_MS;
        self.name_by_cycle(false);
        let allowed_ms = self
            .candidates
            .iter()
            .filter(|candidate| Some(candidate.tone) == self.named)
            .flat_map(|candidate| &candidate.sounds)
            .map(|sound| sound.off_ms)
            .max()
            .unwrap_or(0);
        if self.off_ms > allowed_ms + allowed_ms / 10 + OVER_MS {
            self.named = None;
            self.last = None;
        }
    }

    /// Names a tone by its last sound and the silence so far, once only one fits; a `complete` silence must fit
    /// exactly, and of several the most usual is named.
    fn name_by_cycle(&mut self, complete: bool) {
        let Some((on_ms, shares)) = &self.last else { return };
        let off_ms = self.off_ms;
        let mut fitting = self.candidates.iter().filter(|candidate| {
            candidate.sounds.iter().any(|sound| {
                sound.on_ms.is_some_and(|wanted| near(*on_ms, wanted))
                    && sound.is_heard(shares, *on_ms)
                    && if complete {
                        near(off_ms, sound.off_ms)
                    } else {
                        off_ms <= sound.off_ms + tolerance(sound.off_ms)
                    }
            })
        });
        if let Some(first) = fitting.next()
            && (complete || fitting.next().is_none())
        {
            self.named = Some(first.tone);
        }
    }

    /// The longest sound of limited length that this one could be.
    fn longest_limited_ms(&self) -> u32 {
        self.candidates
            .iter()
            .flat_map(|candidate| &candidate.sounds)
            .filter(|sound| sound.is_heard(&self.shares, self.on_ms))
            .filter_map(|sound| sound.on_ms)
            .max()
            .map_or(0, |longest_ms| longest_ms + tolerance(longest_ms) + STEP_MS)
    }

    /// Each frequency's share of the window's power; `None` for silence and for what is no tone.
    fn shares_of_window(&self) -> Option<Vec<f32>> {
        if rms_dbm0(&self.window) < HEARD_DBM0 {
            return None;
        }
        let power: f32 = self.window.iter().map(|&sample| f32::from(sample).powi(2)).sum();
        let shares: Vec<f32> = self
            .frequencies_hz
            .iter()
            .map(|hz| 2.0 * goertzel(&self.window, *hz) / (WINDOW as f32 * power))
            .collect();
        (shares.iter().sum::<f32>() > TONAL).then_some(shares)
    }
}

impl Sound {
    fn is_heard(&self, shares: &[f32], on_ms: u32) -> bool {
        let windows = (on_ms / STEP_MS).max(1) as f32;
        let own: f32 = self.frequencies.iter().map(|index| shares[*index]).sum();
        own > OWN * shares.iter().sum::<f32>()
            && self
                .frequencies
                .iter()
                .all(|index| shares[*index] / windows > PRESENT)
    }
}

/// The plan's sounds; steps without silence between them are one.
fn sounds(zone: &Zone, tone: Tone, frequencies_hz: &mut Vec<f32>) -> Vec<Sound> {
    let mut sounds: Vec<Sound> = Vec::new();
    for step in zone.tone(tone).steps() {
        let mut frequencies: Vec<usize> = step
            .frequencies_hz
            .iter()
            .filter(|hz| **hz > 0.0)
            .map(|hz| {
                frequencies_hz
                    .iter()
                    .position(|known| known == hz)
                    .unwrap_or_else(|| {
                        frequencies_hz.push(*hz);
                        frequencies_hz.len() - 1
                    })
            })
            .collect();
        frequencies.sort_unstable();
        match sounds.last_mut() {
            Some(last) if last.off_ms == 0 => {
                last.on_ms = last.on_ms.zip(step.on_ms).map(|(one, other)| one + other);
                last.off_ms = step.off_ms;
                last.frequencies.extend(frequencies);
                last.frequencies.sort_unstable();
                last.frequencies.dedup();
            }
            _ => sounds.push(Sound {
                frequencies,
                on_ms: step.on_ms,
                off_ms: step.off_ms,
            }),
        }
    }
    sounds
}

fn near(measured_ms: u32, wanted_ms: u32) -> bool {
    measured_ms.abs_diff(wanted_ms) <= tolerance(wanted_ms)
}

/// What windows of 20 ms blur, and the exchange's own tolerance (E.180: 10 %).
fn tolerance(ms: u32) -> u32 {
    STEP_MS + 5 + ms / 10
}

/// Power at one frequency (Goertzel), not normalised.
fn goertzel(samples: &[i16], hz: f32) -> f32 {
    let turn = 2.0 * (2.0 * PI * hz / SAMPLE_RATE_HZ as f32).cos();
    let (mut one, mut two) = (0.0_f32, 0.0_f32);
    for &sample in samples {
        (one, two) = (f32::from(sample) + turn * one - two, one);
    }
    one * one + two * two - turn * one * two
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dsp::tone::TonePlayer;
    use crate::zone::zone;

    fn named(country: &str, tone: Tone, seconds: usize) -> Option<Tone> {
        let zone = zone(country).unwrap();
        let mut ear = ToneEar::new(&zone);
        let mut player = TonePlayer::new();
        player.start(zone.tone(tone));
        let mut frame = [0; FRAME];
        for _ in 0..seconds * 100 {
            player.fill(&mut frame);
            ear.hear(&frame);
            if ear.named().is_some() {
                break;
            }
        }
        ear.named()
    }

    #[test]
    fn the_tones_of_a_call_are_named_in_many_countries() {
        for country in ["ua", "de", "us", "gb", "fr", "jp", "se"] {
            for tone in [Tone::Dial, Tone::Ringback, Tone::Busy] {
                assert_eq!(named(country, tone, 8), Some(tone), "{country}");
            }
        }
    }

    #[test]
    fn dial_tone_was_named_only_after_two_seconds_in_the_united_states() {
        let zone = zone("us").unwrap();
        let mut ear = ToneEar::new(&zone);
        let mut player = TonePlayer::new();
        player.start(zone.tone(Tone::Dial));
        let mut frame = [0; FRAME];
        for _ in 0..30 {
            player.fill(&mut frame);
            ear.hear(&frame);
        }
        assert_eq!(ear.named(), Some(Tone::Dial));
    }

    #[test]
    fn a_tone_that_stops_is_over() {
        let zone = zone("ua").unwrap();
        let mut ear = ToneEar::new(&zone);
        let mut player = TonePlayer::new();
        player.start(zone.tone(Tone::Dial));
        let mut changes = Vec::new();
        for frame_number in 0..300 {
            let mut frame = [0; FRAME];
            if frame_number < 200 {
                player.fill(&mut frame);
            }
            changes.extend(ear.hear(&frame));
        }
        assert_eq!(changes, [Some(Tone::Dial), None]);
    }

    #[test]
    fn noise_is_no_tone() {
        let mut ear = ToneEar::new(&zone("ua").unwrap());
        let mut state = 1_u32;
        for _ in 0..300 {
            let frame: [i16; FRAME] = std::array::from_fn(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 20) as i16
            });
            assert_eq!(ear.hear(&frame), None);
        }
    }
}
