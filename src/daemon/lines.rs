//! The lines' hardware: sockets of virtual lines made, telephones let in, names matched with the audio thread's
//! numbers.

use std::path::Path;

use tokio::net::UnixListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::DaemonError;
use super::audio::{AudioLine, AudioThread, Command, LineId};
use super::control::{SocketFile, listen};
use super::inbound::Inbound;
use super::setup::{Hardware, LineSetup};
use crate::gateway::LineName;
use crate::media::VoicePath;

/// The lines in service.
#[derive(Debug)]
pub struct Lines {
    lines: Vec<OpenLine>,
    next_id: u32,
    inbound: mpsc::Sender<Inbound>,
}

/// A line in service.
#[derive(Debug)]
struct OpenLine {
    id: LineId,
    setup: LineSetup,
    acceptor: JoinHandle<()>,
    _socket: SocketFile,
}

impl Drop for OpenLine {
    fn drop(&mut self) {
        self.acceptor.abort();
    }
}

/// A line whose hardware is open, not yet in service.
#[derive(Debug)]
struct PreparedLine {
    setup: LineSetup,
    listener: UnixListener,
    socket: SocketFile,
}

impl Lines {
    /// No line yet; telephones that connect are sent to `inbound`.
    pub fn new(inbound: mpsc::Sender<Inbound>) -> Self {
        Self {
            lines: Vec::new(),
            next_id: 0,
            inbound,
        }
    }

    /// Brings the lines to what `wanted` says: whole, or, where one cannot be opened, not at all. Lines that stay
    /// as they are go on undisturbed.
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
        let held = |setup: &&LineSetup| {
            self.lines
                .iter()
                .any(|line| line.setup.hardware == setup.hardware)
        };
        // What a line that goes away still holds can be opened only after it.
        let (inherited, free): (Vec<&LineSetup>, Vec<&LineSetup>) = new().partition(held);
        let mut prepared = Vec::new();
        for setup in free {
            prepared.push(PreparedLine::open(setup)?);
        }
        self.lines.retain(|line| {
            let stays = wanted.iter().any(|setup| setup.is_same(&line.setup));
            if !stays {
                audio.command(Command::RemoveLine(line.id));
            }
            stays
        });
        for setup in inherited {
            prepared.push(PreparedLine::open(setup)?);
        }
        for line in prepared {
            let id = LineId(self.next_id);
            self.next_id += 1;
            let path = voice(&line.setup.name);
            audio.command(Command::AddLine(Box::new(AudioLine::virtual_line(id, path))));
            self.lines.push(line.start(id, self.inbound.clone()));
        }
        Ok(())
    }

    /// The audio thread's number of a line.
    pub fn id(&self, name: &LineName) -> Option<LineId> {
        self.lines
            .iter()
            .find(|line| line.setup.name == *name)
            .map(|line| line.id)
    }

    /// The name of the audio thread's number.
    pub fn name(&self, id: LineId) -> Option<&LineName> {
        self.lines
            .iter()
            .find(|line| line.id == id)
            .map(|line| &line.setup.name)
    }

    /// Name and socket of a virtual line, found by either.
    pub fn socket(&self, line: &str) -> Option<(&LineName, &Path)> {
        self.lines.iter().find_map(|open| {
            let Hardware::Virtual { socket } = &open.setup.hardware;
            let meant = open.setup.name.as_str() == line || socket == Path::new(line);
            meant.then_some((&open.setup.name, socket.as_path()))
        })
    }
}

impl PreparedLine {
    fn open(setup: &LineSetup) -> Result<Self, DaemonError> {
        let Hardware::Virtual { socket: path } = &setup.hardware;
        let (listener, socket) = listen(path).map_err(|error| DaemonError::Line {
            line: setup.name.to_string(),
            reason: error.to_string(),
        })?;
        Ok(Self {
            setup: setup.clone(),
            listener,
            socket,
        })
    }

    fn start(self, id: LineId, inbound: mpsc::Sender<Inbound>) -> OpenLine {
        OpenLine {
            id,
            acceptor: tokio::spawn(let_in(self.listener, self.setup.name.clone(), inbound)),
            setup: self.setup,
            _socket: self.socket,
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
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
        }
    }
}
