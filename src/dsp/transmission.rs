//! What is sent to the telephone as data in audio: caller ID by FSK or by DTMF, and the tones that announce it.
//!
//! A [`Transmission`] is `Copy` and of fixed size, so that it crosses into the audio thread without allocation.

mod player;

pub use player::Player;

use super::Key;

/// Longest caller-ID message: type, length, 255 bytes of data, checksum.
pub const MESSAGE_BYTES_MAX: usize = 258;

/// Most keys in one caller-ID train of DTMF.
pub const KEYS_MAX: usize = 40;

/// Modem of a caller-ID transmission: 1200 baud, continuous phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Modem {
    /// Mark 1200 Hz, space 2200 Hz (GR-30).
    Bell202,
    /// Mark 1300 Hz, space 2100 Hz (EN 300 659-1).
    V23,
}

/// A string of bytes of at most [`MESSAGE_BYTES_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageBytes {
    bytes: [u8; MESSAGE_BYTES_MAX],
    length: u16,
}

impl MessageBytes {
    /// `None` where `bytes` is longer than [`MESSAGE_BYTES_MAX`].
    pub fn new(bytes: &[u8]) -> Option<Self> {
        let mut stored = [0; MESSAGE_BYTES_MAX];
        stored.get_mut(..bytes.len())?.copy_from_slice(bytes);
        Some(Self {
            bytes: stored,
            length: bytes.len() as u16,
        })
    }

    /// The bytes.
    pub fn as_slice(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }
}

/// A string of keys of at most [`KEYS_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyTrain {
    keys: [Key; KEYS_MAX],
    length: u8,
}

impl KeyTrain {
    /// `None` where `keys` is longer than [`KEYS_MAX`].
    pub fn new(keys: &[Key]) -> Option<Self> {
        let mut stored = [Key::ALL[0]; KEYS_MAX];
        stored.get_mut(..keys.len())?.copy_from_slice(keys);
        Some(Self {
            keys: stored,
            length: keys.len() as u8,
        })
    }

    /// The keys.
    pub fn as_slice(&self) -> &[Key] {
        &self.keys[..usize::from(self.length)]
    }
}

/// One thing to send to the telephone in audio. Levels are dBm0, per tone.
#[derive(Clone, Copy, Debug, PartialEq)]
#[expect(
    clippy::large_enum_variant,
    reason = "of fixed size and `Copy`, to cross into the audio thread"
)]
pub enum Transmission {
    /// Channel seizure, mark, message bytes (start bit, 8 data bits LSB first, stop bit), closing mark.
    Fsk {
        /// Frequencies.
        modem: Modem,
        /// Alternating bits of channel seizure, starting with space; 0 off-hook.
        seizure_bits: u16,
        /// Bits of mark before the first byte.
        mark_bits: u16,
        /// Type, length, data and checksum.
        message: MessageBytes,
        /// Level of the carrier.
        level_dbm0: f32,
    },
    /// Caller ID by DTMF.
    Dtmf {
        /// Keys with their delimiters.
        keys: KeyTrain,
        /// Length of each tone.
        on_ms: u16,
        /// Pause after each tone.
        off_ms: u16,
        /// Level of each of the two tones.
        level_dbm0: f32,
    },
    /// DT-AS or CAS: 2130 and 2750 Hz together.
    AlertTone {
        /// Length of the tone.
        on_ms: u16,
        /// Level of each of the two tones.
        level_dbm0: f32,
    },
}
