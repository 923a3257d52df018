//! Requests within calls, both ways, but for offers: BYE, INFO, OPTIONS, ACK.

use super::call::Stage;
use super::job::{Job, Outcome, Owner};
use super::server::ServerKey;
use super::stray::{status, with_abilities};
use super::wire::Arrived;
use super::{CallId, EndCause, UaEvent, UserAgent};
use crate::sip::message::{HeaderName, Method, Request, StatusCode};
use std::time::Instant;

/// A key held down for no stated time lasts so long (the default of RFC 4733's predecessors in INFO).
const KEY_MS: u32 = 160;

impl UserAgent {
    /// A request with a To tag.
    pub(super) fn handle_in_dialog(&mut self, now: Instant, key: ServerKey, arrived: Arrived) {
        let Some((call, remote_tag)) = self.call_of(&arrived.request) else {
            if arrived.request.method == Method::Notify && self.notified(now, &arrived) {
                return;
            }
            if arrived.request.method == Method::Subscribe {
                return self.subscribed_to(now, key, arrived);
            }
            return self.reply(&arrived, StatusCode::NO_SUCH_CALL);
        };
        let Ok(cseq) = arrived.request.headers.cseq() else {
            return;
        };
        let dialog = self
            .calls
            .get_mut(&call)
            .and_then(|entry| entry.dialog_mut(&remote_tag));
        if !dialog.is_some_and(|dialog| dialog.accept(cseq.number)) {
            // Out of order (12.2.2).
            return self.reply(&arrived, status(500));
        }
        let extension = self.wrong_extension(&arrived);
        let refusal = extension.or_else(|| self.wrong_body(&arrived));
        if let Some(refusal) = refusal.or_else(|| self.wrong_interval(&arrived)) {
            self.transmit_response(arrived.back, refusal);
            return;
        }
        match arrived.request.method {
            Method::Bye => self.bye(now, key, arrived, call),
            Method::Invite => self.their_offer(now, key, arrived, call),
            Method::Update => self.their_update(now, key, arrived, call),
            Method::Prack => self.prack(now, key, arrived, call),
            Method::Info => self.info(now, key, arrived, call),
            Method::Options => {
                let response = self.stateless_response(&arrived, StatusCode::OK);
                self.transmit_response(arrived.back, with_abilities(response));
            }
            Method::Refer => self.referred(key, arrived, call),
            Method::Notify => self.notified_in_call(now, key, arrived, call),
            _ => {
                let response = self.wrong_method(&arrived);
                self.transmit_response(arrived.back, response);
            }
        }
    }

    fn call_of(&self, request: &Request) -> Option<(CallId, String)> {
        let headers = &request.headers;
        let (to, from) = (headers.to().ok()?, headers.from().ok()?);
        let (local, remote) = (to.tag()?, from.tag().unwrap_or_default());
        let call = self.find_call(&headers.call_id().ok()?, &local, &remote)?;
        Some((call, remote.into_owned()))
    }

    fn bye(&mut self, now: Instant, key: ServerKey, arrived: Arrived, call: CallId) {
        let reason = arrived
            .request
            .headers
            .first(&HeaderName::REASON)
            .map(|reason| reason.into_owned());
        match self.calls.get(&call).map(|entry| &entry.stage) {
            // Only the caller may end an early dialog with BYE (RFC 3261 15).
            Some(Stage::Outgoing(_)) | None => self.reply(&arrived, StatusCode::NO_SUCH_CALL),
            Some(Stage::Incoming(incoming)) => {
                let invite = incoming.server.clone();
                self.open_and_accept(now, key, arrived, call);
                self.respond_plainly(now, &invite, StatusCode::REQUEST_TERMINATED, None);
                self.drop_call(
                    call,
                    UaEvent::Cancelled {
                        call,
                        answered_elsewhere: false,
                    },
                );
            }
            Some(Stage::Up(_)) => {
                self.open_and_accept(now, key, arrived, call);
                self.abandon_offers(now, call);
                self.drop_call(
                    call,
                    UaEvent::Ended {
                        call,
                        cause: EndCause::Remote { reason },
                    },
                );
            }
        }
    }

    pub(super) fn open_and_accept(&mut self, now: Instant, key: ServerKey, arrived: Arrived, call: CallId) {
        if self.open_transaction(key.clone(), arrived.clone(), call) {
            self.respond_plainly(now, &key, StatusCode::OK, None);
        } else {
            self.reply(&arrived, StatusCode::OK);
        }
    }

    fn info(&mut self, now: Instant, key: ServerKey, arrived: Arrived, call: CallId) {
        let kind = arrived
            .request
            .headers
            .content_type()
            .map(|kind| format!("{}/{}", kind.main, kind.sub));
        let body = String::from_utf8_lossy(&arrived.request.body).into_owned();
        let pressed = match kind.as_deref() {
            Some("application/dtmf-relay") => relayed_key(&body),
            Some("application/dtmf") => named_key(body.trim()).map(|key| (key, KEY_MS)),
            // An empty INFO asks whether we are still there.
            _ if body.is_empty() => None,
            _ => {
                let mut response = self.stateless_response(&arrived, status(415));
                response
                    .headers
                    .push(HeaderName::ACCEPT, "application/dtmf-relay, application/dtmf");
                self.transmit_response(arrived.back, response);
                return;
            }
        };
        self.open_and_accept(now, key, arrived, call);
        let over = self.calls.get(&call).is_none_or(|entry| entry.over);
        if let (Some((key, duration_ms)), false) = (pressed, over) {
            self.event(UaEvent::InfoKey {
                call,
                key,
                duration_ms,
            });
        }
    }

    /// The ACK of a 2xx of ours.
    pub(super) fn handle_ack(&mut self, now: Instant, arrived: &Arrived) {
        let Some((call, _)) = self.call_of(&arrived.request) else {
            return;
        };
        let Ok(cseq) = arrived.request.headers.cseq() else {
            return;
        };
        let Some(entry) = self.calls.get_mut(&call) else {
            return;
        };
        let over = entry.over;
        let Stage::Up(session) = &mut entry.stage else {
            return;
        };
        let Some(waiting) = session
            .unacknowledged
            .take_if(|waiting| waiting.seq == cseq.number)
        else {
            return;
        };
        if over {
            // Hung up while the ACK was still out.
            self.send_bye(now, call);
            self.calls.remove(&call);
            return;
        }
        if waiting.answer_due {
            let body = (!arrived.request.body.is_empty()).then(|| arrived.request.body.clone());
            self.event(UaEvent::Reanswered { call, body });
        }
        if waiting.initial {
            self.event(UaEvent::Confirmed { call });
        }
        self.offer_next(now, call);
    }

    /// Sends BYE in an accepted call; the call itself is the caller's business.
    pub(super) fn send_bye(&mut self, now: Instant, call: CallId) {
        self.abandon_offers(now, call);
        let Some(entry) = self.calls.get_mut(&call) else {
            return;
        };
        let account = entry.account.clone();
        let farewell = entry.farewell.take();
        let Stage::Up(session) = &mut entry.stage else {
            return;
        };
        let mut bye = session.dialog.request(Method::Bye);
        if let Some(reason) = farewell {
            bye.headers.push(HeaderName::REASON, reason.to_string());
        }
        let hop = session.hop.towards(session.dialog.next_hop());
        self.send_farewell(now, bye, hop, account);
    }

    /// Sends a key as `application/dtmf-relay`.
    pub(super) fn send_key(&mut self, now: Instant, call: CallId, key: char, duration_ms: u32) {
        let Some(entry) = self.calls.get_mut(&call).filter(|entry| !entry.over) else {
            return;
        };
        let account = entry.account.clone();
        let Stage::Up(session) = &mut entry.stage else {
            return;
        };
        let body = format!("Signal={key}\r\nDuration={duration_ms}\r\n");
        let mut request = session
            .dialog
            .request(Method::Info)
            .with_body("application/dtmf-relay", body.into_bytes());
        let hop = session.hop.towards(session.dialog.next_hop());
        self.put_user_agent(&mut request);
        self.send(now, Job::new(request, [hop], account, Owner::Info(call)));
    }

    pub(super) fn info_finished(&mut self, now: Instant, call: CallId, outcome: &Outcome) {
        if outcome.status() == 481 {
            self.lost_peer(now, call);
        }
    }

    /// The peer knows nothing of the call any more (RFC 5057 5.1).
    pub(super) fn lost_peer(&mut self, now: Instant, call: CallId) {
        if self.calls.contains_key(&call) {
            self.send_bye(now, call);
            self.drop_call(
                call,
                UaEvent::Ended {
                    call,
                    cause: EndCause::Timeout,
                },
            );
        }
    }
}

/// `Signal=5`, `Duration=160` on lines of their own, blanks anywhere.
fn relayed_key(body: &str) -> Option<(char, u32)> {
    let field = |name: &str| {
        let mut fields = body.lines().filter_map(|line| line.split_once('='));
        fields
            .find(|(key, _)| key.trim().eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim())
    };
    let duration_ms = field("Duration")
        .and_then(|value| value.parse().ok())
        .unwrap_or(KEY_MS);
    Some((named_key(field("Signal")?)?, duration_ms))
}

/// A key by its face or, from 10 on, by RFC 4733's event code.
fn named_key(name: &str) -> Option<char> {
    let mut faces = name.chars();
    match (faces.next()?.to_ascii_uppercase(), faces.next()) {
        (face @ ('0'..='9' | '*' | '#' | 'A'..='D'), None) => Some(face),
        (_, None) => None,
        _ => match name {
            "10" => Some('*'),
            "11" => Some('#'),
            "12" => Some('A'),
            "13" => Some('B'),
            "14" => Some('C'),
            "15" => Some('D'),
            _ => None,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_as_servers_write_them() {
        for (body, expected) in [
            ("Signal=5\r\nDuration=160\r\n", Some(('5', 160))),
            ("Signal= *\r\nDuration= 250", Some(('*', 250))),
            ("signal=11\n", Some(('#', KEY_MS))),
            ("Signal=d", Some(('D', KEY_MS))),
            ("Signal=hf\r\n", None),
            ("Signal=\r\n", None),
            ("Duration=100", None),
            ("Signal=1\r\nDuration=-4", Some(('1', KEY_MS))),
        ] {
            assert_eq!(relayed_key(body), expected, "{body:?}");
        }
    }
}
