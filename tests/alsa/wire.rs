//! The far end of a paced PCM: its wires, as `tests/lab/pcm_paced.c` lays them out.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;

const RING_FRAMES: u64 = 1 << 18;
const HEAD_BYTES: u64 = 64;
const FRAME_BYTES: u64 = 4;

/// One direction of the card, seen from the SLIC.
pub struct Wire {
    file: File,
    frames_per_ns: f64,
    channel: u64,
}

/// What the head of a wire steers and counts, by its place.
#[derive(Clone, Copy)]
pub enum Head {
    XrunsWanted = 0,
    Gone = 1,
    Opens = 2,
    Xruns = 3,
}

impl Wire {
    /// `direction`: `playback` or `capture`.
    pub fn open(directory: &Path, direction: &str, rate_hz: u32, ppm: f64, channel: u64) -> Self {
        let path = directory.join(format!("line.{direction}"));
        let mut options = OpenOptions::new();
        Self {
            file: options
                .read(true)
                .write(true)
                .open(path)
                .expect("the card was opened"),
            frames_per_ns: f64::from(rate_hz) * (1.0 + ppm * 1e-6) / 1e9,
            channel,
        }
    }

    /// The number of the frame that the card converts just now.
    pub fn now(&self) -> u64 {
        let now = nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC).expect("a clock");
        ((now.tv_sec() as f64 * 1e9 + now.tv_nsec() as f64) * self.frames_per_ns) as u64
    }

    /// Milliseconds from one frame to another.
    pub fn ms(&self, from: u64, to: u64) -> f64 {
        (to as f64 - from as f64) / self.frames_per_ns / 1e6
    }

    /// What the card played from frame `from` on; it must be past.
    pub fn played(&self, from: u64, length: u64) -> Vec<i16> {
        let frame = |number: u64| {
            let mut bytes = [0; 2];
            self.file
                .read_exact_at(&mut bytes, self.place(number))
                .expect("within the wire");
            i16::from_ne_bytes(bytes)
        };
        (from..from + length).map(frame).collect()
    }

    /// Has the card hear `samples` from frame `from` on; it must be to come.
    pub fn say(&self, from: u64, samples: &[i16]) {
        for (number, sample) in (from..).zip(samples) {
            self.file
                .write_all_at(&sample.to_ne_bytes(), self.place(number))
                .expect("within the wire");
        }
    }

    fn place(&self, frame: u64) -> u64 {
        HEAD_BYTES + frame % RING_FRAMES * FRAME_BYTES + 2 * self.channel
    }

    /// A number in the head.
    pub fn head(&self, which: Head) -> u32 {
        let mut bytes = [0; 4];
        self.file
            .read_exact_at(&mut bytes, 4 * which as u64)
            .expect("within the wire");
        u32::from_ne_bytes(bytes)
    }

    /// Sets a number in the head.
    pub fn set_head(&self, which: Head, value: u32) {
        self.file
            .write_all_at(&value.to_ne_bytes(), 4 * which as u64)
            .expect("within the wire");
    }
}
