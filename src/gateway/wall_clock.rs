//! Wall time from the monotonic clock: the daemon says now and then what both show.

use std::time::Instant;

use crate::line::CallTime;

/// A pair of readings taken together.
#[derive(Clone, Copy, Debug)]
pub(super) struct WallClock {
    at: Instant,
    unix_us: i64,
    utc_offset_s: i32,
    /// The daemon has told the time: it may be shown to people.
    known: bool,
}

impl WallClock {
    /// Until the daemon tells the time, time counts from 1970.
    pub(super) fn unknown(now: Instant) -> Self {
        Self {
            at: now,
            unix_us: 0,
            utc_offset_s: 0,
            known: false,
        }
    }

    pub(super) fn new(now: Instant, unix_us: i64, utc_offset_s: i32) -> Self {
        Self {
            at: now,
            unix_us,
            utc_offset_s,
            known: true,
        }
    }

    /// Microseconds since 1970-01-01 UTC at `instant`, which may lie before the reading.
    pub(super) fn unix_us(&self, instant: Instant) -> i64 {
        let ahead = i64::try_from(instant.saturating_duration_since(self.at).as_micros()).unwrap_or(i64::MAX);
        let behind =
            i64::try_from(self.at.saturating_duration_since(instant).as_micros()).unwrap_or(i64::MAX);
        self.unix_us.saturating_add(ahead).saturating_sub(behind)
    }

    /// The same in whole milliseconds.
    pub(super) fn unix_ms(&self, instant: Instant) -> i64 {
        self.unix_us(instant).div_euclid(1000)
    }

    /// Local time for a telephone's display.
    pub(super) fn call_time(&self, instant: Instant) -> Option<CallTime> {
        if !self.known {
            return None;
        }
        let local_s = self.unix_ms(instant).div_euclid(1000) + i64::from(self.utc_offset_s);
        let (month, day) = month_and_day(local_s.div_euclid(86_400));
        let second_of_day = local_s.rem_euclid(86_400);
        Some(CallTime {
            month,
            day,
            hour: (second_of_day / 3600) as u8,
            minute: (second_of_day / 60 % 60) as u8,
        })
    }
}

/// Month and day of the proleptic Gregorian calendar, of a day counted from 1970-01-01. Years are taken to begin in
/// March, so that the leap day is a year's last; 400 years are 146,097 days.
fn month_and_day(day: i64) -> (u8, u8) {
    let from_march_0000 = day + 719_468;
    let day_of_era = from_march_0000.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day_of_month = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 {
        march_month + 3
    } else {
        march_month - 9
    };
    (month as u8, day_of_month as u8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::epoch;
    use std::time::Duration;

    #[test]
    fn the_display_shows_local_time() {
        // 2026-11-23 03:15:47 UTC, two hours east.
        let clock = WallClock::new(epoch(), 1_795_403_747_000_000, 7200);
        let shown = clock.call_time(epoch()).expect("the time is known");
        assert_eq!(
            (shown.month, shown.day, shown.hour, shown.minute),
            (11, 23, 5, 15)
        );
        let later = clock
            .call_time(epoch() + Duration::from_secs(19 * 3600))
            .expect("the time is known");
        assert_eq!((later.month, later.day, later.hour), (11, 24, 0));
    }

    #[test]
    fn leap_days_and_new_year() {
        assert_eq!(month_and_day(0), (1, 1));
        assert_eq!(month_and_day(-1), (12, 31));
        assert_eq!(month_and_day(19_782), (2, 29)); // 2024
        assert_eq!(month_and_day(19_783), (3, 1));
        assert_eq!(month_and_day(11_016), (2, 29)); // 2000
    }

    #[test]
    fn without_a_clock_no_time_is_shown() {
        assert_eq!(WallClock::unknown(epoch()).call_time(epoch()), None);
    }
}
