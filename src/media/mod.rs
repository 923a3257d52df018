//! RTP and RTCP sessions, the jitter buffer, telephone-events, quality figures, and [`VoicePath`], which joins
//! them to a line's samples. RFC 3550, 3551, 4733, 4961; concealment after G.711 Appendix I in [`crate::dsp`].
//!
//! All of it runs in the audio thread: nothing allocates, locks or logs after `new`.
//!
//! A packet's way in: `rtp` reads it, `gate` decides whose it is, `reception` counts it, `jitter` keeps it until
//! `playout` plays it, or `event_receiver` makes a key of it. The way out: `event_sender` and `sender` fill the
//! `outbox`. `protection` opens and seals what passes, by SRTP (`srtp`) where that was agreed, its keys from SIP or
//! from a handshake (`dtls`). `session` holds what belongs to one session but no audio.

mod approach;
mod delay;
pub mod dtls;
mod event_receiver;
mod event_sender;
mod flow;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod gate;
pub mod ice;
mod jitter;
mod keep_alive;
mod outbox;
mod playout;
mod protection;
pub mod quality;
mod reception;
pub mod rtcp;
pub mod rtp;
mod sender;
mod session;
mod skew;
pub mod srtp;
pub mod stun;
#[cfg(test)]
mod tests;
pub mod traversal;
pub mod turn;
mod voice_path;

pub use flow::{FlowReport, OneWay};
pub use jitter::JitterConfig;
pub use outbox::{Transmit, TransmitKind};
pub use protection::Protection;
pub use voice_path::{VoiceConfig, VoicePath};

use std::net::SocketAddr;

use crate::dsp::{Key, transmission::Transmission};
use crate::line::DtmfEdge;
use crate::zone::TonePlan;

/// A voice codec and its static payload type (RFC 3551).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Codec {
    /// G.711 A-law, payload type 8.
    Pcma,
    /// G.711 µ-law, payload type 0.
    Pcmu,
}

/// Which way media flows (RFC 4566's attributes, seen from here).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Both ways.
    SendReceive,
    /// We send only (the peer holds us... or we hold nobody).
    SendOnly,
    /// We receive only.
    ReceiveOnly,
    /// Neither.
    Inactive,
}

/// How keys pressed during a call reach the far end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DtmfRelay {
    /// Telephone-events (RFC 4733), the audio muted.
    #[default]
    Rfc4733,
    /// SIP INFO, the audio muted.
    Info,
    /// In the audio, untouched.
    Inband,
}

/// One RTP session as offer and answer agreed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionParams {
    /// Where to send RTP until a packet shows another source (symmetric RTP, RFC 4961).
    pub remote_rtp: SocketAddr,
    /// Where to send RTCP; port 0: nowhere.
    pub remote_rtcp: SocketAddr,
    /// Codec both ways.
    pub codec: Codec,
    /// Payload type we send.
    pub payload_type: u8,
    /// Payload type of telephone-events both ways; `None`: the peer has none.
    pub telephone_event: Option<u8>,
    /// Audio in one packet we send: 10 to 60 in steps of 10.
    pub packet_time_ms: u8,
    /// Direction.
    pub direction: Direction,
    /// How keys are sent.
    pub dtmf_relay: DtmfRelay,
    /// No packet for so long: [`VoiceEvent::RtpTimeout`]. 0: never.
    pub rtp_timeout_ms: u32,
    /// Nothing is sent before [`VoiceCommand::Path`] says where to, and no packet's source changes that: ICE finds the way.
    pub awaits_path: bool,
    /// RTCP shares RTP's port (RFC 5761).
    pub rtcp_mux: bool,
}

/// What the audio thread is told to do on one line. Plain data without a heap: it crosses a ring without allocation.
#[derive(Clone, Debug, PartialEq)]
#[expect(
    clippy::large_enum_variant,
    reason = "a box would be freed in the audio thread; a kilobyte in a ring of some dozens is cheap"
)]
pub enum VoiceCommand {
    /// Play a tone to the telephone from its start.
    PlayTone(TonePlan),
    /// Stop it.
    StopTone,
    /// Send data to the telephone; [`VoiceEvent::TransmissionDone`] follows.
    Transmit(Transmission),
    /// Break it off.
    StopTransmission,
    /// Whether the telephone's audio is open (off hook): detectors run, audio is sent.
    OffHook(bool),
    /// Start a session, or change the running one (re-INVITE): sequence numbers, SSRC and statistics stay.
    Session(SessionParams),
    /// End the session; [`VoiceEvent::SessionEnded`] follows with its figures.
    EndSession,
    /// Send a telephone-event for a key not heard in band (a pulsed digit).
    SendKey {
        /// Which.
        key: Key,
        /// How long.
        duration_ms: u16,
    },
    /// The way that ICE has found, or that there is none any more; for a session that awaits it.
    Path {
        /// Where RTP goes; `None`: nothing may be sent.
        rtp: Option<SocketAddr>,
        /// Where RTCP goes.
        rtcp: Option<SocketAddr>,
        /// It is the parked session's.
        parked: bool,
    },
    /// How the session's packets are protected from now on; comes before the [`Session`](Self::Session) it is for.
    /// The end of the session ends it. Keys that stay as they are go on counting their packets.
    Protect(Protection),
    /// Exchange the running session with the parked one; either may be missing. The parked session keeps its SSRC,
    /// its keys and its figures, and goes on with RTCP (RFC 3264 8.4), but neither plays nor sends audio.
    SwapSessions,
}

/// What the audio thread reports of one line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum VoiceEvent {
    /// In-band DTMF from the telephone.
    Dtmf(DtmfEdge),
    /// The transmission was played to its end.
    TransmissionDone,
    /// The session's first RTP packet arrived: early media may be heard.
    FirstRtp,
    /// Nothing has arrived for `rtp_timeout_ms`.
    RtpTimeout,
    /// RTP came back after a timeout.
    RtpResumed,
    /// The far end pressed a key (RFC 4733); reported once, when it begins.
    RemoteKey(Key),
    /// The session is over; its figures.
    SessionEnded(SessionStats),
    /// Media flows one way only, or both ways again.
    Flow(FlowReport),
}

/// A session's quality figures.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SessionStats {
    /// RTP packets sent.
    pub sent_packets: u32,
    /// RTP packets received, late and duplicate ones included.
    pub received_packets: u32,
    /// Packets that never came (RFC 3550 A.3).
    pub lost_packets: u32,
    /// Packets that came too late to be played.
    pub late_packets: u32,
    /// Interarrival jitter (RFC 3550 6.4.1).
    pub jitter_ms: f32,
    /// Largest interarrival jitter seen.
    pub jitter_max_ms: f32,
    /// Mean delay in the jitter buffer.
    pub buffer_ms: f32,
    /// Round-trip time from RTCP; `None`: the peer sent no usable report.
    pub round_trip_ms: Option<f32>,
    /// Loss the peer reports of what we send, percent.
    pub remote_loss_percent: Option<f32>,
    /// Concealed audio.
    pub concealed_ms: u32,
    /// SRTP packets whose tag was wrong: dropped, and counted nowhere else.
    pub unauthentic_packets: u32,
}
