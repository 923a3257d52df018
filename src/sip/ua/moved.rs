//! Calls whose account has come to be reached at another address of ours: their dialogs move along, and their lines are
//! told, so that they offer their media from there.

use super::call::Stage;
use super::{AccountName, CallId, UaEvent, UserAgent};
use crate::sip::message::Uri;

impl UserAgent {
    /// The account is where it is now, which may be elsewhere than when its calls began.
    pub(super) fn move_calls(&mut self, account: &AccountName) {
        let Some(registration) = self.registrations.get_mut(account) else {
            return;
        };
        let (Some(from), Some(here)) = (
            registration.healing.moved_from.take(),
            registration.hops.first().copied(),
        ) else {
            return;
        };
        let public = registration.public_on(here);
        let calls = self.calls.iter_mut().filter(|(_, call)| {
            let its_account = call.account.as_ref().map(|account| &account.name);
            !call.over && its_account == Some(account)
        });
        let mut moved: Vec<CallId> = Vec::new();
        for (id, call) in calls {
            // One that hasn't been answered fares as its INVITE does.
            let Stage::Up(session) = &mut call.stage else {
                continue;
            };
            let reachable = from.is_ipv4() == here.local_ip.is_ipv4();
            if session.hop.local_ip != from || from == here.local_ip || !reachable {
                continue;
            }
            session.hop.local_ip = here.local_ip;
            let old = session.dialog.contact();
            let user = old.user().unwrap_or_default().into_owned();
            let outbound = old.as_sip().is_some_and(|old| old.params.has("ob"));
            let public = public.filter(|_| session.hop.leads_where(here));
            let mut contact = self.config.contact(&user, session.hop, public);
            if let (true, Uri::Sip(contact)) = (outbound, &mut contact) {
                contact.params.set_flag("ob");
            }
            session.dialog.set_contact(contact);
            moved.push(*id);
        }
        for call in moved {
            self.event(UaEvent::Moved {
                call,
                local_ip: here.local_ip,
            });
        }
    }
}
