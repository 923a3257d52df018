//! The servers that help media through routers, as the daemon has found their addresses.

use std::net::SocketAddr;

use secrecy::SecretString;

use crate::call::IcePolicy;
use crate::media::traversal::TraversalConfig;
use crate::media::turn::TurnServer;

/// Who may be asked.
#[derive(Clone, Debug, Default)]
pub struct NatServers {
    /// A STUN server.
    pub stun: Option<SocketAddr>,
    /// A TURN server.
    pub turn: Option<SocketAddr>,
    /// User name at the TURN server.
    pub turn_username: String,
    /// Password there.
    pub turn_password: SecretString,
}

impl NatServers {
    /// What a session of a line with this policy may use. `external`: the address outside is known, and nobody need be
    /// asked.
    pub(super) fn for_session(&self, ice: IcePolicy, external: bool) -> TraversalConfig {
        TraversalConfig {
            ice: ice != IcePolicy::Off,
            stun_server: self.stun.filter(|_| !external),
            turn_server: self.turn.map(|address| TurnServer {
                address,
                username: self.turn_username.clone(),
                password: self.turn_password.clone(),
            }),
        }
    }
}
