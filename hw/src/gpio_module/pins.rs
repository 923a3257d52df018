//! The pins of a module, as the driver sees them.

use std::convert::Infallible;

use embedded_hal::digital::{Error, OutputPin};

/// A pin that is pulled low or let go, and never driven high.
///
/// PD of these modules is pulled up inside; a driven high level damages it (KS0835F sheet V1.3, pin 11). So PD is
/// no [`OutputPin`] here, and whoever hands one over has to say that it is open drain.
pub trait OpenDrainPin {
    /// What can go wrong.
    type Error: Error;

    /// Pulls the pin low.
    ///
    /// # Errors
    ///
    /// The pin could not be set.
    fn pull_low(&mut self) -> Result<(), Self::Error>;

    /// Lets the pin go; the module pulls it up.
    ///
    /// # Errors
    ///
    /// The pin could not be set.
    fn release(&mut self) -> Result<(), Self::Error>;
}

/// A pin the kernel was asked for as open drain: there, "high" lets go.
#[derive(Debug)]
pub struct KernelOpenDrain<P>(P);

impl<P: OutputPin> KernelOpenDrain<P> {
    /// `pin` must have been requested with the open-drain flag.
    pub fn new(pin: P) -> Self {
        Self(pin)
    }
}

impl<P: OutputPin> OpenDrainPin for KernelOpenDrain<P> {
    type Error = P::Error;

    fn pull_low(&mut self) -> Result<(), P::Error> {
        self.0.set_low()
    }

    fn release(&mut self) -> Result<(), P::Error> {
        self.0.set_high()
    }
}

/// PD where it isn't wired: no such pin exists.
#[derive(Debug)]
pub enum NotWired {}

impl OpenDrainPin for NotWired {
    type Error = Infallible;

    fn pull_low(&mut self) -> Result<(), Infallible> {
        match *self {}
    }

    fn release(&mut self) -> Result<(), Infallible> {
        match *self {}
    }
}

/// The outputs to a module. SHK is not among them: its edges come with time stamps of the kernel, through
/// [`Slic::handle_edge`](crate::Slic::handle_edge).
#[derive(Debug)]
pub struct Pins<Rm, Fr, Pd = NotWired> {
    /// RM: high while ringing.
    pub ring_mode: Rm,
    /// F/R: polarity, and the ringing itself.
    pub forward_reverse: Fr,
    /// PD: low powers the module down.
    pub power_down: Option<Pd>,
}
