//! The peer's checks (RFC 8445 section 7.3).

use std::net::SocketAddr;
use std::time::Instant;

use super::agent::RTO_MIN;
use super::checklist::State;
use super::{Agent, Base, Transmit};
use crate::media::stun::{Class, Message, MessageWriter, attribute, method};

/// Checks remembered that came before the peer's description; beyond it the first ones serve.
const EARLY_MAX: usize = 16;

/// What a check told us before we knew the peer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Early {
    base: Base,
    from: SocketAddr,
    priority: u32,
    nominates: bool,
}

impl Agent {
    pub(super) fn answer_check(&mut self, now: Instant, base: Base, from: SocketAddr, message: &Message<'_>) {
        let attributes = message.attributes();
        let respond = |class| MessageWriter::new(class, method::BINDING, message.transaction());
        let key = self.local.password.clone();
        // RFC 8489 section 9.1.3.
        let ours = attributes
            .text(attribute::USERNAME)
            .and_then(|name| name.split_once(':'))
            .filter(|(local, remote)| {
                *local == self.local.username_fragment
                    && self
                        .remote
                        .as_ref()
                        .is_none_or(|known| known.username_fragment == *remote)
            });
        if !message.is_sealed() || attributes.value(attribute::USERNAME).is_none() {
            return self.reply(
                base,
                from,
                respond(Class::Error)
                    .error(400, "Bad Request")
                    .fingerprint()
                    .finish(),
            );
        }
        if ours.is_none() || !message.is_sealed_with(key.as_bytes()) {
            return self.reply(
                base,
                from,
                respond(Class::Error)
                    .error(401, "Unauthenticated")
                    .fingerprint()
                    .finish(),
            );
        }
        if let Some(unknown) = attributes.first_unknown() {
            let refusal = respond(Class::Error)
                .error(420, "Unknown Attribute")
                .value(attribute::UNKNOWN_ATTRIBUTES, &unknown.to_be_bytes());
            return self.reply(base, from, refusal.seal(key.as_bytes()).fingerprint().finish());
        }
        if self.role_is_disputed(message) {
            let refusal = respond(Class::Error).error(487, "Role Conflict");
            return self.reply(base, from, refusal.seal(key.as_bytes()).fingerprint().finish());
        }
        let answer = respond(Class::Success).xor_address(attribute::XOR_MAPPED_ADDRESS, from);
        self.reply(base, from, answer.seal(key.as_bytes()).fingerprint().finish());
        let check = Early {
            base,
            from,
            priority: attributes.number_32(attribute::PRIORITY).unwrap_or(0),
            nominates: attributes.value(attribute::USE_CANDIDATE).is_some(),
        };
        if self.is_started() {
            self.learn_from_check(now, &check);
        } else if self.early.len() < EARLY_MAX {
            self.early.push(check);
        }
    }

    /// A check that was answered shows a way: ours goes back the same (RFC 8445 section 7.3.1.4).
    pub(super) fn learn_from_check(&mut self, now: Instant, check: &Early) {
        let (base, from) = (check.base, check.from);
        if self.checklist.find(base, from).is_none() {
            self.checklist
                .add_reflexive(base, from, check.priority, self.controlling);
        }
        let nominates = check.nominates && !self.controlling;
        let Some(pair) = self.checklist.find(base, from) else {
            return;
        };
        pair.nominated |= nominates;
        let again = match &pair.state {
            State::Succeeded => false,
            // One that was being checked is checked again at once: the way may be open only now. But not for ever: the
            // peer does the same, and where the round trip is longer than the pace each would go on replacing its
            // check by a new one before the answer is there.
            State::InProgress(check) => !check.triggered || now >= check.clock.sent_at() + RTO_MIN,
            State::Waiting | State::Frozen | State::Failed => {
                pair.state = State::Waiting;
                true
            }
        };
        if again {
            self.checklist.trigger(base, from);
            self.check_soon(now);
        }
        if nominates {
            self.select(now);
        }
    }

    /// RFC 8445 section 7.3.1.1. `true`: the peer is to change its role; otherwise we have done so, or there is no
    /// dispute.
    fn role_is_disputed(&mut self, message: &Message<'_>) -> bool {
        if !self.is_started() {
            return false;
        }
        let claimed = if self.controlling {
            attribute::ICE_CONTROLLING
        } else {
            attribute::ICE_CONTROLLED
        };
        let Some(tie_breaker) = message.attributes().number_64(claimed) else {
            return false;
        };
        let we_win = self.tie_breaker >= tie_breaker;
        if self.controlling == we_win {
            return true;
        }
        self.switch_role(!self.controlling);
        false
    }

    fn reply(&mut self, base: Base, to: SocketAddr, bytes: Vec<u8>) {
        self.transmit.push_back(Transmit { base, to, bytes });
    }
}
