//! Values of header fields that have a shape of their own: CSeq, Reason, Content-Type, RAck, Session-Expires.

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

/// RAck (RFC 3262 7.2): the reliable provisional response that a PRACK is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RAck {
    /// The response's RSeq.
    pub rseq: u32,
    /// CSeq of the request it answered.
    pub cseq: CSeq,
}

/// Session-Expires (RFC 4028 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionExpires {
    /// Seconds from one refresh to the session's end.
    pub interval_s: u32,
    /// Who refreshes; `None`: not said.
    pub refresher: Option<Refresher>,
}

/// Who refreshes a session, as seen from the request at hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refresher {
    /// Who sent the request.
    Uac,
    /// Who answers it.
    Uas,
}

impl RAck {
    /// Reads a value; `None` where it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let (rseq, cseq) = lex::trim(text).split_once([' ', '\t'])?;
        Some(Self {
            rseq: lex::number(rseq)?,
            cseq: CSeq::parse(lex::trim(cseq))?,
        })
    }
}

impl fmt::Display for RAck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.rseq, self.cseq)
    }
}

impl SessionExpires {
    /// Reads a value; `None` where it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let end = text.find(';').unwrap_or(text.len());
        let (interval, params) = text.split_at(end);
        let params = Params::parse(params).unwrap_or_default();
        let refresher = params.value("refresher");
        let refresher = refresher.and_then(|who| match who.to_ascii_lowercase().as_str() {
            "uac" => Some(Refresher::Uac),
            "uas" => Some(Refresher::Uas),
            _ => None,
        });
        Some(Self {
            interval_s: lex::delta_seconds(lex::trim(interval))?,
            refresher,
        })
    }
}

impl fmt::Display for SessionExpires {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.interval_s)?;
        match self.refresher {
            Some(Refresher::Uac) => f.write_str(";refresher=uac"),
            Some(Refresher::Uas) => f.write_str(";refresher=uas"),
            None => Ok(()),
        }
    }
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
