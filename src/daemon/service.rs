//! What the service manager is told (sd_notify(3)): ready, reloading, stopping, and that we are alive.

use std::time::Duration;

use sd_notify::NotifyState;

/// Says something; without a service manager nothing happens.
fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::debug!(%error, "the service manager cannot be told");
    }
}

/// Lines are in service, sockets bound.
pub fn ready() {
    tell(&[NotifyState::Ready]);
}

/// The configuration is read again; [`ready`] follows.
pub fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(_) => tell(&[NotifyState::Reloading]),
    }
}

/// We are ending.
pub fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// We are alive.
pub fn alive() {
    tell(&[NotifyState::Watchdog]);
}

/// How often [`alive`] is to be said: half the time the service manager waits; `None` where it doesn't watch.
pub fn alive_interval() -> Option<Duration> {
    sd_notify::watchdog_enabled().map(|timeout| timeout / 2)
}
