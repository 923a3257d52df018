//! How long packets must wait to be played in time: the distribution of their lateness, forgotten slowly.
//!
//! A packet's *transit* is its arrival minus its time stamp, on clocks that share no origin; only differences
//! mean anything. The least transit of the last seconds is a packet that met no queue; how much later the others
//! come is what the buffer has to cover.

/// Bins of one millisecond.
const BINS: usize = 512;

/// Share of packets that are to be in time. One in a hundred concealed costs 0.05 of MOS (G.107), covering the
/// rest of an exponential tail would cost more in delay.
const COVERED: f32 = 0.99;

/// What a bin keeps of its weight with every packet: a memory of about 10 s of 20 ms packets.
const FORGETTING: f32 = 0.998;

/// Weight of the initial guess: it holds for about the first second.
const GUESS_WEIGHT: f32 = 0.5;

/// The least transit is the least of the last one to two of these windows.
const WINDOW_US: i64 = 2_000_000;

/// The estimator of one stream.
#[derive(Clone, Debug)]
pub struct DelayEstimator {
    bins: Box<[f32]>,
    total: f32,
    /// Weight of the next packet; it grows instead of all bins shrinking.
    weight: f32,
    covered_us: i64,
    least_us: i64,
    next_least_us: i64,
    window_end_us: Option<i64>,
}

impl DelayEstimator {
    /// Starts with the belief that `initial_ms` is about right.
    pub fn new(initial_ms: u16) -> Self {
        let mut estimator = Self {
            bins: vec![0.0; BINS].into_boxed_slice(),
            total: 0.0,
            weight: 1.0,
            covered_us: 0,
            least_us: i64::MAX,
            next_least_us: i64::MAX,
            window_end_us: None,
        };
        estimator.restart(initial_ms);
        estimator
    }

    /// Forgets everything.
    pub fn restart(&mut self, initial_ms: u16) {
        self.bins.fill(0.0);
        self.weight = 1.0;
        self.bins[usize::from(initial_ms).min(BINS - 1)] = GUESS_WEIGHT;
        self.total = GUESS_WEIGHT;
        self.covered_us = i64::from(initial_ms) * 1000;
        self.least_us = i64::MAX;
        self.next_least_us = i64::MAX;
        self.window_end_us = None;
    }

    /// Takes a packet.
    pub fn packet(&mut self, now_us: i64, transit_us: i64) {
        let window_end_us = *self.window_end_us.get_or_insert(now_us + WINDOW_US);
        if now_us >= window_end_us {
            self.least_us = self.next_least_us;
            self.next_least_us = i64::MAX;
            self.window_end_us = Some(now_us + WINDOW_US);
        }
        self.least_us = self.least_us.min(transit_us);
        self.next_least_us = self.next_least_us.min(transit_us);

        let late_ms = (transit_us - self.least_us) / 1000;
        let bin = usize::try_from(late_ms).unwrap_or(0).min(BINS - 1);
        self.bins[bin] += self.weight;
        self.total += self.weight;
        self.weight /= FORGETTING;
        if self.weight > 1.0e6 {
            let scale = 1.0 / self.weight;
            self.bins.iter_mut().for_each(|bin| *bin *= scale);
            self.total = self.bins.iter().sum();
            self.weight = 1.0;
        }
        self.covered_us = self.quantile_us();
    }

    /// Transit of a packet that met no queue; `None` before the first.
    pub fn least_us(&self) -> Option<i64> {
        (self.least_us != i64::MAX).then_some(self.least_us)
    }

    /// Lateness that covers 99 % of packets.
    pub fn covered_us(&self) -> i64 {
        self.covered_us
    }

    fn quantile_us(&self) -> i64 {
        let mut remaining = self.total * (1.0 - COVERED);
        for (late_ms, weight) in self.bins.iter().enumerate().rev() {
            remaining -= weight;
            if remaining < 0.0 {
                // The bin's lower edge: what a packet loses by it, the margin beside it covers.
                return late_ms as i64 * 1000;
            }
        }
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed(estimator: &mut DelayEstimator, packets: std::ops::Range<i64>, late_us: impl Fn(i64) -> i64) {
        for packet in packets {
            let late = late_us(packet);
            estimator.packet(packet * 20_000 + late, -7_000_000 + late);
        }
    }

    #[test]
    fn a_quiet_network_needs_nothing_after_a_second_or_two() {
        let mut estimator = DelayEstimator::new(40);
        assert_eq!(estimator.covered_us(), 40_000);
        feed(&mut estimator, 0..100, |_| 0);
        assert_eq!(estimator.covered_us(), 0);
    }

    #[test]
    fn uniform_jitter_is_covered_and_forgotten() {
        let mut estimator = DelayEstimator::new(0);
        feed(&mut estimator, 0..1000, |packet| packet * 7919 % 40 * 1000);
        assert!(
            (38_000..=39_000).contains(&estimator.covered_us()),
            "{}",
            estimator.covered_us()
        );
        feed(&mut estimator, 1000..4000, |_| 0);
        assert_eq!(estimator.covered_us(), 0);
    }

    #[test]
    fn a_longer_route_becomes_the_new_base() {
        let mut estimator = DelayEstimator::new(0);
        feed(&mut estimator, 0..500, |_| 0);
        feed(&mut estimator, 500..3500, |_| 80_000);
        assert_eq!(estimator.least_us(), Some(-7_000_000 + 80_000));
        assert_eq!(estimator.covered_us(), 0);
    }
}
