//! The sans-IO whole: lines, their calls, and the user agent behind one [`Input`] and one [`Output`].
//!
//! The daemon feeds it edges, datagrams, and what the audio thread reports; it answers with what to send, what
//! the line hardware shall do and what the audio thread shall play. A week of calls runs here in a second of
//! virtual time. The contract of `handle_input`/`poll_output` is in the crate's documentation.

use std::net::SocketAddr;
use std::time::Instant;

pub mod config;
pub mod event;
pub mod status;

pub use config::{GatewayConfig, LineName, PortConfig};
pub use event::{Event, EventKind};
pub use status::Status;

use crate::call::CallRecord;
use crate::line::SlicAction;
use crate::media::{VoiceCommand, VoiceEvent};
use crate::sip::ua::{Route, Transport};

/// One RTP session's sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(pub u64);

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
    /// A SIP datagram.
    Datagram {
        /// Our address as the sender reaches it (never unspecified).
        local: SocketAddr,
        /// Where it came from.
        remote: SocketAddr,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// Bytes of a SIP stream connection.
    Stream {
        /// Our end.
        local: SocketAddr,
        /// The other end.
        remote: SocketAddr,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// A connection is gone or could not be made, or a datagram could not be sent.
    TransportFailed {
        /// Which transport.
        transport: Transport,
        /// To whom.
        remote: SocketAddr,
        /// The system's words.
        reason: String,
    },
    /// The answer to [`Output::Resolve`].
    Resolved {
        /// Number of the query.
        query: u64,
        /// Addresses in order, or why there are none.
        result: Result<Vec<Route>, String>,
    },
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
        /// Milliseconds since 1970-01-01 UTC.
        unix_ms: i64,
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
    /// Find a host's addresses.
    Resolve {
        /// Number of the query.
        query: u64,
        /// Host name or literal.
        host: String,
        /// Port.
        port: u16,
        /// Transport meant.
        transport: Transport,
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
}

/// The whole gateway.
#[derive(Debug)]
pub struct Gateway {
    config: GatewayConfig,
    started: Instant,
}

impl Gateway {
    /// A gateway on this configuration. `seed` feeds every tag, branch and nonce.
    pub fn new(config: GatewayConfig, seed: [u8; 32], now: Instant) -> Self {
        let _ = seed;
        Self { config, started: now }
    }

    /// Takes one input; drain [`poll_output`](Self::poll_output) afterwards.
    pub fn handle_input(&mut self, _now: Instant, _input: Input) {}

    /// To be called when [`poll_timeout`](Self::poll_timeout) is due.
    pub fn handle_timeout(&mut self, _now: Instant) {}

    /// The next thing to do; `None` when all is done for now.
    pub fn poll_output(&mut self) -> Option<Output> {
        None
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) at the latest.
    pub fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    /// How everything stands.
    pub fn status(&self, now: Instant) -> Status {
        let _ = &self.config;
        Status {
            version: env!("CARGO_PKG_VERSION"),
            uptime_s: (now - self.started).as_secs_f64(),
            accounts: Vec::new(),
            lines: Vec::new(),
            calls: Vec::new(),
        }
    }
}
