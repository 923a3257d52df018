//! A router has given our UDP socket another address outside: calls would go to the old one.

use std::time::Instant;

use super::registration::Phase;
use super::{AccountName, RegistrationState, Transport, UserAgent};

impl UserAgent {
    /// Registers anew what is registered over UDP; the answers tell how the servers see us now.
    pub(super) fn mapping_changed(&mut self, now: Instant) {
        let names: Vec<AccountName> = self
            .registrations
            .iter()
            .filter(|(_, registration)| {
                // One under way shows the new mapping by itself, and another beside it is forbidden (RFC 3261 10.2).
                registration.state == RegistrationState::Registered
                    && matches!(registration.phase, Phase::Waiting(_))
                    && registration
                        .hops
                        .first()
                        .is_some_and(|hop| hop.transport == Transport::Udp)
            })
            .map(|(name, _)| name.clone())
            .collect();
        for name in names {
            self.register(now, &name);
        }
    }
}
