//! What a country's exchange sounds and behaves like: tones, ring cadences, caller ID, hook windows, pulse
//! mapping, emergency numbers. The tables are data (`countries/*.yaml`), compiled in; this room reads them into
//! [`Zone`]s. Levels and windows follow ITU-T E.180/Q.35 and the national documents each table names.

pub mod tone;

pub use tone::{Tone, TonePlan, ToneStep};

/// The PSTN companding convention of a country: which G.711 law is offered first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Law {
    /// PCMA.
    A,
    /// PCMU.
    Mu,
}

/// Ringing of one country.
#[derive(Clone, Debug, PartialEq)]
pub struct Ring {
    /// Ringing frequency: 16⅔, 20, 25 or 50.
    pub frequency_hz: f32,
    /// Burst, silence, burst, silence ... in milliseconds; repeats.
    pub cadence_ms: Vec<u32>,
}

/// Which key a train of dial pulses stands for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PulseMapping {
    /// n pulses are n, ten are 0.
    #[default]
    General,
    /// n pulses are n - 1 (Sweden).
    Swedish,
    /// n pulses are 10 - n (New Zealand, old Oslo).
    NewZealand,
}

/// How a country announces the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallerIdMethod {
    /// Nothing is sent.
    None,
    /// Bell 202 in the first long silence.
    FskBell202AfterRing,
    /// V.23 in the first long silence.
    FskV23AfterRing,
    /// V.23 after a ring pulse (RP-AS), before normal ringing.
    FskV23RingPulse,
    /// V.23 after DT-AS, before ringing.
    FskV23AlertTone,
    /// V.23 after line reversal and DT-AS, before ringing (BT).
    FskV23ReversalAlertTone,
    /// DTMF before the first ring.
    DtmfBeforeRing,
    /// DTMF after line reversal, before the first ring.
    DtmfReversalBeforeRing,
    /// DTMF between the first and second ring.
    DtmfAfterRing,
    /// Japan: reversal, CAR ringing, primary answer, V.23, hang-up, normal ringing.
    Ntt,
}

/// Caller ID of one country.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallerIdScheme {
    /// The method.
    pub method: CallerIdMethod,
    /// First key of a DTMF train, e.g. `A` or `D`.
    pub start: Option<char>,
    /// Last key of a DTMF train, e.g. `C` or `#`.
    pub stop: Option<char>,
}

/// Windows of the hook classifier, all lengths of a break (loop open), in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HookWindows {
    /// A change counts once it has lasted this long.
    pub debounce_ms: u32,
    /// Shortest break that is a dial pulse.
    pub pulse_break_min_ms: u32,
    /// Longest break that is a dial pulse.
    pub pulse_break_max_ms: u32,
    /// Loop closed this long after a pulse: the digit is complete.
    pub interdigit_ms: u32,
    /// Shortest break that is a register recall (flash).
    pub flash_min_ms: u32,
    /// Longest break that is a register recall (flash).
    pub flash_max_ms: u32,
    /// A break this long is a hang-up.
    pub hang_up_ms: u32,
}

/// Everything the gateway needs to know of one country.
#[derive(Clone, Debug, PartialEq)]
pub struct Zone {
    /// ISO 3166-1 alpha-2, lower case.
    pub code: String,
    /// English name.
    pub name: String,
    /// PSTN companding law.
    pub law: Law,
    /// SLIC two-wire impedance preset, as the tables write it.
    pub impedance: String,
    /// Plans by [`Tone`], every fall-back resolved: indexed with `Tone as usize`.
    pub tones: [TonePlan; Tone::COUNT],
    /// Normal ringing.
    pub ring: Ring,
    /// Caller ID.
    pub caller_id: CallerIdScheme,
    /// Hook windows.
    pub hook: HookWindows,
    /// Pulse mapping.
    pub pulse_mapping: PulseMapping,
    /// Numbers that always go through.
    pub emergency_numbers: Vec<String>,
}

impl Zone {
    /// The plan of `tone` in this country.
    pub fn tone(&self, tone: Tone) -> &TonePlan {
        &self.tones[tone as usize]
    }
}
