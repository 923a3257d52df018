//! What goes into the user agent and what comes out of it.

mod command;
mod event;

pub use command::*;
pub use event::*;

use super::location::{Answer, Question};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// Transport of a SIP message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Transport {
    /// Datagrams.
    Udp,
    /// Stream.
    Tcp,
    /// Stream in TLS.
    Tls,
}

/// What the user agent is told once, when it is made.
#[derive(Clone, Debug)]
pub struct UaConfig {
    /// Value of our `User-Agent` and `Server` headers; empty: none are sent.
    pub user_agent: String,
    /// Port our UDP socket is bound to, for Via and Contact; `None`: no UDP.
    pub udp_port: Option<u16>,
    /// Port our TCP listener is bound to; `None`: no TCP.
    pub tcp_port: Option<u16>,
    /// Port our TLS listener is bound to; `None`: none, connections of ours are the only ones.
    pub tls_port: Option<u16>,
    /// Whether TLS may be used.
    pub tls: bool,
    /// What names this device for ever, as in `urn:uuid:…` (RFC 5626 4.1); `None`: no outbound.
    pub instance: Option<String>,
}

/// One call at the user agent, from INVITE to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallId(pub u64);

/// The name of an account in the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AccountName(pub Arc<str>);

/// What comes into the user agent.
#[derive(Clone, Debug)]
pub enum UaInput {
    /// A datagram (UDP), whole.
    Datagram {
        /// Our address as the sender reaches it (never unspecified).
        local: SocketAddr,
        /// Where it came from.
        remote: SocketAddr,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// Bytes of a stream connection, in order; the user agent frames them.
    Stream {
        /// TCP, or TLS without its wrapping.
        transport: Transport,
        /// Our end.
        local: SocketAddr,
        /// The other end; one connection a remote address, over TLS one for each domain asked for there.
        remote: SocketAddr,
        /// The domain that the other end proved, where the connection is ours and TLS.
        domain: Option<Arc<str>>,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// A connection is gone, or could not be made, or a datagram could not be sent.
    TransportFailed {
        /// Which transport.
        transport: Transport,
        /// To whom.
        remote: SocketAddr,
        /// As for [`UaInput::Stream`].
        domain: Option<Arc<str>>,
        /// The system's words.
        reason: String,
    },
    /// The answer to [`UaOutput::Resolve`].
    Resolved {
        /// The query's number.
        query: u64,
        /// What was found; or why nothing could be asked. That there are no such records is an answer.
        result: Result<Answer, String>,
    },
    /// An address, a route or a link of this machine changed.
    NetworkChanged {
        /// Our addresses on links that have come back: connections and NAT mappings over them are doubtful.
        returned: Vec<IpAddr>,
    },
    /// What the call room or the daemon wants.
    Command(UaCommand),
    /// A router has given our UDP socket another address outside.
    MappingChanged,
}

/// An address and which of ours is used towards it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// Where to send.
    pub remote: SocketAddr,
    /// Our own address in the route's direction.
    pub local_ip: IpAddr,
}

/// A peer's wish that we call somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ReferralId(pub u64);

/// What the user agent wants done.
#[derive(Clone, Debug)]
pub enum UaOutput {
    /// Send these bytes; over TCP the daemon connects first where there is no connection.
    Transmit {
        /// Which transport.
        transport: Transport,
        /// To whom.
        remote: SocketAddr,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// Find records or routes.
    Resolve {
        /// Number of the query, for the answer.
        query: u64,
        /// What is asked.
        question: Question,
    },
    /// Have a TLS connection to an address whose other end has proved a domain. What is sent to that address from now on
    /// goes over it, and not over one of another domain (RFC 5922 7.2).
    ConnectTls {
        /// To whom.
        remote: SocketAddr,
        /// What the certificate at the other end has to name.
        domain: Arc<str>,
    },
    /// End a stream connection: it is dead, or about to be useless. Of several, that which sending would use.
    Close {
        /// Which transport.
        transport: Transport,
        /// To whom.
        remote: SocketAddr,
    },
    /// Something happened.
    Event(UaEvent),
}
