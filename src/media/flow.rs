//! Whether sound goes both ways: what a router or firewall that lets only one direction through looks like from here.

use std::net::SocketAddr;

/// Sound one way for so long is no hesitation of the network any more.
const ONE_WAY_US: i64 = 3_000_000;

/// Reports of the peer's that must agree: its first may have been under way when our first packet came.
const DEAF_REPORTS: u8 = 2;

/// Which way nothing goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OneWay {
    /// We send, and nothing has come for 3 s.
    NothingComes {
        /// Something did before.
        before: bool,
        /// Packets come from there, which is not where the peer's stream is expected from.
        refused: Option<SocketAddr>,
    },
    /// The peer is heard, and its reports say that nothing of ours arrives.
    NothingArrives,
}

/// What is to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlowReport {
    /// Media has come to flow one way only; said once.
    OneWay(OneWay),
    /// It flows both ways again.
    BothWays,
}

/// Watches one session.
#[derive(Clone, Debug)]
pub struct Flow {
    /// When the session was agreed, last.
    since_us: i64,
    last_heard_us: Option<i64>,
    /// The peer has announced its silence (RFC 3389).
    silent: bool,
    refused: Option<SocketAddr>,
    /// Highest sequence number of ours in the peer's last report, and what we had sent by then.
    reported_highest: Option<u32>,
    sent_at_report: u32,
    deaf_reports: u8,
    told: Option<OneWay>,
}

impl Flow {
    /// Begins.
    pub fn new(now_us: i64) -> Self {
        Self {
            since_us: now_us,
            last_heard_us: None,
            silent: false,
            refused: None,
            reported_highest: None,
            sent_at_report: 0,
            deaf_reports: 0,
            told: None,
        }
    }

    /// Offer and answer have changed the session.
    pub fn renew(&mut self, now_us: i64) {
        *self = Self {
            told: self.told,
            ..Self::new(now_us)
        };
    }

    /// A packet of the stream came; comfort noise says that no more may follow for long.
    pub fn heard(&mut self, now_us: i64, comfort_noise: bool) {
        self.last_heard_us = Some(now_us);
        self.silent = comfort_noise;
        self.refused = None;
    }

    /// A packet that could have been the stream's was not let in.
    pub fn refused(&mut self, from: SocketAddr) {
        self.refused = Some(from);
    }

    /// The peer reported; `highest`: the highest sequence number it has of ours. `sent`: packets we have sent so far.
    pub fn peer_reported(&mut self, now_us: i64, highest: Option<u32>, sent: u32) {
        // A packet a frame: 3 s of sound at the longest packet time are 50.
        let sent_since = sent.saturating_sub(self.sent_at_report);
        let early = now_us - self.since_us < ONE_WAY_US || sent_since < 50;
        if highest.is_some() && highest != self.reported_highest {
            self.deaf_reports = 0;
        } else if !early {
            self.deaf_reports = self.deaf_reports.saturating_add(1);
        }
        if !early || highest.is_some() {
            self.sent_at_report = sent;
        }
        self.reported_highest = highest.or(self.reported_highest);
    }

    /// What has changed, if anything. `both_ways`: what was agreed; `sent`: packets we have sent so far.
    pub fn poll(&mut self, now_us: i64, both_ways: bool, sent: u32) -> Option<FlowReport> {
        let quiet_since = self.last_heard_us.unwrap_or(self.since_us);
        let quiet = now_us - quiet_since >= ONE_WAY_US && !self.silent;
        let now = if !both_ways || sent == 0 {
            None
        } else if quiet {
            Some(OneWay::NothingComes {
                before: self.last_heard_us.is_some(),
                refused: self.refused,
            })
        } else if self.last_heard_us.is_some() && self.deaf_reports >= DEAF_REPORTS {
            Some(OneWay::NothingArrives)
        } else {
            None
        };
        match (self.told, now) {
            (None, Some(fault)) => {
                self.told = now;
                Some(FlowReport::OneWay(fault))
            }
            (Some(_), None) => {
                self.told = None;
                both_ways.then_some(FlowReport::BothWays)
            }
            (Some(_), Some(_)) | (None, None) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000;

    fn nothing_comes(before: bool) -> Option<FlowReport> {
        let refused = None;
        Some(FlowReport::OneWay(OneWay::NothingComes { before, refused }))
    }

    #[test]
    fn silence_from_the_start_and_in_the_middle_is_told_once_after_3_s() {
        let mut flow = Flow::new(0);
        assert_eq!(flow.poll(3 * SECOND - 1, true, 100), None);
        assert_eq!(flow.poll(3 * SECOND, true, 100), nothing_comes(false));
        assert_eq!(flow.poll(9 * SECOND, true, 100), None);
        flow.heard(10 * SECOND, false);
        assert_eq!(flow.poll(10 * SECOND, true, 100), Some(FlowReport::BothWays));
        assert_eq!(flow.poll(12 * SECOND, true, 100), None);
        assert_eq!(flow.poll(13 * SECOND, true, 100), nothing_comes(true));
    }

    #[test]
    fn hold_announced_silence_and_a_line_that_sends_nothing_are_no_fault() {
        let mut flow = Flow::new(0);
        assert_eq!(flow.poll(60 * SECOND, false, 100), None);
        assert_eq!(flow.poll(60 * SECOND, true, 0), None);
        flow.heard(60 * SECOND, true);
        assert_eq!(flow.poll(90 * SECOND, true, 100), None);
    }

    #[test]
    fn packets_from_elsewhere_are_named() {
        let from = "192.0.2.7:4000".parse().unwrap();
        let mut flow = Flow::new(0);
        flow.refused(from);
        let refused = Some(from);
        let before = false;
        let told = flow.poll(3 * SECOND, true, 1);
        assert_eq!(
            told,
            Some(FlowReport::OneWay(OneWay::NothingComes { before, refused }))
        );
    }

    #[test]
    fn a_peer_that_reports_nothing_of_ours_hears_nothing() {
        // No report block at all, and one whose highest number stands still.
        for highest in [None, Some(77)] {
            let mut flow = Flow::new(0);
            let mut told = Vec::new();
            for second in 0..20 {
                let now = second * SECOND;
                flow.heard(now, false);
                if second % 5 == 4 {
                    flow.peer_reported(now, highest, second as u32 * 50);
                }
                told.extend(flow.poll(now, true, second as u32 * 50));
            }
            assert_eq!(told, [FlowReport::OneWay(OneWay::NothingArrives)], "{highest:?}");
        }
    }

    #[test]
    fn a_peer_that_reports_progress_hears_us() {
        let mut flow = Flow::new(0);
        for second in 0..60 {
            let now = second * SECOND;
            flow.heard(now, false);
            if second % 5 == 4 {
                let highest = (second > 5).then_some(second as u32 * 50);
                flow.peer_reported(now, highest, second as u32 * 50);
            }
            assert_eq!(flow.poll(now, true, second as u32 * 50), None, "{second}");
        }
    }
}
