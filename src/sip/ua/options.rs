//! OPTIONS outside of any call, answered as an INVITE would be (RFC 3261 11.2): whoever knows the lines says how.
//! Nothing is kept of the question; it travels with its answer.

use super::stray::{status, with_abilities};
use super::wire::Arrived;
use super::{AccountName, UaEvent, UserAgent};
use crate::sip::message::HeaderName;
use std::net::SocketAddr;

/// Somebody asks what an INVITE would get.
#[derive(Clone, Debug)]
pub struct Inquiry {
    /// The account it concerns, where one is recognised.
    pub account: Option<AccountName>,
    /// Whom the Request-URI names; `None`: this device as a whole.
    pub called_user: Option<String>,
    /// Our address as the asker reaches it.
    pub local: SocketAddr,
    /// The asker takes a session description (RFC 3264 section 9).
    pub wants_description: bool,
    arrived: Arrived,
}

impl UserAgent {
    pub(super) fn inquire(&mut self, arrived: Arrived) {
        let account = self.account_for(&arrived);
        let accept = &HeaderName::ACCEPT;
        let wants_description = arrived.request.headers.all(accept).any(|kind| {
            let kind = kind.split(';').next().unwrap_or_default().trim();
            kind.eq_ignore_ascii_case("application/sdp")
        });
        let inquiry = Inquiry {
            account: account.map(|account| account.name.clone()),
            called_user: arrived.request.uri.subscriber(),
            local: arrived.local,
            wants_description,
            arrived,
        };
        self.event(UaEvent::Inquiry(Box::new(inquiry)));
    }

    /// The answer: a final status, and with 200 what a session could be.
    pub(super) fn answer_inquiry(&mut self, inquiry: &Inquiry, code: u16, body: Option<Vec<u8>>) {
        let response = self.stateless_response(&inquiry.arrived, status(code));
        let mut response = with_abilities(response);
        if let Some(body) = body.filter(|_| inquiry.wants_description && code == 200) {
            response = response.with_body("application/sdp", body);
        }
        self.transmit_response(inquiry.arrived.back, response);
    }
}
