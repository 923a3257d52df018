//! The sans-IO whole: lines, their calls, and the user agent behind one [`Input`] and one [`Output`].
//!
//! The daemon feeds it edges, datagrams, and what the audio thread reports; it answers with what to send, what
//! the line hardware shall do and what the audio thread shall play. A week of calls runs here in a second of
//! virtual time. The contract of `handle_input`/`poll_output` is in the crate's documentation.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

mod accounts;
mod admission;
pub mod config;
mod diagnosis;
pub mod event;
mod events_of_accounts;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod handshakes;
mod machine;
mod nat;
mod placement;
mod port;
mod routing;
mod sip_mapping;
pub mod status;
mod traversal;
mod wall_clock;

pub use config::{GatewayConfig, LineName, PortConfig};
pub use event::{Event, EventKind};
pub use machine::Gateway;
pub use nat::NatServers;
pub use status::Status;

use crate::call::CallRecord;
pub use crate::call::SessionId;
use crate::line::SlicAction;
use crate::media::traversal::Relay;
use crate::media::{TransmitKind, VoiceCommand, VoiceEvent};
use crate::sip::ua::{Question, Transport, UaInput};

/// What comes into the gateway.
#[derive(Clone, Debug)]
pub enum Input {
    /// A hook edge, bounce included.
    Hook {
        /// Which line.
        line: LineName,
        /// Loop closed.
        closed: bool,
        /// Time stamp of the edge.
        at: Instant,
    },
    /// The audio thread reports.
    Voice {
        /// Which line.
        line: LineName,
        /// What.
        event: VoiceEvent,
    },
    /// Something for the user agent: what came from the network, the answer to [`Output::Resolve`]. (Its commands are
    /// the calls' to give, not the daemon's.)
    Sip(UaInput),
    /// The answer to [`Output::OpenMedia`]: the port of the RTP socket (RTCP on the next one).
    MediaOpened {
        /// Which session.
        session: SessionId,
        /// RTP port.
        port: u16,
    },
    /// No socket could be had.
    MediaFailed {
        /// Which session.
        session: SessionId,
        /// The system's words.
        reason: String,
    },
    /// What the wall clock shows now; at start and whenever it was set, at least once an hour.
    WallClock {
        /// Microseconds since 1970-01-01 UTC.
        unix_us: i64,
        /// Local time minus UTC.
        utc_offset_s: i32,
    },
    /// A line's hardware failed, or is back (`None`).
    LineFault {
        /// Which line.
        line: LineName,
        /// What is wrong.
        fault: Option<String>,
    },
    /// Run on this configuration from now on. Calls in progress go on; lines gone end theirs.
    Configure(Box<GatewayConfig>),
    /// End calls, un-register; [`Output::Done`] follows.
    Shutdown,
    /// A datagram of a session's sockets that isn't media: STUN, DTLS, or what a TURN server passes on.
    MediaDatagram {
        /// Which session.
        session: SessionId,
        /// Which socket.
        socket: TransmitKind,
        /// Where it came from.
        remote: SocketAddr,
        /// It came through the channel of [`Output::Relay`], and `remote` is the peer at its other end.
        relayed: bool,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// The servers that help media through routers, once their names are known and whenever they change.
    NatServers(Box<NatServers>),
}

/// What the gateway wants done, in order.
#[derive(Clone, Debug)]
pub enum Output {
    /// Send a SIP message; over TCP connect first where there is no connection.
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
        /// Number of the query.
        query: u64,
        /// What is asked.
        question: Question,
    },
    /// Have a TLS connection to an address, before what is to be sent over it.
    ConnectTls {
        /// To whom.
        remote: SocketAddr,
        /// What the certificate at the other end has to name.
        domain: Arc<str>,
    },
    /// End a SIP connection.
    Close {
        /// Which transport.
        transport: Transport,
        /// To whom.
        remote: SocketAddr,
    },
    /// Something for a line's hardware.
    Slic {
        /// Which line.
        line: LineName,
        /// What.
        action: SlicAction,
    },
    /// Something for a line's voice path in the audio thread.
    Voice {
        /// Which line.
        line: LineName,
        /// What.
        command: Box<VoiceCommand>,
    },
    /// Bind an RTP and an RTCP socket from `media.rtp_ports` and join them to the line's voice path.
    OpenMedia {
        /// Which line.
        line: LineName,
        /// Which session.
        session: SessionId,
        /// Join them to the parked session instead ([`VoiceCommand::SwapSessions`]): a call waits beside another.
        parked: bool,
    },
    /// Close them.
    CloseMedia {
        /// Which line.
        line: LineName,
        /// Which session.
        session: SessionId,
    },
    /// Something happened.
    Event(Event),
    /// A call is over.
    CallRecord(Box<CallRecord>),
    /// After [`Input::Shutdown`]: all is ended.
    Done,
    /// Send a datagram from a session's socket.
    MediaTransmit {
        /// Which session.
        session: SessionId,
        /// Which socket.
        socket: TransmitKind,
        /// Where to.
        remote: SocketAddr,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// From now on media of a session's socket goes through this channel of a TURN server, or through none.
    Relay {
        /// Which line.
        line: LineName,
        /// Which session.
        session: SessionId,
        /// Which socket.
        socket: TransmitKind,
        /// The channel.
        relay: Option<Relay>,
    },
}
