//! The section `nat`: its values, and what conflicts.

use std::borrow::Cow;
use std::net::IpAddr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::file::{IceName, NatFile};
use super::model::{HostPort, Ice, Nat, Password};
use super::problem::Problems;
use super::section::{Located, Value};
use super::server::host_and_port;
use super::tree::Node;
use super::value::scalar;

/// Port of STUN and TURN (RFC 8489 section 18.6).
const STUN_PORT: u16 = 3478;

/// `HOST[:PORT]`.
#[derive(Clone, Debug)]
pub(super) struct NatServer(pub HostPort);

impl Value for NatServer {
    fn read(node: &Node, problems: &mut Problems) -> Option<Self> {
        let text = scalar(node, "HOST or HOST:PORT", problems)?;
        match host_and_port(text) {
            Ok((host, port)) => Some(Self(HostPort {
                host,
                port: port.unwrap_or(STUN_PORT),
            })),
            Err(_) => {
                let text = "expected HOST or HOST:PORT, an IPv6 address in brackets";
                problems.error(node.place, text);
                None
            }
        }
    }
}

impl JsonSchema for NatServer {
    fn schema_name() -> Cow<'static, str> {
        "NatServer".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "minLength": 1 })
    }
}

/// A literal address.
#[derive(Clone, Debug)]
pub(super) struct IpAddress(pub IpAddr);

impl Value for IpAddress {
    fn read(node: &Node, problems: &mut Problems) -> Option<Self> {
        let text = scalar(node, "an IP address", problems)?;
        let address = text.parse().ok().filter(|ip: &IpAddr| !ip.is_unspecified());
        if address.is_none() {
            problems.error(
                node.place,
                "expected an IP address, as 203.0.113.7 or 2001:db8::7",
            );
        }
        address.map(Self)
    }
}

impl JsonSchema for IpAddress {
    fn schema_name() -> Cow<'static, str> {
        "IpAddress".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "anyOf": [{ "format": "ipv4" }, { "format": "ipv6" }] })
    }
}

/// The checked section.
pub(super) fn nat(file: &Located<NatFile>, problems: &mut Problems) -> Nat {
    let nat = &file.value;
    let turn_password = match (&nat.turn_password, &nat.turn_password_file) {
        (Some(password), Some(path)) => {
            problems.error(
                password.place.max(path.place),
                "`turn_password` and `turn_password_file` are both given: one of them is enough",
            );
            Password::None
        }
        (Some(password), None) => Password::Given(password.value.0.clone()),
        (None, Some(path)) => Password::File(path.value.0.clone()),
        (None, None) => Password::None,
    };
    if let Some(server) = &nat.turn_server {
        if nat.turn_username.is_none() || turn_password == Password::None {
            problems.error(
                server.place,
                "a TURN server wants `turn_username` and `turn_password`",
            );
        }
        if ice(nat.ice.value) == Ice::Off {
            problems.warning(server.place, "without ICE the TURN server is never used");
        }
    }
    Nat {
        ice: ice(nat.ice.value),
        stun_server: nat.stun_server.as_ref().map(|server| server.value.0.clone()),
        turn_server: nat.turn_server.as_ref().map(|server| server.value.0.clone()),
        turn_username: nat.turn_username.as_ref().map(|name| name.value.0.clone()),
        turn_password,
        external_address: nat.external_address.as_ref().map(|address| address.value.0),
    }
}

/// The choice, in the model's words.
pub(super) const fn ice(name: IceName) -> Ice {
    match name {
        IceName::Off => Ice::Off,
        IceName::Answer => Ice::Answer,
        IceName::Offer => Ice::Offer,
    }
}
