//! REFER within calls, both ways, and the implicit subscription that tells how it goes (RFC 3515, 4488, 3892, 5589).

use super::call::Stage;
use super::hop::Hop;
use super::job::{Job, Outcome, Owner};
use super::server::ServerKey;
use super::stray::status;
use super::wire::Arrived;
use super::{CallId, ReferRequest, ReferTo, ReferralId, UaEvent, UserAgent};
use crate::sip::account::Account;
use crate::sip::dialog::Dialog;
use crate::sip::event::sipfrag;
use crate::sip::message::{HeaderName, Method, NameAddr, Request, Response, SipUri, Uri};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

/// Referrals at once; each belongs to a call.
const REFERRAL_LIMIT: usize = 64;

/// What the subscription lasts, as we tell the peer: longer than any INVITE without a final response.
const SUBSCRIPTION_S: u32 = 180;

/// What peers have asked for.
#[derive(Debug, Default)]
pub(super) struct Referrals {
    last: u64,
    open: BTreeMap<ReferralId, Referral>,
    /// Calls whose peers have been sent to the Contact of another call's peer, and that call.
    pub(super) by_contact: BTreeMap<CallId, CallId>,
}

/// A call that a peer has asked for.
#[derive(Debug)]
struct Referral {
    /// The call whose peer asked.
    call: CallId,
    /// The REFER while it is unanswered.
    server: Option<ServerKey>,
    /// The REFER's number: what its NOTIFYs name as the event's id.
    id: u32,
    /// Whom to call, without the URI's header fields.
    target: Uri,
    replaces: Option<String>,
    referred_by: Option<String>,
    /// The peer wants no NOTIFYs (RFC 4488).
    silent: bool,
    /// The call we made of it.
    followed: Option<CallId>,
    /// The dialog once its call is over: the subscription outlives it (RFC 6665 4.4).
    left_behind: Option<(Dialog, Hop, Option<Arc<Account>>)>,
}

/// What a referred INVITE takes from the REFER.
pub(super) struct Directions {
    pub target: Uri,
    pub replaces: Option<String>,
    pub referred_by: Option<String>,
}

impl UserAgent {
    /// A REFER from the peer of a call.
    pub(super) fn referred(&mut self, key: ServerKey, arrived: Arrived, call: CallId) {
        let headers = &arrived.request.headers;
        let mut targets = headers.all(&HeaderName::REFER_TO);
        let target = targets.next().and_then(|text| NameAddr::parse(&text));
        // RFC 3515 2.4.2: exactly one.
        let (Some(target), None) = (target, targets.next()) else {
            return self.reply(&arrived, status(400));
        };
        drop(targets);
        let up = self
            .calls
            .get(&call)
            .is_some_and(|entry| !entry.over && matches!(entry.stage, Stage::Up(_)));
        if !up || self.referrals.open.len() >= REFERRAL_LIMIT {
            return self.reply(&arrived, status(603));
        }
        let Some(referral) = self.referral(&arrived, &key, call, target.uri) else {
            return self.reply(&arrived, status(416));
        };
        let number = referral
            .target
            .user()
            .map(|user| user.into_owned())
            .unwrap_or_default();
        let trusted = self.is_trusted_in(call, &arrived);
        if !self.open_transaction(key, arrived, call) {
            return;
        }
        self.referrals.last += 1;
        let id = ReferralId(self.referrals.last);
        self.referrals.open.insert(id, referral);
        let request = Box::new(ReferRequest {
            referral: id,
            number,
            trusted,
        });
        self.event(UaEvent::Referred { call, request });
    }

    fn referral(&self, arrived: &Arrived, key: &ServerKey, call: CallId, uri: Uri) -> Option<Referral> {
        let headers = &arrived.request.headers;
        let (target, replaces) = match uri {
            Uri::Sip(mut sip) => {
                let replaces = sip.header("Replaces").map(|value| value.into_owned());
                // Only calls are made; what other fields the URI would put into the request is not the peer's to say.
                let method = sip.params.value("method").map(|method| method.into_owned());
                if method.is_some_and(|method| !method.eq_ignore_ascii_case("INVITE")) {
                    return None;
                }
                sip.params.remove("method");
                sip.headers.clear();
                (Uri::Sip(sip), replaces)
            }
            Uri::Tel(tel) => (Uri::Tel(tel), None),
            Uri::Other(_) => return None,
        };
        let refused = headers
            .first(&HeaderName::REFER_SUB)
            .is_some_and(|value| value.trim().eq_ignore_ascii_case("false"));
        Some(Referral {
            call,
            server: Some(key.clone()),
            id: headers.cseq().ok()?.number,
            target,
            replaces,
            referred_by: headers.first(&HeaderName::REFERRED_BY).map(|by| by.into_owned()),
            silent: refused,
            followed: None,
            left_behind: None,
        })
    }

    /// Whether a request in a call comes from the account's own server, or, without an account, from its peer.
    fn is_trusted_in(&self, call: CallId, arrived: &Arrived) -> bool {
        let Some(entry) = self.calls.get(&call) else {
            return false;
        };
        match (&entry.account, &entry.stage) {
            (Some(account), _) => self.is_server_of(&account.name, arrived.remote),
            (None, Stage::Up(session)) => session.hop.remote.ip() == arrived.remote.ip(),
            (None, _) => false,
        }
    }

    /// 202; the subscription begins with it (RFC 3515 2.4.4).
    pub(super) fn accept_referral(&mut self, now: Instant, referral: ReferralId) {
        let Some(open) = self.referrals.open.get_mut(&referral) else {
            return;
        };
        let Some(key) = open.server.take() else { return };
        let (call, silent) = (open.call, open.silent);
        let Some(request) = self
            .servers
            .get(&key)
            .map(|server| server.arrived.request.clone())
        else {
            return;
        };
        let mut response = Response::to_request(&request.headers, status(202), None);
        if let Some(Stage::Up(session)) = self.calls.get(&call).map(|entry| &entry.stage) {
            response
                .headers
                .push(HeaderName::CONTACT, format!("<{}>", session.dialog.contact()));
        }
        if silent {
            response.headers.push(HeaderName::REFER_SUB, "false");
        }
        self.respond(now, &key, response);
        self.notify_referral(now, referral, 100, false);
    }

    /// A refusal, or the news that an accepted one came to nothing.
    pub(super) fn end_referral(&mut self, now: Instant, referral: ReferralId, code: u16) {
        let code = if (300..700).contains(&code) { code } else { 603 };
        let Some(open) = self.referrals.open.get_mut(&referral) else {
            return;
        };
        match open.server.take() {
            Some(key) => {
                self.respond_plainly(now, &key, status(code), None);
                self.referrals.open.remove(&referral);
            }
            None => self.notify_referral(now, referral, code, true),
        }
    }

    /// An INVITE follows a referral.
    pub(super) fn follow(&mut self, referral: ReferralId, call: CallId) -> Option<Directions> {
        let open = self.referrals.open.get_mut(&referral)?;
        open.followed = Some(call);
        Some(Directions {
            target: open.target.clone(),
            replaces: open.replaces.clone(),
            referred_by: open.referred_by.clone(),
        })
    }

    /// A response to an INVITE: whoever asked for it hears of it.
    pub(super) fn tell_referrer(&mut self, now: Instant, call: CallId, code: u16) {
        let found = self
            .referrals
            .open
            .iter()
            .find(|(_, open)| open.followed == Some(call));
        if let Some((&referral, _)) = found {
            self.notify_referral(now, referral, code, code >= 200);
        }
    }

    /// A call ends whose peer may have asked for others: the dialog stays for their NOTIFYs.
    pub(super) fn leave_dialog(&mut self, call: CallId) {
        let Some(entry) = self.calls.get(&call) else {
            return;
        };
        let Stage::Up(session) = &entry.stage else { return };
        for open in self.referrals.open.values_mut().filter(|open| open.call == call) {
            open.left_behind = Some((session.dialog.clone(), session.hop, entry.account.clone()));
        }
    }

    fn notify_referral(&mut self, now: Instant, referral: ReferralId, code: u16, last: bool) {
        let Some(open) = self.referrals.open.get_mut(&referral) else {
            return;
        };
        let state = if last {
            "terminated;reason=noresource".to_owned()
        } else {
            format!("active;expires={SUBSCRIPTION_S}")
        };
        let session = match self
            .calls
            .get_mut(&open.call)
            .map(|entry| (&mut entry.stage, &entry.account))
        {
            Some((Stage::Up(session), account)) => Some((&mut session.dialog, session.hop, account.clone())),
            _ => {
                let left = open.left_behind.as_mut();
                left.map(|(dialog, hop, account)| (dialog, *hop, account.clone()))
            }
        };
        let event = format!("refer;id={}", open.id);
        let silent = open.silent;
        let notify = session.filter(|_| !silent).map(|(dialog, hop, account)| {
            let mut request = dialog.request(Method::Notify);
            request
                .headers
                .push(HeaderName::CONTACT, format!("<{}>", dialog.contact()));
            request.headers.push(HeaderName::EVENT, event);
            request.headers.push(HeaderName::SUBSCRIPTION_STATE, state);
            (request, hop.towards(dialog.next_hop()), account)
        });
        if last {
            self.referrals.open.remove(&referral);
        }
        if let Some((mut request, hop, account)) = notify {
            self.put_user_agent(&mut request);
            let body = sipfrag::status_line(status(code)).into_bytes();
            let request = request.with_body("message/sipfrag;version=2.0", body);
            self.send(now, Job::new(request, [hop], account, Owner::Referral(referral)));
        }
    }

    pub(super) fn referral_note_sent(&mut self, referral: ReferralId, number: u32) {
        let Some(open) = self.referrals.open.get_mut(&referral) else {
            return;
        };
        if let Some(entry) = self.calls.get_mut(&open.call) {
            entry.note_sent(number);
        }
        if let Some((dialog, ..)) = &mut open.left_behind {
            dialog.note_sent(number);
        }
    }

    /// The peer wants to hear no more (RFC 6665 4.2.2), or is gone.
    pub(super) fn referral_notified(&mut self, referral: ReferralId, outcome: &Outcome) {
        if matches!(outcome.status(), 408 | 481 | 489)
            && let Some(open) = self.referrals.open.get_mut(&referral)
        {
            open.silent = true;
        }
    }

    /// Asks a peer to call somebody.
    pub(super) fn refer(&mut self, now: Instant, call: CallId, to: &ReferTo) {
        let Some(target) = self.refer_target(call, to) else {
            return self.event(UaEvent::TransferProgress {
                call,
                status: 480,
                done: true,
            });
        };
        if let ReferTo::Call(other) = to {
            self.note_by_contact(call, *other);
        }
        self.refer_to(now, call, &target);
    }

    pub(super) fn refer_to(&mut self, now: Instant, call: CallId, target: &Uri) {
        let Some(entry) = self.calls.get_mut(&call).filter(|entry| !entry.over) else {
            return;
        };
        let account = entry.account.clone();
        let Stage::Up(session) = &mut entry.stage else {
            return;
        };
        let mut request = session.dialog.request(Method::Refer);
        let contact = session.dialog.contact().clone();
        let hop = session.hop.towards(session.dialog.next_hop());
        // RFC 3892: the target may want to know who sent the caller.
        let by = account
            .as_ref()
            .map_or(contact.clone(), |account| account.address_of_record());
        let headers = &mut request.headers;
        headers.push(HeaderName::CONTACT, format!("<{contact}>"));
        headers.push(HeaderName::REFER_TO, format!("<{target}>"));
        headers.push(HeaderName::REFERRED_BY, format!("<{by}>"));
        self.put_user_agent(&mut request);
        self.send(now, Job::new(request, [hop], account, Owner::Refer(call)));
    }

    fn refer_target(&self, call: CallId, to: &ReferTo) -> Option<Uri> {
        match to {
            ReferTo::Number(number) => {
                let entry = self.calls.get(&call)?;
                match (&entry.account, &entry.stage) {
                    (Some(account), _) => Some(account.target(Some(number))),
                    // No server: somebody else on the peer's own host.
                    (None, Stage::Up(session)) => {
                        let peer = session.dialog.remote_target().as_sip()?.clone();
                        Some(SipUri::new(Some(number), peer.host).with_port(peer.port).into())
                    }
                    (None, _) => None,
                }
            }
            ReferTo::Call(other) => {
                let Stage::Up(session) = &self.calls.get(other)?.stage else {
                    return None;
                };
                let peer = session.dialog.remote_target().as_sip()?.clone();
                let replaces = session.dialog.replaces();
                Some(peer.with_header("Replaces", &replaces).into())
            }
        }
    }

    /// The answer to our REFER.
    pub(super) fn refer_finished(&mut self, now: Instant, call: CallId, outcome: &Outcome) {
        let status = outcome.status();
        // RFC 4488: `Refer-Sub: false` in the 2xx means that nothing will be told.
        let silent = match outcome {
            Outcome::Response(response) => response
                .headers
                .first(&HeaderName::REFER_SUB)
                .is_some_and(|value| value.trim().eq_ignore_ascii_case("false")),
            Outcome::Timeout | Outcome::Unreachable(_) => false,
        };
        if !self.calls.contains_key(&call) {
            return;
        }
        self.event(UaEvent::TransferProgress {
            call,
            status,
            done: !(200..300).contains(&status) || silent,
        });
        if matches!(status, 408 | 481) {
            self.lost_peer(now, call);
        }
    }

    /// A NOTIFY within a call: how our REFER goes. Others belong to nothing.
    pub(super) fn notified_in_call(&mut self, now: Instant, key: ServerKey, arrived: Arrived, call: CallId) {
        let headers = &arrived.request.headers;
        let event = headers.first(&HeaderName::EVENT).unwrap_or_default();
        let package = event.split(';').next().unwrap_or_default().trim();
        if !package.eq_ignore_ascii_case("refer") {
            return self.reply(&arrived, status(489));
        }
        let state = headers.first(&HeaderName::SUBSCRIPTION_STATE).unwrap_or_default();
        let state = state.split(';').next().unwrap_or_default().trim();
        let over = state.eq_ignore_ascii_case("terminated");
        let told = sipfrag::status(&arrived.request.body);
        self.open_and_accept(now, key, arrived, call);
        let Some(told) = told.or(over.then_some(200)) else {
            return;
        };
        if told >= 300 && self.refer_by_address(now, call) {
            return;
        }
        if self.calls.get(&call).is_some_and(|entry| !entry.over) {
            self.event(UaEvent::TransferProgress {
                call,
                status: told,
                done: over || told >= 200,
            });
        }
    }
}

/// Puts what a REFER asked for into its INVITE.
pub(super) fn put_directions(request: &mut Request, directions: &Directions) {
    let headers = &mut request.headers;
    if let Some(replaces) = &directions.replaces {
        headers.push(HeaderName::REPLACES, replaces.as_str());
        // RFC 3891 4: whoever can't replace is to say so rather than ring.
        headers.push(HeaderName::REQUIRE, "replaces");
    }
    if let Some(by) = &directions.referred_by {
        headers.push(HeaderName::REFERRED_BY, by.as_str());
    }
}
