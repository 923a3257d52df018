//! REGISTER as a message: what we send and what a registrar's answer means (RFC 3261 10).

use super::hop::Hop;
use super::{Transport, UaConfig};
use crate::sip::account::Account;
use crate::sip::message::{
    CSeq, Contacts, HeaderName, Headers, Method, NameAddr, Request, Response, Uri, Via,
};
use std::net::SocketAddr;

/// Seconds a binding lasts where neither side says (RFC 3261 10.2.1.1).
const DEFAULT_EXPIRES_S: u32 = 3600;

/// One registration's identity and count: kept as long as the account lives (RFC 3261 10.2).
#[derive(Clone, Debug)]
pub(super) struct Series {
    pub call_id: String,
    pub tag: String,
    pub cseq: u32,
}

/// How an account's flow to its server stands (RFC 5626).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flow {
    /// Asked for with every REGISTER.
    Wanted,
    /// The registrar keeps it: requests to us come over it.
    Kept,
    /// Not asked for: by configuration, or because it was refused.
    Refused,
}

impl Flow {
    pub fn new(account: &Account) -> Self {
        if account.outbound {
            Self::Wanted
        } else {
            Self::Refused
        }
    }

    pub fn is_wanted(self) -> bool {
        self != Self::Refused
    }

    /// What the Contact says beside the address.
    pub fn contact_params(self, instance: Option<&str>) -> String {
        match instance.filter(|_| self.is_wanted()) {
            Some(instance) => format!(";+sip.instance=\"<{instance}>\";reg-id=1"),
            None => String::new(),
        }
    }

    /// Extensions for the Supported header: Path (RFC 3327) always.
    pub fn supported(self, instance: Option<&str>) -> &'static str {
        match instance.filter(|_| self.is_wanted()) {
            Some(_) => "path, outbound",
            None => "path",
        }
    }

    /// Has what follows in the dialog that a request begins come over the kept flow (RFC 5626 4.3). Edge proxies
    /// (Kamailio's) heed `ob` beside the option tag only.
    pub fn mark(self, contact: &mut Uri, headers: &mut Headers) {
        let (Self::Kept, Uri::Sip(uri)) = (self, contact) else {
            return;
        };
        uri.params.set_flag("ob");
        let mut supported = headers.supported();
        if !supported.iter().any(|tag| tag == "outbound") {
            supported.push("outbound".to_owned());
            headers.set(HeaderName::SUPPORTED, supported.join(", "));
        }
    }

    /// A registrar that keeps flows says so (RFC 5626 6).
    pub fn confirmed(&mut self, response: &Response) {
        if self.is_wanted() {
            let kept = response
                .headers
                .require()
                .iter()
                .any(|tag| tag.eq_ignore_ascii_case("outbound"));
            *self = if kept { Self::Kept } else { Self::Wanted };
        }
    }
}

/// What a REGISTER says about our bindings.
#[derive(Clone, Debug)]
pub(super) struct Binding<'a> {
    pub contact: &'a Uri,
    /// Parameters of the Contact, each with its semicolon.
    pub params: String,
    /// 0 takes it away.
    pub expires_s: u32,
    /// A binding of ours under another address, to be taken away.
    pub old: Option<&'a Uri>,
}

impl Series {
    /// The next REGISTER, without Via.
    pub fn next(&mut self, account: &Account, binding: &Binding<'_>) -> Request {
        self.cseq += 1;
        let mut request = Request::new(Method::Register, account.target(None));
        let headers = &mut request.headers;
        headers.push(HeaderName::MAX_FORWARDS, "70");
        headers.push(
            HeaderName::FROM,
            account.identity(None).with_tag(&self.tag).to_string(),
        );
        headers.push(
            HeaderName::TO,
            NameAddr::new(account.address_of_record()).to_string(),
        );
        headers.push(HeaderName::CALL_ID, self.call_id.as_str());
        headers.push(
            HeaderName::CSEQ,
            CSeq {
                number: self.cseq,
                method: Method::Register,
            }
            .to_string(),
        );
        headers.push(
            HeaderName::CONTACT,
            format!("<{}>{}", binding.contact, binding.params),
        );
        if let Some(old) = binding.old {
            headers.push(HeaderName::CONTACT, format!("<{old}>;expires=0"));
        }
        headers.push(HeaderName::EXPIRES, binding.expires_s.to_string());
        request
    }
}

/// Seconds granted for our binding: its own `expires`, the response's Expires, what we asked for.
pub(super) fn granted_s(response: &Response, contact: &Uri, asked_s: u32) -> u32 {
    let contacts = match response.headers.contacts() {
        Ok(Contacts::List(contacts)) => contacts,
        Ok(Contacts::All) | Err(_) => Vec::new(),
    };
    let own = |listed: &&NameAddr| match (listed.uri.as_sip(), contact.as_sip()) {
        // Registrars add and drop parameters: the address decides.
        (Some(listed), Some(ours)) => {
            listed.user == ours.user
                && listed.host == ours.host
                && listed.port.unwrap_or(super::hop::SIP_PORT) == ours.port.unwrap_or(super::hop::SIP_PORT)
        }
        _ => false,
    };
    // A registrar behind a NAT-mending proxy may list the one binding under another address.
    let alone = match contacts.as_slice() {
        [only] => Some(only),
        _ => None,
    };
    contacts
        .iter()
        .find(own)
        .or(alone)
        .and_then(|listed| listed.params.value("expires"))
        .and_then(|value| value.trim().parse::<u64>().ok())
        .map(|seconds| u32::try_from(seconds).unwrap_or(u32::MAX))
        .or_else(|| response.headers.expires())
        .unwrap_or(if asked_s == 0 { DEFAULT_EXPIRES_S } else { asked_s })
}

/// The address a server saw our request come from, where it isn't the one we know ourselves (RFC 3581): a NAT.
pub(super) fn seen_from(config: &UaConfig, hop: Hop, via: &Via) -> Option<SocketAddr> {
    let known = SocketAddr::new(hop.local_ip, config.port(hop.transport));
    let seen = SocketAddr::new(
        via.received().unwrap_or(known.ip()),
        via.rport().unwrap_or(known.port()),
    );
    let listens = match hop.transport {
        Transport::Udp => return (seen != known).then_some(seen),
        Transport::Tcp => config.tcp_port.is_some(),
        Transport::Tls => config.tls_port.is_some(),
    };
    // A connection's port is its own, not the listener's. Only where no connection can be made to us (a NAT, or no
    // listener) does the Contact name the connection, so that the server recognises and uses it.
    (!listens || seen.ip() != known.ip()).then_some(seen)
}
