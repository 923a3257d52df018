//! What stands between a session and the network: nothing, SRTP, or a closed door until keys are there.

use super::outbox::TransmitKind;
use super::rtp;
use super::srtp::{Inbound, Outbound, SrtpError, SrtpKeys};

/// Longest datagram that is opened: Ethernet's payload.
pub(super) const DATAGRAM_BYTES_MAX: usize = 1500;

/// How a session's packets are protected.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Protection {
    /// Not at all.
    #[default]
    Clear,
    /// They will be, and nothing passes before: a handshake is under way.
    Awaited,
    /// By SRTP with these keys.
    Srtp(SrtpKeys),
}

/// The way in.
#[derive(Debug, Default)]
pub(super) struct Opener {
    protection: Protection,
    context: Option<Inbound>,
    unauthentic: u32,
}

/// The way out.
#[derive(Debug, Default)]
pub(super) struct Sealer {
    protection: Protection,
    context: Option<Outbound>,
}

impl Opener {
    /// From now on. A key that stays as it is keeps its context: replays are still known as such.
    pub fn protect(&mut self, protection: &Protection) {
        if let Protection::Srtp(keys) = protection {
            let same = matches!(&self.protection, Protection::Srtp(old)
                if old.remote == keys.remote && old.remote_mki_bytes == keys.remote_mki_bytes);
            if !same {
                self.context = Some(Inbound::new(&keys.remote, keys.remote_mki_bytes));
            }
        } else {
            self.context = None;
        }
        self.protection.clone_from(protection);
    }

    /// What a datagram says, put into `clear` where it was encrypted; `None`: it isn't let in.
    pub fn open<'a>(
        &mut self,
        kind: TransmitKind,
        datagram: &'a [u8],
        clear: &'a mut [u8; DATAGRAM_BYTES_MAX],
    ) -> Option<&'a [u8]> {
        let context = match (&self.protection, &mut self.context) {
            (Protection::Clear, _) => return Some(datagram),
            (Protection::Srtp(_), Some(context)) => context,
            _ => return None,
        };
        let place = clear.get_mut(..datagram.len())?;
        place.copy_from_slice(datagram);
        let opened = match kind {
            TransmitKind::Rtp => context.unprotect_rtp(place),
            TransmitKind::Rtcp => context.unprotect_rtcp(place),
        };
        if opened == Err(SrtpError::Unauthentic) {
            self.unauthentic = self.unauthentic.saturating_add(1);
        }
        place.get(..opened.ok()?)
    }

    /// Whether nothing can pass yet.
    pub fn is_closed(&self) -> bool {
        self.protection == Protection::Awaited
    }

    /// Packets whose tag was wrong, since the session began.
    pub fn unauthentic(&self) -> u32 {
        self.unauthentic
    }

    /// The session is over: its keys are wiped.
    pub fn end(&mut self) {
        *self = Self::default();
    }
}

impl Sealer {
    /// From now on. A key that stays as it is keeps its context: its packets go on being numbered.
    pub fn protect(&mut self, protection: &Protection) {
        if let Protection::Srtp(keys) = protection {
            let same = matches!(&self.protection, Protection::Srtp(old) if old.local == keys.local);
            if !same {
                self.context = Some(Outbound::new(&keys.local));
            }
        } else {
            self.context = None;
        }
        self.protection.clone_from(protection);
    }

    /// Protects the packet in the first `length` bytes; its new length. `None`: it may not leave.
    pub fn seal(&mut self, bytes: &mut [u8], length: usize) -> Option<usize> {
        let context = match (&self.protection, &mut self.context) {
            (Protection::Clear, _) => return Some(length),
            (Protection::Srtp(_), Some(context)) => context,
            _ => return None,
        };
        // By what it is and not by its socket: both may share one.
        let sealed = if rtp::is_rtcp(bytes) {
            context.protect_rtcp(bytes, length)
        } else {
            context.protect_rtp(bytes, length)
        };
        sealed.ok()
    }

    /// The session is over: its keys are wiped.
    pub fn end(&mut self) {
        *self = Self::default();
    }
}
