//! The one clock of the demonstration: everything seen and heard, by whomever, is put on it.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A monotonic clock and what the wall clock showed at its zero.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    zero: Instant,
    zero_unix_ms: f64,
}

impl Clock {
    /// Starts now.
    pub fn start() -> Self {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            zero: Instant::now(),
            zero_unix_ms: unix.as_secs_f64() * 1000.0,
        }
    }

    /// Time passed.
    pub fn now(&self) -> Duration {
        self.zero.elapsed()
    }

    /// A wall-clock time of the daemon's, in milliseconds on this clock.
    pub fn of_unix_ms(&self, unix_ms: f64) -> f64 {
        unix_ms - self.zero_unix_ms
    }
}
