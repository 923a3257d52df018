//! One stream connection: made or taken, read and written until one side ends it.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;

use super::stream::{Peer, Tls};
use super::{canonical, for_socket, tls};
use crate::daemon::inbound::Inbound;
use crate::gateway::Input;
use crate::sip::ua::{Transport, UaInput};

/// A SYN that nobody answers: well under transaction timer B's 32 s (RFC 3261 section 17.1.1.2), so that the
/// next address can still be tried.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The same for a TLS handshake, ours or a peer's.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);

/// Bytes read at once.
const CHUNK: usize = 8192;

/// What serves one connection.
pub(super) struct Task {
    pub peer: Peer,
    pub serial: u64,
    /// What the other end has to prove, where the connection is ours and TLS.
    pub domain: Option<Arc<str>>,
    pub queue: mpsc::Receiver<Vec<u8>>,
    pub inbound: mpsc::Sender<Inbound>,
}

impl Task {
    /// Makes the connection and serves it.
    pub async fn connect(mut self, local: IpAddr, tls: Arc<Tls>) {
        let reason = match self.connected(local, &tls).await {
            Ok(reason) | Err(reason) => reason,
        };
        self.closed(reason).await;
    }

    /// Connects and serves until the end; gives its reason.
    async fn connected(&mut self, local: IpAddr, tls: &Tls) -> Result<String, String> {
        let stream = within(CONNECT_TIMEOUT, open_stream(local, self.peer.1)).await?;
        let Some(domain) = self.domain.clone() else {
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

    /// Serves a connection that the peer made.
    pub async fn accepted(mut self, stream: TcpStream, tls: Arc<Tls>) {
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
        let from = Source {
            peer: self.peer,
            domain: self.domain.clone(),
            local: canonical(at),
        };
        tokio::select! {
            reason = read(reader, from, &self.inbound) => reason,
            reason = write(writer, &mut self.queue) => reason,
        }
    }

    async fn closed(self, reason: String) {
        let (transport, remote) = self.peer;
        let closed = Inbound::Closed {
            transport,
            remote,
            domain: self.domain,
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

/// What a connection's bytes are told with.
struct Source {
    peer: Peer,
    domain: Option<Arc<str>>,
    local: SocketAddr,
}

async fn read<S: AsyncRead>(
    mut reader: ReadHalf<S>,
    from: Source,
    inbound: &mpsc::Sender<Inbound>,
) -> String {
    let (transport, remote) = from.peer;
    let mut chunk = vec![0; CHUNK];
    loop {
        match reader.read(&mut chunk).await {
            Ok(0) => return "closed by the peer".to_owned(),
            Ok(length) => {
                let bytes = chunk[..length].to_vec();
                let input = UaInput::Stream {
                    transport,
                    local: from.local,
                    remote,
                    domain: from.domain.clone(),
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
