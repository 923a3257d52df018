//! The driver of a virtual line: a [`Slic`] whose wires are messages.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::wire::Message;
use crate::{Capabilities, Slic, SlicError, SlicEvent};

/// A telephone whose clock has been silent this long is timed afresh: what was learnt about the delay between its
/// clock and ours has aged, and nothing on a telephone line is measured across so long a gap.
const QUIET: Duration = Duration::from_secs(2);

/// An edge that the clock puts further back than this is a jump of the clock, not a delay.
const LATE_MAX: Duration = Duration::from_secs(2);

/// An edge that the clock puts further ahead than this is one, too. A whole number pulsed in one burst of messages
/// lies ahead: fifteen digits of ten pulses, 800 ms between them, take 27 s.
const AHEAD_MAX: Duration = Duration::from_secs(30);

/// Edges waiting for their time. A contact bounces tens of times; a thousand is a flood.
const MAX_PENDING: usize = 1024;

/// Events waiting to be fetched: all that was pending, and what a telephone can say in one breath.
const MAX_EVENTS: usize = 2 * MAX_PENDING;

/// Messages waiting to be fetched: they are fetched after every call that makes one.
const MESSAGES: usize = 16;

/// A telephone line in software, with or without a telephone plugged in.
///
/// [`connect`](Self::connect) plugs one in, [`handle_message`](Self::handle_message) hears it,
/// [`poll_message`](Self::poll_message) tells it what the line does, [`disconnect`](Self::disconnect) unplugs it.
/// It lives in a real-time thread: everything it will ever need is allocated by [`new`](Self::new).
#[derive(Debug)]
pub struct VirtualLine {
    /// As the telephone should be seeing it.
    ringing: bool,
    reversed: bool,
    fed: bool,
    telephone: Option<Telephone>,
    /// Time stamp of the last hook event, so that none goes backwards even from one telephone to the next.
    last_at: Option<Instant>,
    /// The telephone's edges whose time has not come: sent in one burst after a delay, they keep their distances.
    pending: VecDeque<(Instant, bool)>,
    events: VecDeque<SlicEvent>,
    messages: VecDeque<Message>,
}

/// A telephone plugged in.
#[derive(Debug, Default)]
struct Telephone {
    /// The hook switch as last told, pending edges included.
    closed: bool,
    clock: Option<Clock>,
}

/// Ties the telephone's clock to ours at one moment.
#[derive(Clone, Copy, Debug)]
struct Clock {
    anchor_us: u64,
    anchor: Instant,
    last_us: u64,
}

impl Default for VirtualLine {
    fn default() -> Self {
        Self::new()
    }
}

impl VirtualLine {
    /// A line in order, with no telephone on it: the loop is open.
    pub fn new() -> Self {
        Self {
            ringing: false,
            reversed: false,
            fed: true,
            telephone: None,
            last_at: None,
            pending: VecDeque::with_capacity(MAX_PENDING),
            events: VecDeque::with_capacity(MAX_EVENTS),
            messages: VecDeque::with_capacity(MESSAGES),
        }
    }

    /// A telephone is plugged in, on hook until it says otherwise. It is told battery and polarity as they stand,
    /// and that the line rings if it does.
    pub fn connect(&mut self) {
        self.telephone = Some(Telephone::default());
        self.pending.clear();
        self.messages.clear();
        self.messages.push_back(Message::Battery { fed: self.fed });
        self.messages.push_back(Message::Polarity {
            reversed: self.reversed,
        });
        if self.ringing {
            self.messages.push_back(Message::Ring { on: true });
        }
    }

    /// The telephone is unplugged: the loop opens.
    pub fn disconnect(&mut self, now: Instant) {
        let Some(telephone) = self.telephone.take() else {
            return;
        };
        self.messages.clear();
        let reported = self.pending.front().map_or(telephone.closed, |(_, first)| !first);
        self.pending.clear();
        if reported {
            self.report(now, false);
        }
    }

    /// Whether a telephone is plugged in.
    pub fn is_connected(&self) -> bool {
        self.telephone.is_some()
    }

    /// What the telephone said. Audio has gone to the audio thread already and changes nothing here.
    pub fn handle_message(&mut self, now: Instant, message: &Message) {
        match *message {
            Message::Hook { closed, clock_us } => self.hook(now, closed, clock_us),
            // Only the daemon says these; the decoder lets no telephone say them.
            Message::Audio(_) | Message::Ring { .. } | Message::Polarity { .. } | Message::Battery { .. } => {
            }
        }
    }

    /// What the telephone is to be told, oldest first.
    pub fn poll_message(&mut self) -> Option<Message> {
        self.messages.pop_front()
    }

    fn hook(&mut self, now: Instant, closed: bool, clock_us: u64) {
        let Some(telephone) = &mut self.telephone else {
            return;
        };
        let at = telephone.time_of(now, clock_us);
        if closed == telephone.closed {
            return;
        }
        telephone.closed = closed;
        let not_before = self.pending.back().map_or(at, |(last, _)| at.max(*last));
        if self.pending.len() < MAX_PENDING {
            self.pending.push_back((not_before, closed));
        } else {
            // A flood: two edges that undo each other are no loss.
            self.pending.pop_back();
        }
        self.release(now);
    }

    /// Reports the edges whose time has come.
    fn release(&mut self, now: Instant) {
        while let Some(&(at, closed)) = self.pending.front() {
            if at > now {
                return;
            }
            self.pending.pop_front();
            self.report(at, closed);
        }
    }

    fn report(&mut self, at: Instant, closed: bool) {
        let at = self.last_at.map_or(at, |last| at.max(last));
        self.last_at = Some(at);
        if self.events.len() < MAX_EVENTS {
            self.events.push_back(SlicEvent::Hook { closed, at });
        } else if matches!(self.events.back(), Some(SlicEvent::Hook { closed: last, .. }) if *last != closed)
        {
            // Nobody fetches them. Two edges that undo each other are no loss.
            self.events.pop_back();
        }
    }

    fn tell(&mut self, message: Message) {
        if self.telephone.is_some() {
            self.messages.push_back(message);
        }
    }
}

impl Telephone {
    /// The instant on our clock of `clock_us` on the telephone's.
    ///
    /// The first edge after a quiet time is taken to have happened when it arrived, the following ones at their
    /// distance from it: distances within a dialled digit or a flash stay exact, whatever the socket's delay does.
    fn time_of(&mut self, now: Instant, clock_us: u64) -> Instant {
        let known = self.clock.and_then(|clock| clock.instant_of(now, clock_us));
        let at = known.unwrap_or(now);
        let clock = match (self.clock, known) {
            (Some(clock), Some(_)) => Clock {
                last_us: clock_us,
                ..clock
            },
            _ => Clock {
                anchor_us: clock_us,
                anchor: now,
                last_us: clock_us,
            },
        };
        self.clock = Some(clock);
        at
    }
}

impl Clock {
    /// `None` where the tie no longer holds: after a quiet time, or when either clock jumped.
    fn instant_of(&self, now: Instant, clock_us: u64) -> Option<Instant> {
        let since_last = Duration::from_micros(clock_us.checked_sub(self.last_us)?);
        if since_last >= QUIET {
            return None;
        }
        let at = self
            .anchor
            .checked_add(Duration::from_micros(clock_us - self.anchor_us))?;
        let plausible =
            now.saturating_duration_since(at) < LATE_MAX && at.saturating_duration_since(now) < AHEAD_MAX;
        plausible.then_some(at)
    }
}

impl Slic for VirtualLine {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            hardware_ring: true,
            polarity: true,
            on_hook_transmission: true,
            open_loop: true,
            ..Capabilities::default()
        }
    }

    fn set_ringing(&mut self, _now: Instant, on: bool) -> Result<(), SlicError> {
        if self.ringing != on {
            self.ringing = on;
            self.tell(Message::Ring { on });
        }
        Ok(())
    }

    fn set_reversed(&mut self, _now: Instant, reversed: bool) -> Result<(), SlicError> {
        if self.reversed != reversed {
            self.reversed = reversed;
            self.tell(Message::Polarity { reversed });
        }
        Ok(())
    }

    fn set_feed(&mut self, _now: Instant, fed: bool) -> Result<(), SlicError> {
        if self.fed != fed {
            self.fed = fed;
            self.tell(Message::Battery { fed });
        }
        Ok(())
    }

    fn set_on_hook_transmission(&mut self, _now: Instant, _open: bool) -> Result<(), SlicError> {
        // A virtual line passes audio whatever the hook state.
        Ok(())
    }

    fn handle_edge(&mut self, at: Instant, level: bool) {
        if let Some(telephone) = &mut self.telephone {
            telephone.closed = level;
            self.report(at, level);
        }
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), SlicError> {
        self.release(now);
        Ok(())
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.pending.front().map(|(at, _)| *at)
    }

    fn poll_event(&mut self) -> Option<SlicEvent> {
        self.events.pop_front()
    }

    fn make_safe(&mut self) -> Result<(), SlicError> {
        if std::mem::take(&mut self.ringing) {
            self.tell(Message::Ring { on: false });
        }
        if std::mem::take(&mut self.reversed) {
            self.tell(Message::Polarity { reversed: false });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::epoch;

    const MS: Duration = Duration::from_millis(1);

    fn plugged_in() -> VirtualLine {
        let mut line = VirtualLine::new();
        line.connect();
        while line.poll_message().is_some() {}
        line
    }

    fn messages(line: &mut VirtualLine) -> Vec<Message> {
        std::iter::from_fn(|| line.poll_message()).collect()
    }

    fn hooks(line: &mut VirtualLine) -> Vec<(Instant, bool)> {
        std::iter::from_fn(|| line.poll_event())
            .map(|SlicEvent::Hook { closed, at }| (at, closed))
            .collect()
    }

    fn hook(closed: bool, clock_us: u64) -> Message {
        Message::Hook { closed, clock_us }
    }

    #[test]
    fn a_telephone_plugged_in_is_told_battery_then_polarity() {
        let mut line = VirtualLine::new();
        line.set_reversed(epoch(), true).unwrap();
        line.set_feed(epoch(), false).unwrap();
        assert_eq!(messages(&mut line), [], "nobody to tell");
        line.connect();
        assert_eq!(
            messages(&mut line),
            [
                Message::Battery { fed: false },
                Message::Polarity { reversed: true }
            ]
        );
    }

    #[test]
    fn a_telephone_plugged_in_during_a_burst_rings() {
        let mut line = VirtualLine::new();
        line.set_ringing(epoch(), true).unwrap();
        line.connect();
        assert_eq!(messages(&mut line).last(), Some(&Message::Ring { on: true }));
    }

    #[test]
    fn each_change_is_told_once() {
        let mut line = plugged_in();
        for _ in 0..2 {
            line.set_ringing(epoch(), true).unwrap();
            line.set_reversed(epoch(), true).unwrap();
        }
        assert_eq!(
            messages(&mut line),
            [Message::Ring { on: true }, Message::Polarity { reversed: true }]
        );
        line.make_safe().unwrap();
        line.make_safe().unwrap();
        assert_eq!(
            messages(&mut line),
            [Message::Ring { on: false }, Message::Polarity { reversed: false }]
        );
    }

    #[test]
    fn distances_are_the_telephones_whatever_the_socket_delays() {
        let (start, mut line) = (epoch(), plugged_in());
        // A 60/40 pulse, each message delayed by something else.
        for (closed, clock_us, arrives_ms) in [
            (true, 1_000_000, 5),
            (false, 1_500_000, 540),
            (true, 1_560_000, 566),
            (false, 1_600_000, 690),
        ] {
            line.handle_message(start + arrives_ms * MS, &hook(closed, clock_us));
        }
        let at: Vec<_> = hooks(&mut line).iter().map(|(at, _)| *at - start).collect();
        assert_eq!(at, [5 * MS, 505 * MS, 565 * MS, 605 * MS]);
    }

    #[test]
    fn edges_that_arrive_in_one_burst_wait_for_their_time() {
        let (start, mut line) = (epoch(), plugged_in());
        for (closed, clock_us) in [(true, 0), (false, 300_000), (true, 360_000)] {
            line.handle_message(start, &hook(closed, clock_us));
        }
        assert_eq!(hooks(&mut line), [(start, true)]);
        assert_eq!(line.poll_timeout(), Some(start + 300 * MS));
        line.handle_timeout(start + 360 * MS).unwrap();
        assert_eq!(
            hooks(&mut line),
            [(start + 300 * MS, false), (start + 360 * MS, true)]
        );
        assert_eq!(line.poll_timeout(), None);
    }

    #[test]
    fn a_number_pulsed_in_one_burst_keeps_its_distances() {
        let (start, mut line) = (epoch(), plugged_in());
        line.handle_message(start, &hook(true, 0));
        let last_us = (0..150_u64).fold(0, |_, pulse| {
            let at_us = 500_000 + pulse * 100_000;
            line.handle_message(start, &hook(false, at_us));
            line.handle_message(start, &hook(true, at_us + 60_000));
            at_us + 60_000
        });
        let mut seen = Vec::new();
        for tick in 0..2000 {
            line.handle_timeout(start + tick * 10 * MS).unwrap();
            seen.extend(hooks(&mut line));
        }
        assert_eq!(seen.len(), 301);
        assert_eq!(seen[300], (start + Duration::from_micros(last_us), true));
    }

    #[test]
    fn a_clock_that_jumps_is_tied_anew() {
        let (start, mut line) = (epoch(), plugged_in());
        line.handle_message(start, &hook(true, u64::MAX - 5));
        line.handle_message(start + 100 * MS, &hook(false, 7));
        line.handle_message(start + 150 * MS, &hook(true, 50_007));
        line.handle_message(start + 200 * MS, &hook(false, u64::MAX));
        let at: Vec<_> = hooks(&mut line).iter().map(|(at, _)| *at - start).collect();
        assert_eq!(at, [Duration::ZERO, 100 * MS, 150 * MS, 200 * MS]);
    }

    #[test]
    fn unplugging_opens_the_loop_once() {
        let (start, mut line) = (epoch(), plugged_in());
        line.handle_message(start, &hook(true, 0));
        line.handle_message(start, &hook(false, 500_000));
        line.disconnect(start + 10 * MS);
        assert_eq!(hooks(&mut line), [(start, true), (start + 10 * MS, false)]);
        line.disconnect(start + 20 * MS);
        line.connect();
        line.disconnect(start + 30 * MS);
        assert_eq!(hooks(&mut line), []);
    }

    #[test]
    fn a_flood_of_edges_stays_bounded_and_ends_on_the_last_state() {
        let (start, mut line) = (epoch(), plugged_in());
        for n in 0..100_001_u64 {
            line.handle_message(start, &hook(n % 2 == 0, n * 10));
        }
        assert!(line.pending.len() <= MAX_PENDING);
        line.handle_timeout(start + Duration::from_secs(2)).unwrap();
        let seen = hooks(&mut line);
        assert!(seen[seen.len() - 1].1, "ends closed");
    }

    proptest! {
        #[test]
        fn events_alternate_never_go_back_and_never_lie_ahead(
            edges in prop::collection::vec((any::<bool>(), prop_oneof![0..5_000_000_u64, any::<u64>()], 0..3000_u32), 0..60),
        ) {
            let (start, mut line) = (epoch(), plugged_in());
            let (mut now, mut last, mut level) = (start, start, false);
            for (closed, clock_us, wait_ms) in edges {
                now += wait_ms * MS;
                line.handle_timeout(now).unwrap();
                line.handle_message(now, &hook(closed, clock_us));
                for (at, closed) in hooks(&mut line) {
                    prop_assert!(at >= last && at <= now);
                    prop_assert_ne!(closed, level);
                    (last, level) = (at, closed);
                }
            }
        }
    }
}
