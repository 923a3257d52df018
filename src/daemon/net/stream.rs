//! SIP's stream connections, TCP and TLS: one to a peer at a time, each with a task that reads and writes.
//!
//! A connection serves both sides' requests (RFC 5923, RFC 5626): what a peer asks over a connection of ours is
//! answered over it, and so is what we ask over one of its own.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{OnceCell, mpsc};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::tls::{self, TlsSetup};
use super::{canonical, for_socket};
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

/// The same for a TLS handshake, ours or a peer's.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);

/// Bytes read at once.
const CHUNK: usize = 8192;

/// Who is at the other end, and how.
pub type Peer = (Transport, SocketAddr);

/// What our side of TLS is made of. The files behind it are read when the first connection needs them.
#[derive(Default)]
pub struct Tls {
    setup: TlsSetup,
    connector: OnceCell<TlsConnector>,
    acceptor: Option<TlsAcceptor>,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Tls")
            .field("setup", &self.setup)
            .finish_non_exhaustive()
    }
}

impl Tls {
    /// Reads our own certificate, where there is one: without it there is no listener, and a person wants to hear
    /// at once that it can't be read.
    pub fn new(setup: TlsSetup) -> Result<Self, String> {
        if setup.trust_anybody {
            tracing::warn!(
                "tls.verify is false: servers don't have to prove who they are, and whoever sits on the way can \
                 read passwords and calls"
            );
        }
        let acceptor = tls::acceptor(&setup)?;
        Ok(Self {
            setup,
            connector: OnceCell::new(),
            acceptor,
        })
    }

    /// Whether there is a certificate for a listener.
    pub fn has_acceptor(&self) -> bool {
        self.acceptor.is_some()
    }

    async fn connector(&self) -> Result<TlsConnector, String> {
        let load = || async {
            let setup = self.setup.clone();
            tokio::task::spawn_blocking(move || tls::connector(&setup))
                .await
                .unwrap_or_else(|error| Err(error.to_string()))
        };
        self.connector.get_or_try_init(load).await.cloned()
    }
}

/// The connections there are.
#[derive(Debug)]
pub struct Connections {
    by_peer: HashMap<Peer, Connection>,
    serial: u64,
    /// There were [`CONNECTIONS_MAX`], and that has been logged.
    crowded: bool,
    /// Where our sockets are bound: connections of ours come from there.
    local: IpAddr,
    tls: Arc<Tls>,
    inbound: mpsc::Sender<Inbound>,
}

#[derive(Debug)]
struct Connection {
    serial: u64,
    /// We have had something to say over it.
    used: bool,
    /// The domain that the peer's certificate was held to, where we made the connection.
    domain: Option<Arc<str>>,
    outgoing: mpsc::Sender<Vec<u8>>,
}

impl Connections {
    /// None so far.
    pub fn new(local: IpAddr, tls: Arc<Tls>, inbound: mpsc::Sender<Inbound>) -> Self {
        Self {
            by_peer: HashMap::new(),
            serial: 0,
            crowded: false,
            local,
            tls,
            inbound,
        }
    }

    /// From now on connections are made by these rules; those there are stay.
    pub fn set_tls(&mut self, tls: Arc<Tls>) {
        self.tls = tls;
    }

    /// Makes a TLS connection to `remote`, whose certificate has to name `domain`, unless there is one.
    pub fn connect_tls(&mut self, remote: SocketAddr, domain: Arc<str>) {
        let peer = (Transport::Tls, remote);
        // A connection held to another name is not one to this domain (RFC 5922 7.2).
        // Nor is one that the peer made, and proved nothing by.
        let other = |connection: &Connection| connection.domain.as_ref() != Some(&domain);
        if self.by_peer.get(&peer).is_some_and(other) {
            self.by_peer.remove(&peer);
        }
        if !self.by_peer.contains_key(&peer) {
            self.open(peer, Some(domain));
        }
    }

    /// Sends over the connection to a peer; over TCP it is made first where there is none.
    pub fn send(&mut self, peer: Peer, bytes: Vec<u8>) -> Result<(), &'static str> {
        if !self.by_peer.contains_key(&peer) {
            if peer.0 == Transport::Tls {
                // Whose certificate it would have to be is unknown.
                return Err("the connection is gone");
            }
            self.open(peer, None);
        }
        let Some(connection) = self.by_peer.get_mut(&peer) else {
            return Err("the connection is gone");
        };
        connection.used = true;
        if connection.outgoing.try_send(bytes).is_err() {
            self.by_peer.remove(&peer);
            return Err("the peer doesn't read");
        }
        Ok(())
    }

    fn open(&mut self, peer: Peer, domain: Option<Arc<str>>) {
        self.serial += 1;
        let (outgoing, queue) = mpsc::channel(QUEUE);
        let task = Task {
            peer,
            serial: self.serial,
            queue,
            inbound: self.inbound.clone(),
        };
        tokio::spawn(task.connect(self.local, domain.clone(), Arc::clone(&self.tls)));
        let connection = Connection {
            serial: self.serial,
            used: true,
            domain,
            outgoing,
        };
        self.by_peer.insert(peer, connection);
    }

    /// Takes a connection that somebody made to us.
    pub fn adopt(&mut self, stream: TcpStream, peer: Peer) {
        if self.by_peer.len() >= CONNECTIONS_MAX {
            if !std::mem::replace(&mut self.crowded, true) {
                tracing::warn!(remote = %peer.1, "{CONNECTIONS_MAX} SIP connections: the oldest unused ones are closed");
            }
            let oldest = self
                .by_peer
                .iter()
                .min_by_key(|(_, connection)| (connection.used, connection.serial))
                .map(|(peer, _)| *peer);
            if let Some(oldest) = oldest {
                // Dropping its queue ends its task; it reports that.
                self.by_peer.remove(&oldest);
            }
        }
        self.serial += 1;
        let (outgoing, queue) = mpsc::channel(QUEUE);
        let task = Task {
            peer,
            serial: self.serial,
            queue,
            inbound: self.inbound.clone(),
        };
        tokio::spawn(task.accepted(stream, Arc::clone(&self.tls)));
        let connection = Connection {
            serial: self.serial,
            used: false,
            domain: None,
            outgoing,
        };
        self.by_peer.insert(peer, connection);
    }

    /// Ends a connection: the next message makes a new one.
    pub fn close(&mut self, peer: Peer) {
        self.by_peer.remove(&peer);
    }

    /// Forgets a closed connection. `false`: a newer one to the same peer has taken its place.
    pub fn remove(&mut self, peer: Peer, serial: u64) -> bool {
        let newer = self
            .by_peer
            .get(&peer)
            .is_some_and(|connection| connection.serial != serial);
        if !newer {
            self.by_peer.remove(&peer);
        }
        self.crowded &= self.by_peer.len() > CONNECTIONS_MAX / 2;
        !newer
    }
}

/// Takes connections for as long as the daemon runs.
pub async fn accept(listener: TcpListener, transport: Transport, inbound: mpsc::Sender<Inbound>) {
    loop {
        match listener.accept().await {
            Ok((stream, remote)) => {
                let accepted = Inbound::Accepted {
                    stream,
                    transport,
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

/// What serves one connection.
struct Task {
    peer: Peer,
    serial: u64,
    queue: mpsc::Receiver<Vec<u8>>,
    inbound: mpsc::Sender<Inbound>,
}

impl Task {
    async fn connect(mut self, local: IpAddr, domain: Option<Arc<str>>, tls: Arc<Tls>) {
        let reason = match self.connected(local, domain, &tls).await {
            Ok(reason) | Err(reason) => reason,
        };
        self.closed(reason).await;
    }

    /// Connects and serves until the end; gives its reason.
    async fn connected(
        &mut self,
        local: IpAddr,
        domain: Option<Arc<str>>,
        tls: &Tls,
    ) -> Result<String, String> {
        let stream = within(CONNECT_TIMEOUT, open_stream(local, self.peer.1)).await?;
        let Some(domain) = domain else {
            return self.serve_tcp(stream).await;
        };
        let name = tls::server_name(&domain)?;
        let connector = tls.connector().await?;
        let at = stream.local_addr().map_err(|error| error.to_string())?;
        let _ = stream.set_nodelay(true);
        let handshake = async { connector.connect(name, stream).await };
        let stream = tokio::time::timeout(HANDSHAKE_TIMEOUT, handshake)
            .await
            .map_err(|_| silence(HANDSHAKE_TIMEOUT))?
            .map_err(|error| format!("TLS with {domain}: {}", tls::describe_failure(&error)))?;
        Ok(self.serve(stream, at).await)
    }

    async fn accepted(mut self, stream: TcpStream, tls: Arc<Tls>) {
        let result = match (self.peer.0, &tls.acceptor) {
            (Transport::Tls, Some(acceptor)) => self.accept_tls(stream, acceptor).await,
            (Transport::Tls, None) => Err("there is no certificate of ours".to_owned()),
            (Transport::Udp | Transport::Tcp, _) => self.serve_tcp(stream).await,
        };
        let (Ok(reason) | Err(reason)) = result;
        self.closed(reason).await;
    }

    async fn accept_tls(&mut self, stream: TcpStream, acceptor: &TlsAcceptor) -> Result<String, String> {
        let at = stream.local_addr().map_err(|error| error.to_string())?;
        let _ = stream.set_nodelay(true);
        let stream = within(HANDSHAKE_TIMEOUT, acceptor.accept(stream)).await?;
        Ok(self.serve(stream, at).await)
    }

    async fn serve_tcp(&mut self, stream: TcpStream) -> Result<String, String> {
        let at = stream.local_addr().map_err(|error| error.to_string())?;
        // Requests are small and answered at once: Nagle's delay would only add to call setup.
        let _ = stream.set_nodelay(true);
        Ok(self.serve(stream, at).await)
    }

    /// Carries bytes until one side ends it; gives the reason.
    async fn serve<S: AsyncRead + AsyncWrite>(&mut self, stream: S, at: SocketAddr) -> String {
        let (reader, writer) = tokio::io::split(stream);
        tokio::select! {
            reason = read(reader, self.peer, canonical(at), &self.inbound) => reason,
            reason = write(writer, &mut self.queue) => reason,
        }
    }

    async fn closed(self, reason: String) {
        let (transport, remote) = self.peer;
        let closed = Inbound::Closed {
            transport,
            remote,
            serial: self.serial,
            reason,
        };
        let _ = self.inbound.send(closed).await;
    }
}

async fn open_stream(local: IpAddr, remote: SocketAddr) -> std::io::Result<TcpStream> {
    if local.is_unspecified() {
        return TcpStream::connect(remote).await;
    }
    let socket = if local.is_ipv4() {
        TcpSocket::new_v4()
    } else {
        TcpSocket::new_v6()
    }?;
    socket.bind(SocketAddr::new(local, 0))?;
    socket.connect(for_socket(local, remote)).await
}

async fn within<T>(limit: Duration, done: impl Future<Output = std::io::Result<T>>) -> Result<T, String> {
    match tokio::time::timeout(limit, done).await {
        Ok(result) => result.map_err(|error| error.to_string()),
        Err(_) => Err(silence(limit)),
    }
}

fn silence(limit: Duration) -> String {
    format!("no answer within {} s", limit.as_secs())
}

async fn read<S: AsyncRead>(
    mut reader: ReadHalf<S>,
    (transport, remote): Peer,
    local: SocketAddr,
    inbound: &mpsc::Sender<Inbound>,
) -> String {
    let mut chunk = vec![0; CHUNK];
    loop {
        match reader.read(&mut chunk).await {
            Ok(0) => return "closed by the peer".to_owned(),
            Ok(length) => {
                let bytes = chunk[..length].to_vec();
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

async fn write<S: AsyncWrite>(mut writer: WriteHalf<S>, queue: &mut mpsc::Receiver<Vec<u8>>) -> String {
    while let Some(bytes) = queue.recv().await {
        // TLS keeps what it is given until it is flushed.
        let written = async {
            writer.write_all(&bytes).await?;
            writer.flush().await
        };
        if let Err(error) = written.await {
            return error.to_string();
        }
    }
    let _ = writer.shutdown().await;
    "closed by us: the peer doesn't read, or newer connections wanted the room".to_owned()
}
