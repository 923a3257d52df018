//! What is known of a session's sockets, and the candidates that makes.

use std::net::{IpAddr, SocketAddr};

use crate::media::TransmitKind;
use crate::media::ice::{Candidate, CandidateKind, Credentials, priority};

/// A session's sockets as servers see them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gathered {
    /// Port of the RTP socket; RTCP's is the next.
    pub port: u16,
    /// Addresses of the RTP and the RTCP socket outside.
    pub mapped: [Option<SocketAddr>; 2],
    /// Their addresses at a TURN server.
    pub relayed: [Option<SocketAddr>; 2],
    /// For ICE, where it is spoken.
    pub credentials: Option<Credentials>,
}

impl Gathered {
    /// Of sockets nobody was asked about.
    pub fn plain(port: u16) -> Self {
        Self {
            port,
            mapped: [None; 2],
            relayed: [None; 2],
            credentials: None,
        }
    }

    /// The address of a socket, bound to `ip`.
    pub fn host(&self, ip: IpAddr, component: TransmitKind) -> SocketAddr {
        let port = match component {
            TransmitKind::Rtp => self.port,
            TransmitKind::Rtcp => self.port.saturating_add(1),
        };
        SocketAddr::new(ip, port)
    }

    /// The address outside, if it is one of `ip`'s version.
    pub fn outside(&self, ip: IpAddr, component: TransmitKind) -> Option<SocketAddr> {
        self.mapped[component as usize].filter(|mapped| mapped.is_ipv4() == ip.is_ipv4())
    }

    /// Candidates of a router that passes our ports on as they are, for those of `candidates` that are hosts.
    pub fn forwarded(candidates: &[Candidate], outside: IpAddr) -> Vec<Candidate> {
        let hosts = candidates
            .iter()
            .filter(|candidate| candidate.kind == CandidateKind::Host);
        let forwarded = hosts.map(|host| Candidate {
            foundation: "4".to_owned(),
            priority: priority(CandidateKind::ServerReflexive, host.component),
            address: SocketAddr::new(outside, host.address.port()),
            kind: CandidateKind::ServerReflexive,
            related: Some(host.address),
            component: host.component,
        });
        forwarded.collect()
    }

    /// All candidates, ours being `ip` (RFC 8445 section 5.1.1). What a server sees that is the socket's own address is
    /// no candidate more.
    pub fn candidates(&self, ip: IpAddr) -> Vec<Candidate> {
        let mut candidates = Vec::new();
        for component in [TransmitKind::Rtp, TransmitKind::Rtcp] {
            let host = self.host(ip, component);
            let outside = self.outside(ip, component).filter(|mapped| *mapped != host);
            let relayed =
                self.relayed[component as usize].filter(|relayed| relayed.is_ipv4() == ip.is_ipv4());
            let found = [
                ("1", CandidateKind::Host, Some(host), None),
                ("2", CandidateKind::ServerReflexive, outside, Some(host)),
                ("3", CandidateKind::Relayed, relayed, outside.or(Some(host))),
            ];
            for (foundation, kind, address, related) in found {
                if let Some(address) = address {
                    candidates.push(Candidate {
                        foundation: foundation.to_owned(),
                        component,
                        priority: priority(kind, component),
                        address,
                        kind,
                        related,
                    });
                }
            }
        }
        candidates
    }
}
