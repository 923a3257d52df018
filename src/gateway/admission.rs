//! Who may speak to the gateway: the daemon asks before it does anything with what arrives.

use std::net::SocketAddr;
use std::time::Instant;

use super::config::GatewayConfig;
use super::machine::Gateway;
use super::routing;
use crate::sip::ua::{Admission, UaCommand, UaInput};

impl Gateway {
    /// Whether a datagram from there is worth reading; to be asked before anything else is done about it.
    pub fn hears(&self, remote: SocketAddr, datagram: &[u8]) -> bool {
        self.user_agent.hears(remote, datagram)
    }

    /// Whether a connection from there is worth taking.
    pub fn takes_connection(&self, remote: SocketAddr) -> bool {
        self.user_agent.takes_connection(remote)
    }

    /// Lines of this machine reach each other over our own socket: it is no stranger.
    pub(super) fn configure_admission(&mut self, now: Instant, config: &GatewayConfig) {
        let admission = Admission {
            own: routing::own_socket(config).map(|(_, route)| route.remote),
            ..config.admission.clone()
        };
        let command = UaCommand::SetAdmission(Box::new(admission));
        self.user_agent.handle_input(now, UaInput::Command(command));
    }
}
