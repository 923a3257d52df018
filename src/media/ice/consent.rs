//! Consent (RFC 7675): whoever is sent media goes on agreeing to it. A check every 5 s; 30 s without an answer, and
//! nothing is sent any more. The checks keep the routers' mappings alive, too.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rand::{Rng, RngExt};

use super::agent::CheckRequest;
use super::nomination::index;
use super::{Agent, Base, IceEvent, Transmit};
use crate::media::TransmitKind;
use crate::media::stun::{Class, Message, TransactionId};

/// Between two checks, give or take a fifth (RFC 7675 section 5.1).
const EVERY: Duration = Duration::from_secs(5);

/// Without an answer for so long there is no consent.
const EXPIRES_AFTER: Duration = Duration::from_secs(30);

/// Checks whose answers are still counted: as many as go out before consent expires.
const OPEN_MAX: usize = 8;

/// Consent on one component's way.
#[derive(Clone, Debug)]
pub(super) struct Consent {
    base: Base,
    remote: SocketAddr,
    next_at: Instant,
    expires_at: Instant,
    /// Each check has a number of its own and is not repeated.
    open: Vec<TransactionId>,
}

impl Consent {
    /// The check that chose the way counts as the first.
    pub fn new(now: Instant, base: Base, remote: SocketAddr, random: &mut impl Rng) -> Self {
        Self {
            base,
            remote,
            next_at: now + interval(random),
            expires_at: now + EXPIRES_AFTER,
            open: Vec::new(),
        }
    }

    pub fn due(&self) -> Instant {
        self.next_at.min(self.expires_at)
    }
}

impl Agent {
    pub(super) fn keep_consent(&mut self, now: Instant) {
        for kind in [TransmitKind::Rtp, TransmitKind::Rtcp] {
            let (Some(consent), Some(remote)) = (&mut self.consent[index(kind)], &self.remote) else {
                continue;
            };
            if consent.expires_at <= now {
                self.expire(kind);
                continue;
            }
            if consent.next_at > now {
                continue;
            }
            consent.next_at = now + interval(&mut self.random);
            let transaction = TransactionId::random(&mut self.random);
            if consent.open.len() == OPEN_MAX {
                consent.open.remove(0);
            }
            consent.open.push(transaction);
            let request = CheckRequest {
                local: &self.local,
                remote,
                controlling: self.controlling,
                tie_breaker: self.tie_breaker,
                component: kind,
                // An updated offer makes some peers begin anew by themselves, with the same credentials: they are told
                // again which pair it is.
                nominates: self.controlling,
            };
            self.transmit.push_back(Transmit {
                base: consent.base,
                to: consent.remote,
                bytes: request.write(transaction),
            });
        }
    }

    /// Takes the answer to a consent check; `true`: it was one. The caller has checked its seal.
    pub(super) fn take_consent(
        &mut self,
        now: Instant,
        base: Base,
        from: SocketAddr,
        message: &Message<'_>,
    ) -> bool {
        for kind in [TransmitKind::Rtp, TransmitKind::Rtcp] {
            let Some(consent) = &mut self.consent[index(kind)] else {
                continue;
            };
            let Some(at) = consent
                .open
                .iter()
                .position(|open| *open == message.transaction())
            else {
                continue;
            };
            consent.open.remove(at);
            if message.class() == Class::Success && consent.base == base && consent.remote == from {
                consent.expires_at = now + EXPIRES_AFTER;
            } else if message.attributes().error() == Some(403) {
                // Revoked (RFC 7675 section 5.2).
                self.expire(kind);
            }
            return true;
        }
        false
    }

    fn expire(&mut self, kind: TransmitKind) {
        self.consent[index(kind)] = None;
        self.events.push_back(IceEvent::ConsentExpired(kind));
    }
}

fn interval(random: &mut impl Rng) -> Duration {
    EVERY.mul_f64(random.random_range(0.8..1.2))
}
