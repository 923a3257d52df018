//! Golden traces: edges in, events out, for every rule of the classifier.

use super::rig::Rig;
use crate::line::Expectation::{self, Conversation, Digits};

/// Edges in milliseconds (closing first, then alternating), the events in words.
struct Trace {
    name: &'static str,
    country: &'static str,
    expectation: Expectation,
    edges_ms: &'static [u64],
    events: &'static [&'static str],
}

fn check(traces: &[Trace]) {
    for trace in traces {
        let mut rig = Rig::new(trace.country);
        rig.expect(trace.expectation);
        for (index, &ms) in trace.edges_ms.iter().enumerate() {
            rig.edge(index % 2 == 0, ms);
        }
        rig.run_for(2000);
        assert_eq!(rig.events(), trace.events, "{}", trace.name);
    }
}

/// The same edges, all of them handed in only after a stall that made every timer late.
fn check_stalled(traces: &[Trace]) {
    for trace in traces {
        let mut rig = Rig::new(trace.country);
        rig.expect(trace.expectation);
        let last_ms = trace.edges_ms.last().unwrap();
        rig.run_until(last_ms + 100);
        for (index, &ms) in trace.edges_ms.iter().enumerate() {
            let at = rig.at(ms * 1000);
            rig.input(crate::line::LineInput::Hook {
                closed: index % 2 == 0,
                at,
            });
        }
        rig.run_for(2000);
        assert_eq!(rig.events(), trace.events, "{}", trace.name);
    }
}

const TRACES: &[Trace] = &[
    Trace {
        name: "lifted and hung up",
        country: "gb",
        expectation: Conversation,
        edges_ms: &[100, 5000],
        events: &["off-hook 100", "on-hook 5000"],
    },
    Trace {
        name: "hang-up and seizure at once",
        country: "gb",
        expectation: Conversation,
        edges_ms: &[100, 5000, 6000],
        events: &["off-hook 100", "on-hook 5000", "off-hook 6000"],
    },
    Trace {
        name: "a glitch of the loop",
        country: "gb",
        expectation: Digits,
        edges_ms: &[100, 1000, 1015],
        events: &["off-hook 100"],
    },
    Trace {
        name: "British recall while talking, where a pulse would fit as well",
        country: "gb",
        expectation: Conversation,
        edges_ms: &[100, 1000, 1065],
        events: &["off-hook 100", "flash 65"],
    },
    Trace {
        name: "the same break while digits are awaited",
        country: "gb",
        expectation: Digits,
        edges_ms: &[100, 1000, 1065],
        events: &["off-hook 100", "pulsing", "digit 1"],
    },
    Trace {
        name: "a train of breaks while talking is a digit",
        country: "gb",
        expectation: Conversation,
        edges_ms: &[100, 1000, 1065, 1100, 1165, 1200, 1265],
        events: &["off-hook 100", "pulsing", "digit 3"],
    },
    Trace {
        name: "recall of 600 ms in America, also while digits are awaited",
        country: "us",
        expectation: Digits,
        edges_ms: &[100, 1000, 1600],
        events: &["off-hook 100", "pulsing", "flash 600"],
    },
    Trace {
        name: "shortest and longest American recall",
        country: "us",
        expectation: Conversation,
        edges_ms: &[100, 1000, 1300, 3000, 4000],
        events: &["off-hook 100", "flash 300", "flash 1000"],
    },
    Trace {
        name: "a millisecond outside either end",
        country: "us",
        expectation: Conversation,
        edges_ms: &[100, 1000, 1299, 3000, 4001],
        events: &[
            "off-hook 100",
            "rejected: a break too short for a recall",
            "rejected: a break too long for a recall, too short for a hang-up",
        ],
    },
    Trace {
        name: "hung up in the middle of a digit",
        country: "us",
        expectation: Digits,
        edges_ms: &[100, 1000, 1060, 1100, 1160, 1200],
        events: &["off-hook 100", "pulsing", "on-hook 1200"],
    },
    Trace {
        name: "digit followed at once by a hang-up",
        country: "us",
        expectation: Digits,
        edges_ms: &[100, 1000, 1060, 1100, 1160, 1420],
        events: &["off-hook 100", "pulsing", "digit 2", "pulsing", "on-hook 1420"],
    },
    Trace {
        name: "a long break among pulses spoils the digit",
        country: "us",
        expectation: Digits,
        edges_ms: &[100, 1000, 1060, 1100, 1500, 1540, 1600],
        events: &[
            "off-hook 100",
            "pulsing",
            "rejected: a break among dial pulses that is no pulse",
        ],
    },
    Trace {
        name: "the cradle's contact right after the seizure is no dial",
        country: "us",
        expectation: Digits,
        edges_ms: &[100, 160, 200, 240, 290],
        events: &["off-hook 100"],
    },
    Trace {
        name: "hung up right after the seizure",
        country: "us",
        expectation: Digits,
        edges_ms: &[100, 200],
        events: &["off-hook 100", "on-hook 200"],
    },
];

#[test]
fn golden_traces() {
    check(TRACES);
}

#[test]
fn golden_traces_with_every_timer_late() {
    check_stalled(TRACES);
}

#[test]
fn bounce_of_five_milliseconds_changes_nothing() {
    for trace in TRACES {
        let mut rig = Rig::new(trace.country);
        rig.expect(trace.expectation);
        for (index, &ms) in trace.edges_ms.iter().enumerate() {
            rig.contact_us(index % 2 == 0, ms * 1000, 5000);
        }
        rig.run_for(2000);
        assert_eq!(rig.events(), trace.events, "{}", trace.name);
    }
}

#[test]
fn without_pulse_dialing_breaks_are_recalls_at_once() {
    let mut rig = Rig::with("gb", |config| config.pulse_dialing = false);
    rig.expect(Digits);
    rig.edge(true, 0);
    rig.edge(false, 1000);
    rig.edge(true, 1090);
    rig.run_until(1090 + 12);
    assert_eq!(rig.events(), ["off-hook 0", "flash 90"]);
}

#[test]
fn a_hang_up_is_reported_when_it_is_due() {
    let mut rig = Rig::new("us");
    rig.edge(true, 0);
    rig.edge(false, 1000);
    rig.run_until(2099);
    assert_eq!(rig.events(), ["off-hook 0", "pulsing"]);
    rig.run_until(2100);
    assert_eq!(rig.events(), ["on-hook 1000"]);
}

#[test]
fn digits_are_awaited_again_after_a_hang_up() {
    let mut rig = Rig::new("gb");
    rig.edge(true, 0);
    rig.expect(Conversation);
    rig.edge(false, 1000);
    rig.edge(true, 5000);
    rig.edge(false, 6000);
    rig.edge(true, 6065);
    rig.run_for(1000);
    assert_eq!(
        rig.events(),
        [
            "off-hook 0",
            "on-hook 1000",
            "off-hook 5000",
            "pulsing",
            "digit 1"
        ]
    );
}

#[test]
fn a_break_ends_in_time_though_its_edge_has_yet_to_settle() {
    // The loop closes 5 ms before the hang-up is due and settles 7 ms after: no hang-up.
    let mut rig = Rig::new("us");
    rig.expect(Conversation);
    rig.edge(true, 0);
    rig.edge(false, 1000);
    rig.edge(true, 2095);
    rig.run_for(1000);
    assert_eq!(
        rig.events()[1..],
        ["rejected: a break too long for a recall, too short for a hang-up"]
    );
}

/// A break of `break_ms` by a telephone of `country`; the events after the seizure.
fn after_break(country: &str, expectation: Expectation, break_ms: u32) -> Vec<String> {
    let mut rig = Rig::new(country);
    rig.expect(expectation);
    rig.contact_us(true, 0, 3000);
    rig.contact_us(false, 1_000_000, 3000);
    rig.contact_us(true, 1_000_000 + u64::from(break_ms) * 1000, 3000);
    rig.run_for(1000);
    rig.events().split_off(1)
}

#[test]
fn every_country_tells_recalls_digits_and_hang_ups_apart() {
    for country in crate::zone::codes() {
        let hook = crate::zone::zone(country).unwrap().hook;
        for recall_ms in [
            hook.flash_min_ms,
            hook.flash_min_ms.midpoint(hook.flash_max_ms),
            hook.flash_max_ms,
        ] {
            let heard = after_break(country, Conversation, recall_ms);
            assert_eq!(heard, [format!("flash {recall_ms}")], "{country}");
        }
        for pulse_ms in [hook.pulse_break_min_ms, hook.pulse_break_max_ms] {
            let heard = after_break(country, Digits, pulse_ms);
            assert_eq!(heard.len(), 2, "{country}: {pulse_ms} ms");
            assert!(
                heard[1].starts_with("digit"),
                "{country}: {pulse_ms} ms {heard:?}"
            );
        }
        let beyond_pulses_ms = hook.flash_min_ms.max(hook.pulse_break_max_ms + 1);
        let heard = after_break(country, Digits, beyond_pulses_ms);
        assert_eq!(
            heard,
            ["pulsing".to_owned(), format!("flash {beyond_pulses_ms}")],
            "{country}"
        );
        let heard = after_break(country, Conversation, hook.hang_up_ms);
        assert_eq!(
            heard,
            ["on-hook 1000", &format!("off-hook {}", 1000 + hook.hang_up_ms)],
            "{country}"
        );
        for expectation in [Digits, Conversation] {
            let mut rig = Rig::new(country);
            rig.expect(expectation);
            rig.edge(true, 0);
            rig.pulses_us(1_000_000, 10, 10.0, 65.0, 3000);
            rig.run_for(1000);
            assert_eq!(rig.events().len(), 3, "{country}, {expectation:?}");
        }
    }
}
