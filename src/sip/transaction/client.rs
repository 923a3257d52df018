//! Non-INVITE client transaction: RFC 3261 17.1.2.

use super::{Backoff, Expiry, Received, T2, T4, TRANSACTION_LIFE, earliest};
use std::time::{Duration, Instant};

/// A request other than INVITE and ACK of ours under way.
#[derive(Clone, Debug)]
pub struct Client {
    reliable: bool,
    state: State,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// Sent; timers E and F run.
    Trying {
        retransmit: Option<Backoff>,
        give_up: Instant,
    },
    /// A provisional response came; both timers still run.
    Proceeding {
        retransmit: Option<Backoff>,
        give_up: Instant,
    },
    /// Answered; timer K absorbs repetitions.
    Completed {
        end: Instant,
    },
    Terminated,
}

impl Client {
    /// The request has just been sent; `reliable`: over a stream.
    pub fn new(now: Instant, reliable: bool) -> Self {
        let retransmit = (!reliable).then(|| Backoff::start(now));
        Self {
            reliable,
            state: State::Trying {
                retransmit,
                give_up: now + TRANSACTION_LIFE,
            },
        }
    }

    /// A response with this status matched.
    pub fn handle_response(&mut self, now: Instant, status: u16) -> Received {
        match self.state {
            State::Trying { retransmit, give_up } | State::Proceeding { retransmit, give_up } => {
                if status < 200 {
                    self.state = State::Proceeding { retransmit, give_up };
                } else {
                    let linger = if self.reliable { Duration::ZERO } else { T4 };
                    self.state = State::Completed { end: now + linger };
                }
                Received::PassUp
            }
            State::Completed { .. } | State::Terminated => Received::Drop,
        }
    }

    /// A timer may be due.
    pub fn handle_timeout(&mut self, now: Instant) -> Expiry {
        match self.state {
            State::Trying { give_up, .. } | State::Proceeding { give_up, .. } if now >= give_up => {
                self.state = State::Terminated;
                Expiry::TimedOut
            }
            State::Trying {
                retransmit: Some(timer),
                give_up,
            } if now >= timer.due => {
                self.state = State::Trying {
                    retransmit: Some(timer.next(now, T2)),
                    give_up,
                };
                Expiry::Retransmit
            }
            State::Proceeding {
                retransmit: Some(timer),
                give_up,
            } if now >= timer.due => {
                // From the first provisional response on, every T2 (17.1.2.2).
                let retransmit = Some(Backoff {
                    due: now + T2,
                    interval: timer.interval.max(T2),
                });
                self.state = State::Proceeding { retransmit, give_up };
                Expiry::Retransmit
            }
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
            State::Trying { retransmit, give_up } | State::Proceeding { retransmit, give_up } => {
                Some(earliest(retransmit, give_up))
            }
            State::Completed { end } => Some(end),
            State::Terminated => None,
        }
    }

    /// No final response yet.
    pub fn is_pending(&self) -> bool {
        matches!(self.state, State::Trying { .. } | State::Proceeding { .. })
    }
}
