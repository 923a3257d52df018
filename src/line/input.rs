//! What comes into a [`Line`](super::Line).

use std::time::Instant;

use super::RingRequest;
use crate::dsp::Key;
use crate::zone::Tone;

/// What comes into a line.
#[derive(Clone, Debug)]
pub enum LineInput {
    /// An edge of the hook switch, bounce included, with the time the hardware saw it.
    Hook {
        /// Loop closed (off hook).
        closed: bool,
        /// When, by the edge's own time stamp; at most slightly before `now`.
        at: Instant,
    },
    /// The in-band detector heard a key go down or up.
    Dtmf(DtmfEdge),
    /// The transmission handed out last has been played to its end.
    TransmissionDone,
    /// What the call room wants.
    Command(LineCommand),
}

/// What the in-band DTMF detector reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DtmfEdge {
    /// A key is down (reported once, 23 to 40 ms after its onset).
    Down(Key),
    /// The key is up again.
    Up {
        /// Which.
        key: Key,
        /// Length of the tone.
        duration_ms: u32,
    },
}

/// What the call room asks of a line.
#[derive(Clone, Debug, PartialEq)]
pub enum LineCommand {
    /// Play this tone of the line's zone until told otherwise.
    Tone(Tone),
    /// Stop the tone.
    ToneOff,
    /// Ring the telephone, caller ID at the place its standard says.
    Ring(RingRequest),
    /// Stop ringing (and caller ID) at once.
    StopRinging,
    /// What breaks of the loop mean from now on; digits again after every hang-up.
    Expect(Expectation),
    /// Reverse the battery (answer supervision) or return it to normal.
    Polarity {
        /// Reversed.
        reversed: bool,
    },
    /// Open the loop feed for so long (calling-party-control disconnect), then restore it.
    OpenLoop {
        /// How long.
        duration_ms: u32,
    },
    /// Take the line out of service (no feed) or back.
    OutOfService(bool),
}

/// What a short break of the loop means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expectation {
    /// Digits are awaited: breaks are dial pulses wherever both readings are possible.
    Digits,
    /// Somebody is talking: a single break with none after it is a recall, a train of breaks a pulsed digit.
    Conversation,
}
