//! Sections of the file, declared once: each declaration makes the type, the code that reads it with every
//! complaint at its place, and the JSON Schema.

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::json;

use super::nearest::suggestion;
use super::problem::{Place, Problems};
use super::tree::{self, Content, Node};

/// Something that stands in the file.
pub(super) trait Value: JsonSchema + Sized {
    /// Reads it. `None` after a complaint.
    fn read(node: &Node, problems: &mut Problems) -> Option<Self>;
}

/// A value and where it stands; for a default, where its section stands.
#[derive(Clone, Debug)]
pub(super) struct Located<T> {
    pub place: Place,
    pub value: T,
}

impl<T: Value> Located<T> {
    pub fn read(node: &Node, problems: &mut Problems) -> Option<Self> {
        T::read(node, problems).map(|value| Self {
            place: node.place,
            value,
        })
    }
}

/// The keys of a section while it is read.
pub(super) struct Fields<'a> {
    place: Place,
    entries: Vec<(&'a str, &'a Node)>,
    problems: &'a mut Problems,
}

impl<'a> Fields<'a> {
    /// Complains about unknown and repeated keys. An empty section has no keys.
    pub fn of(node: &'a Node, keys: &[&'static str], problems: &'a mut Problems) -> Option<Self> {
        let written = match &node.content {
            Content::Map(entries) => entries.as_slice(),
            Content::Broken => return None,
            _ if node.is_null() => &[],
            Content::Scalar { .. } | Content::List(_) => {
                problems.error(
                    node.place,
                    format!("expected a section with keys, found {}", node.kind()),
                );
                return None;
            }
        };
        let mut entries: Vec<(&str, &Node)> = Vec::new();
        for (key, value) in written {
            let text = key.text.as_str();
            if !keys.contains(&text) {
                let shown: String = text.chars().take(40).collect();
                let meant = suggestion(text, keys.iter().copied());
                let meant = if meant.is_empty() {
                    format!("; known here: {}", keys.join(", "))
                } else {
                    meant
                };
                problems.error(
                    key.place,
                    format!("unknown key `{}`{meant}", shown.escape_debug()),
                );
            } else if entries.iter().any(|(known, _)| *known == text) {
                problems.error(key.place, format!("key `{text}` is repeated"));
            } else {
                entries.push((text, value));
            }
        }
        Some(Self {
            place: node.place,
            entries,
            problems,
        })
    }

    fn entry(&self, key: &str) -> Option<&'a Node> {
        self.entries
            .iter()
            .find(|(known, _)| *known == key)
            .map(|(_, node)| *node)
    }

    pub fn optional<T: Value>(&mut self, key: &str) -> Option<Located<T>> {
        Located::read(self.entry(key)?, self.problems)
    }

    pub fn required<T: Value>(&mut self, key: &str) -> Option<Located<T>> {
        if self.entry(key).is_none() {
            self.problems.error(self.place, format!("`{key}` is missing"));
        }
        self.optional(key)
    }

    /// `default` is YAML, as it would stand in the file.
    pub fn or_default<T: Value>(&mut self, key: &str, default: &str) -> Located<T> {
        if let Some(value) = self.optional(key) {
            return value;
        }
        let mut scratch = Problems::default();
        let node = tree::read(default.as_bytes(), &mut scratch);
        #[expect(
            clippy::expect_used,
            reason = "defaults are constants of ours, and a test reads them all"
        )]
        let value = node
            .and_then(|node| T::read(&node, &mut scratch))
            .expect("a default of ours");
        Located {
            place: self.place,
            value,
        }
    }
}

/// One key for the schema.
pub(super) struct Property {
    pub key: &'static str,
    pub description: &'static str,
    pub schema: Schema,
    pub required: bool,
    pub default: Option<&'static str>,
}

/// The schema of a section.
pub(super) fn section_schema(description: &str, properties: Vec<Property>) -> Schema {
    let mut object = serde_json::Map::new();
    let mut required = Vec::new();
    for property in properties {
        let mut schema = property.schema;
        schema.insert("description".to_owned(), property.description.trim().into());
        if let Some(default) = property.default.and_then(default_json) {
            schema.insert("default".to_owned(), default);
        }
        if property.required {
            required.push(property.key);
        }
        object.insert(property.key.to_owned(), schema.to_value());
    }
    let mut schema = schemars::json_schema!({
        "type": "object",
        "description": description.trim(),
        "properties": object,
        "additionalProperties": false,
    });
    if !required.is_empty() {
        schema.insert("required".to_owned(), json!(required));
    }
    schema
}

/// A default as JSON.
fn default_json(text: &str) -> Option<serde_json::Value> {
    tree::read(text.as_bytes(), &mut Problems::default()).map(|node| to_json(&node))
}

fn to_json(node: &Node) -> serde_json::Value {
    match &node.content {
        Content::Scalar {
            text, plain: true, ..
        } => serde_json::from_str(text).unwrap_or_else(|_| json!(text)),
        Content::Scalar { text, .. } => json!(text),
        Content::List(list) => list.iter().map(to_json).collect(),
        Content::Map(entries) => entries
            .iter()
            .map(|(key, node)| (key.text.clone(), to_json(node)))
            .collect(),
        Content::Broken => serde_json::Value::Null,
    }
}

/// Declares a section: `key: required Type;`, `key: optional Type;` or `key: default Type = "yaml";`.
macro_rules! section {
    (
        $(#[doc = $about:literal])+
        $name:ident {
            $($(#[doc = $doc:literal])+ $key:ident: $presence:ident $type:ty $(= $default:literal)?;)+
        }
    ) => {
        $(#[doc = $about])+
        #[derive(Clone, Debug)]
        pub(super) struct $name {
            $($(#[doc = $doc])+ pub $key: section!(@type $presence $type),)+
        }

        impl $crate::config::section::Value for $name {
            fn read(
                node: &$crate::config::tree::Node,
                problems: &mut $crate::config::problem::Problems,
            ) -> Option<Self> {
                let keys = [$(stringify!($key)),+];
                let mut fields = $crate::config::section::Fields::of(node, &keys, problems)?;
                Some(Self {
                    $($key: section!(@read $presence fields stringify!($key) $(, $default)?),)+
                })
            }
        }

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                let properties = vec![$($crate::config::section::Property {
                    key: stringify!($key),
                    description: concat!($($doc),+),
                    schema: generator.subschema_for::<$type>(),
                    required: section!(@required $presence),
                    default: section!(@default $($default)?),
                }),+];
                $crate::config::section::section_schema(concat!($($about),+), properties)
            }
        }
    };
    (@type default $type:ty) => { $crate::config::section::Located<$type> };
    (@type $presence:ident $type:ty) => { Option<$crate::config::section::Located<$type>> };
    (@read default $fields:ident $key:expr, $default:literal) => { $fields.or_default($key, $default) };
    (@read $presence:ident $fields:ident $key:expr) => { $fields.$presence($key) };
    (@required required) => { true };
    (@required $presence:ident) => { false };
    (@default) => { None };
    (@default $default:literal) => { Some($default) };
}

/// Declares a value that is one of a few words.
macro_rules! choice {
    ($(#[doc = $about:literal])+ $name:ident { $($(#[doc = $doc:literal])+ $variant:ident = $word:literal,)+ }) => {
        $(#[doc = $about])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum $name {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl $crate::config::section::Value for $name {
            fn read(
                node: &$crate::config::tree::Node,
                problems: &mut $crate::config::problem::Problems,
            ) -> Option<Self> {
                let words = [$(($word, Self::$variant)),+];
                $crate::config::value::one_of(node, &words, problems)
            }
        }

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn inline_schema() -> bool {
                true
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "enum": [$($word),+] })
            }
        }
    };
}

pub(super) use {choice, section};

/// A list of values.
impl<T: Value> Value for Vec<Located<T>> {
    fn read(node: &Node, problems: &mut Problems) -> Option<Self> {
        match &node.content {
            Content::List(list) => Some(
                list.iter()
                    .filter_map(|node| Located::read(node, problems))
                    .collect(),
            ),
            Content::Broken => None,
            Content::Scalar { .. } | Content::Map(_) => {
                problems.error(node.place, format!("expected a list, found {}", node.kind()));
                None
            }
        }
    }
}

impl<T: JsonSchema> JsonSchema for Located<T> {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        T::schema_name()
    }

    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}
