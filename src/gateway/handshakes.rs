//! The DTLS handshakes of one line's sessions, beside their ways through routers: what offer and answer agree on comes
//! in, keys come out for the calls.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::traversal::Follows;
use super::{Output, SessionId};
use crate::call::{Association, CallInput, Connect};
use crate::media::TransmitKind;
use crate::media::dtls::{Handshake, HandshakeEvent, Identity, Role};
use crate::media::stun::{Class, MessageWriter, TransactionId, method};
use crate::media::traversal::Way;
use crate::media::turn::{CHANNEL_HEADER_BYTES, frame_channel_data};

/// Datagrams kept that come before we know what to make of them: a peer may begin before its answer is read.
const EARLY_MAX: usize = 4;

/// Who waits for the peer to begin opens the door of its own router so often, until something comes.
const KNOCK_EVERY: Duration = Duration::from_millis(500);

/// The handshakes of one line.
#[derive(Debug, Default)]
pub(super) struct Handshakes {
    /// Our certificate; `None`: there are none.
    identity: Option<Arc<Identity>>,
    sessions: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    session: SessionId,
    /// The way is ICE's to find.
    ice: bool,
    /// Where the peer is, once that is known; nobody else is heard.
    way: Option<Way>,
    association: Option<Association>,
    /// That of the association, once it has begun.
    handshake: Option<Handshake>,
    early: Vec<(SocketAddr, Vec<u8>)>,
    /// When to knock next.
    knock_at: Option<Instant>,
    knocks: Vec<Vec<u8>>,
}

impl Handshakes {
    /// From now on they are done with this certificate.
    pub fn set_identity(&mut self, identity: Arc<Identity>) {
        self.identity = Some(identity);
    }

    /// Offer and answer are there.
    pub fn connect(&mut self, now: Instant, connect: &Connect) {
        let Some(identity) = self.identity.clone() else {
            return;
        };
        let entry = self.entry(connect.session);
        let Some(association) = &connect.association else {
            entry.association = None;
            entry.handshake = None;
            entry.knock_at = None;
            return;
        };
        let known = entry.association.as_ref().map(|known| known.number);
        let failed = entry.handshake.as_ref().is_some_and(Handshake::has_failed);
        if known != Some(association.number) || failed {
            entry.handshake = None;
            entry.knock_at = None;
        }
        entry.association = Some(association.clone());
        let ice = connect.remote.is_some();
        if entry.ice != ice {
            entry.way = None;
        }
        entry.ice = ice;
        let to = association.remote;
        if !ice && !to.ip().is_unspecified() && to.port() != 0 {
            entry.way = Some(Way { to, relay: None });
        }
        entry.begin(now, &identity);
    }

    /// Media of a session goes this way, or nowhere any more.
    pub fn path(&mut self, now: Instant, session: SessionId, way: Option<Way>) {
        let Some(identity) = self.identity.clone() else {
            return;
        };
        let entry = self.entry(session);
        // It comes of ICE alone, and before a peer without ICE is known it is nobody's.
        entry.ice = true;
        entry.way = way;
        entry.begin(now, &identity);
    }

    /// A datagram that is DTLS by its looks.
    pub fn datagram(
        &mut self,
        now: Instant,
        session: SessionId,
        socket: TransmitKind,
        from: SocketAddr,
        bytes: &[u8],
    ) {
        // RTCP's own port has no handshake: it shares RTP's, or is silent.
        if self.identity.is_none() || socket != TransmitKind::Rtp {
            return;
        }
        let entry = self.entry(session);
        let living = entry
            .handshake
            .as_mut()
            .filter(|handshake| !handshake.has_failed());
        match (living, entry.way) {
            (Some(handshake), Some(way)) if way.to == from => {
                entry.knock_at = None;
                handshake.handle_datagram(now, bytes);
            }
            (Some(_), Some(_)) => {}
            (_, way) => {
                let may_be_the_peer = way.is_none_or(|way| way.to == from);
                if may_be_the_peer && entry.early.len() < EARLY_MAX {
                    entry.early.push((from, bytes.to_vec()));
                }
            }
        }
    }

    /// The session's sockets are about to be closed.
    pub fn close(&mut self, session: SessionId) {
        self.sessions.retain(|entry| entry.session != session);
    }

    pub fn handle_timeout(&mut self, now: Instant) {
        for entry in &mut self.sessions {
            if let Some(handshake) = &mut entry.handshake
                && handshake.poll_timeout().is_some_and(|due| due <= now)
            {
                handshake.handle_timeout(now);
            }
            if entry.knock_at.is_some_and(|due| due <= now) {
                entry.knock(now);
            }
        }
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        let timers = self.sessions.iter().flat_map(|entry| {
            let handshake = entry.handshake.as_ref().and_then(Handshake::poll_timeout);
            handshake.into_iter().chain(entry.knock_at)
        });
        timers.min()
    }

    /// What follows, in order.
    pub fn poll(&mut self) -> Vec<Follows> {
        let mut follows = Vec::new();
        for entry in &mut self.sessions {
            entry.poll(&mut follows);
        }
        follows
    }

    fn entry(&mut self, session: SessionId) -> &mut Entry {
        let known = self.sessions.iter().position(|entry| entry.session == session);
        let at = known.unwrap_or_else(|| {
            self.sessions.push(Entry {
                session,
                ice: false,
                way: None,
                association: None,
                handshake: None,
                early: Vec::new(),
                knock_at: None,
                knocks: Vec::new(),
            });
            self.sessions.len() - 1
        });
        &mut self.sessions[at]
    }
}

impl Entry {
    /// Begins the handshake if it is wanted and hasn't begun, and it is known where the peer is.
    fn begin(&mut self, now: Instant, identity: &Identity) {
        let (None, Some(association), Some(way)) = (&self.handshake, &self.association, self.way) else {
            return;
        };
        let mut handshake = Handshake::new(now, identity, association.agreement.clone());
        let waits = association.agreement.role == Role::Server;
        let mut heard = false;
        for (from, bytes) in self.early.drain(..) {
            if from == way.to {
                heard = true;
                handshake.handle_datagram(now, &bytes);
            }
        }
        self.handshake = Some(handshake);
        // ICE has opened what there is to open.
        if waits && !heard && !self.ice {
            self.knock(now);
        }
    }

    /// Speech opens the door of a router for what comes back; before the keys there is none, and the peer's first
    /// flight would stay outside. A STUN indication asks for nothing and is passed over by whoever doesn't know it (RFC
    /// 6263 section 4.4).
    fn knock(&mut self, now: Instant) {
        let alive = self.handshake.as_ref().is_some_and(|own| !own.has_failed());
        let association = self.association.as_ref().filter(|_| alive);
        self.knock_at = association.map(|_| now + KNOCK_EVERY);
        self.knocks.extend(association.map(|association| {
            // Nobody answers it: its number is of no matter.
            let mut id = [0; 12];
            id[..8].copy_from_slice(&association.number.to_be_bytes());
            MessageWriter::new(Class::Indication, method::BINDING, TransactionId(id)).finish()
        }));
    }

    fn poll(&mut self, follows: &mut Vec<Follows>) {
        let session = self.session;
        let (Some(handshake), Some(association)) = (&mut self.handshake, &self.association) else {
            return;
        };
        let knocks = std::mem::take(&mut self.knocks);
        let flights = std::iter::from_fn(|| handshake.poll_transmit());
        for bytes in knocks.into_iter().chain(flights) {
            // Without a way what is lost is sent again once there is one.
            if let Some((remote, bytes)) = self.way.and_then(|way| along(way, bytes)) {
                follows.push(Follows::Out(Output::MediaTransmit {
                    session,
                    socket: TransmitKind::Rtp,
                    remote,
                    bytes,
                }));
            }
        }
        let association = association.number;
        follows.extend(handshake.poll_event().map(|event| {
            Follows::Call(match event {
                HandshakeEvent::Keys(keys) => CallInput::Secured {
                    session,
                    association,
                    keys: Box::new(keys),
                },
                HandshakeEvent::Failed(error) => CallInput::Insecure {
                    session,
                    association,
                    error,
                },
            })
        }));
    }
}

/// Where a datagram is sent that is to go this way, and in which wrapping.
fn along(way: Way, bytes: Vec<u8>) -> Option<(SocketAddr, Vec<u8>)> {
    let Some(relay) = way.relay else {
        return Some((way.to, bytes));
    };
    let mut frame = vec![0; CHANNEL_HEADER_BYTES + bytes.len()];
    frame_channel_data(relay.channel, &bytes, &mut frame)?;
    Some((relay.server, frame))
}
