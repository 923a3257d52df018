//! DTLS-SRTP in session descriptions (RFC 5763, RFC 8842): `fingerprint` (RFC 8122) and `setup` (RFC 4145).
//!
//! A handshake lives as long as both sides say the same of it: an offer of ours within a call says `actpass` again, and
//! an answer keeps the role we have. `tls-id` (RFC 8842 section 4) isn't spoken; Asterisk doesn't speak it either.

use super::description::{Description, Stream};
use super::security::is_one_of;
use crate::media::dtls::{Agreement, Fingerprint, Role};

/// The profile that we offer; with feedback (`SAVPF`) it is taken, too.
pub(super) const TRANSPORT: &str = "UDP/TLS/RTP/SAVP";

/// Fingerprints read of one stream; more is no telephone.
const FINGERPRINTS_MAX: usize = 8;

/// Our side of a handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalDtls {
    /// Of our certificate.
    pub fingerprint: Fingerprint,
    /// Our role in the handshake that there has been in this call.
    pub role: Option<Role>,
    /// Our offers are for it.
    pub offered: bool,
}

impl LocalDtls {
    pub(super) fn offered_attributes(&self) -> Vec<String> {
        self.attributes("actpass")
    }

    pub(super) fn answered_attributes(&self, role: Role) -> Vec<String> {
        self.attributes(match role {
            Role::Client => "active",
            Role::Server => "passive",
        })
    }

    fn attributes(&self, setup: &str) -> Vec<String> {
        vec![
            format!("setup:{setup}"),
            format!("fingerprint:sha-256 {}", self.fingerprint),
        ]
    }

    /// What an offer's stream wants, and who we would be.
    pub(super) fn answerable(&self, remote: &Description, stream: &Stream) -> Option<Agreement> {
        let role = match Setup::of(remote, stream) {
            // RFC 5763 section 5: whoever answers begins, and the media of an early answer is not cut.
            Some(Setup::Either) => self.role.unwrap_or(Role::Client),
            Some(Setup::Passive) => Role::Client,
            // RFC 4145 section 4: an offer's default.
            Some(Setup::Active) | None => Role::Server,
            Some(Setup::Neither) => return None,
        };
        agreement(remote, stream, role)
    }
}

/// What the answer to an offer of ours agrees to.
pub(super) fn answered(remote: &Description, stream: &Stream) -> Option<Agreement> {
    let role = match Setup::of(remote, stream) {
        // `actpass` is no answer. Whoever gives it all the same most likely begins, as answerers do.
        Some(Setup::Active | Setup::Either) => Role::Server,
        // RFC 4145 section 4: an answer's default.
        Some(Setup::Passive) | None => Role::Client,
        Some(Setup::Neither) => return None,
    };
    agreement(remote, stream, role)
}

/// Whether a profile is SRTP with keys from DTLS.
pub(super) fn is_transport(transport: &str) -> bool {
    is_one_of(transport, [TRANSPORT, "UDP/TLS/RTP/SAVPF"])
}

/// `None`: no fingerprint that we can check. SHA-256 is what everybody has to have (RFC 8122 section 5).
fn agreement(remote: &Description, stream: &Stream, role: Role) -> Option<Agreement> {
    let read = |value: &str| {
        let (hash, fingerprint) = value.split_once(' ')?;
        let ours = hash.eq_ignore_ascii_case("sha-256");
        Fingerprint::parse(fingerprint.trim()).filter(|_| ours)
    };
    let fingerprints: Vec<_> = remote
        .attributes(stream, "fingerprint")
        .filter_map(read)
        .take(FINGERPRINTS_MAX)
        .collect();
    (!fingerprints.is_empty()).then_some(Agreement { role, fingerprints })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Setup {
    Active,
    Passive,
    Either,
    /// `holdconn`, or nothing that is known.
    Neither,
}

impl Setup {
    fn of(description: &Description, stream: &Stream) -> Option<Self> {
        let value = description.attribute(stream, "setup")?;
        let is = |name: &str| value.trim().eq_ignore_ascii_case(name);
        Some(match () {
            () if is("active") => Self::Active,
            () if is("passive") => Self::Passive,
            () if is("actpass") => Self::Either,
            () => Self::Neither,
        })
    }
}
