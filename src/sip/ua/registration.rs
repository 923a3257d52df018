//! Accounts that register: when, with what, and what to do about each answer.

use super::backoff::{self, Fault};
use super::failover::SILENT_TARGET;
use super::healing::Healing;
use super::hop::Hop;
use super::job::{Job, Outcome, Owner};
use super::keep_alive::KeepAlive;
use super::registrar::{Binding, Flow, Series, granted_s};
use super::{AccountName, RegistrationState, RegistrationStatus, UaEvent, UserAgent, Waiter};
use crate::sip::account::Account;
use crate::sip::message::{HeaderName, NameAddr, Response, Uri};
use rand::RngExt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A NAT whose mapping differs each time would have us register for ever.
const MOST_ADAPTATIONS: u8 = 2;

/// One account's registration.
#[derive(Debug)]
pub(super) struct Registration {
    pub(super) account: Arc<Account>,
    pub(super) series: Series,
    pub(super) phase: Phase,
    pub(super) state: RegistrationState,
    /// What the registrar knows us by, and until when.
    pub(super) binding: Option<(Uri, Instant)>,
    pub(super) granted_s: u32,
    /// Seconds to ask for; a 423 raises it.
    pub(super) wish_s: u32,
    pub(super) failures: u32,
    pub(super) last_error: Option<String>,
    /// Ways to the server, the one in use first.
    pub(super) hops: Vec<Hop>,
    /// Further ways for the attempt under way.
    pub(super) untried: usize,
    /// How the server sees us, where that isn't how we see ourselves.
    pub(super) public: Option<SocketAddr>,
    pub(super) adaptations: u8,
    pub(super) service_route: Vec<NameAddr>,
    pub(super) flow: Flow,
    pub(super) keep_alive: KeepAlive,
    pub(super) healing: Healing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Nothing is registered for this account.
    Direct,
    /// The server's addresses are looked up.
    Looking,
    /// REGISTER is out.
    Trying,
    /// Until the refresh, or the next try.
    Waiting(Instant),
}

impl Registration {
    /// An account that has just come.
    pub fn new(account: Account, series: Series) -> Self {
        let state = if account.register {
            RegistrationState::Registering
        } else {
            RegistrationState::Direct
        };
        Self {
            series,
            phase: Phase::Direct,
            state,
            binding: None,
            granted_s: 0,
            wish_s: account.expires_s,
            failures: 0,
            last_error: None,
            hops: Vec::new(),
            untried: 0,
            public: None,
            adaptations: 0,
            service_route: Vec::new(),
            flow: Flow::new(&account),
            keep_alive: KeepAlive::default(),
            healing: Healing::default(),
            account: Arc::new(account),
        }
    }

    pub fn account(&self) -> &Arc<Account> {
        &self.account
    }

    pub fn hops(&self) -> &[Hop] {
        &self.hops
    }

    pub fn public(&self) -> Option<SocketAddr> {
        self.public
    }

    /// How the element at the other end of `hop` sees us, as far as that is known.
    pub fn public_on(&self, hop: Hop) -> Option<SocketAddr> {
        let ours = self.hops.first().is_some_and(|first| first.leads_where(hop));
        self.public.filter(|_| ours)
    }

    pub fn service_route(&self) -> &[NameAddr] {
        &self.service_route
    }

    pub fn note_sent(&mut self, number: u32) {
        self.series.cseq = self.series.cseq.max(number);
    }

    pub fn status(&self) -> RegistrationStatus {
        RegistrationStatus {
            account: self.account.name.clone(),
            state: self.state,
            expires_at: self.binding.as_ref().map(|binding| binding.1),
            last_error: self.last_error.clone(),
        }
    }

    pub(super) fn event(&self) -> UaEvent {
        UaEvent::Registration {
            account: self.account.name.clone(),
            state: self.state,
            expires_s: (self.state == RegistrationState::Registered).then_some(self.granted_s),
            error: self.last_error.clone(),
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let next = match self.phase {
            Phase::Waiting(until) => Some(until),
            Phase::Direct | Phase::Looking | Phase::Trying => None,
        };
        let expiry = self.binding.as_ref().map(|binding| binding.1);
        [next, expiry, self.keep_alive.poll_timeout(), self.healing.probe]
            .into_iter()
            .flatten()
            .min()
    }
}

impl UserAgent {
    /// Asks for the server's addresses; whatever was under way is dropped.
    pub(super) fn look_up_registrar(&mut self, now: Instant, account: &AccountName) {
        let waiter = Waiter::Registration(account.clone());
        self.locator.withdraw(|other| *other != waiter);
        self.clients_forget(&Owner::Register(account.clone()));
        let Some(registration) = self.registrations.get_mut(account) else {
            return;
        };
        if !registration.account.register {
            // Calls look it up when they come; asking now has it at hand.
            registration.phase = Phase::Direct;
        } else {
            registration.phase = Phase::Looking;
        }
        let wanted = registration.account.wanted();
        self.find(now, wanted, waiter);
    }

    pub(super) fn register_resolved(
        &mut self,
        now: Instant,
        account: &AccountName,
        result: Result<Vec<Hop>, String>,
    ) {
        let Some(registration) = self.registrations.get(account) else {
            return;
        };
        let (looking, bound) = (
            registration.phase == Phase::Looking,
            registration.binding.is_some(),
        );
        let current = registration.hops.first().copied().filter(|_| bound);
        match result {
            Ok(hops) => {
                let hops = self.in_order(now, hops, current);
                let resting = hops
                    .iter()
                    .all(|hop| !self.health.may_be_probed(now, hop.transport, hop.remote));
                let untried = self.welcome(now, &hops).len().saturating_sub(1);
                let rests_until = hops
                    .first()
                    .and_then(|hop| self.health.rests_until(now, hop.transport, hop.remote));
                let Some(registration) = self.registrations.get_mut(account) else {
                    return;
                };
                registration.hops = hops;
                registration.untried = untried;
                if !looking {
                    return;
                }
                match rests_until.filter(|_| resting) {
                    Some(until) => {
                        let left = until.saturating_duration_since(now).as_secs().saturating_add(1);
                        let retry_after_s = Some(u32::try_from(left).unwrap_or(u32::MAX));
                        let reason = "503 (the server asked to be left alone for a while)".to_owned();
                        self.register_fault(now, account, Fault::Passing { retry_after_s }, reason);
                    }
                    None => self.register(now, account),
                }
            }
            Err(reason) if looking => {
                let reason = format!("{}: {reason}", registration.account.server_host);
                self.register_fault(now, account, Fault::Passing { retry_after_s: None }, reason);
            }
            Err(_) => {}
        }
    }

    /// Sends REGISTER over the first hop.
    pub(super) fn register(&mut self, now: Instant, account: &AccountName) {
        let Some(registration) = self.registrations.get_mut(account) else {
            return;
        };
        let Some(&hop) = registration.hops.first() else {
            return;
        };
        registration.phase = Phase::Trying;
        registration.keep_alive.stop();
        let contact = self
            .config
            .contact(&registration.account.username, hop, registration.public);
        let old = registration
            .binding
            .as_ref()
            .map(|binding| &binding.0)
            .filter(|old| **old != contact);
        let binding = Binding {
            contact: &contact,
            params: registration.flow.contact_params(self.config.instance.as_deref()),
            expires_s: registration.wish_s,
            old,
        };
        let mut request = registration.series.next(&registration.account, &binding);
        request.headers.push(
            HeaderName::SUPPORTED,
            registration.flow.supported(self.config.instance.as_deref()),
        );
        let patience = (registration.untried > 0).then_some(SILENT_TARGET);
        let account = registration.account.clone();
        self.put_user_agent(&mut request);
        let owner = Owner::Register(account.name.clone());
        let job = Job {
            patience,
            ..Job::new(request, [hop], Some(account), owner)
        };
        self.send(now, job);
    }

    /// REGISTER got its final answer, or none.
    pub(super) fn register_finished(
        &mut self,
        now: Instant,
        account: &AccountName,
        job: &Job,
        outcome: Outcome,
    ) {
        let reason = format!("{} {}", outcome.status(), outcome.reason());
        let Some(registration) = self.registrations.get_mut(account) else {
            return;
        };
        // Another server may do what this one doesn't (RFC 3263 4.3; 408 stands for silence).
        if matches!(outcome.status(), 408 | 500 | 502..=504) && registration.untried > 0 {
            registration.untried -= 1;
            registration.hops.rotate_left(1);
            return self.register(now, account);
        }
        match outcome {
            Outcome::Response(response) => match response.status.code() {
                200..=299 => self.registered(now, account, job, &response),
                423 if response
                    .headers
                    .min_expires()
                    .is_some_and(|least_s| least_s > registration.wish_s) =>
                {
                    // Each time the wish grows, so this ends.
                    registration.wish_s = response.headers.min_expires().unwrap_or(registration.wish_s);
                    self.register(now, account);
                }
                // The first hop, or the registrar, can't do outbound (RFC 5626 11.6): without, then.
                420 | 439 if registration.flow.is_wanted() => {
                    registration.flow = Flow::Refused;
                    self.register(now, account);
                }
                401 | 407 => {
                    self.authenticators.remove(account);
                    self.register_fault(
                        now,
                        account,
                        Fault::Refused,
                        format!("{reason} (user name or password)"),
                    );
                }
                403 => {
                    let wait_s = registration.account.forbidden_wait_s;
                    self.register_fault(now, account, Fault::Forbidden { wait_s }, reason);
                }
                // Not a matter of time: unknown, not a registrar.
                404..=405 | 410 | 501 | 600..=699 => {
                    self.register_fault(now, account, Fault::Refused, reason)
                }
                _ => {
                    let fault = Fault::Passing {
                        retry_after_s: response.headers.retry_after(),
                    };
                    self.register_fault(now, account, fault, reason);
                }
            },
            Outcome::Timeout | Outcome::Unreachable(_) => {
                self.register_fault(now, account, Fault::Passing { retry_after_s: None }, reason);
            }
        }
    }

    fn registered(&mut self, now: Instant, account: &AccountName, job: &Job, response: &Response) {
        let Some(registration) = self.registrations.get_mut(account) else {
            return;
        };
        let Ok(contact) = job.request.headers.contact() else {
            return;
        };
        let granted_s = granted_s(response, &contact.uri, registration.wish_s);
        if granted_s == 0 {
            let reason = "the registrar granted 0 seconds".to_owned();
            return self.register_fault(now, account, Fault::Passing { retry_after_s: None }, reason);
        }
        let granted = Duration::from_secs(granted_s.into());
        registration.binding = Some((contact.uri.clone(), now + granted));
        registration.granted_s = granted_s;
        registration.failures = 0;
        registration.last_error = None;
        registration.service_route = response
            .headers
            .addresses(&HeaderName::SERVICE_ROUTE)
            .unwrap_or_default();
        registration.flow.confirmed(response);
        registration.state = RegistrationState::Registered;

        let hop = registration.hops.first().copied();
        let here = hop.map(|hop| {
            self.config
                .contact(&registration.account.username, hop, registration.public)
        });
        if here.is_some_and(|here| here != contact.uri) && registration.adaptations < MOST_ADAPTATIONS {
            // The server sees us elsewhere than we said: register what it sees.
            registration.adaptations += 1;
            self.register(now, account);
        } else {
            registration.adaptations = 0;
            // With time left for several more tries, and never in step with others.
            let refresh = granted.mul_f64(self.rng.random_range(0.75..0.85));
            registration.phase = Phase::Waiting(now + refresh);
            self.start_keep_alive(now, account, response);
            self.move_calls(account);
        }
        let Some(registration) = self.registrations.get(account) else {
            return;
        };
        let event = registration.event();
        self.event(event);
    }

    /// The attempt failed: wait and try again.
    fn register_fault(&mut self, now: Instant, account: &AccountName, fault: Fault, reason: String) {
        let Some(registration) = self.registrations.get_mut(account) else {
            return;
        };
        registration.failures = registration.failures.saturating_add(1);
        registration.adaptations = 0;
        registration.keep_alive.stop();
        registration.healing.probe = None;
        let mut wait = backoff::wait(&mut self.rng, registration.failures, fault);
        let bound = registration
            .binding
            .as_ref()
            .map(|binding| binding.1)
            .filter(|until| *until > now);
        match (fault, bound) {
            // The registrar still knows us: calls go on as before.
            (Fault::Passing { .. }, Some(_)) => {}
            (Fault::Passing { .. }, None) | (Fault::Refused | Fault::Forbidden { .. }, _) => {
                registration.state = RegistrationState::Failed;
                registration.binding = None;
            }
        }
        wait = wait.max(Duration::from_secs(1));
        registration.phase = Phase::Waiting(now + wait);
        registration.last_error = Some(reason);
        let event = registration.event();
        self.event(event);
    }

    /// The addresses a call found for an account that doesn't register.
    pub(super) fn note_hops(&mut self, account: &AccountName, hops: impl Iterator<Item = Hop>) {
        if let Some(registration) = self.registrations.get_mut(account)
            && registration.phase == Phase::Direct
        {
            registration.hops = hops.collect();
        }
    }

    pub(super) fn registrations_timeout(&mut self, now: Instant) {
        let due = |r: &Registration| r.poll_timeout().is_some_and(|at| at <= now);
        let names: Vec<AccountName> = self
            .registrations
            .iter()
            .filter(|(_, r)| due(r))
            .map(|(name, _)| name.clone())
            .collect();
        for name in names {
            let Some(registration) = self.registrations.get_mut(&name) else {
                continue;
            };
            if registration
                .binding
                .as_ref()
                .is_some_and(|binding| now >= binding.1)
            {
                registration.binding = None;
                registration.keep_alive.stop();
                registration.state = RegistrationState::Failed;
                let event = registration.event();
                self.event(event);
            }
            self.healing_timeout(now, &name);
            let Some(registration) = self.registrations.get_mut(&name) else {
                continue;
            };
            if let Phase::Waiting(until) = registration.phase
                && now >= until
            {
                self.look_up_registrar(now, &name);
            }
        }
    }

    pub(super) fn registrations_poll(&self) -> Option<Instant> {
        self.registrations
            .values()
            .filter_map(Registration::poll_timeout)
            .min()
    }
}
