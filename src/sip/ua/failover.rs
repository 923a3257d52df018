//! From what a URI names to the hops a request tries, and what becomes of a hop that fails (RFC 3263 4.3).

use super::hop::{Connection, DomainId, Hop};
use super::job::{Job, Outcome};
use super::location::{Target, Wanted};
use super::{AccountName, Transport, UaEvent, UaOutput, UserAgent, Waiter};
use crate::sip::account::Account;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Silence of a target is waited for so long while there is another one: timer B and F (32 s) would leave a person
/// without an answer, and the first provisional response stops this wait.
pub(super) const SILENT_TARGET: Duration = Duration::from_secs(6);

/// Domains remembered for their certificates; more than that is nobody's configuration.
const MOST_DOMAINS: usize = 256;

impl Account {
    /// What is looked up to reach the server.
    pub(super) fn wanted(&self) -> Wanted {
        Wanted {
            host: self.server_host.clone(),
            port: self.server_port,
            transport: self.transport,
            secure: self.secure,
        }
    }
}

impl UserAgent {
    /// Looks a server up; [`Self::located`] hears of it.
    pub(super) fn find(&mut self, now: Instant, wanted: Wanted, waiter: Waiter) {
        self.locator.find(now, wanted, waiter, &mut self.rng);
        self.drain_locator(now);
    }

    /// Passes the locator's questions and results on.
    pub(super) fn drain_locator(&mut self, now: Instant) {
        loop {
            while let Some((query, question)) = self.locator.poll_question() {
                self.outputs.push_back(UaOutput::Resolve { query, question });
            }
            let Some((waiter, result)) = self.locator.poll_done() else {
                return;
            };
            let hops = result.map(|targets| targets.into_iter().map(|target| self.hop_to(&target)).collect());
            self.located(now, waiter, hops);
        }
    }

    fn located(&mut self, now: Instant, waiter: Waiter, result: Result<Vec<Hop>, String>) {
        if let Ok(hops) = &result {
            self.learn_servers(&waiter, hops);
        }
        match waiter {
            Waiter::Registration(account) => self.register_resolved(now, &account, result),
            Waiter::Call(call) => {
                let hops = result.map(|hops| self.in_order(now, hops, None));
                self.invite_resolved(now, call, hops);
            }
            Waiter::Recheck(account) => self.rechecked(now, &account, result),
            Waiter::Address(account) => {
                let result = match &result {
                    Ok(hops) => match hops.first() {
                        Some(hop) => Ok(hop.local_ip),
                        None => Err("no route to the server".to_owned()),
                    },
                    Err(reason) => Err(reason.clone()),
                };
                self.event(UaEvent::Located { account, result });
            }
        }
    }

    /// Tells by [`UaEvent::Located`] which of our addresses is used towards an account's server.
    pub(super) fn locate(&mut self, now: Instant, account: AccountName) {
        match self.registrations.get(&account) {
            Some(registration) => {
                let wanted = registration.account().wanted();
                self.find(now, wanted, Waiter::Address(account));
            }
            None => {
                let result = Err("no such account".to_owned());
                self.event(UaEvent::Located { account, result });
            }
        }
    }

    fn hop_to(&mut self, target: &Target) -> Hop {
        Hop {
            domain: self.domain_id(&target.domain),
            secure: target.secure,
            tier: target.tier,
            ..Hop::new(target.transport, target.route)
        }
    }

    /// A connection as the transport names it.
    pub(super) fn connection(
        &mut self,
        transport: Transport,
        remote: SocketAddr,
        domain: Option<&Arc<str>>,
    ) -> Connection {
        Connection {
            transport,
            remote,
            domain: domain.and_then(|domain| self.domain_id(domain)),
        }
    }

    fn domain_id(&mut self, domain: &Arc<str>) -> Option<DomainId> {
        let at = self.domains.iter().position(|known| known == domain);
        let at = at.or_else(|| {
            (self.domains.len() < MOST_DOMAINS).then(|| {
                self.domains.push(domain.clone());
                self.domains.len() - 1
            })
        });
        at.and_then(|at| u16::try_from(at).ok()).map(DomainId)
    }

    /// Hops as they are to be tried: `current` stays in front where none of a better tier is well; those that rest come
    /// last.
    pub(super) fn in_order(&self, now: Instant, hops: Vec<Hop>, current: Option<Hop>) -> Vec<Hop> {
        let rest = |hop: &Hop| self.health.rests_until(now, hop.transport, hop.remote);
        let (mut well, mut resting): (Vec<Hop>, Vec<Hop>) =
            hops.into_iter().partition(|hop| rest(hop).is_none());
        let best = well.iter().map(|hop| hop.tier).min();
        if let Some(current) = current
            && let Some(at) = well.iter().position(|hop| hop.leads_where(current))
            && Some(well[at].tier) == best
        {
            well[..=at].rotate_right(1);
        }
        resting.sort_by_key(rest);
        well.append(&mut resting);
        well
    }

    /// The hops without those that asked to be left alone, as long as others are left.
    pub(super) fn welcome(&self, now: Instant, hops: &[Hop]) -> Vec<Hop> {
        let welcome = |hop: &&Hop| self.health.may_be_probed(now, hop.transport, hop.remote);
        let kept: Vec<Hop> = hops.iter().filter(welcome).copied().collect();
        if kept.is_empty() { hops.to_vec() } else { kept }
    }

    /// What a request's end says about the hop it took.
    pub(super) fn note_health(&mut self, now: Instant, hop: Hop, outcome: &Outcome) {
        match outcome {
            Outcome::Response(response) => match (response.status.code(), response.headers.retry_after()) {
                (503, Some(seconds)) => self.health.asked(now, hop.transport, hop.remote, seconds),
                _ => self.health.answers(hop.transport, hop.remote),
            },
            Outcome::Timeout | Outcome::Unreachable(_) => {
                self.health.silent(now, hop.transport, hop.remote);
                self.target_failed(now, hop);
            }
        }
    }

    /// A request that goes another way names our address on that way.
    pub(super) fn correct_contact(&self, job: &mut Job) {
        let Some(hop) = job.hops.front() else { return };
        let Ok(contact) = job.request.headers.contact() else {
            return;
        };
        let registration = job
            .account
            .as_ref()
            .and_then(|account| self.registrations.get(&account.name));
        let public = registration.and_then(|registration| registration.public_on(*hop));
        let user = contact.uri.user().unwrap_or_default().into_owned();
        let mut corrected = contact.clone();
        corrected.uri = self.config.contact(&user, *hop, public);
        if let (Some(old), crate::sip::message::Uri::Sip(new)) = (contact.uri.as_sip(), &mut corrected.uri)
            && old.params.has("ob")
        {
            new.params.set_flag("ob");
        }
        job.request
            .headers
            .set(crate::sip::message::HeaderName::CONTACT, corrected.to_string());
    }
}
