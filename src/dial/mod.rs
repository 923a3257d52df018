//! From digits to a number to call: the digit map ([`DialPlan`]), its timers, the [`Collector`] that a line's
//! digits go into, and [`explain`], which says rule by rule what would become of a number.
//!
//! The notation is the one that Cisco's SPA and ATA devices and Obihai's document; `INTERFACE` names it as
//! `lines[].dial_plan`:
//!
//! | written | means |
//! |---|---|
//! | `( rule \| rule )` | rules; the first that matches decides |
//! | `0`-`9` `*` `#` `A`-`D` | that key |
//! | `x`, `X`, `@` | a digit; a digit or `*`; any key but `#` |
//! | `[2-9*]`, `[^19]` | one key of the set; a digit or `*` that isn't in it |
//! | `.`, `?` | the element before it any number of times, or none; once or not at all |
//! | `<8:1650>`, `<:1>`, `<9:>` | dialled 8 is sent as 1650; 1 is added; 9 is taken away |
//! | `,` | second dial tone is heard here |
//! | `!` | a number that matches the rule is barred (at the rule's end or start) |
//! | `S n`, `L n` | seconds to wait after a complete number, or (from here on) within an incomplete one |
//! | `P n<:23>`, `S n<:23>`, `<S n:23>` | hotline: 23 is called n seconds after off-hook |
//! | `S:n,( )` `L:n,( )` `P:n,( )` | the timers of the whole plan |
//!
//! Spaces are ignored. Several `S` in a row add up. Emergency numbers pass whatever the plan says.
//!
//! Matching keeps a set of places in every rule (an NFA), so the cost of a digit is at most the length of the
//! plan, whatever the plan.

mod collector;
mod decision;
mod explain;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod matching;
mod parse;
mod plan;

pub use collector::{Collector, CollectorInput, CollectorOutput, Hotline};
pub use decision::{Dialed, Rejection, TimerKind};
pub use explain::{Explanation, Match, RuleReport, Verdict, explain};
pub use parse::DialPlanError;
pub use plan::DialPlan;

use std::time::Duration;

/// Most keys one number can have; E.164 has 15 digits, service codes somewhat more.
pub const KEYS_MAX: usize = 64;

/// How long to wait for a digit, unless the plan says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timers {
    /// From off-hook to the first digit (GR-506: 15 to 20 s).
    pub first_digit: Duration,
    /// For the next digit of an incomplete number.
    pub long: Duration,
    /// For a next digit after a number that is complete but could be longer.
    pub short: Duration,
}

impl Default for Timers {
    /// 16 s (GR-506), 10 s and 3 s (as SPA and OBi devices document).
    fn default() -> Self {
        Self {
            first_digit: Duration::from_secs(16),
            long: Duration::from_secs(10),
            short: Duration::from_secs(3),
        }
    }
}

#[cfg(test)]
mod tests;
