//! STUN (RFC 8489): its messages, the timing of its requests, and a client that asks a server for the address a
//! socket has outside. ICE ([`super::ice`]) and TURN ([`super::turn`]) speak the same messages.

mod binding;
mod message;
mod retransmission;
mod write;

pub use binding::BindingClient;
pub use message::{Attributes, Class, Message, TransactionId, is_channel_data, is_stun};
pub use retransmission::{Retransmission, Turn};
pub use write::MessageWriter;

/// Methods (RFC 8489 section 18.2, RFC 8656 section 17).
pub mod method {
    /// Binding.
    pub const BINDING: u16 = 0x001;
    /// Allocate.
    pub const ALLOCATE: u16 = 0x003;
    /// Refresh.
    pub const REFRESH: u16 = 0x004;
    /// Send (indication).
    pub const SEND: u16 = 0x006;
    /// Data (indication).
    pub const DATA: u16 = 0x007;
    /// CreatePermission.
    pub const CREATE_PERMISSION: u16 = 0x008;
    /// ChannelBind.
    pub const CHANNEL_BIND: u16 = 0x009;
}

/// Attributes (RFC 8489 section 18.3, RFC 8656 section 18, RFC 8445 section 16.1).
#[allow(missing_docs, reason = "the names are those of the RFCs")]
pub mod attribute {
    pub const MAPPED_ADDRESS: u16 = 0x0001;
    pub const USERNAME: u16 = 0x0006;
    pub const MESSAGE_INTEGRITY: u16 = 0x0008;
    pub const ERROR_CODE: u16 = 0x0009;
    pub const UNKNOWN_ATTRIBUTES: u16 = 0x000A;
    pub const CHANNEL_NUMBER: u16 = 0x000C;
    pub const LIFETIME: u16 = 0x000D;
    pub const XOR_PEER_ADDRESS: u16 = 0x0012;
    pub const DATA: u16 = 0x0013;
    pub const REALM: u16 = 0x0014;
    pub const NONCE: u16 = 0x0015;
    pub const XOR_RELAYED_ADDRESS: u16 = 0x0016;
    pub const REQUESTED_ADDRESS_FAMILY: u16 = 0x0017;
    pub const REQUESTED_TRANSPORT: u16 = 0x0019;
    pub const MESSAGE_INTEGRITY_SHA256: u16 = 0x001C;
    pub const XOR_MAPPED_ADDRESS: u16 = 0x0020;
    pub const PRIORITY: u16 = 0x0024;
    pub const USE_CANDIDATE: u16 = 0x0025;
    pub const FINGERPRINT: u16 = 0x8028;
    pub const ICE_CONTROLLED: u16 = 0x8029;
    pub const ICE_CONTROLLING: u16 = 0x802A;
}

/// In every message (RFC 8489 section 5).
const MAGIC_COOKIE: [u8; 4] = [0x21, 0x12, 0xA4, 0x42];

/// Type, length, cookie and transaction number.
const HEADER_BYTES: usize = 20;

/// An attribute's type and length.
const ATTRIBUTE_HEAD_BYTES: usize = 4;

/// A SHA-1 MAC.
const INTEGRITY_BYTES: usize = 20;

/// The MAC of MESSAGE-INTEGRITY over `bytes` in pieces (RFC 8489 section 14.5).
fn integrity(key: &[u8], pieces: &[&[u8]]) -> Option<hmac::Hmac<sha1::Sha1>> {
    use hmac::{KeyInit, Mac};
    // HMAC takes keys of every length.
    let mut mac = hmac::Hmac::<sha1::Sha1>::new_from_slice(key).ok()?;
    for piece in pieces {
        mac.update(piece);
    }
    Some(mac)
}

/// FINGERPRINT of what precedes it (RFC 8489 section 14.7): CRC-32 of ITU-T V.42, with a constant of its own.
fn fingerprint(pieces: &[&[u8]]) -> u32 {
    let mut remainder = u32::MAX;
    for byte in pieces.iter().flat_map(|piece| piece.iter()) {
        remainder ^= u32::from(*byte);
        for _ in 0..8 {
            let carry = remainder & 1;
            remainder >>= 1;
            if carry != 0 {
                remainder ^= 0xEDB8_8320;
            }
        }
    }
    !remainder ^ 0x5354_554E
}

/// Whatever arrives, nothing panics, and what is read can be asked for everything.
#[cfg(any(test, fuzzing))]
pub fn fuzz(bytes: &[u8]) {
    let Some(message) = Message::parse(bytes) else {
        return;
    };
    let attributes = message.attributes();
    let _ = attributes.mapped_address();
    let _ = attributes.error();
    let _ = attributes.first_unknown();
    for kind in 0..=0x30 {
        let _ = attributes.xor_address(kind);
        let _ = attributes.text(kind);
        let _ = attributes.number_32(kind);
        let _ = attributes.number_64(kind);
    }
    let _ = message.is_sealed_with(b"key");
}

#[cfg(test)]
mod tests;
