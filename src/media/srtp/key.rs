//! Keys: the master keys that signalling agrees on, and what is derived from them (RFC 3711 section 4.3).

use std::fmt;

use aes::cipher::KeyInit;
use aes::{Aes128, Aes256};
use rand::Rng;
use zeroize::Zeroizing;

use super::suite::Suite;
use super::transform::keystream;

/// Longest master key and salt: AES-256 in counter mode.
const MATERIAL_BYTES_MAX: usize = 32 + 14;

/// A master key with its salt. It cannot be printed, and is wiped when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct MasterKey {
    suite: Suite,
    /// Key, then salt; the rest is zero.
    material: Zeroizing<[u8; MATERIAL_BYTES_MAX]>,
}

impl MasterKey {
    /// From key and salt as SDP and DTLS carry them, one behind the other; `None`: the wrong length.
    pub fn new(suite: Suite, material: &[u8]) -> Option<Self> {
        if material.len() != suite.material_bytes() {
            return None;
        }
        let mut key = Self {
            suite,
            material: Zeroizing::new([0; MATERIAL_BYTES_MAX]),
        };
        key.material[..material.len()].copy_from_slice(material);
        Some(key)
    }

    /// A new one. The generator has to be fit for keys.
    pub fn random(suite: Suite, random: &mut impl Rng) -> Self {
        let mut key = Self {
            suite,
            material: Zeroizing::new([0; MATERIAL_BYTES_MAX]),
        };
        random.fill_bytes(&mut key.material[..suite.material_bytes()]);
        key
    }

    /// What it is for.
    pub fn suite(&self) -> Suite {
        self.suite
    }

    /// Key and salt, to be written into our own SDP and nowhere else.
    pub fn expose_material(&self) -> &[u8] {
        &self.material[..self.suite.material_bytes()]
    }

    /// What is derived under a label, into the whole of `out`.
    pub(super) fn derive(&self, label: Label, out: &mut [u8]) {
        let (key, salt) = self.expose_material().split_at(self.suite.key_bytes());
        // x = (label || index DIV rate) XOR salt, the rate being 0; 112 bits, then the counter. A salt of 96 bits is
        // followed by zeros (RFC 7714 section 11).
        let mut block = Zeroizing::new([0; 16]);
        block[..salt.len()].copy_from_slice(salt);
        block[7] ^= label as u8;
        out.fill(0);
        // The lengths are those of the suite, so both succeed; a key that isn't there must not pass for one.
        if let Ok(cipher) = Aes128::new_from_slice(key) {
            keystream(&cipher, &block, out);
        } else if let Ok(cipher) = Aes256::new_from_slice(key) {
            keystream(&cipher, &block, out);
        }
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("MasterKey").field(&self.suite).finish()
    }
}

/// What a derived key is for (RFC 3711 section 4.3.1 and 4.3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Label {
    RtpEncryption = 0x00,
    RtpAuthentication = 0x01,
    RtpSalt = 0x02,
    RtcpEncryption = 0x03,
    RtcpAuthentication = 0x04,
    RtcpSalt = 0x05,
}

/// The keys of one session, both ways.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SrtpKeys {
    /// What we send is protected with it.
    pub local: MasterKey,
    /// What the peer sends is.
    pub remote: MasterKey,
    /// Bytes of the master key identifier in the peer's packets, up to [`MKI_BYTES_MAX`](super::MKI_BYTES_MAX).
    pub remote_mki_bytes: u8,
}
