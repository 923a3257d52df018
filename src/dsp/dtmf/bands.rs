//! The two groups of frequencies apart, each as a complex amplitude once a millisecond.
//!
//! One FIR filter a group, 64 taps (8 ms), moved to the middle of the group: it keeps the group's four tones
//! whole and the other group, dial tones (350 to 440 Hz), hum and direct current at least 40 dB down. Its output
//! turns with the tone's frequency, taken every 8 samples: frequency is the turn from one to the next, level is
//! its length, and a tone's beginning and end show to the millisecond. Integer products, so that the compiler
//! uses the narrow multiply-and-add of every processor.

use std::f32::consts::TAU;

use crate::dsp::SAMPLE_RATE_HZ;

/// Samples a tick.
pub(super) const TICK: usize = 8;

/// Ticks a second.
pub(super) const TICKS_HZ: f32 = 1000.0;

const TAPS: usize = 64;

/// From a sample to the middle of the filter's view of it.
pub(super) const DELAY_SAMPLES: u64 = 32;

/// Middles of the two groups.
const LOW_MIDDLE_HZ: f32 = 819.0;
const HIGH_MIDDLE_HZ: f32 = 1421.0;

/// Half the pass band at -6 dB, and the window's shape (Kaiser): 40 dB and more from 366 Hz off the middle.
const HALF_BAND_HZ: f32 = 225.0;
const KAISER_BETA: f32 = 4.0;

/// Scale of the taps: the largest at which no input can overflow 32 bits.
const TAP_SCALE: f32 = 65_536.0;

/// A complex amplitude: a tone of peak A is A long.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Complex {
    pub re: f32,
    pub im: f32,
}

impl Complex {
    /// On the unit circle.
    pub fn turn(radians: f32) -> Self {
        Self {
            re: radians.cos(),
            im: radians.sin(),
        }
    }

    pub fn power(self) -> f32 {
        self.re * self.re + self.im * self.im
    }

    pub fn angle(self) -> f32 {
        self.im.atan2(self.re)
    }

    pub fn times(self, other: Self) -> Self {
        Self {
            re: self.re * other.re - self.im * other.im,
            im: self.re * other.im + self.im * other.re,
        }
    }

    pub fn conjugate(self) -> Self {
        Self {
            re: self.re,
            im: -self.im,
        }
    }

    pub fn plus(self, other: Self) -> Self {
        Self {
            re: self.re + other.re,
            im: self.im + other.im,
        }
    }
}

/// One group's filter.
#[derive(Clone, Debug)]
struct Filter {
    re: [i16; TAPS],
    im: [i16; TAPS],
}

impl Filter {
    fn new(middle_hz: f32) -> Self {
        let mut filter = Self {
            re: [0; TAPS],
            im: [0; TAPS],
        };
        for tap in 0..TAPS {
            let from_middle = tap as f32 - (TAPS - 1) as f32 / 2.0;
            let angle = TAU * middle_hz / SAMPLE_RATE_HZ as f32 * from_middle;
            let weight = low_pass(from_middle) * TAP_SCALE;
            filter.re[tap] = (weight * angle.cos()).round() as i16;
            filter.im[tap] = (-weight * angle.sin()).round() as i16;
        }
        filter
    }

    #[inline]
    fn apply(&self, samples: &[i16; TAPS]) -> Complex {
        let (mut re, mut im) = (0_i32, 0_i32);
        for ((&sample, &tap_re), &tap_im) in samples.iter().zip(&self.re).zip(&self.im) {
            re = re.wrapping_add(i32::from(sample) * i32::from(tap_re));
            im = im.wrapping_add(i32::from(sample) * i32::from(tap_im));
        }
        // A real sine of peak A passes as A/2.
        let unit = 2.0 / TAP_SCALE;
        Complex {
            re: re as f32 * unit,
            im: im as f32 * unit,
        }
    }

    /// Gain for a sine of `frequency_hz`.
    fn gain(&self, frequency_hz: f32) -> f32 {
        let mut sum = Complex::default();
        for tap in 0..TAPS {
            let weight = Complex {
                re: f32::from(self.re[tap]),
                im: f32::from(self.im[tap]),
            };
            let angle = TAU * frequency_hz / SAMPLE_RATE_HZ as f32 * tap as f32;
            sum = sum.plus(weight.times(Complex::turn(angle)));
        }
        sum.power().sqrt() / TAP_SCALE
    }
}

/// The windowed low-pass all filters are moved from; its taps add up to 1 nearly.
fn low_pass(from_middle: f32) -> f32 {
    let cutoff = 2.0 * HALF_BAND_HZ / SAMPLE_RATE_HZ as f32;
    let x = std::f32::consts::PI * cutoff * from_middle;
    let sinc = if x.abs() < 1e-6 { 1.0 } else { x.sin() / x };
    let position = 2.0 * from_middle / (TAPS - 1) as f32;
    let window =
        bessel_i0(KAISER_BETA * (1.0 - position * position).max(0.0).sqrt()) / bessel_i0(KAISER_BETA);
    cutoff * sinc * window
}

/// The modified Bessel function of order 0 of the Kaiser window.
fn bessel_i0(x: f32) -> f32 {
    let (mut term, mut sum) = (1.0, 1.0);
    for n in 1..20 {
        term *= (x / (2 * n) as f32).powi(2);
        sum += term;
    }
    sum
}

/// What one tick shows.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tick {
    pub low: Complex,
    pub high: Complex,
    /// Energy of the newest 8 samples in the speech band, dial tones and hum left out (see [`wide_gain`]).
    pub wide: f32,
}

/// Splits samples into ticks.
#[derive(Clone, Debug)]
pub(super) struct Bands {
    low: Filter,
    high: Filter,
    /// Older samples first; `filled` of them are there.
    samples: [i16; BUFFER],
    filled: usize,
}

/// The filter's past, and room for a frame so that it needs to be moved only once a frame.
const BUFFER: usize = TAPS + 128;

impl Bands {
    pub fn new() -> Self {
        Self {
            low: Filter::new(LOW_MIDDLE_HZ),
            high: Filter::new(HIGH_MIDDLE_HZ),
            samples: [0; BUFFER],
            filled: TAPS - TICK,
        }
    }

    /// Takes samples in, calling `tick` after every eighth.
    pub fn push(&mut self, mut samples: &[i16], mut tick: impl FnMut(Tick)) {
        while !samples.is_empty() {
            let taken = samples.len().min(BUFFER - self.filled);
            let (now, later) = samples.split_at(taken);
            samples = later;
            self.samples[self.filled..self.filled + taken].copy_from_slice(now);
            self.filled += taken;
            let mut used = 0;
            while let Some(window) = self.samples[used..self.filled].first_chunk::<TAPS>() {
                tick(self.look(window));
                used += TICK;
            }
            self.samples.copy_within(used..self.filled, 0);
            self.filled -= used;
        }
    }

    #[inline]
    fn look(&self, window: &[i16; TAPS]) -> Tick {
        let mut wide = 0.0;
        for newest in window[TAPS - TICK - 4..].windows(5) {
            let [a, b, _, d, e] = [newest[0], newest[1], newest[2], newest[3], newest[4]].map(i32::from);
            let value = ((e - a) as f32) - NOTCH * (d - b) as f32;
            wide += value * value;
        }
        Tick {
            low: self.low.apply(window),
            high: self.high.apply(window),
            wide,
        }
    }

    /// Gain of the low group's filter.
    pub fn low_gain(&self, frequency_hz: f32) -> f32 {
        self.low.gain(frequency_hz)
    }

    /// Gain of the high group's filter.
    pub fn high_gain(&self, frequency_hz: f32) -> f32 {
        self.high.gain(frequency_hz)
    }
}

/// 2·cos(2π·395/8000): the wide filter's zero in the middle of the dial tones.
const NOTCH: f32 = 1.904_6;

/// Gain of the wide filter, (1 - z⁻²)(1 - 2cos(ω₀)z⁻¹ + z⁻²): zeros at 0 Hz, 395 Hz and 4 kHz.
pub(super) fn wide_gain(frequency_hz: f32) -> f32 {
    let angle = TAU * frequency_hz / SAMPLE_RATE_HZ as f32;
    2.0 * angle.sin() * (2.0 * angle.cos() - NOTCH).abs()
}
