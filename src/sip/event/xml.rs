//! As much XML as the bodies of event packages need: text written so that it can stand anywhere, and elements found by
//! their local names. No entities beyond the five of XML itself, no document types: there is nothing to expand.

/// Deepest nesting that is followed.
const DEPTH_MAX: usize = 16;

/// Text as it may stand in an element or between quotes.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            // XML 1.0 has no other control characters.
            other if other.is_control() && !matches!(other, '\t' | '\n' | '\r') => {}
            other => out.push(other),
        }
    }
    out
}

/// One start tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Element {
    /// Name without its namespace's prefix.
    pub name: String,
    /// Attributes, prefixes left off.
    pub attributes: Vec<(String, String)>,
    /// How many elements it stands in.
    pub depth: usize,
    /// The text up to the next tag.
    pub text: String,
}

impl Element {
    /// An attribute.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        let mut named = self.attributes.iter().filter(|(own, _)| own == name);
        named.next().map(|(_, value)| value.as_str())
    }
}

/// The elements of a document in their order; `None`: it isn't well formed, or is more than we read.
pub fn elements(document: &[u8]) -> Option<Vec<Element>> {
    let mut rest = std::str::from_utf8(document).ok()?;
    let mut found: Vec<Element> = Vec::new();
    let mut open: Vec<&str> = Vec::new();
    while let Some(start) = rest.find('<') {
        let (text, tag) = rest.split_at(start);
        if let Some(last) = found.last_mut()
            && last.text.is_empty()
        {
            last.text = unescaped(text.trim())?;
        }
        let tag = tag.get(1..)?;
        if let Some(comment) = tag.strip_prefix("!--") {
            rest = comment.split_once("-->")?.1;
        } else if let Some(instruction) = tag.strip_prefix('?') {
            rest = instruction.split_once("?>")?.1;
        } else if tag.starts_with('!') {
            // A document type or a CDATA section: nobody sends them, and entities are declared there.
            return None;
        } else if let Some(end) = tag.strip_prefix('/') {
            let (name, after) = end.split_once('>')?;
            if open.pop()? != name.trim() {
                return None;
            }
            rest = after;
        } else {
            let end = end_of_tag(tag)?;
            let (inner, after) = (tag.get(..end)?, tag.get(end + 1..)?);
            let (inner, empty) = match inner.strip_suffix('/') {
                Some(inner) => (inner, true),
                None => (inner, false),
            };
            let name_end = inner.find(char::is_whitespace).unwrap_or(inner.len());
            let (name, attributes) = inner.split_at(name_end);
            if name.is_empty() || open.len() >= DEPTH_MAX {
                return None;
            }
            found.push(Element {
                name: local(name).to_owned(),
                attributes: read_attributes(attributes)?,
                depth: open.len(),
                text: String::new(),
            });
            if !empty {
                open.push(name);
            }
            rest = after;
        }
    }
    (open.is_empty() && !found.is_empty()).then_some(found)
}

fn local(name: &str) -> &str {
    name.rsplit(':').next().unwrap_or(name)
}

/// Where the tag's `>` is; one between quotes doesn't count.
fn end_of_tag(tag: &str) -> Option<usize> {
    let mut quote = None;
    for (at, character) in tag.char_indices() {
        match (quote, character) {
            (None, '>') => return Some(at),
            (None, '"' | '\'') => quote = Some(character),
            (Some(open), _) if open == character => quote = None,
            _ => {}
        }
    }
    None
}

fn read_attributes(text: &str) -> Option<Vec<(String, String)>> {
    let mut rest = text.trim_start();
    let mut attributes = Vec::new();
    while !rest.is_empty() {
        let (name, after) = rest.split_once('=')?;
        let after = after.trim_start();
        let quote = after.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
        let (value, after) = after.get(1..)?.split_once(quote)?;
        attributes.push((local(name.trim()).to_owned(), unescaped(value)?));
        rest = after.trim_start();
    }
    Some(attributes)
}

/// The text that stands for itself; `None`: an entity that XML itself has not.
fn unescaped(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        out.push_str(before);
        let (entity, after) = after.split_once(';')?;
        out.push(match entity {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "apos" => '\'',
            number => {
                let number = number.strip_prefix('#')?;
                let code = match number.strip_prefix('x') {
                    Some(hex) => u32::from_str_radix(hex, 16),
                    None => number.parse(),
                };
                char::from_u32(code.ok()?)?
            }
        });
        rest = after;
    }
    out.push_str(rest);
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn elements_attributes_and_text() {
        let document = br#"<?xml version="1.0"?>
            <!-- <not an="element"> -->
            <p:outer xmlns:p="urn:x" p:a="1 &gt; 0" b='"'><p:inner/> <p:inner>A &amp; B &#x41;</p:inner></p:outer>"#;
        let found = elements(document).unwrap();
        let names: Vec<_> = found
            .iter()
            .map(|e| (e.name.as_str(), e.depth, e.text.as_str()))
            .collect();
        assert_eq!(
            names,
            [("outer", 0, ""), ("inner", 1, ""), ("inner", 1, "A & B A")]
        );
        assert_eq!(found[0].attribute("a"), Some("1 > 0"));
        assert_eq!(found[0].attribute("b"), Some("\""));
    }

    #[test]
    fn what_is_not_well_formed_is_nothing() {
        for wrong in [
            "",
            "text",
            "<a>",
            "<a></b>",
            "</a>",
            "<a b></a>",
            "<a b=c></a>",
            "<a b=\"c></a>",
            "<a>&unknown;</a>",
            "<!DOCTYPE a [<!ENTITY b \"c\">]><a/>",
            "<>x</>",
            &"<a>".repeat(40),
        ] {
            assert_eq!(elements(wrong.as_bytes()), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn text_comes_back_as_it_was(text in "[ -~äß€]{0,40}") {
            let text = text.trim().to_owned();
            let document = format!("<a b=\"{0}\">{0}</a>", escaped(&text));
            let found = elements(document.as_bytes()).unwrap();
            prop_assert_eq!(found[0].attribute("b"), Some(text.as_str()));
            prop_assert_eq!(&found[0].text, &text);
        }

        #[test]
        fn noise_never_panics(noise in "[<>/&;=\"'a-c!?\\-\\[ ]{0,60}") {
            let _ = elements(noise.as_bytes());
        }
    }
}
