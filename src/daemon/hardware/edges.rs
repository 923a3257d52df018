//! Where the edges of a hook detector come from.

use std::io;
use std::os::fd::BorrowedFd;
use std::time::Instant;

/// A change of the hook detector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edge {
    /// When the hardware saw it.
    pub at: Instant,
    /// The level from then on: high or low, as on the pin.
    pub level: bool,
}

/// A hook detector. Nothing here waits.
pub trait EdgeSource: Send {
    /// Readable when there is an edge.
    fn descriptor(&self) -> BorrowedFd<'_>;

    /// The next edge, oldest first; `None`: no more for now.
    ///
    /// # Errors
    ///
    /// The device is gone or broken.
    fn next_edge(&mut self) -> io::Result<Option<Edge>>;

    /// The level now.
    ///
    /// # Errors
    ///
    /// The device is gone or broken.
    fn level(&mut self) -> io::Result<bool>;
}
