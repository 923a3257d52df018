//! A SLIC module of the configuration, opened.

use std::fmt;

use tipring_hw::Slic;

use super::edges::EdgeSource;
use super::error::HardwareError;
use crate::config::model;

/// A module as the configuration describes it.
#[derive(Clone, Debug, PartialEq)]
pub struct ModuleSetup {
    /// Its kind, its pins and its sound card.
    pub settings: model::GpioModule,
    /// Frequency of the ringing voltage, the country's where the settings name none.
    pub ring_hz: f64,
}

/// A module in its safe state, ready for a [`SlicThread`](super::SlicThread).
pub struct OpenModule {
    /// Its driver.
    pub slic: Box<dyn Slic>,
    /// Its hook detector.
    pub edges: Box<dyn EdgeSource>,
}

impl fmt::Debug for OpenModule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("OpenModule")
            .field("slic", &self.slic.capabilities())
            .finish_non_exhaustive()
    }
}

impl OpenModule {
    /// Takes the pins and puts the module in its safe state. `line` is told to whoever asks the kernel for the pins'
    /// user.
    ///
    /// # Errors
    ///
    /// A chip or a line of it isn't there, isn't free, isn't permitted, or a pin cannot be set.
    #[cfg(feature = "gpio")]
    pub fn open(setup: &ModuleSetup, line: &str) -> Result<Self, HardwareError> {
        super::pins::open(setup, line)
    }

    /// Says that there is no such driver in this build.
    ///
    /// # Errors
    ///
    /// Always.
    #[cfg(not(feature = "gpio"))]
    pub fn open(_setup: &ModuleSetup, _line: &str) -> Result<Self, HardwareError> {
        Err(HardwareError::NotBuilt)
    }
}
