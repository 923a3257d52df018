//! The header fields of a message: an ordered list, and typed looks at the fields a user agent needs.

use super::{CSeq, HeaderName, MediaType, Method, NameAddr, RAck, Reason, SessionExpires, Via, lex};
use std::borrow::Cow;

/// Header fields in their order. Values are kept byte for byte (unfolded), whatever their encoding.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers(Vec<Header>);

/// One header field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    name: HeaderName,
    value: Vec<u8>,
}

/// Why a header field could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// It isn't there.
    #[error("no {0} header field")]
    Missing(HeaderName),
    /// It doesn't follow its grammar.
    #[error("malformed {0} header field")]
    Malformed(HeaderName),
    /// It stands more than once and may not.
    #[error("more than one {0} header field")]
    Repeated(HeaderName),
}

/// What the Contact fields say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Contacts {
    /// `*`: all of them (REGISTER only).
    All,
    /// These, in order; empty where there is no Contact.
    List(Vec<NameAddr>),
}

impl Headers {
    /// No fields.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Adds a field at the end. Line breaks in the value become spaces.
    pub fn push(&mut self, name: HeaderName, value: impl Into<Vec<u8>>) {
        self.0.push(Header::new(name, value.into()));
    }

    /// Adds a field before all others (a Via).
    pub fn insert_front(&mut self, name: HeaderName, value: impl Into<Vec<u8>>) {
        self.0.insert(0, Header::new(name, value.into()));
    }

    /// Makes this the only field of its name, where the first of them stood or else at the end.
    pub fn set(&mut self, name: HeaderName, value: impl Into<Vec<u8>>) {
        let at = self.0.iter().position(|header| header.name == name);
        self.remove(&name);
        let header = Header::new(name, value.into());
        match at {
            Some(at) if at <= self.0.len() => self.0.insert(at, header),
            _ => self.0.push(header),
        }
    }

    /// Takes all fields of a name away.
    pub fn remove(&mut self, name: &HeaderName) {
        self.0.retain(|header| header.name != *name);
    }

    /// Puts another value in place of the first element of the first field of that name (the top Via, with
    /// `received` added); elements behind it in the same line stay.
    pub fn replace_first_element(&mut self, name: &HeaderName, value: &str) {
        let Some(header) = self.0.iter_mut().find(|header| header.name == *name) else {
            return;
        };
        let text = String::from_utf8_lossy(&header.value).into_owned();
        let mut elements = lex::split(&text, ',');
        elements.next();
        let all: Vec<&str> = std::iter::once(value).chain(elements).collect();
        *header = Header::new(name.clone(), all.join(", ").into_bytes());
    }

    /// Copies all fields of a name from another message, unchanged and in order.
    pub fn copy_from(&mut self, other: &Self, name: &HeaderName) {
        self.0
            .extend(other.0.iter().filter(|header| header.name == *name).cloned());
    }

    /// All fields in their order.
    pub fn iter(&self) -> impl Iterator<Item = &Header> {
        self.0.iter()
    }

    /// How many fields there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether there is a field of that name.
    pub fn has(&self, name: &HeaderName) -> bool {
        self.0.iter().any(|header| header.name == *name)
    }

    /// The value of the first field of that name; bytes that are no UTF-8 become U+FFFD.
    pub fn first(&self, name: &HeaderName) -> Option<Cow<'_, str>> {
        self.0
            .iter()
            .find(|header| header.name == *name)
            .map(Header::text)
    }

    /// The values of all fields of that name, one a line, not split.
    pub fn lines<'a>(&'a self, name: &'a HeaderName) -> impl Iterator<Item = Cow<'a, str>> {
        self.0
            .iter()
            .filter(move |header| header.name == *name)
            .map(Header::text)
    }

    /// All values of that name: lists are split at their commas, empty elements left out.
    pub fn all(&self, name: &HeaderName) -> impl Iterator<Item = String> {
        let split = name.is_list();
        let mut values = Vec::new();
        for line in self.lines(name) {
            if split {
                values.extend(
                    lex::split(&line, ',')
                        .filter(|part| !part.is_empty())
                        .map(str::to_owned),
                );
            } else {
                values.push(line.into_owned());
            }
        }
        values.into_iter()
    }

    /// The topmost Via.
    pub fn via_top(&self) -> Result<Via, HeaderError> {
        let line = self
            .first(&HeaderName::VIA)
            .ok_or(HeaderError::Missing(HeaderName::VIA))?;
        let top = lex::split(&line, ',').next().and_then(Via::parse);
        top.ok_or(HeaderError::Malformed(HeaderName::VIA))
    }

    /// All Via values, topmost first.
    pub fn vias(&self) -> Result<Vec<Via>, HeaderError> {
        self.all(&HeaderName::VIA)
            .map(|value| Via::parse(&value).ok_or(HeaderError::Malformed(HeaderName::VIA)))
            .collect()
    }

    /// From.
    pub fn from(&self) -> Result<NameAddr, HeaderError> {
        self.single(HeaderName::FROM, NameAddr::parse)
    }

    /// To.
    pub fn to(&self) -> Result<NameAddr, HeaderError> {
        self.single(HeaderName::TO, NameAddr::parse)
    }

    /// Call-ID. Compared byte for byte.
    pub fn call_id(&self) -> Result<String, HeaderError> {
        self.single(HeaderName::CALL_ID, |text| {
            let whole = !text.is_empty() && !text.contains([' ', '\t']);
            whole.then(|| text.to_owned())
        })
    }

    /// CSeq.
    pub fn cseq(&self) -> Result<CSeq, HeaderError> {
        self.single(HeaderName::CSEQ, CSeq::parse)
    }

    /// Contact.
    pub fn contacts(&self) -> Result<Contacts, HeaderError> {
        let mut values = self.all(&HeaderName::CONTACT).peekable();
        if values.next_if(|value| value == "*").is_some() {
            return match values.next() {
                None => Ok(Contacts::All),
                Some(_) => Err(HeaderError::Malformed(HeaderName::CONTACT)),
            };
        }
        values
            .map(|value| NameAddr::parse(&value).ok_or(HeaderError::Malformed(HeaderName::CONTACT)))
            .collect::<Result<_, _>>()
            .map(Contacts::List)
    }

    /// The first Contact with a URI.
    pub fn contact(&self) -> Result<NameAddr, HeaderError> {
        match self.contacts()? {
            Contacts::List(list) => list.into_iter().next(),
            Contacts::All => None,
        }
        .ok_or(HeaderError::Missing(HeaderName::CONTACT))
    }

    /// Record-Route, in the message's order.
    pub fn record_routes(&self) -> Result<Vec<NameAddr>, HeaderError> {
        self.addresses(&HeaderName::RECORD_ROUTE)
    }

    /// Route, in the message's order.
    pub fn routes(&self) -> Result<Vec<NameAddr>, HeaderError> {
        self.addresses(&HeaderName::ROUTE)
    }

    /// All values of a field that consists of names and URIs (P-Asserted-Identity, Path, Diversion, ...).
    pub fn addresses(&self, name: &HeaderName) -> Result<Vec<NameAddr>, HeaderError> {
        self.all(name)
            .map(|value| NameAddr::parse(&value).ok_or_else(|| HeaderError::Malformed(name.clone())))
            .collect()
    }

    /// Max-Forwards; `None` where it's missing (RFC 2543 had none).
    pub fn max_forwards(&self) -> Result<Option<u8>, HeaderError> {
        self.optional(HeaderName::MAX_FORWARDS, lex::number)
    }

    /// Content-Length.
    pub fn content_length(&self) -> Result<Option<usize>, HeaderError> {
        self.optional(HeaderName::CONTENT_LENGTH, lex::number)
    }

    /// Expires, seconds; `None` also where it's malformed (RFC 3261 section 10.3: then a default applies).
    pub fn expires(&self) -> Option<u32> {
        lex::delta_seconds(&self.first(&HeaderName::EXPIRES)?)
    }

    /// Min-Expires, seconds.
    pub fn min_expires(&self) -> Option<u32> {
        lex::delta_seconds(&self.first(&HeaderName::MIN_EXPIRES)?)
    }

    /// Retry-After, seconds; comment and parameters are left out.
    pub fn retry_after(&self) -> Option<u32> {
        let value = self.first(&HeaderName::RETRY_AFTER)?;
        lex::delta_seconds(value.split([' ', '\t', ';', '(']).next()?)
    }

    /// Flow-Timer (RFC 5626 10), seconds.
    pub fn flow_timer(&self) -> Option<u32> {
        lex::delta_seconds(&self.first(&HeaderName::FLOW_TIMER)?)
    }

    /// RSeq (RFC 3262).
    pub fn rseq(&self) -> Option<u32> {
        lex::number(&self.first(&HeaderName::RSEQ)?)
    }

    /// RAck (RFC 3262).
    pub fn rack(&self) -> Option<RAck> {
        RAck::parse(&self.first(&HeaderName::RACK)?)
    }

    /// Session-Expires (RFC 4028).
    pub fn session_expires(&self) -> Option<SessionExpires> {
        SessionExpires::parse(&self.first(&HeaderName::SESSION_EXPIRES)?)
    }

    /// Min-SE (RFC 4028), seconds.
    pub fn min_se(&self) -> Option<u32> {
        let value = self.first(&HeaderName::MIN_SE)?;
        lex::delta_seconds(lex::trim(value.split(';').next()?))
    }

    /// Content-Type.
    pub fn content_type(&self) -> Option<MediaType> {
        MediaType::parse(&self.first(&HeaderName::CONTENT_TYPE)?)
    }

    /// Whether the body is SDP.
    pub fn is_sdp(&self) -> bool {
        self.content_type()
            .is_some_and(|content| content.main == "application" && content.sub == "sdp")
    }

    /// Allow.
    pub fn allow(&self) -> Vec<Method> {
        self.all(&HeaderName::ALLOW)
            .filter_map(|name| Method::parse(&name))
            .collect()
    }

    /// Supported: option tags, in lower case.
    pub fn supported(&self) -> Vec<String> {
        self.option_tags(&HeaderName::SUPPORTED)
    }

    /// Require: option tags, in lower case.
    pub fn require(&self) -> Vec<String> {
        self.option_tags(&HeaderName::REQUIRE)
    }

    /// Reason values that can be read.
    pub fn reasons(&self) -> Vec<Reason> {
        self.all(&HeaderName::REASON)
            .filter_map(|value| Reason::parse(&value))
            .collect()
    }

    fn option_tags(&self, name: &HeaderName) -> Vec<String> {
        self.all(name).map(|tag| tag.to_ascii_lowercase()).collect()
    }

    fn single<T>(&self, name: HeaderName, read: impl FnOnce(&str) -> Option<T>) -> Result<T, HeaderError> {
        self.optional(name.clone(), read)?
            .ok_or(HeaderError::Missing(name))
    }

    fn optional<T>(
        &self,
        name: HeaderName,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, HeaderError> {
        let mut fields = self.0.iter().filter(|header| header.name == name);
        let Some(first) = fields.next() else {
            return Ok(None);
        };
        if fields.next().is_some() {
            return Err(HeaderError::Repeated(name));
        }
        read(&first.text()).map(Some).ok_or(HeaderError::Malformed(name))
    }
}

impl Header {
    fn new(name: HeaderName, mut value: Vec<u8>) -> Self {
        for byte in &mut value {
            if matches!(byte, b'\r' | b'\n' | b'\0') {
                *byte = b' ';
            }
        }
        let value = match lex::trim_bytes(&value) {
            trimmed if trimmed.len() == value.len() => value,
            trimmed => trimmed.to_vec(),
        };
        Self { name, value }
    }

    /// Its name.
    pub const fn name(&self) -> &HeaderName {
        &self.name
    }

    /// Its value as it came, unfolded.
    pub fn value(&self) -> &[u8] {
        &self.value
    }

    /// Its value as text; bytes that are no UTF-8 become U+FFFD.
    pub fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.value)
    }
}
