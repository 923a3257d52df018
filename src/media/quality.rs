//! What a call sounded like: the E-model of ITU-T G.107 with G.113's values for G.711 with concealment.

use super::SessionStats;

/// R of a call without impairments but those of G.107's default values (Ro - Is).
const R_DEFAULT: f32 = 93.2;

/// Robustness of G.711 with Appendix I concealment to random loss (G.113 table I.2: Bpl, 10 ms frames).
const LOSS_ROBUSTNESS: f32 = 25.1;

/// Delay of our own ends beside network and jitter buffer: packet fill and audio frames (20 + 2 × 10 ms).
const DEVICE_DELAY_MS: f32 = 40.0;

/// The rating factor R, 0 to 93.2, from mouth-to-ear delay and the share of packets that weren't played.
pub fn rating(one_way_delay_ms: f32, loss_percent: f32) -> f32 {
    // Cole and Rosenbluth's approximation of Id.
    let late = (one_way_delay_ms - 177.3).max(0.0);
    let delay_impairment = 0.024 * one_way_delay_ms.max(0.0) + 0.11 * late;
    let loss = loss_percent.clamp(0.0, 100.0);
    // G.107 (7-29) with Ie = 0 and BurstR = 1.
    let loss_impairment = 95.0 * loss / (loss + LOSS_ROBUSTNESS);
    (R_DEFAULT - delay_impairment - loss_impairment).clamp(0.0, 100.0)
}

/// The mean opinion score of a rating (G.107 annex B): 1.0 to 4.5.
pub fn mean_opinion_score(rating: f32) -> f32 {
    if rating <= 0.0 {
        1.0
    } else if rating >= 100.0 {
        4.5
    } else {
        // Below R = 6.5 the cubic dips under 1.
        (1.0 + 0.035 * rating + rating * (rating - 60.0) * (100.0 - rating) * 7.0e-6).max(1.0)
    }
}

impl SessionStats {
    /// Estimated mean opinion score (ITU-T G.107) of what this side heard. Without a round-trip time the network
    /// counts as immediate.
    pub fn mean_opinion_score(&self) -> f32 {
        let expected = self.received_packets.saturating_add(self.lost_packets);
        let missed = self.lost_packets.saturating_add(self.late_packets);
        let loss_percent = 100.0 * missed as f32 / expected.max(1) as f32;
        mean_opinion_score(rating(self.one_way_delay_ms(), loss_percent))
    }

    /// From the far end's mouth to this side's ear. Without a round-trip time the network counts as immediate.
    pub fn one_way_delay_ms(&self) -> f32 {
        self.round_trip_ms.unwrap_or(0.0) / 2.0 + self.buffer_ms + DEVICE_DELAY_MS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values worked out from G.107 by hand: (delay, loss, R, MOS).
    #[test]
    fn ratings_match_the_recommendation() {
        let table = [
            (50.0, 0.0, 92.0, 4.38),
            (100.0, 0.0, 90.8, 4.36),
            (200.0, 0.0, 85.9, 4.23),
            (300.0, 0.0, 72.5, 3.71),
            (400.0, 0.0, 59.1, 3.05),
            (0.0, 1.0, 89.6, 4.33),
            (0.0, 5.0, 77.4, 3.92),
            (0.0, 10.0, 66.1, 3.41),
        ];
        for (delay, loss, r, mos) in table {
            let got = rating(delay, loss);
            assert!((got - r).abs() < 0.15, "{delay} ms, {loss} %: R {got}");
            assert!(
                (mean_opinion_score(got) - mos).abs() < 0.015,
                "{delay} ms, {loss} %"
            );
        }
    }

    #[test]
    fn a_dead_call_scores_almost_nothing() {
        let stats = SessionStats {
            received_packets: 0,
            lost_packets: 500,
            ..SessionStats::default()
        };
        assert!(stats.mean_opinion_score() < 1.3, "the model ends at R = 16");
        assert!(SessionStats::default().mean_opinion_score() > 4.3);
    }
}
