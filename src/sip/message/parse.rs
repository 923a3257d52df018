//! From bytes to a message (RFC 3261 section 7), and what is wrong with those that are none.

use super::{
    HeaderError, HeaderName, Headers, Message, Method, Request, Response, StatusCode, Uri, Via, lex,
};

/// Longest message taken: what a UDP datagram can hold.
pub const MAX_MESSAGE_BYTES: usize = 65_535;

/// Most header fields taken in one message.
pub const MAX_HEADERS: usize = 256;

/// Bytes that are no acceptable message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// Nothing but line breaks (or zero bytes): a keep-alive, not even wrong (RFC 5626 section 3.5.1).
    #[error("keep-alive")]
    KeepAlive,
    /// No request, or a response that can't be used: drop it in silence.
    #[error("{0}")]
    Garbage(Fault),
    /// A request that is wrong, but one that can be answered.
    #[error("{}", .0.fault)]
    BadRequest(Box<BadRequest>),
}

/// What is known of a request that is to be refused. ACK gets no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadRequest {
    /// Its method.
    pub method: Method,
    /// Its header fields as far as they could be told apart; `via_top` can be read.
    pub headers: Headers,
    /// The status it deserves: 400, 413, 505, 513.
    pub status: StatusCode,
    /// What is wrong.
    pub fault: Fault,
}

/// What is wrong with a message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The first line is neither a request's nor a status line.
    #[error("malformed start line")]
    StartLine,
    /// The Request-URI is none.
    #[error("malformed Request-URI")]
    RequestUri,
    /// Another version than SIP/2.0.
    #[error("unsupported SIP version")]
    Version,
    /// A status code outside 100 to 699.
    #[error("impossible status code")]
    StatusCode,
    /// A line that is no header field.
    #[error("malformed header line {0}")]
    HeaderLine(usize),
    /// The header never ends.
    #[error("no empty line after the header")]
    Unfinished,
    /// More than [`MAX_HEADERS`] header fields.
    #[error("too many header fields")]
    TooManyHeaders,
    /// More than [`MAX_MESSAGE_BYTES`].
    #[error("message too large")]
    TooLarge,
    /// A header field that is missing, malformed, or there twice.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// CSeq names another method than the first line.
    #[error("CSeq names another method")]
    CSeqMethod,
    /// Content-Length promises more than there is.
    #[error("body shorter than Content-Length: {have} of {want} bytes")]
    BodyTruncated {
        /// Promised.
        want: usize,
        /// Arrived.
        have: usize,
    },
}

enum StartLine {
    Request {
        method: Method,
        uri: Uri,
    },
    Response {
        status: StatusCode,
        reason: String,
    },
    /// A request's line by its shape, with something wrong in it.
    BadRequest {
        method: Method,
        fault: Fault,
    },
}

impl Message {
    /// Reads one whole message: a datagram, or what the stream framing cut out.
    ///
    /// Line breaks before the message are skipped; lines may end in LF alone. Bytes after the body that
    /// Content-Length announces are left out (RFC 3261 section 18.3).
    pub fn parse(bytes: &[u8]) -> Result<Self, ParseError> {
        judge(bytes, None)
    }
}

/// Refuses bytes for a fault found outside of them, as [`Message::parse`] would.
pub(crate) fn refuse_whole(bytes: &[u8], fault: Fault) -> ParseError {
    match judge(bytes, Some(fault.clone())) {
        Err(error) => error,
        Ok(_) => ParseError::Garbage(fault),
    }
}

/// Where the header ends (behind its empty line), looked for from `from` on.
pub(crate) fn head_length(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        at += bytes.get(at..)?.iter().position(|byte| *byte == b'\n')? + 1;
        match bytes.get(at..)? {
            [b'\n', ..] => return Some(at + 1),
            [b'\r', b'\n', ..] => return Some(at + 2),
            _ => {}
        }
    }
}

/// Content-Length in a whole header.
pub(crate) fn content_length(head: &[u8]) -> Result<Option<usize>, Fault> {
    let mut lines = Lines { rest: head };
    lines.next();
    let (headers, _) = parse_headers(&mut lines);
    Ok(headers.content_length()?)
}

fn judge(bytes: &[u8], foreseen: Option<Fault>) -> Result<Message, ParseError> {
    let bytes = skip_line_breaks(bytes);
    if bytes.is_empty() {
        return Err(ParseError::KeepAlive);
    }
    let mut lines = Lines { rest: bytes };
    let start = lines
        .next()
        .ok_or(Fault::StartLine)
        .and_then(parse_start_line)
        .map_err(ParseError::Garbage)?;
    let (mut headers, header_fault) = parse_headers(&mut lines);
    let header_fault = foreseen
        .or(header_fault)
        .or((bytes.len() > MAX_MESSAGE_BYTES).then_some(Fault::TooLarge));
    let body = cut_body(lines.rest, &headers);
    if body.is_ok() {
        // Written anew from the body whenever the message is.
        headers.remove(&HeaderName::CONTENT_LENGTH);
    }
    match start {
        StartLine::Response { status, reason } => {
            // A line we can't read in a response is left out: what matters is checked one by one.
            if let Some(fault) = header_fault.filter(|fault| !matches!(fault, Fault::HeaderLine(_))) {
                return Err(ParseError::Garbage(fault));
            }
            check_common(&headers).map_err(ParseError::Garbage)?;
            let body = body.map_err(ParseError::Garbage)?;
            Ok(Message::Response(Response {
                status,
                reason,
                headers,
                body,
            }))
        }
        StartLine::BadRequest { method, fault } => Err(refuse(method, headers, fault)),
        StartLine::Request { method, uri } => {
            let checked = header_fault
                .map_or(Ok(()), Err)
                .and_then(|()| check_request(&method, &headers))
                .and(body);
            match checked {
                Ok(body) => Ok(Message::Request(Request {
                    method,
                    uri,
                    headers,
                    body,
                })),
                Err(fault) => Err(refuse(method, headers, fault)),
            }
        }
    }
}

fn refuse(method: Method, mut headers: Headers, fault: Fault) -> ParseError {
    if headers.via_top().is_err() && !mend_via(&mut headers) {
        return ParseError::Garbage(fault);
    }
    let status = match fault {
        Fault::Version => StatusCode::VERSION_NOT_SUPPORTED,
        Fault::TooLarge | Fault::TooManyHeaders => StatusCode::MESSAGE_TOO_LARGE,
        _ => StatusCode::BAD_REQUEST,
    };
    ParseError::BadRequest(Box::new(BadRequest {
        method,
        headers,
        status,
        fault,
    }))
}

/// Leaves of Via what can be read, parameters last, so that a refusal finds back (RFC 4475 3.1.2.1). `false`: the
/// topmost one names nobody.
fn mend_via(headers: &mut Headers) -> bool {
    let without_parameters = |via: &str| Via::parse(via.split(';').next().unwrap_or_default());
    let vias: Vec<Option<Via>> = headers
        .all(&HeaderName::VIA)
        .map(|via| Via::parse(&via).or_else(|| without_parameters(&via)))
        .collect();
    if !matches!(vias.first(), Some(Some(_))) {
        return false;
    }
    headers.remove(&HeaderName::VIA);
    for via in vias.into_iter().flatten() {
        headers.push(HeaderName::VIA, via.to_string());
    }
    true
}

/// What both kinds need to be matched to a transaction and a dialog.
fn check_common(headers: &Headers) -> Result<(), Fault> {
    headers.via_top()?;
    headers.cseq()?;
    headers.call_id()?;
    headers.from()?;
    headers.to()?;
    Ok(())
}

fn check_request(method: &Method, headers: &Headers) -> Result<(), Fault> {
    check_common(headers)?;
    if headers.cseq()?.method != *method {
        return Err(Fault::CSeqMethod);
    }
    headers.vias()?;
    headers.max_forwards()?;
    headers.contacts()?;
    Ok(())
}

fn parse_start_line(line: &[u8]) -> Result<StartLine, Fault> {
    let text = String::from_utf8_lossy(line);
    if text
        .get(..4)
        .is_some_and(|start| start.eq_ignore_ascii_case("SIP/"))
    {
        return parse_status_line(&text);
    }
    // Whatever ends in `SIP/…` is meant as a request; anything else isn't SIP.
    let (method, rest) = text.split_once(' ').ok_or(Fault::StartLine)?;
    let method = Method::parse(method).ok_or(Fault::StartLine)?;
    let trimmed = rest.trim_end_matches(' ');
    let (uri, version) = trimmed.rsplit_once(' ').ok_or(Fault::StartLine)?;
    if !version
        .get(..4)
        .is_some_and(|start| start.eq_ignore_ascii_case("SIP/"))
    {
        return Err(Fault::StartLine);
    }
    let bad = |fault| {
        Ok(StartLine::BadRequest {
            method: method.clone(),
            fault,
        })
    };
    if !version.eq_ignore_ascii_case("SIP/2.0") {
        return bad(Fault::Version);
    }
    // Exactly one space between the three, none behind (RFC 4475 sections 3.1.2.9 and 3.1.2.10).
    if trimmed.len() != rest.len() || uri.starts_with(' ') || uri.ends_with(' ') {
        return bad(Fault::StartLine);
    }
    match Uri::parse(uri) {
        // No header fields in a Request-URI (RFC 3261 section 19.1.1, table 1).
        Ok(Uri::Sip(sip)) if !sip.headers.is_empty() => bad(Fault::RequestUri),
        Ok(uri) => Ok(StartLine::Request { method, uri }),
        Err(_) => bad(Fault::RequestUri),
    }
}

/// `SIP/2.0 200 OK`; the reason may be empty or missing.
fn parse_status_line(text: &str) -> Result<StartLine, Fault> {
    let (version, rest) = text.split_once(' ').ok_or(Fault::StartLine)?;
    if !version.eq_ignore_ascii_case("SIP/2.0") {
        return Err(Fault::Version);
    }
    let (code, reason) = rest.split_once(' ').unwrap_or((rest, ""));
    let status = lex::number(code)
        .and_then(StatusCode::new)
        .ok_or(Fault::StatusCode)?;
    Ok(StartLine::Response {
        status,
        // Read as it will be printed: no control character gets into a log or a message of ours.
        reason: reason
            .replace(|c: char| c.is_control(), " ")
            .trim_end()
            .to_owned(),
    })
}

/// Reads fields up to the empty line, and the first fault among them.
fn parse_headers(lines: &mut Lines<'_>) -> (Headers, Option<Fault>) {
    let mut headers = Headers::new();
    let mut fault = None;
    let mut number = 1;
    loop {
        let Some(line) = lines.next() else {
            return (headers, fault.or(Some(Fault::Unfinished)));
        };
        if line.is_empty() {
            return (headers, fault);
        }
        number += 1;
        let mut line = std::borrow::Cow::Borrowed(line);
        while let Some(more) = lines.next_folded() {
            let joined = line.to_mut();
            while matches!(joined.last(), Some(b' ' | b'\t')) {
                joined.pop();
            }
            joined.push(b' ');
            joined.extend_from_slice(lex::trim_bytes(more));
        }
        let colon = line.iter().position(|byte| *byte == b':');
        let field = colon.and_then(|at| {
            let (name, value) = (line.get(..at)?, line.get(at + 1..)?);
            let name = std::str::from_utf8(name).ok()?.trim_end_matches([' ', '\t']);
            Some((HeaderName::parse(name)?, value.to_vec()))
        });
        match field {
            Some(_) if headers.len() >= MAX_HEADERS => return (headers, Some(Fault::TooManyHeaders)),
            Some((name, value)) => headers.push(name, value),
            None => fault = fault.or(Some(Fault::HeaderLine(number))),
        }
    }
}

fn cut_body(rest: &[u8], headers: &Headers) -> Result<Vec<u8>, Fault> {
    match headers.content_length()? {
        None => Ok(rest.to_vec()),
        Some(want) => match rest.get(..want) {
            Some(body) => Ok(body.to_vec()),
            None => Err(Fault::BodyTruncated {
                want,
                have: rest.len(),
            }),
        },
    }
}

fn skip_line_breaks(mut bytes: &[u8]) -> &[u8] {
    // Zero bytes: some devices keep a NAT binding open with them.
    while let [b'\r' | b'\n' | 0, rest @ ..] = bytes {
        bytes = rest;
    }
    bytes
}

/// Lines ended by CRLF or LF.
struct Lines<'a> {
    rest: &'a [u8],
}

impl<'a> Lines<'a> {
    /// The next line that continues the one before it.
    fn next_folded(&mut self) -> Option<&'a [u8]> {
        match self.rest.first() {
            Some(b' ' | b'\t') => self.next(),
            _ => None,
        }
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    /// `None` at the end, and where no line break follows any more.
    fn next(&mut self) -> Option<&'a [u8]> {
        let end = self.rest.iter().position(|byte| *byte == b'\n')?;
        let (line, rest) = (self.rest.get(..end)?, self.rest.get(end + 1..)?);
        self.rest = rest;
        Some(line.strip_suffix(b"\r").unwrap_or(line))
    }
}
