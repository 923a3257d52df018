//! URIs: `sip:` and `sips:` (RFC 3261 section 19.1), `tel:` (RFC 3966), and any other, opaque.

use super::{Host, Params, lex};
use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

/// A URI.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Uri {
    /// `sip:` or `sips:`.
    Sip(SipUri),
    /// `tel:`.
    Tel(TelUri),
    /// Of a scheme we have no use for, as it was written (a Request-URI of this kind gets 416).
    Other(String),
}

/// A `sip:` or `sips:` URI.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SipUri {
    /// `sips:`.
    pub secure: bool,
    /// User part.
    pub user: Option<User>,
    /// Password, as written (deprecated by RFC 3261; kept so that nothing is lost).
    pub password: Option<String>,
    /// Host.
    pub host: Host,
    /// Port, where one is given.
    pub port: Option<u16>,
    /// Parameters: `transport`, `lr`, `maddr`, `user`, ...
    pub params: Params,
    /// Header fields after `?`, as written.
    pub headers: Vec<(String, String)>,
}

/// A `tel:` URI.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TelUri {
    /// The number as written, visual separators included.
    pub number: String,
    /// Parameters: `phone-context`, `ext`, ...
    pub params: Params,
}

/// A user part, kept as it was written; compared with its escapes undone.
#[derive(Clone, Debug)]
pub struct User(String);

/// A text that is no URI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a URI")]
pub struct UriError;

impl Uri {
    /// Reads a URI; white space around or in it is an error.
    pub fn parse(text: &str) -> Result<Self, UriError> {
        if text
            .bytes()
            .any(|b| b <= b' ' || b == 0x7f || matches!(b, b'<' | b'>' | b'"'))
        {
            return Err(UriError);
        }
        let (scheme, rest) = text.split_once(':').ok_or(UriError)?;
        let proper = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
        if !proper || rest.is_empty() {
            return Err(UriError);
        }
        match scheme.to_ascii_lowercase().as_str() {
            "sip" => SipUri::parse(rest, false).map(Self::Sip),
            "sips" => SipUri::parse(rest, true).map(Self::Sip),
            "tel" => TelUri::parse(rest).map(Self::Tel),
            _ => Ok(Self::Other(text.to_owned())),
        }
    }

    /// The user part, or a `tel:` URI's number, with escapes undone.
    pub fn user(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Sip(sip) => sip.user.as_ref().map(User::decoded),
            Self::Tel(tel) => Some(Cow::Borrowed(&tel.number)),
            Self::Other(_) => None,
        }
    }

    /// The `sip:` or `sips:` URI, where it is one.
    pub fn as_sip(&self) -> Option<&SipUri> {
        match self {
            Self::Sip(sip) => Some(sip),
            Self::Tel(_) | Self::Other(_) => None,
        }
    }

    /// The scheme, in lower case where we know it.
    pub fn scheme(&self) -> &str {
        match self {
            Self::Sip(sip) if sip.secure => "sips",
            Self::Sip(_) => "sip",
            Self::Tel(_) => "tel",
            Self::Other(text) => text.split(':').next().unwrap_or(text),
        }
    }

    /// Whether both name the same resource (RFC 3261 section 19.1.4; RFC 3966 section 4 for numbers).
    pub fn equivalent(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Sip(a), Self::Sip(b)) => a.equivalent(b),
            (Self::Tel(a), Self::Tel(b)) => a.equivalent(b),
            (Self::Other(a), Self::Other(b)) => a == b,
            (Self::Sip(_) | Self::Tel(_) | Self::Other(_), _) => false,
        }
    }
}

impl FromStr for Uri {
    type Err = UriError;

    fn from_str(text: &str) -> Result<Self, UriError> {
        Self::parse(text)
    }
}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sip(sip) => sip.fmt(f),
            Self::Tel(tel) => write!(f, "tel:{}{}", tel.number, tel.params),
            Self::Other(text) => f.write_str(text),
        }
    }
}

impl From<SipUri> for Uri {
    fn from(sip: SipUri) -> Self {
        Self::Sip(sip)
    }
}

impl SipUri {
    /// `sip:user@host`; the user is given without escapes.
    pub fn new(user: Option<&str>, host: Host) -> Self {
        Self {
            secure: false,
            user: user.map(User::new),
            password: None,
            host,
            port: None,
            params: Params::new(),
            headers: Vec::new(),
        }
    }

    /// With a port.
    #[must_use]
    pub fn with_port(mut self, port: Option<u16>) -> Self {
        self.port = port;
        self
    }

    /// With a parameter.
    #[must_use]
    pub fn with_param(mut self, name: &str, value: &str) -> Self {
        self.params.set(name, value);
        self
    }

    /// The `transport` parameter, as written.
    pub fn transport(&self) -> Option<Cow<'_, str>> {
        self.params.value("transport")
    }

    /// With a header field for the request it will make, escaped (RFC 3261 section 19.1.1).
    #[must_use]
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        let escaped = value
            .bytes()
            .map(|byte| match byte {
                b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'-' | b'.' | b'_' | b'~' => {
                    char::from(byte).to_string()
                }
                _ => format!("%{byte:02X}"),
            })
            .collect();
        self.headers.push((name.to_owned(), escaped));
        self
    }

    /// A header field for the request it will make, without escapes.
    pub fn header(&self, name: &str) -> Option<Cow<'_, str>> {
        let mut named = self
            .headers
            .iter()
            .filter(|(own, _)| own.eq_ignore_ascii_case(name));
        named.next().map(|(_, value)| lex::percent_decode(value))
    }

    /// Whether the URI is a loose router's (`lr`, RFC 3261 section 16.12).
    pub fn is_loose_router(&self) -> bool {
        self.params.has("lr")
    }

    /// RFC 3261 section 19.1.4.
    fn equivalent(&self, other: &Self) -> bool {
        let value = |uri: &Self, name: &str| uri.params.value(name).map(|v| v.to_ascii_lowercase());
        // These four count even where only one side has them; others only where both do.
        let decisive = ["user", "ttl", "method", "maddr", "transport"];
        let params_agree = decisive.iter().all(|name| {
            self.params.has(name) == other.params.has(name) && value(self, name) == value(other, name)
        }) && self.params.iter().all(|param| {
            !other.params.has(&param.name) || value(self, &param.name) == value(other, &param.name)
        });
        let mut headers = [self.headers.clone(), other.headers.clone()];
        for list in &mut headers {
            for (name, value) in list.iter_mut() {
                name.make_ascii_lowercase();
                *value = lex::percent_decode(value).into_owned();
            }
            list.sort();
        }
        self.secure == other.secure
            && self.user == other.user
            && self.password == other.password
            && self.host == other.host
            && self.port == other.port
            && params_agree
            && headers[0] == headers[1]
    }

    fn parse(rest: &str, secure: bool) -> Result<Self, UriError> {
        // `@` is escaped wherever it isn't the separator; `;` and `?` may stand in the user part.
        let (userinfo, rest) = match rest.split_once('@') {
            Some((userinfo, rest)) => (Some(userinfo), rest),
            None => (None, rest),
        };
        let (user, password) = match userinfo.map(|info| info.split_once(':').ok_or(info)) {
            None => (None, None),
            Some(Ok((user, password))) => (Some(user), Some(password.to_owned())),
            Some(Err(user)) => (Some(user), None),
        };
        if user.is_some_and(str::is_empty) {
            return Err(UriError);
        }
        let end = rest.find([';', '?']).unwrap_or(rest.len());
        let (hostport, rest) = rest.split_at(end);
        let (params, headers) = match rest.split_once('?') {
            Some((params, headers)) => (params, Some(headers)),
            None => (rest, None),
        };
        let (host, port) = Host::parse_with_port(hostport).ok_or(UriError)?;
        let headers = match headers {
            None => Vec::new(),
            Some(headers) => headers
                .split('&')
                .map(|header| header.split_once('=').map(|(n, v)| (n.to_owned(), v.to_owned())))
                .collect::<Option<_>>()
                .ok_or(UriError)?,
        };
        Ok(Self {
            secure,
            user: user.map(|user| User(user.to_owned())),
            password,
            host,
            port,
            params: Params::parse(params).ok_or(UriError)?,
            headers,
        })
    }
}

impl fmt::Display for SipUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.secure { "sips:" } else { "sip:" })?;
        if let Some(user) = &self.user {
            f.write_str(user.as_written())?;
            if let Some(password) = &self.password {
                write!(f, ":{password}")?;
            }
            f.write_str("@")?;
        }
        write!(f, "{}", self.host)?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        write!(f, "{}", self.params)?;
        for (at, (name, value)) in self.headers.iter().enumerate() {
            write!(f, "{}{name}={value}", if at == 0 { '?' } else { '&' })?;
        }
        Ok(())
    }
}

impl TelUri {
    /// The number without visual separators (RFC 3966 section 3).
    pub fn digits(&self) -> String {
        self.number
            .chars()
            .filter(|c| !matches!(c, '-' | '.' | '(' | ')'))
            .collect()
    }

    fn parse(rest: &str) -> Result<Self, UriError> {
        let end = rest.find(';').unwrap_or(rest.len());
        let (number, params) = rest.split_at(end);
        let dialable = |b: u8| b.is_ascii_hexdigit() || b"+*#-.()".contains(&b);
        if number.is_empty() || !number.bytes().all(dialable) {
            return Err(UriError);
        }
        Ok(Self {
            number: number.to_owned(),
            params: Params::parse(params).ok_or(UriError)?,
        })
    }

    fn equivalent(&self, other: &Self) -> bool {
        let context = |tel: &Self| tel.params.value("phone-context").map(|v| v.to_ascii_lowercase());
        self.digits().eq_ignore_ascii_case(&other.digits()) && context(self) == context(other)
    }
}

impl User {
    /// A user part from plain text; what may not stand in one is escaped.
    pub fn new(plain: &str) -> Self {
        Self(lex::percent_encode(plain, b"&=+$,;?/"))
    }

    /// As it stands in the URI.
    pub fn as_written(&self) -> &str {
        &self.0
    }

    /// With escapes undone.
    pub fn decoded(&self) -> Cow<'_, str> {
        lex::percent_decode(&self.0)
    }
}

impl PartialEq for User {
    fn eq(&self, other: &Self) -> bool {
        self.decoded() == other.decoded()
    }
}

impl Eq for User {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{IpAddr, Ipv6Addr};

    fn sip(text: &str) -> SipUri {
        match Uri::parse(text) {
            Ok(Uri::Sip(sip)) => sip,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn uris_print_as_they_were_read() {
        for text in [
            "sip:alice@example.com",
            "sips:alice:secret@example.com:5061;transport=tcp;lr?subject=a%20b&priority=urgent",
            "sip:[2001:db8::10]:5070;lr",
            "sip:user;par=u%40example.net@example.com",
            "sip:sips%3Auser%40example.com@example.net",
            "sip:%2B31201234567@192.0.2.1;user=phone",
            "sip:*21*123#@pbx",
            "tel:+1-201-555-0123;phone-context=example.com",
            "http://www.example.com/a?b",
        ] {
            assert_eq!(Uri::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn parts_are_found() {
        let uri = sip("SIP:a;b?c:pw@[::1]:5061;Transport=TCP");
        assert_eq!(uri.user.as_ref().unwrap().decoded(), "a;b?c");
        assert_eq!(uri.password.as_deref(), Some("pw"));
        assert_eq!(uri.host, Host::V6(Ipv6Addr::LOCALHOST));
        assert_eq!(uri.port, Some(5061));
        assert_eq!(uri.transport().as_deref(), Some("TCP"));
        assert_eq!(Uri::parse("tel:+44(20)7946-0000").unwrap().as_sip(), None);
    }

    #[test]
    fn texts_that_are_no_uris() {
        for text in [
            "",
            "sip:",
            "alice",
            ":x",
            "1sip:a",
            "sip:@host",
            "sip:a@",
            "sip:a@b@c",
            "sip:a@host:",
            "sip:a@host:70000",
            "sip:a@host:+5",
            "sip:2001:db8::10",
            "sip:[2001:db8::10",
            "sip:a b@host",
            "sip:a@ho st",
            "sip:a@host; lr",
            "<sip:a@host>",
            "sip:a@host;;",
            "tel:",
            "tel:abcxyz",
            "sip:[::1]x:5060",
        ] {
            assert_eq!(Uri::parse(text), Err(UriError), "{text}");
        }
    }

    /// The examples of RFC 3261 section 19.1.4.
    #[test]
    fn equivalence() {
        let same = [
            (
                "sip:%61lice@atlanta.com;transport=TCP",
                "sip:alice@AtlanTa.CoM;Transport=tcp",
            ),
            ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
            (
                "sip:carol@chicago.com;security=on",
                "sip:carol@chicago.com;newparam=5",
            ),
            (
                "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
                "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
            ),
            (
                "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
                "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
            ),
            ("tel:+1-201-555-0123", "tel:+1(201)5550123"),
        ];
        let different = [
            (
                "SIP:ALICE@AtLanTa.CoM;Transport=udp",
                "sip:alice@AtLanTa.CoM;Transport=UDP",
            ),
            ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
            ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
            ("sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp"),
            (
                "sip:carol@chicago.com",
                "sip:carol@chicago.com?Subject=next%20meeting",
            ),
            ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"),
            (
                "sip:carol@chicago.com;security=on",
                "sip:carol@chicago.com;security=off",
            ),
            ("sip:bob@biloxi.com", "sips:bob@biloxi.com"),
        ];
        for (a, b) in same {
            assert!(
                Uri::parse(a).unwrap().equivalent(&Uri::parse(b).unwrap()),
                "{a} {b}"
            );
        }
        for (a, b) in different {
            assert!(
                !Uri::parse(a).unwrap().equivalent(&Uri::parse(b).unwrap()),
                "{a} {b}"
            );
        }
    }

    #[test]
    fn what_we_write_is_escaped() {
        let uri = SipUri::new(
            Some("*21*12#"),
            Host::from("2001:db8::1".parse::<IpAddr>().unwrap()),
        )
        .with_port(Some(5080))
        .with_param("transport", "tcp");
        assert_eq!(uri.to_string(), "sip:*21*12%23@[2001:db8::1]:5080;transport=tcp");
        assert_eq!(
            Host::from("::ffff:192.0.2.1".parse::<IpAddr>().unwrap()),
            Host::V4([192, 0, 2, 1].into())
        );
    }
}
