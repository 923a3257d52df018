//! Accounts that register: when, with what, and what to do about each answer.

use super::backoff::{self, Fault};
use super::hop::Hop;
use super::job::{Job, Outcome, Owner};
use super::registrar::{Binding, Series, granted_s, seen_from};
use super::{
    AccountName, RegistrationState, RegistrationStatus, Route, Transport, UaEvent, UaOutput, UserAgent,
    Waiter,
};
use crate::sip::account::Account;
use crate::sip::message::{HeaderName, NameAddr, Response, Uri, Via};
use rand::RngExt;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Behind a NAT an empty datagram keeps the mapping open: RFC 5626 4.4.1 has 24 to 29 s for UDP.
const KEEP_ALIVE: Duration = Duration::from_secs(25);
/// After a lost connection, registering anew waits at most so long: a server that restarts isn't mobbed.
const RECONNECT: Duration = Duration::from_secs(4);
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
    /// Ways to the server, the one that worked last first.
    pub(super) hops: Vec<Hop>,
    /// How the server sees us, where that isn't how we see ourselves.
    pub(super) public: Option<std::net::SocketAddr>,
    pub(super) adaptations: u8,
    pub(super) service_route: Vec<NameAddr>,
    pub(super) keep_alive: Option<Instant>,
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
    pub fn account(&self) -> &Arc<Account> {
        &self.account
    }

    pub fn hops(&self) -> &[Hop] {
        &self.hops
    }

    pub fn public(&self) -> Option<std::net::SocketAddr> {
        self.public
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
        [next, expiry, self.keep_alive].into_iter().flatten().min()
    }
}

impl UserAgent {
    /// Asks for the server's addresses; whatever was under way is dropped.
    pub(super) fn look_up_registrar(&mut self, now: Instant, account: &AccountName) {
        let waiter = Waiter::Registration(account.clone());
        self.resolver.withdraw(|other| *other != waiter);
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
        let name = registration.account.server_name();
        let transport = registration.account.transport.unwrap_or(Transport::Udp);
        let (host, port) = (name.host.clone(), name.port);
        let query = self.resolver.ask(now, name, waiter);
        self.outputs.push_back(UaOutput::Resolve {
            query,
            host,
            port,
            transport,
        });
    }

    pub(super) fn register_resolved(
        &mut self,
        now: Instant,
        account: &AccountName,
        result: Result<Vec<Route>, String>,
    ) {
        let Some(registration) = self.registrations.get_mut(account) else {
            return;
        };
        let transport = registration.account.transport.unwrap_or(Transport::Udp);
        match result {
            Ok(routes) => {
                let best = registration.hops.first().map(|hop| hop.remote);
                registration.hops = routes
                    .into_iter()
                    .map(|route| Hop::new(transport, route))
                    .collect();
                if let Some(at) = registration.hops.iter().position(|hop| Some(hop.remote) == best) {
                    registration.hops[..=at].rotate_right(1);
                }
                if registration.phase == Phase::Looking {
                    self.register(now, account);
                }
            }
            Err(reason) if registration.phase == Phase::Looking => {
                let reason = format!("{}: {reason}", registration.account.server_host);
                self.register_fault(now, account, Fault::Passing { retry_after_s: None }, reason);
            }
            Err(_) => {}
        }
    }

    /// Sends REGISTER.
    pub(super) fn register(&mut self, now: Instant, account: &AccountName) {
        let Some(registration) = self.registrations.get_mut(account) else {
            return;
        };
        let Some(&hop) = registration.hops.first() else {
            return;
        };
        registration.phase = Phase::Trying;
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
            expires_s: registration.wish_s,
            old,
        };
        let mut request = registration.series.next(&registration.account, &binding);
        let hops = registration.hops.clone();
        let account = registration.account.clone();
        self.put_user_agent(&mut request);
        let owner = Owner::Register(account.name.clone());
        self.send(now, Job::new(request, hops, Some(account), owner));
    }

    /// The response's top Via tells how the server sees us.
    pub(super) fn learn_public_address(&mut self, account: &AccountName, hop: Hop, via: &Via) {
        let public = seen_from(&self.config, hop, via);
        if let Some(registration) = self.registrations.get_mut(account) {
            registration.public = public;
        }
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
                401 | 407 => {
                    self.authenticators.remove(account);
                    self.register_fault(
                        now,
                        account,
                        Fault::Refused,
                        format!("{reason} (user name or password)"),
                    );
                }
                // Not a matter of time: barred, unknown, not a registrar.
                403..=405 | 410 | 501 | 600..=699 => {
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
        if let Some(worked) = job.hops.front()
            && let Some(at) = registration
                .hops
                .iter()
                .position(|hop| hop.remote == worked.remote)
        {
            registration.hops[..=at].rotate_right(1);
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
        registration.keep_alive = registration.public.map(|_| now + KEEP_ALIVE);
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
        let mut wait = backoff::wait(&mut self.rng, registration.failures, fault);
        let bound = registration
            .binding
            .as_ref()
            .map(|binding| binding.1)
            .filter(|until| *until > now);
        match (fault, bound) {
            // The registrar still knows us: calls go on as before.
            (Fault::Passing { .. }, Some(_)) => {}
            (Fault::Passing { .. }, None) | (Fault::Refused, _) => {
                registration.state = RegistrationState::Failed;
                registration.binding = None;
                registration.keep_alive = None;
            }
        }
        wait = wait.max(Duration::from_secs(1));
        registration.phase = Phase::Waiting(now + wait);
        registration.last_error = Some(reason);
        let event = registration.event();
        self.event(event);
    }

    /// A connection is gone: calls to us would come over it, so a new one is made soon.
    pub(super) fn connection_lost(
        &mut self,
        now: Instant,
        transport: Transport,
        remote: std::net::SocketAddr,
    ) {
        for registration in self.registrations.values_mut() {
            let first = registration.hops.first();
            let ours = first.is_some_and(|hop| hop.transport == transport && hop.remote == remote);
            if let (true, Some(_), Phase::Waiting(until)) = (ours, &registration.binding, registration.phase)
            {
                let soon = now + RECONNECT.mul_f64(self.rng.random_range(0.5..=1.0));
                registration.phase = Phase::Waiting(until.min(soon));
            }
        }
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
                registration.keep_alive = None;
                registration.state = RegistrationState::Failed;
                let event = registration.event();
                self.event(event);
            }
            let Some(registration) = self.registrations.get_mut(&name) else {
                continue;
            };
            if registration.keep_alive.is_some_and(|at| now >= at) {
                registration.keep_alive = Some(now + KEEP_ALIVE);
                if let Some(&hop) = registration.hops.first() {
                    self.transmit(hop.transport, hop.remote, b"\r\n\r\n".to_vec());
                }
            }
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
