//! SIP's TCP connections: one to a peer at a time, each with a task that reads and a task that writes.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use super::canonical;
use crate::daemon::inbound::Inbound;
use crate::gateway::Input;
use crate::sip::ua::{Transport, UaInput};

/// Messages waiting for a peer that doesn't read; more, and the connection is given up.
const QUEUE: usize = 32;

/// Connections at once, so that nobody can use up our descriptors. A newcomer beyond it takes the place of the
/// oldest that never got a word from us: strangers who hold connections lock nobody out.
const CONNECTIONS_MAX: usize = 64;

/// A SYN that nobody answers: well under transaction timer B's 32 s (RFC 3261 section 17.1.1.2), so that the
/// next address can still be tried.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Bytes read at once.
const CHUNK: usize = 8192;

/// The connections there are.
#[derive(Debug, Default)]
pub struct Connections {
    by_remote: HashMap<SocketAddr, Connection>,
    serial: u64,
    /// There were [`CONNECTIONS_MAX`], and that has been logged.
    crowded: bool,
}

#[derive(Debug)]
struct Connection {
    serial: u64,
    /// We have had something to say over it.
    used: bool,
    outgoing: mpsc::Sender<Vec<u8>>,
}

impl Connections {
    /// Sends over the connection to `remote`, made first where there is none.
    pub fn send(&mut self, remote: SocketAddr, bytes: Vec<u8>, inbound: &mpsc::Sender<Inbound>) {
        let serial = self.serial + 1;
        let connection = self.by_remote.entry(remote).or_insert_with(|| {
            let (outgoing, queue) = mpsc::channel(QUEUE);
            tokio::spawn(connect(remote, serial, queue, inbound.clone()));
            Connection {
                serial,
                used: true,
                outgoing,
            }
        });
        connection.used = true;
        self.serial = self.serial.max(connection.serial);
        if connection.outgoing.try_send(bytes).is_err() {
            // Gone, or not reading. Dropping the queue ends its tasks; they report it.
            self.by_remote.remove(&remote);
        }
    }

    /// Takes a connection that somebody made to us.
    pub fn adopt(&mut self, stream: TcpStream, remote: SocketAddr, inbound: &mpsc::Sender<Inbound>) {
        if self.by_remote.len() >= CONNECTIONS_MAX {
            if !std::mem::replace(&mut self.crowded, true) {
                tracing::warn!(%remote, "{CONNECTIONS_MAX} SIP connections: the oldest unused ones are closed");
            }
            let oldest = self
                .by_remote
                .iter()
                .min_by_key(|(_, connection)| (connection.used, connection.serial))
                .map(|(remote, _)| *remote);
            if let Some(oldest) = oldest {
                // Dropping its queue ends its tasks; they report it.
                self.by_remote.remove(&oldest);
            }
        }
        self.serial += 1;
        let (outgoing, queue) = mpsc::channel(QUEUE);
        tokio::spawn(serve(stream, remote, self.serial, queue, inbound.clone()));
        self.by_remote.insert(
            remote,
            Connection {
                serial: self.serial,
                used: false,
                outgoing,
            },
        );
    }

    /// Forgets a closed connection, unless a newer one to the same peer has taken its place.
    pub fn remove(&mut self, remote: SocketAddr, serial: u64) {
        if self
            .by_remote
            .get(&remote)
            .is_some_and(|connection| connection.serial == serial)
        {
            self.by_remote.remove(&remote);
        }
        self.crowded &= self.by_remote.len() > CONNECTIONS_MAX / 2;
    }
}

/// Takes connections for as long as the daemon runs.
pub async fn accept(listener: TcpListener, inbound: mpsc::Sender<Inbound>) {
    loop {
        match listener.accept().await {
            Ok((stream, remote)) => {
                let accepted = Inbound::Accepted {
                    stream,
                    remote: canonical(remote),
                };
                if inbound.send(accepted).await.is_err() {
                    return;
                }
            }
            Err(error) => {
                // Out of descriptors, as a rule: let some be closed first.
                tracing::warn!(%error, "taking a SIP connection failed");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn connect(
    remote: SocketAddr,
    serial: u64,
    queue: mpsc::Receiver<Vec<u8>>,
    inbound: mpsc::Sender<Inbound>,
) {
    let reason = match tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(remote)).await {
        Ok(Ok(stream)) => return serve(stream, remote, serial, queue, inbound).await,
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("no answer within {} s", CONNECT_TIMEOUT.as_secs()),
    };
    let closed = Inbound::Closed {
        remote,
        serial,
        reason,
    };
    let _ = inbound.send(closed).await;
}

async fn serve(
    stream: TcpStream,
    remote: SocketAddr,
    serial: u64,
    queue: mpsc::Receiver<Vec<u8>>,
    inbound: mpsc::Sender<Inbound>,
) {
    // Requests are small and answered at once: Nagle's delay would only add to call setup.
    let _ = stream.set_nodelay(true);
    let Ok(local) = stream.local_addr() else { return };
    let (reader, writer) = stream.into_split();
    let reason = tokio::select! {
        reason = read(reader, canonical(local), remote, &inbound) => reason,
        reason = write(writer, queue) => reason,
    };
    let closed = Inbound::Closed {
        remote,
        serial,
        reason,
    };
    let _ = inbound.send(closed).await;
}

async fn read(
    mut reader: OwnedReadHalf,
    local: SocketAddr,
    remote: SocketAddr,
    inbound: &mpsc::Sender<Inbound>,
) -> String {
    let mut chunk = vec![0; CHUNK];
    loop {
        match reader.read(&mut chunk).await {
            Ok(0) => return "closed by the peer".to_owned(),
            Ok(length) => {
                let bytes = chunk[..length].to_vec();
                let transport = Transport::Tcp;
                let input = UaInput::Stream {
                    transport,
                    local,
                    remote,
                    bytes,
                };
                let arrived = Inbound::Gateway(Box::new(Input::Sip(input)));
                if inbound.send(arrived).await.is_err() {
                    return "the daemon ends".to_owned();
                }
            }
            Err(error) => return error.to_string(),
        }
    }
}

async fn write(mut writer: OwnedWriteHalf, mut queue: mpsc::Receiver<Vec<u8>>) -> String {
    while let Some(bytes) = queue.recv().await {
        if let Err(error) = writer.write_all(&bytes).await {
            return error.to_string();
        }
    }
    "closed by us: the peer doesn't read, or newer connections wanted the room".to_owned()
}
