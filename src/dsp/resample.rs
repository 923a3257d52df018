//! Sample rates: sound cards that have no 8000 Hz, and clocks that differ by some parts per million.
//!
//! One polyphase FIR serves both: a windowed sinc of [`TAPS`] taps at the lower of the two rates, tabulated at
//! [`PHASES`] places between two taps and interpolated linearly, so that any ratio works and may change at any
//! sample without a click. Delay is half the filter: 1.9 ms. Integer or not, no ratio drops or doubles samples
//! (which fax modems would hear).

use super::SAMPLE_RATE_HZ;

/// Taps at the lower rate: 30 at 8 kHz are 3.75 ms, seen from their middle 1.9 ms.
const TAPS: usize = 30;

/// Places between two taps at which the sinc is tabulated.
const PHASES: usize = 128;

/// -6 dB at this share of the lower rate: 3700 Hz of 8000, flat to 3000 Hz (ITU-T G.712), 60 dB down at 4600 Hz.
const CUTOFF: f64 = 0.4625;

/// Kaiser window: 60 dB.
const KAISER_BETA: f64 = 5.6;

/// Highest rate served; more taps than this ratio needs are never read.
const RATIO_MAX: usize = 6;

/// Most samples the filter looks at.
const SPAN_MAX: usize = TAPS * RATIO_MAX + 2;

/// Largest correction by [`Resampler::adjust_ppm`].
const PPM_MAX: f64 = 2000.0;

/// The resampler's rates are outside what it serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot resample {from_hz} Hz to {to_hz} Hz: rates from 8000 to 48000 are served")]
pub struct UnsupportedRate {
    /// Rate in.
    pub from_hz: u32,
    /// Rate out.
    pub to_hz: u32,
}

/// Turns one stream of samples into another rate. Any chunk size.
#[derive(Clone, Debug)]
pub struct Resampler {
    /// The sinc at every 1/[`PHASES`] of a tap, from its middle outwards, in samples of the lower rate.
    sinc: Box<[f32]>,
    /// Samples of the sinc's table from one input sample to the next.
    stride: f64,
    gain: f32,
    /// Input samples a filter sees.
    span: usize,
    /// The newest [`SPAN_MAX`] inputs, twice over, so that any run of them lies in one piece.
    past: Box<[f32]>,
    at: usize,
    /// Input samples from one output to the next, nominally and corrected.
    nominal_step: f64,
    step: f64,
    /// Input samples until the next output.
    until: f64,
}

impl Resampler {
    /// From `from_hz` to `to_hz`, each 8000 to 48000. Equal rates make a pure drift absorber.
    pub fn new(from_hz: u32, to_hz: u32) -> Result<Self, UnsupportedRate> {
        let served = SAMPLE_RATE_HZ..=SAMPLE_RATE_HZ * RATIO_MAX as u32;
        if !served.contains(&from_hz) || !served.contains(&to_hz) {
            return Err(UnsupportedRate { from_hz, to_hz });
        }
        let lower = from_hz.min(to_hz);
        let stride = f64::from(lower) / f64::from(from_hz) * PHASES as f64;
        let span = (TAPS as f64 * f64::from(from_hz) / f64::from(lower)).ceil() as usize;
        let nominal_step = f64::from(from_hz) / f64::from(to_hz);
        Ok(Self {
            sinc: sinc_table(),
            stride,
            gain: (f64::from(lower) / f64::from(from_hz)) as f32,
            span,
            past: vec![0.0; 2 * SPAN_MAX].into_boxed_slice(),
            at: 0,
            nominal_step,
            step: nominal_step,
            until: 0.0,
        })
    }

    /// The input's clock runs `ppm` faster than nominal: so much more of it is used up for the same output.
    /// Takes effect from the next sample on, without a click; limited to ±2000.
    pub fn adjust_ppm(&mut self, ppm: f64) {
        let ppm = if ppm.is_finite() {
            ppm.clamp(-PPM_MAX, PPM_MAX)
        } else {
            0.0
        };
        self.step = self.nominal_step * (1.0 + ppm * 1e-6);
    }

    /// Delay from input to output, in seconds.
    pub fn delay_s(&self, from_hz: u32) -> f64 {
        self.span as f64 / 2.0 / f64::from(from_hz)
    }

    /// Most samples that come out for `inputs`.
    pub fn outputs_max(&self, inputs: usize) -> usize {
        (inputs as f64 / self.nominal_step * (1.0 + PPM_MAX * 1e-6)) as usize + 2
    }

    /// Takes `input` in and writes what comes of it to `output`; how many samples that was. What finds no room
    /// is lost: see [`Resampler::outputs_max`].
    pub fn process(&mut self, input: &[i16], output: &mut [i16]) -> usize {
        let mut written = 0;
        for &sample in input {
            let value = f32::from(sample);
            self.past[self.at] = value;
            self.past[self.at + SPAN_MAX] = value;
            self.at = (self.at + 1) % SPAN_MAX;
            self.until -= 1.0;
            while self.until < 0.0 {
                let value = self.interpolate(1.0 + self.until);
                if let Some(slot) = output.get_mut(written) {
                    *slot = value.round() as i16;
                    written += 1;
                }
                self.until += self.step;
            }
        }
        written
    }

    /// The signal half a span ago, `ahead` (0 to 1) of a sample before its newest place.
    fn interpolate(&self, ahead: f64) -> f32 {
        let newest = self.at + SPAN_MAX;
        let samples = &self.past[newest - self.span..newest];
        // Distance of the oldest sample from the filter's middle, in steps of the table.
        let mut from_middle = (self.span as f64 / 2.0 - 1.0 + ahead) * self.stride;
        let mut sum = 0.0;
        for &sample in samples {
            let place = from_middle.abs();
            let index = place as usize;
            if let Some(&[here, next]) = self
                .sinc
                .get(index..index + 2)
                .and_then(|pair| pair.first_chunk())
            {
                sum += sample * (here + (next - here) * (place - index as f64) as f32);
            }
            from_middle -= self.stride;
        }
        sum * self.gain
    }
}

/// One wing of the windowed sinc, whose taps at the lower rate add up to 1.
fn sinc_table() -> Box<[f32]> {
    let length = TAPS / 2 * PHASES;
    let bessel_i0 = |x: f64| {
        let terms = (1..25).scan(1.0, |term, n| {
            *term *= (x / f64::from(2 * n)).powi(2);
            Some(*term)
        });
        1.0 + terms.sum::<f64>()
    };
    let value = |index: usize| {
        let place = index as f64 / PHASES as f64;
        let x = std::f64::consts::TAU * CUTOFF * place;
        let sinc = if index == 0 { 1.0 } else { x.sin() / x };
        let across = (place / (TAPS as f64 / 2.0)).min(1.0);
        2.0 * CUTOFF * sinc * bessel_i0(KAISER_BETA * (1.0 - across * across).sqrt()) / bessel_i0(KAISER_BETA)
    };
    (0..=length).map(|index| value(index) as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dsp::level::{amplitude, rms_dbm0};

    fn sine(rate_hz: u32, hz: f64, length: usize) -> Vec<i16> {
        let peak = f64::from(amplitude(-3.0));
        let angle = std::f64::consts::TAU * hz / f64::from(rate_hz);
        (0..length)
            .map(|index| (peak * (angle * index as f64).sin()).round() as i16)
            .collect()
    }

    /// One second through, in chunks of changing sizes; what came out.
    fn through(from_hz: u32, to_hz: u32, hz: f64, ppm: f64) -> Vec<i16> {
        let mut resampler = Resampler::new(from_hz, to_hz).unwrap();
        resampler.adjust_ppm(ppm);
        let input = sine(from_hz, hz, from_hz as usize);
        let (mut out, mut rest, mut size) = (Vec::new(), &input[..], 1);
        while !rest.is_empty() {
            let (chunk, later) = rest.split_at(size.min(rest.len()));
            let mut room = vec![0; resampler.outputs_max(chunk.len())];
            let written = resampler.process(chunk, &mut room);
            out.extend_from_slice(&room[..written]);
            (rest, size) = (later, size * 7 % 480 + 1);
        }
        out
    }

    /// Level of everything but a sine of `hz`, under the whole, in dB.
    fn distortion_db(samples: &[i16], rate_hz: u32, hz: f64) -> f64 {
        let angle = std::f64::consts::TAU * hz / f64::from(rate_hz);
        let (mut sine, mut cosine, mut energy) = (0.0, 0.0, 0.0);
        for (index, &sample) in samples.iter().enumerate() {
            let value = f64::from(sample);
            sine += value * (angle * index as f64).sin();
            cosine += value * (angle * index as f64).cos();
            energy += value * value;
        }
        let tone = 2.0 * (sine * sine + cosine * cosine) / samples.len() as f64;
        10.0 * ((energy - tone).max(1e-9) / energy).log10()
    }

    #[test]
    fn the_voice_band_passes_flat_and_clean_at_every_rate() {
        for (from_hz, to_hz) in [
            (48_000, 8000),
            (8000, 48_000),
            (44_100, 8000),
            (8000, 44_100),
            (16_000, 8000),
            (8000, 16_000),
            (32_000, 8000),
            (8000, 32_000),
        ] {
            for hz in [300.0, 1000.0, 3000.0] {
                let out = through(from_hz, to_hz, hz, 0.0);
                assert!(
                    out.len().abs_diff(to_hz as usize) <= 1,
                    "{from_hz} to {to_hz}: {} samples",
                    out.len()
                );
                let settled = &out[to_hz as usize / 10..];
                let level = rms_dbm0(settled);
                assert!(
                    (level + 3.0).abs() < 0.25,
                    "{from_hz} to {to_hz} at {hz} Hz: {level} dBm0"
                );
                let cut = settled.len() / to_hz as usize * to_hz as usize + to_hz as usize * 9 / 10;
                let distortion = distortion_db(&settled[..cut.min(settled.len())], to_hz, hz);
                assert!(
                    distortion < -55.0,
                    "{from_hz} to {to_hz} at {hz} Hz: {distortion} dB"
                );
            }
        }
    }

    #[test]
    fn what_eight_kilohertz_cannot_carry_stays_out() {
        for from_hz in [48_000, 44_100, 32_000, 16_000] {
            for hz in [4600.0, 5000.0, 7000.0] {
                let out = through(from_hz, 8000, hz, 0.0);
                let level = rms_dbm0(&out[800..]);
                assert!(level < -3.0 - 50.0, "{hz} Hz of {from_hz}: {level} dBm0");
            }
        }
    }

    #[test]
    fn delay_stays_under_two_and_a_half_milliseconds() {
        for (from_hz, to_hz) in [(48_000, 8000), (8000, 48_000), (44_100, 8000)] {
            let mut resampler = Resampler::new(from_hz, to_hz).unwrap();
            let mut click = vec![0; from_hz as usize / 100];
            click[0] = 10_000;
            let mut out = vec![0; resampler.outputs_max(click.len())];
            let written = resampler.process(&click, &mut out);
            let loudest = (0..written).max_by_key(|&index| out[index]).unwrap();
            let delay_s = loudest as f64 / f64::from(to_hz);
            assert!(delay_s < 0.0025, "{from_hz} to {to_hz}: {delay_s} s");
            assert!((resampler.delay_s(from_hz) - delay_s).abs() < 0.0003);
        }
    }

    #[test]
    fn drift_is_absorbed_without_a_click() {
        // A clock 100 ppm fast: 8000 samples of it are 7999.2 of ours, and the tone is heard lower by as much.
        let mut resampler = Resampler::new(8000, 8000).unwrap();
        let input = sine(8000, 1000.1, 160_000);
        let (mut out, mut count) = (vec![0; 100], 0);
        let mut before: Option<(i16, i16)> = None;
        for (index, chunk) in input.chunks(80).enumerate() {
            // The correction moves all the time.
            resampler.adjust_ppm(100.0 + 50.0 * (index as f64 / 100.0).sin());
            let written = resampler.process(chunk, &mut out);
            count += written;
            for &sample in &out[..written] {
                if let Some((first, second)) = before
                    && index > 2
                {
                    // A sine follows from its last two samples; what doesn't is a click.
                    let angle = std::f64::consts::TAU * 1000.0 / 8000.0;
                    let expected = 2.0 * angle.cos() * f64::from(second) - f64::from(first);
                    assert!(
                        (expected - f64::from(sample)).abs() < 60.0,
                        "click in frame {index}"
                    );
                }
                before = before.map(|(_, second)| (second, sample)).or(Some((0, sample)));
            }
        }
        assert!(count.abs_diff(160_000 - 16) <= 3, "{count} samples");
    }

    #[test]
    fn rates_out_of_reach_are_refused() {
        assert!(Resampler::new(96_000, 8000).is_err());
        assert!(Resampler::new(8000, 0).is_err());
    }
}
