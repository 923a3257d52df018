//! One group of tones: what of it sounds, how steadily, since when.

use super::bands::{Complex, TICKS_HZ};
use crate::dsp::level::amplitude;

/// Milliseconds over which frequency and purity are measured.
pub(super) const MEASURED: usize = 22;

/// Milliseconds of the quick look that raises a suspicion.
pub(super) const QUICK: usize = 8;

/// A tone lasts while its power is this share of what it was: half its amplitude, where a filter's view of an
/// edge stands in the middle of the edge.
pub(super) const PRESENT: f32 = 0.25;

/// Past ticks kept.
pub(super) const PAST: usize = 64;

/// Level of each tone at least. Required: 0 to -27 dBm0 heard, -55 not.
pub(super) const LEVEL_MIN_DBM0: f32 = -42.5;

/// Farthest a clean key's frequency may be from its nominal value, as a share of it.
pub(super) const OFFSET_MAX: f32 = 0.025;

/// One group of tones.
#[derive(Clone, Debug)]
pub(super) struct Group {
    nominal_hz: [f32; 4],
    /// The filter's gain at each tone, and at [`OFFSET_MAX`] under and over it.
    gains: [[f32; 3]; 4],
    /// Lower end of the 1000 Hz in which a frequency is told from its turn a tick.
    from_hz: f32,
    past: [Complex; PAST],
    powers: [f32; PAST],
    turns: [Complex; PAST],
    /// Sums over the last [`QUICK`] ticks; in f64, so that adding and taking away leaves nothing behind.
    power_sum: f64,
    turn_sum: (f64, f64),
    /// Least sum of powers worth looking at.
    floor: f64,
}

/// What was measured of a group's tone.
#[derive(Clone, Copy, Debug)]
pub(super) struct Measured {
    pub frequency_hz: f32,
    /// Square of its amplitude behind the filter.
    pub power: f32,
    /// Share of the group's energy.
    pub purity: f32,
}

impl Measured {
    /// The group's power beside the tone.
    pub fn residue(&self) -> f32 {
        self.power * (1.0 / self.purity - 1.0)
    }
}

impl Group {
    pub fn new(nominal_hz: [f32; 4], from_hz: f32) -> Self {
        Self {
            nominal_hz,
            gains: [[1.0; 3]; 4],
            from_hz,
            past: [Complex::default(); PAST],
            powers: [0.0; PAST],
            turns: [Complex::default(); PAST],
            power_sum: 0.0,
            turn_sum: (0.0, 0.0),
            // 3 dB under the level required, which is checked later and exactly.
            floor: f64::from(amplitude(LEVEL_MIN_DBM0 - 3.0).powi(2)) * QUICK as f64,
        }
    }

    pub fn with_gains(mut self, gain: impl Fn(f32) -> f32) -> Self {
        self.gains = self
            .nominal_hz
            .map(|hz| [-1.0, 0.0, 1.0].map(|side| gain(hz * (1.0 + side * OFFSET_MAX))));
        self
    }

    /// The filter's gain near the tone at `place`: at the edge of its pass band 2.5 % change it by a decibel.
    pub fn gain(&self, place: usize, frequency_hz: f32) -> f32 {
        let [under, at, over] = self.gains[place];
        let side = (frequency_hz / self.nominal_hz[place] - 1.0) / OFFSET_MAX;
        at + side * (over - under) / 2.0 + side * side * ((over + under) / 2.0 - at)
    }

    #[inline]
    pub fn push(&mut self, now: u64, value: Complex) {
        let slot = now as usize % PAST;
        let turn = value.times(self.past[(now as usize + PAST - 1) % PAST].conjugate());
        let oldest = (now as usize + PAST - QUICK) % PAST;
        let power = value.power();
        self.past[slot] = value;
        self.powers[slot] = power;
        self.turns[slot] = turn;
        self.power_sum += f64::from(power) - f64::from(self.powers[oldest]);
        self.turn_sum.0 += f64::from(turn.re) - f64::from(self.turns[oldest].re);
        self.turn_sum.1 += f64::from(turn.im) - f64::from(self.turns[oldest].im);
    }

    pub fn power(&self, tick: u64) -> f32 {
        self.powers[tick as usize % PAST]
    }

    /// How alike the turns of the last few ticks are: 1 for a steady tone, about 0.4 for noise.
    #[inline]
    fn steadiness(&self) -> f64 {
        let (re, im) = self.turn_sum;
        (re * re + im * im) / (self.power_sum * self.power_sum)
    }

    fn quick_frequency_hz(&self) -> f32 {
        let turn = Complex {
            re: self.turn_sum.0 as f32,
            im: self.turn_sum.1 as f32,
        };
        self.unfold(turn.angle() / std::f32::consts::TAU * TICKS_HZ)
    }

    /// The place of the tone that sounds at first sight.
    #[inline]
    pub fn quick(&self) -> Option<usize> {
        if self.power_sum < self.floor || self.steadiness() < 0.6 {
            return None;
        }
        let frequency_hz = self.quick_frequency_hz();
        self.nominal_hz
            .iter()
            .position(|nominal_hz| (frequency_hz - nominal_hz).abs() < nominal_hz * (OFFSET_MAX + 0.012))
    }

    /// Whether the group holds anything like the tone at `place` still.
    pub fn is_near(&self, place: usize) -> bool {
        self.steadiness() > 0.35
            && (self.quick_frequency_hz() - self.nominal_hz[place]).abs() < self.nominal_hz[place] * 0.045
    }

    fn unfold(&self, frequency_hz: f32) -> f32 {
        (frequency_hz - self.from_hz).rem_euclid(TICKS_HZ) + self.from_hz
    }

    /// For how many ticks up to the newest the tone has been as strong as in the last few.
    pub fn run(&self, ticks: u64) -> usize {
        let power = |back: usize| self.powers[(ticks as usize + PAST - 1 - back) % PAST];
        let mean = (0..16).map(power).sum::<f32>() / 16.0;
        (0..PAST - 1)
            .take_while(|&back| power(back) >= PRESENT * mean)
            .count()
    }

    /// Frequency, power and purity over the last [`MEASURED`] ticks.
    pub fn measure(&self, ticks: u64) -> Measured {
        let at = |index: usize| (ticks as usize + PAST - MEASURED + index) % PAST;
        let mut turn = Complex::default();
        for index in 1..MEASURED {
            turn = turn.plus(self.turns[at(index)]);
        }
        let coarse = turn.angle();
        // Turned back by the coarse estimate the tone stands nearly still: what it still turns from the first
        // third to the last is the estimate's error.
        let third = MEASURED / 3;
        let mut still = [Complex::default(); MEASURED];
        let mut sums = [Complex::default(); 2];
        let mut energy = 0.0;
        let (step, mut back) = (Complex::turn(-coarse), Complex { re: 1.0, im: 0.0 });
        for (index, slot) in still.iter_mut().enumerate() {
            *slot = self.past[at(index)].times(back);
            back = back.times(step);
            energy += slot.power();
            if index < third {
                sums[0] = sums[0].plus(*slot);
            } else if index >= MEASURED - third {
                sums[1] = sums[1].plus(*slot);
            }
        }
        let error = sums[1].times(sums[0].conjugate()).angle() / (MEASURED - third) as f32;
        let (step, mut back) = (Complex::turn(-error), Complex { re: 1.0, im: 0.0 });
        let mut sum = Complex::default();
        for value in still {
            sum = sum.plus(value.times(back));
            back = back.times(step);
        }
        let power = sum.power() / (MEASURED * MEASURED) as f32;
        Measured {
            frequency_hz: self.unfold((coarse + error) / std::f32::consts::TAU * TICKS_HZ),
            power,
            purity: power / (energy / MEASURED as f32).max(f32::MIN_POSITIVE),
        }
    }
}
