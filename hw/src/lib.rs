//! Telephone-line hardware: the trait [`Slic`] with its capabilities, one driver a file, and a behavioural model
//! of each chip or module for tests.
//!
//! Drivers are sans-IO in time: they own their pins, but the caller brings the clock. The core asks for a
//! *result* (ring, reverse, feed); the driver supplies it, or says in [`Capabilities`] that the core's signal
//! processing must.

use std::time::Instant;

pub mod gpio_module;
#[cfg(any(test, feature = "model"))]
pub mod model;
pub mod virtual_line;

#[cfg(test)]
mod testing;

/// What a line interface can do by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// Makes its own ringing voltage at the frequency asked for.
    pub hardware_ring: bool,
    /// Plays a ring cadence by itself.
    pub hardware_cadence: bool,
    /// Decodes DTMF by itself.
    pub dtmf: bool,
    /// Sends FSK by itself.
    pub fsk: bool,
    /// Can reverse the battery.
    pub polarity: bool,
    /// Passes audio while on hook.
    pub on_hook_transmission: bool,
    /// Can be powered down.
    pub power_down: bool,
    /// Reports ring trip apart from the hook.
    pub ring_trip: bool,
    /// Measures line voltages and currents.
    pub line_measurement: bool,
    /// Can open the loop feed.
    pub open_loop: bool,
}

/// One telephone line's hardware.
///
/// After every call that changes something, drain [`poll_event`](Self::poll_event) and ask
/// [`poll_timeout`](Self::poll_timeout) again.
pub trait Slic: Send {
    /// What it can do.
    fn capabilities(&self) -> Capabilities;

    /// Ringing voltage on or off. Drivers whose ringing software must clock do so from
    /// [`handle_timeout`](Self::handle_timeout).
    fn set_ringing(&mut self, now: Instant, on: bool) -> Result<(), SlicError>;

    /// Battery reversed or normal.
    fn set_reversed(&mut self, now: Instant, reversed: bool) -> Result<(), SlicError>;

    /// Loop fed or open.
    fn set_feed(&mut self, now: Instant, fed: bool) -> Result<(), SlicError>;

    /// Audio path open while on hook.
    fn set_on_hook_transmission(&mut self, now: Instant, open: bool) -> Result<(), SlicError>;

    /// An edge on the hook detector, as the hardware shows it: `level` high or low, time stamp of the kernel.
    fn handle_edge(&mut self, at: Instant, level: bool);

    /// To be called when [`poll_timeout`](Self::poll_timeout) is due.
    fn handle_timeout(&mut self, now: Instant) -> Result<(), SlicError>;

    /// When the driver wants to be called again at the latest.
    fn poll_timeout(&self) -> Option<Instant>;

    /// What happened on the line, oldest first.
    fn poll_event(&mut self) -> Option<SlicEvent>;

    /// Ringing off, forward battery, the module in its safe idle state. Called on every exit path; must not
    /// fail for anything that can be tried once more.
    fn make_safe(&mut self) -> Result<(), SlicError>;
}

/// What a line interface reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlicEvent {
    /// The loop closed (off hook) or opened, bounce included.
    Hook {
        /// Closed.
        closed: bool,
        /// When the hardware saw it.
        at: Instant,
    },
}

/// Why a line interface did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SlicError {
    /// A pin or bus failed.
    #[error("{object}: {reason}")]
    Io {
        /// Which pin or device.
        object: String,
        /// The system's words.
        reason: String,
    },
    /// The hardware has no such function.
    #[error("this line interface cannot {0}")]
    Unsupported(&'static str),
}
