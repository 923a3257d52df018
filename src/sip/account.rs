//! An account at a SIP server: where it is, who we are there, and whether we register.

use super::ua::{AccountName, Transport};
use secrecy::SecretString;

/// One account, as configured.
#[derive(Clone, Debug)]
pub struct Account {
    /// Its name in the configuration.
    pub name: AccountName,
    /// Host of the registrar and proxy: name or literal address.
    pub server_host: String,
    /// Port; `None`: 5060 (SRV comes with RFC 3263).
    pub server_port: Option<u16>,
    /// Transport asked for; `None`: UDP.
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
}
