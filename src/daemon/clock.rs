//! The wall clock, for caller ID and call records, and how long it is to be believed.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::gateway::Input;

/// The gateway is told the time this often; a clock set by NTP after start shows within it.
pub const TOLD_EVERY: Duration = Duration::from_secs(60);

/// What the clock on the wall shows now.
pub fn wall_clock() -> Input {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let unix_us = i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX);
    Input::WallClock {
        unix_us,
        utc_offset_s: utc_offset_s(unix_us / 1_000_000),
    }
}

/// Local time minus UTC at `unix_s`, by the system's time zone.
fn utc_offset_s(unix_s: i64) -> i32 {
    // 32 bits on some systems: past 2038 their offset is that of 1970.
    let time = libc::time_t::try_from(unix_s).unwrap_or_default();
    // SAFETY: `tm` is plain data for which all zeroes is a value.
    let mut local: libc::tm = unsafe { std::mem::zeroed() };
    // SAFETY: both pointers are to live values of the right types; localtime_r keeps neither.
    let filled = unsafe { libc::localtime_r(&raw const time, &raw mut local) };
    if filled.is_null() {
        return 0;
    }
    i32::try_from(local.tm_gmtoff).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_offset_is_that_of_a_time_zone_on_earth() {
        let Input::WallClock {
            unix_us,
            utc_offset_s,
        } = wall_clock()
        else {
            panic!("not the wall clock");
        };
        assert!(unix_us > 1_700_000_000_000_000);
        assert!(utc_offset_s.abs() <= 14 * 3600);
    }
}
