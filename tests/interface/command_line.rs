//! Section 1: what is asked of a running daemon, and its signals.

use std::io::{BufRead, BufReader};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::binary::server::{Manners, Server};
use crate::binary::telephone::Telephone;
use crate::binary::{Daemon, Directory, PASSWORD, json, text, two_lines, wait};
use crate::talking;

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
                let time_ms = event["time_ms"].as_i64().unwrap();
                assert!(time_ms > 1_600_000_000_000);
                assert_eq!(event["time_us"].as_i64().unwrap() / 1000, time_ms);
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
