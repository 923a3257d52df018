//! The outside surface, section by section, held to by the real binary: arguments, exit codes, shapes of what is
//! printed, the virtual line's bytes.

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test that cannot run its programs shall fail; it opens sockets and waits, and prints what it measures"
)]

mod binary;

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use binary::server::{Manners, Server};
use binary::telephone::{Telephone, edge, level_dbm0, pulse_train, sine};
use binary::{Daemon, Directory, PASSWORD, PROGRAM, assert_wav, json, one_account, text, two_lines, wait};

fn tipring(arguments: &[&str]) -> Output {
    Command::new(PROGRAM)
        .args(arguments)
        .env("TIPRING_SOCKET", "/nonexistent/control.sock")
        .output()
        .unwrap()
}

/// A daemon whose kitchen talks with the far end of `server`.
fn talking(server: &Server) -> (Daemon, Telephone) {
    let daemon = Daemon::start(&one_account(server.address(), true));
    let telephone = Telephone::plug(&daemon.path("kitchen.sock"));
    wait("registered", || {
        daemon.status()["accounts"][0]["state"] == "registered"
    });
    telephone.lift();
    telephone.wait_tone(440.0);
    telephone.press("600");
    daemon.wait_line(0, "talking");
    (daemon, telephone)
}

// --- section 1: the command line ---------------------------------------------------------------------------------

#[test]
fn check_ends_with_0_1_or_2_and_names_file_line_column_and_the_nearest_key() {
    let directory = Directory::new(&two_lines());
    let file = directory.name("tipring.yaml");
    let valid = tipring(&["check", &file]);
    assert_eq!(valid.status.code(), Some(0), "{}", text(&valid.stdout));
    directory.configure("contry: us\nlines:\n- name: kitchen\n  interface: {driver: virtual, socket: /tmp/a}\n  dialplan: \"(x.)\"\n");
    let invalid = tipring(&["check", &file]);
    assert_eq!(invalid.status.code(), Some(1));
    let said = text(&invalid.stdout) + &text(&invalid.stderr);
    for (place, nearest) in [("1:1", "country"), ("5:3", "dial_plan")] {
        let line = said
            .lines()
            .find(|line| line.starts_with(&format!("{file}:{place}: error: ")))
            .unwrap_or_else(|| panic!("no {place} in {said}"));
        assert!(line.contains(nearest), "{line}");
    }
    for unusable in [
        &["check", "a", "b"][..],
        &["check", "--frobnicate"],
        &["frobnicate"],
        &[],
    ] {
        assert_eq!(tipring(unusable).status.code(), Some(2), "{unusable:?}");
    }
}

#[test]
fn warnings_are_printed_and_allowed() {
    let directory = Directory::new(&two_lines().replace("dial_plan: \"(1xS0)\"", "codecs: [G722, PCMA]"));
    let file = directory.name("tipring.yaml");
    let output = tipring(&["check", &file]);
    assert_eq!(output.status.code(), Some(0));
    assert!(
        text(&output.stdout).contains(&format!("{file}:4:")),
        "{}",
        text(&output.stdout)
    );
    assert!(
        text(&output.stdout).contains(": warning: "),
        "{}",
        text(&output.stdout)
    );
}

#[test]
fn run_with_an_invalid_configuration_says_where_and_ends_with_1() {
    let directory = Directory::new("contry: us\n");
    let output = directory.daemon().output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr);
    assert!(
        said.contains(&format!("{}:1:1: error: ", directory.name("tipring.yaml"))),
        "{said}"
    );
}

#[test]
fn the_schema_knows_every_key_of_the_examples() {
    let schema = json(&tipring(&["schema"]));
    for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/configs")).unwrap() {
        let path = entry.unwrap().path();
        let output = tipring(&["check", path.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stdout));
        let yaml = std::fs::read_to_string(&path).unwrap();
        let document: serde_json::Value = serde_saphyr::from_str(&yaml).unwrap();
        let mut problems = Vec::new();
        validate(&schema, &schema, &document, "", &mut problems);
        assert_eq!(problems, Vec::<String>::new(), "{}", path.display());
    }
    let wrong = serde_json::json!({"country": "ua", "lines": [{"nam": "kitchen"}]});
    let mut problems = Vec::new();
    validate(&schema, &schema, &wrong, "", &mut problems);
    assert!(!problems.is_empty(), "a misspelt key passes the schema");
}

/// As much of JSON Schema (draft 2020-12) as the configuration's uses.
fn validate(
    root: &serde_json::Value,
    schema: &serde_json::Value,
    value: &serde_json::Value,
    place: &str,
    problems: &mut Vec<String>,
) {
    if let Some(name) = schema["$ref"].as_str() {
        let target = root.pointer(name.trim_start_matches('#')).unwrap();
        validate(root, target, value, place, problems);
    }
    for key in ["anyOf", "oneOf"] {
        if let Some(choices) = schema[key].as_array() {
            let fits = choices.iter().any(|choice| {
                let mut found = Vec::new();
                validate(root, choice, value, place, &mut found);
                found.is_empty()
            });
            if !fits {
                problems.push(format!("{place}: none of {key}"));
            }
        }
    }
    if let Some(constant) = schema.get("const")
        && constant != value
    {
        problems.push(format!("{place}: not {constant}"));
    }
    if let Some(values) = schema["enum"].as_array()
        && !values.contains(value)
    {
        problems.push(format!("{place}: {value} is none of {values:?}"));
    }
    let types: Vec<&str> = match &schema["type"] {
        serde_json::Value::String(name) => vec![name],
        serde_json::Value::Array(names) => names.iter().filter_map(|name| name.as_str()).collect(),
        _ => Vec::new(),
    };
    let is = |name: &&str| match *name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        _ => false,
    };
    if !types.is_empty() && !types.iter().any(is) {
        problems.push(format!("{place}: {value} is no {types:?}"));
    }
    let outside = |number: f64| {
        schema["minimum"].as_f64().is_some_and(|least| number < least)
            || schema["maximum"].as_f64().is_some_and(|most| number > most)
    };
    if value.as_f64().is_some_and(outside) {
        problems.push(format!("{place}: {value} is out of range"));
    }
    if let (Some(items), Some(values)) = (schema.get("items"), value.as_array()) {
        for (index, item) in values.iter().enumerate() {
            validate(root, items, item, &format!("{place}[{index}]"), problems);
        }
    }
    let Some(fields) = value.as_object() else { return };
    for required in schema["required"].as_array().into_iter().flatten() {
        if !fields.contains_key(required.as_str().unwrap()) {
            problems.push(format!("{place}: {required} is missing"));
        }
    }
    for (key, field) in fields {
        let place = format!("{place}.{key}");
        match (schema["properties"].get(key), schema.get("additionalProperties")) {
            (Some(known), _) => validate(root, known, field, &place, problems),
            (None, Some(serde_json::Value::Bool(false))) => problems.push(format!("{place}: unknown")),
            (None, Some(other)) if other.is_object() => validate(root, other, field, &place, problems),
            _ => {}
        }
    }
}

#[test]
fn status_has_the_shape_that_programs_read_and_the_password_is_nowhere() {
    let server = Server::start(Manners::Polite);
    let (mut daemon, telephone) = talking(&server);
    let status = daemon.status();
    assert_eq!(status["version"], env!("CARGO_PKG_VERSION"));
    assert!(status["uptime_s"].as_f64().unwrap() > 0.0, "{status}");
    let account = &status["accounts"][0];
    assert_eq!(account["name"], "pbx");
    assert_eq!(account["server"], format!("sip:{}", server.address()));
    assert!(
        (200..=287).contains(&account["expires_s"].as_u64().unwrap()),
        "{account}"
    );
    assert!(account["last_error"].is_null(), "{account}");
    let line = &status["lines"][0];
    assert_eq!(
        (
            &line["name"],
            &line["account"],
            &line["state"],
            &line["hook"],
            &line["message_waiting"]
        ),
        (
            &"kitchen".into(),
            &"pbx".into(),
            &"talking".into(),
            &"off".into(),
            &false.into()
        )
    );
    let call = &status["calls"][0];
    assert_eq!(
        (
            &call["line"],
            &call["direction"],
            &call["remote"],
            &call["state"],
            &call["codec"]
        ),
        (
            &"kitchen".into(),
            &"outgoing".into(),
            &"600".into(),
            &"talking".into(),
            &"PCMA".into()
        )
    );
    assert!(
        call["seconds"].as_f64().is_some() && call["id"].is_string(),
        "{call}"
    );
    for arguments in [
        &["status"][..],
        &["calls"],
        &["schema"],
        &["dial", "explain", "600"],
    ] {
        let output = daemon.ask(arguments);
        assert!(output.status.success(), "{arguments:?} {}", text(&output.stderr));
        assert!(
            !(text(&output.stdout) + &text(&output.stderr)).contains(PASSWORD),
            "{arguments:?}"
        );
    }
    telephone.hook(false);
    daemon.wait_line(0, "idle");
    let calls = json(&daemon.ask(&["calls", "--json"]));
    let id = calls[0]["id"].as_str().unwrap().to_owned();
    assert_eq!(
        id,
        call["id"].as_str().unwrap(),
        "one name for a call, running and ended"
    );
    let shown = json(&daemon.ask(&["call", "show", &id, "--json"]));
    for field in ["cause", "codec", "started_ms", "ended_ms"] {
        assert!(!shown[field].is_null(), "{field}: {shown}");
    }
    let shown = text(&daemon.ask(&["call", "show", &id]).stdout);
    for word in ["cause", "codec", "lost", "jitter", "delay", "mos"] {
        assert!(shown.to_lowercase().contains(word), "no {word} in\n{shown}");
    }
    let unknown = daemon.ask(&["call", "show", "nobody"]);
    assert_eq!(unknown.status.code(), Some(1));
    assert_eq!(text(&unknown.stderr).lines().count(), 1);
    daemon.terminate();
    wait("the log's end", || daemon.log().contains("ending"));
    assert!(
        daemon.log().contains("TRACE") || daemon.log().contains("DEBUG"),
        "the log is at its most talkative"
    );
    assert!(!daemon.log().contains(PASSWORD), "the password is in the log");
    assert!(
        !server
            .messages
            .lock()
            .unwrap()
            .iter()
            .any(|message| message.contains(PASSWORD))
    );
}

#[test]
fn a_password_is_not_repeated_by_complaints_about_it() {
    for wrong in [
        format!("password: [{PASSWORD}]"),
        format!("password: {PASSWORD}\n    password: {PASSWORD}"),
        format!("passwort: {PASSWORD}"),
        format!("password: \"{PASSWORD}\n"),
        format!("password: &{PASSWORD} *{PASSWORD}"),
        format!("password: !{PASSWORD} {PASSWORD}"),
        format!("password: {PASSWORD}: {PASSWORD}: x"),
        format!("password_file: /dev/null\n    password: {PASSWORD}"),
    ] {
        let directory = Directory::new(&format!(
            "country: us\naccounts:\n  pbx:\n    server: sip:pbx\n    username: u\n    {wrong}\nlines:\n\
             - {{name: a, account: pbx, interface: {{driver: virtual, socket: {{dir}}/a}}}}\n"
        ));
        let output = tipring(&["check", &directory.name("tipring.yaml")]);
        assert_eq!(output.status.code(), Some(1), "{wrong}");
        let said = text(&output.stdout) + &text(&output.stderr);
        assert!(!said.contains(PASSWORD), "{wrong}\n{said}");
        let run = directory.daemon().output().unwrap();
        assert!(
            !(text(&run.stdout) + &text(&run.stderr)).contains(PASSWORD),
            "{wrong}"
        );
    }
}

#[test]
fn sigterm_in_a_call_says_bye_takes_the_registration_back_and_ends_with_0() {
    let server = Server::start(Manners::Polite);
    let (mut daemon, _telephone) = talking(&server);
    let (status, took) = daemon.terminate();
    assert_eq!(status.code(), Some(0));
    assert!(took < Duration::from_secs(5), "{took:?}");
    assert_eq!(server.count("BYE "), 1);
    let last = server.last("REGISTER ").unwrap();
    assert!(
        last.contains("Expires: 0") || last.contains("expires=0"),
        "{last}"
    );
    for socket in ["control.sock", "kitchen.sock"] {
        assert!(!daemon.path(socket).exists(), "{socket} is left behind");
    }
}

#[test]
fn sigterm_and_sighup_during_the_start_are_heeded() {
    let directory = Directory::new(&two_lines());
    let mut process = directory.daemon().spawn().unwrap();
    // The control socket is there a moment before the lines are.
    wait("the control socket", || directory.path("control.sock").exists());
    let pid = nix::unistd::Pid::from_raw(process.id().cast_signed());
    nix::sys::signal::kill(pid, Signal::SIGHUP).unwrap();
    nix::sys::signal::kill(pid, Signal::SIGTERM).unwrap();
    assert_eq!(process.wait().unwrap().code(), Some(0));
}

#[test]
fn reload_and_sighup_apply_a_change_without_dropping_a_call() {
    let server = Server::start(Manners::Polite);
    let (daemon, telephone) = talking(&server);
    let before = std::fs::read_to_string(daemon.path("tipring.yaml")).unwrap();
    let more = |name: &str| {
        format!(
            "- {{name: {name}, number: \"2\", interface: {{driver: virtual, socket: {{dir}}/{name}.sock}}}}\n"
        )
    };
    daemon.directory().configure(&(before.clone() + &more("hall")));
    let packets = || server.rtp_packets.load(std::sync::atomic::Ordering::Relaxed);
    let reloaded = daemon.ask(&["reload"]);
    assert!(reloaded.status.success(), "{}", text(&reloaded.stderr));
    assert_eq!(daemon.status()["lines"][1]["name"], "hall");
    daemon.directory().configure(&(before.clone() + &more("attic")));
    daemon.signal(Signal::SIGHUP);
    wait("the change by SIGHUP", || {
        daemon.status()["lines"][1]["name"] == "attic"
    });
    // An invalid one: refused whole.
    daemon
        .directory()
        .configure(&(before.replace("\"11\"", "\"77\"") + "- {name: attic, name: cellar}\n"));
    let refused = daemon.ask(&["reload"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        text(&refused.stderr).contains("tipring.yaml:"),
        "{}",
        text(&refused.stderr)
    );
    daemon.signal(Signal::SIGHUP);
    wait("the refusal in the log", || {
        daemon.log().contains("the running one stays")
    });
    let status = daemon.status();
    assert_eq!(status["lines"][0]["number"], "11");
    assert_eq!(status["lines"][1]["name"], "attic");
    assert_eq!(status["calls"][0]["state"], "talking");
    let so_far = packets();
    wait("speech goes on", || packets() > so_far + 10);
    assert_eq!(server.count("BYE "), 0);
    telephone.hook(false);
    server.wait_for("BYE ");
}

#[test]
fn a_line_that_cannot_be_opened_refuses_the_whole_reload() {
    let daemon = Daemon::start(&two_lines());
    let _telephone = Telephone::plug(&daemon.path("kitchen.sock"));
    daemon.directory().configure(
        "country: us\nsip: {bind: \"127.0.0.1:0\"}\nlines:\n\
         - {name: parlour, interface: {driver: virtual, socket: {dir}/kitchen.sock}}\n\
         - {name: hall, interface: {driver: virtual, socket: {dir}/missing/hall.sock}}\n",
    );
    let refused = daemon.ask(&["reload"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        text(&refused.stderr).contains("missing"),
        "{}",
        text(&refused.stderr)
    );
    let names: Vec<_> = daemon.status()["lines"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| line["name"].clone())
        .collect();
    assert_eq!(names, ["kitchen", "office"]);
    let second = Telephone::plug(&daemon.path("office.sock"));
    second.lift();
    second.wait_tone(440.0);
}

#[test]
fn events_follow_one_a_line() {
    let daemon = Daemon::start(&two_lines());
    let mut follower = daemon.directory().program(&["events", "--json"]).spawn().unwrap();
    let mut lines = BufReader::new(follower.stdout.take().unwrap()).lines();
    let telephone = Telephone::plug(&daemon.path("kitchen.sock"));
    // Until the follower is there an event may pass unseen; a hook that goes on and off shows when it is.
    let mut seen = Vec::new();
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        while let Some(Ok(line)) = lines.next() {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    let mut closed = false;
    wait("a hook event", || {
        closed = !closed;
        telephone.hook(closed);
        let until = Instant::now() + Duration::from_secs(2);
        while let Ok(line) = receiver.recv_timeout(until.saturating_duration_since(Instant::now())) {
            let event: serde_json::Value = serde_json::from_str(&line).unwrap();
            seen.push(event["event"].as_str().unwrap().to_owned());
            if event["event"] == "hook" {
                assert_eq!(event["line"], "kitchen");
                assert!(event["time_ms"].as_i64().unwrap() > 1_600_000_000_000);
                return true;
            }
        }
        false
    });
    let _ = follower.kill();
    let _ = follower.wait();
}

#[test]
fn dial_explain_answers_for_each_line() {
    let daemon = Daemon::start(&two_lines().replacen("(1xS0)", "(<9:0044>xxxS2)", 1));
    let first = text(&daemon.ask(&["dial", "explain", "9123"]).stdout);
    assert!(first.contains("0044123"), "{first}");
    let other = daemon.ask(&["dial", "explain", "12", "--line", "office"]);
    assert!(
        other.status.success() && text(&other.stdout).contains("12"),
        "{}",
        text(&other.stdout)
    );
    let nobody = daemon.ask(&["dial", "explain", "12", "--line", "nobody"]);
    assert_eq!(nobody.status.code(), Some(1));
    assert!(
        text(&nobody.stderr).contains("office"),
        "{}",
        text(&nobody.stderr)
    );
}

#[test]
fn a_scripted_telephone_knows_every_word() {
    let daemon = Daemon::start(&two_lines());
    let (heard, spoken) = (
        daemon.directory().name("heard.wav"),
        daemon.directory().name("spoken.wav"),
    );
    write_wav(&spoken, &sine(700.0, 600));
    let office = daemon
        .directory()
        .program(&[
            "phone",
            "office",
            "wait-ring",
            "off-hook",
            "wait",
            "0.2",
            "play",
            &spoken,
            "wait",
            "0.2",
            "on-hook",
            "wait",
            "0.2",
        ])
        .spawn()
        .unwrap();
    let kitchen = daemon.ask(&[
        "phone", "kitchen", "off-hook", "wait", "0.5", "dial", "12", "--pulse", "record", &heard, "wait",
        "1", "flash", "wait", "0.4", "dial", "5", "wait", "0.3", "on-hook", "wait", "0.2",
    ]);
    let office = office.wait_with_output().unwrap();
    assert!(
        kitchen.status.success(),
        "{}{}",
        text(&kitchen.stdout),
        text(&kitchen.stderr)
    );
    assert!(
        office.status.success(),
        "{}{}",
        text(&office.stdout),
        text(&office.stderr)
    );
    assert!(
        text(&office.stdout).contains("ring on"),
        "{}",
        text(&office.stdout)
    );
    assert!(!assert_wav(std::path::Path::new(&heard)).is_empty());
    let calls = json(&daemon.ask(&["calls", "--json"]));
    assert!(
        calls
            .as_array()
            .unwrap()
            .iter()
            .any(|call| call["remote"] == "12"),
        "{calls}"
    );
    assert_eq!(
        daemon.log_lines(" flash "),
        1,
        "a recall that the line takes for one"
    );
    for wrong in [
        &["phone", "kitchen", "jump"][..],
        &["phone", "kitchen", "dial"],
        &["phone", "nowhere", "off-hook"],
    ] {
        let output = daemon.ask(wrong);
        assert!(!output.status.success(), "{wrong:?}");
        assert_eq!(
            text(&output.stderr).lines().count(),
            1,
            "{}",
            text(&output.stderr)
        );
    }
}

fn write_wav(path: &str, samples: &[i16]) {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: 8000,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut file = hound::WavWriter::create(path, spec).unwrap();
    for sample in samples {
        file.write_sample(*sample).unwrap();
    }
    file.finalize().unwrap();
}

#[test]
fn tools_read_and_write_8000_hz_16_bit_mono() {
    let directory = Directory::new("");
    let file = directory.name("out.wav");
    for name in ["dial", "ringback", "busy", "congestion", "call_waiting"] {
        for country in ["ua", "us", "jp", "gb"] {
            let output = tipring(&[
                "tool",
                "tone",
                "--country",
                country,
                name,
                "--seconds",
                "1",
                "-o",
                &file,
            ]);
            assert!(
                output.status.success(),
                "{country} {name}: {}",
                text(&output.stderr)
            );
            let samples = assert_wav(std::path::Path::new(&file));
            assert_eq!(samples.len(), 8000);
        }
    }
    let schemes: [&[&str]; 10] = [
        &["--country", "us"],
        &["--country", "gb"],
        &["--country", "ua"],
        &["--country", "br", "--standard", "dtmf-taiwan"],
        &["--country", "de"],
        &["--country", "us", "--standard", "bellcore"],
        &["--country", "us", "--waiting"],
        &["--country", "gb", "--waiting"],
        &["--country", "us", "--mwi", "on"],
        &["--country", "de", "--mwi", "off"],
    ];
    for scheme in schemes {
        let mut arguments = vec!["tool", "callerid"];
        if !scheme.contains(&"--mwi") {
            arguments.extend(["--number", "5551234567", "--name", "Ann Other"]);
            arguments.extend(["--time", "2026-11-23T07:30:15Z"]);
        }
        arguments.extend(scheme);
        arguments.extend(["-o", &file]);
        let output = tipring(&arguments);
        assert!(output.status.success(), "{scheme:?}: {}", text(&output.stderr));
        let samples = assert_wav(std::path::Path::new(&file));
        assert!(
            samples.iter().any(|sample| sample.unsigned_abs() > 1000),
            "{scheme:?} is silence"
        );
    }
    for time in [
        "2026-11-23T07:30",
        "2026-11-23T07:30:15",
        "2026-11-23T07:30:15Z",
        "2026-11-23T07:30:15+02:00",
        "2026-11-23T07:30:15.5-05:00",
    ] {
        let output = tipring(&[
            "tool",
            "callerid",
            "--country",
            "us",
            "--number",
            "1",
            "--time",
            time,
            "-o",
            &file,
        ]);
        assert!(output.status.success(), "{time}: {}", text(&output.stderr));
    }
    let unknown = tipring(&[
        "tool",
        "callerid",
        "--country",
        "us",
        "--standard",
        "pigeon",
        "-o",
        &file,
    ]);
    assert!(
        !unknown.status.success() && text(&unknown.stderr).contains("bellcore"),
        "{}",
        text(&unknown.stderr)
    );
}

#[test]
fn the_dtmf_tool_lists_digits_with_their_times() {
    let directory = Directory::new("");
    let file = directory.name("in.wav");
    let mut samples = vec![0; 960];
    for (low, high) in [(770.0, 1336.0), (941.0, 1477.0)] {
        let pair = sine(low, 60)
            .into_iter()
            .zip(sine(high, 60))
            .map(|(one, other)| (one + other) / 2);
        samples.extend(pair);
        samples.extend([0; 640]);
    }
    write_wav(&file, &samples);
    let digits = json(&tipring(&["tool", "dtmf", &file, "--json"]));
    let text_of: Vec<_> = digits
        .as_array()
        .unwrap()
        .iter()
        .map(|digit| digit["digit"].as_str().unwrap())
        .collect();
    assert_eq!(text_of, ["5", "#"]);
    let first = &digits[0];
    assert!(first["start_ms"].as_u64().unwrap().abs_diff(120) <= 5, "{first}");
    assert!(first["end_ms"].as_u64().unwrap().abs_diff(180) <= 10, "{first}");
    assert!(
        (120..=180).contains(&first["reported_ms"].as_u64().unwrap()),
        "{first}"
    );
    for wrong in [
        "/nonexistent.wav",
        concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"),
    ] {
        let output = tipring(&["tool", "dtmf", wrong]);
        assert_eq!(output.status.code(), Some(1), "{wrong}");
        assert!(text(&output.stderr).contains(wrong), "{}", text(&output.stderr));
    }
}

// --- section 3: the virtual line ---------------------------------------------------------------------------------

#[test]
fn battery_and_polarity_come_first_and_a_frame_every_10_ms_whatever_the_hook() {
    let daemon = Daemon::start(&two_lines());
    let mode = std::fs::metadata(daemon.path("kitchen.sock"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o660);
    let telephone = Telephone::plug(&daemon.path("kitchen.sock"));
    telephone.heard(|heard| {
        let mut first = heard.types[..2].to_vec();
        first.sort_unstable();
        assert_eq!(first, *b"BP");
        assert!(heard.fed && !heard.reversed);
    });
    for closed in [false, true] {
        telephone.hook(closed);
        telephone.forget();
        telephone.wait("a second of audio", |heard| heard.frames.len() > 100);
        let took = telephone.heard(|heard| heard.frames[100] - heard.frames[0]);
        assert!(
            (0.95..1.10).contains(&took.as_secs_f64()),
            "100 frames in {took:?}"
        );
    }
    telephone.heard(|heard| assert_eq!(heard.wrong, Vec::<String>::new()));
}

#[test]
fn a_second_telephone_is_closed_and_the_first_hears_nothing_of_it() {
    let daemon = Daemon::start(&two_lines());
    let first = Telephone::plug(&daemon.path("kitchen.sock"));
    first.lift();
    first.wait_tone(440.0);
    let mut second = UnixStream::connect(daemon.path("kitchen.sock")).unwrap();
    let mut rest = Vec::new();
    second.read_to_end(&mut rest).unwrap();
    assert_eq!(rest, b"");
    first.forget();
    first.wait_tone(440.0);
    assert!(!first.heard(|heard| heard.closed));
}

#[test]
fn what_is_not_the_protocol_closes_the_connection_with_one_line_and_harms_nothing() {
    let daemon = Daemon::start(&two_lines());
    let office = Telephone::plug(&daemon.path("office.sock"));
    office.lift();
    office.wait_tone(440.0);
    let wrong: [&[u8]; 8] = [
        b"Z\x01\0\x01",
        b"\0\0\0",
        b"A\x02\0\0\0",
        b"A\0\0",
        b"H\x01\0\x01",
        b"H\xff\xff",
        b"R\x01\0\x01",
        b"H\x09\0\x02\0\0\0\0\0\0\0\0",
    ];
    for (number, bytes) in wrong.iter().enumerate() {
        let telephone = Telephone::plug(&daemon.path("kitchen.sock"));
        telephone.send(bytes);
        telephone.wait("the end of the connection", |heard| heard.closed);
        wait("its line in the log", || {
            daemon.log_lines("speak the protocol") == number + 1
        });
    }
    office.forget();
    office.wait_tone(440.0);
    let again = Telephone::plug(&daemon.path("kitchen.sock"));
    again.lift();
    again.wait_tone(440.0);
    let complaints: Vec<String> = daemon
        .log()
        .lines()
        .filter(|line| line.contains(" WARN ") || line.contains("ERROR"))
        .map(str::to_owned)
        .collect();
    assert!(complaints.len() <= wrong.len(), "{complaints:#?}");
}

/// Digits pulsed in one burst of messages, timed by the telephone's clock, which stands at `offset_us`.
fn pulsed(offset_us: u64, digits: &str) {
    let daemon = Daemon::start(&two_lines().replace("(1xS0)", &format!("({digits})")));
    let mut telephone = Telephone::plug(&daemon.path("kitchen.sock"));
    telephone.clock_offset_us = offset_us;
    telephone.lift();
    telephone.wait_tone(440.0);
    let (burst, _) = pulse_train(telephone.now_us().wrapping_add(300_000), digits);
    telephone.send(&burst);
    wait("the digits dialled", || {
        daemon.log().contains(&format!("digits={digits} ")) || daemon.log().contains("digits=")
    });
    assert!(
        daemon.log().contains(&format!("digits={digits} ")),
        "{}",
        daemon
            .log()
            .lines()
            .filter(|line| line.contains("digit"))
            .collect::<Vec<_>>()
            .join("\n")
    );
}

#[test]
fn pulses_sent_in_one_burst_are_counted_by_their_time_stamps() {
    pulsed(0, "12");
}

#[test]
fn a_whole_number_pulsed_in_one_burst_is_counted_by_its_time_stamps() {
    pulsed(0, "1234");
}

#[test]
fn a_telephone_clock_near_its_middle_and_its_end_counts_right() {
    pulsed(u64::MAX / 2, "21");
    pulsed(u64::MAX - 60_000_000, "12");
}

#[test]
fn a_telephone_clock_that_jumps_backwards_is_followed() {
    let daemon = Daemon::start(&two_lines().replace("(1xS0)", "(31)"));
    let telephone = Telephone::plug(&daemon.path("kitchen.sock"));
    let hour = 3_600_000_000;
    telephone.send(&edge(true, 10 * hour));
    telephone.forget();
    // Nobody dials sooner than that.
    telephone.listen_ms(300);
    // The clock is an hour back: pulses by the new one.
    let (burst, _) = pulse_train(9 * hour, "31");
    telephone.send(&burst);
    wait("digits", || daemon.log().contains("digits="));
    assert!(daemon.log().contains("digits=31 "), "{}", daemon.log());
    telephone.send(&edge(false, 0));
    daemon.wait_line(0, "idle");
}

#[test]
fn unplugging_ends_the_call_with_bye() {
    let server = Server::start(Manners::Polite);
    let (daemon, telephone) = talking(&server);
    telephone.unplug();
    server.wait_for("BYE ");
    daemon.wait_line(0, "idle");
    assert_eq!(daemon.status()["lines"][0]["hook"], "on");
}

#[test]
fn a_telephone_that_never_answers_is_silence_and_the_call_goes_on() {
    let server = Server::start(Manners::Polite);
    let daemon = Daemon::start(&one_account(server.address(), false));
    assert_eq!(daemon.status()["accounts"][0]["state"], "direct");
    // It reads, and says nothing but its hook.
    let mut mute = UnixStream::connect(daemon.path("kitchen.sock")).unwrap();
    mute.write_all(&edge(true, 0)).unwrap();
    let mut reader = mute.try_clone().unwrap();
    std::thread::spawn(move || std::io::copy(&mut reader, &mut std::io::sink()));
    daemon.wait_line(0, "dial_tone");
    let (burst, _) = pulse_train(500_000, "600");
    mute.write_all(&burst).unwrap();
    daemon.wait_line(0, "talking");
    let packets = || server.rtp_packets.load(std::sync::atomic::Ordering::Relaxed);
    let start = Instant::now();
    let before = packets();
    wait("packets of silence", || packets() >= before + 50);
    let took = start.elapsed();
    assert!(
        (0.9..1.3).contains(&took.as_secs_f64()),
        "50 packets of 20 ms in {took:?}"
    );
    assert_eq!(server.count("BYE "), 0);
}

#[test]
fn speech_goes_through_the_line_and_back() {
    let server = Server::start(Manners::Polite);
    let (_daemon, telephone) = talking(&server);
    telephone.forget();
    telephone.speak(sine(700.0, 1500));
    telephone.wait("its own voice, sent back", |heard| {
        heard.samples.len() > 1600 && level_dbm0(&heard.samples[heard.samples.len() - 1600..], 700.0) > -11.0
    });
    let level = telephone.heard(|heard| level_dbm0(&heard.samples[heard.samples.len() - 1600..], 700.0));
    assert!((-11.0..-9.0).contains(&level), "{level} dBm0 of -10");
}

#[test]
fn a_call_to_a_line_without_a_telephone_rings_and_can_be_taken_by_one_plugged_in() {
    let server = Server::start(Manners::Polite);
    let daemon = Daemon::start(&one_account(server.address(), false));
    let call = server.invite(daemon.sip(), "11", None);
    server.wait_for("SIP/2.0 180");
    daemon.wait_line(0, "ringing");
    // One plugged in now hears the bell at its next burst.
    let telephone = Telephone::plug(&daemon.path("kitchen.sock"));
    telephone.wait("the bell", |heard| heard.ringing);
    telephone.hook(true);
    assert!(server.final_response(&call).starts_with("SIP/2.0 200"));
    telephone.wait("the bell stops", |heard| !heard.ringing);
    daemon.wait_line(0, "talking");
}

// --- the terminal, the service manager, the start ----------------------------------------------------------------

#[test]
fn the_service_manager_hears_ready_watchdog_reloading_stopping() {
    let directory = Directory::new(&two_lines());
    let socket = std::os::unix::net::UnixDatagram::bind(directory.path("notify")).unwrap();
    socket.set_read_timeout(Some(binary::PATIENCE)).unwrap();
    let mut command = directory.daemon();
    command
        .env("NOTIFY_SOCKET", directory.path("notify"))
        .env("WATCHDOG_USEC", "400000");
    let mut daemon = Daemon::spawn(directory, command);
    let next = || {
        let mut message = [0; 1024];
        let length = socket.recv(&mut message).unwrap();
        text(&message[..length])
    };
    let until = |wanted: &str| {
        loop {
            let message = next();
            if message.lines().any(|line| line == wanted) {
                return message;
            }
        }
    };
    until("READY=1");
    let first = Instant::now();
    until("WATCHDOG=1");
    until("WATCHDOG=1");
    until("WATCHDOG=1");
    assert!(
        first.elapsed() < Duration::from_millis(1600),
        "{:?}",
        first.elapsed()
    );
    daemon.signal(Signal::SIGHUP);
    let reloading = until("RELOADING=1");
    assert!(reloading.contains("MONOTONIC_USEC="), "{reloading}");
    until("READY=1");
    daemon.signal(Signal::SIGTERM);
    until("STOPPING=1");
    assert_eq!(daemon.terminate().0.code(), Some(0));
}

#[test]
fn the_telephone_in_a_terminal_lifts_dials_quits_and_restores_the_terminal() {
    use nix::sys::termios::{LocalFlags, tcgetattr};
    let daemon = Daemon::start(&two_lines());
    let terminal = nix::pty::openpty(None, None).unwrap();
    let slave = std::fs::File::from(terminal.slave);
    let mut command = daemon.directory().program(&["phone", "kitchen"]);
    let mut process = command
        .stdin(slave.try_clone().unwrap())
        .stdout(slave.try_clone().unwrap())
        .stderr(slave.try_clone().unwrap())
        .spawn()
        .unwrap();
    drop(command);
    let mut keyboard = std::fs::File::from(terminal.master);
    let mut screen = keyboard.try_clone().unwrap();
    let shown = std::sync::Arc::new(std::sync::Mutex::new(String::new()));
    let display = std::sync::Arc::clone(&shown);
    std::thread::spawn(move || {
        let mut chunk = [0; 1024];
        while let Ok(length @ 1..) = screen.read(&mut chunk) {
            display.lock().unwrap().push_str(&text(&chunk[..length]));
        }
    });
    let canonical = || {
        tcgetattr(&slave)
            .unwrap()
            .local_flags
            .contains(LocalFlags::ICANON)
    };
    wait("the keys one by one", || !canonical());
    keyboard.write_all(b" ").unwrap();
    daemon.wait_line(0, "dial_tone");
    wait("dial tone named", || shown.lock().unwrap().contains("dial tone"));
    keyboard.write_all(b"12").unwrap();
    daemon.wait_line(1, "ringing");
    keyboard.write_all(b"q").unwrap();
    assert_eq!(process.wait().unwrap().code(), Some(0));
    assert!(canonical(), "the terminal isn't put back");
    daemon.wait_line(0, "idle");
}

#[test]
fn dial_tone_is_ready_soon_after_the_start() {
    let directory = Directory::new(&two_lines());
    let started = Instant::now();
    let mut process = directory.daemon().spawn().unwrap();
    let socket = directory.path("kitchen.sock");
    let mut stream = loop {
        if let Ok(stream) = UnixStream::connect(&socket) {
            break stream;
        }
        assert!(started.elapsed() < binary::PATIENCE);
        std::thread::yield_now();
    };
    stream.write_all(&edge(true, 0)).unwrap();
    let lifted = started.elapsed();
    let mut reader = BufReader::new(&stream);
    loop {
        let mut header = [0; 3];
        reader.read_exact(&mut header).unwrap();
        let mut payload = vec![0; usize::from(header[1])];
        reader.read_exact(&mut payload).unwrap();
        if header[0] == b'A' && payload.iter().any(|byte| *byte != 0) {
            break;
        }
    }
    println!(
        "start to a line that can be lifted: {lifted:?}; to dial tone's first sample: {:?}",
        started.elapsed()
    );
    assert!(started.elapsed() < Duration::from_secs(5));
    let _ = process.kill();
    let _ = process.wait();
}
