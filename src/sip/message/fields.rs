//! Values of header fields that have a shape of their own: CSeq, Reason, Content-Type.

use super::{Method, Params, lex};
use std::borrow::Cow;
use std::fmt;

/// CSeq.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CSeq {
    /// The number.
    pub number: u32,
    /// The method, which is the request's.
    pub method: Method,
}

/// One Reason value (RFC 3326): `SIP;cause=200;text="Call completed elsewhere"`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// `SIP`, `Q.850`, or another.
    pub protocol: String,
    /// The cause.
    pub cause: Option<u16>,
    /// Words for a person.
    pub text: Option<String>,
}

/// Content-Type; type and subtype in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaType {
    /// `application`.
    pub main: String,
    /// `sdp`.
    pub sub: String,
    /// Parameters: `boundary`, `charset`.
    pub params: Params,
}

impl CSeq {
    /// Reads a value; `None` where it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let (number, method) = text.split_once([' ', '\t'])?;
        Some(Self {
            number: lex::number(number)?,
            method: Method::parse(lex::trim(method))?,
        })
    }

    /// The next request's.
    #[must_use]
    pub const fn next(&self, method: Method) -> Self {
        Self {
            number: self.number.wrapping_add(1),
            method,
        }
    }
}

impl fmt::Display for CSeq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.number, self.method)
    }
}

impl Reason {
    /// Reads a value; `None` where it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let end = text.find(';').unwrap_or(text.len());
        let (protocol, params) = text.split_at(end);
        let protocol = lex::trim(protocol);
        let params = Params::parse(params)?;
        lex::is_token(protocol).then(|| Self {
            protocol: protocol.to_owned(),
            cause: params.value("cause").and_then(|cause| lex::number(&cause)),
            text: params.value("text").map(Cow::into_owned),
        })
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.protocol)?;
        if let Some(cause) = self.cause {
            write!(f, ";cause={cause}")?;
        }
        if let Some(text) = &self.text {
            write!(f, ";text={}", lex::quote(text))?;
        }
        Ok(())
    }
}

impl MediaType {
    /// Reads a value; `None` where it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let end = text.find(';').unwrap_or(text.len());
        let (kind, params) = text.split_at(end);
        let (main, sub) = kind.split_once('/')?;
        let (main, sub) = (lex::trim(main), lex::trim(sub));
        if !lex::is_token(main) || !lex::is_token(sub) {
            return None;
        }
        Some(Self {
            main: main.to_ascii_lowercase(),
            sub: sub.to_ascii_lowercase(),
            // A parameter we can't read doesn't change what the body is.
            params: Params::parse(params).unwrap_or_default(),
        })
    }
}
