//! One line's calls: what lifting the handset, digits, a hook flash, a busy answer or a second caller means.
//!
//! [`LineCalls`] is the only machine that knows both what the line does ([`crate::line`]) and what SIP says
//! ([`crate::sip`]). It decides what the person hears ([`outcome`]), when the telephone rings, and when media
//! starts; where a number leads is the gateway's knowledge, asked for with [`CallOutput::Place`].

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

mod alert;
mod ice;
mod keyring;
mod leg;
mod machine;
pub mod outcome;
mod reach;
pub mod record;
pub mod services;
pub mod state;

pub use leg::codec_name;
pub use machine::LineCalls;
pub use outcome::RefusalTones;
pub use reach::{Connect, IcePolicy, Nat};
pub use record::CallRecord;

use crate::dial::{DialPlan, Hotline, Timers};
use crate::line::{CallTime, LineCommand, LineEvent};
use crate::media::dtls::{Agreement, DtlsError};
use crate::media::ice::Credentials;
use crate::media::srtp::SrtpKeys;
use crate::media::traversal::{Gathered, Settled};
use crate::media::{Codec, DtmfRelay, FlowReport, VoiceCommand, VoiceEvent};
use crate::sip::event::vq_report::VoiceQuality;
use crate::sip::sdp::SrtpPolicy;
use crate::sip::ua::{CallId, EndCause, Incoming, ReferRequest, UaCommand, Via};
use crate::zone::Tone;
use state::{CallDirection, CallState, LineState};

/// One RTP session's sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(pub u64);

/// What one line's calls are told of themselves.
#[derive(Clone, Debug)]
pub struct CallConfig {
    /// The digit map.
    pub dial_plan: Arc<DialPlan>,
    /// Numbers that always pass.
    pub emergency_numbers: Arc<[String]>,
    /// A number dialled by lifting the handset.
    pub hotline: Option<Hotline>,
    /// How long to wait for digits.
    pub timers: Timers,
    /// Codecs in order of preference.
    pub codecs: Vec<Codec>,
    /// How keys pressed in a call are sent.
    pub dtmf: DtmfRelay,
    /// Audio in one packet: 10 to 60.
    pub packet_time_ms: u8,
    /// An incoming call rings at most so long.
    pub ring_timeout_s: u32,
    /// No RTP for so long is a fault of the call; 0: never.
    pub rtp_timeout_s: u32,
    /// Such a fault ends the call; otherwise it is only told.
    pub rtp_timeout_ends_call: bool,
    /// The loop opens for so long when the far end has hung up (calling-party control); 0: never.
    pub disconnect_open_ms: u32,
    /// The called party's answer reverses the battery.
    pub answer_reversal: bool,
    /// Hanging up ends an emergency call only after so long; 0: at once.
    pub emergency_hold_s: u32,
    /// How media is reached through routers.
    pub nat: Nat,
    /// Whether media is encrypted.
    pub srtp: SrtpPolicy,
    /// What the line offers beside plain calls.
    pub services: services::Services,
    /// What is heard when the called party cannot be had.
    pub refusal_tones: RefusalTones,
}

/// What comes into a line's calls.
#[derive(Clone, Debug)]
pub enum CallInput {
    /// The line reports.
    Line(LineEvent),
    /// The audio thread reports.
    Voice(VoiceEvent),
    /// The call asked for with [`CallOutput::Place`] may go this way.
    Placed(Placement),
    /// There is no way: not registered, server unknown.
    NoRoute {
        /// For the log and the event.
        reason: String,
        /// The SIP status it amounts to.
        status: u16,
    },
    /// The session's sockets are open.
    MediaOpened {
        /// Which.
        session: SessionId,
        /// RTP port.
        port: u16,
    },
    /// How the session's sockets are seen from outside; comes before [`MediaOpened`](Self::MediaOpened).
    Gathered {
        /// Which.
        session: SessionId,
        /// What is known.
        gathered: Box<Gathered>,
    },
    /// ICE has found a session's way.
    Settled {
        /// Which.
        session: SessionId,
        /// The way's ends.
        settled: Settled,
    },
    /// No sockets could be had.
    MediaFailed {
        /// Which.
        session: SessionId,
        /// Why.
        reason: String,
    },
    /// Somebody calls.
    Incoming {
        /// The INVITE.
        incoming: Box<Incoming>,
        /// Local time, for the display.
        time: Option<CallTime>,
    },
    /// What SIP says of one of our calls.
    Sip {
        /// Which call.
        call: CallId,
        /// What.
        event: SipEvent,
    },
    /// Messages wait, or none do any more: dial tone says so.
    MessageWaiting(bool),
    /// The line's hardware failed or is back.
    Fault(bool),
    /// The configuration changed; calls in progress go on as they were agreed.
    Configure(Box<CallConfig>),
    /// End whatever is going on.
    Shutdown,
    /// The answer to [`CallOutput::PlaceAgain`]: every way has been tried.
    NoMoreWays,
    /// The handshake of an [`Association`] has brought keys.
    Secured {
        /// Whose.
        session: SessionId,
        /// Its number.
        association: u64,
        /// The keys.
        keys: Box<SrtpKeys>,
    },
    /// It has not, and won't.
    Insecure {
        /// Whose.
        session: SessionId,
        /// Its number.
        association: u64,
        /// Why.
        error: DtlsError,
    },
}

/// A DTLS handshake that offer and answer agree on, and what keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Association {
    /// Another handshake has another number.
    pub number: u64,
    /// Roles and certificates.
    pub agreement: Agreement,
    /// Where the peer is, where ICE doesn't find that out.
    pub remote: SocketAddr,
}

/// Where an outgoing call goes.
#[derive(Clone, Debug)]
pub struct Placement {
    /// The new call.
    pub call: CallId,
    /// Through whom.
    pub via: Via,
    /// Our own address in that direction.
    pub local_ip: IpAddr,
    /// User part of From where no account gives one.
    pub from_user: String,
}

/// What SIP says of a call: [`UaEvent`](crate::sip::ua::UaEvent) without the call's number.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "the fields are those of UaEvent")]
pub enum SipEvent {
    Progress {
        status: u16,
        body: Option<Vec<u8>>,
        fork: String,
    },
    Answered {
        body: Vec<u8>,
    },
    Failed {
        status: u16,
        reason: String,
    },
    Confirmed,
    Ended {
        cause: EndCause,
    },
    Cancelled {
        answered_elsewhere: bool,
    },
    Reoffer {
        body: Vec<u8>,
    },
    Reanswered {
        body: Option<Vec<u8>>,
    },
    InfoKey {
        key: char,
    },
    RefreshDue,
    Referred {
        request: Box<ReferRequest>,
    },
    TransferProgress {
        status: u16,
        done: bool,
    },
    Moved {
        local_ip: IpAddr,
    },
}

/// What a line's calls want done, in order.
#[derive(Clone, Debug)]
pub enum CallOutput {
    /// Something for the line.
    Line(LineCommand),
    /// Something for the audio thread.
    Voice(Box<VoiceCommand>),
    /// Something for the user agent.
    Sip(UaCommand),
    /// Say where this number leads: [`CallInput::Placed`] or [`CallInput::NoRoute`] follows.
    Place {
        /// The number, as the dial plan made it.
        number: String,
        /// It is one of the emergency numbers.
        emergency: bool,
    },
    /// Open a session's sockets.
    OpenMedia {
        /// Which.
        session: SessionId,
        /// Beside the session that is heard.
        parked: bool,
    },
    /// Close them.
    CloseMedia(SessionId),
    /// Offer and answer are there: this is what they say of ICE.
    Connect(Box<Connect>),
    /// Something worth telling.
    Event(CallEvent),
    /// A call is over.
    Record(Box<FinishedCall>),
    /// An emergency call's way failed: say where the next one leads, as for [`CallOutput::Place`].
    PlaceAgain {
        /// Ways tried so far.
        attempt: usize,
    },
    /// Media flows one way only, or both ways again.
    Flow(MediaFlow),
    /// Our address has changed: find out anew how the session's sockets are seen; [`CallInput::Gathered`] follows.
    Regather {
        /// Which.
        session: SessionId,
        /// Those of the offer that will follow, where it restarts ICE.
        credentials: Option<Credentials>,
    },
}

/// How media flows in a call, and between whom.
#[derive(Clone, Debug, PartialEq)]
pub struct MediaFlow {
    /// The call's identifier.
    pub id: String,
    /// The call at the user agent.
    pub call: CallId,
    /// What the audio thread reports.
    pub report: FlowReport,
    /// Where we said that we receive.
    pub local: Option<SocketAddr>,
    /// Where the peer said that it receives.
    pub remote: Option<SocketAddr>,
}

/// What is worth telling of a line's calls.
#[derive(Clone, Debug, PartialEq)]
#[allow(
    missing_docs,
    reason = "the fields are those of the gateway's events, documented there"
)]
pub enum CallEvent {
    State(LineState),
    Tone(Option<Tone>),
    Dialed {
        digits: String,
        number: String,
        emergency: bool,
    },
    DialRejected {
        digits: String,
        reason: String,
    },
    Call {
        id: String,
        direction: CallDirection,
        remote: String,
        state: CallState,
        status: Option<u16>,
        reason: Option<String>,
    },
    RemoteDigit {
        id: String,
        digit: char,
    },
    Media {
        id: String,
        flowing: bool,
    },
    Transfer {
        id: String,
        target: String,
        status: Option<u16>,
    },
    Encryption {
        id: String,
        encryption: String,
    },
    Diagnosis {
        id: String,
        problem: &'static str,
        text: String,
    },
}

/// A finished call, its times still on the monotonic clock.
#[derive(Clone, Debug, PartialEq)]
pub struct FinishedCall {
    /// The record, but for its times.
    pub record: CallRecord,
    /// When it began.
    pub started: std::time::Instant,
    /// When it was answered.
    pub answered: Option<std::time::Instant>,
    /// When it ended.
    pub ended: std::time::Instant,
    /// The user agent's number of it.
    pub call: Option<CallId>,
    /// How it sounded, but for names and times; `None`: nobody was heard.
    pub quality: Option<VoiceQuality>,
}

/// A call in progress, for the status.
#[derive(Clone, Debug, PartialEq)]
#[allow(
    missing_docs,
    reason = "the fields are those of the gateway's status, documented there"
)]
pub struct CallSnapshot {
    pub id: String,
    pub direction: CallDirection,
    pub remote: String,
    pub state: CallState,
    pub codec: Option<Codec>,
    pub answered: Option<std::time::Instant>,
    pub encryption: Option<String>,
}
