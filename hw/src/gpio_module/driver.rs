//! The driver of the modules: rings by the clock, reads the hook by its edges.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use embedded_hal::digital::{OutputPin, PinState};

use super::ring_trip::RingTrip;
use super::{Config, NotWired, OpenDrainPin, Pins};
use crate::{Capabilities, Slic, SlicError, SlicEvent};

/// From the last reversal to RM low. The sheets ask for more than 10 ms, and a timer is late, never early.
const RING_MODE_HOLD: Duration = Duration::from_micros(10_300);

/// How long the detector's edges mean nothing after ringing: one cycle at 20 Hz, in which bells discharge into the
/// loop. th-wilde/retrophone waits 100 ms, which is late for an answer in the pause.
const RING_SETTLE: Duration = Duration::from_millis(50);

/// How long the detector's edges mean nothing after power up; the sheets give no figure.
const FEED_SETTLE: Duration = Duration::from_millis(100);

/// Edges not taken yet; a contact bounces tens of times, a thousand is a flood.
const MAX_EVENTS: usize = 1024;

/// A KS0835F, Ag1171 or Ag1170.
///
/// Ringing is clocked from [`handle_timeout`](Slic::handle_timeout), which has to be called when due by a thread
/// with nothing else to do. Dropping the driver leaves the module safe.
#[derive(Debug)]
pub struct GpioModule<Rm, Fr, Pd = NotWired>
where
    Rm: OutputPin,
    Fr: OutputPin,
    Pd: OpenDrainPin,
{
    config: Config,
    pins: Pins<Rm, Fr, Pd>,
    mode: Mode,
    reversed: bool,
    /// The detector as it stands, and since when.
    detected: (Instant, bool),
    /// The last hook event reported.
    reported: (Instant, bool),
    events: VecDeque<SlicEvent>,
}

/// What the module is doing, and with it how the detector is to be read.
#[derive(Clone, Copy, Debug)]
enum Mode {
    /// Fed; each edge of the detector is an edge of the hook.
    Fed,
    /// RM high, F/R toggling.
    Ringing {
        toggle_at: Instant,
        reversed: bool,
        /// Of F/R the last time.
        toggled_at: Instant,
        ending: bool,
        trip: RingTrip,
    },
    /// RM high, F/R back at rest.
    Stopping { ring_mode_low_at: Instant },
    /// Fed; the detector still swings from ringing or power up.
    Settling { until: Instant },
    /// PD low; the detector sees nothing.
    PoweredDown,
}

impl<Rm, Fr, Pd> GpioModule<Rm, Fr, Pd>
where
    Rm: OutputPin,
    Fr: OutputPin,
    Pd: OpenDrainPin,
{
    /// Puts the module in its safe state: not ringing, battery forward, powered. `hook_detector` is the level of
    /// SHK now.
    ///
    /// # Errors
    ///
    /// A pin could not be set.
    pub fn new(
        config: Config,
        pins: Pins<Rm, Fr, Pd>,
        now: Instant,
        hook_detector: PinState,
    ) -> Result<Self, SlicError> {
        let mut module = Self {
            config,
            pins,
            mode: Mode::Fed,
            reversed: false,
            detected: (now, false),
            reported: (now, false),
            events: VecDeque::new(),
        };
        module.rest()?;
        let off_hook = hook_detector == config.off_hook_level;
        module.detected = (now, off_hook);
        module.report(now, off_hook);
        Ok(module)
    }

    /// SHK as it stands, as read and not as reported: what a self-test shows.
    pub fn off_hook_detected(&self) -> bool {
        self.detected.1
    }

    fn start_ringing(&mut self, now: Instant) -> Result<(), SlicError> {
        // The ringing supply is never put on a lifted receiver.
        if self.reported.1 {
            return Ok(());
        }
        // F/R at rest first, then RM, then the first reversal.
        self.set_forward_reverse(false)?;
        self.set_ring_mode(PinState::High)?;
        let half_period = self.config.ring_frequency.half_period();
        self.mode = Mode::Ringing {
            toggle_at: now + half_period,
            reversed: false,
            toggled_at: now,
            ending: false,
            trip: RingTrip::new(now, 2 * half_period, self.detected.1),
        };
        Ok(())
    }

    /// F/R to rest if it isn't there, and RM low when it has been there for long enough.
    fn stop_ringing(&mut self, now: Instant) -> Result<(), SlicError> {
        let at_rest_since = match self.mode {
            Mode::Ringing {
                reversed: false,
                toggled_at,
                ..
            } => toggled_at,
            _ => now,
        };
        self.mode = Mode::Stopping {
            ring_mode_low_at: now.max(at_rest_since + RING_MODE_HOLD),
        };
        self.set_forward_reverse(false)
    }

    fn advance(&mut self, now: Instant) -> Result<(), SlicError> {
        match self.mode {
            Mode::Fed | Mode::PoweredDown => Ok(()),
            Mode::Ringing { .. } => self.ring_on(now),
            Mode::Stopping { ring_mode_low_at } if now < ring_mode_low_at => Ok(()),
            Mode::Stopping { .. } => {
                self.mode = Mode::Settling {
                    until: now + RING_SETTLE,
                };
                self.set_ring_mode(PinState::Low)?;
                self.set_forward_reverse(self.reversed)
            }
            Mode::Settling { until } if now < until => Ok(()),
            Mode::Settling { .. } => {
                self.mode = Mode::Fed;
                let (since, off_hook) = self.detected;
                self.report(since, off_hook);
                Ok(())
            }
        }
    }

    /// The next step of ringing, if one is due.
    fn ring_on(&mut self, now: Instant) -> Result<(), SlicError> {
        let Mode::Ringing {
            toggle_at,
            reversed,
            toggled_at,
            ending,
            trip,
        } = &mut self.mode
        else {
            return Ok(());
        };
        if let Some(lifted) = trip.lifted(now) {
            self.report(lifted, true);
            return self.stop_ringing(now);
        }
        let half_period = self.config.ring_frequency.half_period();
        if *reversed && trip.maybe_at().is_some_and(|at| at <= now) && now < *toggle_at {
            // The rest of this half wave is at rest as well; where nobody answers, ringing goes on as it would have.
            *toggle_at += half_period;
        } else if now < *toggle_at || !*reversed && trip.rest_until(now).is_some() {
            return Ok(());
        } else {
            // Deadlines follow from deadlines, so nothing drifts. Called very late, one long half wave is better than
            // the short ones that would catch up.
            let late = now.saturating_duration_since(*toggle_at);
            let from = if late > half_period / 4 { now } else { *toggle_at };
            *toggle_at = from + half_period;
        }
        if *ending {
            return self.stop_ringing(now);
        }
        *reversed = !*reversed;
        *toggled_at = now;
        let reversed = *reversed;
        self.set_forward_reverse(reversed)
    }

    /// When [`ring_on`](Self::ring_on) is to be called next.
    fn ringing_due(toggle_at: Instant, reversed: bool, trip: &RingTrip) -> Instant {
        let toggle_at = match trip.rest_until(toggle_at) {
            Some(until) if !reversed => until,
            _ => toggle_at,
        };
        let maybe_at = trip.maybe_at().filter(|_| reversed);
        [trip.certain_at(), maybe_at]
            .into_iter()
            .flatten()
            .fold(toggle_at, Instant::min)
    }

    /// Where a pin failed in the middle of ringing nothing is known to be as it should: everything to rest.
    fn safe_unless(&mut self, now: Instant, result: Result<(), SlicError>) -> Result<(), SlicError> {
        if result.is_err() {
            let _ = self.rest().or_else(|_| self.rest());
            self.mode = Mode::Settling {
                until: now + RING_SETTLE,
            };
        }
        result
    }

    fn report(&mut self, at: Instant, closed: bool) {
        let (last_at, last) = self.reported;
        if closed == last {
            return;
        }
        let at = at.max(last_at);
        self.reported = (at, closed);
        if self.events.len() < MAX_EVENTS {
            self.events.push_back(SlicEvent::Hook { closed, at });
        } else {
            // Nobody fetches them. Each undoes the one before, and two that do are no loss.
            self.events.pop_back();
        }
    }

    fn set_ring_mode(&mut self, level: PinState) -> Result<(), SlicError> {
        self.pins
            .ring_mode
            .set_state(level)
            .map_err(|error| pin_error("RM", &error))
    }

    fn set_forward_reverse(&mut self, reversed: bool) -> Result<(), SlicError> {
        let level = if reversed {
            !self.config.forward_level
        } else {
            self.config.forward_level
        };
        self.pins
            .forward_reverse
            .set_state(level)
            .map_err(|error| pin_error("F/R", &error))
    }

    /// Brings every pin to its safe level; one that fails keeps no other from it.
    fn rest(&mut self) -> Result<(), SlicError> {
        let forward = self.set_forward_reverse(false);
        let quiet = self.set_ring_mode(PinState::Low);
        let powered = match &mut self.pins.power_down {
            Some(pin) => pin.release().map_err(|error| pin_error("PD", &error)),
            None => Ok(()),
        };
        forward.and(quiet).and(powered)
    }
}

impl<Rm, Fr, Pd> Slic for GpioModule<Rm, Fr, Pd>
where
    Rm: OutputPin + Send,
    Fr: OutputPin + Send,
    Pd: OpenDrainPin + Send,
{
    fn capabilities(&self) -> Capabilities {
        let powers_down = self.pins.power_down.is_some();
        Capabilities {
            polarity: true,
            on_hook_transmission: true,
            power_down: powers_down,
            open_loop: powers_down,
            ..Capabilities::default()
        }
    }

    fn set_ringing(&mut self, now: Instant, on: bool) -> Result<(), SlicError> {
        match (&mut self.mode, on) {
            (Mode::PoweredDown, true) => Err(SlicError::Unsupported("ring while its loop feed is off")),
            (Mode::Ringing { reversed: false, .. }, false) => {
                let stopped = self.stop_ringing(now);
                self.safe_unless(now, stopped)
            }
            (Mode::Ringing { ending, .. }, on) => {
                // The half wave under way is completed: the sheets want F/R to end at rest, and so does symmetry.
                *ending = !on;
                Ok(())
            }
            (Mode::Fed | Mode::Settling { .. } | Mode::Stopping { .. }, true) => {
                let started = self.start_ringing(now);
                self.safe_unless(now, started)
            }
            (Mode::Fed | Mode::Settling { .. } | Mode::Stopping { .. } | Mode::PoweredDown, false) => Ok(()),
        }
    }

    fn set_reversed(&mut self, _now: Instant, reversed: bool) -> Result<(), SlicError> {
        self.reversed = reversed;
        match self.mode {
            Mode::Fed | Mode::Settling { .. } | Mode::PoweredDown => self.set_forward_reverse(reversed),
            // F/R belongs to the ringing; it takes the new polarity when RM is low again.
            Mode::Ringing { .. } | Mode::Stopping { .. } => Ok(()),
        }
    }

    fn set_feed(&mut self, now: Instant, fed: bool) -> Result<(), SlicError> {
        let Some(pin) = &mut self.pins.power_down else {
            return if fed {
                Ok(())
            } else {
                Err(SlicError::Unsupported("open its loop feed: PD is not wired"))
            };
        };
        match (self.mode, fed) {
            (Mode::PoweredDown, true) => {
                self.mode = Mode::Settling {
                    until: now + FEED_SETTLE,
                };
                pin.release().map_err(|error| pin_error("PD", &error))
            }
            (Mode::PoweredDown, false) => Ok(()),
            (_, true) => Ok(()),
            (_, false) => {
                let cut = pin.pull_low().map_err(|error| pin_error("PD", &error));
                self.mode = Mode::PoweredDown;
                let forward = self.set_forward_reverse(self.reversed);
                let quiet = self.set_ring_mode(PinState::Low);
                cut.and(forward).and(quiet)
            }
        }
    }

    fn set_on_hook_transmission(&mut self, _now: Instant, _open: bool) -> Result<(), SlicError> {
        // Always open, by the bias resistor between tip and ring that both sheets ask for.
        Ok(())
    }

    fn handle_edge(&mut self, at: Instant, level: bool) {
        let off_hook = PinState::from(level) == self.config.off_hook_level;
        if off_hook != self.detected.1 {
            self.detected = (at, off_hook);
        }
        match &mut self.mode {
            Mode::Fed => self.report(at, off_hook),
            Mode::Ringing { trip, .. } => trip.handle_edge(at, off_hook),
            Mode::Stopping { .. } | Mode::Settling { .. } | Mode::PoweredDown => {}
        }
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), SlicError> {
        let advanced = self.advance(now);
        self.safe_unless(now, advanced)
    }

    fn poll_timeout(&self) -> Option<Instant> {
        match &self.mode {
            Mode::Fed | Mode::PoweredDown => None,
            Mode::Ringing {
                toggle_at,
                reversed,
                trip,
                ..
            } => Some(Self::ringing_due(*toggle_at, *reversed, trip)),
            Mode::Stopping { ring_mode_low_at } => Some(*ring_mode_low_at),
            Mode::Settling { until } => Some(*until),
        }
    }

    fn poll_event(&mut self) -> Option<SlicEvent> {
        self.events.pop_front()
    }

    fn make_safe(&mut self) -> Result<(), SlicError> {
        // Bells discharge into the loop also where ringing was cut short.
        self.mode = match self.mode {
            Mode::Fed | Mode::PoweredDown => Mode::Fed,
            Mode::Ringing { toggle_at: at, .. } | Mode::Stopping { ring_mode_low_at: at } => Mode::Settling {
                until: at + RING_SETTLE,
            },
            settling @ Mode::Settling { .. } => settling,
        };
        self.reversed = false;
        self.rest().or_else(|_| self.rest())
    }
}

impl<Rm, Fr, Pd> Drop for GpioModule<Rm, Fr, Pd>
where
    Rm: OutputPin,
    Fr: OutputPin,
    Pd: OpenDrainPin,
{
    fn drop(&mut self) {
        // RM left high after ringing powers the line from the wrong supply (weeBell 0.2: digits off by one).
        let _ = self.rest().or_else(|_| self.rest());
    }
}

fn pin_error(pin: &str, error: &dyn std::fmt::Debug) -> SlicError {
    SlicError::Io {
        object: pin.to_owned(),
        reason: format!("{error:?}"),
    }
}
