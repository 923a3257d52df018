//! Accounts that come, change and go, and what that means for their registrations.

use super::job::{Job, Owner};
use super::registrar::{Binding, Series};
use super::registration::{Phase, Registration};
use super::{AccountName, RegistrationState, UaEvent, UserAgent, Waiter};
use crate::sip::account::Account;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

impl UserAgent {
    /// New accounts register, those gone un-register, changed ones do what the change asks for.
    pub(super) fn set_accounts(&mut self, now: Instant, accounts: Vec<Account>) {
        let mut wanted: BTreeMap<AccountName, Account> = accounts
            .into_iter()
            .map(|account| (account.name.clone(), account))
            .collect();
        self.guard.keep(|name| wanted.contains_key(name));
        // Whoever changes the configuration may have changed the router: it is looked at anew.
        self.rewritten.clear();
        let gone: Vec<AccountName> = self
            .registrations
            .iter()
            .filter(|(name, old)| {
                !wanted
                    .get(name)
                    .is_some_and(|new| new.is_same_binding(&old.account))
            })
            .map(|(name, _)| name.clone())
            .collect();
        for name in gone {
            self.leave(now, &name, !wanted.contains_key(&name));
        }
        while let Some((name, account)) = wanted.pop_first() {
            let failed = RegistrationState::Failed;
            match self.registrations.get_mut(&name) {
                Some(old) if old.account.is_same(&account) && old.state != failed => {}
                Some(old) => {
                    if !old.account.is_same_login(&account) {
                        self.authenticators.remove(&name);
                    }
                    old.wish_s = account.expires_s;
                    old.account = Arc::new(account);
                    old.failures = 0;
                    self.look_up_registrar(now, &name);
                }
                None => self.enter(now, account),
            }
        }
    }

    fn enter(&mut self, now: Instant, account: Account) {
        let name = account.name.clone();
        let series = Series {
            call_id: self.token(),
            tag: self.token(),
            cseq: 0,
        };
        let registration = Registration::new(account, series);
        self.event(registration.event());
        self.registrations.insert(name.clone(), registration);
        self.look_up_registrar(now, &name);
    }

    /// Takes an account away; a binding is removed at the registrar.
    fn leave(&mut self, now: Instant, account: &AccountName, tell: bool) {
        let Some(mut registration) = self.registrations.remove(account) else {
            return;
        };
        let waiter = Waiter::Registration(account.clone());
        self.locator.withdraw(|other| *other != waiter);
        self.clients_forget(&Owner::Register(account.clone()));
        let known = registration.binding.take().map(|binding| binding.0);
        let trying = registration.phase == Phase::Trying;
        let hop = registration.hops.first().copied();
        let contact = known.or_else(|| {
            // Under way for the first time: it may have arrived.
            trying.then_some(hop?).map(|hop| {
                self.config
                    .contact(&registration.account.username, hop, registration.public)
            })
        });
        let (Some(contact), Some(hop)) = (contact, hop) else {
            if tell {
                self.tell_unregistered(account);
            }
            return;
        };
        let binding = Binding {
            contact: &contact,
            params: registration.flow.contact_params(self.config.instance.as_deref()),
            expires_s: 0,
            old: None,
        };
        let mut request = registration.series.next(&registration.account, &binding);
        self.put_user_agent(&mut request);
        let owner = Owner::Unregister(account.clone());
        self.send(now, Job::new(request, [hop], Some(registration.account), owner));
    }

    pub(super) fn unregister_finished(&mut self, account: &AccountName) {
        if !self.registrations.contains_key(account) {
            self.authenticators.remove(account);
            self.tell_unregistered(account);
        }
    }

    fn tell_unregistered(&mut self, account: &AccountName) {
        self.event(UaEvent::Registration {
            account: account.clone(),
            state: RegistrationState::Unregistered,
            expires_s: None,
            error: None,
        });
    }
}
