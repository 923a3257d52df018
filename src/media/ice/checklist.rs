//! The pairs of candidates and how their checks stand (RFC 8445 section 6.1).

use std::collections::VecDeque;
use std::net::SocketAddr;

use super::Base;
use super::candidate::{Candidate, CandidateKind, priority};
use crate::media::TransmitKind;
use crate::media::stun::{Retransmission, TransactionId};

/// Pairs at most (RFC 8445 section 6.1.2.5).
const PAIRS_MAX: usize = 100;

/// How a pair's check stands.
#[derive(Clone, Debug)]
pub(super) enum State {
    /// Another pair of its foundation goes first.
    Frozen,
    /// To be checked.
    Waiting,
    /// Being checked.
    InProgress(Check),
    /// Datagrams pass both ways.
    Succeeded,
    /// They don't.
    Failed,
}

/// A check under way.
#[derive(Clone, Debug)]
pub(super) struct Check {
    pub transaction: TransactionId,
    pub bytes: Vec<u8>,
    pub clock: Retransmission,
    pub nominates: bool,
    /// It was made because the peer's came.
    pub triggered: bool,
    /// Our role when it was sent.
    pub controlling: bool,
    /// Of the check before it, whose answer still counts.
    pub earlier: Option<TransactionId>,
}

/// Two addresses that datagrams may pass between.
#[derive(Clone, Debug)]
pub(super) struct Pair {
    pub base: Base,
    pub remote: SocketAddr,
    /// Either end is at a TURN server.
    pub relayed: bool,
    local_priority: u32,
    remote_priority: u32,
    /// Local and remote foundation.
    foundation: (bool, String),
    pub priority: u64,
    pub state: State,
    /// It has passed a check, whatever its present one does.
    pub valid: bool,
    /// Its next check nominates it (we are controlling).
    pub to_nominate: bool,
    /// The peer has nominated it, or our nomination has been confirmed once `valid`.
    pub nominated: bool,
    /// Our address as the peer saw the check that passed.
    pub seen_as: Option<SocketAddr>,
}

/// All pairs of the stream.
#[derive(Debug, Default)]
pub(super) struct Checklist {
    pairs: Vec<Pair>,
    /// Checks to make before all others, oldest first.
    triggered: VecDeque<(Base, SocketAddr)>,
}

impl Checklist {
    /// Pairs each base with each of the peer's candidates of its component.
    pub fn new(bases: &[Base], ipv4: bool, remote: &[Candidate], controlling: bool) -> Self {
        let mut list = Self::default();
        for base in bases {
            for candidate in remote {
                let fits = candidate.component == base.component && candidate.address.is_ipv4() == ipv4;
                let known = list.find(*base, candidate.address).is_some();
                if fits && !known && candidate.address.port() != 0 && !candidate.address.ip().is_unspecified()
                {
                    let mut pair = Pair::new(
                        *base,
                        candidate.address,
                        candidate.priority,
                        candidate.foundation.clone(),
                        controlling,
                    );
                    pair.relayed |= candidate.kind == CandidateKind::Relayed;
                    list.pairs.push(pair);
                }
            }
        }
        list.sort();
        list.pairs.truncate(PAIRS_MAX);
        list.thaw_first();
        list
    }

    /// Adds a pair the peer has shown us by a check of its own.
    pub fn add_reflexive(&mut self, base: Base, remote: SocketAddr, remote_priority: u32, controlling: bool) {
        if self.pairs.len() < 2 * PAIRS_MAX {
            let mut pair = Pair::new(base, remote, remote_priority, "peer".to_owned(), controlling);
            pair.state = State::Waiting;
            self.pairs.push(pair);
            self.sort();
        }
    }

    pub fn find(&mut self, base: Base, remote: SocketAddr) -> Option<&mut Pair> {
        self.pairs
            .iter_mut()
            .find(|pair| pair.base == base && pair.remote == remote)
    }

    /// The pair whose check has this number.
    pub fn checked_by(&mut self, transaction: TransactionId) -> Option<&mut Pair> {
        self.pairs.iter_mut().find(|pair| match &pair.state {
            State::InProgress(check) => {
                check.transaction == transaction || check.earlier == Some(transaction)
            }
            _ => false,
        })
    }

    pub fn iter(&self) -> impl Iterator<Item = &Pair> {
        self.pairs.iter()
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Pair> {
        self.pairs.iter_mut()
    }

    /// Checks this pair before all others.
    pub fn trigger(&mut self, base: Base, remote: SocketAddr) {
        if !self.triggered.contains(&(base, remote)) {
            self.triggered.push_back((base, remote));
        }
    }

    /// The pair to check next (RFC 8445 section 6.1.4.2), and whether that is because the peer has checked it.
    pub fn next(&mut self) -> Option<(&mut Pair, bool)> {
        while let Some((base, remote)) = self.triggered.pop_front() {
            let pair = self
                .pairs
                .iter()
                .position(|pair| pair.base == base && pair.remote == remote);
            if let Some(pair) = pair {
                return self.pairs.get_mut(pair).map(|pair| (pair, true));
            }
        }
        if !self.pairs.iter().any(|pair| matches!(pair.state, State::Waiting)) {
            self.thaw_next();
        }
        self.pairs
            .iter_mut()
            .find(|pair| matches!(pair.state, State::Waiting))
            .map(|pair| (pair, false))
    }

    /// Whether [`next`](Self::next) has something.
    pub fn has_next(&self) -> bool {
        !self.triggered.is_empty()
            || self
                .pairs
                .iter()
                .any(|pair| matches!(pair.state, State::Waiting | State::Frozen))
    }

    /// A check has passed: what is founded alike is worth checking now (RFC 8445 section 7.2.5.3.3).
    pub fn thaw_like(&mut self, base: Base, remote: SocketAddr) {
        let Some(foundation) = self.find(base, remote).map(|pair| pair.foundation.clone()) else {
            return;
        };
        for pair in &mut self.pairs {
            if pair.foundation == foundation && matches!(pair.state, State::Frozen) {
                pair.state = State::Waiting;
            }
        }
    }

    /// A component's way is chosen: what is worse need not be checked any more (RFC 8445 section 8.1.2).
    pub fn drop_worse(&mut self, component: TransmitKind, than: u64) {
        for pair in &mut self.pairs {
            let worse = pair.base.component == component && pair.priority < than;
            if worse && !pair.valid {
                pair.state = State::Failed;
            }
        }
        let pairs = &self.pairs;
        self.triggered.retain(|(base, remote)| {
            !pairs.iter().any(|pair| {
                pair.base == *base && pair.remote == *remote && matches!(pair.state, State::Failed)
            })
        });
    }

    /// Our role has changed.
    pub fn set_role(&mut self, controlling: bool) {
        for pair in &mut self.pairs {
            pair.to_nominate = false;
            pair.set_priority(controlling);
        }
        self.sort();
    }

    /// Checks that may still pass.
    pub fn open(&self) -> usize {
        self.pairs
            .iter()
            .filter(|pair| matches!(pair.state, State::Waiting | State::InProgress(_) | State::Frozen))
            .count()
    }

    /// Best first; the sort is stable, so RTP comes before RTCP.
    fn sort(&mut self) {
        self.pairs.sort_by_key(|pair| std::cmp::Reverse(pair.priority));
    }

    /// The best pair of each foundation begins (RFC 8445 section 6.1.2.6).
    fn thaw_first(&mut self) {
        let mut begun: Vec<(bool, String)> = Vec::new();
        for pair in &mut self.pairs {
            if !begun.contains(&pair.foundation) {
                begun.push(pair.foundation.clone());
                pair.state = State::Waiting;
            }
        }
    }

    /// Where no check is waiting: the best frozen pair. RFC 8445 would leave it until its foundation's check under way
    /// has ended, 40 s later where a symmetric router lets that one fail; RTCP would be left behind.
    fn thaw_next(&mut self) {
        let mut frozen = self.pairs.iter_mut();
        if let Some(pair) = frozen.find(|pair| matches!(pair.state, State::Frozen)) {
            pair.state = State::Waiting;
        }
    }
}

impl Pair {
    fn new(
        base: Base,
        remote: SocketAddr,
        remote_priority: u32,
        foundation: String,
        controlling: bool,
    ) -> Self {
        let kind = if base.relayed {
            CandidateKind::Relayed
        } else {
            CandidateKind::Host
        };
        let mut pair = Self {
            base,
            remote,
            relayed: base.relayed,
            local_priority: priority(kind, base.component),
            remote_priority,
            foundation: (base.relayed, foundation),
            priority: 0,
            state: State::Frozen,
            valid: false,
            to_nominate: false,
            nominated: false,
            seen_as: None,
        };
        pair.set_priority(controlling);
        pair
    }

    /// RFC 8445 section 6.1.2.3.
    fn set_priority(&mut self, controlling: bool) {
        let (ours, theirs) = (u64::from(self.local_priority), u64::from(self.remote_priority));
        let (controller, controlled) = if controlling {
            (ours, theirs)
        } else {
            (theirs, ours)
        };
        self.priority = (controller.min(controlled) << 32)
            + 2 * controller.max(controlled)
            + u64::from(controller > controlled);
    }
}
