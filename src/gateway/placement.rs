//! Placing outgoing calls: to a line of this machine, or through the line's account. The offer needs our own address on
//! the way to the server; where no registration has shown it yet, it is looked up first.

use std::net::IpAddr;
use std::time::Instant;

use super::accounts::AccountEntry;
use super::config::LineName;
use super::machine::Gateway;
use super::routing;
use crate::call::{CallInput, Placement};
use crate::sip::ua::{AccountName, RegistrationState, UaCommand, UaInput, Via};

/// Calls that wait for their server's address.
#[derive(Debug, Default)]
pub(super) struct Lookups {
    waiting: Vec<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    line: LineName,
    account: AccountName,
    from_user: String,
    emergency: bool,
}

impl Gateway {
    /// Answers a line's question where a number leads.
    pub(super) fn place(&mut self, now: Instant, index: usize, number: &str, emergency: bool) {
        if emergency {
            return self.place_emergency(now, index, 0);
        }
        let port = &self.ports[index];
        let (line, account) = (port.name().clone(), port.config.account.clone());
        let from_user = port.config.number.clone().unwrap_or_else(|| line.to_string());
        if routing::local_line(&self.ports, number).is_some()
            && let Some((transport, route)) = routing::own_socket(&self.config)
        {
            let via = Via::Address { transport, route };
            let call = self.user_agent.new_call();
            let local_ip = route.local_ip;
            let placement = Placement {
                call,
                via,
                local_ip,
                from_user,
            };
            self.ports[index].call_input(now, CallInput::Placed(placement));
            return;
        }
        let Some(account) = account else {
            let reason = format!("no line has the number {number}, and this line has no account");
            self.ports[index].call_input(now, CallInput::NoRoute { reason, status: 404 });
            return;
        };
        let state = self
            .accounts
            .iter()
            .find(|entry| entry.name == account)
            .map(|entry| entry.state);
        let reachable = match state {
            Some(
                RegistrationState::Registered | RegistrationState::Registering | RegistrationState::Direct,
            ) => true,
            Some(RegistrationState::Failed | RegistrationState::Unregistered) | None => false,
        };
        if !reachable {
            let refusal = self.no_route(&account, None);
            self.ports[index].call_input(now, refusal);
            return;
        }
        match self.user_agent.local_ip(&account) {
            Some(local_ip) => {
                let call = self.user_agent.new_call();
                let placement = Placement {
                    call,
                    via: Via::Account(account),
                    local_ip,
                    from_user,
                };
                self.ports[index].call_input(now, CallInput::Placed(placement));
            }
            None => self.look_up(
                now,
                Waiting {
                    line,
                    account,
                    from_user,
                    emergency: false,
                },
            ),
        }
    }

    /// The next of the accounts that an emergency call may go through: its line's own, then those that are registered,
    /// then the others, whatever is wrong with them.
    pub(super) fn place_emergency(&mut self, now: Instant, index: usize, attempt: usize) {
        if attempt == 0 {
            let ways = self.emergency_ways(index);
            self.ports[index].emergency_ways = ways;
        }
        let port = &self.ports[index];
        let Some(account) = port.emergency_ways.get(attempt).cloned() else {
            return self.ports[index].call_input(now, CallInput::NoMoreWays);
        };
        let line = port.name().clone();
        let from_user = port.config.number.clone().unwrap_or_else(|| line.to_string());
        match self.user_agent.local_ip(&account) {
            Some(local_ip) => {
                let placement = Placement {
                    call: self.user_agent.new_call(),
                    via: self.emergency_via(account),
                    local_ip,
                    from_user,
                };
                self.ports[index].call_input(now, CallInput::Placed(placement));
            }
            None => self.look_up(
                now,
                Waiting {
                    line,
                    account,
                    from_user,
                    emergency: true,
                },
            ),
        }
    }

    fn emergency_ways(&self, index: usize) -> Vec<AccountName> {
        let own = self.ports[index].config.account.as_ref();
        let mut ways: Vec<&AccountEntry> = self.accounts.iter().collect();
        let usable = |entry: &AccountEntry| {
            matches!(
                entry.state,
                RegistrationState::Registered | RegistrationState::Direct
            )
        };
        ways.sort_by_key(|entry| (!usable(entry), Some(&entry.name) != own));
        ways.into_iter().map(|entry| entry.name.clone()).collect()
    }

    fn emergency_via(&self, account: AccountName) -> Via {
        Via::Emergency {
            account,
            emergency: self.config.emergency.clone(),
        }
    }

    fn look_up(&mut self, now: Instant, waiting: Waiting) {
        let locate = UaCommand::Locate(waiting.account.clone());
        self.lookups.waiting.push(waiting);
        self.user_agent.handle_input(now, UaInput::Command(locate));
    }

    /// The user agent knows the way to an account's server now, or that there is none.
    pub(super) fn located(&mut self, now: Instant, account: &AccountName, result: &Result<IpAddr, String>) {
        let (answered, others) = std::mem::take(&mut self.lookups.waiting)
            .into_iter()
            .partition(|w: &Waiting| w.account == *account);
        self.lookups.waiting = others;
        let answered: Vec<Waiting> = answered;
        for waiting in answered {
            self.place_located(now, waiting, result);
        }
    }

    fn place_located(&mut self, now: Instant, waiting: Waiting, result: &Result<IpAddr, String>) {
        let answer = match result {
            Ok(local_ip) => CallInput::Placed(Placement {
                call: self.user_agent.new_call(),
                via: if waiting.emergency {
                    self.emergency_via(waiting.account)
                } else {
                    Via::Account(waiting.account)
                },
                local_ip: *local_ip,
                from_user: waiting.from_user,
            }),
            Err(reason) => self.no_route(&waiting.account, Some(reason)),
        };
        // Hung up meanwhile: the line ignores it.
        if let Some(port) = self.ports.iter_mut().find(|port| *port.name() == waiting.line) {
            port.call_input(now, answer);
        }
    }

    fn no_route(&self, account: &AccountName, reason: Option<&str>) -> CallInput {
        let known = self.accounts.iter().find(|entry| entry.name == *account);
        let last_error = known.and_then(|entry| entry.last_error.as_deref());
        let reason = reason
            .or(last_error)
            .unwrap_or("the server has not been reached yet");
        CallInput::NoRoute {
            reason: format!("account {}: {reason}", account.0),
            status: 503,
        }
    }
}
