//! The accounts as the gateway knows them: their servers, their registrations, what went wrong last.

use std::time::{Duration, Instant};

use super::config::GatewayConfig;
use super::event::{AccountState, EventKind};
use super::machine::Gateway;
use super::status::AccountStatus;
use crate::sip::account::Account;
use crate::sip::ua::{AccountName, RegistrationState, UaCommand, UaInput};

/// How one account stands.
#[derive(Debug)]
pub(super) struct AccountEntry {
    pub(super) name: AccountName,
    server: String,
    pub(super) state: RegistrationState,
    expires_at: Option<Instant>,
    pub(super) last_error: Option<String>,
    /// What changes its messages on their way.
    pub(super) diagnosis: Vec<String>,
}

impl Gateway {
    /// The accounts of a configuration: those kept keep their state.
    pub(super) fn configure_accounts(&mut self, now: Instant, config: &GatewayConfig) {
        let mut entries = Vec::with_capacity(config.accounts.len());
        for account in &config.accounts {
            let kept = self.accounts.iter().position(|entry| entry.name == account.name);
            let mut entry = match kept {
                Some(index) => self.accounts.swap_remove(index),
                None => AccountEntry::new(account),
            };
            entry.server = server_uri(account);
            entry.diagnosis.clear();
            entries.push(entry);
        }
        self.accounts = entries;
        self.configure_admission(now, config);
        self.user_agent.handle_input(
            now,
            UaInput::Command(UaCommand::SetAccounts(config.accounts.clone())),
        );
    }

    /// What the user agent says of an account.
    pub(super) fn registration(
        &mut self,
        now: Instant,
        account: &AccountName,
        state: RegistrationState,
        expires_s: Option<u32>,
        error: Option<String>,
    ) {
        if let Some(entry) = self.accounts.iter_mut().find(|entry| entry.name == *account) {
            entry.state = state;
            entry.expires_at = expires_s.map(|seconds| now + Duration::from_secs(u64::from(seconds)));
            if state == RegistrationState::Registered {
                entry.last_error = None;
            } else if error.is_some() {
                entry.last_error.clone_from(&error);
            }
        }
        let account = account.0.to_string();
        self.tell(
            now,
            EventKind::Registration {
                account,
                state: account_state(state),
                expires_s,
                error,
            },
        );
    }
}

impl AccountEntry {
    fn new(account: &Account) -> Self {
        let state = if account.register {
            RegistrationState::Unregistered
        } else {
            RegistrationState::Direct
        };
        Self {
            name: account.name.clone(),
            server: server_uri(account),
            state,
            expires_at: None,
            last_error: None,
            diagnosis: Vec::new(),
        }
    }

    pub(super) fn status(&self, now: Instant) -> AccountStatus {
        AccountStatus {
            name: self.name.0.to_string(),
            state: account_state(self.state),
            server: self.server.clone(),
            expires_s: self
                .expires_at
                .map(|at| at.saturating_duration_since(now).as_secs()),
            last_error: self.last_error.clone(),
            diagnosis: self.diagnosis.clone(),
        }
    }
}

fn server_uri(account: &Account) -> String {
    let host = &account.server_host;
    let host = if host.contains(':') {
        format!("[{host}]")
    } else {
        host.clone()
    };
    match account.server_port {
        Some(port) => format!("sip:{host}:{port}"),
        None => format!("sip:{host}"),
    }
}

fn account_state(state: RegistrationState) -> AccountState {
    match state {
        RegistrationState::Unregistered => AccountState::Unregistered,
        RegistrationState::Registering => AccountState::Registering,
        RegistrationState::Registered => AccountState::Registered,
        RegistrationState::Failed => AccountState::Failed,
        RegistrationState::Direct => AccountState::Direct,
    }
}
