//! The pins of the model, as the driver holds them.

use embedded_hal::digital::{Error, ErrorKind, ErrorType, OutputPin, PinState};

use super::ModuleModel;
use super::state::State;
use crate::gpio_module::OpenDrainPin;

/// An output of the driver into the model.
#[derive(Debug)]
pub struct ModelPin {
    pub(super) model: ModuleModel,
    pub(super) set: fn(&mut State, PinState),
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
pub struct ModelPowerDown(pub(super) ModuleModel);

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
