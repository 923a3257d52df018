//! The far end of a paced PCM: its wires, as `tests/lab/pcm_paced.c` lays them out.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;

const RING_FRAMES: u64 = 1 << 18;
const HEAD_BYTES: u64 = 64;
const FRAME_BYTES: usize = 4;

/// One direction of the card, seen from the SLIC.
pub struct Wire {
    file: File,
    frames_per_ns: f64,
    channel: usize,
}

/// What the head of a wire steers and counts, by its place.
#[derive(Clone, Copy)]
pub enum Head {
    XrunsWanted = 0,
    Gone = 1,
    Opens = 2,
    Xruns = 3,
    Asleep = 4,
    Suspensions = 5,
}

impl Wire {
    /// `direction`: `playback` or `capture`.
    pub fn open(directory: &Path, direction: &str, rate_hz: u32, ppm: f64, channel: usize) -> Self {
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
        let mut samples = Vec::new();
        for (place, bytes) in pieces(from, length) {
            let frames = self.read(place, bytes);
            samples.extend(
                frames
                    .chunks_exact(FRAME_BYTES)
                    .map(|frame| i16::from_ne_bytes([frame[2 * self.channel], frame[2 * self.channel + 1]])),
            );
        }
        samples
    }

    /// Has the card hear `samples` from frame `from` on; it must be to come. All are written at once: one by one they
    /// would take longer, on a machine with other things to do, than the card does to play them.
    pub fn say(&self, from: u64, samples: &[i16]) {
        let mut rest = samples;
        for (place, bytes) in pieces(from, samples.len() as u64) {
            // The other channel stays as it is.
            let mut frames = self.read(place, bytes);
            let (now, later) = rest.split_at(bytes / FRAME_BYTES);
            for (frame, sample) in frames.chunks_exact_mut(FRAME_BYTES).zip(now) {
                frame[2 * self.channel..][..2].copy_from_slice(&sample.to_ne_bytes());
            }
            self.file.write_all_at(&frames, place).expect("within the wire");
            rest = later;
        }
    }

    fn read(&self, place: u64, bytes: usize) -> Vec<u8> {
        let mut frames = vec![0; bytes];
        self.file
            .read_exact_at(&mut frames, place)
            .expect("within the wire");
        frames
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

/// Where so many frames from one on lie: from which byte, and how many bytes; two pieces where the ring ends between.
fn pieces(from: u64, length: u64) -> impl Iterator<Item = (u64, usize)> {
    let first = from % RING_FRAMES;
    let before_end = length.min(RING_FRAMES - first);
    [(first, before_end), (0, length - before_end)]
        .into_iter()
        .filter(|(_, frames)| *frames > 0)
        .map(|(frame, frames)| {
            (
                HEAD_BYTES + frame * FRAME_BYTES as u64,
                frames as usize * FRAME_BYTES,
            )
        })
}
