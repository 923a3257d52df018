//! Ringing from the request to its end: the announcement of the caller first, the cadence after it.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::caller_id::{self, Announcement, Step};
use super::ringer::Ringer;
use super::{LineEvent, LineOutput, SlicAction};

/// How much later than computed the end of a transmission may be reported before ringing goes on without it.
const TRANSMISSION_GRACE: Duration = Duration::from_millis(500);

/// A telephone being rung. Whoever drops one calls [`stop`](Self::stop) first.
#[derive(Clone, Debug)]
pub(super) struct RingSession {
    cadence_ms: Vec<u32>,
    phase: Phase,
    /// Ringing voltage is on.
    voltage: bool,
    /// Battery reversed by the announcement.
    reversed: bool,
    /// The audio path was opened for the announcement.
    path_open: bool,
}

#[derive(Clone, Debug)]
enum Phase {
    Announcing(Announcing),
    Ringing(Ringer),
}

#[derive(Clone, Debug)]
struct Announcing {
    started: Instant,
    steps: VecDeque<Step>,
    /// End of the step under way; of a transmission, the latest we wait for.
    step_ends: Instant,
    transmitting: bool,
    /// A transmission was not reported done in time.
    lost: bool,
    resumes: usize,
    next_ring: Option<Duration>,
}

impl RingSession {
    /// Begins at `now`, with the announcement if there is one.
    pub fn start(
        announcement: Announcement,
        cadence_ms: Vec<u32>,
        now: Instant,
        outputs: &mut VecDeque<LineOutput>,
    ) -> Self {
        let mut session = Self {
            cadence_ms,
            phase: Phase::Announcing(Announcing {
                started: now,
                steps: announcement.steps.into(),
                step_ends: now,
                transmitting: false,
                lost: false,
                resumes: announcement.resumes,
                next_ring: announcement.next_ring,
            }),
            voltage: false,
            reversed: false,
            path_open: false,
        };
        session.timeout(now, outputs);
        session
    }

    /// Goes on with another cadence; the announcement isn't repeated.
    pub fn change_cadence(&mut self, cadence_ms: Vec<u32>, now: Instant, outputs: &mut VecDeque<LineOutput>) {
        self.cadence_ms = cadence_ms;
        match &mut self.phase {
            Phase::Announcing(announcing) => {
                announcing.resumes = 0;
                announcing.next_ring = None;
            }
            Phase::Ringing(ringer) => {
                *ringer = Ringer::new(&self.cadence_ms, 0, now);
                let burst = ringer.is_burst();
                self.set_voltage(burst, outputs);
            }
        }
    }

    /// Before the first ring a telephone may draw wetting current for 15 ms to show that it heard the alert tone
    /// (BT SIN 227): that is no answer.
    pub fn may_wet_contacts(&self) -> bool {
        matches!(self.phase, Phase::Announcing(Announcing { next_ring: None, .. })) && !self.voltage
    }

    /// When [`timeout`](Self::timeout) has something to do.
    pub fn deadline(&self) -> Option<Instant> {
        match &self.phase {
            Phase::Announcing(announcing) => Some(announcing.step_ends),
            Phase::Ringing(ringer) => ringer.deadline(),
        }
    }

    /// The transmission has been played to its end.
    pub fn transmission_done(&mut self, now: Instant, outputs: &mut VecDeque<LineOutput>) {
        let Phase::Announcing(announcing) = &mut self.phase else {
            return;
        };
        if !std::mem::take(&mut announcing.transmitting) {
            return;
        }
        announcing.step_ends = now;
        let was_last = !announcing
            .steps
            .iter()
            .any(|step| matches!(step, Step::Transmit(_)));
        if was_last && !announcing.lost {
            outputs.push_back(LineOutput::Event(LineEvent::CallerIdSent));
        }
        self.timeout(now, outputs);
    }

    /// Goes on to the step or burst of `now`.
    pub fn timeout(&mut self, now: Instant, outputs: &mut VecDeque<LineOutput>) {
        while let Phase::Announcing(announcing) = &self.phase
            && announcing.step_ends <= now
        {
            self.next_step(now, outputs);
        }
        if let Phase::Ringing(ringer) = &mut self.phase {
            ringer.timeout(now);
            let burst = ringer.is_burst();
            self.set_voltage(burst, outputs);
        }
    }

    fn next_step(&mut self, now: Instant, outputs: &mut VecDeque<LineOutput>) {
        let Phase::Announcing(announcing) = &mut self.phase else {
            return;
        };
        if std::mem::take(&mut announcing.transmitting) {
            announcing.lost = true;
            announcing.step_ends = now;
            outputs.push_back(LineOutput::StopTransmission);
        }
        let step = announcing.steps.pop_front();
        let before_data = matches!(announcing.steps.front(), Some(Step::Transmit(_)));
        let mut ringing = None;
        match step {
            Some(Step::Ring { ms } | Step::Silence { ms }) => {
                announcing.step_ends += Duration::from_millis(ms.into());
            }
            Some(Step::Transmit(transmission)) => {
                announcing.transmitting = true;
                announcing.step_ends = now + caller_id::duration(&transmission) + TRANSMISSION_GRACE;
            }
            // Only message waiting opens the loop, and that is not sent by ringing.
            Some(Step::Reverse(_) | Step::OpenLoop { .. }) => {}
            None => {
                ringing = Some(match announcing.next_ring {
                    Some(next_ring) => {
                        let until = now.max(announcing.started + next_ring);
                        Ringer::silent_until(&self.cadence_ms, announcing.resumes, until)
                    }
                    None => Ringer::new(&self.cadence_ms, announcing.resumes, now),
                });
            }
        }
        // Ringing voltage goes off before anything else is done to the line, and on after everything else.
        let burst = matches!(step, Some(Step::Ring { .. }));
        if !burst {
            self.set_voltage(false, outputs);
        }
        match step {
            Some(Step::Silence { .. }) if before_data => self.set_path(true, outputs),
            Some(Step::Transmit(transmission)) => {
                self.set_path(true, outputs);
                outputs.push_back(LineOutput::Transmit(transmission));
            }
            Some(Step::Reverse(reversed)) => self.set_reversed(reversed, outputs),
            Some(Step::Silence { .. } | Step::Ring { .. } | Step::OpenLoop { .. }) | None => {}
        }
        if burst {
            self.set_voltage(true, outputs);
        }
        if let Some(ringer) = ringing {
            self.set_path(false, outputs);
            self.set_reversed(false, outputs);
            self.phase = Phase::Ringing(ringer);
        }
    }

    /// Everything off, the ringing voltage first.
    pub fn stop(mut self, outputs: &mut VecDeque<LineOutput>) {
        self.set_voltage(false, outputs);
        if let Phase::Announcing(Announcing {
            transmitting: true, ..
        }) = self.phase
        {
            outputs.push_back(LineOutput::StopTransmission);
        }
        self.set_path(false, outputs);
        self.set_reversed(false, outputs);
    }

    fn set_voltage(&mut self, on: bool, outputs: &mut VecDeque<LineOutput>) {
        if self.voltage != on {
            self.voltage = on;
            outputs.push_back(LineOutput::Slic(SlicAction::Ring(on)));
            outputs.push_back(LineOutput::Event(LineEvent::RingBurst(on)));
        }
    }

    fn set_path(&mut self, open: bool, outputs: &mut VecDeque<LineOutput>) {
        if self.path_open != open {
            self.path_open = open;
            outputs.push_back(LineOutput::Slic(SlicAction::OnHookTransmission(open)));
        }
    }

    fn set_reversed(&mut self, reversed: bool, outputs: &mut VecDeque<LineOutput>) {
        if self.reversed != reversed {
            self.reversed = reversed;
            outputs.push_back(LineOutput::Slic(SlicAction::Reverse(reversed)));
        }
    }
}
