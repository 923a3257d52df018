//! Offers in an accepted call, theirs and ours: re-INVITE and UPDATE, glare, refusals that change nothing
//! (RFC 3261 14, RFC 3311, RFC 6141), and the 2xx of ours that wait for an ACK.

use super::call::{Session, Stage};
use super::client::ClientKey;
use super::incoming::session_response;
use super::job::{Job, Outcome, Owner};
use super::server::ServerKey;
use super::session_timer::{SessionTimer, put_grant};
use super::stray::{ALLOW, status};
use super::wire::{Arrived, Return};
use super::{CallId, UaEvent, UserAgent};
use crate::sip::message::{HeaderName, Method, Response, StatusCode};
use crate::sip::transaction::{Backoff, T2, TRANSACTION_LIFE};
use rand::RngExt;
use std::time::{Duration, Instant};

/// An offer under way in an accepted call.
#[derive(Debug)]
pub(super) enum Exchange {
    /// None.
    None,
    /// The peer's, waiting for our answer.
    Theirs {
        server: ServerKey,
        invite: bool,
        asks_for_ours: bool,
    },
    /// Ours, sent.
    Ours { body: Vec<u8> },
    /// Ours, refused because of the peer's own (491), sent again at that time.
    Later { body: Vec<u8>, due: Instant },
}

/// An offer of the peer's that waits for our answer.
#[derive(Debug)]
pub(super) struct TheirOffer {
    pub server: ServerKey,
    pub invite: bool,
    pub asks_for_ours: bool,
}

impl Exchange {
    /// The status that says what is in the way of a further offer of the peer's.
    pub fn in_the_way(&self) -> Option<u16> {
        match self {
            Self::None | Self::Later { .. } => None,
            Self::Theirs { .. } => Some(500),
            Self::Ours { .. } => Some(491),
        }
    }

    /// Takes an offer of the peer's out.
    pub fn take_theirs(&mut self) -> Option<TheirOffer> {
        match std::mem::replace(self, Self::None) {
            Self::Theirs {
                server,
                invite,
                asks_for_ours,
            } => Some(TheirOffer {
                server,
                invite,
                asks_for_ours,
            }),
            other => {
                *self = other;
                None
            }
        }
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        match self {
            Self::Later { due, .. } => Some(*due),
            Self::None | Self::Theirs { .. } | Self::Ours { .. } => None,
        }
    }
}

/// A 2xx to an INVITE that is repeated until its ACK (RFC 3261 13.3.1.4).
#[derive(Debug)]
pub(super) struct Unacknowledged {
    bytes: Vec<u8>,
    back: Return,
    /// The INVITE's sequence number, which is the ACK's.
    pub seq: u32,
    /// It made the call.
    pub initial: bool,
    /// It carried our offer: the ACK brings the answer.
    pub answer_due: bool,
    repeat: Backoff,
    give_up: Instant,
}

impl Unacknowledged {
    pub fn new(
        now: Instant,
        bytes: Vec<u8>,
        back: Return,
        seq: u32,
        initial: bool,
        answer_due: bool,
    ) -> Self {
        let (repeat, give_up) = (Backoff::start(now), now + TRANSACTION_LIFE);
        Self {
            bytes,
            back,
            seq,
            initial,
            answer_due,
            repeat,
            give_up,
        }
    }

    pub fn poll_timeout(&self) -> Instant {
        self.repeat.due().min(self.give_up)
    }
}

impl UserAgent {
    /// Timers of an accepted call.
    pub(super) fn session_timeout(&mut self, now: Instant, call: CallId) {
        let Some(session) = self.session_mut(call) else {
            return;
        };
        if let Some(waiting) = &mut session.unacknowledged {
            if now >= waiting.give_up {
                // 13.3.1.4: no ACK in 64 T1, the session is terminated.
                return self.lost_peer(now, call);
            }
            if now >= waiting.repeat.due() {
                waiting.repeat = waiting.repeat.next(now, T2);
                let (back, bytes) = (waiting.back, waiting.bytes.clone());
                self.send_back(back, bytes);
            }
        }
        let Some(session) = self.session_mut(call) else {
            return;
        };
        if session.exchange.poll_timeout().is_some_and(|due| now >= due)
            && let Exchange::Later { body, .. } = std::mem::replace(&mut session.exchange, Exchange::None)
        {
            session.next_offer.get_or_insert(body);
            self.offer_next(now, call);
        }
    }

    /// A re-INVITE, or an UPDATE with an offer in an accepted call.
    pub(super) fn their_offer(&mut self, now: Instant, key: ServerKey, arrived: Arrived, call: CallId) {
        let invite = arrived.request.method == Method::Invite;
        let asks_for_ours = arrived.request.body.is_empty();
        let Some(entry) = self.calls.get_mut(&call) else {
            return;
        };
        let over = entry.over;
        let session = match &mut entry.stage {
            // Our own offer is still open (RFC 3261 14.2).
            Stage::Outgoing(_) => return self.reply(&arrived, status(491)),
            Stage::Incoming(_) => return self.too_soon(&arrived),
            Stage::Up(session) => session,
        };
        if over {
            return self.reply(&arrived, StatusCode::NO_SUCH_CALL);
        }
        if session.unacknowledged.is_some() {
            return self.too_soon(&arrived);
        }
        match session.exchange.in_the_way() {
            Some(500) => return self.too_soon(&arrived),
            Some(code) => return self.reply(&arrived, status(code)),
            None => {}
        }
        if let Exchange::Later { body, .. } = &session.exchange {
            // The glare resolves itself in the peer's favour: ours comes after.
            let body = body.clone();
            session.next_offer.get_or_insert(body);
        }
        session.exchange = Exchange::Theirs {
            server: key.clone(),
            invite,
            asks_for_ours,
        };
        let body = arrived.request.body.clone();
        if !self.open_transaction(key.clone(), arrived, call) {
            if let Some(session) = self.session_mut(call) {
                session.exchange = Exchange::None;
            }
            return;
        }
        if invite {
            self.respond_plainly(now, &key, StatusCode::TRYING, None);
        }
        self.event(UaEvent::Reoffer { call, body });
    }

    /// 500 with a moment to wait: an offer is still open (RFC 3261 14.2).
    pub(super) fn too_soon(&mut self, arrived: &Arrived) {
        let mut response = self.stateless_response(arrived, status(500));
        let wait_s: u8 = self.rng.random_range(1..=10);
        response.headers.push(HeaderName::RETRY_AFTER, wait_s.to_string());
        self.transmit_response(arrived.back, response);
    }

    /// Our answer to the peer's offer (or our offer, where it asked for one).
    pub(super) fn answer_reoffer(&mut self, now: Instant, call: CallId, body: Vec<u8>) {
        let wanted_s = self.wanted_interval_s(call);
        let Some((tag, theirs)) = self.take_their_offer(call) else {
            return;
        };
        let Some(transaction) = self.servers.get(&theirs.server) else {
            return;
        };
        let request = transaction.arrived.request.clone();
        let back = transaction.arrived.back;
        let Some(entry) = self.calls.get_mut(&call) else {
            return;
        };
        entry.note_changed(&tag);
        let Some(dialog) = entry.dialog_mut(&tag) else {
            return;
        };
        // A PRACK is no target refresh request, and says nothing of sessions (RFC 3262 section 7.1).
        let refreshes = request.method != Method::Prack;
        if refreshes {
            dialog.refresh_target(&request.headers);
        }
        let mut response = session_response(&request, StatusCode::OK, "", dialog, Some(body));
        if let Stage::Up(session) = &mut entry.stage
            && refreshes
        {
            session.timer = put_grant(now, &request.headers, wanted_s, &mut response);
        }
        let Some(bytes) = self.respond(now, &theirs.server, response) else {
            return;
        };
        if theirs.invite
            && let Ok(cseq) = request.headers.cseq()
            && let Some(session) = self.session_mut(call)
        {
            let waiting = Unacknowledged::new(now, bytes, back, cseq.number, false, theirs.asks_for_ours);
            session.unacknowledged = Some(waiting);
        }
        self.offer_next(now, call);
    }

    /// Our refusal: the session stays as it was (RFC 6141 3.4).
    pub(super) fn reject_reoffer(&mut self, now: Instant, call: CallId, code: u16) {
        let code = if (400..700).contains(&code) { code } else { 488 };
        if let Some((_, theirs)) = self.take_their_offer(call) {
            self.respond_plainly(now, &theirs.server, status(code), None);
            self.offer_next(now, call);
        }
    }

    /// The peer's offer is withdrawn: CANCEL, or BYE.
    pub(super) fn cancel_reinvite(&mut self, now: Instant, call: CallId) {
        if let Some((_, theirs)) = self.take_their_offer(call) {
            self.respond_plainly(now, &theirs.server, StatusCode::REQUEST_TERMINATED, None);
        }
    }

    /// The call ends: no offer has a future, neither theirs nor ours.
    pub(super) fn abandon_offers(&mut self, now: Instant, call: CallId) {
        self.cancel_reinvite(now, call);
        if let Some(key) = self.client_of(&Owner::Reinvite(call)) {
            self.cancel(now, &key);
        }
    }

    fn take_their_offer(&mut self, call: CallId) -> Option<(String, TheirOffer)> {
        self.calls.get_mut(&call)?.take_their_offer()
    }

    /// An offer of ours; it waits for one under way.
    pub(super) fn reoffer(&mut self, now: Instant, call: CallId, body: Vec<u8>) {
        if let Some(session) = self.session_mut(call) {
            session.next_offer = Some(body);
            self.offer_next(now, call);
        } else {
            self.reoffer_early(now, call, body);
        }
    }

    /// Sends the offer that waits, if nothing is in its way.
    pub(super) fn offer_next(&mut self, now: Instant, call: CallId) {
        let Some(entry) = self.calls.get_mut(&call).filter(|entry| !entry.over) else {
            return;
        };
        let account = entry.account.clone();
        let Stage::Up(session) = &mut entry.stage else {
            return;
        };
        if session.unacknowledged.is_some() || !matches!(session.exchange, Exchange::None) {
            return;
        }
        let Some(body) = session.next_offer.take() else {
            return;
        };
        session.exchange = Exchange::Ours { body: body.clone() };
        let mut request = session.dialog.request(Method::Invite);
        request
            .headers
            .push(HeaderName::CONTACT, format!("<{}>", session.dialog.contact()));
        request.headers.push(HeaderName::ALLOW, ALLOW);
        session.put_extensions(&mut request);
        let hop = session.hop.towards(session.dialog.next_hop());
        self.put_user_agent(&mut request);
        let request = request.with_body("application/sdp", body);
        self.send(now, Job::new(request, [hop], account, Owner::Reinvite(call)));
    }

    /// A 2xx to our re-INVITE.
    pub(super) fn reinvite_accepted(
        &mut self,
        now: Instant,
        call: CallId,
        key: &ClientKey,
        response: &Response,
    ) {
        if self.repeat_ack(key, "") {
            return;
        }
        let Some(invite) = self
            .clients
            .get(key)
            .map(|transaction| transaction.request.clone())
        else {
            return;
        };
        let Ok(cseq) = invite.headers.cseq() else { return };
        let Some(session) = self.session_mut(call) else {
            return;
        };
        session.dialog.refresh_target(&response.headers);
        let mut ack = session.dialog.ack(cseq.number);
        for name in [HeaderName::AUTHORIZATION, HeaderName::PROXY_AUTHORIZATION] {
            ack.headers.copy_from(&invite.headers, &name);
        }
        let hop = session.hop.towards(session.dialog.next_hop());
        session.exchange = Exchange::None;
        session.timer = SessionTimer::from_response(now, &response.headers);
        self.send_ack(key, String::new(), hop, &ack);
        self.event(UaEvent::Reanswered {
            call,
            body: Some(response.body.clone()),
        });
        self.offer_next(now, call);
    }

    /// Our re-INVITE was refused, or nobody answered it.
    pub(super) fn reinvite_failed(&mut self, now: Instant, call: CallId, outcome: &Outcome) {
        let wait = match self.session_mut(call).map(|session| session.we_called) {
            // 14.1: the owner of the Call-ID waits 2.1 to 4 s, the other up to 2 s, in steps of 10 ms.
            Some(true) => Duration::from_millis(10 * self.rng.random_range(210..=400)),
            Some(false) => Duration::from_millis(10 * self.rng.random_range(0..=200)),
            None => return,
        };
        let Some(session) = self.session_mut(call) else {
            return;
        };
        let ours = std::mem::replace(&mut session.exchange, Exchange::None);
        match (outcome.status(), ours) {
            (491, Exchange::Ours { body }) => {
                session.exchange = Exchange::Later {
                    body,
                    due: now + wait,
                }
            }
            // RFC 3261 14.1: these two mean that the dialog is gone.
            (408 | 481, _) => self.lost_peer(now, call),
            _ => {
                self.event(UaEvent::Reanswered { call, body: None });
                self.refresh_later(now, call);
                self.offer_next(now, call);
            }
        }
    }

    pub(super) fn session_mut(&mut self, call: CallId) -> Option<&mut Session> {
        match &mut self.calls.get_mut(&call)?.stage {
            Stage::Up(session) => Some(session),
            Stage::Outgoing(_) | Stage::Incoming(_) => None,
        }
    }
}
