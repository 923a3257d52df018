//! What a call tells its peer of how its media is reached.

use std::net::{IpAddr, SocketAddr};

use super::leg::Media;
use super::{Association, SessionId};
use crate::media::TransmitKind;
use crate::media::ice::{Candidate, CandidateKind, Credentials, Description, priority};
use crate::media::traversal::{Gathered, Settled};
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

impl IcePolicy {
    /// The same, but for offering it.
    pub(super) const fn unasked(self) -> Self {
        match self {
            Self::Off => Self::Off,
            Self::Answer | Self::Offer => Self::Answer,
        }
    }
}

/// What offer and answer say of ICE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connect {
    /// Which session.
    pub session: SessionId,
    /// Our own address towards the peer.
    pub ip: IpAddr,
    /// The credentials it has been told.
    pub local: Option<Credentials>,
    /// RTCP shares RTP's port.
    pub shared_port: bool,
    /// The offer was ours.
    pub controlling: bool,
    /// What the peer says of itself; `None`: no ICE.
    pub remote: Option<Description>,
    /// The handshake that brings the keys.
    pub association: Option<Association>,
}

/// What a call knows of its media.
#[derive(Clone, Debug)]
struct Known {
    /// Our own address towards the peer.
    ip: IpAddr,
    gathered: Gathered,
    /// The other end is on this machine.
    at_home: bool,
    /// ICE has been agreed.
    ice: bool,
    /// The way it has found.
    settled: Option<Settled>,
}

impl Media {
    /// The default address of RTP and what else is told; `None` while not all is known.
    pub(super) fn reach(&self, nat: &Nat, offering: bool) -> Option<(SocketAddr, Reach)> {
        let plain = Gathered::plain(self.port?);
        let known = Known {
            ip: self.local_ip?,
            gathered: self.gathered.clone().unwrap_or(plain),
            at_home: self.at_home,
            ice: self.agreed.is_some_and(|agreed| agreed.awaits_path),
            settled: self.ice.settled,
        };
        Some(known.reach(nat, offering))
    }
}

impl Known {
    fn reach(&self, nat: &Nat, offering: bool) -> (SocketAddr, Reach) {
        let host = |component| self.gathered.host(self.ip, component);
        if self.at_home {
            return (host(TransmitKind::Rtp), Reach::default());
        }
        let external = nat
            .external_address
            .filter(|outside| outside.is_ipv4() == self.ip.is_ipv4());
        let default = |component| match external {
            Some(outside) => SocketAddr::new(outside, host(component).port()),
            None => (self.gathered.outside(self.ip, component)).unwrap_or_else(|| host(component)),
        };
        let (rtp, rtcp) = (default(TransmitKind::Rtp), default(TransmitKind::Rtcp));
        let spoken = match nat.ice {
            IcePolicy::Off => false,
            // What has been agreed is kept up in our own offers (hold).
            IcePolicy::Answer => !offering || self.ice,
            IcePolicy::Offer => true,
        };
        let credentials = self.gathered.credentials.clone().filter(|_| spoken);
        if let (true, Some(settled), Some(credentials)) = (self.ice, self.settled, &credentials) {
            return self.along(settled, credentials, offering);
        }
        let ice = credentials.map(|credentials| {
            let mut candidates = self.gathered.candidates(self.ip);
            if let Some(outside) = external {
                candidates.extend(Gathered::forwarded(&candidates, outside));
            }
            LocalIce {
                credentials,
                candidates,
                remote: Vec::new(),
            }
        });
        (
            rtp,
            Reach {
                rtcp: unless_beside(rtp, rtcp),
                ice,
            },
        )
    }

    /// Once ICE has found the way, that is what descriptions say (RFC 8839 section 4.4.1.2.2): its ends as the default
    /// and as the only candidates.
    fn along(&self, settled: Settled, credentials: &Credentials, offering: bool) -> (SocketAddr, Reach) {
        let ends = [
            (TransmitKind::Rtp, Some(settled.rtp)),
            (TransmitKind::Rtcp, settled.rtcp),
        ];
        let ends = || {
            ends.into_iter()
                .filter_map(|(component, ends)| Some((component, ends?)))
        };
        let gathered = self.gathered.candidates(self.ip);
        let candidates = ends().map(|(component, ends)| {
            let known =
                |candidate: &&Candidate| candidate.component == component && candidate.address == ends.local;
            gathered.iter().find(known).cloned().unwrap_or_else(|| Candidate {
                // Only the peer has seen it.
                foundation: "5".to_owned(),
                component,
                priority: priority(CandidateKind::PeerReflexive, component),
                address: ends.local,
                kind: CandidateKind::PeerReflexive,
                related: Some(self.gathered.host(self.ip, component)),
            })
        });
        let remote = ends().filter(|_| offering && settled.controlling);
        let ice = LocalIce {
            credentials: credentials.clone(),
            candidates: candidates.collect(),
            remote: remote.map(|(component, ends)| (component, ends.remote)).collect(),
        };
        let rtp = settled.rtp.local;
        let reach = Reach {
            rtcp: settled.rtcp.and_then(|ends| unless_beside(rtp, ends.local)),
            ice: Some(ice),
        };
        (rtp, reach)
    }
}

/// RTCP's address, where it isn't the one after RTP's.
fn unless_beside(rtp: SocketAddr, rtcp: SocketAddr) -> Option<SocketAddr> {
    let beside = SocketAddr::new(rtp.ip(), rtp.port().saturating_add(1));
    (rtcp != beside).then_some(rtcp)
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use super::*;
    use crate::media::ice::Credentials;

    fn known(mapped: bool, at_home: bool) -> Known {
        let outside = |port| mapped.then(|| SocketAddr::from(([203, 0, 113, 7], port)));
        Known {
            ip: [10, 0, 0, 2].into(),
            gathered: Gathered {
                mapped: [outside(40_001), outside(40_008)],
                relayed: [
                    mapped.then(|| SocketAddr::from(([198, 51, 100, 9], 50_000))),
                    None,
                ],
                credentials: Some(Credentials {
                    username_fragment: "name".to_owned(),
                    password: "word".to_owned(),
                }),
                ..Gathered::plain(16_384)
            },
            at_home,
            ice: false,
            settled: None,
        }
    }

    #[test]
    fn what_is_told_of_us() {
        let external_address = Some(IpAddr::from([192, 0, 2, 99]));
        let mut told = String::new();
        for (name, mapped, at_home, nat) in [
            ("plain", false, false, Nat::default()),
            ("STUN", true, false, Nat::default()),
            (
                "a call at home",
                true,
                true,
                Nat {
                    ice: IcePolicy::Offer,
                    external_address,
                },
            ),
            (
                "a router that forwards",
                false,
                false,
                Nat {
                    ice: IcePolicy::Offer,
                    external_address,
                },
            ),
            (
                "ICE",
                true,
                false,
                Nat {
                    ice: IcePolicy::Offer,
                    external_address: None,
                },
            ),
            (
                "no ICE",
                true,
                false,
                Nat {
                    ice: IcePolicy::Off,
                    external_address: None,
                },
            ),
        ] {
            for offering in [true, false] {
                let (rtp, reach) = known(mapped, at_home).reach(&nat, offering);
                let kind = if offering { "offer" } else { "answer" };
                let _ = writeln!(told, "{name}, {kind}: {rtp}, rtcp {:?}", reach.rtcp);
                for candidate in reach.ice.iter().flat_map(|ice| &ice.candidates) {
                    let _ = writeln!(
                        told,
                        "  {} {:?} {:?} {} from {:?}",
                        candidate.foundation,
                        candidate.component,
                        candidate.kind,
                        candidate.address,
                        candidate.related
                    );
                }
            }
        }
        insta::assert_snapshot!(told);
    }
}
