//! One socket of a session, with what servers hold for it.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rand::Rng;

use super::{TraversalConfig, Way};
use crate::media::ice::Base;
use crate::media::stun::BindingClient;
use crate::media::turn::TurnClient;

/// Mappings that nothing else keeps alive are refreshed so often (RFC 8445 section 11: 15 s).
const REFRESH_EVERY: Duration = Duration::from_secs(15);

#[derive(Debug, Default)]
pub(super) struct Socket {
    pub binding: Option<BindingClient>,
    pub turn: Option<TurnClient>,
    /// What ICE goes by.
    pub selected: Option<(Base, SocketAddr)>,
    /// It is what has been nominated, and not only the first that was found.
    pub settled: bool,
    /// As what the peer sees us there.
    pub seen_as: Option<SocketAddr>,
    pub way: Option<Way>,
}

impl Socket {
    /// One whose servers are asked from now on.
    pub fn new(now: Instant, config: &TraversalConfig, random: &mut impl Rng) -> Self {
        let mut socket = Self::default();
        socket.ask_servers(now, config, random);
        socket
    }

    /// Asks servers anew: what they said before was of another address.
    pub fn ask_servers(&mut self, now: Instant, config: &TraversalConfig, random: &mut impl Rng) {
        let turn_server = config.turn_server.as_ref().filter(|_| config.ice);
        let stun_server = config.stun_server.or(turn_server.map(|server| server.address));
        self.binding = stun_server.map(|server| BindingClient::new(now, server, Some(REFRESH_EVERY), random));
        self.turn = turn_server.map(|server| TurnClient::new(now, server.clone(), random));
    }

    /// The next datagram for a server.
    pub fn poll_transmit(&mut self) -> Option<(SocketAddr, Vec<u8>)> {
        if let Some(binding) = &mut self.binding
            && let Some(bytes) = binding.poll_transmit()
        {
            return Some((binding.server(), bytes));
        }
        let turn = self.turn.as_mut()?;
        let bytes = turn.poll_transmit()?;
        Some((turn.server(), bytes))
    }
}
