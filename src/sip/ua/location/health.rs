//! Which targets are left alone for a while: those that asked for it (503 with Retry-After, RFC 3261 21.5.4) and those
//! that didn't answer (RFC 3263 4.3).

use super::Transport;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// A server's Retry-After is believed up to here.
const RETRY_AFTER_CEILING: Duration = Duration::from_secs(3600);
/// A target that is silent or refuses the connection.
const SILENT_FOR: Duration = Duration::from_secs(60);
/// Targets remembered at most.
const LIMIT: usize = 64;

/// What is held against targets.
#[derive(Debug, Default)]
pub(in crate::sip::ua) struct Health {
    resting: BTreeMap<(Transport, SocketAddr), Rest>,
}

#[derive(Clone, Copy, Debug)]
struct Rest {
    until: Instant,
    /// It asked for it: nothing is sent to it meanwhile, not even to see whether it's back.
    asked: bool,
}

impl Health {
    /// It didn't answer.
    pub fn silent(&mut self, now: Instant, transport: Transport, remote: SocketAddr) {
        let asked = self
            .resting
            .get(&(transport, remote))
            .is_some_and(|rest| rest.asked && rest.until > now);
        if !asked {
            self.put(
                now,
                transport,
                remote,
                Rest {
                    until: now + SILENT_FOR,
                    asked: false,
                },
            );
        }
    }

    /// It wants to be left alone.
    pub fn asked(&mut self, now: Instant, transport: Transport, remote: SocketAddr, seconds: u32) {
        let rest = Duration::from_secs(seconds.into()).min(RETRY_AFTER_CEILING);
        self.put(
            now,
            transport,
            remote,
            Rest {
                until: now + rest,
                asked: true,
            },
        );
    }

    /// It answers.
    pub fn answers(&mut self, transport: Transport, remote: SocketAddr) {
        if self
            .resting
            .get(&(transport, remote))
            .is_some_and(|rest| !rest.asked)
        {
            self.resting.remove(&(transport, remote));
        }
    }

    /// The network has changed: silence may have been its fault.
    pub fn forget_silence(&mut self) {
        self.resting.retain(|_, rest| rest.asked);
    }

    /// Until when it is left alone.
    pub fn rests_until(&self, now: Instant, transport: Transport, remote: SocketAddr) -> Option<Instant> {
        let rest = self.resting.get(&(transport, remote))?;
        (rest.until > now).then_some(rest.until)
    }

    /// Whether it may be asked whether it's back.
    pub fn may_be_probed(&self, now: Instant, transport: Transport, remote: SocketAddr) -> bool {
        !self
            .resting
            .get(&(transport, remote))
            .is_some_and(|rest| rest.asked && rest.until > now)
    }

    fn put(&mut self, now: Instant, transport: Transport, remote: SocketAddr, rest: Rest) {
        self.resting.retain(|_, rest| rest.until > now);
        if self.resting.len() >= LIMIT {
            self.resting.pop_first();
        }
        self.resting.insert((transport, remote), rest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::epoch;

    #[test]
    fn rests_end_and_what_was_asked_for_is_kept() {
        let now = epoch();
        let remote: SocketAddr = "192.0.2.1:5060".parse().unwrap();
        let mut health = Health::default();
        health.silent(now, Transport::Udp, remote);
        assert_eq!(
            health.rests_until(now, Transport::Tcp, remote),
            None,
            "another transport"
        );
        assert_eq!(
            health.rests_until(now, Transport::Udp, remote),
            Some(now + SILENT_FOR)
        );
        assert!(health.may_be_probed(now, Transport::Udp, remote));
        health.asked(now, Transport::Udp, remote, 120);
        health.silent(now, Transport::Udp, remote);
        health.answers(Transport::Udp, remote);
        health.forget_silence();
        let until = now + Duration::from_secs(120);
        assert_eq!(health.rests_until(now, Transport::Udp, remote), Some(until));
        assert!(!health.may_be_probed(now, Transport::Udp, remote));
        assert_eq!(health.rests_until(until, Transport::Udp, remote), None);
        assert!(health.may_be_probed(until, Transport::Udp, remote));
        health.asked(now, Transport::Udp, remote, u32::MAX);
        assert_eq!(
            health.rests_until(now, Transport::Udp, remote),
            Some(now + RETRY_AFTER_CEILING)
        );
    }
}
