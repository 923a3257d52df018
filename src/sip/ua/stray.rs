//! Requests outside of any call: new INVITEs on their way to a line, OPTIONS, and what isn't for us, each with
//! the answer RFC 3261 8.2 gives it. Nothing is kept of a request that is only refused.

use super::server::ServerKey;
use super::wire::Arrived;
use super::{Closing, Transport, UserAgent};
use crate::sip::message::{HeaderName, Method, Request, Response, StatusCode, Uri};
use std::time::Instant;

/// What we take.
pub(super) const ALLOW: &str =
    "INVITE, ACK, CANCEL, BYE, OPTIONS, PRACK, UPDATE, INFO, NOTIFY, REFER, SUBSCRIBE";
/// Event packages we have.
pub(super) const EVENTS: &str = "message-summary, refer, reg, dialog";
/// Extensions we have: what Supported says and Require may ask for.
pub(super) const SUPPORTED: &str = "100rel, timer, 199, replaces, norefersub";
/// Bodies we take.
pub(super) const ACCEPT: &str = "application/sdp, application/dtmf-relay, application/dtmf, message/sipfrag";

/// Calls at once: many more than lines.
const CALL_LIMIT: usize = 64;

/// A status code known to be one.
pub(super) const fn status(code: u16) -> StatusCode {
    match StatusCode::new(code) {
        Some(status) => status,
        None => StatusCode::BAD_REQUEST,
    }
}

impl UserAgent {
    /// A request without To tag.
    pub(super) fn handle_stray(&mut self, now: Instant, key: ServerKey, arrived: Arrived) {
        if let Some(refusal) = self.refusal(&arrived) {
            self.transmit_response(arrived.back, refusal);
            return;
        }
        match arrived.request.method {
            Method::Invite => self.incoming(now, key, arrived),
            Method::Options => self.inquire(arrived),
            Method::Notify => self.notified_unasked(&arrived),
            Method::Subscribe => self.subscribed_to(now, key, arrived),
            // Nobody may have this telephone call somebody from outside of a call.
            Method::Refer => self.reply(&arrived, status(603)),
            // What these belong to has never been, or is over.
            Method::Bye | Method::Update | Method::Info | Method::Prack => {
                self.reply(&arrived, StatusCode::NO_SUCH_CALL);
            }
            _ => {
                let response = self.wrong_method(&arrived);
                self.transmit_response(arrived.back, response);
            }
        }
    }

    /// The checks of RFC 3261 8.2.1 to 8.2.3, in their order.
    fn refusal(&self, arrived: &Arrived) -> Option<Response> {
        let request = &arrived.request;
        if !is_ours(&request.method) {
            return Some(self.wrong_method(arrived));
        }
        // `sips:` promises TLS all the way to us (RFC 3261 26.2.2).
        let unsafe_sips =
            request.uri.as_sip().is_some_and(|uri| uri.secure) && arrived.back.transport != Transport::Tls;
        if unsafe_sips || matches!(request.uri, Uri::Other(_)) {
            return Some(self.stateless_response(arrived, StatusCode::UNSUPPORTED_URI_SCHEME));
        }
        if request.method == Method::Invite && self.is_merged(request) {
            return Some(self.stateless_response(arrived, status(482)));
        }
        self.wrong_extension(arrived)
            .or_else(|| self.wrong_body(arrived))
            .or_else(|| self.wrong_answer(arrived))
            .or_else(|| self.wrong_interval(arrived))
            .or_else(|| {
                let full = self.calls.len() >= CALL_LIMIT
                    || self.servers.len() >= super::server::SERVER_LIMIT
                    || self.closing != Closing::No;
                (request.method == Method::Invite && full).then(|| {
                    let mut response = self.stateless_response(arrived, StatusCode::SERVICE_UNAVAILABLE);
                    response.headers.push(HeaderName::RETRY_AFTER, "60");
                    response
                })
            })
    }

    /// 405 for methods that exist, 501 for those that don't.
    pub(super) fn wrong_method(&self, arrived: &Arrived) -> Response {
        let code = match arrived.request.method {
            Method::Other(_) => 501,
            // Event packages: the one we know is sent to us without asking (RFC 6665 7.3).
            Method::Subscribe => 489,
            _ => 405,
        };
        let mut response = self.stateless_response(arrived, status(code));
        response.headers.push(HeaderName::ALLOW, ALLOW);
        if code == 489 {
            response.headers.push(HeaderName::ALLOW_EVENTS, EVENTS);
        }
        response
    }

    /// 420: the request insists on extensions that we haven't.
    pub(super) fn wrong_extension(&self, arrived: &Arrived) -> Option<Response> {
        let mut wanted = arrived.request.headers.require();
        wanted.retain(|tag| !SUPPORTED.split(", ").any(|known| known == tag));
        if wanted.is_empty() {
            return None;
        }
        let mut response = self.stateless_response(arrived, status(420));
        response.headers.push(HeaderName::UNSUPPORTED, wanted.join(", "));
        Some(response)
    }

    /// 415: a body of a kind we don't take.
    pub(super) fn wrong_body(&self, arrived: &Arrived) -> Option<Response> {
        if body_fits(&arrived.request) {
            return None;
        }
        let mut response = self.stateless_response(arrived, status(415));
        response.headers.push(HeaderName::ACCEPT, ACCEPT);
        Some(response)
    }

    /// 406: a caller who takes no SDP cannot be answered (RFC 4475 3.3.15).
    fn wrong_answer(&self, arrived: &Arrived) -> Option<Response> {
        let request = &arrived.request;
        let headers = &request.headers;
        if request.method != Method::Invite || !headers.has(&HeaderName::ACCEPT) {
            return None;
        }
        let takes_sdp = headers.all(&HeaderName::ACCEPT).any(|range| {
            let kind = range
                .split(';')
                .next()
                .unwrap_or_default()
                .trim()
                .to_ascii_lowercase();
            matches!(kind.as_str(), "application/sdp" | "application/*" | "*/*")
        });
        (!takes_sdp).then(|| {
            let mut response = self.stateless_response(arrived, status(406));
            response.headers.push(HeaderName::ACCEPT, ACCEPT);
            response
        })
    }
}

/// What we can, as OPTIONS asks.
pub(super) fn with_abilities(mut response: Response) -> Response {
    response.headers.push(HeaderName::ALLOW, ALLOW);
    response.headers.push(HeaderName::ACCEPT, ACCEPT);
    response.headers.push(HeaderName::ALLOW_EVENTS, EVENTS);
    response.headers.push(HeaderName::SUPPORTED, SUPPORTED);
    response
}

fn is_ours(method: &Method) -> bool {
    matches!(
        method,
        Method::Invite
            | Method::Ack
            | Method::Bye
            | Method::Cancel
            | Method::Options
            | Method::Prack
            | Method::Update
            | Method::Info
            | Method::Notify
            | Method::Refer
            | Method::Subscribe
    )
}

/// Whether the body, if any, is of a kind the method takes and isn't encoded.
fn body_fits(request: &Request) -> bool {
    if request.body.is_empty() {
        return true;
    }
    let encoded = request
        .headers
        .all(&HeaderName::CONTENT_ENCODING)
        .any(|e| !e.eq_ignore_ascii_case("identity"));
    match request.method {
        Method::Invite | Method::Update | Method::Prack => !encoded && request.headers.is_sdp(),
        _ => true,
    }
}
