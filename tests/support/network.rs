//! A datagram network that loses, delays, duplicates and reorders, from a seed.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};

/// What the network does to datagrams.
#[derive(Clone, Copy, Debug)]
pub struct Faults {
    pub loss: f64,
    pub duplication: f64,
    pub delay_ms: u64,
    pub jitter_ms: u64,
}

impl Faults {
    pub fn none() -> Self {
        Self {
            loss: 0.0,
            duplication: 0.0,
            delay_ms: 1,
            jitter_ms: 0,
        }
    }
}

/// One datagram, or a piece of a stream.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Packet {
    pub from: SocketAddr,
    pub to: SocketAddr,
    pub stream: bool,
    pub bytes: Vec<u8>,
}

/// The network.
pub struct Network {
    pub faults: Faults,
    random: StdRng,
    sent: u64,
    under_way: BinaryHeap<Reverse<(Instant, u64, Packet)>>,
    /// Somebody between the two who changes what passes.
    pub between: fn(&mut Packet),
    /// Every packet that was sent, for tests that look at the wire.
    pub wire: Vec<(Instant, Packet)>,
}

impl Network {
    pub fn new(seed: u64, faults: Faults) -> Self {
        Self {
            faults,
            random: StdRng::seed_from_u64(seed),
            sent: 0,
            under_way: BinaryHeap::new(),
            between: |_| {},
            wire: Vec::new(),
        }
    }

    pub fn send(&mut self, now: Instant, mut packet: Packet) {
        self.wire.push((now, packet.clone()));
        (self.between)(&mut packet);
        let own_machine = packet.from.ip() == packet.to.ip();
        let copies = if packet.stream || own_machine {
            1
        } else if self.random.random_bool(self.faults.loss) {
            0
        } else {
            1 + usize::from(self.random.random_bool(self.faults.duplication))
        };
        for _ in 0..copies {
            let jitter = if packet.stream {
                0
            } else {
                self.random.next_u64() % (self.faults.jitter_ms + 1)
            };
            let delay = if own_machine {
                0
            } else {
                self.faults.delay_ms + jitter
            };
            self.sent += 1;
            self.under_way.push(Reverse((
                now + Duration::from_millis(delay),
                self.sent,
                packet.clone(),
            )));
        }
    }

    pub fn next_arrival(&self) -> Option<Instant> {
        self.under_way.peek().map(|Reverse((at, _, _))| *at)
    }

    pub fn arrive(&mut self, now: Instant) -> Option<Packet> {
        if self.next_arrival()? > now {
            return None;
        }
        self.under_way.pop().map(|Reverse((_, _, packet))| packet)
    }
}
