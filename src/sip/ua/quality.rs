//! Reports of how calls sounded (RFC 6035), by PUBLISH to whoever collects them.

use super::call::Stage;
use super::job::{Job, Owner};
use super::{AccountName, CallId, UserAgent};
use crate::sip::event::vq_report::{self, VoiceQuality};
use crate::sip::message::{HeaderName, Method};
use std::time::Instant;

/// Calls whose figures may still be on their way from the audio thread.
const ENDED_LIMIT: usize = 64;

/// How a call sounded, and which it was.
#[derive(Clone, Debug, PartialEq)]
pub struct CallQuality {
    /// The call.
    pub call: CallId,
    /// Its figures; Call-ID and addresses of record are filled in.
    pub figures: VoiceQuality,
}

/// What a report names of a call that is over.
#[derive(Debug)]
pub(super) struct Ended {
    call: CallId,
    call_id: String,
    remote: String,
    we_called: bool,
}

impl UserAgent {
    /// A call is about to be forgotten; its report comes after it.
    pub(super) fn note_ended(&mut self, call: CallId) {
        let Some(Stage::Up(session)) = self.calls.get(&call).map(|entry| &entry.stage) else {
            return;
        };
        let ended = Ended {
            call,
            call_id: session.dialog.call_id().to_owned(),
            remote: session.dialog.remote_uri().to_string(),
            we_called: session.we_called,
        };
        if self.ended.len() >= ENDED_LIMIT {
            self.ended.pop_front();
        }
        self.ended.push_back(ended);
    }

    /// Reports a call that is over.
    pub(super) fn report_quality(&mut self, now: Instant, account: &AccountName, quality: CallQuality) {
        let at = self.ended.iter().position(|ended| ended.call == quality.call);
        let Some(ended) = at.and_then(|at| self.ended.remove(at)) else {
            return;
        };
        let Some(registration) = self.registrations.get(account) else {
            return;
        };
        let Some(collector) = registration.account().events.voice_quality_collector.clone() else {
            return;
        };
        let mut figures = quality.figures;
        figures.call_id = ended.call_id;
        figures.remote = ended.remote;
        figures.initiator = ended.we_called;
        figures.local = registration.account().address_of_record().to_string();
        let mut line = self.new_line();
        let made = self.account_request(account, &mut line, Method::Publish, collector);
        let Some((mut request, hops, owner)) = made else {
            return;
        };
        request.headers.push(HeaderName::EVENT, "vq-rtcpxr");
        request.headers.push(HeaderName::EXPIRES, "3600");
        let body = vq_report::session_report(&figures).into_bytes();
        let request = request.with_body("application/vq-rtcpxr", body);
        self.send(now, Job::new(request, hops, Some(owner), Owner::Nobody));
    }
}
