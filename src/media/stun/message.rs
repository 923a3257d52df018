//! Reading STUN messages.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use hmac::Mac;
use rand::Rng;

use super::{
    ATTRIBUTE_HEAD_BYTES, HEADER_BYTES, INTEGRITY_BYTES, MAGIC_COOKIE, attribute, fingerprint, integrity,
};

/// Attributes that must be understood begin here and end before 0x8000 (RFC 8489 section 14).
const COMPREHENSION_REQUIRED: std::ops::Range<u16> = 0x0000..0x8000;

/// Those that we understand.
const UNDERSTOOD: [u16; 18] = [
    attribute::MAPPED_ADDRESS,
    attribute::USERNAME,
    attribute::MESSAGE_INTEGRITY,
    attribute::ERROR_CODE,
    attribute::UNKNOWN_ATTRIBUTES,
    attribute::CHANNEL_NUMBER,
    attribute::LIFETIME,
    attribute::XOR_PEER_ADDRESS,
    attribute::DATA,
    attribute::REALM,
    attribute::NONCE,
    attribute::XOR_RELAYED_ADDRESS,
    attribute::REQUESTED_ADDRESS_FAMILY,
    attribute::REQUESTED_TRANSPORT,
    attribute::MESSAGE_INTEGRITY_SHA256,
    attribute::XOR_MAPPED_ADDRESS,
    attribute::PRIORITY,
    attribute::USE_CANDIDATE,
];

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Asks for a response.
    Request,
    /// Asks for none.
    Indication,
    /// All is well.
    Success,
    /// It isn't.
    Error,
}

/// Joins a response to its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TransactionId(pub [u8; 12]);

impl TransactionId {
    /// A number nobody can guess (RFC 8489 section 5, RFC 7675 section 4.2), from a generator seeded by the system.
    pub fn random(random: &mut impl Rng) -> Self {
        let mut id = [0; 12];
        random.fill_bytes(&mut id);
        Self(id)
    }
}

/// Whether a datagram on a media port is STUN, by its first byte (RFC 7983) and its cookie.
pub fn is_stun(bytes: &[u8]) -> bool {
    bytes.len() >= HEADER_BYTES && bytes[0] < 4 && bytes[4..8] == MAGIC_COOKIE
}

/// Whether a datagram on a media port is a TURN server's ChannelData, by its first byte (RFC 7983).
pub fn is_channel_data(bytes: &[u8]) -> bool {
    bytes.first().is_some_and(|first| (0x40..0x50).contains(first))
}

/// A well-formed message: every attribute lies within it, and a FINGERPRINT is right if there is one.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    bytes: &'a [u8],
}

impl<'a> Message<'a> {
    /// Reads a datagram; `None`: it is no STUN message, or a broken one.
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        if !is_stun(bytes) {
            return None;
        }
        let length = usize::from(u16::from_be_bytes([bytes[2], bytes[3]]));
        if length % 4 != 0 || bytes.len() != HEADER_BYTES + length {
            return None;
        }
        let message = Self { bytes };
        let mut at = HEADER_BYTES;
        while at < bytes.len() {
            let (kind, value) = attribute_at(bytes, at)?;
            let next = at + ATTRIBUTE_HEAD_BYTES + value.len().next_multiple_of(4);
            if kind == attribute::FINGERPRINT
                && (next != bytes.len() || value != fingerprint(&[&bytes[..at]]).to_be_bytes())
            {
                return None;
            }
            at = next;
        }
        Some(message)
    }

    /// Request, response or indication.
    pub fn class(&self) -> Class {
        match (self.bytes[0] & 0x01, self.bytes[1] & 0x10) {
            (0, 0) => Class::Request,
            (0, _) => Class::Indication,
            (_, 0) => Class::Success,
            _ => Class::Error,
        }
    }

    /// The method: its bits stand around those of the class (RFC 8489 section 5).
    pub fn method(&self) -> u16 {
        let kind = u16::from_be_bytes([self.bytes[0], self.bytes[1]]);
        kind & 0x000F | kind >> 1 & 0x0070 | kind >> 2 & 0x0F80
    }

    /// Which transaction it belongs to.
    pub fn transaction(&self) -> TransactionId {
        let mut id = [0; 12];
        id.copy_from_slice(&self.bytes[8..HEADER_BYTES]);
        TransactionId(id)
    }

    /// What it says; what follows its MESSAGE-INTEGRITY is nobody's word and left out (RFC 8489 section 14.5).
    pub fn attributes(&self) -> Attributes<'a> {
        let end = self
            .integrity_at()
            .map_or(self.bytes.len(), |at| at + ATTRIBUTE_HEAD_BYTES + INTEGRITY_BYTES);
        Attributes {
            bytes: &self.bytes[..end],
        }
    }

    /// Whether it has a MESSAGE-INTEGRITY.
    pub fn is_sealed(&self) -> bool {
        self.integrity_at().is_some()
    }

    /// Whether its MESSAGE-INTEGRITY is there and made with this key.
    pub fn is_sealed_with(&self, key: &[u8]) -> bool {
        let Some(at) = self.integrity_at() else {
            return false;
        };
        let claimed = &self.bytes[at + ATTRIBUTE_HEAD_BYTES..at + ATTRIBUTE_HEAD_BYTES + INTEGRITY_BYTES];
        // The length as it was before anything followed.
        let length = (at + ATTRIBUTE_HEAD_BYTES + INTEGRITY_BYTES - HEADER_BYTES) as u16;
        let pieces = [&self.bytes[..2], &length.to_be_bytes(), &self.bytes[4..at]];
        integrity(key, &pieces).is_some_and(|mac| mac.verify_slice(claimed).is_ok())
    }

    fn integrity_at(&self) -> Option<usize> {
        let mut at = HEADER_BYTES;
        while let Some((kind, value)) = attribute_at(self.bytes, at) {
            if kind == attribute::MESSAGE_INTEGRITY && value.len() == INTEGRITY_BYTES {
                return Some(at);
            }
            at += ATTRIBUTE_HEAD_BYTES + value.len().next_multiple_of(4);
        }
        None
    }
}

/// The attributes of a message.
#[derive(Clone, Copy, Debug)]
pub struct Attributes<'a> {
    bytes: &'a [u8],
}

impl<'a> Attributes<'a> {
    /// The first attribute of this type.
    pub fn value(&self, kind: u16) -> Option<&'a [u8]> {
        self.all()
            .find(|(found, _)| *found == kind)
            .map(|(_, value)| value)
    }

    /// As text.
    pub fn text(&self, kind: u16) -> Option<&'a str> {
        std::str::from_utf8(self.value(kind)?).ok()
    }

    /// As a number of 32 bits.
    pub fn number_32(&self, kind: u16) -> Option<u32> {
        Some(u32::from_be_bytes(self.value(kind)?.try_into().ok()?))
    }

    /// As a number of 64 bits.
    pub fn number_64(&self, kind: u16) -> Option<u64> {
        Some(u64::from_be_bytes(self.value(kind)?.try_into().ok()?))
    }

    /// An address hidden from meddling routers (RFC 8489 section 14.2).
    pub fn xor_address(&self, kind: u16) -> Option<SocketAddr> {
        let mut mask = [0; 16];
        // Cookie and transaction number.
        mask.copy_from_slice(self.bytes.get(4..HEADER_BYTES)?);
        address(self.value(kind)?, &mask)
    }

    /// Where the request came from as the server sees it: XOR-MAPPED-ADDRESS, or what servers of RFC 3489 send.
    pub fn mapped_address(&self) -> Option<SocketAddr> {
        self.xor_address(attribute::XOR_MAPPED_ADDRESS)
            .or_else(|| address(self.value(attribute::MAPPED_ADDRESS)?, &[0; 16]))
    }

    /// The code of an error response.
    pub fn error(&self) -> Option<u16> {
        let value = self.value(attribute::ERROR_CODE)?;
        let (class, number) = (value.get(2)? & 0x07, *value.get(3)?);
        Some(u16::from(class) * 100 + u16::from(number))
    }

    /// An attribute that would have to be understood and isn't.
    pub fn first_unknown(&self) -> Option<u16> {
        self.all()
            .map(|(kind, _)| kind)
            .find(|kind| COMPREHENSION_REQUIRED.contains(kind) && !UNDERSTOOD.contains(kind))
    }

    fn all(&self) -> impl Iterator<Item = (u16, &'a [u8])> {
        let bytes = self.bytes;
        let mut at = HEADER_BYTES;
        std::iter::from_fn(move || {
            let (kind, value) = attribute_at(bytes, at)?;
            at += ATTRIBUTE_HEAD_BYTES + value.len().next_multiple_of(4);
            Some((kind, value))
        })
    }
}

/// The attribute that begins at `at`, its padding within the message.
fn attribute_at(bytes: &[u8], at: usize) -> Option<(u16, &[u8])> {
    let rest = bytes.get(at..)?;
    let (head, rest) = rest.split_first_chunk::<ATTRIBUTE_HEAD_BYTES>()?;
    let length = usize::from(u16::from_be_bytes([head[2], head[3]]));
    rest.get(..length.next_multiple_of(4))?;
    Some((u16::from_be_bytes([head[0], head[1]]), &rest[..length]))
}

fn address(value: &[u8], mask: &[u8; 16]) -> Option<SocketAddr> {
    let (head, host) = value.split_first_chunk::<4>()?;
    let port = u16::from_be_bytes([head[2] ^ mask[0], head[3] ^ mask[1]]);
    let host: IpAddr = match head[1] {
        0x01 => {
            let bytes: [u8; 4] = host.try_into().ok()?;
            Ipv4Addr::from(std::array::from_fn::<u8, 4, _>(|index| {
                bytes[index] ^ mask[index]
            }))
            .into()
        }
        0x02 => {
            let bytes: [u8; 16] = host.try_into().ok()?;
            Ipv6Addr::from(std::array::from_fn::<u8, 16, _>(|index| {
                bytes[index] ^ mask[index]
            }))
            .into()
        }
        _ => return None,
    };
    Some(SocketAddr::new(host, port))
}
