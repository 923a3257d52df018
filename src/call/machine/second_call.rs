//! Two calls on one line: the one beside what the line is doing is held, or waits; how they change places, and what
//! becomes of the other when one ends.
//!
//! The voice path has one session that is heard and one that is parked; [`Leg::park`] and [`Leg::unpark`] note
//! which is whose.

use std::time::{Duration, Instant};

use super::{LineCalls, Phase, Recall, Ringing};
use crate::call::leg::Leg;
use crate::call::state::{CallState, Cause};
use crate::call::{CallEvent, CallOutput};
use crate::line::{Caller, Expectation, LineCommand, Presentation, RingRequest};
use crate::media::VoiceCommand;
use crate::sip::ua::{CallId, UaCommand};
use crate::zone::Tone;

impl LineCalls {
    /// Puts the call talked in aside: its far end is told, its session is parked.
    pub(super) fn park(&mut self, mut leg: Box<Leg>) {
        self.tell_hold(&mut leg, true);
        self.put_aside(leg);
    }

    /// The same without a word to the far end.
    pub(super) fn put_aside(&mut self, mut leg: Box<Leg>) {
        self.voice(VoiceCommand::SwapSessions);
        leg.media.parked = true;
        self.held = Some(leg);
    }

    /// Talks in a held call again; whatever was heard until now is silenced.
    pub(super) fn take_back(&mut self, leg: Box<Leg>) {
        self.silence();
        self.line(LineCommand::Expect(Expectation::Conversation));
        self.resume(leg);
    }

    fn resume(&mut self, mut leg: Box<Leg>) {
        self.bring_to_the_ear(&mut leg);
        if leg.media.holding {
            self.tell_hold(&mut leg, false);
        } else {
            leg.state = CallState::Talking;
        }
        self.phase = Phase::Talking(leg);
        self.report_call(None, None);
    }

    /// The parked session becomes the one that is heard.
    pub(super) fn bring_to_the_ear(&mut self, leg: &mut Leg) {
        if !std::mem::take(&mut leg.media.parked) {
            return;
        }
        self.voice(VoiceCommand::SwapSessions);
        self.join(leg);
    }

    /// What was agreed while the session was parked takes effect.
    fn join(&mut self, leg: &mut Leg) {
        let media = &mut leg.media;
        if let (true, Some(params)) = (media.started, media.agreed) {
            let (protection, connect) = (media.protection(), media.connect.take());
            self.voice(VoiceCommand::Protect(protection));
            self.voice(VoiceCommand::Session(params));
            if let Some(connect) = connect {
                self.push(CallOutput::Connect(Box::new(connect)));
            }
        }
    }

    /// Changes between the call talked in and the one held.
    pub(super) fn change_over(&mut self, talking: Box<Leg>) {
        let Some(mut other) = self.held.take() else {
            self.phase = Phase::Talking(talking);
            return;
        };
        // Swapped once for both.
        self.park(talking);
        other.media.parked = false;
        self.join(&mut other);
        self.resume(other);
    }

    /// Tells the far end that it is held, or that it no longer is.
    fn tell_hold(&mut self, leg: &mut Leg, hold: bool) {
        leg.media.holding = hold;
        leg.state = if hold { CallState::Held } else { CallState::Talking };
        if let (Some(call), Some(body)) = (leg.call, leg.media.make_offer(&self.config)) {
            self.sip(UaCommand::Reoffer { call, body });
        }
        if hold {
            self.event(call_event(leg));
        }
    }

    /// Whether a second caller may be told of.
    pub(super) fn can_wait(&self) -> bool {
        self.config.services.call_waiting
            && self.held.is_none()
            && self.waiting.is_none()
            && !self.is_emergency()
            && matches!(&self.phase, Phase::Talking(leg) if leg.answered.is_some())
    }

    /// The waiting call's sockets are open: the caller hears ringing, the telephone the call-waiting tone.
    pub(super) fn announce_waiting(&mut self, now: Instant) {
        let Some(mut waiting) = self.waiting.take() else {
            return;
        };
        let call = waiting.call;
        if !waiting.prepare_answer(&self.config) {
            self.sip(UaCommand::Reject { call, status: 488 });
            waiting.leg.sip_status = Some(488);
            self.finish(now, waiting.leg, Cause::Failed);
            return;
        }
        self.sip(UaCommand::Ring {
            call,
            status: 180,
            body: waiting.early_offer(),
        });
        self.event(call_event(&waiting.leg));
        self.waiting = Some(waiting);
        if matches!(self.phase, Phase::Talking(_)) {
            self.play(Tone::CallWaiting);
        }
    }

    /// The waiting call ends unanswered.
    pub(super) fn stop_waiting(&mut self, now: Instant, cause: Cause, status: Option<u16>) {
        if let Some(waiting) = self.waiting.take() {
            if self.tone == Some(Tone::CallWaiting) {
                self.silence();
            }
            let mut leg = waiting.leg;
            leg.sip_status = status;
            self.finish(now, leg, cause);
        }
    }

    /// Refuses the waiting caller.
    pub(super) fn refuse_waiting(&mut self, now: Instant, status: u16, cause: Cause) {
        if let Some(call) = self.waiting.as_ref().map(|waiting| waiting.call) {
            self.sip(UaCommand::Reject { call, status });
            self.stop_waiting(now, cause, Some(status));
        }
    }

    /// Turns to the waiting caller; the call talked in, if any, is held.
    pub(super) fn accept_waiting(&mut self, now: Instant) {
        let Some(mut waiting) = self.waiting.take() else {
            return;
        };
        if waiting.answer.is_none() {
            // Its sockets are not open yet.
            self.waiting = Some(waiting);
            return;
        }
        self.silence();
        if let Phase::Talking(leg) = std::mem::replace(&mut self.phase, Phase::Idle) {
            self.park(leg);
            waiting.leg.media.parked = false;
        }
        self.answer(now, *waiting);
    }

    /// A held call whose person has hung up calls them back.
    pub(super) fn ring_back(&mut self, now: Instant, leg: Box<Leg>) {
        let shown = |field: Option<String>| field.map_or(Presentation::Unavailable, Presentation::Given);
        let caller = Caller {
            number: shown(Some(leg.remote.clone())),
            name: shown(leg.remote_name.clone()),
            time: None,
            redirecting: None,
        };
        self.line(LineCommand::Ring(RingRequest {
            cadence_ms: None,
            pattern: None,
            caller: Some(caller),
        }));
        let until = now + Duration::from_secs(u64::from(self.config.ring_timeout_s));
        self.phase = Phase::Recall(Recall { leg, until });
    }

    /// Nobody came back to it.
    pub(super) fn give_up_recall(&mut self, now: Instant) {
        if let Phase::Recall(Recall { leg, .. }) = std::mem::replace(&mut self.phase, Phase::Idle) {
            self.line(LineCommand::StopRinging);
            self.hang_up_leg(now, *leg, Cause::LocalHangup);
        }
    }

    /// Says BYE and ends the call.
    pub(super) fn hang_up_leg(&mut self, now: Instant, leg: Leg, cause: Cause) {
        if let Some(call) = leg.call {
            self.sip(UaCommand::HangUp { call });
        }
        self.finish(now, leg, cause);
    }

    /// The waiting caller, once the handset is down, rings like any other.
    pub(super) fn ring_waiting(&mut self) {
        let Some(waiting) = self.waiting.take() else {
            return;
        };
        let (caller, pattern) = (waiting.caller.clone(), waiting.pattern);
        self.phase = Phase::Ringing(waiting);
        self.line(LineCommand::Ring(RingRequest {
            cadence_ms: None,
            pattern,
            caller: Some(caller),
        }));
    }

    /// The peer of a call beside the one talked in offers another session.
    pub(super) fn reoffered_beside(&mut self, call: CallId, offer: &[u8]) {
        let config = self.config.clone();
        let leg = self.leg_of_mut(call);
        let Some(leg) = leg.filter(|leg| leg.answered.is_some()) else {
            self.sip(UaCommand::RejectReoffer { call, status: 488 });
            return;
        };
        let body = if offer.is_empty() {
            leg.media.make_offer(&config)
        } else {
            // What was agreed is taken up when the call is.
            leg.media.answer(&config, offer).ok().map(|(body, _)| body)
        };
        let command = match body {
            Some(body) => UaCommand::AnswerReoffer { call, body },
            None => UaCommand::RejectReoffer { call, status: 488 },
        };
        self.sip(command);
    }

    /// The end of a call beside the one talked in.
    pub(super) fn ended_beside(&mut self, now: Instant, call: CallId, cause: Cause) {
        if self.waiting.as_ref().is_some_and(|waiting| waiting.call == call) {
            return self.stop_waiting(now, Cause::Cancelled, None);
        }
        if let Phase::Transferring(transfer) = &self.phase
            && transfer.target.as_ref().is_some_and(|leg| leg.call == Some(call))
        {
            return self.transfer_target_ended(now);
        }
        if let Some(leg) = self.held.take_if(|leg| leg.call == Some(call)) {
            self.finish(now, *leg, cause);
        }
    }
}

impl Ringing {
    /// Makes what 200 will carry; `false`: offer and line agree on nothing.
    pub(super) fn prepare_answer(&mut self, config: &crate::call::CallConfig) -> bool {
        let media = &mut self.leg.media;
        self.answer = if self.offer.is_empty() {
            media.make_offer(config).map(|offer| (offer, None))
        } else {
            media
                .answer(config, &self.offer)
                .ok()
                .map(|(body, params)| (body, Some(params)))
        };
        self.answer.is_some()
    }
}

/// How the call stands.
pub(super) fn call_event(leg: &Leg) -> CallEvent {
    CallEvent::Call {
        id: leg.id.clone(),
        direction: leg.direction,
        remote: leg.remote.clone(),
        state: leg.state,
        status: None,
        reason: None,
    }
}
