//! How everything stands, in the shape of `tipring status --json`. Fields are added, never renamed.

use std::time::{Duration, Instant};

use serde::Serialize;

use super::event::{AccountState, CallDirection, CallState, Hook, LineState};
use super::machine::Gateway;
use super::port::Port;
use crate::call::codec_name;

/// The whole.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Status {
    /// Version of the program.
    pub version: &'static str,
    /// Seconds since the gateway started.
    pub uptime_s: f64,
    /// Accounts in the order of the configuration.
    pub accounts: Vec<AccountStatus>,
    /// Lines in the order of the configuration.
    pub lines: Vec<LineStatus>,
    /// Calls in progress.
    pub calls: Vec<CallStatus>,
}

/// One account.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AccountStatus {
    /// Its name.
    pub name: String,
    /// How it stands.
    pub state: AccountState,
    /// Its server as a SIP URI.
    pub server: String,
    /// Seconds until the registration lapses.
    pub expires_s: Option<u64>,
    /// What went wrong last.
    pub last_error: Option<String>,
    /// What changes its messages on their way, in sentences.
    pub diagnosis: Vec<String>,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LineStatus {
    /// Its name.
    pub name: String,
    /// Its account.
    pub account: Option<String>,
    /// What other lines dial.
    pub number: Option<String>,
    /// What it is doing.
    pub state: LineState,
    /// Hook.
    pub hook: Hook,
    /// Messages wait, by the last word of the account's server.
    pub message_waiting: bool,
    /// What is wrong with its hardware.
    pub fault: Option<String>,
    /// Interruptions of its sound card's streams since the start; 0 where it has none. The daemon counts them.
    pub xruns: u64,
}

/// One call.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CallStatus {
    /// Its identifier, as in `tipring call show`.
    pub id: String,
    /// Whose.
    pub line: String,
    /// Who called.
    pub direction: CallDirection,
    /// The other side's number.
    pub remote: String,
    /// What it is doing.
    pub state: CallState,
    /// Codec, once agreed.
    pub codec: Option<&'static str>,
    /// Seconds since the answer; 0 before it.
    pub seconds: f64,
    /// What encrypts the media; `null`: nothing.
    pub encryption: Option<String>,
}

impl Gateway {
    /// How everything stands.
    pub fn status(&self, now: Instant) -> Status {
        Status {
            version: env!("CARGO_PKG_VERSION"),
            uptime_s: milliseconds(now.saturating_duration_since(self.started)),
            accounts: self.accounts.iter().map(|account| account.status(now)).collect(),
            lines: self
                .ports
                .iter()
                .filter(|port| !port.leaving)
                .map(line_status)
                .collect(),
            calls: self
                .ports
                .iter()
                .flat_map(|port| call_statuses(port, now))
                .collect(),
        }
    }
}

fn line_status(port: &Port) -> LineStatus {
    LineStatus {
        name: port.name().to_string(),
        account: port.config.account.as_ref().map(|account| account.0.to_string()),
        number: port.config.number.clone(),
        state: port.state(),
        hook: if port.calls.is_off_hook() {
            Hook::Off
        } else {
            Hook::On
        },
        message_waiting: port.message_waiting,
        xruns: 0,
        fault: port.fault.clone(),
    }
}

fn call_statuses(port: &Port, now: Instant) -> impl Iterator<Item = CallStatus> {
    port.calls.snapshots().map(move |call| CallStatus {
        id: call.id,
        line: port.name().to_string(),
        direction: call.direction,
        remote: call.remote,
        state: call.state,
        codec: call.codec.map(codec_name),
        seconds: call
            .answered
            .map_or(0.0, |at| milliseconds(now.saturating_duration_since(at))),
        encryption: call.encryption,
    })
}

/// Seconds, to the millisecond.
fn milliseconds(duration: Duration) -> f64 {
    duration.as_millis() as f64 / 1000.0
}
