//! What an account keeps up at its server beside its registration: subscriptions, publications. Looked over after every
//! input, so that neither registration nor calls need to know of them.

use super::hop::Hop;
use super::publication::Kind;
use super::subscriber::Package;
use super::{AccountName, RegistrationState, UserAgent};
use crate::sip::account::Account;
use crate::sip::message::{CSeq, HeaderName, Method, NameAddr, Request, Uri};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

/// The fixed parts of a series of requests outside of dialogs.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub call_id: String,
    pub tag: String,
    pub cseq: u32,
}

impl UserAgent {
    /// Sends what is due, begins what is wanted, ends what no longer is.
    pub(super) fn tend(&mut self, now: Instant) {
        if self.closing != super::Closing::No {
            return;
        }
        self.tend_subscriptions(now);
        self.tend_publications(now);
        self.tend_watchers(now);
    }

    pub(super) fn tend_poll(&self) -> Option<Instant> {
        let subscriptions = self
            .subscriptions
            .values()
            .filter_map(|subscription| subscription.poll_timeout());
        let publications = self
            .publications
            .values()
            .filter_map(|publication| publication.poll_timeout());
        let watchers = self.watchers.iter().map(|watcher| watcher.expires);
        subscriptions.chain(publications).chain(watchers).min()
    }

    /// Accounts whose server takes requests at present.
    pub(super) fn reachable_accounts(&self) -> Vec<Arc<Account>> {
        let reachable = self.registrations.values().filter(|registration| {
            let up = matches!(
                registration.state,
                RegistrationState::Registered | RegistrationState::Direct
            );
            up && !registration.hops().is_empty()
        });
        reachable
            .map(|registration| registration.account().clone())
            .collect()
    }

    pub(super) fn new_line(&mut self) -> Line {
        Line {
            call_id: self.token(),
            tag: self.token(),
            cseq: 0,
        }
    }

    /// A request at the account's server, outside of any dialog.
    pub(super) fn account_request(
        &self,
        account: &AccountName,
        line: &mut Line,
        method: Method,
        target: Uri,
    ) -> Option<(Request, VecDeque<Hop>, Arc<Account>)> {
        let registration = self.registrations.get(account)?;
        let hops: VecDeque<Hop> = registration.hops().iter().copied().collect();
        let &hop = hops.front()?;
        let account = registration.account().clone();
        line.cseq += 1;
        let mut request = Request::new(method.clone(), target.clone());
        let mut contact = self.config.contact(&account.username, hop, registration.public());
        let headers = &mut request.headers;
        if method == Method::Subscribe {
            registration.flow.mark(&mut contact, headers);
        }
        headers.push(HeaderName::MAX_FORWARDS, "70");
        for route in registration.service_route() {
            headers.push(HeaderName::ROUTE, route.to_string());
        }
        headers.push(
            HeaderName::FROM,
            account.identity(None).with_tag(&line.tag).to_string(),
        );
        headers.push(HeaderName::TO, NameAddr::new(target).to_string());
        headers.push(HeaderName::CALL_ID, line.call_id.as_str());
        let number = line.cseq;
        headers.push(HeaderName::CSEQ, CSeq { number, method }.to_string());
        headers.push(HeaderName::CONTACT, format!("<{contact}>"));
        self.put_user_agent(&mut request);
        Some((request, hops, account))
    }

    /// The account whose server sent something that no dialog knows: by the user it names, or the only one there.
    pub(super) fn account_of_server(&self, arrived: &super::wire::Arrived) -> Option<AccountName> {
        let from_server = |name: &&AccountName| self.is_server_of(name, arrived.remote);
        let user = arrived.request.uri.user();
        let mut names = self.registrations.keys().filter(from_server);
        let named = self.registrations.iter().find(|(name, registration)| {
            user.as_deref() == Some(registration.account().username.as_str()) && from_server(name)
        });
        named
            .map(|(name, _)| name.clone())
            .or_else(|| names.next().cloned())
    }

    /// What the accounts are to keep up.
    pub(super) fn wanted_packages(account: &Account) -> Vec<Package> {
        let mut packages = Vec::new();
        if account.events.message_waiting.is_some() {
            packages.push(Package::MessageSummary);
        }
        if account.events.subscribe_registration {
            packages.push(Package::Registration);
        }
        packages
    }

    /// The same for publications.
    pub(super) fn wanted_kinds(account: &Account) -> Option<Kind> {
        account.events.publish_presence.then_some(Kind::Presence)
    }
}
