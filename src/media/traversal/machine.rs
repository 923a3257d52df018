//! The machine of one session.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::socket::Socket;
use super::{Gathered, Outgoing, Settled, TraversalConfig, TraversalEvent, Way};
use crate::media::TransmitKind;
use crate::media::ice::{Agent, Base, Credentials, Description, Transmit};
use crate::media::stun::{BindingClient, Message, is_channel_data};
use crate::media::turn::TurnClient;

/// An offer or answer waits for servers so long and no longer: they answer within a round trip, or are away.
pub(super) const GATHER_WITHIN: Duration = Duration::from_millis(500);

/// Both sockets.
const SOCKETS: [TransmitKind; 2] = [TransmitKind::Rtp, TransmitKind::Rtcp];

/// One session's ways through address translation.
#[derive(Debug)]
pub struct Traversal {
    pub(super) config: TraversalConfig,
    pub(super) gathered: Gathered,
    pub(super) gather_until: Option<Instant>,
    pub(super) sockets: [Socket; 2],
    pub(super) agent: Option<Agent>,
    /// That of an offer of ours that restarts, until its answer is here.
    pub(super) next: Option<Agent>,
    /// Our own address towards the peer.
    pub(super) ip: Option<IpAddr>,
    /// RTCP goes the way of RTP.
    pub(super) shared_port: bool,
    /// What has been said of the way that ICE has chosen.
    pub(super) told: Option<Settled>,
    /// Who is sent media now.
    pub(super) path: Option<(Way, Option<Way>)>,
    pub(super) random: StdRng,
    transmit: VecDeque<Outgoing>,
    pub(super) events: VecDeque<TraversalEvent>,
}

impl Traversal {
    /// Begins to gather for the sockets on `port` and the next. `seed`: from the system's randomness.
    pub fn new(now: Instant, config: &TraversalConfig, port: u16, seed: [u8; 32]) -> Self {
        let mut random = StdRng::from_seed(seed);
        let agent = config.ice.then(|| {
            let mut seed = [0; 32];
            random.fill_bytes(&mut seed);
            Agent::new(seed)
        });
        let sockets = SOCKETS.map(|_| Socket::new(now, config, &mut random));
        let mut traversal = Self {
            config: config.clone(),
            gathered: Gathered {
                credentials: agent.as_ref().map(|agent| agent.credentials().clone()),
                ..Gathered::plain(port)
            },
            gather_until: Some(now + GATHER_WITHIN),
            sockets,
            agent,
            next: None,
            ip: None,
            shared_port: false,
            told: None,
            path: None,
            random,
            transmit: VecDeque::new(),
            events: VecDeque::new(),
        };
        traversal.drain(now);
        traversal
    }

    /// What is known by now.
    pub fn gathered(&self) -> &Gathered {
        &self.gathered
    }

    /// What offer and answer say of ICE. `local`: the credentials that the peer has been told, where they may have
    /// changed; `remote`: what it says of itself, `None` if it doesn't do ICE; `ip`: our address towards it;
    /// `controlling`: the offer was ours.
    pub fn connect(
        &mut self,
        now: Instant,
        ip: IpAddr,
        local: Option<&Credentials>,
        remote: Option<&Description>,
        controlling: bool,
        shared_port: bool,
    ) {
        self.shared_port = shared_port;
        self.ip = Some(ip);
        let Some(remote) = remote else {
            // No relay without ICE.
            self.agent = None;
            self.next = None;
            self.release(now);
            return self.drain(now);
        };
        if let Some(local) = local {
            self.go_by(local);
        }
        if shared_port {
            let unused = &mut self.sockets[TransmitKind::Rtcp as usize];
            unused.binding = None;
            if let Some(turn) = &mut unused.turn {
                turn.release(now, &mut self.random);
            }
        }
        let mut bases = Vec::new();
        for component in SOCKETS.into_iter().take(if shared_port { 1 } else { 2 }) {
            let socket = &mut self.sockets[component as usize];
            bases.push(Base {
                component,
                relayed: false,
            });
            if let Some(turn) = socket.turn.as_mut().filter(|turn| turn.relayed().is_some()) {
                let peers = remote.candidates.iter().map(|candidate| candidate.address.ip());
                turn.permit(now, peers, &mut self.random);
                bases.push(Base {
                    component,
                    relayed: true,
                });
            }
        }
        if let Some(agent) = &mut self.agent
            && agent.start(now, &bases, ip.is_ipv4(), remote, controlling)
        {
            // Whoever has a way goes on using it; the next one is told in any case.
            for socket in &mut self.sockets {
                socket.selected = None;
                socket.settled = false;
                socket.way = None;
            }
            self.path = None;
            self.told = None;
        }
        self.drain(now);
    }

    /// Gives back what servers hold for us.
    pub fn close(&mut self, now: Instant) {
        self.agent = None;
        self.next = None;
        for socket in &mut self.sockets {
            socket.binding = None;
        }
        self.release(now);
        self.drain(now);
    }

    /// Takes a datagram that isn't media. `relayed`: it came through the channel that media goes through, and `from` is
    /// the peer at its other end.
    pub fn handle_datagram(
        &mut self,
        now: Instant,
        socket: TransmitKind,
        from: SocketAddr,
        relayed: bool,
        bytes: &[u8],
    ) {
        if relayed {
            self.hear(now, socket, from, true, bytes);
            return self.drain(now);
        }
        let own = &mut self.sockets[socket as usize];
        let turn = own.turn.as_mut().filter(|turn| turn.server() == from);
        if is_channel_data(bytes) {
            if let Some(turn) = turn {
                turn.handle_channel_data(bytes);
            }
        } else if let Some(message) = Message::parse(bytes) {
            let answered = own
                .binding
                .as_mut()
                .is_some_and(|client| client.server() == from && client.handle_message(now, &message))
                || turn.is_some_and(|turn| turn.handle_message(now, &message, &mut self.random));
            if !answered {
                self.hear(now, socket, from, false, bytes);
            }
        }
        self.drain(now);
    }

    /// To be called when [`poll_timeout`](Self::poll_timeout) is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        for socket in &mut self.sockets {
            if let Some(binding) = &mut socket.binding {
                binding.handle_timeout(now, &mut self.random);
            }
            if let Some(turn) = &mut socket.turn {
                turn.handle_timeout(now, &mut self.random);
            }
        }
        if let Some(agent) = &mut self.agent {
            agent.handle_timeout(now);
        }
        self.drain(now);
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) at the latest.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let servers = self.sockets.iter().flat_map(|socket| {
            let binding = socket.binding.as_ref().and_then(BindingClient::poll_timeout);
            binding
                .into_iter()
                .chain(socket.turn.as_ref().and_then(TurnClient::poll_timeout))
        });
        servers
            .chain(self.agent.as_ref().and_then(Agent::poll_timeout))
            .chain(self.gather_until)
            .min()
    }

    /// The next datagram to send.
    pub fn poll_transmit(&mut self) -> Option<Outgoing> {
        self.transmit.pop_front()
    }

    /// What happened.
    pub fn poll_event(&mut self) -> Option<TraversalEvent> {
        self.events.pop_front()
    }

    pub(super) fn hear(
        &mut self,
        now: Instant,
        socket: TransmitKind,
        from: SocketAddr,
        relayed: bool,
        bytes: &[u8],
    ) {
        let base = Base {
            component: socket,
            relayed,
        };
        let Some(message) = Message::parse(bytes) else {
            return;
        };
        let next = self.next.as_mut().filter(|next| next.is_meant_by(&message));
        if let Some(agent) = next.or(self.agent.as_mut()) {
            agent.handle_message(now, base, from, &message);
        }
    }

    fn agent_transmit(&mut self) -> Option<Transmit> {
        let agents = self.agent.iter_mut().chain(&mut self.next);
        agents.into_iter().find_map(Agent::poll_transmit)
    }

    fn release(&mut self, now: Instant) {
        for socket in &mut self.sockets {
            if let Some(turn) = &mut socket.turn {
                turn.release(now, &mut self.random);
            }
            socket.selected = None;
            socket.way = None;
        }
    }

    /// Carries what the parts say to each other until all are silent.
    pub(super) fn drain(&mut self, now: Instant) {
        loop {
            let mut idle = true;
            for socket in SOCKETS {
                while let Some(event) = self.sockets[socket as usize]
                    .turn
                    .as_mut()
                    .and_then(TurnClient::poll_event)
                {
                    idle = false;
                    self.turn_event(now, socket, event);
                }
            }
            while let Some(transmit) = self.agent_transmit() {
                idle = false;
                let Base { component, relayed } = transmit.base;
                if !relayed {
                    self.transmit.push_back(Outgoing {
                        socket: component,
                        to: transmit.to,
                        bytes: transmit.bytes,
                    });
                } else if let Some(turn) = &mut self.sockets[component as usize].turn {
                    turn.send(transmit.to, &transmit.bytes, &mut self.random);
                }
            }
            while let Some(event) = self.agent.as_mut().and_then(Agent::poll_event) {
                idle = false;
                self.ice_event(now, event);
            }
            if idle {
                break;
            }
        }
        for component in SOCKETS {
            let socket = &mut self.sockets[component as usize];
            while let Some((to, bytes)) = socket.poll_transmit() {
                self.transmit.push_back(Outgoing {
                    socket: component,
                    to,
                    bytes,
                });
            }
        }
        self.gather(now);
        self.tell_path();
    }

    fn gather(&mut self, now: Instant) {
        let Some(until) = self.gather_until else { return };
        let waiting = self.sockets.iter().any(|socket| {
            socket.binding.as_ref().is_some_and(BindingClient::is_asking)
                || socket.turn.as_ref().is_some_and(TurnClient::is_allocating)
        });
        if waiting && now < until {
            return;
        }
        self.gather_until = None;
        for (index, socket) in self.sockets.iter().enumerate() {
            let binding = socket.binding.as_ref().and_then(BindingClient::mapped);
            let turn = socket.turn.as_ref();
            self.gathered.mapped[index] = binding.or(turn.and_then(TurnClient::mapped));
            self.gathered.relayed[index] = turn.and_then(TurnClient::relayed);
        }
        self.events.push_back(TraversalEvent::Gathered);
    }
}
