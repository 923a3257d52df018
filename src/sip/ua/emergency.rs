//! Emergency calls: what their INVITE says, and the haste with which another way is tried.
//!
//! RFC 3261 20.26 (Priority), 5031 (`urn:service:sos`), 6442 (Geolocation), 6881 (what an endpoint owes the caller).

use super::hop::{Hop, SIP_PORT, SIPS_PORT};
use super::{Transport, UaConfig};
use crate::sip::account::Account;
use crate::sip::message::{HeaderName, NameAddr, Request, Uri};
use std::collections::VecDeque;
use std::time::Duration;

/// A server that says nothing for so long is passed over: two of a telephone user's breaths, not timer B's 32 s.
pub(super) const NO_ANSWER: Duration = Duration::from_secs(4);

/// A server that says 100 Trying has the call; one that still hasn't got it anywhere by then is passed over too.
/// Gateways to the telephone network take up to 10 s.
pub(super) const NO_PROGRESS: Duration = Duration::from_secs(15);

/// What an emergency call's INVITE says beside the number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Emergency {
    /// `Priority: emergency`.
    pub priority: bool,
    /// Where the caller is, as a URI for the Geolocation header.
    pub geolocation: Option<String>,
    /// Whether the location may decide about the call's way (Geolocation-Routing).
    pub geolocation_routing: bool,
    /// Call `urn:service:sos` instead of the number.
    pub service_urn: bool,
}

impl Emergency {
    /// Writes it into a request without Via and Contact.
    pub(super) fn mark(&self, request: &mut Request, account: &Account) {
        if self.service_urn
            && let Ok(urn) = "urn:service:sos".parse::<Uri>()
        {
            // The server isn't in the Request-URI any more: a loose route leads to it (RFC 3261 8.1.2).
            if !request.headers.has(&HeaderName::ROUTE) {
                request
                    .headers
                    .push(HeaderName::ROUTE, format!("<{};lr>", account.target(None)));
            }
            request
                .headers
                .set(HeaderName::TO, NameAddr::new(urn.clone()).to_string());
            request.uri = urn;
        }
        if self.priority {
            request.headers.push(HeaderName::PRIORITY, "emergency");
        }
        if let Some(location) = &self.geolocation {
            request
                .headers
                .push(HeaderName::GEOLOCATION, format!("<{location}>"));
            let routing = if self.geolocation_routing { "yes" } else { "no" };
            request.headers.push(HeaderName::GEOLOCATION_ROUTING, routing);
        }
    }
}

/// Every hop as it is, and after those the same addresses over the other transports we have. One that asked for TLS is
/// given up for one that works.
pub(super) fn over_every_transport(hops: VecDeque<Hop>, config: &UaConfig) -> VecDeque<Hop> {
    let there = [
        config.udp_port.map(|_| Transport::Udp),
        config.tcp_port.map(|_| Transport::Tcp),
    ];
    let mut all = hops.clone();
    for transport in there.into_iter().flatten() {
        for hop in &hops {
            let mut other = Hop { transport, ..*hop };
            if hop.transport == Transport::Tls && hop.remote.port() == SIPS_PORT {
                other.remote.set_port(SIP_PORT);
            }
            if !all.contains(&other) {
                all.push_back(other);
            }
        }
    }
    all
}
