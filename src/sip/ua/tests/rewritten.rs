//! Routers that rewrite SIP, and servers and NATs that do nothing of the kind.

use super::world::*;
use crate::sip::message::{HeaderName, Message, Method, Request, Response};
use crate::sip::ua::*;

const SERVER: &str = "203.0.113.1:5060";
/// Behind a NAT.
const HOME: &str = "192.168.1.5:5060";
/// The NAT's own address.
const PUBLIC: &str = "198.51.100.9:1024";

/// Registers through whatever `answer` makes of it; what is told of it, in words.
fn told(answer: impl Fn(&Request) -> Response + 'static) -> Vec<Rewritten> {
    let mut world = registers(answer);
    found(&mut world)
}

fn registers(answer: impl Fn(&Request) -> Response + 'static) -> World {
    let mut world = World::new(3);
    world.add(HOME);
    world.uas[0].public = Some(address(PUBLIC));
    world
        .names
        .insert("pbx.example.net".into(), vec![address(SERVER)]);
    world.script(SERVER, move |message| match message {
        Message::Request(request) if request.method == Method::Register => vec![answer(request).into()],
        _ => Vec::new(),
    });
    let office = account("office", "6001", "pbx.example.net");
    world.command(0, UaCommand::SetAccounts(vec![office]));
    world.run_s(5);
    assert_eq!(world.states(0).last(), Some(&RegistrationState::Registered));
    world
}

fn found(world: &mut World) -> Vec<Rewritten> {
    let events = world.uas[0].events.iter();
    events
        .filter_map(|event| match event {
            UaEvent::Rewritten { what, .. } => Some(what.clone()),
            _ => None,
        })
        .collect()
}

/// What a server of good standing answers: `received` and `rport` in the Via, our Contact back.
fn granted(request: &Request) -> Response {
    let mut response = respond(request, 200, "r");
    response.headers.copy_from(&request.headers, &HeaderName::CONTACT);
    response.headers.copy_from(&request.headers, &HeaderName::EXPIRES);
    set_via(&mut response, |via| {
        via.params.set("received", "198.51.100.9");
        via.params.set("rport", "1024");
    });
    response
}

fn set_via(response: &mut Response, change: impl Fn(&mut crate::sip::message::Via)) {
    let mut via = response.headers.via_top().unwrap();
    change(&mut via);
    response
        .headers
        .replace_first_element(&HeaderName::VIA, &via.to_string());
}

fn rewritten(part: Part, sent: &str, seen: &str) -> Vec<Rewritten> {
    vec![Rewritten {
        part,
        sent: sent.into(),
        seen: seen.into(),
    }]
}

#[test]
fn an_honest_nat_and_a_server_that_mends_it_are_no_rewriting() {
    assert_eq!(told(granted), []);
    // Asterisk's rewrite_contact, Kamailio's fix_nated_contact: where the request came from.
    let mended = |request: &Request| {
        let mut response = granted(request);
        response
            .headers
            .set(HeaderName::CONTACT, "<sip:6001@198.51.100.9:1024>;expires=300");
        response
    };
    assert_eq!(told(mended), []);
    // Asterisk once we have registered what it saw: it lists what we said at first.
    let first_said = |request: &Request| {
        let mut response = granted(request);
        response
            .headers
            .set(HeaderName::CONTACT, "<sip:6001@192.168.1.5:5060>;expires=300");
        response
    };
    assert_eq!(told(first_said), []);
    // Another telephone of the same account is registered, too.
    let two = |request: &Request| {
        let mut response = granted(request);
        response
            .headers
            .push(HeaderName::CONTACT, "<sip:6001@203.0.113.77>;expires=20");
        response
    };
    assert_eq!(told(two), []);
    // A server that writes URIs its own way.
    let spelled = |request: &Request| {
        let mut response = granted(request);
        response.headers.set(
            HeaderName::FROM,
            request
                .headers
                .first(&HeaderName::FROM)
                .unwrap()
                .replace("sip:", "SIP:"),
        );
        response
    };
    assert_eq!(told(spelled), []);
}

#[test]
fn every_part_that_a_router_changes_is_told_once() {
    let via = |request: &Request| {
        let mut response = granted(request);
        set_via(&mut response, |via| {
            via.host = "198.51.100.9".parse::<IpAddr>().unwrap().into();
            via.port = Some(1024);
        });
        response
    };
    assert_eq!(told(via), rewritten(Part::Via, HOME, PUBLIC));
    let hidden = |request: &Request| {
        let mut response = granted(request);
        set_via(&mut response, |via| {
            via.params.remove("received");
        });
        response
    };
    assert_eq!(told(hidden), rewritten(Part::HiddenVia, HOME, HOME));
    let contact = |request: &Request| {
        let mut response = granted(request);
        response
            .headers
            .set(HeaderName::CONTACT, "<sip:6001@10.9.9.9:7000>;expires=300");
        response
    };
    let told_of = told(contact);
    assert_eq!(told_of.len(), 1);
    assert_eq!(
        (told_of[0].part, told_of[0].seen.as_str()),
        (Part::Contact, "10.9.9.9:7000")
    );
    let from = |request: &Request| {
        let mut response = granted(request);
        response
            .headers
            .set(HeaderName::FROM, "<sip:6001@198.51.100.9>;tag=x");
        response
    };
    assert_eq!(
        told(from),
        rewritten(Part::From, "sip:6001@pbx.example.net", "sip:6001@198.51.100.9")
    );
    let call_id = |request: &Request| {
        let mut response = granted(request);
        response.headers.set(HeaderName::CALL_ID, "other@198.51.100.9");
        response
    };
    assert_eq!(told(call_id)[0].part, Part::CallId);
}

#[test]
fn a_call_to_where_nobody_registered_and_a_body_cut_short_are_told() {
    let mut world = registers(granted);
    let call = |uri: &str, branch: &str| invite(uri, branch);
    world.inject(SERVER, 0, call("sip:6001@192.168.1.5", "z9hG4bK1"));
    world.inject(SERVER, 0, call("sip:6001@198.51.100.9:1024", "z9hG4bK2"));
    world.inject(SERVER, 0, call("sip:6001@pbx.example.net", "z9hG4bK3"));
    world.run_s(1);
    assert_eq!(found(&mut world), []);
    world.inject(SERVER, 0, call("sip:6001@10.1.1.1:5062", "z9hG4bK4"));
    let mut cut = call("sip:6001@192.168.1.5", "z9hG4bK5").to_bytes();
    cut.truncate(cut.len() - 3);
    world.inject_bytes(SERVER, 0, &cut);
    world.run_s(1);
    let told: Vec<(Part, String)> = found(&mut world)
        .into_iter()
        .map(|what| (what.part, what.seen))
        .collect();
    assert_eq!(
        told,
        [
            (Part::RequestUri, "10.1.1.1:5062".to_owned()),
            (Part::Body, "6 bytes".to_owned())
        ]
    );
}
