//! Plays a [`TonePlan`]: call-progress tones as ITU-T E.180 and the national tables describe them.
//!
//! Phase-continuous, with raised-cosine edges of 5 ms whose half-amplitude points lie exactly one cadence time
//! apart; sums of tones that would clip are lowered as a whole.

use super::SAMPLE_RATE_HZ;
use super::voice::{ShapedVoice, Voice, to_sample};
use crate::zone::{TonePlan, ToneStep};

/// Plays one plan at a time. Starts silent.
#[derive(Clone, Debug, Default)]
pub struct TonePlayer {
    sound: ShapedVoice,
    playing: Option<Playing>,
}

/// Where in a plan we are.
#[derive(Clone, Debug)]
struct Playing {
    plan: TonePlan,
    step: usize,
    /// Samples of the step's tone that are left; `None`: it sounds for ever.
    on_left: Option<u32>,
    /// Samples of the silence after it that are left.
    off_left: u32,
}

impl TonePlayer {
    /// A silent player.
    pub fn new() -> Self {
        Self::default()
    }

    /// Plays `plan` from its start. What sounds already fades out under the first tone.
    pub fn start(&mut self, plan: &TonePlan) {
        let mut playing = Playing {
            plan: *plan,
            step: 0,
            on_left: None,
            off_left: 0,
        };
        if playing.enter(0, &mut self.sound) {
            self.playing = Some(playing);
        } else {
            self.stop();
        }
    }

    /// Ends the tone with a falling edge of 5 ms.
    pub fn stop(&mut self) {
        self.playing = None;
        self.sound.stop();
    }

    /// Whether a plan is being played, its silences and last falling edge included.
    pub fn is_playing(&self) -> bool {
        self.playing.is_some() || self.sound.is_sounding()
    }

    /// Overwrites `samples` with the tone, or silence.
    pub fn fill(&mut self, samples: &mut [i16]) {
        for sample in samples {
            *sample = to_sample(self.next_value());
        }
    }

    /// Adds the tone to `samples`, saturating.
    pub fn mix(&mut self, samples: &mut [i16]) {
        if !self.is_playing() {
            return;
        }
        for sample in samples {
            *sample = sample.saturating_add(to_sample(self.next_value()));
        }
    }

    #[inline]
    fn next_value(&mut self) -> f32 {
        let is_over = self
            .playing
            .as_mut()
            .is_some_and(|playing| !playing.advance(&mut self.sound));
        if is_over {
            self.stop();
        }
        self.sound.next_value()
    }
}

impl Playing {
    /// One sample on; false once the plan is over.
    #[inline]
    fn advance(&mut self, sound: &mut ShapedVoice) -> bool {
        if self.on_left == Some(0) {
            if self.off_left > 0 {
                sound.stop();
                self.off_left -= 1;
                return true;
            }
            if !self.enter(self.step + 1, sound) {
                return false;
            }
        }
        self.on_left = self.on_left.map(|left| left.saturating_sub(1));
        true
    }

    /// Begins step `index`, or the first one again; false where the plan has ended.
    fn enter(&mut self, index: usize, sound: &mut ShapedVoice) -> bool {
        self.step = if index >= self.plan.steps().len() && self.plan.repeats() {
            0
        } else {
            index
        };
        let Some(step) = self.plan.steps().get(self.step) else {
            return false;
        };
        if step.frequencies_hz.iter().any(|&frequency_hz| frequency_hz > 0.0) && step.on_ms != Some(0) {
            sound.start(voice_of(step));
        } else {
            sound.stop();
        }
        self.on_left = step.on_ms.map(samples_of_ms);
        self.off_left = samples_of_ms(step.off_ms);
        true
    }
}

fn voice_of(step: &ToneStep) -> Voice {
    Voice::new(
        step.frequencies_hz
            .iter()
            .map(|&frequency_hz| (frequency_hz, step.level_dbm0)),
        step.modulation_hz,
        step.modulation_depth,
    )
}

fn samples_of_ms(ms: u32) -> u32 {
    ms.saturating_mul(SAMPLE_RATE_HZ / 1000)
}
