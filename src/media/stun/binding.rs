//! Asking a server which address a socket has outside.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rand::Rng;

use super::{
    Class, Message, MessageWriter, Retransmission, TransactionId, Turn, method, retransmission::RTO,
};

/// One socket's questions to one server.
#[derive(Clone, Debug)]
pub struct BindingClient {
    server: SocketAddr,
    asking: Option<Asking>,
    mapped: Option<SocketAddr>,
    /// A request is to be sent.
    to_send: bool,
    /// How long after an answer the server is asked again; it keeps the mapping alive.
    again_after: Option<Duration>,
    ask_at: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
struct Asking {
    transaction: TransactionId,
    clock: Retransmission,
}

impl BindingClient {
    /// Asks now, and again so long after each answer or failure.
    pub fn new(
        now: Instant,
        server: SocketAddr,
        again_after: Option<Duration>,
        random: &mut impl Rng,
    ) -> Self {
        let mut client = Self {
            server,
            asking: None,
            mapped: None,
            to_send: false,
            again_after,
            ask_at: None,
        };
        client.ask(now, random);
        client
    }

    /// Whom.
    pub fn server(&self) -> SocketAddr {
        self.server
    }

    /// What the server said last.
    pub fn mapped(&self) -> Option<SocketAddr> {
        self.mapped
    }

    /// An answer may still come.
    pub fn is_asking(&self) -> bool {
        self.asking.is_some()
    }

    /// Takes a message from the server; `true`: it was the answer.
    pub fn handle_message(&mut self, now: Instant, message: &Message<'_>) -> bool {
        let is_answer = self
            .asking
            .is_some_and(|asking| asking.transaction == message.transaction())
            && message.method() == method::BINDING
            && matches!(message.class(), Class::Success | Class::Error);
        if is_answer {
            self.finish(now);
            let attributes = message.attributes();
            if message.class() == Class::Success && attributes.first_unknown().is_none() {
                self.mapped = attributes.mapped_address().or(self.mapped);
            }
        }
        is_answer
    }

    /// To be called when [`poll_timeout`](Self::poll_timeout) is due.
    pub fn handle_timeout(&mut self, now: Instant, random: &mut impl Rng) {
        if let Some(asking) = &mut self.asking {
            match asking.clock.turn(now) {
                Turn::Wait => {}
                Turn::Again => self.to_send = true,
                Turn::GiveUp => self.finish(now),
            }
        }
        if self.ask_at.is_some_and(|at| at <= now) {
            self.ask(now, random);
        }
    }

    /// When to call [`handle_timeout`](Self::handle_timeout).
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.asking.map(|asking| asking.clock.due()).or(self.ask_at)
    }

    /// A request to send to the server.
    pub fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        let asking = self.asking.filter(|_| std::mem::take(&mut self.to_send))?;
        let request = MessageWriter::new(Class::Request, method::BINDING, asking.transaction);
        Some(request.fingerprint().finish())
    }

    fn ask(&mut self, now: Instant, random: &mut impl Rng) {
        self.ask_at = None;
        self.asking = Some(Asking {
            transaction: TransactionId::random(random),
            clock: Retransmission::new(now, RTO),
        });
        self.to_send = true;
    }

    fn finish(&mut self, now: Instant) {
        self.asking = None;
        self.to_send = false;
        self.ask_at = self.again_after.map(|after| now + after);
    }
}
