//! Subscriptions both ways and publications, against scripted servers.

use super::world::*;
use crate::sip::account::AccountEvents;
use crate::sip::event::pidf::Presence;
use crate::sip::message::{HeaderName, Message, Method, Request, Response};
use crate::sip::ua::*;
use std::cell::RefCell;
use std::rc::Rc;

pub const SERVER: &str = "192.0.2.1:5060";

pub type Answers = Rc<RefCell<Vec<Response>>>;

/// A user agent with an account at a server that grants everything, but for what `refusals` holds for requests of
/// `method`, which are taken from its end.
pub fn subscriber(events: AccountEvents, method: Method, refusals: &Answers) -> World {
    let mut world = World::new(1);
    world.add("192.0.2.9:5060");
    let refusals = Rc::clone(refusals);
    let mut etag = 0;
    world.script(SERVER, move |message| {
        let Message::Request(request) = message else {
            return Vec::new();
        };
        if request.method == method
            && let Some(refusal) = refusals.borrow_mut().pop()
        {
            let mut response = respond(request, refusal.status.code(), "s");
            for header in [HeaderName::MIN_EXPIRES, HeaderName::RETRY_AFTER] {
                response.headers.copy_from(&refusal.headers, &header);
            }
            return vec![response.into()];
        }
        let mut response = accept(request, "s", "sip:6001@192.0.2.1:5060", "");
        match request.method {
            Method::Register => {
                response.headers.remove(&HeaderName::CONTACT);
                let contact = request.headers.first(&HeaderName::CONTACT).unwrap().into_owned();
                response
                    .headers
                    .push(HeaderName::CONTACT, format!("{contact};expires=300"));
            }
            Method::Publish => {
                etag += 1;
                response.headers.push(HeaderName::SIP_ETAG, format!("e{etag}"));
                response.headers.push(HeaderName::EXPIRES, "600");
            }
            Method::Subscribe => response.headers.push(HeaderName::EXPIRES, "600"),
            _ => {}
        }
        vec![response.into()]
    });
    let mut account = account("office", "6001", "192.0.2.1");
    account.events = events;
    world.command(0, UaCommand::SetAccounts(vec![account]));
    world.run_s(1);
    world
}

fn refusal(code: u16) -> Response {
    Response::new(crate::sip::message::StatusCode::new(code).unwrap())
}

fn mailbox() -> AccountEvents {
    AccountEvents {
        message_waiting: Some(None),
        ..AccountEvents::default()
    }
}

/// A NOTIFY of the server's in the dialog of the last SUBSCRIBE.
fn notify(world: &World, number: u32, state: &str, body: &str) -> Request {
    let subscribe = world.requests(Method::Subscribe).pop().unwrap();
    let mut request = Request::new(Method::Notify, "sip:6001@192.0.2.9:5060".parse().unwrap());
    let headers = &mut request.headers;
    headers.push(
        HeaderName::VIA,
        format!("SIP/2.0/UDP {SERVER};branch=z9hG4bKn{number}{}", body.len()),
    );
    headers.push(HeaderName::MAX_FORWARDS, "70");
    headers.push(HeaderName::FROM, "<sip:6001@192.0.2.1>;tag=s");
    headers.push(
        HeaderName::TO,
        subscribe.headers.first(&HeaderName::FROM).unwrap().into_owned(),
    );
    headers.copy_from(&subscribe.headers, &HeaderName::CALL_ID);
    headers.push(HeaderName::CSEQ, format!("{number} NOTIFY"));
    headers.push(HeaderName::CONTACT, format!("<sip:{SERVER}>"));
    headers.copy_from(&subscribe.headers, &HeaderName::EVENT);
    headers.push(HeaderName::SUBSCRIPTION_STATE, state);
    request.with_body("application/simple-message-summary", body.into())
}

fn waiting(world: &World) -> Vec<bool> {
    let told = world.uas[0].events.iter().filter_map(|event| match event {
        UaEvent::MessagesWaiting { summary, .. } => Some(summary.waiting),
        _ => None,
    });
    told.collect()
}

#[test]
fn messages_waiting_are_subscribed_to_refreshed_and_left() {
    let mut world = subscriber(mailbox(), Method::Subscribe, &Answers::default());
    let first = world.requests(Method::Subscribe).remove(0);
    assert_eq!(first.uri.to_string(), "sip:6001@192.0.2.1");
    assert_eq!(
        first.headers.first(&HeaderName::EVENT).unwrap(),
        "message-summary"
    );
    assert_eq!(first.headers.expires(), Some(3600));
    let yes = notify(
        &world,
        1,
        "active;expires=600",
        "Messages-Waiting: yes\r\nVoice-Message: 2/0\r\n",
    );
    world.inject(SERVER, 0, yes);
    world.run_ms(100);
    assert_eq!(waiting(&world), [true]);
    // An older NOTIFY that was overtaken says nothing any more.
    let no = notify(&world, 3, "active;expires=600", "Messages-Waiting: no\r\n");
    world.inject(SERVER, 0, no);
    world.run_ms(100);
    let late = notify(
        &world,
        2,
        "active;expires=600",
        "Messages-Waiting: yes\r\nVoice-Message: 3/0\r\n",
    );
    world.inject(SERVER, 0, late);
    world.run_ms(100);
    assert_eq!(waiting(&world), [true, false]);
    assert_eq!(world.responses(500).len(), 1);
    // Refreshed in its dialog before the 600 s are over.
    world.clear();
    world.run_s(515);
    let refresh = world.requests(Method::Subscribe).remove(0);
    assert_eq!(refresh.headers.to().unwrap().tag().unwrap(), "s");
    assert_eq!(refresh.headers.call_id(), first.headers.call_id());
    world.clear();
    world.command(0, UaCommand::Shutdown);
    world.run_s(1);
    let last = world.requests(Method::Subscribe).remove(0);
    assert_eq!(last.headers.expires(), Some(0));
    world.assert_clean();
}

#[test]
fn what_servers_answer_to_subscribe() {
    // 423 names the shortest; 481 to a refresh means that it is forgotten; 489 that there is no such thing.
    let refusals = Answers::default();
    let mut brief = refusal(423);
    brief.headers.push(HeaderName::MIN_EXPIRES, "7200");
    refusals.borrow_mut().push(brief);
    let mut world = subscriber(mailbox(), Method::Subscribe, &refusals);
    let asked: Vec<_> = world
        .requests(Method::Subscribe)
        .iter()
        .map(|s| s.headers.expires())
        .collect();
    assert_eq!(asked, [Some(3600), Some(7200)]);
    refusals.borrow_mut().push(refusal(481));
    world.clear();
    world.run_s(520);
    let anew = world.requests(Method::Subscribe);
    assert_eq!(anew.len(), 2);
    assert!(anew[1].headers.to().unwrap().tag().is_none(), "a new dialog");
    assert_ne!(anew[0].headers.call_id(), anew[1].headers.call_id());

    refusals.borrow_mut().push(refusal(489));
    let mut world = subscriber(mailbox(), Method::Subscribe, &refusals);
    world.run_s(100);
    assert_eq!(world.requests(Method::Subscribe).len(), 1, "not asked again soon");
}

#[test]
fn a_subscription_that_the_server_ends_is_made_anew_or_not_as_it_says() {
    for (state, within_s, expected) in [
        ("terminated;reason=deactivated", 10, 2),
        ("terminated;reason=timeout", 10, 2),
        ("terminated", 10, 2),
        ("terminated;reason=probation;retry-after=60", 30, 1),
        ("terminated;reason=probation;retry-after=60", 70, 2),
        ("terminated;reason=rejected", 100, 1),
        ("terminated;reason=noresource", 100, 1),
    ] {
        let mut world = subscriber(mailbox(), Method::Subscribe, &Answers::default());
        let end = notify(&world, 1, state, "");
        world.inject(SERVER, 0, end);
        world.run_s(within_s);
        assert_eq!(
            world.requests(Method::Subscribe).len(),
            expected,
            "{state} {within_s}"
        );
    }
}

#[test]
fn unasked_messages_waiting_are_heeded_from_the_own_server_only() {
    let mut world = subscriber(AccountEvents::default(), Method::Subscribe, &Answers::default());
    assert!(world.requests(Method::Subscribe).is_empty());
    let unasked = |via: &str, branch: &str| {
        let mut request = Request::new(Method::Notify, "sip:6001@192.0.2.9:5060".parse().unwrap());
        let headers = &mut request.headers;
        headers.push(
            HeaderName::VIA,
            format!("SIP/2.0/UDP {via};branch=z9hG4bK{branch}"),
        );
        headers.push(HeaderName::FROM, "<sip:asterisk@192.0.2.1>;tag=s");
        headers.push(HeaderName::TO, "<sip:6001@192.0.2.9>");
        headers.push(HeaderName::CALL_ID, branch);
        headers.push(HeaderName::CSEQ, "1 NOTIFY");
        headers.push(HeaderName::EVENT, "message-summary");
        request.with_body(
            "application/simple-message-summary",
            b"Messages-Waiting: yes\r\n".to_vec(),
        )
    };
    world.inject(SERVER, 0, unasked(SERVER, "a"));
    world.run_ms(100);
    assert_eq!(waiting(&world), [true]);
    world.inject(PEER, 0, unasked(PEER, "b"));
    world.run_ms(100);
    assert_eq!(waiting(&world), [true], "not from a stranger");
}

#[test]
fn a_binding_that_the_registrar_drops_is_made_anew_at_once() {
    let events = AccountEvents {
        subscribe_registration: true,
        ..AccountEvents::default()
    };
    let mut world = subscriber(events, Method::Subscribe, &Answers::default());
    let registered = world.requests(Method::Register).len();
    let body = r#"<?xml version="1.0"?><reginfo xmlns="urn:ietf:params:xml:ns:reginfo" version="1" state="full">
        <registration aor="sip:6001@192.0.2.1" id="a" state="terminated"><contact id="1" state="terminated"
        event="deactivated"><uri>sip:6001@192.0.2.9:5060</uri></contact></registration></reginfo>"#;
    let gone = notify(&world, 1, "active;expires=600", body);
    world.inject(SERVER, 0, gone);
    world.run_s(1);
    assert_eq!(world.requests(Method::Register).len(), registered + 1);
}

fn presence(world: &mut World, presence: Presence) {
    let account = AccountName("office".into());
    world.command(0, UaCommand::SetPresence { account, presence });
    world.run_s(1);
}

fn publisher(refusals: &Answers) -> World {
    let events = AccountEvents {
        publish_presence: true,
        ..AccountEvents::default()
    };
    subscriber(events, Method::Publish, refusals)
}

#[test]
fn presence_is_published_changed_refreshed_and_removed() {
    let mut world = publisher(&Answers::default());
    let first = world.requests(Method::Publish).remove(0);
    assert!(!first.headers.has(&HeaderName::SIP_IF_MATCH));
    assert!(String::from_utf8_lossy(&first.body).contains("<basic>open</basic>"));
    world.clear();
    presence(&mut world, Presence::OnThePhone);
    let change = world.requests(Method::Publish).remove(0);
    assert_eq!(change.headers.first(&HeaderName::SIP_IF_MATCH).unwrap(), "e1");
    assert!(String::from_utf8_lossy(&change.body).contains("on-the-phone"));
    // The same again is nothing new.
    world.clear();
    presence(&mut world, Presence::OnThePhone);
    assert!(world.requests(Method::Publish).is_empty());
    // A refresh has no body (RFC 3903 4.1).
    world.run_s(515);
    let refresh = world.requests(Method::Publish).remove(0);
    assert_eq!(refresh.headers.first(&HeaderName::SIP_IF_MATCH).unwrap(), "e2");
    assert!(refresh.body.is_empty());
    world.clear();
    world.command(0, UaCommand::Shutdown);
    world.run_s(1);
    let removal = world.requests(Method::Publish).remove(0);
    assert_eq!(removal.headers.expires(), Some(0));
    assert_eq!(removal.headers.first(&HeaderName::SIP_IF_MATCH).unwrap(), "e3");
    world.assert_clean();
}

#[test]
fn what_servers_answer_to_publish() {
    let refusals = Answers::default();
    let mut world = publisher(&refusals);
    // 412: the server has forgotten what it was; the whole is published anew.
    refusals.borrow_mut().push(refusal(412));
    world.clear();
    presence(&mut world, Presence::OnThePhone);
    let sent = world.requests(Method::Publish);
    assert_eq!(sent.len(), 2);
    assert!(!sent[1].headers.has(&HeaderName::SIP_IF_MATCH) && !sent[1].body.is_empty());
    // 489: there is nobody for it.
    refusals.borrow_mut().push(refusal(489));
    let mut world = publisher(&refusals);
    presence(&mut world, Presence::OnThePhone);
    world.run_s(100);
    assert_eq!(world.requests(Method::Publish).len(), 1);
    // 503 passes.
    refusals.borrow_mut().push(refusal(503));
    let mut world = publisher(&refusals);
    world.run_s(10);
    assert_eq!(world.requests(Method::Publish).len(), 2);
}

/// A SUBSCRIBE of the server's.
pub fn watch(package: &str, expires: u32, branch: &str) -> Request {
    let mut request = Request::new(Method::Subscribe, "sip:6001@192.0.2.9:5060".parse().unwrap());
    let headers = &mut request.headers;
    headers.push(
        HeaderName::VIA,
        format!("SIP/2.0/UDP {SERVER};branch=z9hG4bK{branch}"),
    );
    headers.push(HeaderName::MAX_FORWARDS, "70");
    headers.push(HeaderName::FROM, "<sip:blf@192.0.2.1>;tag=w");
    headers.push(HeaderName::TO, "<sip:6001@192.0.2.1>");
    headers.push(HeaderName::CALL_ID, "watching");
    headers.push(HeaderName::CSEQ, "1 SUBSCRIBE");
    headers.push(HeaderName::CONTACT, format!("<sip:{SERVER}>"));
    headers.push(HeaderName::EVENT, package);
    headers.push(HeaderName::EXPIRES, expires.to_string());
    request
}

pub fn lamps(world: &World) -> Vec<String> {
    let told = world.requests(Method::Notify).into_iter().map(|notify| {
        let body = String::from_utf8_lossy(&notify.body).into_owned();
        let state = body
            .split("<state>")
            .nth(1)
            .and_then(|rest| rest.split('<').next());
        let over = notify
            .headers
            .first(&HeaderName::SUBSCRIPTION_STATE)
            .unwrap()
            .starts_with("terminated");
        format!("{}{}", state.unwrap_or("none"), if over { " over" } else { "" })
    });
    told.collect()
}

#[test]
fn a_busy_lamp_follows_the_calls_of_a_line() {
    let mut world = subscriber(AccountEvents::default(), Method::Subscribe, &Answers::default());
    world.inject(SERVER, 0, watch("dialog", 90, "d"));
    world.run_ms(100);
    assert_eq!(lamps(&world), ["none"]);
    let call = world.call(0, "office", "600");
    world.run_s(1);
    world.command(0, UaCommand::HangUp { call });
    world.run_s(1);
    assert_eq!(lamps(&world), ["none", "trying", "confirmed", "none"]);
    world.run_s(90);
    assert_eq!(lamps(&world).last().unwrap(), "none over");
    world.command(0, UaCommand::SetAccounts(Vec::new()));
    world.assert_clean();
}

#[test]
fn others_may_not_watch_nor_anything_else_be_watched() {
    let mut world = subscriber(AccountEvents::default(), Method::Subscribe, &Answers::default());
    world.inject(SERVER, 0, watch("presence", 90, "p"));
    world.run_ms(100);
    assert_eq!(world.responses(489).len(), 1);
    world.inject(SERVER, 0, watch("dialog", 5, "q"));
    world.run_ms(100);
    assert_eq!(world.responses(423)[0].headers.min_expires(), Some(60));
    assert!(world.requests(Method::Notify).is_empty());
}
