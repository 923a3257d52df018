//! What the breaks of the loop mean: seizure, hang-up, register recall (flash), dial pulses.
//!
//! One classifier for all of them, since they differ in nothing but the length of a break and what follows it.
//! The windows are the zone's ([`HookWindows`]); where its recall overlaps a pulse (Britain: 50 to 130 ms beside
//! 60 to 70), [`Expectation`] decides. It works on settled changes with time stamps, so a timer that comes late
//! delays a report but never alters one.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::debounce::Change;
use super::{DigitSource, Expectation, LineEvent};
use crate::dsp::Key;
use crate::zone::{HookWindows, PulseMapping};

/// Breaks that begin this soon after a seizure are the contact of the cradle, not a dial: nobody has a finger in
/// it yet (150 to 300 ms are usual; NEC has 300).
const FIRST_DIGIT_GATE: Duration = Duration::from_millis(150);

/// What the classifier goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct HookRules {
    /// Windows of the zone or the owner's own.
    pub windows: HookWindows,
    /// Whether breaks can be digits at all.
    pub pulse_dialing: bool,
    /// Which key a train of pulses is.
    pub mapping: PulseMapping,
}

/// The classifier.
#[derive(Clone, Debug)]
pub(super) struct HookClassifier {
    rules: HookRules,
    expectation: Expectation,
    state: State,
    /// When the telephone was taken off hook; breaks that begin within [`FIRST_DIGIT_GATE`] of it are no digits.
    seized_at: Instant,
    /// [`LineEvent::PulseDialingStarted`] has been reported for the digit under way.
    announced: bool,
}

#[derive(Clone, Debug)]
enum State {
    OnHook,
    /// Off hook, loop closed.
    Closed {
        /// Since the end of the last break that counted, or the seizure.
        made_at: Instant,
        train: Option<Train>,
    },
    /// Off hook as far as we know, loop open.
    Open {
        since: Instant,
        /// `made_at` of the state before, should this be a glitch.
        made_at: Instant,
        train: Option<Train>,
        /// Such a break can only become a hang-up.
        only_hang_up: bool,
    },
}

/// Pulses of one digit so far.
#[derive(Clone, Copy, Debug)]
struct Train {
    pulses: u32,
    /// A break in it fitted no window: no digit can be told.
    spoiled: bool,
    first_break_at: Instant,
    last_break_at: Instant,
    /// Breaks added up, the last one not.
    broken_before_last: Duration,
    last_break: Duration,
}

impl Train {
    fn begin(since: Instant, length: Duration) -> Self {
        Self {
            pulses: 1,
            spoiled: false,
            first_break_at: since,
            last_break_at: since,
            broken_before_last: Duration::ZERO,
            last_break: length,
        }
    }

    fn add(&mut self, since: Instant, length: Duration) {
        self.pulses = self.pulses.saturating_add(1);
        self.broken_before_last += self.last_break;
        self.last_break = length;
        self.last_break_at = since;
    }

    /// Speed and break ratio from the first break's beginning to the last one's.
    fn source(&self) -> DigitSource {
        let span_s = (self.last_break_at - self.first_break_at).as_secs_f32();
        if self.pulses < 2 || span_s <= 0.0 {
            return DigitSource::Pulse {
                speed_pps: 0.0,
                break_percent: 0.0,
            };
        }
        DigitSource::Pulse {
            speed_pps: (self.pulses - 1) as f32 / span_s,
            break_percent: 100.0 * self.broken_before_last.as_secs_f32() / span_s,
        }
    }
}

impl HookClassifier {
    /// A telephone on hook.
    pub fn new(rules: HookRules, now: Instant) -> Self {
        Self {
            rules,
            expectation: Expectation::Digits,
            state: State::OnHook,
            seized_at: now,
            announced: false,
        }
    }

    /// What breaks mean from now on, those of a train begun included.
    pub fn expect(&mut self, expectation: Expectation) {
        self.expectation = expectation;
    }

    /// Other windows from now on; what is under way ends by them.
    pub fn set_rules(&mut self, rules: HookRules) {
        self.rules = rules;
    }

    /// Off hook: no hang-up has been reported since the last seizure.
    pub fn is_off_hook(&self) -> bool {
        !matches!(self.state, State::OnHook)
    }

    /// A pulsed digit or a break is under way: tones heard now are clicks of the dial.
    pub fn is_dialing_pulses(&self) -> bool {
        matches!(
            self.state,
            State::Open { .. } | State::Closed { train: Some(_), .. }
        )
    }

    /// A settled change of the loop.
    pub fn change(&mut self, change: Change, events: &mut VecDeque<LineEvent>) {
        if change.closed {
            self.closed(change.at, events);
        } else {
            self.opened(change.at, false, events);
        }
    }

    /// The loop was found open at `at` for reasons of ours (its feed came back): not a pulse whatever its length.
    pub fn found_open(&mut self, at: Instant, events: &mut VecDeque<LineEvent>) {
        self.opened(at, true, events);
    }

    /// The loop was found closed although it had been open when we stopped looking: that break is void.
    pub fn found_closed(&mut self) {
        if let State::Open { made_at, .. } = self.state {
            self.state = State::Closed { made_at, train: None };
        }
    }

    fn opened(&mut self, at: Instant, only_hang_up: bool, events: &mut VecDeque<LineEvent>) {
        self.timeout(at, events);
        if let State::Closed { made_at, train } = self.state {
            self.state = State::Open {
                since: at,
                made_at,
                train,
                only_hang_up: only_hang_up || at < self.seized_at + FIRST_DIGIT_GATE,
            };
        }
    }

    fn closed(&mut self, at: Instant, events: &mut VecDeque<LineEvent>) {
        // Also a hang-up whose timer came late: it is reported before the seizure that ends it.
        self.timeout(at, events);
        match self.state {
            State::OnHook => {
                self.seized_at = at;
                self.announced = false;
                self.state = State::Closed {
                    made_at: at,
                    train: None,
                };
                events.push_back(LineEvent::OffHook { at });
            }
            State::Closed { .. } => {}
            State::Open {
                since,
                made_at,
                train,
                only_hang_up,
            } => {
                let length = at.saturating_duration_since(since);
                let glitch = round_ms(length) < self.rules.windows.pulse_break_min_ms;
                self.state = if glitch || only_hang_up {
                    State::Closed { made_at, train }
                } else {
                    State::Closed {
                        made_at: at,
                        train: self.classify(since, length, train, events),
                    }
                };
            }
        }
    }

    /// What a finished break adds to the train before it.
    fn classify(
        &mut self,
        since: Instant,
        length: Duration,
        train: Option<Train>,
        events: &mut VecDeque<LineEvent>,
    ) -> Option<Train> {
        let break_ms = round_ms(length);
        let is_pulse = self.rules.pulse_dialing && break_ms <= self.rules.windows.pulse_break_max_ms;
        if let Some(mut train) = train {
            train.spoiled |= !is_pulse;
            train.add(since, length);
            return Some(train);
        }
        if is_pulse {
            return Some(Train::begin(since, length));
        }
        self.announced = false;
        events.push_back(if self.is_recall(break_ms) {
            LineEvent::Flash { break_ms }
        } else {
            LineEvent::Rejected {
                reason: if break_ms < self.rules.windows.flash_min_ms {
                    "a break too short for a recall"
                } else {
                    "a break too long for a recall, too short for a hang-up"
                },
            }
        });
        None
    }

    fn is_recall(&self, break_ms: u32) -> bool {
        (self.rules.windows.flash_min_ms..=self.rules.windows.flash_max_ms).contains(&break_ms)
    }

    /// Reports what is due by `now`: a complete digit, a hang-up, the beginning of pulse dialling.
    pub fn timeout(&mut self, now: Instant, events: &mut VecDeque<LineEvent>) {
        while self.deadline().is_some_and(|deadline| deadline <= now) {
            match &mut self.state {
                State::OnHook => return,
                State::Closed { train, .. } => {
                    if let Some(train) = train.take() {
                        self.finish(&train, events);
                    }
                }
                State::Open { since, .. } => {
                    let since = *since;
                    if self.pulsing_starts().is_some() {
                        self.announced = true;
                        events.push_back(LineEvent::PulseDialingStarted);
                    } else {
                        // Pulses of an unfinished digit go with it; who lifts next begins by dialling.
                        self.state = State::OnHook;
                        self.expectation = Expectation::Digits;
                        events.push_back(LineEvent::OnHook { at: since });
                    }
                }
            }
        }
    }

    /// When [`timeout`](Self::timeout) has something to report.
    pub fn deadline(&self) -> Option<Instant> {
        let windows = &self.rules.windows;
        match &self.state {
            State::OnHook | State::Closed { train: None, .. } => None,
            State::Closed {
                made_at,
                train: Some(_),
            } => Some(*made_at + ms(windows.interdigit_ms)),
            State::Open { since, .. } => {
                Some(self.pulsing_starts().unwrap_or(*since + ms(windows.hang_up_ms)))
            }
        }
    }

    /// When the present break will have lasted long enough to be the first pulse of a digit that is awaited.
    fn pulsing_starts(&self) -> Option<Instant> {
        match self.state {
            State::Open {
                since,
                train: None,
                only_hang_up: false,
                ..
            } if self.rules.pulse_dialing && !self.announced && self.expectation == Expectation::Digits => {
                Some(since + ms(self.rules.windows.pulse_break_min_ms))
            }
            _ => None,
        }
    }

    /// The train is over: which digit, or a recall after all?
    fn finish(&mut self, train: &Train, events: &mut VecDeque<LineEvent>) {
        let announced = std::mem::take(&mut self.announced);
        let break_ms = round_ms(train.last_break);
        if train.pulses == 1 && self.expectation == Expectation::Conversation && self.is_recall(break_ms) {
            events.push_back(LineEvent::Flash { break_ms });
            return;
        }
        if train.spoiled {
            events.push_back(LineEvent::Rejected {
                reason: "a break among dial pulses that is no pulse",
            });
            return;
        }
        let Some(key) = self.key(train.pulses) else {
            events.push_back(LineEvent::Rejected {
                reason: "more pulses than any digit has",
            });
            return;
        };
        if !announced {
            events.push_back(LineEvent::PulseDialingStarted);
        }
        events.push_back(LineEvent::Digit {
            key,
            source: train.source(),
        });
    }

    /// The key of so many pulses: 1 to 10 by the national dial, 11 and 12 as DAHDI has them.
    fn key(&self, pulses: u32) -> Option<Key> {
        let code = match (pulses, self.rules.mapping) {
            (11 | 12, _) => pulses - 1,
            (1..=10, PulseMapping::General) => pulses % 10,
            (1..=10, PulseMapping::Swedish) => pulses - 1,
            (1..=10, PulseMapping::NewZealand) => 10 - pulses,
            _ => return None,
        };
        Key::from_event_code(u8::try_from(code).ok()?)
    }
}

fn ms(ms: u32) -> Duration {
    Duration::from_millis(ms.into())
}

/// To the nearest millisecond, the resolution of every window.
fn round_ms(length: Duration) -> u32 {
    u32::try_from((length.as_micros() + 500) / 1000).unwrap_or(u32::MAX)
}
