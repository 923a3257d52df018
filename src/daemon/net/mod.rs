//! SIP's sockets: one UDP socket and one TCP listener for all accounts (RFC 3261 section 18), connections made
//! and taken, names resolved, and our own address towards each peer.
//!
//! Nothing here understands SIP: bytes go in and out as [`Input`] and [`Output`](crate::gateway::Output)
//! carry them.

mod connection;
mod dns;
mod local_address;
mod port_owner;
mod rtp_ports;
mod socket;
mod stream;
mod tls;
mod watch;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

pub use port_owner::PortOwner;
pub use rtp_ports::{PortPair, PortPairs};
pub use socket::{canonical, for_socket};
pub use tls::{Identity, TlsSetup};
pub use watch::watch;

use super::DaemonError;
use super::inbound::Inbound;
use crate::gateway::Input;
use crate::sip::ua::{Answer, Question, Records, Route, Transport, UaInput};
use dns::Dns;
use local_address::LocalAddresses;
use stream::{Connections, Tls, Undelivered};

/// Largest UDP payload.
const DATAGRAM_BYTES_MAX: usize = 65_535;

/// What the configuration says about names and TLS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NetSetup {
    /// TLS, ours and theirs.
    pub tls: TlsSetup,
    /// Port of the TLS listener; `None`: the one after SIP's.
    pub tls_port: Option<u16>,
    /// Name servers; none: the system's.
    pub dns_servers: Vec<SocketAddr>,
}

/// The signalling sockets.
#[derive(Debug)]
pub struct SipNet {
    udp: Option<Arc<tokio::net::UdpSocket>>,
    bound: SocketAddr,
    tls_bound: Option<SocketAddr>,
    connections: Connections,
    addresses: LocalAddresses,
    dns: Dns,
    setup: NetSetup,
    inbound: mpsc::Sender<Inbound>,
}

impl SipNet {
    /// Binds the sockets wanted to `address` (port 0: any, the same for both) and starts reading them. What arrives
    /// goes to `inbound`. Must be called inside a runtime.
    pub fn bind(
        address: SocketAddr,
        wanted: &[Transport],
        setup: &NetSetup,
        inbound: mpsc::Sender<Inbound>,
    ) -> Result<Self, DaemonError> {
        let tls = Tls::new(setup.tls.clone()).map_err(DaemonError::Tls)?;
        let mut bound = address;
        let mut udp = None;
        if wanted.contains(&Transport::Udp) {
            let socket = socket::signalling_udp(bound)?;
            bound = socket.local_addr()?;
            let socket = Arc::new(tokio::net::UdpSocket::from_std(socket)?);
            tokio::spawn(read_datagrams(Arc::clone(&socket), inbound.clone()));
            udp = Some(socket);
        }
        if wanted.contains(&Transport::Tcp) {
            let listener = socket::signalling_tcp(bound)?;
            bound = listener.local_addr()?;
            let listener = tokio::net::TcpListener::from_std(listener)?;
            tokio::spawn(stream::accept(listener, Transport::Tcp, inbound.clone()));
        }
        let mut tls_bound = None;
        if wanted.contains(&Transport::Tls) && tls.has_acceptor() {
            let port = match (setup.tls_port, address.port()) {
                (Some(port), _) => port,
                (None, 0) => 0,
                (None, port) => port.saturating_add(1),
            };
            let listener = socket::signalling_tcp(SocketAddr::new(bound.ip(), port))?;
            tls_bound = Some(listener.local_addr()?);
            let listener = tokio::net::TcpListener::from_std(listener)?;
            tokio::spawn(stream::accept(listener, Transport::Tls, inbound.clone()));
        }
        Ok(Self {
            udp,
            bound,
            tls_bound,
            connections: Connections::new(bound.ip(), Arc::new(tls), inbound.clone()),
            addresses: LocalAddresses::new(bound.ip()),
            dns: Dns::new(setup.dns_servers.clone(), bound.is_ipv4()),
            setup: setup.clone(),
            inbound,
        })
    }

    /// Takes over changed name servers and certificates: connections made from now on go by them. A listener that
    /// there was not at the start comes with the next one.
    pub fn configure(&mut self, setup: &NetSetup) -> Result<(), DaemonError> {
        if setup.tls != self.setup.tls {
            let tls = Tls::new(setup.tls.clone()).map_err(DaemonError::Tls)?;
            if tls.has_acceptor() != self.tls_bound.is_some() || setup.tls_port != self.setup.tls_port {
                tracing::warn!("the TLS listener comes, goes or moves at the next start");
            }
            self.connections.set_tls(Arc::new(tls));
        }
        if setup.dns_servers != self.setup.dns_servers {
            self.dns = Dns::new(setup.dns_servers.clone(), self.bound.is_ipv4());
        }
        self.setup = setup.clone();
        Ok(())
    }

    /// What the TLS listener is bound to, where there is one.
    pub fn tls_bound(&self) -> Option<SocketAddr> {
        self.tls_bound
    }

    /// What the sockets are bound to.
    pub fn bound(&self) -> SocketAddr {
        self.bound
    }

    /// Our address, port included, as `remote` reaches it.
    pub fn local_towards(&mut self, now: Instant, remote: SocketAddr) -> std::io::Result<SocketAddr> {
        let ip = self.addresses.towards(now, remote)?;
        Ok(SocketAddr::new(ip, self.bound.port()))
    }

    /// Sends `bytes`; failures come back as [`UaInput::TransportFailed`].
    pub fn transmit(&mut self, transport: Transport, remote: SocketAddr, bytes: Vec<u8>) {
        match transport {
            Transport::Tcp | Transport::Tls => {
                if let Err(undelivered) = self.connections.send((transport, remote), bytes) {
                    let Undelivered { domain, reason } = undelivered;
                    self.failed(transport, remote, domain, reason.to_owned());
                }
            }
            Transport::Udp => {
                let destination = for_socket(self.bound.ip(), remote);
                let sent = match &self.udp {
                    Some(socket) => socket.try_send_to(&bytes, destination),
                    None => Err(std::io::Error::other("sip.transports has no UDP")),
                };
                match sent {
                    Ok(_) => {}
                    // A full socket buffer is one lost datagram: SIP retransmits.
                    Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                    Err(error) => self.failed(transport, remote, None, error.to_string()),
                }
            }
        }
    }

    fn failed(&self, transport: Transport, remote: SocketAddr, domain: Option<Arc<str>>, reason: String) {
        let failed = Input::Sip(UaInput::TransportFailed {
            transport,
            remote,
            domain,
            reason,
        });
        // Not lost where the queue is full: it is a fact about the future, too, and the transaction's own timer
        // finds out.
        let _ = self.inbound.try_send(Inbound::Gateway(Box::new(failed)));
    }

    /// Makes a TLS connection where there is none; failures come back as [`UaInput::TransportFailed`].
    pub fn connect_tls(&mut self, remote: SocketAddr, domain: Arc<str>) {
        self.connections.connect_tls(remote, domain);
    }

    /// Ends a connection of which nothing more is expected.
    pub fn close(&mut self, transport: Transport, remote: SocketAddr) {
        self.connections.close((transport, remote));
    }

    /// A connection that somebody made to us.
    pub fn accepted(&mut self, stream: tokio::net::TcpStream, transport: Transport, remote: SocketAddr) {
        self.connections.adopt(stream, (transport, remote));
    }

    /// A connection is gone. `false`: a newer one to the same peer is there.
    pub fn closed(
        &mut self,
        transport: Transport,
        remote: SocketAddr,
        domain: Option<&Arc<str>>,
        serial: u64,
    ) -> bool {
        self.connections.remove((transport, remote), domain, serial)
    }

    /// The network has changed: which of our addresses leads where is asked anew.
    pub fn forget_routes(&mut self) {
        self.addresses = LocalAddresses::new(self.bound.ip());
    }

    /// Answers a question of the user agent: at once where the kernel knows, by [`Inbound::Resolved`] later where DNS
    /// does.
    pub fn resolve(&mut self, now: Instant, query: u64, question: Question) -> Option<UaInput> {
        let remotes = match question {
            Question::Routes(remotes) => remotes,
            question => {
                self.dns.ask(query, question, self.inbound.clone());
                return None;
            }
        };
        let result = self.routes(now, &remotes).map(|routes| Answer {
            records: Records::Routes(routes),
            ttl: Duration::ZERO,
        });
        Some(UaInput::Resolved { query, result })
    }

    /// Addresses, each with our own towards it; those without a route are left out.
    fn routes(&mut self, now: Instant, remotes: &[SocketAddr]) -> Result<Vec<Route>, String> {
        let mut last_error = None;
        let mut routes = Vec::new();
        for &remote in remotes {
            if self.bound.is_ipv4() && remote.is_ipv6() {
                last_error = Some(format!("{} is not of the family that sip.bind uses", remote.ip()));
                continue;
            }
            match self.addresses.towards(now, remote) {
                Ok(local_ip) => routes.push(Route { remote, local_ip }),
                Err(error) => last_error = Some(format!("no route to {}: {error}", remote.ip())),
            }
        }
        match last_error {
            Some(error) if routes.is_empty() => Err(error),
            _ => Ok(routes),
        }
    }
}

async fn read_datagrams(socket: Arc<tokio::net::UdpSocket>, inbound: mpsc::Sender<Inbound>) {
    let mut buffer = vec![0; DATAGRAM_BYTES_MAX];
    loop {
        match socket.recv_from(&mut buffer).await {
            Ok((length, remote)) => {
                let datagram = Inbound::Datagram {
                    remote: canonical(remote),
                    bytes: buffer[..length].to_vec(),
                };
                if inbound.send(datagram).await.is_err() {
                    return;
                }
            }
            // An ICMP error of an earlier datagram, or memory short for a moment: the socket itself is sound.
            Err(error) => {
                tracing::debug!(%error, "receiving a datagram failed");
                tokio::task::yield_now().await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn datagrams_and_streams_arrive_and_leave() {
        let (inbound, mut arrivals) = mpsc::channel(16);
        let mut net = SipNet::bind(
            "127.0.0.1:0".parse().unwrap(),
            &[Transport::Udp, Transport::Tcp],
            &NetSetup::default(),
            inbound,
        )
        .unwrap();
        let peer = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
        peer.send_to(b"ping", net.bound()).await.unwrap();
        let Some(Inbound::Datagram { remote, bytes }) = arrivals.recv().await else {
            panic!("no datagram");
        };
        assert_eq!(
            (remote, bytes.as_slice()),
            (peer.local_addr().unwrap(), b"ping".as_slice())
        );
        net.transmit(Transport::Udp, remote, b"pong".to_vec());
        let mut buffer = [0; 16];
        let length = peer.recv(&mut buffer).await.unwrap();
        assert_eq!(&buffer[..length], b"pong");

        let mut stream = tokio::net::TcpStream::connect(net.bound()).await.unwrap();
        let Some(Inbound::Accepted {
            stream: ours,
            transport,
            remote,
        }) = arrivals.recv().await
        else {
            panic!("no connection");
        };
        net.accepted(ours, transport, remote);
        net.transmit(Transport::Tcp, remote, b"hello".to_vec());
        tokio::io::AsyncReadExt::read_exact(&mut stream, &mut buffer[..5])
            .await
            .unwrap();
        assert_eq!(&buffer[..5], b"hello");
        drop(stream);
        let Some(Inbound::Closed { remote: closed, .. }) = arrivals.recv().await else {
            panic!("the end of the connection is not reported");
        };
        assert_eq!(closed, remote);
    }

    #[tokio::test]
    async fn a_connection_refused_is_reported_not_lost() {
        let (inbound, mut arrivals) = mpsc::channel(16);
        let mut net = SipNet::bind(
            "127.0.0.1:0".parse().unwrap(),
            &[Transport::Udp, Transport::Tcp],
            &NetSetup::default(),
            inbound,
        )
        .unwrap();
        let nobody = std::net::TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        net.transmit(Transport::Tcp, nobody, b"x".to_vec());
        let Some(Inbound::Closed { remote, reason, .. }) = arrivals.recv().await else {
            panic!("not reported");
        };
        assert_eq!(remote, nobody);
        assert!(reason.contains("refused"), "{reason}");
    }

    #[tokio::test]
    async fn routes_are_known_at_once() {
        let (inbound, _arrivals) = mpsc::channel(16);
        let mut net = SipNet::bind(
            "127.0.0.1:0".parse().unwrap(),
            &[Transport::Udp, Transport::Tcp],
            &NetSetup::default(),
            inbound,
        )
        .unwrap();
        let remote = "127.0.0.1:5070".parse().unwrap();
        let answer = net.resolve(Instant::now(), 7, Question::Routes(vec![remote]));
        let Some(UaInput::Resolved {
            query: 7,
            result: Ok(answer),
        }) = answer
        else {
            panic!("{answer:?}");
        };
        let Records::Routes(routes) = answer.records else {
            panic!("{answer:?}");
        };
        assert_eq!((routes.len(), routes[0].remote), (1, remote));
        assert_eq!(routes[0].local_ip.to_string(), "127.0.0.1");
    }
}
