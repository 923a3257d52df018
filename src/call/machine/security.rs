//! Handshakes of the line's calls: their keys, and what becomes of a call that gets none.

use std::time::Instant;

use super::{LineCalls, Phase};
use crate::call::leg::Leg;
use crate::call::state::Cause;
use crate::call::{CallEvent, SessionId};
use crate::line::LineCommand;
use crate::media::VoiceCommand;
use crate::media::dtls::{DtlsError, Fingerprint};
use crate::media::srtp::SrtpKeys;
use crate::sip::message::Reason;
use crate::sip::ua::UaCommand;

impl LineCalls {
    /// Calls from now on may be keyed by DTLS: this is the fingerprint of our certificate.
    pub fn set_fingerprint(&mut self, fingerprint: Fingerprint) {
        self.fingerprint = Some(fingerprint);
    }

    /// A handshake has brought keys. Those of a parked session are told to the audio thread when it comes back to the
    /// ear.
    pub(super) fn secured(&mut self, session: SessionId, association: u64, keys: SrtpKeys) {
        let Some(leg) = self.associated(session, association) else {
            return;
        };
        leg.media.secured(keys);
        let heard = leg.media.started && !leg.media.parked;
        let protection = leg.media.protection();
        let told = leg.media.encryption().map(|encryption| CallEvent::Encryption {
            id: leg.id.clone(),
            encryption,
        });
        if heard {
            self.voice(VoiceCommand::Protect(protection));
        }
        if let Some(told) = told {
            self.event(told);
        }
    }

    /// There are no keys. Before the answer that ends nothing: the handshake is tried again with it.
    pub(super) fn insecure(&mut self, now: Instant, session: SessionId, association: u64, error: &DtlsError) {
        let text = sentence(error);
        let Some(leg) = self.associated(session, association) else {
            return;
        };
        if leg.answered.is_none() {
            return leg.media.reconnect();
        }
        leg.note(&text);
        let (id, call) = (leg.id.clone(), leg.call);
        self.event(CallEvent::Diagnosis {
            id: id.clone(),
            problem: "encryption",
            text,
        });
        if let Some(call) = call {
            // RFC 3326: the status that an offer gets which can't be accepted.
            let reason = Reason {
                protocol: "SIP".to_owned(),
                cause: Some(488),
                text: Some(format!("DTLS-SRTP: {error}")),
            };
            self.sip(UaCommand::HangUpBecause { call, reason });
        }
        self.end_insecure(now, &id);
    }

    fn end_insecure(&mut self, now: Instant, id: &str) {
        if let Some(held) = self.held.take_if(|held| held.id == *id) {
            return self.finish(now, *held, Cause::Security);
        }
        match std::mem::replace(&mut self.phase, Phase::Idle) {
            Phase::Talking(leg) | Phase::Held(leg) | Phase::AwaitingCode { leg, .. } if leg.id == *id => {
                self.finish(now, *leg, Cause::Security);
                self.after_far_end(now);
            }
            Phase::Recall(recall) if recall.leg.id == *id => {
                self.line(LineCommand::StopRinging);
                self.finish(now, *recall.leg, Cause::Security);
            }
            // Calls being connected to each other are about to leave us anyway.
            other => self.phase = other,
        }
    }

    /// The call that this handshake is for, if it still is.
    fn associated(&mut self, session: SessionId, association: u64) -> Option<&mut Leg> {
        let found = self
            .legs()
            .find(|leg| leg.media.session == session && leg.media.is_associated(association));
        let call = found?.call?;
        self.leg_of_mut(call)
    }
}

/// For the person: what is the matter, and what to do about it.
fn sentence(error: &DtlsError) -> String {
    let remedy = match error {
        DtlsError::Fingerprint(_) => {
            "Somebody between us and the other side has changed the session description or answers in its place: talk to \
             who runs the server, and use transport=tls."
        }
        DtlsError::TimedOut => {
            "Most likely a firewall or router on the way drops UDP between the ports of media.rtp_ports and the other \
             side, or the other side sends from another address than it said."
        }
        DtlsError::Failed(_) | DtlsError::NoKeys | DtlsError::Identity(_) => {
            "The other side needs DTLS 1.2 with extended master secret and a certificate of P-256 or P-384; where it can't, \
             srtp: required (keys in SIP) is what works with it."
        }
    };
    format!("The call could not be encrypted and was ended: {error}. {remedy}")
}
