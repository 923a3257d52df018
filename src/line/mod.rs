//! What the pair of wires is doing: hook debounce, the pulse/flash/hang-up classifier, ring cadence, the
//! caller-ID sequence, and which tone the telephone hears.
//!
//! The machine is [`Line`]. It knows nothing of calls: the call room tells it what to do with [`LineCommand`]s
//! and learns from [`LineEvent`]s what the person at the telephone did.

use std::time::Instant;

use crate::dsp::{Key, transmission::Transmission};
use crate::zone::{CallerIdScheme, HookWindows, Tone, TonePlan, Zone};

/// What a line is told of itself.
#[derive(Clone, Debug)]
pub struct LineConfig {
    /// The country it sounds like.
    pub zone: std::sync::Arc<Zone>,
    /// Hook windows: the zone's with the owner's own applied.
    pub hook: HookWindows,
    /// Whether breaks of the loop can be dial pulses.
    pub pulse_dialing: bool,
    /// How the caller is announced: the zone's or the owner's own.
    pub caller_id: CallerIdScheme,
}

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
    /// What breaks of the loop mean from now on.
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

/// How to ring.
#[derive(Clone, Debug, PartialEq)]
pub struct RingRequest {
    /// Burst, silence, ... in milliseconds; `None`: the zone's.
    pub cadence_ms: Option<Vec<u32>>,
    /// Whom to announce; `None`: no caller ID is sent.
    pub caller: Option<Caller>,
}

/// Whom a call comes from, for the telephone's display.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Caller {
    /// Digits, possibly with a leading `+`.
    pub number: Presentation,
    /// Name.
    pub name: Presentation,
    /// Local time of the call: month, day, hour, minute.
    pub time: Option<CallTime>,
}

/// A field of caller ID, or why it is absent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Presentation {
    /// Shown.
    Given(String),
    /// Withheld by the caller (`P`).
    Private,
    /// Not known (`O`).
    #[default]
    Unavailable,
}

/// Local time as caller ID carries it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallTime {
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
}

/// What a line wants done, in order.
#[derive(Clone, Debug, PartialEq)]
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
