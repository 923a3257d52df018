//! Finding a server (RFC 3263): which transports, hosts and addresses a URI leads to, and in which order.
//!
//! [`Locator`] is sans-IO like everything here: it asks for records ([`Question`]) and is told them ([`Answer`]). It
//! keeps them by their time to live, goes on with the last good ones where DNS fails, and orders what they name by
//! NAPTR order and preference (RFC 3403), SRV priority and weight (RFC 2782) and address family (RFC 6724, 7984).

mod cache;
mod health;
mod locator;
mod order;
mod survey;

pub(super) use health::Health;
pub(super) use locator::Locator;

use super::{Route, Transport};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// What is asked of the daemon.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Question {
    /// NAPTR records of a domain.
    Naptr(String),
    /// SRV records of a service's name, as in `_sip._udp.example.net`.
    Srv(String),
    /// Addresses of a host, both families.
    Addresses(String),
    /// Our own address on the way to each of these; those that no route leads to are left out.
    Routes(Vec<SocketAddr>),
}

/// Records found: an empty list where the question is answered and there are none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Records {
    /// To [`Question::Naptr`].
    Naptr(Vec<Naptr>),
    /// To [`Question::Srv`].
    Srv(Vec<Srv>),
    /// To [`Question::Addresses`].
    Addresses(Vec<IpAddr>),
    /// To [`Question::Routes`].
    Routes(Vec<Route>),
}

/// What the daemon found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The records.
    pub records: Records,
    /// How long they hold.
    pub ttl: Duration,
}

/// A NAPTR record (RFC 3403).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Naptr {
    /// Lower first.
    pub order: u16,
    /// Lower first, among equal orders.
    pub preference: u16,
    /// `s`: the replacement has SRV records.
    pub flags: String,
    /// As in `SIP+D2U`.
    pub service: String,
    /// Where to go on.
    pub replacement: String,
}

/// A SRV record (RFC 2782).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Srv {
    /// Lower first.
    pub priority: u16,
    /// Share among equal priorities.
    pub weight: u16,
    /// Port.
    pub port: u16,
    /// Host; `.`: the service is not offered.
    pub target: String,
}

/// What is looked for: the parts of a URI that say where it leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    /// Name, or literal address without brackets.
    pub host: String,
    pub port: Option<u16>,
    pub transport: Option<Transport>,
    /// `sips:`: nothing but TLS will do.
    pub secure: bool,
}

/// One way to the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub transport: Transport,
    pub route: Route,
    /// Targets of a lower tier are better; among equal ones chance has decided.
    pub tier: u16,
    /// The domain asked for, which the server's certificate has to name (RFC 5922 7.1).
    pub domain: Arc<str>,
    pub secure: bool,
}

/// Transports that may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Usable {
    pub udp: bool,
    pub tcp: bool,
    pub tls: bool,
}

impl Usable {
    pub fn has(self, transport: Transport) -> bool {
        match transport {
            Transport::Udp => self.udp,
            Transport::Tcp => self.tcp,
            Transport::Tls => self.tls,
        }
    }
}
