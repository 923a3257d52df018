//! INVITEs of ours: from the wish to call somebody to the first 2xx, the last refusal, or our CANCEL.

use super::call::{Call, Stage};
use super::client::ClientKey;
use super::emergency::over_every_transport;
use super::hop::Hop;
use super::identity::withhold;
use super::job::{Job, Outcome, Owner};
use super::location::Wanted;
use super::redirect::Redirects;
use super::refer::put_directions;
use super::reinvite::Exchange;
use super::session_timer::put_wish;
use super::stray::{ALLOW, SUPPORTED};
use super::{CallId, InviteOptions, UaEvent, UserAgent, Via, Waiter};
use crate::sip::account::Account;
use crate::sip::dialog::Dialog;
use crate::sip::message::{CSeq, HeaderName, Host, Method, NameAddr, Request, SipUri, Uri};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

/// What [`super::UaCommand::Invite`] says.
pub(super) struct Wish {
    pub call: CallId,
    pub via: Via,
    pub number: String,
    pub from_user: String,
    pub from_name: Option<String>,
    pub offer: Vec<u8>,
    pub options: InviteOptions,
}

/// A call of ours without a final response.
#[derive(Debug)]
pub(super) struct Outgoing {
    /// The INVITE without Via and Contact; the latter follows from the hop.
    pub request: Request,
    /// User part of our Contact.
    user: String,
    /// `None`: addresses are being looked up.
    pub client: Option<ClientKey>,
    pub early: Vec<Early>,
    pub redirects: Redirects,
    /// An emergency call: another way is tried soon.
    pub urgent: bool,
}

/// A dialog that a provisional response made.
#[derive(Debug)]
pub(super) struct Early {
    pub dialog: Dialog,
    /// SDP of its last provisional response that had any.
    pub body: Vec<u8>,
    /// RSeq of the last one that was acknowledged.
    pub rseq: Option<u32>,
    /// The answer came reliably: a new offer may be made (RFC 3262 section 5).
    pub agreed: bool,
    /// And one was made since, and accepted.
    pub changed: bool,
    /// An offer under way.
    pub exchange: Exchange,
}

impl Early {
    pub fn new(dialog: Dialog) -> Self {
        Self {
            dialog,
            body: Vec::new(),
            rseq: None,
            agreed: false,
            changed: false,
            exchange: Exchange::None,
        }
    }
}

impl Outgoing {
    pub fn early_mut(&mut self, tag: &str) -> Option<&mut Early> {
        self.early
            .iter_mut()
            .find(|early| early.dialog.remote_tag() == tag)
    }

    pub fn note_sent(&mut self, number: u32) {
        self.request.headers.set(
            HeaderName::CSEQ,
            CSeq {
                number,
                method: Method::Invite,
            }
            .to_string(),
        );
    }
}

impl UserAgent {
    /// Starts a call.
    pub(super) fn invite(&mut self, now: Instant, wish: Wish) {
        let Wish {
            call,
            via,
            number,
            from_user,
            from_name,
            offer,
            options,
        } = wish;
        let directions = options.referral.and_then(|referral| self.follow(referral, call));
        let fail = |ua: &mut Self, reason: &str| {
            ua.event(UaEvent::Failed {
                call,
                status: 503,
                reason: reason.to_owned(),
            });
        };
        if self.calls.contains_key(&call) {
            return fail(self, "the call exists already");
        }
        self.last_call = self.last_call.max(call.0);
        if self.closing != super::Closing::No {
            return fail(self, "shutting down");
        }
        let emergency = match &via {
            Via::Emergency { emergency, .. } => Some(emergency.clone()),
            Via::Account(_) | Via::Address { .. } => None,
        };
        match via {
            Via::Account(name) | Via::Emergency { account: name, .. } => {
                let Some(registration) = self.registrations.get(&name) else {
                    return fail(self, "no such account");
                };
                let account = registration.account().clone();
                let routes = registration.service_route().to_vec();
                let target = match &directions {
                    Some(directions) => directions.target.clone(),
                    None => account.target(Some(&number)),
                };
                let from = account.identity(from_name.as_deref());
                let mut request = self.new_invite(target.clone(), from, NameAddr::new(target), offer);
                if options.anonymous.unwrap_or(account.events.anonymous) && emergency.is_none() {
                    withhold(&mut request, &account);
                }
                if let Some(directions) = &directions {
                    put_directions(&mut request, directions);
                }
                for route in routes {
                    request.headers.push(HeaderName::ROUTE, route.to_string());
                }
                if let Some(emergency) = &emergency {
                    emergency.mark(&mut request, &account);
                }
                put_wish(&account, &mut request);
                let hops = registration_hops(self, &account);
                let user = account.username.clone();
                self.open_call(call, Some(account.clone()), request, user);
                self.mark_urgent(call, emergency.is_some());
                if hops.is_empty() || !account.register {
                    self.look_up(now, call, account.wanted());
                } else {
                    // In an emergency nobody's wish to be left alone counts.
                    let hops = if emergency.is_some() {
                        hops
                    } else {
                        self.welcome(now, &hops)
                    };
                    self.start_invite(now, call, hops.into());
                }
            }
            Via::Address { transport, route } => {
                let uri = |user: &str, ip: std::net::IpAddr, port| -> Uri {
                    SipUri::new((!user.is_empty()).then_some(user), Host::from(ip))
                        .with_port(port)
                        .into()
                };
                let target = uri(&number, route.remote.ip(), Some(route.remote.port()));
                let from =
                    NameAddr::new(uri(&from_user, route.local_ip, None)).with_display(from_name.as_deref());
                let to = NameAddr::new(uri(&number, route.remote.ip(), None));
                let mut request = self.new_invite(target, from, to, offer);
                if let Some(directions) = &directions {
                    put_directions(&mut request, directions);
                }
                self.open_call(call, None, request, from_user);
                self.start_invite(now, call, VecDeque::from([Hop::new(transport, route)]));
            }
        }
    }

    fn new_invite(&mut self, target: Uri, from: NameAddr, to: NameAddr, offer: Vec<u8>) -> Request {
        let (tag, call_id) = (self.token(), self.token());
        let mut request = Request::new(Method::Invite, target);
        let headers = &mut request.headers;
        headers.push(HeaderName::MAX_FORWARDS, "70");
        headers.push(HeaderName::FROM, from.with_tag(&tag).to_string());
        headers.push(HeaderName::TO, to.to_string());
        headers.push(HeaderName::CALL_ID, call_id);
        headers.push(
            HeaderName::CSEQ,
            CSeq {
                number: 1,
                method: Method::Invite,
            }
            .to_string(),
        );
        headers.push(HeaderName::ALLOW, ALLOW);
        headers.push(HeaderName::SUPPORTED, SUPPORTED);
        self.put_user_agent(&mut request);
        if offer.is_empty() {
            request
        } else {
            request.with_body("application/sdp", offer)
        }
    }

    pub(super) fn put_user_agent(&self, request: &mut Request) {
        if !self.config.user_agent.is_empty() {
            request
                .headers
                .push(HeaderName::USER_AGENT, self.config.user_agent.as_str());
        }
    }

    fn open_call(&mut self, call: CallId, account: Option<Arc<Account>>, request: Request, user: String) {
        let redirects = Redirects::new(request.uri.clone());
        let outgoing = Outgoing {
            request,
            user,
            client: None,
            early: Vec::new(),
            redirects,
            urgent: false,
        };
        let stage = Stage::Outgoing(Box::new(outgoing));
        self.calls.insert(
            call,
            Call {
                account,
                stage,
                over: false,
                farewell: None,
            },
        );
    }

    fn mark_urgent(&mut self, call: CallId, urgent: bool) {
        if let Some(Stage::Outgoing(outgoing)) = self.calls.get_mut(&call).map(|call| &mut call.stage) {
            outgoing.urgent = urgent;
        }
    }

    /// Asks where the call is to go.
    pub(super) fn look_up(&mut self, now: Instant, call: CallId, wanted: Wanted) {
        if let Some(Stage::Outgoing(outgoing)) = self.calls.get_mut(&call).map(|c| &mut c.stage) {
            outgoing.client = None;
        }
        self.find(now, wanted, Waiter::Call(call));
    }

    pub(super) fn invite_resolved(&mut self, now: Instant, call: CallId, result: Result<Vec<Hop>, String>) {
        let Some(entry) = self.calls.get(&call) else {
            return;
        };
        let Stage::Outgoing(outgoing) = &entry.stage else {
            return;
        };
        let account = entry
            .account
            .as_ref()
            .filter(|_| !outgoing.redirects.is_under_way());
        let account = account.map(|account| account.name.clone());
        match result {
            Ok(hops) => {
                let hops: VecDeque<Hop> = if outgoing.urgent {
                    hops.into()
                } else {
                    self.welcome(now, &hops).into()
                };
                if let Some(account) = account {
                    self.note_hops(&account, hops.iter().copied());
                }
                self.start_invite(now, call, hops);
            }
            Err(reason) => {
                self.tell_referrer(now, call, 503);
                self.drop_call(
                    call,
                    UaEvent::Failed {
                        call,
                        status: 503,
                        reason,
                    },
                );
            }
        }
    }

    /// Sends the INVITE over the first of these hops.
    pub(super) fn start_invite(&mut self, now: Instant, call: CallId, hops: VecDeque<Hop>) {
        let Some(&hop) = hops.front() else { return };
        let Some(entry) = self.calls.get_mut(&call) else {
            return;
        };
        let Stage::Outgoing(outgoing) = &mut entry.stage else {
            return;
        };
        let registration = entry
            .account
            .as_ref()
            .and_then(|account| self.registrations.get(&account.name));
        let public = registration.and_then(|registration| registration.public_on(hop));
        let mut contact = self.config.contact(&outgoing.user, hop, public);
        if let Some(registration) = registration {
            registration
                .flow
                .mark(&mut contact, &mut outgoing.request.headers);
        }
        outgoing
            .request
            .headers
            .set(HeaderName::CONTACT, format!("<{contact}>"));
        outgoing.early.clear();
        let urgent = outgoing.urgent;
        let hops = if urgent {
            over_every_transport(hops, &self.config)
        } else {
            hops
        };
        let account = entry
            .account
            .clone()
            .filter(|account| outgoing.redirects.is_at_home(account));
        let mut job = Job::new(outgoing.request.clone(), hops, account, Owner::Invite(call));
        job.urgent = urgent;
        let key = self.send(now, job);
        if let Some(Stage::Outgoing(outgoing)) = self.calls.get_mut(&call).map(|c| &mut c.stage) {
            outgoing.client = key;
        }
    }

    /// No 2xx will come over this path.
    pub(super) fn invite_failed(&mut self, now: Instant, call: CallId, outcome: &Outcome) {
        let Some(entry) = self.calls.get(&call) else {
            return;
        };
        if entry.over {
            self.calls.remove(&call);
            self.tell_referrer(now, call, outcome.status());
            return;
        }
        if !matches!(entry.stage, Stage::Outgoing(_)) || self.redirect(now, call, outcome) {
            return;
        }
        let (status, reason) = (outcome.status(), outcome.reason());
        self.tell_referrer(now, call, status);
        self.drop_call(call, UaEvent::Failed { call, status, reason });
    }

    /// A request nobody waits for: the BYE of a call that is over for us.
    pub(super) fn send_farewell(
        &mut self,
        now: Instant,
        mut bye: Request,
        hop: Hop,
        account: Option<Arc<Account>>,
    ) {
        self.put_user_agent(&mut bye);
        self.send(now, Job::new(bye, [hop], account, Owner::Nobody));
    }
}

/// The hops the account's registration found last.
fn registration_hops(ua: &UserAgent, account: &Account) -> Vec<Hop> {
    ua.registrations
        .get(&account.name)
        .map(|registration| registration.hops().to_vec())
        .unwrap_or_default()
}
