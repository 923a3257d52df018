//! What a digit map is once it has been read.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::parse::{self, DialPlanError};

/// A checked digit map. Two are equal where their texts are.
#[derive(Clone, Debug)]
pub struct DialPlan {
    pub(super) text: String,
    pub(super) rules: Vec<Rule>,
    pub(super) first_digit: Option<Duration>,
    pub(super) long: Option<Duration>,
    pub(super) short: Option<Duration>,
}

impl DialPlan {
    /// What a line without a plan of its own has: every number passes, and so do service codes that begin with
    /// `*` or `#`; sent the short time after the last digit, or by `#`.
    pub const DEFAULT: &'static str = "(xX.|*X.|#X.)";

    /// Longest text of a plan, in characters: far above any device's (1,024 to 4,096), far below harm.
    pub const TEXT_MAX: usize = 8192;

    /// The default plan, but that these numbers are called at once, without waiting for more digits; one that another
    /// begins with still waits. The default plan where a number is no row of keys.
    pub fn for_numbers(numbers: &[String]) -> Self {
        let is_prefix = |number: &String| {
            numbers
                .iter()
                .any(|other| other != number && other.starts_with(number.as_str()))
        };
        let at_once = numbers.iter().filter(|number| !is_prefix(number));
        let rules: String = at_once.map(|number| format!("{number}S0|")).collect();
        Self::parse(&format!("({rules}{}", &Self::DEFAULT[1..])).unwrap_or_default()
    }

    /// Reads the notation that this room's page describes.
    pub fn parse(text: &str) -> Result<Self, DialPlanError> {
        parse::plan(text)
    }

    /// The plan as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The rules as they were written.
    pub fn rules(&self) -> impl Iterator<Item = &str> {
        self.rules.iter().map(|rule| rule.text.as_str())
    }

    /// The number the plan calls by itself after off-hook, and after how long.
    pub(super) fn hotline(&self) -> Option<(&str, Duration)> {
        self.rules.iter().find_map(|rule| match &rule.kind {
            RuleKind::Hotline { delay, number } => Some((number.as_str(), *delay)),
            RuleKind::Number { .. } => None,
        })
    }
}

impl Default for DialPlan {
    fn default() -> Self {
        #[expect(clippy::expect_used, reason = "a constant of ours that a test reads")]
        Self::parse(Self::DEFAULT).expect("the default plan is valid")
    }
}

impl PartialEq for DialPlan {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for DialPlan {}

impl FromStr for DialPlan {
    type Err = DialPlanError;

    fn from_str(text: &str) -> Result<Self, DialPlanError> {
        Self::parse(text)
    }
}

impl fmt::Display for DialPlan {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

/// One alternative of a plan.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    pub text: String,
    pub kind: RuleKind,
}

#[derive(Clone, Debug)]
pub(super) enum RuleKind {
    /// Called by itself after off-hook.
    Hotline { delay: Duration, number: String },
    /// Digits are matched against it.
    Number(NumberRule),
}

#[derive(Clone, Debug, Default)]
pub(super) struct NumberRule {
    pub elements: Vec<Element>,
    /// Ranges of elements that are sent as something else, in order, not overlapping.
    pub edits: Vec<Edit>,
    /// Places (numbers of elements before them) where second dial tone is heard.
    pub second_dial_tone: Vec<usize>,
    /// Places from which on an incomplete number waits so long.
    pub long: Vec<(usize, Duration)>,
    /// How long a complete number waits.
    pub short: Option<Duration>,
    /// A number that matches is refused.
    pub barred: bool,
}

impl NumberRule {
    /// Whether the rule begins with exactly these keys, each written out.
    pub fn spells(&self, keys: &str) -> bool {
        let mut elements = self.elements.iter();
        keys.chars().all(|key| {
            elements.next().is_some_and(|element| {
                element.repeat == Repeat::Once && Some(element.keys) == KeySet::of(key)
            })
        })
    }
}

/// Elements `start..end` are sent as `sent`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Edit {
    pub start: usize,
    pub end: usize,
    pub sent: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Element {
    pub keys: KeySet,
    pub repeat: Repeat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Repeat {
    Once,
    Optional,
    ZeroOrMore,
}

/// A set of the sixteen keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct KeySet(u16);

impl KeySet {
    /// The keys, in the order of their bits.
    pub const KEYS: &'static str = "0123456789*#ABCD";
    pub const EMPTY: Self = Self(0);
    pub const DIGITS: Self = Self(0x03ff);
    pub const DIGITS_AND_STAR: Self = Self(0x07ff);
    pub const ALL_BUT_HASH: Self = Self(0xf7ff);

    /// The set of one key; letters in either case.
    pub fn of(key: char) -> Option<Self> {
        let key = key.to_ascii_uppercase();
        Self::KEYS.find(key).map(|bit| Self(1 << bit))
    }

    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    pub fn contains(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}
