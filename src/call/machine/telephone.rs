//! What the person at the telephone does: lifting, dialling, recall, hanging up.

use std::time::Instant;

use super::recall::Feature;
use super::{LineCalls, Outgoing, Phase, Ringing};
use crate::call::keyring::Keyring;
use crate::call::leg::Leg;
use crate::call::state::{CallDirection, CallState, Cause};
use crate::call::{CallEvent, CallOutput, SessionId};
use crate::dial::{Collector, CollectorInput, CollectorOutput, Dialed, Hotline};
use crate::dsp::Key;
use crate::line::{DigitSource, Expectation, LineCommand, LineEvent};
use crate::media::{DtmfRelay, VoiceCommand};
use crate::sip::ua::{InviteOptions, ReferralId, UaCommand};
use crate::zone::Tone;
use rand::Rng;

/// A dial pulse train is relayed as a key of this length (RFC 4733 asks for at least 40).
const RELAYED_PULSE_DIGIT_MS: u16 = 100;

impl LineCalls {
    pub(super) fn handle_line(&mut self, now: Instant, event: LineEvent) {
        match event {
            LineEvent::OffHook { .. } => self.lifted(now),
            LineEvent::OnHook { .. } => self.hung_up(now),
            LineEvent::Flash { .. } => self.flashed(now),
            LineEvent::PulseDialingStarted => {
                if let Phase::Dialing { collecting, .. } = &mut self.phase {
                    *collecting = true;
                    self.silence();
                }
            }
            LineEvent::Digit { key, source } => self.digit(now, key.as_char(), source),
            LineEvent::DigitEnd { key, duration_ms } => {
                if self.config.dtmf == DtmfRelay::Info {
                    self.info_key(key.as_char(), duration_ms);
                }
            }
            LineEvent::RingBurst(_) | LineEvent::CallerIdSent | LineEvent::Rejected { .. } => {}
        }
    }

    pub(super) fn lifted(&mut self, now: Instant) {
        if self.off_hook {
            return;
        }
        self.off_hook = true;
        self.voice(VoiceCommand::OffHook(true));
        self.take_line_back();
        match std::mem::replace(&mut self.phase, Phase::Idle) {
            Phase::Ringing(ringing) => self.answer(now, *ringing),
            Phase::Idle => {
                let tone = if self.message_waiting {
                    Tone::MessageWaitingDial
                } else {
                    Tone::Dial
                };
                self.start_dialing(now, tone);
            }
            Phase::Recall(recall) => {
                self.line(LineCommand::StopRinging);
                self.take_back(recall.leg);
            }
            Phase::Transferring(transfer) => {
                // The transfer is the other side's business from here.
                self.phase = Phase::Transferring(transfer);
                self.end_phase(now, Cause::Transferred);
                self.start_dialing(now, Tone::Dial);
            }
            other => self.phase = other,
        }
    }

    pub(super) fn answer(&mut self, now: Instant, ringing: Ringing) {
        let Ringing {
            mut leg,
            call,
            answer,
            ..
        } = ringing;
        self.line(LineCommand::Expect(Expectation::Conversation));
        self.bring_to_the_ear(&mut leg);
        let Some((body, session)) = answer else {
            // Lifted before the sockets were open: rare, and there is nothing to answer with.
            self.sip(UaCommand::Reject { call, status: 480 });
            self.finish(now, leg, Cause::Failed);
            self.start_tone(now, Tone::Congestion);
            return;
        };
        self.sip(UaCommand::Answer { call, body });
        leg.answered = Some(now);
        leg.state = CallState::Talking;
        leg.sip_status = Some(200);
        self.phase = Phase::Talking(Box::new(leg));
        if let Some(params) = session {
            self.start_session(params);
        }
        self.report_call(None, None);
    }

    pub(super) fn hung_up(&mut self, now: Instant) {
        if !self.off_hook {
            return;
        }
        self.off_hook = false;
        if self.holds_the_line(now) {
            return;
        }
        if !self.hung_up_between_calls(now) {
            self.end_everything(now, Cause::LocalHangup);
        }
        self.voice(VoiceCommand::OffHook(false));
        self.line(LineCommand::Polarity { reversed: false });
    }

    pub(super) fn digit(&mut self, now: Instant, digit: char, source: DigitSource) {
        match &mut self.phase {
            Phase::Dialing { collecting, .. } => {
                if !std::mem::replace(collecting, true) {
                    self.line(LineCommand::Expect(Expectation::Digits));
                }
                self.silence();
                self.dialed_key(now, digit);
            }
            Phase::AwaitingCode { .. } => self.code(now, digit),
            Phase::Talking(leg) if matches!(source, DigitSource::Pulse { .. }) => {
                // The far end cannot hear a dial: its digits always travel as keys.
                let events = leg
                    .media
                    .agreed
                    .is_some_and(|params| params.telephone_event.is_some());
                match (Key::from_char(digit), self.config.dtmf, events) {
                    (_, DtmfRelay::Info, _) => self.info_key(digit, u32::from(RELAYED_PULSE_DIGIT_MS)),
                    (Some(key), _, true) => {
                        self.voice(VoiceCommand::SendKey {
                            key,
                            duration_ms: RELAYED_PULSE_DIGIT_MS,
                        });
                    }
                    _ => self.info_key(digit, u32::from(RELAYED_PULSE_DIGIT_MS)),
                }
            }
            _ => {}
        }
    }

    pub(super) fn info_key(&mut self, key: char, duration_ms: u32) {
        if let Phase::Talking(leg) = &self.phase
            && let Some(call) = leg.call
        {
            self.sip(UaCommand::InfoKey {
                call,
                key,
                duration_ms,
            });
        }
    }

    /// A key of a number, or of a code before one.
    fn dialed_key(&mut self, now: Instant, digit: char) {
        let Phase::Dialing { collector, code, .. } = &mut self.phase else {
            return;
        };
        let Some(mut keys) = code.take() else {
            collector.handle_input(now, CollectorInput::Key(digit));
            return self.drain_collector(now);
        };
        keys.push(digit);
        if let Some(feature) = self.feature_of(&keys) {
            return self.start_number(now, Tone::SecondDial, Some(feature));
        }
        let undecided = self.begins_feature(&keys);
        let first = keys.len() == 1;
        // A hotline is for who dials nothing.
        let fresh = (undecided && first).then(|| Box::new(self.collector(now, None)));
        let Phase::Dialing { collector, code, .. } = &mut self.phase else {
            return;
        };
        if let Some(fresh) = fresh {
            *collector = fresh;
        }
        if undecided {
            *code = Some(keys);
            return;
        }
        for key in keys.chars() {
            collector.handle_input(now, CollectorInput::Key(key));
        }
        self.drain_collector(now);
    }

    fn collector(&self, now: Instant, hotline: Option<Hotline>) -> Collector {
        Collector::new(
            now,
            self.config.dial_plan.clone(),
            self.config.emergency_numbers.clone(),
            self.config.timers,
            hotline,
        )
    }

    pub(super) fn start_dialing(&mut self, now: Instant, tone: Tone) {
        self.start_number(now, tone, None);
    }

    fn start_number(&mut self, now: Instant, tone: Tone, feature: Option<Feature>) {
        self.expect_digits();
        // It is for who lifts the handset, not for a consultation.
        let hotline = self
            .config
            .hotline
            .clone()
            .filter(|_| self.held.is_none() && feature.is_none());
        self.phase = Phase::Dialing {
            collector: Box::new(self.collector(now, hotline)),
            collecting: false,
            code: feature.is_none().then(String::new),
            feature,
        };
        self.drain_collector(now);
        // A hotline without delay has dialled by now.
        if matches!(self.phase, Phase::Dialing { .. }) {
            self.play(tone);
        }
    }

    pub(super) fn drain_collector(&mut self, now: Instant) {
        while let Phase::Dialing { collector, .. } = &mut self.phase {
            match collector.poll_output() {
                None => return,
                Some(CollectorOutput::SecondDialTone) => self.play(Tone::SecondDial),
                Some(CollectorOutput::Dial(dialed)) => self.place(now, dialed),
                Some(CollectorOutput::Rejected { keys, reason }) => {
                    self.event(CallEvent::DialRejected {
                        digits: keys,
                        reason: reason.to_string(),
                    });
                    self.start_tone(now, Tone::Congestion);
                }
                Some(CollectorOutput::TimedOut) => self.start_tone(now, Tone::Congestion),
            }
        }
    }

    pub(super) fn place(&mut self, now: Instant, dialed: Dialed) {
        let Dialed {
            number,
            keys,
            emergency,
        } = dialed;
        self.silence();
        self.event(CallEvent::Dialed {
            digits: keys.clone(),
            number: number.clone(),
            emergency,
        });
        let feature = match &self.phase {
            Phase::Dialing { feature, .. } => *feature,
            _ => None,
        };
        if feature == Some(Feature::BlindTransfer)
            && !emergency
            && let Some(held) = self.held.take()
        {
            return self.send_to_number(now, *held, number);
        }
        let mut leg = self.new_leg(CallDirection::Outgoing, number.clone(), now);
        leg.dialed = Some(keys);
        // Whoever helps is to know who calls.
        let withheld = (feature == Some(Feature::WithholdNumber)).then_some(true);
        let anonymous = if emergency { Some(false) } else { withheld };
        self.start_call(now, leg, number, emergency, None, anonymous);
    }

    /// Asks for a way and for sockets; with both, the INVITE goes out.
    pub(super) fn start_call(
        &mut self,
        now: Instant,
        leg: Leg,
        number: String,
        emergency: bool,
        referral: Option<ReferralId>,
        anonymous: Option<bool>,
    ) {
        let session = leg.media.session;
        self.phase = Phase::Calling(Box::new(Outgoing {
            leg,
            number: number.clone(),
            placement: None,
            ringback: false,
            early_media_heard: false,
            fork: None,
            referral,
            anonymous,
            referred: referral.is_some(),
        }));
        self.report_call(None, None);
        if emergency {
            self.begin_emergency(now);
        }
        self.push(CallOutput::Place { number, emergency });
        self.push(CallOutput::OpenMedia {
            session,
            parked: false,
        });
    }

    pub(super) fn new_leg(&mut self, direction: CallDirection, remote: String, now: Instant) -> Leg {
        let id = format!("{:016x}", self.random.next_u64());
        let session = SessionId(self.random.next_u64());
        let sdp_id = self.random.next_u64();
        let keyring = Keyring::new(self.config.srtp, self.fingerprint, &mut self.random);
        Leg::new(id, direction, remote, session, sdp_id, keyring, now)
    }

    pub(super) fn invite_when_ready(&mut self) {
        let Phase::Calling(outgoing) = &mut self.phase else {
            return;
        };
        if !outgoing.leg.media.is_ready() {
            return;
        }
        let Some(placement) = outgoing.placement.take() else {
            return;
        };
        let Some(offer) = outgoing.leg.media.make_offer(&self.config) else {
            return;
        };
        let number = outgoing.number.clone();
        // From here the user agent tells who sent us there how it goes.
        let referral = outgoing.referral.take();
        let anonymous = outgoing.anonymous;
        self.sip(UaCommand::Invite {
            call: placement.call,
            via: placement.via,
            number,
            from_user: placement.from_user,
            from_name: None,
            offer,
            options: InviteOptions { referral, anonymous },
        });
    }
}
