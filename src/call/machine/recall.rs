//! The register recall (flash) and hanging up with two calls: hold, consultation, change over, call waiting
//! (RFC 5359 2.1, 2.2; the keys of ETSI's R services).

use std::time::{Duration, Instant};

use super::{LineCalls, Phase};
use crate::call::leg::Leg;
use crate::call::services::FlashStyle;
use crate::call::state::{CallState, Cause};
use crate::media::{Direction, SessionParams, VoiceCommand};
use crate::zone::Tone;

/// The digit after a recall comes within this, or the talk goes on.
const CODE_WAIT: Duration = Duration::from_secs(5);

impl LineCalls {
    /// Recall.
    pub(super) fn flashed(&mut self, now: Instant) {
        if self.is_emergency() {
            return;
        }
        let style = self.config.services.flash;
        match std::mem::replace(&mut self.phase, Phase::Idle) {
            Phase::Talking(leg) => self.flashed_talking(now, leg, style),
            Phase::Held(leg) => self.take_back(leg),
            Phase::AwaitingCode { leg, .. } => self.end_code(leg),
            Phase::Dialing { .. } | Phase::Tone { .. } | Phase::Howler { .. } | Phase::LockedOut => {
                self.flashed_under_tone(now);
            }
            // Consultation that nobody has answered is given up for the held call.
            Phase::Calling(outgoing) if self.held.as_ref().is_some_and(|held| !held.referring) => {
                self.phase = Phase::Calling(outgoing);
                self.end_phase(now, Cause::LocalHangup);
                self.return_to_held();
            }
            other => self.phase = other,
        }
    }

    fn flashed_talking(&mut self, now: Instant, leg: Box<Leg>, style: FlashStyle) {
        let second = self.waiting.is_some() || self.held.is_some();
        match style {
            FlashStyle::Off => self.phase = Phase::Talking(leg),
            FlashStyle::Hold => {
                self.park(leg);
                if let Some(leg) = self.held.take() {
                    self.phase = Phase::Held(leg);
                }
                self.play(Tone::Hold);
            }
            FlashStyle::Digit if second => self.await_code(now, leg),
            FlashStyle::Switch | FlashStyle::Digit if !second => {
                self.park(leg);
                self.start_dialing(now, Tone::RecallDial);
            }
            FlashStyle::Switch | FlashStyle::Digit => {
                self.phase = Phase::Talking(leg);
                if self.waiting.is_some() {
                    self.accept_waiting(now);
                } else if let Phase::Talking(leg) = std::mem::replace(&mut self.phase, Phase::Idle) {
                    self.change_over(leg);
                }
            }
        }
    }

    fn flashed_under_tone(&mut self, now: Instant) {
        if self.held.is_some() {
            self.return_to_held();
        } else if self.waiting.is_some() {
            self.accept_waiting(now);
        } else {
            self.start_dialing(now, Tone::Dial);
        }
    }

    /// Back to the held call, if there is one.
    pub(super) fn return_to_held(&mut self) {
        if let Some(leg) = self.held.take() {
            self.take_back(leg);
        }
    }

    /// A digit will say what to do with two calls. Meanwhile the far end is heard, and hears neither us nor the key.
    fn await_code(&mut self, now: Instant, leg: Box<Leg>) {
        if let Some(params) = leg.media.agreed {
            self.voice(VoiceCommand::Session(SessionParams {
                direction: Direction::ReceiveOnly,
                ..params
            }));
        }
        self.play(Tone::RecallDial);
        self.phase = Phase::AwaitingCode {
            leg,
            until: now + CODE_WAIT,
        };
    }

    /// The talk goes on as it was.
    pub(super) fn end_code(&mut self, leg: Box<Leg>) {
        self.silence();
        if let Some(params) = leg.media.agreed {
            self.voice(VoiceCommand::Session(params));
        }
        self.phase = Phase::Talking(leg);
    }

    /// The digit after a recall.
    pub(super) fn code(&mut self, now: Instant, digit: char) {
        let Phase::AwaitingCode { leg, .. } = std::mem::replace(&mut self.phase, Phase::Idle) else {
            return;
        };
        match digit {
            '0' if self.waiting.is_some() => {
                self.refuse_waiting(now, 486, Cause::Busy);
                self.end_code(leg);
            }
            '0' => {
                if let Some(held) = self.held.take() {
                    self.hang_up_leg(now, *held, Cause::LocalHangup);
                }
                self.end_code(leg);
            }
            '1' => {
                self.silence();
                self.hang_up_leg(now, *leg, Cause::LocalHangup);
                if self.waiting.is_some() {
                    self.accept_waiting(now);
                } else {
                    self.return_to_held();
                }
            }
            '2' if self.waiting.is_some() => {
                self.phase = Phase::Talking(leg);
                self.accept_waiting(now);
            }
            '2' => {
                self.silence();
                self.change_over(leg);
            }
            '4' if self.held.is_some() => {
                self.silence();
                self.connect(now, *leg);
            }
            // Three-way calls need a mixer, which the voice path has not.
            _ => self.end_code(leg),
        }
    }

    /// The handset goes down while another call is held or waits. `false`: there is none, or it ends with the rest.
    pub(super) fn hung_up_between_calls(&mut self, now: Instant) -> bool {
        if self.is_emergency() {
            return false;
        }
        if self.waiting.is_some() {
            self.end_phase(now, Cause::LocalHangup);
            self.ring_waiting();
            return true;
        }
        if matches!(self.phase, Phase::Transferring(_)) {
            self.silence();
            return true;
        }
        match std::mem::replace(&mut self.phase, Phase::Idle) {
            Phase::Held(leg) => {
                self.silence();
                self.ring_back(now, leg);
                return true;
            }
            other => self.phase = other,
        }
        let Some(held) = self.held.take() else {
            return false;
        };
        // Its far end sends us elsewhere, or went: nothing to come back to.
        if held.referring {
            self.held = Some(held);
            return false;
        }
        if self.config.services.transfer_on_hang_up {
            match std::mem::replace(&mut self.phase, Phase::Idle) {
                Phase::Talking(leg) => {
                    self.held = Some(held);
                    self.connect(now, *leg);
                    return true;
                }
                // RFC 5589 6.2: a consultation that only rings is given up, and its number is where the call goes.
                Phase::Calling(outgoing) if outgoing.leg.state != CallState::Calling => {
                    let number = outgoing.number.clone();
                    self.phase = Phase::Calling(outgoing);
                    self.end_phase(now, Cause::LocalHangup);
                    self.send_to_number(now, *held, number);
                    return true;
                }
                other => self.phase = other,
            }
        }
        self.end_phase(now, Cause::LocalHangup);
        self.ring_back(now, held);
        true
    }

    /// The digits that come in before a number, once they are one of the line's own codes.
    pub(super) fn feature_of(&self, keys: &str) -> Option<Feature> {
        let services = &self.config.services;
        let is = |code: &Option<String>| code.as_deref() == Some(keys);
        if self.held.is_some() && is(&services.blind_transfer_code) {
            return Some(Feature::BlindTransfer);
        }
        is(&services.withhold_number_code).then_some(Feature::WithholdNumber)
    }

    /// Whether further keys can make one of the codes of these.
    pub(super) fn begins_feature(&self, keys: &str) -> bool {
        let services = &self.config.services;
        let begins = |code: &Option<String>| code.as_deref().is_some_and(|code| code.starts_with(keys));
        self.held.is_some() && begins(&services.blind_transfer_code) || begins(&services.withhold_number_code)
    }
}

/// What a code dialled before a number does with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Feature {
    /// The held call goes there.
    BlindTransfer,
    /// Who calls isn't shown.
    WithholdNumber,
}
