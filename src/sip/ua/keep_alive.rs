//! When a registration's way to the server is tried, and what silence on it means.
//!
//! RFC 5626 4.4: on streams a double CRLF that the server answers with one CRLF within 10 s, on datagrams something that
//! keeps the NAT's mapping open; OPTIONS where the server is to be heard on either. Servers that answer neither are
//! met: what has never been answered proves nothing by its silence.

use rand::{Rng, RngExt};
use std::time::{Duration, Instant};

/// A pong comes within this time (RFC 5626 4.4.1).
pub(super) const PONG_WITHIN: Duration = Duration::from_secs(10);
/// OPTIONS to a server that never answered any are given up after so many.
const MOST_DOUBTS: u8 = 2;

/// How the way is kept open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) enum Plan {
    #[default]
    Off,
    /// Something is sent; nothing comes back.
    Datagram,
    /// CRLF both ways.
    Ping,
    /// A request and its response.
    Options,
}

/// What is to be done now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    Nothing,
    SendPing,
    SendOptions,
    /// The server is gone, or the way to it.
    Dead,
}

#[derive(Clone, Debug, Default)]
pub(super) struct KeepAlive {
    plan: Plan,
    every: Duration,
    next: Option<Instant>,
    pong_due: Option<Instant>,
    /// The server has answered a ping at some time: its silence means something.
    ponged: bool,
    /// The same for OPTIONS.
    answered: bool,
    doubts: u8,
}

impl KeepAlive {
    /// The way is new, or known to work: from here on it is tried `every` so often.
    pub fn start(&mut self, now: Instant, plan: Plan, every: Duration, rng: &mut impl Rng) {
        self.plan = match plan {
            Plan::Ping if !self.ponged && self.answered => Plan::Options,
            Plan::Options if self.doubts >= MOST_DOUBTS => Plan::Off,
            plan => plan,
        };
        self.every = every;
        self.pong_due = None;
        self.next = (self.plan != Plan::Off).then(|| now + self.pause(rng));
    }

    pub fn stop(&mut self) {
        self.next = None;
        self.pong_due = None;
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        [self.next, self.pong_due].into_iter().flatten().min()
    }

    pub fn handle_timeout(&mut self, now: Instant, rng: &mut impl Rng) -> Due {
        if self.pong_due.is_some_and(|due| now >= due) {
            self.pong_due = None;
            if self.ponged {
                self.stop();
                return Due::Dead;
            }
            // It may be a server that doesn't know pings: it knows OPTIONS.
            self.plan = Plan::Options;
            self.next = Some(now + self.pause(rng));
            return Due::SendOptions;
        }
        if self.next.is_none_or(|next| now < next) {
            return Due::Nothing;
        }
        self.next = Some(now + self.pause(rng));
        match self.plan {
            Plan::Off => {
                self.stop();
                Due::Nothing
            }
            Plan::Datagram => Due::SendPing,
            Plan::Ping => {
                self.pong_due = self.pong_due.or(Some(now + PONG_WITHIN));
                Due::SendPing
            }
            Plan::Options => Due::SendOptions,
        }
    }

    /// A pong came.
    pub fn pong(&mut self) {
        self.ponged = true;
        self.pong_due = None;
    }

    /// OPTIONS were answered, by whatever status.
    pub fn answered(&mut self) {
        self.answered = true;
        self.doubts = 0;
    }

    /// OPTIONS were not answered. `true`: the way is dead.
    pub fn unanswered(&mut self) -> bool {
        if !self.answered {
            self.doubts = self.doubts.saturating_add(1);
            if self.doubts > 1 {
                // Registering anew has not changed it: this server doesn't answer OPTIONS.
                self.stop();
                return false;
            }
        }
        self.stop();
        true
    }

    /// 80 to 100 % of the time asked for (RFC 5626 4.4), so that nobody is in step with others.
    fn pause(&self, rng: &mut impl Rng) -> Duration {
        self.every.mul_f64(rng.random_range(0.8..=1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::epoch;
    use rand::{SeedableRng, rngs::StdRng};

    const EVERY: Duration = Duration::from_secs(25);

    /// Runs to the next deadline.
    fn next(keep: &mut KeepAlive, now: &mut Instant, rng: &mut StdRng) -> Due {
        *now = keep.poll_timeout().unwrap();
        keep.handle_timeout(*now, rng)
    }

    #[test]
    fn a_ping_without_pong_is_the_end_where_pongs_have_come() {
        let (start, mut rng) = (epoch(), StdRng::seed_from_u64(1));
        let (mut now, mut keep) = (start, KeepAlive::default());
        keep.start(now, Plan::Ping, EVERY, &mut rng);
        assert_eq!(next(&mut keep, &mut now, &mut rng), Due::SendPing);
        let waited = now.duration_since(start);
        assert!((EVERY.mul_f64(0.8)..=EVERY).contains(&waited), "{waited:?}");
        keep.pong();
        assert_eq!(next(&mut keep, &mut now, &mut rng), Due::SendPing);
        let sent = now;
        assert_eq!(next(&mut keep, &mut now, &mut rng), Due::Dead);
        assert_eq!(now, sent + PONG_WITHIN);
        assert_eq!(keep.poll_timeout(), None);
    }

    #[test]
    fn a_server_without_pongs_is_asked_by_options() {
        let (mut now, mut rng) = (epoch(), StdRng::seed_from_u64(1));
        let mut keep = KeepAlive::default();
        keep.start(now, Plan::Ping, EVERY, &mut rng);
        assert_eq!(next(&mut keep, &mut now, &mut rng), Due::SendPing);
        assert_eq!(next(&mut keep, &mut now, &mut rng), Due::SendOptions);
        keep.answered();
        assert_eq!(next(&mut keep, &mut now, &mut rng), Due::SendOptions);
        assert!(keep.unanswered(), "it has answered before");
        keep.start(now, Plan::Ping, EVERY, &mut rng);
        assert_eq!(
            next(&mut keep, &mut now, &mut rng),
            Due::SendOptions,
            "known by now"
        );
    }

    #[test]
    fn a_server_that_never_answers_options_is_left_in_peace() {
        let (mut now, mut rng) = (epoch(), StdRng::seed_from_u64(1));
        let mut keep = KeepAlive::default();
        keep.start(now, Plan::Options, EVERY, &mut rng);
        assert_eq!(next(&mut keep, &mut now, &mut rng), Due::SendOptions);
        assert!(keep.unanswered(), "the first time: register, and see");
        keep.start(now, Plan::Options, EVERY, &mut rng);
        assert_eq!(next(&mut keep, &mut now, &mut rng), Due::SendOptions);
        assert!(!keep.unanswered());
        keep.start(now, Plan::Options, EVERY, &mut rng);
        assert_eq!(keep.poll_timeout(), None);
    }
}
