//! What becomes of the keys dialled so far: sent, refused, or waited on for more.

use std::time::Duration;

use serde::Serialize;

use super::matching::{Matching, number_rules, sent};
use super::plan::{DialPlan, KeySet};
use super::{KEYS_MAX, Timers};

/// A number to call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Dialed {
    /// What to call.
    pub number: String,
    /// The keys that were pressed for it.
    pub keys: String,
    /// Whether it is an emergency number of the country.
    pub emergency: bool,
}

/// Why keys are not a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum Rejection {
    /// No rule begins like this.
    #[error("no rule of the dial plan matches")]
    NoMatch,
    /// Every rule that matches wants more digits than came in time.
    #[error("the number is incomplete")]
    Incomplete,
    /// A rule bars it.
    #[error("the dial plan bars the number")]
    Barred,
    /// More keys than any number has.
    #[error("the number is too long")]
    TooLong,
}

/// Which timer is waited on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TimerKind {
    /// For the next digit of an incomplete number.
    Long,
    /// For more after a complete number.
    Short,
}

/// How it ends, at once or once a timer has run out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Decision {
    pub end: Result<Dialed, Rejection>,
    pub wait: Option<(TimerKind, Duration)>,
    /// The rule that decided.
    pub rule: Option<usize>,
}

/// Keys in the making of a number.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    pub matching: Matching,
    pub text: String,
}

impl Keys {
    pub fn new(plan: &DialPlan) -> Self {
        Self {
            matching: Matching::new(plan),
            text: String::new(),
        }
    }

    /// Takes a key and says what becomes of it all. `None`: it is no key.
    pub fn press(
        &mut self,
        plan: &DialPlan,
        emergency: &[String],
        timers: &Timers,
        key: char,
    ) -> Option<Decision> {
        let key = key.to_ascii_uppercase();
        let set = KeySet::of(key)?;
        if key == '#' && !self.matching.accepts(plan, set) {
            let mut decision = if self.text.is_empty() {
                refused(Rejection::NoMatch, None)
            } else {
                self.decide(plan, emergency, timers)
            };
            decision.wait = None;
            return Some(decision);
        }
        self.text.push(key);
        self.matching.advance(plan, set);
        Some(self.decide(plan, emergency, timers))
    }

    fn decide(&self, plan: &DialPlan, emergency: &[String], timers: &Timers) -> Decision {
        if emergency.contains(&self.text) {
            return self.emergency(plan, emergency, timers);
        }
        if self.text.len() > KEYS_MAX {
            return refused(Rejection::TooLong, None);
        }
        let long = (TimerKind::Long, self.long(plan, timers));
        let mut decision = self.by_plan(plan, timers);
        if let Ok(dialed) = &mut decision.end {
            // A rule of the plan leads to one, such as a key that calls for help.
            dialed.emergency = emergency.contains(&dialed.number);
        }
        // Towards an emergency number nothing is cut short, whatever the plan says.
        let towards_emergency = emergency
            .iter()
            .any(|number| number.starts_with(self.text.as_str()));
        if towards_emergency && decision.wait.is_none() {
            decision.wait = Some(match decision.end {
                Ok(_) => (TimerKind::Short, plan.short.unwrap_or(timers.short)),
                Err(_) => long,
            });
        }
        decision
    }

    fn by_plan(&self, plan: &DialPlan, timers: &Timers) -> Decision {
        let rules = || {
            number_rules(plan)
                .enumerate()
                .filter_map(|(index, rule)| Some((index, rule?)))
        };
        let live = || rules().filter(|(index, _)| self.matching.is_live(*index));
        let complete = || rules().filter(|(index, _)| self.matching.is_complete(*index));
        if live().next().is_none() {
            return refused(Rejection::NoMatch, None);
        }
        // Nothing that may still be dialled would be sent.
        if live().all(|(_, rule)| rule.barred) {
            return refused(Rejection::Barred, live().next().map(|(index, _)| index));
        }
        let extensible = live().any(|(index, rule)| !rule.barred && self.matching.is_extensible(index));
        if let Some((index, rule)) = complete().find(|(_, rule)| rule.barred) {
            let short = rule.short.or(plan.short).unwrap_or(timers.short);
            return Decision {
                wait: extensible.then_some((TimerKind::Short, short)),
                ..refused(Rejection::Barred, Some(index))
            };
        }
        // A rule with a time of its own says more about this number than one without.
        let chosen = complete()
            .find(|(_, rule)| rule.short.is_some())
            .or_else(|| complete().next());
        let Some((index, rule)) = chosen else {
            return Decision {
                wait: Some((TimerKind::Long, self.long(plan, timers))),
                ..refused(Rejection::Incomplete, live().next().map(|(index, _)| index))
            };
        };
        let keys: Vec<KeySet> = self.text.chars().filter_map(KeySet::of).collect();
        let text: Vec<char> = self.text.chars().collect();
        let short = rule.short.or(plan.short).unwrap_or(timers.short);
        Decision {
            end: match sent(rule, &keys, &text) {
                Some(number) if !number.is_empty() => Ok(Dialed {
                    number,
                    keys: self.text.clone(),
                    emergency: false,
                }),
                _ => Err(Rejection::NoMatch),
            },
            wait: (extensible && !short.is_zero()).then_some((TimerKind::Short, short)),
            rule: Some(index),
        }
    }

    /// The keys are an emergency number. A rule that spells exactly it may rewrite it (a PBX wants a prefix); a
    /// longer rule or emergency number that spells it out at its start gets the time to be dialled.
    fn emergency(&self, plan: &DialPlan, emergency: &[String], timers: &Timers) -> Decision {
        let mut spelling = number_rules(plan)
            .enumerate()
            .filter_map(|(index, rule)| Some((index, rule?)))
            .filter(|(_, rule)| rule.spells(&self.text));
        let longer_number = emergency
            .iter()
            .any(|number| number.len() > self.text.len() && number.starts_with(&self.text));
        let longer = longer_number
            || spelling
                .clone()
                .any(|(_, rule)| rule.elements.len() > self.text.len());
        let exact = spelling.find(|(_, rule)| rule.elements.len() == self.text.len() && !rule.barred);
        let keys: Vec<KeySet> = self.text.chars().filter_map(KeySet::of).collect();
        let text: Vec<char> = self.text.chars().collect();
        let number = exact
            .and_then(|(_, rule)| sent(rule, &keys, &text))
            .filter(|number| !number.is_empty())
            .unwrap_or_else(|| self.text.clone());
        Decision {
            end: Ok(Dialed {
                number,
                keys: self.text.clone(),
                emergency: true,
            }),
            wait: longer.then(|| (TimerKind::Short, plan.short.unwrap_or(timers.short))),
            rule: exact.map(|(index, _)| index),
        }
    }

    fn long(&self, plan: &DialPlan, timers: &Timers) -> Duration {
        number_rules(plan)
            .enumerate()
            .find_map(|(index, rule)| self.matching.long(rule?, index))
            .or(plan.long)
            .unwrap_or(timers.long)
    }
}

fn refused(rejection: Rejection, rule: Option<usize>) -> Decision {
    Decision {
        end: Err(rejection),
        wait: None,
        rule,
    }
}
