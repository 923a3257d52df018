//! Host names looked up by the daemon, and what was found kept for a while.

use super::{Route, Transport};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Found addresses serve so long without asking again. The system's resolver doesn't tell the records' TTL;
/// every re-registration asks afresh anyway.
const KEEP: Duration = Duration::from_secs(300);

/// The daemon owes an answer; after this one isn't waited for any more.
const PATIENCE: Duration = Duration::from_secs(30);

/// Names kept at most.
const LIMIT: usize = 64;

/// A host, its port and the transport meant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Name {
    pub host: String,
    pub port: u16,
    pub tcp: bool,
}

impl Name {
    pub fn new(host: String, port: u16, transport: Transport) -> Self {
        Self {
            host,
            port,
            tcp: matches!(transport, Transport::Tcp),
        }
    }
}

/// Queries under way and answers kept. `W` says who waits.
#[derive(Debug)]
pub(super) struct Resolver<W> {
    next: u64,
    waiting: BTreeMap<u64, Query<W>>,
    known: BTreeMap<Name, (Instant, Vec<Route>)>,
}

#[derive(Debug)]
struct Query<W> {
    name: Name,
    deadline: Instant,
    waiter: W,
}

impl<W> Resolver<W> {
    pub fn new() -> Self {
        Self {
            next: 0,
            waiting: BTreeMap::new(),
            known: BTreeMap::new(),
        }
    }

    /// What is known and fresh.
    pub fn known(&self, now: Instant, name: &Name) -> Option<Vec<Route>> {
        let (since, routes) = self.known.get(name)?;
        (now.saturating_duration_since(*since) < KEEP).then(|| routes.clone())
    }

    /// Notes a question and gives its number.
    pub fn ask(&mut self, now: Instant, name: Name, waiter: W) -> u64 {
        self.next += 1;
        self.waiting.insert(
            self.next,
            Query {
                name,
                deadline: now + PATIENCE,
                waiter,
            },
        );
        self.next
    }

    /// Takes the daemon's answer; gives back who waited for it.
    pub fn answer(&mut self, now: Instant, query: u64, result: &Result<Vec<Route>, String>) -> Option<W> {
        let query = self.waiting.remove(&query)?;
        match result {
            Ok(routes) if !routes.is_empty() => {
                if self.known.len() >= LIMIT {
                    self.known.pop_first();
                }
                self.known.insert(query.name, (now, routes.clone()));
            }
            _ => {
                self.known.remove(&query.name);
            }
        }
        Some(query.waiter)
    }

    /// An address didn't work: whatever names led there are looked up again next time.
    pub fn forget(&mut self, remote: std::net::SocketAddr) {
        self.known
            .retain(|_, (_, routes)| routes.iter().all(|route| route.remote != remote));
    }

    /// Takes a question back that nobody waits for any more.
    pub fn withdraw(&mut self, wanted: impl Fn(&W) -> bool) {
        self.waiting.retain(|_, query| wanted(&query.waiter));
    }

    /// Questions the daemon never answered.
    pub fn overdue(&mut self, now: Instant) -> Option<W> {
        let (&number, _) = self.waiting.iter().find(|(_, query)| now >= query.deadline)?;
        self.waiting.remove(&number).map(|query| query.waiter)
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        self.waiting.values().map(|query| query.deadline).min()
    }

    pub fn pending(&self) -> usize {
        self.waiting.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::epoch;

    fn route() -> Route {
        Route {
            remote: "192.0.2.1:5060".parse().unwrap(),
            local_ip: "192.0.2.9".parse().unwrap(),
        }
    }

    #[test]
    fn answers_are_kept_for_a_while_and_dropped_when_they_fail() {
        let now = epoch();
        let name = Name::new("pbx".into(), 5060, Transport::Udp);
        let mut resolver = Resolver::new();
        let query = resolver.ask(now, name.clone(), 'a');
        assert_eq!(
            resolver.answer(now, query + 1, &Ok(vec![route()])),
            None,
            "nobody asked that"
        );
        assert_eq!(resolver.answer(now, query, &Ok(vec![route()])), Some('a'));
        assert_eq!(resolver.known(now, &name), Some(vec![route()]));
        assert_eq!(resolver.known(now + KEEP, &name), None);
        resolver.forget(route().remote);
        assert_eq!(resolver.known(now, &name), None);
    }

    #[test]
    fn a_question_never_answered_is_given_up() {
        let now = epoch();
        let mut resolver = Resolver::new();
        resolver.ask(now, Name::new("pbx".into(), 5060, Transport::Udp), 'a');
        assert_eq!(resolver.overdue(now), None);
        assert_eq!(resolver.poll_timeout(), Some(now + PATIENCE));
        assert_eq!(resolver.overdue(now + PATIENCE), Some('a'));
        assert_eq!(resolver.pending(), 0);
    }
}
