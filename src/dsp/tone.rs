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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dsp::level::{amplitude, mean_square_to_dbm0, rms_dbm0};

    fn step(frequencies_hz: &[f32], on_ms: Option<u32>, off_ms: u32) -> ToneStep {
        let mut step = ToneStep {
            level_dbm0: -13.0,
            on_ms,
            off_ms,
            ..ToneStep::default()
        };
        step.frequencies_hz[..frequencies_hz.len()].copy_from_slice(frequencies_hz);
        step
    }

    fn plan(steps: &[ToneStep], repeats: bool) -> TonePlan {
        TonePlan::new(steps, repeats).unwrap()
    }

    /// The plan for so long, in frames.
    fn played(plan: &TonePlan, ms: usize) -> Vec<i16> {
        let mut player = TonePlayer::new();
        player.start(plan);
        let mut samples = vec![0; ms * 8];
        samples.chunks_mut(80).for_each(|frame| player.fill(frame));
        samples
    }

    /// Level of the part of `samples` at `hz`.
    fn level_at(samples: &[i16], hz: f64) -> f32 {
        let angle = std::f64::consts::TAU * hz / 8000.0;
        let (mut re, mut im) = (0.0, 0.0);
        for (index, &sample) in samples.iter().enumerate() {
            re += f64::from(sample) * (angle * index as f64).cos();
            im += f64::from(sample) * (angle * index as f64).sin();
        }
        let scale = 2.0 / samples.len() as f64;
        mean_square_to_dbm0(((re * re + im * im) * scale * scale / 2.0) as f32)
    }

    /// The strongest frequency near `hz`.
    fn frequency_near(samples: &[i16], hz: f64) -> f64 {
        let around = (-50..=50).map(|tenths| hz + f64::from(tenths) / 10.0);
        around
            .max_by(|a, b| level_at(samples, *a).total_cmp(&level_at(samples, *b)))
            .unwrap()
    }

    /// Where the tone is at least half as strong as it gets: lengths of sound and silence, in ms.
    fn cadence_ms(samples: &[i16], half_peak: f32) -> Vec<f32> {
        let loud = |at: usize| {
            let around = &samples[at.saturating_sub(8)..(at + 9).min(samples.len())];
            around
                .iter()
                .any(|sample| f32::from(sample.unsigned_abs()) >= half_peak)
        };
        let (mut lengths, mut since, mut state) = (Vec::new(), 0, true);
        for at in 0..samples.len() {
            if loud(at) != state && at > 40 {
                lengths.push((at - since) as f32 / 8.0);
                (since, state) = (at, !state);
            }
        }
        lengths
    }

    #[test]
    fn each_frequency_has_its_place_and_its_level() {
        for frequencies in [
            &[425.0][..],
            &[350.0, 440.0],
            &[480.0, 620.0],
            &[1400.0, 2060.0, 2450.0, 2600.0],
        ] {
            let samples = played(&plan(&[step(frequencies, None, 0)], true), 2100);
            for &hz in frequencies {
                let measured = frequency_near(&samples[800..], f64::from(hz));
                assert!((measured - f64::from(hz)).abs() < 0.5, "{hz}: {measured}");
                let level = level_at(&samples[800..], f64::from(hz));
                assert!((level + 13.0).abs() < 0.2, "{hz}: {level} dBm0");
            }
        }
    }

    #[test]
    fn cadences_are_as_long_as_the_plan_says() {
        let busy = plan(&[step(&[425.0], Some(350), 350)], true);
        let lengths = cadence_ms(&played(&busy, 3000), amplitude(-13.0) / 2.0);
        assert!(lengths.len() >= 7);
        for length in lengths {
            assert!((length - 350.0).abs() < 5.0, "{length}");
        }
    }

    #[test]
    fn steps_follow_each_other_and_the_last_one_ends() {
        let sit = plan(
            &[
                step(&[950.0], Some(330), 0),
                step(&[1400.0], Some(330), 0),
                step(&[1800.0], Some(330), 1000),
            ],
            false,
        );
        let samples = played(&sit, 1200);
        for (part, hz) in [950.0, 1400.0, 1800.0].into_iter().enumerate() {
            let middle = &samples[part * 2640 + 200..part * 2640 + 2400];
            assert!((level_at(middle, hz) + 13.0).abs() < 0.2, "{hz}");
        }
        assert_eq!(rms_dbm0(&samples[8200..]), crate::dsp::level::SILENCE_DBM0);
        let mut player = TonePlayer::new();
        player.start(&sit);
        player.fill(&mut vec![0; 8 * 1985]);
        assert!(player.is_playing());
        player.fill(&mut [0; 160]);
        assert!(!player.is_playing());
    }

    #[test]
    fn nothing_clicks_when_tones_begin_change_and_stop() {
        let mut player = TonePlayer::new();
        let mut samples = vec![0; 800];
        player.fill(&mut samples[..100]);
        player.start(&plan(&[step(&[425.0], None, 0)], true));
        player.fill(&mut samples[100..303]);
        player.start(&plan(&[step(&[440.0], None, 0)], true));
        player.fill(&mut samples[303..555]);
        player.stop();
        player.fill(&mut samples[555..]);
        assert!(!player.is_playing());
        assert!(samples[596..].iter().all(|&sample| sample == 0));
        // What a 440 Hz sine of that level does in two steps, and the edge's share.
        let angle = std::f32::consts::TAU * 440.0 / 8000.0;
        let limit = amplitude(-13.0) * (angle * angle * 1.5 + 0.04);
        for window in samples.windows(3) {
            let bend = f32::from(window[0]) - 2.0 * f32::from(window[1]) + f32::from(window[2]);
            assert!(bend.abs() < limit, "{window:?}");
        }
    }

    #[test]
    fn modulation_swings_around_the_carrier() {
        let mut modulated = step(&[400.0], None, 0);
        modulated.modulation_hz = 25.0;
        modulated.modulation_depth = 0.9;
        let samples = played(&plan(&[modulated], true), 2100);
        let settled = &samples[800..];
        assert!((level_at(settled, 400.0) + 13.0).abs() < 0.2);
        for side_hz in [375.0, 425.0] {
            // Each side band is half the depth: 6.9 dB down.
            assert!((level_at(settled, side_hz) + 13.0 + 6.94).abs() < 0.3);
        }
    }

    #[test]
    fn what_would_clip_is_lowered() {
        let mut howler = step(&[1400.0, 2060.0, 2450.0, 2600.0], None, 0);
        howler.level_dbm0 = 3.0;
        let samples = played(&plan(&[howler], true), 2000);
        assert!(samples.iter().all(|sample| sample.unsigned_abs() < 32_767));
        assert!(level_at(&samples[800..], 1400.0) > -10.0);
    }

    #[test]
    fn empty_plans_and_steps_are_silence() {
        for steps in [
            &[][..],
            &[ToneStep::default()],
            &[step(&[425.0], Some(0), 0)],
            &[step(&[], Some(0), 0); 24],
        ] {
            for repeats in [false, true] {
                assert!(
                    played(&plan(steps, repeats), 100)
                        .iter()
                        .all(|&sample| sample == 0)
                );
            }
        }
    }

    #[test]
    fn mixing_adds() {
        let dial = plan(&[step(&[425.0], None, 0)], true);
        let (mut alone, mut mixed) = ([0; 80], [1000; 80]);
        let mut player = TonePlayer::new();
        player.start(&dial);
        player.fill(&mut alone);
        player.start(&plan(&[], false));
        let mut player = TonePlayer::new();
        player.start(&dial);
        player.mix(&mut mixed);
        assert!(
            alone
                .iter()
                .zip(&mixed)
                .all(|(alone, mixed)| alone + 1000 == *mixed)
        );
    }
}
