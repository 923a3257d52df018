//! Packets waiting to be sent, in slots set aside once.

use std::net::{Ipv4Addr, SocketAddr};

use super::protection::{Protection, Sealer};

/// Longest packet we send: 60 ms of G.711, its header and a tag, with room for RTCP.
const PACKET_BYTES_MAX: usize = 512;

/// Packets that fit. One turn makes three at most (audio, telephone-event, RTCP); the outbox is emptied every turn.
const PACKETS_MAX: usize = 8;

/// Which of the two sockets a packet leaves by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TransmitKind {
    /// The RTP socket.
    Rtp,
    /// The RTCP socket.
    Rtcp,
}

/// A packet to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transmit<'a> {
    /// By which socket.
    pub kind: TransmitKind,
    /// Where to.
    pub to: SocketAddr,
    /// The datagram.
    pub bytes: &'a [u8],
}

struct Slot {
    kind: TransmitKind,
    to: SocketAddr,
    length: usize,
    bytes: [u8; PACKET_BYTES_MAX],
}

/// First in, first out; when full the oldest gives way, for old audio is worth least.
pub struct Outbox {
    slots: Box<[Slot]>,
    first: usize,
    waiting: usize,
    sealer: Sealer,
}

impl Outbox {
    /// Sets its slots aside.
    pub fn new() -> Self {
        let empty = || Slot {
            kind: TransmitKind::Rtp,
            to: SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
            length: 0,
            bytes: [0; PACKET_BYTES_MAX],
        };
        Self {
            slots: (0..PACKETS_MAX).map(|_| empty()).collect(),
            first: 0,
            waiting: 0,
            sealer: Sealer::default(),
        }
    }

    /// Queues a packet of at most `length` bytes that `write` fills in; it returns how many it used.
    pub fn push(&mut self, kind: TransmitKind, to: SocketAddr, write: impl FnOnce(&mut [u8]) -> usize) {
        if self.waiting == PACKETS_MAX {
            self.first = (self.first + 1) % PACKETS_MAX;
            self.waiting -= 1;
        }
        let slot = &mut self.slots[(self.first + self.waiting) % PACKETS_MAX];
        slot.kind = kind;
        slot.to = to;
        let length = write(&mut slot.bytes).min(PACKET_BYTES_MAX);
        // What can't be protected does not leave.
        if let Some(sealed) = self.sealer.seal(&mut slot.bytes, length) {
            slot.length = sealed;
            self.waiting += 1;
        }
    }

    /// How packets pushed from now on are protected.
    pub fn protect(&mut self, protection: &Protection) {
        self.sealer.protect(protection);
    }

    /// The session is over; what waits still leaves as it is.
    pub fn end_session(&mut self) {
        self.sealer.end();
    }

    /// The oldest packet.
    pub fn pop(&mut self) -> Option<Transmit<'_>> {
        if self.waiting == 0 {
            return None;
        }
        let slot = &self.slots[self.first];
        self.first = (self.first + 1) % PACKETS_MAX;
        self.waiting -= 1;
        Some(Transmit {
            kind: slot.kind,
            to: slot.to,
            bytes: &slot.bytes[..slot.length],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_leave_in_order_and_the_oldest_gives_way() {
        let mut outbox = Outbox::new();
        let to = SocketAddr::from(([192, 0, 2, 1], 4000));
        for number in 0..PACKETS_MAX as u8 + 2 {
            outbox.push(TransmitKind::Rtp, to, |bytes| {
                bytes[0] = number;
                1
            });
        }
        let mut left = Vec::new();
        while let Some(packet) = outbox.pop() {
            assert_eq!((packet.kind, packet.to), (TransmitKind::Rtp, to));
            left.push(packet.bytes[0]);
        }
        assert_eq!(left, (2..PACKETS_MAX as u8 + 2).collect::<Vec<_>>());
    }
}
