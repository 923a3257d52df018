//! Counting what arrives of one stream: sequence numbers, loss and jitter (RFC 3550 appendix A.1, A.3, A.8).

/// A sequence number further ahead than this is a restart, not a gap (RFC 3550 appendix A.1).
const DROPOUT_MAX: u16 = 3000;

/// A sequence number further behind than this is a restart, not a straggler (RFC 3550 appendix A.1).
const MISORDER_MAX: u16 = 100;

/// Samples in a millisecond.
const SAMPLES_PER_MS: f32 = 8.0;

/// What a sequence number says of its packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Newer than all before.
    Newest,
    /// A straggler or a duplicate.
    Older,
    /// The sender has begun to count anew (two packets in a row say so).
    Restarted,
    /// A jump that nothing has confirmed yet.
    Suspect,
}

/// The counters of one stream.
#[derive(Clone, Debug)]
pub struct Reception {
    base: u16,
    highest: u16,
    cycles: u32,
    received: u32,
    suspect: Option<u16>,
    expected_prior: u32,
    received_prior: u32,
    last_transit: Option<i32>,
    jitter: f32,
    jitter_max: f32,
}

/// Loss since the last report, for a report block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IntervalLoss {
    /// In 1/256.
    pub fraction: u8,
    /// In all.
    pub cumulative: i32,
}

impl Reception {
    /// Begins with a stream's first packet; feed that one to [`Self::sequence`] as well.
    pub fn new(first_sequence: u16) -> Self {
        Self {
            base: first_sequence,
            highest: first_sequence.wrapping_sub(1),
            cycles: 0,
            received: 0,
            suspect: None,
            expected_prior: 0,
            received_prior: 0,
            last_transit: None,
            jitter: 0.0,
            jitter_max: 0.0,
        }
    }

    /// Counts a packet.
    pub fn sequence(&mut self, sequence: u16) -> Order {
        let ahead = sequence.wrapping_sub(self.highest);
        if self.received == 0 || (ahead > 0 && ahead < DROPOUT_MAX) {
            if self.received > 0 && sequence < self.highest {
                self.cycles = self.cycles.wrapping_add(1 << 16);
            }
            self.highest = sequence;
            self.suspect = None;
            self.received = self.received.saturating_add(1);
            return Order::Newest;
        }
        if ahead == 0 || ahead > u16::MAX - MISORDER_MAX {
            self.received = self.received.saturating_add(1);
            return Order::Older;
        }
        if self.suspect == Some(sequence) {
            let jitter_max = self.jitter_max;
            *self = Self::new(sequence);
            self.jitter_max = jitter_max;
            self.sequence(sequence);
            return Order::Restarted;
        }
        self.suspect = Some(sequence.wrapping_add(1));
        Order::Suspect
    }

    /// Takes a packet's relative transit time, arrival minus time stamp, in samples, modulo 2^32.
    pub fn transit(&mut self, transit: i32) {
        if let Some(last) = self.last_transit {
            let difference = transit.wrapping_sub(last).unsigned_abs() as f32;
            // A jump of more than a second is a jump of the time stamps, not of the network.
            if difference < 8000.0 {
                self.jitter += (difference - self.jitter) / 16.0;
                self.jitter_max = self.jitter_max.max(self.jitter);
            }
        }
        self.last_transit = Some(transit);
    }

    /// Packets received, duplicates and stragglers included.
    pub fn received(&self) -> u32 {
        self.received
    }

    /// Packets that the sequence numbers promised and that never came; negative with duplicates.
    pub fn lost(&self) -> i32 {
        self.expected().wrapping_sub(self.received) as i32
    }

    /// Highest sequence number with its cycles, for a report block.
    pub fn extended_highest(&self) -> u32 {
        self.cycles.wrapping_add(u32::from(self.highest))
    }

    /// Interarrival jitter in samples (RFC 3550 6.4.1).
    pub fn jitter_samples(&self) -> u32 {
        self.jitter as u32
    }

    /// Interarrival jitter.
    pub fn jitter_ms(&self) -> f32 {
        self.jitter / SAMPLES_PER_MS
    }

    /// The largest it has been.
    pub fn jitter_max_ms(&self) -> f32 {
        self.jitter_max / SAMPLES_PER_MS
    }

    /// Loss since this was asked last, and in all (RFC 3550 A.3).
    pub fn interval_loss(&mut self) -> IntervalLoss {
        let expected = self.expected();
        let expected_interval = expected.wrapping_sub(self.expected_prior);
        let received_interval = self.received.wrapping_sub(self.received_prior);
        self.expected_prior = expected;
        self.received_prior = self.received;
        let lost = i64::from(expected_interval) - i64::from(received_interval);
        let fraction = if expected_interval == 0 || lost <= 0 {
            0
        } else {
            (lost * 256 / i64::from(expected_interval)).min(255) as u8
        };
        IntervalLoss {
            fraction,
            // 24 bits in the report block.
            cumulative: self.lost().clamp(-0x80_0000, 0x7F_FFFF),
        }
    }

    fn expected(&self) -> u32 {
        if self.received == 0 {
            return 0;
        }
        self.extended_highest()
            .wrapping_sub(u32::from(self.base))
            .wrapping_add(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loss_is_counted_across_the_wrap() {
        let mut reception = Reception::new(65_530);
        for number in 0..20u16 {
            if number % 5 != 3 {
                assert_eq!(reception.sequence(65_530u16.wrapping_add(number)), Order::Newest);
            }
        }
        assert_eq!((reception.received(), reception.lost()), (16, 4));
        assert_eq!(reception.extended_highest(), 65_536 + 13);
        assert_eq!(
            reception.interval_loss(),
            IntervalLoss {
                fraction: 51,
                cumulative: 4
            }
        );
        assert_eq!(reception.interval_loss().fraction, 0);
    }

    #[test]
    fn stragglers_fill_their_gap_and_duplicates_count_as_received() {
        let mut reception = Reception::new(0);
        for number in [0, 1, 3, 2, 2, 4] {
            reception.sequence(number);
        }
        assert_eq!(reception.lost(), -1);
        assert_eq!(reception.interval_loss().fraction, 0);
    }

    #[test]
    fn a_restart_needs_two_packets_in_a_row() {
        let mut reception = Reception::new(100);
        reception.sequence(100);
        assert_eq!(reception.sequence(40_000), Order::Suspect);
        assert_eq!(reception.sequence(101), Order::Newest);
        assert_eq!(reception.sequence(40_001), Order::Suspect);
        assert_eq!(reception.sequence(40_002), Order::Restarted);
        assert_eq!(reception.sequence(40_003), Order::Newest);
        assert_eq!(reception.lost(), 0);
    }

    #[test]
    fn jitter_follows_the_example_of_rfc_3550() {
        let mut reception = Reception::new(0);
        // Alternating by 80 samples: J converges to 80 (10 ms).
        for number in 0..200 {
            reception.transit(if number % 2 == 0 { 0 } else { 80 });
        }
        assert!((reception.jitter_ms() - 10.0).abs() < 0.1);
    }
}
