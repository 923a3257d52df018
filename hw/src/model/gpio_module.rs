//! A KS0835F or Ag1171 with a telephone on it, as its pins show it.
//!
//! The driver holds the pins; the test holds the model, moves its time and the telephone's receiver, and carries
//! the detector's edges over. What goes on inside:
//!
//! - RM high and F/R toggling is ringing; each toggle is logged, so the frequency can be measured.
//! - While ringing, an on-hook telephone's bell holds the detector for a part of each cycle ([`Sheet::chatter`]),
//!   and a lifted one lets it go for a moment at each reversal.
//! - Contacts bounce, from a seed.
//! - PD low: no feed, the detector rests.

#![expect(
    clippy::disallowed_types,
    reason = "the driver's pins and the test share one module"
)]

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use embedded_hal::digital::{Error, ErrorKind, ErrorType, OutputPin, PinState};

use crate::gpio_module::{OpenDrainPin, Pins};

/// The sheets: more than 10 ms from the last reversal to RM low.
const RING_MODE_HOLD: Duration = Duration::from_millis(10);

/// RM is high "only while ringing": longer than two cycles of 16 2/3 Hz without a reversal is not ringing.
const RING_MODE_IDLE: Duration = Duration::from_millis(120);

/// After its last reversal the bell still discharges into the loop.
const AFTER_RINGING: Duration = Duration::from_millis(40);

/// What distinguishes one module and telephone from another.
#[derive(Clone, Copy, Debug)]
pub struct Sheet {
    /// F/R level of forward battery.
    pub forward_level: PinState,
    /// SHK level of off hook.
    pub off_hook_level: PinState,
    /// How long ringing current holds the detector after every second reversal, telephone on hook.
    pub chatter: Duration,
    /// How long the contacts bounce at most when the receiver is moved.
    pub bounce: Duration,
}

impl Default for Sheet {
    /// An Ag1171, a bell that holds the detector for 18 ms of each cycle, and a worn contact.
    fn default() -> Self {
        Self {
            forward_level: PinState::High,
            off_hook_level: PinState::High,
            chatter: Duration::from_millis(18),
            bounce: Duration::from_millis(5),
        }
    }
}

/// Something the data sheets forbid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// RM went high with F/R away from its idle level.
    RaisedOffIdle,
    /// RM went low with F/R away from its idle level.
    LoweredOffIdle,
    /// RM went low less than 10 ms after the last reversal.
    LoweredEarly,
    /// RM stayed high without ringing.
    HighWithoutRinging,
    /// Away from the idle level less than 8 ms (60 Hz) after the reversal before. Back to it may be sooner: that
    /// is how ringing is cut short.
    TooFast,
    /// RM high with the module powered down.
    PoweredDown,
    /// The ringing supply on a lifted receiver for over 200 ms.
    RangLifted,
}

/// The module, and the telephone on it. Clones are the same module.
#[derive(Clone, Debug)]
pub struct ModuleModel(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    sheet: Sheet,
    now: Instant,
    random: u64,
    ring_mode: bool,
    forward: bool,
    powered: bool,
    ring_mode_since: Instant,
    reversed_at: Instant,
    /// Reversals of the burst under way or last, RM high throughout.
    reversals: Vec<Instant>,
    bursts: usize,
    lifted: bool,
    lifted_at: Instant,
    /// Changes of the detector to come, oldest first: off hook or not.
    coming: VecDeque<(Instant, bool)>,
    detector: bool,
    edges: VecDeque<(Instant, bool)>,
    faults: Vec<Fault>,
    failing: u32,
}

impl ModuleModel {
    /// A module whose pins are at rest, its telephone on hook.
    pub fn new(sheet: Sheet, now: Instant, seed: u64) -> Self {
        Self(Arc::new(Mutex::new(State {
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
        })))
    }

    /// The pins, for the driver.
    pub fn pins(&self) -> Pins<ModelPin, ModelPin, ModelPowerDown> {
        Pins {
            ring_mode: ModelPin {
                model: self.clone(),
                set: State::set_ring_mode,
            },
            forward_reverse: ModelPin {
                model: self.clone(),
                set: State::set_forward_reverse,
            },
            power_down: Some(ModelPowerDown(self.clone())),
        }
    }

    /// Moves the module's time on to `now`.
    pub fn handle_timeout(&self, now: Instant) {
        self.state().move_to(now);
    }

    /// When the detector changes next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.state().coming.front().map(|(at, _)| *at)
    }

    /// The next edge of SHK: time and level, for [`Slic::handle_edge`](crate::Slic::handle_edge).
    pub fn poll_edge(&self) -> Option<(Instant, bool)> {
        let mut state = self.state();
        let (at, off_hook) = state.edges.pop_front()?;
        let level = if off_hook {
            state.sheet.off_hook_level
        } else {
            !state.sheet.off_hook_level
        };
        Some((at, bool::from(level)))
    }

    /// The level of SHK now.
    pub fn hook_detector(&self) -> PinState {
        let state = self.state();
        if state.detector {
            state.sheet.off_hook_level
        } else {
            !state.sheet.off_hook_level
        }
    }

    /// The receiver is lifted.
    pub fn lift(&self, now: Instant) {
        self.state().move_receiver(now, true);
    }

    /// The receiver is put down.
    pub fn put_down(&self, now: Instant) {
        self.state().move_receiver(now, false);
    }

    /// Whether the telephone hears ringing voltage: RM high, and a reversal not longer ago than a slow cycle.
    pub fn is_ringing(&self) -> bool {
        let state = self.state();
        state.ring_mode
            && state.powered
            && state.now <= state.reversed_at + RING_MODE_IDLE / 2
            && !state.reversals.is_empty()
    }

    /// Whether RM is high.
    pub fn ring_mode(&self) -> bool {
        self.state().ring_mode
    }

    /// Whether the battery is reversed.
    pub fn is_reversed(&self) -> bool {
        !self.state().forward
    }

    /// Whether the loop is fed.
    pub fn is_fed(&self) -> bool {
        self.state().powered
    }

    /// Bursts so far, one under way included.
    pub fn bursts(&self) -> usize {
        self.state().bursts
    }

    /// The reversals of the last burst.
    pub fn reversals(&self) -> Vec<Instant> {
        self.state().reversals.clone()
    }

    /// Frequency of the last burst, from its pin's edges: two reversals make a cycle.
    pub fn ring_hz(&self) -> Option<f64> {
        let state = self.state();
        let (first, last) = (state.reversals.first()?, state.reversals.last()?);
        let half_periods = u32::try_from(state.reversals.len() - 1).ok().filter(|n| *n > 0)?;
        Some(0.5 * f64::from(half_periods) / (*last - *first).as_secs_f64())
    }

    /// What was done that the sheets forbid, oldest first.
    pub fn faults(&self) -> Vec<Fault> {
        self.state().faults.clone()
    }

    /// Makes the next `writes` to any pin fail.
    pub fn fail_writes(&self, writes: u32) {
        self.state().failing = writes;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A test that panicked with the lock held has failed already.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn move_to(&mut self, now: Instant) {
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

    fn set_ring_mode(&mut self, level: PinState) {
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

    fn set_forward_reverse(&mut self, level: PinState) {
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

    fn set_power_down(&mut self, low: bool) {
        self.powered = !low;
        self.coming.clear();
        let detector = self.powered && self.lifted;
        self.schedule(self.now, detector);
        self.move_to(self.now);
    }

    fn move_receiver(&mut self, now: Instant, lifted: bool) {
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

/// An output of the driver into the model.
#[derive(Debug)]
pub struct ModelPin {
    model: ModuleModel,
    set: fn(&mut State, PinState),
}

/// A pin that was told to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ModelPinError;

impl Error for ModelPinError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Other
    }
}

impl ErrorType for ModelPin {
    type Error = ModelPinError;
}

impl OutputPin for ModelPin {
    fn set_low(&mut self) -> Result<(), ModelPinError> {
        self.write(PinState::Low)
    }

    fn set_high(&mut self) -> Result<(), ModelPinError> {
        self.write(PinState::High)
    }
}

impl ModelPin {
    fn write(&self, level: PinState) -> Result<(), ModelPinError> {
        let mut state = self.model.state();
        if state.failing > 0 {
            state.failing -= 1;
            return Err(ModelPinError);
        }
        (self.set)(&mut state, level);
        Ok(())
    }
}

/// PD of the model: pulled low or let go.
#[derive(Debug)]
pub struct ModelPowerDown(ModuleModel);

impl OpenDrainPin for ModelPowerDown {
    type Error = ModelPinError;

    fn pull_low(&mut self) -> Result<(), ModelPinError> {
        self.0.state().set_power_down(true);
        Ok(())
    }

    fn release(&mut self) -> Result<(), ModelPinError> {
        self.0.state().set_power_down(false);
        Ok(())
    }
}
