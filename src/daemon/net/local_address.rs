//! Which of our own addresses the kernel would use towards somebody.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

/// An answer of the kernel's routing table is believed for so long: a new address (DHCP, a cable replugged) must
/// show in the next registration, not after a restart.
const BELIEVED_FOR: Duration = Duration::from_secs(5);

/// More peers than this at once, and the oldest answers are forgotten.
const PEERS_MAX: usize = 256;

/// Our address towards each peer, asked of the kernel and cached.
#[derive(Debug)]
pub struct LocalAddresses {
    bound: IpAddr,
    cache: HashMap<IpAddr, (IpAddr, Instant)>,
}

impl LocalAddresses {
    /// For sockets bound to `bound`; where that is one address, it is the answer to everything.
    pub fn new(bound: IpAddr) -> Self {
        Self {
            bound,
            cache: HashMap::new(),
        }
    }

    /// Our address towards `remote`.
    pub fn towards(&mut self, now: Instant, remote: SocketAddr) -> io::Result<IpAddr> {
        if !self.bound.is_unspecified() {
            return Ok(self.bound);
        }
        if let Some((local, asked)) = self.cache.get(&remote.ip())
            && now.saturating_duration_since(*asked) < BELIEVED_FOR
        {
            return Ok(*local);
        }
        let local = ask_kernel(remote)?;
        if self.cache.len() >= PEERS_MAX {
            self.cache
                .retain(|_, (_, asked)| now.saturating_duration_since(*asked) < BELIEVED_FOR);
        }
        if self.cache.len() < PEERS_MAX {
            self.cache.insert(remote.ip(), (local, now));
        }
        Ok(local)
    }
}

/// Connecting a datagram socket sends nothing: it only looks the route up.
fn ask_kernel(remote: SocketAddr) -> io::Result<IpAddr> {
    let any: IpAddr = match remote {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0))?;
    // Port 0 cannot be connected to; any other serves.
    let port = if remote.port() == 0 { 9 } else { remote.port() };
    socket.connect((remote.ip(), port))?;
    Ok(socket.local_addr()?.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_reached_from_loopback() {
        let mut addresses = LocalAddresses::new(Ipv4Addr::UNSPECIFIED.into());
        let now = Instant::now();
        let remote = SocketAddr::from(([127, 0, 0, 9], 5060));
        assert_eq!(
            addresses.towards(now, remote).unwrap(),
            IpAddr::from([127, 0, 0, 1])
        );
    }

    #[test]
    fn a_bound_address_is_always_the_answer() {
        let bound = IpAddr::from([192, 0, 2, 7]);
        let mut addresses = LocalAddresses::new(bound);
        let remote = SocketAddr::from(([127, 0, 0, 1], 5060));
        assert_eq!(addresses.towards(Instant::now(), remote).unwrap(), bound);
    }
}
