//! Who knocked and wasn't answered: counted, and told in the log once a minute at most, so that neither a scan goes
//! unnoticed nor a flood fills the disk.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Between two lines in the log.
const TOLD_EVERY: Duration = Duration::from_secs(60);

/// Messages and connections that were turned away since the log told of them.
#[derive(Debug, Default)]
pub struct Strangers {
    unheard: u64,
    told: Option<Instant>,
}

impl Strangers {
    /// Somebody was turned away.
    pub fn turn_away(&mut self, now: Instant, remote: SocketAddr) {
        self.unheard = self.unheard.saturating_add(1);
        let due = self
            .told
            .is_none_or(|told| now.saturating_duration_since(told) >= TOLD_EVERY);
        if due {
            let count = std::mem::take(&mut self.unheard);
            self.told = Some(now);
            tracing::info!(
                %remote,
                count,
                "SIP from a stranger is not answered; who may speak beside the accounts' servers is listed in sip.accept_from"
            );
        }
    }
}
