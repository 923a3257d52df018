//! Signs that something on the way has changed our messages: a router that "helps" SIP along (an application-level
//! gateway, ALG) and gets it wrong.
//!
//! What a response must repeat exactly (RFC 3261 8.2.6.2: Via, From, To, Call-ID), what a registrar lists of us (10.3),
//! and what a server must add (18.2.1: `received`) is compared with what was sent. A rewriting that is undone on the
//! way back leaves only the last of these to go by.

use super::client::ClientKey;
use super::hop::{Hop, SIP_PORT};
use super::job::Owner;
use super::registrar::seen_from;
use super::wire::Arrived;
use super::{AccountName, UaEvent, UserAgent};
use crate::sip::message::{Contacts, Fault, Headers, Method, Response, SipUri, Uri, Via};
use std::net::{IpAddr, SocketAddr};

/// Where the change shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// The response's Via names another sender than ours.
    Via,
    /// The server says nothing of the NAT that is between us: somebody put the NAT's address into the Via and took it
    /// out again.
    HiddenVia,
    /// The registrar lists another Contact.
    Contact,
    /// From differs.
    From,
    /// To differs.
    To,
    /// Call-ID differs.
    CallId,
    /// The server calls another address than we registered.
    RequestUri,
    /// A body is shorter than its message says: one was put in its place.
    Body,
}

/// A change of a message on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rewritten {
    /// Where it shows.
    pub part: Part,
    /// What we sent, or what should have come.
    pub sent: String,
    /// What came instead.
    pub seen: String,
}

impl UserAgent {
    /// A response, beside the request it is for.
    pub(super) fn compare_response(&mut self, key: &ClientKey, response: &Response, via: &Via) {
        let Some(sent) = self.clients.get(key) else { return };
        let (hop, headers) = (sent.hop, &sent.request.headers);
        let Some(account) = self.account_at(hop.remote.ip()) else {
            return;
        };
        let mut found = compare_headers(headers, &response.headers);
        found.extend(Via::parse(&sent.via).and_then(|sent| compare_via(&sent, via, hop)));
        if matches!(sent.owner, Owner::Register(_)) && response.status.is_success() {
            let seen = seen_from(&self.config, hop, via);
            found.extend(compare_contact(
                headers,
                &response.headers,
                [seen.map(|seen| seen.ip()), Some(hop.local_ip)],
            ));
        }
        for what in found {
            self.tell_rewritten(&account, what);
        }
    }

    /// A request outside of dialogs: is it for where we said that we are?
    pub(super) fn compare_request(&mut self, arrived: &Arrived) {
        let request = &arrived.request;
        let is_new = !matches!(request.method, Method::Ack | Method::Cancel)
            && request.headers.to().is_ok_and(|to| to.tag().is_none());
        let Some(account) = self.account_at(arrived.remote.ip()).filter(|_| is_new) else {
            return;
        };
        let Some(registration) = self.registrations.get(&account) else {
            return;
        };
        let (Some((contact, _)), Some(called)) = (&registration.binding, request.uri.as_sip()) else {
            return;
        };
        let (Some(ours), Some(ip)) = (contact.as_sip(), called.host.ip()) else {
            return;
        };
        // A proxy may rewrite to where it saw us (RFC 3261 16.5 has the location service decide); ports follow from that.
        let public = registration.public().map(|public| public.ip());
        let known = [ours.host.ip(), public, Some(arrived.local.ip())];
        if known.contains(&Some(ip)) || registration.hops().iter().any(|hop| hop.local_ip == ip) {
            return;
        }
        let what = Rewritten {
            part: Part::RequestUri,
            sent: place(ours),
            seen: place(called),
        };
        self.tell_rewritten(&account, what);
    }

    /// A message that can't be read: whose length was left as it was when its body was changed.
    pub(super) fn look_at_fault(&mut self, remote: SocketAddr, fault: &Fault) {
        if let (Fault::BodyTruncated { want, have }, Some(account)) = (fault, self.account_at(remote.ip())) {
            let what = Rewritten {
                part: Part::Body,
                sent: format!("{want} bytes"),
                seen: format!("{have} bytes"),
            };
            self.tell_rewritten(&account, what);
        }
    }

    fn account_at(&self, address: IpAddr) -> Option<AccountName> {
        let mut names = self.registrations.keys();
        names.find(|name| self.guard.is_server_of(name, address)).cloned()
    }

    /// Once for each account and part: a router does it to every message.
    fn tell_rewritten(&mut self, account: &AccountName, what: Rewritten) {
        if self.rewritten.insert((account.clone(), what.part)) {
            self.event(UaEvent::Rewritten {
                account: account.clone(),
                what,
            });
        }
    }
}

fn compare_headers(sent: &Headers, seen: &Headers) -> Vec<Rewritten> {
    let mut found = Vec::new();
    let mut differs = |part, sent: String, seen: String| found.push(Rewritten { part, sent, seen });
    if let (Ok(sent), Ok(seen)) = (sent.from(), seen.from())
        && is_elsewhere(&sent.uri, &seen.uri)
    {
        differs(Part::From, sent.uri.to_string(), seen.uri.to_string());
    }
    if let (Ok(sent), Ok(seen)) = (sent.to(), seen.to())
        && is_elsewhere(&sent.uri, &seen.uri)
    {
        differs(Part::To, sent.uri.to_string(), seen.uri.to_string());
    }
    if let (Ok(sent), Ok(seen)) = (sent.call_id(), seen.call_id())
        && sent != seen
    {
        differs(Part::CallId, sent, seen);
    }
    found
}

/// Another user or host. Parameters and the way a URI is spelled are nothing a router does.
fn is_elsewhere(sent: &Uri, seen: &Uri) -> bool {
    match (sent.as_sip(), seen.as_sip()) {
        (Some(sent), Some(seen)) => sent.user != seen.user || sent.host != seen.host,
        _ => false,
    }
}

fn compare_via(sent: &Via, seen: &Via, hop: Hop) -> Option<Rewritten> {
    let port = |via: &Via| via.port.unwrap_or(SIP_PORT);
    let text = |via: &Via| format!("{}:{}", via.host, port(via));
    if sent.host != seen.host || port(sent) != port(seen) {
        return Some(Rewritten {
            part: Part::Via,
            sent: text(sent),
            seen: text(seen),
        });
    }
    // The server sees a public address behind a NAT and has to say so.
    let behind_nat = is_private(hop.local_ip) && !is_private(hop.remote.ip());
    (behind_nat && seen.received().is_none()).then(|| Rewritten {
        part: Part::HiddenVia,
        sent: text(sent),
        seen: text(seen),
    })
}

/// The one binding that a registrar lists of ours. One at the address it saw the request come from is its own doing; one
/// at our own address is the binding before it (Asterisk lists what its `rewrite_contact` was told first).
fn compare_contact(sent: &Headers, listed: &Headers, known: [Option<IpAddr>; 2]) -> Option<Rewritten> {
    let ours = sent.contact().ok()?;
    let ours = ours.uri.as_sip()?;
    let Ok(Contacts::List(contacts)) = listed.contacts() else {
        return None;
    };
    let [only] = contacts.as_slice() else { return None };
    let only = only.uri.as_sip()?;
    let same = only.host == ours.host && only.port.unwrap_or(SIP_PORT) == ours.port.unwrap_or(SIP_PORT);
    let is_known = only.host.ip().is_some_and(|ip| known.contains(&Some(ip)));
    if same || only.user != ours.user || is_known {
        return None;
    }
    Some(Rewritten {
        part: Part::Contact,
        sent: place(ours),
        seen: place(only),
    })
}

fn place(uri: &SipUri) -> String {
    format!("{}:{}", uri.host, uri.port.unwrap_or(SIP_PORT))
}

/// Addresses that mean something only behind the router they are behind (RFC 1918, 6598, 3927, 4193, 4291).
pub fn is_private(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            let [first, second, ..] = v4.octets();
            v4.is_private() || v4.is_loopback() || v4.is_link_local() || (first == 100 && second & 0xc0 == 64)
        }
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}
