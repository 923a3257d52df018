//! 3xx to our INVITE: its Contacts tried in turn, at most five, none twice (RFC 3261 8.1.3.4).

use super::call::Stage;
use super::hop::{Hop, transport_of};
use super::job::Outcome;
use super::location::Wanted;
use super::{CallId, UserAgent};
use crate::sip::account::Account;
use crate::sip::message::{CSeq, Contacts, HeaderName, Method, Response, SipUri, Uri};
use std::collections::VecDeque;
use std::time::Instant;

/// Targets tried for one call besides the first.
const MOST: usize = 5;

/// Where a call has been sent on to.
#[derive(Debug)]
pub(super) struct Redirects {
    /// The first target's scheme was `sips:`: a redirection must not take that away (RFC 5630 3.2).
    secure: bool,
    /// Every Request-URI tried, the present one last.
    tried: Vec<Uri>,
    waiting: VecDeque<SipUri>,
}

impl Redirects {
    pub fn new(first: Uri) -> Self {
        Self {
            secure: first.as_sip().is_some_and(|uri| uri.secure),
            tried: vec![first],
            waiting: VecDeque::new(),
        }
    }

    /// Whether the present target isn't the first one.
    pub fn is_under_way(&self) -> bool {
        self.tried.len() > 1
    }

    /// Whether the present target is at the account's own server, which may see its credentials.
    pub fn is_at_home(&self, account: &Account) -> bool {
        self.tried.len() == 1
            || self
                .tried
                .last()
                .and_then(Uri::as_sip)
                .is_some_and(|target| account.is_home_of(target))
    }

    /// Adds a response's Contacts, the likeliest first, and gives the next target.
    fn next(&mut self, response: Option<&Response>, account: Option<&Account>) -> Option<SipUri> {
        if let Some(Ok(Contacts::List(contacts))) = response.map(|r| r.headers.contacts()) {
            let mut offered: Vec<(u16, SipUri)> = Vec::new();
            for contact in contacts {
                let mut target = match (contact.uri, account) {
                    (Uri::Sip(target), _) => target,
                    // A number is called through the account's own server (RFC 3261 19.1.6).
                    (Uri::Tel(tel), Some(account)) => account.number_uri(&tel.digits()),
                    (Uri::Tel(_) | Uri::Other(_), _) => continue,
                };
                let q: f32 = contact
                    .params
                    .value("q")
                    .and_then(|q| q.parse().ok())
                    .unwrap_or(1.0);
                target.headers.clear();
                target.params.remove("method");
                // Permille; a stable sort keeps the server's order among equals.
                offered.push(((q.clamp(0.0, 1.0) * 1000.0) as u16, target));
            }
            offered.sort_by_key(|(q, _)| std::cmp::Reverse(*q));
            // What the last server says goes before what earlier ones left.
            for (_, target) in offered.into_iter().rev() {
                self.waiting.push_front(target);
            }
            self.waiting.truncate(MOST);
        }
        while let Some(target) = self.waiting.pop_front() {
            let uri = Uri::Sip(target.clone());
            if self.tried.len() <= MOST
                && (target.secure || !self.secure)
                && !self.tried.iter().any(|tried| tried.equivalent(&uri))
            {
                self.tried.push(uri);
                return Some(target);
            }
        }
        None
    }
}

impl Account {
    /// Whether a URI is of this account's server or domain.
    fn is_home_of(&self, uri: &SipUri) -> bool {
        let host = uri.host.to_unbracketed();
        host.eq_ignore_ascii_case(&self.server_host)
            || self
                .domain
                .as_deref()
                .is_some_and(|domain| host.eq_ignore_ascii_case(domain))
    }
}

impl UserAgent {
    /// Tries the next target after a refusal. `false`: there is none.
    pub(super) fn redirect(&mut self, now: Instant, call: CallId, outcome: &Outcome) -> bool {
        let contacts = match outcome {
            // 380 describes another service, its Contacts aren't the called party's (21.3.5).
            Outcome::Response(response) if matches!(response.status.code(), 300..=379) => Some(&**response),
            // A target that failed leaves the rest to try; one that declined for all does not.
            Outcome::Response(response) if response.status.code() >= 600 => return false,
            _ => None,
        };
        let Some(entry) = self.calls.get_mut(&call) else {
            return false;
        };
        let Stage::Outgoing(outgoing) = &mut entry.stage else {
            return false;
        };
        let account = entry.account.as_deref();
        if account.is_some_and(|account| !account.follow_redirects) {
            return false;
        }
        let Some(target) = outgoing.redirects.next(contacts, account) else {
            return false;
        };
        let number = outgoing.request.headers.cseq().map_or(1, |cseq| cseq.number) + 1;
        let cseq = CSeq {
            number,
            method: Method::Invite,
        };
        outgoing.request.headers.set(HeaderName::CSEQ, cseq.to_string());
        for name in [
            HeaderName::ROUTE,
            HeaderName::AUTHORIZATION,
            HeaderName::PROXY_AUTHORIZATION,
        ] {
            outgoing.request.headers.remove(&name);
        }
        outgoing.request.uri = target.clone().into();
        let home = entry
            .account
            .as_ref()
            .filter(|account| account.is_home_of(&target));
        let hops: VecDeque<Hop> = home
            .and_then(|account| self.registrations.get(&account.name))
            .map(|registration| registration.hops().iter().copied().collect())
            .unwrap_or_default();
        if hops.is_empty() {
            let wanted = Wanted {
                host: target.host.to_unbracketed(),
                port: target.port,
                transport: transport_of(&target),
                secure: target.secure,
            };
            self.look_up(now, call, wanted);
        } else {
            self.start_invite(now, call, hops);
        }
        true
    }
}
