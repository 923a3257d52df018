//! The real-time audio thread: it serves every line's samples and every session's RTP.
//!
//! A virtual line ticks every 10 ms. In a call its ticks are moved to just after the arrival of the far end's packets,
//! and each tick reads those that have arrived (the kernel notes when). A telephone's answer is worked off the moment
//! it arrives where it completes a packet, otherwise at the next tick: every wake that is saved is processor time.
//! A line with a [`sound_card`] runs by the card's clock. The thread runs with SCHED_FIFO and locked memory where that
//! is permitted. It neither allocates, locks nor logs, and makes no system call but its sockets', its devices' and
//! the one it sleeps in. Commands come in and reports go out over bounded rings, each with an eventfd; what has to be
//! freed goes back over a third ring and is dropped outside.

mod handle;
mod line;
pub(super) mod realtime;
mod sockets;
pub mod sound_card;
mod stray;
mod telephone;
mod thread;
mod token;

use std::os::unix::net::UnixStream;
use std::time::Instant;

pub use handle::AudioThread;
pub use line::AudioLine;
pub use sound_card::{CardFault, OpenCard};
pub use stray::StrayDatagram;
pub use telephone::Unplugged;

pub use super::net::PortPair;
use crate::gateway::SessionId;
use crate::line::SlicAction;
use crate::media::traversal::Relay;
use crate::media::{TransmitKind, VoiceCommand, VoiceEvent};

/// One line in the audio thread; never used again for another line of the same run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LineId(pub u32);

/// Lines at once.
pub const LINES_MAX: usize = 64;

/// What the audio thread is told.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "a ring's slot, set aside once; a box would have to be freed in the audio thread"
)]
pub enum Command {
    /// Serve this line, too.
    AddLine(Box<AudioLine>),
    /// No longer serve it.
    RemoveLine(LineId),
    /// A telephone was connected to a virtual line.
    Plug {
        /// Which.
        line: LineId,
        /// Its connection, not blocking.
        stream: UnixStream,
    },
    /// For the line's voice path.
    Voice {
        /// Which.
        line: LineId,
        /// What.
        command: VoiceCommand,
    },
    /// For the line's hardware. Nothing to a line with a sound card, whose SLIC is elsewhere.
    Slic {
        /// Which.
        line: LineId,
        /// What.
        action: SlicAction,
    },
    /// Sockets for the line's session.
    OpenMedia {
        /// Which.
        line: LineId,
        /// Which session's.
        session: SessionId,
        /// The sockets.
        sockets: PortPair,
        /// For the session that is not heard at present.
        parked: bool,
    },
    /// The session's sockets are no longer wanted.
    CloseMedia {
        /// Which.
        line: LineId,
        /// Which session's.
        session: SessionId,
    },
    /// Leave every line safe and end.
    Stop,
    /// Media of a session's socket goes through this channel of a TURN server, or through none.
    Relay {
        /// Which line.
        line: LineId,
        /// Which session's.
        session: SessionId,
        /// Which socket.
        socket: TransmitKind,
        /// The channel.
        relay: Option<Relay>,
    },
}

/// What the audio thread reports.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Report {
    /// A hook edge.
    Hook {
        /// Where.
        line: LineId,
        /// Loop closed.
        closed: bool,
        /// When.
        at: Instant,
    },
    /// From the voice path.
    Voice {
        /// Where.
        line: LineId,
        /// What.
        event: VoiceEvent,
    },
    /// A telephone was taken on.
    Plugged(LineId),
    /// A second telephone on a line that has one: its connection is closed.
    Refused(LineId),
    /// A telephone is gone.
    Unplugged {
        /// Where.
        line: LineId,
        /// Why.
        reason: Unplugged,
    },
    /// A sound card gives its first sound.
    CardStarted(LineId),
    /// A sound card is out of service; the line is silent until it is removed, to be added anew.
    CardLost {
        /// Where.
        line: LineId,
        /// Why.
        reason: CardFault,
    },
    /// A sound card's streams were broken off by an overrun, an underrun or a suspension, and have begun anew.
    Xrun {
        /// Where.
        line: LineId,
        /// How often since the last report.
        count: u32,
    },
}

/// What is dropped outside the audio thread.
#[derive(Debug)]
#[expect(dead_code, reason = "held only to be dropped elsewhere")]
enum Garbage {
    Line(Box<AudioLine>),
    Stream(UnixStream),
    Sockets(PortPair),
    Card(Box<OpenCard>),
}
