//! Two calls on one line, in virtual time: hold, consultation, change over, call waiting, transfers (RFC 5359 2.1 to
//! 2.6), by telephones that are lifted, flashed and hung up.

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
use tipring::call::services::FlashStyle;
use tipring::call::{CallConfig, CallRecord};
use tipring::gateway::EventKind;

const KITCHEN_HZ: f32 = 600.0;
const HALL_HZ: f32 = 1000.0;
const ATTIC_HZ: f32 = 1700.0;

/// Three lines of one machine.
fn house(call: fn(&mut CallConfig)) -> World {
    let mut world = World::new(1);
    world.add_host(
        1,
        HostOptions {
            lines: vec![
                ("kitchen", Some("21"), None),
                ("hall", Some("22"), None),
                ("attic", Some("23"), None),
            ],
            call,
            ..HostOptions::intercom()
        },
    );
    for (line, frequency_hz) in [("kitchen", KITCHEN_HZ), ("hall", HALL_HZ), ("attic", ATTIC_HZ)] {
        world.telephone(0, line).voice = Voice::Sine {
            frequency_hz,
            peak: 8000.0,
        };
    }
    world
}

fn lift(world: &mut World, line: &str) {
    let now = world.now;
    world.telephone(0, line).lift(now);
}

fn hang_up(world: &mut World, line: &str) {
    let now = world.now;
    world.telephone(0, line).hang_up(now);
}

fn flash(world: &mut World, line: &str) {
    let now = world.now;
    world.telephone(0, line).flash(now, 100);
}

fn state(world: &World, line: &str) -> String {
    world.hosts[0].line_state(world.now, line)
}

fn until_state(world: &mut World, line: &str, wanted: &str) {
    world.run_until(&format!("{line} {wanted}"), 3000, |world| {
        state(world, line) == wanted
    });
}

/// Presses keys under whatever dial tone there is; the talk goes on afterwards.
fn press(world: &mut World, line: &str, keys: &str) {
    let voice = world.telephone(0, line).voice;
    world.telephone(0, line).voice = Voice::Silent;
    world.run_ms(150);
    world.telephone(0, line).press(keys);
    world.run_ms(150 * keys.len() as u64 + 100);
    world.telephone(0, line).voice = voice;
}

/// Kitchen calls; the other answers.
fn call(world: &mut World, from: &str, number: &str, to: &str) {
    lift(world, from);
    until_state(world, from, "dial_tone");
    press(world, from, number);
    world.run_until("ringing", 3000, |world| world.telephone(0, to).ringing);
    lift(world, to);
    until_state(world, from, "talking");
    until_state(world, to, "talking");
}

/// Whether `to` hears what `frequency_hz` says, after a moment to fill its ear.
fn hears(world: &mut World, to: &str, frequency_hz: f32) -> bool {
    world.telephone(0, to).forget();
    world.run_ms(400);
    world.telephone(0, to).hears(frequency_hz, 200)
}

/// Kitchen talks to the hall, holds it, and talks to the attic.
fn consultation(world: &mut World) {
    call(world, "kitchen", "22", "hall");
    flash(world, "kitchen");
    until_state(world, "kitchen", "held");
    press(world, "kitchen", "23");
    world.run_until("ringing", 3000, |world| world.telephone(0, "attic").ringing);
    lift(world, "attic");
    until_state(world, "kitchen", "talking");
    world.run_ms(200);
}

/// Everybody hangs up, and nothing is left.
fn goodbye(world: &mut World) {
    for line in ["kitchen", "hall", "attic"] {
        hang_up(world, line);
    }
    world.run_ms(2000);
    for line in ["kitchen", "hall", "attic"] {
        // A held call rings back: taken up and put down it is over.
        if state(world, line) == "ringing" {
            lift(world, line);
            world.run_ms(300);
            hang_up(world, line);
            world.run_ms(2000);
        }
        assert_eq!(state(world, line), "idle", "{line}");
    }
    world.run_ms(40_000);
    assert!(calls(world).is_empty(), "{:?}", calls(world));
}

fn calls(world: &World) -> Vec<serde_json::Value> {
    let status = serde_json::to_value(world.hosts[0].gateway.status(world.now)).expect("a status");
    status["calls"].as_array().expect("calls").clone()
}

fn records<'a>(world: &'a World, line: &str) -> Vec<&'a CallRecord> {
    world.hosts[0]
        .records
        .iter()
        .filter(|record| record.line == line)
        .collect()
}

#[test]
fn a_flash_gives_dial_tone_and_the_next_one_takes_the_call_back() {
    let mut world = house(|_| {});
    call(&mut world, "kitchen", "22", "hall");
    assert!(hears(&mut world, "hall", KITCHEN_HZ));
    flash(&mut world, "kitchen");
    until_state(&mut world, "kitchen", "held");
    assert!(hears(&mut world, "kitchen", 425.0), "recall dial tone");
    assert!(
        !hears(&mut world, "hall", KITCHEN_HZ),
        "who is held hears nothing"
    );
    flash(&mut world, "kitchen");
    until_state(&mut world, "kitchen", "talking");
    world.run_ms(200);
    assert!(hears(&mut world, "hall", KITCHEN_HZ));
    assert!(hears(&mut world, "kitchen", HALL_HZ));
    goodbye(&mut world);
}

#[test]
fn a_second_call_and_changing_between_the_two() {
    let mut world = house(|_| {});
    consultation(&mut world);
    assert_eq!(calls(&world).len(), 4, "two here, one at each other end");
    assert!(hears(&mut world, "attic", KITCHEN_HZ));
    assert!(!hears(&mut world, "hall", KITCHEN_HZ));
    for _ in 0..2 {
        flash(&mut world, "kitchen");
        world.run_ms(600);
        assert!(hears(&mut world, "hall", KITCHEN_HZ));
        assert!(hears(&mut world, "kitchen", HALL_HZ));
        assert!(!hears(&mut world, "attic", KITCHEN_HZ));
        flash(&mut world, "kitchen");
        world.run_ms(600);
        assert!(hears(&mut world, "attic", KITCHEN_HZ));
        assert!(hears(&mut world, "kitchen", ATTIC_HZ));
        assert!(!hears(&mut world, "hall", KITCHEN_HZ));
    }
    // The attic goes; the hall is still there.
    hang_up(&mut world, "attic");
    until_state(&mut world, "kitchen", "busy_tone");
    flash(&mut world, "kitchen");
    until_state(&mut world, "kitchen", "talking");
    world.run_ms(300);
    assert!(hears(&mut world, "hall", KITCHEN_HZ));
    goodbye(&mut world);
}

#[test]
fn hanging_up_between_two_calls_connects_them() {
    let mut world = house(|_| {});
    consultation(&mut world);
    hang_up(&mut world, "kitchen");
    until_state(&mut world, "kitchen", "idle");
    world.run_ms(1000);
    assert!(!world.telephone(0, "kitchen").ringing);
    assert_eq!(
        (state(&world, "hall"), state(&world, "attic")),
        ("talking".into(), "talking".into())
    );
    assert!(hears(&mut world, "hall", ATTIC_HZ));
    assert!(hears(&mut world, "attic", HALL_HZ));
    let causes: Vec<_> = records(&world, "kitchen")
        .iter()
        .map(|record| record.cause.clone())
        .collect();
    assert_eq!(causes, ["transferred", "transferred"]);
    assert_eq!(records(&world, "attic")[0].cause, "replaced");
    assert!(records(&world, "attic")[0].received_packets > 10);
    let told: Vec<_> = world.hosts[0]
        .events
        .iter()
        .filter_map(|event| match &event.kind {
            EventKind::Transfer { target, status, .. } => Some((target.clone(), *status)),
            _ => None,
        })
        .collect();
    assert_eq!(told.first(), Some(&("23".to_owned(), None)));
    assert_eq!(told.last(), Some(&("23".to_owned(), Some(200))));
    goodbye(&mut world);
}

#[test]
fn hanging_up_between_two_calls_rings_back_where_it_shall_not_connect_them() {
    let mut world = house(|call| call.services.transfer_on_hang_up = false);
    consultation(&mut world);
    hang_up(&mut world, "kitchen");
    world.run_until("ringing back", 3000, |world| {
        world.telephone(0, "kitchen").ringing
    });
    until_state(&mut world, "attic", "busy_tone");
    lift(&mut world, "kitchen");
    until_state(&mut world, "kitchen", "talking");
    world.run_ms(300);
    assert!(hears(&mut world, "hall", KITCHEN_HZ));
    goodbye(&mut world);
}

#[test]
fn hanging_up_with_a_call_on_hold_rings_back_until_its_far_end_gives_up() {
    let mut world = house(|_| {});
    call(&mut world, "kitchen", "22", "hall");
    flash(&mut world, "kitchen");
    until_state(&mut world, "kitchen", "held");
    hang_up(&mut world, "kitchen");
    world.run_until("ringing back", 3000, |world| {
        world.telephone(0, "kitchen").ringing
    });
    hang_up(&mut world, "hall");
    until_state(&mut world, "kitchen", "idle");
    assert!(!world.telephone(0, "kitchen").ringing);
    goodbye(&mut world);
}

#[test]
fn hanging_up_while_the_second_one_rings_sends_the_first_there() {
    let mut world = house(|_| {});
    call(&mut world, "kitchen", "22", "hall");
    flash(&mut world, "kitchen");
    until_state(&mut world, "kitchen", "held");
    press(&mut world, "kitchen", "23");
    world.run_until("ringing", 3000, |world| world.telephone(0, "attic").ringing);
    world.run_ms(500);
    hang_up(&mut world, "kitchen");
    world.run_ms(2500);
    assert_eq!(state(&world, "hall"), "calling");
    world.run_until("ringing again", 6000, |world| world.telephone(0, "attic").ringing);
    lift(&mut world, "attic");
    until_state(&mut world, "hall", "talking");
    until_state(&mut world, "kitchen", "idle");
    world.run_ms(300);
    assert!(hears(&mut world, "hall", ATTIC_HZ));
    goodbye(&mut world);
}

#[test]
fn a_code_before_a_number_sends_the_held_call_there() {
    let mut world = house(|_| {});
    call(&mut world, "kitchen", "22", "hall");
    flash(&mut world, "kitchen");
    until_state(&mut world, "kitchen", "held");
    press(&mut world, "kitchen", "*98");
    press(&mut world, "kitchen", "23");
    world.run_until("ringing", 3000, |world| world.telephone(0, "attic").ringing);
    lift(&mut world, "attic");
    until_state(&mut world, "hall", "talking");
    until_state(&mut world, "kitchen", "busy_tone");
    world.run_ms(300);
    assert!(hears(&mut world, "hall", ATTIC_HZ));
    assert!(hears(&mut world, "attic", HALL_HZ));
    goodbye(&mut world);
}

#[test]
fn a_transfer_that_fails_gives_the_call_back() {
    let mut world = house(|_| {});
    call(&mut world, "kitchen", "22", "hall");
    // Off the hook, so busy.
    lift(&mut world, "attic");
    flash(&mut world, "kitchen");
    until_state(&mut world, "kitchen", "held");
    press(&mut world, "kitchen", "*98");
    press(&mut world, "kitchen", "23");
    until_state(&mut world, "kitchen", "talking");
    until_state(&mut world, "hall", "talking");
    world.run_ms(400);
    assert!(hears(&mut world, "hall", KITCHEN_HZ));
    assert!(hears(&mut world, "kitchen", HALL_HZ));
    goodbye(&mut world);
}

#[test]
fn without_a_held_call_the_code_is_an_ordinary_number() {
    let mut world = house(|_| {});
    lift(&mut world, "kitchen");
    until_state(&mut world, "kitchen", "dial_tone");
    press(&mut world, "kitchen", "*98");
    // The plan of these lines knows no star: refused by it, not swallowed.
    until_state(&mut world, "kitchen", "busy_tone");
    goodbye(&mut world);
}

#[test]
fn a_second_caller_is_told_of_and_taken_by_a_flash() {
    let mut world = house(|call| call.services.call_waiting = true);
    call(&mut world, "kitchen", "22", "hall");
    lift(&mut world, "attic");
    until_state(&mut world, "attic", "dial_tone");
    world.telephone(0, "kitchen").voice = Voice::Silent;
    world.telephone(0, "hall").voice = Voice::Silent;
    press(&mut world, "attic", "21");
    until_state(&mut world, "attic", "calling");
    world.telephone(0, "kitchen").forget();
    world.run_until("the call-waiting tone", 6000, |world| {
        world.telephone(0, "kitchen").hears(425.0, 100)
    });
    assert!(
        !world.telephone(0, "hall").hears(425.0, 100),
        "the far end doesn't hear it"
    );
    assert!(!world.telephone(0, "kitchen").ringing);
    flash(&mut world, "kitchen");
    until_state(&mut world, "attic", "talking");
    for (line, frequency_hz) in [("kitchen", KITCHEN_HZ), ("hall", HALL_HZ)] {
        world.telephone(0, line).voice = Voice::Sine {
            frequency_hz,
            peak: 8000.0,
        };
    }
    world.run_ms(300);
    assert!(hears(&mut world, "attic", KITCHEN_HZ));
    assert!(hears(&mut world, "kitchen", ATTIC_HZ));
    assert!(!hears(&mut world, "hall", KITCHEN_HZ));
    flash(&mut world, "kitchen");
    world.run_ms(600);
    assert!(hears(&mut world, "hall", KITCHEN_HZ));
    assert!(!hears(&mut world, "attic", KITCHEN_HZ));
    goodbye(&mut world);
}

#[test]
fn hanging_up_with_a_caller_waiting_rings_for_them() {
    let mut world = house(|call| call.services.call_waiting = true);
    call(&mut world, "kitchen", "22", "hall");
    lift(&mut world, "attic");
    until_state(&mut world, "attic", "dial_tone");
    press(&mut world, "attic", "21");
    until_state(&mut world, "attic", "calling");
    world.run_ms(300);
    hang_up(&mut world, "kitchen");
    world.run_until("ringing", 3000, |world| world.telephone(0, "kitchen").ringing);
    until_state(&mut world, "hall", "busy_tone");
    lift(&mut world, "kitchen");
    until_state(&mut world, "attic", "talking");
    world.run_ms(300);
    assert!(hears(&mut world, "attic", KITCHEN_HZ));
    assert!(hears(&mut world, "kitchen", ATTIC_HZ));
    goodbye(&mut world);
}

#[test]
fn a_second_caller_who_gives_up_leaves_the_talk_as_it_was() {
    let mut world = house(|call| call.services.call_waiting = true);
    call(&mut world, "kitchen", "22", "hall");
    lift(&mut world, "attic");
    until_state(&mut world, "attic", "dial_tone");
    press(&mut world, "attic", "21");
    until_state(&mut world, "attic", "calling");
    world.run_ms(300);
    hang_up(&mut world, "attic");
    world.run_ms(1500);
    assert_eq!(state(&world, "kitchen"), "talking");
    assert!(hears(&mut world, "kitchen", HALL_HZ));
    assert_eq!(records(&world, "kitchen")[0].cause, "cancelled");
    goodbye(&mut world);
}

#[test]
fn without_call_waiting_the_line_is_busy() {
    let mut world = house(|_| {});
    call(&mut world, "kitchen", "22", "hall");
    lift(&mut world, "attic");
    until_state(&mut world, "attic", "dial_tone");
    press(&mut world, "attic", "21");
    until_state(&mut world, "attic", "busy_tone");
    goodbye(&mut world);
}

/// R and a digit between two calls, as on European telephones.
fn recall(world: &mut World, digit: &str) {
    flash(world, "kitchen");
    world.run_ms(400);
    press(world, "kitchen", digit);
    world.run_ms(500);
}

#[test]
fn the_r_services_of_european_telephones() {
    let european: fn(&mut CallConfig) = |call| call.services.flash = FlashStyle::Digit;
    // R2 changes; the digit isn't heard by anybody.
    let mut world = house(european);
    consultation(&mut world);
    recall(&mut world, "2");
    assert!(hears(&mut world, "hall", KITCHEN_HZ));
    assert!(!hears(&mut world, "attic", KITCHEN_HZ));
    let keys = world.hosts[0]
        .events
        .iter()
        .filter(|event| matches!(event.kind, EventKind::RemoteDigit { .. }));
    assert_eq!(keys.count(), 0);
    // R1 releases the one talked to and turns to the other.
    recall(&mut world, "1");
    until_state(&mut world, "hall", "busy_tone");
    assert!(hears(&mut world, "attic", KITCHEN_HZ));
    goodbye(&mut world);

    // R0 releases the one on hold.
    let mut world = house(european);
    consultation(&mut world);
    recall(&mut world, "0");
    until_state(&mut world, "hall", "busy_tone");
    assert!(hears(&mut world, "attic", KITCHEN_HZ));
    goodbye(&mut world);

    // R4 connects the two.
    let mut world = house(european);
    consultation(&mut world);
    recall(&mut world, "4");
    until_state(&mut world, "kitchen", "busy_tone");
    assert!(hears(&mut world, "hall", ATTIC_HZ));
    goodbye(&mut world);

    // A digit that never comes leaves the talk as it was.
    let mut world = house(european);
    consultation(&mut world);
    flash(&mut world, "kitchen");
    world.run_ms(6000);
    assert!(hears(&mut world, "attic", KITCHEN_HZ));
    assert!(hears(&mut world, "kitchen", ATTIC_HZ));
    goodbye(&mut world);
}

#[test]
fn a_line_that_only_holds_has_no_second_call() {
    let mut world = house(|call| call.services.flash = FlashStyle::Hold);
    call(&mut world, "kitchen", "22", "hall");
    flash(&mut world, "kitchen");
    until_state(&mut world, "kitchen", "held");
    press(&mut world, "kitchen", "23");
    assert_eq!(state(&world, "kitchen"), "held");
    flash(&mut world, "kitchen");
    until_state(&mut world, "kitchen", "talking");
    world.run_ms(300);
    assert!(hears(&mut world, "hall", KITCHEN_HZ));
    goodbye(&mut world);
}
