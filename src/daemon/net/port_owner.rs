//! Who holds a port, as far as the kernel tells: `/proc/net/*` names the socket, `/proc/*/fd` its process.

use std::net::SocketAddr;
use std::path::Path;

use crate::sip::ua::Transport;

/// TCP state LISTEN in `/proc/net/tcp` (include/net/tcp_states.h).
const LISTEN: &str = "0A";

/// A process with a socket on the port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortOwner {
    /// Process id.
    pub pid: u32,
    /// Its command name.
    pub command: String,
}

/// The process bound to `address`'s port over `transport`; `None` where the kernel doesn't tell (another user's
/// process, or it is gone by now).
pub fn port_owner(address: SocketAddr, transport: Transport) -> Option<PortOwner> {
    let tables: [&str; 2] = match transport {
        Transport::Udp => ["/proc/net/udp", "/proc/net/udp6"],
        Transport::Tcp | Transport::Tls => ["/proc/net/tcp", "/proc/net/tcp6"],
    };
    let inodes: Vec<u64> = tables
        .iter()
        .filter_map(|path| std::fs::read_to_string(path).ok())
        .flat_map(|table| inodes_on_port(&table, address.port(), transport))
        .collect();
    process_with_socket(Path::new("/proc"), &inodes)
}

/// Inodes of the sockets bound to `port` in one table of `/proc/net` (proc_net(5)): the local address is the
/// second column, the state the fourth, the inode the tenth.
fn inodes_on_port(table: &str, port: u16, transport: Transport) -> Vec<u64> {
    let suffix = format!(":{port:04X}");
    table
        .lines()
        .skip(1)
        .filter_map(|line| {
            let columns: Vec<&str> = line.split_whitespace().collect();
            let bound = columns.get(1)?.ends_with(&suffix);
            let listening = transport == Transport::Udp || *columns.get(3)? == LISTEN;
            let inode: u64 = columns.get(9)?.parse().ok()?;
            (bound && listening && inode != 0).then_some(inode)
        })
        .collect()
}

fn process_with_socket(proc: &Path, inodes: &[u64]) -> Option<PortOwner> {
    if inodes.is_empty() {
        return None;
    }
    let links: Vec<String> = inodes.iter().map(|inode| format!("socket:[{inode}]")).collect();
    for process in std::fs::read_dir(proc).ok()?.flatten() {
        let Some(pid) = process
            .file_name()
            .to_str()
            .and_then(|name| name.parse::<u32>().ok())
        else {
            continue;
        };
        let Ok(descriptors) = std::fs::read_dir(process.path().join("fd")) else {
            continue;
        };
        let holds = descriptors.flatten().any(|descriptor| {
            std::fs::read_link(descriptor.path())
                .is_ok_and(|link| links.iter().any(|wanted| link.as_os_str() == wanted.as_str()))
        });
        if holds {
            let command = std::fs::read_to_string(process.path().join("comm")).unwrap_or_default();
            return Some(PortOwner {
                pid,
                command: command.trim().to_owned(),
            });
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, UdpSocket};

    #[test]
    fn finds_this_process_by_its_sockets() {
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        for (address, transport) in [
            (udp.local_addr().unwrap(), Transport::Udp),
            (tcp.local_addr().unwrap(), Transport::Tcp),
        ] {
            let owner = port_owner(address, transport).unwrap();
            assert_eq!(owner.pid, std::process::id());
            assert!(!owner.command.is_empty());
        }
    }

    #[test]
    fn connections_are_not_listeners() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
             0: 0100007F:13C4 0100007F:D2A0 01 00000000:00000000 00:00000000 00000000     0        0 77 1 0\n\
             1: 0100007F:13C4 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 78 1 0\n\
             garbage\n";
        assert_eq!(inodes_on_port(table, 5060, Transport::Tcp), [78]);
        assert_eq!(inodes_on_port(table, 5060, Transport::Udp), [77, 78]);
        assert!(inodes_on_port(table, 5061, Transport::Tcp).is_empty());
    }
}
