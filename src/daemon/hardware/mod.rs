//! Line hardware that isn't a program: SLIC modules on GPIO pins.
//!
//! Each line has a thread of its own ([`SlicThread`]) that clocks its ringing and reads its hook; [`module`] opens
//! the pins for it. The threads know no pins: they work on [`Slic`] and [`EdgeSource`], so that tests run them in
//! real time on a behavioural model of the module.
//!
//! What rules here is the data sheet of the module (its rules are in `tipring_hw::gpio_module`) and the kernel's
//! GPIO character device, version 2 (`Documentation/userspace-api/gpio/chardev.rst`).

mod clock;
mod edges;
mod error;
#[cfg(feature = "gpio")]
mod gpio_chip;
mod module;
#[cfg(feature = "gpio")]
mod pins;
mod reports;
mod slic_thread;
mod stopper;
mod wanted;

pub use clock::KernelClock;
pub use edges::{Edge, EdgeSource};
pub use error::HardwareError;
pub use module::{ModuleSetup, OpenModule};
pub use reports::{Reporter, SlicReport};
pub use slic_thread::SlicThread;
pub use stopper::stop_on_panic;
pub(super) use wanted::act;

#[cfg(doc)]
use tipring_hw::Slic;
