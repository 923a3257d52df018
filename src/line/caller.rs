//! How to ring a telephone and whom to announce on its display.

use crate::zone::RingPattern;

/// How to ring.
#[derive(Clone, Debug, PartialEq)]
pub struct RingRequest {
    /// Burst, silence, ... in milliseconds; `None`: the zone's.
    pub cadence_ms: Option<Vec<u32>>,
    /// A ring of the zone's that tells calls apart, where no cadence is given; `None`: its normal one.
    pub pattern: Option<RingPattern>,
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
    /// The number it was diverted from, digits as above.
    pub redirecting: Option<String>,
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
