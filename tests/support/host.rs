//! One machine running tipring: its gateway, and for each line a voice path with a model telephone.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tipring::call::{CallConfig, CallRecord, Nat, SessionId};
use tipring::dial::{DialPlan, Timers};
use tipring::gateway::{Event, Gateway, GatewayConfig, Input, LineName, Output, PortConfig};
use tipring::line::{LineConfig, SlicAction};
use tipring::media::dtls::is_dtls;
use tipring::media::stun::is_stun;
use tipring::media::{Codec, DtmfRelay, TransmitKind, VoiceConfig, VoicePath};
use tipring::sip::account::{Account, KeepAliveMethod};
use tipring::sip::sdp::SrtpPolicy;
use tipring::sip::ua::{AccountName, Admission, Answer, Question, Records, Route, Transport, UaInput};

use tipring_hw::gpio_module::RingFrequency;

use super::module::Module;
use super::network::{Network, Packet};
use super::telephone::Telephone;

const TICK: Duration = Duration::from_millis(10);

/// What a host is made of.
#[derive(Clone)]
pub struct HostOptions {
    pub country: &'static str,
    pub accounts: Vec<Account>,
    /// Name, number, account.
    pub lines: Vec<(&'static str, Option<&'static str>, Option<&'static str>)>,
    pub transport: Transport,
    pub seed: u8,
    pub call: fn(&mut CallConfig),
    /// What else is told to the gateway.
    pub gateway: fn(&mut GatewayConfig),
}

impl HostOptions {
    /// Two lines that call each other.
    pub fn intercom() -> Self {
        Self {
            country: "ua",
            accounts: Vec::new(),
            lines: vec![("kitchen", Some("21"), None), ("hall", Some("22"), None)],
            transport: Transport::Udp,
            seed: 1,
            call: |_| {},
            gateway: |_| {},
        }
    }

    /// One line at a server.
    pub fn subscriber(server: IpAddr, username: &str, register: bool) -> Self {
        let account = Account {
            name: AccountName(Arc::from("office")),
            server_host: server.to_string(),
            server_port: Some(5060),
            transport: None,
            username: username.to_owned(),
            auth_username: None,
            domain: None,
            display_name: None,
            password: "secret".to_owned().into(),
            register,
            events: tipring::sip::account::AccountEvents::default(),
            expires_s: 300,
            session_expires_s: 1800,
            follow_redirects: true,
            digest_md5: true,
            secure: false,
            outbound: false,
            keep_alive: KeepAliveMethod::Crlf,
            keep_alive_s: 29,
            forbidden_wait_s: 1200,
        };
        Self {
            country: "ua",
            accounts: vec![account],
            lines: vec![("kitchen", None, Some("office"))],
            transport: Transport::Udp,
            seed: 2,
            call: |_| {},
            gateway: |_| {},
        }
    }

    pub fn config(&self, address: SocketAddr) -> GatewayConfig {
        let zone = Arc::new(tipring::zone::zone(self.country).expect("a known country"));
        let lines = self.lines.iter().map(|(name, number, account)| {
            let mut call = CallConfig {
                dial_plan: Arc::new(DialPlan::parse("(2xS0|x.)").expect("a plan")),
                emergency_numbers: zone.emergency_numbers.clone().into(),
                hotline: None,
                timers: Timers::default(),
                codecs: vec![Codec::Pcma, Codec::Pcmu],
                dtmf: DtmfRelay::Rfc4733,
                packet_time_ms: 20,
                ring_timeout_s: 60,
                rtp_timeout_s: 30,
                rtp_timeout_ends_call: true,
                disconnect_open_ms: 500,
                answer_reversal: false,
                emergency_hold_s: 0,
                nat: Nat::default(),
                srtp: SrtpPolicy::Off,
                services: tipring::call::services::Services::default(),
                refusal_tones: tipring::call::RefusalTones::default(),
            };
            (self.call)(&mut call);
            PortConfig {
                name: LineName(Arc::from(*name)),
                account: account.map(|account| AccountName(Arc::from(account))),
                number: number.map(str::to_owned),
                line: LineConfig::for_zone(zone.clone()),
                call,
            }
        });
        let udp = self.transport == Transport::Udp;
        let mut config = GatewayConfig {
            user_agent: "tipring-test".to_owned(),
            sip_udp: udp.then_some(address),
            sip_tcp: Some(address),
            sip_tls: None,
            tls: false,
            instance: None,
            accounts: self.accounts.clone(),
            lines: lines.collect(),
            admission: Admission::default(),
            emergency: Arc::default(),
        };
        (self.gateway)(&mut config);
        config
    }
}

/// A line's audio side.
pub struct LineSide {
    pub voice: VoicePath,
    pub telephone: Telephone,
    session: Option<(SessionId, u16)>,
    /// That of a call on hold, or waiting.
    parked: Option<(SessionId, u16)>,
    /// A GPIO module between telephone and gateway; `None`: a virtual line.
    pub module: Option<Module>,
}

impl LineSide {
    /// What the hook detector has shown until now.
    fn hook_edges(&mut self, now: Instant) -> Vec<(Instant, bool)> {
        let mut edges = Vec::new();
        while let Some((at, closed)) = self.telephone.edge_due(now) {
            match &mut self.module {
                None => edges.push((at, closed)),
                Some(module) => module.receiver(at, closed),
            }
        }
        if let Some(module) = &mut self.module {
            edges = module.handle_timeout(now);
            self.telephone.ringing = module.model.is_ringing();
        }
        edges
    }
}

/// One machine.
pub struct Host {
    pub ip: IpAddr,
    pub gateway: Gateway,
    pub events: Vec<Event>,
    pub records: Vec<CallRecord>,
    pub done: bool,
    /// Answers to name queries; literal addresses answer themselves.
    pub names: BTreeMap<String, Vec<IpAddr>>,
    lines: BTreeMap<String, LineSide>,
    next_tick: Instant,
    next_port: u16,
    /// Our port of the connection to each remote.
    streams: BTreeMap<SocketAddr, u16>,
    outgoing: Vec<Packet>,
}

impl Host {
    pub fn new(ip: IpAddr, options: HostOptions, now: Instant) -> Self {
        let config = options.config(SocketAddr::new(ip, 5060));
        let lines = options.lines.iter().enumerate().map(|(index, (name, _, _))| {
            let voice = VoicePath::new(
                &VoiceConfig::default(),
                u64::from(options.seed) << 8 | index as u64,
            );
            (
                name.to_string(),
                LineSide {
                    voice,
                    telephone: Telephone::new(),
                    session: None,
                    parked: None,
                    module: None,
                },
            )
        });
        let mut host = Self {
            ip,
            lines: lines.collect(),
            gateway: Gateway::new(config, [options.seed; 32], now),
            events: Vec::new(),
            records: Vec::new(),
            done: false,
            names: BTreeMap::new(),
            next_tick: now + TICK,
            next_port: 16_384,
            streams: BTreeMap::new(),
            outgoing: Vec::new(),
        };
        // 2026-11-23 12:00 UTC
        host.gateway.handle_input(
            now,
            Input::WallClock {
                unix_us: 1_795_435_200_000_000,
                utc_offset_s: 0,
            },
        );
        host.drain(now);
        host
    }

    pub fn side(&mut self, line: &str) -> &mut LineSide {
        self.lines.get_mut(line).expect("a line of this host")
    }

    /// Gives the gateway one input and carries out what it wants.
    pub fn input(&mut self, now: Instant, input: Input) {
        self.gateway.handle_input(now, input);
        self.drain(now);
    }

    /// The state of a line, as `status` tells it.
    pub fn line_state(&self, now: Instant, line: &str) -> String {
        let status = serde_json::to_value(self.gateway.status(now)).expect("a status serialises");
        let lines = status["lines"].as_array().expect("lines");
        let found = lines
            .iter()
            .find(|entry| entry["name"] == line)
            .expect("the line");
        found["state"].as_str().expect("a state").to_owned()
    }

    /// The state of the first account.
    pub fn account_state(&self, now: Instant) -> String {
        let status = serde_json::to_value(self.gateway.status(now)).expect("a status serialises");
        status["accounts"][0]["state"]
            .as_str()
            .expect("a state")
            .to_owned()
    }

    /// Puts a GPIO module on a line; its contacts make the bounce.
    pub fn use_module(&mut self, now: Instant, line: &str) {
        let side = self.side(line);
        side.telephone.bounce_ms = 0;
        side.module = Some(Module::new(RingFrequency::HZ_25, now));
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        let modules = self
            .lines
            .values()
            .filter_map(|side| side.module.as_ref()?.poll_timeout());
        let modules = modules.min();
        let edges = self.lines.values().filter_map(|side| side.telephone.next_edge());
        edges
            .chain(self.gateway.poll_timeout())
            .chain(modules)
            .chain([self.next_tick])
            .min()
    }

    pub fn handle_timeout(&mut self, now: Instant) {
        let names: Vec<String> = self.lines.keys().cloned().collect();
        for name in &names {
            for (at, closed) in self.side(name).hook_edges(now) {
                let line = LineName(Arc::from(name.as_str()));
                self.input(now, Input::Hook { line, closed, at });
            }
        }
        if self.next_tick <= now {
            self.next_tick += TICK;
            for name in &names {
                self.tick(now, name);
            }
        }
        if self.gateway.poll_timeout().is_some_and(|due| due <= now) {
            self.gateway.handle_timeout(now);
            self.drain(now);
        }
    }

    fn tick(&mut self, now: Instant, name: &str) {
        let side = self.side(name);
        let mut frame = [0; 80];
        side.voice.playback(now, &mut frame);
        let answer = side.telephone.frame(&frame);
        side.voice.capture(now, &answer);
        self.collect(now, name);
    }

    /// Sends what the voice path wants sent, and tells the gateway what it reports.
    fn collect(&mut self, now: Instant, name: &str) {
        let ip = self.ip;
        let side = self.lines.get_mut(name).expect("a line of this host");
        let mut send = |port: u16, transmit: tipring::media::Transmit<'_>| {
            let from = match transmit.kind {
                TransmitKind::Rtp => port,
                TransmitKind::Rtcp => port + 1,
            };
            self.outgoing.push(Packet {
                from: SocketAddr::new(ip, from),
                to: transmit.to,
                stream: false,
                bytes: transmit.bytes.to_vec(),
            });
        };
        if let Some((_, port)) = side.session {
            while let Some(transmit) = side.voice.poll_transmit() {
                send(port, transmit);
            }
        }
        if let Some((_, port)) = side.parked {
            while let Some(transmit) = side.voice.poll_parked_transmit() {
                send(port, transmit);
            }
        }
        while let Some(event) = self.side(name).voice.poll_event() {
            self.input(
                now,
                Input::Voice {
                    line: LineName(Arc::from(name)),
                    event,
                },
            );
        }
    }

    pub fn deliver(&mut self, now: Instant, packet: Packet) {
        if packet.stream {
            let (local, remote, bytes) = (packet.to, packet.from, packet.bytes);
            let transport = Transport::Tcp;
            let input = UaInput::Stream {
                transport,
                local,
                remote,
                domain: None,
                bytes,
            };
            self.input(now, Input::Sip(input));
        } else if packet.to.port() == 5060 {
            let (local, remote, bytes) = (packet.to, packet.from, packet.bytes);
            self.input(now, Input::Sip(UaInput::Datagram { local, remote, bytes }));
        } else {
            let port = packet.to.port();
            let owns = |session: Option<(SessionId, u16)>| session.is_some_and(|(_, own)| own == port & !1);
            let owner = self
                .lines
                .iter_mut()
                .find(|(_, side)| owns(side.session) || owns(side.parked));
            if let Some((name, side)) = owner {
                let name = name.clone();
                let parked = owns(side.parked);
                let session = if parked { side.parked } else { side.session };
                if let Some((session, own)) = session
                    && (is_stun(&packet.bytes) || is_dtls(&packet.bytes))
                {
                    let socket = if own == port {
                        TransmitKind::Rtp
                    } else {
                        TransmitKind::Rtcp
                    };
                    let (remote, bytes) = (packet.from, packet.bytes);
                    let relayed = false;
                    return self.input(
                        now,
                        Input::MediaDatagram {
                            session,
                            socket,
                            remote,
                            relayed,
                            bytes,
                        },
                    );
                }
                match (parked, port.is_multiple_of(2)) {
                    (false, true) => side.voice.handle_rtp(now, packet.from, &packet.bytes),
                    (false, false) => side.voice.handle_rtcp(now, packet.from, &packet.bytes),
                    (true, false) => side.voice.handle_parked_rtcp(now, packet.from, &packet.bytes),
                    (true, true) => {}
                }
                self.collect(now, &name);
            }
        }
    }

    pub fn transmit_into(&mut self, now: Instant, network: &mut Network) {
        for packet in self.outgoing.drain(..) {
            network.send(now, packet);
        }
    }

    fn drain(&mut self, now: Instant) {
        while let Some(output) = self.gateway.poll_output() {
            self.carry_out(now, output);
        }
    }

    fn carry_out(&mut self, now: Instant, output: Output) {
        match output {
            Output::Transmit {
                transport,
                remote,
                bytes,
            } => self.transmit(transport, remote, bytes),
            Output::Resolve { query, question } => {
                let local_ip = self.ip;
                let route = |remote: &SocketAddr| Route {
                    remote: *remote,
                    local_ip,
                };
                let records = match question {
                    Question::Routes(remotes) => Ok(Records::Routes(remotes.iter().map(route).collect())),
                    Question::Naptr(_) => Ok(Records::Naptr(Vec::new())),
                    Question::Srv(_) => Ok(Records::Srv(Vec::new())),
                    Question::Addresses(host) => {
                        let found = self.names.get(&host).cloned().map(Records::Addresses);
                        found.ok_or_else(|| format!("{host}: no such name"))
                    }
                };
                let ttl = Duration::from_secs(60);
                let result = records.map(|records| Answer { records, ttl });
                self.gateway
                    .handle_input(now, Input::Sip(UaInput::Resolved { query, result }));
            }
            Output::ConnectTls { .. } | Output::Close { .. } => {}
            Output::Slic { line, action } => {
                let side = self.side(line.as_str());
                if let Some(module) = &mut side.module {
                    module.act(now, action);
                }
                let telephone = &mut side.telephone;
                match action {
                    SlicAction::Ring(on) => {
                        telephone.ringing = on;
                        telephone.bursts.push((now, on));
                    }
                    SlicAction::Reverse(reversed) => telephone.reversed = reversed,
                    SlicAction::Feed(fed) => {
                        telephone.fed = fed;
                        telephone.feed_changes.push((now, fed));
                    }
                    SlicAction::OnHookTransmission(_) => {}
                }
            }
            Output::Voice { line, command } => {
                let side = self.side(line.as_str());
                let swaps = *command == tipring::media::VoiceCommand::SwapSessions;
                side.voice.handle_command(now, *command);
                if swaps {
                    std::mem::swap(&mut side.session, &mut side.parked);
                }
                self.collect(now, line.as_str());
            }
            Output::OpenMedia {
                line,
                session,
                parked,
            } => {
                self.next_port += 2;
                let port = self.next_port;
                let side = self.side(line.as_str());
                let place = if parked {
                    &mut side.parked
                } else {
                    &mut side.session
                };
                *place = Some((session, port));
                self.gateway
                    .handle_input(now, Input::MediaOpened { session, port });
            }
            Output::CloseMedia { line, session } => {
                let side = self.side(line.as_str());
                for place in [&mut side.session, &mut side.parked] {
                    if place.is_some_and(|(own, _)| own == session) {
                        *place = None;
                    }
                }
            }
            Output::MediaTransmit {
                session,
                socket,
                remote,
                bytes,
            } => self.media_transmit(session, socket, remote, bytes),
            // The model network has no routers.
            Output::Relay { .. } => {}
            Output::Event(event) => self.events.push(event),
            Output::CallRecord(record) => self.records.push(*record),
            Output::Done => self.done = true,
        }
    }

    fn media_transmit(&mut self, session: SessionId, socket: TransmitKind, to: SocketAddr, bytes: Vec<u8>) {
        let sockets = self.lines.values().flat_map(|side| [side.session, side.parked]);
        let owner = sockets.flatten().find(|(own, _)| *own == session);
        if let Some((_, port)) = owner {
            self.outgoing.push(Packet {
                from: SocketAddr::new(self.ip, port + socket as u16),
                to,
                stream: false,
                bytes,
            });
        }
    }

    fn transmit(&mut self, transport: Transport, to: SocketAddr, bytes: Vec<u8>) {
        let stream = transport == Transport::Tcp;
        let fresh = 40_000 + self.streams.len() as u16;
        let port = if stream {
            *self.streams.entry(to).or_insert(fresh)
        } else {
            5060
        };
        self.outgoing.push(Packet {
            from: SocketAddr::new(self.ip, port),
            to,
            stream,
            bytes,
        });
    }
}
