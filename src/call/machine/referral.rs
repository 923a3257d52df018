//! The far end sends us elsewhere (REFER), or puts somebody else in its place (INVITE with Replaces, RFC 3891).

use std::time::Instant;

use super::second_call::call_event;
use super::{LineCalls, Phase};
use crate::call::services::ReferralPolicy;
use crate::call::state::{CallDirection, CallState, Cause};
use crate::line::{Expectation, LineCommand};
use crate::media::SessionParams;
use crate::sip::ua::{CallId, Incoming, ReferRequest, ReferralId, UaCommand};

impl LineCalls {
    /// The far end wants us to call somebody.
    pub(super) fn referred(&mut self, now: Instant, call: CallId, request: ReferRequest) {
        let allowed = match self.config.services.accept_referrals {
            ReferralPolicy::Server => request.trusted,
            ReferralPolicy::Always => true,
            ReferralPolicy::Never => false,
        };
        let able = matches!(&self.phase, Phase::Talking(_))
            && !self.is_emergency()
            && self.held.is_none()
            && self.waiting.is_none();
        if !allowed || !able {
            return self.refuse_referral(call, &request);
        }
        let Phase::Talking(mut leg) = std::mem::replace(&mut self.phase, Phase::Idle) else {
            return;
        };
        self.sip(UaCommand::AcceptReferral {
            referral: request.referral,
        });
        leg.referring = true;
        leg.state = CallState::Held;
        self.event(call_event(&leg));
        self.put_aside(leg);
        let new = self.new_leg(CallDirection::Outgoing, request.number.clone(), now);
        self.start_call(now, new, request.number, false, Some(request.referral), None);
    }

    pub(super) fn refuse_referral(&mut self, _call: CallId, request: &ReferRequest) {
        self.sip(UaCommand::EndReferral {
            referral: request.referral,
            status: 603,
        });
    }

    /// A call that was asked for came to nothing before the user agent knew of it.
    pub(super) fn end_referral(&mut self, referral: Option<ReferralId>, status: u16) {
        if let Some(referral) = referral {
            self.sip(UaCommand::EndReferral { referral, status });
        }
    }

    /// The call we were sent to failed: back to who sent us, if they are still there.
    pub(super) fn referral_failed(&mut self) -> bool {
        let Some(mut leg) = self.held.take_if(|leg| leg.referring) else {
            return false;
        };
        leg.referring = false;
        self.take_back(leg);
        true
    }

    /// Somebody takes a far end's place: answered at once, with the sockets of the call that ends.
    pub(super) fn replaced(&mut self, now: Instant, incoming: &Incoming, replaced: CallId) {
        let call = incoming.call;
        let config = self.config.clone();
        let remote = incoming
            .caller_user
            .clone()
            .unwrap_or_else(|| "anonymous".to_owned());
        let mut new = self.new_leg(CallDirection::Incoming, remote, now);
        let Some(old) = self.leg_of_mut(replaced) else {
            self.sip(UaCommand::Reject { call, status: 481 });
            return;
        };
        new.remote_name.clone_from(&incoming.caller_name);
        new.call = Some(call);
        new.media.take_over(&mut old.media);
        let answer = if incoming.offer.is_empty() {
            new.media.make_offer(&config).map(|offer| (offer, None))
        } else {
            let answer = new.media.answer(&config, &incoming.offer).ok();
            answer.map(|(body, params)| (body, Some(params)))
        };
        let Some((body, params)) = answer else {
            old.media.lent = false;
            self.sip(UaCommand::Reject { call, status: 488 });
            return;
        };
        new.answered = Some(now);
        new.sip_status = Some(200);
        new.state = if new.media.holding {
            CallState::Held
        } else {
            CallState::Talking
        };
        let old = std::mem::replace(old, new);
        self.sip(UaCommand::Answer { call, body });
        self.sip(UaCommand::HangUp { call: replaced });
        self.finish(now, old, Cause::Replaced);
        self.taken_over(call, params);
    }

    /// The new call goes on where the old one was.
    fn taken_over(&mut self, call: CallId, params: Option<SessionParams>) {
        match std::mem::replace(&mut self.phase, Phase::Idle) {
            // Our own call was picked up by somebody else while it rang.
            Phase::Calling(outgoing) if outgoing.leg.call == Some(call) => {
                self.silence();
                self.line(LineCommand::Expect(Expectation::Conversation));
                self.phase = Phase::Talking(Box::new(outgoing.leg));
            }
            other => self.phase = other,
        }
        if self.is_foreground(call)
            && let Some(params) = params
        {
            self.start_session(params);
        }
        if let Some(event) = self.leg_of(call).map(call_event) {
            self.event(event);
        }
    }
}
