//! What a dial plan does with a number, in words for a person and in data for a program.

use std::fmt;

use serde::Serialize;

use super::Timers;
use super::decision::{Decision, Dialed, Keys, Rejection, TimerKind};
use super::matching::{Matching, number_rules, sent};
use super::plan::{DialPlan, KeySet, RuleKind};

/// Everything about one number and one plan.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Explanation {
    /// The keys asked about.
    pub keys: String,
    /// The plan.
    pub plan: String,
    /// Its rules, in order.
    pub rules: Vec<RuleReport>,
    /// What comes of it.
    pub verdict: Verdict,
    /// Keys after the one that decided: they would go into the call, not into the number.
    pub keys_left_over: String,
}

/// What one rule makes of the keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RuleReport {
    /// The rule as written.
    pub rule: String,
    /// How far it matches.
    pub matches: Match,
    /// What it would send; absent where it doesn't match whole.
    pub sends: Option<String>,
    /// A match is refused.
    pub barred: bool,
}

/// How far a rule matches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "extent")]
pub enum Match {
    /// The whole number; `can_go_on` says that a longer one could match too.
    Full {
        /// A longer number could match too.
        can_go_on: bool,
    },
    /// A longer number could match.
    Partial,
    /// It fails at this key, counted from one.
    None {
        /// The first key that doesn't fit.
        fails_at_key: usize,
    },
    /// A hotline: it waits for no keys.
    Hotline,
}

/// What comes of the keys.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "result")]
pub enum Verdict {
    /// Called.
    Dial {
        /// What.
        number: String,
        /// Whether it is an emergency number.
        emergency: bool,
        /// Seconds after the last key; 0: at once.
        after_s: u64,
        /// Which timer that is; absent: none.
        timer: Option<TimerKind>,
        /// The rule that decided, counted from one; absent for an emergency number without a rule.
        rule: Option<usize>,
    },
    /// Refused.
    Reject {
        /// Why.
        reason: Rejection,
        /// Seconds after the last key; 0: at once.
        after_s: u64,
        /// The rule that decided, counted from one.
        rule: Option<usize>,
    },
    /// There were no keys.
    Nothing,
}

/// Explains what `plan` does with `keys`, for a country with these emergency numbers. Characters that are no
/// keys (spaces, `-`, `(`) are skipped.
pub fn explain(plan: &DialPlan, emergency: &[String], timers: &Timers, keys: &str) -> Explanation {
    let pressed: Vec<char> = keys
        .chars()
        .map(|key| key.to_ascii_uppercase())
        .filter(|key| KeySet::of(*key).is_some())
        .collect();
    let mut number = Keys::new(plan);
    let mut last = None;
    let mut used = 0;
    for key in &pressed {
        last = number.press(plan, emergency, timers, *key);
        used += 1;
        if last.as_ref().is_some_and(|decision| decision.wait.is_none()) {
            break;
        }
    }
    Explanation {
        keys: pressed.iter().collect(),
        plan: plan.to_string(),
        rules: reports(plan, &number.text),
        verdict: last.map_or(Verdict::Nothing, verdict),
        keys_left_over: pressed[used..].iter().collect(),
    }
}

fn verdict(decision: Decision) -> Verdict {
    let after_s = decision.wait.map_or(0, |(_, wait)| wait.as_secs());
    let rule = decision.rule.map(|index| index + 1);
    match decision.end {
        Ok(Dialed {
            number, emergency, ..
        }) => Verdict::Dial {
            number,
            emergency,
            after_s,
            timer: decision.wait.map(|(kind, _)| kind),
            rule,
        },
        Err(reason) => Verdict::Reject {
            reason,
            after_s,
            rule,
        },
    }
}

fn reports(plan: &DialPlan, text: &str) -> Vec<RuleReport> {
    let characters: Vec<char> = text.chars().collect();
    let keys: Vec<KeySet> = text.chars().filter_map(KeySet::of).collect();
    let mut fails_at = vec![0; plan.rules.len()];
    let mut matching = Matching::new(plan);
    for (index, key) in keys.iter().enumerate() {
        matching.advance(plan, *key);
        for (rule, fails_at) in fails_at.iter_mut().enumerate() {
            if *fails_at == 0 && !matching.is_live(rule) {
                *fails_at = index + 1;
            }
        }
    }
    let rules = number_rules(plan).zip(&plan.rules).enumerate();
    rules
        .map(|(index, (number, rule))| RuleReport {
            rule: rule.text.clone(),
            matches: match &rule.kind {
                RuleKind::Hotline { .. } => Match::Hotline,
                RuleKind::Number(_) if matching.is_complete(index) => Match::Full {
                    can_go_on: matching.is_extensible(index),
                },
                RuleKind::Number(_) if matching.is_live(index) => Match::Partial,
                RuleKind::Number(_) => Match::None {
                    fails_at_key: fails_at[index],
                },
            },
            sends: match &rule.kind {
                RuleKind::Hotline { number, .. } => Some(number.clone()),
                RuleKind::Number(rule) => sent(rule, &keys, &characters).filter(|_| !rule.barred),
            },
            barred: number.is_some_and(|rule| rule.barred),
        })
        .collect()
}

impl fmt::Display for Explanation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            keys,
            plan,
            rules,
            verdict,
            keys_left_over,
        } = self;
        writeln!(formatter, "{keys} by the plan {plan}")?;
        let width = rules
            .iter()
            .map(|report| report.rule.chars().count())
            .max()
            .unwrap_or(0);
        for (index, report) in rules.iter().enumerate() {
            writeln!(formatter, "  {:>2}  {:<width$}  {report}", index + 1, report.rule)?;
        }
        write!(formatter, "{verdict}")?;
        if !keys_left_over.is_empty() {
            write!(formatter, "; {keys_left_over} would go into the call")?;
        }
        Ok(())
    }
}

impl fmt::Display for RuleReport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.matches {
            Match::Full { can_go_on: false } => write!(formatter, "matches")?,
            Match::Full { can_go_on: true } => write!(formatter, "matches, a longer number could too")?,
            Match::Partial => write!(formatter, "wants more digits")?,
            Match::None { fails_at_key } => write!(formatter, "no: key {fails_at_key} doesn't fit")?,
            Match::Hotline => write!(formatter, "waits for no digits")?,
        }
        match &self.sends {
            Some(number) => write!(formatter, "; sends {number}"),
            None if self.barred && !matches!(self.matches, Match::None { .. }) => write!(formatter, "; bars"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let by = |formatter: &mut fmt::Formatter<'_>, rule: &Option<usize>| match rule {
            Some(rule) => write!(formatter, " (rule {rule})"),
            None => Ok(()),
        };
        let after = |formatter: &mut fmt::Formatter<'_>, after_s: &u64| match after_s {
            0 => write!(formatter, "at once"),
            seconds => write!(formatter, "{seconds} s after the last digit"),
        };
        match self {
            Self::Nothing => write!(formatter, "nothing was dialled"),
            Self::Dial {
                number,
                emergency,
                after_s,
                timer,
                rule,
            } => {
                write!(formatter, "calls {number} ")?;
                after(formatter, after_s)?;
                match timer {
                    Some(TimerKind::Short) => write!(formatter, ", or with #: it could be longer")?,
                    Some(TimerKind::Long) => write!(formatter, ", or with #")?,
                    None => {}
                }
                if *emergency {
                    write!(formatter, ", an emergency number")?;
                }
                by(formatter, rule)
            }
            Self::Reject {
                reason,
                after_s,
                rule,
            } => {
                write!(formatter, "is refused ")?;
                after(formatter, after_s)?;
                write!(formatter, ": {reason}")?;
                by(formatter, rule)
            }
        }
    }
}
