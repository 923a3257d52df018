//! Frequencies as bytes.
//!
//! Two filters of one bit's length, one a frequency, looked at every sample: the stronger one is the bit. Each is
//! measured against its own usual strength, so that a line which passes one frequency 10 dB weaker (GR-30's
//! worst) moves no edge.

use super::{BAUD, frequencies_hz};
use crate::dsp::SAMPLE_RATE_HZ;
use crate::dsp::level::amplitude;
use crate::dsp::transmission::Modem;

/// Samples a filter sees: one bit is 6⅔.
const TAPS: usize = 7;

/// Least level of the carrier; receivers must hear -32 dBm0 and less (GR-30).
const CARRIER_MIN_DBM0: f32 = -40.0;

/// Mark after which bytes are taken seriously: a channel seizure or speech doesn't hold it that long, and the
/// shortest mark sent is 55 bits.
const MARK_BITS: u32 = 16;

/// Bits without carrier after which the transmission is over.
const LOST_BITS: u32 = 8;

/// What the demodulator hears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FskEvent {
    /// The mark before a message: bytes may follow.
    Carrier,
    /// A byte in its start and stop bit.
    Byte(u8),
    /// The carrier is gone, or what comes is no byte.
    CarrierLost,
}

/// Listens for one modem.
#[derive(Clone, Debug)]
pub struct Demodulator {
    mark: Tuned,
    space: Tuned,
    recent: [f32; TAPS],
    stage: Stage,
    /// The discriminator before this sample: above 0 is mark.
    before: f32,
    /// Samples since carrier was last heard.
    quiet: u32,
}

#[derive(Clone, Copy, Debug)]
enum Stage {
    /// Waiting for mark; so many samples of it so far.
    Idle { mark_samples: u32 },
    /// Mark or stop bit: waiting for a start bit.
    Between,
    /// In a byte: samples until the middle of the next bit, and the bits so far.
    Byte { until: f32, bits: u16, count: u32 },
}

/// A filter tuned to one frequency.
#[derive(Clone, Copy, Debug)]
struct Tuned {
    re: [f32; TAPS],
    im: [f32; TAPS],
    /// Its usual power while its frequency is sent.
    usual: f32,
}

impl Demodulator {
    /// A demodulator that has heard nothing.
    pub fn new(modem: Modem) -> Self {
        let (mark_hz, space_hz) = frequencies_hz(modem);
        Self {
            mark: Tuned::new(mark_hz),
            space: Tuned::new(space_hz),
            recent: [0.0; TAPS],
            stage: Stage::Idle { mark_samples: 0 },
            before: 0.0,
            quiet: 0,
        }
    }

    /// Whether a message is being received.
    pub fn is_receiving(&self) -> bool {
        !matches!(self.stage, Stage::Idle { .. })
    }

    /// Hears some more samples.
    pub fn process(&mut self, samples: &[i16], sink: &mut impl FnMut(FskEvent)) {
        for &sample in samples {
            self.hear(f32::from(sample), sink);
        }
    }

    fn hear(&mut self, sample: f32, sink: &mut impl FnMut(FskEvent)) {
        self.recent.copy_within(1.., 0);
        self.recent[TAPS - 1] = sample;
        let mark = self.mark.power(&self.recent);
        let space = self.space.power(&self.recent);
        let energy = self.recent.iter().map(|value| value * value).sum::<f32>() / TAPS as f32;

        // Noise left when a loud carrier ends is no carrier, though it were strong enough for a weak one's.
        let floor = amplitude_squared_floor().max(0.03 * self.mark.usual.max(self.space.usual));
        // A carrier's energy is all in one of the two, save where they change.
        let carrier = mark + space > floor && (mark + space) > 0.5 * energy;
        self.quiet = if carrier { 0 } else { self.quiet.saturating_add(1) };
        if self.quiet > LOST_BITS * SAMPLE_RATE_HZ / BAUD {
            if self.is_receiving() {
                sink(FskEvent::CarrierLost);
            }
            self.stage = Stage::Idle { mark_samples: 0 };
            self.mark.usual = 0.0;
            self.space.usual = 0.0;
            self.before = 0.0;
            return;
        }

        let now = self.discriminate(mark, space);
        self.step(now, sink);
        self.before = now;
    }

    /// Above 0 for mark, each power in shares of its usual one.
    fn discriminate(&mut self, mark: f32, space: f32) -> f32 {
        let strongest = self.mark.usual.max(self.space.usual);
        // A frequency not heard yet, or one 15 dB under the other, is taken to be as strong as the other.
        let usual = |tuned: &Tuned| {
            if tuned.usual > 0.03 * strongest {
                tuned.usual
            } else {
                strongest
            }
        };
        let (mark_usual, space_usual) = (usual(&self.mark), usual(&self.space));
        let value = if strongest > 0.0 {
            mark / mark_usual - space / space_usual
        } else {
            (mark - space) / (mark + space).max(1.0)
        };
        // The usual power of the one that is being sent follows slowly.
        let (sent, power) = if value > 0.0 {
            (&mut self.mark, mark)
        } else {
            (&mut self.space, space)
        };
        if power > 2.0 * sent.usual {
            // A carrier begins, or a frequency not heard before: what noise left here is no measure.
            sent.usual = power;
        } else if value.abs() > 0.6 {
            sent.usual += (power - sent.usual) * 0.05;
        }
        value
    }

    fn step(&mut self, now: f32, sink: &mut impl FnMut(FskEvent)) {
        let bit_samples = SAMPLE_RATE_HZ as f32 / BAUD as f32;
        match &mut self.stage {
            Stage::Idle { mark_samples } => {
                *mark_samples = if now > 0.0 { *mark_samples + 1 } else { 0 };
                if *mark_samples >= MARK_BITS * SAMPLE_RATE_HZ / BAUD {
                    self.stage = Stage::Between;
                    sink(FskEvent::Carrier);
                }
            }
            Stage::Between => {
                if now <= 0.0 {
                    // Where between the two samples the edge lay; the middle of the start bit is half a bit on.
                    let after = now / (now - self.before.max(1e-6));
                    self.stage = Stage::Byte {
                        until: bit_samples / 2.0 - after.clamp(0.0, 1.0),
                        bits: 0,
                        count: 0,
                    };
                }
            }
            Stage::Byte { until, bits, count } => {
                *until -= 1.0;
                if *until > 0.0 {
                    return;
                }
                // The middle lies between the sample before and this one.
                let value = now + (now - self.before) * *until;
                let mark = value > 0.0;
                match *count {
                    // A click, not a start bit.
                    0 if mark => {
                        self.stage = Stage::Between;
                        return;
                    }
                    9 => {
                        let byte = (*bits >> 1) as u8;
                        if mark {
                            self.stage = Stage::Between;
                            sink(FskEvent::Byte(byte));
                        } else {
                            self.stage = Stage::Idle { mark_samples: 0 };
                            sink(FskEvent::CarrierLost);
                        }
                        return;
                    }
                    _ => {}
                }
                *bits |= u16::from(mark) << *count;
                *count += 1;
                *until += bit_samples;
            }
        }
    }
}

impl Tuned {
    fn new(frequency_hz: f32) -> Self {
        let angle = std::f32::consts::TAU * frequency_hz / SAMPLE_RATE_HZ as f32;
        // The outermost taps count half each way, so that together they see one bit.
        let weight = |tap: usize| {
            let share = if tap == 0 || tap == TAPS - 1 {
                5.0 / 6.0
            } else {
                1.0
            };
            share * 2.0 * BAUD as f32 / SAMPLE_RATE_HZ as f32
        };
        Self {
            re: std::array::from_fn(|tap| weight(tap) * (angle * tap as f32).cos()),
            im: std::array::from_fn(|tap| weight(tap) * (angle * tap as f32).sin()),
            usual: 0.0,
        }
    }

    /// Half the square of the amplitude at its frequency.
    fn power(&self, samples: &[f32; TAPS]) -> f32 {
        let re: f32 = samples
            .iter()
            .zip(&self.re)
            .map(|(sample, tap)| sample * tap)
            .sum();
        let im: f32 = samples
            .iter()
            .zip(&self.im)
            .map(|(sample, tap)| sample * tap)
            .sum();
        (re * re + im * im) / 2.0
    }
}

fn amplitude_squared_floor() -> f32 {
    amplitude(CARRIER_MIN_DBM0).powi(2) / 2.0
}
