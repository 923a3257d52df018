//! What happens at the user agent.

use super::{AccountName, CallId, ReferralId};
use crate::sip::event::message_summary::MessageSummary;
use crate::sip::ua::Inquiry;
use std::net::{IpAddr, SocketAddr};

/// What happened at the user agent.
#[derive(Clone, Debug)]
pub enum UaEvent {
    /// An account's registration changed.
    Registration {
        /// Which account.
        account: AccountName,
        /// How it stands now.
        state: RegistrationState,
        /// Seconds granted, while registered.
        expires_s: Option<u32>,
        /// What went wrong last, for a person; never a secret.
        error: Option<String>,
    },
    /// An INVITE for us.
    Incoming(Box<Incoming>),
    /// A provisional response to our INVITE (100 is not reported).
    Progress {
        /// Which.
        call: CallId,
        /// 101 to 199.
        status: u16,
        /// SDP, if any.
        body: Option<Vec<u8>>,
        /// Tag of the fork that sent it; empty where it has none. 199 says that this fork rings no more.
        fork: String,
    },
    /// Our INVITE was accepted.
    Answered {
        /// Which.
        call: CallId,
        /// SDP (the answer).
        body: Vec<u8>,
    },
    /// Our INVITE failed for good: redirections and credentials have been tried.
    Failed {
        /// Which.
        call: CallId,
        /// The final status; 408 where nobody answered, 503 where no transport worked.
        status: u16,
        /// Reason phrase or the system's words.
        reason: String,
    },
    /// The answer has been acknowledged: the incoming call is up.
    Confirmed {
        /// Which.
        call: CallId,
    },
    /// The call is over: the peer's BYE, a timer, or our own doing. Every call ends with exactly one of
    /// `Failed`, `Cancelled` and `Ended`; nothing about it follows.
    Ended {
        /// Which.
        call: CallId,
        /// Why.
        cause: EndCause,
    },
    /// The caller gave up before we answered.
    Cancelled {
        /// Which.
        call: CallId,
        /// The call was answered elsewhere (`Reason: SIP;cause=200`): not a missed one.
        answered_elsewhere: bool,
    },
    /// The peer offers a changed session (re-INVITE or UPDATE); answer or refuse it. An empty body asks for our
    /// offer.
    Reoffer {
        /// Which.
        call: CallId,
        /// SDP offer.
        body: Vec<u8>,
    },
    /// The answer to our own [`Reoffer`](super::UaCommand::Reoffer); `None`: it was refused and the old session stays.
    /// Also the answer to an offer we made in [`Answer`](super::UaCommand::Answer) or
    /// [`AnswerReoffer`](super::UaCommand::AnswerReoffer) (it comes with the ACK).
    Reanswered {
        /// Which.
        call: CallId,
        /// SDP.
        body: Option<Vec<u8>>,
    },
    /// A key by INFO from the peer.
    InfoKey {
        /// Which.
        call: CallId,
        /// `0`-`9`, `*`, `#`, `A`-`D`.
        key: char,
        /// How long.
        duration_ms: u32,
    },
    /// After `Shutdown`: everything has ended.
    Idle,
    /// The session is to be refreshed by a re-INVITE (RFC 4028): answer with [`Reoffer`](super::UaCommand::Reoffer), the
    /// session as it stands.
    RefreshDue {
        /// Which.
        call: CallId,
    },
    /// The peer wants us to call somebody else: accept or refuse it.
    Referred {
        /// Whose peer.
        call: CallId,
        /// What it wants.
        request: Box<ReferRequest>,
    },
    /// What waits in an account's mailbox, as its server says.
    MessagesWaiting {
        /// Which account.
        account: AccountName,
        /// What.
        summary: MessageSummary,
    },
    /// How the peer of [`Refer`](super::UaCommand::Refer) fares.
    TransferProgress {
        /// Whose peer.
        call: CallId,
        /// 202: it tries; afterwards what it hears of its own call; or why it refused.
        status: u16,
        /// Nothing more will be told.
        done: bool,
    },
    /// OPTIONS: say with [`AnswerInquiry`](super::UaCommand::AnswerInquiry) what an INVITE would get.
    Inquiry(Box<Inquiry>),
    /// The answer to [`Locate`](super::UaCommand::Locate).
    Located {
        /// Which account.
        account: AccountName,
        /// Our address, or why its server can't be reached.
        result: Result<IpAddr, String>,
    },
    /// Something between us and an account's server changes messages; told once for each way it shows.
    Rewritten {
        /// Which account.
        account: AccountName,
        /// What is changed.
        what: crate::sip::ua::Rewritten,
    },
    /// Our address towards an accepted call's peer has changed: its media is to be offered from there.
    Moved {
        /// Which.
        call: CallId,
        /// The new one.
        local_ip: IpAddr,
    },
}

/// Why a confirmed call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EndCause {
    /// The peer sent BYE.
    Remote {
        /// Its `Reason` header, if any.
        reason: Option<String>,
    },
    /// Our 200 was never acknowledged, or a request in the dialog found nobody.
    Timeout,
    /// We ended it.
    Local,
}

/// An account's registration as `status` shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistrationStatus {
    /// Which account.
    pub account: AccountName,
    /// How it stands.
    pub state: RegistrationState,
    /// When the registrar forgets us, while registered.
    pub expires_at: Option<std::time::Instant>,
    /// What went wrong last, for a person; never a secret.
    pub last_error: Option<String>,
}

/// How an account's registration stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegistrationState {
    /// Not registered, nothing under way.
    Unregistered,
    /// Being tried.
    Registering,
    /// Registered.
    Registered,
    /// Refused or unreachable; tried again later.
    Failed,
    /// No registration asked for.
    Direct,
}

/// An INVITE for us.
#[derive(Clone, Debug)]
pub struct Incoming {
    /// The new call.
    pub call: CallId,
    /// The account it came over, where one is recognised.
    pub account: Option<AccountName>,
    /// User part of the Request-URI.
    pub called_user: String,
    /// User part of From (or P-Asserted-Identity from the account's server).
    pub caller_user: Option<String>,
    /// Display name.
    pub caller_name: Option<String>,
    /// The caller withholds its identity.
    pub private: bool,
    /// Alert-Info values.
    pub alert_info: Vec<String>,
    /// SDP offer; empty: the peer wants ours.
    pub offer: Vec<u8>,
    /// Where it came from.
    pub remote: SocketAddr,
    /// Our address as the caller reaches it.
    pub local: SocketAddr,
    /// There is no offer, and the first provisional response has to carry ours (RFC 3262 section 5).
    pub wants_early_offer: bool,
    /// The call of ours whose place it takes (RFC 3891).
    pub replaces: Option<CallId>,
    /// The number the call was diverted from last (Diversion, History-Info).
    pub redirecting: Option<String>,
    /// How Alert-Info wants the telephone to ring, by name.
    pub ring: Option<String>,
}

/// A REFER for us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReferRequest {
    /// Its number.
    pub referral: ReferralId,
    /// User part of the URI to call; empty where it has none.
    pub number: String,
    /// It came from the account's own server, or from the peer of a call that has no account.
    pub trusted: bool,
}
