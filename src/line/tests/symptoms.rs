//! What others' gateways did to their owners. Each test is named after the symptom and must not have it.

use super::rig::Rig;
use crate::line::{Caller, Expectation, LineCommand, LineInput, Presentation, RingRequest};

fn announced() -> RingRequest {
    RingRequest {
        cadence_ms: None,
        pattern: None,
        caller: Some(Caller {
            number: Presentation::Given("2013487000".to_owned()),
            ..Caller::default()
        }),
    }
}

/// weeBell 0.2: the ringing voltage's pin stayed high after a ring, and every digit was one off.
#[test]
fn ringing_voltage_left_on_spoils_the_next_digits() {
    for stopped_ms in [1, 500, 1999, 2000, 2600, 3000, 5999, 6000, 7000] {
        for answered in [true, false] {
            let mut rig = Rig::new("us");
            rig.ring(announced());
            if answered {
                rig.edge(true, stopped_ms);
                rig.run_for(1000);
            } else {
                rig.run_until(stopped_ms);
                rig.command(LineCommand::StopRinging);
                rig.edge(true, stopped_ms + 1000);
            }
            assert_eq!(rig.voltage(), Some(false), "stopped at {stopped_ms}");
            rig.expect(Expectation::Digits);
            rig.run_for(500);
            rig.events();
            let from_us = rig.now_ms() * 1000;
            rig.pulses_us(from_us, 7, 10.0, 61.0, 3000);
            rig.run_for(1000);
            assert_eq!(rig.events(), ["pulsing", "digit 7"]);
        }
    }
}

/// weeBell 1.1: the caller ID played into the answered call, or again with every ring.
#[test]
fn caller_id_plays_after_the_answer_or_twice() {
    let mut rig = Rig::new("us");
    rig.ring(announced());
    rig.edge(true, 2300);
    rig.run_for(20_000);
    let actions = rig.actions();
    assert!(
        !actions.iter().any(|action| action.contains("Bell202")),
        "{actions:?}"
    );

    let mut rig = Rig::new("us");
    rig.ring(announced());
    rig.run_until(15_000);
    rig.ring(announced());
    rig.run_until(60_000);
    let sent = rig
        .events()
        .iter()
        .filter(|event| *event == "caller id sent")
        .count();
    assert_eq!(sent, 1);
}

/// RetroPhone: the bell went on for 100 ms in the ear of whoever had answered.
#[test]
fn the_bell_rings_on_after_the_answer() {
    let mut rig = Rig::new("de");
    rig.ring(announced());
    rig.contact_us(true, 400_000, 5000);
    rig.run_until(430);
    assert_eq!(rig.voltage(), Some(false));
}

/// kangp3: an edge the kernel lost turned the decoder upside down for good.
#[test]
fn a_lost_edge_turns_pulses_upside_down() {
    let mut rig = Rig::new("us");
    rig.edge(true, 0);
    // The second pulse's opening edge is lost; the digit is one short, the next one right.
    for (closed, ms) in [
        (false, 1000),
        (true, 1060),
        (true, 1160),
        (false, 1200),
        (true, 1260),
    ] {
        rig.edge(closed, ms);
    }
    rig.run_for(700);
    let from_us = rig.now_ms() * 1000;
    rig.pulses_us(from_us, 5, 10.0, 60.0, 0);
    rig.run_for(1000);
    assert_eq!(
        rig.events(),
        ["off-hook 0", "pulsing", "digit 2", "pulsing", "digit 5"]
    );
}

/// Guestbook 66 and 87: the hook worked once, then never again.
#[test]
fn the_hook_works_once_then_never_again() {
    let mut rig = Rig::new("us");
    let mut ms = 0;
    for cycle in 0..10_000_u64 {
        rig.contact_us(true, (ms + 1000) * 1000, cycle % 6 * 1000);
        rig.contact_us(false, (ms + 3000) * 1000, cycle % 5 * 1000);
        rig.run_until(ms + 5000);
        assert_eq!(
            rig.events(),
            [
                format!("off-hook {}", ms + 1000),
                "pulsing".to_owned(),
                format!("on-hook {}", ms + 3000)
            ]
        );
        ms += 5000;
    }
    assert_eq!(rig.line.poll_timeout(), None);
}

/// Guestbook 75: quick taps on the hook wedged the service.
#[test]
fn quick_taps_on_the_hook_wedge_the_line() {
    let mut rig = Rig::new("us");
    for tap in 0..2000_u64 {
        rig.edge_us(tap % 2 == 0, 1000 + tap * (3700 + tap * 37));
    }
    rig.run_for(1500);
    assert!(!rig.line.is_off_hook());
    rig.events();
    rig.edge(true, rig.now_ms() + 100);
    rig.run_for(100);
    assert_eq!(rig.events().len(), 1);
}

/// rotary-voip: the end of a call was reported twice.
#[test]
fn a_hang_up_is_reported_twice() {
    let mut rig = Rig::new("us");
    rig.edge(true, 0);
    rig.contact_us(false, 1_000_000, 5000);
    // Chatter while the handset settles in its cradle, after the hang-up.
    rig.edge(true, 2500);
    rig.edge(false, 2508);
    rig.run_for(5000);
    let hang_ups = rig
        .events()
        .iter()
        .filter(|event| event.starts_with("on-hook"))
        .count();
    assert_eq!(hang_ups, 1);
}

/// th-wilde: edges that ringing current makes were taken for dial pulses.
#[test]
fn ringing_dials_digits() {
    let mut rig = Rig::new("gb");
    rig.ring(RingRequest {
        cadence_ms: None,
        pattern: None,
        caller: None,
    });
    for cycle in 0..200 {
        rig.edge(true, 5 + cycle * 50);
        rig.edge(false, 16 + cycle * 50);
    }
    rig.run_for(1000);
    let events = rig.events();
    assert!(
        events.iter().all(|event| event.starts_with("burst")),
        "{events:?}"
    );
}

/// Asterisk 225: a recall at dial tone left the caller with that tone for ever. The line reports it.
#[test]
fn a_recall_at_dial_tone_goes_unheard() {
    let mut rig = Rig::new("us");
    rig.edge(true, 0);
    rig.edge(false, 3000);
    rig.edge(true, 3500);
    rig.run_for(1000);
    assert_eq!(rig.events().last().unwrap(), "flash 500");
}

/// VP-API does it right, pollers don't: hung up and lifted again within one stall of the program.
#[test]
fn a_hang_up_during_a_stall_is_lost() {
    let mut rig = Rig::new("us");
    rig.edge(true, 0);
    rig.run_until(500);
    rig.events();
    let (hung_up, lifted) = (rig.at(1_000_000), rig.at(2_500_000));
    // Nothing turned the crank between the two.
    let now = rig.at(2_600_000);
    rig.line.handle_input(
        now,
        LineInput::Hook {
            closed: false,
            at: hung_up,
        },
    );
    rig.line.handle_input(
        now,
        LineInput::Hook {
            closed: true,
            at: lifted,
        },
    );
    rig.run_until(3000);
    assert_eq!(rig.events(), ["pulsing", "on-hook 1000", "off-hook 2500"]);
}
