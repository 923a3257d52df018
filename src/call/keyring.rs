//! One call's keys for SRTP: those we would send with, and those agreed on.

use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::media::Protection;
use crate::media::srtp::{MasterKey, SrtpKeys, Suite};
use crate::sip::sdp::{Security, SrtpPolicy};

/// The keys of one call.
#[derive(Debug)]
pub(super) struct Keyring {
    policy: SrtpPolicy,
    random: StdRng,
    /// One a suite.
    local: Vec<MasterKey>,
    agreed: Option<SrtpKeys>,
}

impl Keyring {
    /// Draws new keys. The generator has to be fit for that.
    pub(super) fn new(policy: SrtpPolicy, random: &mut StdRng) -> Self {
        let mut random = StdRng::from_rng(random);
        let local = match policy {
            SrtpPolicy::Off => Vec::new(),
            SrtpPolicy::Optional | SrtpPolicy::Required => Suite::ALL
                .into_iter()
                .map(|suite| MasterKey::random(suite, &mut random))
                .collect(),
        };
        Self {
            policy,
            random,
            local,
            agreed: None,
        }
    }

    /// An emergency call, or one within this machine, whose lines need not agree on what their accounts ask for.
    pub(super) fn insist_on_nothing(&mut self) {
        if self.policy == SrtpPolicy::Required {
            self.policy = SrtpPolicy::Optional;
        }
    }

    /// For offers and answers. Once there is an agreement an offer of ours keeps to its suite and key.
    pub(super) fn security(&self) -> Security {
        Security {
            policy: self.policy,
            keys: self.local.clone(),
            offered: match &self.agreed {
                Some(keys) => vec![keys.local.suite()],
                None => Suite::OFFERED.to_vec(),
            },
        }
    }

    /// Offer and answer have agreed. Keys of ours that weren't taken are drawn anew: what was once left is never
    /// returned to, for its packets' numbers would begin again.
    pub(super) fn agreed(&mut self, keys: Option<SrtpKeys>) {
        if let Some(keys) = &keys {
            for local in &mut self.local {
                *local = if local.suite() == keys.local.suite() {
                    keys.local.clone()
                } else {
                    MasterKey::random(local.suite(), &mut self.random)
                };
            }
        }
        self.agreed = keys;
    }

    /// How the session's packets are to be protected.
    pub(super) fn protection(&self) -> Protection {
        self.agreed.clone().map_or(Protection::Clear, Protection::Srtp)
    }

    /// How the keys were agreed on, and the suite.
    pub(super) fn encryption(&self) -> Option<String> {
        let keys = self.agreed.as_ref()?;
        Some(format!("srtp-sdes {}", keys.local.suite().name()))
    }
}
