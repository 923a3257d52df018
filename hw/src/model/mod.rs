//! Behavioural models of line interfaces, with a telephone on each: the other side of a driver's pins, for tests.
//!
//! They keep to virtual time, repeat exactly from a seed, and write down what the data sheets forbid.

pub mod gpio_module;

pub use gpio_module::{Fault, ModelPin, ModelPinError, ModelPowerDown, ModuleModel, Sheet};
