//! What accounts' servers tell their lines, and what they are told of them: messages waiting, presence, voice quality.

use std::time::Instant;

use super::event::EventKind;
use super::machine::Gateway;
use crate::call::state::LineState;
use crate::call::{CallInput, FinishedCall};
use crate::sip::event::message_summary::MessageSummary;
use crate::sip::event::pidf::Presence;
use crate::sip::ua::{AccountName, CallQuality, UaCommand, UaInput};

impl Gateway {
    /// The server says what waits in the account's mailbox: every line of the account shows it.
    pub(super) fn messages_waiting(&mut self, now: Instant, account: &AccountName, summary: MessageSummary) {
        let mut told = Vec::new();
        for port in &mut self.ports {
            if port.config.account.as_ref() != Some(account) {
                continue;
            }
            let changed = port.message_waiting != summary.waiting;
            port.message_waiting = summary.waiting;
            if changed {
                port.call_input(now, CallInput::MessageWaiting(summary.waiting));
            }
            told.push(port.name().to_string());
        }
        for line in told {
            self.tell(
                now,
                EventKind::MessageWaiting {
                    line,
                    waiting: summary.waiting,
                    new: summary.new,
                    old: summary.old,
                },
            );
        }
    }

    /// A line of the account does something else than before.
    pub(super) fn update_presence(&mut self, now: Instant, index: usize) {
        let Some(account) = self.ports.get(index).and_then(|port| port.config.account.clone()) else {
            return;
        };
        let states = || {
            let lines = self
                .ports
                .iter()
                .filter(|port| port.config.account.as_ref() == Some(&account));
            lines.map(|port| port.state())
        };
        let presence = if states().all(|state| matches!(state, LineState::Faulted | LineState::Disabled)) {
            Presence::Closed
        } else if states()
            .any(|state| matches!(state, LineState::Calling | LineState::Talking | LineState::Held))
        {
            Presence::OnThePhone
        } else {
            Presence::Idle
        };
        let command = UaCommand::SetPresence { account, presence };
        self.user_agent.handle_input(now, UaInput::Command(command));
    }

    /// How a finished call sounded.
    pub(super) fn report_quality(&mut self, now: Instant, index: usize, finished: &FinishedCall) {
        let account = self.ports.get(index).and_then(|port| port.config.account.clone());
        let (Some(account), Some(call), Some(mut figures)) =
            (account, finished.call, finished.quality.clone())
        else {
            return;
        };
        figures.start_s = self
            .clock
            .unix_ms(finished.answered.unwrap_or(finished.started))
            .div_euclid(1000);
        figures.end_s = self.clock.unix_ms(finished.ended).div_euclid(1000);
        let quality = Box::new(CallQuality { call, figures });
        let command = UaCommand::ReportQuality { account, quality };
        self.user_agent.handle_input(now, UaInput::Command(command));
    }
}
