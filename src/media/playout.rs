//! From the jitter buffer to the telephone: concealment, comfort noise, and the rate that keeps two clocks
//! together.

use crate::dsp::{FRAME, PEAK_0_DBM0, concealment::Concealer, level};

use super::approach::Approach;
use super::jitter::{Inserted, JitterBuffer, JitterConfig, Lean, Pulled, is_quiet};
use super::skew::{DriftTracker, Resampler};

/// How much faster or slower audio plays while the buffer's depth changes: 0.4 % is 7 cents, below what is
/// noticed in speech and music, and moves one block in 2.5 s.
const LEAN: f64 = 0.004;

/// A drift less than this is taken for none, so that audio between equal clocks passes bit by bit.
const DRIFT_MIN: f64 = 8.0e-6;

/// A gap longer than this is a pause of the stream, not loss.
const GAP_BLOCKS_MAX: u32 = 20;

const FRAME_MS: u32 = 10;
const FRAME_US: i64 = 10_000;
const SAMPLE_US: i64 = 125;

/// Full scale of comfort noise levels: 0 dBov is 6.15 dBm0 (RFC 3389, G.711).
const DBOV_IN_DBM0: f32 = 6.15;

/// The loudest comfort noise that is played.
const NOISE_MAX_DBOV: u8 = 40;

/// Plays one session's stream.
pub struct Playout {
    buffer: JitterBuffer,
    resampler: Resampler,
    concealer: Concealer,
    peer_clock: DriftTracker,
    line_clock: DriftTracker,
    turns: i64,
    /// Only where the turns can be moved.
    approach: Option<Approach>,
    lean: Lean,
    /// Blocks missing in a row.
    gap: u32,
    concealed_ms: u32,
    noise: Option<Noise>,
}

impl Playout {
    /// Nothing to play.
    pub fn new(jitter: JitterConfig) -> Self {
        Self {
            buffer: JitterBuffer::new(jitter),
            resampler: Resampler::new(),
            concealer: Concealer::new(),
            peer_clock: DriftTracker::default(),
            line_clock: DriftTracker::default(),
            turns: 0,
            approach: None,
            lean: Lean::Even,
            gap: 0,
            concealed_ms: 0,
            noise: None,
        }
    }

    /// The turns have no clock of their own: they come as [`Self::sooner_us`] says.
    pub fn move_turns(&mut self) {
        self.approach = Some(Approach::new());
    }

    /// How much sooner than usual the next turn is to come.
    pub fn sooner_us(&mut self) -> i64 {
        self.approach.as_mut().map_or(0, Approach::step_us)
    }

    /// Another stream begins: the old one is forgotten, its figures stay.
    pub fn restart(&mut self) {
        self.buffer.restart();
        self.peer_clock = DriftTracker::default();
        self.lean = Lean::Even;
        self.noise = None;
        if let Some(approach) = &mut self.approach {
            approach.restart();
        }
    }

    /// Another session begins.
    pub fn reset(&mut self) {
        self.restart();
        self.buffer.reset();
        self.resampler.restart();
        self.concealer = Concealer::new();
        self.gap = 0;
        self.concealed_ms = 0;
    }

    /// Takes a packet's samples.
    pub fn insert(&mut self, now_us: i64, timestamp: u32, newest: bool, samples: &[i16]) -> Inserted {
        self.noise = None;
        let inserted = self.buffer.insert(now_us, timestamp, newest, samples);
        if let Some(transit_us) = self.buffer.transit_us(now_us, timestamp) {
            self.peer_clock.observe(now_us, transit_us);
        }
        inserted
    }

    /// The peer has fallen silent and says how its silence sounds: -dBov (RFC 3389).
    pub fn comfort_noise(&mut self, level_dbov: u8) {
        self.noise = Some(Noise::new(level_dbov));
    }

    /// The audio of one turn; silence while there is no stream. `unheard`: something else is played in its place,
    /// so that what is missing isn't counted.
    pub fn turn(&mut self, now_us: i64, unheard: bool, frame: &mut [i16; FRAME]) {
        // What the turns were moved by on purpose is no drift.
        let moved_us = self.approach.as_ref().map_or(0, Approach::moved_us);
        self.line_clock
            .observe(now_us, now_us - self.turns * FRAME_US + moved_us);
        self.turns += 1;
        let rate = self.rate();
        while self.resampler.is_short(rate) {
            let mut block = [0; FRAME];
            match self.buffer.pull(now_us, &mut block) {
                Pulled::Idle => {
                    frame.fill(0);
                    self.resampler.restart();
                    return;
                }
                Pulled::Audio => {
                    self.gap = 0;
                    self.concealer.receive(&mut block);
                }
                Pulled::Missing => self.fill_gap(unheard, &mut block),
            }
            self.resampler.push(&block);
        }
        self.resampler.read(rate, frame);
        let held = self.resampler.held();
        self.lean = self.buffer.lean(held);
        if self.lean == Lean::Faster && is_quiet(frame) {
            self.resampler.skip(held);
            self.lean = self.buffer.lean(0);
        }
        // Between clocks that drift the phase wanders by itself.
        let settled = self.lean == Lean::Even && self.drift().abs() < DRIFT_MIN;
        if let Some(approach) = &mut self.approach {
            approach.observe(settled.then(|| self.buffer.spare_us()));
        }
    }

    /// Concealed audio.
    pub fn concealed_ms(&self) -> u32 {
        self.concealed_ms
    }

    /// Mean delay from a packet's arrival to its playing.
    pub fn mean_wait_ms(&self) -> f32 {
        self.buffer.mean_wait_ms()
    }

    /// Delay of the buffer at present beyond a packet that met no queue.
    pub fn depth_ms(&self) -> Option<f32> {
        let held_us = self.resampler.held() as i64 * SAMPLE_US;
        self.buffer
            .depth_us()
            .map(|depth_us| (depth_us + held_us) as f32 / 1000.0)
    }

    /// How much slower the peer's clock runs than the line's.
    pub fn drift(&self) -> f64 {
        self.peer_clock.drift() - self.line_clock.drift()
    }

    /// Samples of the stream for one of the line.
    fn rate(&self) -> f64 {
        let drift = self.drift();
        // Playing faster with nothing held would look for the next block a turn too early; the lag grows instead,
        // until a whole block of it is spare.
        let nothing_held = drift < 0.0 && self.resampler.held() < 2;
        let steady = if drift.abs() < DRIFT_MIN || nothing_held {
            1.0
        } else {
            1.0 - drift
        };
        match self.lean {
            Lean::Even => steady,
            Lean::Faster => steady + LEAN,
            Lean::Slower => steady - LEAN,
        }
    }

    fn fill_gap(&mut self, unheard: bool, block: &mut [i16; FRAME]) {
        if let Some(noise) = &mut self.noise {
            noise.fill(block);
            self.concealer.receive(block);
            return;
        }
        self.gap = self.gap.saturating_add(1);
        if self.gap <= GAP_BLOCKS_MAX && !unheard {
            self.concealed_ms = self.concealed_ms.saturating_add(FRAME_MS);
        }
        self.concealer.conceal(block);
    }
}

/// White noise of a given level.
#[derive(Clone, Copy, Debug)]
struct Noise {
    peak: f32,
    state: u32,
}

impl Noise {
    fn new(level_dbov: u8) -> Self {
        let level_dbov = (level_dbov & 0x7F).max(NOISE_MAX_DBOV);
        let level_dbm0 = DBOV_IN_DBM0 - f32::from(level_dbov);
        // RMS of a sine is its peak by the root of two, of even noise its peak by the root of three.
        let peak = PEAK_0_DBM0 * level::db_to_ratio(level_dbm0) * (1.5_f32).sqrt();
        Self {
            peak,
            state: 0x9E37_79B9,
        }
    }

    fn fill(&mut self, block: &mut [i16; FRAME]) {
        for sample in block {
            // Marsaglia's xorshift.
            self.state ^= self.state << 13;
            self.state ^= self.state >> 17;
            self.state ^= self.state << 5;
            let even = (self.state >> 8) as f32 / (1 << 23) as f32 - 1.0;
            *sample = (even * self.peak) as i16;
        }
    }
}
