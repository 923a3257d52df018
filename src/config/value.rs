//! Single values: text by rules, numbers with their ranges, secrets.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use secrecy::SecretString;

use super::nearest::suggestion;
use super::problem::Problems;
use super::section::Value;
use super::tree::{Content, Node};

/// Longest single text.
const TEXT_MAX: usize = 255;

/// The text of a single value that is there.
pub(super) fn scalar<'a>(node: &'a Node, expected: &str, problems: &mut Problems) -> Option<&'a str> {
    match &node.content {
        Content::Broken => None,
        Content::Scalar { text, .. } if !node.is_null() => Some(text),
        Content::Scalar { .. } | Content::List(_) | Content::Map(_) => {
            problems.error(node.place, format!("expected {expected}, found {}", node.kind()));
            None
        }
    }
}

/// The text of a value written without quotes.
fn plain<'a>(node: &'a Node, expected: &str, problems: &mut Problems) -> Option<&'a str> {
    let text = scalar(node, expected, problems)?;
    if matches!(node.content, Content::Scalar { plain: true, .. }) {
        Some(text)
    } else {
        problems.error(node.place, format!("expected {expected}, found text in quotes"));
        None
    }
}

/// Text in an error: short, nothing unprintable.
pub(super) fn shown(text: &str) -> String {
    let mut short: String = text.chars().take(40).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    format!("`{}`", short.escape_debug().to_string().replace("\\\"", "\""))
}

/// One of several words.
pub(super) fn one_of<T: Copy>(node: &Node, words: &[(&str, T)], problems: &mut Problems) -> Option<T> {
    let names: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
    let expected = match names.as_slice() {
        [only] => format!("`{only}`"),
        names => format!("one of {}", names.join(", ")),
    };
    let text = scalar(node, &expected, problems)?;
    let found = words.iter().find(|(word, _)| *word == text);
    if found.is_none() {
        let meant = suggestion(text, names);
        problems.error(
            node.place,
            format!("expected {expected}, found {}{meant}", shown(text)),
        );
    }
    found.map(|(_, value)| *value)
}

impl Value for bool {
    fn read(node: &Node, problems: &mut Problems) -> Option<Self> {
        let expected = "`true` or `false`";
        match plain(node, expected, problems)? {
            "true" | "True" | "TRUE" => Some(true),
            "false" | "False" | "FALSE" => Some(false),
            other => {
                problems.error(node.place, format!("expected {expected}, found {}", shown(other)));
                None
            }
        }
    }
}

/// A whole number from `MIN` to `MAX`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Whole<const MIN: u32, const MAX: u32>(pub u32);

impl<const MIN: u32, const MAX: u32> Value for Whole<MIN, MAX> {
    fn read(node: &Node, problems: &mut Problems) -> Option<Self> {
        let expected = format!("a whole number from {MIN} to {MAX}");
        let text = plain(node, &expected, problems)?;
        match text.parse::<u32>() {
            Ok(number) if (MIN..=MAX).contains(&number) => Some(Self(number)),
            _ => {
                problems.error(node.place, format!("expected {expected}, found {}", shown(text)));
                None
            }
        }
    }
}

impl<const MIN: u32, const MAX: u32> JsonSchema for Whole<MIN, MAX> {
    fn schema_name() -> Cow<'static, str> {
        format!("Whole_{MIN}_{MAX}").into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "integer", "minimum": MIN, "maximum": MAX })
    }
}

/// A gain from `MIN` to `MAX` in steps of half a decibel.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gain<const MIN: i32, const MAX: i32>(pub f32);

impl<const MIN: i32, const MAX: i32> Value for Gain<MIN, MAX> {
    fn read(node: &Node, problems: &mut Problems) -> Option<Self> {
        let expected = format!("a number from {MIN} to {MAX} in steps of 0.5");
        let text = plain(node, &expected, problems)?;
        match text.parse::<f32>() {
            Ok(gain) if (MIN as f32..=MAX as f32).contains(&gain) && (gain * 2.0).fract() == 0.0 => {
                Some(Self(gain))
            }
            _ => {
                problems.error(node.place, format!("expected {expected}, found {}", shown(text)));
                None
            }
        }
    }
}

impl<const MIN: i32, const MAX: i32> JsonSchema for Gain<MIN, MAX> {
    fn schema_name() -> Cow<'static, str> {
        format!("Gain_{MIN}_{MAX}").into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "number", "minimum": MIN, "maximum": MAX, "multipleOf": 0.5 })
    }
}

/// Declares a value that is text with a rule: what is expected, the rule, and the pattern for the schema.
macro_rules! text {
    ($(#[doc = $about:literal])+ $name:ident: $expected:literal, $rule:expr, $schema:tt) => {
        $(#[doc = $about])+
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub(super) struct $name(pub String);

        impl Value for $name {
            fn read(node: &Node, problems: &mut Problems) -> Option<Self> {
                let text = scalar(node, $expected, problems)?;
                let rule: fn(&str) -> bool = $rule;
                if text.len() <= TEXT_MAX && rule(text) {
                    return Some(Self(text.to_owned()));
                }
                problems.error(node.place, format!("expected {}, found {}", $expected, shown(text)));
                None
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn inline_schema() -> bool {
                true
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    };
}

text!(
    /// Text for people.
    Text: "text of one line", |text| !text.is_empty() && !text.contains(char::is_control),
    { "type": "string", "minLength": 1, "maxLength": TEXT_MAX }
);

text!(
    /// A header's value; may be empty.
    HeaderText: "text of one line", |text| !text.contains(char::is_control),
    { "type": "string", "maxLength": TEXT_MAX }
);

text!(
    /// The name of a line or an account, as it is written in commands.
    Name: "a name of letters, digits, `-`, `_` and `.`",
    |text| !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || "-_.".contains(c)),
    { "type": "string", "minLength": 1, "maxLength": TEXT_MAX }
);

text!(
    /// User part of a SIP address.
    User: "a SIP user name, without `@` and spaces",
    |text| !text.is_empty() && !text.contains(|c: char| c.is_control() || c.is_whitespace() || "@<>\":".contains(c)),
    { "type": ["string", "integer"], "minLength": 1, "maxLength": TEXT_MAX }
);

text!(
    /// A domain name or address.
    Domain: "a domain name or an address",
    |text| super::server::is_host(text) || super::server::is_ipv6_reference(text),
    { "type": "string", "minLength": 1, "maxLength": TEXT_MAX }
);

text!(
    /// A URI that goes into a header between angle brackets.
    Uri: "a URI such as https://lis.example.net/location/7",
    |text| text.split_once(':').is_some_and(|(scheme, rest)| !scheme.is_empty() && !rest.is_empty())
        && text.bytes().all(|byte| byte.is_ascii_graphic() && !b"<>\"".contains(&byte)),
    { "type": "string", "minLength": 3, "maxLength": TEXT_MAX }
);

text!(
    /// Keys of a telephone.
    Keys: "digits, `*` or `#` (32 at most)",
    |text| (1..=32).contains(&text.len()) && text.bytes().all(|key| key.is_ascii_digit() || b"*#".contains(&key)),
    { "type": ["string", "integer"], "pattern": "^[0-9*#]{1,32}$" }
);

text!(
    /// Whether to subscribe to messages waiting, or of which mailbox.
    MailboxText: "true, false, or the mailbox's sip: URI",
    |text| matches!(text, "true" | "false") || is_sip_uri(text),
    { "type": ["boolean", "string"], "pattern": "^sip:" }
);

text!(
    /// The address of somebody at a SIP server.
    SipUriText: "a sip: URI, as in sip:user@host", is_sip_uri,
    { "type": "string", "pattern": "^sip:" }
);

/// Well enough formed to be written between angle brackets; the user agent reads the rest.
fn is_sip_uri(text: &str) -> bool {
    let rest = text.strip_prefix("sip:").unwrap_or_default();
    let host = rest.split_once('@').map_or(rest, |(_, host)| host);
    let host = host.split([';', ':', '?']).next().unwrap_or_default();
    (super::server::is_host(host) || rest.contains('['))
        && !text.contains(|c: char| c.is_control() || c.is_whitespace() || "<>\",".contains(c))
}

text!(
    /// A code of the line's own, dialled before a number. No emergency number begins like one.
    FeatureCode: "a code of `*` or `#` and up to seven more keys, or off",
    |text| text == "off"
        || (2..=8).contains(&text.len())
            && text.starts_with(['*', '#'])
            && text.bytes().all(|key| key.is_ascii_digit() || b"*#".contains(&key)),
    { "type": "string", "pattern": "^(off|[*#][0-9*#]{1,7})$" }
);

text!(
    /// What a hotline calls.
    Callee: "a number or a SIP user name",
    |text| (1..=64).contains(&text.len()) && text.bytes().all(|c| c.is_ascii_alphanumeric() || b"+*#-_.".contains(&c)),
    { "type": ["string", "integer"], "pattern": "^[A-Za-z0-9+*#_.-]{1,64}$" }
);

text!(
    /// One key of a telephone that delimits caller ID.
    DelimiterKey: "one of A, B, C, D, #, *",
    |text| matches!(text, "A" | "B" | "C" | "D" | "#" | "*"),
    { "type": "string", "enum": ["A", "B", "C", "D", "#", "*"] }
);

text!(
    /// A line of a GPIO chip, by number or name.
    GpioLineText: "the number or the name of a GPIO line",
    |text| !text.is_empty() && text.len() <= 32 && !text.contains(|c: char| c.is_control() || c.is_whitespace()),
    { "type": ["string", "integer"], "minLength": 1, "maxLength": 32 }
);

/// A password. Not even a complaint about it shows it.
#[derive(Clone, Debug)]
pub(super) struct Secret(pub SecretString);

impl Value for Secret {
    fn read(node: &Node, problems: &mut Problems) -> Option<Self> {
        let text = scalar(node, "a password", problems)?;
        if text.contains(char::is_control) {
            problems.error(node.place, "expected a password of one line");
            return None;
        }
        Some(Self(SecretString::from(text)))
    }
}

impl JsonSchema for Secret {
    fn schema_name() -> Cow<'static, str> {
        "Secret".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "integer"], "writeOnly": true })
    }
}
