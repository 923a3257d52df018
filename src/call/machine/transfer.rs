//! Connecting two calls to each other (attended transfer) or sending one elsewhere (blind), RFC 5589: REFER goes to the
//! held party, and its NOTIFYs say how it went.

use std::time::{Duration, Instant};

use super::{LineCalls, Phase};
use crate::call::CallEvent;
use crate::call::leg::Leg;
use crate::call::state::Cause;
use crate::sip::ua::{ReferTo, UaCommand};
use crate::zone::Tone;

/// Somebody who is there already is connected within this: the life of a transaction (RFC 3261 64*T1).
const ATTENDED_WAIT: Duration = Duration::from_secs(32);

/// Somebody who has to be called may be let ring so long (RFC 3261's timer C).
const BLIND_WAIT: Duration = Duration::from_secs(180);

/// A transfer under way.
#[derive(Debug)]
pub(super) struct Transfer {
    /// Who is sent.
    pub leg: Leg,
    /// The call it is put through to; `None`: the number it was sent to, or that call is gone already.
    pub target: Option<Leg>,
    /// What it amounts to a failure after.
    pub until: Instant,
    to: String,
}

impl LineCalls {
    /// Connects the held call to this one.
    pub(super) fn connect(&mut self, now: Instant, target: Leg) {
        let Some(held) = self.held.take() else {
            self.hang_up_leg(now, target, Cause::LocalHangup);
            return;
        };
        match (held.call, target.call) {
            (Some(call), Some(other)) => {
                self.sip(UaCommand::Refer {
                    call,
                    to: ReferTo::Call(other),
                });
                let to = target.remote.clone();
                self.start_transfer(*held, Some(target), to, now + ATTENDED_WAIT);
            }
            _ => {
                self.hang_up_leg(now, target, Cause::LocalHangup);
                self.hang_up_leg(now, *held, Cause::LocalHangup);
            }
        }
    }

    /// Sends the held call to a number.
    pub(super) fn send_to_number(&mut self, now: Instant, held: Leg, number: String) {
        self.silence();
        if let Some(call) = held.call {
            self.sip(UaCommand::Refer {
                call,
                to: ReferTo::Number(number.clone()),
            });
        }
        self.start_transfer(held, None, number, now + BLIND_WAIT);
    }

    fn start_transfer(&mut self, leg: Leg, target: Option<Leg>, to: String, until: Instant) {
        self.phase = Phase::Transferring(Box::new(Transfer {
            leg,
            target,
            until,
            to,
        }));
        self.tell_transfer(None);
    }

    fn tell_transfer(&mut self, status: Option<u16>) {
        if let Phase::Transferring(transfer) = &self.phase {
            let event = CallEvent::Transfer {
                id: transfer.leg.id.clone(),
                target: transfer.to.clone(),
                status,
            };
            self.event(event);
        }
    }

    /// The party sent away tells how it fares.
    pub(super) fn transfer_progress(&mut self, now: Instant, status: u16, done: bool) {
        if !matches!(self.phase, Phase::Transferring(_)) {
            return;
        }
        self.tell_transfer(Some(status));
        match (done, status) {
            (false, _) => {}
            (true, 200..=299) => self.transfer_done(now),
            (true, _) => self.transfer_failed(now, status),
        }
    }

    /// It has worked: both our calls are over.
    pub(super) fn transfer_done(&mut self, now: Instant) {
        self.end_phase(now, Cause::Transferred);
        self.start_tone(now, Tone::Confirmation);
    }

    /// It has not: whoever is still there is talked to again, or rings back.
    pub(super) fn transfer_failed(&mut self, now: Instant, status: u16) {
        let Phase::Transferring(transfer) = std::mem::replace(&mut self.phase, Phase::Idle) else {
            return;
        };
        tracing::info!(target = transfer.to, status, "the transfer failed");
        let Transfer { leg, target, .. } = *transfer;
        match target {
            Some(target) if self.off_hook => {
                self.held = Some(Box::new(leg));
                self.take_back(Box::new(target));
            }
            Some(target) => {
                self.hang_up_leg(now, target, Cause::LocalHangup);
                self.ring_back(now, Box::new(leg));
            }
            None if self.off_hook => self.take_back(Box::new(leg)),
            None => self.ring_back(now, Box::new(leg)),
        }
    }

    /// The call that the other is put through to is over: replaced by it, as a rule.
    pub(super) fn transfer_target_ended(&mut self, now: Instant) {
        if let Phase::Transferring(transfer) = &mut self.phase
            && let Some(target) = transfer.target.take()
        {
            self.finish(now, target, Cause::Transferred);
        }
    }
}
