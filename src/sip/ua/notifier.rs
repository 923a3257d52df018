//! Subscriptions to us: the `dialog` package (RFC 4235), for the account's own server, which puts it on busy lamps.

use super::call::Stage;
use super::hop::Hop;
use super::job::{Job, Outcome, Owner};
use super::server::ServerKey;
use super::stray::status;
use super::subscriber::event_package;
use super::wire::Arrived;
use super::{AccountName, CallId, UserAgent};
use crate::sip::dialog::Dialog;
use crate::sip::event::dialog_info::{self, DialogState, Progress};
use crate::sip::message::{HeaderName, Method, Response};
use std::time::{Duration, Instant};

/// Watchers at once; servers watch on everybody's behalf.
const WATCHER_LIMIT: usize = 16;

/// What is granted at most and at least, and where nothing is asked for (RFC 4235 3.3).
const LONGEST_S: u32 = 3600;
const SHORTEST_S: u32 = 60;

/// One of them.
#[derive(Debug)]
pub(super) struct Watcher {
    id: u64,
    account: AccountName,
    dialog: Dialog,
    hop: Hop,
    pub expires: Instant,
    version: u32,
    /// What it was told last; `None`: nothing yet.
    told: Option<Vec<DialogState>>,
}

impl UserAgent {
    /// A SUBSCRIBE outside of any call: a new one, or the refresh of one.
    pub(super) fn subscribed_to(&mut self, now: Instant, key: ServerKey, arrived: Arrived) {
        let headers = &arrived.request.headers;
        if event_package(headers) != "dialog" {
            let mut response = self.stateless_response(&arrived, status(489));
            response
                .headers
                .push(HeaderName::ALLOW_EVENTS, super::stray::EVENTS);
            self.transmit_response(arrived.back, response);
            return;
        }
        let wish_s = headers.expires().unwrap_or(LONGEST_S);
        if wish_s > 0 && wish_s < SHORTEST_S {
            let mut response = self.stateless_response(&arrived, status(423));
            response
                .headers
                .push(HeaderName::MIN_EXPIRES, SHORTEST_S.to_string());
            self.transmit_response(arrived.back, response);
            return;
        }
        let granted_s = wish_s.min(LONGEST_S);
        let known = self.watcher_of(&arrived);
        let id = match (known, headers.to().is_ok_and(|to| to.tag().is_some())) {
            (Some(id), _) => id,
            (None, true) => return self.reply(&arrived, status(481)),
            (None, false) => match self.new_watcher(now, &arrived) {
                Ok(id) => id,
                Err(code) => return self.reply(&arrived, status(code)),
            },
        };
        self.answer_watcher(now, key, arrived, id, granted_s);
    }

    /// Whether a request is in one of their dialogs.
    pub(super) fn watcher_of(&self, arrived: &Arrived) -> Option<u64> {
        let headers = &arrived.request.headers;
        let (to, from) = (headers.to().ok()?, headers.from().ok()?);
        let (local, remote) = (to.tag()?, from.tag().unwrap_or_default());
        let call_id = headers.call_id().ok()?;
        let mut named = self
            .watchers
            .iter()
            .filter(|watcher| watcher.dialog.is_named(&call_id, &local, &remote));
        named.next().map(|watcher| watcher.id)
    }

    fn new_watcher(&mut self, now: Instant, arrived: &Arrived) -> Result<u64, u16> {
        // Who talks to whom is nobody else's business.
        let account = self.account_of_server(arrived).ok_or(403_u16)?;
        if self.watchers.len() >= WATCHER_LIMIT {
            return Err(503);
        }
        let hop = Self::hop_back(arrived);
        let registration = self.registrations.get(&account).ok_or(403_u16)?;
        let contact = self
            .config
            .contact(&registration.account().username, hop, registration.public());
        let tag = self.token();
        let dialog = Dialog::from_request(&arrived.request, &tag, contact).ok_or(400_u16)?;
        self.last_watcher += 1;
        self.watchers.push(Watcher {
            id: self.last_watcher,
            account,
            dialog,
            hop,
            expires: now,
            version: 0,
            told: None,
        });
        Ok(self.last_watcher)
    }

    fn answer_watcher(&mut self, now: Instant, key: ServerKey, arrived: Arrived, id: u64, granted_s: u32) {
        let Some(watcher) = self.watchers.iter_mut().find(|watcher| watcher.id == id) else {
            return;
        };
        if let Ok(cseq) = arrived.request.headers.cseq()
            && !watcher.dialog.accept(cseq.number)
        {
            return self.reply(&arrived, status(500));
        }
        watcher.dialog.refresh_target(&arrived.request.headers);
        watcher.expires = now + Duration::from_secs(granted_s.into());
        // RFC 6665 4.2.1.2: each SUBSCRIBE is answered with the state.
        watcher.told = None;
        let tag = watcher.dialog.local_tag();
        let mut response = Response::to_request(&arrived.request.headers, status(200), Some(&tag));
        response
            .headers
            .copy_from(&arrived.request.headers, &HeaderName::RECORD_ROUTE);
        response
            .headers
            .push(HeaderName::CONTACT, format!("<{}>", watcher.dialog.contact()));
        response.headers.push(HeaderName::EXPIRES, granted_s.to_string());
        // The transaction belongs to no call.
        if self.open_transaction(key.clone(), arrived, CallId(0)) {
            self.respond(now, &key, response);
        }
        if granted_s == 0 {
            self.notify_watcher(now, id);
            self.watchers.retain(|watcher| watcher.id != id);
        }
    }

    /// Tells watchers what is new, and lets go of those whose time is up.
    pub(super) fn tend_watchers(&mut self, now: Instant) {
        for at in 0..self.watchers.len() {
            let Some(watcher) = self.watchers.get(at) else {
                return;
            };
            let (id, over) = (watcher.id, watcher.expires <= now);
            if over || watcher.told.as_ref() != Some(&self.dialog_states(&watcher.account)) {
                self.notify_watcher(now, id);
            }
        }
        self.watchers.retain(|watcher| watcher.expires > now);
    }

    fn dialog_states(&self, account: &AccountName) -> Vec<DialogState> {
        let calls = self
            .calls
            .iter()
            .filter(|(_, call)| !call.over && call.account.as_ref().is_some_and(|own| own.name == *account));
        calls
            .map(|(id, call)| {
                let (initiator, state) = match &call.stage {
                    Stage::Outgoing(outgoing) if outgoing.early.is_empty() => (true, Progress::Trying),
                    Stage::Outgoing(_) => (true, Progress::Early),
                    Stage::Incoming(_) => (false, Progress::Early),
                    Stage::Up(session) => (session.we_called, Progress::Confirmed),
                };
                DialogState {
                    id: id.0,
                    initiator,
                    state,
                }
            })
            .collect()
    }

    fn notify_watcher(&mut self, now: Instant, id: u64) {
        let Some(at) = self.watchers.iter().position(|watcher| watcher.id == id) else {
            return;
        };
        let account = self.watchers.get(at).map(|watcher| watcher.account.clone());
        let Some(account) = account.and_then(|name| Some(self.registrations.get(&name)?.account().clone()))
        else {
            return;
        };
        let states = self.dialog_states(&account.name);
        let Some(watcher) = self.watchers.get_mut(at) else {
            return;
        };
        let left = watcher.expires.saturating_duration_since(now).as_secs();
        let state = if left == 0 {
            "terminated;reason=timeout".to_owned()
        } else {
            format!("active;expires={left}")
        };
        let entity = account.address_of_record().to_string();
        let body = dialog_info::document(&entity, watcher.version, &states);
        watcher.version += 1;
        watcher.told = Some(states);
        let mut request = watcher.dialog.request(Method::Notify);
        let headers = &mut request.headers;
        headers.push(HeaderName::CONTACT, format!("<{}>", watcher.dialog.contact()));
        headers.push(HeaderName::EVENT, "dialog");
        headers.push(HeaderName::SUBSCRIPTION_STATE, state);
        let hop = watcher.hop.towards(watcher.dialog.next_hop());
        self.put_user_agent(&mut request);
        let request = request.with_body("application/dialog-info+xml", body.into_bytes());
        self.send(now, Job::new(request, [hop], Some(account), Owner::Watcher(id)));
    }

    pub(super) fn watcher_note_sent(&mut self, id: u64, number: u32) {
        if let Some(watcher) = self.watchers.iter_mut().find(|watcher| watcher.id == id) {
            watcher.dialog.note_sent(number);
        }
    }

    /// A NOTIFY of ours that nobody takes ends the subscription (RFC 6665 4.2.2).
    pub(super) fn watcher_notified(&mut self, id: u64, outcome: &Outcome) {
        if !(200..300).contains(&outcome.status()) {
            self.watchers.retain(|watcher| watcher.id != id);
        }
    }
}
