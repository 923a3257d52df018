//! What arrives.

use std::fmt;

use super::key::MasterKey;
use super::packet::{E_BIT, rtcp_ssrc, rtp_sequence, rtp_ssrc};
use super::replay::ReplayWindow;
use super::transform::{Protocol, Transform};
use super::{MKI_BYTES_MAX, SrtpError, Suite, index};

/// Sources that are told apart. A call has one, two while it is handed from one media server to the next; only whoever
/// has the key can make more.
const SOURCES_MAX: usize = 4;

/// Rounds of the sequence number that may have gone by unheard, 22 minutes each at 20 ms: the call was on hold beside
/// another one, or began before we listened. A genuine packet is found behind so many at most.
const CYCLES_MISSED_MAX: u64 = 3;

/// What is known of one source.
#[derive(Clone, Copy, Debug, Default)]
struct Source {
    ssrc: u32,
    window: ReplayWindow,
}

/// The sources of one protocol, the latest heard first.
#[derive(Clone, Copy, Debug, Default)]
struct Sources {
    known: [Option<Source>; SOURCES_MAX],
}

/// Opens the packets of a peer's sources under one master key.
#[derive(Clone)]
pub struct Inbound {
    suite: Suite,
    mki_bytes: usize,
    rtp: Transform,
    rtcp: Transform,
    rtp_sources: Sources,
    rtcp_sources: Sources,
}

impl Inbound {
    /// A context that has heard nothing. `mki_bytes`: length of the master key identifier in the peer's packets.
    pub fn new(master: &MasterKey, mki_bytes: u8) -> Self {
        let mut inbound = Self::from_transforms(
            master.suite(),
            Transform::new(master, Protocol::Rtp),
            Transform::new(master, Protocol::Rtcp),
        );
        inbound.mki_bytes = usize::from(mki_bytes).min(MKI_BYTES_MAX);
        inbound
    }

    pub(super) fn from_transforms(suite: Suite, rtp: Transform, rtcp: Transform) -> Self {
        Self {
            suite,
            mki_bytes: 0,
            rtp,
            rtcp,
            rtp_sources: Sources::default(),
            rtcp_sources: Sources::default(),
        }
    }

    /// What protects.
    pub fn suite(&self) -> Suite {
        self.suite
    }

    /// Opens an RTP packet in place; its length then. One that is refused stays as it was.
    pub fn unprotect_rtp(&mut self, packet: &mut [u8]) -> Result<usize, SrtpError> {
        let (ssrc, sequence) = (rtp_ssrc(packet)?, rtp_sequence(packet)?);
        let mut window = self.rtp_sources.window(ssrc);
        let likely = match window.newest() {
            Some(newest) => index::estimate(newest, sequence),
            // The first packet that is heard need not be the first that was sent.
            None => u64::from(sequence),
        };
        // What is too old for the window may also be far ahead.
        let (first, refusal) = match window.admits(likely) {
            true => (0, SrtpError::Unauthentic),
            false if window.reaches(likely) => return Err(SrtpError::Replayed),
            false => (1, SrtpError::Replayed),
        };
        for cycle in first..=CYCLES_MISSED_MAX {
            let index = likely + (cycle << 16);
            match self.rtp.open_rtp(packet, index, self.mki_bytes) {
                Err(SrtpError::Unauthentic) => {}
                Err(other) => return Err(other),
                Ok(length) => {
                    window.note(index);
                    self.rtp_sources.keep(ssrc, window);
                    return Ok(length);
                }
            }
        }
        Err(refusal)
    }

    /// Opens a compound RTCP packet in place; its length then. One that is refused stays as it was.
    pub fn unprotect_rtcp(&mut self, packet: &mut [u8]) -> Result<usize, SrtpError> {
        let ssrc = rtcp_ssrc(packet)?;
        let index = u64::from(self.rtcp.rtcp_word(packet, self.mki_bytes)? & !E_BIT);
        let mut window = self.rtcp_sources.window(ssrc);
        if !window.admits(index) {
            return Err(SrtpError::Replayed);
        }
        let length = self.rtcp.open_rtcp(packet, self.mki_bytes)?;
        window.note(index);
        self.rtcp_sources.keep(ssrc, window);
        Ok(length)
    }
}

impl Sources {
    fn window(&self, ssrc: u32) -> ReplayWindow {
        self.known
            .iter()
            .flatten()
            .find(|source| source.ssrc == ssrc)
            .map_or_else(ReplayWindow::default, |source| source.window)
    }

    /// Whose packet has proved genuine; where there is no place left the one longest silent gives way.
    fn keep(&mut self, ssrc: u32, window: ReplayWindow) {
        let place = self
            .known
            .iter()
            .position(|source| source.is_none_or(|source| source.ssrc == ssrc))
            .unwrap_or(SOURCES_MAX - 1);
        self.known[..=place].rotate_right(1);
        self.known[0] = Some(Source { ssrc, window });
    }
}

impl fmt::Debug for Inbound {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Inbound").field(&self.suite).finish()
    }
}
