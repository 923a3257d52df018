//! What is kept of a call, and the timers that calls have of their own.

use super::client::ClientKey;
use super::hop::Hop;
use super::incoming::Incoming;
use super::outgoing::Outgoing;
use super::reinvite::{Exchange, TheirOffer, Unacknowledged};
use super::session_timer::SessionTimer;
use super::{CallId, EndCause, UaEvent, UserAgent};
use crate::sip::account::Account;
use crate::sip::dialog::Dialog;
use crate::sip::message::Reason;
use std::sync::Arc;
use std::time::Instant;

/// A call from its first INVITE until nothing of it is left to do.
#[derive(Debug)]
pub(super) struct Call {
    /// Whose credentials its requests use.
    pub account: Option<Arc<Account>>,
    pub stage: Stage,
    /// Its last event has been given: only duties towards the peer remain.
    pub over: bool,
    /// What its BYE gives as the reason.
    pub farewell: Option<Reason>,
}

#[derive(Debug)]
pub(super) enum Stage {
    /// Our INVITE waits for a final response.
    Outgoing(Box<Outgoing>),
    /// A peer's INVITE waits for ours.
    Incoming(Box<Incoming>),
    /// Accepted.
    Up(Box<Session>),
}

/// An accepted call.
#[derive(Debug)]
pub(super) struct Session {
    pub dialog: Dialog,
    /// The way its messages have come.
    pub hop: Hop,
    /// Our INVITE made the dialog: the Call-ID is ours (RFC 3261 14.1).
    pub we_called: bool,
    /// A 2xx of ours that waits for its ACK.
    pub unacknowledged: Option<Unacknowledged>,
    /// An offer under way.
    pub exchange: Exchange,
    /// An offer of ours that waits for the exchange before it.
    pub next_offer: Option<Vec<u8>>,
    /// RFC 4028; `None`: the session ends by BYE only.
    pub timer: Option<SessionTimer>,
    /// RSeq of a provisional response of ours that the 2xx overtook: its PRACK may still come.
    pub late_rseq: Option<u32>,
    /// Early dialogs of other forks, which may be answered too.
    pub forks: Vec<Dialog>,
}

impl Call {
    pub fn is_named(&self, call_id: &str, local_tag: &str, remote_tag: &str) -> bool {
        let named = |dialog: &Dialog| dialog.is_named(call_id, local_tag, remote_tag);
        match &self.stage {
            Stage::Outgoing(outgoing) => outgoing.early.iter().any(|early| named(&early.dialog)),
            Stage::Incoming(incoming) => named(&incoming.dialog),
            Stage::Up(session) => named(&session.dialog),
        }
    }

    /// The dialog of that name, and the way of its messages.
    pub fn dialog_mut(&mut self, remote_tag: &str) -> Option<&mut Dialog> {
        match &mut self.stage {
            Stage::Outgoing(outgoing) => outgoing
                .early
                .iter_mut()
                .map(|early| &mut early.dialog)
                .find(|d| d.remote_tag() == remote_tag),
            Stage::Incoming(incoming) => Some(&mut incoming.dialog),
            Stage::Up(session) => Some(&mut session.dialog),
        }
    }

    /// The offer under way in the dialog of that name.
    pub fn exchange_mut(&mut self, remote_tag: &str) -> Option<&mut Exchange> {
        match &mut self.stage {
            Stage::Outgoing(outgoing) => outgoing.early_mut(remote_tag).map(|early| &mut early.exchange),
            Stage::Incoming(incoming) => Some(&mut incoming.exchange),
            Stage::Up(session) => Some(&mut session.exchange),
        }
    }

    /// Takes an offer of the peer's out of whichever dialog it is in; with the dialog's tag.
    pub fn take_their_offer(&mut self) -> Option<(String, TheirOffer)> {
        match &mut self.stage {
            Stage::Outgoing(outgoing) => outgoing
                .early
                .iter_mut()
                .find_map(|early| Some((early.dialog.remote_tag(), early.exchange.take_theirs()?))),
            Stage::Incoming(incoming) => {
                Some((incoming.dialog.remote_tag(), incoming.exchange.take_theirs()?))
            }
            Stage::Up(session) => Some((session.dialog.remote_tag(), session.exchange.take_theirs()?)),
        }
    }

    /// An early session changed since its first answer: what that said counts no more.
    pub fn note_changed(&mut self, remote_tag: &str) {
        if let Stage::Outgoing(outgoing) = &mut self.stage
            && let Some(early) = outgoing.early_mut(remote_tag)
        {
            early.changed = true;
        }
    }

    /// A request went out again under that number.
    pub fn note_sent(&mut self, number: u32) {
        match &mut self.stage {
            Stage::Outgoing(outgoing) => outgoing.note_sent(number),
            Stage::Incoming(_) => {}
            Stage::Up(session) => session.dialog.note_sent(number),
        }
    }

    /// The INVITE runs in that transaction now.
    pub fn note_transaction(&mut self, key: ClientKey) {
        match &mut self.stage {
            Stage::Outgoing(outgoing) => outgoing.client = Some(key),
            Stage::Incoming(_) | Stage::Up(_) => {}
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        match &self.stage {
            Stage::Outgoing(_) => None,
            Stage::Incoming(incoming) => incoming.poll_timeout(),
            Stage::Up(session) => {
                let ack = session.unacknowledged.as_ref().map(Unacknowledged::poll_timeout);
                let timer = session.timer.as_ref().filter(|_| !self.over);
                ack.into_iter()
                    .chain(session.exchange.poll_timeout())
                    .chain(timer.map(SessionTimer::poll_timeout))
                    .min()
            }
        }
    }
}

impl UserAgent {
    /// The call that a request's tags name.
    pub(super) fn find_call(&self, call_id: &str, local_tag: &str, remote_tag: &str) -> Option<CallId> {
        let mut named = self
            .calls
            .iter()
            .filter(|(_, call)| call.is_named(call_id, local_tag, remote_tag));
        named.next().map(|(id, _)| *id)
    }

    /// Gives a call's last event, once.
    pub(super) fn conclude(&mut self, call: CallId, event: UaEvent) {
        if let Some(entry) = self.calls.get_mut(&call)
            && !entry.over
        {
            entry.over = true;
            self.event(event);
        }
    }

    /// Gives a call's last event and forgets the call.
    pub(super) fn drop_call(&mut self, call: CallId, event: UaEvent) {
        self.conclude(call, event);
        self.leave_dialog(call);
        self.note_ended(call);
        self.calls.remove(&call);
    }

    /// Ends a call from here, whatever its state.
    pub(super) fn hang_up(&mut self, now: Instant, call: CallId) {
        let Some(entry) = self.calls.get_mut(&call) else {
            return;
        };
        if entry.over {
            return;
        }
        let ended = UaEvent::Ended {
            call,
            cause: EndCause::Local,
        };
        match &mut entry.stage {
            Stage::Outgoing(outgoing) => match outgoing.client.clone() {
                Some(client) => {
                    self.conclude(call, ended);
                    self.cancel(now, &client);
                }
                None => {
                    self.locator
                        .withdraw(|waiter| *waiter != super::Waiter::Call(call));
                    self.tell_referrer(now, call, 487);
                    self.drop_call(call, ended);
                }
            },
            Stage::Incoming(_) => self.reject(now, call, 480),
            Stage::Up(session) => {
                if session
                    .unacknowledged
                    .as_ref()
                    .is_some_and(|waiting| waiting.initial)
                {
                    // The called side waits for the ACK before it says BYE (RFC 3261 15).
                    self.conclude(call, ended);
                } else {
                    self.send_bye(now, call);
                    self.drop_call(call, ended);
                }
            }
        }
    }

    pub(super) fn calls_timeout(&mut self, now: Instant) {
        let due = |call: &Call| call.poll_timeout().is_some_and(|at| at <= now);
        let calls: Vec<CallId> = self
            .calls
            .iter()
            .filter(|(_, c)| due(c))
            .map(|(id, _)| *id)
            .collect();
        for call in calls {
            match self.calls.get(&call).map(|entry| &entry.stage) {
                Some(Stage::Incoming(_)) => {
                    self.provisional_timeout(now, call);
                    self.ring_again(now, call);
                }
                Some(Stage::Up(_)) => {
                    self.session_timeout(now, call);
                    self.session_timer_due(now, call);
                }
                Some(Stage::Outgoing(_)) | None => {}
            }
        }
    }

    pub(super) fn calls_poll(&self) -> Option<Instant> {
        self.calls.values().filter_map(Call::poll_timeout).min()
    }
}
