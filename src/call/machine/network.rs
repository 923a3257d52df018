//! What SIP says of the line's call.

use std::time::{Duration, Instant};

use super::{LineCalls, Phase, Ringing};
use crate::call::alert::ring_pattern;
use crate::call::outcome::Outcome;
use crate::call::state::{CallDirection, CallState, Cause};
use crate::call::{CallOutput, SipEvent};
use crate::line::{CallTime, Caller, Expectation, LineCommand, Presentation, RingRequest};
use crate::media::{Direction, SessionParams};
use crate::sip::message::Reason;
use crate::sip::ua::{CallId, EndCause, Incoming, UaCommand};
use crate::zone::Tone;

impl LineCalls {
    pub(super) fn incoming(&mut self, now: Instant, incoming: Incoming, time: Option<CallTime>) {
        if let Some(replaced) = incoming.replaces {
            return self.replaced(now, &incoming, replaced);
        }
        if incoming.private && self.config.services.reject_anonymous {
            // RFC 5079: 433, and no telephone rings.
            self.sip(UaCommand::Reject {
                call: incoming.call,
                status: 433,
            });
            return;
        }
        let waits = self.can_wait();
        if !self.is_free() && !waits {
            let status = if matches!(self.phase, Phase::Faulted) {
                480
            } else {
                486
            };
            self.sip(UaCommand::Reject {
                call: incoming.call,
                status,
            });
            return;
        }
        let given = |field: Option<String>| {
            if incoming.private {
                Presentation::Private
            } else {
                field.map_or(Presentation::Unavailable, Presentation::Given)
            }
        };
        let caller = Caller {
            number: given(incoming.caller_user.clone()),
            name: given(incoming.caller_name.clone()),
            time,
            redirecting: incoming.redirecting,
        };
        let remote = incoming.caller_user.unwrap_or_else(|| "anonymous".to_owned());
        let mut leg = self.new_leg(CallDirection::Incoming, remote, now);
        leg.remote_name = incoming.caller_name;
        leg.state = CallState::Ringing;
        leg.call = Some(incoming.call);
        leg.media.local_ip = Some(incoming.local.ip());
        // A call between two lines of this machine needs no router.
        leg.media.at_home = incoming.remote.ip() == incoming.local.ip();
        if incoming.account.is_none() && incoming.remote.ip() == incoming.local.ip() {
            leg.media.insist_on_nothing();
        }
        let session = leg.media.session;
        leg.media.parked = waits;
        let ringing = Box::new(Ringing {
            leg,
            call: incoming.call,
            offer: incoming.offer,
            wants_early_offer: incoming.wants_early_offer,
            caller,
            pattern: incoming.ring.as_deref().and_then(ring_pattern),
            answer: None,
            until: now + Duration::from_secs(u64::from(self.config.ring_timeout_s)),
        });
        if waits {
            self.waiting = Some(ringing);
        } else {
            self.phase = Phase::Ringing(ringing);
        }
        self.push(CallOutput::OpenMedia {
            session,
            parked: waits,
        });
    }

    /// The sockets are open: if offer and line agree on media, the telephone rings.
    pub(super) fn start_ringing(&mut self, now: Instant) {
        let Phase::Ringing(ringing) = &mut self.phase else {
            return;
        };
        let call = ringing.call;
        if !ringing.prepare_answer(&self.config) {
            self.sip(UaCommand::Reject { call, status: 488 });
            self.stop_ringing(now, Cause::Failed, Some(488));
            return;
        }
        let body = ringing.early_offer();
        let (caller, pattern) = (ringing.caller.clone(), ringing.pattern);
        self.sip(UaCommand::Ring {
            call,
            status: 180,
            body,
        });
        self.line(LineCommand::Ring(RingRequest {
            cadence_ms: None,
            pattern,
            caller: Some(caller),
        }));
        self.report_call(None, None);
    }

    pub(super) fn stop_ringing(&mut self, now: Instant, cause: Cause, status: Option<u16>) {
        if let Phase::Ringing(ringing) = std::mem::replace(&mut self.phase, Phase::Idle) {
            self.line(LineCommand::StopRinging);
            let mut leg = ringing.leg;
            leg.sip_status = status;
            self.finish(now, leg, cause);
        }
    }

    pub(super) fn handle_sip(&mut self, now: Instant, call: CallId, event: SipEvent) {
        if !self.owns(call) {
            return;
        }
        if !self.is_foreground(call) {
            return self.handle_sip_beside(now, call, event);
        }
        match event {
            SipEvent::Progress { status, body, fork } => self.progress(status, body, &fork),
            SipEvent::Answered { body } => self.answered(now, call, &body),
            SipEvent::Failed { status, reason } => self.refused(now, status, &reason),
            SipEvent::Confirmed => self.confirmed(now, call),
            SipEvent::Ended { cause } => self.ended(now, &cause),
            SipEvent::Cancelled { answered_elsewhere } => {
                let cause = if answered_elsewhere {
                    Cause::AnsweredElsewhere
                } else {
                    Cause::Cancelled
                };
                self.stop_ringing(now, cause, Some(487));
            }
            SipEvent::Reoffer { body } => self.reoffered(call, &body),
            SipEvent::Reanswered { body } => self.reanswered(body),
            SipEvent::InfoKey { key } => self.remote_key(key),
            SipEvent::RefreshDue => self.refresh(call),
            SipEvent::Referred { request } => self.referred(now, call, *request),
            SipEvent::TransferProgress { status, done } => self.transfer_progress(now, status, done),
            SipEvent::Moved { local_ip } => self.moved(call, local_ip),
        }
    }

    /// What SIP says of a call that is held, waits, or is what another is connected to.
    fn handle_sip_beside(&mut self, now: Instant, call: CallId, event: SipEvent) {
        match event {
            SipEvent::Ended { cause } => self.ended_beside(now, call, cause_of(&cause)),
            SipEvent::Cancelled { answered_elsewhere } => {
                let cause = if answered_elsewhere {
                    Cause::AnsweredElsewhere
                } else {
                    Cause::Cancelled
                };
                self.stop_waiting(now, cause, Some(487));
            }
            SipEvent::Reoffer { body } => self.reoffered_beside(call, &body),
            SipEvent::Reanswered { body }
                if self.waiting.as_ref().is_some_and(|waiting| waiting.call == call) =>
            {
                self.reanswered_early(&body.unwrap_or_default());
            }
            SipEvent::Reanswered { body } => {
                let config = self.config.clone();
                match (self.leg_of_mut(call), body) {
                    (Some(leg), Some(answer)) => {
                        // Taken up when the call is, which offers anew: what can't be read changes nothing.
                        let _ = leg.media.accept_answer(&config, &answer);
                    }
                    (Some(leg), None) => leg.media.keep_credentials(),
                    (None, _) => {}
                }
            }
            SipEvent::Referred { request } => self.refuse_referral(call, &request),
            SipEvent::RefreshDue => self.refresh(call),
            SipEvent::Moved { local_ip } => self.moved(call, local_ip),
            // Keys of somebody who isn't listened to, and answers to questions not asked.
            SipEvent::InfoKey { .. }
            | SipEvent::Progress { .. }
            | SipEvent::Answered { .. }
            | SipEvent::Failed { .. }
            | SipEvent::Confirmed
            | SipEvent::TransferProgress { .. } => {}
        }
    }

    pub(super) fn answered(&mut self, now: Instant, call: CallId, body: &[u8]) {
        let Phase::Calling(outgoing) = &mut self.phase else {
            return;
        };
        let media = &mut outgoing.leg.media;
        let agreed = if body.is_empty() {
            media.agreed.ok_or(())
        } else {
            media.accept_answer(&self.config, body).map_err(drop)
        };
        let Ok(params) = agreed else {
            self.sip(UaCommand::HangUp { call });
            self.fail_outgoing(now, 488, "the answer has no media we know");
            return;
        };
        if let Phase::Calling(outgoing) = std::mem::replace(&mut self.phase, Phase::Idle) {
            let mut leg = outgoing.leg;
            leg.answered = Some(now);
            leg.sip_status = Some(200);
            leg.state = CallState::Talking;
            self.phase = Phase::Talking(Box::new(leg));
        }
        self.silence();
        self.line(LineCommand::Expect(Expectation::Conversation));
        if self.config.answer_reversal {
            self.line(LineCommand::Polarity { reversed: true });
        }
        self.start_session(params);
        self.report_call(None, None);
        if let Some(session) = self.leg().map(|leg| leg.media.session) {
            self.tell_settled(session);
        }
    }

    /// Our 200 was acknowledged. After an INVITE without an offer the answer to ours came with it; without one there is
    /// no call.
    pub(super) fn confirmed(&mut self, now: Instant, call: CallId) {
        if let Phase::Talking(leg) = &self.phase
            && leg.media.agreed.is_none()
        {
            self.sip(UaCommand::HangUp { call });
            self.ended(now, &EndCause::Timeout);
        }
    }

    pub(super) fn fail_outgoing(&mut self, now: Instant, status: u16, reason: &str) {
        if !matches!(self.phase, Phase::Calling(_)) || self.tries_on(now, status, reason) {
            return;
        }
        let outcome = Outcome::of(status, self.config.refusal_tones);
        if let Phase::Calling(outgoing) = &mut self.phase {
            outgoing.leg.sip_status = Some(status);
            outgoing.leg.state = CallState::Ended;
        }
        self.report_call(Some(status), Some(reason.to_owned()));
        if let Phase::Calling(outgoing) = std::mem::replace(&mut self.phase, Phase::Idle) {
            self.end_referral(outgoing.referral, status);
            self.finish_quietly(now, outgoing.leg, outcome.cause);
        }
        if self.referral_failed() {
            return;
        }
        self.start_tone(now, outcome.tone);
    }

    /// The far end is gone: the loop opens for a moment (answering machines wait for that), then busy tone.
    pub(super) fn ended(&mut self, now: Instant, cause: &EndCause) {
        if let Some(leg) = self.leg_mut() {
            leg.release_cause = release_cause(cause);
        }
        let cause = cause_of(cause);
        match std::mem::replace(&mut self.phase, Phase::Idle) {
            Phase::Talking(leg) | Phase::Held(leg) | Phase::AwaitingCode { leg, .. } => {
                self.finish(now, *leg, cause);
                self.after_far_end(now);
            }
            Phase::Recall(recall) => {
                self.line(LineCommand::StopRinging);
                self.finish(now, *recall.leg, cause);
            }
            Phase::Transferring(transfer) => {
                self.phase = Phase::Transferring(transfer);
                self.transfer_done(now);
            }
            Phase::Calling(outgoing) => {
                self.finish(now, outgoing.leg, cause);
                self.start_tone(now, Tone::Busy);
            }
            Phase::Ringing(ringing) => {
                self.phase = Phase::Ringing(ringing);
                self.stop_ringing(now, Cause::Cancelled, None);
            }
            other => self.phase = other,
        }
    }

    pub(super) fn after_far_end(&mut self, now: Instant) {
        self.line(LineCommand::Polarity { reversed: false });
        // With another call on the line its person isn't to be cut off.
        let alone = self.held.is_none() && self.waiting.is_none();
        if alone && self.config.disconnect_open_ms > 0 {
            self.line(LineCommand::OpenLoop {
                duration_ms: self.config.disconnect_open_ms,
            });
        }
        self.start_tone(now, Tone::Busy);
    }

    pub(super) fn reoffered(&mut self, call: CallId, offer: &[u8]) {
        let Phase::Talking(leg) = &mut self.phase else {
            if matches!(self.phase, Phase::Calling(_) | Phase::Ringing(_)) && self.is_foreground(call) {
                return self.reoffered_early(call, offer);
            }
            return self.reoffered_beside(call, offer);
        };
        if offer.is_empty() {
            let command = match leg.media.make_offer(&self.config) {
                Some(body) => UaCommand::AnswerReoffer { call, body },
                None => UaCommand::RejectReoffer { call, status: 488 },
            };
            self.sip(command);
            return;
        }
        match leg.media.answer(&self.config, offer) {
            Ok((body, params)) => {
                self.sip(UaCommand::AnswerReoffer { call, body });
                self.start_session(params);
                self.hold_state_from(params);
            }
            // RFC 6141: the session stays as it was.
            Err(_) => self.sip(UaCommand::RejectReoffer { call, status: 488 }),
        }
    }

    pub(super) fn reanswered(&mut self, body: Option<Vec<u8>>) {
        let (Phase::Talking(leg) | Phase::Held(leg)) = &mut self.phase else {
            self.reanswered_early(&body.unwrap_or_default());
            return;
        };
        let answer = body.and_then(|answer| leg.media.accept_answer(&self.config, &answer).ok());
        match answer {
            Some(params) => self.start_session(params),
            None => leg.media.keep_credentials(),
        }
    }

    /// The peer's own hold shows in the call's state; the line goes on as it was.
    pub(super) fn hold_state_from(&mut self, params: SessionParams) {
        let held = matches!(params.direction, Direction::ReceiveOnly | Direction::Inactive);
        if let Phase::Talking(leg) = &mut self.phase {
            let state = if held { CallState::Held } else { CallState::Talking };
            if leg.state != state {
                leg.state = state;
                self.report_call(None, None);
            }
        }
    }
}

/// Why a call ended, for its record.
fn cause_of(cause: &EndCause) -> Cause {
    match cause {
        EndCause::Remote { .. } => Cause::RemoteHangup,
        EndCause::Timeout => Cause::Failed,
        EndCause::Local => Cause::LocalHangup,
    }
}

/// The release cause of ITU-T Q.850 in the far end's Reason header (RFC 3326).
fn release_cause(cause: &EndCause) -> Option<u16> {
    let EndCause::Remote { reason: Some(reason) } = cause else {
        return None;
    };
    let mut reasons = reason.split(',').filter_map(Reason::parse);
    let q850 = reasons.find(|reason| reason.protocol.eq_ignore_ascii_case("Q.850"));
    q850.and_then(|reason| reason.cause)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn release_causes_of_a_reason() {
        let cause = |reason: &str| {
            release_cause(&EndCause::Remote {
                reason: Some(reason.to_owned()),
            })
        };
        assert_eq!(cause("Q.850;cause=16;text=\"Terminated\""), Some(16));
        assert_eq!(cause("SIP;cause=200, q.850;cause=31"), Some(31));
        assert_eq!(cause("SIP;cause=486"), None);
        assert_eq!(release_cause(&EndCause::Timeout), None);
    }
}
