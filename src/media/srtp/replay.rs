//! The replay window (RFC 3711 section 3.3.2).

/// Packets that may arrive behind the newest one: what a jitter buffer could still play, twice over. The RFC asks for
/// 64 at least.
pub const WINDOW: u64 = 128;

/// Which of the latest packets have been here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReplayWindow {
    newest: Option<u64>,
    /// Bit n: the packet n before the newest was here.
    seen: u128,
}

impl ReplayWindow {
    /// The highest index so far.
    pub fn newest(&self) -> Option<u64> {
        self.newest
    }

    /// Whether a packet is new and not too old. Says nothing of the packet's being genuine.
    pub fn admits(&self, index: u64) -> bool {
        let Some(newest) = self.newest else { return true };
        match newest.checked_sub(index) {
            None => true,
            Some(age) => age < WINDOW && self.seen & (1 << age) == 0,
        }
    }

    /// Whether the window goes back so far: whether what is known of a packet is known for certain.
    pub fn reaches(&self, index: u64) -> bool {
        self.newest
            .is_some_and(|newest| newest.saturating_sub(index) < WINDOW)
    }

    /// Notes a packet that was admitted and has proved genuine.
    pub fn note(&mut self, index: u64) {
        match self.newest {
            Some(newest) if index <= newest => {
                let age = newest - index;
                if age < WINDOW {
                    self.seen |= 1 << age;
                }
            }
            newest => {
                let step = newest.map_or(WINDOW, |newest| index - newest);
                self.seen = if step < WINDOW { self.seen << step } else { 0 } | 1;
                self.newest = Some(index);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        /// Against a set that forgets nothing.
        #[test]
        fn each_packet_passes_once(steps in prop::collection::vec((0..300u64, 0..300u64), 1..200)) {
            let (mut window, mut all, mut at) = (ReplayWindow::default(), BTreeSet::new(), 1000u64);
            for (ahead, behind) in steps {
                at += ahead / 20;
                let index = at.saturating_sub(behind);
                let newest = all.last().copied();
                let too_old = newest.is_some_and(|newest: u64| newest.saturating_sub(index) >= WINDOW);
                prop_assert_eq!(window.admits(index), !all.contains(&index) && !too_old);
                if window.admits(index) {
                    window.note(index);
                    all.insert(index);
                }
                prop_assert_eq!(window.newest(), all.last().copied());
            }
        }
    }
}
