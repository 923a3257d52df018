//! Levels in dBm0, gain, and the DC blocker that stands before every detector.

use super::{PEAK_0_DBM0, SAMPLE_RATE_HZ};

/// What a meter shows of digital silence: below G.711's smallest step (-66 dBm0) and finite.
pub const SILENCE_DBM0: f32 = -96.0;

/// The peak of a sine of `level_dbm0`.
pub fn amplitude(level_dbm0: f32) -> f32 {
    PEAK_0_DBM0 * db_to_ratio(level_dbm0)
}

/// An amplitude ratio of decibels.
pub fn db_to_ratio(gain_db: f32) -> f32 {
    10_f32.powf(gain_db / 20.0)
}

/// The level of a mean square, in dBm0; [`SILENCE_DBM0`] at least.
pub fn mean_square_to_dbm0(mean_square: f32) -> f32 {
    let zero_dbm0 = PEAK_0_DBM0 * PEAK_0_DBM0 / 2.0;
    (10.0 * (mean_square / zero_dbm0).log10()).max(SILENCE_DBM0)
}

/// The mean level of `samples`; [`SILENCE_DBM0`] of none.
pub fn rms_dbm0(samples: &[i16]) -> f32 {
    mean_square_to_dbm0(mean_square(samples))
}

/// The level of a sine with the largest magnitude of `samples` as its peak.
pub fn peak_dbm0(samples: &[i16]) -> f32 {
    let peak = samples
        .iter()
        .map(|sample| sample.unsigned_abs())
        .max()
        .unwrap_or(0);
    (20.0 * (f32::from(peak) / PEAK_0_DBM0).log10()).max(SILENCE_DBM0)
}

fn mean_square(samples: &[i16]) -> f32 {
    if samples.is_empty() {
        return 0.0;
    }
    let sum: i64 = samples
        .iter()
        .map(|&sample| i64::from(i32::from(sample) * i32::from(sample)))
        .sum();
    sum as f32 / samples.len() as f32
}

/// A running level: mean square over about `time_ms`, and the peak held and falling as slowly.
#[derive(Clone, Debug)]
pub struct Meter {
    mean_square: f32,
    peak: f32,
    time_samples: f32,
}

impl Meter {
    /// A meter with a time constant of `time_ms` (125 is the "fast" of sound level meters, IEC 61672).
    pub fn new(time_ms: u32) -> Self {
        Self {
            mean_square: 0.0,
            peak: 0.0,
            time_samples: (time_ms.max(1) * SAMPLE_RATE_HZ / 1000) as f32,
        }
    }

    /// Measures some more samples.
    pub fn measure(&mut self, samples: &[i16]) {
        let kept = (-(samples.len() as f32) / self.time_samples).exp();
        self.mean_square = self.mean_square * kept + mean_square(samples) * (1.0 - kept);
        let peak = samples
            .iter()
            .map(|sample| sample.unsigned_abs())
            .max()
            .unwrap_or(0);
        self.peak = f32::from(peak).max(self.peak * kept);
    }

    /// Mean level.
    pub fn rms_dbm0(&self) -> f32 {
        mean_square_to_dbm0(self.mean_square)
    }

    /// Peak, as the level of a sine with that peak.
    pub fn peak_dbm0(&self) -> f32 {
        (20.0 * (self.peak / PEAK_0_DBM0).log10()).max(SILENCE_DBM0)
    }
}

/// A fixed gain, saturating.
#[derive(Clone, Copy, Debug)]
pub struct Gain {
    /// Ratio with 12 fractional bits; unity leaves the samples untouched.
    ratio_q12: i32,
}

impl Gain {
    /// `gain_db`, limited to -60..=+40.
    pub fn new(gain_db: f32) -> Self {
        Self {
            ratio_q12: (db_to_ratio(gain_db.clamp(-60.0, 40.0)) * 4096.0).round() as i32,
        }
    }

    /// Applies it.
    pub fn apply(self, samples: &mut [i16]) {
        if self.ratio_q12 == 4096 {
            return;
        }
        for sample in samples {
            let scaled = (i64::from(*sample) * i64::from(self.ratio_q12) + 2048) >> 12;
            *sample = scaled.clamp(i64::from(i16::MIN), i64::from(i16::MAX)) as i16;
        }
    }
}

/// Takes the direct current out: a first-order high-pass at 20 Hz, below everything a telephone carries
/// (300 Hz, ITU-T G.712) and at the ringing frequency.
#[derive(Clone, Copy, Debug, Default)]
pub struct DcBlocker {
    before_in: f32,
    before_out: f32,
}

impl DcBlocker {
    /// 1 - 2π·20/8000.
    const POLE: f32 = 0.9843;

    /// At rest.
    pub fn new() -> Self {
        Self::default()
    }

    /// Filters in place.
    pub fn apply(&mut self, samples: &mut [i16]) {
        for sample in samples {
            let value = f32::from(*sample);
            self.before_out = value - self.before_in + Self::POLE * self.before_out;
            self.before_in = value;
            *sample = self.before_out.round() as i16;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dsp::signal::Signal;

    fn sine(dbm0: f32) -> Vec<i16> {
        Signal::silence_ms(1000.0).hum(1000.0, dbm0, 0.03).samples()
    }

    #[test]
    fn a_sine_measures_its_level() {
        for dbm0 in [3.0, 0.0, -10.0, -40.0] {
            let samples = sine(dbm0);
            assert!((rms_dbm0(&samples) - dbm0).abs() < 0.05);
            assert!((peak_dbm0(&samples) - dbm0).abs() < 0.3);
            let mut meter = Meter::new(125);
            samples.chunks(80).for_each(|frame| meter.measure(frame));
            assert!((meter.rms_dbm0() - dbm0).abs() < 0.1);
            assert!((meter.peak_dbm0() - dbm0).abs() < 0.3);
        }
        assert_eq!(rms_dbm0(&[]), SILENCE_DBM0);
        assert_eq!(rms_dbm0(&[0; 80]), SILENCE_DBM0);
        assert_eq!(peak_dbm0(&[i16::MIN]), 20.0 * (32_768.0 / PEAK_0_DBM0).log10());
    }

    #[test]
    fn gain_is_exact_and_saturates() {
        let mut samples = sine(-20.0);
        Gain::new(6.0).apply(&mut samples);
        assert!((rms_dbm0(&samples) + 14.0).abs() < 0.05);
        let mut extremes = [i16::MIN, -1, 0, 1, i16::MAX];
        Gain::new(0.0).apply(&mut extremes);
        assert_eq!(extremes, [i16::MIN, -1, 0, 1, i16::MAX]);
        Gain::new(40.0).apply(&mut extremes);
        assert_eq!(extremes, [i16::MIN, -100, 0, 100, i16::MAX]);
    }

    #[test]
    fn direct_current_goes_and_speech_stays() {
        let mut samples: Vec<i16> = sine(-10.0).iter().map(|sample| sample + 3000).collect();
        DcBlocker::new().apply(&mut samples);
        let settled = &samples[4000..];
        let mean = settled.iter().map(|&sample| i64::from(sample)).sum::<i64>() / settled.len() as i64;
        assert!(mean.abs() <= 2);
        assert!((rms_dbm0(settled) + 10.0).abs() < 0.1);
    }
}
