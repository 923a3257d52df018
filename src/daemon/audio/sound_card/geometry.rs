//! Rates, periods and how far playback runs ahead.

use std::fmt;

/// Rates tried where the owner names none, best first: the telephone's own, then what nearly every card has, then
/// what some have. All are rates that [`crate::dsp::resample`] serves, and 10 ms of each are whole samples: a frame
/// that had to wait for half a sample would wait for the next period.
pub const RATES_HZ: [u32; 6] = [8000, 48_000, 16_000, 44_100, 32_000, 24_000];

/// Least margin before playback runs dry.
const MARGIN_MIN_MS: u32 = 5;

/// One direction of a card, in its own frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// Frames a second.
    pub rate_hz: u32,
    /// Channels of a frame.
    pub channels: u32,
    /// Frames from one interrupt to the next.
    pub period: u32,
    /// Frames of the ring.
    pub buffer: u32,
}

impl Geometry {
    /// Frames of 10 ms.
    pub fn ten_ms(&self) -> u32 {
        self.rate_hz / 100
    }

    fn in_ms(&self, frames: u32) -> f64 {
        f64::from(frames) * 1000.0 / f64::from(self.rate_hz)
    }

    /// How long a period lasts.
    pub fn period_us(&self) -> u32 {
        (self.in_ms(self.period) * 1000.0) as u32
    }
}

impl fmt::Display for Geometry {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{} ch, period {:.1} ms, buffer {:.1} ms",
            self.channels,
            self.in_ms(self.period),
            self.in_ms(self.buffer)
        )
    }
}

/// Frames of silence that playback begins with; it is also the whole time from what a card hears to what it says.
///
/// Sound is worked off in pieces of 10 ms, when a period of capture is complete: playback has to last from one such
/// moment to the next, and then for a margin of one more period, 5 to 10 ms.
pub fn prefill(rate_hz: u32, period: u32) -> u32 {
    let ten_ms = rate_hz / 100;
    let between = match period {
        0 => ten_ms,
        short if short <= ten_ms => ten_ms + if ten_ms.is_multiple_of(short) { 0 } else { short },
        long => long + if long.is_multiple_of(ten_ms) { 0 } else { ten_ms },
    };
    between + period.clamp(rate_hz * MARGIN_MIN_MS / 1000, ten_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_millisecond_periods_cost_twenty() {
        assert_eq!(prefill(8000, 80), 160);
        assert_eq!(prefill(48_000, 480), 960);
        assert_eq!(prefill(48_000, 240), 720, "5 ms: 15");
        assert_eq!(prefill(48_000, 96), 720, "2 ms: 15");
        assert_eq!(prefill(8000, 160), 240, "20 ms: 30");
    }

    #[test]
    fn playback_lasts_whatever_the_period_is() {
        for rate_hz in RATES_HZ {
            let ten_ms = rate_hz / 100;
            for period in 16..=4096 {
                // Captured in periods, worked off in tens of milliseconds, played all the time.
                let (mut fill, mut captured, mut least) = (prefill(rate_hz, period), 0, u32::MAX);
                for _ in 0..200 {
                    assert!(fill >= period, "{period} at {rate_hz}");
                    fill -= period;
                    captured += period;
                    least = least.min(fill);
                    fill += captured / ten_ms * ten_ms;
                    captured %= ten_ms;
                }
                assert!(
                    least >= (rate_hz * 5 / 1000).min(period),
                    "{period} at {rate_hz}: {least}"
                );
            }
        }
    }
}
