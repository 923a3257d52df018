//! The machine a line's digits go into between off-hook and the call.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Timers;
use super::decision::{Decision, Dialed, Keys, Rejection};
use super::plan::DialPlan;

/// A number called without dialling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hotline {
    /// What to call.
    pub number: String,
    /// How long after off-hook, unless a digit comes first. Zero: nothing can be dialled.
    pub delay: Duration,
}

/// What comes into a collector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CollectorInput {
    /// A key: `0`-`9`, `*`, `#`, `A`-`D`. Other characters are ignored.
    Key(char),
}

/// What a collector has to say. After the last three it is finished and ignores everything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CollectorOutput {
    /// Play second dial tone until the next key.
    SecondDialTone,
    /// Call this.
    Dial(Dialed),
    /// Play congestion or number-unobtainable tone.
    Rejected {
        /// The keys that were pressed.
        keys: String,
        /// Why.
        reason: Rejection,
    },
    /// No digit came at all.
    TimedOut,
}

/// Collects one number. Made at off-hook, dropped once it has said what to call.
#[derive(Debug)]
pub struct Collector {
    plan: Arc<DialPlan>,
    emergency: Arc<[String]>,
    timers: Timers,
    keys: Keys,
    state: State,
    outputs: VecDeque<CollectorOutput>,
}

#[derive(Debug)]
enum State {
    /// No key yet; the number of the hotline where there is one.
    Silent {
        deadline: Instant,
        hotline: Option<String>,
    },
    /// Keys, and what they come to if no more follow.
    Collecting {
        deadline: Instant,
        end: Result<Dialed, Rejection>,
    },
    Finished,
}

impl Collector {
    /// Starts at off-hook. `hotline` goes before a hotline that the plan has. `emergency` are the country's
    /// numbers.
    pub fn new(
        now: Instant,
        plan: Arc<DialPlan>,
        emergency: Arc<[String]>,
        timers: Timers,
        hotline: Option<Hotline>,
    ) -> Self {
        let hotline = hotline.map(|hotline| (hotline.number, hotline.delay));
        let hotline = hotline.or_else(|| plan.hotline().map(|(number, delay)| (number.to_owned(), delay)));
        let (hotline, wait) = match hotline {
            Some((number, delay)) => (Some(number), delay),
            None => (None, plan.first_digit.unwrap_or(timers.first_digit)),
        };
        let mut collector = Self {
            keys: Keys::new(&plan),
            plan,
            emergency,
            timers,
            state: State::Silent {
                deadline: now + wait,
                hotline,
            },
            outputs: VecDeque::new(),
        };
        collector.handle_timeout(now);
        collector
    }

    /// The keys so far.
    pub fn keys(&self) -> &str {
        &self.keys.text
    }

    /// A key was pressed.
    pub fn handle_input(&mut self, now: Instant, input: CollectorInput) {
        self.handle_timeout(now);
        let CollectorInput::Key(key) = input;
        if matches!(self.state, State::Finished) {
            return;
        }
        let Some(Decision { end, wait, .. }) =
            self.keys.press(&self.plan, &self.emergency, &self.timers, key)
        else {
            return;
        };
        match wait {
            None => self.finish(end),
            Some((_, wait)) => {
                if self.keys.matching.is_at_second_dial_tone(&self.plan) {
                    self.outputs.push_back(CollectorOutput::SecondDialTone);
                }
                self.state = State::Collecting {
                    deadline: now + wait,
                    end,
                };
            }
        }
    }

    /// A timer may have run out.
    pub fn handle_timeout(&mut self, now: Instant) {
        match std::mem::replace(&mut self.state, State::Finished) {
            State::Silent { deadline, hotline } if now >= deadline => {
                self.outputs.push_back(match hotline {
                    None => CollectorOutput::TimedOut,
                    Some(number) => CollectorOutput::Dial(Dialed {
                        emergency: self.emergency.contains(&number),
                        number,
                        keys: String::new(),
                    }),
                });
            }
            State::Collecting { deadline, end } if now >= deadline => self.finish(end),
            state @ (State::Silent { .. } | State::Collecting { .. } | State::Finished) => self.state = state,
        }
    }

    fn finish(&mut self, end: Result<Dialed, Rejection>) {
        self.state = State::Finished;
        self.outputs.push_back(match end {
            Ok(dialed) => CollectorOutput::Dial(dialed),
            Err(reason) => CollectorOutput::Rejected {
                keys: self.keys.text.clone(),
                reason,
            },
        });
    }

    /// What it has to say, oldest first.
    pub fn poll_output(&mut self) -> Option<CollectorOutput> {
        self.outputs.pop_front()
    }

    /// When [`Collector::handle_timeout`] is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match &self.state {
            State::Silent { deadline, .. } | State::Collecting { deadline, .. } => Some(*deadline),
            State::Finished => None,
        }
    }
}
