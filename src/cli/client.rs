//! The programs' end of the control socket.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use serde_json::Value;

use crate::daemon::{Reply, Request};

/// Names the socket where `--socket` doesn't.
const SOCKET_VARIABLE: &str = "TIPRING_SOCKET";

/// The control socket to use: the one given, the environment's, or the default.
pub fn control_socket(given: Option<PathBuf>) -> PathBuf {
    named_socket(given).unwrap_or_else(default_socket)
}

/// The control socket given, or the environment's.
pub fn named_socket(given: Option<PathBuf>) -> Option<PathBuf> {
    given.or_else(|| std::env::var_os(SOCKET_VARIABLE).map(PathBuf::from))
}

/// `/run/tipring/control.sock`; under a user, `$XDG_RUNTIME_DIR/tipring/control.sock`.
fn default_socket() -> PathBuf {
    let system = PathBuf::from("/run/tipring/control.sock");
    let permitted = nix::unistd::access(&system, nix::unistd::AccessFlags::W_OK).is_ok();
    if nix::unistd::geteuid().is_root() || permitted {
        return system;
    }
    match std::env::var_os("XDG_RUNTIME_DIR") {
        Some(directory) => Path::new(&directory).join("tipring/control.sock"),
        None => system,
    }
}

/// A connection to the daemon.
#[derive(Debug)]
pub struct Client {
    stream: BufReader<UnixStream>,
}

impl Client {
    /// Connects.
    pub fn connect(socket: Option<PathBuf>) -> anyhow::Result<Self> {
        let path = control_socket(socket);
        let stream = UnixStream::connect(&path).with_context(|| {
            format!(
                "no daemon answers on {}; start it with `tipring run`, or name its socket with --socket",
                path.display()
            )
        })?;
        Ok(Self {
            stream: BufReader::new(stream),
        })
    }

    /// Asks one thing.
    pub fn ask(&mut self, request: &Request) -> anyhow::Result<Value> {
        let mut line = serde_json::to_string(request)?;
        line.push('\n');
        self.stream.get_mut().write_all(line.as_bytes())?;
        let answer = self
            .next_line()?
            .ok_or_else(|| anyhow!("the daemon hung up without an answer; is it ending?"))?;
        match serde_json::from_str(&answer)? {
            Reply::Ok(value) => Ok(value),
            Reply::Error(reason) => bail!(reason),
        }
    }

    /// The next line of those that follow `events`; `None`: the daemon has ended.
    pub fn next_line(&mut self) -> anyhow::Result<Option<String>> {
        let mut line = String::new();
        match self.stream.read_line(&mut line) {
            Ok(0) => Ok(None),
            Ok(_) => Ok(Some(line.trim_end().to_owned())),
            Err(error) => Err(error.into()),
        }
    }
}
