//! Writing STUN messages.

use std::net::{IpAddr, SocketAddr};

use hmac::Mac;

use super::{
    ATTRIBUTE_HEAD_BYTES, Class, HEADER_BYTES, INTEGRITY_BYTES, MAGIC_COOKIE, TransactionId, attribute,
    fingerprint, integrity,
};

/// A message being written.
#[derive(Clone, Debug)]
pub struct MessageWriter {
    bytes: Vec<u8>,
}

impl MessageWriter {
    /// A message without attributes.
    pub fn new(class: Class, method: u16, transaction: TransactionId) -> Self {
        let class = match class {
            Class::Request => 0x0000,
            Class::Indication => 0x0010,
            Class::Success => 0x0100,
            Class::Error => 0x0110,
        };
        let kind = class | method & 0x000F | (method & 0x0070) << 1 | (method & 0x0F80) << 2;
        let mut bytes = Vec::with_capacity(128);
        bytes.extend_from_slice(&kind.to_be_bytes());
        bytes.extend_from_slice(&[0, 0]);
        bytes.extend_from_slice(&MAGIC_COOKIE);
        bytes.extend_from_slice(&transaction.0);
        Self { bytes }
    }

    /// An attribute; a value too long for one is cut.
    pub fn value(mut self, kind: u16, value: &[u8]) -> Self {
        let value = &value[..value.len().min(usize::from(u16::MAX))];
        self.bytes.extend_from_slice(&kind.to_be_bytes());
        self.bytes.extend_from_slice(&(value.len() as u16).to_be_bytes());
        self.bytes.extend_from_slice(value);
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
        self.write_length(0);
        self
    }

    /// An attribute that is a number of 32 bits.
    pub fn number_32(self, kind: u16, number: u32) -> Self {
        self.value(kind, &number.to_be_bytes())
    }

    /// An address, hidden from meddling routers (RFC 8489 section 14.2).
    pub fn xor_address(self, kind: u16, address: SocketAddr) -> Self {
        let mut mask = [0; 16];
        mask.copy_from_slice(&self.bytes[4..HEADER_BYTES]);
        let (family, host) = match address.ip() {
            IpAddr::V4(host) => (0x01, host.octets().to_vec()),
            IpAddr::V6(host) => (0x02, host.octets().to_vec()),
        };
        let port = address.port().to_be_bytes();
        let mut value = vec![0, family, port[0] ^ mask[0], port[1] ^ mask[1]];
        value.extend(host.iter().zip(mask).map(|(byte, mask)| byte ^ mask));
        self.value(kind, &value)
    }

    /// The code of an error response.
    pub fn error(self, code: u16, reason: &str) -> Self {
        let mut value = vec![0, 0, (code / 100) as u8, (code % 100) as u8];
        value.extend_from_slice(reason.as_bytes());
        self.value(attribute::ERROR_CODE, &value)
    }

    /// MESSAGE-INTEGRITY over all before it.
    pub fn seal(mut self, key: &[u8]) -> Self {
        self.write_length(ATTRIBUTE_HEAD_BYTES + INTEGRITY_BYTES);
        match integrity(key, &[&self.bytes]) {
            Some(mac) => self.value(attribute::MESSAGE_INTEGRITY, &mac.finalize().into_bytes()),
            None => self,
        }
    }

    /// FINGERPRINT over all before it; the last of a message.
    pub fn fingerprint(mut self) -> Self {
        self.write_length(ATTRIBUTE_HEAD_BYTES + 4);
        let value = fingerprint(&[&self.bytes]);
        self.number_32(attribute::FINGERPRINT, value)
    }

    /// The message.
    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }

    /// With so many bytes yet to come.
    fn write_length(&mut self, to_come: usize) {
        let length = (self.bytes.len() - HEADER_BYTES + to_come) as u16;
        self.bytes[2..4].copy_from_slice(&length.to_be_bytes());
    }
}
