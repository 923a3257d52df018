//! Encryption in the session description: keys in `a=crypto` (RFC 4568, SDES), or the fingerprint of a certificate and
//! the role in a DTLS handshake (RFC 5763, see [`dtls`](super::dtls)).
//!
//! Four policies. `Off` knows nothing of it. `Optional` offers plain RTP with `a=crypto` beside it and takes whatever
//! comes back, as most telephones do; `Required` offers SRTP only, by `a=crypto`; `Dtls` offers SRTP only, by DTLS. Of
//! offers all but `Off` take either kind.

use base64::Engine;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use std::fmt::Write;
use zeroize::Zeroizing;

use super::description::{Description, Stream};
use super::dtls::{self, LocalDtls};
use super::{Negotiated, SdpError};
use crate::media::dtls::Agreement;
use crate::media::srtp::{MKI_BYTES_MAX, MasterKey, SrtpKeys, Suite};

/// Padding is part of the syntax and is left out by some.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Whether media is encrypted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SrtpPolicy {
    /// Never.
    #[default]
    Off,
    /// Where the peer can.
    Optional,
    /// Always: there is no call otherwise.
    Required,
    /// Always, and DTLS is what we offer.
    Dtls,
}

/// What one side brings along for the encryption of its media.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Security {
    /// Whether it is wanted.
    pub policy: SrtpPolicy,
    /// The keys we would send with, one a suite; an answer takes the one of the suite it agrees to.
    pub keys: Vec<MasterKey>,
    /// The suites offered, in order of preference.
    pub offered: Vec<Suite>,
    /// Our side of a DTLS handshake, where we can do one.
    pub dtls: Option<LocalDtls>,
}

/// What a stream of the peer's offers us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Offered {
    /// A key.
    Sdes(Crypto),
    /// A handshake.
    Dtls(Agreement),
}

/// What was agreed on; neither: in the clear.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Agreed {
    pub srtp: Option<SrtpKeys>,
    pub dtls: Option<Agreement>,
}

impl Agreed {
    pub fn encrypts(&self) -> bool {
        self.srtp.is_some() || self.dtls.is_some()
    }

    /// Into what is agreed on besides.
    pub fn join(self, negotiated: Negotiated) -> Negotiated {
        Negotiated {
            srtp: self.srtp,
            dtls: self.dtls,
            ..negotiated
        }
    }
}

/// One `a=crypto` line that we can use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Crypto {
    /// As written.
    pub tag: u32,
    pub key: MasterKey,
    pub mki_bytes: u8,
}

impl Security {
    /// Does without, where that is allowed.
    pub fn forgo(&mut self) {
        if self.policy == SrtpPolicy::Optional {
            self.policy = SrtpPolicy::Off;
        }
    }

    /// The profile that we offer.
    pub(super) fn offered_transport(&self) -> &'static str {
        match self.policy {
            _ if self.offers_dtls().is_some() => dtls::TRANSPORT,
            SrtpPolicy::Off | SrtpPolicy::Optional => "RTP/AVP",
            SrtpPolicy::Required | SrtpPolicy::Dtls => "RTP/SAVP",
        }
    }

    fn offers_dtls(&self) -> Option<&LocalDtls> {
        self.dtls.as_ref().filter(|dtls| dtls.offered)
    }

    /// Whether RTCP has to share RTP's port if it is to be there at all: one handshake keys one pair of ports.
    pub(super) fn offers_mux(&self) -> bool {
        self.offers_dtls().is_some()
    }

    /// The attributes of our offer.
    pub(super) fn offered_attributes(&self) -> Vec<String> {
        if let Some(dtls) = self.offers_dtls() {
            return dtls.offered_attributes();
        }
        let offered = match self.policy {
            SrtpPolicy::Off => &[][..],
            SrtpPolicy::Optional | SrtpPolicy::Required | SrtpPolicy::Dtls => &self.offered,
        };
        (1..)
            .zip(offered)
            .filter_map(|(tag, suite)| Some(attribute(tag, self.key(*suite)?)))
            .collect()
    }

    /// Of a remote offer's stream: the first line of ours, in the peer's order of preference, or a handshake.
    pub(super) fn choose(&self, remote: &Description, stream: &Stream) -> Option<Offered> {
        if self.policy == SrtpPolicy::Off {
            return None;
        }
        let handshake = || {
            let local = self.dtls.as_ref().filter(|_| is_secure(&stream.transport))?;
            local.answerable(remote, stream).map(Offered::Dtls)
        };
        let key = lines(stream).find(|crypto| self.key(crypto.key.suite()).is_some());
        key.filter(|_| !dtls::is_transport(&stream.transport))
            .map(Offered::Sdes)
            .or_else(handshake)
    }

    /// What an answer's stream agrees to of `ours`, the stream of our offer.
    pub(super) fn agreed(
        &self,
        ours: &Stream,
        remote: &Description,
        answered: &Stream,
    ) -> Result<Agreed, SdpError> {
        if self.policy == SrtpPolicy::Off {
            return Ok(Agreed::default());
        }
        if dtls::is_transport(&ours.transport) {
            let dtls = dtls::answered(remote, answered).filter(|_| is_secure(&answered.transport));
            return Ok(Agreed { srtp: None, dtls });
        }
        let Some(remote) = lines(answered).next() else {
            return Ok(Agreed::default());
        };
        // RFC 4568 section 5.1.3: an answer that names no line of the offer, or more than one, is none.
        let several = lines(answered).nth(1).is_some();
        let local = lines(ours)
            .find(|local| local.tag == remote.tag && local.key.suite() == remote.key.suite())
            .filter(|_| !several)
            .ok_or(SdpError::NoSuite)?;
        let srtp = Some(SrtpKeys {
            local: local.key,
            remote: remote.key,
            remote_mki_bytes: remote.mki_bytes,
        });
        Ok(Agreed { srtp, dtls: None })
    }

    /// The answer to what a stream offers: its attributes, and what is agreed on with it.
    pub(super) fn answer(&self, offered: Option<Offered>) -> (Vec<String>, Agreed) {
        let agreed = match offered {
            Some(Offered::Sdes(remote)) => self.sdes_answer(remote).map(|(attribute, keys)| {
                let srtp = Some(keys);
                (vec![attribute], Agreed { srtp, dtls: None })
            }),
            Some(Offered::Dtls(dtls)) => self.dtls.as_ref().map(|local| {
                let attributes = local.answered_attributes(dtls.role);
                let dtls = Some(dtls);
                (attributes, Agreed { srtp: None, dtls })
            }),
            None => None,
        };
        agreed.unwrap_or_default()
    }

    fn sdes_answer(&self, remote: Crypto) -> Option<(String, SrtpKeys)> {
        let local = self.key(remote.key.suite())?.clone();
        let attribute = attribute(remote.tag, &local);
        let keys = SrtpKeys {
            local,
            remote: remote.key,
            remote_mki_bytes: remote.mki_bytes,
        };
        Some((attribute, keys))
    }

    /// Whether a stream of this profile, with or without keys, is acceptable.
    pub(super) fn admits(&self, transport: &str, encrypted: bool) -> Result<(), SdpError> {
        let secure = is_secure(transport);
        if !secure && !is_one_of(transport, ["RTP/AVP", "RTP/AVPF"]) {
            return Err(SdpError::Transport(transport.to_owned()));
        }
        match self.policy {
            SrtpPolicy::Off if secure => Err(SdpError::Transport(transport.to_owned())),
            SrtpPolicy::Off => Ok(()),
            _ if encrypted => Ok(()),
            _ if dtls::is_transport(transport) => Err(SdpError::NoHandshake),
            _ if secure => Err(SdpError::NoSuite),
            SrtpPolicy::Optional => Ok(()),
            SrtpPolicy::Required | SrtpPolicy::Dtls => Err(SdpError::Unprotected),
        }
    }

    fn key(&self, suite: Suite) -> Option<&MasterKey> {
        self.keys.iter().find(|key| key.suite() == suite)
    }
}

/// Whether streams of this profile are encrypted.
fn is_secure(transport: &str) -> bool {
    is_one_of(transport, ["RTP/SAVP", "RTP/SAVPF"]) || dtls::is_transport(transport)
}

pub(super) fn is_one_of(transport: &str, names: [&str; 2]) -> bool {
    names.iter().any(|name| transport.eq_ignore_ascii_case(name))
}

/// `crypto:1 AES_CM_128_HMAC_SHA1_80 inline:...`, without lifetime: nobody rekeys by it, and some refuse it.
fn attribute(tag: u32, key: &MasterKey) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = write!(text, "crypto:{tag} {} inline:", key.suite().name());
    base64::engine::general_purpose::STANDARD.encode_string(key.expose_material(), &mut text);
    text
}

/// The lines of a stream that we understand whole.
fn lines(stream: &Stream) -> impl Iterator<Item = Crypto> {
    stream.attributes("crypto").filter_map(Crypto::parse)
}

impl Crypto {
    /// `TAG SUITE inline:KEY||SALT[|LIFETIME][|MKI:LENGTH][;more keys] [parameters]`; `None`: a suite, a key or a
    /// parameter that isn't ours.
    fn parse(value: &str) -> Option<Self> {
        let mut words = value.split_ascii_whitespace();
        let tag = words.next().filter(|tag| tag.len() <= 9)?.parse().ok()?;
        let suite = Suite::from_name(words.next()?)?;
        let keys = words.next()?;
        if !words.all(is_harmless) {
            return None;
        }
        // The first of several keys is the one in use (RFC 4568 section 6.1).
        let first = keys.split(';').next()?;
        let (method, info) = first.split_once(':')?;
        if !method.eq_ignore_ascii_case("inline") {
            return None;
        }
        let mut parts = info.split('|');
        let material = Zeroizing::new(BASE64.decode(parts.next()?).ok()?);
        let mut mki_bytes = 0;
        for part in parts {
            // A lifetime has no colon. Ours is that of the call: 2^48 packets last for centuries.
            if let Some((_, length)) = part.split_once(':') {
                mki_bytes = length.trim().parse().ok()?;
            }
        }
        if usize::from(mki_bytes) > MKI_BYTES_MAX {
            return None;
        }
        Some(Self {
            tag,
            key: MasterKey::new(suite, &material)?,
            mki_bytes,
        })
    }
}

/// Session parameters that change nothing for us. Whatever else is there makes the line unusable (RFC 4568 section
/// 6.3.7): `UNENCRYPTED_SRTP` and its like are refused, and so is a key derivation rate.
fn is_harmless(parameter: &str) -> bool {
    // A minus says that it may be passed over; a window is the receiver's own affair.
    let name = parameter.split('=').next().unwrap_or_default();
    name.starts_with('-') || name.eq_ignore_ascii_case("WSH") || parameter.eq_ignore_ascii_case("KDR=0")
}
