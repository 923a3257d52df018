//! Responses that make dialogs of our INVITE: early ones, the call's own, and those of other forks
//! (RFC 3261 13.2.2).

use super::call::{Session, Stage};
use super::client::ClientKey;
use super::hop::Hop;
use super::outgoing::Early;
use super::prack::{is_next, reliable_number};
use super::reinvite::Exchange;
use super::session_timer::SessionTimer;
use super::{CallId, UaEvent, UserAgent};
use crate::sip::dialog::Dialog;
use crate::sip::message::{HeaderName, Method, Response};
use std::time::Instant;

/// Early dialogs of one call; more forks than that ring without being told apart.
const EARLY_LIMIT: usize = 16;

impl UserAgent {
    /// A provisional response.
    pub(super) fn invite_progress(
        &mut self,
        now: Instant,
        call: CallId,
        key: &ClientKey,
        response: &Response,
    ) {
        let code = response.status.code();
        let Some(transaction) = self.clients.get(key) else {
            return;
        };
        let Some(entry) = self.calls.get_mut(&call) else {
            return;
        };
        let Stage::Outgoing(outgoing) = &mut entry.stage else {
            return;
        };
        if code == 100 || entry.over {
            return;
        }
        let body = (!response.body.is_empty() && response.headers.is_sdp()).then(|| response.body.clone());
        let dialog = Dialog::from_response(&transaction.request, response);
        let fork = dialog.as_ref().map(Dialog::remote_tag).unwrap_or_default();
        if let Some(dialog) = dialog.filter(|_| !fork.is_empty())
            && outgoing.early_mut(&fork).is_none()
            && outgoing.early.len() < EARLY_LIMIT
        {
            outgoing.early.push(Early::new(dialog));
        }
        let number = reliable_number(response);
        let early = outgoing.early_mut(&fork);
        match (number, &early) {
            (Some(number), Some(early)) if is_next(early.rseq, number) => {}
            // It is repeated, or has overtaken one before it (RFC 3262 section 4), or can't be acknowledged.
            (Some(_), _) => return,
            (None, _) => {}
        }
        let mut early = early;
        if let Some(early) = &mut early {
            early.dialog.refresh_target(&response.headers);
        }
        if let (Some(early), Some(body)) = (early, &body) {
            early.body.clone_from(body);
            early.agreed |= number.is_some();
        }
        if let Some(number) = number {
            self.send_prack(now, call, key, &fork, number);
        }
        if code == 199 {
            self.fork_ended(call, &fork);
        }
        self.event(UaEvent::Progress {
            call,
            status: code,
            body,
            fork,
        });
    }

    /// A fork of our INVITE rings no more (RFC 6228): nothing further comes from it but, late, its number sequence.
    fn fork_ended(&mut self, call: CallId, fork: &str) {
        if let Some(Stage::Outgoing(outgoing)) = self.calls.get_mut(&call).map(|c| &mut c.stage) {
            outgoing.early.retain(|early| early.dialog.remote_tag() != fork);
        }
    }

    /// A 2xx: the first one makes the call, later ones are repetitions or other forks (RFC 3261 13.2.2.4).
    pub(super) fn invite_accepted(
        &mut self,
        now: Instant,
        call: CallId,
        key: &ClientKey,
        response: &Response,
    ) {
        let tag = response
            .headers
            .to()
            .ok()
            .and_then(|to| to.tag().map(|t| t.into_owned()))
            .unwrap_or_default();
        if self.repeat_ack(key, &tag) {
            return;
        }
        let early = self.early_of(call, &tag);
        let early_dialog = early.as_ref().map(|early| &early.dialog);
        let Some((dialog, hop)) = self.acknowledge(key, response, early_dialog) else {
            return;
        };
        let wanted = self
            .calls
            .get(&call)
            .is_some_and(|c| !c.over && matches!(c.stage, Stage::Outgoing(_)));
        if !wanted {
            // Another fork, or one that answered while our CANCEL was on its way.
            self.end_fork(now, key, dialog, hop);
            if self
                .calls
                .get(&call)
                .is_some_and(|c| c.over && matches!(c.stage, Stage::Outgoing(_)))
            {
                self.calls.remove(&call);
            }
            return;
        }
        let Some(entry) = self.calls.get_mut(&call) else {
            return;
        };
        let Stage::Outgoing(outgoing) = &mut entry.stage else {
            return;
        };
        let forks = std::mem::take(&mut outgoing.early);
        let (exchange, body) = match early {
            // What was agreed since the first answer stands, whatever is said of that again.
            Some(early) if early.changed => (early.exchange, Vec::new()),
            // Some servers put the answer into 183 only, though unreliable (RFC 3261 13.2.1 wants it in the 2xx too).
            Some(early) if response.body.is_empty() => (early.exchange, early.body),
            Some(early) => (early.exchange, response.body.clone()),
            None => (Exchange::None, response.body.clone()),
        };
        let session = Session {
            dialog,
            hop,
            we_called: true,
            unacknowledged: None,
            exchange,
            next_offer: None,
            timer: SessionTimer::from_response(now, &response.headers),
            late_rseq: None,
            forks: forks.into_iter().map(|early| early.dialog).collect(),
        };
        entry.stage = Stage::Up(Box::new(session));
        self.event(UaEvent::Answered { call, body });
    }

    /// A 2xx to an INVITE that has had its final response: nobody waits for it.
    pub(super) fn decline_fork(&mut self, now: Instant, key: &ClientKey, response: &Response) {
        let to = response.headers.to().ok();
        let tag = to.and_then(|to| to.tag().map(|tag| tag.into_owned()));
        if self.repeat_ack(key, &tag.unwrap_or_default()) {
            return;
        }
        // In a dialog of ours it would be a re-INVITE's, and no reason to end the call.
        let opens = self.clients.get(key).is_some_and(|transaction| {
            let to = transaction.request.headers.to();
            to.is_ok_and(|to| to.tag().is_none())
        });
        if opens && let Some((dialog, hop)) = self.acknowledge(key, response, None) {
            self.end_fork(now, key, dialog, hop);
        }
    }

    /// Acknowledges a 2xx that was not seen before, and gives the dialog it makes.
    fn acknowledge(
        &mut self,
        key: &ClientKey,
        response: &Response,
        early: Option<&Dialog>,
    ) -> Option<(Dialog, Hop)> {
        let transaction = self.clients.get(key)?;
        let (invite, hop) = (transaction.request.clone(), transaction.hop);
        let dialog = Dialog::from_response(&invite, response)?;
        let dialog = match early {
            Some(early) => dialog.following(early),
            None => dialog,
        };
        let mut ack = dialog.ack(invite.headers.cseq().ok()?.number);
        // 13.2.2.4: the ACK has the INVITE's credentials.
        for name in [HeaderName::AUTHORIZATION, HeaderName::PROXY_AUTHORIZATION] {
            ack.headers.copy_from(&invite.headers, &name);
        }
        self.put_user_agent(&mut ack);
        self.send_ack(key, dialog.remote_tag(), hop.towards(dialog.next_hop()), &ack);
        Some((dialog, hop))
    }

    fn end_fork(&mut self, now: Instant, key: &ClientKey, mut dialog: Dialog, hop: Hop) {
        let account = self.clients.get(key).and_then(|t| t.account.clone());
        let bye = dialog.request(Method::Bye);
        self.send_farewell(now, bye, hop.towards(dialog.next_hop()), account);
    }

    /// Takes the early dialog of that tag out of its call.
    fn early_of(&mut self, call: CallId, tag: &str) -> Option<Early> {
        let named = |dialog: &Dialog| dialog.remote_tag() == tag;
        match &mut self.calls.get_mut(&call)?.stage {
            Stage::Outgoing(outgoing) => {
                let at = outgoing.early.iter().position(|early| named(&early.dialog))?;
                Some(outgoing.early.swap_remove(at))
            }
            Stage::Up(session) => {
                let at = session.forks.iter().position(named)?;
                Some(Early::new(session.forks.swap_remove(at)))
            }
            Stage::Incoming(_) => None,
        }
    }
}
