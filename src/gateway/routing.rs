//! Where a number leads, and which line an INVITE is for.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::config::GatewayConfig;
use super::port::Port;
use crate::sip::ua::{AccountName, Route, Transport};

/// The way from one line of this machine to another: our own SIP socket.
pub(super) fn own_socket(config: &GatewayConfig) -> Option<(Transport, Route)> {
    let (transport, bound) = match (config.sip_udp, config.sip_tcp) {
        (Some(bound), _) => (Transport::Udp, bound),
        (None, Some(bound)) => (Transport::Tcp, bound),
        (None, None) => return None,
    };
    let ip = match bound.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    Some((
        transport,
        Route {
            remote: SocketAddr::new(ip, bound.port()),
            local_ip: ip,
        },
    ))
}

/// The index of the line that `number` names on this machine.
pub(super) fn local_line(ports: &[Port], number: &str) -> Option<usize> {
    ports
        .iter()
        .position(|port| !port.leaving && port.config.number.as_deref() == Some(number))
}

/// Which line an INVITE is for.
///
/// A line's own number always names it. Otherwise the account decides: its first free line, or, with none free, its
/// first line, which will answer busy.
pub(super) fn called_line(ports: &[Port], account: Option<&AccountName>, called_user: &str) -> Option<usize> {
    let of_account =
        |account: &AccountName, port: &Port| !port.leaving && port.config.account.as_ref() == Some(account);
    let named = local_line(ports, called_user);
    let Some(account) = account else {
        return named;
    };
    if let Some(index) = named.filter(|&index| of_account(account, &ports[index])) {
        return Some(index);
    }
    let free = ports
        .iter()
        .position(|port| of_account(account, port) && port.calls.is_free());
    free.or_else(|| ports.iter().position(|port| of_account(account, port)))
        .or(named)
}
