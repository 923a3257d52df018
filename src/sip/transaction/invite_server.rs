//! INVITE server transaction: RFC 3261 17.2.1 with RFC 6026 7.1 and 8.7.

use super::{Backoff, Expiry, Repeated, T2, T4, TRANSACTION_LIFE, earliest};
use std::time::{Duration, Instant};

/// An INVITE to us under way.
#[derive(Clone, Debug)]
pub struct InviteServer {
    reliable: bool,
    state: State,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// Not answered for good; the last provisional response is repeated on demand.
    Proceeding,
    /// Refused; timers G and H until the ACK.
    Completed {
        retransmit: Option<Backoff>,
        give_up: Instant,
    },
    /// The ACK came; timer I absorbs its repetitions.
    Confirmed {
        end: Instant,
    },
    /// 2xx sent; its repetition until ACK is the user's duty, timer L absorbs the INVITE's.
    Accepted {
        end: Instant,
    },
    Terminated,
}

impl InviteServer {
    /// The request has just arrived; `reliable`: over a stream.
    pub fn new(reliable: bool) -> Self {
        Self {
            reliable,
            state: State::Proceeding,
        }
    }

    /// A response with this status is being sent. Returns whether it may: a transaction has one final response.
    pub fn respond(&mut self, now: Instant, status: u16) -> bool {
        match (self.state, status) {
            (State::Proceeding, ..=199) => true,
            (State::Proceeding, 200..=299) => {
                self.state = State::Accepted {
                    end: now + TRANSACTION_LIFE,
                };
                true
            }
            (State::Proceeding, _) => {
                let retransmit = (!self.reliable).then(|| Backoff::start(now));
                self.state = State::Completed {
                    retransmit,
                    give_up: now + TRANSACTION_LIFE,
                };
                true
            }
            _ => false,
        }
    }

    /// The INVITE came again.
    pub fn handle_repeated(&self) -> Repeated {
        match self.state {
            State::Proceeding | State::Completed { .. } => Repeated::Resend,
            State::Confirmed { .. } | State::Accepted { .. } | State::Terminated => Repeated::Absorb,
        }
    }

    /// The ACK of a refusal came (same branch).
    pub fn handle_ack(&mut self, now: Instant) {
        if let State::Completed { .. } = self.state {
            let linger = if self.reliable { Duration::ZERO } else { T4 };
            self.state = State::Confirmed { end: now + linger };
        }
    }

    /// A timer may be due.
    pub fn handle_timeout(&mut self, now: Instant) -> Expiry {
        match self.state {
            State::Completed { give_up, .. } if now >= give_up => {
                self.state = State::Terminated;
                Expiry::TimedOut
            }
            State::Completed {
                retransmit: Some(timer),
                give_up,
            } if now >= timer.due => {
                self.state = State::Completed {
                    retransmit: Some(timer.next(now, T2)),
                    give_up,
                };
                Expiry::Retransmit
            }
            State::Confirmed { end } | State::Accepted { end } if now >= end => {
                self.state = State::Terminated;
                Expiry::Terminated
            }
            _ => Expiry::Nothing,
        }
    }

    /// When [`Self::handle_timeout`] has something to do.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Completed { retransmit, give_up } => Some(earliest(retransmit, give_up)),
            State::Confirmed { end } | State::Accepted { end } => Some(end),
            State::Proceeding | State::Terminated => None,
        }
    }

    /// No final response yet.
    pub fn is_pending(&self) -> bool {
        matches!(self.state, State::Proceeding)
    }
}
