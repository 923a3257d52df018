//! When a request over UDP is sent again, and given up (RFC 8489 section 6.2.1).

use std::time::{Duration, Instant};

/// RTO of a server nothing is known of.
pub const RTO: Duration = Duration::from_millis(500);

/// Rc: so often a request is sent.
const SENDINGS: u8 = 7;

/// As many RTO as the waits of [`SENDINGS`] come to, 1 + 2 + 4 + 8 + 16 + 32 + 16.
const STEADY_SENDINGS: u8 = 79;

/// Rm: after the last sending so many RTO are waited.
const LAST_WAIT: u32 = 16;

/// What is to be done about a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Nothing yet.
    Wait,
    /// Send it again.
    Again,
    /// Nobody will answer.
    GiveUp,
}

/// The clock of one request.
#[derive(Clone, Copy, Debug)]
pub struct Retransmission {
    first_wait: Duration,
    wait: Duration,
    sendings: u8,
    steady: bool,
    due: Instant,
}

impl Retransmission {
    /// Of a request sent just now.
    pub fn new(now: Instant, rto: Duration) -> Self {
        Self {
            first_wait: rto,
            wait: rto,
            sendings: 1,
            steady: false,
            due: now + rto,
        }
    }

    /// Of a request to somebody who is known to be there: sent again every RTO, for as long as others are waited for.
    pub fn steady(now: Instant, rto: Duration) -> Self {
        Self {
            steady: true,
            ..Self::new(now, rto)
        }
    }

    /// When to ask next.
    pub fn due(&self) -> Instant {
        self.due
    }

    /// When it was last sent.
    pub fn sent_at(&self) -> Instant {
        self.due - self.wait
    }

    /// What is to be done now; a sending is counted.
    pub fn turn(&mut self, now: Instant) -> Turn {
        if now < self.due {
            return Turn::Wait;
        }
        let most = if self.steady { STEADY_SENDINGS } else { SENDINGS };
        if self.sendings >= most {
            return Turn::GiveUp;
        }
        self.sendings += 1;
        self.wait = if self.steady {
            self.first_wait
        } else if self.sendings == SENDINGS {
            self.first_wait * LAST_WAIT
        } else {
            self.wait * 2
        };
        self.due = now + self.wait;
        Turn::Again
    }
}
