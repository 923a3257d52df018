//! Inside the module: what its pins and the telephone's receiver do to the detector, and what the sheets say to it.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use embedded_hal::digital::PinState;

use super::{Fault, Sheet};

/// The sheets: more than 10 ms from the last reversal to RM low.
const RING_MODE_HOLD: Duration = Duration::from_millis(10);

/// RM is high "only while ringing": longer than two cycles of 16 2/3 Hz without a reversal is not ringing.
pub(super) const RING_MODE_IDLE: Duration = Duration::from_millis(120);

/// After its last reversal the bell still discharges into the loop.
const AFTER_RINGING: Duration = Duration::from_millis(40);

#[derive(Debug)]
pub(super) struct State {
    pub(super) sheet: Sheet,
    pub(super) now: Instant,
    pub(super) random: u64,
    pub(super) ring_mode: bool,
    pub(super) forward: bool,
    pub(super) powered: bool,
    pub(super) ring_mode_since: Instant,
    pub(super) reversed_at: Instant,
    /// Reversals of the burst under way or last, RM high throughout.
    pub(super) reversals: Vec<Instant>,
    pub(super) bursts: usize,
    pub(super) lifted: bool,
    pub(super) lifted_at: Instant,
    /// Changes of the detector to come, oldest first: off hook or not.
    pub(super) coming: VecDeque<(Instant, bool)>,
    pub(super) detector: bool,
    pub(super) edges: VecDeque<(Instant, bool)>,
    pub(super) faults: Vec<Fault>,
    pub(super) failing: u32,
}

impl State {
    pub(super) fn new(sheet: Sheet, now: Instant, seed: u64) -> Self {
        Self {
            sheet,
            now,
            random: seed | 1,
            ring_mode: false,
            forward: true,
            powered: true,
            ring_mode_since: now,
            reversed_at: now,
            reversals: Vec::new(),
            bursts: 0,
            lifted: false,
            lifted_at: now,
            coming: VecDeque::new(),
            detector: false,
            edges: VecDeque::new(),
            faults: Vec::new(),
            failing: 0,
        }
    }

    pub(super) fn move_to(&mut self, now: Instant) {
        while let Some(&(at, off_hook)) = self.coming.front() {
            if at > now {
                break;
            }
            self.coming.pop_front();
            if self.detector != off_hook {
                self.detector = off_hook;
                self.edges.push_back((at, off_hook));
            }
        }
        self.now = self.now.max(now);
        if self.ring_mode {
            let quiet_since = self.reversed_at.max(self.ring_mode_since);
            if self.now > quiet_since + RING_MODE_IDLE {
                self.note(Fault::HighWithoutRinging);
            }
            if self.lifted && self.now > self.lifted_at.max(self.ring_mode_since) + Duration::from_millis(200)
            {
                self.note(Fault::RangLifted);
            }
            if !self.powered {
                self.note(Fault::PoweredDown);
            }
        }
    }

    pub(super) fn set_ring_mode(&mut self, level: PinState) {
        let high = level == PinState::High;
        if high == self.ring_mode {
            return;
        }
        if !self.forward {
            self.note(if high {
                Fault::RaisedOffIdle
            } else {
                Fault::LoweredOffIdle
            });
        }
        if high {
            self.bursts += 1;
            self.reversals.clear();
        } else if !self.reversals.is_empty() && self.now < self.reversed_at + RING_MODE_HOLD {
            self.note(Fault::LoweredEarly);
        }
        self.ring_mode = high;
        self.ring_mode_since = self.now;
    }

    pub(super) fn set_forward_reverse(&mut self, level: PinState) {
        let forward = level == self.sheet.forward_level;
        if forward == self.forward {
            return;
        }
        self.forward = forward;
        if !self.ring_mode {
            return;
        }
        if !forward && !self.reversals.is_empty() && self.now < self.reversed_at + Duration::from_millis(8) {
            self.note(Fault::TooFast);
        }
        self.reversed_at = self.now;
        self.reversals.push(self.now);
        if self.powered {
            self.ring_current();
        }
    }

    /// What one reversal of the ringing voltage does to the detector.
    fn ring_current(&mut self) {
        let start = self.now + self.jitter(Duration::from_millis(1));
        if self.lifted {
            // The direct current holds it, but for the zero crossing.
            let gap = self.jitter(Duration::from_millis(2));
            self.schedule(start, false);
            self.schedule(start + gap, true);
        } else if !self.forward && !self.sheet.chatter.is_zero() {
            let held = self
                .sheet
                .chatter
                .saturating_sub(self.jitter(Duration::from_millis(1)));
            self.schedule(start, true);
            self.schedule(start + held, false);
            // And now and then once more, as it discharges.
            let echo = start + held + self.jitter(AFTER_RINGING - held.min(AFTER_RINGING));
            self.schedule(echo, true);
            self.schedule(echo + Duration::from_micros(200), false);
        }
    }

    pub(super) fn set_power_down(&mut self, low: bool) {
        self.powered = !low;
        self.coming.clear();
        let detector = self.powered && self.lifted;
        self.schedule(self.now, detector);
        self.move_to(self.now);
    }

    pub(super) fn move_receiver(&mut self, now: Instant, lifted: bool) {
        self.move_to(now);
        if self.lifted == lifted {
            return;
        }
        self.lifted = lifted;
        self.lifted_at = now;
        // The contact shorts what the bell's current did to the detector, or ends it.
        self.coming.clear();
        if !self.powered {
            return;
        }
        let mut at = now;
        let settled = now + self.sheet.bounce;
        self.schedule(at, lifted);
        while !self.sheet.bounce.is_zero() {
            let (off, on) = (
                self.jitter(Duration::from_millis(1)),
                self.jitter(Duration::from_millis(1)),
            );
            if at + off + on >= settled {
                break;
            }
            self.schedule(at + off, !lifted);
            self.schedule(at + off + on, lifted);
            at += off + on;
        }
        self.move_to(now);
    }

    fn schedule(&mut self, at: Instant, off_hook: bool) {
        let at = self.coming.back().map_or(at, |(last, _)| at.max(*last));
        self.coming.push_back((at, off_hook));
    }

    fn note(&mut self, fault: Fault) {
        if self.faults.last() != Some(&fault) {
            self.faults.push(fault);
        }
    }

    /// From a tenth of `most` up to `most`, xorshift64.
    fn jitter(&mut self, most: Duration) -> Duration {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let share = 100 + u32::try_from(self.random % 901).unwrap_or(0);
        most * share / 1000
    }
}
