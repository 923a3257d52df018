//! Sound that goes one way only, told in sentences: over the whole gateway in virtual time.

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

use support::World;
use support::host::HostOptions;
use support::ip;
use support::peer::{Server, Step};
use tipring::gateway::EventKind;

/// A call through a server that sends sound back or doesn't, talking since a moment.
fn talking(echo: bool, sdp: &'static str) -> World {
    let answer = Step {
        sdp: Some(sdp),
        ..Step::new(10, 200)
    };
    let mut server = Server::new(ip(9), vec![vec![answer]]);
    server.echo = echo;
    let mut world = World::new(6);
    world.add_peer(server);
    world.add_host(1, HostOptions::subscriber(ip(9), "6001", true));
    world.run_ms(500);
    let now = world.now;
    world.telephone(0, "kitchen").lift(now);
    world.run_ms(500);
    world.telephone(0, "kitchen").press("21");
    world.run_until("talking", 8000, |world| {
        let state = world.hosts[0].line_state(world.now, "kitchen");
        state == "talking"
    });
    world
}

fn told(world: &World) -> Vec<(&'static str, String)> {
    let events = world.hosts[0].events.iter();
    events
        .filter_map(|event| match &event.kind {
            EventKind::Diagnosis { problem, text, .. } => Some((*problem, text.clone())),
            _ => None,
        })
        .collect()
}

#[test]
fn a_call_in_which_nothing_comes_back_says_so_after_3_s_and_in_its_record() {
    let mut world = talking(false, "sendrecv");
    world.run_ms(2900);
    assert_eq!(told(&world), []);
    world.run_ms(200);
    let [(problem, text)] = &told(&world)[..] else {
        panic!("{:?}", told(&world))
    };
    assert_eq!(*problem, "nothing_received");
    assert!(
        text.starts_with("The other side is not heard") && text.contains("media.rtp_ports"),
        "{text}"
    );
    world.run_ms(5000);
    assert_eq!(told(&world).len(), 1, "said once");
    world.peers[0].as_server().expect("the server").echo = true;
    world.run_ms(500);
    assert_eq!(told(&world)[1].0, "both_ways");
    let now = world.now;
    world.telephone(0, "kitchen").hang_up(now);
    world.run_ms(2000);
    let record = &world.hosts[0].records[0];
    assert_eq!(record.diagnosis.len(), 1);
    assert!(record.diagnosis[0].starts_with("The other side is not heard"));
}

#[test]
fn sound_that_stops_in_the_middle_is_told_as_that() {
    let mut world = talking(true, "sendrecv");
    world.run_ms(5000);
    world.peers[0].as_server().expect("the server").echo = false;
    world.run_ms(3200);
    let told = told(&world);
    assert_eq!(told.len(), 1);
    assert!(
        told[0].1.starts_with("The other side is no longer heard"),
        "{}",
        told[0].1
    );
}

#[test]
fn hold_and_calls_that_are_well_say_nothing() {
    let mut world = talking(true, "sendrecv");
    world.run_ms(20_000);
    assert_eq!(told(&world), []);
    let mut world = talking(false, "sendonly");
    world.run_ms(20_000);
    assert_eq!(told(&world), [], "the far end holds us");
}
