//! An account at a server, checked.

use std::path::PathBuf;

use secrecy::{ExposeSecret, SecretString};

use super::{AcceptFrom, Ice, Transport};
use crate::zone::Tone;

/// An account at a SIP server.
#[derive(Clone, Debug, PartialEq)]
pub struct Account {
    /// What lines call it.
    pub name: String,
    /// Registrar and proxy.
    pub server: Server,
    /// User part of the address of record.
    pub username: String,
    /// User name for digest, where it differs.
    pub auth_username: Option<String>,
    /// Domain of the address of record, where it differs from the server's host.
    pub domain: Option<String>,
    /// Name that others are shown.
    pub display_name: Option<String>,
    /// Password.
    pub password: Password,
    /// Register; otherwise calls go to the server unregistered.
    pub register: bool,
    /// Whether ICE is spoken in calls through it, where that differs.
    pub ice: Option<Ice>,
    /// Seconds to ask for.
    pub expires_s: u32,
    /// Ask the registrar to keep the flow (RFC 5626).
    pub outbound: bool,
    /// How the way to the server is kept open and watched.
    pub keep_alive: KeepAlive,
    /// Seconds between keep-alives.
    pub keep_alive_s: u32,
    /// Seconds to wait after the server has forbidden to register.
    pub forbidden_wait_s: u32,
    /// Who is heard as if it were the account's server; never `anybody`.
    pub accept_from: AcceptFrom,
    /// Emergency numbers beside the country's.
    pub emergency_numbers: Vec<String>,
    /// Seconds after which a session that nobody refreshes has ended; 0: none of our own.
    pub session_expires_s: u32,
    /// Whether calls follow a 3xx to where it leads.
    pub follow_redirects: bool,
    /// Whether calls are encrypted.
    pub srtp: Srtp,
    /// Whether digest may use MD5 where nothing stronger is offered.
    pub digest_md5: bool,
    /// What is kept up at the server beside the registration.
    pub events: AccountEvents,
    /// What is heard when the called party cannot be had.
    pub refusal_tones: RefusalTones,
}

/// What is heard when the called party cannot be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefusalTones {
    /// It is not available (480).
    pub unavailable: Tone,
    /// It declines (603, 607, 608).
    pub rejected: Tone,
}

/// What an account keeps up at its server beside the registration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountEvents {
    /// How messages waiting become known.
    pub message_waiting: MessageWaiting,
    /// Subscribe to the state of our own registration.
    pub registration: bool,
    /// Publish whether somebody is on the telephone.
    pub publish_presence: bool,
    /// URI of who collects reports of voice quality.
    pub voice_quality_reports: Option<String>,
    /// Called parties aren't shown who calls.
    pub anonymous: bool,
}

/// How messages waiting become known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MessageWaiting {
    /// Where the server tells of its own accord.
    Unasked,
    /// By subscribing to the account's own mailbox.
    Own,
    /// By subscribing to the mailbox of this URI.
    Mailbox(String),
}

/// Whether calls are encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Srtp {
    /// Never.
    Off,
    /// Where the other side can.
    Optional,
    /// Always.
    Required,
    /// Always, and DTLS is what we offer.
    Dtls,
}

/// How the way to a server is kept open and watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeepAlive {
    /// RFC 5626.
    Crlf,
    /// OPTIONS requests.
    Options,
    /// Not at all.
    Off,
}

/// `sip:host[:port][;transport=udp|tcp|tls]`, or `sips:`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Server {
    /// Name or literal address, IPv6 without its brackets.
    pub host: String,
    /// Port; `None`: as RFC 3263 finds it.
    pub port: Option<u16>,
    /// Transport; `None`: as RFC 3263 finds it.
    pub transport: Option<Transport>,
    /// `sips:`: nothing but TLS.
    pub secure: bool,
}

impl std::fmt::Display for Server {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let scheme = if self.secure { "sips" } else { "sip" };
        if self.host.contains(':') {
            write!(formatter, "{scheme}:[{}]", self.host)?;
        } else {
            write!(formatter, "{scheme}:{}", self.host)?;
        }
        if let Some(port) = self.port {
            write!(formatter, ":{port}")?;
        }
        match self.transport {
            None => Ok(()),
            Some(Transport::Udp) => write!(formatter, ";transport=udp"),
            Some(Transport::Tcp) => write!(formatter, ";transport=tcp"),
            Some(Transport::Tls) => write!(formatter, ";transport=tls"),
        }
    }
}

/// Where a password comes from.
#[derive(Clone, Debug)]
pub enum Password {
    /// There is none.
    None,
    /// It stands in the configuration.
    Given(SecretString),
    /// The first line of this file.
    File(PathBuf),
}

impl PartialEq for Password {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::None, Self::None) => true,
            (Self::Given(one), Self::Given(two)) => one.expose_secret() == two.expose_secret(),
            (Self::File(one), Self::File(two)) => one == two,
            (Self::None | Self::Given(_) | Self::File(_), _) => false,
        }
    }
}
