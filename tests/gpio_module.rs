//! Whole calls each way on a line whose hardware is a GPIO module (Ag1171): the real driver, the behavioural model of
//! the module, ringing clocked by deadlines, hook edges with bounce and ring chatter.

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
use support::telephone::Voice;

/// The kitchen on a module, the hall on a virtual line.
fn world() -> World {
    let mut world = World::new(5);
    let host = world.add_host(1, HostOptions::intercom());
    let now = world.now;
    world.hosts[host].use_module(now, "kitchen");
    world
}

fn state(world: &World, line: &str) -> String {
    world.hosts[0].line_state(world.now, line)
}

fn talk(world: &mut World) {
    world.telephone(0, "kitchen").voice = Voice::Sine {
        frequency_hz: 600.0,
        peak: 8000.0,
    };
    world.telephone(0, "hall").voice = Voice::Sine {
        frequency_hz: 1000.0,
        peak: 8000.0,
    };
    world.run_ms(500);
    assert!(world.telephone(0, "hall").hears(600.0, 200));
    assert!(world.telephone(0, "kitchen").hears(1000.0, 200));
}

#[test]
fn a_call_out_by_pulses() {
    let mut world = world();
    let now = world.now;
    world.telephone(0, "kitchen").lift(now);
    world.run_until("dial tone", 500, |world| {
        world.telephone(0, "kitchen").hears(425.0, 100)
    });
    let now = world.now;
    world.telephone(0, "kitchen").dial_pulses(now, "22");
    world.run_until("ringing in the hall", 5000, |world| {
        world.telephone(0, "hall").ringing
    });
    let now = world.now;
    world.telephone(0, "hall").lift(now);
    world.run_until("talking", 500, |world| state(world, "kitchen") == "talking");
    talk(&mut world);
    let now = world.now;
    world.telephone(0, "kitchen").hang_up(now);
    world.run_until("idle", 1500, |world| state(world, "kitchen") == "idle");
    let module = world.hosts[0].side("kitchen").module.as_ref().expect("a module");
    assert_eq!(module.model.faults(), [], "the data sheet's rules were kept");
}

#[test]
fn a_call_in_rings_at_25_hz_and_is_answered_through_ring_chatter() {
    let mut world = world();
    let now = world.now;
    world.telephone(0, "hall").lift(now);
    world.run_until("dial tone", 500, |world| {
        world.telephone(0, "hall").hears(425.0, 100)
    });
    world.telephone(0, "hall").press("21");
    world.run_until("the bell", 2000, |world| world.telephone(0, "kitchen").ringing);
    world.run_ms(700);
    let ring_hz = world.hosts[0]
        .side("kitchen")
        .module
        .as_ref()
        .expect("a module")
        .model
        .ring_hz();
    assert!(
        (ring_hz.expect("it rings") - 25.0).abs() < 0.05 * 25.0,
        "{ring_hz:?}"
    );
    assert_eq!(state(&world, "kitchen"), "ringing", "ring chatter is no answer");

    let lifted = world.now;
    world.telephone(0, "kitchen").lift(lifted);
    world.run_until("the bell is quiet", 500, |world| {
        !world.telephone(0, "kitchen").ringing
    });
    world.run_until("talking", 500, |world| state(world, "kitchen") == "talking");
    talk(&mut world);
    let model = &world.hosts[0]
        .side("kitchen")
        .module
        .as_ref()
        .expect("a module")
        .model;
    assert!(!model.ring_mode(), "RM is low after ringing");
    assert_eq!(model.faults(), [], "the data sheet's rules were kept");
}

#[test]
fn pulses_dialled_after_ringing_are_not_off_by_one() {
    let mut world = world();
    let now = world.now;
    world.telephone(0, "hall").lift(now);
    world.run_until("dial tone", 500, |world| {
        world.telephone(0, "hall").hears(425.0, 100)
    });
    world.telephone(0, "hall").press("21");
    world.run_until("the bell", 2000, |world| world.telephone(0, "kitchen").ringing);
    let now = world.now;
    world.telephone(0, "hall").hang_up(now);
    world.run_until("both idle", 2000, |world| {
        state(world, "kitchen") == "idle" && state(world, "hall") == "idle"
    });
    let now = world.now;
    world.telephone(0, "kitchen").lift(now);
    world.run_until("dial tone", 500, |world| state(world, "kitchen") == "dial_tone");
    let now = world.now;
    world.telephone(0, "kitchen").dial_pulses(now, "22");
    world.run_until("ringing in the hall", 5000, |world| {
        world.telephone(0, "hall").ringing
    });
}
