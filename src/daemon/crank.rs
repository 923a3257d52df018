//! The daemon's one loop: inputs to the gateway, its outputs carried out, sleep until its next deadline.

mod arrivals;
mod requests;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::Value;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{broadcast, mpsc};
use tokio::time::{Interval, MissedTickBehavior};

use super::DaemonError;
use super::audio::{AudioThread, Command};
use super::clock::{TOLD_EVERY, wall_clock};
use super::control::{SocketFile, event_line, listen, serve};
use super::history::History;
use super::inbound::Inbound;
use super::instance::instance;
use super::lines::Lines;
use super::nat::{MediaSockets, NatLookup};
use super::net::{PortPairs, SipNet, watch};
use super::service;
use super::setup::Setup;
use super::strangers::Strangers;
use crate::gateway::{Event, EventKind, Gateway, Input, LineName, Output, SessionId};
use crate::media::traversal::Relay;
use crate::media::{VoiceCommand, VoicePath};

/// Inputs waiting for the loop; beyond it, whoever brings more waits.
const INBOUND: usize = 256;

/// Events a slow follower may lag behind.
const EVENTS: usize = 256;

/// SIGTERM to the end at the latest, with half a second in hand of the 5 s promised.
const SHUTDOWN_WITHIN: Duration = Duration::from_millis(4500);

/// How often the audio thread is looked after.
const LOOKED_AFTER_EVERY: Duration = Duration::from_secs(1);

/// Reads the configuration again.
pub type Reread = Box<dyn FnMut() -> Result<Setup, DaemonError>>;

/// What the loop is started with.
pub struct Start {
    /// The configuration.
    pub setup: Setup,
    /// Its file, as told to those who ask.
    pub config_file: PathBuf,
    /// Reads it again.
    pub reread: Reread,
    /// The control socket.
    pub control: PathBuf,
    /// Where the call history is kept.
    pub state_directory: Option<PathBuf>,
}

/// Runs until SIGTERM, SIGINT or a fault.
pub async fn run(start: Start) -> Result<(), DaemonError> {
    // Before anything else: a signal during the start is heeded as soon as the loop turns.
    let signals = Signals::new()?;
    let (inbound, arrivals) = mpsc::channel(INBOUND);
    Crank::new(start, inbound)?.turn(arrivals, signals).await
}

/// The signals that mean something to the daemon.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }
}

struct Crank {
    gateway: Gateway,
    audio: AudioThread,
    lines: Lines,
    net: SipNet,
    inbound: mpsc::Sender<Inbound>,
    ports: PortPairs,
    media: MediaSockets,
    nat: NatLookup,
    setup: Setup,
    config_file: PathBuf,
    reread: Reread,
    history: History,
    /// Interruptions of sound cards, by their line.
    xruns: HashMap<LineName, u64>,
    events: broadcast::Sender<Arc<str>>,
    strangers: Strangers,
    done: bool,
    _control: SocketFile,
}

impl Crank {
    fn new(start: Start, inbound: mpsc::Sender<Inbound>) -> Result<Self, DaemonError> {
        let now = Instant::now();
        let mut setup = start.setup;
        let net = SipNet::bind(setup.sip_bind, &setup.transports, &setup.net, inbound.clone())?;
        setup.bound_to(&net);
        let random_bytes = random()?;
        let mut draw = [0; 16];
        draw.copy_from_slice(&random_bytes[..16]);
        setup.gateway.instance = Some(instance(start.state_directory.as_deref(), draw));
        if let Err(error) = watch(inbound.clone()) {
            tracing::warn!(%error, "the network can't be watched: changes show at the next registration");
        }
        let (events, _) = broadcast::channel(EVENTS);
        let (listener, control) = listen(&start.control)?;
        tokio::spawn(serve(listener, inbound.clone(), events.clone()));
        let mut audio = AudioThread::start()?;
        let nat = NatLookup::start(setup.nat.clone(), net.bound(), inbound.clone());
        let mut lines = Lines::new(inbound.clone());
        lines.apply(&setup.lines, &mut audio, voices(&setup)?)?;
        let gateway = Gateway::new(setup.gateway.clone(), random()?, now);
        let ports = rtp_ports(&setup, &net)?;
        Ok(Self {
            gateway,
            audio,
            lines,
            ports,
            media: MediaSockets::default(),
            nat,
            net,
            inbound,
            setup,
            config_file: start.config_file,
            reread: start.reread,
            history: History::open(start.state_directory.as_deref()),
            xruns: HashMap::new(),
            events,
            strangers: Strangers::default(),
            done: false,
            _control: control,
        })
    }

    async fn turn(
        mut self,
        mut arrivals: mpsc::Receiver<Inbound>,
        signals: Signals,
    ) -> Result<(), DaemonError> {
        let Signals {
            mut terminate,
            mut interrupt,
            mut hang_up,
        } = signals;
        let mut wall = every(TOLD_EVERY);
        let mut look_after = every(LOOKED_AFTER_EVERY);
        let mut alive = every(service::alive_interval().unwrap_or(LOOKED_AFTER_EVERY));
        let mut audio_ticks = self.audio.ticks();
        self.feed(wall_clock());
        self.feed_faults();
        tracing::info!(sip = %self.net.bound(), lines = self.setup.lines.len(), "ready");
        service::ready();
        let mut end_by: Option<Instant> = None;
        while !self.done {
            let deadline = soonest(self.gateway.poll_timeout(), end_by);
            tokio::select! {
                () = end_asked(&mut terminate, &mut interrupt) => {
                    if end_by.is_some() {
                        tracing::warn!("asked to end twice: ending without waiting for the network");
                        break;
                    }
                    tracing::info!("ending: calls are hung up and accounts un-registered");
                    service::stopping();
                    end_by = Some(Instant::now() + SHUTDOWN_WITHIN);
                    self.feed(Input::Shutdown);
                }
                _ = hang_up.recv() => {
                    if let Err(error) = self.reload() {
                        tracing::error!("the new configuration is refused, the running one stays: {error}");
                    }
                }
                result = self.audio.reported() => {
                    result?;
                    self.take_reports();
                    self.take_strays();
                }
                arrival = arrivals.recv() => {
                    if let Some(arrival) = arrival {
                        self.take(arrival);
                    }
                }
                () = sleep_until(deadline) => {
                    let now = Instant::now();
                    if end_by.is_some_and(|end_by| end_by <= now) {
                        tracing::warn!("ending with the network's answers outstanding");
                        break;
                    }
                    self.gateway.handle_timeout(now);
                    self.carry_out();
                }
                _ = wall.tick() => self.feed(wall_clock()),
                _ = look_after.tick() => {
                    if !self.audio.is_running() {
                        return Err(DaemonError::AudioThread);
                    }
                    self.lines.look_after(&mut self.audio, voices(&self.setup)?);
                    self.feed_faults();
                }
                _ = alive.tick() => {
                    // A hanging audio thread lets the service manager's watchdog bite.
                    let ticks = self.audio.ticks();
                    if ticks != audio_ticks {
                        service::alive();
                    }
                    audio_ticks = ticks;
                }
            }
        }
        Ok(())
    }

    /// One input, and everything that follows from it.
    fn feed(&mut self, input: Input) {
        self.gateway.handle_input(Instant::now(), input);
        self.carry_out();
    }

    /// Tells the gateway of lines whose hardware failed or came back.
    fn feed_faults(&mut self) {
        while let Some((line, fault)) = self.lines.poll_fault() {
            self.feed(Input::LineFault { line, fault });
        }
    }

    fn carry_out(&mut self) {
        // What carrying out brings about at once (a socket that cannot be had) is fed after all is drained.
        let mut follow_up = Vec::new();
        loop {
            while let Some(output) = self.gateway.poll_output() {
                follow_up.extend(self.carry_out_one(output));
            }
            if follow_up.is_empty() {
                return;
            }
            let next = follow_up.remove(0);
            self.gateway.handle_input(Instant::now(), next);
        }
    }

    fn carry_out_one(&mut self, output: Output) -> Option<Input> {
        match output {
            Output::Transmit {
                transport,
                remote,
                bytes,
            } => self.net.transmit(transport, remote, bytes),
            Output::Resolve { query, question } => {
                return self.net.resolve(Instant::now(), query, question).map(Input::Sip);
            }
            Output::ConnectTls { remote, domain } => self.net.connect_tls(remote, domain),
            Output::Close { transport, remote } => self.net.close(transport, remote),
            Output::Slic { line, action } => self.lines.act(&line, action, &mut self.audio),
            Output::Voice { line, command } => {
                if let VoiceCommand::Path { rtp, .. } = &*command {
                    match rtp {
                        Some(rtp) => tracing::info!(%line, "media goes to {rtp}, where ICE has found a way"),
                        None => tracing::warn!(%line, "media goes nowhere: ICE has no way to the peer"),
                    }
                }
                if let Some(line) = self.lines.id(&line) {
                    self.audio.command(Command::Voice {
                        line,
                        command: *command,
                    });
                }
            }
            Output::MediaTransmit {
                session,
                socket,
                remote,
                bytes,
            } => self.media.send(session, socket, remote, &bytes),
            Output::Relay {
                line,
                session,
                socket,
                relay,
            } => {
                if let Some(Relay { server, peer, .. }) = relay {
                    tracing::info!(%line, "media for {peer} goes through the TURN server {server}");
                }
                if let Some(line) = self.lines.id(&line) {
                    self.audio.command(Command::Relay {
                        line,
                        session,
                        socket,
                        relay,
                    });
                }
            }
            Output::OpenMedia {
                line,
                session,
                parked,
            } => return Some(self.open_media(&line, session, parked)),
            Output::CloseMedia { line, session } => {
                self.media.remove(session);
                if let Some(line) = self.lines.id(&line) {
                    self.audio.command(Command::CloseMedia { line, session });
                }
            }
            Output::Event(event) => self.publish(&event),
            Output::CallRecord(record) => self.history.add(*record),
            Output::Done => self.done = true,
        }
        None
    }

    fn open_media(&mut self, line: &LineName, session: SessionId, parked: bool) -> Input {
        let Some(line) = self.lines.id(line) else {
            return Input::MediaFailed {
                session,
                reason: "the line is gone".to_owned(),
            };
        };
        let opened = self.ports.open().and_then(|pair| Ok((pair.try_clone()?, pair)));
        match opened {
            Ok((twin, sockets)) => {
                let port = sockets.address.port();
                self.media.insert(session, twin);
                self.audio.command(Command::OpenMedia {
                    line,
                    session,
                    sockets,
                    parked,
                });
                Input::MediaOpened { session, port }
            }
            Err(error) => Input::MediaFailed {
                session,
                reason: error.to_string(),
            },
        }
    }

    fn publish(&self, event: &Event) {
        let Ok(json) = serde_json::to_value(event) else {
            return;
        };
        log_event(&event.kind, &json);
        // Nobody following is no failure.
        let _ = self.events.send(json.to_string().into());
    }
}

/// One span a line, and one a call within it.
fn log_event(kind: &EventKind, json: &Value) {
    let text = |name: &str| json.get(name).and_then(Value::as_str);
    let _line = text("line").map(|line| tracing::info_span!("line", name = line).entered());
    let _call = text("call").map(|call| tracing::info_span!("call", id = call).entered());
    match kind {
        EventKind::Digit { .. } | EventKind::Ring { .. } | EventKind::Tone { .. } => {
            tracing::debug!("{}", event_line(json));
        }
        EventKind::Diagnosis { text: told, .. } => match text("account") {
            Some(account) => tracing::warn!(account, "{told}"),
            None => tracing::warn!("{told}"),
        },
        _ => tracing::info!("{}", event_line(json)),
    }
}

/// Makes the voice path of a line.
fn voices(setup: &Setup) -> Result<impl FnMut(&LineName) -> VoicePath + '_, DaemonError> {
    let seed = random()?;
    let mut seeds = StdRng::from_seed(seed);
    Ok(move |line: &LineName| VoicePath::new(&setup.voice(line), seeds.next_u64()))
}

fn rtp_ports(setup: &Setup, net: &SipNet) -> Result<PortPairs, DaemonError> {
    let [low, high, ..] = random()?;
    let (first, last) = setup.rtp_ports;
    Ok(PortPairs::new(
        net.bound().ip(),
        first,
        last,
        u16::from_le_bytes([low, high]),
    ))
}

fn random() -> Result<[u8; 32], DaemonError> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| std::io::Error::other(error.to_string()))?;
    Ok(bytes)
}

fn every(period: Duration) -> Interval {
    let mut interval = tokio::time::interval(period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

fn soonest(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    [one, other].into_iter().flatten().min()
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}

async fn end_asked(terminate: &mut Signal, interrupt: &mut Signal) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}
