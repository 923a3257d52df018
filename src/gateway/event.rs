//! What happened, for people and programs that follow: `tipring events` prints these, one a line.
//!
//! Fields are added, never renamed.

use serde::Serialize;

pub use crate::call::state::{CallDirection, CallState, LineState};

/// One happening with its time.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Event {
    /// Wall-clock time, milliseconds since 1970-01-01 UTC.
    pub time_ms: i64,
    /// The same in microseconds.
    pub time_us: i64,
    /// What happened.
    #[serde(flatten)]
    pub kind: EventKind,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[allow(
    missing_docs,
    reason = "the variants' first lines say it; `line` and `call` name the line and call meant"
)]
pub enum EventKind {
    /// The telephone was lifted or hung up.
    Hook { line: String, hook: Hook },
    /// A register recall.
    Flash { line: String, break_ms: u32 },
    /// A digit was dialled.
    Digit {
        line: String,
        digit: char,
        /// `dtmf` or `pulse`.
        source: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        speed_pps: Option<f32>,
        #[serde(skip_serializing_if = "Option::is_none")]
        break_percent: Option<f32>,
    },
    /// A ring burst began or ended.
    Ring { line: String, on: bool },
    /// The caller ID has been sent to the telephone.
    CallerIdSent { line: String },
    /// Something on the line fits no window.
    LineRejected { line: String, reason: &'static str },
    /// A tone began; `null`: it stopped.
    Tone {
        line: String,
        tone: Option<&'static str>,
    },
    /// A line changed its state.
    LineState { line: String, state: LineState },
    /// The line's hardware failed (`fault`) or is back (`null`).
    LineFault { line: String, fault: Option<String> },
    /// The dial plan made a number of the digits.
    Dialed {
        line: String,
        digits: String,
        number: String,
        emergency: bool,
    },
    /// The dial plan refused the digits.
    DialRejected {
        line: String,
        digits: String,
        reason: String,
    },
    /// A call changed its state.
    Call {
        call: String,
        line: String,
        direction: CallDirection,
        remote: String,
        state: CallState,
        #[serde(skip_serializing_if = "Option::is_none")]
        status: Option<u16>,
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// The far end pressed a key.
    RemoteDigit { line: String, call: String, digit: char },
    /// Nothing is heard from the far end (`false`), or again (`true`).
    Media {
        line: String,
        call: String,
        flowing: bool,
    },
    /// What waits in a line's mailbox, as its account's server says.
    MessageWaiting {
        line: String,
        waiting: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        new: Option<u32>,
        #[serde(skip_serializing_if = "Option::is_none")]
        old: Option<u32>,
    },
    /// A call is sent to somebody else; `status`: what is heard of it.
    Transfer {
        line: String,
        call: String,
        target: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        status: Option<u16>,
    },
    /// An account's registration changed.
    Registration {
        account: String,
        state: AccountState,
        #[serde(skip_serializing_if = "Option::is_none")]
        expires_s: Option<u32>,
        #[serde(skip_serializing_if = "Option::is_none")]
        error: Option<String>,
    },
    /// Something is wrong on the way to others, in a sentence for a person: what, the likely cause, and what to do.
    Diagnosis {
        #[serde(skip_serializing_if = "Option::is_none")]
        line: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        call: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        account: Option<String>,
        /// `rewritten`, `nothing_received`, `not_heard`, `encryption` (it failed), or `both_ways` when the sound is
        /// back.
        problem: &'static str,
        text: String,
    },
    /// A DTLS handshake has brought the keys of a call: what encrypts it from now on.
    Encryption {
        line: String,
        call: String,
        encryption: String,
    },
}

/// Hook state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Hook {
    /// Hung up: the loop is open.
    On,
    /// Lifted: the loop is closed.
    Off,
}

/// How an account stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the names are the documentation")]
pub enum AccountState {
    Unregistered,
    Registering,
    Registered,
    Failed,
    Direct,
}
