//! What the sockets and the audio thread say of the line's call.

use std::net::SocketAddr;
use std::time::Instant;

use super::{LineCalls, Phase};
use crate::call::state::{CallState, Cause};
use crate::call::{CallEvent, CallOutput, MediaFlow, SessionId};
use crate::media::{FlowReport, VoiceEvent};
use crate::sip::ua::UaCommand;

impl LineCalls {
    pub(super) fn media_opened(&mut self, now: Instant, session: SessionId, port: u16) {
        match &mut self.phase {
            Phase::Calling(outgoing) if outgoing.leg.media.session == session => {
                outgoing.leg.media.port = Some(port);
                self.invite_when_ready();
            }
            Phase::Ringing(ringing) if ringing.leg.media.session == session => {
                ringing.leg.media.port = Some(port);
                self.start_ringing(now);
            }
            _ if self
                .waiting
                .as_ref()
                .is_some_and(|waiting| waiting.leg.media.session == session) =>
            {
                if let Some(waiting) = &mut self.waiting {
                    waiting.leg.media.port = Some(port);
                }
                self.announce_waiting(now);
            }
            // Its call ended while the sockets were being opened.
            _ => self.push(CallOutput::CloseMedia(session)),
        }
    }

    pub(super) fn media_failed(&mut self, now: Instant, session: SessionId, reason: &str) {
        match &self.phase {
            Phase::Calling(outgoing) if outgoing.leg.media.session == session => {
                if let Some(call) = outgoing.leg.call {
                    self.sip(UaCommand::HangUp { call });
                }
                self.fail_outgoing(now, 500, reason);
            }
            Phase::Ringing(ringing) if ringing.leg.media.session == session => {
                let call = ringing.call;
                self.sip(UaCommand::Reject { call, status: 500 });
                self.stop_ringing(now, Cause::Failed, Some(500));
            }
            _ if self
                .waiting
                .as_ref()
                .is_some_and(|waiting| waiting.leg.media.session == session) =>
            {
                self.refuse_waiting(now, 500, Cause::Failed);
            }
            _ => {}
        }
    }

    pub(super) fn handle_voice(&mut self, now: Instant, event: VoiceEvent) {
        match event {
            VoiceEvent::FirstRtp => {
                if let Phase::Calling(outgoing) = &mut self.phase {
                    outgoing.early_media_heard = true;
                    outgoing.leg.state = CallState::EarlyMedia;
                    self.silence();
                    self.report_call(None, None);
                }
            }
            VoiceEvent::RtpTimeout => self.media_stopped(now),
            VoiceEvent::RtpResumed => self.media_flowing(true),
            VoiceEvent::RemoteKey(key) => self.remote_key(key.as_char()),
            VoiceEvent::SessionEnded(stats) => {
                if let Some(Some((leg, cause, ended))) = self.ending.pop_front() {
                    self.close_media(&leg);
                    let record = leg.finish(&self.line, cause, Some(&stats), ended);
                    self.push(CallOutput::Record(Box::new(record)));
                }
            }
            VoiceEvent::Flow(report) => self.flow(report),
            // The line's own business.
            VoiceEvent::Dtmf(_) | VoiceEvent::TransmissionDone => {}
        }
    }

    pub(super) fn media_stopped(&mut self, now: Instant) {
        self.media_flowing(false);
        let Phase::Talking(leg) = &self.phase else { return };
        if !self.config.rtp_timeout_ends_call || leg.state == CallState::Held {
            return;
        }
        if let Some(call) = leg.call {
            self.sip(UaCommand::HangUp { call });
        }
        if let Phase::Talking(leg) = std::mem::replace(&mut self.phase, Phase::Idle) {
            self.finish(now, *leg, Cause::MediaTimeout);
        }
        self.after_far_end(now);
    }

    /// Sound goes one way, or both ways again: worth a word only while both are to be heard.
    fn flow(&mut self, report: FlowReport) {
        let Phase::Talking(leg) = &self.phase else { return };
        if let (CallState::Talking, Some(call)) = (leg.state, leg.call) {
            let (id, media) = (leg.id.clone(), &leg.media);
            self.push(CallOutput::Flow(MediaFlow {
                id,
                call,
                report,
                local: media.local_ip.zip(media.port).map(SocketAddr::from),
                remote: media.agreed.map(|params| params.remote_rtp),
            }));
        }
    }

    pub(super) fn media_flowing(&mut self, flowing: bool) {
        if let Some(id) = self.leg().map(|leg| leg.id.clone()) {
            self.event(CallEvent::Media { id, flowing });
        }
    }

    pub(super) fn remote_key(&mut self, digit: char) {
        if let Some(id) = self.leg().map(|leg| leg.id.clone()) {
            self.event(CallEvent::RemoteDigit { id, digit });
        }
    }
}
