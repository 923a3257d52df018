//! Via: where a request came through and its response goes (RFC 3261 section 20.42, RFC 3581 for `rport`).

use super::{Host, Params, lex};
use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;

/// One Via value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Via {
    /// Protocol and version: `SIP/2.0` but for curiosities.
    pub protocol: String,
    /// Transport token: `UDP`, `TCP`, `TLS`, or any other.
    pub transport: String,
    /// Host of sent-by.
    pub host: Host,
    /// Port of sent-by.
    pub port: Option<u16>,
    /// Parameters.
    pub params: Params,
}

/// The start of every branch made after RFC 3261 (section 8.1.1.7).
pub const BRANCH_COOKIE: &str = "z9hG4bK";

impl Via {
    /// `SIP/2.0/transport host:port`, without parameters.
    pub fn new(transport: &str, host: Host, port: Option<u16>) -> Self {
        Self {
            protocol: "SIP/2.0".to_owned(),
            transport: transport.to_owned(),
            host,
            port,
            params: Params::new(),
        }
    }

    /// Reads one value; `None` where the text is none.
    pub fn parse(text: &str) -> Option<Self> {
        let (name, rest) = text.split_once('/')?;
        let (version, rest) = rest.split_once('/')?;
        let (name, version, rest) = (lex::trim(name), lex::trim(version), lex::trim(rest));
        let (transport, rest) = rest.split_once([' ', '\t'])?;
        if ![name, version, transport].into_iter().all(lex::is_token) {
            return None;
        }
        let end = rest.find(';').unwrap_or(rest.len());
        let (sent_by, params) = rest.split_at(end);
        let (host, port) = Host::parse_with_port(sent_by)?;
        Some(Self {
            protocol: format!("{name}/{version}"),
            transport: transport.to_owned(),
            host,
            port,
            params: Params::parse(params)?,
        })
    }

    /// The branch; `None` where there is none or it's empty.
    pub fn branch(&self) -> Option<Cow<'_, str>> {
        self.params.value("branch").filter(|branch| !branch.is_empty())
    }

    /// The branch if it was made after RFC 3261 and holds something behind the cookie (RFC 4475 section 3.2.1).
    pub fn rfc3261_branch(&self) -> Option<Cow<'_, str>> {
        let long = |branch: &Cow<'_, str>| branch.len() > BRANCH_COOKIE.len();
        let cookie = |branch: &Cow<'_, str>| {
            branch
                .get(..BRANCH_COOKIE.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(BRANCH_COOKIE))
        };
        self.branch().filter(long).filter(cookie)
    }

    /// Whether `rport` is there, with a value or without.
    pub fn wants_rport(&self) -> bool {
        self.params.has("rport")
    }

    /// The value of `rport`, as a response brings it.
    pub fn rport(&self) -> Option<u16> {
        lex::number(&self.params.value("rport")?)
    }

    /// The address in `received`; IPv6 with brackets or without (RFC 5118 section 4.5).
    pub fn received(&self) -> Option<IpAddr> {
        let value = self.params.value("received")?;
        let bare = value.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        bare.unwrap_or(&value).parse().ok()
    }

    /// The host in `maddr`.
    pub fn maddr(&self) -> Option<Host> {
        Host::parse(&self.params.value("maddr")?)
    }

    /// The value of `ttl`.
    pub fn ttl(&self) -> Option<u8> {
        lex::number(&self.params.value("ttl")?)
    }
}

impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{} {}", self.protocol, self.transport, self.host)?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        write!(f, "{}", self.params)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_may_stand_anywhere() {
        let via =
            Via::parse("SIP  / 2.0\t/ UDP  192.0.2.2 : 4000 ;ttl= 16; maddr =224.2.0.1 ;branch=z9hG4bKa7")
                .unwrap();
        assert_eq!(
            via.to_string(),
            "SIP/2.0/UDP 192.0.2.2:4000;ttl=16;maddr=224.2.0.1;branch=z9hG4bKa7"
        );
        assert_eq!(via.ttl(), Some(16));
        assert_eq!(via.maddr(), Some(Host::V4([224, 2, 0, 1].into())));
        assert_eq!(via.branch().as_deref(), Some("z9hG4bKa7"));
    }

    #[test]
    fn rport_and_received() {
        let via =
            Via::parse("SIP/2.0/TCP [2001:db8::9:1];received=[2001:db8::9:255];rport=6000;branch=z9hG4bK")
                .unwrap();
        assert_eq!(via.received(), "2001:db8::9:255".parse().ok());
        assert_eq!(via.rport(), Some(6000));
        assert!(via.wants_rport());
        assert_eq!(via.rfc3261_branch(), None, "nothing behind the cookie");
        let via = Via::parse("SIP/2.0/UDP h;received=2001:db8::9:255;rport").unwrap();
        assert_eq!(via.received(), "2001:db8::9:255".parse().ok());
        assert_eq!((via.rport(), via.wants_rport()), (None, true));
    }

    #[test]
    fn broken_ones() {
        for text in [
            "",
            "SIP/2.0/UDP",
            "SIP/2.0 h",
            "SIP/2.0/UDP 192.0.2.15;;",
            "SIP/2.0/U P h;x",
            "SIP/2.0/UDP h:0x1",
        ] {
            assert_eq!(Via::parse(text), None, "{text}");
        }
    }
}
