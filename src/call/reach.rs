//! What a call tells its peer of how its media is reached.

use std::net::{IpAddr, SocketAddr};

use super::SessionId;
use super::leg::Media;
use crate::media::TransmitKind;
use crate::media::ice::Description;
use crate::media::traversal::Gathered;
use crate::sip::sdp::{LocalIce, Reach};

/// How media is reached through routers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Nat {
    /// Whether ICE is spoken.
    pub ice: IcePolicy,
    /// The address outside of a router that passes our ports on as they are.
    pub external_address: Option<IpAddr>,
}

/// Whether ICE is spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IcePolicy {
    /// Never.
    Off,
    /// With peers that offer it.
    #[default]
    Answer,
    /// It is offered.
    Offer,
}

/// What offer and answer say of ICE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connect {
    /// Which session.
    pub session: SessionId,
    /// Our own address towards the peer.
    pub ip: IpAddr,
    /// RTCP shares RTP's port.
    pub shared_port: bool,
    /// The offer was ours.
    pub controlling: bool,
    /// What the peer says of itself; `None`: no ICE.
    pub remote: Option<Description>,
}

impl Media {
    /// The default address of RTP and what else is told; `None` while not all is known.
    pub(super) fn reach(&self, nat: &Nat, offering: bool) -> Option<(SocketAddr, Reach)> {
        let ip = self.local_ip?;
        let plain = Gathered::plain(self.port?);
        let gathered = self.gathered.as_ref().unwrap_or(&plain);
        let host = |component| gathered.host(ip, component);
        if self.at_home {
            return Some((host(TransmitKind::Rtp), Reach::default()));
        }
        let external = nat
            .external_address
            .filter(|outside| outside.is_ipv4() == ip.is_ipv4());
        let default = |component| match external {
            Some(outside) => SocketAddr::new(outside, host(component).port()),
            None => gathered.outside(ip, component).unwrap_or_else(|| host(component)),
        };
        let (rtp, rtcp) = (default(TransmitKind::Rtp), default(TransmitKind::Rtcp));
        let spoken = match nat.ice {
            IcePolicy::Off => false,
            // What has been agreed is kept up in our own offers (hold).
            IcePolicy::Answer => !offering || self.agreed.is_some_and(|agreed| agreed.awaits_path),
            IcePolicy::Offer => true,
        };
        let ice = gathered
            .credentials
            .clone()
            .filter(|_| spoken)
            .map(|credentials| {
                let mut candidates = gathered.candidates(ip);
                if let Some(outside) = external {
                    candidates.extend(Gathered::forwarded(&candidates, outside));
                }
                LocalIce {
                    credentials,
                    candidates,
                }
            });
        let beside = rtcp == SocketAddr::new(rtp.ip(), rtp.port().saturating_add(1));
        let rtcp = Some(rtcp).filter(|_| !beside);
        Some((rtp, Reach { rtcp, ice }))
    }
}
