//! Digest authentication, the client's side: RFC 3261 section 22, RFC 7616 and RFC 8760 (SHA-256 and SHA-512-256
//! beside MD5), RFC 2617 and RFC 2069 for the servers that never moved on.
//!
//! [`Authenticator`] keeps what the servers asked for and puts credentials into requests. It is a machine without
//! time: a challenge comes in, header fields come out.

mod challenge;
mod hash;

pub use challenge::{Algorithm, Challenge, HashFunction, Qop, Target};

use super::message::{HeaderName, Headers, Request, StatusCode, lex};
use rand::Rng;
use secrecy::{ExposeSecret, SecretString};
use std::fmt;

/// Who we are to a server.
#[derive(Clone, Copy)]
pub struct Credentials<'a> {
    /// User name.
    pub username: &'a str,
    /// Password.
    pub password: &'a SecretString,
}

/// Why a challenge can't be answered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DigestError {
    /// The response carries no challenge at all, or none that can be read.
    #[error("no challenge in the response")]
    NoChallenge,
    /// None of the schemes, algorithms or qualities of protection is one of ours.
    #[error("no known way to authenticate is offered for realm {realm:?}")]
    Unsupported {
        /// The realm.
        realm: String,
    },
    /// The credentials for this realm were sent, with the server's own fresh nonce, and refused.
    #[error("user name or password refused by realm {realm:?}")]
    Refused {
        /// The realm.
        realm: String,
    },
}

/// Challenges met so far, and credentials made from them.
///
/// One for each set of credentials; requests of one dialog or registration share it, so that the nonce count
/// runs on and later requests carry credentials at once.
#[derive(Clone, Debug, Default)]
pub struct Authenticator {
    sessions: Vec<Session>,
    refuses_md5: bool,
}

/// What is kept of one realm.
#[derive(Clone, Debug)]
struct Session {
    challenge: Challenge,
    /// Made with the first use of the nonce and kept with it: the `-sess` key is derived from it.
    cnonce: Option<String>,
    /// Requests sent with this nonce.
    count: u32,
    /// Challenges in a row that called our nonce stale.
    stale_in_a_row: u8,
}

/// So many stale nonces in a row are no coincidence: the server never likes ours.
const MOST_STALE: u8 = 3;

/// So many realms are kept; a chain of proxies is shorter than that.
const MOST_REALMS: usize = 8;

impl Authenticator {
    /// Nothing met yet.
    pub const fn new() -> Self {
        Self {
            sessions: Vec::new(),
            refuses_md5: false,
        }
    }

    /// Nothing met yet, and no challenge answered by MD5: whoever could put one in the place of a stronger one would
    /// otherwise get a digest that is guessed at fast.
    pub const fn without_md5() -> Self {
        Self {
            sessions: Vec::new(),
            refuses_md5: true,
        }
    }

    /// Takes in the challenges of a 401 or 407 to `request`. `Ok`: send it again after [`Self::authorize`].
    pub fn challenged(&mut self, request: &Request, response: &Headers) -> Result<(), DigestError> {
        let offered = Challenge::all(response);
        let mut realms: Vec<(Target, &str)> = Vec::new();
        for offer in &offered {
            if !realms.contains(&(offer.target, offer.realm.as_str())) {
                realms.push((offer.target, &offer.realm));
            }
        }
        if realms.is_empty() {
            return Err(DigestError::NoChallenge);
        }
        let mut fresh = Vec::new();
        for (target, realm) in realms {
            let best = offered
                .iter()
                // Of equals the last is taken, so turned round: the server's order of preference.
                .rev()
                .filter(|offer| offer.target == target && offer.realm == realm && offer.is_usable())
                .filter(|offer| !self.refuses_md5 || offer.strength() != HashFunction::Md5)
                .max_by_key(|offer| offer.strength())
                .ok_or_else(|| DigestError::Unsupported {
                    realm: realm.to_owned(),
                })?;
            fresh.push(self.renewed(request, best)?);
        }
        for session in fresh {
            self.sessions.retain(|old| !old.is_for(&session.challenge));
            if self.sessions.len() >= MOST_REALMS {
                self.sessions.remove(0);
            }
            self.sessions.push(session);
        }
        Ok(())
    }

    /// Puts credentials for every realm met into a request, in place of those it has.
    pub fn authorize(&mut self, request: &mut Request, credentials: Credentials<'_>, rng: &mut impl Rng) {
        for name in [HeaderName::AUTHORIZATION, HeaderName::PROXY_AUTHORIZATION] {
            request.headers.remove(&name);
        }
        for session in &mut self.sessions {
            let value = session.authorization(request, credentials, rng);
            request
                .headers
                .push(session.challenge.target.credentials_header(), value);
        }
    }

    /// Looks into the final response to an authorized request: it may name the next nonce (RFC 7616 section 3.5).
    pub fn accepted(&mut self, response: &Headers) {
        let fields = [
            (Target::Server, HeaderName::AUTHENTICATION_INFO),
            (Target::Proxy, HeaderName::PROXY_AUTHENTICATION_INFO),
        ];
        for (target, name) in fields {
            let Some(next) = response
                .first(&name)
                .and_then(|value| challenge::next_nonce(&value))
            else {
                continue;
            };
            let mut of_target = self
                .sessions
                .iter_mut()
                .filter(|session| session.challenge.target == target);
            // With several realms of one kind it isn't said whose nonce this is.
            if let (Some(session), None) = (of_target.next(), of_target.next()) {
                session.challenge.nonce = next;
                session.count = 0;
                session.cnonce = None;
            }
        }
    }

    /// Forgets everything (other credentials are to be used).
    pub fn reset(&mut self) {
        self.sessions.clear();
    }

    /// The session to keep for a challenge, unless it refuses what `request` already carried.
    fn renewed(&self, request: &Request, challenge: &Challenge) -> Result<Session, DigestError> {
        let fresh = |stale_in_a_row| Session {
            challenge: challenge.clone(),
            cnonce: None,
            count: 0,
            stale_in_a_row,
        };
        let carried = request
            .headers
            .lines(&challenge.target.credentials_header())
            .find_map(|line| challenge::carried(&line, &challenge.realm));
        let Some(carried) = carried else {
            return Ok(fresh(0));
        };
        let old = self.sessions.iter().find(|session| session.is_for(challenge));
        let refused = || DigestError::Refused {
            realm: challenge.realm.clone(),
        };
        if challenge.stale {
            let in_a_row = old.map_or(0, |session| session.stale_in_a_row) + 1;
            return if in_a_row > MOST_STALE {
                Err(refused())
            } else {
                Ok(fresh(in_a_row))
            };
        }
        // A nonce used before may have run out without the server saying `stale`; one used for the first time
        // was just handed out, so it's the credentials that displease.
        let uses = carried.unwrap_or_else(|| old.map_or(1, |session| session.count));
        if uses <= 1 { Err(refused()) } else { Ok(fresh(0)) }
    }
}

impl Session {
    fn is_for(&self, challenge: &Challenge) -> bool {
        self.challenge.target == challenge.target && self.challenge.realm == challenge.realm
    }

    fn authorization(
        &mut self,
        request: &Request,
        credentials: Credentials<'_>,
        rng: &mut impl Rng,
    ) -> String {
        self.count = self.count.saturating_add(1);
        let cnonce = self.cnonce.get_or_insert_with(|| {
            let mut bytes = [0; 16];
            rng.fill_bytes(&mut bytes);
            hash::hex(&bytes)
        });
        let uri = request.uri.to_string();
        let input = hash::Input {
            method: request.method.as_str(),
            uri: &uri,
            body: &request.body,
            cnonce,
            count: self.count,
        };
        authorization(&self.challenge, credentials, &input)
    }
}

/// The value of Authorization or Proxy-Authorization.
fn authorization(challenge: &Challenge, credentials: Credentials<'_>, input: &hash::Input<'_>) -> String {
    use fmt::Write;
    let qop = challenge.chosen_qop();
    let response = hash::response(
        challenge,
        qop,
        credentials.username,
        credentials.password.expose_secret(),
        input,
    );
    // Realm, nonce and opaque go back as they came, escapes included (`unq` takes only the quotes away).
    let mut value = format!(
        "Digest username={}, realm=\"{}\", nonce=\"{}\", uri=\"{}\", response=\"{response}\"",
        lex::quote(credentials.username),
        challenge.realm,
        challenge.nonce,
        input.uri,
    );
    // Writing to a String cannot fail.
    if let Some(name) = &challenge.algorithm_as_written {
        let _ = write!(value, ", algorithm={name}");
    }
    if let Some(opaque) = &challenge.opaque {
        let _ = write!(value, ", opaque=\"{opaque}\"");
    }
    match qop {
        Some(qop) => {
            let _ = write!(
                value,
                ", qop={qop}, cnonce=\"{}\", nc={:08x}",
                input.cnonce, input.count
            );
        }
        // RFC 2617 section 3.2.2: no cnonce without qop; the `-sess` algorithms can't do without.
        None if challenge.is_session() => {
            let _ = write!(value, ", cnonce=\"{}\"", input.cnonce);
        }
        None => {}
    }
    value
}

impl fmt::Debug for Credentials<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}

/// Whether a status asks for credentials.
pub fn is_challenge(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::UNAUTHORIZED | StatusCode::PROXY_AUTHENTICATION_REQUIRED
    )
}

#[cfg(test)]
mod tests;
