//! SRTP and SRTCP: RFC 3711 with AES in counter mode and HMAC-SHA1, AES-256 after RFC 6188, AES-GCM after RFC 7714.
//!
//! [`Outbound`] protects what we send, [`Inbound`] opens what arrives; both work in place, on packets in the caller's
//! buffer, and allocate nothing. A context lives as long as its master key: a new key is a new context whose rollover
//! counter starts at zero. Sessions' keys are derived once (key derivation rate 0, the only one RFC 4568 peers use).
//!
//! `suite` names the algorithms, `key` holds and derives keys, `packet` reads what is in the clear, `transform` is the
//! cryptography of one packet, `replay` and `index` number packets.

#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod inbound;
mod index;
mod key;
mod outbound;
mod packet;
mod replay;
mod suite;
#[cfg(test)]
mod tests;
mod transform;

pub use inbound::Inbound;
pub use key::{MasterKey, SrtpKeys};
pub use outbound::Outbound;
pub use suite::Suite;

/// Most bytes that protection adds to a packet: an SRTCP index and a tag of GCM.
pub const EXPANSION_BYTES_MAX: usize = 4 + 16;

/// Longest master key identifier that is passed over in a peer's packets (RFC 4568 section 6.1 allows 128; nobody has
/// been seen to use more than 4).
pub const MKI_BYTES_MAX: usize = 16;

/// Why a packet isn't let in, or can't be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SrtpError {
    /// Too short, or no RTP or RTCP at all.
    #[error("not an SRTP packet")]
    Malformed,
    /// The tag is wrong: another key, or somebody has tampered with it.
    #[error("authentication failed")]
    Unauthentic,
    /// It was here before, or is older than the replay window.
    #[error("replayed or too old")]
    Replayed,
    /// The buffer has no room for the tag.
    #[error("no room for the tag")]
    NoRoom,
    /// So many packets have been protected that the key may not be used any longer.
    #[error("key used up")]
    Exhausted,
}
