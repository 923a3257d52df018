//! Emergency calls over the whole gateway in virtual time: whatever fails, another way is tried.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::expect_used,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "tests run by the clock on real files and sockets, and end at the first surprise"
)]

mod support;

use std::net::IpAddr;
use std::sync::Arc;

use support::World;
use support::host::HostOptions;
use support::ip;
use support::network::Faults;
use support::peer::{Server, Step};
use tipring::dial::DialPlan;
use tipring::gateway::GatewayConfig;
use tipring::sip::account::Account;
use tipring::sip::message::{HeaderName, Message, Method, Request};
use tipring::sip::ua::{AccountName, Emergency};

/// The line's own account and a trunk to another server.
fn accounts(first: &str, second: &str) -> Vec<Account> {
    let own = HostOptions::subscriber(ip(8), "6001", true).accounts.remove(0);
    let trunk = Account {
        name: AccountName(Arc::from("trunk")),
        server_host: second.to_owned(),
        username: "380441234567".to_owned(),
        register: false,
        ..own.clone()
    };
    let own = Account {
        server_host: first.to_owned(),
        ..own
    };
    vec![own, trunk]
}

fn options(first: &str, second: &str) -> HostOptions {
    HostOptions {
        accounts: accounts(first, second),
        call: |call| call.dial_plan = Arc::new(DialPlan::parse("(2xx|1xx!)").expect("a plan")),
        ..HostOptions::subscriber(ip(8), "6001", true)
    }
}

/// A machine with two accounts: servers at 10.0.0.8 and 10.0.0.9 where `scripts` has some for them.
fn world(scripts: [Option<Vec<Vec<Step>>>; 2], options: HostOptions) -> World {
    let mut world = World::new(5);
    for (script, last) in scripts.into_iter().zip([8, 9]) {
        if let Some(script) = script {
            world.add_peer(Server::new(ip(last), script));
        }
    }
    world.add_host(1, options);
    world.run_ms(500);
    world
}

fn answers() -> Vec<Vec<Step>> {
    vec![vec![Step::new(200, 180), Step::new(1000, 200).with_sdp()]]
}

fn refuses(status: u16) -> Vec<Vec<Step>> {
    vec![vec![Step::new(50, status)]]
}

/// Lifts the handset and dials 112 whatever the dial plan says.
fn call_for_help(world: &mut World) {
    let now = world.now;
    world.telephone(0, "kitchen").lift(now);
    world.run_until("dial tone", 500, |world| {
        world.telephone(0, "kitchen").hears(425.0, 100)
    });
    world.telephone(0, "kitchen").press("112");
}

fn state(world: &World) -> String {
    world.hosts[0].line_state(world.now, "kitchen")
}

fn talks_within(world: &mut World, bound_ms: u64) {
    world.run_until("somebody to talk to", bound_ms, |world| state(world) == "talking");
}

/// INVITEs on the wire to a server: when, over a stream, and what.
fn invites(world: &World, to: IpAddr) -> Vec<(u64, bool, Request)> {
    let packets = world
        .network
        .wire
        .iter()
        .filter(|(_, packet)| packet.to.ip() == to);
    packets
        .filter_map(|(at, packet)| match Message::parse(&packet.bytes) {
            Ok(Message::Request(request)) if request.method == Method::Invite => {
                let ms = (*at - world.start).as_millis() as u64;
                Some((ms, packet.stream, request))
            }
            _ => None,
        })
        .collect()
}

#[test]
fn whatever_the_first_server_says_the_second_is_asked() {
    for status in [403, 404, 480, 486, 488, 500, 503, 600, 603] {
        let mut world = world(
            [Some(refuses(status)), Some(answers())],
            options("10.0.0.8", "10.0.0.9"),
        );
        call_for_help(&mut world);
        // After 503 the same server is asked over TCP first, which this one doesn't have.
        talks_within(&mut world, 8000);
        let invite = &invites(&world, ip(9))[0].2;
        assert_eq!(invite.uri.user().as_deref(), Some("112"), "{status}");
        assert_eq!(invite.headers.first(&HeaderName::PRIORITY).as_deref(), None);
        let now = world.now;
        world.telephone(0, "kitchen").hang_up(now);
        world.run_ms(2000);
        let records = &world.hosts[0].records;
        assert_eq!(records.len(), 1, "one call, however many attempts: {status}");
        assert_eq!(
            (records[0].cause.as_str(), records[0].sip_status),
            ("local_hangup", Some(200))
        );
    }
}

#[test]
fn a_silent_server_is_passed_over_after_every_transport() {
    let mut world = world([None, Some(answers())], options("10.0.0.8", "10.0.0.9"));
    call_for_help(&mut world);
    talks_within(&mut world, 12_000);
    // Nobody registered there, so the trunk came first; it is the other way round that shows the transports.
    assert!(!invites(&world, ip(9)).is_empty());

    let mut world = support_without_trunk();
    call_for_help(&mut world);
    world.run_ms(20_000);
    let sent = invites(&world, ip(8));
    let first_udp = sent
        .iter()
        .find(|(_, stream, _)| !stream)
        .expect("an INVITE over UDP");
    let first_tcp = sent
        .iter()
        .find(|(_, stream, _)| *stream)
        .expect("an INVITE over TCP");
    let wait_ms = first_tcp.0 - first_udp.0;
    assert!((3900..=4100).contains(&wait_ms), "{wait_ms} ms");
}

/// One account at a server that registers nobody and answers no call.
fn support_without_trunk() -> World {
    let mut options = options("10.0.0.8", "10.0.0.9");
    options.accounts.truncate(1);
    world([None, None], options)
}

#[test]
fn an_account_that_cannot_register_is_tried_all_the_same() {
    let mut options = options("10.0.0.8", "10.0.0.9");
    options.accounts.truncate(1);
    let mut world = World::new(5);
    let mut server = Server::new(ip(8), answers());
    server.refuse_registration = Some(403);
    world.add_peer(server);
    world.add_host(1, options);
    world.run_until("the refusal", 2000, |world| {
        world.hosts[0].account_state(world.now) == "failed"
    });
    call_for_help(&mut world);
    talks_within(&mut world, 4000);
}

#[test]
fn a_name_that_does_not_resolve_costs_one_way_only() {
    let mut world = world([None, Some(answers())], options("pbx.invalid", "10.0.0.9"));
    call_for_help(&mut world);
    talks_within(&mut world, 4000);
}

#[test]
fn a_network_that_comes_back_is_found_while_the_handset_is_off() {
    let mut world = world(
        [Some(answers()), Some(answers())],
        options("10.0.0.8", "10.0.0.9"),
    );
    world.network.faults = Faults {
        loss: 1.0,
        ..Faults::none()
    };
    call_for_help(&mut world);
    world.run_ms(25_000);
    assert_eq!(state(&world), "calling", "nobody gives up");
    world.network.faults = Faults::none();
    talks_within(&mut world, 15_000);
}

#[test]
fn the_end_of_all_ways_is_heard_as_the_last_answer() {
    let mut world = world(
        [Some(refuses(603)), Some(refuses(486))],
        options("10.0.0.8", "10.0.0.9"),
    );
    call_for_help(&mut world);
    world.run_until("busy tone", 30_000, |world| state(world) == "busy_tone");
    assert_eq!(invites(&world, ip(8)).len(), 5);
    assert_eq!(invites(&world, ip(9)).len(), 5);
}

#[test]
fn a_line_without_an_account_calls_for_help_over_whatever_there_is() {
    let mut options = options("10.0.0.8", "10.0.0.9");
    options.lines = vec![("kitchen", Some("112"), None)];
    let mut world = world([Some(refuses(403)), Some(answers())], options);
    call_for_help(&mut world);
    talks_within(&mut world, 4000);
}

fn urn_and_location(config: &mut GatewayConfig) {
    config.emergency = Arc::new(Emergency {
        priority: true,
        geolocation: Some("https://lis.example.net/7".to_owned()),
        geolocation_routing: true,
        service_urn: true,
    });
}

#[test]
fn the_invite_says_that_it_is_an_emergency_and_where() {
    let mut world = world(
        [Some(answers()), None],
        HostOptions {
            gateway: urn_and_location,
            ..options("10.0.0.8", "10.0.0.9")
        },
    );
    call_for_help(&mut world);
    talks_within(&mut world, 4000);
    let invite = &invites(&world, ip(8))[0].2;
    let header = |name: &HeaderName| invite.headers.first(name).map(|value| value.into_owned());
    assert_eq!(invite.uri.to_string(), "urn:service:sos");
    assert_eq!(header(&HeaderName::TO).as_deref(), Some("<urn:service:sos>"));
    assert_eq!(
        header(&HeaderName::ROUTE).as_deref(),
        Some("<sip:10.0.0.8:5060;lr>")
    );
    assert_eq!(header(&HeaderName::PRIORITY).as_deref(), Some("emergency"));
    assert_eq!(
        header(&HeaderName::GEOLOCATION).as_deref(),
        Some("<https://lis.example.net/7>")
    );
    assert_eq!(header(&HeaderName::GEOLOCATION_ROUTING).as_deref(), Some("yes"));
}

#[test]
fn a_recall_and_a_second_caller_mean_nothing_and_hanging_up_waits() {
    let mut world = world(
        [Some(answers()), None],
        HostOptions {
            call: |call| call.emergency_hold_s = 30,
            ..options("10.0.0.8", "10.0.0.9")
        },
    );
    call_for_help(&mut world);
    talks_within(&mut world, 4000);
    let now = world.now;
    world.telephone(0, "kitchen").flash(now, 250);
    let server = world.peers[0].as_server().expect("the server");
    let host = "10.0.0.1:5060".parse().expect("an address");
    server.invite(host, "6001", "<sip:200@10.0.0.8>", "second");
    world.run_ms(3000);
    assert_eq!(state(&world), "talking");
    let server = world.peers[0].as_server().expect("the server");
    assert!(
        server
            .responses
            .iter()
            .any(|response| response.status.code() == 486),
        "the second caller finds the line busy"
    );
    assert!(!server.requests.iter().any(|request| {
        request.method == Method::Invite && request.headers.to().is_ok_and(|to| to.tag().is_some())
    }));

    let now = world.now;
    world.telephone(0, "kitchen").hang_up(now);
    world.run_ms(20_000);
    assert_eq!(state(&world), "talking", "the line is held");
    let now = world.now;
    world.telephone(0, "kitchen").lift(now);
    world.run_ms(40_000);
    assert_eq!(state(&world), "talking", "lifted again in time");
    let now = world.now;
    world.telephone(0, "kitchen").hang_up(now);
    world.run_until("the end of the hold", 32_000, |world| state(world) == "idle");
    world.run_ms(100);
    let server = world.peers[0].as_server().expect("the server");
    assert!(
        server
            .requests
            .iter()
            .any(|request| request.method == Method::Bye)
    );
}

#[test]
fn a_server_that_takes_the_call_and_gets_nowhere_is_cancelled_and_passed_over() {
    let mut world = world(
        [Some(vec![vec![Step::new(20, 100)]]), Some(answers())],
        options("10.0.0.8", "10.0.0.9"),
    );
    call_for_help(&mut world);
    talks_within(&mut world, 25_000);
    world.run_ms(500);
    let first = world.peers[0].as_server().expect("the server");
    assert!(
        first
            .requests
            .iter()
            .any(|request| request.method == Method::Cancel)
    );
}

#[test]
fn a_call_on_hold_makes_room() {
    let mut world = world([Some(answers()), None], options("10.0.0.8", "10.0.0.9"));
    let now = world.now;
    world.telephone(0, "kitchen").lift(now);
    world.run_ms(500);
    world.telephone(0, "kitchen").press("200");
    talks_within(&mut world, 4000);
    let now = world.now;
    world.telephone(0, "kitchen").flash(now, 250);
    world.run_ms(2000);
    world.telephone(0, "kitchen").press("112");
    world.run_until("the emergency call", 4000, |world| {
        invites(world, ip(8))
            .iter()
            .any(|(_, _, invite)| invite.uri.user().as_deref() == Some("112"))
    });
    world.run_ms(2000);
    let server = world.peers[0].as_server().expect("the server");
    assert!(
        server
            .requests
            .iter()
            .any(|request| request.method == Method::Bye)
    );
    assert_eq!(state(&world), "talking");
    let status = serde_json::to_value(world.hosts[0].gateway.status(world.now)).expect("a status");
    assert_eq!(status["calls"].as_array().map(Vec::len), Some(1), "{status}");
}
