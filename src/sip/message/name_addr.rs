//! `"Display name" <uri>;params`: From, To, Contact, Route and their kin (RFC 3261 sections 20.10 and 25.1).

use super::{Params, Uri, lex};
use std::borrow::Cow;
use std::fmt;

/// A name, a URI, and parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameAddr {
    /// Display name, without quotes.
    pub display: Option<String>,
    /// The URI.
    pub uri: Uri,
    /// Parameters of the header field.
    pub params: Params,
}

impl NameAddr {
    /// A URI without a name.
    pub const fn new(uri: Uri) -> Self {
        Self {
            display: None,
            uri,
            params: Params::new(),
        }
    }

    /// With a display name.
    #[must_use]
    pub fn with_display(mut self, name: Option<&str>) -> Self {
        self.display = name.map(str::to_owned);
        self
    }

    /// With a tag.
    #[must_use]
    pub fn with_tag(mut self, tag: &str) -> Self {
        self.params.set("tag", tag);
        self
    }

    /// The `tag` parameter.
    pub fn tag(&self) -> Option<Cow<'_, str>> {
        self.params.value("tag")
    }

    /// Reads one; `None` where the text is none.
    ///
    /// More is taken than the grammar has: an unquoted display name of any characters (people's names contain
    /// brackets and commas, and servers forget the quotes), and spaces inside the angle brackets' ends.
    pub fn parse(text: &str) -> Option<Self> {
        let text = lex::trim(text);
        let (display, rest) = match text.strip_prefix('"') {
            Some(_) => {
                let (name, rest) = lex::take_quoted(text)?;
                (Some(name), lex::trim(rest))
            }
            None => match text.split_once('<') {
                None => return Self::parse_addr_spec(text),
                Some((name, _)) => {
                    let rest = text.get(name.len()..)?;
                    (
                        Some(lex::trim(name))
                            .filter(|name| !name.is_empty())
                            .map(str::to_owned),
                        rest,
                    )
                }
            },
        };
        if display.as_ref().is_some_and(|name| name.contains('"')) && !text.starts_with('"') {
            return None;
        }
        let (uri, params) = rest.strip_prefix('<')?.split_once('>')?;
        Some(Self {
            display,
            uri: Uri::parse(lex::trim(uri)).ok()?,
            params: Params::parse(params)?,
        })
    }

    /// Without angle brackets everything after the first semicolon belongs to the header field, and a URI with
    /// a comma or question mark must have brackets (RFC 3261 section 20.10).
    fn parse_addr_spec(text: &str) -> Option<Self> {
        let end = text.find(';').unwrap_or(text.len());
        let (uri, params) = text.split_at(end);
        let uri = lex::trim(uri);
        if uri.contains([',', '?']) {
            return None;
        }
        Some(Self {
            display: None,
            uri: Uri::parse(uri).ok()?,
            params: Params::parse(params)?,
        })
    }
}

impl fmt::Display for NameAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(name) = &self.display {
            write!(f, "{} ", lex::quote(name))?;
        }
        write!(f, "<{}>{}", self.uri, self.params)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_the_standard() {
        let full =
            NameAddr::parse(r#""J \"Rosenberg\"" <sip:jdrosen@example.com;lr>;tag = 98asjd8"#).unwrap();
        assert_eq!(full.display.as_deref(), Some("J \"Rosenberg\""));
        assert_eq!(full.uri.to_string(), "sip:jdrosen@example.com;lr");
        assert_eq!(full.tag().as_deref(), Some("98asjd8"));
        assert_eq!(
            full.to_string(),
            r#""J \"Rosenberg\"" <sip:jdrosen@example.com;lr>;tag=98asjd8"#
        );

        let bare = NameAddr::parse("sip:caller@u1.example.com;tag=5").unwrap();
        assert_eq!(bare.uri.to_string(), "sip:caller@u1.example.com");
        assert_eq!(bare.tag().as_deref(), Some("5"));

        assert_eq!(
            NameAddr::parse("caller<sip:caller@example.com>")
                .unwrap()
                .display
                .as_deref(),
            Some("caller")
        );
        assert_eq!(NameAddr::parse("<tel:+31201234567>").unwrap().display, None);
        assert_eq!(
            NameAddr::parse("\"\" <sip:a@b>").unwrap().display.as_deref(),
            Some("")
        );
    }

    #[test]
    fn names_that_servers_forget_to_quote_are_taken() {
        let name = NameAddr::parse("Bell, Alexander (Work) <sip:a.g.bell@example.com>;tag=43").unwrap();
        assert_eq!(name.display.as_deref(), Some("Bell, Alexander (Work)"));
        assert_eq!(name.tag().as_deref(), Some("43"));
        assert!(NameAddr::parse("\"Watson\" < sip:t.watson@example.org >").is_some());
    }

    #[test]
    fn broken_ones() {
        for text in [
            "",
            "\"Mr. J. User <sip:j.user@example.com>",
            "<sip:a@b",
            "sip:user@example.com?Route=%3Csip:sip.example.com%3E",
            "<sip:a@b>;;tag=1",
            "<sip:a@b> tag=1",
            "a\"b <sip:a@b>",
            "\"a\" b <sip:a@b>",
            "Bob",
        ] {
            assert_eq!(NameAddr::parse(text), None, "{text}");
        }
    }
}
