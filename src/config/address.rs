//! Values that say where something is: socket addresses, ports, paths.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::problem::Problems;
use super::section::Value;
use super::tree::Node;
use super::value::{scalar, shown};

/// Longest path of a Unix socket: `sun_path` has 108 bytes with the closing zero (unix(7)).
const SOCKET_PATH_MAX: usize = 107;

/// A path of a file.
#[derive(Clone, Debug)]
pub(super) struct FilePath(pub PathBuf);

impl Value for FilePath {
    fn read(node: &Node, problems: &mut Problems) -> Option<Self> {
        let text = scalar(node, "a path", problems)?;
        if text.is_empty() || text.contains('\0') {
            problems.error(node.place, "expected a path");
            return None;
        }
        Some(Self(text.into()))
    }
}

impl JsonSchema for FilePath {
    fn schema_name() -> Cow<'static, str> {
        "FilePath".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "minLength": 1 })
    }
}

/// A path that a Unix socket can have.
#[derive(Clone, Debug)]
pub(super) struct SocketPath(pub PathBuf);

impl Value for SocketPath {
    fn read(node: &Node, problems: &mut Problems) -> Option<Self> {
        let FilePath(path) = FilePath::read(node, problems)?;
        let length = path.as_os_str().len();
        if length > SOCKET_PATH_MAX {
            let text = format!("the path of a socket has at most {SOCKET_PATH_MAX} bytes, this one {length}");
            problems.error(node.place, text);
            return None;
        }
        Some(Self(path))
    }
}

impl JsonSchema for SocketPath {
    fn schema_name() -> Cow<'static, str> {
        "SocketPath".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "minLength": 1, "maxLength": SOCKET_PATH_MAX })
    }
}

/// `ADDRESS` or `ADDRESS:PORT` of a name server.
#[derive(Clone, Copy, Debug)]
pub(super) struct DnsServer(pub SocketAddr);

/// Port of the Domain Name System (RFC 1035 4.2).
const DNS_PORT: u16 = 53;

impl Value for DnsServer {
    fn read(node: &Node, problems: &mut Problems) -> Option<Self> {
        let expected = "the address of a name server, such as 192.0.2.53 or \"[2001:db8::53]:53\"";
        let text = scalar(node, expected, problems)?;
        let bare = text.parse().ok().map(|ip: IpAddr| SocketAddr::new(ip, DNS_PORT));
        let server = bare.or_else(|| text.parse().ok()).map(Self);
        if server.is_none() {
            problems.error(node.place, format!("expected {expected}, found {}", shown(text)));
        }
        server
    }
}

impl JsonSchema for DnsServer {
    fn schema_name() -> Cow<'static, str> {
        "DnsServer".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "minLength": 2 })
    }
}

/// `ADDRESS:PORT` to bind to.
#[derive(Clone, Copy, Debug)]
pub(super) struct BindAddress(pub SocketAddr);

impl Value for BindAddress {
    fn read(node: &Node, problems: &mut Problems) -> Option<Self> {
        let expected = "ADDRESS:PORT such as 0.0.0.0:5060 or \"[::]:5060\"";
        let text = scalar(node, expected, problems)?;
        let address = text.parse().ok().map(Self);
        if address.is_none() {
            problems.error(node.place, format!("expected {expected}, found {}", shown(text)));
        }
        address
    }
}

impl JsonSchema for BindAddress {
    fn schema_name() -> Cow<'static, str> {
        "BindAddress".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^.+:[0-9]{1,5}$" })
    }
}

/// `FIRST-LAST`, ports.
#[derive(Clone, Copy, Debug)]
pub(super) struct PortRange {
    pub first: u16,
    pub last: u16,
}

impl PortRange {
    /// How many pairs of an even port and the odd one after it.
    pub fn pairs(self) -> usize {
        (usize::from(self.last) + 1 - usize::from(self.first)) / 2
    }
}

impl Value for PortRange {
    fn read(node: &Node, problems: &mut Problems) -> Option<Self> {
        let expected = "a range of ports such as 16384-16482";
        let text = scalar(node, expected, problems)?;
        let ports = text.split_once('-').and_then(|(first, last)| {
            let port = |text: &str| text.trim().parse::<u16>().ok().filter(|port| *port > 0);
            Some((port(first)?, port(last)?))
        });
        let complaint = match ports {
            None => format!("expected {expected}, found {}", shown(text)),
            Some((first, last)) if first >= last => {
                "the first port of the range is not below the last".to_owned()
            }
            Some((first, _)) if first % 2 == 1 => {
                format!(
                    "the first port is odd: RTP takes even ports, so the range begins at {}",
                    first.saturating_add(1)
                )
            }
            Some((first, _)) if first < 1024 => "ports below 1024 belong to the system".to_owned(),
            Some((first, last)) => return Some(Self { first, last }),
        };
        problems.error(node.place, complaint);
        None
    }
}

impl JsonSchema for PortRange {
    fn schema_name() -> Cow<'static, str> {
        "PortRange".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[0-9]{4,5}-[0-9]{4,5}$" })
    }
}
