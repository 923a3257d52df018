//! 488 or 606 to our INVITE: the called side could not do with the media offered. It is asked once more with simpler
//! media before the person hears of it: some gateways refuse an offer for its keys or its candidates alone, others look
//! at its first codec only.

use std::time::Instant;

use super::{LineCalls, Phase};
use crate::call::CallOutput;
use crate::call::state::CallState;

impl LineCalls {
    /// Our INVITE came to nothing.
    pub(super) fn refused(&mut self, now: Instant, status: u16, reason: &str) {
        let asks_otherwise = matches!(status, 488 | 606) && self.offer_otherwise(status, reason);
        if !asks_otherwise {
            self.fail_outgoing(now, status, reason);
        }
    }

    /// Places the call again with simpler media. `false`: there is nothing else to offer, or somebody has rung already,
    /// or it isn't ours to repeat.
    fn offer_otherwise(&mut self, status: u16, reason: &str) -> bool {
        let emergency = self.is_emergency();
        let Phase::Calling(outgoing) = &mut self.phase else {
            return false;
        };
        let reached = outgoing.ringback || outgoing.leg.media.started;
        // Who sent us there has been told of the refusal, and of the end of it.
        if reached || outgoing.referred || !outgoing.leg.media.offer_plainly(&self.config) {
            return false;
        }
        if emergency {
            // Its next way is tried at once, with the simpler media, and this one again in the next round.
            return false;
        }
        let number = outgoing.number.clone();
        outgoing.leg.call = None;
        outgoing.leg.state = CallState::Calling;
        outgoing.placement = None;
        self.report_call(Some(status), Some(format!("{reason}; simpler media is offered")));
        self.push(CallOutput::Place { number, emergency });
        true
    }
}
