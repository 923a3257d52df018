//! Addresses, routes and links of this machine, watched (rtnetlink(7)): a new address has to be registered within
//! seconds, not at the next refresh.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::net::IpAddr;
use std::os::fd::AsRawFd;
use std::time::Duration;

use nix::errno::Errno;
use nix::ifaddrs::getifaddrs;
use nix::net::if_::if_nametoindex;
use nix::sys::socket::{AddressFamily, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, socket};
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::daemon::inbound::Inbound;

/// `RTMGRP_*` of linux/rtnetlink.h: links, addresses and routes of both families.
const GROUPS: u32 = 0x1 | 0x10 | 0x40 | 0x100 | 0x400;

/// Message types of linux/rtnetlink.h.
const RTM_NEWLINK: u16 = 16;
const RTM_DELLINK: u16 = 17;
const RTM_DELROUTE: u16 = 25;

/// `IFF_RUNNING` of netdevice(7): the link carries.
const IFF_RUNNING: u32 = 0x40;

/// `struct nlmsghdr`.
const HEADER: usize = 16;

/// A change comes as a burst (address, its local route, its subnet's, the default one): it is over after so long
/// without another message.
const QUIET: Duration = Duration::from_millis(200);

/// A burst that doesn't end is told of nevertheless.
const AT_LATEST: Duration = Duration::from_millis(1000);

/// Begins watching; changes come as [`Inbound::NetworkChanged`]. Must be called inside a runtime.
pub fn watch(inbound: mpsc::Sender<Inbound>) -> io::Result<()> {
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    let netlink = socket(
        AddressFamily::Netlink,
        SockType::Raw,
        flags,
        SockProtocol::NetlinkRoute,
    )?;
    bind(netlink.as_raw_fd(), &NetlinkAddr::new(0, GROUPS))?;
    // A netlink socket is read as a datagram socket is, and that is all that is done with it.
    let netlink = UdpSocket::from_std(netlink.into())?;
    tokio::spawn(async move {
        let mut links = Links::default();
        loop {
            match burst(&netlink, &mut links).await {
                Ok(true) => {
                    let returned = links.take_returned();
                    if inbound.send(Inbound::NetworkChanged { returned }).await.is_err() {
                        return;
                    }
                }
                Ok(false) => {}
                Err(error) => {
                    tracing::warn!(%error, "the network is watched no more: changes show at the next registration");
                    return;
                }
            }
        }
    });
    Ok(())
}

/// Waits for a burst of messages and for its end. `false`: nothing in it concerns us.
async fn burst(netlink: &UdpSocket, links: &mut Links) -> io::Result<bool> {
    let mut buffer = [0; 8192];
    let mut changed = heard(netlink.recv(&mut buffer).await, &buffer, links)?;
    let at_latest = Instant::now() + AT_LATEST;
    loop {
        let quiet = at_latest.min(Instant::now() + QUIET);
        match tokio::time::timeout_at(quiet, netlink.recv(&mut buffer)).await {
            Ok(received) => changed |= heard(received, &buffer, links)?,
            Err(_) => return Ok(changed),
        }
    }
}

fn heard(received: io::Result<usize>, buffer: &[u8], links: &mut Links) -> io::Result<bool> {
    match received {
        Ok(length) => Ok(links.take(buffer.get(..length).unwrap_or_default())),
        // Messages were lost: that there were so many says enough.
        Err(error) if error.raw_os_error() == Some(Errno::ENOBUFS as i32) => Ok(true),
        Err(error) => Err(error),
    }
}

/// Which links carry.
#[derive(Debug, Default)]
struct Links {
    running: HashMap<u32, bool>,
    returned: BTreeSet<u32>,
}

impl Links {
    /// Takes one read's messages; `true`: something changed.
    fn take(&mut self, mut bytes: &[u8]) -> bool {
        let mut changed = false;
        while let (Some(length), Some(kind)) = (word(bytes, 0), half(bytes, 4)) {
            let length = usize::try_from(length).unwrap_or(usize::MAX);
            if length < HEADER || length > bytes.len() {
                break;
            }
            changed |= match kind {
                RTM_NEWLINK => self.link(&bytes[HEADER..length]),
                RTM_DELLINK..=RTM_DELROUTE => true,
                _ => false,
            };
            // Messages are aligned to four bytes.
            bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        }
        changed
    }

    /// A `struct ifinfomsg`. Links tell of much else (wireless ones of every scan): only carrying counts.
    fn link(&mut self, body: &[u8]) -> bool {
        let (Some(index), Some(flags)) = (word(body, 4), word(body, 8)) else {
            return false;
        };
        let runs = flags & IFF_RUNNING != 0;
        // One not heard of before was there when we started, and carried, as far as we know.
        let ran = self.running.insert(index, runs).unwrap_or(true);
        if runs && !ran {
            self.returned.insert(index);
        }
        runs != ran
    }

    /// Our addresses on the links that carry again.
    fn take_returned(&mut self) -> Vec<IpAddr> {
        let returned = std::mem::take(&mut self.returned);
        let Some(interfaces) = (!returned.is_empty()).then(getifaddrs).and_then(Result::ok) else {
            return Vec::new();
        };
        interfaces
            .filter(|interface| {
                if_nametoindex(interface.interface_name.as_str()).is_ok_and(|index| returned.contains(&index))
            })
            .filter_map(|interface| {
                let address = interface.address?;
                let four = address.as_sockaddr_in().map(|four| IpAddr::V4(four.ip()));
                four.or_else(|| address.as_sockaddr_in6().map(|six| IpAddr::V6(six.ip())))
            })
            .collect()
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u16, body: &[u8]) -> Vec<u8> {
        let mut message = u32::try_from(HEADER + body.len()).unwrap().to_ne_bytes().to_vec();
        message.extend(kind.to_ne_bytes());
        message.extend([0; 10]);
        message.extend(body);
        message
    }

    fn link(index: u32, flags: u32) -> Vec<u8> {
        let mut body = vec![0; 4];
        body.extend(index.to_ne_bytes());
        body.extend(flags.to_ne_bytes());
        body.extend([0; 4]);
        message(RTM_NEWLINK, &body)
    }

    #[test]
    fn only_what_changes_the_way_counts() {
        let mut links = Links::default();
        assert!(!links.take(&link(2, IFF_RUNNING)), "it carries, as before");
        assert!(links.take(&link(2, 0)));
        assert!(!links.take(&link(2, 0)), "a scan, say");
        assert!(links.returned.is_empty());
        assert!(links.take(&link(2, IFF_RUNNING)));
        assert_eq!(links.returned.iter().copied().collect::<Vec<_>>(), [2]);
        for kind in [17, 20, 21, 24, 25] {
            assert!(links.take(&message(kind, &[0; 8])), "{kind}");
        }
        for kind in [0, 2, 3, 28, 60] {
            assert!(!links.take(&message(kind, &[0; 8])), "{kind}");
        }
    }

    #[test]
    fn several_messages_in_one_read_and_rubbish() {
        let mut links = Links::default();
        let both = [link(2, 0), link(3, 0)].concat();
        assert!(links.take(&both));
        assert_eq!(links.running.len(), 2);
        for cut in 0..both.len() {
            Links::default().take(&both[..cut]);
        }
        assert!(!links.take(&[0xff; 64]));
        assert!(!links.take(&[0; 64]));
    }

    #[tokio::test]
    async fn the_kernel_lets_us_watch() {
        let (inbound, _arrivals) = mpsc::channel(1);
        watch(inbound).unwrap();
    }
}
