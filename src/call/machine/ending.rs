//! How calls end, and the outputs every part of the machine shares.

use std::time::Instant;

use super::{BUSY_TONE, LineCalls, Phase};
use crate::call::leg::Leg;
use crate::call::state::{CallState, Cause};
use crate::call::{CallEvent, CallOutput};
use crate::line::{Expectation, LineCommand};
use crate::media::{SessionParams, VoiceCommand};
use crate::sip::ua::UaCommand;
use crate::zone::Tone;

impl LineCalls {
    pub(super) fn fault(&mut self, now: Instant, faulted: bool) {
        if faulted {
            self.end_everything(now, Cause::Failed);
            self.off_hook = false;
            self.voice(VoiceCommand::OffHook(false));
            self.phase = Phase::Faulted;
        } else if matches!(self.phase, Phase::Faulted) {
            self.phase = Phase::Idle;
        }
    }

    /// Leaves the line idle, whatever was going on.
    pub(super) fn end_everything(&mut self, now: Instant, cause: Cause) {
        self.refuse_waiting(now, 480, cause);
        self.end_phase(now, cause);
        if let Some(held) = self.held.take() {
            self.hang_up_leg(now, *held, cause);
        }
    }

    /// Ends what the line is doing; a call held or waiting beside it stays.
    pub(super) fn end_phase(&mut self, now: Instant, cause: Cause) {
        self.silence();
        match std::mem::replace(&mut self.phase, Phase::Idle) {
            Phase::Ringing(ringing) => {
                let call = ringing.call;
                self.sip(UaCommand::Reject { call, status: 480 });
                self.phase = Phase::Ringing(ringing);
                self.stop_ringing(now, cause, Some(480));
            }
            Phase::Calling(outgoing) => {
                if let Some(call) = outgoing.leg.call.filter(|_| outgoing.placement.is_none()) {
                    self.sip(UaCommand::HangUp { call });
                }
                self.end_referral(outgoing.referral, 487);
                let cause = if cause == Cause::LocalHangup {
                    Cause::Cancelled
                } else {
                    cause
                };
                self.finish(now, outgoing.leg, cause);
            }
            Phase::Talking(leg) | Phase::Held(leg) | Phase::AwaitingCode { leg, .. } => {
                self.hang_up_leg(now, *leg, cause);
            }
            Phase::Recall(recall) => {
                self.line(LineCommand::StopRinging);
                self.hang_up_leg(now, *recall.leg, cause);
            }
            Phase::Transferring(transfer) => {
                let transfer = *transfer;
                self.hang_up_leg(now, transfer.leg, Cause::Transferred);
                if let Some(target) = transfer.target {
                    self.hang_up_leg(now, target, Cause::Transferred);
                }
            }
            Phase::Faulted => self.phase = Phase::Faulted,
            Phase::Idle
            | Phase::Dialing { .. }
            | Phase::Tone { .. }
            | Phase::Howler { .. }
            | Phase::LockedOut => {}
        }
        self.line(LineCommand::Expect(Expectation::Digits));
    }

    /// Tells that the call is over, and closes its media.
    pub(super) fn finish(&mut self, now: Instant, mut leg: Leg, cause: Cause) {
        self.emergency_over(&leg.id);
        leg.state = CallState::Ended;
        self.event(CallEvent::Call {
            id: leg.id.clone(),
            direction: leg.direction,
            remote: leg.remote.clone(),
            state: CallState::Ended,
            status: leg.sip_status,
            reason: Some(cause.name().to_owned()),
        });
        self.finish_quietly(now, leg, cause);
    }

    pub(super) fn finish_quietly(&mut self, now: Instant, leg: Leg, cause: Cause) {
        if leg.media.started {
            let parked = leg.media.parked;
            if parked {
                self.voice(VoiceCommand::SwapSessions);
            }
            self.voice(VoiceCommand::EndSession);
            if parked {
                self.voice(VoiceCommand::SwapSessions);
            }
            self.ending.push_back(Some((leg, cause, now)));
        } else {
            self.close_media(&leg);
            self.push(CallOutput::Record(Box::new(
                leg.finish(&self.line, cause, None, now),
            )));
        }
    }

    /// Closes an ended call's sockets, unless another call goes on with them.
    pub(super) fn close_media(&mut self, leg: &Leg) {
        if !leg.media.lent {
            self.push(CallOutput::CloseMedia(leg.media.session));
        }
    }

    pub(super) fn start_session(&mut self, params: SessionParams) {
        if let Some(leg) = self.leg_mut() {
            // A parked one begins, or changes, when it comes back to the ear.
            if leg.media.parked {
                return;
            }
            leg.media.started = true;
            let connect = leg.media.connect.take();
            let protection = leg.media.protection();
            self.voice(VoiceCommand::Protect(protection));
            self.voice(VoiceCommand::Session(params));
            if let Some(connect) = connect {
                self.push(CallOutput::Connect(Box::new(connect)));
            }
        }
    }

    pub(super) fn start_tone(&mut self, now: Instant, tone: Tone) {
        if !self.off_hook {
            self.phase = Phase::Idle;
            return;
        }
        self.expect_digits();
        self.play(tone);
        self.phase = Phase::Tone {
            until: now + BUSY_TONE,
        };
    }

    /// Digits are awaited; with a second call on the line a single short break takes it up, until a first digit has
    /// shown that breaks are pulses.
    pub(super) fn expect_digits(&mut self) {
        let second = self.held.is_some() || self.waiting.is_some();
        self.line(LineCommand::Expect(if second {
            Expectation::Conversation
        } else {
            Expectation::Digits
        }));
    }

    pub(super) fn play(&mut self, tone: Tone) {
        self.tone = Some(tone);
        self.line(LineCommand::Tone(tone));
        self.event(CallEvent::Tone(Some(tone)));
    }

    pub(super) fn silence(&mut self) {
        if self.tone.take().is_some() {
            self.line(LineCommand::ToneOff);
            self.event(CallEvent::Tone(None));
        }
    }

    pub(super) fn report_call(&mut self, status: Option<u16>, reason: Option<String>) {
        let Some(event) = self.leg().map(|leg| CallEvent::Call {
            id: leg.id.clone(),
            direction: leg.direction,
            remote: leg.remote.clone(),
            state: leg.state,
            status,
            reason,
        }) else {
            return;
        };
        self.event(event);
    }

    pub(super) fn report_state(&mut self) {
        let state = self.state();
        if state != self.reported {
            self.reported = state;
            self.event(CallEvent::State(state));
        }
    }

    pub(super) fn line(&mut self, command: LineCommand) {
        self.push(CallOutput::Line(command));
    }

    pub(super) fn voice(&mut self, command: VoiceCommand) {
        self.push(CallOutput::Voice(Box::new(command)));
    }

    pub(super) fn sip(&mut self, command: UaCommand) {
        self.push(CallOutput::Sip(command));
    }

    pub(super) fn event(&mut self, event: CallEvent) {
        self.push(CallOutput::Event(event));
    }

    pub(super) fn push(&mut self, output: CallOutput) {
        self.outputs.push_back(output);
    }
}
