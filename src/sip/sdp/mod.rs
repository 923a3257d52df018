//! Session descriptions: RFC 8866 (and RFC 4566, 2327 before it), offer and answer after RFC 3264, `rtcp` (RFC
//! 3605), `rtcp-mux` (RFC 5761), telephone-events (RFC 4733), keys for SRTP (RFC 4568) or a
//! handshake for them (RFC 5763), hold as RFC 3264 section 8.4 and
//! RFC 2543 had it.
//!
//! One audio stream of one voice codec and, where both sides have them, telephone-events; every other stream is
//! refused with port 0. [`Session`] is one side of one call: it numbers the descriptions it writes.

mod body;
mod description;
mod dtls;
mod ice;
mod negotiation;
mod security;
mod writer;

pub use body::session_description;
pub use dtls::LocalDtls;
pub use ice::{LocalIce, Reach, RemoteIce, ice_credentials};
pub use negotiation::{accept_answer, answer, offer};
pub use security::{Security, SrtpPolicy};

use crate::media::dtls::Agreement;
use crate::media::srtp::SrtpKeys;
use crate::media::{Codec, Direction};
use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};

/// What one of our audio streams can do, and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaCapabilities {
    /// Codecs in our order of preference; at least one.
    pub codecs: Vec<Codec>,
    /// Whether telephone-events are offered and accepted.
    pub telephone_event: bool,
    /// Audio in one packet that we would like, both ways: 10 to 60.
    pub packet_time_ms: u8,
    /// Our address as the peer reaches it.
    pub address: IpAddr,
    /// Port of RTP; RTCP is on the next one.
    pub rtp_port: u16,
    /// Whether RTCP may share RTP's port (RFC 5761).
    pub rtcp_mux: bool,
    /// RTCP's address, and ICE.
    pub reach: Reach,
    /// Whether and how it is encrypted.
    pub security: Security,
}

/// Number of a session and of its description (the `o=` line).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Same for the whole call.
    pub id: u64,
    /// Grows by one with every change (RFC 3264 section 8).
    pub version: u64,
}

/// What offer and answer agreed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Negotiated {
    /// The codec, both ways.
    pub codec: Codec,
    /// Payload type we send it with.
    pub payload_type: u8,
    /// Payload type it arrives with.
    pub receive_payload_type: u8,
    /// Payload type we send telephone-events with; `None`: the peer has none.
    pub telephone_event: Option<u8>,
    /// Payload type they arrive with.
    pub receive_telephone_event: Option<u8>,
    /// Where RTP goes. The address may be unspecified (`0.0.0.0`): then `direction` doesn't send.
    pub remote_rtp: SocketAddr,
    /// Where RTCP goes; port 0: nowhere, for there are no keys for it.
    pub remote_rtcp: SocketAddr,
    /// RTCP shares RTP's port.
    pub rtcp_mux: bool,
    /// Audio in one packet we send: 10 to 60 in steps of 10.
    pub packet_time_ms: u8,
    /// Direction, seen from here.
    pub direction: Direction,
    /// What the peer says of ICE, if both do it.
    pub ice: Option<crate::media::ice::Description>,
    /// The keys both sides encrypt with; `None`: in the clear, unless a handshake brings them.
    pub srtp: Option<SrtpKeys>,
    /// The handshake that brings the keys.
    pub dtls: Option<Agreement>,
}

/// A description that can't be used. Each gets 488 but the first two, which get 400.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SdpError {
    /// Not a session description at all.
    #[error("not a session description")]
    NotSdp,
    /// A line that can't be read and matters.
    #[error("malformed line: {0:?}")]
    Line(String),
    /// No audio stream, or only switched-off ones.
    #[error("no audio stream")]
    NoAudio,
    /// Audio over a transport only that isn't ours (SRTP, where that is switched off).
    #[error("audio only over {0}, which is not supported")]
    Transport(String),
    /// The media is not encrypted, and `srtp: required` is configured.
    #[error("the audio stream is not encrypted, and only encrypted calls are allowed")]
    Unprotected,
    /// No `a=crypto` line of the peer's is one of ours.
    #[error("no usable key for the encrypted audio stream")]
    NoSuite,
    /// It is to be encrypted by DTLS, and the peer's certificate or its role isn't told in a way that we can use.
    #[error("no usable fingerprint (sha-256) or setup for the stream that DTLS is to encrypt")]
    NoHandshake,
    /// No codec in common.
    #[error("no codec in common: offered {0:?}")]
    NoCodec(Vec<String>),
    /// No connection address.
    #[error("no connection address for the audio stream")]
    NoAddress,
    /// A host name where an address is needed.
    #[error("host name {0:?} as connection address; only literal addresses are supported")]
    HostName(String),
    /// The other IP version than ours, or a group address.
    #[error("connection address {0} can't be reached from {1}")]
    Unreachable(IpAddr, IpAddr),
    /// The peer's answer refuses our audio stream.
    #[error("the peer refused the audio stream")]
    Refused,
}

/// Our side of one call's offers and answers.
#[derive(Clone, Debug)]
pub struct Session {
    origin: Origin,
    /// What we said last, as offer or answer.
    last: Option<Vec<u8>>,
}

impl Session {
    /// A new call; `id` is random (RFC 8866 section 5.2: unique).
    pub const fn new(id: u64) -> Self {
        // 63 bits: many a peer keeps it in a signed number.
        let id = id >> 1;
        Self {
            origin: Origin { id, version: id },
            last: None,
        }
    }

    /// An offer. The version grows if it says anything else than what we said last.
    pub fn offer(&mut self, capabilities: &MediaCapabilities, direction: Direction) -> Vec<u8> {
        let Ok((body, ())) =
            self.publish(|origin| Ok::<_, Infallible>((offer(capabilities, origin, direction), ())));
        body
    }

    /// The answer to an offer; `direction` is what we would like.
    pub fn answer(
        &mut self,
        capabilities: &MediaCapabilities,
        remote_offer: &[u8],
        direction: Direction,
    ) -> Result<(Vec<u8>, Negotiated), SdpError> {
        self.publish(|origin| answer(capabilities, origin, remote_offer, direction))
    }

    /// The peer's answer to our last offer.
    pub fn accept_answer(
        &self,
        capabilities: &MediaCapabilities,
        remote_answer: &[u8],
    ) -> Result<Negotiated, SdpError> {
        let offered = self.last.as_deref().ok_or(SdpError::NotSdp)?;
        accept_answer(capabilities, offered, remote_answer)
    }

    /// What we said last.
    pub fn last(&self) -> Option<&[u8]> {
        self.last.as_deref()
    }

    fn publish<T, E>(
        &mut self,
        write: impl Fn(Origin) -> Result<(Vec<u8>, T), E>,
    ) -> Result<(Vec<u8>, T), E> {
        let mut written = write(self.origin)?;
        if self.last.as_ref().is_some_and(|last| *last != written.0) {
            self.origin.version += 1;
            written = write(self.origin)?;
        }
        self.last = Some(written.0.clone());
        Ok(written)
    }
}

#[cfg(test)]
mod dtls_tests;
#[cfg(test)]
mod security_tests;
#[cfg(test)]
mod tests;
