//! PUBLISH (RFC 3903): the presence of an account's lines, kept up, changed and removed.

use super::backoff::{self, Fault};
use super::job::{Job, Outcome, Owner};
use super::tend::Line;
use super::{AccountName, UserAgent};
use crate::sip::event::pidf::{self, Presence};
use crate::sip::message::{HeaderName, Method};
use rand::RngExt;
use std::time::{Duration, Instant};

/// What we ask for, seconds.
const WISH_S: u32 = 3600;

/// No answer of a server's makes us refresh more often.
const SHORTEST: Duration = Duration::from_secs(30);

/// What is published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// Presence as PIDF.
    Presence,
}

/// One publication.
#[derive(Debug)]
pub(super) struct Publication {
    line: Line,
    /// What the server calls it (SIP-ETag); `None`: nothing is published.
    entity: Option<String>,
    /// What the server knows.
    published: Option<Presence>,
    phase: Phase,
    wish_s: u32,
    failures: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// PUBLISH is out, with this state in it where it has a body.
    Trying(Option<Presence>),
    /// Until the refresh, or the next try.
    Waiting(Instant),
}

impl Publication {
    pub fn poll_timeout(&self) -> Option<Instant> {
        match self.phase {
            Phase::Trying(_) => None,
            Phase::Waiting(until) => Some(until),
        }
    }
}

impl UserAgent {
    /// What the account's lines do, all together.
    pub(super) fn set_presence(&mut self, account: &AccountName, presence: Presence) {
        self.presence.insert(account.clone(), presence);
    }

    fn presence_of(&self, account: &AccountName) -> Presence {
        self.presence.get(account).copied().unwrap_or(Presence::Idle)
    }

    /// Publishes what is new, refreshes what is old, removes what isn't wanted any more.
    pub(super) fn tend_publications(&mut self, now: Instant) {
        let known = &self.registrations;
        let unwanted: Vec<AccountName> = self
            .publications
            .keys()
            .filter(|account| {
                let account = known.get(account).map(|registration| registration.account());
                account.and_then(|account| Self::wanted_kinds(account)).is_none()
            })
            .cloned()
            .collect();
        for account in unwanted {
            self.unpublish(now, &account);
        }
        for account in self.reachable_accounts() {
            if Self::wanted_kinds(&account).is_none() {
                continue;
            }
            if !self.publications.contains_key(&account.name) {
                let line = self.new_line();
                self.publications.insert(
                    account.name.clone(),
                    Publication {
                        line,
                        entity: None,
                        published: None,
                        phase: Phase::Waiting(now),
                        wish_s: WISH_S,
                        failures: 0,
                    },
                );
            }
            self.publish_if_due(now, &account.name);
        }
        for publication in self.publications.values_mut() {
            if publication.poll_timeout().is_some_and(|due| due <= now) {
                publication.phase = Phase::Waiting(now + SHORTEST);
            }
        }
    }

    fn publish_if_due(&mut self, now: Instant, account: &AccountName) {
        let presence = self.presence_of(account);
        let Some(publication) = self.publications.get(account) else {
            return;
        };
        let Phase::Waiting(due) = publication.phase else {
            return;
        };
        let changed = publication.published != Some(presence);
        // A change goes out at once, unless the server has just refused one.
        if due <= now || changed && publication.failures == 0 {
            self.publish(
                now,
                account,
                (changed || publication.entity.is_none()).then_some(presence),
            );
        }
    }

    fn publish(&mut self, now: Instant, account: &AccountName, presence: Option<Presence>) {
        let Some(publication) = self.publications.get(account) else {
            return;
        };
        let (mut line, entity, wish_s) = (
            publication.line.clone(),
            publication.entity.clone(),
            publication.wish_s,
        );
        let Some(registration) = self.registrations.get(account) else {
            return;
        };
        let target = registration.account().address_of_record();
        let made = self.account_request(account, &mut line, Method::Publish, target.clone());
        let Some((mut request, hops, owner)) = made else {
            return;
        };
        request.headers.push(HeaderName::EVENT, "presence");
        request.headers.push(HeaderName::EXPIRES, wish_s.to_string());
        if let Some(entity) = entity {
            request.headers.push(HeaderName::SIP_IF_MATCH, entity);
        }
        if let Some(presence) = presence {
            let contact = target.to_string();
            let body = pidf::document(&contact, &contact, presence);
            request = request.with_body("application/pidf+xml", body.into_bytes());
        }
        if let Some(publication) = self.publications.get_mut(account) {
            publication.line = line;
            publication.phase = Phase::Trying(presence);
        }
        let job = Job::new(request, hops, Some(owner), Owner::Publication(account.clone()));
        self.send(now, job);
    }

    /// Removes it at the server (RFC 3903 4.1: `Expires: 0`).
    pub(super) fn unpublish(&mut self, now: Instant, account: &AccountName) {
        self.clients_forget(&Owner::Publication(account.clone()));
        let Some(mut publication) = self.publications.remove(account) else {
            return;
        };
        let Some(entity) = publication.entity.take() else {
            return;
        };
        let Some(registration) = self.registrations.get(account) else {
            return;
        };
        let target = registration.account().address_of_record();
        let made = self.account_request(account, &mut publication.line, Method::Publish, target);
        let Some((mut request, hops, owner)) = made else {
            return;
        };
        request.headers.push(HeaderName::EVENT, "presence");
        request.headers.push(HeaderName::EXPIRES, "0");
        request.headers.push(HeaderName::SIP_IF_MATCH, entity);
        self.send(now, Job::new(request, hops, Some(owner), Owner::Nobody));
    }

    /// Removes all of them.
    pub(super) fn unpublish_all(&mut self, now: Instant) {
        let accounts: Vec<AccountName> = self.publications.keys().cloned().collect();
        for account in accounts {
            self.unpublish(now, &account);
        }
    }

    pub(super) fn publication_note_sent(&mut self, account: &AccountName, number: u32) {
        if let Some(publication) = self.publications.get_mut(account) {
            publication.line.cseq = publication.line.cseq.max(number);
        }
    }

    /// PUBLISH got its final answer, or none.
    pub(super) fn published(&mut self, now: Instant, account: &AccountName, outcome: &Outcome) {
        let Some(publication) = self.publications.get_mut(account) else {
            return;
        };
        let sent = match publication.phase {
            Phase::Trying(sent) => sent,
            Phase::Waiting(_) => None,
        };
        let fault = match outcome {
            Outcome::Response(response) => match response.status.code() {
                200..=299 => {
                    let entity = response.headers.first(&HeaderName::SIP_ETAG);
                    publication.entity = entity.map(|entity| entity.trim().to_owned());
                    publication.published = sent.or(publication.published);
                    publication.failures = 0;
                    let granted_s = response.headers.expires().unwrap_or(publication.wish_s);
                    let share = self.rng.random_range(0.75..0.85);
                    let refresh = Duration::from_secs(granted_s.into()).mul_f64(share);
                    publication.phase = Phase::Waiting(now + refresh.max(SHORTEST));
                    return;
                }
                // The server has forgotten it: published anew, whole (4.5).
                412 if publication.entity.is_some() => {
                    publication.entity = None;
                    publication.published = None;
                    publication.phase = Phase::Waiting(now);
                    return;
                }
                423 if response
                    .headers
                    .min_expires()
                    .is_some_and(|least_s| least_s > publication.wish_s) =>
                {
                    publication.wish_s = response.headers.min_expires().unwrap_or(WISH_S);
                    publication.phase = Phase::Waiting(now);
                    return;
                }
                401 | 403..=405 | 410 | 415 | 489 | 501 | 600..=699 => Fault::Refused,
                _ => Fault::Passing {
                    retry_after_s: response.headers.retry_after(),
                },
            },
            Outcome::Timeout | Outcome::Unreachable(_) => Fault::Passing { retry_after_s: None },
        };
        publication.failures = publication.failures.saturating_add(1);
        publication.entity = None;
        publication.published = None;
        let wait = backoff::wait(&mut self.rng, publication.failures, fault);
        publication.phase = Phase::Waiting(now + wait);
    }
}
