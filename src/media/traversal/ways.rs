//! What relays and ICE have to say of a session's ways.

use std::net::SocketAddr;
use std::time::Instant;

use super::machine::Traversal;
use super::{Relay, TraversalEvent, Way};
use crate::media::TransmitKind;
use crate::media::ice::{Base, IceEvent};
use crate::media::turn::TurnEvent;

impl Traversal {
    pub(super) fn turn_event(&mut self, now: Instant, socket: TransmitKind, event: TurnEvent) {
        let own = &mut self.sockets[socket as usize];
        match event {
            TurnEvent::Allocated => {}
            TurnEvent::Failed(_) => {
                own.turn = None;
                self.relay_lost(socket);
            }
            TurnEvent::Bound(peer, channel) => {
                if let (Some((base, remote)), Some(turn)) = (own.selected, &own.turn)
                    && base.relayed
                    && remote == peer
                {
                    let server = turn.server();
                    let relay = Some(Relay {
                        server,
                        channel,
                        peer,
                    });
                    own.way = Some(Way { to: peer, relay });
                }
            }
            TurnEvent::NotBound(_) => self.relay_lost(socket),
            TurnEvent::Data(peer, bytes) => self.hear(now, socket, peer, true, &bytes),
        }
    }

    /// What went through the relay goes nowhere.
    fn relay_lost(&mut self, socket: TransmitKind) {
        let base = Base {
            component: socket,
            relayed: true,
        };
        if let Some(agent) = &mut self.agent {
            agent.drop_base(base);
        }
        if self.sockets[socket as usize]
            .selected
            .is_some_and(|(selected, _)| selected == base)
        {
            self.way_lost(socket);
        }
    }

    fn way_lost(&mut self, socket: TransmitKind) {
        let own = &mut self.sockets[socket as usize];
        own.selected = None;
        own.way = None;
        if socket == TransmitKind::Rtp {
            self.path = None;
            self.events.push_back(TraversalEvent::Lost);
        }
    }

    pub(super) fn ice_event(&mut self, now: Instant, event: IceEvent) {
        match event {
            IceEvent::Usable { base, remote } => self.go_by_pair(now, base, remote),
            IceEvent::Selected {
                base,
                remote,
                seen_as,
            } => {
                let own = &mut self.sockets[base.component as usize];
                own.seen_as = seen_as;
                own.settled = true;
                self.go_by_pair(now, base, remote);
            }
            IceEvent::Failed => self.events.push_back(TraversalEvent::Lost),
            IceEvent::ConsentExpired(socket) => self.way_lost(socket),
        }
    }

    fn go_by_pair(&mut self, now: Instant, base: Base, remote: SocketAddr) {
        let own = &mut self.sockets[base.component as usize];
        own.selected = Some((base, remote));
        match &mut own.turn {
            Some(turn) if base.relayed => turn.bind(now, remote, &mut self.random),
            _ => {
                own.way = Some(Way {
                    to: remote,
                    relay: None,
                });
                // The checks keep the mapping alive.
                own.binding = None;
            }
        }
    }

    pub(super) fn tell_path(&mut self) {
        let [rtp, rtcp] = &self.sockets;
        let Some(rtp) = rtp.way else { return };
        let rtcp = if self.shared_port { Some(rtp) } else { rtcp.way };
        if self.path != Some((rtp, rtcp)) {
            self.path = Some((rtp, rtcp));
            self.events.push_back(TraversalEvent::Path { rtp, rtcp });
        }
        let settled = self.settled();
        if let (Some(ends), true) = (settled, settled != self.told) {
            self.told = settled;
            self.events.push_back(TraversalEvent::Settled(ends));
        }
    }
}
