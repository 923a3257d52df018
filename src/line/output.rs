//! What comes out of a [`Line`](super::Line).

use std::time::Instant;

use crate::dsp::{Key, transmission::Transmission};
use crate::zone::TonePlan;

/// What a line wants done, in order.
#[derive(Clone, Debug, PartialEq)]
#[expect(
    clippy::large_enum_variant,
    reason = "plans travel by value into the audio thread, a few a call; boxing them would only add an allocation"
)]
pub enum LineOutput {
    /// Something for the line hardware.
    Slic(SlicAction),
    /// Play this plan to the telephone, from its start, in place of what sounds now.
    PlayTone(TonePlan),
    /// Stop the tone.
    StopTone,
    /// Send this to the telephone; `LineInput::TransmissionDone` follows.
    Transmit(Transmission),
    /// Break the transmission off.
    StopTransmission,
    /// Something happened.
    Event(LineEvent),
}

/// What the line hardware is asked for. Drivers differ in how; these are results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlicAction {
    /// Ringing voltage on or off.
    Ring(bool),
    /// Battery reversed or normal.
    Reverse(bool),
    /// Loop fed or open.
    Feed(bool),
    /// Audio path open while on hook (for caller ID).
    OnHookTransmission(bool),
}

/// What happened on the line.
#[derive(Clone, Debug, PartialEq)]
pub enum LineEvent {
    /// The telephone was taken off hook (or answered while ringing).
    OffHook {
        /// Time stamp of the first edge.
        at: Instant,
    },
    /// The telephone was hung up: the break has lasted as long as the zone's hang-up.
    OnHook {
        /// Time stamp of the edge that began the break.
        at: Instant,
    },
    /// A register recall.
    Flash {
        /// Length of the break.
        break_ms: u32,
    },
    /// The first break of a pulsed digit: dial tone stops here.
    PulseDialingStarted,
    /// A digit, by pulses (complete) or by DTMF (key down).
    Digit {
        /// Which.
        key: Key,
        /// How it was dialled.
        source: DigitSource,
    },
    /// A key held down has been released (DTMF only).
    DigitEnd {
        /// Which.
        key: Key,
        /// How long it was down.
        duration_ms: u32,
    },
    /// A ring burst began (`true`) or ended.
    RingBurst(bool),
    /// The caller ID has been sent whole.
    CallerIdSent,
    /// A break that fits no window, or more pulses than any digit has.
    Rejected {
        /// Why, in a few words.
        reason: &'static str,
    },
}

/// How a digit was dialled.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum DigitSource {
    /// In-band tones.
    Dtmf,
    /// Dial pulses.
    Pulse {
        /// Pulses a second, measured over the train; 0.0 for a single pulse.
        speed_pps: f32,
        /// Share of break in a cycle, percent; 0.0 for a single pulse.
        break_percent: f32,
    },
}
