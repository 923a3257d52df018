//! The jitter buffer: decoded samples on a line of time stamps, and how far behind the network they are played.
//!
//! Samples lie in a ring by their time stamp, with one bit each for being there, so that packets of any length,
//! in any order and any number of times find their place. The audio thread takes a block of 10 ms every turn.
//! The *lag* of that turn is its time minus the block's time stamp: a packet is in time if its transit (arrival
//! minus time stamp, see [`delay`](super::delay)) is no larger. The buffer keeps the lag just above what the
//! network needs, in steps of one block, since a block is only ever looked for at a turn: it grows when a late
//! packet can still be played whole, and shrinks where nobody hears it.

use crate::dsp::FRAME;

use super::delay::DelayEstimator;

/// Samples in the ring: 1.024 s.
const RING: usize = 8192;

/// How far ahead of what is played a packet may be (the ring less the longest packet).
const AHEAD_MAX: i64 = RING as i64 - 1600;

/// A newest packet this far behind what is played has jumped, it isn't late.
const BEHIND_MAX: i64 = 4000;

const SAMPLE_US: i64 = 125;
const FRAME_US: i64 = FRAME as i64 * SAMPLE_US;

/// A block as quiet as this (mean magnitude, about -50 dBm0) can be left out or repeated unheard.
const QUIET_MEAN: u32 = 50;

/// How much more than a whole block may be spare before it is given back.
const SPARE_US: i64 = 1_000;

/// Beyond the lateness that is to be covered: scheduling noise of the audio thread, and the width of the estimator's bins.
const SCHEDULING_US: i64 = 1_000;

/// How much may be lacking before it is made up. Made up it must be before packets are late, which
/// [`SCHEDULING_US`] gives 1 ms for: at 200 ppm of drift it takes another 0.5 ms.
const LACKING_US: i64 = 200;

/// Depth of the buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JitterConfig {
    /// Least time a packet waits, beside the turn of the audio thread it just missed. Jitter that fits into it changes
    /// nothing.
    pub min_ms: u16,
    /// The same at the start of a stream, before the network is known.
    pub initial_ms: u16,
    /// Most that is waited for late packets.
    pub max_ms: u16,
}

impl Default for JitterConfig {
    /// 1 ms: scheduling noise of the audio thread; 10 ms at first, so that a call in a quiet network has the
    /// delay of a short wire from its first word; 200 ms (common adaptive buffers: 20 to 200).
    fn default() -> Self {
        Self {
            min_ms: 1,
            initial_ms: 10,
            max_ms: 200,
        }
    }
}

/// What became of a packet's audio.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inserted {
    /// It will be played.
    InTime,
    /// Its time had passed, but playing goes back for it: the buffer has grown.
    Stretched,
    /// It came too late.
    Late,
    /// It was there already.
    Duplicate,
}

/// What there is to play.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pulled {
    /// The block has been filled in.
    Audio,
    /// A block is missing: conceal it.
    Missing,
    /// Nothing has begun.
    Idle,
}

/// Which way the rate of playing should lean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lean {
    /// The lag is right.
    Even,
    /// Play faster: the lag is larger than needed.
    Faster,
    /// Play slower: packets are about to be late.
    Slower,
}

#[derive(Clone, Copy, Debug)]
struct Stream {
    /// Unwrapped time stamp of the newest packet, the reference for unwrapping.
    reference: i64,
    /// Next sample to play.
    position: i64,
    /// From here to `position` everything was concealed.
    intact_to: i64,
    /// Playing has begun.
    playing: bool,
    /// Lag at the last turn.
    lag_us: i64,
}

/// The buffer of one session.
pub struct JitterBuffer {
    config: JitterConfig,
    samples: Box<[i16]>,
    present: Box<[u64]>,
    delay: DelayEstimator,
    stream: Option<Stream>,
    /// Lag beyond what is needed, at the last turn.
    spare_us: i64,
    waited_us: f64,
    waits: u32,
}

impl JitterBuffer {
    /// An empty buffer.
    pub fn new(config: JitterConfig) -> Self {
        Self {
            config,
            samples: vec![0; RING].into_boxed_slice(),
            present: vec![0; RING / 64].into_boxed_slice(),
            delay: DelayEstimator::new(config.initial_ms),
            stream: None,
            spare_us: 0,
            waited_us: 0.0,
            waits: 0,
        }
    }

    /// Forgets the stream; another begins with the next packet. The mean wait goes on.
    pub fn restart(&mut self) {
        self.present.fill(0);
        self.delay.restart(self.config.initial_ms);
        self.stream = None;
        self.spare_us = 0;
    }

    /// Forgets the mean wait too.
    pub fn reset(&mut self) {
        self.restart();
        self.waited_us = 0.0;
        self.waits = 0;
    }

    /// Mean time from a packet's arrival to its playing.
    pub fn mean_wait_ms(&self) -> f32 {
        if self.waits == 0 {
            return 0.0;
        }
        (self.waited_us / f64::from(self.waits) / 1000.0) as f32
    }

    /// Lag at the last turn beyond a packet that met no queue: the delay of the buffer.
    pub fn depth_us(&self) -> Option<i64> {
        let stream = self.stream.filter(|stream| stream.playing)?;
        Some(stream.lag_us - self.delay.least_us()?)
    }

    /// A packet of any payload type kept the clock running: the transit of its `timestamp`, `None` before audio.
    pub fn transit_us(&self, now_us: i64, timestamp: u32) -> Option<i64> {
        let stream = self.stream.as_ref()?;
        Some(now_us - unwrap(stream.reference, timestamp) * SAMPLE_US)
    }

    /// Takes a packet's samples. `newest`: its sequence number is the highest so far.
    pub fn insert(&mut self, now_us: i64, timestamp: u32, newest: bool, samples: &[i16]) -> Inserted {
        let jumped = self.stream.as_ref().is_some_and(|stream| {
            let start = unwrap(stream.reference, timestamp);
            let ahead = start - stream.position;
            newest && !(-BEHIND_MAX..=AHEAD_MAX).contains(&ahead)
        });
        if jumped {
            self.restart();
        }
        let stream = self.stream.get_or_insert(Stream {
            reference: i64::from(timestamp),
            position: i64::from(timestamp),
            intact_to: i64::from(timestamp),
            playing: false,
            lag_us: 0,
        });
        let start = unwrap(stream.reference, timestamp);
        let end = start + samples.len() as i64;
        if newest {
            stream.reference = start;
        }
        let transit_us = now_us - start * SAMPLE_US;
        self.delay.packet(now_us, transit_us);

        let mut inserted = Inserted::InTime;
        if stream.reference - start > AHEAD_MAX {
            // Further back than the ring reaches.
            return Inserted::Late;
        }
        if !stream.playing {
            // Before playing begins, the first to be played is the earliest that has come.
            stream.position = stream.position.min(start);
            stream.intact_to = stream.position;
        } else if start < stream.position {
            let back = stream.position - start.max(stream.intact_to);
            let depth_us = stream.lag_us - self.delay.least_us().unwrap_or(transit_us);
            let limit_us = i64::from(self.config.max_ms) * 1000 + FRAME_US;
            if start >= stream.intact_to && depth_us + back * SAMPLE_US <= limit_us {
                stream.position -= back;
                stream.lag_us += back * SAMPLE_US;
                inserted = Inserted::Stretched;
            } else if end <= stream.position {
                return Inserted::Late;
            }
        } else if start - stream.position > AHEAD_MAX {
            return Inserted::Late;
        }
        let position = stream.position;
        if stream.playing {
            self.waited_us += (stream.lag_us - transit_us).max(0) as f64;
            self.waits += 1;
        }
        let mut fresh = false;
        for (place, &sample) in (start..end).zip(samples) {
            if place >= position {
                fresh |= self.put(place, sample);
            }
        }
        if fresh { inserted } else { Inserted::Duplicate }
    }

    /// Takes the next block, once a turn or as often as the resampler needs.
    pub fn pull(&mut self, now_us: i64, block: &mut [i16; FRAME]) -> Pulled {
        let Some(mut stream) = self.stream else {
            return Pulled::Idle;
        };
        let Some(least_us) = self.delay.least_us() else {
            return Pulled::Idle;
        };
        let needed_us = least_us + self.needed_wait_us();
        stream.lag_us = now_us - stream.position * SAMPLE_US;
        if !stream.playing {
            if stream.lag_us < needed_us {
                self.stream = Some(stream);
                return Pulled::Idle;
            }
            stream.playing = true;
        }

        // More than the most that is allowed, after a stall or a jump of the audio thread: go there at once.
        let limit_us = least_us + i64::from(self.config.max_ms) * 1000 + 2 * FRAME_US;
        if stream.lag_us > limit_us {
            let excess = (stream.lag_us - needed_us) / FRAME_US * FRAME as i64;
            self.clear(stream.position, excess);
            stream.position += excess;
            stream.intact_to = stream.position;
            stream.lag_us -= excess * SAMPLE_US;
        }

        let mut spare_us = stream.lag_us - needed_us;
        if spare_us >= FRAME_US + SPARE_US
            && self.is_quiet(stream.position)
            && self.is_quiet(stream.position + FRAME as i64)
        {
            self.clear(stream.position, FRAME as i64);
            stream.position += FRAME as i64;
            stream.lag_us -= FRAME_US;
            spare_us -= FRAME_US;
        }

        let present = self.take(stream.position, block);
        let repeat = present && spare_us < -LACKING_US && is_quiet(block);
        if repeat {
            // The same quiet block again next turn: the lag grows by one block.
            let start = stream.position;
            for (place, &sample) in (start..).zip(block.iter()) {
                self.put(place, sample);
            }
        } else {
            stream.position += FRAME as i64;
            if present {
                stream.intact_to = stream.position;
            }
        }
        self.spare_us = spare_us;
        self.stream = Some(stream);
        if present { Pulled::Audio } else { Pulled::Missing }
    }

    /// Lag beyond what is needed, at the last turn.
    pub fn spare_us(&self) -> i64 {
        self.spare_us
    }

    /// Which way to lean until the next turn: a lag that falls short is made up slowly; one that is a whole block
    /// too large is given back, and so are the `held` samples that have been taken and not been played.
    pub fn lean(&self, held: usize) -> Lean {
        let held_for_nothing = self.spare_us >= 0 && held as i64 * SAMPLE_US > SPARE_US;
        if self.spare_us < -LACKING_US {
            Lean::Slower
        } else if self.spare_us >= FRAME_US + SPARE_US || held_for_nothing {
            Lean::Faster
        } else {
            Lean::Even
        }
    }

    fn needed_wait_us(&self) -> i64 {
        let least = i64::from(self.config.min_ms) * 1000;
        let most = i64::from(self.config.max_ms) * 1000;
        (self.delay.covered_us() + SCHEDULING_US).clamp(least, most.max(least))
    }

    /// Whether it wasn't there before.
    fn put(&mut self, place: i64, sample: i16) -> bool {
        let index = ring_index(place);
        let bit = 1 << (index % 64);
        let word = &mut self.present[index / 64];
        let fresh = *word & bit == 0;
        *word |= bit;
        self.samples[index] = sample;
        fresh
    }

    fn clear(&mut self, from: i64, count: i64) {
        for place in from..from + count.min(RING as i64) {
            let index = ring_index(place);
            self.present[index / 64] &= !(1 << (index % 64));
        }
    }

    /// Takes a block out. Whole or not at all: a block with a hole in it is concealed.
    fn take(&mut self, position: i64, block: &mut [i16; FRAME]) -> bool {
        let mut whole = true;
        for (place, sample) in (position..).zip(block.iter_mut()) {
            let index = ring_index(place);
            let bit = 1 << (index % 64);
            whole &= self.present[index / 64] & bit != 0;
            self.present[index / 64] &= !bit;
            *sample = self.samples[index];
        }
        whole
    }

    fn is_quiet(&self, position: i64) -> bool {
        let mut sum = 0;
        for place in position..position + FRAME as i64 {
            let index = ring_index(place);
            if self.present[index / 64] & (1 << (index % 64)) == 0 {
                return false;
            }
            sum += u32::from(self.samples[index].unsigned_abs());
        }
        sum <= QUIET_MEAN * FRAME as u32
    }
}

/// Whether a block is as good as silence.
pub fn is_quiet(block: &[i16; FRAME]) -> bool {
    let sum: u32 = block.iter().map(|sample| u32::from(sample.unsigned_abs())).sum();
    sum <= QUIET_MEAN * FRAME as u32
}

fn ring_index(place: i64) -> usize {
    place.rem_euclid(RING as i64) as usize
}

/// The time stamp nearest to `reference` that ends in these 32 bits.
fn unwrap(reference: i64, timestamp: u32) -> i64 {
    reference + i64::from(timestamp.wrapping_sub(reference as u32) as i32)
}
