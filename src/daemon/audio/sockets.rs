//! One session's RTP and RTCP sockets in the audio thread.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};

use crate::daemon::net::{PortPair, canonical, for_socket};
use crate::gateway::SessionId;
use crate::media::TransmitKind;

/// Datagrams read between two ticks and socket; more is a flood, and the kernel's buffer may drop it.
const DATAGRAMS_PER_TICK: u8 = 32;

/// Longest datagram looked at: Ethernet's payload. Speech packets are far shorter.
const DATAGRAM_BYTES_MAX: usize = 1500;

/// The sockets, and how much may still be read from them in this tick.
#[derive(Debug)]
pub struct SessionSockets {
    /// Whose.
    pub session: SessionId,
    pair: PortPair,
    bound: IpAddr,
    budget: u8,
    /// Not waited for until the next tick: a flood has used the allowance up.
    paused: bool,
    buffer: [u8; DATAGRAM_BYTES_MAX],
}

impl SessionSockets {
    /// Takes them.
    pub fn new(session: SessionId, pair: PortPair) -> Self {
        Self {
            session,
            bound: pair.address.ip(),
            pair,
            budget: DATAGRAMS_PER_TICK,
            paused: false,
            buffer: [0; DATAGRAM_BYTES_MAX],
        }
    }

    /// Gives them back, to be closed elsewhere.
    pub fn into_pair(self) -> PortPair {
        self.pair
    }

    /// To be waited for.
    pub fn descriptor(&self, kind: TransmitKind) -> BorrowedFd<'_> {
        self.socket(kind).as_fd()
    }

    /// A new tick, a new allowance. `true`: the sockets had been paused and are to be waited for again.
    pub fn refill(&mut self) -> bool {
        self.budget = DATAGRAMS_PER_TICK;
        std::mem::take(&mut self.paused)
    }

    /// Whether the allowance has just been used up: the sockets are not to be waited for until the next refill.
    pub fn pause(&mut self) -> bool {
        let exhausted = self.budget == 0 && !self.paused;
        self.paused |= exhausted;
        exhausted
    }

    /// The next datagram, with its sender.
    pub fn receive(&mut self, kind: TransmitKind) -> Option<(SocketAddr, &[u8])> {
        loop {
            self.budget = self.budget.checked_sub(1)?;
            let socket = match kind {
                TransmitKind::Rtp => &self.pair.rtp,
                TransmitKind::Rtcp => &self.pair.rtcp,
            };
            match socket.recv_from(&mut self.buffer) {
                Ok((length, from)) => return Some((canonical(from), &self.buffer[..length])),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return None,
                // An ICMP error of something sent earlier: the next read is the next datagram.
                Err(_) => {}
            }
        }
    }

    /// Sends a packet; what the network refuses is lost like any packet.
    pub fn send(&self, kind: TransmitKind, to: SocketAddr, bytes: &[u8]) {
        let _ = self.socket(kind).send_to(bytes, for_socket(self.bound, to));
    }

    fn socket(&self, kind: TransmitKind) -> &UdpSocket {
        match kind {
            TransmitKind::Rtp => &self.pair.rtp,
            TransmitKind::Rtcp => &self.pair.rtcp,
        }
    }
}
