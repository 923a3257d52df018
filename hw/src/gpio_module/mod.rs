//! SLIC modules on GPIO pins: Ring&tone KS0835F, Silvertel Ag1171 and Ag1170.
//!
//! They share one scheme. **RM** high selects the ringing supply (72 to 75 V) and must be high only while ringing.
//! **F/R** sets the polarity; toggled at the ring frequency while RM is high it *is* the ringing. **SHK** shows the
//! loop: off hook, and ring trip through the same pin. **PD** low powers the DC/DC converter down; it may never be
//! driven high (KS0835F sheet V1.3, pin table; Ag1171 sheet V1.0).
//!
//! Audio goes by the sound card that the module's VX and VR are wired to, not through this driver.

mod driver;
mod pins;
mod ring_trip;

use std::time::Duration;

use embedded_hal::digital::PinState;

pub use driver::GpioModule;
pub use pins::{KernelOpenDrain, NotWired, OpenDrainPin, Pins};

/// Which module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Shenzhen Ring&tone KS0835F.
    Ks0835f,
    /// Silvertel Ag1171.
    Ag1171,
    /// Silvertel Ag1170.
    Ag1170,
}

/// How a module is wired and rung.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// The level of F/R in which the battery is forward and which it keeps outside ringing.
    pub forward_level: PinState,
    /// The level of SHK that means off hook.
    pub off_hook_level: PinState,
    /// Frequency of the ringing voltage.
    pub ring_frequency: RingFrequency,
}

impl Config {
    /// The data sheet's levels for `kind`.
    ///
    /// KS0835F sheet V1.3 contradicts itself about F/R ("L for other modes" in the pin table, "H = forward" in
    /// section 2): here the pin table is followed, and [`forward_level`](Self::forward_level) is there to be set.
    pub fn new(kind: Kind, ring_frequency: RingFrequency) -> Self {
        let forward_level = match kind {
            Kind::Ks0835f => PinState::Low,
            Kind::Ag1171 | Kind::Ag1170 => PinState::High,
        };
        Self {
            forward_level,
            off_hook_level: PinState::High,
            ring_frequency,
        }
    }
}

/// Frequency of the ringing voltage, kept as the time between two reversals of the battery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RingFrequency {
    half_period: Duration,
}

impl RingFrequency {
    /// North America, Korea, Taiwan.
    pub const HZ_20: Self = Self {
        half_period: Duration::from_millis(25),
    };
    /// Europe, Australia and most others.
    pub const HZ_25: Self = Self {
        half_period: Duration::from_millis(20),
    };

    /// `None` outside 15 to 50 Hz, the range any country rings in.
    pub fn from_hz(hz: f64) -> Option<Self> {
        (15.0..=50.0).contains(&hz).then(|| Self {
            half_period: Duration::from_secs_f64(0.5 / hz),
        })
    }

    /// From one reversal to the next.
    pub fn half_period(self) -> Duration {
        self.half_period
    }
}

#[cfg(test)]
mod tests;
