//! A model of a STUN and TURN server, as strict as RFC 8656 wants it.

use std::net::{IpAddr, SocketAddr};

use md5::{Digest, Md5};

use crate::media::stun::{Class, Message, MessageWriter, TransactionId, attribute, is_channel_data, method};
use crate::media::turn::{channel_data, frame_channel_data};

pub const USER: &str = "kitchen";
pub const PASSWORD: &str = "a word";
const REALM: &str = "example.net";

/// The server.
#[derive(Debug)]
pub struct Server {
    pub address: SocketAddr,
    allocations: Vec<Allocation>,
    next_port: u16,
    nonce: u32,
    /// Says nothing.
    pub dead: bool,
    /// So many datagrams were passed on.
    pub relayed: u32,
}

#[derive(Debug)]
struct Allocation {
    client: SocketAddr,
    relayed: SocketAddr,
    permitted: Vec<IpAddr>,
    channels: Vec<(u16, SocketAddr)>,
}

/// What the server sends: from which of its addresses, to whom.
pub type Sent = (SocketAddr, SocketAddr, Vec<u8>);

impl Server {
    pub fn new(address: SocketAddr) -> Self {
        Self {
            address,
            allocations: Vec::new(),
            next_port: 50_000,
            nonce: 1,
            dead: false,
            relayed: 0,
        }
    }

    /// Nonces given so far count no more.
    pub fn change_nonce(&mut self) {
        self.nonce += 1;
    }

    pub fn allocations(&self) -> usize {
        self.allocations.len()
    }

    pub fn owns(&self, address: SocketAddr) -> bool {
        address.ip() == self.address.ip()
    }

    pub fn handle(&mut self, from: SocketAddr, to: SocketAddr, bytes: &[u8]) -> Vec<Sent> {
        if self.dead {
            return Vec::new();
        }
        if to != self.address {
            return self.take_from_peer(from, to, bytes);
        }
        if is_channel_data(bytes) {
            return self.take_from_channel(from, bytes);
        }
        let Some(message) = Message::parse(bytes) else {
            return Vec::new();
        };
        match (message.class(), message.method()) {
            (Class::Indication, method::SEND) => self.send(from, &message),
            (Class::Request, method::BINDING) => {
                let answer = MessageWriter::new(Class::Success, method::BINDING, message.transaction())
                    .xor_address(attribute::XOR_MAPPED_ADDRESS, from);
                vec![(to, from, answer.fingerprint().finish())]
            }
            (Class::Request, _) => vec![(to, from, self.request(from, &message))],
            _ => Vec::new(),
        }
    }

    fn request(&mut self, from: SocketAddr, message: &Message<'_>) -> Vec<u8> {
        let attributes = message.attributes();
        let respond = |class| MessageWriter::new(class, message.method(), message.transaction());
        let nonce = self.nonce.to_be_bytes();
        let challenge = |code| {
            respond(Class::Error)
                .error(code, "")
                .value(attribute::REALM, REALM.as_bytes())
                .value(attribute::NONCE, &nonce)
                .finish()
        };
        let key: [u8; 16] = Md5::digest(format!("{USER}:{REALM}:{PASSWORD}")).into();
        if attributes.text(attribute::USERNAME) != Some(USER) || !message.is_sealed_with(&key) {
            return challenge(401);
        }
        if attributes.value(attribute::NONCE) != Some(&nonce) {
            return challenge(438);
        }
        let at = self
            .allocations
            .iter()
            .position(|allocation| allocation.client == from);
        let mut answer = respond(Class::Success);
        match (message.method(), at) {
            (method::ALLOCATE, None) => {
                assert_eq!(
                    attributes.number_32(attribute::REQUESTED_TRANSPORT),
                    Some(17 << 24)
                );
                let relayed = SocketAddr::new(self.address.ip(), self.next_port);
                self.next_port += 1;
                self.allocations.push(Allocation {
                    client: from,
                    relayed,
                    permitted: Vec::new(),
                    channels: Vec::new(),
                });
                answer = answer
                    .xor_address(attribute::XOR_RELAYED_ADDRESS, relayed)
                    .xor_address(attribute::XOR_MAPPED_ADDRESS, from)
                    .number_32(attribute::LIFETIME, 600);
            }
            // Sent again: the first answer was lost.
            (method::ALLOCATE, Some(at)) => {
                answer = answer
                    .xor_address(attribute::XOR_RELAYED_ADDRESS, self.allocations[at].relayed)
                    .xor_address(attribute::XOR_MAPPED_ADDRESS, from);
            }
            (method::REFRESH, Some(at)) => {
                if attributes.number_32(attribute::LIFETIME) == Some(0) {
                    self.allocations.remove(at);
                }
            }
            (method::CREATE_PERMISSION, Some(at)) => {
                let peer = attributes.xor_address(attribute::XOR_PEER_ADDRESS).unwrap();
                self.allocations[at].permitted.push(peer.ip());
            }
            (method::CHANNEL_BIND, Some(at)) => {
                let peer = attributes.xor_address(attribute::XOR_PEER_ADDRESS).unwrap();
                let channel = (attributes.number_32(attribute::CHANNEL_NUMBER).unwrap() >> 16) as u16;
                assert!((0x4000..0x5000).contains(&channel));
                self.allocations[at].channels.push((channel, peer));
                self.allocations[at].permitted.push(peer.ip());
            }
            _ => return respond(Class::Error).error(437, "").seal(&key).finish(),
        }
        answer.seal(&key).finish()
    }

    fn send(&mut self, from: SocketAddr, message: &Message<'_>) -> Vec<Sent> {
        let attributes = message.attributes();
        let (Some(peer), Some(data)) = (
            attributes.xor_address(attribute::XOR_PEER_ADDRESS),
            attributes.value(attribute::DATA),
        ) else {
            return Vec::new();
        };
        self.pass_to_peer(from, peer, data)
    }

    fn take_from_channel(&mut self, from: SocketAddr, bytes: &[u8]) -> Vec<Sent> {
        let (channel, data) = channel_data(bytes).unwrap();
        let peer = self
            .allocations
            .iter()
            .filter(|allocation| allocation.client == from)
            .flat_map(|allocation| allocation.channels.iter())
            .find(|(number, _)| *number == channel)
            .map(|(_, peer)| *peer);
        peer.map_or_else(Vec::new, |peer| self.pass_to_peer(from, peer, data))
    }

    fn pass_to_peer(&mut self, client: SocketAddr, peer: SocketAddr, data: &[u8]) -> Vec<Sent> {
        let allocation = self
            .allocations
            .iter()
            .find(|allocation| allocation.client == client && allocation.permitted.contains(&peer.ip()));
        let Some(allocation) = allocation else {
            return Vec::new();
        };
        self.relayed += 1;
        vec![(allocation.relayed, peer, data.to_vec())]
    }

    fn take_from_peer(&mut self, from: SocketAddr, to: SocketAddr, bytes: &[u8]) -> Vec<Sent> {
        let allocation = self
            .allocations
            .iter()
            .find(|allocation| allocation.relayed == to && allocation.permitted.contains(&from.ip()));
        let Some(allocation) = allocation else {
            return Vec::new();
        };
        self.relayed += 1;
        let channel = allocation.channels.iter().find(|(_, peer)| *peer == from);
        let framed = match channel {
            Some((channel, _)) => {
                let mut frame = vec![0; bytes.len() + 4];
                frame_channel_data(*channel, bytes, &mut frame).unwrap().to_vec()
            }
            None => MessageWriter::new(Class::Indication, method::DATA, TransactionId([1; 12]))
                .xor_address(attribute::XOR_PEER_ADDRESS, from)
                .value(attribute::DATA, bytes)
                .finish(),
        };
        vec![(self.address, allocation.client, framed)]
    }
}
