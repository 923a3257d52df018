//! Caller-ID modems: Bell 202 (GR-30) and V.23 mode 2 (EN 300 659-1), 1200 baud, continuous phase.

mod demodulator;
mod modulator;

pub use demodulator::{Demodulator, FskEvent};
pub use modulator::Modulator;

use super::transmission::Modem;

/// Bits a second of both modems.
pub const BAUD: u32 = 1200;

/// The frequencies of a modem: mark (1), space (0).
pub const fn frequencies_hz(modem: Modem) -> (f32, f32) {
    match modem {
        Modem::Bell202 => (1200.0, 2200.0),
        Modem::V23 => (1300.0, 2100.0),
    }
}
