//! After the first way: what has been found, for the peer to be told, and beginning anew (RFC 8445 section 9).

use std::net::SocketAddr;
use std::time::Instant;

use rand::Rng;

use super::machine::{GATHER_WITHIN, Traversal};
use crate::media::TransmitKind;
use crate::media::ice::{Agent, Credentials};

/// What ICE has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settled {
    /// It was we who chose.
    pub controlling: bool,
    /// Addresses of RTP.
    pub rtp: Ends,
    /// Addresses of RTCP; `None`: it shares RTP's.
    pub rtcp: Option<Ends>,
}

/// The two ends of a chosen pair, each as the other side knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ends {
    /// Our candidate.
    pub local: SocketAddr,
    /// The peer's.
    pub remote: SocketAddr,
}

impl Traversal {
    /// Those in force.
    #[cfg(test)]
    pub(super) fn credentials(&self) -> Option<&Credentials> {
        self.agent.as_ref().map(Agent::credentials)
    }

    /// What ICE has come to, once it has for every component.
    pub fn settled(&self) -> Option<Settled> {
        let controlling = self.agent.as_ref()?.is_controlling();
        let rtp = self.ends(TransmitKind::Rtp)?;
        let rtcp = match self.shared_port {
            true => None,
            false => Some(self.ends(TransmitKind::Rtcp)?),
        };
        Some(Settled {
            controlling,
            rtp,
            rtcp,
        })
    }

    fn ends(&self, component: TransmitKind) -> Option<Ends> {
        let socket = &self.sockets[component as usize];
        let (base, remote) = socket.selected.filter(|_| socket.settled)?;
        let local = if base.relayed {
            self.gathered.relayed[component as usize]?
        } else {
            match socket.seen_as {
                Some(seen_as) => seen_as,
                None => self.gathered.host(self.ip?, component),
            }
        };
        Some(Ends { local, remote })
    }

    /// Our address has changed: servers are asked anew, and [`Gathered`](super::TraversalEvent::Gathered) says when all is
    /// known. `credentials`: those of an offer that will restart ICE; checks that use them are answered from now on, and
    /// the way there is serves until that offer's answer has led to another.
    pub fn restart(&mut self, now: Instant, credentials: Option<Credentials>) {
        if let Some(credentials) = credentials {
            self.gathered.credentials = Some(credentials.clone());
            self.next = Some(self.new_agent(credentials));
        }
        for socket in &mut self.sockets {
            socket.ask_servers(now, &self.config, &mut self.random);
        }
        self.gather_until = Some(now + GATHER_WITHIN);
        self.drain(now);
    }

    /// The peer has been told these credentials.
    pub(super) fn go_by(&mut self, local: &Credentials) {
        if self
            .agent
            .as_ref()
            .is_some_and(|agent| agent.credentials() == local)
        {
            return;
        }
        let prepared = self.next.take().filter(|next| next.credentials() == local);
        self.agent = Some(match prepared {
            Some(agent) => agent,
            None => self.new_agent(local.clone()),
        });
    }

    fn new_agent(&mut self, credentials: Credentials) -> Agent {
        let mut seed = [0; 32];
        self.random.fill_bytes(&mut seed);
        Agent::with_credentials(credentials, seed)
    }
}
