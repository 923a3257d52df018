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

mod pins;
mod state;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use embedded_hal::digital::PinState;

use crate::gpio_module::Pins;
pub use pins::{ModelPin, ModelPinError, ModelPowerDown};
use state::State;

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

impl ModuleModel {
    /// A module whose pins are at rest, its telephone on hook.
    pub fn new(sheet: Sheet, now: Instant, seed: u64) -> Self {
        Self(Arc::new(Mutex::new(State::new(sheet, now, seed))))
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
            && state.now <= state.reversed_at + state::RING_MODE_IDLE / 2
            && !state.reversals.is_empty()
    }

    /// Whether RM is high.
    pub fn ring_mode(&self) -> bool {
        self.state().ring_mode
    }

    /// When RM changed last.
    pub fn ring_mode_since(&self) -> Instant {
        self.state().ring_mode_since
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
