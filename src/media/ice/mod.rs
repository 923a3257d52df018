//! ICE (RFC 8445): a full agent for one stream of one or two components, in either role, with regular nomination and
//! consent (RFC 7675); no trickle. It finds a pair of addresses that datagrams pass between, whatever routers stand
//! in the way.
//!
//! The agent neither gathers candidates nor owns sockets: [`super::traversal`] does the one and says where the others
//! are. A local candidate matters here by its [`Base`] only: what a server sees of a socket (server-reflexive) has the
//! socket's base, so such candidates are told to the peer and never paired (RFC 8445 section 6.1.2.4). For the same
//! reason a peer-reflexive local candidate isn't kept: nothing is ever sent "from" it. The priority of a valid pair is
//! that of the check that made it valid; both sides use the pair that the controlling one nominates.

mod agent;
mod candidate;
mod checklist;
mod consent;
mod inbound;
mod nomination;

pub use agent::Agent;
pub use candidate::{Candidate, CandidateKind, component_number, priority};

use std::net::SocketAddr;
use std::time::Duration;

use rand::Rng;

use super::TransmitKind;

/// Ta, between two checks of ours: the least that RFC 5245 section 16.1 has for RTP. A check is no larger than a packet
/// of speech, of which as many are sent all the time.
pub const PACE: Duration = Duration::from_millis(20);

/// Ta of a peer of RFC 8445 that doesn't say another (section 14.2); both sides take the larger.
pub const PACE_UNSAID: Duration = Duration::from_millis(50);

/// User name fragment and password of one side (RFC 8839 section 5.4).
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// 4 to 256 characters.
    pub username_fragment: String,
    /// 22 to 256 characters.
    pub password: String,
}

impl Credentials {
    /// Credentials nobody can guess: 48 bits of name, 144 of password (RFC 8445 section 5.3 asks for 24 and 128).
    pub fn random(random: &mut impl Rng) -> Self {
        Self {
            username_fragment: ice_characters(random, 8),
            password: ice_characters(random, 24),
        }
    }
}

impl std::fmt::Debug for Credentials {
    /// The password stays unsaid.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_tuple("Credentials")
            .field(&self.username_fragment)
            .finish()
    }
}

/// What one side says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// Its credentials.
    pub credentials: Credentials,
    /// It only answers checks (RFC 8445 section 2.5).
    pub lite: bool,
    /// Between two of its checks at least: Ta.
    pub pace: Duration,
    /// Its candidates.
    pub candidates: Vec<Candidate>,
}

/// Where the agent sends from and is reached at: a component's socket, or its relayed address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Base {
    /// Which component's.
    pub component: TransmitKind,
    /// By way of the TURN server.
    pub relayed: bool,
}

/// A STUN message to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// From where.
    pub base: Base,
    /// Where to.
    pub to: SocketAddr,
    /// The datagram.
    pub bytes: Vec<u8>,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IceEvent {
    /// A component's media may go this way until one is selected.
    Usable {
        /// From where.
        base: Base,
        /// Where to.
        remote: SocketAddr,
    },
    /// A component's media goes this way from now on.
    Selected {
        /// From where.
        base: Base,
        /// Where to.
        remote: SocketAddr,
        /// Our address there as the peer sees it: that of our candidate (RFC 8445 section 7.2.5.3.1).
        seen_as: Option<SocketAddr>,
    },
    /// No way was found.
    Failed,
    /// The peer has not answered on the component's way for 30 s (RFC 7675): nothing may be sent there any more.
    ConsentExpired(TransmitKind),
}

/// Letters, digits, `+` and `/`: 6 bits each.
fn ice_characters(random: &mut impl Rng, count: usize) -> String {
    const CHARACTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    (0..count)
        .map(|_| char::from(CHARACTERS[(random.next_u32() % 64) as usize]))
        .collect()
}
