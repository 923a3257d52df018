//! From edges, contact bounce included, to changes of the loop that count.
//!
//! A change counts once the new level has lasted, but it is dated by its first edge: a filter that dated changes
//! by their settling would lengthen or shorten breaks by the bounce.

use std::time::{Duration, Instant};

/// A change of the loop that has settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Change {
    /// The loop is closed from here on.
    pub closed: bool,
    /// Time stamp of the first edge.
    pub at: Instant,
}

/// How long each level must last before it counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Settling {
    /// The loop closing.
    pub closing: Duration,
    /// The loop opening.
    pub opening: Duration,
}

impl Settling {
    fn of(self, closed: bool) -> Duration {
        if closed { self.closing } else { self.opening }
    }
}

/// The filter. It keeps two levels and two time stamps, whatever the number of edges.
#[derive(Clone, Debug)]
pub(super) struct Debouncer {
    settled: bool,
    level: bool,
    last_edge: Instant,
    /// First edge away from `settled`, while it isn't decided whether that was a change.
    unsettled_since: Option<Instant>,
}

impl Debouncer {
    /// A loop known to be `closed` or open at `now`.
    pub fn new(closed: bool, now: Instant) -> Self {
        Self {
            settled: closed,
            level: closed,
            last_edge: now,
            unsettled_since: None,
        }
    }

    /// The level that counts.
    pub fn settled(&self) -> bool {
        self.settled
    }

    /// The first edge of what may become a change.
    pub fn unsettled_since(&self) -> Option<Instant> {
        self.unsettled_since
    }

    /// Takes an edge; returns the change that had settled before it, if any.
    ///
    /// An edge to the level we already have means that one was lost in between: it restarts the settling and
    /// nothing else, so the level stays true. Time stamps that run backwards count as the latest seen.
    pub fn edge(&mut self, closed: bool, at: Instant, settling: Settling) -> Option<Change> {
        let at = at.max(self.last_edge);
        let before = self.settle(at, settling);
        self.level = closed;
        self.last_edge = at;
        if closed != self.settled && self.unsettled_since.is_none() {
            self.unsettled_since = Some(at);
        }
        before
    }

    /// What has settled by `now`.
    pub fn settle(&mut self, now: Instant, settling: Settling) -> Option<Change> {
        if self.deadline(settling)? > now {
            return None;
        }
        let at = self.unsettled_since.take()?;
        let changed = self.level != self.settled;
        self.settled = self.level;
        changed.then_some(Change {
            closed: self.level,
            at,
        })
    }

    /// When the present level will have settled; `None` where nothing is open.
    pub fn deadline(&self, settling: Settling) -> Option<Instant> {
        self.unsettled_since
            .map(|_| self.last_edge + settling.of(self.level))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::epoch;

    const SETTLING: Settling = Settling {
        closing: Duration::from_millis(12),
        opening: Duration::from_millis(12),
    };

    /// Edges at these milliseconds, alternating from a closing one; the changes by the end of quiet.
    fn changes(edges_ms: &[(bool, u64)]) -> Vec<(bool, u64)> {
        let start = epoch();
        let mut debouncer = Debouncer::new(false, start);
        let mut seen = Vec::new();
        for &(closed, at_ms) in edges_ms {
            seen.extend(debouncer.edge(closed, start + Duration::from_millis(at_ms), SETTLING));
        }
        seen.extend(debouncer.settle(start + Duration::from_secs(3600), SETTLING));
        assert_eq!(debouncer.deadline(SETTLING), None);
        seen.iter()
            .map(|change| (change.closed, (change.at - start).as_millis() as u64))
            .collect()
    }

    #[test]
    fn a_bouncing_close_is_dated_by_its_first_edge() {
        assert_eq!(
            changes(&[(true, 100), (false, 101), (true, 102), (false, 104), (true, 105)]),
            [(true, 100)]
        );
    }

    #[test]
    fn a_glitch_is_nothing() {
        assert_eq!(changes(&[(true, 100), (false, 109)]), []);
    }

    #[test]
    fn a_late_timer_does_not_hide_a_change() {
        assert_eq!(
            changes(&[(true, 100), (false, 160), (true, 193)]),
            [(true, 100), (false, 160), (true, 193)]
        );
    }

    #[test]
    fn a_lost_edge_resynchronizes_on_the_level() {
        assert_eq!(
            changes(&[(true, 100), (true, 200), (false, 300)]),
            [(true, 100), (false, 300)]
        );
    }

    #[test]
    fn time_stamps_that_run_backwards_are_pinned() {
        assert_eq!(changes(&[(true, 100), (false, 50), (false, 60)]), []);
    }

    #[test]
    fn a_flood_keeps_the_last_settled_level_and_ends_with_the_true_one() {
        let flood: Vec<_> = (0..100_000).map(|n| (n % 2 == 0, 100 + n / 8)).collect();
        assert_eq!(changes(&flood), []);
        let mut ends_closed = flood;
        ends_closed.push((true, 20_000));
        assert_eq!(changes(&ends_closed), [(true, 20_000)]);
    }
}
