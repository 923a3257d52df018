//! Registrations that mend themselves: what is done when the network changes, a connection ends, a keep-alive stays
//! unanswered, a better server is back, or a NAT shows us under another address.

use super::hop::{Connection, Hop};
use super::job::{Job, Outcome, Owner};
use super::keep_alive::{Due, PONG_WITHIN, Plan};
use super::registrar::seen_from;
use super::registration::{Phase, Registration};
use super::{AccountName, Transport, UaOutput, UserAgent, Waiter};
use crate::sip::account::KeepAliveMethod;
use crate::sip::framing::PING;
use crate::sip::message::{CSeq, HeaderName, Method, NameAddr, Request, Response, Via};
use rand::RngExt;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// After a lost connection, registering anew waits at most so long: with the time that registering takes, calls reach us
/// again within 3 s, and a server that restarts isn't mobbed.
const RECONNECT: Duration = Duration::from_millis(2500);
/// The same where only we are concerned: our address, our NAT.
const AT_ONCE: Duration = Duration::from_millis(300);
/// A better server that failed is asked so often whether it's back.
const PROBE_EVERY: Duration = Duration::from_secs(30);
/// A NAT that shows us under ever other addresses has us register no more often.
const REMAPPED_AT_MOST_EVERY: Duration = Duration::from_secs(20);
/// Links may come and go by the second (a cable half in): one new registration serves them all.
const RETURNED_AT_MOST_EVERY: Duration = Duration::from_secs(10);

/// What a registration knows of its troubles.
#[derive(Clone, Debug, Default)]
pub(super) struct Healing {
    /// When a better server is asked whether it's back.
    pub probe: Option<Instant>,
    /// There was no route to the server when last seen.
    offline: bool,
    /// When the last new registration for a changed mapping was.
    remapped: Option<Instant>,
    /// When the last new registration for a link that came back was.
    returned: Option<Instant>,
    /// Our address on the way to the server was this, and calls have not been told of the new one.
    pub moved_from: Option<IpAddr>,
}

impl UserAgent {
    /// An address, route or link of ours changed; `returned`: our addresses on links that have come back.
    pub(super) fn network_changed(&mut self, now: Instant, returned: &[IpAddr]) {
        self.locator.network_changed(now, &mut self.rng);
        self.health.forget_silence();
        let names: Vec<AccountName> = self.registrations.keys().cloned().collect();
        for name in names {
            let Some(registration) = self.registrations.get_mut(&name) else {
                continue;
            };
            let here = registration.hops.first().map(|hop| hop.local_ip);
            let due = registration
                .healing
                .returned
                .is_none_or(|before| now.saturating_duration_since(before) >= RETURNED_AT_MOST_EVERY);
            if due && here.is_some_and(|ip| returned.contains(&ip)) {
                registration.healing.returned = Some(now);
                registration.healing.offline = true;
            }
            let wanted = registration.account.wanted();
            self.locator
                .withdraw(|waiter| *waiter != Waiter::Recheck(name.clone()));
            self.find(now, wanted, Waiter::Recheck(name));
        }
        self.drain_locator(now);
    }

    /// How an account's server is reached now, after a change.
    pub(super) fn rechecked(
        &mut self,
        now: Instant,
        account: &AccountName,
        result: Result<Vec<Hop>, String>,
    ) {
        let Some(registration) = self.registrations.get_mut(account) else {
            return;
        };
        let Ok(hops) = result else {
            registration.healing.offline = true;
            return;
        };
        let before = registration.hops.first().copied();
        if let Some(before) = before.filter(|before| hops.iter().all(|hop| hop.local_ip != before.local_ip)) {
            registration.healing.moved_from.get_or_insert(before.local_ip);
        }
        if !registration.account.register {
            registration.hops = hops;
            return self.move_calls(account);
        }
        let same = before.is_some_and(|before| hops.iter().any(|hop| hop.is_same_way(before)));
        let failed = registration.binding.is_none() && matches!(registration.phase, Phase::Waiting(_));
        if same && !failed && !registration.healing.offline {
            return;
        }
        registration.healing.offline = false;
        registration.failures = 0;
        if let Some(before) = before.filter(|hop| hop.transport.is_reliable()) {
            // Made from an address, or over a link, that may be no more.
            self.close(before);
        }
        self.register_within(now, account, AT_ONCE);
    }

    /// A connection is gone: calls to us would come over it, so a new one is made soon.
    pub(super) fn connection_lost(&mut self, now: Instant, connection: Connection) {
        let ours = |registration: &Registration| {
            let first = registration.hops.first();
            registration.binding.is_some() && first.is_some_and(|hop| hop.connection() == connection)
        };
        self.register_those(now, ours, RECONNECT);
    }

    /// A request to a server failed: where an account is registered there, it looks for another one.
    pub(super) fn target_failed(&mut self, now: Instant, hop: Hop) {
        let ours = |registration: &Registration| {
            registration.binding.is_some()
                && registration
                    .hops
                    .first()
                    .is_some_and(|first| first.leads_where(hop))
        };
        self.register_those(now, ours, RECONNECT);
    }

    fn register_those(&mut self, now: Instant, concerned: impl Fn(&Registration) -> bool, within: Duration) {
        let names: Vec<AccountName> = self
            .registrations
            .iter()
            .filter(|(_, registration)| concerned(registration))
            .filter(|(_, registration)| matches!(registration.phase, Phase::Waiting(_)))
            .map(|(name, _)| name.clone())
            .collect();
        for name in names {
            self.register_within(now, &name, within);
        }
    }

    /// A new registration, at a moment drawn from the time given; whatever is under way is dropped.
    fn register_within(&mut self, now: Instant, account: &AccountName, within: Duration) {
        let soon = now + within.mul_f64(self.rng.random_range(0.0..=1.0));
        self.clients_forget(&Owner::Register(account.clone()));
        self.clients_forget(&Owner::KeepAlive(account.clone()));
        let waiter = Waiter::Registration(account.clone());
        self.locator.withdraw(|other| *other != waiter);
        if let Some(registration) = self.registrations.get_mut(account) {
            registration.keep_alive.stop();
            registration.phase = match registration.phase {
                Phase::Waiting(until) => Phase::Waiting(until.min(soon)),
                Phase::Direct | Phase::Looking | Phase::Trying => Phase::Waiting(soon),
            };
        }
    }

    /// Ends a connection that is of no use any more.
    fn close(&mut self, hop: Hop) {
        let connection = hop.connection();
        if self.streams.remove(&connection).is_some() {
            self.prepare(hop);
        }
        let (transport, remote) = (hop.transport, hop.remote);
        self.outputs.push_back(UaOutput::Close { transport, remote });
    }

    /// Registered: from now on the way is kept open and watched.
    pub(super) fn start_keep_alive(&mut self, now: Instant, account: &AccountName, response: &Response) {
        let Some(registration) = self.registrations.get_mut(account) else {
            return;
        };
        let Some(&hop) = registration.hops.first() else {
            return;
        };
        let plan = match (registration.account.keep_alive, hop.transport) {
            (KeepAliveMethod::Off, _) => Plan::Off,
            (KeepAliveMethod::Options, _) => Plan::Options,
            // Without a NAT there is no mapping to keep.
            (KeepAliveMethod::Crlf, Transport::Udp) if registration.public.is_none() => Plan::Off,
            (KeepAliveMethod::Crlf, Transport::Udp) => Plan::Datagram,
            (KeepAliveMethod::Crlf, Transport::Tcp | Transport::Tls) => Plan::Ping,
        };
        let flow_timer_s = response.headers.flow_timer().filter(|seconds| *seconds > 0);
        let every_s = registration
            .account
            .keep_alive_s
            .min(flow_timer_s.unwrap_or(u32::MAX));
        registration
            .keep_alive
            .start(now, plan, Duration::from_secs(every_s.into()), &mut self.rng);
        let best = registration.hops.iter().map(|hop| hop.tier).min();
        registration.healing.probe =
            (Some(hop.tier) > best).then(|| now + PROBE_EVERY.mul_f64(self.rng.random_range(0.8..=1.2)));
    }

    /// Keep-alives and probes that are due.
    pub(super) fn healing_timeout(&mut self, now: Instant, account: &AccountName) {
        let Some(registration) = self.registrations.get_mut(account) else {
            return;
        };
        let hop = registration.hops.first().copied();
        match (registration.keep_alive.handle_timeout(now, &mut self.rng), hop) {
            (Due::Nothing, _) | (_, None) => {}
            (Due::SendPing, Some(hop)) => {
                if let Some(framer) = self.streams.get_mut(&hop.connection()) {
                    framer.ping_sent();
                }
                self.send_over(hop, PING.to_vec());
            }
            (Due::SendOptions, Some(hop)) => {
                self.send_options(now, account, hop, Owner::KeepAlive(account.clone()), PONG_WITHIN);
            }
            (Due::Dead, Some(_)) => self.way_is_dead(now, account),
        }
        let Some(registration) = self.registrations.get_mut(account) else {
            return;
        };
        if registration.healing.probe.is_some_and(|at| now >= at) {
            registration.healing.probe = Some(now + PROBE_EVERY.mul_f64(self.rng.random_range(0.8..=1.2)));
            let tier = registration.hops.first().map_or(0, |hop| hop.tier);
            let better = registration
                .hops
                .iter()
                .filter(|hop| hop.tier < tier && self.health.may_be_probed(now, hop.transport, hop.remote))
                .min_by_key(|hop| hop.tier)
                .copied();
            if let Some(better) = better {
                self.send_options(
                    now,
                    account,
                    better,
                    Owner::Probe(account.clone()),
                    super::failover::SILENT_TARGET,
                );
            }
        }
    }

    fn send_options(
        &mut self,
        now: Instant,
        account: &AccountName,
        hop: Hop,
        owner: Owner,
        patience: Duration,
    ) {
        let Some(registration) = self.registrations.get(account) else {
            return;
        };
        let account = registration.account().clone();
        let (tag, call_id) = (self.token(), self.token());
        let mut request = Request::new(Method::Options, account.target(None));
        let headers = &mut request.headers;
        headers.push(HeaderName::MAX_FORWARDS, "70");
        headers.push(
            HeaderName::FROM,
            account.identity(None).with_tag(&tag).to_string(),
        );
        headers.push(HeaderName::TO, NameAddr::new(account.target(None)).to_string());
        headers.push(HeaderName::CALL_ID, call_id);
        headers.push(
            HeaderName::CSEQ,
            CSeq {
                number: 1,
                method: Method::Options,
            }
            .to_string(),
        );
        self.put_user_agent(&mut request);
        // Any answer will do, a challenge too: no credentials are spent on it.
        let job = Job {
            patience: Some(patience),
            ..Job::new(request, [hop], None, owner)
        };
        self.send(now, job);
    }

    pub(super) fn keep_alive_finished(&mut self, now: Instant, account: &AccountName, outcome: &Outcome) {
        let Some(registration) = self.registrations.get_mut(account) else {
            return;
        };
        match outcome {
            Outcome::Response(_) => registration.keep_alive.answered(),
            Outcome::Timeout | Outcome::Unreachable(_) => {
                if registration.keep_alive.unanswered() {
                    self.way_is_dead(now, account);
                }
            }
        }
    }

    /// A better server was asked whether it's back.
    pub(super) fn probe_finished(&mut self, now: Instant, account: &AccountName, outcome: &Outcome) {
        let back = matches!(outcome, Outcome::Response(response) if response.status.code() != 503);
        if back
            && self
                .registrations
                .get(account)
                .is_some_and(|r| matches!(r.phase, Phase::Waiting(_)))
        {
            self.register_within(now, account, AT_ONCE);
        }
    }

    /// A pong came over a connection.
    pub(super) fn pong(&mut self, connection: Connection) {
        for registration in self.registrations.values_mut() {
            let first = registration.hops.first();
            if first.is_some_and(|hop| hop.connection() == connection) {
                registration.keep_alive.pong();
            }
        }
    }

    /// The server doesn't hear us, or we don't hear it.
    fn way_is_dead(&mut self, now: Instant, account: &AccountName) {
        let hop = self
            .registrations
            .get(account)
            .and_then(|registration| registration.hops.first().copied());
        if let Some(hop) = hop.filter(|hop| hop.transport.is_reliable()) {
            self.close(hop);
            self.connection_lost(now, hop.connection());
        }
        self.register_within(now, account, AT_ONCE);
    }

    /// The response's top Via tells how the server sees us (RFC 3581).
    pub(super) fn note_seen(&mut self, now: Instant, account: &AccountName, hop: Hop, via: &Via) {
        let seen = seen_from(&self.config, hop, via);
        let Some(registration) = self.registrations.get_mut(account) else {
            return;
        };
        if registration
            .hops
            .first()
            .is_some_and(|first| !first.leads_where(hop))
        {
            return;
        }
        let changed = registration.public != seen;
        registration.public = seen;
        let due = registration
            .healing
            .remapped
            .is_none_or(|before| now.saturating_duration_since(before) >= REMAPPED_AT_MOST_EVERY);
        if changed && due && registration.binding.is_some() && matches!(registration.phase, Phase::Waiting(_))
        {
            registration.healing.remapped = Some(now);
            self.register_within(now, account, AT_ONCE);
        }
    }
}
