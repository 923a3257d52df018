//! The smallest pieces of the grammar (RFC 3261 section 25.1): tokens, quoted strings, lists, numbers, escapes.

use std::borrow::Cow;

/// Whether `text` is a non-empty `token`.
pub(super) fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(is_token_byte)
}

/// Whether `byte` may stand in a `token`.
pub(super) fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&byte)
}

/// Without white space at either end.
pub(crate) fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t', '\r', '\n'])
}

/// The bytes without white space at either end.
pub(super) fn trim_bytes(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = bytes {
        bytes = rest;
    }
    while let [rest @ .., b' ' | b'\t' | b'\r'] = bytes {
        bytes = rest;
    }
    bytes
}

/// Splits at `separator` outside quoted strings and angle brackets; the parts are trimmed.
pub(crate) fn split(text: &str, separator: char) -> Split<'_> {
    Split {
        rest: Some(text),
        separator,
    }
}

/// See [`split`].
pub(crate) struct Split<'a> {
    rest: Option<&'a str>,
    separator: char,
}

impl<'a> Iterator for Split<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let text = self.rest.take()?;
        match find_outside(text, self.separator) {
            Some(at) => {
                self.rest = text.get(at + self.separator.len_utf8()..);
                text.get(..at).map(trim)
            }
            None => Some(trim(text)),
        }
    }
}

/// Where `wanted` first stands outside quoted strings and angle brackets.
fn find_outside(text: &str, wanted: char) -> Option<usize> {
    let mut quoted = false;
    let mut escaped = false;
    let mut bracketed = false;
    for (at, c) in text.char_indices() {
        if quoted {
            match c {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '"' => quoted = false,
                _ => {}
            }
            continue;
        }
        match c {
            '"' if !bracketed => quoted = true,
            '<' => bracketed = true,
            '>' => bracketed = false,
            c if c == wanted && !bracketed => return Some(at),
            _ => {}
        }
    }
    None
}

/// Takes a quoted string from the front: its content, and what follows. `None` where none is or it never ends.
pub(crate) fn take_quoted(text: &str) -> Option<(String, &str)> {
    let inner = text.strip_prefix('"')?;
    let mut content = String::with_capacity(inner.len());
    let mut chars = inner.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((content, inner.get(at + 1..)?)),
            '\\' => content.push(chars.next()?.1),
            c => content.push(c),
        }
    }
    None
}

/// The content of a quoted string that is all of `text`; anything else stays as it is.
pub(crate) fn unquote(text: &str) -> Cow<'_, str> {
    match take_quoted(text) {
        Some((content, "")) => Cow::Owned(content),
        _ => Cow::Borrowed(text),
    }
}

/// `content` as a quoted string.
pub(crate) fn quote(content: &str) -> String {
    let mut quoted = String::with_capacity(content.len() + 2);
    quoted.push('"');
    for c in content.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            // Line breaks and NUL have no place in a header field, escaped or not.
            '\r' | '\n' | '\0' => quoted.push(' '),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// An unsigned number of decimal digits only (`parse` would take a sign).
pub(crate) fn number<T: std::str::FromStr>(text: &str) -> Option<T> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

/// Seconds: digits only, too many of them saturate (RFC 3261 section 20: 2**32-1 is the largest).
pub(crate) fn delta_seconds(text: &str) -> Option<u32> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some(text.parse().unwrap_or(u32::MAX))
}

/// `text` with its `%hh` undone; bytes that are no UTF-8 then become U+FFFD, escapes that are none stay.
pub(crate) fn percent_decode(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        match (first, tail) {
            (b'%', [high, low, after @ ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                bytes.push(hex_value(*high) << 4 | hex_value(*low));
                rest = after;
            }
            _ => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    Cow::Owned(String::from_utf8_lossy(&bytes).into_owned())
}

/// `text` with every byte escaped that is neither `unreserved` (RFC 3261 section 25.1) nor in `also`.
pub(crate) fn percent_encode(text: &str, also: &[u8]) -> String {
    use std::fmt::Write;
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.!~*'()".contains(&byte) || also.contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

fn hex_value(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        b'A'..=b'F' => digit - b'A' + 10,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_split_outside_quotes_and_brackets() {
        let parts: Vec<_> = split(r#""a,\",b" <sip:x,y@h>;p="1,2" , sip:z@h ,"#, ',').collect();
        assert_eq!(parts, [r#""a,\",b" <sip:x,y@h>;p="1,2""#, "sip:z@h", ""]);
    }

    #[test]
    fn quoted_strings_come_back() {
        for content in ["", "plain", r#"quo"te"#, r"back\slash", "ümlaut"] {
            assert_eq!(unquote(&quote(content)), content);
        }
        assert_eq!(take_quoted(r#""open"#), None);
        assert_eq!(take_quoted(r#""open\"#), None);
        assert_eq!(unquote("a\"b\""), "a\"b\"");
    }

    #[test]
    fn numbers_have_digits_only() {
        assert_eq!(number::<u16>("5060"), Some(5060));
        assert_eq!(number::<u16>("+5"), None);
        assert_eq!(number::<u16>("65536"), None);
        assert_eq!(number::<u16>(""), None);
        assert_eq!(delta_seconds("99999999999999999999"), Some(u32::MAX));
        assert_eq!(delta_seconds("-1"), None);
    }

    #[test]
    fn escapes() {
        assert_eq!(percent_decode("a%20b%zz%"), "a b%zz%");
        assert_eq!(percent_decode("%ff"), "\u{fffd}");
        assert_eq!(percent_encode("*21#é+", b"+"), "*21%23%C3%A9+");
    }
}
