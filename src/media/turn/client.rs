//! One socket's allocation at a TURN server.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use rand::Rng;

use super::request::{Challenge, Purpose, Request};
use super::{CHANNEL_HEADER_BYTES, TurnServer, channel_data, frame_channel_data};
use crate::media::stun::{Class, Message, MessageWriter, TransactionId, Turn, attribute, method};

/// An allocation is refreshed so long before it ends.
const REFRESH_BEFORE: Duration = Duration::from_secs(60);

/// Lifetime where the server doesn't say (RFC 8656 section 7.2).
const LIFETIME_S: u32 = 600;

/// Permissions last 5 minutes (RFC 8656 section 9), channels 10 (section 12).
const RENEW_AFTER: Duration = Duration::from_secs(240);

/// The first channel number (RFC 8656 section 12). One is bound at a time, each peer gets the next.
const FIRST_CHANNEL: u16 = 0x4000;

/// The last one.
const LAST_CHANNEL: u16 = 0x4FFF;

/// So often a server may want other credentials for one request: once for the first, once for a nonce gone stale, once
/// to spare.
const REFUSALS_MAX: u8 = 3;

/// Peers that are permitted at most: as many as candidates are looked at.
const PERMISSIONS_MAX: usize = 64;

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TurnEvent {
    /// There is an allocation.
    Allocated,
    /// There is none, or no longer one.
    Failed(String),
    /// The channel leads to this peer.
    Bound(SocketAddr, u16),
    /// The server won't have it, or doesn't answer.
    NotBound(SocketAddr),
    /// A peer has sent this to the relayed address.
    Data(SocketAddr, Vec<u8>),
}

/// The client of one socket.
#[derive(Debug)]
pub struct TurnClient {
    server: TurnServer,
    challenge: Option<Challenge>,
    state: State,
    relayed: Option<SocketAddr>,
    mapped: Option<SocketAddr>,
    requests: Vec<Request>,
    permitted: Vec<IpAddr>,
    channel: Option<(SocketAddr, u16)>,
    bound: bool,
    next_channel: u16,
    refresh_at: Option<Instant>,
    renew_at: Option<Instant>,
    transmit: VecDeque<Vec<u8>>,
    events: VecDeque<TurnEvent>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Allocating,
    Allocated,
    Over,
}

impl TurnClient {
    /// Asks for an allocation.
    pub fn new(now: Instant, server: TurnServer, random: &mut impl Rng) -> Self {
        let mut client = Self {
            server,
            challenge: None,
            state: State::Allocating,
            relayed: None,
            mapped: None,
            requests: Vec::new(),
            permitted: Vec::new(),
            channel: None,
            bound: false,
            next_channel: FIRST_CHANNEL,
            refresh_at: None,
            renew_at: None,
            transmit: VecDeque::new(),
            events: VecDeque::new(),
        };
        client.ask(now, Purpose::Allocate, random);
        client
    }

    /// The server's address.
    pub fn server(&self) -> SocketAddr {
        self.server.address
    }

    /// The address at the server.
    pub fn relayed(&self) -> Option<SocketAddr> {
        self.relayed.filter(|_| self.state == State::Allocated)
    }

    /// The socket's own address as the server sees it.
    pub fn mapped(&self) -> Option<SocketAddr> {
        self.mapped
    }

    /// The first answer is still to come.
    pub fn is_allocating(&self) -> bool {
        self.state == State::Allocating
    }

    /// Lets these peers through to the relayed address.
    pub fn permit(&mut self, now: Instant, peers: impl Iterator<Item = IpAddr>, random: &mut impl Rng) {
        let Some(relayed) = self.relayed() else { return };
        let mut new: Vec<IpAddr> = peers
            .filter(|peer| peer.is_ipv4() == relayed.is_ipv4() && !self.permitted.contains(peer))
            .collect();
        new.sort_unstable();
        new.dedup();
        new.truncate(PERMISSIONS_MAX.saturating_sub(self.permitted.len()));
        // One request a peer: a server that refuses one of them (403) refuses the request whole.
        for peer in new {
            self.permitted.push(peer);
            self.ask(now, Purpose::Permit(vec![peer]), random);
        }
        self.renew_at.get_or_insert(now + RENEW_AFTER);
    }

    /// Binds a channel to the peer that media goes to.
    pub fn bind(&mut self, now: Instant, peer: SocketAddr, random: &mut impl Rng) {
        if self.state != State::Allocated {
            return self.events.push_back(TurnEvent::NotBound(peer));
        }
        match self.channel {
            Some((bound_to, channel)) if bound_to == peer => {
                if self.bound {
                    self.events.push_back(TurnEvent::Bound(peer, channel));
                }
            }
            _ => {
                let channel = self.next_channel;
                self.next_channel = if channel == LAST_CHANNEL {
                    FIRST_CHANNEL
                } else {
                    channel + 1
                };
                self.channel = Some((peer, channel));
                self.bound = false;
                self.ask(now, Purpose::Bind(peer, channel), random);
                self.renew_at.get_or_insert(now + RENEW_AFTER);
            }
        }
    }

    /// Sends to a peer from the relayed address.
    pub fn send(&mut self, peer: SocketAddr, data: &[u8], random: &mut impl Rng) {
        if self.relayed().is_none() {
            return;
        }
        if let Some((_, channel)) = self
            .channel
            .filter(|(bound_to, _)| self.bound && *bound_to == peer)
        {
            let mut frame = vec![0; CHANNEL_HEADER_BYTES + data.len()];
            if frame_channel_data(channel, data, &mut frame).is_some() {
                self.transmit.push_back(frame);
            }
            return;
        }
        let indication = MessageWriter::new(Class::Indication, method::SEND, TransactionId::random(random))
            .xor_address(attribute::XOR_PEER_ADDRESS, peer)
            .value(attribute::DATA, data);
        self.transmit.push_back(indication.finish());
    }

    /// Gives the allocation back; one datagram, whether it arrives or not: the server's clock does the rest.
    pub fn release(&mut self, now: Instant, random: &mut impl Rng) {
        if self.state == State::Allocated {
            self.requests.clear();
            self.ask(now, Purpose::Release, random);
        }
        self.requests.clear();
        self.state = State::Over;
        self.refresh_at = None;
        self.renew_at = None;
    }

    /// Takes ChannelData of the server's.
    pub fn handle_channel_data(&mut self, bytes: &[u8]) {
        if let (Some((channel, data)), Some((peer, bound))) = (channel_data(bytes), self.channel)
            && channel == bound
        {
            self.events.push_back(TurnEvent::Data(peer, data.to_vec()));
        }
    }

    /// Takes a message of the server's; `true`: it was for this client.
    pub fn handle_message(&mut self, now: Instant, message: &Message<'_>, random: &mut impl Rng) -> bool {
        if message.class() == Class::Indication {
            return message.method() == method::DATA && self.handle_data(message);
        }
        let transaction = message.transaction();
        let Some(index) = self
            .requests
            .iter()
            .position(|request| request.transaction == transaction)
        else {
            return false;
        };
        // A response that isn't sealed with our key is a stranger's, but for those that tell us what to seal with
        // (RFC 8489 section 9.2.5).
        let sealed = self
            .challenge
            .as_ref()
            .is_some_and(|challenge| message.is_sealed_with(challenge.key()));
        let error = message.attributes().error();
        match (message.class(), error) {
            (Class::Success, _) if sealed => {
                let request = self.requests.swap_remove(index);
                self.succeeded(now, request.purpose, message);
            }
            (Class::Error, Some(code @ (401 | 438))) => {
                let request = self.requests.swap_remove(index);
                self.challenged(now, request, code, message, random);
            }
            (Class::Error, code) if sealed || self.challenge.is_none() => {
                let request = self.requests.swap_remove(index);
                self.failed(
                    request.purpose,
                    &format!("the TURN server says {}", code.unwrap_or(0)),
                );
            }
            _ => {}
        }
        true
    }

    /// To be called when [`poll_timeout`](Self::poll_timeout) is due.
    pub fn handle_timeout(&mut self, now: Instant, random: &mut impl Rng) {
        let mut unanswered = Vec::new();
        let transmit = &mut self.transmit;
        self.requests.retain_mut(|request| match request.clock.turn(now) {
            Turn::Wait => true,
            Turn::Again => {
                transmit.push_back(request.bytes.clone());
                true
            }
            Turn::GiveUp => {
                unanswered.push(request.purpose.clone());
                false
            }
        });
        for purpose in unanswered {
            self.failed(purpose, "the TURN server doesn't answer");
        }
        if self.refresh_at.is_some_and(|at| at <= now) {
            self.refresh_at = None;
            self.ask(now, Purpose::Refresh, random);
        }
        if self.renew_at.is_some_and(|at| at <= now) {
            self.renew_at = Some(now + RENEW_AFTER);
            for peer in self.permitted.clone() {
                self.ask(now, Purpose::Permit(vec![peer]), random);
            }
            if let Some((peer, channel)) = self.channel {
                self.ask(now, Purpose::Bind(peer, channel), random);
            }
        }
    }

    /// When to call [`handle_timeout`](Self::handle_timeout).
    pub fn poll_timeout(&self) -> Option<Instant> {
        let requests = self.requests.iter().map(|request| request.clock.due());
        requests.chain(self.refresh_at).chain(self.renew_at).min()
    }

    /// A datagram for the server.
    pub fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        self.transmit.pop_front()
    }

    /// What happened.
    pub fn poll_event(&mut self) -> Option<TurnEvent> {
        self.events.pop_front()
    }

    fn ask(&mut self, now: Instant, purpose: Purpose, random: &mut impl Rng) {
        let request = Request::new(now, purpose, &self.server, self.challenge.as_ref(), random);
        self.transmit.push_back(request.bytes.clone());
        self.requests.push(request);
    }

    fn handle_data(&mut self, message: &Message<'_>) -> bool {
        let attributes = message.attributes();
        if let (Some(peer), Some(data)) = (
            attributes.xor_address(attribute::XOR_PEER_ADDRESS),
            attributes.value(attribute::DATA),
        ) {
            self.events.push_back(TurnEvent::Data(peer, data.to_vec()));
        }
        true
    }

    fn succeeded(&mut self, now: Instant, purpose: Purpose, message: &Message<'_>) {
        let attributes = message.attributes();
        match purpose {
            Purpose::Allocate => {
                let relayed = attributes.xor_address(attribute::XOR_RELAYED_ADDRESS);
                if relayed.is_none() {
                    return self.failed(Purpose::Allocate, "the TURN server gives no address");
                }
                self.relayed = relayed;
                self.mapped = attributes.mapped_address();
                self.state = State::Allocated;
                self.refresh_after(now, attributes.number_32(attribute::LIFETIME));
                self.events.push_back(TurnEvent::Allocated);
            }
            Purpose::Refresh => self.refresh_after(now, attributes.number_32(attribute::LIFETIME)),
            Purpose::Bind(peer, channel) if self.channel == Some((peer, channel)) && !self.bound => {
                self.bound = true;
                self.events.push_back(TurnEvent::Bound(peer, channel));
            }
            Purpose::Bind(..) | Purpose::Release | Purpose::Permit(_) => {}
        }
    }

    fn refresh_after(&mut self, now: Instant, lifetime_s: Option<u32>) {
        let lifetime = Duration::from_secs(u64::from(lifetime_s.unwrap_or(LIFETIME_S)));
        self.refresh_at = Some(now + lifetime.saturating_sub(REFRESH_BEFORE).max(lifetime / 2));
    }

    fn challenged(
        &mut self,
        now: Instant,
        request: Request,
        code: u16,
        message: &Message<'_>,
        random: &mut impl Rng,
    ) {
        // A 401 to a request that had credentials: they are wrong.
        let known = self.challenge.is_some();
        let refused = request.refused + 1;
        let challenge = Challenge::read(&self.server, &message.attributes(), self.challenge.as_ref());
        match challenge {
            Some(challenge) if refused < REFUSALS_MAX && (code == 438 || !known) => {
                self.challenge = Some(challenge);
                self.ask(now, request.purpose, random);
                if let Some(request) = self.requests.last_mut() {
                    request.refused = refused;
                }
            }
            _ => self.failed(request.purpose, "the TURN server refuses user name and password"),
        }
    }

    fn failed(&mut self, purpose: Purpose, reason: &str) {
        match purpose {
            Purpose::Allocate | Purpose::Refresh => {
                self.state = State::Over;
                self.refresh_at = None;
                self.renew_at = None;
                self.events.push_back(TurnEvent::Failed(reason.to_owned()));
            }
            Purpose::Bind(peer, channel) if self.channel == Some((peer, channel)) => {
                self.channel = None;
                self.bound = false;
                self.events.push_back(TurnEvent::NotBound(peer));
            }
            // Its pairs fail by themselves.
            Purpose::Bind(..) | Purpose::Permit(_) | Purpose::Release => {}
        }
    }
}
