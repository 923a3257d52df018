//! Datagrams of media sockets that aren't media: STUN, DTLS, and what a TURN server passes on. They leave the audio thread
//! by a small ring of their own; a flood of them fills that and nothing else.

use std::net::SocketAddr;

use crate::gateway::SessionId;
use crate::media::TransmitKind;

/// Longest one passed on: Ethernet's payload. A flight of a DTLS handshake fills it; STUN messages have some 150 bytes.
const BYTES_MAX: usize = 1500;

/// One of them.
#[derive(Clone, Copy, Debug)]
pub struct StrayDatagram {
    /// Which session's.
    pub session: SessionId,
    /// Which socket's.
    pub socket: TransmitKind,
    /// Where it came from; through a channel, the peer at its other end.
    pub from: SocketAddr,
    /// It came through the channel that media goes through.
    pub relayed: bool,
    length: usize,
    bytes: [u8; BYTES_MAX],
}

impl StrayDatagram {
    /// A copy; `None`: it is too long.
    pub fn new(
        session: SessionId,
        socket: TransmitKind,
        from: SocketAddr,
        relayed: bool,
        datagram: &[u8],
    ) -> Option<Self> {
        let mut bytes = [0; BYTES_MAX];
        bytes.get_mut(..datagram.len())?.copy_from_slice(datagram);
        Some(Self {
            session,
            socket,
            from,
            relayed,
            length: datagram.len(),
            bytes,
        })
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}
