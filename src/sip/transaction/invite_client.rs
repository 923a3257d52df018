//! INVITE client transaction: RFC 3261 17.1.1 with RFC 6026 8.4.

use super::{Backoff, Expiry, Received, TIMER_D, TRANSACTION_LIFE, earliest};
use std::time::Instant;

/// An INVITE of ours under way.
#[derive(Clone, Debug)]
pub struct InviteClient {
    reliable: bool,
    state: State,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// Sent; timers A and B run.
    Calling {
        retransmit: Option<Backoff>,
        give_up: Instant,
    },
    /// A provisional response came; the user decides how long to wait, except after CANCEL.
    Proceeding {
        give_up: Option<Instant>,
    },
    /// Refused; timer D.
    Completed {
        end: Instant,
    },
    /// Accepted; timer M collects 2xx of other forks and repetitions.
    Accepted {
        end: Instant,
    },
    Terminated,
}

impl InviteClient {
    /// The request has just been sent; `reliable`: over a stream.
    pub fn new(now: Instant, reliable: bool) -> Self {
        let retransmit = (!reliable).then(|| Backoff::start(now));
        Self {
            reliable,
            state: State::Calling {
                retransmit,
                give_up: now + TRANSACTION_LIFE,
            },
        }
    }

    /// A response with this status matched.
    pub fn handle_response(&mut self, now: Instant, status: u16) -> Received {
        match (self.state, status) {
            (State::Calling { .. }, 100..=199) => {
                self.state = State::Proceeding { give_up: None };
                Received::PassUp
            }
            (State::Proceeding { .. }, 100..=199) => Received::PassUp,
            (State::Calling { .. } | State::Proceeding { .. }, 200..=299) => {
                self.state = State::Accepted {
                    end: now + TRANSACTION_LIFE,
                };
                Received::PassUp
            }
            (State::Accepted { .. }, 200..=299) => Received::PassUp,
            // A fork that answers after the rest was refused or cancelled: proxies pass every 2xx on (16.7), and its
            // user has to end what it made.
            (State::Completed { .. }, 200..=299) => Received::PassUp,
            (State::Calling { .. } | State::Proceeding { .. }, 300..) => {
                let linger = if self.reliable {
                    std::time::Duration::ZERO
                } else {
                    TIMER_D
                };
                self.state = State::Completed { end: now + linger };
                Received::AckAndPassUp
            }
            (State::Completed { .. }, 300..) => Received::AckAgain,
            _ => Received::Drop,
        }
    }

    /// A timer may be due.
    pub fn handle_timeout(&mut self, now: Instant) -> Expiry {
        match self.state {
            State::Calling { give_up, .. } if now >= give_up => self.finish(Expiry::TimedOut),
            State::Calling {
                retransmit: Some(timer),
                give_up,
            } if now >= timer.due => {
                // Timer A doubles without a ceiling (17.1.1.2).
                let retransmit = Some(timer.next(now, TRANSACTION_LIFE));
                self.state = State::Calling { retransmit, give_up };
                Expiry::Retransmit
            }
            State::Proceeding { give_up: Some(at) } if now >= at => self.finish(Expiry::TimedOut),
            State::Completed { end } | State::Accepted { end } if now >= end => {
                self.finish(Expiry::Terminated)
            }
            _ => Expiry::Nothing,
        }
    }

    /// When [`Self::handle_timeout`] has something to do.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Calling { retransmit, give_up } => Some(earliest(retransmit, give_up)),
            State::Proceeding { give_up } => give_up,
            State::Completed { end } | State::Accepted { end } => Some(end),
            State::Terminated => None,
        }
    }

    /// A CANCEL has been sent: a final response that doesn't come within 64 T1 never will (RFC 3261 9.1).
    pub fn cancelled(&mut self, now: Instant) {
        if let State::Proceeding {
            give_up: give_up @ None,
        } = &mut self.state
        {
            *give_up = Some(now + TRANSACTION_LIFE);
        }
    }

    /// No final response yet.
    pub fn is_pending(&self) -> bool {
        matches!(self.state, State::Calling { .. } | State::Proceeding { .. })
    }

    /// A provisional response came: only now may a CANCEL go out (RFC 3261 9.1).
    pub fn is_proceeding(&self) -> bool {
        matches!(self.state, State::Proceeding { .. })
    }

    fn finish(&mut self, how: Expiry) -> Expiry {
        self.state = State::Terminated;
        how
    }
}
