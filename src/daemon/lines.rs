//! The lines' hardware: sockets of virtual lines made, telephones let in, modules opened and opened again, names
//! matched with the audio thread's numbers.

use std::collections::VecDeque;
use std::path::Path;
use std::time::{Duration, Instant};

use tokio::net::UnixListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::DaemonError;
use super::audio::sound_card::{self, SoundCardSettings};
use super::audio::{AudioLine, AudioThread, Command, LineId, OpenCard};
use super::control::{SocketFile, listen};
use super::hardware::{HardwareError, ModuleSetup, OpenModule, Reporter, SlicThread};
use super::inbound::Inbound;
use super::setup::{Hardware, LineSetup};
use crate::gateway::LineName;
use crate::line::SlicAction;
use crate::media::VoicePath;

/// Hardware that failed or isn't there is tried again after this.
const RETRY_AFTER: Duration = Duration::from_secs(3);

/// The lines of the configuration.
#[derive(Debug)]
pub struct Lines {
    lines: Vec<Line>,
    next_id: u32,
    inbound: mpsc::Sender<Inbound>,
    /// Failures and recoveries that the gateway has not been told of.
    faults: VecDeque<(LineName, Option<String>)>,
}

/// One of them.
#[derive(Debug)]
struct Line {
    setup: LineSetup,
    service: Service,
}

/// What serves a line.
#[derive(Debug)]
enum Service {
    /// A socket.
    Virtual {
        id: LineId,
        _acceptor: Acceptor,
        _socket: SocketFile,
    },
    /// Pins and sound card are open; the card has given no sound yet.
    Starting { id: LineId, module: OpenModule },
    /// A thread on the module's pins, the sound card in the audio thread.
    Module { id: LineId, slic: SlicThread },
    /// Nothing: its hardware cannot be had.
    Faulted { retry_at: Instant },
}

impl Service {
    fn id(&self) -> Option<LineId> {
        match self {
            Self::Virtual { id, .. } | Self::Starting { id, .. } | Self::Module { id, .. } => Some(*id),
            Self::Faulted { .. } => None,
        }
    }
}

/// Lets telephones in until it is dropped.
#[derive(Debug)]
struct Acceptor(JoinHandle<()>);

impl Drop for Acceptor {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A virtual line whose socket is open, not yet in service.
#[derive(Debug)]
struct PreparedLine {
    setup: LineSetup,
    listener: UnixListener,
    socket: SocketFile,
}

impl Lines {
    /// No line yet; telephones that connect are sent to `inbound`, and what hardware reports.
    pub fn new(inbound: mpsc::Sender<Inbound>) -> Self {
        Self {
            lines: Vec::new(),
            next_id: 0,
            inbound,
            faults: VecDeque::new(),
        }
    }

    /// Brings the lines to what `wanted` says: whole, or, where a socket cannot be opened, not at all. Lines that
    /// stay as they are go on undisturbed. Hardware that cannot be opened is a fault of its line only.
    pub fn apply(
        &mut self,
        wanted: &[LineSetup],
        audio: &mut AudioThread,
        mut voice: impl FnMut(&LineName) -> VoicePath,
    ) -> Result<(), DaemonError> {
        let new = || {
            wanted
                .iter()
                .filter(|setup| !self.lines.iter().any(|line| line.setup.is_same(setup)))
        };
        let held = |socket: &Path| {
            self.lines.iter().any(
                |line| matches!(&line.setup.hardware, Hardware::Virtual { socket: held } if held == socket),
            )
        };
        // What a line that goes away still holds can be opened only after it.
        let (mut inherited, mut prepared, mut modules) = (Vec::new(), Vec::new(), Vec::new());
        for setup in new() {
            match &setup.hardware {
                Hardware::Virtual { socket } if held(socket) => inherited.push((setup, socket)),
                Hardware::Virtual { socket } => prepared.push(PreparedLine::open(setup, socket)?),
                Hardware::GpioModule(_) => modules.push(setup),
            }
        }
        self.lines.retain(|line| {
            let stays = wanted.iter().any(|setup| setup.is_same(&line.setup));
            if !stays {
                if let Some(id) = line.service.id() {
                    audio.command(Command::RemoveLine(id));
                }
                // A line of this name starts anew, whatever the hook and the calls of the old one were.
                let exchanged = Some("its hardware is exchanged".to_owned());
                self.faults.push_back((line.setup.name.clone(), exchanged));
            }
            stays
        });
        for (setup, socket) in inherited {
            prepared.push(PreparedLine::open(setup, socket)?);
        }
        for line in prepared {
            let id = next_id(&mut self.next_id);
            let path = voice(&line.setup.name);
            audio.command(Command::AddLine(Box::new(AudioLine::virtual_line(id, path))));
            self.faults.push_back((line.setup.name.clone(), None));
            self.lines.push(line.start(id, self.inbound.clone()));
        }
        let retry_at = Instant::now();
        self.lines.extend(modules.into_iter().map(|setup| Line {
            setup: setup.clone(),
            service: Service::Faulted { retry_at },
        }));
        self.look_after(audio, voice);
        Ok(())
    }

    /// Notices hardware that has stopped, and tries again what could not be had; to be called every second or so.
    /// Then [`poll_fault`](Self::poll_fault).
    pub fn look_after(&mut self, audio: &mut AudioThread, mut voice: impl FnMut(&LineName) -> VoicePath) {
        let stopped = |line: &Line| match &line.service {
            Service::Module { id, slic } if !slic.is_running() => Some(*id),
            _ => None,
        };
        let stopped: Vec<LineId> = self.lines.iter().filter_map(stopped).collect();
        for id in stopped {
            self.fail(
                id,
                "stopped after an internal error; please report this with the log",
                audio,
            );
        }
        let now = Instant::now();
        for line in &mut self.lines {
            let Hardware::GpioModule(module) = &line.setup.hardware else {
                continue;
            };
            if !matches!(line.service, Service::Faulted { retry_at } if retry_at <= now) {
                continue;
            }
            let name = &line.setup.name;
            let id = next_id(&mut self.next_id);
            match open(module, name) {
                Ok((module, card)) => {
                    let audio_line = AudioLine::with_sound_card(id, voice(name), card);
                    audio.command(Command::AddLine(Box::new(audio_line)));
                    line.service = Service::Starting { id, module };
                }
                Err(fault) => {
                    line.service = Service::Faulted {
                        retry_at: now + RETRY_AFTER,
                    };
                    self.faults.push_back((name.clone(), Some(fault)));
                }
            }
        }
    }

    /// The sound card of a line has given its first sound: now the line is in service.
    pub fn card_started(&mut self, id: LineId, audio: &mut AudioThread) {
        let Some(line) = self.lines.iter_mut().find(|line| line.service.id() == Some(id)) else {
            return;
        };
        let faulted = Service::Faulted {
            retry_at: Instant::now() + RETRY_AFTER,
        };
        let name = &line.setup.name;
        match std::mem::replace(&mut line.service, faulted) {
            Service::Starting { id, module } => match start(module, name, id, &self.inbound) {
                Ok(slic) => {
                    line.service = Service::Module { id, slic };
                    self.faults.push_back((name.clone(), None));
                }
                Err(error) => {
                    audio.command(Command::RemoveLine(id));
                    self.faults.push_back((name.clone(), Some(error.to_string())));
                }
            },
            // Its card was interrupted, and sounds again.
            other => line.service = other,
        }
    }

    /// Takes a line's hardware out of service until it can be had again.
    pub fn fail(&mut self, id: LineId, reason: &str, audio: &mut AudioThread) {
        let Some(line) = self.lines.iter_mut().find(|line| line.service.id() == Some(id)) else {
            return;
        };
        let faulted = Service::Faulted {
            retry_at: Instant::now() + RETRY_AFTER,
        };
        let told = match std::mem::replace(&mut line.service, faulted) {
            Service::Module { slic, .. } => slic.end(),
            Service::Virtual { .. } | Service::Starting { .. } | Service::Faulted { .. } => None,
        };
        audio.command(Command::RemoveLine(id));
        let fault = told.unwrap_or_else(|| reason.to_owned());
        self.faults.push_back((line.setup.name.clone(), Some(fault)));
    }

    /// The next line whose hardware failed, with the reason, or came back.
    pub fn poll_fault(&mut self) -> Option<(LineName, Option<String>)> {
        self.faults.pop_front()
    }

    /// Has a line's hardware do something.
    pub fn act(&mut self, name: &LineName, action: SlicAction, audio: &mut AudioThread) {
        let line = self.lines.iter_mut().find(|line| line.setup.name == *name);
        match line.map(|line| &mut line.service) {
            Some(Service::Virtual { id, .. }) => audio.command(Command::Slic { line: *id, action }),
            Some(Service::Module { slic, .. }) => {
                if !slic.act(action) && slic.is_running() {
                    tracing::error!(line = %name, "the line's thread hangs: {action:?} is lost");
                }
            }
            // Safe and not in service; it starts anew.
            Some(Service::Starting { .. } | Service::Faulted { .. }) | None => {}
        }
    }

    /// The audio thread's number of a line in service.
    pub fn id(&self, name: &LineName) -> Option<LineId> {
        let line = self.lines.iter().find(|line| line.setup.name == *name)?;
        line.service.id()
    }

    /// The name of the audio thread's number.
    pub fn name(&self, id: LineId) -> Option<&LineName> {
        let line = self.lines.iter().find(|line| line.service.id() == Some(id))?;
        Some(&line.setup.name)
    }

    /// Name and socket of a virtual line, found by either.
    pub fn socket(&self, line: &str) -> Option<(&LineName, &Path)> {
        self.lines.iter().find_map(|open| match &open.setup.hardware {
            Hardware::Virtual { socket } => {
                let meant = open.setup.name.as_str() == line || socket == Path::new(line);
                meant.then_some((&open.setup.name, socket.as_path()))
            }
            Hardware::GpioModule(_) => None,
        })
    }
}

/// Numbers are never used again: what is still under way from a line that is gone is no other line's.
fn next_id(next: &mut u32) -> LineId {
    let id = LineId(*next);
    *next += 1;
    id
}

/// Opens a module's pins and its sound card, or says which cannot be had.
fn open(module: &ModuleSetup, name: &LineName) -> Result<(OpenModule, OpenCard), String> {
    let pins = OpenModule::open(module, name.as_str()).map_err(|error| error.to_string())?;
    let settings = SoundCardSettings::from(&module.settings.audio);
    let card = sound_card::open(&settings).map_err(|error| error.to_string())?;
    Ok((pins, card))
}

/// Starts the thread of a line whose pins are open.
fn start(
    module: OpenModule,
    name: &LineName,
    id: LineId,
    inbound: &mpsc::Sender<Inbound>,
) -> Result<SlicThread, HardwareError> {
    let inbound = inbound.clone();
    let report: Reporter = Box::new(move |report| {
        match inbound.try_send(Inbound::Slic { line: id, report }) {
            Err(mpsc::error::TrySendError::Full(Inbound::Slic { report, .. })) => Err(report),
            // At the end nobody listens any more.
            _ => Ok(()),
        }
    });
    SlicThread::start(name.as_str(), module.slic, module.edges, report).map_err(HardwareError::Thread)
}

impl PreparedLine {
    fn open(setup: &LineSetup, socket: &Path) -> Result<Self, DaemonError> {
        let (listener, socket) = listen(socket).map_err(|error| DaemonError::Line {
            line: setup.name.to_string(),
            reason: error.to_string(),
        })?;
        Ok(Self {
            setup: setup.clone(),
            listener,
            socket,
        })
    }

    fn start(self, id: LineId, inbound: mpsc::Sender<Inbound>) -> Line {
        Line {
            service: Service::Virtual {
                id,
                _acceptor: Acceptor(tokio::spawn(let_in(
                    self.listener,
                    self.setup.name.clone(),
                    inbound,
                ))),
                _socket: self.socket,
            },
            setup: self.setup,
        }
    }
}

async fn let_in(listener: UnixListener, line: LineName, inbound: mpsc::Sender<Inbound>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let telephone = Inbound::Telephone {
                    line: line.clone(),
                    stream,
                };
                if inbound.send(telephone).await.is_err() {
                    return;
                }
            }
            Err(error) => {
                tracing::warn!(%line, %error, "a telephone cannot be let in");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}
