//! What the gateway is told of its lines and accounts: plain data, made by the daemon from the checked
//! configuration.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::call::CallConfig;
use crate::line::LineConfig;
use crate::sip::account::Account;
use crate::sip::ua::{AccountName, Admission, Emergency};

/// The name of a line in the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LineName(pub Arc<str>);

impl LineName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for LineName {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Everything the gateway runs on.
#[derive(Clone, Debug)]
pub struct GatewayConfig {
    /// Value of our `User-Agent` and `Server` headers.
    pub user_agent: String,
    /// Where our UDP socket is bound (the daemon reports it, port 0 resolved); `None`: no UDP.
    pub sip_udp: Option<SocketAddr>,
    /// Where our TCP listener is bound; `None`: no TCP.
    pub sip_tcp: Option<SocketAddr>,
    /// Where our TLS listener is bound; `None`: there is none.
    pub sip_tls: Option<SocketAddr>,
    /// Whether TLS may be used for connections of ours.
    pub tls: bool,
    /// What names this device for ever, `urn:uuid:…` (RFC 5626 4.1); `None`: it has no such name.
    pub instance: Option<String>,
    /// Accounts.
    pub accounts: Vec<Account>,
    /// Lines.
    pub lines: Vec<PortConfig>,
    /// Whom to hear beside the accounts' servers and the peers of dialogs; its `own` is filled in here.
    pub admission: Admission,
    /// What the INVITE of an emergency call says.
    pub emergency: Arc<Emergency>,
}

/// One line and what its calls need.
#[derive(Clone, Debug)]
pub struct PortConfig {
    /// Its name.
    pub name: LineName,
    /// Its account, where it has one.
    pub account: Option<AccountName>,
    /// What other lines of this machine dial.
    pub number: Option<String>,
    /// The pair of wires.
    pub line: LineConfig,
    /// Its calls.
    pub call: CallConfig,
}
