//! Requests of ours from the first sending over credentials and further servers to the outcome.

use super::client::ClientKey;
use super::hop::Hop;
use super::subscriber::Package;
use super::{AccountName, CallId, ReferralId, Transport, UserAgent};
use crate::sip::account::Account;
use crate::sip::digest::{Authenticator, Credentials};
use crate::sip::message::{CSeq, HeaderName, Request, Response};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A request longer than this leaves UDP for TCP where the path MTU is unknown (RFC 3261 18.1.1).
const UDP_LIMIT: usize = 1300;

/// Challenges answered for one request: a proxy's, a registrar's, and a stale nonce of each. Whatever a server
/// does, it can't make us flood it.
const MOST_CHALLENGES: u8 = 4;

/// Whose request it is: who hears the outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// An account's REGISTER.
    Register(AccountName),
    /// The last REGISTER of an account that goes.
    Unregister(AccountName),
    /// The INVITE of an outgoing call.
    Invite(CallId),
    /// A re-INVITE of ours.
    Reinvite(CallId),
    /// An INFO of ours.
    Info(CallId),
    /// Nobody waits: BYE, CANCEL.
    Nobody,
    /// A PRACK of ours in the early dialog with that tag.
    Prack { call: CallId, tag: String },
    /// An UPDATE of ours with an offer, in the dialog with that tag.
    Update { call: CallId, tag: String },
    /// An UPDATE of ours that refreshes the session.
    Refresh(CallId),
    /// A REFER of ours.
    Refer(CallId),
    /// A NOTIFY of how the call goes that a peer asked for.
    Referral(ReferralId),
    /// OPTIONS that keep an account's way to its server open and watched.
    KeepAlive(AccountName),
    /// OPTIONS that ask whether an account's better server is back.
    Probe(AccountName),
    /// A SUBSCRIBE of an account's.
    Subscription((AccountName, Package)),
    /// The PUBLISH of an account's presence.
    Publication(AccountName),
    /// A NOTIFY to somebody who watches our calls.
    Watcher(u64),
}

/// A request and all it takes to try it again.
#[derive(Clone, Debug)]
pub(super) struct Job {
    /// Without Via.
    pub request: Request,
    /// Ways to send it, best first; the front is being tried.
    pub hops: VecDeque<Hop>,
    /// Whose credentials may answer a challenge.
    pub account: Option<Arc<Account>>,
    /// Challenges answered so far.
    pub challenges: u8,
    pub owner: Owner,
    /// Over UDP however long it is: TCP didn't work.
    pub stay_on_udp: bool,
    /// The next way is tried soon.
    pub urgent: bool,
    /// Silence ends the attempt after this; `None`: the transaction's own timer does.
    pub patience: Option<Duration>,
    /// A provisional response beyond 100 came: the server it went to has got it to somebody.
    pub got_through: bool,
}

impl Job {
    pub fn new(
        request: Request,
        hops: impl Into<VecDeque<Hop>>,
        account: Option<Arc<Account>>,
        owner: Owner,
    ) -> Self {
        Self {
            request,
            hops: hops.into(),
            account,
            challenges: 0,
            owner,
            stay_on_udp: false,
            urgent: false,
            patience: None,
            got_through: false,
        }
    }
}

impl Job {
    /// Whether a final response of that status is the server's own trouble, which another one need not have.
    ///
    /// 503 says so of any request (RFC 3263 4.3). The other failures of a server do for a call that it hasn't got to
    /// anybody: what comes after a telephone has rung is the far end's word, and another server would ring it again.
    fn is_servers_fault(&self, status: u16) -> bool {
        match status {
            503 => true,
            500 | 502 | 504 | 505 | 513 => matches!(self.owner, Owner::Invite(_)) && !self.got_through,
            _ => false,
        }
    }

    /// Whether it may go out once more for an answer that asks for something else; counted.
    pub fn may_try_again(&mut self) -> bool {
        self.challenges += 1;
        self.challenges <= MOST_CHALLENGES
    }
}

/// How a request ended.
#[derive(Debug)]
pub(super) enum Outcome {
    /// With a final response.
    Response(Box<Response>),
    /// With silence.
    Timeout,
    /// With no way to send it.
    Unreachable(String),
}

impl Outcome {
    /// The status it stands for (RFC 3261 8.1.3.1).
    pub fn status(&self) -> u16 {
        match self {
            Self::Response(response) => response.status.code(),
            Self::Timeout => 408,
            Self::Unreachable(_) => 503,
        }
    }

    /// In words.
    pub fn reason(&self) -> String {
        match self {
            Self::Response(response) if response.reason.is_empty() => response.status.reason().to_owned(),
            Self::Response(response) => response.reason.clone(),
            Self::Timeout => "no answer from the server".to_owned(),
            Self::Unreachable(reason) => reason.clone(),
        }
    }
}

impl UserAgent {
    /// A final response came: try again with credentials or at the next server, or tell the owner.
    pub(super) fn finish_or_retry(&mut self, now: Instant, mut job: Job, outcome: Outcome) {
        match (outcome.status(), outcome) {
            (422, Outcome::Response(response)) if self.lengthen(&mut job, &response).is_some() => {
                self.resend(now, job, true);
            }
            (401 | 407, Outcome::Response(response)) => self.answer_challenge(now, job, response),
            (status, outcome) if job.hops.len() > 1 && job.is_servers_fault(status) => {
                self.next_hop(now, job, outcome);
            }
            (_, outcome) => {
                if let Outcome::Response(response) = &outcome {
                    self.note_success(&job, response);
                }
                self.finish(now, job, outcome);
            }
        }
    }

    /// Sends the request again with credentials, if there are any that haven't been refused.
    fn answer_challenge(&mut self, now: Instant, mut job: Job, response: Box<Response>) {
        if !self.take_challenge(&mut job, &response) {
            return self.finish(now, job, Outcome::Response(response));
        }
        self.resend(now, job, true);
    }

    /// Tries the next server, or gives up with `outcome`.
    fn next_hop(&mut self, now: Instant, mut job: Job, outcome: Outcome) {
        job.hops.pop_front();
        job.stay_on_udp = false;
        job.got_through = false;
        if job.hops.is_empty() {
            self.finish(now, job, outcome);
        } else {
            self.correct_contact(&mut job);
            self.resend(now, job, false);
        }
    }

    fn resend(&mut self, now: Instant, mut job: Job, renumber: bool) {
        if renumber && let Ok(cseq) = job.request.headers.cseq() {
            let number = cseq.number + 1;
            job.request.headers.set(
                HeaderName::CSEQ,
                CSeq {
                    number,
                    method: cseq.method,
                }
                .to_string(),
            );
            self.note_sequence(&job.owner, number);
        }
        let owner = job.owner.clone();
        if let Some(key) = self.send(now, job) {
            self.note_transaction(&owner, key);
        }
    }

    /// Tells the owner the sequence number its request now has.
    fn note_sequence(&mut self, owner: &Owner, number: u32) {
        match owner {
            Owner::Register(account) => {
                if let Some(registration) = self.registrations.get_mut(account) {
                    registration.note_sent(number);
                }
            }
            Owner::Reinvite(call)
            | Owner::Info(call)
            | Owner::Invite(call)
            | Owner::Refresh(call)
            | Owner::Refer(call) => {
                if let Some(call) = self.calls.get_mut(call) {
                    call.note_sent(number);
                }
            }
            Owner::Prack { call, tag } | Owner::Update { call, tag } => {
                if let Some(dialog) = self.calls.get_mut(call).and_then(|call| call.dialog_mut(tag)) {
                    dialog.note_sent(number);
                }
            }
            Owner::Referral(referral) => self.referral_note_sent(*referral, number),
            Owner::Subscription(key) => self.subscription_note_sent(key, number),
            Owner::Publication(account) => self.publication_note_sent(account, number),
            Owner::Watcher(id) => self.watcher_note_sent(*id, number),
            Owner::Unregister(_) | Owner::Nobody | Owner::KeepAlive(_) | Owner::Probe(_) => {}
        }
    }

    /// Tells the owner the transaction its request now runs in.
    fn note_transaction(&mut self, owner: &Owner, key: ClientKey) {
        match owner {
            Owner::Invite(call) | Owner::Reinvite(call) => {
                if let Some(call) = self.calls.get_mut(call) {
                    call.note_transaction(key);
                }
            }
            Owner::Register(_)
            | Owner::Unregister(_)
            | Owner::Info(_)
            | Owner::Nobody
            | Owner::Prack { .. }
            | Owner::Update { .. }
            | Owner::Refresh(_)
            | Owner::Refer(_)
            | Owner::Referral(_)
            | Owner::KeepAlive(_)
            | Owner::Probe(_)
            | Owner::Subscription(_)
            | Owner::Publication(_)
            | Owner::Watcher(_) => {}
        }
    }

    /// The request is over.
    pub(super) fn finish(&mut self, now: Instant, job: Job, outcome: Outcome) {
        match job.owner.clone() {
            Owner::Register(account) => self.register_finished(now, &account, &job, outcome),
            Owner::Unregister(account) => self.unregister_finished(&account),
            Owner::Invite(call) => self.invite_failed(now, call, &outcome),
            Owner::Reinvite(call) => self.reinvite_failed(now, call, &outcome),
            Owner::Info(call) => self.info_finished(now, call, &outcome),
            Owner::Update { call, tag } => self.update_finished(now, call, &tag, &outcome),
            Owner::Refresh(call) => self.refresh_finished(now, call, &outcome),
            // The response that a PRACK is for has had its effect already.
            Owner::Nobody | Owner::Prack { .. } => {}
            Owner::Refer(call) => self.refer_finished(now, call, &outcome),
            Owner::Referral(referral) => self.referral_notified(referral, &outcome),
            Owner::KeepAlive(account) => self.keep_alive_finished(now, &account, &outcome),
            Owner::Probe(account) => self.probe_finished(now, &account, &outcome),
            Owner::Subscription(key) => self.subscribed(now, &key, &job, &outcome),
            Owner::Publication(account) => self.published(now, &account, &outcome),
            Owner::Watcher(id) => self.watcher_notified(id, &outcome),
        }
    }

    /// A hop didn't answer: another transport, another server, or the end.
    pub(super) fn try_elsewhere(&mut self, now: Instant, mut job: Job, hop: Hop, outcome: Outcome) {
        let meant = job.hops.front().map(|hop| hop.transport);
        if hop.transport == Transport::Tcp && meant == Some(Transport::Udp) && !job.stay_on_udp {
            // It was only for its length that it went over TCP (RFC 3261 18.1.1).
            job.stay_on_udp = true;
            self.remember_no_tcp(hop.remote);
            return self.resend(now, job, false);
        }
        self.next_hop(now, job, outcome);
    }

    /// Whether a request of that many bytes goes over TCP though its hop says UDP. A transport that a person
    /// asked for stays.
    pub(super) fn leaves_udp(&self, job: &Job, hop: Hop, bytes: usize) -> bool {
        let asked = job.account.as_ref().and_then(|account| account.transport);
        bytes > UDP_LIMIT
            && hop.transport == Transport::Udp
            && asked.is_none()
            && self.config.tcp_port.is_some()
            && !job.stay_on_udp
            && !self.no_tcp.contains(&hop.remote)
    }

    fn remember_no_tcp(&mut self, remote: SocketAddr) {
        if self.no_tcp.len() >= 32 {
            self.no_tcp.pop_first();
        }
        self.no_tcp.insert(remote);
    }

    /// Puts credentials into a request where the account's servers have asked for some.
    pub(super) fn authorize(&mut self, job: &mut Job) {
        let Some(account) = &job.account else { return };
        let Some(authenticator) = self.authenticators.get_mut(&account.name) else {
            return;
        };
        let username = account.auth_username.as_deref().unwrap_or(&account.username);
        let credentials = Credentials {
            username,
            password: &account.password,
        };
        authenticator.authorize(&mut job.request, credentials, &mut self.rng);
    }

    /// Whether there are credentials for a challenge that haven't just been refused.
    fn take_challenge(&mut self, job: &mut Job, response: &Response) -> bool {
        let Some(account) = &job.account else { return false };
        let authenticator = self
            .authenticators
            .entry(account.name.clone())
            .or_insert_with(|| match account.digest_md5 {
                true => Authenticator::new(),
                false => Authenticator::without_md5(),
            });
        job.may_try_again() && authenticator.challenged(&job.request, &response.headers).is_ok()
    }

    /// A final response may name the next nonce.
    pub(super) fn note_success(&mut self, job: &Job, response: &Response) {
        if let Some(account) = &job.account
            && let Some(authenticator) = self.authenticators.get_mut(&account.name)
        {
            authenticator.accepted(&response.headers);
        }
    }
}
