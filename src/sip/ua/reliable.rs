//! Reliable provisional responses of ours (RFC 3262 section 3): numbered, repeated until their PRACK, one at a time;
//! a 2xx waits for the PRACK of one that carried SDP.

use super::call::Stage;
use super::incoming::Settled;
use super::reinvite::Exchange;
use super::server::ServerKey;
use super::stray::status;
use super::wire::{Arrived, Return};
use super::{CallId, EndCause, UaEvent, UserAgent};
use crate::sip::message::{HeaderName, Headers, Method, RAck, StatusCode};
use crate::sip::transaction::{Backoff, TRANSACTION_LIFE};
use std::collections::VecDeque;
use std::time::Instant;

/// Provisional responses that wait for the one before them.
const QUEUE_LIMIT: usize = 4;

/// What one INVITE's provisional responses are like.
#[derive(Debug)]
pub(super) struct Reliable {
    wish: Wish,
    /// RSeq of the next one.
    next: u32,
    /// Sent, and not acknowledged.
    waiting: Option<Waiting>,
    queue: VecDeque<(u16, Option<Vec<u8>>)>,
    /// The answer, kept back until the PRACK.
    held: Option<Vec<u8>>,
}

/// What the caller says of reliable provisional responses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    /// Nothing: there are none.
    None,
    /// Supported: those that carry SDP are reliable.
    Able,
    /// Required: all are.
    Demanded,
}

#[derive(Debug)]
struct Waiting {
    rseq: u32,
    bytes: Vec<u8>,
    back: Return,
    with_body: bool,
    repeat: Backoff,
    give_up: Instant,
}

impl Reliable {
    /// As an INVITE wants it; `first` is random, less than 2^31 (RFC 3262 section 3).
    pub fn new(invite: &Headers, first: u32) -> Self {
        let says = |tags: Vec<String>| tags.iter().any(|tag| tag == "100rel");
        let wish = if says(invite.require()) {
            Wish::Demanded
        } else if says(invite.supported()) {
            Wish::Able
        } else {
            Wish::None
        };
        Self {
            wish,
            next: first,
            waiting: None,
            queue: VecDeque::new(),
            held: None,
        }
    }

    /// The caller takes no other provisional responses.
    pub fn is_demanded(&self) -> bool {
        self.wish == Wish::Demanded
    }

    /// Whether a response goes out reliably.
    pub fn applies(&self, with_body: bool) -> bool {
        self.is_demanded() || (with_body && self.wish == Wish::Able)
    }

    /// A 2xx may not go out yet: SDP of ours is on its way unacknowledged.
    pub fn holds_answer(&self) -> bool {
        self.waiting.as_ref().is_some_and(|waiting| waiting.with_body)
    }

    /// Keeps the answer until the PRACK.
    pub fn hold(&mut self, body: Vec<u8>) {
        self.held = Some(body);
    }

    /// The RSeq that is still unacknowledged.
    pub fn outstanding(&self) -> Option<u32> {
        self.waiting.as_ref().map(|waiting| waiting.rseq)
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        let waiting = self.waiting.as_ref()?;
        Some(waiting.repeat.due().min(waiting.give_up))
    }
}

impl UserAgent {
    /// A provisional response that is to be acknowledged; it waits for the one before.
    pub(super) fn ring_reliably(&mut self, now: Instant, call: CallId, code: u16, body: Option<Vec<u8>>) {
        let Some(Stage::Incoming(incoming)) = self.calls.get_mut(&call).map(|c| &mut c.stage) else {
            return;
        };
        if incoming.reliable.waiting.is_some() {
            if incoming.reliable.queue.len() < QUEUE_LIMIT {
                incoming.reliable.queue.push_back((code, body));
            }
            return;
        }
        let rseq = incoming.reliable.next;
        incoming.reliable.next += 1;
        // SDP that has been said and acknowledged is not said again.
        let body = body.filter(|_| incoming.settled == Settled::Open);
        let with_body = body.is_some();
        let key = incoming.server.clone();
        let Some(mut response) = self.dialog_response(call, code, body) else {
            return;
        };
        response.headers.push(HeaderName::REQUIRE, "100rel");
        response.headers.push(HeaderName::RSEQ, rseq.to_string());
        let Some(back) = self.servers.get(&key).map(|t| t.arrived.back) else {
            return;
        };
        let Some(bytes) = self.respond(now, &key, response) else {
            return;
        };
        if let Some(Stage::Incoming(incoming)) = self.calls.get_mut(&call).map(|c| &mut c.stage) {
            if with_body && !incoming.offered {
                incoming.settled = Settled::OursOpen;
            }
            incoming.reliable.waiting = Some(Waiting {
                rseq,
                bytes,
                back,
                with_body,
                repeat: Backoff::start(now),
                give_up: now + TRANSACTION_LIFE,
            });
        }
    }

    /// Repeats a provisional response, or gives up on a caller who never acknowledges it.
    pub(super) fn provisional_timeout(&mut self, now: Instant, call: CallId) {
        let Some(Stage::Incoming(incoming)) = self.calls.get_mut(&call).map(|c| &mut c.stage) else {
            return;
        };
        let Some(waiting) = &mut incoming.reliable.waiting else {
            return;
        };
        if now >= waiting.give_up {
            // Section 3: the INVITE is then rejected with a 5xx.
            if self.refuse(now, call, 504) {
                let cause = EndCause::Timeout;
                self.drop_call(call, UaEvent::Ended { call, cause });
            }
        } else if now >= waiting.repeat.due() {
            // Doubled without a ceiling, unlike a 2xx.
            waiting.repeat = waiting.repeat.next(now, TRANSACTION_LIFE);
            let (back, bytes) = (waiting.back, waiting.bytes.clone());
            self.send_back(back, bytes);
        }
    }

    /// A PRACK: taken if it names what waits for it, with an offer or answer in it.
    pub(super) fn prack(&mut self, now: Instant, key: ServerKey, arrived: Arrived, call: CallId) {
        let Some(rack) = arrived.request.headers.rack() else {
            return self.reply(&arrived, StatusCode::BAD_REQUEST);
        };
        let body = arrived.request.body.clone();
        let Some(entry) = self.calls.get_mut(&call) else {
            return;
        };
        let incoming = match &mut entry.stage {
            Stage::Incoming(incoming) => incoming,
            // It crossed the 2xx (sent without waiting: what it acknowledges had no SDP).
            Stage::Up(session) => {
                return match session.late_rseq.take_if(|rseq| *rseq == rack.rseq) {
                    Some(_) => self.open_and_accept(now, key, arrived, call),
                    None => self.reply(&arrived, StatusCode::NO_SUCH_CALL),
                };
            }
            Stage::Outgoing(_) => return self.reply(&arrived, StatusCode::NO_SUCH_CALL),
        };
        if !names(&rack, incoming.seq, incoming.reliable.outstanding()) {
            return self.reply(&arrived, StatusCode::NO_SUCH_CALL);
        }
        let said = incoming.reliable.holds_answer();
        if !body.is_empty() && incoming.settled == Settled::Open && !said {
            // An offer although the INVITE's own has no answer (section 5).
            return self.reply(&arrived, StatusCode::BAD_REQUEST);
        }
        if !body.is_empty() && !matches!(incoming.exchange, Exchange::None) {
            return self.reply(&arrived, status(491));
        }
        incoming.reliable.waiting = None;
        let answers = incoming.settled == Settled::OursOpen;
        if said && !(answers && body.is_empty()) {
            incoming.settled = Settled::Done;
        }
        if body.is_empty() || answers {
            self.open_and_accept(now, key, arrived, call);
            if !body.is_empty() {
                let body = Some(body);
                self.event(UaEvent::Reanswered { call, body });
            }
        } else {
            self.open_their_offer(key, arrived, call);
        }
        self.after_prack(now, call);
    }

    /// What waited for the PRACK: the answer, or the next provisional response.
    fn after_prack(&mut self, now: Instant, call: CallId) {
        let Some(Stage::Incoming(incoming)) = self.calls.get_mut(&call).map(|c| &mut c.stage) else {
            return;
        };
        if let Some(body) = incoming.reliable.held.take() {
            self.answer(now, call, body);
        } else if let Some((code, body)) = incoming.reliable.queue.pop_front() {
            self.ring_reliably(now, call, code, body);
        }
    }
}

/// Whether a PRACK is for the response that waits (section 3: all three parts agree).
fn names(rack: &RAck, invite_seq: u32, outstanding: Option<u32>) -> bool {
    rack.cseq.method == Method::Invite && rack.cseq.number == invite_seq && outstanding == Some(rack.rseq)
}
