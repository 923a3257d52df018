use std::sync::Arc;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;
use crate::testing::epoch;

/// The plan of the Cisco SPA manuals.
const NORTH_AMERICA: &str = "(*xx|[3469]11|0|00|[2-9]xxxxxx|1xxx[2-9]xxxxxxS0|xxxxxxxxxxxx.)";

fn plan(text: &str) -> DialPlan {
    DialPlan::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// Presses `keys` at once and lets the timers run: outputs with the seconds after the last key.
fn dial_with(text: &str, emergency: &[&str], keys: &str) -> Vec<(u64, String)> {
    let emergency: Vec<String> = emergency.iter().map(|number| (*number).to_owned()).collect();
    let now = epoch();
    let mut collector = Collector::new(
        now,
        Arc::new(plan(text)),
        emergency.into(),
        Timers::default(),
        None,
    );
    for key in keys.chars() {
        collector.handle_input(now, CollectorInput::Key(key));
    }
    run_out(&mut collector, now)
}

fn run_out(collector: &mut Collector, start: Instant) -> Vec<(u64, String)> {
    let mut now = start;
    let mut outputs = Vec::new();
    loop {
        while let Some(output) = collector.poll_output() {
            outputs.push(((now - start).as_secs(), shown(&output)));
        }
        match collector.poll_timeout() {
            None => return outputs,
            Some(deadline) => {
                assert!(deadline > now, "time goes on");
                now = deadline;
                collector.handle_timeout(now);
            }
        }
    }
}

fn shown(output: &CollectorOutput) -> String {
    match output {
        CollectorOutput::SecondDialTone => "tone".to_owned(),
        CollectorOutput::Dial(dialed) if dialed.emergency => format!("emergency {}", dialed.number),
        CollectorOutput::Dial(dialed) => dialed.number.clone(),
        CollectorOutput::Rejected { reason, .. } => format!("{reason:?}"),
        CollectorOutput::TimedOut => "timed out".to_owned(),
    }
}

fn dial(text: &str, keys: &str) -> Vec<(u64, String)> {
    dial_with(text, &[], keys)
}

#[track_caller]
fn assert_dials(text: &str, keys: &str, after_s: u64, result: &str) {
    assert_eq!(dial(text, keys), [(after_s, result.to_owned())], "{text} {keys}");
}

#[test]
fn the_plan_of_the_manuals() {
    for (keys, after_s, result) in [
        ("*69", 0, "*69"),
        ("411", 3, "411"),
        ("0", 3, "0"),
        ("00", 3, "00"),
        ("2345678", 3, "2345678"),
        ("12125551234", 0, "12125551234"),
        ("011441234567", 3, "011441234567"),
        ("0114412345678", 3, "0114412345678"),
        ("1212", 10, "Incomplete"),
        ("*6", 10, "Incomplete"),
        ("#", 0, "NoMatch"),
        ("**", 0, "NoMatch"),
    ] {
        assert_dials(NORTH_AMERICA, keys, after_s, result);
    }
    assert_dials("([2-9]xxxxxx|911)", "2345678", 0, "2345678");
}

#[test]
fn notation() {
    for (text, keys, after_s, result) in [
        ("(<8:1650>xxx)", "8234", 0, "1650234"),
        ("(<:1>xxx)", "234", 0, "1234"),
        ("(<9:>xxx)", "9234", 0, "234"),
        ("(xxx<:99>)", "234", 0, "23499"),
        ("(0<0:+380>xx.)", "00441", 3, "0+380441"),
        ("(<00:+>xx.)", "0044123", 3, "+44123"),
        ("(<[12]x:7>8)", "198", 0, "78"),
        ("([^2]x)", "12", 0, "12"),
        ("([^2]x)", "*2", 0, "*2"),
        ("([^2]x)", "22", 0, "NoMatch"),
        ("([^2]x)", "#2", 0, "NoMatch"),
        ("([*1-3]x)", "*2", 0, "*2"),
        ("(1x?)", "1", 3, "1"),
        ("(1x?)", "12", 0, "12"),
        ("(x.)", "1", 3, "1"),
        ("(12.3)", "13", 0, "13"),
        ("(12.3)", "12223", 0, "12223"),
        ("(X@)", "*D", 0, "*D"),
        ("(#1x)", "#12", 0, "#12"),
        ("( 1 2 | 3 )", "12", 0, "12"),
    ] {
        assert_dials(text, keys, after_s, result);
    }
}

#[test]
fn timers_of_rules_and_plans() {
    for (text, keys, after_s, result) in [
        ("(0S5|0x)", "0", 5, "0"),
        ("(0S5|0x|x.)", "0", 5, "0"),
        ("(xx.|411S0)", "411", 0, "411"),
        ("(0S0|0x)", "0", 0, "0"),
        ("(0S9S5|0x)", "0", 14, "0"),
        ("S:7,(x|xx)", "1", 7, "1"),
        ("L:20,S:7,(xx)", "1", 20, "Incomplete"),
        ("(1L4xx)", "1", 4, "Incomplete"),
        ("(1xL4x)", "1", 10, "Incomplete"),
        ("(1xL4x)", "12", 4, "Incomplete"),
        ("(xx)", "", 16, "timed out"),
        ("P:5,(xx)", "", 5, "timed out"),
        ("(P5|xx)", "", 5, "timed out"),
    ] {
        assert_dials(text, keys, after_s, result);
    }
}

#[test]
fn hash_sends_unless_the_plan_can_match_it() {
    assert_dials("(xx.)", "12#", 0, "12");
    assert_dials("(xx.|12#)", "12#", 0, "12#");
    assert_dials("(xxx)", "12#", 0, "Incomplete");
    assert_dials("(xx.)", "#", 0, "NoMatch");
    assert_dials(DialPlan::DEFAULT, "#21#", 0, "#21");
}

#[test]
fn numbers_of_an_intercom_are_called_at_once_but_one_that_begins_another() {
    let numbers: Vec<String> = ["21", "22", "221"].map(str::to_owned).into();
    let plan = DialPlan::for_numbers(&numbers);
    assert_eq!(dial_with(plan.as_str(), &[], "21"), [(0, "21".to_owned())]);
    assert_eq!(dial_with(plan.as_str(), &[], "22"), [(3, "22".to_owned())]);
    assert_eq!(dial_with(plan.as_str(), &[], "221"), [(0, "221".to_owned())]);
    assert_eq!(DialPlan::for_numbers(&[]), DialPlan::default());
}

#[test]
fn barred_numbers() {
    assert_dials("(1900xxx!|1xxxxxx)", "1900123", 0, "Barred");
    assert_dials("(1xxxxxx|1900xxx!)", "1900123", 0, "Barred");
    assert_dials("(1900xxx!|1xxxxxx)", "1901123", 0, "1901123");
    assert_dials("(!1900x.|2xx)", "1", 0, "Barred");
    assert_dials("(19!|19xx)", "19", 3, "Barred");
    assert_dials("(19!|19xx)", "1922", 0, "1922");
}

#[test]
fn second_dial_tone() {
    assert_eq!(
        dial("(9,xxx)", "9"),
        [(0, "tone".to_owned()), (10, "Incomplete".to_owned())]
    );
    assert_eq!(dial("(<9:>,xxx|11)", "9123").last().unwrap().1, "123".to_owned());
}

#[test]
fn hotlines() {
    assert_dials("(P0<:1000>)", "", 0, "1000");
    assert_dials("(S0<:1000>)", "", 0, "1000");
    assert_dials("(<S0:1000>)", "", 0, "1000");
    assert_dials("(P5<:23>)", "", 5, "23");
    assert_dials("(P9<:23>|xx)", "", 9, "23");
    assert_dials("(P9<:23>|xx)", "45", 0, "45");
    assert_dials("(P5<:23>)", "4", 0, "NoMatch");
    let now = epoch();
    let hotline = Hotline {
        number: "112".to_owned(),
        delay: Duration::from_secs(2),
    };
    let emergency: Arc<[String]> = vec!["112".to_owned()].into();
    let plan = Arc::new(plan("(P9<:23>|xx)"));
    let mut collector = Collector::new(now, plan, emergency, Timers::default(), Some(hotline));
    assert_eq!(run_out(&mut collector, now), [(2, "emergency 112".to_owned())]);
}

#[test]
fn emergency_numbers_always_pass() {
    let one = |text, keys| dial_with(text, &["112", "911"], keys);
    let at = |after_s, result: &str| vec![(after_s, result.to_owned())];
    assert_eq!(one("(2xx)", "112"), at(0, "emergency 112"));
    assert_eq!(one("(x.)", "112"), at(0, "emergency 112"));
    assert_eq!(one("(1!|11!|112!|xxx!)", "112"), at(0, "emergency 112"));
    assert_eq!(one("([2-9]xxxxxx)", "911"), at(0, "emergency 911"));
    assert_eq!(
        one("(9S0|1S0)", "911"),
        at(0, "emergency 911"),
        "a rule does not cut it short"
    );
    assert_eq!(one("(11|1)", "112"), at(0, "emergency 112"));
    assert_eq!(one("(112x)", "112"), at(3, "emergency 112"));
    assert_eq!(one("(112x)", "1125"), at(0, "1125"));
    assert_eq!(
        one("(<:9>911|xxx)", "911"),
        at(0, "emergency 9911"),
        "the plan may add what the PBX wants"
    );
    assert_eq!(
        one("(<0:112>|xxx)", "0"),
        at(3, "emergency 112"),
        "a key that calls for help"
    );
    assert_eq!(one("(2xx)", "11"), at(10, "NoMatch"));
    assert_eq!(one("(1|2xx)", "1"), at(3, "1"));
    assert_eq!(
        dial_with("(2xx)", &["112", "1122"], "112"),
        at(3, "emergency 112")
    );
}

#[test]
fn digits_in_time_and_too_late() {
    let now = epoch();
    let second = Duration::from_secs(1);
    let mut collector = Collector::new(
        now,
        Arc::new(plan("(xx|xxx)")),
        Arc::new([]),
        Timers::default(),
        None,
    );
    assert_eq!(collector.poll_timeout(), Some(now + 16 * second));
    collector.handle_input(now + second, CollectorInput::Key('1'));
    assert_eq!(collector.poll_timeout(), Some(now + 11 * second));
    collector.handle_input(now + 2 * second, CollectorInput::Key('2'));
    assert_eq!(collector.poll_timeout(), Some(now + 5 * second));
    collector.handle_timeout(now + 4 * second);
    assert_eq!(collector.poll_output(), None, "a call too early does nothing");
    collector.handle_input(now + 6 * second, CollectorInput::Key('3'));
    assert_eq!(
        collector.poll_output().as_ref().map(shown),
        Some("12".to_owned()),
        "the late digit is not in it"
    );
    assert_eq!(collector.poll_output(), None);
    assert_eq!(collector.poll_timeout(), None);
}

#[test]
fn what_is_no_key_is_ignored_and_numbers_end() {
    assert_dials("(xx)", "1-é2", 0, "12");
    assert_dials("(x.)", &"1".repeat(100), 0, "TooLong");
}

#[test]
fn errors_say_where_and_what() {
    let mut text = String::new();
    for wrong in [
        "",
        "xx",
        "(",
        "()",
        "(xx",
        "(xx|)",
        "(xx))",
        "(.)",
        "(x..)",
        "(x|?)",
        "([])",
        "([1)",
        "([9-1])",
        "([a-b])",
        "([^0-9*])",
        "(<12>)",
        "(<12:3)",
        "(<1:@gw0>x)",
        "(<:1>)",
        "(P5xx)",
        "(xP5)",
        "(S)",
        "(S65)",
        "(1!2)",
        "(x&y)",
        "S4,(x)",
        "S:4(x)",
        "S:,(x)",
        "(1(2))",
        "(x,.)",
        "(é)",
        "(P5<:>!)",
    ] {
        let error = DialPlan::parse(wrong).expect_err(wrong);
        text += &format!("{wrong:<12} {error}\n");
    }
    insta::assert_snapshot!(text);
    let error = DialPlan::parse(&"(".repeat(10_000)).unwrap_err();
    assert_eq!(error.offset, DialPlan::TEXT_MAX);
}

#[test]
fn explanations() {
    let emergency = ["911".to_owned()];
    let explained =
        |text: &str, keys: &str| explain(&plan(text), &emergency, &Timers::default(), keys).to_string();
    let mut text = String::new();
    for keys in [
        "911",
        "411",
        "0",
        "12125551234",
        "2345678999",
        "1 (212)",
        "*9#",
        "",
    ] {
        text += &explained(NORTH_AMERICA, keys);
        text += "\n\n";
    }
    text += &explained("(1900xxxxxxx!|<8:1650>xxx|P5<:23>)", "19001234567");
    text += "\n\n";
    text += &explained("(1900xxxxxxx!|<8:1650>xxx|P5<:23>)", "8123");
    insta::assert_snapshot!(text);
    let json = serde_json::to_value(explain(&plan("(xx)"), &emergency, &Timers::default(), "12")).unwrap();
    assert_eq!(json["verdict"]["result"], "dial");
    assert_eq!(json["rules"][0]["matches"]["extent"], "full");
}

#[test]
fn the_default_plan_passes_everything() {
    for keys in ["1", "600", "0041123456789", "*43", "*21*5551234", "#31"] {
        assert_dials(DialPlan::DEFAULT, keys, 3, keys);
    }
    assert_eq!(DialPlan::default().as_str(), DialPlan::DEFAULT);
}

/// A plan with many rules that all stay possible costs no more for each key than its own length.
#[test]
fn a_plan_made_to_explode_does_not() {
    let rule = "x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.9";
    let text = format!("({})", vec![rule; 200].join("|"));
    assert_dials(&text, &"1".repeat(60), 10, "Incomplete");
    assert_eq!(dial(&text, &format!("{}9", "1".repeat(60))).len(), 1);
}

/// Matching by trying everything, on plans of one rule made of `x`, `1`, `2`, `.` and `?`.
fn matches_by_trial(elements: &[(char, char)], keys: &[char]) -> bool {
    let Some(((what, repeat), rest)) = elements.split_first() else {
        return keys.is_empty();
    };
    let takes = keys.first().is_some_and(|key| *what == 'x' || what == key);
    (*repeat != ' ' && matches_by_trial(rest, keys))
        || (takes && matches_by_trial(rest, &keys[1..]))
        || (takes && *repeat == '.' && matches_by_trial(elements, &keys[1..]))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn matching_agrees_with_trying_everything(
        elements in prop::collection::vec((prop::sample::select(vec!['x', '1', '2']), prop::sample::select(vec![' ', '.', '?'])), 1..6),
        keys in prop::collection::vec(prop::sample::select(vec!['1', '2', '3']), 1..7),
    ) {
        let rule: String = elements.iter().flat_map(|(what, repeat)| [*what, *repeat]).collect();
        let text: String = keys.iter().collect();
        let explanation = explain(&plan(&format!("({rule}|xxxxxxxx)")), &[], &Timers::default(), &text);
        let report = &explanation.rules[0];
        let full = matches!(report.matches, Match::Full { .. });
        prop_assert_eq!(full, matches_by_trial(&elements, &keys), "{} {}", rule, text);
        prop_assert_eq!(report.sends.clone(), full.then_some(text));
    }

    #[test]
    fn any_text_and_any_keys(text in "[0-9x*#.?<>:,!|SLP()\\[\\]^ -]{0,40}", keys in "[0-9*#a-d ]{0,80}") {
        fuzz::plan_and_keys(epoch(), &text, &keys);
        fuzz::plan_and_keys(epoch(), &format!("({text})"), &keys);
    }
}
