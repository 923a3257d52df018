//! The states a line and a call can be in, as the outside sees them.

use serde::Serialize;

/// What a line is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the names are the documentation")]
pub enum LineState {
    Idle,
    Ringing,
    DialTone,
    Collecting,
    Calling,
    Talking,
    Held,
    BusyTone,
    Howler,
    Disabled,
    Faulted,
}

/// Who called whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CallDirection {
    /// The telephone called.
    Outgoing,
    /// The telephone was called.
    Incoming,
}

impl CallDirection {
    /// `outgoing` or `incoming`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Outgoing => "outgoing",
            Self::Incoming => "incoming",
        }
    }
}

/// What a call is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CallState {
    /// INVITE sent, nothing heard yet.
    Calling,
    /// The far end rings, or ours does.
    Ringing,
    /// Early media is heard.
    EarlyMedia,
    /// Both talk.
    Talking,
    /// On hold.
    Held,
    /// Over.
    Ended,
}

/// Why a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are the documentation")]
pub enum Cause {
    LocalHangup,
    RemoteHangup,
    Busy,
    Cancelled,
    NoAnswer,
    Rejected,
    Failed,
    MediaTimeout,
    AnsweredElsewhere,
    Transferred,
    Replaced,
    Security,
}

impl Cause {
    /// As it stands in the call record.
    pub const fn name(self) -> &'static str {
        match self {
            Self::LocalHangup => "local_hangup",
            Self::RemoteHangup => "remote_hangup",
            Self::Busy => "busy",
            Self::Cancelled => "cancelled",
            Self::NoAnswer => "no_answer",
            Self::Rejected => "rejected",
            Self::Failed => "failed",
            Self::MediaTimeout => "media_timeout",
            Self::AnsweredElsewhere => "answered_elsewhere",
            Self::Transferred => "transferred",
            Self::Replaced => "replaced",
            Self::Security => "security",
        }
    }
}
