//! The agent: its checks, their answers, and the clock.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::candidate::{CandidateKind, priority};
use super::checklist::{Check, Checklist, State};
use super::consent::Consent;
use super::inbound::Early;
use super::nomination::Nomination;
use super::{Base, Credentials, Description, IceEvent, PACE, Transmit};
use crate::media::TransmitKind;
use crate::media::stun::{
    Class, Message, MessageWriter, Retransmission, TransactionId, Turn, attribute, method,
};

/// The shortest RTO of a check (RFC 8445 section 14.3).
pub(super) const RTO_MIN: Duration = Duration::from_millis(500);

/// Before so much time has passed nothing is given up: the peer's checks may still find a way (RFC 8863).
const PATIENCE: Duration = Duration::from_millis(39_500);

/// One stream's agent.
#[derive(Debug)]
pub struct Agent {
    pub(super) local: Credentials,
    pub(super) remote: Option<Credentials>,
    /// The peer only answers.
    pub(super) remote_lite: bool,
    pub(super) controlling: bool,
    pub(super) tie_breaker: u64,
    pub(super) random: StdRng,
    bases: Vec<Base>,
    ipv4: bool,
    pace: Duration,
    pub(super) checklist: Checklist,
    pub(super) nomination: Nomination,
    pub(super) consent: [Option<Consent>; 2],
    pub(super) early: Vec<Early>,
    next_check: Option<Instant>,
    fails_at: Option<Instant>,
    pub(super) transmit: VecDeque<Transmit>,
    pub(super) events: VecDeque<IceEvent>,
}

impl Agent {
    /// An agent that answers checks, and makes none before it knows the peer. `seed`: from the system's randomness.
    pub fn new(seed: [u8; 32]) -> Self {
        let mut random = StdRng::from_seed(seed);
        Self {
            local: Credentials::random(&mut random),
            remote: None,
            remote_lite: false,
            controlling: false,
            tie_breaker: random.next_u64(),
            random,
            bases: Vec::new(),
            ipv4: true,
            pace: PACE,
            checklist: Checklist::default(),
            nomination: Nomination::default(),
            consent: [None, None],
            early: Vec::new(),
            next_check: None,
            fails_at: None,
            transmit: VecDeque::new(),
            events: VecDeque::new(),
        }
    }

    /// The same with credentials that the peer is told elsewhere.
    pub fn with_credentials(credentials: Credentials, seed: [u8; 32]) -> Self {
        Self {
            local: credentials,
            ..Self::new(seed)
        }
    }

    /// Ours, to be told to the peer.
    pub fn credentials(&self) -> &Credentials {
        &self.local
    }

    /// Whether a request is for these credentials, and not for others of the same socket.
    pub fn is_meant_by(&self, message: &Message<'_>) -> bool {
        let name = message.attributes().text(attribute::USERNAME);
        let fragment = name.and_then(|name| name.split_once(':'));
        fragment.is_some_and(|(local, _)| local == self.local.username_fragment)
    }

    /// Whether checks have begun.
    pub fn is_started(&self) -> bool {
        self.remote.is_some()
    }

    /// Whether we nominate.
    pub fn is_controlling(&self) -> bool {
        self.controlling
    }

    /// Begins to check: from these bases, all of one IP version, to the peer's candidates. Named the same peer again
    /// (a re-INVITE without restart) it goes on as it was; another one begins a new session, and the way that was
    /// chosen serves until there is another (RFC 8445 section 9). `true`: a new session has begun.
    pub fn start(
        &mut self,
        now: Instant,
        bases: &[Base],
        ipv4: bool,
        remote: &Description,
        controlling: bool,
    ) -> bool {
        if self.remote.as_ref() == Some(&remote.credentials) {
            return false;
        }
        self.remote = Some(remote.credentials.clone());
        self.remote_lite = remote.lite;
        // A lite peer is always controlled (RFC 8445 section 6.1.1).
        self.controlling = controlling || remote.lite;
        self.bases = bases.to_vec();
        self.ipv4 = ipv4;
        self.pace = remote.pace.max(PACE);
        self.checklist = Checklist::new(bases, ipv4, &remote.candidates, self.controlling);
        self.nomination = Nomination::default();
        self.consent = [None, None];
        self.next_check = Some(now);
        self.fails_at = Some(now + PATIENCE);
        for early in std::mem::take(&mut self.early) {
            self.learn_from_check(now, &early);
        }
        true
    }

    /// A base is gone: its relay has failed.
    pub fn drop_base(&mut self, base: Base) {
        self.bases.retain(|known| *known != base);
        for pair in self.checklist.iter_mut().filter(|pair| pair.base == base) {
            pair.state = State::Failed;
            pair.valid = false;
        }
    }

    /// Takes a STUN message that came to `base`.
    pub fn handle_message(&mut self, now: Instant, base: Base, from: SocketAddr, message: &Message<'_>) {
        if message.method() != method::BINDING {
            return;
        }
        match message.class() {
            Class::Request => self.answer_check(now, base, from, message),
            Class::Success | Class::Error => self.take_answer(now, base, from, message),
            // Keep-alives.
            Class::Indication => {}
        }
    }

    /// To be called when [`poll_timeout`](Self::poll_timeout) is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.retransmit(now);
        if self.next_check.is_some_and(|at| at <= now) {
            self.check_next(now);
        }
        self.nominate(now);
        self.keep_consent(now);
        if self.fails_at.is_some_and(|at| at <= now) {
            self.fails_at = None;
            if self.nomination.nothing_selected() {
                self.events.push_back(IceEvent::Failed);
            }
        }
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) at the latest.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let checks = self.checklist.iter().filter_map(|pair| match &pair.state {
            State::InProgress(check) => Some(check.clock.due()),
            _ => None,
        });
        let consent = self.consent.iter().flatten().map(Consent::due);
        let next_check = self.next_check.filter(|_| self.checklist.has_next());
        checks
            .chain(consent)
            .chain(next_check)
            .chain(self.fails_at)
            .chain(self.nomination.due())
            .min()
    }

    /// The next message to send.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.transmit.pop_front()
    }

    /// What happened.
    pub fn poll_event(&mut self) -> Option<IceEvent> {
        self.events.pop_front()
    }

    fn retransmit(&mut self, now: Instant) {
        for pair in self.checklist.iter_mut() {
            let State::InProgress(check) = &mut pair.state else {
                continue;
            };
            match check.clock.turn(now) {
                Turn::Wait => {}
                Turn::Again => self.transmit.push_back(Transmit {
                    base: pair.base,
                    to: pair.remote,
                    bytes: check.bytes.clone(),
                }),
                Turn::GiveUp => {
                    pair.state = State::Failed;
                    pair.valid = false;
                }
            }
        }
    }

    fn check_next(&mut self, now: Instant) {
        self.next_check = Some(now + self.pace);
        let open = self.checklist.open() as u32;
        let Some(remote) = self.remote.clone() else { return };
        let controlling = self.controlling;
        let Some((pair, triggered)) = self.checklist.next() else {
            return;
        };
        let transaction = TransactionId::random(&mut self.random);
        let nominates = controlling && pair.to_nominate;
        let request = CheckRequest {
            local: &self.local,
            remote: &remote,
            controlling,
            tie_breaker: self.tie_breaker,
            component: pair.base.component,
            nominates,
        };
        let bytes = request.write(transaction);
        let earlier = match &pair.state {
            State::InProgress(check) => Some(check.transaction),
            _ => None,
        };
        let rto = RTO_MIN.max(self.pace * open);
        let clock = if triggered {
            // The peer's datagrams come this way: ours are lost by chance, not for good.
            Retransmission::steady(now, rto)
        } else {
            Retransmission::new(now, rto)
        };
        pair.state = State::InProgress(Check {
            transaction,
            bytes: bytes.clone(),
            clock,
            nominates,
            triggered,
            controlling,
            earlier,
        });
        self.transmit.push_back(Transmit {
            base: pair.base,
            to: pair.remote,
            bytes,
        });
    }

    /// RFC 8445 section 7.2.5.
    fn take_answer(&mut self, now: Instant, base: Base, from: SocketAddr, message: &Message<'_>) {
        let Some(remote) = &self.remote else { return };
        if !message.is_sealed_with(remote.password.as_bytes()) {
            return;
        }
        if self.take_consent(now, base, from, message) {
            return;
        }
        let transaction = message.transaction();
        let Some(pair) = self.checklist.checked_by(transaction) else {
            return;
        };
        let State::InProgress(check) = &pair.state else {
            return;
        };
        let (nominates, controlling) = (
            check.nominates && check.transaction == transaction,
            check.controlling,
        );
        let role_conflict = message.attributes().error() == Some(487);
        // The answer must come from where the check went to.
        if pair.base != base || pair.remote != from {
            pair.state = State::Failed;
            return;
        }
        if message.class() == Class::Error {
            if role_conflict {
                pair.state = State::Waiting;
                self.checklist.trigger(base, from);
                if controlling == self.controlling {
                    // The tie is broken anew (RFC 8445 section 7.2.5.1).
                    self.tie_breaker = self.random.next_u64();
                    self.switch_role(!controlling);
                }
            } else {
                pair.state = State::Failed;
                pair.valid = false;
            }
            return;
        }
        pair.state = State::Succeeded;
        pair.valid = true;
        pair.seen_as = message.attributes().xor_address(attribute::XOR_MAPPED_ADDRESS);
        if nominates {
            pair.nominated = true;
        } else if pair.to_nominate {
            // The answer to the check before: the one that nominates is still to be made.
            pair.state = State::Waiting;
            self.checklist.trigger(base, from);
        }
        self.checklist.thaw_like(base, from);
        self.select(now);
        self.use_valid(base, from);
        self.nominate(now);
    }

    /// A check is to be made as soon as the pace permits.
    pub(super) fn check_soon(&mut self, now: Instant) {
        self.next_check.get_or_insert(now);
    }

    pub(super) fn switch_role(&mut self, controlling: bool) {
        if !self.remote_lite {
            self.controlling = controlling;
            self.nomination.leave_to_peer();
            self.checklist.set_role(controlling);
        }
    }
}

/// What a check says (RFC 8445 section 7.2.2).
pub(super) struct CheckRequest<'a> {
    pub local: &'a Credentials,
    pub remote: &'a Credentials,
    pub controlling: bool,
    pub tie_breaker: u64,
    pub component: TransmitKind,
    pub nominates: bool,
}

impl CheckRequest<'_> {
    pub fn write(&self, transaction: TransactionId) -> Vec<u8> {
        let username = format!(
            "{}:{}",
            self.remote.username_fragment, self.local.username_fragment
        );
        let role = if self.controlling {
            attribute::ICE_CONTROLLING
        } else {
            attribute::ICE_CONTROLLED
        };
        // What the peer should think of us if it sees an address it doesn't know.
        let priority = priority(CandidateKind::PeerReflexive, self.component);
        let mut writer = MessageWriter::new(Class::Request, method::BINDING, transaction)
            .value(attribute::USERNAME, username.as_bytes())
            .number_32(attribute::PRIORITY, priority)
            .value(role, &self.tie_breaker.to_be_bytes());
        if self.nominates {
            writer = writer.value(attribute::USE_CANDIDATE, &[]);
        }
        writer
            .seal(self.remote.password.as_bytes())
            .fingerprint()
            .finish()
    }
}
