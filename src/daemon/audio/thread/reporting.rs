//! What goes out of the audio thread: reports, and what is to be freed elsewhere.

use rtrb::Producer;

use super::AudioLoop;
use crate::daemon::audio::{Garbage, Report};

/// Room in the ring of reports that hook edges leave: a line's flood of them costs the other lines nothing.
const REPORTS_RESERVED: usize = 256;

impl AudioLoop {
    pub(super) fn report(&mut self, report: Report) {
        self.anything_to_report = true;
        push(&mut self.rings.reports, &mut self.unreported, report);
    }

    pub(super) fn retry_reports(&mut self) {
        while let Some(report) = self.unreported.first() {
            if self.rings.reports.slots() <= REPORTS_RESERVED || self.rings.reports.push(*report).is_err() {
                return;
            }
            self.anything_to_report = true;
            self.unreported.remove(0);
        }
    }

    pub(super) fn discard(&mut self, garbage: Garbage) {
        self.anything_to_report = true;
        // The ring is emptied with every report and far larger than what can be open; were it full all the same,
        // freeing here is a hiccup, not a fault.
        let _ = self.rings.garbage.push(garbage);
    }
}

/// Into the ring. Edges leave room for everything else in it; one that finds none is kept, the newest of each line.
pub(super) fn push(ring: &mut Producer<Report>, unreported: &mut Vec<Report>, report: Report) {
    let Report::Hook { line, .. } = report else {
        // Full of what is no edge: the daemon has hung for seconds.
        let _ = ring.push(report);
        return;
    };
    if !unreported.is_empty() || ring.slots() <= REPORTS_RESERVED || ring.push(report).is_err() {
        unreported.retain(|waiting| !matches!(waiting, Report::Hook { line: other, .. } if *other == line));
        if unreported.len() < unreported.capacity() {
            unreported.push(report);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::daemon::audio::LineId;

    #[test]
    fn of_edges_that_find_the_ring_full_the_last_one_counts_and_nothing_else_is_lost() {
        let (mut ring, mut reader) = rtrb::RingBuffer::new(REPORTS_RESERVED + 1);
        let mut unreported = Vec::with_capacity(4);
        let line = LineId(1);
        let edge = |closed| Report::Hook {
            line,
            closed,
            at: Instant::now(),
        };
        let last = edge(false);
        for report in [edge(true), edge(false), edge(true), last] {
            push(&mut ring, &mut unreported, report);
        }
        assert_eq!(unreported, [last]);
        // What is no edge still has room.
        push(&mut ring, &mut unreported, Report::Plugged(line));
        assert!(matches!(reader.pop(), Ok(Report::Hook { closed: true, .. })));
        assert_eq!(reader.pop(), Ok(Report::Plugged(line)));
    }
}
