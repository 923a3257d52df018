//! The arithmetic of RFC 7616 section 3.4.

use super::challenge::{Challenge, HashFunction, Qop};
use md5::Md5;
use sha2::{Digest, Sha256, Sha512_256};

/// What a response is computed from, besides challenge and credentials.
pub(super) struct Input<'a> {
    pub method: &'a str,
    pub uri: &'a str,
    pub body: &'a [u8],
    pub cnonce: &'a str,
    /// Nonce count.
    pub count: u32,
}

/// `response`, in hexadecimal digits.
pub(super) fn response(
    challenge: &Challenge,
    qop: Option<Qop>,
    username: &str,
    password: &str,
    input: &Input<'_>,
) -> String {
    let algorithm = challenge.algorithm_or_md5();
    let h = |parts: &[&str]| algorithm.function.of(parts.join(":").as_bytes());
    let mut ha1 = h(&[username, &challenge.realm, password]);
    if algorithm.session {
        ha1 = h(&[&ha1, &challenge.nonce, input.cnonce]);
    }
    let ha2 = match qop {
        Some(Qop::AuthInt) => h(&[input.method, input.uri, &algorithm.function.of(input.body)]),
        Some(Qop::Auth) | None => h(&[input.method, input.uri]),
    };
    match qop {
        Some(qop) => h(&[
            &ha1,
            &challenge.nonce,
            &format!("{:08x}", input.count),
            input.cnonce,
            &qop.to_string(),
            &ha2,
        ]),
        None => h(&[&ha1, &challenge.nonce, &ha2]),
    }
}

impl HashFunction {
    fn of(self, bytes: &[u8]) -> String {
        match self {
            Self::Md5 => hex(&Md5::digest(bytes)),
            Self::Sha256 => hex(&Sha256::digest(bytes)),
            Self::Sha512_256 => hex(&Sha512_256::digest(bytes)),
        }
    }
}

/// Lower-case hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 0xf])
        .filter_map(|digit| char::from_digit(digit.into(), 16))
        .collect()
}
