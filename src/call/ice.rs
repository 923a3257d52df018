//! What a call knows of ICE with its peer beyond the first offer and answer (RFC 8839 section 4.4): the way that was found,
//! which later descriptions name, and restarts, ours and the peer's.

use std::net::{IpAddr, SocketAddr};

use super::Nat;
use super::leg::Media;
use crate::media::ice::Credentials;
use crate::media::traversal::{Ends, Settled};
use crate::sip::sdp::ice_credentials;

/// What is kept of it.
#[derive(Debug, Default)]
pub(super) struct IceState {
    /// The peer's credentials, as agreed last.
    pub(super) peer: Option<Credentials>,
    /// The way that has been found, until something begins anew.
    pub(super) settled: Option<Settled>,
    /// It isn't what offer and answer say, and it is on us to tell the peer once the call is up.
    pub(super) to_be_told: bool,
    /// Our address has changed, and an offer waits for what is gathered anew.
    pub(super) moving: bool,
    /// Our credentials before an offer that restarts: those in force if it is refused.
    before: Option<Credentials>,
}

impl Media {
    /// Takes the way that ICE has found. `true`: the peer is to be told of it, as whoever chooses tells it whose
    /// defaults are others (RFC 8839 section 4.4.1.2.2).
    pub(super) fn settle(&mut self, nat: &Nat, settled: Settled) -> bool {
        let told = self.reach(nat, true).zip(self.agreed);
        self.ice.settled = Some(settled);
        let Some(((rtp, reach), agreed)) = told else {
            return false;
        };
        let beside = || SocketAddr::new(rtp.ip(), rtp.port().saturating_add(1));
        let rtcp = reach.rtcp.unwrap_or_else(beside);
        let as_told = |ends: Ends, local, remote| ends.local == local && ends.remote == remote;
        let same = as_told(settled.rtp, rtp, agreed.remote_rtp)
            && settled
                .rtcp
                .is_none_or(|ends| as_told(ends, rtcp, agreed.remote_rtcp));
        settled.controlling && !same
    }

    /// Our address has changed. Gives the credentials of the offer that will say so, where ICE is in use.
    pub(super) fn moved(&mut self, ip: IpAddr) -> Option<Credentials> {
        self.local_ip = Some(ip);
        self.ice.moving = true;
        let speaks_ice = self.agreed.is_some_and(|agreed| agreed.awaits_path);
        if speaks_ice {
            self.renew_credentials()
        } else {
            None
        }
    }

    /// An offer of the peer's with credentials other than before restarts: so does our answer (RFC 8839 section
    /// 4.4.3.1). `true`: ours are new.
    pub(super) fn follow_restart(&mut self, offer: &[u8]) -> bool {
        let known = self.ice.peer.as_ref();
        let restarts = known.is_some() && ice_credentials(offer).is_some_and(|theirs| Some(&theirs) != known);
        restarts && self.renew_credentials().is_some()
    }

    /// Offer or answer came to nothing: the credentials before it stay in force.
    pub(super) fn keep_credentials(&mut self) {
        if let (Some(before), Some(gathered)) = (self.ice.before.take(), &mut self.gathered) {
            gathered.credentials = Some(before);
        }
    }

    /// Offer and answer agree on the peer's being these.
    pub(super) fn note_peer(&mut self, peer: Option<&Credentials>) {
        self.ice.before = None;
        self.ice.peer = peer.cloned();
    }

    fn renew_credentials(&mut self) -> Option<Credentials> {
        let gathered = self.gathered.as_mut()?;
        let old = gathered.credentials.take()?;
        let new = self.keyring.ice_credentials();
        gathered.credentials = Some(new.clone());
        // One offer after the other, unanswered: what was agreed is what counts.
        self.ice.before.get_or_insert(old);
        self.ice.settled = None;
        Some(new)
    }
}
