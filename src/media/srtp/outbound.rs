//! What we send.

use std::fmt;

use super::key::MasterKey;
use super::packet::rtp_sequence;
use super::transform::{Protocol, Transform};
use super::{SrtpError, Suite, index};

/// SRTP packets under one key (RFC 3711 section 9.2).
const RTP_PACKETS_MAX: u64 = 1 << 48;
/// SRTCP packets under one key.
const RTCP_PACKETS_MAX: u32 = 1 << 31;

/// Protects the packets of one source under one master key.
#[derive(Clone)]
pub struct Outbound {
    suite: Suite,
    rtp: Transform,
    rtcp: Transform,
    /// Index of the newest RTP packet.
    newest: Option<u64>,
    /// Index of the next RTCP packet.
    next_rtcp: u32,
}

impl Outbound {
    /// A context that has sent nothing.
    pub fn new(master: &MasterKey) -> Self {
        Self::from_transforms(
            master.suite(),
            Transform::new(master, Protocol::Rtp),
            Transform::new(master, Protocol::Rtcp),
        )
    }

    pub(super) fn from_transforms(suite: Suite, rtp: Transform, rtcp: Transform) -> Self {
        Self {
            suite,
            rtp,
            rtcp,
            newest: None,
            next_rtcp: 0,
        }
    }

    /// What protects.
    pub fn suite(&self) -> Suite {
        self.suite
    }

    /// Protects the RTP packet in the first `length` bytes of a buffer; its new length. Sequence numbers have to grow
    /// by less than half their range: the same one twice would give the key away.
    pub fn protect_rtp(&mut self, buffer: &mut [u8], length: usize) -> Result<usize, SrtpError> {
        let sequence = rtp_sequence(buffer.get(..length).ok_or(SrtpError::Malformed)?)?;
        let index = match self.newest {
            None => u64::from(sequence),
            Some(newest) => index::estimate(newest, sequence),
        };
        if self.newest.is_some_and(|newest| index <= newest) {
            return Err(SrtpError::Replayed);
        }
        if index >= RTP_PACKETS_MAX {
            return Err(SrtpError::Exhausted);
        }
        let sealed = self.rtp.seal_rtp(buffer, length, index)?;
        self.newest = Some(index);
        Ok(sealed)
    }

    /// Protects the compound RTCP packet in the first `length` bytes of a buffer; its new length.
    pub fn protect_rtcp(&mut self, buffer: &mut [u8], length: usize) -> Result<usize, SrtpError> {
        if self.next_rtcp >= RTCP_PACKETS_MAX {
            return Err(SrtpError::Exhausted);
        }
        let sealed = self.rtcp.seal_rtcp(buffer, length, self.next_rtcp)?;
        self.next_rtcp += 1;
        Ok(sealed)
    }

    #[cfg(test)]
    pub(super) fn set_next_rtcp(&mut self, next: u32) {
        self.next_rtcp = next;
    }
}

impl fmt::Debug for Outbound {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Outbound").field(&self.suite).finish()
    }
}
