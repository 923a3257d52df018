//! Caller ID: where each standard's announcement falls among rings, reversals and silences.

use super::rig::Rig;
use crate::line::caller_id::{self, Step, scheme_by_name, script};
use crate::line::{CallTime, Caller, LineCommand, Presentation, RingRequest};

fn caller() -> Caller {
    Caller {
        number: Presentation::Given("+12013487000".to_owned()),
        name: Presentation::Given("JOHN SMITH".to_owned()),
        time: Some(CallTime {
            month: 1,
            day: 2,
            hour: 15,
            minute: 4,
        }),
        redirecting: None,
    }
}

fn announced() -> RingRequest {
    RingRequest {
        cadence_ms: None,
        pattern: None,
        caller: Some(caller()),
    }
}

fn rung(country: &str, standard: &str) -> Rig {
    let mut rig = Rig::with(country, |config| {
        config.caller_id = scheme_by_name(standard).unwrap()
    });
    rig.ring(announced());
    rig
}

#[test]
fn every_preset_falls_into_place() {
    let mut table = String::new();
    for country in ["us", "gb"] {
        for standard in caller_id::names() {
            let mut rig = rung(country, standard);
            rig.run_until(9500);
            table += &format!("{country} {standard}: {}\n", rig.actions().join(", "));
        }
    }
    insta::assert_snapshot!("announcements", table);
}

#[test]
fn scripts_of_every_preset() {
    let mut table = String::new();
    let lines = |steps: Vec<Step>| -> String {
        steps
            .iter()
            .map(|step| match step {
                Step::Transmit(transmission) => {
                    format!(
                        "  transmit for {} ms\n",
                        caller_id::duration(transmission).as_millis()
                    )
                }
                step => format!("  {step:?}\n"),
            })
            .collect()
    };
    for standard in caller_id::names() {
        let scheme = scheme_by_name(standard).unwrap();
        table += &format!("{standard}\n{}", lines(script(scheme, &caller(), &[2000, 4000])));
        table += &format!(
            " message waiting\n{}",
            lines(caller_id::message_waiting_script(scheme, true))
        );
        table += &format!(
            " call waiting\n{}",
            lines(caller_id::call_waiting_script(scheme, &caller()))
        );
    }
    insta::assert_snapshot!("scripts", table);
}

#[test]
fn a_script_rings_and_pauses_as_the_line_does() {
    for standard in caller_id::names() {
        let steps = script(scheme_by_name(standard).unwrap(), &caller(), &[2000, 4000]);
        let mut at_ms = 0;
        let mut expected = Vec::new();
        for step in &steps {
            match step {
                Step::Ring { ms } | Step::Silence { ms } | Step::OpenLoop { ms } => at_ms += u64::from(*ms),
                Step::Transmit(transmission) => {
                    expected.push(at_ms);
                    at_ms += caller_id::duration(transmission).as_millis() as u64;
                }
                Step::Reverse(_) => {}
            }
        }
        let mut rig = rung("us", standard);
        rig.run_until(9500);
        let sent: Vec<_> = rig
            .outputs
            .iter()
            .filter(|(_, output)| matches!(output, crate::line::LineOutput::Transmit(_)))
            .map(|(us, _)| us / 1000)
            .collect();
        assert_eq!(sent.len(), expected.len(), "{standard}");
        for (sent, expected) in sent.iter().zip(&expected) {
            assert!(sent.abs_diff(*expected) <= 1, "{standard}: {sent} {expected}");
        }
    }
}

#[test]
fn without_a_caller_nothing_is_sent() {
    let mut rig = Rig::new("us");
    rig.ring(RingRequest {
        cadence_ms: None,
        pattern: None,
        caller: None,
    });
    rig.run_until(7000);
    assert_eq!(rig.actions(), ["0 ring on", "2000 ring off", "6000 ring on"]);
}

#[test]
fn a_transmission_that_never_ends_does_not_keep_the_telephone_from_ringing() {
    let mut rig = Rig::with("gb", |config| config.caller_id = scheme_by_name("bt").unwrap());
    rig.reports_transmissions = false;
    rig.ring(announced());
    rig.run_until(4000);
    let actions = rig.actions();
    assert!(
        actions.iter().any(|action| action.ends_with("stop transmission")),
        "{actions:?}"
    );
    assert!(
        actions.iter().any(|action| action.ends_with("ring on")),
        "{actions:?}"
    );
    assert!(
        !actions.iter().any(|action| action.ends_with("SENT")),
        "{actions:?}"
    );
}

#[test]
fn giving_up_in_the_middle_puts_everything_back() {
    let mut rig = rung("gb", "bt");
    rig.run_until(700);
    rig.command(LineCommand::StopRinging);
    assert_eq!(
        rig.actions(),
        [
            "0 reverse on",
            "0 path on",
            "200 alert 100",
            "450 V23 41 bytes",
            "700 stop transmission",
            "700 path off",
            "700 reverse off"
        ]
    );
    assert_eq!(rig.line.poll_timeout(), None);
}

#[test]
fn the_wetting_pulse_of_a_british_telephone_is_no_answer() {
    // SIN 227: 20 ± 5 ms after the tone, 15 ± 1 ms long.
    let mut rig = rung("gb", "bt");
    rig.edge(true, 325);
    rig.edge(false, 341);
    rig.run_until(2000);
    let actions = rig.actions();
    assert!(
        actions.iter().any(|action| action.ends_with("SENT")),
        "{actions:?}"
    );
    assert!(
        !actions.iter().any(|action| action.ends_with("OFF HOOK")),
        "{actions:?}"
    );
}

#[test]
fn lifting_during_the_announcement_answers() {
    let mut rig = rung("gb", "bt");
    rig.edge(true, 600);
    rig.run_until(700);
    assert_eq!(
        rig.actions()[4..],
        [
            "625 stop transmission",
            "625 path off",
            "625 reverse off",
            "625 OFF HOOK"
        ]
    );
}
