//! SIP messages: reading, looking into, and writing them. RFC 3261 sections 7, 19, 20 and 25; RFC 4475 and
//! RFC 5118 say how to judge the crooked ones.
//!
//! What comes from a wire is kept: values byte for byte, unknown methods, schemes, transports and header fields
//! as they were written. Typed looks at a value are made when asked for.

mod fields;
mod header_name;
mod headers;
mod host;
pub(crate) mod lex;
mod method;
mod name_addr;
mod params;
pub(crate) mod parse;
mod status;
mod subscriber;
mod uri;
mod via;

pub use fields::{CSeq, MediaType, RAck, Reason, Refresher, SessionExpires};
pub use header_name::HeaderName;
pub use headers::{Contacts, Header, HeaderError, Headers};
pub use host::Host;
pub use method::Method;
pub use name_addr::NameAddr;
pub use params::{Param, Params};
pub use parse::{BadRequest, Fault, MAX_HEADERS, MAX_MESSAGE_BYTES, ParseError};
pub use status::{StatusClass, StatusCode};
pub use uri::{SipUri, TelUri, Uri, UriError, User};
pub use via::{BRANCH_COOKIE, Via};

/// A request or a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// A request.
    Request(Request),
    /// A response.
    Response(Response),
}

/// A request. Content-Length is not among the header fields: it is written from the body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Method.
    pub method: Method,
    /// Request-URI.
    pub uri: Uri,
    /// Header fields.
    pub headers: Headers,
    /// Body.
    pub body: Vec<u8>,
}

/// A response. Content-Length is not among the header fields: it is written from the body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// Status code.
    pub status: StatusCode,
    /// Reason phrase.
    pub reason: String,
    /// Header fields.
    pub headers: Headers,
    /// Body.
    pub body: Vec<u8>,
}

impl Message {
    /// The header fields.
    pub const fn headers(&self) -> &Headers {
        match self {
            Self::Request(request) => &request.headers,
            Self::Response(response) => &response.headers,
        }
    }

    /// The message as it goes on the wire, Content-Length last.
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Request(request) => request.to_bytes(),
            Self::Response(response) => response.to_bytes(),
        }
    }
}

impl From<Request> for Message {
    fn from(request: Request) -> Self {
        Self::Request(request)
    }
}

impl From<Response> for Message {
    fn from(response: Response) -> Self {
        Self::Response(response)
    }
}

impl Request {
    /// A request without header fields.
    pub const fn new(method: Method, uri: Uri) -> Self {
        Self {
            method,
            uri,
            headers: Headers::new(),
            body: Vec::new(),
        }
    }

    /// As it goes on the wire, Content-Length last.
    pub fn to_bytes(&self) -> Vec<u8> {
        write(
            format!("{} {} SIP/2.0\r\n", self.method, self.uri),
            &self.headers,
            &self.body,
        )
    }

    /// With a body of that type.
    #[must_use]
    pub fn with_body(mut self, content_type: &str, body: Vec<u8>) -> Self {
        self.headers.set(HeaderName::CONTENT_TYPE, content_type);
        self.body = body;
        self
    }
}

impl Response {
    /// A response without header fields, with the status' own reason phrase.
    pub fn new(status: StatusCode) -> Self {
        Self {
            status,
            reason: status.reason().to_owned(),
            headers: Headers::new(),
            body: Vec::new(),
        }
    }

    /// A response to a request of these header fields: Via, From, To, Call-ID and CSeq copied, Timestamp too in
    /// a 100 (RFC 3261 section 8.2.6). `to_tag` is put into To where that has none; a 100 goes without.
    pub fn to_request(request: &Headers, status: StatusCode, to_tag: Option<&str>) -> Self {
        let mut response = Self::new(status);
        for name in [
            HeaderName::VIA,
            HeaderName::FROM,
            HeaderName::TO,
            HeaderName::CALL_ID,
            HeaderName::CSEQ,
        ] {
            response.headers.copy_from(request, &name);
        }
        if status == StatusCode::TRYING {
            response.headers.copy_from(request, &HeaderName::TIMESTAMP);
        }
        if let (Some(tag), Ok(to)) = (to_tag, request.to())
            && to.tag().is_none()
        {
            // Appended to the bytes as they came, so that nothing else in To changes.
            let mut value = request
                .iter()
                .find(|h| *h.name() == HeaderName::TO)
                .map_or_else(Vec::new, |h| h.value().to_vec());
            value.extend_from_slice(format!(";tag={tag}").as_bytes());
            response.headers.set(HeaderName::TO, value);
        }
        response
    }

    /// As it goes on the wire, Content-Length last.
    pub fn to_bytes(&self) -> Vec<u8> {
        let reason: String = self
            .reason
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect();
        write(
            format!("SIP/2.0 {} {reason}\r\n", self.status),
            &self.headers,
            &self.body,
        )
    }

    /// With a body of that type.
    #[must_use]
    pub fn with_body(mut self, content_type: &str, body: Vec<u8>) -> Self {
        self.headers.set(HeaderName::CONTENT_TYPE, content_type);
        self.body = body;
        self
    }
}

fn write(start_line: String, headers: &Headers, body: &[u8]) -> Vec<u8> {
    let mut bytes = start_line.into_bytes();
    for header in headers
        .iter()
        .filter(|header| *header.name() != HeaderName::CONTENT_LENGTH)
    {
        bytes.extend_from_slice(header.name().as_str().as_bytes());
        bytes.extend_from_slice(b": ");
        bytes.extend_from_slice(header.value());
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(format!("Content-Length: {}\r\n\r\n", body.len()).as_bytes());
    bytes.extend_from_slice(body);
    bytes
}

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) mod torture;
