//! An account at a SIP server: where it is, who we are there, and whether we register.

use super::message::{Host, NameAddr, SipUri, Uri};
use super::ua::{AccountName, Transport};
use secrecy::{ExposeSecret, SecretString};

/// One account, as configured.
#[derive(Clone, Debug)]
pub struct Account {
    /// Its name in the configuration.
    pub name: AccountName,
    /// Host of the registrar and proxy: name or literal address.
    pub server_host: String,
    /// Port; `None`: as RFC 3263 finds it.
    pub server_port: Option<u16>,
    /// Transport asked for; `None`: as RFC 3263 finds it.
    pub transport: Option<Transport>,
    /// User part of our address of record.
    pub username: String,
    /// User name for digest, where it differs.
    pub auth_username: Option<String>,
    /// Domain of our address of record, where it differs from the server's host.
    pub domain: Option<String>,
    /// Display name.
    pub display_name: Option<String>,
    /// Password.
    pub password: SecretString,
    /// Register; otherwise calls go to the server unregistered.
    pub register: bool,
    /// Seconds to ask for.
    pub expires_s: u32,
    /// Seconds after which a session that nobody refreshes has ended (RFC 4028), as we'd like it; 0: none of our own.
    pub session_expires_s: u32,
    /// Whether calls follow a 3xx to where it leads.
    pub follow_redirects: bool,
    /// Whether digest may use MD5 where nothing stronger is offered.
    pub digest_md5: bool,
    /// `sips:`: nothing but TLS will do.
    pub secure: bool,
    /// Ask the registrar to keep our flow (RFC 5626).
    pub outbound: bool,
    /// How the way to the server is kept open and watched.
    pub keep_alive: KeepAliveMethod,
    /// Seconds between keep-alives.
    pub keep_alive_s: u32,
    /// Seconds to wait after 403.
    pub forbidden_wait_s: u32,
    /// What is kept up at the server beside the registration.
    pub events: AccountEvents,
}

/// How the way to a server is kept open and watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeepAliveMethod {
    /// RFC 5626 4.4: pings and pongs on streams, bytes for the NAT on datagrams.
    Crlf,
    /// OPTIONS, which the server answers over whatever transport.
    Options,
    /// Not at all.
    Off,
}

/// What an account keeps up at its server beside the registration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccountEvents {
    /// Subscribe to messages waiting (RFC 3842): of our own address of record, or of this mailbox.
    pub message_waiting: Option<Option<Uri>>,
    /// Subscribe to the state of our own registration (RFC 3680).
    pub subscribe_registration: bool,
    /// Publish whether somebody is on the telephone (RFC 3903).
    pub publish_presence: bool,
    /// Where reports of voice quality go (RFC 6035).
    pub voice_quality_collector: Option<Uri>,
    /// Called parties aren't shown who calls (RFC 3323), unless a call says otherwise.
    pub anonymous: bool,
}

impl Account {
    /// A Request-URI at the server: a user's, or the registrar's own.
    pub fn target(&self, user: Option<&str>) -> Uri {
        // The server's port belongs into its own URI only; a domain has no ports.
        let port = self.server_port.filter(|_| self.domain.is_none());
        let mut uri = SipUri::new(user, self.host()).with_port(port);
        uri.secure = self.secure;
        uri.into()
    }

    /// A telephone number at the server (RFC 3261 19.1.6).
    pub fn number_uri(&self, number: &str) -> SipUri {
        let port = self.server_port.filter(|_| self.domain.is_none());
        SipUri::new(Some(number), self.host())
            .with_port(port)
            .with_param("user", "phone")
    }

    /// Our address of record.
    pub fn address_of_record(&self) -> Uri {
        let mut uri = SipUri::new(Some(&self.username), self.host());
        uri.secure = self.secure;
        uri.into()
    }

    /// From: the address of record with a display name, this call's or the account's.
    pub fn identity(&self, name: Option<&str>) -> NameAddr {
        let name = name
            .or(self.display_name.as_deref())
            .filter(|name| !name.is_empty());
        NameAddr::new(self.address_of_record()).with_display(name)
    }

    /// Whether the other is the same binding at the same registrar: only then can it take this one's over.
    pub fn is_same_binding(&self, other: &Self) -> bool {
        self.server_host == other.server_host
            && self.server_port == other.server_port
            && self.transport == other.transport
            && self.username == other.username
            && self.domain == other.domain
            && self.register == other.register
            && self.secure == other.secure
            && self.outbound == other.outbound
    }

    /// Whether nothing at all differs.
    pub fn is_same(&self, other: &Self) -> bool {
        self.is_same_binding(other)
            && self.is_same_login(other)
            && self.events == other.events
            && self.display_name == other.display_name
            && self.expires_s == other.expires_s
            && self.session_expires_s == other.session_expires_s
            && self.follow_redirects == other.follow_redirects
            && self.keep_alive == other.keep_alive
            && self.keep_alive_s == other.keep_alive_s
            && self.forbidden_wait_s == other.forbidden_wait_s
    }

    /// Whether the credentials are the same, and their use.
    pub fn is_same_login(&self, other: &Self) -> bool {
        self.auth_username == other.auth_username
            && self.digest_md5 == other.digest_md5
            && self.password.expose_secret() == other.password.expose_secret()
    }

    fn host(&self) -> Host {
        let name = self.domain.as_deref().unwrap_or(&self.server_host);
        // An IPv6 address may come without its brackets.
        let address = name
            .trim_matches(['[', ']'])
            .parse()
            .map(|ip: std::net::IpAddr| Host::from(ip));
        address
            .ok()
            .or_else(|| Host::parse(name))
            .unwrap_or_else(|| Host::Name(name.to_owned()))
    }
}
