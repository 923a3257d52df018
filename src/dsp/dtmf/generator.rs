//! Keys as tones.

use super::frequencies_hz;
use crate::dsp::voice::{ShapedVoice, Voice, to_sample};
use crate::dsp::{Key, SAMPLE_RATE_HZ};

/// Plays one key at a time, with edges of 5 ms (ITU-T Q.23: distortion 20 dB down; the edge keeps clicks out).
#[derive(Clone, Debug, Default)]
pub struct Generator {
    sound: ShapedVoice,
    /// Samples the tone still has; `None`: until [`Generator::stop`].
    on_left: Option<u32>,
    /// Samples of silence after it that are left.
    off_left: u32,
}

impl Generator {
    /// A silent generator.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sounds `key` until [`Generator::stop`], each of its tones at its level.
    pub fn start(&mut self, key: Key, low_dbm0: f32, high_dbm0: f32) {
        let (low_hz, high_hz) = frequencies_hz(key);
        let tones = [(low_hz, low_dbm0), (high_hz, high_dbm0)];
        self.sound.start(Voice::new(tones.into_iter(), 0.0, 0.0));
        self.on_left = None;
        self.off_left = 0;
    }

    /// Sounds `key` for `on_ms`; [`Generator::is_playing`] for `off_ms` longer.
    pub fn play(&mut self, key: Key, level_dbm0: f32, on_ms: u32, off_ms: u32) {
        self.start(key, level_dbm0, level_dbm0);
        let samples = |ms: u32| ms.saturating_mul(SAMPLE_RATE_HZ / 1000);
        self.on_left = Some(samples(on_ms));
        self.off_left = samples(off_ms);
    }

    /// Ends the tone with its falling edge.
    pub fn stop(&mut self) {
        self.sound.stop();
        self.on_left = None;
        self.off_left = 0;
    }

    /// Whether a key sounds, or the silence after it lasts.
    pub fn is_playing(&self) -> bool {
        self.sound.is_sounding() || self.off_left > 0
    }

    /// Overwrites `samples`.
    pub fn fill(&mut self, samples: &mut [i16]) {
        for sample in samples {
            *sample = self.next_sample();
        }
    }

    /// Adds to `samples`, saturating.
    pub fn mix(&mut self, samples: &mut [i16]) {
        if !self.is_playing() {
            return;
        }
        for sample in samples {
            *sample = sample.saturating_add(self.next_sample());
        }
    }

    /// The next sample; silence where nothing is played.
    #[inline]
    pub fn next_sample(&mut self) -> i16 {
        match self.on_left {
            None => {}
            Some(0) => {
                self.sound.stop();
                self.off_left = self.off_left.saturating_sub(1);
            }
            Some(left) => self.on_left = Some(left - 1),
        }
        to_sample(self.sound.next_value())
    }
}
