//! One session's RTP and RTCP sockets in the audio thread.

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg};

use super::stray::StrayDatagram;
use crate::daemon::net::{PortPair, canonical, for_socket};
use crate::gateway::SessionId;
use crate::media::TransmitKind;
use crate::media::dtls::is_dtls;
use crate::media::stun::{is_channel_data, is_stun};
use crate::media::traversal::Relay;
use crate::media::turn::{CHANNEL_HEADER_BYTES, channel_data, frame_channel_data};

/// Datagrams read between two ticks and socket; more is a flood, and the kernel's buffer may drop it.
const DATAGRAMS_PER_TICK: u8 = 32;

/// Longest datagram looked at: Ethernet's payload. Speech packets are far shorter.
const DATAGRAM_BYTES_MAX: usize = 1500;

/// Room for the kernel's note of when a datagram arrived.
const CONTROL_BYTES: usize = 64;

/// A datagram isn't taken for older than this: the clock on the wall has been set.
const AGE_MAX: Duration = Duration::from_millis(20);

/// A datagram.
#[derive(Debug)]
pub struct Datagram<'a> {
    /// Its sender.
    pub from: SocketAddr,
    /// How long ago it arrived, as far as the kernel has noted it.
    pub age: Duration,
    /// Its content.
    pub bytes: &'a [u8],
}

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
    /// Channels of TURN servers that media goes through.
    relays: [Option<Relay>; 2],
    /// What was read last and isn't media.
    stray: Option<StrayDatagram>,
    buffer: [u8; DATAGRAM_BYTES_MAX],
    control: [u8; CONTROL_BYTES],
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
            relays: [None; 2],
            stray: None,
            buffer: [0; DATAGRAM_BYTES_MAX],
            control: [0; CONTROL_BYTES],
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

    /// From now on media goes through this channel, or through none.
    pub fn set_relay(&mut self, kind: TransmitKind, relay: Option<Relay>) {
        self.relays[kind as usize] = relay;
    }

    /// What was read last, if it wasn't media.
    pub fn take_stray(&mut self) -> Option<StrayDatagram> {
        self.stray.take()
    }

    /// The next datagram of media, what a channel wraps it in taken off. `None`: there is none, or the next datagram is
    /// for others (RFC 7983): then [`take_stray`](Self::take_stray) has it, and the socket says by itself that there are
    /// more.
    pub fn receive(&mut self, kind: TransmitKind) -> Option<Datagram<'_>> {
        let (session, relay) = (self.session, self.relays[kind as usize]);
        let Datagram { from, age, bytes } = self.read(kind)?;
        let (from, relayed, range) = match (relay, channel_data(bytes)) {
            (Some(relay), Some((channel, data)))
                if is_channel_data(bytes) && relay.server == from && relay.channel == channel =>
            {
                let end = CHANNEL_HEADER_BYTES + data.len();
                (relay.peer, true, CHANNEL_HEADER_BYTES..end)
            }
            _ => (from, false, 0..bytes.len()),
        };
        let bytes = &self.buffer[range];
        if is_stun(bytes) || is_dtls(bytes) || is_channel_data(bytes) {
            self.stray = StrayDatagram::new(session, kind, from, relayed, bytes);
            return None;
        }
        Some(Datagram { from, age, bytes })
    }

    fn read(&mut self, kind: TransmitKind) -> Option<Datagram<'_>> {
        loop {
            self.budget = self.budget.checked_sub(1)?;
            let socket = match kind {
                TransmitKind::Rtp => &self.pair.rtp,
                TransmitKind::Rtcp => &self.pair.rtcp,
            };
            match receive(socket, &mut self.buffer, &mut self.control) {
                Ok((length, from, age)) => {
                    return Some(Datagram {
                        from: canonical(from),
                        age,
                        bytes: &self.buffer[..length],
                    });
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return None,
                // An ICMP error of something sent earlier: the next read is the next datagram.
                Err(_) => {}
            }
        }
    }

    /// Sends a packet; what the network refuses is lost like any packet.
    pub fn send(&self, kind: TransmitKind, to: SocketAddr, bytes: &[u8]) {
        let mut frame = [0; DATAGRAM_BYTES_MAX + CHANNEL_HEADER_BYTES];
        let (to, bytes) = match self.relays[kind as usize].filter(|relay| relay.peer == to) {
            Some(relay) => match frame_channel_data(relay.channel, bytes, &mut frame) {
                Some(framed) => (relay.server, framed),
                None => return,
            },
            None => (to, bytes),
        };
        let _ = self.socket(kind).send_to(bytes, for_socket(self.bound, to));
    }

    fn socket(&self, kind: TransmitKind) -> &UdpSocket {
        match kind {
            TransmitKind::Rtp => &self.pair.rtp,
            TransmitKind::Rtcp => &self.pair.rtcp,
        }
    }
}

/// Reads one datagram: its length, its sender, and how long it has waited.
fn receive(
    socket: &UdpSocket,
    buffer: &mut [u8],
    control: &mut [u8],
) -> io::Result<(usize, SocketAddr, Duration)> {
    let mut parts = [IoSliceMut::new(buffer)];
    let message =
        recvmsg::<SockaddrStorage>(socket.as_raw_fd(), &mut parts, Some(control), MsgFlags::empty())?;
    let arrived = message.cmsgs()?.find_map(|note| match note {
        ControlMessageOwned::ScmTimestampns(stamp) => Some(UNIX_EPOCH + Duration::from(stamp)),
        _ => None,
    });
    let age = arrived
        .and_then(|arrived| SystemTime::now().duration_since(arrived).ok())
        .unwrap_or_default();
    let from = message.address.as_ref().and_then(|address| {
        let v4 = address.as_sockaddr_in().map(|v4| SocketAddr::V4((*v4).into()));
        v4.or_else(|| address.as_sockaddr_in6().map(|v6| SocketAddr::V6((*v6).into())))
    });
    let from = from.ok_or(io::ErrorKind::InvalidData)?;
    Ok((message.bytes, from, age.min(AGE_MAX)))
}
