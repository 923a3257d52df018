//! Two hosts behind routers, a server between them, and a network that loses; all in virtual time.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::nat::{Kind, Nat};
use super::server::{PASSWORD, Server, USER};
use crate::media::TransmitKind;
use crate::media::ice::{Description, PACE};
use crate::media::stun::{is_channel_data, is_stun};
use crate::media::traversal::{Gathered, Traversal, TraversalConfig, TraversalEvent, Way};
use crate::media::turn::{TurnServer, channel_data, frame_channel_data};

/// One way through the network, unless a test says otherwise.
const DELAY: Duration = Duration::from_millis(20);

/// Of the RTP socket of either host.
const PORT: u16 = 16_384;

#[derive(Debug)]
pub struct Host {
    pub ip: IpAddr,
    pub nat: Nat,
    pub traversal: Traversal,
    pub gathered: Option<Gathered>,
    pub path: Option<(Way, Option<Way>)>,
    pub path_at: Option<Instant>,
    pub lost: u32,
    /// Media that arrived, by socket.
    pub media: [u32; 2],
}

#[derive(Debug)]
struct Flight {
    at: Instant,
    from: SocketAddr,
    to: SocketAddr,
    bytes: Vec<u8>,
}

#[derive(Debug)]
pub struct World {
    pub now: Instant,
    pub start: Instant,
    pub hosts: [Host; 2],
    pub server: Server,
    flights: Vec<Flight>,
    random: StdRng,
    pub loss_percent: u32,
    /// One way through the network.
    pub delay: Duration,
    /// Nothing passes between the hosts any more.
    pub cut: bool,
    pub sent: u32,
}

/// What both hosts may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Help {
    None,
    Stun,
    Turn,
}

impl World {
    pub fn new(kinds: [Kind; 2], help: Help, seed: u64) -> Self {
        Self::with_ice(kinds, help, seed, [true, true])
    }

    pub fn with_ice(kinds: [Kind; 2], help: Help, seed: u64, ice: [bool; 2]) -> Self {
        let now = crate::testing::epoch();
        let server = Server::new("203.0.113.9:3478".parse().unwrap());
        let hosts = [0, 1].map(|index| {
            let number = index as u8;
            let kind = kinds[index];
            let ip: IpAddr = match kind {
                Kind::Open => [198, 51, 100, number + 1].into(),
                _ => [10, number, 0, 2].into(),
            };
            let config = TraversalConfig {
                ice: ice[index],
                stun_server: (help != Help::None).then_some(server.address),
                turn_server: (help == Help::Turn).then(|| TurnServer {
                    address: server.address,
                    username: USER.to_owned(),
                    password: PASSWORD.into(),
                }),
            };
            let seed = [seed as u8 ^ number << 7; 32];
            Host {
                ip,
                nat: Nat::new(kind, [192, 0, 2, number + 1].into()),
                traversal: Traversal::new(now, &config, PORT, seed),
                gathered: None,
                path: None,
                path_at: None,
                lost: 0,
                media: [0; 2],
            }
        });
        let mut world = Self {
            now,
            start: now,
            hosts,
            server,
            flights: Vec::new(),
            random: StdRng::seed_from_u64(seed),
            loss_percent: 0,
            delay: DELAY,
            cut: false,
            sent: 0,
        };
        world.drain();
        world
    }

    pub fn elapsed_ms(&self) -> u128 {
        self.now.duration_since(self.start).as_millis()
    }

    /// What a host tells the other.
    pub fn description(&self, host: usize) -> Description {
        let host = &self.hosts[host];
        let gathered = host.gathered.as_ref().expect("gathered");
        Description {
            credentials: gathered.credentials.clone().expect("ICE"),
            lite: false,
            pace: PACE,
            candidates: gathered.candidates(host.ip),
        }
    }

    /// Host 0 offers, host 1 answers: it begins first, the offerer 30 ms later.
    pub fn connect(&mut self, shared_port: bool) {
        self.run_until(|world| world.hosts.iter().all(|host| host.gathered.is_some()));
        let (offer, answer) = (self.description(0), self.description(1));
        self.start_ice(1, &offer, false, shared_port);
        self.run_for(Duration::from_millis(30));
        self.start_ice(0, &answer, true, shared_port);
    }

    pub fn start_ice(&mut self, host: usize, remote: &Description, controlling: bool, shared_port: bool) {
        let own = &mut self.hosts[host];
        let local = own
            .gathered
            .as_ref()
            .and_then(|gathered| gathered.credentials.clone());
        own.traversal.connect(
            self.now,
            own.ip,
            local.as_ref(),
            Some(remote),
            controlling,
            shared_port,
        );
        self.drain();
    }

    /// Until it is so, or a minute has passed.
    pub fn run_until(&mut self, done: impl Fn(&Self) -> bool) -> bool {
        let end = self.now + Duration::from_secs(60);
        while !done(self) {
            if !self.step(end) {
                return false;
            }
        }
        true
    }

    pub fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        while self.step(end) {}
    }

    /// The next thing that happens before `end`.
    fn step(&mut self, end: Instant) -> bool {
        let timers = self.hosts.iter().filter_map(|host| host.traversal.poll_timeout());
        let next = timers.chain(self.flights.iter().map(|flight| flight.at)).min();
        let Some(next) = next.filter(|next| *next < end) else {
            self.now = end;
            return false;
        };
        self.now = self.now.max(next);
        while let Some(index) = self.flights.iter().position(|flight| flight.at <= self.now) {
            let flight = self.flights.remove(index);
            self.arrive(flight);
        }
        for host in &mut self.hosts {
            if host.traversal.poll_timeout().is_some_and(|due| due <= self.now) {
                host.traversal.handle_timeout(self.now);
                let again = host.traversal.poll_timeout();
                assert!(
                    again.is_none_or(|due| due > self.now),
                    "a timer that doesn't move on"
                );
            }
        }
        self.drain();
        true
    }

    /// Takes what the hosts have to say and sends it.
    pub fn drain(&mut self) {
        for index in 0..2 {
            while let Some(event) = self.hosts[index].traversal.poll_event() {
                let host = &mut self.hosts[index];
                match event {
                    TraversalEvent::Gathered => host.gathered = Some(host.traversal.gathered().clone()),
                    TraversalEvent::Path { rtp, rtcp } => {
                        host.path = Some((rtp, rtcp));
                        host.path_at.get_or_insert(self.now);
                    }
                    TraversalEvent::Settled(_) => {}
                    TraversalEvent::Lost => {
                        host.lost += 1;
                        host.path = None;
                    }
                }
            }
            while let Some(outgoing) = self.hosts[index].traversal.poll_transmit() {
                self.send(index, outgoing.socket, outgoing.to, outgoing.bytes);
            }
        }
    }

    fn send(&mut self, host: usize, socket: TransmitKind, to: SocketAddr, bytes: Vec<u8>) {
        let own = &mut self.hosts[host];
        let inside = SocketAddr::new(own.ip, PORT + socket as u16);
        let from = own.nat.outbound(inside, to);
        self.sent += 1;
        self.fly(from, to, bytes);
    }

    fn fly(&mut self, from: SocketAddr, to: SocketAddr, bytes: Vec<u8>) {
        if self.random.random_range(0..100) < self.loss_percent {
            return;
        }
        let at = self.now + self.delay;
        self.flights.push(Flight { at, from, to, bytes });
    }

    fn arrive(&mut self, flight: Flight) {
        let Flight { from, to, bytes, .. } = flight;
        if self.server.owns(to) {
            for (from, to, bytes) in self.server.handle(from, to, &bytes) {
                self.fly(from, to, bytes);
            }
            return;
        }
        if self.cut && !self.server.owns(from) {
            return;
        }
        for host in &mut self.hosts {
            let reachable =
                host.nat.owns(to.ip()) || host.ip == to.ip() && to.ip().to_string().starts_with("198");
            if !reachable {
                continue;
            }
            let Some(inside) = host.nat.inbound(from, to) else {
                continue;
            };
            let socket = if inside.port() == PORT {
                TransmitKind::Rtp
            } else {
                TransmitKind::Rtcp
            };
            // What the audio thread does.
            let relay = host.path.and_then(|(rtp, rtcp)| {
                let way = if socket == TransmitKind::Rtp {
                    Some(rtp)
                } else {
                    rtcp
                };
                way?.relay
            });
            let (from, relayed, bytes) = match (relay, channel_data(&bytes)) {
                (Some(relay), Some((channel, data)))
                    if is_channel_data(&bytes) && relay.server == from && relay.channel == channel =>
                {
                    (relay.peer, true, data)
                }
                _ => (from, false, bytes.as_slice()),
            };
            if is_stun(bytes) || is_channel_data(bytes) {
                host.traversal
                    .handle_datagram(self.now, socket, from, relayed, bytes);
            } else {
                host.media[socket as usize] += 1;
            }
        }
    }

    /// One packet of each kind from each host, as the audio thread sends them.
    pub fn talk(&mut self) {
        for host in 0..2 {
            let Some((rtp, rtcp)) = self.hosts[host].path else {
                continue;
            };
            self.send_media(host, TransmitKind::Rtp, rtp);
            if let Some(rtcp) = rtcp {
                let shared = rtcp == rtp;
                let socket = if shared {
                    TransmitKind::Rtp
                } else {
                    TransmitKind::Rtcp
                };
                self.send_media(host, socket, rtcp);
            }
        }
        self.run_for(Duration::from_millis(200));
    }

    fn send_media(&mut self, host: usize, socket: TransmitKind, way: Way) {
        let packet = [0x80; 32];
        let Some(relay) = way.relay else {
            return self.send(host, socket, way.to, packet.to_vec());
        };
        let mut frame = [0; 64];
        let framed = frame_channel_data(relay.channel, &packet, &mut frame)
            .unwrap()
            .to_vec();
        self.send(host, socket, relay.server, framed);
    }
}
