//! Subscriptions of ours (RFC 6665): messages waiting (RFC 3842) and our own registration (RFC 3680). Kept up for as long
//! as the account can be reached; what the server says ends or moves them as RFC 6665 4.1.3 has it.

use super::backoff::{self, Fault};
use super::hop::Hop;
use super::job::{Job, Outcome, Owner};
use super::stray::status;
use super::tend::Line;
use super::wire::Arrived;
use super::{AccountName, UaEvent, UserAgent};
use crate::sip::account::Account;
use crate::sip::dialog::Dialog;
use crate::sip::event::message_summary::MessageSummary;
use crate::sip::event::reginfo;
use crate::sip::message::{HeaderName, Headers, Method, Params, Request, Response, Uri};
use rand::RngExt;
use std::time::{Duration, Instant};

/// What we ask for, seconds; the server's answer decides.
const WISH_S: u32 = 3600;

/// No answer of a server's makes us refresh more often.
const SHORTEST: Duration = Duration::from_secs(30);

/// Subscribed anew after the server ended a subscription: never in a circle without a pause.
const ANEW: Duration = Duration::from_secs(2);

/// An event package of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Package {
    /// RFC 3842.
    MessageSummary,
    /// RFC 3680.
    Registration,
}

impl Package {
    const fn name(self) -> &'static str {
        match self {
            Self::MessageSummary => "message-summary",
            Self::Registration => "reg",
        }
    }

    const fn accept(self) -> &'static str {
        match self {
            Self::MessageSummary => "application/simple-message-summary",
            Self::Registration => "application/reginfo+xml",
        }
    }
}

/// One subscription.
#[derive(Debug)]
pub(super) struct Subscription {
    line: Line,
    dialog: Option<Dialog>,
    hop: Option<Hop>,
    phase: Phase,
    /// Seconds to ask for; a 423 raises it.
    wish_s: u32,
    failures: u32,
    /// The last NOTIFY's number: older ones are out of order.
    last_notify: Option<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// SUBSCRIBE is out.
    Trying,
    /// Until the refresh, or the next try.
    Waiting(Instant),
}

impl Subscription {
    pub fn poll_timeout(&self) -> Option<Instant> {
        match self.phase {
            Phase::Trying => None,
            Phase::Waiting(until) => Some(until),
        }
    }

    fn note_sent(&mut self, number: u32) {
        self.line.cseq = self.line.cseq.max(number);
        if let Some(dialog) = &mut self.dialog {
            dialog.note_sent(number);
        }
    }
}

/// What a `Subscription-State` header says.
#[derive(Debug, Default, PartialEq, Eq)]
struct State {
    terminated: bool,
    reason: Option<String>,
    expires_s: Option<u32>,
    retry_after_s: Option<u32>,
}

impl State {
    fn of(headers: &Headers) -> Self {
        let text = headers.first(&HeaderName::SUBSCRIPTION_STATE).unwrap_or_default();
        let (state, params) = text.split_once(';').unwrap_or((&text, ""));
        let params = Params::parse(&format!(";{params}")).unwrap_or_default();
        let number = |name: &str| params.value(name).and_then(|value| value.trim().parse().ok());
        Self {
            terminated: state.trim().eq_ignore_ascii_case("terminated"),
            reason: params.value("reason").map(|reason| reason.to_ascii_lowercase()),
            expires_s: number("expires"),
            retry_after_s: number("retry-after"),
        }
    }
}

impl UserAgent {
    /// Begins, refreshes and ends subscriptions.
    pub(super) fn tend_subscriptions(&mut self, now: Instant) {
        let reachable = self.reachable_accounts();
        let known = &self.registrations;
        let unwanted: Vec<_> = self
            .subscriptions
            .keys()
            .filter(|(account, package)| {
                let account = known.get(account).map(|registration| registration.account());
                !account.is_some_and(|account| Self::wanted_packages(account).contains(package))
            })
            .cloned()
            .collect();
        for key in unwanted {
            self.unsubscribe(now, &key);
        }
        for account in reachable {
            for package in Self::wanted_packages(&account) {
                let key = (account.name.clone(), package);
                if !self.subscriptions.contains_key(&key) {
                    let line = self.new_line();
                    self.subscriptions.insert(
                        key.clone(),
                        Subscription {
                            line,
                            dialog: None,
                            hop: None,
                            phase: Phase::Waiting(now),
                            wish_s: WISH_S,
                            failures: 0,
                            last_notify: None,
                        },
                    );
                }
                let due = self.subscriptions.get(&key).and_then(Subscription::poll_timeout);
                if due.is_some_and(|due| due <= now) {
                    self.subscribe(now, &key);
                }
            }
        }
        // Those of accounts that can't be reached now wait until they can.
        for subscription in self.subscriptions.values_mut() {
            if subscription.poll_timeout().is_some_and(|due| due <= now) {
                subscription.phase = Phase::Waiting(now + SHORTEST);
            }
        }
    }

    fn subscribe(&mut self, now: Instant, key: &(AccountName, Package)) {
        let Some((mut request, hops, account)) = self.subscription_request(key) else {
            return;
        };
        let Some(subscription) = self.subscriptions.get_mut(key) else {
            return;
        };
        subscription.phase = Phase::Trying;
        request
            .headers
            .push(HeaderName::EXPIRES, subscription.wish_s.to_string());
        let owner = Owner::Subscription(key.clone());
        self.send(now, Job::new(request, hops, Some(account), owner));
    }

    fn subscription_request(
        &mut self,
        key: &(AccountName, Package),
    ) -> Option<(Request, std::collections::VecDeque<Hop>, std::sync::Arc<Account>)> {
        let (name, package) = key;
        let subscription = self.subscriptions.get_mut(key)?;
        let (mut request, hops, account) = match (&mut subscription.dialog, subscription.hop) {
            (Some(dialog), Some(hop)) => {
                let account = self.registrations.get(name)?.account().clone();
                let mut request = dialog.request(Method::Subscribe);
                request
                    .headers
                    .push(HeaderName::CONTACT, format!("<{}>", dialog.contact()));
                let hop = hop.towards(dialog.next_hop());
                self.put_user_agent(&mut request);
                (request, [hop].into(), account)
            }
            _ => {
                let account = self.registrations.get(name)?.account().clone();
                let target = subscription_target(&account, *package)?;
                let mut line = subscription.line.clone();
                let made = self.account_request(name, &mut line, Method::Subscribe, target)?;
                if let Some(subscription) = self.subscriptions.get_mut(key) {
                    subscription.line = line;
                }
                made
            }
        };
        request.headers.push(HeaderName::EVENT, package.name());
        request.headers.push(HeaderName::ACCEPT, package.accept());
        Some((request, hops, account))
    }

    /// Ends one (`Expires: 0`); its last NOTIFY is nobody's.
    fn unsubscribe(&mut self, now: Instant, key: &(AccountName, Package)) {
        self.clients_forget(&Owner::Subscription(key.clone()));
        let Some(mut subscription) = self.subscriptions.remove(key) else {
            return;
        };
        let (Some(dialog), Some(hop)) = (&mut subscription.dialog, subscription.hop) else {
            return;
        };
        let mut request = dialog.request(Method::Subscribe);
        request
            .headers
            .push(HeaderName::CONTACT, format!("<{}>", dialog.contact()));
        request.headers.push(HeaderName::EVENT, key.1.name());
        request.headers.push(HeaderName::EXPIRES, "0");
        self.put_user_agent(&mut request);
        let hop = hop.towards(dialog.next_hop());
        let account = self
            .registrations
            .get(&key.0)
            .map(|registration| registration.account().clone());
        self.send(now, Job::new(request, [hop], account, Owner::Nobody));
    }

    /// Ends all of them.
    pub(super) fn unsubscribe_all(&mut self, now: Instant) {
        let keys: Vec<_> = self.subscriptions.keys().cloned().collect();
        for key in keys {
            self.unsubscribe(now, &key);
        }
    }

    pub(super) fn subscription_note_sent(&mut self, key: &(AccountName, Package), number: u32) {
        if let Some(subscription) = self.subscriptions.get_mut(key) {
            subscription.note_sent(number);
        }
    }

    /// SUBSCRIBE got its final answer, or none.
    pub(super) fn subscribed(
        &mut self,
        now: Instant,
        key: &(AccountName, Package),
        job: &Job,
        outcome: &Outcome,
    ) {
        let refreshed = job.request.headers.to().is_ok_and(|to| to.tag().is_some());
        let Some(subscription) = self.subscriptions.get_mut(key) else {
            return;
        };
        match outcome {
            Outcome::Response(response) => match response.status.code() {
                200..=299 => {
                    subscription.failures = 0;
                    if !refreshed {
                        subscription.dialog = Dialog::from_response(&job.request, response);
                        subscription.hop = job.hops.front().copied();
                    } else if let Some(dialog) = &mut subscription.dialog {
                        dialog.refresh_target(&response.headers);
                    }
                    let granted_s = response.headers.expires().unwrap_or(subscription.wish_s);
                    self.subscription_lasts(now, key, granted_s);
                }
                423 if raises(response, subscription.wish_s) => {
                    subscription.wish_s = response.headers.min_expires().unwrap_or(subscription.wish_s);
                    subscription.phase = Phase::Waiting(now);
                }
                // The server has forgotten it (4.1.2.2): anew.
                481 if refreshed => self.subscribe_anew(now, key, ANEW),
                401 | 403..=405 | 410 | 481 | 489 | 501 | 600..=699 => {
                    self.subscription_fault(now, key, Fault::Refused);
                }
                _ => {
                    let retry_after_s = response.headers.retry_after();
                    self.subscription_fault(now, key, Fault::Passing { retry_after_s });
                }
            },
            Outcome::Timeout | Outcome::Unreachable(_) => {
                self.subscription_fault(now, key, Fault::Passing { retry_after_s: None });
            }
        }
    }

    fn subscription_lasts(&mut self, now: Instant, key: &(AccountName, Package), granted_s: u32) {
        let refresh = Duration::from_secs(granted_s.into()).mul_f64(self.rng.random_range(0.75..0.85));
        if let Some(subscription) = self.subscriptions.get_mut(key) {
            subscription.phase = Phase::Waiting(now + refresh.max(SHORTEST));
        }
    }

    fn subscription_fault(&mut self, now: Instant, key: &(AccountName, Package), fault: Fault) {
        let Some(subscription) = self.subscriptions.get_mut(key) else {
            return;
        };
        subscription.failures = subscription.failures.saturating_add(1);
        let failures = subscription.failures;
        let wait = backoff::wait(&mut self.rng, failures, fault);
        self.subscribe_anew(now, key, wait);
    }

    /// A new subscription after a wait.
    fn subscribe_anew(&mut self, now: Instant, key: &(AccountName, Package), wait: Duration) {
        let line = self.new_line();
        if let Some(subscription) = self.subscriptions.get_mut(key) {
            subscription.line = line;
            subscription.dialog = None;
            subscription.hop = None;
            subscription.last_notify = None;
            subscription.phase = Phase::Waiting(now + wait);
        }
    }

    /// A NOTIFY with a To tag; `false`: it belongs to no subscription.
    pub(super) fn notified(&mut self, now: Instant, arrived: &Arrived) -> bool {
        let headers = &arrived.request.headers;
        let (Ok(call_id), Ok(to), Ok(cseq)) = (headers.call_id(), headers.to(), headers.cseq()) else {
            return false;
        };
        let package = event_package(headers);
        // By Call-ID and our tag alone: it may come before the 2xx that makes the dialog (4.1.2.4).
        let found = self.subscriptions.iter_mut().find(|((_, own), subscription)| {
            own.name() == package
                && subscription.line.call_id == call_id
                && to.tag().as_deref() == Some(subscription.line.tag.as_str())
        });
        let Some((key, subscription)) = found else {
            return false;
        };
        let key = key.clone();
        if subscription.last_notify.is_some_and(|last| cseq.number < last) {
            self.reply(arrived, status(500));
            return true;
        }
        let repeated = subscription.last_notify.replace(cseq.number) == Some(cseq.number);
        self.reply(arrived, status(200));
        if !repeated {
            self.take_notification(now, &key, arrived);
        }
        true
    }

    fn take_notification(&mut self, now: Instant, key: &(AccountName, Package), arrived: &Arrived) {
        let state = State::of(&arrived.request.headers);
        self.take_state(now, key, &arrived.request.body);
        if state.terminated {
            let retry = state
                .retry_after_s
                .map(|seconds| Duration::from_secs(seconds.into()));
            match state.reason.as_deref() {
                // 4.1.3: subscribe again, at once or when told.
                Some("deactivated" | "timeout") | None => self.subscribe_anew(now, key, ANEW),
                Some("probation" | "giveup") => match retry {
                    Some(wait) => self.subscribe_anew(now, key, wait.max(ANEW)),
                    None => self.subscription_fault(now, key, Fault::Passing { retry_after_s: None }),
                },
                Some(_) => self.subscription_fault(now, key, Fault::Refused),
            }
        } else if let Some(expires_s) = state.expires_s
            && self
                .subscriptions
                .get(key)
                .is_some_and(|subscription| subscription.dialog.is_some())
        {
            self.subscription_lasts(now, key, expires_s);
        }
    }

    fn take_state(&mut self, now: Instant, key: &(AccountName, Package), body: &[u8]) {
        match key.1 {
            Package::MessageSummary => self.messages_waiting(&key.0, body),
            Package::Registration => {
                let Some(registration) = self.registrations.get(&key.0) else {
                    return;
                };
                let ours = registration.binding.as_ref().map(|binding| binding.0.clone());
                let is_ours = |uri: &str| {
                    let uri = Uri::parse(uri).ok();
                    uri.zip(ours.as_ref())
                        .is_some_and(|(uri, ours)| uri.equivalent(ours))
                };
                if ours.is_some() && reginfo::binding(body, is_ours) == Some(reginfo::Binding::Gone) {
                    self.look_up_registrar(now, &key.0);
                }
            }
        }
    }

    fn messages_waiting(&mut self, account: &AccountName, body: &[u8]) {
        if let Some(summary) = MessageSummary::parse(body) {
            self.event(UaEvent::MessagesWaiting {
                account: account.clone(),
                summary,
            });
        }
    }

    /// A NOTIFY that nobody subscribed to: of messages waiting it is taken from the account's own server. A keep-alive is
    /// answered to whoever sends it (many servers use it so).
    pub(super) fn notified_unasked(&mut self, arrived: &Arrived) {
        match event_package(&arrived.request.headers).as_str() {
            "message-summary" => match self.account_of_server(arrived) {
                Some(account) => {
                    self.reply(arrived, status(200));
                    self.messages_waiting(&account, &arrived.request.body);
                }
                None => self.reply(arrived, status(481)),
            },
            "keep-alive" => self.reply(arrived, status(200)),
            _ => {
                let mut response = self.stateless_response(arrived, status(489));
                response
                    .headers
                    .push(HeaderName::ALLOW_EVENTS, super::stray::EVENTS);
                self.transmit_response(arrived.back, response);
            }
        }
    }
}

fn raises(response: &Response, wish_s: u32) -> bool {
    response
        .headers
        .min_expires()
        .is_some_and(|least_s| least_s > wish_s)
}

/// The package that an Event header names, without its parameters.
pub(super) fn event_package(headers: &Headers) -> String {
    let event = headers.first(&HeaderName::EVENT).unwrap_or_default();
    event
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase()
}

fn subscription_target(account: &Account, package: Package) -> Option<Uri> {
    match package {
        Package::MessageSummary => account
            .events
            .message_waiting
            .as_ref()
            .map(|mailbox| mailbox.clone().unwrap_or_else(|| account.address_of_record())),
        Package::Registration => Some(account.address_of_record()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subscription_states_as_servers_write_them() {
        let state = |text: &str| {
            let mut headers = Headers::default();
            headers.push(HeaderName::SUBSCRIPTION_STATE, text);
            State::of(&headers)
        };
        assert_eq!(state("active;expires=600").expires_s, Some(600));
        assert!(!state("pending").terminated);
        let ended = state("Terminated; reason=Probation ;retry-after=30");
        assert!(ended.terminated);
        assert_eq!(ended.reason.as_deref(), Some("probation"));
        assert_eq!(ended.retry_after_s, Some(30));
        assert_eq!(State::of(&Headers::default()), State::default());
    }
}
