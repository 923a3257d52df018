//! How one session's sockets are reached through routers that translate addresses: what STUN and TURN servers say of
//! them is gathered before an offer or answer, and with a peer that does ICE the way is sought and kept.
//!
//! [`Traversal`] joins the STUN client, the TURN client and the ICE agent of a session's two sockets. Datagrams that
//! aren't media come in from the audio thread, which owns the sockets; what comes out is sent from the same sockets.
//! Once there is a way, the audio thread is told of it and carries media along it by itself.

#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod gathered;
mod machine;
mod restart;
mod socket;
#[cfg(test)]
mod tests;
mod ways;

pub use gathered::Gathered;
pub use machine::Traversal;
pub use restart::{Ends, Settled};

use std::net::SocketAddr;

use super::TransmitKind;
use super::turn::TurnServer;

/// What a session may use.
#[derive(Clone, Debug, Default)]
pub struct TraversalConfig {
    /// Whether ICE is spoken at all.
    pub ice: bool,
    /// Tells sockets their address outside.
    pub stun_server: Option<SocketAddr>,
    /// Passes on what nothing else lets through; only with ICE.
    pub turn_server: Option<TurnServer>,
}

/// A datagram to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// By which socket.
    pub socket: TransmitKind,
    /// Where to.
    pub to: SocketAddr,
    /// The datagram.
    pub bytes: Vec<u8>,
}

/// A TURN server's channel that media goes through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Relay {
    /// The server.
    pub server: SocketAddr,
    /// Number of the channel.
    pub channel: u16,
    /// Who is at its other end.
    pub peer: SocketAddr,
}

/// Where one kind of packet goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Way {
    /// The peer's address.
    pub to: SocketAddr,
    /// Through a TURN server.
    pub relay: Option<Relay>,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TraversalEvent {
    /// All that can be told to the peer is known.
    Gathered,
    /// Media goes this way from now on.
    Path {
        /// RTP.
        rtp: Way,
        /// RTCP; `None`: nowhere yet. With one port for both, it is RTP's.
        rtcp: Option<Way>,
    },
    /// This is what ICE has chosen.
    Settled(Settled),
    /// There is no way, or the peer no longer consents to it: nothing may be sent.
    Lost,
}
