//! What the daemon's tasks send to its one loop.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use tokio::net::{TcpStream, UnixStream};
use tokio::sync::oneshot;

use super::audio::LineId;
use super::control::{Reply, Request};
use super::hardware::SlicReport;
use crate::gateway::{Input, LineName};
use crate::sip::ua::{Answer, Transport};

/// Something from outside, on its way to the gateway or answered by the loop itself.
#[derive(Debug)]
pub enum Inbound {
    /// Ready for the gateway as it is.
    Gateway(Box<Input>),
    /// A SIP datagram.
    Datagram {
        /// Where it came from.
        remote: SocketAddr,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// Somebody made a SIP connection to us.
    Accepted {
        /// The connection.
        stream: TcpStream,
        /// TCP, or TLS whose handshake is still to come.
        transport: Transport,
        /// The other end.
        remote: SocketAddr,
    },
    /// A SIP connection is gone, or could not be made.
    Closed {
        /// TCP or TLS.
        transport: Transport,
        /// The other end.
        remote: SocketAddr,
        /// The domain it had to prove.
        domain: Option<Arc<str>>,
        /// Which of the connections to it, in the order they were made.
        serial: u64,
        /// The system's words.
        reason: String,
    },
    /// Records of the Domain Name System.
    Resolved {
        /// Number of the query.
        query: u64,
        /// Records, or why nothing could be asked.
        result: Result<Answer, String>,
    },
    /// An address, a route or a link of this machine changed.
    NetworkChanged {
        /// Our addresses on links that have come back.
        returned: Vec<IpAddr>,
    },
    /// A telephone connects to a virtual line.
    Telephone {
        /// Which line.
        line: LineName,
        /// Its connection.
        stream: UnixStream,
    },
    /// A line's hardware reports.
    Slic {
        /// Which line; one that is gone is nobody's any more.
        line: LineId,
        /// What.
        report: SlicReport,
    },
    /// A program asks something over the control socket.
    Control {
        /// What.
        request: Request,
        /// Where the answer goes.
        reply: oneshot::Sender<Reply>,
    },
}
