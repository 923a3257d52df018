//! Who may speak to us: addresses, networks, or `any`.

use std::borrow::Cow;
use std::net::IpAddr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::model::AcceptFrom;
use super::problem::Problems;
use super::section::{Located, Value};
use super::tree::Node;
use super::value::{scalar, shown};

const EXPECTED: &str = "an address such as 192.0.2.7, a network such as 192.0.2.0/24, or `any`";

/// One entry of `accept_from`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// Whoever it is.
    Any,
    /// Addresses that share this one's first bits.
    Network(IpAddr, u8),
}

impl Value for Source {
    fn read(node: &Node, problems: &mut Problems) -> Option<Self> {
        let text = scalar(node, EXPECTED, problems)?;
        match parse(text) {
            Ok(source) => Some(source),
            Err(complaint) => {
                problems.error(node.place, complaint);
                None
            }
        }
    }
}

impl JsonSchema for Source {
    fn schema_name() -> Cow<'static, str> {
        "Source".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^(any|[0-9A-Fa-f.:]+(/[0-9]{1,3})?)$" })
    }
}

fn parse(text: &str) -> Result<Source, String> {
    if text == "any" {
        return Ok(Source::Any);
    }
    let (address, bits) = match text.split_once('/') {
        Some((address, bits)) => (address, Some(bits)),
        None => (text, None),
    };
    let Ok(address) = address.parse::<IpAddr>() else {
        return Err(format!("expected {EXPECTED}, found {}", shown(text)));
    };
    let (whole, most): (u128, u8) = match address {
        IpAddr::V4(v4) => (u128::from(v4.to_bits()) << 96, 32),
        IpAddr::V6(v6) => (v6.to_bits(), 128),
    };
    let bits = match bits.map(str::parse::<u8>) {
        None => most,
        Some(Ok(bits)) if bits <= most => bits,
        Some(_) => {
            return Err(format!(
                "expected 0 to {most} bits after `/`, found {}",
                shown(text)
            ));
        }
    };
    // `192.0.2.7/24` is a slip: was the host meant, or the network?
    if whole.checked_shl(bits.into()).is_some_and(|host| host != 0) {
        return Err(format!(
            "{} has bits set after the first {bits}: expected the network's own address",
            shown(text)
        ));
    }
    Ok(Source::Network(address, bits))
}

/// A list as typed → checked.
pub(super) fn model(list: Option<&Located<Vec<Located<Source>>>>) -> AcceptFrom {
    let mut accepted = AcceptFrom::default();
    for source in list.map_or(&[][..], |list| &list.value) {
        match source.value {
            Source::Any => accepted.anybody = true,
            Source::Network(address, bits) => accepted.networks.push((address, bits)),
        }
    }
    accepted
}

/// An account's list: `any` is nobody's server.
pub(super) fn account_model(
    list: Option<&Located<Vec<Located<Source>>>>,
    problems: &mut Problems,
) -> AcceptFrom {
    for source in list.map_or(&[][..], |list| &list.value) {
        if source.value == Source::Any {
            problems.error(
                source.place,
                "`any` concerns all accounts: write it under `sip.accept_from`",
            );
        }
    }
    AcceptFrom {
        anybody: false,
        ..model(list)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_networks_and_slips() {
        let network = |address: &str, bits| Ok(Source::Network(address.parse().unwrap(), bits));
        assert_eq!(parse("any"), Ok(Source::Any));
        assert_eq!(parse("192.0.2.7"), network("192.0.2.7", 32));
        assert_eq!(parse("192.0.2.0/24"), network("192.0.2.0", 24));
        assert_eq!(parse("0.0.0.0/0"), network("0.0.0.0", 0));
        assert_eq!(parse("::/0"), network("::", 0));
        assert_eq!(parse("2001:db8::/32"), network("2001:db8::", 32));
        assert_eq!(parse("2001:db8::1/128"), network("2001:db8::1", 128));
        for slip in [
            "",
            "Any",
            "pbx.example.net",
            "192.0.2.7/24",
            "192.0.2.0/33",
            "::1/129",
            "192.0.2.0/",
            "192.0.2.0/-1",
            "1.2.3",
            "2001:db8::1/32",
        ] {
            assert!(parse(slip).is_err(), "{slip}");
        }
    }
}
