//! The session description in a message's body, alone or among other parts (RFC 5621, RFC 2046).

use crate::sip::message::{HeaderName, Headers, MediaType};

/// The SDP of a body: all of it, or the first `application/sdp` part of a multipart body. A body without
/// Content-Type that starts like SDP counts as SDP.
pub fn session_description<'a>(headers: &Headers, body: &'a [u8]) -> Option<&'a [u8]> {
    if body.is_empty() {
        return None;
    }
    match headers.content_type() {
        None if headers.has(&HeaderName::CONTENT_TYPE) => None,
        None => body.starts_with(b"v=0").then_some(body),
        Some(kind) if kind.main == "multipart" => first_part(body, &kind.params.value("boundary")?, 0),
        Some(kind) => is_sdp(&kind).then_some(body),
    }
}

/// Multipart within multipart is looked into so deep.
const MOST_LEVELS: u8 = 2;

/// RFC 2046 section 5.1.1.
const LONGEST_BOUNDARY: usize = 70;

fn first_part<'a>(body: &'a [u8], boundary: &str, level: u8) -> Option<&'a [u8]> {
    if boundary.is_empty() || boundary.len() > LONGEST_BOUNDARY {
        return None;
    }
    let delimiter = [b"--", boundary.as_bytes()].concat();
    let mut rest = after_delimiter(body, &delimiter)?;
    loop {
        let end = find_delimiter(rest, &delimiter)?;
        let part = rest.get(..end)?;
        let (head, content) = split_head(part)?;
        let kind = part_type(head);
        match kind {
            Some(kind) if is_sdp(&kind) => return Some(content),
            Some(kind) if kind.main == "multipart" && level < MOST_LEVELS => {
                let inner = kind.params.value("boundary")?;
                if let Some(found) = first_part(content, &inner, level + 1) {
                    return Some(found);
                }
            }
            _ => {}
        }
        rest = after_delimiter(rest.get(end..)?, &delimiter)?;
    }
}

fn is_sdp(kind: &MediaType) -> bool {
    kind.main == "application" && kind.sub == "sdp"
}

/// What follows the line of the first delimiter; `None` where it's the closing one.
fn after_delimiter<'a>(bytes: &'a [u8], delimiter: &[u8]) -> Option<&'a [u8]> {
    let at = bytes
        .windows(delimiter.len())
        .position(|window| window == delimiter)?;
    let rest = bytes.get(at + delimiter.len()..)?;
    if rest.starts_with(b"--") {
        return None;
    }
    let line = rest.iter().position(|byte| *byte == b'\n')?;
    rest.get(line + 1..)
}

/// Where the part ends: the line break before the delimiter belongs to the latter.
fn find_delimiter(bytes: &[u8], delimiter: &[u8]) -> Option<usize> {
    let at = bytes
        .windows(delimiter.len())
        .position(|window| window == delimiter)?;
    let part = bytes.get(..at)?;
    let part = part.strip_suffix(b"\n").unwrap_or(part);
    let part = part.strip_suffix(b"\r").unwrap_or(part);
    Some(part.len())
}

/// Header and content of a part, parted by an empty line.
fn split_head(part: &[u8]) -> Option<(&[u8], &[u8])> {
    if let Some(content) = part.strip_prefix(b"\r\n").or_else(|| part.strip_prefix(b"\n")) {
        return Some((b"", content));
    }
    let at = part
        .windows(2)
        .position(|pair| pair == b"\n\r" || pair == b"\n\n")?;
    let content = part.get(at + 1..)?;
    let content = content
        .strip_prefix(b"\r\n")
        .or_else(|| content.strip_prefix(b"\n"))?;
    Some((part.get(..at)?, content))
}

fn part_type(head: &[u8]) -> Option<MediaType> {
    String::from_utf8_lossy(head).lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        (HeaderName::parse(name.trim())? == HeaderName::CONTENT_TYPE)
            .then(|| MediaType::parse(value.trim()))
            .flatten()
    })
}
