//! What a line's thread reports, on its way out.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Reports whose taker was full; of a flood of edges the newest are kept.
const REPORTS: usize = 1024;

/// A taker that was full is asked again after this.
const REPORT_AGAIN: Duration = Duration::from_millis(10);

/// What a line's thread reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SlicReport {
    /// The loop closed or opened, bounce included; at the start, as it stands.
    Hook {
        /// Closed.
        closed: bool,
        /// When the hardware saw it.
        at: Instant,
    },
    /// The hardware failed; the line has been left as safe as could be, and the thread ends.
    Fault(String),
}

/// Takes reports; gives one back that it has no room for just now. It must not wait.
pub type Reporter = Box<dyn FnMut(SlicReport) -> Result<(), SlicReport> + Send>;

/// Reports on their way out.
pub(super) struct Reports {
    report: Reporter,
    waiting: VecDeque<SlicReport>,
    again_at: Option<Instant>,
}

impl Reports {
    pub(super) fn new(report: Reporter) -> Self {
        Self {
            report,
            waiting: VecDeque::new(),
            again_at: None,
        }
    }

    /// When those that wait are to be handed over again.
    pub(super) fn again_at(&self) -> Option<Instant> {
        self.again_at
    }

    pub(super) fn add(&mut self, report: SlicReport) {
        if self.waiting.len() == REPORTS {
            self.waiting.pop_front();
        }
        self.waiting.push_back(report);
        self.hand_over();
    }

    pub(super) fn hand_over(&mut self) {
        self.again_at = None;
        while let Some(report) = self.waiting.pop_front() {
            if let Err(report) = (self.report)(report) {
                self.waiting.push_front(report);
                self.again_at = Some(Instant::now() + REPORT_AGAIN);
                return;
            }
        }
    }

    /// The last one goes before all that wait, and is lost where there is no room for it:
    /// the thread's end tells it, too.
    pub(super) fn last(&mut self, report: SlicReport) {
        let _ = (self.report)(report);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_reports_that_find_no_room_the_newest_are_kept() {
        let mut reports = Reports::new(Box::new(Err));
        let now = Instant::now();
        for n in 0..3 * REPORTS {
            reports.add(SlicReport::Hook {
                closed: n % 2 == 0,
                at: now,
            });
        }
        assert_eq!(reports.waiting.len(), REPORTS);
        assert_eq!(
            reports.waiting.back(),
            Some(&SlicReport::Hook {
                closed: false,
                at: now
            })
        );
        assert!(reports.again_at.is_some());
    }
}
