//! SIP's stream connections, TCP and TLS: one to a peer at a time, over TLS one for each domain that the peer has proved
//! (RFC 5922 7.2), each with a task that reads and writes.
//!
//! A connection serves both sides' requests (RFC 5923, RFC 5626): what a peer asks over a connection of ours is
//! answered over it, and so is what we ask over one of its own.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OnceCell, mpsc};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::canonical;
use super::connection::Task;
use super::tls::{self, TlsSetup};
use crate::daemon::inbound::Inbound;
use crate::sip::ua::Transport;

/// Messages waiting for a peer that doesn't read; more, and the connection is given up.
const QUEUE: usize = 32;

/// Connections at once, so that nobody can use up our descriptors. A newcomer beyond it takes the place of the
/// oldest that never got a word from us: strangers who hold connections lock nobody out.
const CONNECTIONS_MAX: usize = 64;

/// Who is at the other end, and how.
pub type Peer = (Transport, SocketAddr);

/// What our side of TLS is made of. The files behind it are read when the first connection needs them.
#[derive(Default)]
pub struct Tls {
    setup: TlsSetup,
    connector: OnceCell<TlsConnector>,
    pub(super) acceptor: Option<TlsAcceptor>,
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

    pub(super) async fn connector(&self) -> Result<TlsConnector, String> {
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
    /// Of several to one peer the last is the one that sending uses.
    open: Vec<Connection>,
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
    peer: Peer,
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
            open: Vec::new(),
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

    /// Makes a TLS connection to `remote`, whose certificate has to name `domain`, unless there is one. What is sent to
    /// that address from now on goes over it.
    pub fn connect_tls(&mut self, remote: SocketAddr, domain: Arc<str>) {
        let peer = (Transport::Tls, remote);
        // A connection held to another name is not one to this domain, and one that the peer made proves nothing.
        let wanted = |known: &Connection| known.peer == peer && known.domain.as_ref() == Some(&domain);
        match self.open.iter().position(wanted) {
            Some(at) => self.open[at..].rotate_left(1),
            None => self.make(peer, Some(domain)),
        }
    }

    /// Sends over the connection to a peer; over TCP it is made first where there is none.
    pub fn send(&mut self, peer: Peer, bytes: Vec<u8>) -> Result<(), Undelivered> {
        if self.chosen(peer).is_none() && peer.0 != Transport::Tls {
            self.make(peer, None);
        }
        let Some(at) = self.chosen(peer) else {
            // Whose certificate it would have to be is unknown.
            return Err(Undelivered {
                domain: None,
                reason: "the connection is gone",
            });
        };
        let connection = &mut self.open[at];
        connection.used = true;
        if connection.outgoing.try_send(bytes).is_err() {
            let domain = self.open.remove(at).domain;
            return Err(Undelivered {
                domain,
                reason: "the peer doesn't read",
            });
        }
        Ok(())
    }

    fn chosen(&self, peer: Peer) -> Option<usize> {
        self.open.iter().rposition(|connection| connection.peer == peer)
    }

    fn make(&mut self, peer: Peer, domain: Option<Arc<str>>) {
        let (task, local, tls) = (self.add(peer, domain), self.local, Arc::clone(&self.tls));
        if let Some(connection) = self.open.last_mut() {
            connection.used = true;
        }
        tokio::spawn(task.connect(local, tls));
    }

    /// Takes a connection that somebody made to us.
    pub fn adopt(&mut self, stream: TcpStream, peer: Peer) {
        if self.open.len() >= CONNECTIONS_MAX {
            if !std::mem::replace(&mut self.crowded, true) {
                tracing::warn!(remote = %peer.1, "{CONNECTIONS_MAX} SIP connections: the oldest unused ones are closed");
            }
            let age = |connection: &Connection| (connection.used, connection.serial);
            let oldest = (0..self.open.len()).min_by_key(|at| age(&self.open[*at]));
            if let Some(oldest) = oldest {
                // Dropping its queue ends its task; it reports that.
                self.open.remove(oldest);
            }
        }
        let tls = Arc::clone(&self.tls);
        tokio::spawn(self.add(peer, None).accepted(stream, tls));
    }

    /// A further connection, and the task that is to serve it.
    fn add(&mut self, peer: Peer, domain: Option<Arc<str>>) -> Task {
        self.serial += 1;
        let (outgoing, queue) = mpsc::channel(QUEUE);
        self.open.push(Connection {
            peer,
            serial: self.serial,
            used: false,
            domain: domain.clone(),
            outgoing,
        });
        Task {
            peer,
            serial: self.serial,
            domain,
            queue,
            inbound: self.inbound.clone(),
        }
    }

    /// Ends a connection: the next message makes a new one.
    pub fn close(&mut self, peer: Peer) {
        if let Some(at) = self.chosen(peer) {
            self.open.remove(at);
        }
    }

    /// Forgets a closed connection. `false`: a newer one of the same kind has taken its place.
    pub fn remove(&mut self, peer: Peer, domain: Option<&Arc<str>>, serial: u64) -> bool {
        self.open.retain(|connection| connection.serial != serial);
        self.crowded &= self.open.len() > CONNECTIONS_MAX / 2;
        let same = |connection: &Connection| connection.peer == peer && connection.domain.as_ref() == domain;
        !self.open.iter().any(same)
    }
}

/// Why something cannot be sent.
#[derive(Debug)]
pub struct Undelivered {
    /// The domain of the connection it was for.
    pub domain: Option<Arc<str>>,
    /// In words.
    pub reason: &'static str,
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
