//! Candidates: addresses at which one side may be reached.

use std::net::SocketAddr;

use crate::media::TransmitKind;

/// How an address came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CandidateKind {
    /// A socket's own.
    Host,
    /// What a server sees of the socket.
    ServerReflexive,
    /// What the peer sees of it.
    PeerReflexive,
    /// At a TURN server.
    Relayed,
}

/// One address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Same for those that are likely to fare alike (RFC 8445 section 5.1.1.3).
    pub foundation: String,
    /// Of which component.
    pub component: TransmitKind,
    /// The higher, the better.
    pub priority: u32,
    /// Where.
    pub address: SocketAddr,
    /// How it came about.
    pub kind: CandidateKind,
    /// The address behind it.
    pub related: Option<SocketAddr>,
}

impl CandidateKind {
    /// The value RFC 8445 section 5.1.2.2 recommends.
    const fn preference(self) -> u32 {
        match self {
            Self::Host => 126,
            Self::PeerReflexive => 110,
            Self::ServerReflexive => 100,
            Self::Relayed => 0,
        }
    }
}

/// The priority of one of our candidates (RFC 8445 section 5.1.2.1). A socket has one address of ours: the local
/// preference is the same for all.
pub const fn priority(kind: CandidateKind, component: TransmitKind) -> u32 {
    const LOCAL_PREFERENCE: u32 = 65_535;
    kind.preference() << 24 | LOCAL_PREFERENCE << 8 | (256 - component_number(component) as u32)
}

/// Number of a component (RFC 8445 section 13).
pub const fn component_number(component: TransmitKind) -> u8 {
    match component {
        TransmitKind::Rtp => 1,
        TransmitKind::Rtcp => 2,
    }
}
