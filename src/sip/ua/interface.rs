//! What goes into the user agent and what comes out of it.

use super::location::{Answer, Question};
use super::{CallQuality, Inquiry};
use crate::sip::event::message_summary::MessageSummary;
use crate::sip::event::pidf::Presence;
use crate::sip::message::Reason;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// Transport of a SIP message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Transport {
    /// Datagrams.
    Udp,
    /// Stream.
    Tcp,
    /// Stream in TLS.
    Tls,
}

/// What the user agent is told once, when it is made.
#[derive(Clone, Debug)]
pub struct UaConfig {
    /// Value of our `User-Agent` and `Server` headers; empty: none are sent.
    pub user_agent: String,
    /// Port our UDP socket is bound to, for Via and Contact; `None`: no UDP.
    pub udp_port: Option<u16>,
    /// Port our TCP listener is bound to; `None`: no TCP.
    pub tcp_port: Option<u16>,
    /// Port our TLS listener is bound to; `None`: none, connections of ours are the only ones.
    pub tls_port: Option<u16>,
    /// Whether TLS may be used.
    pub tls: bool,
    /// What names this device for ever, as in `urn:uuid:…` (RFC 5626 4.1); `None`: no outbound.
    pub instance: Option<String>,
}

/// One call at the user agent, from INVITE to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallId(pub u64);

/// The name of an account in the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AccountName(pub Arc<str>);

/// What comes into the user agent.
#[derive(Clone, Debug)]
pub enum UaInput {
    /// A datagram (UDP), whole.
    Datagram {
        /// Our address as the sender reaches it (never unspecified).
        local: SocketAddr,
        /// Where it came from.
        remote: SocketAddr,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// Bytes of a stream connection, in order; the user agent frames them.
    Stream {
        /// TCP, or TLS without its wrapping.
        transport: Transport,
        /// Our end.
        local: SocketAddr,
        /// The other end; one connection a remote address, over TLS one for each domain asked for there.
        remote: SocketAddr,
        /// The domain that the other end proved, where the connection is ours and TLS.
        domain: Option<Arc<str>>,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// A connection is gone, or could not be made, or a datagram could not be sent.
    TransportFailed {
        /// Which transport.
        transport: Transport,
        /// To whom.
        remote: SocketAddr,
        /// As for [`UaInput::Stream`].
        domain: Option<Arc<str>>,
        /// The system's words.
        reason: String,
    },
    /// The answer to [`UaOutput::Resolve`].
    Resolved {
        /// The query's number.
        query: u64,
        /// What was found; or why nothing could be asked. That there are no such records is an answer.
        result: Result<Answer, String>,
    },
    /// An address, a route or a link of this machine changed.
    NetworkChanged {
        /// Our addresses on links that have come back: connections and NAT mappings over them are doubtful.
        returned: Vec<IpAddr>,
    },
    /// What the call room or the daemon wants.
    Command(UaCommand),
    /// A router has given our UDP socket another address outside.
    MappingChanged,
}

/// An address and which of ours is used towards it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// Where to send.
    pub remote: SocketAddr,
    /// Our own address in the route's direction.
    pub local_ip: IpAddr,
}

/// What the user agent is asked to do.
#[derive(Clone, Debug)]
pub enum UaCommand {
    /// Call somebody. `call` comes from [`UserAgent::new_call`](super::UserAgent::new_call).
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
    SetAdmission(Box<super::Admission>),
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

/// A peer's wish that we call somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ReferralId(pub u64);

/// Whom a peer is sent to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReferTo {
    /// A number at the account's server.
    Number(String),
    /// The peer of this other call of ours, whose place it takes (RFC 3891).
    Call(CallId),
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
        emergency: Arc<super::Emergency>,
    },
}

/// What the user agent wants done.
#[derive(Clone, Debug)]
pub enum UaOutput {
    /// Send these bytes; over TCP the daemon connects first where there is no connection.
    Transmit {
        /// Which transport.
        transport: Transport,
        /// To whom.
        remote: SocketAddr,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// Find records or routes.
    Resolve {
        /// Number of the query, for the answer.
        query: u64,
        /// What is asked.
        question: Question,
    },
    /// Have a TLS connection to an address whose other end has proved a domain. What is sent to that address from now on
    /// goes over it, and not over one of another domain (RFC 5922 7.2).
    ConnectTls {
        /// To whom.
        remote: SocketAddr,
        /// What the certificate at the other end has to name.
        domain: Arc<str>,
    },
    /// End a stream connection: it is dead, or about to be useless. Of several, that which sending would use.
    Close {
        /// Which transport.
        transport: Transport,
        /// To whom.
        remote: SocketAddr,
    },
    /// Something happened.
    Event(UaEvent),
}

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
    /// The answer to our own [`UaCommand::Reoffer`]; `None`: it was refused and the old session stays. Also the
    /// answer to an offer we made in [`UaCommand::Answer`] or [`UaCommand::AnswerReoffer`] (it comes with the ACK).
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
    /// The session is to be refreshed by a re-INVITE (RFC 4028): answer with [`UaCommand::Reoffer`], the session as it
    /// stands.
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
    /// How the peer of [`UaCommand::Refer`] fares.
    TransferProgress {
        /// Whose peer.
        call: CallId,
        /// 202: it tries; afterwards what it hears of its own call; or why it refused.
        status: u16,
        /// Nothing more will be told.
        done: bool,
    },
    /// OPTIONS: say with [`UaCommand::AnswerInquiry`] what an INVITE would get.
    Inquiry(Box<Inquiry>),
    /// The answer to [`UaCommand::Locate`].
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
        what: super::Rewritten,
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
