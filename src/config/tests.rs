use std::time::Duration;

use proptest::prelude::*;

use super::model::{Codec, Interface, OnRtpTimeout, Password};
use super::*;

fn checked(text: &str) -> Report {
    check(text.as_bytes(), "t.yaml")
}

fn valid(text: &str) -> Model {
    let report = checked(text);
    report
        .model
        .unwrap_or_else(|| panic!("{text}\n{:?}", report.problems))
}

/// The smallest file of the interface page, and what hidden users make of it.
const SMALLEST: &str = r#"
country: ua                      # ISO 3166-1 alpha-2
sip:
  bind: 0.0.0.0:5060             # one socket per transport for all accounts
accounts:
  office:
    server: sip:pbx.example.net  # registrar and proxy
    username: "6001"
    password: "…"                # or password_file: PATH
    register: true
lines:
  - name: kitchen
    account: office
    interface:
      driver: virtual            # or a SLIC driver
      socket: /run/tipring/kitchen.sock
"#;

/// A line named `name`, to be put below `lines:`.
fn line(name: &str, more: &str) -> String {
    let mut text = format!("  - name: {name}\n    interface: {{driver: virtual, socket: /tmp/{name}}}\n");
    for key in more.lines() {
        text += &format!("    {key}\n");
    }
    text
}

fn one_line(more: &str) -> String {
    format!("country: de\nlines:\n{}", line("a", more))
}

#[test]
fn the_smallest_file() {
    let model = valid(SMALLEST);
    assert_eq!(model.sip.bind.to_string(), "0.0.0.0:5060");
    assert_eq!(
        model.account("office").unwrap().server.to_string(),
        "sip:pbx.example.net"
    );
    let line = model.line("kitchen").unwrap();
    assert_eq!(line.account.as_deref(), Some("office"));
    assert_eq!(line.number, None);
    assert_eq!(line.zone.code, "ua");
    assert_eq!(line.codecs, [Codec::Pcma, Codec::Pcmu]);
    assert_eq!(line.timers.short, Duration::from_secs(4));
    assert!(line.echo_canceller && line.pulse_dialing);
    assert_eq!(line.hook, line.zone.hook);
    assert!(matches!(&line.interface, Interface::Virtual { socket } if socket.ends_with("kitchen.sock")));
    assert_eq!(
        (model.media.rtp_port_first, model.media.rtp_port_last),
        (16384, 16482)
    );
    assert_eq!(model, valid(SMALLEST), "two readings are equal");
}

#[test]
fn examples_are_valid_without_a_warning() {
    for (name, text) in [
        ("minimal", include_str!("../../configs/minimal.yaml")),
        ("two-lines", include_str!("../../configs/two-lines.yaml")),
        ("full", include_str!("../../configs/full.yaml")),
        ("gpio-module", include_str!("../../configs/gpio-module.yaml")),
    ] {
        let report = check(text.as_bytes(), name);
        assert!(report.problems.is_empty(), "{report}");
        assert!(report.model.is_some());
    }
}

/// The full example names every key of the schema, and every number in it lies in its range.
#[test]
fn the_full_example_is_full() {
    let schema = schema();
    let text = include_str!("../../configs/full.yaml");
    let mut keys = Vec::new();
    collect_properties(&schema, &mut keys);
    assert!(keys.len() > 60, "{}", keys.len());
    for key in keys {
        assert!(text.contains(&format!("{key}:")), "`{key}` is not in full.yaml");
    }
}

fn collect_properties(value: &serde_json::Value, keys: &mut Vec<String>) {
    if let Some(properties) = value["properties"].as_object() {
        keys.extend(properties.keys().cloned());
    }
    match value {
        serde_json::Value::Object(object) => {
            object.values().for_each(|value| collect_properties(value, keys))
        }
        serde_json::Value::Array(array) => array.iter().for_each(|value| collect_properties(value, keys)),
        _ => {}
    }
}

#[test]
fn every_key_of_the_schema_is_described() {
    let schema = schema();
    assert_eq!(schema["title"], "tipring configuration");
    assert_eq!(schema["additionalProperties"], false);
    let mut properties = 0;
    let mut pending = vec![&schema];
    while let Some(value) = pending.pop() {
        if let Some(map) = value["properties"].as_object() {
            for (key, property) in map {
                properties += 1;
                assert!(
                    property["description"]
                        .as_str()
                        .is_some_and(|text| text.len() > 10),
                    "{key}"
                );
                if key.ends_with("_ms") || key.ends_with("_s") || key.ends_with("_hz") {
                    assert!(
                        property["minimum"].is_number() && property["maximum"].is_number(),
                        "{key}"
                    );
                }
            }
        }
        match value {
            serde_json::Value::Object(object) => pending.extend(object.values()),
            serde_json::Value::Array(array) => pending.extend(array),
            _ => {}
        }
    }
    assert!(properties > 60);
    insta::assert_snapshot!(serde_json::to_string_pretty(&schema).unwrap());
}

#[test]
fn broken_configurations() {
    let office = "accounts:\n  office: {server: sip:pbx, username: 6001}\n";
    let cases = [
        ("empty", String::new()),
        ("only a comment", "# nothing\n".to_owned()),
        ("a list", "- a\n".to_owned()),
        ("a word", "tipring\n".to_owned()),
        ("unknown keys", format!("country: de\ncuontry: de\nsip: {{bnid: 0.0.0.0:1}}\nfoo: 1\nlines:\n{}", line("a", ""))),
        ("repeated keys", "country: de\ncountry: at\nsip:\n  bind: 0.0.0.0:5060\n  bind: 0.0.0.0:5061\n".to_owned()),
        ("a repeated account", "country: de\naccounts:\n  a: {server: sip:x, username: u}\n  a: {server: sip:y, username: v}\n".to_owned()),
        ("unknown country", one_line("country: gx")),
        ("unknown countries", "country: deu\n".to_owned()),
        ("missing keys", "country: de\naccounts:\n  office: {}\nlines:\n  - account: office\n".to_owned()),
        ("no driver", "country: de\nlines:\n  - name: a\n    interface: {socket: /tmp/a}\n".to_owned()),
        ("unknown driver", "country: de\nlines:\n  - name: a\n    interface: {driver: virtul, socket: /tmp/a}\n".to_owned()),
        ("keys of another driver", "country: de\nlines:\n  - name: a\n    interface: {driver: virtual, socket: /tmp/a, rm_line: 3}\n".to_owned()),
        ("wrong types", one_line("echo_canceller: yes\nring_timeout_s: \"60\"\ngain_tx_db: loud\nhotline: 600\ncodecs: PCMA\nhook: [1]")),
        ("out of range", one_line("ring_timeout_s: 1\nfirst_digit_s: 99999999999\ngain_tx_db: 0.3\ndisconnect_open_ms: -5")),
        ("nothing given", one_line("number:\ndial_plan:\ndtmf: ~")),
        ("no such account", format!("country: de\n{office}lines:\n{}", line("a", "account: ofice"))),
        ("two of a kind", format!("country: de\nlines:\n{}{}", line("a", "number: 11"), line("a", "number: 11"))),
        ("an emergency number", one_line("number: 112")),
        ("both passwords", "country: de\naccounts:\n  o: {server: sip:x, username: u, password: hunter2, password_file: /p}\n".to_owned()),
        ("a password that is a list", "country: de\naccounts:\n  o: {server: sip:x, username: u, password: [hunter2]}\n".to_owned()),
        ("a password in the server", "country: de\naccounts:\n  o: {server: 'sip:u:hunter2@x', username: u}\n".to_owned()),
        ("a server by tls", "country: de\nsip: {transports: [udp]}\naccounts:\n  o: {server: sip:x;transport=tls, username: u}\n  p: {server: sip:x;transport=tcp, username: u}\n".to_owned()),
        ("odd ports", format!("media: {{rtp_ports: 16385-16482}}\n{}", one_line(""))),
        ("ports the wrong way round", format!("media: {{rtp_ports: 16482-16384}}\n{}", one_line(""))),
        ("no ports", format!("media: {{rtp_ports: many}}\n{}", one_line(""))),
        ("few ports", format!("media: {{rtp_ports: 20000-20001}}\n{}", one_line(""))),
        ("too few ports", format!("media: {{rtp_ports: 20000-20001}}\ncountry: de\nlines:\n{}{}", line("a", ""), line("b", ""))),
        ("nat", format!("nat: {{ice: maybe, stun_server: '2001:db8::1', turn_server: t, external_address: here}}\n{}", one_line(""))),
        ("a relay nobody uses", format!("nat: {{ice: 'off', turn_server: t, turn_username: u, turn_password: w, turn_password_file: f}}\n{}", one_line(""))),
        ("media", format!("media: {{packet_time_ms: 25, jitter_min_ms: 300, on_rtp_timeout: stop}}\n{}", one_line(""))),
        ("dial plan in quotes", one_line("dial_plan: \"(xx|[3-1]x)\"")),
        ("dial plan without", one_line("dial_plan: (xx|<1>x)")),
        ("dial plan in lines", one_line("dial_plan: >\n  (xx|\n  &)")),
        ("codecs", one_line("codecs: [G722, pcma, PCMU, PCMU]")),
        ("no codec left", one_line("codecs: [G722]")),
        ("caller id", one_line("caller_id: {method: fsk_v32_after_ring}")),
        ("caller id delimiters", one_line("caller_id: {method: none, start: A}")),
        ("flash as long as a hang-up", one_line("hook: {flash_max_ms: 900, hang_up_ms: 900}")),
        ("flash among the pulses", one_line("hook: {flash_min_ms: 80, pulse_break_max_ms: 100}")),
        ("flash wholly among the pulses", one_line("hook: {flash_min_ms: 80, flash_max_ms: 105}")),
        ("flash that begins where pulses do", format!("country: us\nlines:\n{}", line("a", "hook: {flash_min_ms: 90}"))),
        ("debounce longer than a pulse", one_line("hook: {debounce_ms: 30, pulse_break_min_ms: 20}")),
        ("syntax", "country: de\nsip: {bind: 1\nlines: []\n".to_owned()),
        ("a colon too many", "country: de: at\n".to_owned()),
        ("tabs", "country: de\nsip:\n\tbind: 0.0.0.0:5060\n".to_owned()),
        ("anchors", "country: &c de\nlines:\n  - name: a\n    country: *c\n    interface: *d\n".to_owned()),
        ("tags", "country: !!str de\n".to_owned()),
        ("two documents", "country: de\n---\ncountry: at\n".to_owned()),
        ("keys that are no text", "country: de\n? [a]\n: b\n".to_owned()),
        ("bind", format!("sip: {{bind: localhost}}\n{}", one_line(""))),
        ("gpio", "country: de\nlines:\n  - name: a\n    interface:\n      driver: gpio_module\n      module: ks0835\n      shk_line: 17\n      rm_line: 17\n      fr_line: 22\n      audio: {card: Device, rate_hz: 11025}\n".to_owned()),
    ];
    let mut found = String::new();
    for (name, text) in &cases {
        let report = checked(text);
        assert!(!report.problems.is_empty(), "{name}");
        assert!(!report.to_string().contains("hunter2"), "{name}");
        found += &format!("--- {name}\n{report}");
    }
    insta::assert_snapshot!(found);
}

#[test]
fn what_is_no_text_at_all() {
    let report = check(b"country: de\nsip:\n  bind: \xff\xfe\n", "t.yaml");
    assert_eq!(
        report.to_string(),
        "t.yaml:3:9: error: this byte is not UTF-8 text\n"
    );
    let report = check(b"country: \0de\n", "t.yaml");
    assert_eq!(report.errors(), 1, "{report}");
    assert!(
        check("\u{feff}country: de\n".as_bytes(), "t.yaml")
            .model
            .is_some(),
        "a byte order mark is no harm"
    );
    assert!(
        check(SMALLEST.replace('\n', "\r\n").as_bytes(), "t.yaml")
            .model
            .is_some(),
        "nor are line ends of DOS"
    );
}

#[test]
fn texts_made_to_choke_on() {
    let mut bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for (one, other) in ('a'..='y').zip('b'..='z') {
        bomb += &format!("{other}: &{other} [*{one}, *{one}, *{one}, *{one}, *{one}, *{one}, *{one}]\n");
    }
    let wide = format!("country: de\nlines:\n{}", "  - {}\n".repeat(30_000));
    for (name, text, expected) in [
        ("aliases of aliases", bomb, "anchors"),
        ("20,000 nested lists", "[".repeat(20_000), "nested more than"),
        ("20,000 nested maps", "{a: ".repeat(20_000), "nested more than"),
        (
            "400 nested blocks",
            (0..400)
                .map(|depth| format!("{}a:\n", " ".repeat(depth)))
                .collect(),
            "nested more than",
        ),
        ("10 MB of text", "x".repeat(10_000_000), "at most 256 KiB"),
        ("one endless key", format!("{}: 1", "k".repeat(250_000)), "error"),
        ("30,000 lines without a name", wide, "is missing"),
        (
            "one endless value",
            format!("country: {}", "c".repeat(250_000)),
            "found",
        ),
    ] {
        let report = checked(&text);
        assert!(report.model.is_none(), "{name}");
        let complaints = report.to_string();
        assert!(
            complaints.contains(expected),
            "{name}: {}",
            &complaints[..complaints.len().min(500)]
        );
        assert!(
            report.problems.iter().all(|problem| problem.text.len() < 1000),
            "{name}"
        );
        assert!(report.problems.len() <= problem::PROBLEMS_MAX + 1, "{name}");
    }
}

#[test]
fn secrets_are_not_printed() {
    let text = SMALLEST.replace('…', "hunter2");
    let report = checked(&text);
    assert!(!format!("{report:?}").contains("hunter2"));
    let model = report.model.unwrap();
    assert!(matches!(&model.accounts[0].password, Password::Given(_)));
    assert!(model != valid(SMALLEST), "another password is a change");
}

#[test]
fn what_the_owner_sets_reaches_the_model() {
    let model = valid(include_str!("../../configs/full.yaml"));
    assert_eq!(model.media.on_rtp_timeout, OnRtpTimeout::End);
    let kitchen = model.line("kitchen").unwrap();
    assert_eq!(kitchen.hook.flash_min_ms, 150);
    assert_eq!(kitchen.caller_id.start, Some('A'));
    assert_eq!(kitchen.hotline.as_ref().unwrap().delay, Duration::from_secs(5));
    assert_eq!(kitchen.dial_plan.rules().count(), 7);
    let Interface::GpioModule(module) = &model.line("hall").unwrap().interface else {
        panic!("a module")
    };
    assert_eq!(module.audio.rate_hz, Some(48_000));
    assert_eq!(
        model.account("trunk").unwrap().password,
        Password::File("/etc/tipring/trunk.password".into())
    );
    let usa = valid(&one_line("country: US"));
    assert_eq!(usa.lines[0].codecs, [Codec::Pcmu, Codec::Pcma]);
    let flash = valid(&one_line("hook: {flash_max_ms: 900}"));
    assert_eq!(
        flash.lines[0].hook.hang_up_ms, 1000,
        "the hang-up gives way to a flash the owner set"
    );
    assert!(valid("country: de\nlines: []\n").lines.is_empty());
    assert!(
        valid("country: de\nsip:\nmedia:\naccounts:\n")
            .accounts
            .is_empty(),
        "empty sections are as if absent"
    );
}

#[test]
fn files_are_loaded() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("tipring.yaml");
    assert!(load(&path).is_err());
    std::fs::write(&path, SMALLEST).unwrap();
    let report = load(&path).unwrap();
    assert!(report.model.is_some());
    assert_eq!(report.name, path.display().to_string());
    std::fs::write(&path, vec![b'#'; 10_000_000]).unwrap();
    assert_eq!(load(&path).unwrap().errors(), 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        fuzz::text(&bytes);
    }

    #[test]
    fn any_text_of_yaml_signs(text in "[a-c:\\-\\[\\]{}&*!|>'\"#%@,? \\n\\t]{0,80}") {
        fuzz::text(text.as_bytes());
    }

    #[test]
    fn a_file_with_a_piece_changed(at in 0..400usize, take in 0..20usize, put in "[a-z:\\-\\[\\]{}'\"# \\n0-9]{0,8}") {
        let mut text: Vec<char> = SMALLEST.chars().collect();
        let at = at.min(text.len());
        let end = (at + take).min(text.len());
        text.splice(at..end, put.chars());
        fuzz::text(text.iter().collect::<String>().as_bytes());
    }
}

fn one_account(server: &str, keys: &str) -> String {
    format!(
        "country: ua\naccounts:\n  office:\n    server: {server}\n    username: \"1\"\n{keys}lines:\n  - \
         name: k\n    account: office\n    interface: {{driver: virtual, socket: /run/k.sock}}\n"
    )
}

#[test]
fn keys_in_the_clear_are_warned_of_and_keys_over_tls_are_not() {
    let warned = |server: &str, sip: &str| {
        let text = format!("{sip}{}", one_account(server, "    srtp: required\n"));
        let report = checked(&text);
        assert!(report.model.is_some(), "{report}");
        let about_keys = |problem: &Problem| problem.text.contains("keys of encrypted calls");
        report.problems.iter().any(about_keys)
    };
    assert!(warned("sip:pbx.example.net", ""));
    assert!(warned("sip:pbx.example.net;transport=tcp", ""));
    assert!(!warned("sip:pbx.example.net;transport=tls", ""));
    assert!(!warned("sips:pbx.example.net", ""));
    assert!(!warned("sip:pbx.example.net", "sip: {transports: [tls]}\n"));
    assert!(warned("sip:pbx.example.net", "sip: {transports: [tls, udp]}\n"));
}

#[test]
fn an_account_names_the_tones_of_refusals() {
    let tones = |keys: &str| {
        let model = valid(&one_account("sip:pbx.example.net", keys));
        let tones = model.accounts[0].refusal_tones;
        (tones.unavailable.name(), tones.rejected.name())
    };
    assert_eq!(tones(""), ("congestion", "busy"));
    let keys = "    unavailable_tone: unobtainable\n    rejected_tone: rejection\n";
    assert_eq!(tones(keys), ("unobtainable", "rejection"));
    let report = checked(&one_account("sip:pbx.example.net", "    rejected_tone: dial\n"));
    assert!(report.model.is_none(), "a dial tone is no refusal");
}
