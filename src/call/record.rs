//! One call's record for the history: `tipring calls` and `tipring call show`.

use serde::{Deserialize, Serialize};

/// A finished call. Times are milliseconds since 1970-01-01 UTC.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CallRecord {
    /// Identifier.
    pub id: String,
    /// Whose.
    pub line: String,
    /// `outgoing` or `incoming`.
    pub direction: String,
    /// The other side's number.
    pub remote: String,
    /// The other side's name, where given.
    pub remote_name: Option<String>,
    /// The digits as dialled (outgoing).
    pub dialed: Option<String>,
    /// When the number was complete or the INVITE came.
    pub started_ms: i64,
    /// When it was answered.
    pub answered_ms: Option<i64>,
    /// When it ended.
    pub ended_ms: i64,
    /// Answer to end.
    pub duration_s: f64,
    /// Why it ended: `local_hangup`, `remote_hangup`, `busy`, `cancelled`, `no_answer`, `rejected`, `failed`,
    /// `media_timeout`, `answered_elsewhere`, `transferred` (connected to somebody else by this telephone), `replaced`
    /// (the far end put somebody else in its place), `security` (it was to be encrypted, and couldn't be).
    pub cause: String,
    /// The release cause of ITU-T Q.850 that the far end's BYE gave (RFC 3326), where it did.
    #[serde(default)]
    pub release_cause: Option<u16>,
    /// The final SIP status of the INVITE, where there was one.
    pub sip_status: Option<u16>,
    /// Codec.
    pub codec: Option<String>,
    /// RTP packets sent.
    pub sent_packets: u32,
    /// RTP packets received.
    pub received_packets: u32,
    /// Packets lost on the way to us.
    pub lost_packets: u32,
    /// Packets that came too late to be played.
    pub late_packets: u32,
    /// Interarrival jitter at the end (RFC 3550).
    pub jitter_ms: f32,
    /// Mean delay in the jitter buffer.
    pub buffer_ms: f32,
    /// Mouth to ear, one way: half the round trip, the jitter buffer, and our own ends. `null` where nothing was
    /// received.
    #[serde(default)]
    pub delay_ms: Option<f32>,
    /// Round trip by RTCP.
    pub round_trip_ms: Option<f32>,
    /// Loss the far end reports.
    pub remote_loss_percent: Option<f32>,
    /// Estimate of the mean opinion score by the E-model (ITU-T G.107); `null` where nothing was received.
    pub mos: Option<f32>,
    /// What encrypted the media: how the keys were agreed on, and the suite; `null`: nothing did.
    #[serde(default)]
    pub encryption: Option<String>,
    /// Packets dropped because their tag was wrong.
    #[serde(default)]
    pub unauthentic_packets: u32,
    /// What went wrong on the way (sound in one direction only, messages rewritten by a router), in sentences.
    #[serde(default)]
    pub diagnosis: Vec<String>,
}
