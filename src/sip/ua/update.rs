//! UPDATE (RFC 3311): theirs, with or without an offer, in early dialogs too; ours, where an early session changes.

use super::call::Stage;
use super::incoming::{Settled, session_response};
use super::job::{Job, Outcome, Owner};
use super::reinvite::Exchange;
use super::server::ServerKey;
use super::session_timer::put_grant;
use super::stray::{ALLOW, SUPPORTED, status};
use super::wire::Arrived;
use super::{CallId, UaEvent, UserAgent};
use crate::sip::message::{HeaderName, Method, StatusCode};
use std::time::Instant;

impl UserAgent {
    /// An UPDATE.
    pub(super) fn their_update(&mut self, now: Instant, key: ServerKey, arrived: Arrived, call: CallId) {
        let tag = arrived.remote_tag();
        let Some(entry) = self.calls.get_mut(&call) else {
            return;
        };
        if entry.over {
            return self.reply(&arrived, StatusCode::NO_SUCH_CALL);
        }
        if arrived.request.body.is_empty() {
            return self.accept_update(now, key, arrived, call);
        }
        // Section 5.2: an answer of ours outstanding is 500, an offer of ours 491.
        let in_the_way = match &mut entry.stage {
            Stage::Up(_) => return self.their_offer(now, key, arrived, call),
            Stage::Outgoing(outgoing) => match outgoing.early_mut(&tag) {
                None => None,
                Some(early) if !early.agreed => Some(491),
                Some(early) => early.exchange.in_the_way(),
            },
            Stage::Incoming(incoming) => match incoming.settled {
                Settled::Open => Some(500),
                Settled::OursOpen => Some(491),
                Settled::Done => incoming.exchange.in_the_way(),
            },
        };
        match in_the_way {
            Some(500) => self.too_soon(&arrived),
            Some(code) => self.reply(&arrived, status(code)),
            None => self.open_their_offer(key, arrived, call),
        }
    }

    /// Without an offer it tells where the peer is now, and refreshes the session.
    fn accept_update(&mut self, now: Instant, key: ServerKey, arrived: Arrived, call: CallId) {
        let wanted_s = self.wanted_interval_s(call);
        let Some(entry) = self.calls.get_mut(&call) else {
            return;
        };
        let Some(dialog) = entry.dialog_mut(&arrived.remote_tag()) else {
            return;
        };
        dialog.refresh_target(&arrived.request.headers);
        let mut response = session_response(&arrived.request, StatusCode::OK, "", dialog, None);
        if let Stage::Up(session) = &mut entry.stage {
            session.timer = put_grant(now, &arrived.request.headers, wanted_s, &mut response);
        }
        if self.open_transaction(key.clone(), arrived, call) {
            self.respond(now, &key, response);
        }
    }

    /// Hands an offer in UPDATE or PRACK to the call room; nothing else is under way in its dialog.
    pub(super) fn open_their_offer(&mut self, key: ServerKey, arrived: Arrived, call: CallId) {
        let (tag, body) = (arrived.remote_tag(), arrived.request.body.clone());
        if !self.open_transaction(key.clone(), arrived, call) {
            return;
        }
        if let Some(exchange) = self.calls.get_mut(&call).and_then(|c| c.exchange_mut(&tag)) {
            *exchange = Exchange::Theirs {
                server: key,
                invite: false,
                asks_for_ours: false,
            };
        }
        self.event(UaEvent::Reoffer { call, body });
    }

    /// An offer of ours before the call is answered. Only where the first one has its answer and the peer takes UPDATE;
    /// elsewhere the session stays as it is.
    pub(super) fn reoffer_early(&mut self, now: Instant, call: CallId, body: Vec<u8>) {
        let refused = UaEvent::Reanswered { call, body: None };
        let Some(entry) = self.calls.get_mut(&call).filter(|entry| !entry.over) else {
            return;
        };
        let account = entry.account.clone();
        let early = match &mut entry.stage {
            Stage::Up(_) => return,
            Stage::Outgoing(outgoing) => {
                let hop = outgoing.client.as_ref().and_then(|key| self.clients.get(key));
                let hop = hop.map(|transaction| transaction.hop);
                let early = outgoing.early.iter_mut().find(|early| early.agreed);
                early
                    .zip(hop)
                    .map(|(e, hop)| (&mut e.dialog, &mut e.exchange, hop))
            }
            Stage::Incoming(incoming) if incoming.settled == Settled::Done => {
                let hop = self.servers.get(&incoming.server);
                let hop = hop.map(|transaction| Self::hop_back(&transaction.arrived));
                hop.map(|hop| (&mut incoming.dialog, &mut incoming.exchange, hop))
            }
            Stage::Incoming(_) => None,
        };
        let Some((dialog, exchange, hop)) =
            early.filter(|(dialog, exchange, _)| dialog.takes_update() && matches!(exchange, Exchange::None))
        else {
            return self.event(refused);
        };
        *exchange = Exchange::Ours { body: body.clone() };
        let mut request = dialog.request(Method::Update);
        let contact = format!("<{}>", dialog.contact());
        request.headers.push(HeaderName::CONTACT, contact);
        request.headers.push(HeaderName::ALLOW, ALLOW);
        request.headers.push(HeaderName::SUPPORTED, SUPPORTED);
        let hop = hop.towards(dialog.next_hop());
        let tag = dialog.remote_tag();
        self.put_user_agent(&mut request);
        let request = request.with_body("application/sdp", body);
        self.send(
            now,
            Job::new(request, [hop], account, Owner::Update { call, tag }),
        );
    }

    /// Our UPDATE with an offer came to its end; the call may have been answered meanwhile.
    pub(super) fn update_finished(&mut self, now: Instant, call: CallId, tag: &str, outcome: &Outcome) {
        let Some(entry) = self.calls.get_mut(&call).filter(|entry| !entry.over) else {
            return;
        };
        let Some(exchange) = entry.exchange_mut(tag) else {
            return;
        };
        if !matches!(exchange, Exchange::Ours { .. }) {
            return;
        }
        *exchange = Exchange::None;
        let accepted = match outcome {
            Outcome::Response(response) if response.status.is_success() => Some(response),
            _ => None,
        };
        if let Some(response) = accepted
            && let Some(dialog) = entry.dialog_mut(tag)
        {
            dialog.refresh_target(&response.headers);
            entry.note_changed(tag);
        }
        let body = accepted.map(|response| response.body.clone());
        self.event(UaEvent::Reanswered { call, body });
        self.offer_next(now, call);
    }
}
