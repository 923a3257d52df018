//! Non-INVITE server transaction: RFC 3261 17.2.2.

use super::{Expiry, Repeated, TRANSACTION_LIFE};
use std::time::{Duration, Instant};

/// A request other than INVITE and ACK to us under way.
#[derive(Clone, Debug)]
pub struct Server {
    reliable: bool,
    state: State,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// Nothing sent yet.
    Trying,
    /// A provisional response has been sent.
    Proceeding,
    /// Answered; timer J repeats the answer on demand.
    Completed {
        end: Instant,
    },
    Terminated,
}

impl Server {
    /// The request has just arrived; `reliable`: over a stream.
    pub fn new(reliable: bool) -> Self {
        Self {
            reliable,
            state: State::Trying,
        }
    }

    /// A response with this status is being sent. Returns whether it may: a transaction has one final response.
    pub fn respond(&mut self, now: Instant, status: u16) -> bool {
        match self.state {
            State::Trying | State::Proceeding => {
                let linger = if self.reliable {
                    Duration::ZERO
                } else {
                    TRANSACTION_LIFE
                };
                self.state = if status < 200 {
                    State::Proceeding
                } else {
                    State::Completed { end: now + linger }
                };
                true
            }
            State::Completed { .. } | State::Terminated => false,
        }
    }

    /// The request came again.
    pub fn handle_repeated(&self) -> Repeated {
        match self.state {
            State::Proceeding | State::Completed { .. } => Repeated::Resend,
            State::Trying | State::Terminated => Repeated::Absorb,
        }
    }

    /// A timer may be due.
    pub fn handle_timeout(&mut self, now: Instant) -> Expiry {
        match self.state {
            State::Completed { end } if now >= end => {
                self.state = State::Terminated;
                Expiry::Terminated
            }
            _ => Expiry::Nothing,
        }
    }

    /// When [`Self::handle_timeout`] has something to do.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Completed { end } => Some(end),
            State::Trying | State::Proceeding | State::Terminated => None,
        }
    }

    /// No final response yet.
    pub fn is_pending(&self) -> bool {
        matches!(self.state, State::Trying | State::Proceeding)
    }
}
