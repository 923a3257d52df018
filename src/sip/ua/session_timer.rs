//! Session timers (RFC 4028), both roles: a session that nobody refreshes in time has ended.

use super::call::{Session, Stage};
use super::job::{Job, Outcome, Owner};
use super::stray::{SUPPORTED, status};
use super::wire::Arrived;
use super::{CallId, UaEvent, UserAgent};
use crate::sip::account::Account;
use crate::sip::message::{HeaderName, Headers, Method, Refresher, Request, Response, SessionExpires};
use std::time::{Duration, Instant};

/// The shortest interval (section 4, Min-SE).
pub(super) const LEAST_S: u32 = 90;

/// A peer that names a shorter one than that is not refreshed more often than this asks for.
const FLOOR_S: u32 = 30;

/// A refresh that failed is not tried again when less than this is left.
const LAST_CHANCE: Duration = Duration::from_secs(5);

/// When a session is refreshed, and when it ends unless it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SessionTimer {
    interval_s: u32,
    we_refresh: bool,
    /// `None`: the peer refreshes, or a refresh of ours is under way.
    refresh_at: Option<Instant>,
    /// Section 10: BYE goes out this much before the interval is over.
    ends_at: Instant,
}

impl SessionTimer {
    /// The session was set up or refreshed now.
    pub fn start(now: Instant, interval_s: u32, we_refresh: bool) -> Self {
        let interval_s = interval_s.max(FLOOR_S);
        let whole = Duration::from_secs(u64::from(interval_s));
        Self {
            interval_s,
            we_refresh,
            refresh_at: we_refresh.then(|| now + whole / 2),
            ends_at: now + whole - (whole / 3).min(Duration::from_secs(32)),
        }
    }

    /// What a 2xx to our request agrees to; without Session-Expires, nothing ends by itself. Where it doesn't say who
    /// refreshes, we do.
    pub fn from_response(now: Instant, headers: &Headers) -> Option<Self> {
        let agreed = headers.session_expires()?;
        let we_refresh = agreed.refresher != Some(Refresher::Uas);
        Some(Self::start(now, agreed.interval_s, we_refresh))
    }

    pub fn poll_timeout(&self) -> Instant {
        self.refresh_at
            .map_or(self.ends_at, |refresh| refresh.min(self.ends_at))
    }

    /// As a request of ours within the dialog says it.
    fn asked(&self) -> SessionExpires {
        let refresher = if self.we_refresh {
            Refresher::Uac
        } else {
            Refresher::Uas
        };
        SessionExpires {
            interval_s: self.interval_s,
            refresher: Some(refresher),
        }
    }
}

/// What our 2xx to an INVITE or UPDATE says (section 9); `ours_s`: the interval we would like, 0: none.
pub(super) fn grant(request: &Headers, ours_s: u32) -> Option<SessionExpires> {
    let able = is_able(request);
    let asked = request.session_expires();
    let interval_s = match asked {
        Some(asked) if ours_s > 0 => asked.interval_s.min(ours_s),
        Some(asked) => asked.interval_s,
        None if able && ours_s > 0 => ours_s,
        None => return None,
    };
    let least_s = request.min_se().unwrap_or(LEAST_S).max(LEAST_S);
    let refresher = match asked.and_then(|asked| asked.refresher) {
        _ if !able => Refresher::Uas,
        Some(refresher) => refresher,
        None => Refresher::Uac,
    };
    Some(SessionExpires {
        interval_s: interval_s.max(least_s),
        refresher: Some(refresher),
    })
}

fn is_able(request: &Headers) -> bool {
    request.supported().iter().any(|tag| tag == "timer")
}

/// Puts what was granted into a 2xx, and starts the timer it means.
pub(super) fn put_grant(
    now: Instant,
    request: &Headers,
    ours_s: u32,
    response: &mut Response,
) -> Option<SessionTimer> {
    let granted = grant(request, ours_s)?;
    let we_refresh = granted.refresher == Some(Refresher::Uas);
    if !we_refresh {
        // Table 2: the caller has to know.
        response.headers.push(HeaderName::REQUIRE, "timer");
    }
    response
        .headers
        .push(HeaderName::SESSION_EXPIRES, granted.to_string());
    Some(SessionTimer::start(now, granted.interval_s, we_refresh))
}

/// Says in an INVITE that opens a call what we support and how long a session we'd like.
pub(super) fn put_wish(account: &Account, request: &mut Request) {
    if account.session_expires_s > 0 {
        let wish = account.session_expires_s.max(LEAST_S);
        request
            .headers
            .push(HeaderName::SESSION_EXPIRES, wish.to_string());
    }
}

impl Session {
    /// Extensions and timer in a re-INVITE or UPDATE of ours: each refreshes the session.
    pub fn put_extensions(&self, request: &mut Request) {
        request.headers.push(HeaderName::SUPPORTED, SUPPORTED);
        if let Some(timer) = &self.timer {
            request
                .headers
                .push(HeaderName::SESSION_EXPIRES, timer.asked().to_string());
        }
    }
}

impl UserAgent {
    /// 422: the interval asked for is shorter than any may be.
    pub(super) fn wrong_interval(&self, arrived: &Arrived) -> Option<Response> {
        let headers = &arrived.request.headers;
        let matters = matches!(arrived.request.method, Method::Invite | Method::Update);
        let short = headers
            .session_expires()
            .is_some_and(|asked| asked.interval_s < LEAST_S);
        if !matters || !short || !is_able(headers) {
            return None;
        }
        let mut response = self.stateless_response(arrived, status(422));
        response.headers.push(HeaderName::MIN_SE, LEAST_S.to_string());
        Some(response)
    }

    /// The interval a call's account wants; 0: none.
    pub(super) fn wanted_interval_s(&self, call: CallId) -> u32 {
        let account = self.calls.get(&call).and_then(|entry| entry.account.as_ref());
        account.map_or(0, |account| account.session_expires_s)
    }

    /// 422 to a request of ours: again with the interval the peer insists on. `None`: that can't help.
    pub(super) fn lengthen(&mut self, job: &mut Job, response: &Response) -> Option<()> {
        let headers = &mut job.request.headers;
        let asked = headers.session_expires()?;
        let least_s = response.headers.min_se()?;
        // As many times as challenges are answered: each answer may insist on more.
        if least_s <= asked.interval_s || !job.may_try_again() {
            return None;
        }
        let longer = SessionExpires {
            interval_s: least_s,
            ..asked
        };
        let headers = &mut job.request.headers;
        headers.set(HeaderName::SESSION_EXPIRES, longer.to_string());
        headers.set(HeaderName::MIN_SE, least_s.to_string());
        Some(())
    }

    /// The session is to be refreshed, or over.
    pub(super) fn session_timer_due(&mut self, now: Instant, call: CallId) {
        let Some(entry) = self.calls.get_mut(&call).filter(|entry| !entry.over) else {
            return;
        };
        let account = entry.account.clone();
        let Stage::Up(session) = &mut entry.stage else {
            return;
        };
        let Some(timer) = &mut session.timer else { return };
        if now >= timer.ends_at {
            return self.lost_peer(now, call);
        }
        if timer.refresh_at.take_if(|due| now >= *due).is_none() {
            return;
        }
        if !session.dialog.takes_update() {
            // Needs an offer, which the call room has.
            return self.event(UaEvent::RefreshDue { call });
        }
        let mut request = session.dialog.request(Method::Update);
        let contact = format!("<{}>", session.dialog.contact());
        request.headers.push(HeaderName::CONTACT, contact);
        session.put_extensions(&mut request);
        let hop = session.hop.towards(session.dialog.next_hop());
        self.put_user_agent(&mut request);
        self.send(now, Job::new(request, [hop], account, Owner::Refresh(call)));
    }

    /// Our UPDATE that refreshes came to its end.
    pub(super) fn refresh_finished(&mut self, now: Instant, call: CallId, outcome: &Outcome) {
        let Some(session) = self.session_mut(call) else {
            return;
        };
        match outcome {
            Outcome::Response(response) if response.status.is_success() => {
                session.dialog.refresh_target(&response.headers);
                session.timer = SessionTimer::from_response(now, &response.headers);
            }
            Outcome::Response(response) if matches!(response.status.code(), 405 | 501) => {
                session.dialog.forget_update();
                self.event(UaEvent::RefreshDue { call });
            }
            _ if matches!(outcome.status(), 408 | 481) => self.lost_peer(now, call),
            _ => self.refresh_later(now, call),
        }
    }

    /// A refresh failed and the session still stands: once more in half of what is left.
    pub(super) fn refresh_later(&mut self, now: Instant, call: CallId) {
        if let Some(timer) = self.session_mut(call).and_then(|session| session.timer.as_mut())
            && timer.we_refresh
        {
            let left = timer.ends_at.saturating_duration_since(now);
            timer.refresh_at = (left > LAST_CHANCE).then(|| now + left / 2);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(lines: &[(HeaderName, &str)]) -> Headers {
        let mut headers = Headers::new();
        for (name, value) in lines {
            headers.push(name.clone(), *value);
        }
        headers
    }

    /// Header fields of the request, the interval we'd like, what is granted.
    type Case<'a> = (&'a [(HeaderName, &'a str)], u32, Option<&'a str>);

    #[test]
    fn what_is_granted_follows_table_2() {
        let (able, se, least) = (
            HeaderName::SUPPORTED,
            HeaderName::SESSION_EXPIRES,
            HeaderName::MIN_SE,
        );
        let cases: [Case; 10] = [
            (&[], 1800, None),
            (&[(able.clone(), "timer")], 0, None),
            (&[(able.clone(), "timer")], 1800, Some("1800;refresher=uac")),
            (
                &[(able.clone(), "timer"), (se.clone(), "4000")],
                1800,
                Some("1800;refresher=uac"),
            ),
            (
                &[(able.clone(), "timer"), (se.clone(), "4000")],
                0,
                Some("4000;refresher=uac"),
            ),
            (
                &[(able.clone(), "timer"), (se.clone(), "600;refresher=uas")],
                1800,
                Some("600;refresher=uas"),
            ),
            (
                &[
                    (able.clone(), "timer"),
                    (se.clone(), "4000"),
                    (least.clone(), "2000"),
                ],
                1800,
                Some("2000;refresher=uac"),
            ),
            // A proxy asks for it, the caller knows nothing of timers: the refreshes are ours.
            (&[(se.clone(), "600")], 1800, Some("600;refresher=uas")),
            (&[(se.clone(), "60")], 1800, Some("90;refresher=uas")),
            (
                &[(able, "100rel, timer"), (se, "90;refresher=UAC")],
                1800,
                Some("90;refresher=uac"),
            ),
        ];
        for (lines, ours_s, expected) in cases {
            let granted = grant(&request(lines), ours_s).map(|granted| granted.to_string());
            assert_eq!(granted.as_deref(), expected, "{lines:?}, {ours_s}");
        }
    }

    #[test]
    fn refreshed_at_half_time_and_ended_a_third_or_32_s_early() {
        let now = crate::testing::epoch();
        let at = |s: f64| now + Duration::from_secs_f64(s);
        let ours = SessionTimer::start(now, 1800, true);
        assert_eq!((ours.refresh_at, ours.ends_at), (Some(at(900.0)), at(1768.0)));
        let theirs = SessionTimer::start(now, 90, false);
        assert_eq!((theirs.refresh_at, theirs.ends_at), (None, at(60.0)));
        assert_eq!(theirs.poll_timeout(), at(60.0));
    }
}
