//! Requests to a TURN server: written with what the server has told of itself, and sent until they are answered.

use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use md5::{Digest, Md5};
use rand::Rng;
use secrecy::ExposeSecret;

use super::TurnServer;
use crate::media::stun::{
    Attributes, Class, MessageWriter, Retransmission, TransactionId, attribute, method,
};
use std::time::Duration;

/// RTO of a server nothing is known of (RFC 8489 section 6.2.1).
const RTO: Duration = Duration::from_millis(500);

/// UDP, as REQUESTED-TRANSPORT has it (RFC 8656 section 18.6).
const UDP: u32 = 17 << 24;

/// The longest realm and nonce taken note of (RFC 8489 sections 14.9 and 14.10: 763 bytes).
const TEXT_BYTES_MAX: usize = 763;

/// What a request is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Allocate,
    Refresh,
    /// Give the allocation back.
    Release,
    Permit(Vec<IpAddr>),
    Bind(SocketAddr, u16),
}

/// A request under way.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub purpose: Purpose,
    pub transaction: TransactionId,
    pub bytes: Vec<u8>,
    pub clock: Retransmission,
    /// So often the server wanted it with other credentials.
    pub refused: u8,
}

/// What the server has told of itself.
#[derive(Clone, Debug)]
pub(super) struct Challenge {
    realm: String,
    nonce: Vec<u8>,
    key: [u8; 16],
}

impl Challenge {
    /// From a 401 or 438; the realm of the latter may be missing.
    pub fn read(server: &TurnServer, attributes: &Attributes<'_>, earlier: Option<&Self>) -> Option<Self> {
        let nonce = attributes.value(attribute::NONCE)?;
        let realm = attributes
            .text(attribute::REALM)
            .or(earlier.map(|earlier| earlier.realm.as_str()))?;
        if nonce.len() > TEXT_BYTES_MAX || realm.len() > TEXT_BYTES_MAX {
            return None;
        }
        // RFC 8489 section 9.2.2.
        let mut hash = Md5::new();
        hash.update(format!("{}:{realm}:", server.username));
        hash.update(server.password.expose_secret());
        Some(Self {
            realm: realm.to_owned(),
            nonce: nonce.to_vec(),
            key: hash.finalize().into(),
        })
    }

    /// The key of MESSAGE-INTEGRITY.
    pub fn key(&self) -> &[u8] {
        &self.key
    }
}

impl Request {
    pub fn new(
        now: Instant,
        purpose: Purpose,
        server: &TurnServer,
        challenge: Option<&Challenge>,
        random: &mut impl Rng,
    ) -> Self {
        let transaction = TransactionId::random(random);
        let begin = |method| MessageWriter::new(Class::Request, method, transaction);
        let mut writer = match &purpose {
            Purpose::Allocate => {
                let allocate = begin(method::ALLOCATE).number_32(attribute::REQUESTED_TRANSPORT, UDP);
                if server.address.is_ipv6() {
                    // The default is IPv4.
                    allocate.number_32(attribute::REQUESTED_ADDRESS_FAMILY, 0x02 << 24)
                } else {
                    allocate
                }
            }
            Purpose::Refresh => begin(method::REFRESH),
            Purpose::Release => begin(method::REFRESH).number_32(attribute::LIFETIME, 0),
            Purpose::Permit(peers) => peers
                .iter()
                .fold(begin(method::CREATE_PERMISSION), |writer, peer| {
                    writer.xor_address(attribute::XOR_PEER_ADDRESS, SocketAddr::new(*peer, 0))
                }),
            Purpose::Bind(peer, channel) => begin(method::CHANNEL_BIND)
                .number_32(attribute::CHANNEL_NUMBER, u32::from(*channel) << 16)
                .xor_address(attribute::XOR_PEER_ADDRESS, *peer),
        };
        if let Some(challenge) = challenge {
            writer = writer
                .value(attribute::USERNAME, server.username.as_bytes())
                .value(attribute::REALM, challenge.realm.as_bytes())
                .value(attribute::NONCE, &challenge.nonce)
                .seal(challenge.key());
        }
        Self {
            purpose,
            transaction,
            bytes: writer.fingerprint().finish(),
            clock: Retransmission::new(now, RTO),
            refused: 0,
        }
    }
}
