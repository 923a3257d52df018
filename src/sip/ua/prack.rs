//! Reliable provisional responses to us (RFC 3262 section 4): each acknowledged once, in the order of its numbers, fork
//! by fork.

use super::call::Stage;
use super::client::ClientKey;
use super::job::{Job, Owner};
use super::{CallId, UserAgent};
use crate::sip::message::{HeaderName, Method, RAck, Response};
use std::time::Instant;

/// The number of a provisional response that wants a PRACK.
pub(super) fn reliable_number(response: &Response) -> Option<u32> {
    let demanded = response.headers.require().iter().any(|tag| tag == "100rel");
    response.headers.rseq().filter(|_| demanded)
}

/// Whether a response with this number is the next one of its dialog; repeated ones and those that overtook others
/// are not (the latter come again).
pub(super) fn is_next(last: Option<u32>, number: u32) -> bool {
    last.is_none_or(|last| last.checked_add(1) == Some(number))
}

impl UserAgent {
    /// Sends the PRACK of a provisional response in the early dialog with this tag.
    pub(super) fn send_prack(&mut self, now: Instant, call: CallId, key: &ClientKey, tag: &str, rseq: u32) {
        let Some(transaction) = self.clients.get(key) else {
            return;
        };
        let hop = transaction.hop;
        let Ok(cseq) = transaction.request.headers.cseq() else {
            return;
        };
        let Some(entry) = self.calls.get_mut(&call) else {
            return;
        };
        let account = entry.account.clone();
        let Stage::Outgoing(outgoing) = &mut entry.stage else {
            return;
        };
        let Some(early) = outgoing.early_mut(tag) else {
            return;
        };
        early.rseq = Some(rseq);
        let mut request = early.dialog.request(Method::Prack);
        let rack = RAck { rseq, cseq };
        request.headers.push(HeaderName::RACK, rack.to_string());
        let hop = hop.towards(early.dialog.next_hop());
        self.put_user_agent(&mut request);
        let owner = Owner::Prack {
            call,
            tag: tag.to_owned(),
        };
        self.send(now, Job::new(request, [hop], account, owner));
    }
}

#[cfg(test)]
mod tests {
    use super::is_next;

    #[test]
    fn numbers_count_up_by_one_from_wherever_they_start() {
        assert!(is_next(None, 776_656));
        assert!(is_next(Some(776_656), 776_657));
        for again in [776_656, 776_655, 776_658, 0] {
            assert!(!is_next(Some(776_656), again), "{again}");
        }
        assert!(!is_next(Some(u32::MAX), 0));
    }
}
