//! INVITEs to us: from 100 Trying to the answer, the refusal, or the caller's CANCEL.

use super::call::{Call, Session, Stage};
use super::identity::{caller, redirecting_number, ring_name};
use super::registration::Registration;
use super::reinvite::{Exchange, Unacknowledged};
use super::reliable::Reliable;
use super::server::ServerKey;
use super::session_timer::put_grant;
use super::stray::{ALLOW, SUPPORTED, status};
use super::wire::Arrived;
use super::{AccountName, CallId, EndCause, UaEvent, UserAgent};
use crate::sip::dialog::Dialog;
use crate::sip::message::{HeaderName, Request, Response, StatusCode};
use rand::RngExt;
use std::time::{Duration, Instant};

/// A call that rings long says so again, or proxies give it up (RFC 3261 13.3.1.1).
const RING_AGAIN: Duration = Duration::from_secs(60);
/// Reliable ones are known to arrive: every two and a half minutes will do (RFC 3262 section 3).
const RING_AGAIN_RELIABLY: Duration = Duration::from_secs(150);

/// An INVITE that hasn't been answered for good.
#[derive(Debug)]
pub(super) struct Incoming {
    pub server: ServerKey,
    pub dialog: Dialog,
    local_tag: String,
    /// The last provisional response, and when it is due again.
    ring: Option<(u16, Option<Vec<u8>>, Instant)>,
    /// The INVITE's sequence number.
    pub seq: u32,
    /// It came with an offer.
    pub offered: bool,
    pub reliable: Reliable,
    pub settled: Settled,
    /// An offer after the first.
    pub exchange: Exchange,
}

/// How far the first offer and answer have come, before the 2xx.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Settled {
    /// The INVITE's offer isn't answered, or it had none and ours isn't made.
    Open,
    /// Our offer went out in a reliable provisional response: the PRACK brings the answer.
    OursOpen,
    /// Both are known to both.
    Done,
}

impl Incoming {
    pub fn poll_timeout(&self) -> Option<Instant> {
        let again = self.ring.as_ref().map(|ring| ring.2);
        again.into_iter().chain(self.reliable.poll_timeout()).min()
    }
}

impl UserAgent {
    /// An INVITE that may become a call.
    pub(super) fn incoming(&mut self, now: Instant, key: ServerKey, arrived: Arrived) {
        let request = arrived.request.clone();
        let account = self.account_for(&arrived);
        let called_user = request.uri.subscriber().unwrap_or_default();
        let hop = Self::hop_back(&arrived);
        let user = account
            .as_ref()
            .map_or(called_user.as_str(), |account| &account.username);
        let public = account
            .as_ref()
            .and_then(|account| self.registrations.get(&account.name)?.public());
        let contact = self.config.contact(user, hop, public);
        let local_tag = self.token();
        let Some(dialog) = Dialog::from_request(&request, &local_tag, contact) else {
            // No Contact to send later requests to (RFC 3261 8.1.1.8).
            return self.reply(&arrived, StatusCode::BAD_REQUEST);
        };
        let replaces = match self.replaced_by(&arrived) {
            Ok(replaces) => replaces,
            Err(refusal) => return self.reply(&arrived, refusal),
        };
        let call = self.new_call();
        let trusted = account
            .as_ref()
            .is_some_and(|a| self.is_server_of(&a.name, arrived.remote));
        let caller = caller(&request, trusted);
        let Ok(seq) = request.headers.cseq().map(|cseq| cseq.number) else {
            return;
        };
        let reliable = Reliable::new(&request.headers, self.rng.random_range(1..1 << 31));
        let event = super::Incoming {
            call,
            account: account.as_ref().map(|account| account.name.clone()),
            called_user,
            caller_user: caller.user,
            caller_name: caller.name,
            private: caller.private,
            alert_info: request.headers.all(&HeaderName::ALERT_INFO).collect(),
            offer: request.body.clone(),
            remote: arrived.remote,
            local: arrived.local,
            wants_early_offer: request.body.is_empty() && reliable.is_demanded(),
            replaces,
            redirecting: redirecting_number(&request),
            ring: request
                .headers
                .all(&HeaderName::ALERT_INFO)
                .find_map(|value| ring_name(&value)),
        };
        if !self.open_transaction(key.clone(), arrived, call) {
            return;
        }
        self.respond_plainly(now, &key, StatusCode::TRYING, None);
        let incoming = Incoming {
            server: key,
            dialog,
            local_tag,
            ring: None,
            seq,
            offered: !request.body.is_empty(),
            reliable,
            settled: Settled::Open,
            exchange: Exchange::None,
        };
        let stage = Stage::Incoming(Box::new(incoming));
        self.calls.insert(
            call,
            Call {
                account,
                stage,
                over: false,
                farewell: None,
            },
        );
        self.event(UaEvent::Incoming(Box::new(event)));
    }

    /// 180 and its kin.
    pub(super) fn ring(&mut self, now: Instant, call: CallId, code: u16, body: Option<Vec<u8>>) {
        let Some(Stage::Incoming(incoming)) = self.calls.get_mut(&call).map(|c| &mut c.stage) else {
            return;
        };
        if !(101..200).contains(&code) {
            return;
        }
        if incoming.reliable.applies(body.is_some()) {
            incoming.ring = Some((code, None, now + RING_AGAIN_RELIABLY));
            return self.ring_reliably(now, call, code, body);
        }
        incoming.ring = Some((code, body.clone(), now + RING_AGAIN));
        let key = incoming.server.clone();
        if let Some(response) = self.dialog_response(call, code, body) {
            self.respond(now, &key, response);
        }
    }

    pub(super) fn ring_again(&mut self, now: Instant, call: CallId) {
        if let Some(Stage::Incoming(incoming)) = self.calls.get(&call).map(|c| &c.stage)
            && let Some((code, body, due)) = incoming.ring.clone()
            && now >= due
        {
            self.ring(now, call, code, body);
        }
    }

    /// 200 with SDP; repeated until the ACK.
    pub(super) fn answer(&mut self, now: Instant, call: CallId, body: Vec<u8>) {
        let wanted_s = self.wanted_interval_s(call);
        let Some(Stage::Incoming(incoming)) = self.calls.get_mut(&call).map(|c| &mut c.stage) else {
            return;
        };
        if incoming.reliable.holds_answer() {
            incoming.ring = None;
            return incoming.reliable.hold(body);
        }
        let settled = incoming.settled == Settled::Done;
        let answer_due = !incoming.offered && !settled;
        let Some(mut response) = self.dialog_response(call, 200, (!settled).then_some(body)) else {
            return;
        };
        let Some(Stage::Incoming(incoming)) = self.calls.get_mut(&call).map(|c| &mut c.stage) else {
            return;
        };
        let Some(transaction) = self.servers.get(&incoming.server) else {
            return;
        };
        let back = transaction.arrived.back;
        let hop = Self::hop_back(&transaction.arrived);
        let headers = &transaction.arrived.request.headers;
        let timer = put_grant(now, headers, wanted_s, &mut response);
        let key = incoming.server.clone();
        let session = Session {
            dialog: incoming.dialog.clone(),
            hop,
            we_called: false,
            unacknowledged: None,
            exchange: std::mem::replace(&mut incoming.exchange, Exchange::None),
            next_offer: None,
            timer,
            late_rseq: incoming.reliable.outstanding(),
            forks: Vec::new(),
        };
        let seq = incoming.seq;
        let Some(bytes) = self.respond(now, &key, response) else {
            return;
        };
        let waiting = Unacknowledged::new(now, bytes, back, seq, true, answer_due);
        if let Some(entry) = self.calls.get_mut(&call) {
            entry.stage = Stage::Up(Box::new(Session {
                unacknowledged: Some(waiting),
                ..session
            }));
        }
    }

    /// A refusal of ours.
    pub(super) fn reject(&mut self, now: Instant, call: CallId, code: u16) {
        let code = if (400..700).contains(&code) { code } else { 480 };
        if self.refuse(now, call, code) {
            self.drop_call(
                call,
                UaEvent::Ended {
                    call,
                    cause: EndCause::Local,
                },
            );
        }
    }

    pub(super) fn refuse(&mut self, now: Instant, call: CallId, code: u16) -> bool {
        let Some(Stage::Incoming(incoming)) = self.calls.get(&call).map(|c| &c.stage) else {
            return false;
        };
        let (key, tag) = (incoming.server.clone(), incoming.local_tag.clone());
        self.respond_plainly(now, &key, status(code), Some(&tag));
        true
    }

    /// A CANCEL: 200 for itself, 487 for its INVITE if that still waits (RFC 3261 9.2).
    pub(super) fn handle_cancel(&mut self, now: Instant, arrived: &Arrived) {
        let target = ServerKey::cancelled_by(&arrived.request);
        let call = target
            .and_then(|key| self.servers.get(&key))
            .map(|transaction| transaction.call);
        let Some(call) = call else {
            return self.reply(arrived, StatusCode::NO_SUCH_CALL);
        };
        self.reply(arrived, StatusCode::OK);
        let answered_elsewhere = arrived
            .request
            .headers
            .reasons()
            .iter()
            .any(|reason| reason.protocol.eq_ignore_ascii_case("SIP") && reason.cause == Some(200));
        if self.refuse(now, call, 487) {
            self.drop_call(
                call,
                UaEvent::Cancelled {
                    call,
                    answered_elsewhere,
                },
            );
        } else {
            self.cancel_reinvite(now, call);
        }
    }

    /// A response to the call's INVITE with tag, Contact and Allow.
    pub(super) fn dialog_response(&self, call: CallId, code: u16, body: Option<Vec<u8>>) -> Option<Response> {
        let Stage::Incoming(incoming) = &self.calls.get(&call)?.stage else {
            return None;
        };
        let request = &self.servers.get(&incoming.server)?.arrived.request;
        Some(session_response(
            request,
            status(code),
            &incoming.local_tag,
            &incoming.dialog,
            body,
        ))
    }

    /// The account an INVITE is for: by its Request-URI's user, by the server it comes from, or both.
    pub(super) fn account_for(
        &self,
        arrived: &Arrived,
    ) -> Option<std::sync::Arc<crate::sip::account::Account>> {
        if self.is_from_ourselves(&arrived.request) {
            return None;
        }
        let user = arrived.request.uri.user();
        let number = arrived.request.uri.subscriber();
        let by_user = |name: &AccountName| {
            self.registrations
                .get(name)
                .map(|registration| registration.account().username.as_str())
                .is_some_and(|own| user.as_deref() == Some(own) || number.as_deref() == Some(own))
        };
        let by_server = |name: &AccountName| self.is_server_of(name, arrived.remote);
        let names = || self.registrations.keys();
        let name = names()
            .find(|name| by_user(name) && by_server(name))
            .or_else(|| names().find(|name| by_user(name)))
            .or_else(|| names().find(|name| by_server(name)))?;
        self.registrations
            .get(name)
            .map(|registration| registration.account().clone())
    }

    /// Whether an address is one of an account's server. Ports differ where a server sends from another socket.
    pub(super) fn is_server_of(&self, account: &AccountName, remote: std::net::SocketAddr) -> bool {
        let hops = self
            .registrations
            .get(account)
            .map(Registration::hops)
            .unwrap_or_default();
        self.guard.is_server_of(account, remote.ip()) || hops.iter().any(|hop| hop.remote.ip() == remote.ip())
    }

    /// Whether a request is one of our own calls coming back in: lines of this machine calling each other.
    fn is_from_ourselves(&self, request: &Request) -> bool {
        let Ok(call_id) = request.headers.call_id() else {
            return false;
        };
        self.calls.values().any(|call| match &call.stage {
            Stage::Outgoing(outgoing) => outgoing.request.headers.call_id().is_ok_and(|own| own == call_id),
            Stage::Incoming(_) | Stage::Up(_) => false,
        })
    }
}

/// A response with what belongs into a dialog's: tag, Record-Route, Contact, Allow, SDP.
pub(super) fn session_response(
    request: &Request,
    status: StatusCode,
    local_tag: &str,
    dialog: &Dialog,
    body: Option<Vec<u8>>,
) -> Response {
    let mut response = Response::to_request(&request.headers, status, Some(local_tag));
    response
        .headers
        .copy_from(&request.headers, &HeaderName::RECORD_ROUTE);
    response
        .headers
        .push(HeaderName::CONTACT, format!("<{}>", dialog.contact()));
    response.headers.push(HeaderName::ALLOW, ALLOW);
    response.headers.push(HeaderName::SUPPORTED, SUPPORTED);
    match body {
        Some(body) if !body.is_empty() => response.with_body("application/sdp", body),
        _ => response,
    }
}
