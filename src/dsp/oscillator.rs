//! A sine from a 32-bit phase: exact to 2 µHz, never drifts, -106 dB distortion.

use super::SAMPLE_RATE_HZ;

const TABLE_BITS: u32 = 10;
const TABLE_LENGTH: usize = 1 << TABLE_BITS;

/// One period of the sine and its first value again, for interpolation.
static SINE: [f32; TABLE_LENGTH + 1] = sine_table();

/// A sine oscillator at [`SAMPLE_RATE_HZ`].
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Oscillator {
    /// In units of 2⁻³² periods.
    phase: u32,
    step: u32,
}

impl Oscillator {
    /// Starts at phase 0, rising.
    pub fn new(frequency_hz: f32) -> Self {
        Self {
            phase: 0,
            step: step(frequency_hz),
        }
    }

    /// Changes the frequency; the phase goes on.
    pub fn set_frequency(&mut self, frequency_hz: f32) {
        self.step = step(frequency_hz);
    }

    /// The next value, -1 to 1.
    #[inline]
    pub fn next_value(&mut self) -> f32 {
        let value = sine(self.phase);
        self.phase = self.phase.wrapping_add(self.step);
        value
    }

    /// Whether both make the same frequency.
    pub fn same_frequency(&self, other: &Self) -> bool {
        self.step == other.step
    }
}

/// Phase advance a sample, in 2⁻³² periods.
pub(super) fn step(frequency_hz: f32) -> u32 {
    (f64::from(frequency_hz) / f64::from(SAMPLE_RATE_HZ) * 4_294_967_296.0).round() as i64 as u32
}

/// The sine of a phase in 2⁻³² periods.
#[inline]
pub(super) fn sine(phase: u32) -> f32 {
    let index = (phase >> (32 - TABLE_BITS)) as usize;
    let fraction = (phase << TABLE_BITS) as f32 * (1.0 / 4_294_967_296.0);
    SINE[index] + (SINE[index + 1] - SINE[index]) * fraction
}

const fn sine_table() -> [f32; TABLE_LENGTH + 1] {
    let mut table = [0.0; TABLE_LENGTH + 1];
    let mut index = 0;
    while index <= TABLE_LENGTH {
        // `f64::sin` is not const: a Taylor series on -π..π, exact to f32 after 15 terms.
        let turn = index as f64 / TABLE_LENGTH as f64;
        let x = (if turn > 0.5 { turn - 1.0 } else { turn }) * std::f64::consts::TAU;
        let (mut term, mut sum, mut n) = (x, x, 1);
        while n < 15 {
            term *= -x * x / ((2 * n) as f64 * (2 * n + 1) as f64);
            sum += term;
            n += 1;
        }
        table[index] = sum as f32;
        index += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sine_is_a_sine() {
        for step in 0..10_000_u32 {
            let phase = step.wrapping_mul(429_497);
            let exact = (f64::from(phase) / 4_294_967_296.0 * std::f64::consts::TAU).sin();
            assert!((f64::from(sine(phase)) - exact).abs() < 6e-6, "at phase {phase}");
        }
    }

    #[test]
    fn a_second_holds_as_many_periods_as_the_frequency() {
        let mut oscillator = Oscillator::new(425.0);
        let mut rising = 0;
        let mut before = oscillator.next_value();
        for _ in 0..8000 {
            let value = oscillator.next_value();
            rising += u32::from(before < 0.0 && value >= 0.0);
            before = value;
        }
        assert_eq!(rising, 425);
    }
}
