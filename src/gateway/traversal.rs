//! The ways of a line's sessions through routers: what one needs of the other between calls and sockets.

use std::net::SocketAddr;
use std::time::Instant;

use super::{Output, SessionId};
use crate::call::{CallInput, Connect};
use crate::media::TransmitKind;
use crate::media::ice::Credentials;
use crate::media::traversal::{Traversal, TraversalConfig, TraversalEvent, Way};

/// The sessions of one line whose sockets are open.
#[derive(Debug, Default)]
pub(super) struct Traversals {
    sessions: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    session: SessionId,
    traversal: Traversal,
    /// Its call knows that the sockets are open.
    told: bool,
}

/// What follows of it.
#[derive(Debug)]
pub(super) enum Follows {
    /// For the daemon.
    Out(Output),
    /// For the line's calls.
    Call(CallInput),
    /// Media of a session goes this way, RTP and RTCP; `None`: nowhere any more.
    Path(SessionId, Option<(Way, Option<Way>)>),
}

impl Traversals {
    /// A session's sockets are open.
    pub fn open(
        &mut self,
        now: Instant,
        session: SessionId,
        config: &TraversalConfig,
        port: u16,
        seed: [u8; 32],
    ) {
        self.sessions.push(Entry {
            session,
            traversal: Traversal::new(now, config, port, seed),
            told: false,
        });
    }

    /// Whether the session is one of them.
    pub fn owns(&self, session: SessionId) -> bool {
        self.sessions.iter().any(|entry| entry.session == session)
    }

    /// Offer and answer are there.
    pub fn connect(&mut self, now: Instant, connect: &Connect) {
        if let Some(traversal) = self.find(connect.session) {
            traversal.connect(
                now,
                connect.ip,
                connect.local.as_ref(),
                connect.remote.as_ref(),
                connect.controlling,
                connect.shared_port,
            );
        }
    }

    /// Our address has changed: the sockets' addresses outside are asked for anew.
    pub fn restart(&mut self, now: Instant, session: SessionId, credentials: Option<Credentials>) {
        if let Some(traversal) = self.find(session) {
            traversal.restart(now, credentials);
        }
    }

    /// A datagram that isn't media.
    pub fn datagram(
        &mut self,
        now: Instant,
        session: SessionId,
        socket: TransmitKind,
        from: SocketAddr,
        relayed: bool,
        bytes: &[u8],
    ) {
        if let Some(traversal) = self.find(session) {
            traversal.handle_datagram(now, socket, from, relayed, bytes);
        }
    }

    /// The sockets are about to be closed: what is still to be sent comes out now.
    pub fn close(&mut self, now: Instant, session: SessionId) -> Vec<Output> {
        let Some(at) = self.sessions.iter().position(|entry| entry.session == session) else {
            return Vec::new();
        };
        let mut entry = self.sessions.swap_remove(at);
        entry.traversal.close(now);
        std::iter::from_fn(|| entry.transmit()).collect()
    }

    pub fn handle_timeout(&mut self, now: Instant) {
        for entry in &mut self.sessions {
            if entry.traversal.poll_timeout().is_some_and(|due| due <= now) {
                entry.traversal.handle_timeout(now);
            }
        }
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        let timers = self
            .sessions
            .iter()
            .filter_map(|entry| entry.traversal.poll_timeout());
        timers.min()
    }

    /// What follows, in order.
    pub fn poll(&mut self) -> Vec<Follows> {
        let mut follows = Vec::new();
        for entry in &mut self.sessions {
            while let Some(output) = entry.transmit() {
                follows.push(Follows::Out(output));
            }
            while let Some(event) = entry.traversal.poll_event() {
                entry.event(event, &mut follows);
            }
        }
        follows
    }

    fn find(&mut self, session: SessionId) -> Option<&mut Traversal> {
        let entry = self.sessions.iter_mut().find(|entry| entry.session == session)?;
        Some(&mut entry.traversal)
    }
}

impl Entry {
    fn transmit(&mut self) -> Option<Output> {
        let outgoing = self.traversal.poll_transmit()?;
        Some(Output::MediaTransmit {
            session: self.session,
            socket: outgoing.socket,
            remote: outgoing.to,
            bytes: outgoing.bytes,
        })
    }

    fn event(&mut self, event: TraversalEvent, follows: &mut Vec<Follows>) {
        let session = self.session;
        match event {
            TraversalEvent::Gathered => {
                let gathered = self.traversal.gathered().clone();
                let port = gathered.port;
                let gathered = Box::new(gathered);
                follows.push(Follows::Call(CallInput::Gathered { session, gathered }));
                if !std::mem::replace(&mut self.told, true) {
                    follows.push(Follows::Call(CallInput::MediaOpened { session, port }));
                }
            }
            TraversalEvent::Path { rtp, rtcp } => {
                follows.push(Follows::Path(session, Some((rtp, rtcp))));
            }
            TraversalEvent::Settled(settled) => {
                follows.push(Follows::Call(CallInput::Settled { session, settled }));
            }
            TraversalEvent::Lost => follows.push(Follows::Path(session, None)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::stun::{Class, Message, MessageWriter, attribute, method};
    use crate::testing::epoch;

    #[test]
    fn a_call_hears_of_its_sockets_once_the_server_has_told_their_addresses() {
        let now = epoch();
        let session = SessionId(7);
        let server = SocketAddr::from(([192, 0, 2, 9], 3478));
        let config = TraversalConfig {
            ice: false,
            stun_server: Some(server),
            turn_server: None,
        };
        let mut traversals = Traversals::default();
        traversals.open(now, session, &config, 16_384, [1; 32]);
        let asked = traversals.poll();
        assert_eq!(asked.len(), 2, "both sockets ask: {asked:?}");
        let mut told = Vec::new();
        for (asked, port) in asked.into_iter().zip([40_001, 40_008]) {
            let Follows::Out(Output::MediaTransmit {
                socket,
                remote,
                bytes,
                ..
            }) = asked
            else {
                panic!("{asked:?}");
            };
            assert_eq!(remote, server);
            let id = Message::parse(&bytes).unwrap().transaction();
            let mapped = SocketAddr::from(([203, 0, 113, 7], port));
            let answer = MessageWriter::new(Class::Success, method::BINDING, id)
                .xor_address(attribute::XOR_MAPPED_ADDRESS, mapped)
                .finish();
            traversals.datagram(now, session, socket, server, false, &answer);
            told.extend(traversals.poll());
        }
        let [
            Follows::Call(CallInput::Gathered { gathered, .. }),
            Follows::Call(CallInput::MediaOpened { port: 16_384, .. }),
        ] = told.as_slice()
        else {
            panic!("{told:?}");
        };
        assert_eq!(gathered.mapped[1].unwrap().port(), 40_008);
        assert!(traversals.close(now, session).is_empty());
        assert!(!traversals.owns(session) && traversals.poll_timeout().is_none());
    }
}
