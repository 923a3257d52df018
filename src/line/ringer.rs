//! The ring cadence: when the ringing voltage goes on and off.
//!
//! Bursts are placed on the cadence's own time axis, so a late timer shortens one phase and shifts none after it.

use std::time::{Duration, Instant};

/// Plays one cadence.
#[derive(Clone, Debug)]
pub(super) struct Ringer {
    cadence_ms: Vec<u32>,
    /// Index of the phase under way: bursts are even.
    phase: usize,
    phase_ends: Option<Instant>,
}

/// Where the caller ID that follows the first ring finds its place (standards sheet 3.3): the longest silence of
/// a cadence, the first of equals.
pub(super) fn caller_id_slot(cadence_ms: &[u32]) -> Option<usize> {
    let mut slot = None;
    for (index, &silence_ms) in cadence_ms.iter().enumerate().skip(1).step_by(2) {
        if slot.is_none_or(|best: usize| cadence_ms[best] < silence_ms) {
            slot = Some(index);
        }
    }
    slot
}

impl Ringer {
    /// A cadence of burst, silence, burst ... A list that ends with a burst is played once (ring splash);
    /// phases of no length are left out with the phase before them, and nothing remaining means no bursts.
    pub fn new(cadence_ms: &[u32], phase: usize, now: Instant) -> Self {
        let mut ringer = Self {
            cadence_ms: cadence_ms.to_vec(),
            phase,
            phase_ends: None,
        };
        ringer.phase_ends = ringer.length().map(|length| now + length);
        ringer
    }

    /// The same, found in its silence `phase`, which ends at `until`.
    pub fn silent_until(cadence_ms: &[u32], phase: usize, until: Instant) -> Self {
        Self {
            cadence_ms: cadence_ms.to_vec(),
            phase,
            phase_ends: (phase < cadence_ms.len()).then_some(until),
        }
    }

    /// Ringing voltage is wanted now.
    pub fn is_burst(&self) -> bool {
        self.phase.is_multiple_of(2) && self.phase_ends.is_some()
    }

    /// When the phase under way ends; `None`: silence for ever.
    pub fn deadline(&self) -> Option<Instant> {
        self.phase_ends
    }

    /// Goes on to the phase of `now`.
    pub fn timeout(&mut self, now: Instant) {
        // A stall of a whole round: begin the next phase now rather than catch up with bursts of no length.
        let mut rounds = self.cadence_ms.len();
        while let Some(ends) = self.phase_ends
            && ends <= now
        {
            let next = self.phase + 1;
            self.phase = if next < self.cadence_ms.len() || !next.is_multiple_of(2) {
                next
            } else {
                0
            };
            let from = if rounds == 0 { now } else { ends };
            rounds = rounds.saturating_sub(1);
            self.phase_ends = self.length().map(|length| from + length);
        }
    }

    fn length(&self) -> Option<Duration> {
        // All silent or all zero: no cadence at all.
        let rings = self.cadence_ms.iter().step_by(2).any(|&burst_ms| burst_ms > 0);
        let phase_ms = self.cadence_ms.get(self.phase).filter(|_| rings)?;
        Some(Duration::from_millis(u64::from(*phase_ms)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::epoch;

    /// Milliseconds at which the voltage goes on and off within `until_ms`.
    fn bursts(cadence_ms: &[u32], until_ms: u64) -> Vec<(u64, u64)> {
        let start = epoch();
        let mut ringer = Ringer::new(cadence_ms, 0, start);
        let (mut bursts, mut on_at, mut now) = (Vec::new(), ringer.is_burst().then_some(0), start);
        while let Some(deadline) = ringer.deadline()
            && deadline <= start + Duration::from_millis(until_ms)
        {
            now = deadline;
            ringer.timeout(now);
            let at_ms = (now - start).as_millis() as u64;
            match (on_at, ringer.is_burst()) {
                (None, true) => on_at = Some(at_ms),
                (Some(on_ms), false) => {
                    bursts.push((on_ms, at_ms));
                    on_at = None;
                }
                _ => {}
            }
        }
        assert!(now >= start);
        bursts
    }

    #[test]
    fn british_cadence_repeats() {
        assert_eq!(
            bursts(&[400, 200, 400, 2000], 6000),
            [(0, 400), (600, 1000), (3000, 3400), (3600, 4000)]
        );
    }

    #[test]
    fn ring_splash_is_one_burst() {
        assert_eq!(bursts(&[500], 100_000), [(0, 500)]);
    }

    #[test]
    fn a_list_ending_with_a_burst_is_played_once() {
        assert_eq!(bursts(&[400, 200, 400], 100_000), [(0, 400), (600, 1000)]);
    }

    #[test]
    fn cadences_of_nothing_are_silent_and_end() {
        for cadence_ms in [&[][..], &[0], &[0, 0], &[0, 4000]] {
            assert_eq!(bursts(cadence_ms, 100_000), [], "{cadence_ms:?}");
        }
    }

    #[test]
    fn phases_of_no_length_join_their_neighbours() {
        assert_eq!(bursts(&[500, 0, 500, 3000], 4500), [(0, 1000), (4000, 5000)][..1]);
    }

    #[test]
    fn a_late_timer_shifts_nothing_and_a_stall_is_skipped() {
        let start = epoch();
        let mut ringer = Ringer::new(&[1000, 4000], 0, start);
        ringer.timeout(start + Duration::from_millis(1300));
        assert_eq!(ringer.deadline(), Some(start + Duration::from_millis(5000)));
        ringer.timeout(start + Duration::from_secs(3600));
        assert!(ringer.deadline() > Some(start + Duration::from_secs(3600)));
    }

    #[test]
    fn the_caller_id_goes_into_the_longest_silence() {
        assert_eq!(caller_id_slot(&[2000, 4000]), Some(1));
        assert_eq!(caller_id_slot(&[400, 200, 400, 2000]), Some(3));
        assert_eq!(caller_id_slot(&[500]), None);
    }
}
