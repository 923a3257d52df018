//! A world in virtual time: gateways with their voice paths, model telephones, a network with faults, and scripted SIP
//! peers. Nothing here sleeps; [`World::run_until`] jumps from one happening to the next.

#![allow(dead_code, reason = "each test target uses its own part of the world")]

pub mod host;
pub mod module;
pub mod network;
pub mod peer;
pub mod storm;
pub mod telephone;

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use host::{Host, HostOptions};
use network::{Faults, Network};
use peer::Peer;

/// The scripted server, where it is the first peer.
pub fn server(world: &mut World) -> &mut peer::Server {
    world.peers[0].as_server().expect("the server")
}

/// Everything there is.
pub struct World {
    pub now: Instant,
    pub start: Instant,
    pub hosts: Vec<Host>,
    pub peers: Vec<Box<dyn Peer>>,
    pub network: Network,
}

impl World {
    pub fn new(seed: u64) -> Self {
        let start = Instant::now();
        Self {
            now: start,
            start,
            hosts: Vec::new(),
            peers: Vec::new(),
            network: Network::new(seed, Faults::none()),
        }
    }

    /// Adds a machine running tipring at 10.0.0.`last`; returns its index.
    pub fn add_host(&mut self, last: u8, options: HostOptions) -> usize {
        let host = Host::new(ip(last), options, self.now);
        self.hosts.push(host);
        self.settle();
        self.hosts.len() - 1
    }

    /// Adds a scripted peer; returns its index.
    pub fn add_peer(&mut self, peer: impl Peer + 'static) -> usize {
        self.peers.push(Box::new(peer));
        self.settle();
        self.peers.len() - 1
    }

    /// Milliseconds since the world began.
    pub fn elapsed_ms(&self) -> u64 {
        (self.now - self.start).as_millis() as u64
    }

    pub fn telephone(&mut self, host: usize, line: &str) -> &mut telephone::Telephone {
        &mut self.hosts[host].side(line).telephone
    }

    /// Runs for so long.
    pub fn run_ms(&mut self, milliseconds: u64) {
        let end = self.now + Duration::from_millis(milliseconds);
        while self.now < end {
            self.step(end);
        }
    }

    /// Runs until `wanted` holds; panics with every host's events when it does not within the bound.
    #[track_caller]
    pub fn run_until(&mut self, what: &str, bound_ms: u64, mut wanted: impl FnMut(&mut World) -> bool) {
        let end = self.now + Duration::from_millis(bound_ms);
        while !wanted(self) {
            if self.now >= end {
                for (index, host) in self.hosts.iter().enumerate() {
                    for event in &host.events {
                        eprintln!(
                            "host {index}: {}",
                            serde_json::to_string(event).expect("events serialise")
                        );
                    }
                }
                panic!(
                    "waited {bound_ms} ms in vain: {what} (at {} ms)",
                    self.elapsed_ms()
                );
            }
            self.step(end);
        }
    }

    /// To the next happening, at the latest to `end`.
    fn step(&mut self, end: Instant) {
        let hosts = self.hosts.iter().filter_map(Host::poll_timeout);
        let peers = self.peers.iter().filter_map(|peer| peer.poll_timeout());
        let next = hosts
            .chain(peers)
            .chain(self.network.next_arrival())
            .min()
            .unwrap_or(end);
        self.now = next.clamp(self.now, end);
        for host in &mut self.hosts {
            host.handle_timeout(self.now);
        }
        for peer in &mut self.peers {
            peer.handle_timeout(self.now);
        }
        self.settle();
    }

    /// Delivers what is due and collects what is sent, until nothing moves at this instant.
    fn settle(&mut self) {
        loop {
            for host in &mut self.hosts {
                host.transmit_into(self.now, &mut self.network);
            }
            for peer in &mut self.peers {
                while let Some(packet) = peer.poll_transmit() {
                    self.network.send(self.now, packet);
                }
            }
            let Some(packet) = self.network.arrive(self.now) else {
                return;
            };
            if let Some(host) = self.hosts.iter_mut().find(|host| host.ip == packet.to.ip()) {
                host.deliver(self.now, packet);
            } else if let Some(peer) = self
                .peers
                .iter_mut()
                .find(|peer| peer.address().ip() == packet.to.ip())
            {
                peer.deliver(self.now, packet);
            }
        }
    }
}

/// An address of the model network.
pub fn ip(last: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(10, 0, 0, last))
}
