//! What an INVITE would get, for OPTIONS (RFC 3261 11.2).

use std::net::IpAddr;

use super::{LineCalls, Phase};
use crate::media::Direction;
use crate::sip::sdp::{self, MediaCapabilities, Origin, Reach, Security};

/// The description starts nothing: its number is of no matter.
const NO_SESSION: Origin = Origin { id: 2, version: 2 };

impl LineCalls {
    /// 200 where an INVITE would ring or wait, 486 where it wouldn't, 480 where the hardware has failed.
    pub fn readiness(&self) -> u16 {
        match self.phase {
            Phase::Faulted => 480,
            _ if self.is_free() || self.can_wait() => 200,
            _ => 486,
        }
    }

    /// What a session with this line could be (RFC 3264 section 9): no port, nobody listens.
    pub fn abilities(&self, local_ip: IpAddr) -> Vec<u8> {
        let capabilities = MediaCapabilities {
            codecs: self.config.codecs.clone(),
            telephone_event: true,
            packet_time_ms: self.config.packet_time_ms,
            address: local_ip,
            rtp_port: 0,
            rtcp_mux: false,
            reach: Reach::default(),
            // Keys are for sessions.
            security: Security::default(),
        };
        sdp::offer(&capabilities, NO_SESSION, Direction::SendReceive)
    }
}
