//! One session's RTP and RTCP sockets in the audio thread.

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg};

use crate::daemon::net::{PortPair, canonical, for_socket};
use crate::gateway::SessionId;
use crate::media::TransmitKind;

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

    /// The next datagram.
    pub fn receive(&mut self, kind: TransmitKind) -> Option<Datagram<'_>> {
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
