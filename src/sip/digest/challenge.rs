//! Challenges as servers write them (RFC 7616 section 3.3, RFC 3261 section 25.1).

use crate::sip::message::{HeaderName, Headers, lex};
use std::fmt;

/// Who asks for credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// A server, with WWW-Authenticate; the answer is Authorization.
    Server,
    /// A proxy, with Proxy-Authenticate; the answer is Proxy-Authorization.
    Proxy,
}

/// A hash function. In order of strength.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HashFunction {
    /// MD5.
    Md5,
    /// SHA-256.
    Sha256,
    /// SHA-512/256.
    Sha512_256,
}

/// An algorithm of RFC 7616 section 6.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Algorithm {
    /// The hash function.
    pub function: HashFunction,
    /// A `-sess` variant: the key depends on nonce and cnonce.
    pub session: bool,
}

/// Quality of protection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Qop {
    /// Method and URI are protected.
    Auth,
    /// The body as well.
    AuthInt,
}

/// One Digest challenge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// Who asks.
    pub target: Target,
    /// Realm, between its quotes as written.
    pub realm: String,
    /// Nonce, likewise.
    pub nonce: String,
    /// Opaque, likewise.
    pub opaque: Option<String>,
    /// The algorithm; `None`: one we don't know.
    pub algorithm: Option<Algorithm>,
    /// Its name, to be sent back; `None`: none was given, which means MD5.
    pub algorithm_as_written: Option<String>,
    /// Qualities of protection that we know; `None`: the server knows nothing of them (RFC 2069).
    pub qops: Option<Vec<Qop>>,
    /// The nonce was too old; the credentials may be right.
    pub stale: bool,
}

impl Target {
    /// The header field that carries the challenge.
    pub const fn challenge_header(self) -> HeaderName {
        match self {
            Self::Server => HeaderName::WWW_AUTHENTICATE,
            Self::Proxy => HeaderName::PROXY_AUTHENTICATE,
        }
    }

    /// The header field that carries the credentials.
    pub const fn credentials_header(self) -> HeaderName {
        match self {
            Self::Server => HeaderName::AUTHORIZATION,
            Self::Proxy => HeaderName::PROXY_AUTHORIZATION,
        }
    }
}

impl Algorithm {
    fn parse(name: &str) -> Option<Self> {
        let upper = name.to_ascii_uppercase();
        let (function, session) = match upper.strip_suffix("-SESS") {
            Some(function) => (function, true),
            None => (upper.as_str(), false),
        };
        let function = match function {
            "MD5" => HashFunction::Md5,
            // Without the hyphen: seen from servers built on rsip.
            "SHA-256" | "SHA256" => HashFunction::Sha256,
            "SHA-512-256" => HashFunction::Sha512_256,
            _ => return None,
        };
        Some(Self { function, session })
    }
}

impl fmt::Display for Qop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auth => "auth",
            Self::AuthInt => "auth-int",
        })
    }
}

impl Challenge {
    /// All Digest challenges in a response, those we can't answer included.
    pub fn all(response: &Headers) -> Vec<Self> {
        let mut challenges = Vec::new();
        for target in [Target::Server, Target::Proxy] {
            for line in response.lines(&target.challenge_header()) {
                challenges.extend(split_schemes(&line).iter().filter_map(|(scheme, params)| {
                    let digest = scheme.eq_ignore_ascii_case("Digest");
                    digest.then(|| Self::from_params(target, params)).flatten()
                }));
            }
        }
        challenges
    }

    /// Whether algorithm and quality of protection are known to us.
    pub fn is_usable(&self) -> bool {
        self.algorithm.is_some() && self.qops.as_ref().is_none_or(|qops| !qops.is_empty())
    }

    /// `auth` where it's offered: intermediate systems change bodies, and then `auth-int` fails.
    pub(super) fn chosen_qop(&self) -> Option<Qop> {
        let qops = self.qops.as_ref()?;
        if qops.contains(&Qop::Auth) {
            Some(Qop::Auth)
        } else {
            qops.first().copied()
        }
    }

    /// The algorithm in use; MD5 for one we don't know, which [`Self::is_usable`] keeps from being used.
    pub(super) fn algorithm_or_md5(&self) -> Algorithm {
        self.algorithm.unwrap_or(Algorithm {
            function: HashFunction::Md5,
            session: false,
        })
    }

    pub(super) fn is_session(&self) -> bool {
        self.algorithm_or_md5().session
    }

    /// For choosing the strongest.
    pub(super) fn strength(&self) -> HashFunction {
        self.algorithm_or_md5().function
    }

    fn from_params(target: Target, params: &[(&str, &str)]) -> Option<Self> {
        let raw = |name: &str| {
            params
                .iter()
                .find(|(key, _)| key.eq_ignore_ascii_case(name))
                .map(|(_, value)| *value)
        };
        let text = |name: &str| raw(name).map(|value| strip_quotes(value).to_owned());
        let algorithm_as_written = text("algorithm").filter(|name| !name.is_empty());
        let algorithm = match &algorithm_as_written {
            None => Some(Algorithm {
                function: HashFunction::Md5,
                session: false,
            }),
            Some(name) => Algorithm::parse(name),
        };
        // An empty list is as good as none.
        let qops = text("qop")
            .filter(|list| !lex::trim(list).is_empty())
            .map(|list| {
                let known = |name: &str| match name.to_ascii_lowercase().as_str() {
                    "auth" => Some(Qop::Auth),
                    "auth-int" => Some(Qop::AuthInt),
                    _ => None,
                };
                list.split(',')
                    .filter_map(|name| known(lex::trim(name)))
                    .collect()
            });
        Some(Self {
            target,
            // A server without realm exists; an empty one is what it then computes with.
            realm: text("realm").unwrap_or_default(),
            nonce: text("nonce")?,
            opaque: text("opaque"),
            algorithm,
            algorithm_as_written,
            qops,
            stale: raw("stale").is_some_and(|value| strip_quotes(value).eq_ignore_ascii_case("true")),
        })
    }
}

/// Whether credentials for `realm` stand in the value of an Authorization field, and with which nonce count.
pub(super) fn carried(value: &str, realm: &str) -> Option<Option<u32>> {
    split_schemes(value).iter().find_map(|(_, params)| {
        let raw = |name: &str| {
            params
                .iter()
                .find(|(key, _)| key.eq_ignore_ascii_case(name))
                .map(|(_, value)| *value)
        };
        let same = strip_quotes(raw("realm")?) == realm;
        same.then(|| raw("nc").and_then(|count| u32::from_str_radix(strip_quotes(count), 16).ok()))
    })
}

/// `nextnonce` of Authentication-Info.
pub(super) fn next_nonce(value: &str) -> Option<String> {
    let named = |part: &str| {
        let (name, value) = part.split_once('=')?;
        lex::trim(name)
            .eq_ignore_ascii_case("nextnonce")
            .then(|| strip_quotes(lex::trim(value)).to_owned())
    };
    lex::split(value, ',')
        .find_map(named)
        .filter(|nonce| !nonce.is_empty())
}

/// One line may hold several challenges (as in HTTP): a scheme starts where a word isn't followed by `=`.
fn split_schemes(line: &str) -> Vec<(&str, Vec<(&str, &str)>)> {
    let mut schemes: Vec<(&str, Vec<(&str, &str)>)> = Vec::new();
    for element in lex::split(line, ',').filter(|element| !element.is_empty()) {
        let mut element = element;
        if let Some((word, rest)) = element.split_once([' ', '\t'])
            && !word.contains('=')
            && !lex::trim(rest).starts_with('=')
        {
            schemes.push((word, Vec::new()));
            element = lex::trim(rest);
        }
        if let (Some((_, params)), Some((name, value))) = (schemes.last_mut(), element.split_once('=')) {
            params.push((lex::trim(name), lex::trim(value)));
        }
    }
    schemes
}

fn strip_quotes(value: &str) -> &str {
    value
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .unwrap_or(value)
}
