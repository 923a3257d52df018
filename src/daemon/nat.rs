//! What the loop does for media that goes through routers: it finds the helping servers' addresses, and sends what
//! isn't media from the sessions' sockets.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use secrecy::SecretString;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::inbound::Inbound;
use super::net::{PortPair, for_socket};
use crate::gateway::{Input, NatServers, SessionId};
use crate::media::TransmitKind;

/// Names are looked up anew so often.
const LOOK_UP_EVERY: Duration = Duration::from_secs(300);

/// After a name was not found, so soon.
const LOOK_UP_AGAIN_AFTER: Duration = Duration::from_secs(20);

/// The servers as the configuration names them.
#[derive(Clone, Debug, Default)]
pub struct NatSetup {
    /// STUN server: host and port.
    pub stun: Option<(String, u16)>,
    /// TURN server: host and port.
    pub turn: Option<(String, u16)>,
    /// User name at the TURN server.
    pub turn_username: String,
    /// Password there.
    pub turn_password: SecretString,
}

/// Looks the servers' names up for as long as it lives.
#[derive(Debug)]
pub struct NatLookup(JoinHandle<()>);

impl Drop for NatLookup {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl NatLookup {
    /// Starts, for sockets bound to `bound`.
    pub fn start(setup: NatSetup, bound: SocketAddr, inbound: mpsc::Sender<Inbound>) -> Self {
        Self(tokio::spawn(look_up(setup, bound, inbound)))
    }
}

async fn look_up(setup: NatSetup, bound: SocketAddr, inbound: mpsc::Sender<Inbound>) {
    // IPv6 sockets bound to no address in particular reach both versions.
    let reached = |address: &SocketAddr| {
        address.is_ipv4() == bound.is_ipv4() || bound.is_ipv6() && bound.ip().is_unspecified()
    };
    loop {
        let stun = address(setup.stun.as_ref(), reached).await;
        let turn = address(setup.turn.as_ref(), reached).await;
        let missing = setup.stun.is_some() && stun.is_none() || setup.turn.is_some() && turn.is_none();
        let servers = NatServers {
            stun,
            turn,
            turn_username: setup.turn_username.clone(),
            turn_password: setup.turn_password.clone(),
        };
        let input = Inbound::Gateway(Box::new(Input::NatServers(Box::new(servers))));
        if inbound.send(input).await.is_err() {
            return;
        }
        tokio::time::sleep(if missing {
            LOOK_UP_AGAIN_AFTER
        } else {
            LOOK_UP_EVERY
        })
        .await;
    }
}

async fn address(
    server: Option<&(String, u16)>,
    reached: impl Fn(&SocketAddr) -> bool,
) -> Option<SocketAddr> {
    let (host, port) = server?;
    match tokio::net::lookup_host((host.as_str(), *port)).await {
        Ok(mut found) => {
            let address = found.find(reached);
            if address.is_none() {
                tracing::warn!(
                    host,
                    "this server has no address of our IP version: it is not used"
                );
            }
            address
        }
        Err(error) => {
            tracing::warn!(host, %error, "the address of this server is not found: it is not used for now");
            None
        }
    }
}

/// The open media sockets once more.
#[derive(Debug, Default)]
pub struct MediaSockets {
    sessions: HashMap<SessionId, PortPair>,
}

impl MediaSockets {
    /// A session's sockets are open.
    pub fn insert(&mut self, session: SessionId, sockets: PortPair) {
        self.sessions.insert(session, sockets);
    }

    /// They are being closed.
    pub fn remove(&mut self, session: SessionId) {
        self.sessions.remove(&session);
    }

    /// Sends; what the network refuses is lost like any datagram.
    pub fn send(&self, session: SessionId, socket: TransmitKind, to: SocketAddr, bytes: &[u8]) {
        if let Some(pair) = self.sessions.get(&session) {
            let from = match socket {
                TransmitKind::Rtp => &pair.rtp,
                TransmitKind::Rtcp => &pair.rtcp,
            };
            let _ = from.send_to(bytes, for_socket(pair.address.ip(), to));
        }
    }
}
