//! Hosts in URIs and Via: names, IPv4 addresses, IPv6 addresses in brackets (RFC 3261 section 25.1, RFC 5118).

use super::lex;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// A host. Names compare without regard to case.
#[derive(Clone, Debug)]
pub enum Host {
    /// A name.
    Name(String),
    /// An IPv4 address.
    V4(Ipv4Addr),
    /// An IPv6 address; printed in brackets.
    V6(Ipv6Addr),
}

impl Host {
    /// Reads a host: a name, an IPv4 address, or an IPv6 address in brackets.
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(rest) = text.strip_prefix('[') {
            return parse_v6(rest.strip_suffix(']')?).map(Self::V6);
        }
        if let Ok(address) = text.parse() {
            return Some(Self::V4(address));
        }
        // `_` is in no host name by the book, and in many a private network.
        let proper = !text.is_empty()
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b));
        proper.then(|| Self::Name(text.to_owned()))
    }

    /// Reads `host[:port]`, with white space around the colon as Via may have it.
    pub(super) fn parse_with_port(text: &str) -> Option<(Self, Option<u16>)> {
        let host_end = match text.find(']') {
            Some(bracket) => bracket + 1,
            None => text.find(':').unwrap_or(text.len()),
        };
        let (host, rest) = text.split_at(host_end);
        let host = Self::parse(lex::trim(host))?;
        let rest = lex::trim(rest);
        if rest.is_empty() {
            return Some((host, None));
        }
        let port = lex::number(lex::trim(rest.strip_prefix(':')?))?;
        Some((host, Some(port)))
    }

    /// The address, where it is one.
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Name(_) => None,
            Self::V4(address) => Some(IpAddr::V4(*address)),
            Self::V6(address) => Some(IpAddr::V6(*address)),
        }
    }

    /// The host without brackets, as a resolver takes it.
    pub fn to_unbracketed(&self) -> String {
        match self {
            Self::Name(name) => name.clone(),
            Self::V4(address) => address.to_string(),
            Self::V6(address) => address.to_string(),
        }
    }
}

/// An IPv6 address without brackets. Three colons before an embedded IPv4 address were allowed by the first
/// grammar of RFC 3261 (RFC 5118 section 4.10).
fn parse_v6(text: &str) -> Option<Ipv6Addr> {
    text.parse()
        .or_else(|_| text.replacen(":::", "::", 1).parse())
        .ok()
}

impl From<IpAddr> for Host {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::V4(address),
            // An IPv4 address seen through an IPv6 socket is an IPv4 address.
            IpAddr::V6(address) => address.to_ipv4_mapped().map_or(Self::V6(address), Self::V4),
        }
    }
}

impl From<SocketAddr> for Host {
    fn from(address: SocketAddr) -> Self {
        address.ip().into()
    }
}

impl PartialEq for Host {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Name(a), Self::Name(b)) => a.eq_ignore_ascii_case(b),
            (Self::V4(a), Self::V4(b)) => a == b,
            (Self::V6(a), Self::V6(b)) => a == b,
            (Self::Name(_) | Self::V4(_) | Self::V6(_), _) => false,
        }
    }
}

impl Eq for Host {}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::V4(address) => address.fmt(f),
            Self::V6(address) => write!(f, "[{address}]"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_with_and_without_ports() {
        let read = |text| Host::parse_with_port(text).map(|(host, port)| (host.to_string(), port));
        assert_eq!(
            read("pbx_1.example.net."),
            Some(("pbx_1.example.net.".into(), None))
        );
        assert_eq!(read("192.0.2.1 : 5060"), Some(("192.0.2.1".into(), Some(5060))));
        assert_eq!(
            read("[2001:DB8::1]:5060"),
            Some(("[2001:db8::1]".into(), Some(5060)))
        );
        for text in [
            "",
            ":5060",
            "a:",
            "a:x",
            "[::1",
            "::1",
            "[]",
            "[192.0.2.1]",
            "a b",
            "h:65536",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn names_ignore_case_and_are_no_addresses() {
        assert_eq!(Host::parse("PBX.example"), Host::parse("pbx.EXAMPLE"));
        assert_ne!(Host::parse("192.0.2.1"), Host::parse("[::ffff:192.0.2.1]"));
    }
}
