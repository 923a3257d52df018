//! Names of header fields, their compact forms, and which of them are lists or may stand only once.

use super::lex;
use std::fmt;
use std::hash::{Hash, Hasher};

/// A header field's name. Compares without regard to case.
#[derive(Clone, Debug)]
pub struct HeaderName(Repr);

#[derive(Clone, Debug)]
enum Repr {
    Known(&'static str),
    Other(String),
}

macro_rules! header_names {
    ($($constant:ident = $name:literal $(| $compact:literal)?;)*) => {
        impl HeaderName {
            $(#[doc = concat!("`", $name, "`.")] pub const $constant: Self = Self(Repr::Known($name));)*
        }
        /// Names and compact forms (RFC 3261 section 7.3.3 and the registry of header fields).
        const KNOWN: &[(&str, Option<char>)] = &[$(($name, header_names!(@compact $($compact)?))),*];
    };
    (@compact) => { None };
    (@compact $compact:literal) => { Some($compact) };
}

header_names! {
    ACCEPT = "Accept";
    ACCEPT_CONTACT = "Accept-Contact" | 'a';
    ACCEPT_ENCODING = "Accept-Encoding";
    ACCEPT_LANGUAGE = "Accept-Language";
    ALERT_INFO = "Alert-Info";
    ALLOW = "Allow";
    ALLOW_EVENTS = "Allow-Events" | 'u';
    AUTHENTICATION_INFO = "Authentication-Info";
    AUTHORIZATION = "Authorization";
    CALL_ID = "Call-ID" | 'i';
    CALL_INFO = "Call-Info";
    CONTACT = "Contact" | 'm';
    CONTENT_DISPOSITION = "Content-Disposition";
    CONTENT_ENCODING = "Content-Encoding" | 'e';
    CONTENT_LANGUAGE = "Content-Language";
    CONTENT_LENGTH = "Content-Length" | 'l';
    CONTENT_TYPE = "Content-Type" | 'c';
    CSEQ = "CSeq";
    DATE = "Date";
    DIVERSION = "Diversion";
    ERROR_INFO = "Error-Info";
    EVENT = "Event" | 'o';
    EXPIRES = "Expires";
    FLOW_TIMER = "Flow-Timer";
    FROM = "From" | 'f';
    HISTORY_INFO = "History-Info";
    IDENTITY = "Identity" | 'y';
    IN_REPLY_TO = "In-Reply-To";
    MAX_FORWARDS = "Max-Forwards";
    MIME_VERSION = "MIME-Version";
    MIN_EXPIRES = "Min-Expires";
    MIN_SE = "Min-SE";
    ORGANIZATION = "Organization";
    P_ASSERTED_IDENTITY = "P-Asserted-Identity";
    P_PREFERRED_IDENTITY = "P-Preferred-Identity";
    PATH = "Path";
    GEOLOCATION = "Geolocation";
    GEOLOCATION_ROUTING = "Geolocation-Routing";
    PRIORITY = "Priority";
    PRIVACY = "Privacy";
    PROXY_AUTHENTICATION_INFO = "Proxy-Authentication-Info";
    PROXY_AUTHENTICATE = "Proxy-Authenticate";
    PROXY_AUTHORIZATION = "Proxy-Authorization";
    PROXY_REQUIRE = "Proxy-Require";
    RACK = "RAck";
    REASON = "Reason";
    RECORD_ROUTE = "Record-Route";
    REFER_SUB = "Refer-Sub";
    REFER_TO = "Refer-To" | 'r';
    REFERRED_BY = "Referred-By" | 'b';
    REJECT_CONTACT = "Reject-Contact" | 'j';
    REMOTE_PARTY_ID = "Remote-Party-ID";
    REPLACES = "Replaces";
    REQUEST_DISPOSITION = "Request-Disposition" | 'd';
    REQUIRE = "Require";
    RETRY_AFTER = "Retry-After";
    ROUTE = "Route";
    RSEQ = "RSeq";
    SERVER = "Server";
    SERVICE_ROUTE = "Service-Route";
    SESSION_EXPIRES = "Session-Expires" | 'x';
    SIP_ETAG = "SIP-ETag";
    SIP_IF_MATCH = "SIP-If-Match";
    SUBJECT = "Subject" | 's';
    SUBSCRIPTION_STATE = "Subscription-State";
    SUPPORTED = "Supported" | 'k';
    TIMESTAMP = "Timestamp";
    TO = "To" | 't';
    UNSUPPORTED = "Unsupported";
    USER_AGENT = "User-Agent";
    VIA = "Via" | 'v';
    WARNING = "Warning";
    WWW_AUTHENTICATE = "WWW-Authenticate";
}

/// Fields whose values are lists separated by commas. The challenges and credentials are not: their commas
/// separate parameters (RFC 3261 section 7.3.1).
const LISTS: &[HeaderName] = &[
    HeaderName::ACCEPT,
    HeaderName::ACCEPT_CONTACT,
    HeaderName::ACCEPT_ENCODING,
    HeaderName::ACCEPT_LANGUAGE,
    HeaderName::ALERT_INFO,
    HeaderName::ALLOW,
    HeaderName::ALLOW_EVENTS,
    HeaderName::CALL_INFO,
    HeaderName::CONTACT,
    HeaderName::CONTENT_ENCODING,
    HeaderName::CONTENT_LANGUAGE,
    HeaderName::DIVERSION,
    HeaderName::ERROR_INFO,
    HeaderName::HISTORY_INFO,
    HeaderName::IN_REPLY_TO,
    HeaderName::P_ASSERTED_IDENTITY,
    HeaderName::P_PREFERRED_IDENTITY,
    HeaderName::PATH,
    HeaderName::PROXY_REQUIRE,
    HeaderName::REASON,
    HeaderName::RECORD_ROUTE,
    HeaderName::REJECT_CONTACT,
    HeaderName::REMOTE_PARTY_ID,
    HeaderName::REQUEST_DISPOSITION,
    HeaderName::REQUIRE,
    HeaderName::ROUTE,
    HeaderName::SERVICE_ROUTE,
    HeaderName::SUPPORTED,
    HeaderName::UNSUPPORTED,
    HeaderName::VIA,
    HeaderName::WARNING,
];

impl HeaderName {
    /// Reads a name, long or compact; `None` where `text` is not a token.
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(known) = Self::known(text) {
            return Some(known);
        }
        lex::is_token(text).then(|| Self(Repr::Other(text.to_owned())))
    }

    /// The name as we write it: the long form in its usual spelling.
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Repr::Known(name) => name,
            Repr::Other(name) => name,
        }
    }

    /// Whether its values are lists separated by commas.
    pub fn is_list(&self) -> bool {
        LISTS.contains(self)
    }

    fn known(text: &str) -> Option<Self> {
        let compact = match text.as_bytes() {
            [letter] => Some(char::from(letter.to_ascii_lowercase())),
            _ => None,
        };
        KNOWN
            .iter()
            .find(|(name, short)| match compact {
                Some(letter) => *short == Some(letter),
                None => name.eq_ignore_ascii_case(text),
            })
            .map(|(name, _)| Self(Repr::Known(name)))
    }
}

impl PartialEq for HeaderName {
    fn eq(&self, other: &Self) -> bool {
        self.as_str().eq_ignore_ascii_case(other.as_str())
    }
}

impl Eq for HeaderName {}

impl Hash for HeaderName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str()
            .bytes()
            .for_each(|byte| state.write_u8(byte.to_ascii_lowercase()));
    }
}

impl fmt::Display for HeaderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_ignore_case_and_compact_forms_are_the_same_names() {
        for (name, compact) in KNOWN {
            let long = HeaderName::parse(name).unwrap();
            assert_eq!(long, HeaderName::parse(&name.to_uppercase()).unwrap());
            if let Some(letter) = compact {
                assert_eq!(long, HeaderName::parse(&letter.to_string()).unwrap());
                assert_eq!(
                    long,
                    HeaderName::parse(&letter.to_uppercase().to_string()).unwrap()
                );
            }
        }
        assert_eq!(HeaderName::parse("x-own"), HeaderName::parse("X-Own"));
        assert_eq!(HeaderName::parse("q").unwrap().as_str(), "q");
        assert_eq!(HeaderName::parse("a b"), None);
        assert_eq!(HeaderName::parse(""), None);
    }

    #[test]
    fn no_compact_form_is_given_twice() {
        let mut letters: Vec<_> = KNOWN.iter().filter_map(|(_, compact)| *compact).collect();
        letters.sort_unstable();
        let count = letters.len();
        letters.dedup();
        assert_eq!(letters.len(), count);
    }
}
