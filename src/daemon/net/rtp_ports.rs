//! Port pairs for RTP (even) and RTCP (the next odd one, RFC 3550 section 11) out of `media.rtp_ports`.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};

use super::socket::speech_udp;

/// An RTP socket and the RTCP socket one port above.
#[derive(Debug)]
pub struct PortPair {
    /// RTP.
    pub rtp: UdpSocket,
    /// RTCP.
    pub rtcp: UdpSocket,
    /// Where RTP arrives.
    pub address: SocketAddr,
}

impl PortPair {
    /// The same sockets once more, to send from beside the audio thread.
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(Self {
            rtp: self.rtp.try_clone()?,
            rtcp: self.rtcp.try_clone()?,
            address: self.address,
        })
    }
}

/// Opens pairs, walking round the range so that a port rests before it is used again (late packets of the last
/// call must not enter the next).
#[derive(Debug)]
pub struct PortPairs {
    bind: IpAddr,
    first: u16,
    pairs: u16,
    next: u16,
}

impl PortPairs {
    /// `first` to `last` inclusive; `seed` chooses where in the range to begin.
    pub fn new(bind: IpAddr, first: u16, last: u16, seed: u16) -> Self {
        let first_even = first.saturating_add(first % 2);
        let pairs = (last.saturating_sub(first_even).saturating_add(1)) / 2;
        Self {
            bind,
            first: first_even,
            pairs,
            next: if pairs == 0 { 0 } else { seed % pairs },
        }
    }

    /// The next free pair; an error where every pair of the range is taken.
    pub fn open(&mut self) -> io::Result<PortPair> {
        for _ in 0..self.pairs {
            let port = self.first + 2 * self.next;
            self.next = (self.next + 1) % self.pairs;
            let address = SocketAddr::new(self.bind, port);
            let pair = speech_udp(address)
                .and_then(|rtp| Ok((rtp, speech_udp(SocketAddr::new(self.bind, port + 1))?)));
            match pair {
                Ok((rtp, rtcp)) => return Ok(PortPair { rtp, rtcp, address }),
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::Error::new(
            io::ErrorKind::AddrInUse,
            "every port of media.rtp_ports is taken: widen the range",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A range of three pairs that nobody else holds just now.
    fn free_range() -> u16 {
        (20_000..60_000)
            .step_by(6)
            .find(|first| (*first..first + 6).all(|port| UdpSocket::bind(("127.0.0.1", port)).is_ok()))
            .unwrap()
    }

    #[test]
    fn every_pair_is_handed_out_once_and_comes_back() {
        let first = free_range();
        let mut pairs = PortPairs::new([127, 0, 0, 1].into(), first, first + 5, 1);
        let open: Vec<PortPair> = (0..3).map(|_| pairs.open().unwrap()).collect();
        let mut ports: Vec<u16> = open.iter().map(|pair| pair.address.port()).collect();
        assert_eq!(ports[0], first + 2, "the seed chooses the start");
        ports.sort_unstable();
        assert_eq!(ports, [first, first + 2, first + 4]);
        assert!(pairs.open().unwrap_err().to_string().contains("media.rtp_ports"));
        drop(open);
        assert!(pairs.open().is_ok());
    }

    #[test]
    fn odd_and_empty_ranges_hold_whole_pairs_only() {
        assert_eq!(PortPairs::new([127, 0, 0, 1].into(), 16385, 16386, 9).pairs, 0);
        assert_eq!(PortPairs::new([127, 0, 0, 1].into(), 16384, 16482, 9).pairs, 49);
        assert!(
            PortPairs::new([127, 0, 0, 1].into(), 16385, 16386, 9)
                .open()
                .is_err()
        );
    }
}
