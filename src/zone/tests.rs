use super::*;

fn zones() -> Vec<Zone> {
    countries::TABLES
        .iter()
        .map(|(code, text)| resolve::zone(text).unwrap_or_else(|error| panic!("{code}: {error}")))
        .collect()
}

#[test]
fn every_country_loads_under_its_code() {
    let zones = zones();
    assert_eq!(zones.len(), 71);
    for (zone, code) in zones.iter().zip(codes()) {
        assert_eq!(zone.code, code);
        assert!(code.is_ascii() && code.len() == 2 && code.to_ascii_lowercase() == code);
        assert!(!zone.name.is_empty() && !zone.impedance.is_empty());
    }
    assert!(codes().is_sorted(), "found by binary search");
}

#[test]
fn codes_are_found_in_either_case_and_by_alias() {
    assert_eq!(zone("UA").unwrap().name, "Ukraine");
    assert_eq!(zone("uk"), zone("GB"));
    assert_eq!(zone("xx"), None);
    assert_eq!(zone(""), None);
    let mut aliases = Vec::new();
    for (code, text) in countries::TABLES {
        let table: table::Table = serde_saphyr::from_str(text).unwrap();
        aliases.extend(table.aliases.into_iter().map(|alias| (alias, *code)));
    }
    let listed: Vec<_> = countries::ALIASES
        .iter()
        .map(|(a, c)| ((*a).to_owned(), *c))
        .collect();
    assert_eq!(aliases, listed, "the list and the tables");
}

#[test]
fn every_fact_has_a_known_source() {
    let known = [
        "itu-e180",
        "itu-ob781",
        "asterisk",
        "spandsp",
        "zyxel",
        "zyxel-ta",
        "web",
        "engineering",
    ];
    for (code, text) in countries::TABLES {
        let table: table::Table = serde_saphyr::from_str(text).unwrap();
        let sources = &table.sources;
        for class in [
            &sources.tones,
            &sources.ring,
            &sources.flash,
            &sources.caller_id,
            &sources.emergency_numbers,
        ] {
            assert!(!class.is_empty(), "{code}");
            for source in class {
                assert!(
                    known.contains(&source.as_str()) || source.starts_with("nat:"),
                    "{code}: {source}"
                );
            }
        }
        assert!(table.notes.iter().all(|note| !note.is_empty()), "{code}");
        match table.confidence {
            table::Confidence::High | table::Confidence::Medium => {}
            table::Confidence::Low => assert!(!table.name.is_empty()),
        }
    }
}

#[test]
fn every_tone_can_be_played_without_clipping() {
    for zone in zones() {
        for tone in Tone::ALL {
            let plan = zone.tone(tone);
            let name = format!("{} {}", zone.code, tone.name());
            assert!(!plan.steps().is_empty(), "{name}");
            let mut ends = false;
            for step in plan.steps() {
                assert!(!ends, "{name}: a step after one that never ends");
                ends = step.on_ms.is_none();
                assert!(step.peak() <= 32_767.0, "{name}: peak {}", step.peak());
                assert!(
                    (-30.0..=0.0).contains(&step.level_dbm0),
                    "{name}: {} dBm0",
                    step.level_dbm0
                );
                for hz in step.sounding_hz() {
                    assert!((300.0..=3400.0).contains(&hz), "{name}: {hz} Hz");
                }
                assert!(step.on_ms != Some(0), "{name}");
                assert!((0.0..=50.0).contains(&step.modulation_hz), "{name}");
                assert!((0.0..=1.0).contains(&step.modulation_depth), "{name}");
            }
        }
    }
}

#[test]
fn a_cadence_has_silence_where_it_must_be_heard() {
    for zone in zones() {
        for tone in [Tone::Busy, Tone::Ringback, Tone::CallWaiting] {
            let silent = zone.tone(tone).steps().iter().any(|step| step.off_ms > 0);
            assert!(silent, "{} {}", zone.code, tone.name());
        }
        let ring = &zone.ring;
        assert!(
            [16.67, 20.0, 25.0, 50.0].contains(&ring.frequency_hz),
            "{}",
            zone.code
        );
        assert!(
            ring.cadence_ms.len().is_multiple_of(2) && !ring.cadence_ms.is_empty(),
            "{}",
            zone.code
        );
        assert!(ring.cadence_ms.iter().all(|ms| *ms > 0), "{}", zone.code);
        let longest_silence = ring.cadence_ms.iter().skip(1).step_by(2).max();
        assert!(
            longest_silence >= Some(&2000),
            "{}: no place for caller ID",
            zone.code
        );
    }
}

#[test]
fn what_a_break_of_the_loop_means_is_never_in_doubt() {
    for zone in zones() {
        let hook = zone.hook;
        assert!(
            2 * hook.debounce_ms < 33,
            "{}: half of the shortest make at 10 pps",
            zone.code
        );
        assert!(hook.debounce_ms < hook.pulse_break_min_ms, "{}", zone.code);
        assert!(hook.pulse_break_min_ms < hook.pulse_break_max_ms, "{}", zone.code);
        assert!(
            hook.pulse_break_min_ms <= 24 && hook.pulse_break_max_ms >= 107,
            "{}",
            zone.code
        );
        assert!(hook.flash_min_ms < hook.flash_max_ms, "{}", zone.code);
        // A recall that every reading takes for a pulse could not be told apart while digits are awaited.
        assert!(hook.pulse_break_max_ms < hook.flash_max_ms, "{}", zone.code);
        assert!(hook.flash_max_ms < hook.hang_up_ms, "{}", zone.code);
        assert!(hook.pulse_break_max_ms < hook.interdigit_ms, "{}", zone.code);
    }
    assert_eq!(zone("us").unwrap().hook.hang_up_ms, 1100);
    assert_eq!(zone("de").unwrap().hook.hang_up_ms, 800);
}

#[test]
fn caller_id_by_dtmf_has_its_delimiters() {
    for zone in zones() {
        let scheme = zone.caller_id;
        assert_eq!(scheme.method.is_dtmf(), scheme.start.is_some(), "{}", zone.code);
        assert_eq!(scheme.method.is_dtmf(), scheme.stop.is_some(), "{}", zone.code);
        let keys = [scheme.start, scheme.stop];
        assert!(
            keys.into_iter().flatten().all(|key| "ABCD#".contains(key)),
            "{}",
            zone.code
        );
    }
    for method in CallerIdMethod::ALL {
        assert_eq!(CallerIdMethod::from_name(method.name()), Some(method));
    }
}

#[test]
fn every_country_has_emergency_numbers() {
    for zone in zones() {
        assert!(!zone.emergency_numbers.is_empty(), "{}", zone.code);
        assert!(zone.emergency_numbers.is_sorted(), "{}", zone.code);
        for number in &zone.emergency_numbers {
            assert!((2..=5).contains(&number.len()), "{} {number}", zone.code);
            assert!(
                number.bytes().all(|digit| digit.is_ascii_digit()),
                "{} {number}",
                zone.code
            );
        }
    }
    assert!(zone("ua").unwrap().emergency_numbers.contains(&"112".to_owned()));
}

#[test]
fn pulse_mappings_of_the_two_countries_that_differ() {
    for zone in zones() {
        let expected = match zone.code.as_str() {
            "se" => PulseMapping::Swedish,
            "nz" => PulseMapping::NewZealand,
            _ => PulseMapping::General,
        };
        assert_eq!(zone.pulse_mapping, expected, "{}", zone.code);
    }
}

#[test]
fn fall_backs_end_where_the_table_says() {
    let ua = zone("ua").unwrap();
    assert_eq!(ua.tone(Tone::RecallDial), ua.tone(Tone::Dial));
    assert_eq!(ua.tone(Tone::Unobtainable), ua.tone(Tone::Sit));
    let us = zone("us").unwrap();
    let stutter = us.tone(Tone::SpecialDial).steps();
    assert_eq!(stutter.len(), 4);
    assert_eq!(stutter[3].on_ms, None);
    assert_eq!(stutter[3].level_dbm0, -13.0);
    let za = zone("za").unwrap();
    let confirmation = za.tone(Tone::Confirmation).steps()[0];
    assert_eq!(
        confirmation.modulation_hz, 33.0,
        "the dial tone's modulation goes with its frequencies"
    );
}

#[test]
fn all_plans_as_a_table() {
    let mut text = String::new();
    for zone in zones() {
        for tone in Tone::ALL {
            let plan = zone.tone(tone);
            let steps: Vec<_> = plan.steps().iter().map(shown).collect();
            let end = if plan.repeats() { "" } else { " |" };
            text += &format!("{} {:<20} {}{end}\n", zone.code, tone.name(), steps.join(" "));
        }
    }
    insta::assert_snapshot!(text);
}

fn shown(step: &ToneStep) -> String {
    let hz: Vec<_> = step.sounding_hz().map(|hz| hz.to_string()).collect();
    let modulation = match step.modulation_hz {
        0.0 => String::new(),
        hz => format!("*{hz}"),
    };
    let on = step.on_ms.map_or("on".to_owned(), |ms| ms.to_string());
    format!(
        "{}{modulation}@{}:{on}/{}",
        hz.join("+"),
        step.level_dbm0,
        step.off_ms
    )
}
