//! One call's keys for SRTP: those we would send with, and those agreed on, by SDP or by a handshake.

use std::net::SocketAddr;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::Association;
use crate::media::Protection;
use crate::media::dtls::{Agreement, Fingerprint};
use crate::media::ice::Credentials;
use crate::media::srtp::{MasterKey, SrtpKeys, Suite};
use crate::sip::sdp::{LocalDtls, Negotiated, Security, SrtpPolicy};

/// The keys of one call.
#[derive(Debug)]
pub(super) struct Keyring {
    policy: SrtpPolicy,
    random: StdRng,
    /// One a suite.
    local: Vec<MasterKey>,
    /// Of our certificate, where handshakes can be done.
    fingerprint: Option<Fingerprint>,
    agreed: Agreed,
}

/// How media is encrypted.
#[derive(Debug)]
enum Agreed {
    /// Not at all.
    Clear,
    /// With keys that SDP carried.
    Sdes(SrtpKeys),
    /// With those that a handshake brings, or has brought.
    Dtls {
        association: Association,
        keys: Option<SrtpKeys>,
    },
}

impl Keyring {
    /// Draws new keys. The generator has to be fit for that.
    pub(super) fn new(policy: SrtpPolicy, fingerprint: Option<Fingerprint>, random: &mut StdRng) -> Self {
        let mut random = StdRng::from_rng(random);
        let local = match policy {
            SrtpPolicy::Off => Vec::new(),
            SrtpPolicy::Optional | SrtpPolicy::Required | SrtpPolicy::Dtls => Suite::ALL
                .into_iter()
                .map(|suite| MasterKey::random(suite, &mut random))
                .collect(),
        };
        Self {
            policy,
            random,
            local,
            fingerprint,
            agreed: Agreed::Clear,
        }
    }

    /// An emergency call, or one within this machine, whose lines need not agree on what their accounts ask for.
    pub(super) fn insist_on_nothing(&mut self) {
        if matches!(self.policy, SrtpPolicy::Required | SrtpPolicy::Dtls) {
            self.policy = SrtpPolicy::Optional;
        }
    }

    /// For offers and answers. Once there is an agreement an offer of ours keeps to it: to the suite and the key, or to
    /// the handshake.
    pub(super) fn security(&self) -> Security {
        let (role, by_handshake) = match &self.agreed {
            Agreed::Clear => (None, self.policy == SrtpPolicy::Dtls),
            Agreed::Sdes(_) => (None, false),
            Agreed::Dtls { association, .. } => (Some(association.agreement.role), true),
        };
        Security {
            policy: self.policy,
            keys: self.local.clone(),
            offered: match &self.agreed {
                Agreed::Sdes(keys) => vec![keys.local.suite()],
                Agreed::Clear | Agreed::Dtls { .. } => Suite::OFFERED.to_vec(),
            },
            dtls: self.fingerprint.map(|fingerprint| LocalDtls {
                fingerprint,
                role,
                offered: by_handshake,
            }),
        }
    }

    /// Offer and answer have agreed.
    pub(super) fn agreed(&mut self, negotiated: &Negotiated) {
        self.agreed = match (&negotiated.srtp, &negotiated.dtls) {
            (Some(keys), _) => {
                self.renew(keys);
                Agreed::Sdes(keys.clone())
            }
            (None, Some(agreement)) => {
                self.associate(agreement, negotiated.remote_rtp, negotiated.ice.is_some())
            }
            (None, None) => Agreed::Clear,
        };
    }

    /// Keys of ours that weren't taken are drawn anew: what was once left is never returned to, for its packets' numbers
    /// would begin again.
    fn renew(&mut self, agreed: &SrtpKeys) {
        for local in &mut self.local {
            *local = if local.suite() == agreed.local.suite() {
                agreed.local.clone()
            } else {
                MasterKey::random(local.suite(), &mut self.random)
            };
        }
    }

    /// The handshake there is, as long as role, certificate and, without ICE, the peer's address stay what they are (RFC
    /// 8842 section 3); else another.
    fn associate(&mut self, agreement: &Agreement, remote: SocketAddr, ice: bool) -> Agreed {
        let known = std::mem::replace(&mut self.agreed, Agreed::Clear);
        if let Agreed::Dtls {
            mut association,
            keys,
        } = known
            && association.agreement == *agreement
        {
            // 0.0.0.0 is hold as RFC 2543 had it, and no other place.
            let nowhere = remote.ip().is_unspecified() || remote.port() == 0;
            if ice || nowhere || association.remote == remote {
                return Agreed::Dtls { association, keys };
            }
            if association.remote.ip().is_unspecified() {
                association.remote = remote;
                return Agreed::Dtls { association, keys };
            }
        }
        Agreed::Dtls {
            association: Association {
                number: self.random.next_u64(),
                agreement: agreement.clone(),
                remote,
            },
            keys: None,
        }
    }

    /// The handshake to be done, or to be kept.
    pub(super) fn association(&self) -> Option<&Association> {
        match &self.agreed {
            Agreed::Dtls { association, .. } => Some(association),
            Agreed::Clear | Agreed::Sdes(_) => None,
        }
    }

    /// A handshake has brought its keys.
    pub(super) fn secured(&mut self, brought: SrtpKeys) {
        if let Agreed::Dtls { keys, .. } = &mut self.agreed {
            *keys = Some(brought);
        }
    }

    /// Whether there is an agreement on encryption, its keys there or not.
    pub(super) fn encrypts(&self) -> bool {
        !matches!(self.agreed, Agreed::Clear)
    }

    /// New credentials for ICE.
    pub(super) fn ice_credentials(&mut self) -> Credentials {
        Credentials::random(&mut self.random)
    }

    /// How the session's packets are to be protected.
    pub(super) fn protection(&self) -> Protection {
        match &self.agreed {
            Agreed::Clear => Protection::Clear,
            Agreed::Dtls { keys: None, .. } => Protection::Awaited,
            Agreed::Sdes(keys) | Agreed::Dtls { keys: Some(keys), .. } => Protection::Srtp(keys.clone()),
        }
    }

    /// How the keys were agreed on, and the suite.
    pub(super) fn encryption(&self) -> Option<String> {
        let (method, keys) = match &self.agreed {
            Agreed::Clear | Agreed::Dtls { keys: None, .. } => return None,
            Agreed::Sdes(keys) => ("srtp-sdes", keys),
            Agreed::Dtls { keys: Some(keys), .. } => ("srtp-dtls", keys),
        };
        Some(format!("{method} {}", keys.local.suite().name()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::Codec;
    use crate::media::Direction;
    use crate::media::dtls::Role;

    fn by_handshake(role: Role, certificate: &[u8], remote: &str) -> Negotiated {
        let remote_rtp: SocketAddr = remote.parse().unwrap();
        Negotiated {
            codec: Codec::Pcma,
            payload_type: 8,
            receive_payload_type: 8,
            telephone_event: None,
            receive_telephone_event: None,
            remote_rtp,
            remote_rtcp: remote_rtp,
            rtcp_mux: true,
            packet_time_ms: 20,
            direction: Direction::SendReceive,
            ice: None,
            srtp: None,
            dtls: Some(Agreement {
                role,
                fingerprints: vec![Fingerprint::of(certificate)],
            }),
        }
    }

    fn keys(random: &mut StdRng) -> SrtpKeys {
        let mut key = || MasterKey::random(Suite::AeadAes128Gcm, random);
        SrtpKeys {
            local: key(),
            remote: key(),
            remote_mki_bytes: 0,
        }
    }

    #[test]
    fn a_handshake_lasts_as_long_as_both_sides_say_the_same_of_it() {
        let mut random = StdRng::seed_from_u64(1);
        let ours = Some(Fingerprint::of(b"ours"));
        let mut keyring = Keyring::new(SrtpPolicy::Dtls, ours, &mut random);
        let first = by_handshake(Role::Client, b"theirs", "192.0.2.1:4000");
        keyring.agreed(&first);
        assert_eq!(keyring.protection(), Protection::Awaited);
        assert_eq!(keyring.encryption(), None);
        let brought = keys(&mut random);
        keyring.secured(brought.clone());
        let secured = Protection::Srtp(brought);
        assert_eq!(keyring.protection(), secured);
        assert_eq!(
            keyring.encryption().as_deref(),
            Some("srtp-dtls AEAD_AES_128_GCM")
        );
        let number = keyring.association().unwrap().number;
        // The same again, and a hold as RFC 2543 had it.
        for same in ["192.0.2.1:4000", "0.0.0.0:4000", "192.0.2.1:4000"] {
            keyring.agreed(&by_handshake(Role::Client, b"theirs", same));
            assert_eq!(keyring.association().unwrap().number, number);
            assert_eq!(keyring.protection(), secured);
        }
        let security = keyring.security().dtls.unwrap();
        assert_eq!((security.role, security.offered), (Some(Role::Client), true));
        for other in [
            by_handshake(Role::Server, b"theirs", "192.0.2.1:4000"),
            by_handshake(Role::Server, b"another's", "192.0.2.1:4000"),
            by_handshake(Role::Server, b"another's", "192.0.2.1:4002"),
        ] {
            let before = keyring.association().unwrap().number;
            keyring.agreed(&other);
            assert_ne!(keyring.association().unwrap().number, before);
            assert_eq!(keyring.protection(), Protection::Awaited, "old keys are not used");
            keyring.secured(keys(&mut random));
        }
        keyring.agreed(&Negotiated { dtls: None, ..first });
        assert_eq!(keyring.protection(), Protection::Clear);
        assert!(keyring.association().is_none());
    }

    #[test]
    fn calls_that_have_to_come_about_insist_on_no_handshake() {
        let ours = Some(Fingerprint::of(b"ours"));
        let mut keyring = Keyring::new(SrtpPolicy::Dtls, ours, &mut StdRng::seed_from_u64(1));
        keyring.insist_on_nothing();
        let security = keyring.security();
        assert_eq!(security.policy, SrtpPolicy::Optional);
        assert!(!security.dtls.unwrap().offered && !security.keys.is_empty());
    }
}
