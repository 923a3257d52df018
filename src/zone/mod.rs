//! What a country's exchange sounds and behaves like: tones, ring cadences, caller ID, hook windows, pulse
//! mapping, emergency numbers. The tables are data (`countries/*.yaml`), compiled in; this room reads them into
//! [`Zone`]s. Levels and windows follow ITU-T E.180/Q.35 and the national documents each table names.

mod countries;
mod resolve;
mod ring_pattern;
mod table;
pub mod tone;

pub use ring_pattern::RingPattern;
pub use tone::{Tone, TonePlan, ToneStep};

/// The country of an ISO 3166-1 alpha-2 code, in either case; `uk` is Britain too. Reading one takes about a
/// millisecond: keep the result.
pub fn zone(code: &str) -> Option<Zone> {
    let table = countries::table(code)?;
    #[expect(
        clippy::expect_used,
        reason = "the tables are compiled in, and a test reads every one"
    )]
    let zone = resolve::zone(table).expect("a table of ours that a test has read");
    Some(zone)
}

/// The codes of all countries, lower case, sorted.
pub fn codes() -> impl Iterator<Item = &'static str> {
    countries::TABLES.iter().map(|(code, _)| *code)
}

/// Why a table is not a zone.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ZoneError {
    /// Not the notation of the tables.
    #[error("{0}")]
    Notation(String),
    /// A tone that nothing stands in for.
    #[error("there is no `{0}` tone, and nothing to stand in for it")]
    Missing(&'static str),
    /// A tone with a step that cannot be played, or too many of them.
    #[error("the `{0}` tone has a step that cannot be played, or too many steps")]
    Step(&'static str),
}

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
    /// The same of the patterns after the first. One that ends with a burst is rung once.
    pub distinctive_ms: [Vec<u32>; RingPattern::COUNT - 1],
}

impl Ring {
    /// The cadence of a pattern; `None`: the country's own.
    pub fn pattern_ms(&self, pattern: Option<RingPattern>) -> &[u32] {
        let at = pattern.and_then(|pattern| usize::from(pattern.number()).checked_sub(2));
        at.and_then(|at| self.distinctive_ms.get(at))
            .unwrap_or(&self.cadence_ms)
    }
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

impl CallerIdMethod {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::None,
        Self::FskBell202AfterRing,
        Self::FskV23AfterRing,
        Self::FskV23RingPulse,
        Self::FskV23AlertTone,
        Self::FskV23ReversalAlertTone,
        Self::DtmfBeforeRing,
        Self::DtmfReversalBeforeRing,
        Self::DtmfAfterRing,
        Self::Ntt,
    ];

    /// The name used in YAML and on the command line: `fsk_v23_after_ring`, ...
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::FskBell202AfterRing => "fsk_bell202_after_ring",
            Self::FskV23AfterRing => "fsk_v23_after_ring",
            Self::FskV23RingPulse => "fsk_v23_ring_pulse",
            Self::FskV23AlertTone => "fsk_v23_alert_tone",
            Self::FskV23ReversalAlertTone => "fsk_v23_reversal_alert_tone",
            Self::DtmfBeforeRing => "dtmf_before_ring",
            Self::DtmfReversalBeforeRing => "dtmf_reversal_before_ring",
            Self::DtmfAfterRing => "dtmf_after_ring",
            Self::Ntt => "ntt",
        }
    }

    /// The method of that [`CallerIdMethod::name`].
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.name() == name)
    }

    /// Whether the caller is announced by DTMF.
    pub const fn is_dtmf(self) -> bool {
        matches!(
            self,
            Self::DtmfBeforeRing | Self::DtmfReversalBeforeRing | Self::DtmfAfterRing
        )
    }
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

impl HookWindows {
    /// The break that is most surely a register recall: the middle of its window.
    pub fn recall_ms(&self) -> u32 {
        self.flash_min_ms.midpoint(self.flash_max_ms)
    }
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

#[cfg(test)]
mod tests;
