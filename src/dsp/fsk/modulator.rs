//! Bits as frequencies.

use super::{BAUD, frequencies_hz};
use crate::dsp::SAMPLE_RATE_HZ;
use crate::dsp::level::amplitude;
use crate::dsp::oscillator::{sine, step};
use crate::dsp::transmission::Modem;

/// Sends bits at 1200 baud. A bit is 6⅔ samples: the sample in which a bit ends advances the phase by a mix of
/// both frequencies, so that no edge jitters and the phase never jumps.
#[derive(Clone, Debug)]
pub struct Modulator {
    mark_step: u32,
    space_step: u32,
    amplitude: f32,
    phase: u32,
    /// Step of the bit being sent; `None` before the first and after the last.
    bit_step: Option<u32>,
    /// What is left of the bit, in 1/1200 of a sample (a bit is 8000 of them).
    bit_left: u32,
}

impl Modulator {
    /// A modulator at rest.
    pub fn new(modem: Modem, level_dbm0: f32) -> Self {
        let (mark_hz, space_hz) = frequencies_hz(modem);
        Self {
            mark_step: step(mark_hz),
            space_step: step(space_hz),
            amplitude: amplitude(level_dbm0.min(3.0)),
            phase: 0,
            bit_step: None,
            bit_left: 0,
        }
    }

    /// The next sample; asks for a bit (true: mark) whenever one is over. `None` once the bits have ended.
    #[inline]
    pub fn next_sample(&mut self, mut next_bit: impl FnMut() -> Option<bool>) -> Option<i16> {
        if self.bit_left == 0 {
            self.bit_step = next_bit().map(|mark| self.step_of(mark));
            self.bit_left = SAMPLE_RATE_HZ;
        }
        let now = self.bit_step?;
        let sample = (sine(self.phase) * self.amplitude).round() as i16;
        if let Some(left) = self.bit_left.checked_sub(BAUD) {
            self.bit_left = left;
            self.phase = self.phase.wrapping_add(now);
        } else {
            let after = next_bit().map(|mark| self.step_of(mark));
            let (ours, theirs) = (u64::from(self.bit_left), u64::from(BAUD - self.bit_left));
            let mixed = (u64::from(now) * ours + u64::from(after.unwrap_or(now)) * theirs) / u64::from(BAUD);
            self.phase = self.phase.wrapping_add(mixed as u32);
            self.bit_step = after;
            self.bit_left = SAMPLE_RATE_HZ - theirs as u32;
        }
        Some(sample)
    }

    fn step_of(&self, mark: bool) -> u32 {
        if mark { self.mark_step } else { self.space_step }
    }
}
