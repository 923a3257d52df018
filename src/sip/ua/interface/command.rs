//! What the call room and the daemon want of the user agent.

use super::{AccountName, CallId, ReferralId, Route, Transport};
use crate::sip::event::pidf::Presence;
use crate::sip::message::Reason;
use crate::sip::ua::{CallQuality, Inquiry};
use std::sync::Arc;

/// What the user agent is asked to do.
#[derive(Clone, Debug)]
pub enum UaCommand {
    /// Call somebody. `call` comes from [`UserAgent::new_call`](crate::sip::ua::UserAgent::new_call).
    Invite {
        /// The new call.
        call: CallId,
        /// Through whom.
        via: Via,
        /// User part: what the dial plan made of the digits.
        number: String,
        /// User part of From where no account gives one (a line's own number).
        from_user: String,
        /// Display name of From.
        from_name: Option<String>,
        /// SDP offer.
        offer: Vec<u8>,
        /// What is special about it.
        options: InviteOptions,
    },
    /// Answer an incoming INVITE provisionally (180, or 183 with a body).
    Ring {
        /// Which.
        call: CallId,
        /// 180, 182, 183.
        status: u16,
        /// SDP of early media.
        body: Option<Vec<u8>>,
    },
    /// Accept an incoming INVITE with 200 and this SDP (an answer; an offer where the INVITE had none).
    Answer {
        /// Which.
        call: CallId,
        /// SDP.
        body: Vec<u8>,
    },
    /// Refuse an incoming INVITE.
    Reject {
        /// Which.
        call: CallId,
        /// 4xx to 6xx.
        status: u16,
    },
    /// End a call in whatever state: CANCEL, BYE, or a refusal.
    HangUp {
        /// Which.
        call: CallId,
    },
    /// Accept a re-INVITE or UPDATE that carried an offer (`UaEvent::Reoffer`).
    AnswerReoffer {
        /// Which.
        call: CallId,
        /// SDP.
        body: Vec<u8>,
    },
    /// Refuse it; the session stays as it was (RFC 6141).
    RejectReoffer {
        /// Which.
        call: CallId,
        /// 488 as a rule.
        status: u16,
    },
    /// Change the session from here (hold, resume): a re-INVITE with this offer.
    Reoffer {
        /// Which.
        call: CallId,
        /// SDP.
        body: Vec<u8>,
    },
    /// Send a key as INFO `application/dtmf-relay`.
    InfoKey {
        /// Which.
        call: CallId,
        /// `0`-`9`, `*`, `#`, `A`-`D`.
        key: char,
        /// How long it was down.
        duration_ms: u32,
    },
    /// Ask the peer of a call to call somebody else (RFC 3515): `UaEvent::TransferProgress` tells how it goes.
    Refer {
        /// Whose peer.
        call: CallId,
        /// Whom.
        to: ReferTo,
    },
    /// Follow a peer's wish (`UaEvent::Referred`): 202; an INVITE with this referral is to follow, and tells the peer
    /// how it goes.
    AcceptReferral {
        /// Which.
        referral: ReferralId,
    },
    /// Refuse it, or, once accepted, say that nothing came of it.
    EndReferral {
        /// Which.
        referral: ReferralId,
        /// 4xx to 6xx.
        status: u16,
    },
    /// What an account's lines do, for those who watch its presence.
    SetPresence {
        /// Which.
        account: AccountName,
        /// What they do, all together.
        presence: Presence,
    },
    /// Report how a call sounded, where the account has a collector.
    ReportQuality {
        /// Whose.
        account: AccountName,
        /// What is known of it; the user agent adds the names of both sides.
        quality: Box<CallQuality>,
    },
    /// Set the accounts: new ones register, those gone un-register, changed ones do both.
    SetAccounts(Vec<crate::sip::account::Account>),
    /// Say who is heard beside the accounts' servers and the peers of dialogs; at first nobody is.
    SetAdmission(Box<crate::sip::ua::Admission>),
    /// End all calls and un-register everywhere; `UaEvent::Idle` follows when all of it is done.
    Shutdown,
    /// What OPTIONS is answered with.
    AnswerInquiry {
        /// The question.
        inquiry: Box<Inquiry>,
        /// 200, 404, 480, 486.
        status: u16,
        /// What a session could be, for those who want to know.
        body: Option<Vec<u8>>,
    },
    /// Find out which of our addresses is used towards an account's server; `UaEvent::Located` follows.
    Locate(AccountName),
    /// [`HangUp`](Self::HangUp), and the BYE says why (RFC 3326).
    HangUpBecause {
        /// Which.
        call: CallId,
        /// Why.
        reason: Reason,
    },
}

/// What is special about an INVITE.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InviteOptions {
    /// A peer asked for it: the Request-URI, Replaces and Referred-By are what it said.
    pub referral: Option<ReferralId>,
    /// The called party is not to see who calls (RFC 3323); `None`: as the account has it.
    pub anonymous: Option<bool>,
}

/// Whom a peer is sent to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReferTo {
    /// A number at the account's server.
    Number(String),
    /// The peer of this other call of ours, whose place it takes (RFC 3891).
    Call(CallId),
}

/// Through whom an INVITE goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Via {
    /// An account's server.
    Account(AccountName),
    /// Straight to an address (lines of one machine calling each other), without credentials.
    Address {
        /// Transport.
        transport: Transport,
        /// Where.
        route: Route,
    },
    /// An account's server, for an emergency call: registered or not, over every transport, with little patience.
    Emergency {
        /// The account.
        account: AccountName,
        /// What the INVITE says.
        emergency: Arc<crate::sip::ua::Emergency>,
    },
}
