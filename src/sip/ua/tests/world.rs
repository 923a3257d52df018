//! A network of user agents and scripted peers. Time jumps from event to event; faults come from a seed.

use crate::sip::account::{Account, AccountEvents, KeepAliveMethod};
use crate::sip::message::{HeaderName, Message, Method, Request, Response, StatusCode};
use crate::sip::ua::*;
use crate::testing::epoch;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A peer that isn't a user agent of ours: request or response in, messages out.
pub type Script = Box<dyn FnMut(&Message) -> Vec<Message>>;

/// What a test's user does about events.
pub type Reaction = Box<dyn FnMut(&UaEvent) -> Vec<UaCommand>>;

/// What the network does to datagrams.
#[derive(Clone, Copy, Debug)]
pub struct Faults {
    pub loss: f64,
    pub duplication: f64,
    /// Longest delay; every packet draws its own, so they overtake each other.
    pub delay_ms: u64,
}

pub const CLEAN: Faults = Faults {
    loss: 0.0,
    duplication: 0.0,
    delay_ms: 1,
};

pub struct World {
    pub start: Instant,
    pub now: Instant,
    rng: StdRng,
    pub faults: Faults,
    pub uas: Vec<Node>,
    scripts: BTreeMap<SocketAddr, Script>,
    /// Names the resolver knows; others fail.
    pub names: BTreeMap<String, Vec<SocketAddr>>,
    /// SRV records, by their names.
    pub services: BTreeMap<String, Vec<Srv>>,
    /// How long what DNS says holds.
    pub ttl: Duration,
    /// No name server answers.
    pub dns_down: bool,
    /// TLS connections asked for, and for whom.
    pub connected: Vec<(SocketAddr, String)>,
    /// The connection that what is sent now answers over.
    answering: Option<Arc<str>>,
    /// What was sent over TLS: the connection's domain, and the first line.
    pub over_tls: Vec<(String, String)>,
    /// Whether servers answer pings on streams.
    pub pongs: bool,
    /// Connections that a user agent ended.
    pub closed: Vec<(Transport, SocketAddr)>,
    /// Addresses where the transport reports a failure.
    pub dead: Vec<(Transport, SocketAddr)>,
    flying: Vec<Flying>,
    /// Every message sent: when (ms), from, to, first line.
    pub log: Vec<(u64, SocketAddr, SocketAddr, String)>,
    /// The same in full.
    pub wire: Vec<Vec<u8>>,
}

pub struct Node {
    pub ua: UserAgent,
    pub address: SocketAddr,
    /// What its NAT shows instead.
    pub public: Option<SocketAddr>,
    /// No route leads anywhere.
    pub offline: bool,
    pub events: Vec<UaEvent>,
    /// Answers to events, drawn up by the test.
    pub react: Reaction,
}

struct Flying {
    at: Instant,
    /// Over which TLS connection.
    domain: Option<Arc<str>>,
    order: u64,
    transport: Transport,
    from: SocketAddr,
    to: SocketAddr,
    bytes: Vec<u8>,
}

pub fn account(name: &str, user: &str, host: &str) -> Account {
    Account {
        name: AccountName(name.into()),
        server_host: host.into(),
        server_port: None,
        transport: None,
        username: user.into(),
        auth_username: None,
        domain: None,
        display_name: None,
        password: "secret".into(),
        register: true,
        expires_s: 300,
        session_expires_s: 0,
        follow_redirects: true,
        digest_md5: true,
        secure: false,
        outbound: false,
        keep_alive: KeepAliveMethod::Crlf,
        keep_alive_s: 29,
        forbidden_wait_s: 1200,
        events: AccountEvents::default(),
    }
}

pub fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// A response of a model peer.
pub fn respond(request: &Request, code: u16, tag: &str) -> Response {
    Response::to_request(&request.headers, StatusCode::new(code).unwrap(), Some(tag))
}

/// The same with a Contact and SDP.
pub fn accept(request: &Request, tag: &str, contact: &str, sdp: &str) -> Response {
    let mut response = respond(request, 200, tag);
    response.headers.push(HeaderName::CONTACT, format!("<{contact}>"));
    if sdp.is_empty() {
        response
    } else {
        response.with_body("application/sdp", sdp.into())
    }
}

impl World {
    pub fn new(seed: u64) -> Self {
        let start = epoch();
        Self {
            start,
            now: start,
            rng: StdRng::seed_from_u64(seed),
            faults: CLEAN,
            uas: Vec::new(),
            scripts: BTreeMap::new(),
            names: BTreeMap::new(),
            services: BTreeMap::new(),
            ttl: Duration::from_secs(60),
            dns_down: false,
            connected: Vec::new(),
            answering: None,
            over_tls: Vec::new(),
            pongs: true,
            closed: Vec::new(),
            dead: Vec::new(),
            flying: Vec::new(),
            log: Vec::new(),
            wire: Vec::new(),
        }
    }

    /// Adds a user agent; gives its index.
    pub fn add(&mut self, at: &str) -> usize {
        let seed = [u8::try_from(self.uas.len()).unwrap() + 1; 32];
        self.add_with(at, seed)
    }

    /// The same with a seed of its own.
    pub fn add_seeded(&mut self, at: &str, seed: u64) -> usize {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        self.add_with(at, bytes)
    }

    fn add_with(&mut self, at: &str, seed: [u8; 32]) -> usize {
        let address = address(at);
        let config = UaConfig {
            user_agent: "tipring-test".into(),
            udp_port: Some(address.port()),
            tcp_port: Some(address.port()),
            tls_port: None,
            tls: true,
            instance: Some("urn:uuid:00000000-0000-4000-8000-000000000001".into()),
        };
        let mut ua = UserAgent::new(config, seed);
        // Whom it hears is a matter of the tests of its guard; here everybody is known.
        let everywhere = ["0.0.0.0", "::"].map(|any| Network::new(any.parse().unwrap(), 0).unwrap());
        let admission = Admission {
            networks: everywhere.to_vec(),
            ..Admission::default()
        };
        ua.handle_input(
            self.now,
            UaInput::Command(UaCommand::SetAdmission(Box::new(admission))),
        );
        self.uas.push(Node {
            ua,
            address,
            public: None,
            offline: false,
            events: Vec::new(),
            react: Box::new(|_| Vec::new()),
        });
        self.uas.len() - 1
    }

    pub fn script(&mut self, at: &str, script: impl FnMut(&Message) -> Vec<Message> + 'static) {
        self.scripts.insert(address(at), Box::new(script));
    }

    pub fn input(&mut self, node: usize, input: UaInput) {
        let now = self.now;
        self.uas[node].ua.handle_input(now, input);
        self.drain(node);
    }

    /// Until so long after the start.
    pub fn run_until_after(&mut self, time: Duration) {
        self.run_until(self.start + time);
    }

    /// Nothing is left but a registration.
    pub fn assert_clean_but_registered(&mut self) {
        self.run_s(40);
        for node in &self.uas {
            let load = node.ua.load();
            assert_eq!((load.calls, load.queries), (0, 0), "{:?}", node.events);
        }
    }

    pub fn command(&mut self, node: usize, command: UaCommand) {
        let now = self.now;
        self.uas[node].ua.handle_input(now, UaInput::Command(command));
        self.drain(node);
    }

    /// Sends a message from a script's address to a user agent.
    pub fn inject(&mut self, from: &str, node: usize, message: impl Into<Message>) {
        let to = self.uas[node].address;
        self.fly(Transport::Udp, address(from), to, message.into().to_bytes());
    }

    pub fn inject_bytes(&mut self, from: &str, node: usize, bytes: &[u8]) {
        let to = self.uas[node].address;
        self.fly(Transport::Udp, address(from), to, bytes.to_vec());
    }

    /// Starts a call through an account; gives its number.
    pub fn call(&mut self, node: usize, account: &str, number: &str) -> CallId {
        let via = Via::Account(AccountName(account.into()));
        self.call_via(node, via, number)
    }

    pub fn call_via(&mut self, node: usize, via: Via, number: &str) -> CallId {
        let call = self.uas[node].ua.new_call();
        self.command(
            node,
            UaCommand::Invite {
                call,
                via,
                number: number.into(),
                from_user: "4711".into(),
                from_name: None,
                offer: b"v=0 offer".to_vec(),
                options: InviteOptions::default(),
            },
        );
        call
    }

    pub fn run_ms(&mut self, ms: u64) {
        self.run_until(self.now + Duration::from_millis(ms));
    }

    pub fn run_s(&mut self, s: u64) {
        self.run_ms(s * 1000);
    }

    /// Until nothing flies and no timer is due before `end`.
    fn run_until(&mut self, end: Instant) {
        for _ in 0..1_000_000 {
            let packet = self.flying.iter().map(|f| (f.at, f.order)).min();
            let timer = (0..self.uas.len())
                .filter_map(|n| Some((self.uas[n].ua.poll_timeout()?, n)))
                .min();
            match (packet, timer) {
                (Some((at, order)), timer) if at <= end && timer.is_none_or(|(due, _)| at <= due) => {
                    self.now = self.now.max(at);
                    let place = self.flying.iter().position(|f| f.order == order).unwrap();
                    let flying = self.flying.remove(place);
                    self.deliver(flying);
                }
                (_, Some((due, node))) if due <= end => {
                    self.now = self.now.max(due);
                    let now = self.now;
                    self.uas[node].ua.handle_timeout(now);
                    let still = self.uas[node].ua.poll_timeout();
                    assert!(still.is_none_or(|at| at > now), "a deadline that was due stays");
                    self.drain(node);
                }
                _ => {
                    self.now = end;
                    return;
                }
            }
        }
        panic!(
            "no end of it: {:#?}",
            &self.log[self.log.len().saturating_sub(20)..]
        );
    }

    fn deliver(&mut self, flying: Flying) {
        let Flying {
            transport,
            from,
            to,
            bytes,
            domain,
            ..
        } = flying;
        if let Some(node) = self
            .uas
            .iter()
            .position(|n| n.address == to || n.public == Some(to))
        {
            let now = self.now;
            let local = self.uas[node].address;
            let input = match transport {
                Transport::Udp => UaInput::Datagram {
                    local,
                    remote: from,
                    bytes,
                },
                Transport::Tcp | Transport::Tls => UaInput::Stream {
                    transport,
                    local,
                    remote: from,
                    domain,
                    bytes,
                },
            };
            self.uas[node].ua.handle_input(now, input);
            self.drain(node);
        } else if transport != Transport::Udp && bytes == b"\r\n\r\n" && self.scripts.contains_key(&to) {
            if self.pongs {
                self.answering = domain;
                self.fly(transport, to, from, b"\r\n".to_vec());
                self.answering = None;
            }
        } else if let Some(script) = self.scripts.get_mut(&to)
            && let Ok(message) = Message::parse(&bytes)
        {
            let replies = script(&message);
            self.answering = domain;
            for reply in replies {
                self.fly(transport, to, from, reply.to_bytes());
            }
            self.answering = None;
        }
    }

    fn drain(&mut self, node: usize) {
        while let Some(output) = self.uas[node].ua.poll_output() {
            match output {
                UaOutput::Transmit {
                    transport,
                    remote,
                    bytes,
                } => {
                    let from = self.uas[node].public.unwrap_or(self.uas[node].address);
                    if self.dead.contains(&(transport, remote)) {
                        let reason = "Connection refused".to_owned();
                        let (now, domain) = (self.now, self.domain_of(transport, remote));
                        self.uas[node].ua.handle_input(
                            now,
                            UaInput::TransportFailed {
                                transport,
                                remote,
                                domain,
                                reason,
                            },
                        );
                    } else {
                        self.fly(transport, from, remote, bytes);
                    }
                }
                UaOutput::Resolve { query, question } => {
                    let result = self.look_up(node, &question);
                    let now = self.now;
                    self.uas[node]
                        .ua
                        .handle_input(now, UaInput::Resolved { query, result });
                }
                UaOutput::ConnectTls { remote, domain } => self.connected.push((remote, domain.to_string())),
                UaOutput::Close { transport, remote } => self.closed.push((transport, remote)),
                UaOutput::Event(event) => {
                    let mut commands = (self.uas[node].react)(&event);
                    // What nobody reacts to gets what a free line says.
                    if let UaEvent::Inquiry(inquiry) = event {
                        if commands.is_empty() {
                            commands.push(UaCommand::AnswerInquiry {
                                inquiry,
                                status: 200,
                                body: None,
                            });
                        }
                        for command in commands {
                            self.command(node, command);
                        }
                        continue;
                    }
                    self.uas[node].events.push(event);
                    for command in commands {
                        self.command(node, command);
                    }
                }
            }
        }
    }

    /// What DNS and the routing table say.
    fn look_up(&self, node: usize, question: &Question) -> Result<Answer, String> {
        let own = self.uas[node].address.ip();
        let records = match question {
            Question::Routes(_) if self.uas[node].offline => return Err("no route".to_owned()),
            Question::Routes(remotes) => Records::Routes(
                remotes
                    .iter()
                    .map(|remote| Route {
                        remote: *remote,
                        local_ip: own,
                    })
                    .collect(),
            ),
            _ if self.dns_down => return Err("no name server answers".to_owned()),
            Question::Naptr(_) => Records::Naptr(Vec::new()),
            Question::Srv(name) => Records::Srv(self.services.get(name).cloned().unwrap_or_default()),
            Question::Addresses(host) => {
                let found = self.names.get(host).ok_or_else(|| "no such host".to_owned())?;
                Records::Addresses(found.iter().map(SocketAddr::ip).collect())
            }
        };
        Ok(Answer {
            records,
            ttl: self.ttl,
        })
    }

    /// The TLS connection to a server that a user agent has chosen last.
    fn domain_of(&self, transport: Transport, remote: SocketAddr) -> Option<Arc<str>> {
        let connected = self.connected.iter().filter(|_| transport == Transport::Tls);
        let chosen = connected.rev().find(|(at, _)| *at == remote);
        chosen.map(|(_, domain)| domain.as_str().into())
    }

    fn fly(&mut self, transport: Transport, from: SocketAddr, to: SocketAddr, bytes: Vec<u8>) {
        let first = String::from_utf8_lossy(bytes.split(|b| *b == b'\r').next().unwrap()).into_owned();
        let ms = u64::try_from((self.now - self.start).as_millis()).unwrap();
        let domain = self.answering.clone().or_else(|| self.domain_of(transport, to));
        if let Some(domain) = domain.as_ref().filter(|_| self.answering.is_none()) {
            self.over_tls.push((domain.to_string(), first.clone()));
        }
        self.log.push((ms, from, to, first));
        self.wire.push(bytes.clone());
        let copies = match transport {
            Transport::Tcp | Transport::Tls => 1,
            Transport::Udp if self.rng.random_bool(self.faults.loss) => 0,
            Transport::Udp if self.rng.random_bool(self.faults.duplication) => 2,
            Transport::Udp => 1,
        };
        for _ in 0..copies {
            let delay = match transport {
                Transport::Udp => self.rng.random_range(1..=self.faults.delay_ms),
                Transport::Tcp | Transport::Tls => 1,
            };
            let order = self.flying.iter().map(|f| f.order).max().unwrap_or(0) + 1;
            let at = self.now + Duration::from_millis(delay);
            self.flying.push(Flying {
                at,
                order,
                domain: domain.clone(),
                transport,
                from,
                to,
                bytes: bytes.clone(),
            });
        }
    }

    /// Bytes from a server, over the TLS connection on which it has proved `domain`.
    pub fn over(&mut self, from: &str, node: usize, domain: &str, bytes: &[u8]) {
        let input = UaInput::Stream {
            transport: Transport::Tls,
            local: self.uas[node].address,
            remote: address(from),
            domain: Some(domain.into()),
            bytes: bytes.to_vec(),
        };
        self.input(node, input);
    }

    /// First lines sent to an address, in order.
    pub fn sent_to(&self, to: &str) -> Vec<String> {
        self.log
            .iter()
            .filter(|l| l.2 == address(to))
            .map(|l| l.3.clone())
            .collect()
    }

    /// Requests of a method sent by a node, in full.
    pub fn requests(&self, method: Method) -> Vec<Request> {
        let parsed = self.wire.iter().filter_map(|bytes| match Message::parse(bytes) {
            Ok(Message::Request(request)) if request.method == method => Some(request),
            _ => None,
        });
        parsed.collect()
    }

    /// Responses of a status, in full.
    pub fn responses(&self, code: u16) -> Vec<Response> {
        let parsed = self.wire.iter().filter_map(|bytes| match Message::parse(bytes) {
            Ok(Message::Response(response)) if response.status.code() == code => Some(response),
            _ => None,
        });
        parsed.collect()
    }

    /// Forgets what has been sent so far.
    pub fn clear(&mut self) {
        self.log.clear();
        self.wire.clear();
    }

    /// The same, but for the 2xx that requests within their dialogs are made from.
    pub fn clear_but_answers(&mut self) {
        self.log.clear();
        self.wire.retain(|bytes| bytes.starts_with(b"SIP/2.0 200"));
    }

    pub fn states(&self, node: usize) -> Vec<RegistrationState> {
        let states = self.uas[node].events.iter().filter_map(|event| match event {
            UaEvent::Registration { state, .. } => Some(*state),
            _ => None,
        });
        states.collect()
    }

    /// Nothing may be left once every timer has run out.
    pub fn assert_clean(&mut self) {
        self.run_s(40);
        for node in &self.uas {
            assert!(node.ua.is_idle(), "{:?} {:?}", node.ua.load(), node.events);
        }
    }
}

/// Where strangers send from.
pub const PEER: &str = "192.0.2.50:5060";

/// An INVITE of a model peer.
pub fn invite(target: &str, branch: &str) -> Request {
    let mut request = Request::new(Method::Invite, target.parse().unwrap());
    let headers = &mut request.headers;
    headers.push(
        HeaderName::VIA,
        format!("SIP/2.0/UDP {PEER};branch={branch};rport"),
    );
    headers.push(HeaderName::MAX_FORWARDS, "70");
    headers.push(HeaderName::FROM, "<sip:4711@192.0.2.50>;tag=peer");
    headers.push(HeaderName::TO, format!("<{target}>"));
    headers.push(HeaderName::CALL_ID, format!("id-{branch}"));
    headers.push(HeaderName::CSEQ, "1 INVITE");
    headers.push(HeaderName::CONTACT, format!("<sip:4711@{PEER}>"));
    request.with_body("application/sdp", b"v=0 offer".to_vec())
}

/// A request in the dialog that the last response of the user agent made.
pub fn within(world: &World, invite: &Request, method: Method, number: u32) -> Request {
    let accepted = world.responses(200);
    let accepted = accepted
        .iter()
        .find(|r| r.headers.call_id() == invite.headers.call_id())
        .unwrap();
    let mut request = Request::new(method.clone(), accepted.headers.contact().unwrap().uri);
    let branch = format!("z9hG4bK{method}{number}");
    request.headers.push(
        HeaderName::VIA,
        format!("SIP/2.0/UDP {PEER};branch={branch};rport"),
    );
    for name in [HeaderName::FROM, HeaderName::TO, HeaderName::CALL_ID] {
        request.headers.copy_from(&accepted.headers, &name);
    }
    request
        .headers
        .push(HeaderName::CSEQ, format!("{number} {method}"));
    request
}
