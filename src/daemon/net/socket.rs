//! Sockets as this daemon wants them: bound with a useful error, marked for the network's priority queues.

use std::io;
use std::net::{IpAddr, SocketAddr};

use nix::sys::socket::{setsockopt, sockopt};
use socket2::{Domain, Protocol, Socket, Type};

use super::port_owner::port_owner;
use crate::daemon::DaemonError;
use crate::sip::ua::Transport;

/// DSCP CS3 for signalling (RFC 4594 section 4.2's older practice, what telephones and switches expect), in the
/// upper six bits of the TOS byte.
const TOS_SIGNALLING: u32 = 24 << 2;

/// DSCP EF for speech (RFC 3246, RFC 4594 section 4.1).
const TOS_SPEECH: u32 = 46 << 2;

/// Connections waiting to be accepted: enough for a flood of them not to cost an honest one the second after which its
/// SYN is repeated. The kernel allows `net.core.somaxconn` at most.
const BACKLOG: i32 = 1024;

/// A bound datagram socket for signalling.
pub fn signalling_udp(address: SocketAddr) -> Result<std::net::UdpSocket, DaemonError> {
    let socket = bind(address, Transport::Udp)?;
    mark(&socket, address.ip(), TOS_SIGNALLING);
    Ok(socket.into())
}

/// A listening stream socket for signalling.
pub fn signalling_tcp(address: SocketAddr) -> Result<std::net::TcpListener, DaemonError> {
    let socket = bind(address, Transport::Tcp)?;
    mark(&socket, address.ip(), TOS_SIGNALLING);
    socket
        .listen(BACKLOG)
        .map_err(|error| bind_error(address, Transport::Tcp, &error))?;
    Ok(socket.into())
}

/// A bound datagram socket for RTP or RTCP.
pub fn speech_udp(address: SocketAddr) -> io::Result<std::net::UdpSocket> {
    let socket = open(address, Transport::Udp)?;
    socket.bind(&address.into())?;
    mark(&socket, address.ip(), TOS_SPEECH);
    // The audio thread looks at its own time: jitter is the network's, not that of our turns.
    setsockopt(&socket, sockopt::ReceiveTimestampns, &true)?;
    Ok(socket.into())
}

fn open(address: SocketAddr, transport: Transport) -> io::Result<Socket> {
    let (kind, protocol) = match transport {
        Transport::Udp => (Type::DGRAM, Protocol::UDP),
        Transport::Tcp | Transport::Tls => (Type::STREAM, Protocol::TCP),
    };
    let socket = Socket::new(Domain::for_address(address), kind, Some(protocol))?;
    socket.set_nonblocking(true)?;
    if address.is_ipv6() && address.ip().is_unspecified() {
        // One socket serves both families; IPv4 peers appear as mapped addresses.
        socket.set_only_v6(false)?;
    }
    if transport != Transport::Udp {
        // A restart must not wait for the last run's connections to leave TIME_WAIT.
        socket.set_reuse_address(true)?;
    }
    Ok(socket)
}

fn bind(address: SocketAddr, transport: Transport) -> Result<Socket, DaemonError> {
    let bound = || -> io::Result<Socket> {
        let socket = open(address, transport)?;
        match socket.bind(&address.into()) {
            Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable => {
                // The network may come later than we do; the address is ours once it is there.
                match address {
                    SocketAddr::V4(_) => socket.set_freebind_v4(true)?,
                    SocketAddr::V6(_) => socket.set_freebind_v6(true)?,
                }
                tracing::warn!(%address, "this machine doesn't have the address of sip.bind yet; waiting for it");
                socket.bind(&address.into())?;
            }
            result => result?,
        }
        Ok(socket)
    };
    bound().map_err(|error| bind_error(address, transport, &error))
}

fn bind_error(address: SocketAddr, transport: Transport, error: &io::Error) -> DaemonError {
    let transport_name = match transport {
        Transport::Udp => "UDP",
        Transport::Tcp => "TCP",
        Transport::Tls => "TLS",
    };
    if error.kind() == io::ErrorKind::AddrInUse {
        DaemonError::AddressInUse {
            address,
            transport: transport_name,
            owner: port_owner(address, transport),
        }
    } else {
        DaemonError::Bind {
            address,
            transport: transport_name,
            reason: error.to_string(),
        }
    }
}

/// A wish, not a condition: some containers forbid it.
fn mark(socket: &Socket, address: IpAddr, tos: u32) {
    let marked = match address {
        IpAddr::V4(_) => socket.set_tos_v4(tos),
        IpAddr::V6(_) => socket.set_tclass_v6(tos),
    };
    if let Err(error) = marked {
        tracing::debug!(%error, "packets go without a DSCP mark");
    }
}

/// IPv4 peers of a socket bound to `[::]` appear as `::ffff:a.b.c.d`; everybody else wants to see `a.b.c.d`.
pub fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// The reverse of [`canonical`] for a socket whose own address is `local`.
pub fn for_socket(local: IpAddr, remote: SocketAddr) -> SocketAddr {
    match (local, remote) {
        (IpAddr::V6(_), SocketAddr::V4(v4)) => SocketAddr::new(v4.ip().to_ipv6_mapped().into(), v4.port()),
        _ => remote,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_in_use_says_by_whom() {
        let taken = signalling_udp("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = taken.local_addr().unwrap();
        let message = signalling_udp(address).unwrap_err().to_string();
        assert!(message.contains(&address.to_string()), "{message}");
        assert!(message.contains(&std::process::id().to_string()), "{message}");
    }

    #[test]
    fn an_address_that_is_not_there_yet_is_bound_all_the_same() {
        // TEST-NET-1 (RFC 5737) is nobody's.
        assert!(signalling_udp("192.0.2.1:0".parse().unwrap()).is_ok());
    }

    #[test]
    fn mapped_addresses_go_both_ways() {
        let peer: SocketAddr = "192.0.2.1:5060".parse().unwrap();
        let mapped = for_socket("::".parse().unwrap(), peer);
        assert_eq!(mapped.to_string(), "[::ffff:192.0.2.1]:5060");
        assert_eq!(canonical(mapped), peer);
        assert_eq!(for_socket("0.0.0.0".parse().unwrap(), peer), peer);
    }
}
