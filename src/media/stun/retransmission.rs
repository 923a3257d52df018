//! When a request over UDP is sent again, and given up (RFC 8489 section 6.2.1).

use std::time::{Duration, Instant};

/// RTO of a server nothing is known of.
pub const RTO: Duration = Duration::from_millis(500);

/// Rc: so often a request is sent.
const SENDINGS: u8 = 7;

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
    due: Instant,
}

impl Retransmission {
    /// Of a request sent just now.
    pub fn new(now: Instant, rto: Duration) -> Self {
        Self {
            first_wait: rto,
            wait: rto,
            sendings: 1,
            due: now + rto,
        }
    }

    /// When to ask next.
    pub fn due(&self) -> Instant {
        self.due
    }

    /// What is to be done now; a sending is counted.
    pub fn turn(&mut self, now: Instant) -> Turn {
        if now < self.due {
            return Turn::Wait;
        }
        if self.sendings >= SENDINGS {
            return Turn::GiveUp;
        }
        self.sendings += 1;
        self.wait = if self.sendings == SENDINGS {
            self.first_wait * LAST_WAIT
        } else {
            self.wait * 2
        };
        self.due = now + self.wait;
        Turn::Again
    }
}
