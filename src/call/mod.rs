//! One line's calls: what lifting the handset, digits, a hook flash, a busy answer or a second caller means.
//!
//! This is the only room that knows both what the line does ([`crate::line`]) and what SIP says
//! ([`crate::sip`]).

pub mod record;

pub use record::CallRecord;

use crate::dial::DialPlan;
use crate::media::{Codec, DtmfRelay};

/// What one line's calls are told of themselves.
#[derive(Clone, Debug)]
pub struct CallConfig {
    /// The digit map.
    pub dial_plan: std::sync::Arc<DialPlan>,
    /// Numbers that always pass.
    pub emergency_numbers: Vec<String>,
    /// A number dialled by lifting the handset, after so many seconds without a digit.
    pub hotline: Option<Hotline>,
    /// Dial tone lasts so long without a digit, in seconds.
    pub first_digit_s: f32,
    /// Wait between digits while the number cannot be complete, in seconds.
    pub long_interdigit_s: f32,
    /// Wait between digits while the number can be complete, in seconds.
    pub short_interdigit_s: f32,
    /// Codecs in order of preference.
    pub codecs: Vec<Codec>,
    /// How keys pressed in a call are sent.
    pub dtmf: DtmfRelay,
    /// Audio in one packet: 10 to 60.
    pub packet_time_ms: u8,
    /// An incoming call rings at most so long.
    pub ring_timeout_s: u32,
    /// No RTP for so long is a fault of the call; 0: never.
    pub rtp_timeout_s: u32,
    /// Such a fault ends the call; otherwise it is only told.
    pub rtp_timeout_ends_call: bool,
    /// The loop opens for so long when the far end has hung up (calling-party control); 0: never.
    pub disconnect_open_ms: u32,
}

/// Hotline (PLAR), or with a delay, warmline.
#[derive(Clone, Debug, PartialEq)]
pub struct Hotline {
    /// The number.
    pub number: String,
    /// Seconds of dial tone before it is dialled; 0: at once.
    pub delay_s: f32,
}
