//! Ringing: cadence, answer, and that the voltage never stays on.

use super::rig::Rig;
use crate::line::{LineCommand, RingRequest};
use crate::zone::RingPattern;

fn plain() -> RingRequest {
    RingRequest {
        cadence_ms: None,
        pattern: None,
        caller: None,
    }
}

#[test]
fn the_country_rings_at_once_and_in_its_cadence() {
    let mut rig = Rig::new("gb");
    rig.run_until(1000);
    rig.ring(plain());
    rig.run_until(4500);
    rig.command(LineCommand::StopRinging);
    rig.run_for(10_000);
    assert_eq!(
        rig.actions(),
        [
            "1000 ring on",
            "1400 ring off",
            "1600 ring on",
            "2000 ring off",
            "4000 ring on",
            "4400 ring off"
        ]
    );
}

#[test]
fn stopping_in_a_burst_takes_the_voltage_off_at_once() {
    let mut rig = Rig::new("us");
    rig.ring(plain());
    rig.run_until(700);
    rig.command(LineCommand::StopRinging);
    assert_eq!(rig.actions(), ["0 ring on", "700 ring off"]);
    assert_eq!(rig.line.poll_timeout(), None);
}

#[test]
fn a_cadence_of_ones_own_and_a_change_of_it() {
    let mut rig = Rig::new("us");
    rig.ring(RingRequest {
        cadence_ms: Some(vec![800, 400, 800, 4000]),
        pattern: None,
        caller: None,
    });
    rig.run_until(2500);
    rig.ring(RingRequest {
        cadence_ms: Some(vec![500]),
        pattern: None,
        caller: None,
    });
    rig.run_until(60_000);
    assert_eq!(
        rig.actions(),
        [
            "0 ring on",
            "800 ring off",
            "1200 ring on",
            "2000 ring off",
            "2500 ring on",
            "3000 ring off"
        ]
    );
    assert!(
        rig.line.is_ringing(),
        "a splash is over, but the telephone can still be answered"
    );
}

#[test]
fn patterns_of_the_zone_tell_calls_apart() {
    let rung = |number: u8| {
        let mut rig = Rig::new("us");
        rig.ring(RingRequest {
            pattern: RingPattern::new(number),
            ..plain()
        });
        rig.run_until(2100);
        rig.actions()
    };
    assert_eq!(rung(1), ["0 ring on", "2000 ring off"], "the country's own");
    assert_eq!(rung(0), rung(1), "there is none of that number");
    assert_eq!(
        rung(2),
        ["0 ring on", "800 ring off", "1200 ring on", "2000 ring off"]
    );
    assert_eq!(rung(5), ["0 ring on", "500 ring off"], "a splash");
    assert_eq!(rung(8), ["0 ring on", "250 ring off"]);
}

#[test]
fn an_answer_takes_the_voltage_off_within_30_ms_and_before_it_is_reported() {
    for bounce_us in [0, 2000, 5000] {
        for answered_ms in [500, 3000] {
            let mut rig = Rig::new("us");
            rig.ring(plain());
            rig.contact_us(true, answered_ms * 1000, bounce_us);
            rig.run_until(answered_ms + 30);
            let mut expected = vec!["0 ring on".to_owned()];
            let heard_ms = answered_ms + 13 + bounce_us / 1000;
            let off_ms = if answered_ms < 2000 { heard_ms } else { 2000 };
            expected.extend([format!("{off_ms} ring off"), format!("{heard_ms} OFF HOOK")]);
            assert_eq!(rig.actions(), expected);
            rig.run_for(20_000);
            assert_eq!(rig.actions(), Vec::<String>::new(), "rings on after the answer");
        }
    }
}

#[test]
fn ringing_current_that_chatters_the_detector_is_no_answer() {
    // 25 Hz: the detector sees 11 ms of every 40.
    let mut rig = Rig::new("gb");
    rig.ring(plain());
    for cycle in 0..9 {
        rig.edge(true, 10 + cycle * 40);
        rig.edge(false, 21 + cycle * 40);
    }
    rig.run_until(390);
    assert_eq!(rig.actions(), ["0 ring on"]);
}

#[test]
fn a_telephone_off_hook_is_not_rung() {
    let mut rig = Rig::new("us");
    rig.edge(true, 0);
    rig.run_until(100);
    rig.ring(plain());
    rig.run_for(10_000);
    assert_eq!(
        rig.events(),
        [
            "off-hook 0",
            "rejected: ringing asked of a telephone that cannot be rung"
        ]
    );
    assert_eq!(rig.voltage(), None);
}

#[test]
fn taking_the_line_out_of_service_stops_the_ringing() {
    let mut rig = Rig::new("us");
    rig.ring(plain());
    rig.run_until(300);
    rig.command(LineCommand::OutOfService(true));
    rig.ring(plain());
    rig.run_for(10_000);
    assert_eq!(rig.actions(), ["0 ring on", "300 ring off", "300 feed off"]);
}
