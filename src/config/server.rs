//! `sip:host[:port][;transport=udp|tcp|tls]` or `sips:host`: where an account's registrar and proxy is.

use std::borrow::Cow;
use std::net::Ipv6Addr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::model::{Server, Transport};
use super::problem::Problems;
use super::section::Value;
use super::tree::{Content, Node};

const EXPECTED: &str = "`sip:HOST`, `sip:HOST:PORT`, `sip:HOST;transport=udp|tcp|tls` or `sips:HOST`";

/// A server as it stands in the file.
#[derive(Clone, Debug)]
pub(super) struct ServerUri(pub Server);

impl Value for ServerUri {
    fn read(node: &Node, problems: &mut Problems) -> Option<Self> {
        let Content::Scalar { text, .. } = &node.content else {
            if !matches!(node.content, Content::Broken) {
                problems.error(node.place, format!("expected {EXPECTED}, found {}", node.kind()));
            }
            return None;
        };
        match parse(text) {
            Ok(server) => Some(Self(server)),
            Err(complaint) => {
                problems.error(node.place, complaint);
                None
            }
        }
    }
}

impl JsonSchema for ServerUri {
    fn schema_name() -> Cow<'static, str> {
        "ServerUri".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[sS][iI][pP][sS]?:[^@]+$" })
    }
}

/// Complaints never repeat the text: somebody may have written a password into it.
fn parse(text: &str) -> Result<Server, String> {
    let (scheme, rest) = text.split_once(':').ok_or(format!("expected {EXPECTED}"))?;
    let secure = scheme.eq_ignore_ascii_case("sips");
    if !secure && !scheme.eq_ignore_ascii_case("sip") {
        return Err(format!("expected {EXPECTED}; it begins with `sip:`"));
    }
    if rest.contains('@') {
        return Err(format!("expected {EXPECTED}; the user goes into `username`"));
    }
    let mut parts = rest.split(';');
    let (host, port) = host_and_port(parts.next().unwrap_or_default())?;
    let mut transport = None;
    for parameter in parts {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        if !name.eq_ignore_ascii_case("transport") || transport.is_some() {
            return Err(format!("expected {EXPECTED}; `transport` is the only parameter"));
        }
        transport = Some(match value.to_ascii_lowercase().as_str() {
            "udp" => Transport::Udp,
            "tcp" => Transport::Tcp,
            "tls" => Transport::Tls,
            _ => return Err("expected `transport=udp`, `transport=tcp` or `transport=tls`".to_owned()),
        });
        if secure && transport == Some(Transport::Udp) {
            return Err("`sips:` cannot go over UDP".to_owned());
        }
    }
    Ok(Server {
        host,
        port,
        transport,
        secure,
    })
}

pub(super) fn host_and_port(text: &str) -> Result<(String, Option<u16>), String> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (address, after) = rest
                .split_once(']')
                .ok_or("expected `]` after the IPv6 address")?;
            if address.parse::<Ipv6Addr>().is_err() {
                return Err("expected an IPv6 address between `[` and `]`".to_owned());
            }
            match after {
                "" => (address, None),
                after => (
                    address,
                    Some(after.strip_prefix(':').ok_or("expected `:PORT` after `]`")?),
                ),
            }
        }
        None if text.parse::<Ipv6Addr>().is_ok() => {
            return Err("an IPv6 address stands in brackets: `sip:[2001:db8::1]`".to_owned());
        }
        None => {
            let (host, port) = match text.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (text, None),
            };
            if !is_host(host) {
                return Err(format!(
                    "expected {EXPECTED}; a host has letters, digits, `-` and `.`"
                ));
            }
            (host, port)
        }
    };
    let port = port.map(|port| port.parse::<u16>().ok().filter(|port| *port > 0));
    match port {
        Some(None) => Err("expected a port from 1 to 65535".to_owned()),
        port => Ok((host.to_owned(), port.flatten())),
    }
}

/// A domain name or an IPv4 address. Underscores are no part of either, and are met nevertheless.
pub(super) fn is_host(text: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|c| c.is_ascii_alphanumeric() || c == b'-' || c == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let text = text.strip_suffix('.').unwrap_or(text);
    text.len() <= 253 && text.split('.').all(label)
}

/// `[IPv6 address]`.
pub(super) fn is_ipv6_reference(text: &str) -> bool {
    let inner = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    inner.is_some_and(|address| address.parse::<Ipv6Addr>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_and_what_is_none() {
        for text in [
            "sip:pbx.example.net",
            "sip:127.0.0.1:5070",
            "sip:[2001:db8::1]",
            "sip:[::1]:5062;transport=tcp",
            "sip:pbx;transport=udp",
            "sip:pbx;transport=tls",
            "sips:pbx.example.net:5071",
            "sips:pbx;transport=tcp",
        ] {
            assert_eq!(parse(text).unwrap().to_string(), text);
        }
        assert_eq!(
            parse("SIP:pbx;Transport=TCP").unwrap().transport,
            Some(Transport::Tcp)
        );
        let mut found = String::new();
        for text in [
            "",
            "pbx.example.net",
            "http:pbx",
            "sip:",
            "sip:a b",
            "sip:6001:hunter2@pbx",
            "sip:2001:db8::1",
            "sip:[2001:db8::1",
            "sip:[pbx]",
            "sip:[::1]5060",
            "sip:pbx:0",
            "sip:pbx:65536",
            "sip:pbx:",
            "sip:pbx;lr",
            "sip:pbx;transport=sctp",
            "sips:pbx;transport=udp",
        ] {
            let complaint = parse(text).unwrap_err();
            assert!(!complaint.contains("hunter2"));
            found += &format!("{text:<24} {complaint}\n");
        }
        insta::assert_snapshot!(found);
    }
}
