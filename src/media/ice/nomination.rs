//! Which pair carries the media: regular nomination (RFC 8445 section 8.1.1), by us or by the peer.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::checklist::{Pair, State};
use super::consent::Consent;
use super::{Agent, Base, IceEvent};
use crate::media::TransmitKind;

/// A better pair than the first valid one is waited for so long.
const BETTER_WITHIN: Duration = Duration::from_millis(300);

/// Where the first valid one goes by way of a TURN server, so long: a direct way is worth a moment.
const DIRECT_WITHIN: Duration = Duration::from_millis(1500);

/// What has been chosen.
#[derive(Debug, Default)]
pub(super) struct Nomination {
    components: [Component; 2],
}

#[derive(Clone, Copy, Debug, Default)]
struct Component {
    selected: Option<(Base, SocketAddr, u64)>,
    /// The first valid pair has been told, to be used until one is selected.
    used: bool,
    /// When to nominate what there is.
    decide_at: Option<Instant>,
    /// A nominating check is under way.
    nominating: bool,
}

impl Nomination {
    /// Neither component has a way.
    pub fn nothing_selected(&self) -> bool {
        self.components[0].selected.is_none()
    }

    /// Our role is the controlled one from now on: the peer decides.
    pub fn leave_to_peer(&mut self) {
        for component in &mut self.components {
            component.decide_at = None;
            component.nominating = false;
        }
    }

    pub fn due(&self) -> Option<Instant> {
        let waiting = self.components.iter().filter(|component| !component.nominating);
        waiting.filter_map(|component| component.decide_at).min()
    }
}

impl Agent {
    /// As controlling agent: nominates the best valid pair of each component once nothing better is likely.
    pub(super) fn nominate(&mut self, now: Instant) {
        if !self.controlling {
            return;
        }
        for kind in [TransmitKind::Rtp, TransmitKind::Rtcp] {
            let component = &mut self.nomination.components[index(kind)];
            let of_component = |pair: &&Pair| pair.base.component == kind;
            if component.selected.is_some() {
                continue;
            }
            component.nominating = self
                .checklist
                .iter()
                .filter(of_component)
                .any(|pair| pair.to_nominate && !matches!(pair.state, State::Failed));
            let best = self.checklist.iter().filter(of_component).find(|pair| pair.valid);
            let Some(best) = best else {
                component.decide_at = None;
                continue;
            };
            if component.nominating {
                continue;
            }
            let (base, remote, priority) = (best.base, best.remote, best.priority);
            let better_is_open = self.checklist.iter().filter(of_component).any(|pair| {
                pair.priority > priority
                    && matches!(pair.state, State::Waiting | State::Frozen | State::InProgress(_))
            });
            let patience = if best.relayed {
                DIRECT_WITHIN
            } else {
                BETTER_WITHIN
            };
            let decide_at = *component.decide_at.get_or_insert(now + patience);
            if better_is_open && now < decide_at {
                continue;
            }
            component.nominating = true;
            if let Some(pair) = self.checklist.find(base, remote) {
                pair.to_nominate = true;
                pair.state = State::Waiting;
            }
            self.checklist.trigger(base, remote);
            self.check_soon(now);
        }
    }

    /// Until a pair is selected, media goes by the first that is valid (RFC 8445 section 12.1.1): what is said at once is
    /// heard, however long is waited for a better one.
    pub(super) fn use_valid(&mut self, base: Base, remote: SocketAddr) {
        let component = &mut self.nomination.components[index(base.component)];
        if component.selected.is_none() && !component.used {
            component.used = true;
            self.events.push_back(IceEvent::Usable { base, remote });
        }
    }

    /// Takes the best nominated valid pair of each component; a peer that nominates aggressively (RFC 5245) may
    /// nominate a better one later.
    pub(super) fn select(&mut self, now: Instant) {
        for kind in [TransmitKind::Rtp, TransmitKind::Rtcp] {
            let best = self
                .checklist
                .iter()
                .find(|pair| pair.base.component == kind && pair.valid && pair.nominated)
                .map(|pair| (pair.base, pair.remote, pair.priority, pair.seen_as));
            let component = &mut self.nomination.components[index(kind)];
            let Some((base, remote, priority, seen_as)) = best else {
                continue;
            };
            let changed = component
                .selected
                .is_none_or(|(old_base, old_remote, _)| (old_base, old_remote) != (base, remote));
            component.selected = Some((base, remote, priority));
            if changed {
                let consent = Consent::new(now, base, remote, &mut self.random);
                self.consent[index(kind)] = Some(consent);
                self.checklist.drop_worse(kind, priority);
                self.events.push_back(IceEvent::Selected {
                    base,
                    remote,
                    seen_as,
                });
            }
        }
    }
}

/// A component's place.
pub(super) const fn index(component: TransmitKind) -> usize {
    match component {
        TransmitKind::Rtp => 0,
        TransmitKind::Rtcp => 1,
    }
}
