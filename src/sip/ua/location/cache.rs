//! Records kept by their time to live, and beyond it for the time that DNS fails.

use super::{Answer, Question, Records};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Records serve at least so long: a search asks several questions, and a time to live of 0 would not let it end.
const LEAST: Duration = Duration::from_secs(1);
/// After a failure without anything to fall back on, the question is asked again no sooner.
const AGAIN_AFTER: Duration = Duration::from_secs(15);
/// Where records of before serve on, DNS is asked again after so long.
const STALE_FOR: Duration = Duration::from_secs(30);
/// No longer, whatever the record says: a typing error in a zone file must not last for weeks.
const MOST: Duration = Duration::from_secs(86_400);
/// Questions kept at most.
const LIMIT: usize = 128;

#[derive(Debug, Default)]
pub(super) struct Cache {
    entries: BTreeMap<Question, Entry>,
}

#[derive(Debug)]
struct Entry {
    until: Instant,
    /// `None`: the question failed, and there is nothing of before.
    records: Option<Records>,
    /// The last failure, while it lasts.
    failure: Option<String>,
}

/// What is known about a question.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Known<'a> {
    /// Nothing, or no longer.
    Nothing,
    Records(&'a Records),
    /// Asked, and failed.
    Failed(&'a str),
}

impl Cache {
    pub fn look(&self, now: Instant, question: &Question) -> Known<'_> {
        match self.entries.get(question) {
            Some(entry) if now < entry.until => match (&entry.records, &entry.failure) {
                (Some(records), _) => Known::Records(records),
                (None, Some(failure)) => Known::Failed(failure),
                (None, None) => Known::Nothing,
            },
            _ => Known::Nothing,
        }
    }

    /// Takes an answer. A failure leaves the last good records in their place.
    pub fn learn(&mut self, now: Instant, question: Question, result: Result<Answer, String>) {
        if self.entries.len() >= LIMIT && !self.entries.contains_key(&question) {
            let oldest = self.entries.iter().min_by_key(|(_, entry)| entry.until);
            if let Some(oldest) = oldest.map(|(question, _)| question.clone()) {
                self.entries.remove(&oldest);
            }
        }
        let known = self.entries.remove(&question).and_then(|entry| entry.records);
        let entry = match result {
            Ok(answer) => Entry {
                until: now + answer.ttl.clamp(LEAST, MOST),
                records: Some(answer.records),
                failure: None,
            },
            Err(failure) => Entry {
                until: now + if known.is_some() { STALE_FOR } else { AGAIN_AFTER },
                records: known,
                failure: Some(failure),
            },
        };
        self.entries.insert(question, entry);
    }

    /// What failed is asked again at once: the network has changed.
    pub fn forget_failures(&mut self, now: Instant) {
        self.entries.retain(|_, entry| entry.records.is_some());
        for entry in self.entries.values_mut() {
            if entry.failure.is_some() {
                entry.failure = None;
                entry.until = now;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::epoch;

    fn answer(address: &str, ttl_s: u64) -> Result<Answer, String> {
        Ok(Answer {
            records: Records::Addresses(vec![address.parse().unwrap()]),
            ttl: Duration::from_secs(ttl_s),
        })
    }

    #[test]
    fn records_serve_by_their_time_to_live_and_on_while_dns_fails() {
        let mut now = epoch();
        let mut cache = Cache::default();
        let question = Question::Addresses("pbx".into());
        let records = Records::Addresses(vec!["192.0.2.1".parse().unwrap()]);
        assert_eq!(cache.look(now, &question), Known::Nothing);
        cache.learn(now, question.clone(), answer("192.0.2.1", 60));
        now += Duration::from_secs(59);
        assert_eq!(cache.look(now, &question), Known::Records(&records));
        now += Duration::from_secs(1);
        assert_eq!(cache.look(now, &question), Known::Nothing, "time to ask again");
        for _ in 0..100 {
            cache.learn(now, question.clone(), Err("no answer".into()));
            assert_eq!(cache.look(now, &question), Known::Records(&records));
            now += STALE_FOR;
            assert_eq!(
                cache.look(now, &question),
                Known::Nothing,
                "asked again now and then"
            );
        }
        cache.learn(
            now,
            question.clone(),
            Ok(Answer {
                records: Records::Addresses(vec![]),
                ttl: MOST,
            }),
        );
        assert_eq!(
            cache.look(now, &question),
            Known::Records(&Records::Addresses(vec![])),
            "none is an answer, too"
        );
    }

    #[test]
    fn a_failure_with_nothing_of_before_is_one() {
        let now = epoch();
        let mut cache = Cache::default();
        let question = Question::Srv("_sip._udp.pbx".into());
        cache.learn(now, question.clone(), Err("no answer".into()));
        assert_eq!(cache.look(now, &question), Known::Failed("no answer"));
        cache.forget_failures(now);
        assert_eq!(cache.look(now, &question), Known::Nothing);
    }

    #[test]
    fn a_time_to_live_of_zero_serves_the_search_that_asked() {
        let now = epoch();
        let mut cache = Cache::default();
        let question = Question::Addresses("pbx".into());
        cache.learn(now, question.clone(), answer("192.0.2.1", 0));
        assert!(matches!(cache.look(now, &question), Known::Records(_)));
        assert_eq!(cache.look(now + LEAST, &question), Known::Nothing);
    }

    #[test]
    fn the_number_of_names_is_bounded() {
        let mut now = epoch();
        let mut cache = Cache::default();
        for index in 0..1000 {
            now += Duration::from_millis(1);
            cache.learn(
                now,
                Question::Addresses(format!("host{index}")),
                answer("192.0.2.1", 60),
            );
        }
        assert_eq!(cache.entries.len(), LIMIT);
        assert!(matches!(
            cache.look(now, &Question::Addresses("host999".into())),
            Known::Records(_)
        ));
    }
}
