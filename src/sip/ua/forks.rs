//! Responses that make dialogs of our INVITE: early ones, the call's own, and those of other forks
//! (RFC 3261 13.2.2).

use super::call::{Session, Stage};
use super::client::ClientKey;
use super::outgoing::Early;
use super::reinvite::Exchange;
use super::{CallId, UaEvent, UserAgent};
use crate::sip::dialog::Dialog;
use crate::sip::message::{HeaderName, Method, Response};
use std::time::Instant;

/// Early dialogs of one call; more forks than that ring without being told apart.
const EARLY_LIMIT: usize = 16;

impl UserAgent {
    /// A provisional response.
    pub(super) fn invite_progress(&mut self, call: CallId, key: &ClientKey, response: &Response) {
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
        if let Some(dialog) = Dialog::from_response(&transaction.request, response)
            && !dialog.remote_tag().is_empty()
        {
            let tag = dialog.remote_tag();
            match outgoing
                .early
                .iter()
                .position(|early| early.dialog.remote_tag() == tag)
            {
                Some(at) => {
                    if let (Some(body), Some(early)) = (&body, outgoing.early.get_mut(at)) {
                        early.body.clone_from(body);
                    }
                }
                None if outgoing.early.len() < EARLY_LIMIT => {
                    outgoing.early.push(Early {
                        dialog,
                        body: body.clone().unwrap_or_default(),
                    });
                }
                None => {}
            }
        }
        self.event(UaEvent::Progress {
            call,
            status: code,
            body,
        });
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
        let Some(transaction) = self.clients.get(key) else {
            return;
        };
        let (invite, hop) = (transaction.request.clone(), transaction.hop);
        let Some(mut dialog) = Dialog::from_response(&invite, response) else {
            return;
        };
        let Ok(cseq) = invite.headers.cseq() else { return };
        let mut ack = dialog.ack(cseq.number);
        // 13.2.2.4: the ACK has the INVITE's credentials.
        for name in [HeaderName::AUTHORIZATION, HeaderName::PROXY_AUTHORIZATION] {
            ack.headers.copy_from(&invite.headers, &name);
        }
        self.put_user_agent(&mut ack);
        self.send_ack(key, tag.clone(), hop.towards(dialog.next_hop()), &ack);

        let wanted = self
            .calls
            .get(&call)
            .is_some_and(|c| !c.over && matches!(c.stage, Stage::Outgoing(_)));
        if !wanted {
            // Another fork, or one that answered while our CANCEL was on its way.
            let account = self.calls.get(&call).and_then(|c| c.account.clone());
            let bye = dialog.request(Method::Bye);
            self.send_farewell(now, bye, hop.towards(dialog.next_hop()), account);
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
        let early = outgoing
            .early
            .iter()
            .position(|early| early.dialog.remote_tag() == tag);
        let early = early.map(|at| outgoing.early.swap_remove(at));
        // Some servers put the answer into 183 only, though unreliable (RFC 3261 13.2.1 wants it in the 2xx too).
        let body = match early {
            Some(early) if response.body.is_empty() => early.body,
            _ => response.body.clone(),
        };
        let session = Session {
            dialog,
            hop,
            we_called: true,
            unacknowledged: None,
            exchange: Exchange::None,
            next_offer: None,
        };
        entry.stage = Stage::Up(Box::new(session));
        self.event(UaEvent::Answered { call, body });
    }
}
