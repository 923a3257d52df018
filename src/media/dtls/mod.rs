//! DTLS-SRTP (RFC 5763, RFC 5764): keys for SRTP out of a DTLS handshake between the media sockets themselves. What
//! travels in SIP are the fingerprints of both certificates (RFC 8122) and who begins (RFC 4145): whoever reads them
//! can't hear the call.
//!
//! [`Identity`] is our certificate, made once; [`Handshake`] is one handshake, sans-IO: DTLS 1.2 by the crate dimpl, the
//! peer's certificate held against the fingerprints of its session description. It runs beside a session's traversal,
//! never in the audio thread.
//!
//! The one exception to the rule of this ring: dimpl draws the secrets of a handshake and the jitter of its
//! retransmissions from the system itself. Their order and outcome don't depend on it.

#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod handshake;
mod identity;
#[cfg(test)]
mod tests;

pub use handshake::{Handshake, HandshakeEvent};
pub use identity::Identity;

use std::fmt;

use sha2::{Digest, Sha256};

/// Header of a record (RFC 6347 section 4.1).
const RECORD_HEADER_BYTES: usize = 13;

/// Bytes of a SHA-256 fingerprint.
const FINGERPRINT_BYTES: usize = 32;

/// Whether a datagram on a media port is DTLS, by its first byte (RFC 7983).
pub fn is_dtls(bytes: &[u8]) -> bool {
    bytes.len() >= RECORD_HEADER_BYTES && (20..=63).contains(&bytes[0])
}

/// Who we are in a handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// We begin (`a=setup:active`).
    Client,
    /// We wait (`a=setup:passive`).
    Server,
}

/// SHA-256 of a certificate.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint([u8; FINGERPRINT_BYTES]);

impl Fingerprint {
    /// Of a certificate in DER.
    pub fn of(certificate: &[u8]) -> Self {
        Self(Sha256::digest(certificate).into())
    }

    /// From the form that SDP has: bytes in hexadecimal with colons between them.
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; FINGERPRINT_BYTES];
        let mut pairs = text.split(':');
        for byte in &mut bytes {
            let pair = pairs.next()?;
            let whole = pair.len() == 2 && pair.bytes().all(|digit| digit.is_ascii_hexdigit());
            *byte = u8::from_str_radix(pair, 16).ok().filter(|_| whole)?;
        }
        pairs.next().is_none().then_some(Self(bytes))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, byte) in self.0.iter().enumerate() {
            let colon = if at == 0 { "" } else { ":" };
            write!(formatter, "{colon}{byte:02X}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Fingerprint({self})")
    }
}

/// What offer and answer say of a handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agreement {
    /// Who we are in it.
    pub role: Role,
    /// The peer's certificate is one of these.
    pub fingerprints: Vec<Fingerprint>,
}

/// Why there are no keys.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DtlsError {
    /// Our own certificate couldn't be made.
    #[error("our own certificate can't be made: {0}")]
    Identity(String),
    /// Somebody else answered, or the session description was changed on its way.
    #[error("the certificate shown has the fingerprint {0}, which is not the one agreed on in SIP")]
    Fingerprint(Fingerprint),
    /// The handshake broke off.
    #[error("the DTLS handshake failed: {0}")]
    Failed(String),
    /// The peer speaks DTLS and no SRTP of ours.
    #[error("the DTLS handshake brought no keys for SRTP")]
    NoKeys,
    /// It lasted too long.
    #[error("there was no DTLS handshake within {} s", handshake::WITHIN.as_secs())]
    TimedOut,
}
