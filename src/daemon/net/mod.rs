//! SIP's sockets: one UDP socket and one TCP listener for all accounts (RFC 3261 section 18), connections made
//! and taken, names resolved, and our own address towards each peer.
//!
//! Nothing here understands SIP: bytes go in and out as [`Input`] and [`Output`](crate::gateway::Output)
//! carry them.

mod local_address;
mod port_owner;
mod rtp_ports;
mod socket;
mod stream;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::mpsc;

pub use port_owner::PortOwner;
pub use rtp_ports::{PortPair, PortPairs};
pub use socket::{canonical, for_socket};

use super::DaemonError;
use super::inbound::Inbound;
use crate::gateway::Input;
use crate::sip::ua::{Route, Transport, UaInput};
use local_address::LocalAddresses;
use stream::Connections;

/// Largest UDP payload.
const DATAGRAM_BYTES_MAX: usize = 65_535;

/// The signalling sockets.
#[derive(Debug)]
pub struct SipNet {
    udp: Option<Arc<tokio::net::UdpSocket>>,
    bound: SocketAddr,
    connections: Connections,
    addresses: LocalAddresses,
    inbound: mpsc::Sender<Inbound>,
}

impl SipNet {
    /// Binds the sockets wanted to `address` (port 0: any, the same for both) and starts reading them. What arrives
    /// goes to `inbound`. Must be called inside a runtime.
    pub fn bind(
        address: SocketAddr,
        wanted: &[Transport],
        inbound: mpsc::Sender<Inbound>,
    ) -> Result<Self, DaemonError> {
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
            tokio::spawn(stream::accept(listener, inbound.clone()));
        }
        Ok(Self {
            udp,
            bound,
            connections: Connections::default(),
            addresses: LocalAddresses::new(bound.ip()),
            inbound,
        })
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
            Transport::Tls => {
                let failed = UaInput::TransportFailed {
                    transport,
                    remote,
                    reason: "sip.transports has no TLS".to_owned(),
                };
                let _ = self
                    .inbound
                    .try_send(Inbound::Gateway(Box::new(Input::Sip(failed))));
            }
            Transport::Tcp => self.connections.send(remote, bytes, &self.inbound),
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
                    Err(error) => {
                        let failed = Input::Sip(UaInput::TransportFailed {
                            transport,
                            remote,
                            reason: error.to_string(),
                        });
                        // Not lost where the queue is full: it is a fact about the future, too, and the
                        // transaction's own timer finds out.
                        let _ = self.inbound.try_send(Inbound::Gateway(Box::new(failed)));
                    }
                }
            }
        }
    }

    /// A connection that somebody made to us.
    pub fn accepted(&mut self, stream: tokio::net::TcpStream, remote: SocketAddr) {
        self.connections.adopt(stream, remote, &self.inbound);
    }

    /// The connection is gone; a newer one to the same peer stays.
    pub fn closed(&mut self, remote: SocketAddr, serial: u64) {
        self.connections.remove(remote, serial);
    }

    /// Looks `host` up; the answer comes as [`Inbound::Resolved`].
    pub fn resolve(&self, query: u64, host: String, port: u16) {
        let inbound = self.inbound.clone();
        let ipv4_only = self.bound.is_ipv4();
        tokio::spawn(async move {
            let result = look_up(&host, port, ipv4_only).await;
            let _ = inbound.send(Inbound::Resolved { query, result }).await;
        });
    }

    /// The addresses of a query, each with our own towards it; those without a route are left out.
    pub fn routes(
        &mut self,
        now: Instant,
        found: Result<Vec<SocketAddr>, String>,
    ) -> Result<Vec<Route>, String> {
        let mut last_error = None;
        let mut routes = Vec::new();
        for remote in found? {
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

async fn look_up(host: &str, port: u16, ipv4_only: bool) -> Result<Vec<SocketAddr>, String> {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let found = tokio::net::lookup_host((bare, port))
        .await
        .map_err(|error| format!("cannot resolve {host}: {error}"))?;
    let mut addresses = Vec::new();
    for address in found.map(canonical) {
        if (!ipv4_only || address.is_ipv4()) && !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    if addresses.is_empty() {
        return Err(format!("{host} has no address of the family sip.bind uses"));
    }
    Ok(addresses)
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
        let Some(Inbound::Accepted { stream: ours, remote }) = arrivals.recv().await else {
            panic!("no connection");
        };
        net.accepted(ours, remote);
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
    async fn literals_resolve_without_a_network() {
        let (inbound, mut arrivals) = mpsc::channel(16);
        let mut net = SipNet::bind(
            "127.0.0.1:0".parse().unwrap(),
            &[Transport::Udp, Transport::Tcp],
            inbound,
        )
        .unwrap();
        net.resolve(7, "127.0.0.1".into(), 5070);
        let Some(Inbound::Resolved { query, result }) = arrivals.recv().await else {
            panic!("no answer");
        };
        let routes = net.routes(Instant::now(), result).unwrap();
        assert_eq!(query, 7);
        assert_eq!(routes.len(), 1);
        assert_eq!(routes[0].remote.to_string(), "127.0.0.1:5070");
        assert_eq!(routes[0].local_ip.to_string(), "127.0.0.1");
    }
}
