//! Signals for tests: sines, noise and their sums, from a seed.

use crate::dsp::level::amplitude;
use crate::dsp::{SAMPLE_RATE_HZ, g711};

/// A generator of numbers for tests: SplitMix64, the same for ever.
#[derive(Clone, Debug)]
pub(crate) struct Seeded(u64);

impl Seeded {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// From 0 to 1.
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub fn between(&mut self, from: f64, to: f64) -> f64 {
        from + (to - from) * self.unit()
    }

    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.unit()).cos()
    }
}

/// A signal under construction, in samples not yet limited.
#[derive(Clone, Debug)]
pub(crate) struct Signal(pub Vec<f64>);

impl Signal {
    pub fn silence_ms(ms: f64) -> Self {
        Self(vec![0.0; (ms * 8.0).round() as usize])
    }

    /// Adds a sine with hard edges.
    pub fn sine(&mut self, from_ms: f64, length_ms: f64, hz: f64, dbm0: f32, phase: f64) -> &mut Self {
        let (from, to) = (
            (from_ms * 8.0).round() as usize,
            ((from_ms + length_ms) * 8.0).round() as usize,
        );
        let peak = f64::from(amplitude(dbm0));
        let to = to.min(self.0.len());
        for (index, value) in self.0[from..to].iter_mut().enumerate() {
            let time = index as f64 / f64::from(SAMPLE_RATE_HZ);
            *value += peak * (std::f64::consts::TAU * (hz * time + phase)).sin();
        }
        self
    }

    /// Adds a sine everywhere.
    pub fn hum(&mut self, hz: f64, dbm0: f32, phase: f64) -> &mut Self {
        let length_ms = self.0.len() as f64 / 8.0;
        self.sine(0.0, length_ms, hz, dbm0, phase)
    }

    /// Adds white noise.
    pub fn noise(&mut self, dbm0: f32, seeded: &mut Seeded) -> &mut Self {
        let deviation = f64::from(amplitude(dbm0)) / std::f64::consts::SQRT_2;
        for value in &mut self.0 {
            *value += deviation * seeded.normal();
        }
        self
    }

    pub fn samples(&self) -> Vec<i16> {
        self.0.iter().map(|value| value.round() as i16).collect()
    }

    /// The samples after a round trip through A-law.
    pub fn through_alaw(&self) -> Vec<i16> {
        let round_trip = |sample| g711::decode_alaw(g711::encode_alaw(sample));
        self.samples().into_iter().map(round_trip).collect()
    }
}
