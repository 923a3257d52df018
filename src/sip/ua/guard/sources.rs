//! How much each source may say, and how much may be said to it before it has shown that it is there.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Instant;

/// Messages a second from a source, and at once.
#[derive(Clone, Copy, Debug)]
pub struct Rate {
    pub per_second: f64,
    pub at_once: f64,
}

/// Sources remembered are one to two times as many. A source that is forgotten starts anew with a full bucket and with
/// no more credit than its next message brings, so forgetting gives nobody anything.
const GENERATION: usize = 512;

/// What is remembered of sources: of those heard lately, in two generations. When the younger is full, the older is
/// forgotten and the younger takes its place, so that a flood from ever new addresses costs neither memory nor a search.
#[derive(Debug, Default)]
pub struct Sources {
    young: HashMap<IpAddr, Source>,
    old: HashMap<IpAddr, Source>,
}

#[derive(Clone, Copy, Debug)]
struct Source {
    /// Messages it may still send at once, as of `counted`.
    tokens: f64,
    counted: Instant,
    received_bytes: u64,
    sent_bytes: u64,
}

impl Sources {
    /// A message of `bytes` came; `false`: it is one too many and isn't looked at.
    pub fn take(&mut self, now: Instant, address: IpAddr, bytes: usize, rate: Rate) -> bool {
        let source = self.entry(now, address, rate);
        let elapsed = now.saturating_duration_since(source.counted).as_secs_f64();
        source.tokens = (source.tokens + elapsed * rate.per_second).min(rate.at_once);
        source.counted = now;
        if source.tokens < 1.0 {
            return false;
        }
        source.tokens -= 1.0;
        source.received_bytes = source.received_bytes.saturating_add(bytes as u64);
        true
    }

    /// Whether `bytes` may go to a source without all that was sent exceeding `factor` times what came from it. They
    /// count as sent.
    pub fn spend(&mut self, address: IpAddr, bytes: usize, factor: u64) -> bool {
        let key = group(address);
        let Some(source) = self.young.get_mut(&key).or_else(|| self.old.get_mut(&key)) else {
            return false;
        };
        let sent = source.sent_bytes.saturating_add(bytes as u64);
        let allowed = sent <= source.received_bytes.saturating_mul(factor);
        if allowed {
            source.sent_bytes = sent;
        }
        allowed
    }

    /// Sources remembered.
    pub fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }

    fn entry(&mut self, now: Instant, address: IpAddr, rate: Rate) -> &mut Source {
        let key = group(address);
        if !self.young.contains_key(&key) && self.young.len() >= GENERATION {
            self.old = std::mem::take(&mut self.young);
        }
        let before = self.old.remove(&key);
        self.young.entry(key).or_insert_with(|| {
            before.unwrap_or(Source {
                tokens: rate.at_once,
                counted: now,
                received_bytes: 0,
                sent_bytes: 0,
            })
        })
    }
}

/// IPv6 sources count by their /64: whoever has one address has all of those.
fn group(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => IpAddr::V4(v4),
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::epoch;
    use std::time::Duration;

    const RATE: Rate = Rate {
        per_second: 10.0,
        at_once: 20.0,
    };

    #[test]
    fn a_burst_passes_and_then_the_rate() {
        let (start, address) = (epoch(), "192.0.2.1".parse().unwrap());
        let mut sources = Sources::default();
        let passed =
            |sources: &mut Sources, now| (0..100).filter(|_| sources.take(now, address, 100, RATE)).count();
        assert_eq!(passed(&mut sources, start), 20);
        assert_eq!(passed(&mut sources, start + Duration::from_millis(500)), 5);
        assert_eq!(passed(&mut sources, start + Duration::from_secs(3600)), 20);
        assert!(sources.take(start, "192.0.2.2".parse().unwrap(), 100, RATE));
    }

    #[test]
    fn no_more_is_sent_than_the_factor_allows() {
        let (now, address) = (epoch(), "2001:db8::1".parse().unwrap());
        let mut sources = Sources::default();
        assert!(!sources.spend(address, 1, 1), "nothing came from there");
        sources.take(now, address, 500, RATE);
        assert!(sources.spend(address, 400, 1));
        assert!(!sources.spend(address, 101, 1));
        assert!(sources.spend(address, 100, 1));
        assert!(sources.spend(address, 1000, 3));
        assert!(!sources.spend(address, 1, 3));
        let neighbour = "2001:db8::2".parse().unwrap();
        assert!(!sources.spend(neighbour, 1, 3), "the whole /64 is one source");
    }

    #[test]
    fn a_flood_from_ever_new_sources_is_forgotten_again() {
        let now = epoch();
        let mut sources = Sources::default();
        for number in 0..100_000_u32 {
            let address = IpAddr::from(number.to_be_bytes());
            assert!(sources.take(now, address, 100, RATE));
            assert!(sources.len() <= 2 * GENERATION);
        }
    }
}
