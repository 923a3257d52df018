//! Two gateways without audio threads: what those would report is made up, so that a call costs microseconds.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tipring::call::{CallRecord, SessionId};
use tipring::dsp::Key;
use tipring::gateway::{EventKind, Gateway, GatewayConfig, Input, LineName, Output};
use tipring::line::DtmfEdge;
use tipring::media::{SessionStats, VoiceCommand, VoiceEvent};
use tipring::sip::ua::{Answer, Load, Question, Records, Route, Transport, UaInput};

use super::host::HostOptions;
use super::ip;
use super::network::{Faults, Network, Packet};

pub const CALLS_PER_SEED: u64 = 100;

const STORM: Faults = Faults {
    loss: 0.2,
    duplication: 0.2,
    delay_ms: 10,
    jitter_ms: 400,
};

/// What is done with one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Plot {
    /// Answered; the caller hangs up.
    CallerEnds,
    /// Answered; the called party hangs up.
    CalledEnds,
    /// Answered, held by a flash, taken back, ended by the caller.
    Held,
    /// The caller gives up while it rings.
    GivenUp,
    /// The called line is busy.
    Busy,
    /// Nobody answers.
    NoAnswer,
}

const PLOTS: [Plot; 6] = [
    Plot::CallerEnds,
    Plot::CalledEnds,
    Plot::Held,
    Plot::GivenUp,
    Plot::Busy,
    Plot::NoAnswer,
];

/// How the calls of some seeds went.
#[derive(Debug, Default)]
pub struct Tally {
    pub calls: u64,
    pub right: u64,
    /// Nothing of the other side's came through in the time the standard gives a request.
    pub impossible: u64,
    pub wrong: Vec<String>,
    pub leaks: Vec<String>,
    datagrams: u64,
}

impl Tally {
    pub fn plus(mut self, other: Self) -> Self {
        self.calls += other.calls;
        self.right += other.right;
        self.impossible += other.impossible;
        self.datagrams += other.datagrams;
        self.wrong.extend(other.wrong);
        self.leaks.extend(other.leaks);
        self
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let possible = self.calls - self.impossible;
        write!(
            f,
            "storm: {} calls, {} datagrams, 20 % lost each way: {} of {possible} that can succeed ended rightly, {} could \
             not, {} leaks",
            self.calls,
            self.datagrams,
            self.right,
            self.impossible,
            self.leaks.len()
        )
    }
}

/// One machine with one line.
struct Side {
    gateway: Gateway,
    address: SocketAddr,
    records: Vec<CallRecord>,
    /// The state of its line, as events tell it.
    state: String,
    sockets: BTreeSet<SessionId>,
    next_port: u16,
    off_hook: bool,
}

struct Storm {
    now: Instant,
    sides: [Side; 2],
    network: Network,
    random: StdRng,
    /// INVITEs with a new Call-ID, and when the first response to each came through.
    invites: BTreeMap<String, (Instant, Option<Instant>)>,
    last_invite: Option<String>,
    /// Calls whose CANCEL came through.
    cancelled: BTreeSet<String>,
    /// Calls that the called side gave up before it did.
    given_up: BTreeSet<String>,
}

const A: usize = 0;
const B: usize = 1;

pub fn run_seed(seed: u64) -> Tally {
    let mut storm = Storm::new(seed);
    let mut tally = Tally::default();
    for number in 0..CALLS_PER_SEED {
        let plot = PLOTS[storm.random.random_range(0..PLOTS.len())];
        tally.calls += 1;
        match storm.play(plot) {
            Ok(true) => tally.right += 1,
            Ok(false) => tally.impossible += 1,
            Err(what) => tally
                .wrong
                .push(format!("seed {seed}, call {number}, {plot:?}: {what}")),
        }
    }
    // Every timer of a transaction has run out by then.
    storm.run(Duration::from_secs(200));
    tally.datagrams = storm.network.wire.len() as u64;
    for side in &storm.sides {
        let timer = side.gateway.poll_timeout();
        let load = Load {
            // The admission's memory of who has sent how much: bounded, and no call's.
            sources: 0,
            ..side.gateway.load()
        };
        if load != Load::default() || timer.is_some() || !side.sockets.is_empty() {
            let sockets = side.sockets.len();
            tally
                .leaks
                .push(format!("seed {seed}: {load:?}, timer {timer:?}, {sockets} ports"));
        }
    }
    tally
}

impl Storm {
    fn new(seed: u64) -> Self {
        let now = Instant::now();
        let side = |last: u8, other: u8, seed: u8| {
            let address = SocketAddr::new(ip(last), 5060);
            let gateway = Gateway::new(config(address, other), [seed; 32], now);
            Side {
                gateway,
                address,
                records: Vec::new(),
                state: "idle".to_owned(),
                sockets: BTreeSet::new(),
                next_port: 20_000,
                off_hook: false,
            }
        };
        let seed_byte = u8::try_from(seed % 120).expect("less than 120");
        let mut storm = Self {
            now,
            sides: [side(1, 2, seed_byte), side(2, 1, seed_byte + 120)],
            network: Network::new(seed, STORM),
            random: StdRng::seed_from_u64(seed),
            invites: BTreeMap::new(),
            last_invite: None,
            cancelled: BTreeSet::new(),
            given_up: BTreeSet::new(),
        };
        storm.drain(A);
        storm.drain(B);
        storm
    }

    /// One call from A to B. `Ok(false)`: the network let nothing through in time.
    fn play(&mut self, plot: Plot) -> Result<bool, String> {
        self.rest()?;
        for side in &mut self.sides {
            side.records.clear();
        }
        self.last_invite = None;
        if plot == Plot::Busy {
            self.hook(B, true);
            self.run(Duration::from_secs(1));
        }
        self.hook(A, true);
        self.run(Duration::from_secs(1));
        self.press(A, '2');
        self.press(A, '2');
        let outcome = self.follow(plot);
        self.hook(A, false);
        self.hook(B, false);
        self.rest()?;
        let reached = self.was_reached(plot);
        match outcome.and_then(|()| self.judge(plot)) {
            Ok(()) => Ok(true),
            Err(_) if !reached => Ok(false),
            Err(what) => Err(what),
        }
    }

    fn follow(&mut self, plot: Plot) -> Result<(), String> {
        let pause = Duration::from_millis(self.random.random_range(0..8000));
        match plot {
            Plot::Busy | Plot::NoAnswer => return self.wait("busy_tone", A, 70),
            Plot::GivenUp => {
                self.wait("ringing", B, 40)?;
                self.run(pause);
                self.hook(A, false);
                return self.wait("idle", B, 70);
            }
            Plot::CallerEnds | Plot::CalledEnds | Plot::Held => {}
        }
        self.wait("ringing", B, 40)?;
        self.run(pause);
        self.hook(B, true);
        self.wait("talking", A, 40)?;
        self.run(Duration::from_secs(2));
        if plot == Plot::Held {
            self.flash(A);
            self.wait("held", A, 2)?;
            self.run(pause + Duration::from_secs(1));
            self.flash(A);
            self.wait("talking", A, 2)?;
            self.run(pause + Duration::from_secs(1));
        }
        let (first, second) = if plot == Plot::CalledEnds { (B, A) } else { (A, B) };
        self.hook(first, false);
        self.wait("busy_tone", second, 40)
    }

    /// What both ends have written down.
    fn judge(&self, plot: Plot) -> Result<(), String> {
        let causes = |side: usize| -> Vec<&str> {
            let records = self.sides[side].records.iter();
            records.map(|record| record.cause.as_str()).collect()
        };
        let expected: (&[&str], &[&str]) = match plot {
            Plot::CallerEnds | Plot::Held => (&["local_hangup"], &["remote_hangup"]),
            Plot::CalledEnds => (&["remote_hangup"], &["local_hangup"]),
            Plot::GivenUp => (&["cancelled"], &["cancelled"]),
            Plot::Busy => (&["busy"], &[]),
            Plot::NoAnswer => (&["no_answer"], &["no_answer"]),
        };
        let found = (causes(A), causes(B));
        let right = found.0 == expected.0 && found.1 == expected.1;
        if right {
            return Ok(());
        }
        let statuses: Vec<_> = self.sides[A]
            .records
            .iter()
            .map(|record| record.sip_status)
            .collect();
        Err(format!("records say {found:?} {statuses:?}"))
    }

    /// Whether what has to come through did: a response to the INVITE before its transaction is over (64 T1), a CANCEL
    /// before the called side stops ringing by itself.
    fn was_reached(&self, plot: Plot) -> bool {
        let Some(id) = &self.last_invite else { return false };
        let answered = self
            .invites
            .get(id)
            .is_some_and(|(sent, heard)| heard.is_some_and(|at| at - *sent < Duration::from_secs(32)));
        answered && !(plot == Plot::GivenUp && self.given_up.contains(id))
    }

    /// Handsets down, and both lines idle.
    fn rest(&mut self) -> Result<(), String> {
        for side in [A, B] {
            self.hook(side, false);
            self.wait("idle", side, 140)?;
        }
        self.run(Duration::from_secs(2));
        Ok(())
    }

    fn wait(&mut self, state: &str, side: usize, seconds: u64) -> Result<(), String> {
        let end = self.now + Duration::from_secs(seconds);
        while self.sides[side].state != state {
            if self.now >= end {
                let found = [&self.sides[A].state, &self.sides[B].state];
                return Err(format!("no {state} at {side} within {seconds} s: {found:?}"));
            }
            self.step(end);
        }
        Ok(())
    }

    fn hook(&mut self, side: usize, closed: bool) {
        if self.sides[side].off_hook != closed {
            self.sides[side].off_hook = closed;
            self.edge(side, closed);
        }
    }

    fn flash(&mut self, side: usize) {
        self.edge(side, false);
        self.run(Duration::from_millis(100));
        self.edge(side, true);
    }

    fn edge(&mut self, side: usize, closed: bool) {
        let (line, at) = (line(), self.now);
        self.input(side, Input::Hook { line, closed, at });
    }

    fn press(&mut self, side: usize, key: char) {
        let key = Key::from_char(key).expect("a key");
        for edge in [DtmfEdge::Down(key), DtmfEdge::Up { key, duration_ms: 70 }] {
            let event = VoiceEvent::Dtmf(edge);
            self.input(side, Input::Voice { line: line(), event });
            self.run(Duration::from_millis(70));
        }
    }

    fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.step(end);
        }
    }

    /// To the next happening, at the latest to `end`.
    fn step(&mut self, end: Instant) {
        let timers = self.sides.iter().filter_map(|side| side.gateway.poll_timeout());
        let next = timers.chain(self.network.next_arrival()).min().unwrap_or(end);
        self.now = next.clamp(self.now, end);
        for side in [A, B] {
            if self.sides[side]
                .gateway
                .poll_timeout()
                .is_some_and(|due| due <= self.now)
            {
                self.sides[side].gateway.handle_timeout(self.now);
                self.drain(side);
            }
        }
        while let Some(packet) = self.network.arrive(self.now) {
            let side = usize::from(packet.to == self.sides[B].address);
            if side == A {
                self.note_response(&packet);
            } else if packet.bytes.starts_with(b"CANCEL ") {
                self.cancelled.insert(call_id(&packet.bytes));
            }
            let (local, remote, bytes) = (packet.to, packet.from, packet.bytes);
            self.input(side, Input::Sip(UaInput::Datagram { local, remote, bytes }));
        }
    }

    fn input(&mut self, side: usize, input: Input) {
        self.sides[side].gateway.handle_input(self.now, input);
        self.drain(side);
    }

    fn drain(&mut self, side: usize) {
        while let Some(output) = self.sides[side].gateway.poll_output() {
            self.carry_out(side, output);
        }
    }

    fn carry_out(&mut self, index: usize, output: Output) {
        let now = self.now;
        let side = &mut self.sides[index];
        match output {
            Output::Transmit {
                transport,
                remote,
                bytes,
            } => {
                assert_eq!(transport, Transport::Udp);
                let from = side.address;
                if index == A {
                    self.note_invite(&bytes);
                } else if bytes.starts_with(b"SIP/2.0 480 ") {
                    self.note_refusal(&bytes);
                }
                let packet = Packet {
                    from,
                    to: remote,
                    stream: false,
                    bytes,
                };
                self.network.send(now, packet);
            }
            Output::Resolve { query, question } => {
                let Question::Routes(remotes) = question else {
                    panic!("every server is a literal here");
                };
                let local_ip = side.address.ip();
                let route = |remote| Route { remote, local_ip };
                let result = Ok(Answer {
                    records: Records::Routes(remotes.into_iter().map(route).collect()),
                    ttl: Duration::ZERO,
                });
                let answer = Input::Sip(UaInput::Resolved { query, result });
                side.gateway.handle_input(now, answer);
            }
            Output::Voice { line, command } => {
                let event = match *command {
                    VoiceCommand::EndSession => VoiceEvent::SessionEnded(SessionStats::default()),
                    VoiceCommand::Transmit(_) => VoiceEvent::TransmissionDone,
                    _ => return,
                };
                side.gateway.handle_input(now, Input::Voice { line, event });
            }
            Output::OpenMedia { session, .. } => {
                side.sockets.insert(session);
                side.next_port = if side.next_port > 60_000 {
                    20_000
                } else {
                    side.next_port + 2
                };
                let port = side.next_port;
                side.gateway
                    .handle_input(now, Input::MediaOpened { session, port });
            }
            Output::CloseMedia { session, .. } => {
                side.sockets.remove(&session);
            }
            Output::Event(event) => {
                if let EventKind::LineState { state, .. } = event.kind {
                    let name = serde_json::to_value(state).expect("a state");
                    side.state = name.as_str().expect("a name").to_owned();
                }
            }
            Output::CallRecord(record) => side.records.push(*record),
            _ => {}
        }
    }

    fn note_invite(&mut self, bytes: &[u8]) {
        if bytes.starts_with(b"INVITE ") {
            let id = call_id(bytes);
            self.invites.entry(id.clone()).or_insert((self.now, None));
            // Re-INVITEs have the same.
            self.last_invite = Some(id);
        }
    }

    fn note_refusal(&mut self, bytes: &[u8]) {
        let id = call_id(bytes);
        if !self.cancelled.contains(&id) {
            self.given_up.insert(id);
        }
    }

    fn note_response(&mut self, packet: &Packet) {
        if packet.bytes.starts_with(b"SIP/2.0 ")
            && let Some((_, heard)) = self.invites.get_mut(&call_id(&packet.bytes))
        {
            heard.get_or_insert(self.now);
        }
    }
}

fn line() -> LineName {
    LineName(Arc::from("kitchen"))
}

fn call_id(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let id = text.lines().find_map(|line| line.strip_prefix("Call-ID: "));
    id.expect("a Call-ID").trim().to_owned()
}

/// One line, number 20 or 22, at a trunk to the other machine.
fn config(address: SocketAddr, other: u8) -> GatewayConfig {
    let number = if other == 1 { "22" } else { "20" };
    let mut options = HostOptions::subscriber(ip(other), number, false);
    options.call = |call| call.ring_timeout_s = 20;
    options.config(address)
}
