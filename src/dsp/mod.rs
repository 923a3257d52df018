//! Signal functions on samples: G.711, oscillators, DTMF, FSK, concealment, levels, resampling.
//!
//! Samples are signed 16-bit, mono, 8000 Hz; one frame is [`FRAME`] samples (10 ms). 0 dBm0 is the ITU-T G.711
//! digital milliwatt: a sine of peak 22,827. Nothing here allocates after `new`: all of it runs in the audio
//! thread.

pub mod concealment;
pub mod dtmf;
pub mod fsk;
pub mod g711;
pub mod key;
pub mod level;
pub mod oscillator;
pub mod resample;
#[cfg(test)]
pub(crate) mod signal;
pub mod tone;
pub mod tone_detector;
pub mod transmission;
mod voice;

pub use key::Key;

/// Samples a second on every line (ITU-T G.711).
pub const SAMPLE_RATE_HZ: u32 = 8000;

/// Samples in one frame of 10 ms, the audio thread's step.
pub const FRAME: usize = 80;

/// Peak of a sine of 0 dBm0 (ITU-T G.711's digital milliwatt in 16-bit samples).
pub const PEAK_0_DBM0: f32 = 22_827.0;

/// Milliseconds of a count of samples, rounded.
pub const fn samples_to_ms(samples: u64) -> u64 {
    (samples + 4) / 8
}
