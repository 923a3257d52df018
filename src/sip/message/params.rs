//! `;name=value` parameters of header fields and URIs.

use super::lex;
use std::borrow::Cow;
use std::fmt;

/// Parameters in their order. Names compare without regard to case; values are kept as they were written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Params(Vec<Param>);

/// One parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Param {
    /// Its name, as written.
    pub name: String,
    /// Its value as written, quotes and escapes included; `None`: a flag.
    pub value: Option<String>,
}

impl Params {
    /// No parameters.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Reads what follows a value: nothing, or `;` and parameters. `None` where it's anything else.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = lex::trim(text);
        if text.is_empty() {
            return Some(Self::new());
        }
        lex::split(text.strip_prefix(';')?, ';')
            .map(Param::parse)
            .collect::<Option<_>>()
            .map(Self)
    }

    /// Whether the parameter is there, with a value or without.
    pub fn has(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    /// A parameter's value without its quotes; `None` where it has none or isn't there.
    pub fn value(&self, name: &str) -> Option<Cow<'_, str>> {
        self.find(name)?.value.as_deref().map(lex::unquote)
    }

    /// Adds a flag, or replaces a parameter of that name.
    pub fn set_flag(&mut self, name: &str) {
        self.put(name, None);
    }

    /// Adds a parameter, or replaces that of this name; quoted where the value needs it.
    pub fn set(&mut self, name: &str, value: &str) {
        let plain = !value.is_empty()
            && value.bytes().all(|b| {
                lex::is_token_byte(b) || matches!(b, b'[' | b']' | b':' | b'/' | b'+' | b'&' | b'$')
            });
        self.put(
            name,
            Some(if plain {
                value.to_owned()
            } else {
                lex::quote(value)
            }),
        );
    }

    /// Takes a parameter away.
    pub fn remove(&mut self, name: &str) {
        self.0.retain(|param| !param.name.eq_ignore_ascii_case(name));
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Param> {
        self.0.iter()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn find(&self, name: &str) -> Option<&Param> {
        self.0.iter().find(|param| param.name.eq_ignore_ascii_case(name))
    }

    fn put(&mut self, name: &str, value: Option<String>) {
        match self
            .0
            .iter_mut()
            .find(|param| param.name.eq_ignore_ascii_case(name))
        {
            Some(param) => param.value = value,
            None => self.0.push(Param {
                name: name.to_owned(),
                value,
            }),
        }
    }
}

impl fmt::Display for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|param| match &param.value {
            Some(value) => write!(f, ";{}={value}", param.name),
            None => write!(f, ";{}", param.name),
        })
    }
}

impl Param {
    fn parse(text: &str) -> Option<Self> {
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (lex::trim(name), Some(lex::trim(value))),
            None => (text, None),
        };
        // Names are tokens; in URIs `[]/:&+$` and escapes as well (paramchar).
        let name_fits = |b: u8| lex::is_token_byte(b) || b"[]/:&+$()".contains(&b) || b >= 0x80;
        if name.is_empty() || !name.bytes().all(name_fits) {
            return None;
        }
        if let Some(value) = value {
            let whole = match value.strip_prefix('"') {
                Some(_) => lex::take_quoted(value).is_some_and(|(_, rest)| rest.is_empty()),
                None => !value.contains(['"', ' ', '\t', '<', '>', ',']),
            };
            if !whole {
                return None;
            }
        }
        Some(Self {
            name: name.to_owned(),
            value: value.map(str::to_owned),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_ignore_case_and_values_lose_their_quotes() {
        let params = Params::parse(r#";Tag=a1 ; lr ;x = "a;\"b" "#).unwrap();
        assert_eq!(params.value("TAG").as_deref(), Some("a1"));
        assert!(params.has("LR"));
        assert_eq!(params.value("lr"), None);
        assert_eq!(params.value("x").as_deref(), Some("a;\"b"));
        assert_eq!(params.to_string(), r#";Tag=a1;lr;x="a;\"b""#);
    }

    #[test]
    fn empty_and_broken_parameters_are_refused() {
        for text in [
            ";;",
            ";",
            "x",
            ";a b",
            ";=1",
            r#";x="open"#,
            r#";x="a"b"#,
            ";a=1 2",
        ] {
            assert_eq!(Params::parse(text), None, "{text}");
        }
    }

    #[test]
    fn set_replaces_and_quotes_where_needed() {
        let mut params = Params::parse(";rport;branch=x").unwrap();
        params.set("rport", "5060");
        params.set("text", "call \"done\"");
        params.set_flag("lr");
        params.remove("BRANCH");
        assert_eq!(params.to_string(), r#";rport=5060;text="call \"done\"";lr"#);
    }
}
