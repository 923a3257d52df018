//! Where a request goes next, and which of our addresses the other end sees.

use super::{Route, Transport, UaConfig};
use crate::sip::message::{Host, SipUri, Uri};
use std::net::{IpAddr, SocketAddr};

/// The SIP port where a URI names none (RFC 3261 19.1.2).
pub(super) const SIP_PORT: u16 = 5060;

/// The same over TLS.
pub(super) const SIPS_PORT: u16 = 5061;

/// One way to another element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hop {
    pub transport: Transport,
    pub remote: SocketAddr,
    /// Our own address in that direction.
    pub local_ip: IpAddr,
    /// The domain it was found by: what a TLS server's certificate has to name.
    pub domain: Option<DomainId>,
    /// A `sips:` URI led here.
    pub secure: bool,
    /// Hops of a lower tier are better.
    pub tier: u16,
}

/// A stream connection. Over TLS there may be several to one address, one for each domain proved there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Connection {
    pub transport: Transport,
    pub remote: SocketAddr,
    /// `None`: any but TLS, or the peer made it.
    pub domain: Option<DomainId>,
}

/// A domain, by its place in the user agent's list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct DomainId(pub u16);

impl Hop {
    pub fn new(transport: Transport, route: Route) -> Self {
        Self {
            transport,
            remote: route.remote,
            local_ip: route.local_ip,
            domain: None,
            secure: false,
            tier: 0,
        }
    }

    /// The connection that its messages go over.
    pub fn connection(self) -> Connection {
        Connection {
            transport: self.transport,
            remote: self.remote,
            domain: self.domain.filter(|_| self.transport == Transport::Tls),
        }
    }

    /// Whether it is the same place, from whatever address of ours.
    pub fn leads_where(self, other: Self) -> bool {
        self.transport == other.transport && self.remote == other.remote
    }

    /// Whether it is the same place from the same address of ours.
    pub fn is_same_way(self, other: Self) -> bool {
        self.leads_where(other) && self.local_ip == other.local_ip
    }

    /// The hop a dialog's request takes to `target`, when its messages have come over `self`.
    ///
    /// An address is taken as it stands. A name isn't looked up: it is as a rule the server the dialog was made
    /// through, and that is where the request goes (an SBC or proxy behind a name it alone resolves is common).
    pub fn towards(self, target: &Uri) -> Self {
        let Some((ip, sip)) = target.as_sip().and_then(|sip| Some((sip.host.ip()?, sip))) else {
            return self;
        };
        let asked = transport_of(sip);
        let port = sip.port.unwrap_or(asked.unwrap_or(Transport::Udp).default_port());
        let remote = SocketAddr::new(ip, port);
        if remote.is_ipv4() != self.local_ip.is_ipv4() || ip.is_unspecified() {
            return self;
        }
        // A connection to another address would have no name to be held to; and what was asked for by `sips:` is never
        // less than TLS (RFC 3261 12.1.1). The dialog's own way is.
        let over_tls = self.transport == Transport::Tls && asked.unwrap_or(Transport::Tls) == Transport::Tls;
        if (over_tls && remote != self.remote) || (self.secure && asked != Some(Transport::Tls)) {
            return self;
        }
        let transport = match asked {
            Some(transport) => transport,
            None if remote == self.remote => self.transport,
            None => Transport::Udp,
        };
        Self {
            transport,
            remote,
            domain: self.domain.filter(|_| remote == self.remote),
            secure: sip.secure,
            ..self
        }
    }
}

/// The transport a URI asks for, where it is one of ours. `sips:` over TCP is TLS (RFC 3261 26.2.2).
pub(super) fn transport_of(uri: &SipUri) -> Option<Transport> {
    if uri.secure {
        return Some(Transport::Tls);
    }
    let name = uri.transport()?;
    if name.eq_ignore_ascii_case("udp") {
        Some(Transport::Udp)
    } else if name.eq_ignore_ascii_case("tcp") {
        Some(Transport::Tcp)
    } else if name.eq_ignore_ascii_case("tls") {
        Some(Transport::Tls)
    } else {
        None
    }
}

impl Transport {
    /// As a Via header names it.
    pub(super) fn via_name(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
        }
    }

    /// Whether the transport itself sees to delivery.
    pub(super) fn is_reliable(self) -> bool {
        match self {
            Self::Udp => false,
            Self::Tcp | Self::Tls => true,
        }
    }

    /// The port where a URI names none (RFC 3261 19.1.2).
    pub(super) fn default_port(self) -> u16 {
        match self {
            Self::Udp | Self::Tcp => SIP_PORT,
            Self::Tls => SIPS_PORT,
        }
    }
}

impl UaConfig {
    /// Our port for a transport, as Via and Contact name it.
    pub(super) fn port(&self, transport: Transport) -> u16 {
        match transport {
            Transport::Udp => self.udp_port,
            Transport::Tcp => self.tcp_port,
            Transport::Tls => self.tls_port,
        }
        .unwrap_or(transport.default_port())
    }

    /// Our Contact URI towards `hop`; `public`: the address a registrar saw us under.
    pub(super) fn contact(&self, user: &str, hop: Hop, public: Option<SocketAddr>) -> Uri {
        let address = public.unwrap_or(SocketAddr::new(hop.local_ip, self.port(hop.transport)));
        let user = (!user.is_empty()).then_some(user);
        let mut uri = SipUri::new(user, Host::from(address.ip())).with_port(Some(address.port()));
        match hop.transport {
            Transport::Tls if hop.secure => {
                // Its scheme says TLS (RFC 5630 3.1.3); a parameter that says it too confuses some.
                uri.secure = true;
                uri.into()
            }
            Transport::Udp => uri.into(),
            Transport::Tcp => uri.with_param("transport", "tcp").into(),
            Transport::Tls => uri.with_param("transport", "tls").into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn towards(target: &str) -> Hop {
        let hop = Hop {
            transport: Transport::Tcp,
            remote: "192.0.2.1:5070".parse().unwrap(),
            local_ip: "192.0.2.9".parse().unwrap(),
            domain: None,
            secure: false,
            tier: 0,
        };
        hop.towards(&target.parse().unwrap())
    }

    #[test]
    fn addresses_are_taken_and_names_left_to_the_server() {
        let at = |transport, remote: &str| (transport, remote.parse::<SocketAddr>().unwrap());
        for (target, expected) in [
            ("sip:x@192.0.2.7", at(Transport::Udp, "192.0.2.7:5060")),
            (
                "sip:x@192.0.2.7:5080;transport=TCP",
                at(Transport::Tcp, "192.0.2.7:5080"),
            ),
            ("sip:x@192.0.2.1:5070", at(Transport::Tcp, "192.0.2.1:5070")),
            (
                "sip:x@192.0.2.1:5070;transport=udp",
                at(Transport::Udp, "192.0.2.1:5070"),
            ),
            (
                "sip:x@192.0.2.7;transport=tls",
                at(Transport::Tls, "192.0.2.7:5061"),
            ),
            ("sips:x@192.0.2.7", at(Transport::Tls, "192.0.2.7:5061")),
            ("sip:x@sbc.example.net", at(Transport::Tcp, "192.0.2.1:5070")),
            ("sip:x@[2001:db8::1]", at(Transport::Tcp, "192.0.2.1:5070")),
            ("sip:x@0.0.0.0", at(Transport::Tcp, "192.0.2.1:5070")),
            ("tel:123", at(Transport::Tcp, "192.0.2.1:5070")),
        ] {
            let hop = towards(target);
            assert_eq!((hop.transport, hop.remote), expected, "{target}");
        }
    }

    #[test]
    fn what_goes_over_tls_stays_on_the_dialogs_connection() {
        let hop = |secure| Hop {
            transport: Transport::Tls,
            domain: Some(DomainId(0)),
            secure,
            ..Hop::new(
                Transport::Tls,
                Route {
                    remote: "192.0.2.1:5061".parse().unwrap(),
                    local_ip: "192.0.2.9".parse().unwrap(),
                },
            )
        };
        for target in [
            "sips:x@192.0.2.7",
            "sip:x@192.0.2.7",
            "sip:x@192.0.2.7:5080;transport=tls",
            "sips:x@sbc.example.net",
        ] {
            for secure in [true, false] {
                assert_eq!(
                    hop(secure).towards(&target.parse().unwrap()),
                    hop(secure),
                    "{target}"
                );
            }
        }
        let plain = "sip:x@192.0.2.7;transport=udp".parse().unwrap();
        assert_eq!(hop(true).towards(&plain), hop(true), "sips: is never less");
        assert_eq!(
            hop(false).towards(&plain).transport,
            Transport::Udp,
            "as asked for"
        );
    }
}
