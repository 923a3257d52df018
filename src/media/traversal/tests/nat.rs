//! A model of a router that translates addresses (RFC 4787's words: mapping and filtering).

use std::net::{IpAddr, SocketAddr};

/// What kind, by the names of RFC 3489.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// None at all.
    Open,
    /// Endpoint-independent mapping and filtering.
    FullCone,
    /// Endpoint-independent mapping, filtering by address.
    Restricted,
    /// Endpoint-independent mapping, filtering by address and port.
    PortRestricted,
    /// Mapping and filtering by address and port.
    Symmetric,
}

pub const KINDS: [Kind; 5] = [
    Kind::Open,
    Kind::FullCone,
    Kind::Restricted,
    Kind::PortRestricted,
    Kind::Symmetric,
];

/// One router with one address outside.
#[derive(Debug)]
pub struct Nat {
    kind: Kind,
    outside: IpAddr,
    mappings: Vec<Mapping>,
    next_port: u16,
}

#[derive(Debug)]
struct Mapping {
    inside: SocketAddr,
    port: u16,
    /// Whom it was made for, where that matters.
    towards: Option<SocketAddr>,
    sent_to: Vec<SocketAddr>,
}

impl Nat {
    pub fn new(kind: Kind, outside: IpAddr) -> Self {
        Self {
            kind,
            outside,
            mappings: Vec::new(),
            next_port: 40_001,
        }
    }

    /// The source address of a datagram once it is outside.
    pub fn outbound(&mut self, inside: SocketAddr, to: SocketAddr) -> SocketAddr {
        if self.kind == Kind::Open {
            return inside;
        }
        let towards = (self.kind == Kind::Symmetric).then_some(to);
        let known = self
            .mappings
            .iter()
            .position(|mapping| mapping.inside == inside && mapping.towards == towards);
        let index = known.unwrap_or_else(|| {
            self.mappings.push(Mapping {
                inside,
                port: self.next_port,
                towards,
                sent_to: Vec::new(),
            });
            self.next_port += 7;
            self.mappings.len() - 1
        });
        let mapping = &mut self.mappings[index];
        if !mapping.sent_to.contains(&to) {
            mapping.sent_to.push(to);
        }
        SocketAddr::new(self.outside, mapping.port)
    }

    /// Whom a datagram from outside reaches.
    pub fn inbound(&self, from: SocketAddr, to: SocketAddr) -> Option<SocketAddr> {
        if self.kind == Kind::Open {
            return Some(to);
        }
        let mapping = self.mappings.iter().find(|mapping| mapping.port == to.port())?;
        let passes = match self.kind {
            Kind::Open | Kind::FullCone => true,
            Kind::Restricted => mapping.sent_to.iter().any(|known| known.ip() == from.ip()),
            Kind::PortRestricted | Kind::Symmetric => mapping.sent_to.contains(&from),
        };
        passes.then_some(mapping.inside)
    }

    /// The router has been switched off and on.
    pub fn forget(&mut self) {
        self.mappings.clear();
        self.next_port += 1000;
    }

    pub fn owns(&self, address: IpAddr) -> bool {
        address == self.outside
    }
}
