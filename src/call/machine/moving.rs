//! A call whose media has come to go another way than its descriptions say: ICE has found one, or our address has
//! changed. The peer is told by a new offer.

use std::net::IpAddr;

use super::LineCalls;
use crate::call::leg::Leg;
use crate::call::{CallOutput, SessionId};
use crate::media::traversal::{Gathered, Settled};
use crate::sip::ua::{CallId, UaCommand};

impl LineCalls {
    /// What servers see of a session's sockets: before its first offer or answer, or again after we have moved.
    pub(super) fn gathered(&mut self, session: SessionId, gathered: Gathered) {
        let Some(leg) = self.leg_with(session) else { return };
        leg.media.gathered = Some(gathered);
        if std::mem::take(&mut leg.media.ice.moving) {
            self.tell_media(session);
        }
    }

    /// Our address towards a call's peer has changed.
    pub(super) fn moved(&mut self, call: CallId, local_ip: IpAddr) {
        let Some(leg) = self.leg_of_mut(call).filter(|leg| !leg.media.at_home) else {
            return;
        };
        let session = leg.media.session;
        let credentials = leg.media.moved(local_ip);
        self.push(CallOutput::Regather { session, credentials });
    }

    /// ICE has found a way.
    pub(super) fn settled(&mut self, session: SessionId, settled: Settled) {
        let nat = self.config.nat;
        let Some(leg) = self.leg_with(session) else { return };
        leg.media.ice.to_be_told = leg.media.settle(&nat, settled);
        self.tell_settled(session);
    }

    /// Tells the peer of the way found, once the call is up.
    pub(super) fn tell_settled(&mut self, session: SessionId) {
        let up = |leg: &mut Leg| leg.answered.is_some() && std::mem::take(&mut leg.media.ice.to_be_told);
        if self.leg_with(session).is_some_and(up) {
            self.tell_media(session);
        }
    }

    fn tell_media(&mut self, session: SessionId) {
        let config = self.config.clone();
        let Some(leg) = self.leg_with(session).filter(|leg| leg.answered.is_some()) else {
            return;
        };
        if let (Some(call), Some(body)) = (leg.call, leg.media.make_offer(&config)) {
            self.sip(UaCommand::Reoffer { call, body });
        }
    }

    fn leg_with(&mut self, session: SessionId) -> Option<&mut Leg> {
        let call = self.legs().find(|leg| leg.media.session == session)?.call;
        match call {
            Some(call) => self.leg_of_mut(call),
            None => self.leg_mut().filter(|leg| leg.media.session == session),
        }
    }
}

#[cfg(test)]
mod tests;
