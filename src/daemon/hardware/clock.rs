//! The kernel's monotonic clock and [`Instant`], one told from the other.

use std::time::{Duration, Instant};

use nix::sys::time::TimeSpec;
use nix::time::{ClockId, clock_gettime};

/// Reads of both clocks to choose the closest pair from: a thread may be put off between two of them.
const READS: usize = 4;

/// Both are CLOCK_MONOTONIC on Linux, but [`Instant`] keeps its number to itself; one moment read on both tells the
/// difference for good.
#[derive(Clone, Copy, Debug)]
pub struct KernelClock {
    instant: Instant,
    kernel: Duration,
}

impl KernelClock {
    /// Reads both clocks.
    ///
    /// # Errors
    ///
    /// The kernel has no CLOCK_MONOTONIC.
    pub fn now() -> nix::Result<Self> {
        let mut closest: Option<(Duration, Self)> = None;
        for _ in 0..READS {
            let instant = Instant::now();
            let kernel = clock_gettime(ClockId::CLOCK_MONOTONIC)?.into();
            let apart = instant.elapsed();
            if closest.as_ref().is_none_or(|(least, _)| apart < *least) {
                closest = Some((apart, Self { instant, kernel }));
            }
        }
        closest.map(|(_, clock)| clock).ok_or(nix::Error::EINVAL)
    }

    /// A time stamp of the kernel, in nanoseconds.
    pub fn instant(&self, timestamp_ns: u64) -> Instant {
        let stamp = Duration::from_nanos(timestamp_ns);
        match stamp.checked_sub(self.kernel) {
            Some(later) => self.instant + later,
            // A stamp of before the machine's start is none of the kernel's.
            None => self
                .instant
                .checked_sub(self.kernel - stamp)
                .unwrap_or(self.instant),
        }
    }

    /// The same moment in the kernel's words; never zero, which a timer takes for "never".
    pub fn timespec(&self, at: Instant) -> TimeSpec {
        let kernel = match at.checked_duration_since(self.instant) {
            Some(later) => self.kernel + later,
            None => self.kernel.saturating_sub(self.instant - at),
        };
        kernel.max(Duration::from_nanos(1)).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_clocks_tell_the_same_moment() {
        let clock = KernelClock::now().unwrap();
        let before = Instant::now();
        let kernel: Duration = clock_gettime(ClockId::CLOCK_MONOTONIC).unwrap().into();
        let after = Instant::now();
        let told = clock.instant(u64::try_from(kernel.as_nanos()).unwrap());
        let slack = Duration::from_millis(1);
        assert!(
            before <= told + slack && told <= after + slack,
            "{before:?} {told:?} {after:?}"
        );
    }

    #[test]
    fn there_and_back_is_the_same_moment() {
        let clock = KernelClock::now().unwrap();
        let now = Instant::now();
        for at in [
            now - Duration::from_millis(100),
            now,
            now + Duration::from_secs(3600),
        ] {
            let kernel: Duration = clock.timespec(at).into();
            assert_eq!(clock.instant(u64::try_from(kernel.as_nanos()).unwrap()), at);
        }
    }

    #[test]
    fn a_stamp_of_nothing_harms_nothing() {
        let clock = KernelClock::now().unwrap();
        let _ = clock.instant(0);
        let _ = clock.instant(u64::MAX / 4);
    }
}
