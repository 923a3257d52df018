//! The user agent: accounts that register, calls in both directions, requests from elsewhere answered.
//!
//! RFC 3261 (core and transactions), 6026 and 6141 (INVITE mended), 3262 (PRACK), 3264's rules of who may offer when,
//! 3311 (UPDATE), 3326 (Reason), 3581 (`rport`), 3608 (Service-Route), 4028 (session timers), 5626 4.5 (backoff), 6228
//! (199), 7616 and 8760 (digest).
//!
//! [`UserAgent`] owns every transaction and dialog. Bodies pass through it as bytes: offer and answer are the
//! call room's business, with [`crate::sip::sdp`].

mod accounts;
mod backoff;
mod call;
mod client;
mod dialogs;
mod emergency;
mod failover;
mod forks;
mod guard;
mod healing;
mod hop;
mod identity;
mod incoming;
mod interface;
mod job;
mod keep_alive;
mod location;
mod mapping;
mod moved;
mod notifier;
mod options;
mod outgoing;
mod prack;
mod publication;
mod quality;
mod redirect;
mod refer;
mod refer_again;
mod registrar;
mod registration;
mod reinvite;
mod reliable;
mod replaces;
mod rewritten;
mod server;
mod session_timer;
mod stray;
mod subscriber;
mod tend;
mod update;
mod wire;

pub use emergency::Emergency;
pub use guard::{Admission, Network};
pub use interface::*;
pub use location::{Answer, Naptr, Question, Records, Srv};
pub use options::Inquiry;
pub use quality::CallQuality;
pub use rewritten::{Part, Rewritten, is_private};

use super::digest::Authenticator;
use super::event::pidf::Presence;
use super::framing::StreamFramer;
use call::Call;
use client::{ClientKey, ClientTransaction};
use guard::Guard;
use hop::Connection;
use location::{Health, Locator, Usable};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use registration::Registration;
use server::{ServerKey, ServerTransaction};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// After `Shutdown` nothing is waited for longer: the process has 5 s in all to be gone.
const FAREWELL: Duration = Duration::from_secs(4);

/// The user agent. Made once; accounts come and go by [`UaCommand::SetAccounts`].
#[derive(Debug)]
pub struct UserAgent {
    config: UaConfig,
    rng: StdRng,
    /// Mixed into the tags of answers that leave no state behind.
    secret: u64,
    outputs: VecDeque<UaOutput>,
    last_call: u64,
    registrations: BTreeMap<AccountName, Registration>,
    /// Challenges met, by account: nonce counts run on from request to request.
    authenticators: BTreeMap<AccountName, Authenticator>,
    calls: BTreeMap<CallId, Call>,
    clients: BTreeMap<ClientKey, ClientTransaction>,
    servers: BTreeMap<ServerKey, ServerTransaction>,
    locator: Locator<Waiter>,
    health: Health,
    /// Domains that hops of ours are of.
    domains: Vec<Arc<str>>,
    streams: BTreeMap<Connection, StreamFramer>,
    /// Servers that don't take the TCP that a long request would need.
    no_tcp: BTreeSet<SocketAddr>,
    /// Calls that peers have asked for.
    referrals: refer::Referrals,
    subscriptions: BTreeMap<(AccountName, subscriber::Package), subscriber::Subscription>,
    publications: BTreeMap<AccountName, publication::Publication>,
    /// What the accounts' lines do, as far as it is told.
    presence: BTreeMap<AccountName, Presence>,
    watchers: Vec<notifier::Watcher>,
    /// Calls that are over and may still be reported on.
    ended: VecDeque<quality::Ended>,
    last_watcher: u64,
    closing: Closing,
    guard: Guard,
    /// What has been told of messages that were changed on their way.
    rewritten: BTreeSet<(AccountName, Part)>,
}

/// Who waits for a host's addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Waiter {
    Registration(AccountName),
    Call(CallId),
    /// Only to see whether the way is still the same.
    Recheck(AccountName),
    /// Only our own address on the way is wanted.
    Address(AccountName),
}

/// How far shutting down has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Closing {
    No,
    Until(Instant),
    Done,
}

/// How much the user agent holds, for leak checks and metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Calls, those being ended included.
    pub calls: usize,
    /// Requests of ours with their lingering.
    pub client_transactions: usize,
    /// Requests to us with their lingering.
    pub server_transactions: usize,
    /// Questions to the resolver.
    pub queries: usize,
    /// Stream connections with a framer.
    pub streams: usize,
    /// Sources whose rate is remembered.
    pub sources: usize,
}

impl UserAgent {
    /// A user agent without accounts. All its randomness comes from `seed`.
    pub fn new(config: UaConfig, seed: [u8; 32]) -> Self {
        let mut rng = StdRng::from_seed(seed);
        let secret = rng.random();
        let usable = Usable {
            udp: config.udp_port.is_some(),
            tcp: config.tcp_port.is_some(),
            tls: config.tls,
        };
        Self {
            config,
            rng,
            secret,
            outputs: VecDeque::new(),
            last_call: 0,
            registrations: BTreeMap::new(),
            authenticators: BTreeMap::new(),
            calls: BTreeMap::new(),
            clients: BTreeMap::new(),
            servers: BTreeMap::new(),
            locator: Locator::new(usable),
            health: Health::default(),
            domains: Vec::new(),
            streams: BTreeMap::new(),
            no_tcp: BTreeSet::new(),
            referrals: refer::Referrals::default(),
            subscriptions: BTreeMap::new(),
            publications: BTreeMap::new(),
            presence: BTreeMap::new(),
            watchers: Vec::new(),
            ended: VecDeque::new(),
            last_watcher: 0,
            closing: Closing::No,
            guard: Guard::default(),
            rewritten: BTreeSet::new(),
        }
    }

    /// A number for a call that [`UaCommand::Invite`] is about to start.
    pub fn new_call(&mut self) -> CallId {
        self.last_call += 1;
        CallId(self.last_call)
    }

    /// Takes an input. Drain [`Self::poll_output`] afterwards.
    pub fn handle_input(&mut self, now: Instant, input: UaInput) {
        match input {
            UaInput::Datagram { local, remote, bytes } => self.handle_datagram(now, local, remote, &bytes),
            UaInput::Stream {
                transport,
                local,
                remote,
                domain,
                bytes,
            } => {
                let connection = self.connection(transport, remote, domain.as_ref());
                self.handle_stream(now, connection, local, &bytes);
            }
            UaInput::TransportFailed {
                transport,
                remote,
                domain,
                reason,
            } => {
                let connection = self.connection(transport, remote, domain.as_ref());
                if transport.is_reliable() {
                    self.streams.remove(&connection);
                    self.connection_lost(now, connection);
                }
                self.clients_unreachable(now, connection, &reason);
            }
            UaInput::Resolved { query, result } => {
                self.locator.answer(now, query, result, &mut self.rng);
                self.drain_locator(now);
            }
            UaInput::NetworkChanged { returned } => self.network_changed(now, &returned),
            UaInput::Command(command) => self.handle_command(now, command),
            UaInput::MappingChanged => self.mapping_changed(now),
        }
        self.tend(now);
        self.check_closed(now);
    }

    /// Does what is due. Calling it early or often does nothing.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.clients_timeout(now);
        self.servers_timeout(now);
        self.calls_timeout(now);
        self.registrations_timeout(now);
        self.locator.handle_timeout(now, &mut self.rng);
        self.drain_locator(now);
        self.tend(now);
        self.check_closed(now);
    }

    /// What is to be done next; `None`: nothing more for now.
    pub fn poll_output(&mut self) -> Option<UaOutput> {
        self.outputs.pop_front()
    }

    /// When [`Self::handle_timeout`] is to be called at the latest.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let closing = match self.closing {
            Closing::Until(at) => Some(at),
            Closing::No | Closing::Done => None,
        };
        [
            self.clients_poll(),
            self.servers_poll(),
            self.calls_poll(),
            self.registrations_poll(),
            self.locator.poll_timeout(),
            self.tend_poll(),
            closing,
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Our own address on the way to an account's server, as far as that way is known: registered, or called through
    /// lately. [`UaCommand::Locate`] finds it otherwise.
    pub fn local_ip(&self, account: &AccountName) -> Option<IpAddr> {
        let registration = self.registrations.get(account)?;
        registration.hops().first().map(|hop| hop.local_ip)
    }

    /// How the accounts stand, in the order of their names.
    pub fn registrations(&self) -> Vec<RegistrationStatus> {
        self.registrations.values().map(Registration::status).collect()
    }

    /// How much is held at this moment.
    pub fn load(&self) -> Load {
        Load {
            calls: self.calls.len(),
            client_transactions: self.clients.len(),
            server_transactions: self.servers.len(),
            queries: self.locator.pending(),
            streams: self.streams.len(),
            sources: self.guard.sources(),
        }
    }

    /// Whether no call, transaction or query is left.
    pub fn is_idle(&self) -> bool {
        Load {
            streams: 0,
            sources: 0,
            ..self.load()
        } == Load::default()
    }

    fn handle_command(&mut self, now: Instant, command: UaCommand) {
        match command {
            UaCommand::Invite {
                call,
                via,
                number,
                from_user,
                from_name,
                offer,
                options,
            } => {
                self.invite(
                    now,
                    outgoing::Wish {
                        call,
                        via,
                        number,
                        from_user,
                        from_name,
                        offer,
                        options,
                    },
                );
            }
            UaCommand::Ring { call, status, body } => self.ring(now, call, status, body),
            UaCommand::Answer { call, body } => self.answer(now, call, body),
            UaCommand::Reject { call, status } => self.reject(now, call, status),
            UaCommand::HangUp { call } => self.hang_up(now, call),
            UaCommand::AnswerReoffer { call, body } => self.answer_reoffer(now, call, body),
            UaCommand::RejectReoffer { call, status } => self.reject_reoffer(now, call, status),
            UaCommand::Reoffer { call, body } => self.reoffer(now, call, body),
            UaCommand::InfoKey {
                call,
                key,
                duration_ms,
            } => self.send_key(now, call, key, duration_ms),
            UaCommand::Refer { call, to } => self.refer(now, call, &to),
            UaCommand::AcceptReferral { referral } => self.accept_referral(now, referral),
            UaCommand::EndReferral { referral, status } => self.end_referral(now, referral, status),
            UaCommand::SetPresence { account, presence } => self.set_presence(&account, presence),
            UaCommand::ReportQuality { account, quality } => self.report_quality(now, &account, *quality),
            UaCommand::SetAccounts(accounts) => self.set_accounts(now, accounts),
            UaCommand::SetAdmission(admission) => self.guard.set_admission(*admission),
            UaCommand::Shutdown => self.shutdown(now),
            UaCommand::AnswerInquiry {
                inquiry,
                status,
                body,
            } => self.answer_inquiry(&inquiry, status, body),
            UaCommand::Locate(account) => self.locate(now, account),
            UaCommand::HangUpBecause { call, reason } => {
                if let Some(entry) = self.calls.get_mut(&call) {
                    entry.farewell = Some(reason);
                }
                self.hang_up(now, call);
            }
        }
    }

    fn shutdown(&mut self, now: Instant) {
        if self.closing != Closing::No {
            return;
        }
        self.closing = Closing::Until(now + FAREWELL);
        let calls: Vec<CallId> = self.calls.keys().copied().collect();
        for call in calls {
            self.hang_up(now, call);
        }
        self.unsubscribe_all(now);
        self.unpublish_all(now);
        self.watchers.clear();
        self.set_accounts(now, Vec::new());
    }

    /// Tells once that everything has ended, or that there's no more time for it.
    fn check_closed(&mut self, now: Instant) {
        let Closing::Until(deadline) = self.closing else {
            return;
        };
        let ended = self.calls.is_empty() && !self.clients.values().any(ClientTransaction::is_pending);
        if ended || now >= deadline {
            self.closing = Closing::Done;
            self.event(UaEvent::Idle);
        }
    }

    fn event(&mut self, event: UaEvent) {
        self.outputs.push_back(UaOutput::Event(event));
    }

    /// A random token for tags, branches and Call-IDs: 64 bits (RFC 3261 19.3 asks for 32).
    fn token(&mut self) -> String {
        format!("{:016x}", self.rng.random::<u64>())
    }
}

#[cfg(test)]
mod tests;
