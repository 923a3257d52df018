//! Calls before their answer: provisional responses of several forks, early media, offers in early dialogs
//! (RFC 3960, RFC 3262 section 5, RFC 3311, RFC 6228).

use super::{LineCalls, Phase, Ringing};
use crate::call::state::CallState;
use crate::media::VoiceCommand;
use crate::sip::ua::{CallId, UaCommand};
use crate::zone::Tone;

impl LineCalls {
    /// 101 to 199 from one fork of our call.
    pub(super) fn progress(&mut self, status: u16, body: Option<Vec<u8>>, fork: &str) {
        if status == 199 {
            return self.fork_ended(fork);
        }
        let Phase::Calling(outgoing) = &mut self.phase else {
            return;
        };
        // The fork that brought its media last is the one to hear: of those called in turn, the others have given up.
        let another = outgoing.fork.as_deref().is_some_and(|heard| heard != fork);
        let media = &mut outgoing.leg.media;
        let early = body
            .filter(|_| media.agreed.is_none() || another)
            .and_then(|answer| media.accept_answer(&self.config, &answer).ok());
        if early.is_some() {
            outgoing.fork = Some(fork.to_owned());
            if another {
                self.leave_early_media();
            }
        }
        let Phase::Calling(outgoing) = &mut self.phase else {
            return;
        };
        let has_media = outgoing.leg.media.agreed.is_some();
        // RFC 3960: ringing is made here until media is heard; 183 with media is the network's own sound.
        let ringback = matches!(status, 180..=182) && !outgoing.early_media_heard && !outgoing.ringback;
        outgoing.leg.state = if has_media && status == 183 {
            CallState::EarlyMedia
        } else {
            CallState::Ringing
        };
        if ringback {
            outgoing.ringback = true;
            self.play(Tone::Ringback);
        }
        if let Some(params) = early {
            self.start_session(params);
        }
        self.report_call(Some(status), None);
    }

    /// 199: that fork rings no more. What was heard of it stops; if anybody has rung, ringing is made here again.
    fn fork_ended(&mut self, fork: &str) {
        let Phase::Calling(outgoing) = &mut self.phase else {
            return;
        };
        if outgoing.fork.as_deref() != Some(fork) {
            return;
        }
        outgoing.fork = None;
        outgoing.leg.media.agreed = None;
        outgoing.leg.state = CallState::Ringing;
        self.leave_early_media();
        self.report_call(Some(199), None);
    }

    /// The session with one fork is over before any answer; its figures concern nobody.
    fn leave_early_media(&mut self) {
        let Phase::Calling(outgoing) = &mut self.phase else {
            return;
        };
        let heard = std::mem::take(&mut outgoing.early_media_heard);
        let rings = outgoing.ringback;
        if std::mem::take(&mut outgoing.leg.media.started) {
            self.voice(VoiceCommand::EndSession);
            self.ending.push_back(None);
        }
        if heard && rings {
            self.play(Tone::Ringback);
        }
    }

    /// An offer in an early dialog, by UPDATE or PRACK.
    pub(super) fn reoffered_early(&mut self, call: CallId, offer: &[u8]) {
        let media = match &mut self.phase {
            Phase::Calling(outgoing) => &mut outgoing.leg.media,
            Phase::Ringing(ringing) => &mut ringing.leg.media,
            _ => return self.sip(UaCommand::RejectReoffer { call, status: 488 }),
        };
        let Ok((body, params)) = media.answer(&self.config, offer) else {
            return self.sip(UaCommand::RejectReoffer { call, status: 488 });
        };
        self.sip(UaCommand::AnswerReoffer { call, body });
        match &mut self.phase {
            Phase::Ringing(ringing) => {
                if let Some((_, session)) = &mut ringing.answer {
                    *session = Some(params);
                }
            }
            _ => self.start_session(params),
        }
    }

    /// The answer to our offer in a reliable provisional response; the telephone still rings, or the call waits.
    pub(super) fn reanswered_early(&mut self, answer: &[u8]) {
        let ringing = match (&mut self.phase, &mut self.waiting) {
            (Phase::Ringing(ringing), _) | (_, Some(ringing)) => Some(ringing),
            (_, None) => None,
        };
        if let Some(ringing) = ringing
            && let Ok(params) = ringing.leg.media.accept_answer(&self.config, answer)
            && let Some((_, session)) = &mut ringing.answer
        {
            *session = Some(params);
        }
    }

    /// The session is to be refreshed (RFC 4028): by our offer as it stands.
    pub(super) fn refresh(&mut self, call: CallId) {
        let config = self.config.clone();
        let leg = self.leg_of_mut(call).filter(|leg| leg.answered.is_some());
        if let Some(leg) = leg
            && let Some(body) = leg.media.make_offer(&config)
        {
            self.sip(UaCommand::Reoffer { call, body });
        }
    }
}

impl Ringing {
    /// The offer that the first provisional response has to carry, where the caller wants it so.
    pub(super) fn early_offer(&self) -> Option<Vec<u8>> {
        let answer = self.answer.as_ref().filter(|_| self.wants_early_offer);
        answer.map(|(body, _)| body.clone())
    }
}
