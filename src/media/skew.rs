//! Two clocks that don't run alike: how fast one drifts against the other, and reading samples at that rate.

use crate::dsp::FRAME;

/// How often the drift is looked at.
const INTERVAL_US: i64 = 1_000_000;

/// Share of the error taken into the phase each second.
const PHASE_GAIN: f64 = 0.1;

/// Share of the error taken into the rate each second: settles in about half a minute, and 1 ms of noise in the
/// minima moves the rate by 2 ppm.
const RATE_GAIN: f64 = 0.002;

/// Crystals differ by 2 × 100 ppm at most; what looks like more isn't drift.
const DRIFT_MAX: f64 = 300.0e-6;

/// An error beyond this is a jump (a route, a restart), not drift.
const JUMP_US: f64 = 15_000.0;

/// Follows the least value of a phase that grows where a clock is slow.
#[derive(Clone, Debug, Default)]
pub struct DriftTracker {
    least_us: Option<i64>,
    until_us: Option<i64>,
    locked: Option<Locked>,
    intervals: u32,
}

#[derive(Clone, Copy, Debug)]
struct Locked {
    phase_us: f64,
    rate: f64,
}

impl DriftTracker {
    /// Takes one reading of the phase: real time minus the clock's own.
    pub fn observe(&mut self, now_us: i64, phase_us: i64) {
        let until_us = *self.until_us.get_or_insert(now_us + INTERVAL_US);
        if now_us >= until_us {
            if let Some(least_us) = self.least_us.take() {
                self.update(least_us as f64);
            }
            self.until_us = Some(now_us + INTERVAL_US);
        }
        self.least_us = Some(self.least_us.map_or(phase_us, |least| least.min(phase_us)));
    }

    /// How much slower the clock runs than real time; 100e-6 is 100 ppm. 0 until it is known.
    pub fn drift(&self) -> f64 {
        // The first seconds say more about queues than about clocks.
        match self.locked {
            Some(locked) if self.intervals > 5 => locked.rate,
            _ => 0.0,
        }
    }

    fn update(&mut self, phase_us: f64) {
        let Some(locked) = &mut self.locked else {
            self.locked = Some(Locked { phase_us, rate: 0.0 });
            return;
        };
        locked.phase_us += locked.rate * INTERVAL_US as f64;
        let error = phase_us - locked.phase_us;
        if error.abs() > JUMP_US {
            locked.phase_us = phase_us;
            return;
        }
        self.intervals = self.intervals.saturating_add(1);
        // While young, a higher gain finds the rate in seconds instead of a minute.
        let haste = (40.0 / f64::from(self.intervals)).clamp(1.0, 8.0);
        locked.phase_us += error * (PHASE_GAIN * haste).min(0.8);
        locked.rate = (locked.rate + error * RATE_GAIN * haste * haste.sqrt() / INTERVAL_US as f64 * 2.0)
            .clamp(-DRIFT_MAX, DRIFT_MAX);
    }
}

/// Taps of the interpolating filter; half of them look ahead (0.75 ms).
const TAPS: usize = 12;
const AHEAD: usize = TAPS / 2;

/// Positions between two samples for which the filter is worked out; between them it is interpolated.
const PHASES: usize = 64;

/// How fast the last fraction of a sample is given back once the rate is one again, so that nothing needs to be
/// interpolated any more.
const SETTLING: f64 = 0.004;

/// Samples held: history, what one frame needs, and two blocks more.
const HELD: usize = TAPS + 4 * FRAME;

/// Reads a stream of blocks at a rate near one, without clicks.
pub struct Resampler {
    held: [i16; HELD],
    length: usize,
    /// Where in `held` the next sample is read: whole part and fraction.
    whole: usize,
    fraction: f64,
    filters: Box<[[f32; TAPS]]>,
}

impl Resampler {
    /// Works out its filters.
    pub fn new() -> Self {
        let filters = (0..=PHASES)
            .map(|phase| filter(phase as f32 / PHASES as f32))
            .collect();
        let mut resampler = Self {
            held: [0; HELD],
            length: 0,
            whole: 0,
            fraction: 0.0,
            filters,
        };
        resampler.restart();
        resampler
    }

    /// Forgets what it holds; the next block is preceded by silence.
    pub fn restart(&mut self) {
        self.held.fill(0);
        self.length = TAPS;
        self.whole = AHEAD;
        self.fraction = 0.0;
    }

    /// Whether a frame read at `rate` needs one more block first.
    pub fn is_short(&self, rate: f64) -> bool {
        let last = self.whole as f64 + self.fraction + (FRAME - 1) as f64 * rate;
        last as usize + AHEAD >= self.length
    }

    /// Samples held beyond those read, when a frame has just been read.
    pub fn held(&self) -> usize {
        self.length.saturating_sub(self.whole + AHEAD)
    }

    /// Takes a block.
    pub fn push(&mut self, block: &[i16; FRAME]) {
        let done = self.whole.saturating_sub(AHEAD);
        if self.length + FRAME > HELD {
            self.held.copy_within(done..self.length, 0);
            self.length -= done;
            self.whole -= done;
        }
        if self.length + FRAME <= HELD {
            self.held[self.length..self.length + FRAME].copy_from_slice(block);
            self.length += FRAME;
        }
    }

    /// Leaves out `samples` of what is to be read next (where nobody hears it).
    pub fn skip(&mut self, samples: usize) {
        self.whole = (self.whole + samples).min(self.length.saturating_sub(AHEAD));
    }

    /// Reads a frame; `is_short` says whether it can. `rate`: samples of the source for one of the frame.
    pub fn read(&mut self, rate: f64, frame: &mut [i16; FRAME]) {
        #[expect(clippy::float_cmp, reason = "exactly one, or the filter is needed")]
        let untouched = rate == 1.0 && self.fraction == 0.0;
        if untouched && self.whole + FRAME <= self.length {
            frame.copy_from_slice(&self.held[self.whole..self.whole + FRAME]);
            self.whole += FRAME;
            return;
        }
        #[expect(clippy::float_cmp, reason = "exactly one asks for the samples as they are")]
        let settling = rate == 1.0;
        for sample in frame {
            *sample = self.interpolate();
            if settling {
                self.whole += 1;
                self.fraction = (self.fraction - SETTLING).max(0.0);
                continue;
            }
            self.fraction += rate;
            let step = self.fraction as usize;
            self.whole += step;
            self.fraction -= step as f64;
        }
    }

    fn interpolate(&self) -> i16 {
        let start = (self.whole + 1).saturating_sub(AHEAD);
        let Some(samples) = self.held.get(start..start + TAPS) else {
            return 0;
        };
        let place = self.fraction as f32 * PHASES as f32;
        let phase = (place as usize).min(PHASES - 1);
        let between = place - phase as f32;
        let (near, far) = (&self.filters[phase], &self.filters[phase + 1]);
        let mut sum = 0.0;
        for ((&sample, near), far) in samples.iter().zip(near).zip(far) {
            sum += f32::from(sample) * (near + (far - near) * between);
        }
        sum.round().clamp(-32768.0, 32767.0) as i16
    }
}

/// A sinc under a Blackman window, for a point `fraction` of a sample after the tap before the middle.
fn filter(fraction: f32) -> [f32; TAPS] {
    let mut taps = [0.0; TAPS];
    for (index, tap) in taps.iter_mut().enumerate() {
        let distance = index as f32 - (AHEAD - 1) as f32 - fraction;
        let angle = std::f32::consts::PI * distance;
        let sinc = if angle.abs() < 1e-6 {
            1.0
        } else {
            angle.sin() / angle
        };
        let place = std::f32::consts::PI * distance / AHEAD as f32;
        let window = 0.42 + 0.5 * place.cos() + 0.08 * (2.0 * place).cos();
        *tap = sinc * window;
    }
    let sum: f32 = taps.iter().sum();
    taps.map(|tap| tap / sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drift_is_found_within_a_minute_and_noise_is_not_drift() {
        for ppm in [-200.0, -50.0, 0.0, 100.0, 200.0] {
            let mut tracker = DriftTracker::default();
            for packet in 0..3000i64 {
                let now = packet * 20_000;
                let noise = packet * 7919 % 5000;
                tracker.observe(now, (now as f64 * ppm * 1e-6) as i64 + noise);
            }
            assert!(
                (tracker.drift() * 1e6 - ppm).abs() < 10.0,
                "{ppm}: {}",
                tracker.drift() * 1e6
            );
        }
    }

    #[test]
    fn rate_one_changes_nothing() {
        let mut resampler = Resampler::new();
        let block: [i16; FRAME] = std::array::from_fn(|index| index as i16 * 31 - 900);
        let mut frame = [0; FRAME];
        let mut all = Vec::new();
        for _ in 0..5 {
            if resampler.is_short(1.0) {
                resampler.push(&block);
            }
            resampler.read(1.0, &mut frame);
            all.extend_from_slice(&frame);
        }
        // The look-ahead delays by six samples, nothing else.
        assert_eq!(all[AHEAD..AHEAD + FRAME], block);
        assert_eq!(all[AHEAD + FRAME..AHEAD + 2 * FRAME], block);
    }

    /// A 1 kHz sine read 200 ppm fast for 10 s has no step larger than the sine's own.
    #[test]
    fn another_rate_makes_no_click() {
        let mut resampler = Resampler::new();
        let mut phase = 0usize;
        let mut last = 0.0;
        let mut largest: f32 = 0.0;
        let mut blocks = 0;
        for turn in 0..1000 {
            while resampler.is_short(1.0002) {
                let block = std::array::from_fn(|index| {
                    let angle = (phase + index) as f32 * std::f32::consts::TAU / 8.0;
                    (10_000.0 * angle.sin()) as i16
                });
                phase = (phase + FRAME) % 8;
                resampler.push(&block);
                blocks += 1;
            }
            let mut frame = [0; FRAME];
            resampler.read(1.0002, &mut frame);
            for sample in frame {
                if turn > 0 {
                    largest = largest.max((f32::from(sample) - last).abs());
                }
                last = f32::from(sample);
            }
        }
        // 2 sin(pi/8) times the amplitude.
        assert!(largest < 7_654.0 * 1.02, "{largest}");
        assert_eq!(blocks, 1000 + 1000 * FRAME / 5000 / FRAME + 1);
    }
}
