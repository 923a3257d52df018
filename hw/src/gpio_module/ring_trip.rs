//! Off hook while ringing, told from the chatter that ringing current makes of the hook detector.

use std::time::{Duration, Instant};

/// Counts up while the detector shows off hook and down, not below nothing, while it doesn't.
///
/// That is an average over ring cycles. Ringing current through an on-hook telephone is AC and holds the detector
/// for less than half of each cycle, so the count never gets past half a cycle; the direct current of a lifted
/// receiver holds it and the count does, within 27.5 ms at 20 Hz and 22 ms at 25 Hz. A short of less than 12 ms
/// (GR-909 class ring trip) doesn't get there.
#[derive(Clone, Copy, Debug)]
pub struct RingTrip {
    threshold: Duration,
    off_hook: bool,
    counted_to: Instant,
    count: Duration,
    /// When the count last left nothing: about when the receiver was lifted.
    since: Instant,
    tripped: bool,
}

impl RingTrip {
    /// Starts with the detector as it stands. `cycle` is one period of the ringing voltage.
    pub fn new(now: Instant, cycle: Duration, off_hook: bool) -> Self {
        // Eleven twentieths: half a cycle, and a margin for a toggle that came late.
        let threshold = cycle * 11 / 20;
        Self {
            threshold,
            off_hook,
            counted_to: now,
            count: Duration::ZERO,
            since: now,
            tripped: false,
        }
    }

    /// The detector changed.
    pub fn handle_edge(&mut self, at: Instant, off_hook: bool) {
        self.count_to(at);
        if off_hook && !self.off_hook && self.count.is_zero() {
            self.since = at;
        }
        self.off_hook = off_hook;
    }

    /// When the receiver was lifted, once that is certain.
    pub fn lifted(&mut self, now: Instant) -> Option<Instant> {
        self.count_to(now);
        self.tripped.then_some(self.since)
    }

    /// When it becomes certain if the detector stays as it is.
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.tripped {
            Some(self.counted_to)
        } else if self.off_hook {
            Some(self.counted_to + self.threshold.saturating_sub(self.count))
        } else {
            None
        }
    }

    fn count_to(&mut self, at: Instant) {
        let passed = at.saturating_duration_since(self.counted_to);
        self.count = if self.off_hook {
            self.count.saturating_add(passed)
        } else {
            self.count.saturating_sub(passed)
        };
        self.tripped |= self.count >= self.threshold;
        self.counted_to = self.counted_to.max(at);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::epoch;

    const MS: Duration = Duration::from_millis(1);
    const CYCLE: Duration = Duration::from_millis(50);

    #[test]
    fn a_lifted_receiver_trips_in_just_over_half_a_cycle() {
        let start = epoch();
        let mut trip = RingTrip::new(start, CYCLE, false);
        trip.handle_edge(start + 100 * MS, true);
        let due = trip.poll_timeout().unwrap();
        assert_eq!(due, start + 100 * MS + Duration::from_micros(27_500));
        assert_eq!(trip.lifted(due - Duration::from_micros(1)), None);
        assert_eq!(trip.lifted(due), Some(start + 100 * MS));
    }

    #[test]
    fn a_short_of_less_than_12_ms_does_not() {
        let start = epoch();
        let mut trip = RingTrip::new(start, CYCLE, false);
        trip.handle_edge(start + 10 * MS, true);
        trip.handle_edge(start + 21 * MS, false);
        assert_eq!(trip.poll_timeout(), None);
        assert_eq!(trip.lifted(start + 500 * MS), None);
    }

    #[test]
    fn a_trip_seen_late_is_not_undone_by_the_edge_after_it() {
        let start = epoch();
        let mut trip = RingTrip::new(start, CYCLE, true);
        trip.handle_edge(start + 200 * MS, false);
        assert_eq!(trip.lifted(start + 900 * MS), Some(start));
    }

    proptest! {
        #[test]
        fn chatter_of_up_to_half_of_each_cycle_never_trips(
            pulses in prop::collection::vec((1_u32..=24_500, 0_u32..=500), 1..200),
        ) {
            let start = epoch();
            let mut trip = RingTrip::new(start, CYCLE, false);
            let mut cycle_start = start;
            for (active_us, late_us) in pulses {
                let on = cycle_start + Duration::from_micros(late_us.into());
                trip.handle_edge(on, true);
                trip.handle_edge(on + Duration::from_micros(active_us.into()), false);
                cycle_start += CYCLE;
                prop_assert_eq!(trip.lifted(cycle_start), None);
            }
        }

        #[test]
        fn a_lifted_receiver_trips_out_of_any_chatter(edges in prop::collection::vec(0_u64..30_000, 0..100)) {
            let start = epoch();
            let mut trip = RingTrip::new(start, CYCLE, false);
            let mut now = start;
            for (n, wait_us) in edges.into_iter().enumerate() {
                now += Duration::from_micros(wait_us);
                trip.handle_edge(now, n % 2 == 0);
            }
            trip.handle_edge(now, true);
            prop_assert!(trip.poll_timeout().unwrap() <= now + 28 * MS);
            prop_assert!(trip.lifted(now + 28 * MS).is_some());
        }
    }
}
