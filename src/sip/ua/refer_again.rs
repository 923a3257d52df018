//! An attended transfer to a Contact that routes nowhere but to who talks to it (RFC 5589 7.3): behind a router, or at a
//! telephone that hears its own server only. The transferee is sent again, to the target's address of record, where the
//! server finds the one telephone that knows the call.

use super::call::Stage;
use super::{CallId, UserAgent};
use crate::sip::message::Uri;
use std::time::Instant;

impl UserAgent {
    /// The peer of `call` is sent to the Contact of `other`'s.
    pub(super) fn note_by_contact(&mut self, call: CallId, other: CallId) {
        let calls = &self.calls;
        self.referrals
            .by_contact
            .retain(|call, _| calls.contains_key(call));
        self.referrals.by_contact.insert(call, other);
    }

    /// It has not come through: once more, by the address. `false` where that has been tried, or there is none.
    pub(super) fn refer_by_address(&mut self, now: Instant, call: CallId) -> bool {
        let other = self.referrals.by_contact.remove(&call);
        let Some(target) = other.and_then(|other| self.address_of_peer(other)) else {
            return false;
        };
        tracing::info!("the transfer's target is not reached by its Contact: tried by its address");
        self.refer_to(now, call, &target);
        true
    }

    /// How the account's server knows the peer of a call, with the call that is to be replaced; only where it is a
    /// subscriber of that server.
    fn address_of_peer(&self, call: CallId) -> Option<Uri> {
        let entry = self.calls.get(&call).filter(|entry| !entry.over)?;
        let Stage::Up(session) = &entry.stage else {
            return None;
        };
        let peer = session.dialog.remote_uri().as_sip()?;
        let home = entry.account.as_ref()?.address_of_record();
        if peer.host != home.as_sip()?.host {
            return None;
        }
        let target = peer.clone().with_header("Replaces", &session.dialog.replaces());
        // Of all the telephones of that address, those that don't know the call are not to ring.
        Some(target.with_header("Require", "replaces").into())
    }
}
