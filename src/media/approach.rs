//! When the turns of a line come that no crystal clocks: a virtual line takes a frame whenever the audio thread makes
//! one, so its turns can be moved to just after the packets' arrival, instead of up to a turn later by chance.
//!
//! Turns are only ever moved to come sooner, slowly enough not to be heard, and by one turn for each stream at most: two
//! such lines that call each other may both do it and would otherwise chase each other for ever. What a crystal of
//! the far end drifts by is the resampler's affair, not this one's.

/// How much sooner one turn comes: 0.5 % is 9 cents, below what is noticed in speech and music.
const STEP_US: i64 = 50;

/// Turns of a stream before its spare lag is believed: the buffer's guess of the network holds for the first second.
const SETTLING_TURNS: u32 = 150;

/// Turns over which the least spare lag is looked for: the turns themselves come late now and then.
const WINDOW_TURNS: u32 = 50;

/// Spare lag that is left. A turn that comes so much too early would still find its packet.
const LEFT_US: i64 = 500;

/// Less is not worth moving for.
const WORTH_US: i64 = 500;

/// Most that one stream's turns are moved by: a whole turn reaches every phase.
const BUDGET_US: i64 = 10_000;

/// Moves the turns of one line.
#[derive(Clone, Copy, Debug)]
pub struct Approach {
    least_spare_us: i64,
    turns: u32,
    settling_turns: u32,
    planned_us: i64,
    budget_us: i64,
    moved_us: i64,
}

impl Approach {
    /// Nothing is known yet.
    pub fn new() -> Self {
        Self {
            least_spare_us: i64::MAX,
            turns: 0,
            settling_turns: SETTLING_TURNS,
            planned_us: 0,
            budget_us: BUDGET_US,
            moved_us: 0,
        }
    }

    /// Another stream begins, with a phase of its own.
    pub fn restart(&mut self) {
        *self = Self {
            moved_us: self.moved_us,
            ..Self::new()
        };
    }

    /// Takes the lag that one turn found beyond what is needed; `None`: this turn says nothing, the buffer's depth is
    /// being changed.
    pub fn observe(&mut self, spare_us: Option<i64>) {
        if self.settling_turns > 0 {
            self.settling_turns -= 1;
            return;
        }
        let Some(spare_us) = spare_us.filter(|_| self.planned_us == 0) else {
            self.turns = 0;
            self.least_spare_us = i64::MAX;
            return;
        };
        self.least_spare_us = self.least_spare_us.min(spare_us);
        self.turns += 1;
        if self.turns < WINDOW_TURNS {
            return;
        }
        let excess_us = (self.least_spare_us - LEFT_US).min(self.budget_us);
        if excess_us >= WORTH_US {
            self.planned_us = excess_us;
            self.budget_us -= excess_us;
        }
        self.turns = 0;
        self.least_spare_us = i64::MAX;
    }

    /// How much sooner than usual the next turn is to come; the caller sees to it that it does.
    pub fn step_us(&mut self) -> i64 {
        let step_us = self.planned_us.min(STEP_US);
        self.planned_us -= step_us;
        self.moved_us += step_us;
        step_us
    }

    /// How far the turns have been moved in all.
    pub fn moved_us(&self) -> i64 {
        self.moved_us
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs turns whose spare lag is `spare_us` at first; what is left of it in the end.
    fn settle(approach: &mut Approach, mut spare_us: i64) -> i64 {
        for turn in 0..2000 {
            // Every seventh turn is late by a millisecond.
            let late_us = if turn % 7 == 0 { 1000 } else { 0 };
            approach.observe(Some(spare_us + late_us));
            spare_us -= approach.step_us();
        }
        spare_us
    }

    #[test]
    fn turns_close_in_on_the_packets_and_stay() {
        for spare_us in [1_500, 4_000, 9_900] {
            let mut approach = Approach::new();
            assert_eq!(settle(&mut approach, spare_us), LEFT_US);
            assert_eq!(approach.moved_us(), spare_us - LEFT_US);
        }
        let mut approach = Approach::new();
        assert_eq!(settle(&mut approach, 600), 600, "not worth it");
    }

    #[test]
    fn a_far_end_that_runs_away_is_followed_for_one_turn_only() {
        let mut approach = Approach::new();
        for _ in 0..10 {
            settle(&mut approach, 8_000);
        }
        assert_eq!(approach.moved_us(), BUDGET_US);
        approach.restart();
        settle(&mut approach, 8_000);
        assert_eq!(approach.moved_us(), BUDGET_US + 7_500);
    }
}
