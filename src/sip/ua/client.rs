//! Client transactions: requests of ours on the wire, their responses matched, CANCEL and ACK with them.

mod hop_by_hop;

use hop_by_hop::{hop_by_hop, refusal_ack, with_via};

use super::emergency::{NO_ANSWER, NO_PROGRESS};
use super::failover::SILENT_TARGET;
use super::hop::{Connection, Hop};
use super::job::{Job, Outcome, Owner};
use super::{Transport, UserAgent};
use crate::sip::account::Account;
use crate::sip::message::{Method, Request, Response, Via};
use crate::sip::transaction::{Client, Expiry, InviteClient, Received};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

/// A client transaction's name: branch and CSeq method (RFC 3261 17.1.3).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ClientKey {
    branch: String,
    method: String,
}

#[derive(Debug)]
pub(super) enum Machine {
    Invite(InviteClient),
    Other(Client),
}

/// A client transaction with its messages.
#[derive(Debug)]
pub(super) struct ClientTransaction {
    pub machine: Machine,
    /// What to do if this attempt fails; `None` once there is a final response.
    job: Option<Job>,
    pub hop: Hop,
    /// The request without Via, for CANCEL and ACK.
    pub request: Request,
    /// Who hears of responses.
    pub owner: Owner,
    sent: Vec<u8>,
    pub via: String,
    cancel: Cancel,
    /// ACKs sent, by the tag of the 2xx (empty: of the refusal).
    acks: Vec<(String, Hop, Vec<u8>)>,
    /// A request that has another way, or an urgent one, that has got no further by then tries its next way.
    give_up: Option<Instant>,
    /// Whose credentials its job had.
    pub account: Option<Arc<Account>>,
}

/// Whether the INVITE is to be cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cancel {
    No,
    /// As soon as a provisional response is here (RFC 3261 9.1).
    Wanted,
    Sent,
}

impl ClientTransaction {
    fn poll_timeout(&self) -> Option<Instant> {
        let machine = match &self.machine {
            Machine::Invite(machine) => machine.poll_timeout(),
            Machine::Other(machine) => machine.poll_timeout(),
        };
        // One that is over has no deadline, and goes at once. An INVITE that proceeds has none of the machine's either.
        let give_up = self.give_up.filter(|_| self.is_pending());
        machine.into_iter().chain(give_up).min()
    }

    fn handle_timeout(&mut self, now: Instant) -> Expiry {
        match &mut self.machine {
            Machine::Invite(machine) => machine.handle_timeout(now),
            Machine::Other(machine) => machine.handle_timeout(now),
        }
    }

    fn handle_response(&mut self, now: Instant, status: u16) -> Received {
        match &mut self.machine {
            Machine::Invite(machine) => machine.handle_response(now, status),
            Machine::Other(machine) => machine.handle_response(now, status),
        }
    }

    /// The request got that far; for an urgent one 100 alone isn't far.
    fn progressed(&mut self, now: Instant, status: u16) {
        let urgent = self.job.as_ref().is_some_and(|job| job.urgent);
        let far = !urgent || status != 100;
        self.give_up = self.give_up.filter(|_| !far).map(|_| now + NO_PROGRESS);
        if let Some(job) = &mut self.job {
            job.got_through |= (101..=199).contains(&status);
        }
    }

    /// Without a final response so far.
    pub fn is_pending(&self) -> bool {
        match &self.machine {
            Machine::Invite(machine) => machine.is_pending(),
            Machine::Other(machine) => machine.is_pending(),
        }
    }
}

impl UserAgent {
    /// Sends a request over its first hop. `None`: it has none left.
    pub(super) fn send(&mut self, now: Instant, mut job: Job) -> Option<ClientKey> {
        let mut hop = *job.hops.front()?;
        self.authorize(&mut job);
        let branch = self.new_branch();
        let mut via = self.via(hop, &branch);
        let mut sent = with_via(&job.request, &via);
        if self.leaves_udp(&job, hop, sent.len()) {
            hop.transport = Transport::Tcp;
            via = self.via(hop, &branch);
            sent = with_via(&job.request, &via);
        }
        let method = job.request.method.as_str().to_owned();
        let reliable = hop.transport.is_reliable();
        let machine = match job.request.method {
            Method::Invite => Machine::Invite(InviteClient::new(now, reliable)),
            _ => Machine::Other(Client::new(now, reliable)),
        };
        let patience = job.patience.or((job.hops.len() > 1).then_some(SILENT_TARGET));
        let patience = if job.urgent { Some(NO_ANSWER) } else { patience };
        let give_up = patience.map(|patience| now + patience);
        self.send_over(hop, sent.clone());
        let key = ClientKey { branch, method };
        let transaction = ClientTransaction {
            machine,
            hop,
            request: job.request.clone(),
            owner: job.owner.clone(),
            account: job.account.clone(),
            job: Some(job),
            sent,
            via,
            cancel: Cancel::No,
            acks: Vec::new(),
            give_up,
        };
        self.clients.insert(key.clone(), transaction);
        Some(key)
    }

    /// Sends a request that has no transaction: the ACK of a 2xx, kept to be repeated with it.
    pub(super) fn send_ack(&mut self, key: &ClientKey, tag: String, hop: Hop, ack: &Request) {
        let branch = self.new_branch();
        let bytes = with_via(ack, &self.via(hop, &branch));
        self.send_over(hop, bytes.clone());
        if let Some(transaction) = self.clients.get_mut(key) {
            transaction.acks.push((tag, hop, bytes));
        }
    }

    /// Repeats the ACK sent for a 2xx with this tag; `false`: none has been.
    pub(super) fn repeat_ack(&mut self, key: &ClientKey, tag: &str) -> bool {
        let kept = self
            .clients
            .get(key)
            .and_then(|t| t.acks.iter().find(|ack| ack.0 == tag))
            .cloned();
        let Some((_, hop, bytes)) = kept else { return false };
        self.send_over(hop, bytes);
        true
    }

    /// Cancels an INVITE: now, or when a provisional response allows it.
    pub(super) fn cancel(&mut self, now: Instant, key: &ClientKey) {
        let Some(transaction) = self.clients.get_mut(key) else {
            return;
        };
        let Machine::Invite(machine) = &mut transaction.machine else {
            return;
        };
        if transaction.cancel == Cancel::Sent || !machine.is_pending() {
            return;
        }
        if !machine.is_proceeding() {
            transaction.cancel = Cancel::Wanted;
            return;
        }
        transaction.cancel = Cancel::Sent;
        machine.cancelled(now);
        let hop = transaction.hop;
        let request = hop_by_hop(&transaction.request, Method::Cancel);
        let sent = with_via(&request, &transaction.via);
        let cancel = ClientTransaction {
            machine: Machine::Other(Client::new(now, hop.transport.is_reliable())),
            job: None,
            hop,
            request,
            owner: Owner::Nobody,
            sent: sent.clone(),
            via: transaction.via.clone(),
            cancel: Cancel::No,
            acks: Vec::new(),
            give_up: None,
            account: None,
        };
        self.clients.insert(
            ClientKey {
                branch: key.branch.clone(),
                method: "CANCEL".to_owned(),
            },
            cancel,
        );
        self.send_over(hop, sent);
    }

    /// A response came in. One that belongs to nothing is dropped.
    pub(super) fn handle_response(&mut self, now: Instant, response: Response) {
        let (Ok(via), Ok(cseq)) = (response.headers.via_top(), response.headers.cseq()) else {
            return;
        };
        let Some(branch) = via.branch() else { return };
        let key = ClientKey {
            branch: branch.into_owned(),
            method: cseq.method.as_str().to_owned(),
        };
        self.compare_response(&key, &response, &via);
        let Some(transaction) = self.clients.get_mut(&key) else {
            return;
        };
        let status = response.status.code();
        transaction.progressed(now, status);
        match transaction.handle_response(now, status) {
            Received::Drop => {}
            Received::AckAgain => {
                self.repeat_ack(&key, "");
            }
            Received::AckAndPassUp => {
                let (hop, ack) = (transaction.hop, refusal_ack(transaction, &response));
                transaction.acks.push((String::new(), hop, ack.clone()));
                self.send_over(hop, ack);
                self.final_response(now, &key, response, &via);
            }
            Received::PassUp if status < 200 => {
                let owner = transaction.owner.clone();
                if transaction.cancel == Cancel::Wanted {
                    self.cancel(now, &key);
                }
                if let Owner::Invite(call) = owner {
                    if status > 100 {
                        self.tell_referrer(now, call, status);
                    }
                    self.invite_progress(now, call, &key, &response);
                }
            }
            Received::PassUp => self.final_response(now, &key, response, &via),
        }
    }

    fn final_response(&mut self, now: Instant, key: &ClientKey, response: Response, via: &Via) {
        let Some(transaction) = self.clients.get_mut(key) else {
            return;
        };
        let hop = transaction.hop;
        let owner = transaction.owner.clone();
        let status = response.status.code();
        if let (200..=299, Owner::Invite(call)) = (status, &owner) {
            self.tell_referrer(now, *call, status);
            return self.invite_accepted(now, *call, key, &response);
        }
        if let (200..=299, Owner::Reinvite(call)) = (status, &owner) {
            return self.reinvite_accepted(now, *call, key, &response);
        }
        if let (200..=299, Machine::Invite(_)) = (status, &transaction.machine) {
            return self.decline_fork(now, key, &response);
        }
        transaction.owner = Owner::Nobody;
        let cancelled = transaction.cancel != Cancel::No;
        let job = transaction.job.take();
        if let Owner::Register(account) | Owner::KeepAlive(account) = &owner {
            self.note_seen(now, account, hop, via);
        }
        let Some(job) = job else { return };
        let outcome = Outcome::Response(Box::new(response));
        self.note_health(now, hop, &outcome);
        if cancelled {
            self.finish(now, job, outcome);
        } else {
            self.finish_or_retry(now, job, outcome);
        }
    }

    /// Timers of client transactions.
    pub(super) fn clients_timeout(&mut self, now: Instant) {
        let due = |t: &ClientTransaction| t.poll_timeout().is_none_or(|at| at <= now);
        let keys: Vec<ClientKey> = self
            .clients
            .iter()
            .filter(|(_, t)| due(t))
            .map(|(key, _)| key.clone())
            .collect();
        for key in keys {
            let Some(transaction) = self.clients.get_mut(&key) else {
                continue;
            };
            if transaction.give_up.take_if(|due| now >= *due).is_some() {
                self.give_up(now, &key);
                continue;
            }
            match transaction.handle_timeout(now) {
                Expiry::Nothing => {
                    // Ended without a timer (stream transactions do): nothing refers to it any more.
                    if !transaction.is_pending() && transaction.poll_timeout().is_none() {
                        self.clients.remove(&key);
                    }
                }
                Expiry::Retransmit => {
                    let (hop, bytes) = (transaction.hop, transaction.sent.clone());
                    self.send_over(hop, bytes);
                }
                Expiry::Terminated => {
                    self.clients.remove(&key);
                }
                Expiry::TimedOut => {
                    if let Some(transaction) = self.clients.remove(&key) {
                        self.silent(now, transaction, Outcome::Timeout);
                    }
                }
            }
        }
    }

    /// An urgent request has waited long enough here. Whatever still becomes of it here concerns nobody.
    fn give_up(&mut self, now: Instant, key: &ClientKey) {
        let Some(transaction) = self.clients.get_mut(key) else {
            return;
        };
        let (job, hop) = (transaction.job.take(), transaction.hop);
        transaction.owner = Owner::Nobody;
        match transaction.machine {
            Machine::Invite(_) => self.cancel(now, key),
            Machine::Other(_) => {
                self.clients.remove(key);
            }
        }
        self.note_health(now, hop, &Outcome::Timeout);
        if let Some(job) = job {
            self.try_elsewhere(now, job, hop, Outcome::Timeout);
        }
    }

    pub(super) fn clients_poll(&self) -> Option<Instant> {
        self.clients
            .values()
            .filter_map(ClientTransaction::poll_timeout)
            .min()
    }

    /// The transport says a remote can't be reached: every request waiting for it tries its next way.
    pub(super) fn clients_unreachable(&mut self, now: Instant, connection: Connection, why: &str) {
        let concerned = |t: &ClientTransaction| t.is_pending() && t.hop.connection() == connection;
        let keys: Vec<ClientKey> = self
            .clients
            .iter()
            .filter(|(_, t)| concerned(t))
            .map(|(key, _)| key.clone())
            .collect();
        for key in keys {
            if let Some(transaction) = self.clients.remove(&key) {
                self.silent(now, transaction, Outcome::Unreachable(why.to_owned()));
            }
        }
    }

    /// The transaction without final response that this owner's request runs in.
    pub(super) fn client_of(&self, owner: &Owner) -> Option<ClientKey> {
        let mut owned = self
            .clients
            .iter()
            .filter(|(_, t)| t.owner == *owner && t.is_pending());
        owned.next().map(|(key, _)| key.clone())
    }

    /// Takes a request back: whatever comes to it concerns nobody.
    pub(super) fn clients_forget(&mut self, owner: &Owner) {
        self.clients.retain(|_, transaction| transaction.owner != *owner);
    }

    /// No response will come any more.
    fn silent(&mut self, now: Instant, transaction: ClientTransaction, outcome: Outcome) {
        let Some(job) = transaction.job else { return };
        self.note_health(now, transaction.hop, &outcome);
        if transaction.cancel == Cancel::No {
            self.try_elsewhere(now, job, transaction.hop, outcome);
        } else {
            self.finish(now, job, outcome);
        }
    }

    fn via(&self, hop: Hop, branch: &str) -> String {
        let address = SocketAddr::new(hop.local_ip, self.config.port(hop.transport));
        format!(
            "SIP/2.0/{} {address};branch={branch};rport",
            hop.transport.via_name()
        )
    }

    fn new_branch(&mut self) -> String {
        format!("z9hG4bK{}", self.token())
    }
}
