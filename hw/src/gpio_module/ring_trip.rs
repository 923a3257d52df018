//! Off hook while ringing, told from the chatter that ringing current makes of the hook detector.

use std::time::{Duration, Instant};

/// A lifted receiver lets the detector go for no longer: contacts that bounce, the zero crossing of a reversal.
const GAP: Duration = Duration::from_micros(2500);

/// Behind a gap, the detector must stay for so long before the gap counts as a receiver's.
const GAP_COUNTS_AFTER: Duration = Duration::from_millis(1);

/// The longest that any bell is reckoned to hold the detector, and a margin: half a cycle at 20 Hz. Bells are charged
/// through their capacitor, so slower ringing holds it no longer.
const BELL_LONGEST: Duration = Duration::from_micros(26_500);

/// A short of less than 12 ms is no answer (GR-909 class ring trip).
const SHORT: Duration = Duration::from_micros(12_500);

/// Held for so long, a receiver may be lifted: F/R goes back to rest, and its hold before RM falls passes while the
/// answer becomes certain. Bells of ordinary telephones don't get there; one that does rings with half waves of
/// unequal length, at the same frequency.
const MAYBE_AFTER: Duration = Duration::from_micros(19_200);

/// That, with the detector as it is for no less than this: not on the last twitch of a bell.
const MAYBE_STEADY: Duration = Duration::from_micros(500);

/// Held for so long, F/R doesn't leave its rest: it would have to be back in a moment.
const WAIT_AFTER: Duration = Duration::from_millis(10);

/// Counts the time that the detector has shown off hook without a [`GAP`].
///
/// Ringing current through an on-hook telephone is AC and holds the detector for less than half of each cycle, so the
/// count doesn't get past half a cycle; the direct current of a lifted receiver holds it and the count does, within
/// 26.5 ms at 20 Hz and slower, 21.2 ms at 25 Hz and 12.5 ms at 50 Hz.
#[derive(Clone, Copy, Debug)]
pub struct RingTrip {
    threshold: Duration,
    off_hook: bool,
    changed_at: Instant,
    counted_to: Instant,
    /// Since when there was no gap: about when the receiver was lifted.
    since: Instant,
    count: Duration,
    /// Shorter gaps within it, not counted yet.
    gaps: Duration,
    tripped: bool,
}

impl RingTrip {
    /// Starts with the detector as it stands. `cycle` is one period of the ringing voltage.
    pub fn new(now: Instant, cycle: Duration, off_hook: bool) -> Self {
        // Half a cycle, and a margin for a toggle that came late.
        let threshold = (cycle * 53 / 100).clamp(SHORT, BELL_LONGEST);
        Self {
            threshold,
            off_hook,
            changed_at: now,
            counted_to: now,
            since: now,
            count: Duration::ZERO,
            gaps: Duration::ZERO,
            tripped: false,
        }
    }

    /// The detector changed.
    pub fn handle_edge(&mut self, at: Instant, off_hook: bool) {
        self.count_to(at);
        if off_hook == self.off_hook {
            return;
        }
        if off_hook {
            let gap = at.saturating_duration_since(self.changed_at);
            if gap <= GAP && !self.count.is_zero() {
                self.gaps += gap;
            } else {
                self.since = at;
                self.count = Duration::ZERO;
                self.gaps = Duration::ZERO;
            }
        }
        self.off_hook = off_hook;
        self.changed_at = at;
    }

    /// When the receiver was lifted, once that is certain.
    pub fn lifted(&mut self, now: Instant) -> Option<Instant> {
        self.count_to(now);
        self.tripped.then_some(self.since)
    }

    /// When it becomes certain if the detector stays as it is.
    pub fn certain_at(&self) -> Option<Instant> {
        if self.tripped {
            return Some(self.counted_to);
        }
        let left = self.threshold.saturating_sub(self.count);
        let with_gaps = self.counted_to + left.saturating_sub(self.gaps);
        let gaps_count_at = self.changed_at + GAP_COUNTS_AFTER;
        self.off_hook
            .then(|| (self.counted_to + left).min(with_gaps.max(gaps_count_at)))
    }

    /// When the receiver may be lifted, if the detector stays as it is: F/R is better at rest from then on.
    pub fn maybe_at(&self) -> Option<Instant> {
        self.off_hook
            .then(|| (self.since + MAYBE_AFTER).max(self.changed_at + MAYBE_STEADY))
    }

    /// Until when F/R shall stay at rest if the detector stays as it is; `None`: it need not.
    pub fn rest_until(&self, now: Instant) -> Option<Instant> {
        let held = now.saturating_duration_since(self.since) >= WAIT_AFTER && !self.count.is_zero();
        let until = if self.off_hook {
            self.certain_at()?
        } else {
            self.changed_at + GAP
        };
        (held && now < until).then_some(until)
    }

    fn count_to(&mut self, at: Instant) {
        if self.off_hook {
            self.count += at.saturating_duration_since(self.counted_to);
            if at.saturating_duration_since(self.changed_at) >= GAP_COUNTS_AFTER {
                self.count += std::mem::take(&mut self.gaps);
            }
            self.tripped |= self.count >= self.threshold;
        }
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
        let due = trip.certain_at().unwrap();
        assert_eq!(due, start + 100 * MS + Duration::from_micros(26_500));
        assert_eq!(trip.lifted(due - Duration::from_micros(1)), None);
        assert_eq!(trip.lifted(due), Some(start + 100 * MS));
    }

    #[test]
    fn a_short_of_less_than_12_ms_does_not() {
        let start = epoch();
        let mut trip = RingTrip::new(start, CYCLE, false);
        trip.handle_edge(start + 10 * MS, true);
        trip.handle_edge(start + 21 * MS, false);
        assert_eq!(trip.certain_at(), None);
        assert_eq!(trip.lifted(start + 500 * MS), None);
    }

    #[test]
    fn contacts_that_bounce_and_reversals_cost_no_time() {
        let start = epoch();
        let mut trip = RingTrip::new(start, CYCLE, false);
        for (at_ms, off_hook) in [
            (10, true),
            (11, false),
            (12, true),
            (13, false),
            (15, true),
            (21, false),
            (23, true),
        ] {
            trip.handle_edge(start + at_ms * MS, off_hook);
        }
        assert_eq!(trip.certain_at(), Some(start + Duration::from_micros(36_500)));
        assert_eq!(trip.lifted(start + 36 * MS), None);
        assert_eq!(trip.lifted(start + 37 * MS), Some(start + 10 * MS));
    }

    #[test]
    fn a_bells_last_twitch_is_not_held_against_it() {
        let start = epoch();
        let mut trip = RingTrip::new(start, CYCLE, false);
        trip.handle_edge(start, true);
        trip.handle_edge(start + 25 * MS, false);
        trip.handle_edge(start + 27 * MS, true);
        assert_eq!(trip.lifted(start + Duration::from_micros(27_200)), None);
        trip.handle_edge(start + Duration::from_micros(27_200), false);
        assert_eq!((trip.certain_at(), trip.lifted(start + 90 * MS)), (None, None));
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
            prop_assert!(trip.certain_at().unwrap() <= now + 28 * MS);
            prop_assert!(trip.lifted(now + 28 * MS).is_some());
        }
    }
}
