//! The four transaction machines of RFC 3261 section 17, with the Accepted state of RFC 6026.
//!
//! They know states and timers and nothing of messages: the user agent keeps the bytes, tells a machine the
//! status it received or sends, and does what the machine answers. Each has one deadline at a time that
//! matters, [`poll_timeout`](InviteClient::poll_timeout), and one [`handle_timeout`](InviteClient::handle_timeout).

mod client;
mod invite_client;
mod invite_server;
mod server;

pub use client::Client;
pub use invite_client::InviteClient;
pub use invite_server::InviteServer;
pub use server::Server;

use std::time::{Duration, Instant};

/// Estimate of the round trip (RFC 3261 17.1.1.1).
pub const T1: Duration = Duration::from_millis(500);
/// Longest interval between retransmissions of non-INVITE requests and INVITE responses (RFC 3261 17.1.2.1).
pub const T2: Duration = Duration::from_secs(4);
/// How long a message stays in the network (RFC 3261 17.1.2.2).
pub const T4: Duration = Duration::from_secs(5);
/// Timers B, F, H, J, L and M: 64 T1.
pub const TRANSACTION_LIFE: Duration = T1.saturating_mul(64);
/// Timer D where responses may be retransmitted: at least 32 s (RFC 3261 17.1.1.2).
pub const TIMER_D: Duration = Duration::from_secs(32);

/// What a timer of a transaction asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// Not due yet.
    Nothing,
    /// Send the last message once more.
    Retransmit,
    /// Nobody answered (timers B, F) or acknowledged (timer H): report it; the transaction is over.
    TimedOut,
    /// The transaction has done its duty and is over.
    Terminated,
}

/// What a client transaction makes of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// For the transaction's user.
    PassUp,
    /// A final response other than 2xx to an INVITE, for the first time: acknowledge it and pass it up.
    AckAndPassUp,
    /// The same again: acknowledge it once more, nothing else.
    AckAgain,
    /// A repetition of no interest.
    Drop,
}

/// What a server transaction makes of its request coming again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeated {
    /// Send the last response once more.
    Resend,
    /// Nothing to send (yet, or any more).
    Absorb,
}

/// A retransmission that backs off: when it is due and how long the wait before it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sip) struct Backoff {
    due: Instant,
    interval: Duration,
}

impl Backoff {
    /// The first one, T1 from now.
    pub(in crate::sip) fn start(now: Instant) -> Self {
        Self {
            due: now + T1,
            interval: T1,
        }
    }

    /// When it is due.
    pub(in crate::sip) fn due(self) -> Instant {
        self.due
    }

    /// The next one: twice as long, at most `limit`.
    pub(in crate::sip) fn next(self, now: Instant, limit: Duration) -> Self {
        let interval = (self.interval * 2).min(limit);
        Self {
            due: now + interval,
            interval,
        }
    }
}

fn earliest(retransmit: Option<Backoff>, end: Instant) -> Instant {
    retransmit.map_or(end, |r| r.due.min(end))
}

#[cfg(test)]
mod tests;
