//! Emergency calls: nothing stands in their way, and no failure of one account or server ends them.
//!
//! The gateway tries the line's own account first, then the machine's others, and the user agent every address and
//! transport of each with little patience. When all have failed they are tried again, for as long as the handset is off
//! hook and [`ROUNDS`] allow. Once the call is up, a recall and a second caller mean nothing, and where so configured
//! hanging up does not end it for a while.

use std::time::{Duration, Instant};

use super::{LineCalls, Phase};
use crate::call::CallOutput;
use crate::call::state::{CallState, Cause};
use crate::media::VoiceCommand;

/// All ways are tried so often.
const ROUNDS: u8 = 5;

/// Between two rounds: a network that comes back is found within a breath, and one that doesn't isn't hammered.
const BETWEEN_ROUNDS: Duration = Duration::from_secs(2);

/// Looking up a server's name takes no longer; a resolver that hangs costs one way, not the call.
const LOOK_UP: Duration = Duration::from_secs(5);

/// An emergency call and how far it has got.
#[derive(Debug)]
pub(super) struct EmergencyCall {
    /// Its identifier; it stays the same from attempt to attempt.
    id: String,
    /// Which way is being tried, in the gateway's order.
    attempt: usize,
    round: u8,
    next_round: Option<Instant>,
    /// The gateway owes a way by then.
    way_due: Option<Instant>,
    /// What the last attempt came to.
    last: (u16, String),
    /// The handset is back, and the call goes on until then.
    held_until: Option<Instant>,
}

impl LineCalls {
    /// The call in progress is an emergency call.
    pub fn is_emergency(&self) -> bool {
        self.emergency.is_some()
    }

    /// A number was dialled and its leg is in place.
    ///
    /// Whatever else the line is busy with makes room: a call on hold ends, a second caller finds the line busy.
    pub(super) fn begin_emergency(&mut self, now: Instant) {
        if let Some(held) = self.held.take() {
            self.hang_up_leg(now, *held, Cause::LocalHangup);
        }
        self.refuse_waiting(now, 486, Cause::Busy);
        let Some(id) = self.leg().map(|leg| leg.id.clone()) else {
            return;
        };
        self.emergency = Some(EmergencyCall {
            id,
            attempt: 0,
            round: 1,
            next_round: None,
            way_due: Some(now + LOOK_UP),
            last: (503, "no account can be used".to_owned()),
            held_until: None,
        });
    }

    /// An attempt failed. `true`: another one follows, and the person hears nothing of it.
    pub(super) fn tries_on(&mut self, now: Instant, status: u16, reason: &str) -> bool {
        let (Some(emergency), Phase::Calling(outgoing)) = (&mut self.emergency, &mut self.phase) else {
            return false;
        };
        emergency.last = (status, reason.to_owned());
        emergency.attempt += 1;
        emergency.way_due = Some(now + LOOK_UP);
        let attempt = emergency.attempt;
        outgoing.leg.call = None;
        outgoing.leg.state = CallState::Calling;
        outgoing.placement = None;
        self.report_call(Some(status), Some(format!("{reason}; another way is tried")));
        self.push(CallOutput::PlaceAgain { attempt });
        true
    }

    /// Every way has been tried: once more from the first, or the end of it.
    pub(super) fn ways_exhausted(&mut self, now: Instant) {
        let Some(emergency) = &mut self.emergency else {
            return;
        };
        emergency.way_due = None;
        let never_one = emergency.attempt == 0;
        if emergency.round >= ROUNDS || never_one {
            let (status, reason) = emergency.last.clone();
            self.emergency = None;
            return self.fail_outgoing(now, status, &reason);
        }
        emergency.round += 1;
        emergency.attempt = 0;
        emergency.next_round = Some(now + BETWEEN_ROUNDS);
    }

    pub(super) fn emergency_timeout(&mut self, now: Instant) {
        let Some(emergency) = &mut self.emergency else {
            return;
        };
        if emergency.next_round.take_if(|due| now >= *due).is_some() {
            emergency.way_due = Some(now + LOOK_UP);
            let without_socket = match &self.phase {
                Phase::Calling(outgoing) if outgoing.leg.media.port.is_none() => {
                    Some(outgoing.leg.media.session)
                }
                _ => None,
            };
            if let Some(session) = without_socket {
                self.push(CallOutput::OpenMedia {
                    session,
                    parked: false,
                });
            }
            self.push(CallOutput::PlaceAgain { attempt: 0 });
        } else if emergency.way_due.take_if(|due| now >= *due).is_some() {
            self.tries_on(now, 503, "the server's name isn't resolved");
        } else if emergency.held_until.take_if(|due| now >= *due).is_some() {
            self.end_everything(now, Cause::LocalHangup);
        }
    }

    pub(super) fn emergency_poll(&self) -> Option<Instant> {
        let emergency = self.emergency.as_ref()?;
        let due = [emergency.next_round, emergency.way_due, emergency.held_until];
        due.into_iter().flatten().min()
    }

    /// The handset was hung up. `true`: the call goes on all the same.
    pub(super) fn holds_the_line(&mut self, now: Instant) -> bool {
        let hold = Duration::from_secs(u64::from(self.config.emergency_hold_s));
        let under_way = matches!(self.phase, Phase::Calling(_) | Phase::Talking(_));
        let Some(emergency) = self.emergency.as_mut().filter(|_| under_way && !hold.is_zero()) else {
            return false;
        };
        emergency.held_until = Some(now + hold);
        self.voice(VoiceCommand::OffHook(false));
        true
    }

    /// The handset was lifted, perhaps into a call that was kept.
    pub(super) fn take_line_back(&mut self) {
        if let Some(emergency) = &mut self.emergency {
            emergency.held_until = None;
        }
    }

    /// The gateway has named a way.
    pub(super) fn way_found(&mut self) {
        if let Some(emergency) = &mut self.emergency {
            emergency.way_due = None;
        }
    }

    /// A call has ended.
    pub(super) fn emergency_over(&mut self, id: &str) {
        self.emergency.take_if(|emergency| emergency.id == id);
    }
}
