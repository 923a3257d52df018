//! The gateway itself: turns inputs into outputs through the lines and the user agent.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::accounts::AccountEntry;
use super::config::{GatewayConfig, LineName, PortConfig};
use super::event::{Event, EventKind};
use super::placement::Lookups;
use super::port::{Port, PortOutput};
use super::sip_mapping::SipMapping;
use super::wall_clock::WallClock;
use super::{Input, NatServers, Output, routing};
use crate::call::{CallInput, FinishedCall, SipEvent};
use crate::media::dtls::Identity;
use crate::sip::sdp::SrtpPolicy;
use crate::sip::ua::{
    CallId, Incoming, Inquiry, Load, UaCommand, UaConfig, UaEvent, UaInput, UaOutput, UserAgent,
};

/// The whole gateway.
#[derive(Debug)]
pub struct Gateway {
    pub(super) config: GatewayConfig,
    random: StdRng,
    pub(super) started: Instant,
    pub(super) clock: WallClock,
    pub(super) ports: Vec<Port>,
    pub(super) accounts: Vec<AccountEntry>,
    pub(super) user_agent: UserAgent,
    pub(super) lookups: Lookups,
    pub(super) outputs: VecDeque<Output>,
    closing: Closing,
    nat_servers: NatServers,
    sip_mapping: SipMapping,
    /// What calls are keyed with by DTLS; made once, as soon as a line may need it.
    identity: Option<Arc<Identity>>,
}

/// How far a shutdown has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Closing {
    No,
    /// The user agent still has calls to end and registrations to remove.
    Waiting,
    /// It has not; the last calls' figures may still be on their way from the audio thread.
    Quiet,
    Done,
}

impl Gateway {
    /// A gateway on this configuration. `seed` feeds every tag, branch and nonce.
    pub fn new(config: GatewayConfig, seed: [u8; 32], now: Instant) -> Self {
        let mut random = StdRng::from_seed(seed);
        let user_agent = UserAgent::new(
            UaConfig {
                user_agent: config.user_agent.clone(),
                udp_port: config.sip_udp.map(|bound| bound.port()),
                tcp_port: config.sip_tcp.map(|bound| bound.port()),
                tls_port: config.sip_tls.map(|bound| bound.port()),
                tls: config.tls,
                instance: config.instance.clone(),
            },
            draw_seed(&mut random),
        );
        let sip_mapping = SipMapping::new(seed.map(|byte| byte ^ 0x55));
        let mut gateway = Self {
            config: GatewayConfig {
                accounts: Vec::new(),
                lines: Vec::new(),
                ..config.clone()
            },
            random,
            started: now,
            clock: WallClock::unknown(now),
            ports: Vec::new(),
            accounts: Vec::new(),
            user_agent,
            lookups: Lookups::default(),
            outputs: VecDeque::new(),
            closing: Closing::No,
            nat_servers: NatServers::default(),
            sip_mapping,
            identity: None,
        };
        gateway.configure(now, config);
        gateway.drain(now);
        gateway
    }

    /// Takes one input; drain [`poll_output`](Self::poll_output) afterwards.
    pub fn handle_input(&mut self, now: Instant, input: Input) {
        match input {
            Input::Hook { line, closed, at } => self.with_port(&line, |port| port.hook(now, closed, at)),
            Input::Voice { line, event } => self.with_port(&line, |port| port.voice(now, event)),
            Input::LineFault { line, fault } => self.with_port(&line, |port| port.set_fault(now, fault)),
            Input::Sip(UaInput::Datagram { remote, bytes, .. })
                if self.sip_mapping.is_from_server(remote, &bytes) =>
            {
                if self.sip_mapping.handle_datagram(now, &bytes) {
                    self.user_agent.handle_input(now, UaInput::MappingChanged);
                }
            }
            Input::Sip(input) => self.user_agent.handle_input(now, input),
            Input::MediaOpened { session, port } => self.media_opened(now, session, port),
            Input::MediaDatagram {
                session,
                socket,
                remote,
                relayed,
                bytes,
            } => {
                if let Some(port) = self.ports.iter_mut().find(|port| port.owns_sockets(session)) {
                    port.media_datagram(now, session, socket, remote, relayed, &bytes);
                }
            }
            Input::NatServers(servers) => {
                let stun = servers.stun.filter(|_| self.config.sip_udp.is_some());
                self.sip_mapping.set_server(now, stun);
                self.nat_servers = *servers;
            }
            Input::MediaFailed { session, reason } => {
                if let Some(port) = self.ports.iter_mut().find(|port| port.owns_session(session)) {
                    port.call_input(now, CallInput::MediaFailed { session, reason });
                }
            }
            Input::WallClock {
                unix_us,
                utc_offset_s,
            } => {
                self.clock = WallClock::new(now, unix_us, utc_offset_s);
            }
            Input::Configure(config) => self.configure(now, *config),
            Input::Shutdown => self.shut_down(now),
        }
        self.drain(now);
    }

    /// To be called when [`poll_timeout`](Self::poll_timeout) is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        for port in &mut self.ports {
            if port.poll_timeout().is_some_and(|due| due <= now) {
                port.handle_timeout(now);
            }
        }
        if self.user_agent.poll_timeout().is_some_and(|due| due <= now) {
            self.user_agent.handle_timeout(now);
        }
        self.sip_mapping.handle_timeout(now);
        self.drain(now);
    }

    /// The next thing to do; `None` when all is done for now.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) at the latest.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let ports = self.ports.iter().filter_map(Port::poll_timeout);
        ports
            .chain(self.user_agent.poll_timeout())
            .chain(self.sip_mapping.poll_timeout())
            .min()
    }

    /// How much the user agent holds; nothing of it once every call and its lingering are over.
    pub fn load(&self) -> Load {
        self.user_agent.load()
    }

    fn configure(&mut self, now: Instant, config: GatewayConfig) {
        for port in &mut self.ports {
            if !config.lines.iter().any(|line| line.name == *port.name()) {
                port.leaving = true;
                port.call_input(now, CallInput::Shutdown);
            }
        }
        let encrypts = |line: &PortConfig| line.call.srtp != SrtpPolicy::Off;
        if self.identity.is_none() && config.lines.iter().any(encrypts) {
            // Where it can't be made, which nobody has seen, calls are encrypted without it.
            self.identity = Identity::new(&mut self.random).ok().map(Arc::new);
        }
        for line in &config.lines {
            self.configure_line(now, line.clone());
        }
        for port in &mut self.ports {
            if let Some(identity) = &self.identity {
                port.set_identity(identity.clone());
            }
        }
        // In the order of the file, those that are leaving last.
        let order = |port: &Port| {
            config
                .lines
                .iter()
                .position(|line| line.name == *port.name())
                .unwrap_or(usize::MAX)
        };
        self.ports.sort_by_key(order);
        self.configure_accounts(now, &config);
        self.config = config;
    }

    fn configure_line(&mut self, now: Instant, line: PortConfig) {
        match self.ports.iter_mut().find(|port| *port.name() == line.name) {
            Some(port) => port.configure(now, line),
            None => {
                let seed = draw_seed(&mut self.random);
                self.ports.push(Port::new(line, seed, now));
            }
        }
    }

    fn shut_down(&mut self, now: Instant) {
        if self.closing != Closing::No {
            return;
        }
        self.closing = Closing::Waiting;
        for port in &mut self.ports {
            port.call_input(now, CallInput::Shutdown);
        }
        // What the ports have to say to the user agent comes before its own end.
        self.drain(now);
        self.user_agent
            .handle_input(now, UaInput::Command(UaCommand::Shutdown));
    }

    fn with_port(&mut self, name: &LineName, act: impl FnOnce(&mut Port)) {
        if let Some(port) = self.ports.iter_mut().find(|port| port.name() == name) {
            act(port);
        }
    }

    /// What servers say of the sockets is found out before the call hears of them.
    fn media_opened(&mut self, now: Instant, session: super::SessionId, rtp_port: u16) {
        let seed = draw_seed(&mut self.random);
        if let Some(port) = self.ports.iter_mut().find(|port| port.owns_session(session)) {
            port.media_opened(now, session, rtp_port, &self.nat_servers, seed);
        } else if let Some(port) = self.ports.first() {
            // Its call ended while the sockets were being opened.
            let line = port.name().clone();
            self.outputs.push_back(Output::CloseMedia { line, session });
        }
    }

    /// Carries what ports and user agent say to each other until all are silent.
    fn drain(&mut self, now: Instant) {
        loop {
            let from_port = self
                .ports
                .iter_mut()
                .enumerate()
                .find_map(|(index, port)| port.poll_output().map(|output| (index, output)));
            if let Some((index, output)) = from_port {
                self.port_output(now, index, output);
            } else if let Some(output) = self.user_agent.poll_output() {
                self.ua_output(now, output);
            } else {
                break;
            }
        }
        while let Some(output) = self.sip_mapping.poll_output() {
            self.outputs.push_back(output);
        }
        self.ports.retain(|port| !port.leaving || !port.calls.is_quiet());
        if self.closing == Closing::Quiet && self.ports.iter().all(|port| port.calls.is_quiet()) {
            self.closing = Closing::Done;
            self.outputs.push_back(Output::Done);
        }
    }

    fn port_output(&mut self, now: Instant, index: usize, output: PortOutput) {
        match output {
            PortOutput::Out(output) => self.outputs.push_back(output),
            PortOutput::Event(kind) => {
                let moves = matches!(kind, EventKind::LineState { .. } | EventKind::LineFault { .. });
                self.tell(now, kind);
                if moves {
                    self.update_presence(now, index);
                }
            }
            PortOutput::Sip(command) => self.user_agent.handle_input(now, UaInput::Command(command)),
            PortOutput::Place { number, emergency } => self.place(now, index, &number, emergency),
            PortOutput::Flow(flow) => self.tell_flow(now, index, &flow),
            PortOutput::PlaceAgain { attempt } => self.place_emergency(now, index, attempt),
            PortOutput::Record(finished) => {
                self.report_quality(now, index, &finished);
                self.record(*finished);
            }
        }
    }

    fn ua_output(&mut self, now: Instant, output: UaOutput) {
        match output {
            UaOutput::Transmit {
                transport,
                remote,
                bytes,
            } => {
                self.outputs.push_back(Output::Transmit {
                    transport,
                    remote,
                    bytes,
                });
            }
            UaOutput::Resolve { query, question } => {
                self.outputs.push_back(Output::Resolve { query, question });
            }
            UaOutput::ConnectTls { remote, domain } => {
                self.outputs.push_back(Output::ConnectTls { remote, domain });
            }
            UaOutput::Close { transport, remote } => {
                self.outputs.push_back(Output::Close { transport, remote });
            }
            UaOutput::Event(event) => self.ua_event(now, event),
        }
    }

    fn ua_event(&mut self, now: Instant, event: UaEvent) {
        let (call, event) = match event {
            UaEvent::Registration {
                account,
                state,
                expires_s,
                error,
            } => {
                self.registration(now, &account, state, expires_s, error);
                return;
            }
            UaEvent::MessagesWaiting { account, summary } => {
                self.messages_waiting(now, &account, summary);
                return;
            }
            UaEvent::Incoming(incoming) => {
                self.incoming(now, incoming);
                return;
            }
            UaEvent::Inquiry(inquiry) => {
                self.inquiry(now, inquiry);
                return;
            }
            UaEvent::Rewritten { account, what } => {
                self.tell_rewritten(now, &account, &what);
                return;
            }
            UaEvent::Idle => {
                if self.closing == Closing::Waiting {
                    self.closing = Closing::Quiet;
                }
                return;
            }
            UaEvent::Located { account, result } => {
                self.located(now, &account, &result);
                return;
            }
            UaEvent::Progress {
                call,
                status,
                body,
                fork,
            } => (call, SipEvent::Progress { status, body, fork }),
            UaEvent::Answered { call, body } => (call, SipEvent::Answered { body }),
            UaEvent::Failed { call, status, reason } => (call, SipEvent::Failed { status, reason }),
            UaEvent::Confirmed { call } => (call, SipEvent::Confirmed),
            UaEvent::Ended { call, cause } => (call, SipEvent::Ended { cause }),
            UaEvent::Cancelled {
                call,
                answered_elsewhere,
            } => (call, SipEvent::Cancelled { answered_elsewhere }),
            UaEvent::Reoffer { call, body } => (call, SipEvent::Reoffer { body }),
            UaEvent::Reanswered { call, body } => (call, SipEvent::Reanswered { body }),
            UaEvent::InfoKey { call, key, .. } => (call, SipEvent::InfoKey { key }),
            UaEvent::RefreshDue { call } => (call, SipEvent::RefreshDue),
            UaEvent::Moved { call, local_ip } => (call, SipEvent::Moved { local_ip }),
            UaEvent::Referred { call, request } => (call, SipEvent::Referred { request }),
            UaEvent::TransferProgress { call, status, done } => {
                (call, SipEvent::TransferProgress { status, done })
            }
        };
        self.call_event(now, call, event);
    }

    fn call_event(&mut self, now: Instant, call: CallId, event: SipEvent) {
        if let Some(port) = self.ports.iter_mut().find(|port| port.calls.owns(call)) {
            port.call_input(now, CallInput::Sip { call, event });
        }
    }

    fn incoming(&mut self, now: Instant, incoming: Box<Incoming>) {
        let replaced = incoming.replaces;
        let replaced = replaced.and_then(|call| self.ports.iter().position(|port| port.calls.owns(call)));
        let named = || routing::called_line(&self.ports, incoming.account.as_ref(), &incoming.called_user);
        let Some(index) = replaced.or_else(named) else {
            let refusal = UaCommand::Reject {
                call: incoming.call,
                status: 404,
            };
            self.user_agent.handle_input(now, UaInput::Command(refusal));
            return;
        };
        let time = self.clock.call_time(now);
        self.ports[index].call_input(now, CallInput::Incoming { incoming, time });
    }

    /// OPTIONS: what an INVITE would get (RFC 3261 11.2).
    fn inquiry(&mut self, now: Instant, inquiry: Box<Inquiry>) {
        let called = inquiry.called_user.as_deref();
        let line = called.map(|user| routing::called_line(&self.ports, inquiry.account.as_ref(), user));
        let line = line.map(|index| index.and_then(|index| self.ports.get(index)));
        let status = match line {
            Some(Some(port)) => port.calls.readiness(),
            Some(None) => 404,
            // Of the whole device, not of a line.
            None => 200,
        };
        let any = line.unwrap_or_else(|| self.ports.first());
        let body = any.map(|port| port.calls.abilities(inquiry.local.ip()));
        let answer = UaCommand::AnswerInquiry {
            inquiry,
            status,
            body,
        };
        self.user_agent.handle_input(now, UaInput::Command(answer));
    }

    fn record(&mut self, finished: FinishedCall) {
        let mut record = finished.record;
        record.diagnosis.extend(self.account_diagnosis(&record.line));
        record.started_ms = self.clock.unix_ms(finished.started);
        record.answered_ms = finished.answered.map(|answered| self.clock.unix_ms(answered));
        record.ended_ms = self.clock.unix_ms(finished.ended);
        self.outputs.push_back(Output::CallRecord(Box::new(record)));
    }

    pub(super) fn tell(&mut self, now: Instant, kind: EventKind) {
        let event = Event {
            time_ms: self.clock.unix_ms(now),
            time_us: self.clock.unix_us(now),
            kind,
        };
        self.outputs.push_back(Output::Event(event));
    }
}

fn draw_seed(random: &mut StdRng) -> [u8; 32] {
    let mut seed = [0; 32];
    random.fill_bytes(&mut seed);
    seed
}
