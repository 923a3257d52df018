//! Frequencies sounding together with shaped edges: what tones and keys are made of.

use super::level::amplitude;
use super::oscillator::Oscillator;
use crate::zone::tone::FREQUENCIES_MAX;

/// Length of a raised-cosine edge: 5 ms, short enough for every cadence, long enough not to click.
pub(super) const EDGE_SAMPLES: u32 = 40;

/// Largest sum of peaks: the overload point of G.711 (a sine of +3.14 dBm0) just not reached.
const PEAK_MAX: f32 = 32_700.0;

/// Up to [`FREQUENCIES_MAX`] sines of one level, modulated together.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Voice {
    oscillators: [Oscillator; FREQUENCIES_MAX],
    /// Peak of each sine; 0 where the place is unused.
    amplitudes: [f32; FREQUENCIES_MAX],
    used: usize,
    modulation: Oscillator,
    modulation_depth: f32,
}

impl Voice {
    /// Sines of `(hz, dBm0)`; those of 0 Hz are left out. Where the peaks together would clip, all of them are
    /// lowered.
    pub fn new(tones: impl Iterator<Item = (f32, f32)>, modulation_hz: f32, modulation_depth: f32) -> Self {
        let mut voice = Self::default();
        if modulation_hz > 0.0 {
            voice.modulation = Oscillator::new(modulation_hz);
            voice.modulation_depth = modulation_depth.clamp(0.0, 1.0);
        }
        for (frequency_hz, level_dbm0) in tones.filter(|tone| tone.0 > 0.0).take(FREQUENCIES_MAX) {
            voice.oscillators[voice.used] = Oscillator::new(frequency_hz);
            voice.amplitudes[voice.used] = amplitude(level_dbm0);
            voice.used += 1;
        }
        let peak = voice.amplitudes.iter().sum::<f32>() * (1.0 + voice.modulation_depth);
        if peak > PEAK_MAX {
            for amplitude in &mut voice.amplitudes {
                *amplitude *= PEAK_MAX / peak;
            }
        }
        voice
    }

    /// Whether both sound the same: then one goes on as the other without an edge.
    pub fn sounds_like(&self, other: &Self) -> bool {
        let mine = self.oscillators.iter().zip(&self.amplitudes);
        let theirs = other.oscillators.iter().zip(&other.amplitudes);
        mine.zip(theirs)
            .all(|(mine, theirs)| mine.0.same_frequency(theirs.0) && mine.1 == theirs.1)
            && self.modulation.same_frequency(&other.modulation)
            && self.modulation_depth == other.modulation_depth
    }

    #[inline]
    pub fn next_value(&mut self) -> f32 {
        let mut sum = 0.0;
        for (oscillator, amplitude) in self.oscillators.iter_mut().zip(&self.amplitudes).take(self.used) {
            sum += oscillator.next_value() * amplitude;
        }
        if self.modulation_depth > 0.0 {
            sum *= 1.0 + self.modulation_depth * self.modulation.next_value();
        }
        sum
    }
}

/// A voice between its two edges. Both edges are as wide, so that the time from half amplitude to half
/// amplitude is the time from [`ShapedVoice::start`] to [`ShapedVoice::stop`].
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ShapedVoice {
    voice: Voice,
    /// Gain now, in steps of an edge: 0 silent, [`EDGE_SAMPLES`] full.
    position: u32,
    rising: bool,
    /// What is fading out under a voice that has just begun.
    fading: Option<(Voice, u32)>,
}

impl ShapedVoice {
    /// Begins `voice` with a rising edge; what sounds already fades under it. The same voice just goes on.
    pub fn start(&mut self, voice: Voice) {
        if self.position > 0 && self.voice.sounds_like(&voice) {
            self.rising = true;
            return;
        }
        self.fading = (self.position > 0).then_some((self.voice, self.position));
        self.voice = voice;
        self.position = 0;
        self.rising = true;
    }

    /// Begins the falling edge.
    pub fn stop(&mut self) {
        self.rising = false;
    }

    /// Whether anything sounds, the falling edge included.
    pub fn is_sounding(&self) -> bool {
        self.rising || self.position > 0 || self.fading.is_some()
    }

    #[inline]
    pub fn next_value(&mut self) -> f32 {
        let mut sum = 0.0;
        if self.rising {
            self.position = (self.position + 1).min(EDGE_SAMPLES);
        } else if self.position > 0 {
            self.position -= 1;
        }
        if self.position > 0 {
            sum = self.voice.next_value() * edge_gain(self.position);
        }
        if let Some((voice, position)) = &mut self.fading {
            *position -= 1;
            if *position == 0 {
                self.fading = None;
            } else {
                sum += voice.next_value() * edge_gain(*position);
            }
        }
        sum
    }
}

/// The raised cosine: 0 at 0, 1 at [`EDGE_SAMPLES`].
#[inline]
fn edge_gain(position: u32) -> f32 {
    if position >= EDGE_SAMPLES {
        return 1.0;
    }
    let sine =
        super::oscillator::sine(((1_u64 << 30) * u64::from(position) / u64::from(EDGE_SAMPLES)) as u32);
    sine * sine
}

/// A sum of voices as a sample.
#[inline]
pub(super) fn to_sample(value: f32) -> i16 {
    // `as` saturates, which is what a sample shall do.
    value.round() as i16
}
