//! `make bench`: the whole program measured from outside, on real sockets, beside baresip in the same run.
//!
//! Prints one table; no figure here makes anything fail. Figures of the peer stand beside ours because both vary with
//! the machine: read the ratios.

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stdout,
    clippy::expect_used,
    reason = "a measuring program reads clocks, opens sockets and prints; a broken set-up shall stop it"
)]

mod peer;
mod process;
mod telephone;

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use peer::Peer;
use process::Process;
use telephone::{Act, Notice, Telephone};

const SECOND: Duration = Duration::from_secs(1);
const ROUNDS: usize = 20;

fn main() {
    // `cargo test --benches` must not measure.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let ours = measure_tipring();
    println!("\n{:<62} {:>9} {:>9} {:>8}", "tipring", "median", "worst", "goal");
    for (name, values, goal) in &ours.timings {
        println!(
            "{name:<62} {:>9.1} {:>9.1} {goal:>8}",
            median(values),
            worst(values)
        );
    }
    println!(
        "{:<62} {:>9.2} {:>9} {:>8}",
        "processor, one talking line, percent of a core", ours.cpu_percent, "", ""
    );
    println!(
        "{:<62} {:>9.1} {:>9} {:>8}",
        "resident memory, one talking line, MB", ours.resident_mb, "", "12"
    );
    match measure_baresip() {
        Some(theirs) => {
            println!(
                "\n{:<44} {:>9} {:>9} {:>8}",
                "beside baresip, same run", "tipring", "baresip", "ratio"
            );
            let rows = [
                (
                    "loop RTP → endpoint → RTP, median ms",
                    median(&ours.loop_ms),
                    median(&theirs.loop_ms),
                ),
                (
                    "processor of one call, percent of a core",
                    ours.cpu_percent,
                    theirs.cpu_percent,
                ),
                (
                    "resident memory in a call, MB",
                    ours.resident_mb,
                    theirs.resident_mb,
                ),
            ];
            for (name, own, other) in rows {
                println!("{name:<44} {own:>9.2} {other:>9.2} {:>8.2}", own / other);
            }
        }
        None => println!("\nbaresip is not installed: no comparison (Debian package baresip-core)"),
    }
}

struct Ours {
    timings: Vec<(&'static str, Vec<f64>, &'static str)>,
    loop_ms: Vec<f64>,
    cpu_percent: f64,
    resident_mb: f64,
}

struct Theirs {
    loop_ms: Vec<f64>,
    cpu_percent: f64,
    resident_mb: f64,
}

fn measure_tipring() -> Ours {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut peer = Peer::new();
    let (port, socket) = (free_port(), folder.path().join("line.sock"));
    write_configuration(folder.path(), port, peer.address());
    let target: SocketAddr = format!("127.0.0.1:{port}").parse().expect("an address");

    let starts: Vec<f64> = (0..5)
        .map(|_| start_to_dial_tone(folder.path(), &socket))
        .collect();
    let tipring = start(folder.path());
    let telephone = Telephone::plug_in(&socket);
    let mut events = follow_events(folder.path());

    let (mut dial_tone, mut invite) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        telephone.forget();
        let closed = Instant::now();
        telephone.act(Act::Hook(true));
        let heard = telephone.wait(Notice::Sound, SECOND).expect("dial tone");
        dial_tone.push(ms(heard - closed));
        telephone.act(Act::Press('5'));
        let (_, request, from) = peer.wait_invite(3 * SECOND).expect("an INVITE");
        let on_wire_ms = unix_ms();
        invite.push(on_wire_ms - events.wait_ms("\"digit\""));
        peer.respond(&request, from, 486);
        telephone.act(Act::Hook(false));
        std::thread::sleep(Duration::from_millis(1200));
    }

    let (mut ringing, mut quiet, mut answer) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        telephone.forget();
        let invited = peer.invite(target, "21");
        let rang = telephone.wait(Notice::Ring(true), 3 * SECOND).expect("ringing");
        ringing.push(ms(rang - invited));
        let closed = Instant::now();
        telephone.act(Act::Hook(true));
        let stopped = telephone
            .wait(Notice::Ring(false), SECOND)
            .expect("ringing stops");
        quiet.push(ms(stopped - closed));
        let call = peer.wait_answer(target, "21", 3 * SECOND).expect("200 OK");
        answer.push(ms(call.answered - closed));
        peer.hang_up(&call);
        telephone.act(Act::Hook(false));
        std::thread::sleep(Duration::from_millis(1200));
    }

    peer.invite(target, "21");
    telephone.wait(Notice::Ring(true), 3 * SECOND).expect("ringing");
    telephone.act(Act::Echo(true));
    telephone.act(Act::Hook(true));
    let call = peer.wait_answer(target, "21", 3 * SECOND).expect("200 OK");
    let mut loop_ms = Vec::new();
    let cpu_percent = tipring.cpu_percent(|| loop_ms = peer.loop_delays_ms(call.remote_rtp, 25));
    let resident_mb = tipring.resident_mb();
    peer.hang_up(&call);

    Ours {
        timings: vec![
            ("start of process → dial tone's first sample, ms", starts, "150"),
            ("loop closed → dial tone's first sample, ms", dial_tone, "32"),
            (
                "digit that completes the number → INVITE on the wire, ms",
                invite,
                "5",
            ),
            ("INVITE on the wire → ringing voltage, ms", ringing, "30"),
            ("loop closed while ringing → ringing voltage off, ms", quiet, "30"),
            ("loop closed while ringing → 200 OK on the wire, ms", answer, "60"),
            ("loop RTP → line → RTP, 20 ms packets, ms", loop_ms.clone(), "40"),
        ],
        loop_ms,
        cpu_percent,
        resident_mb,
    }
}

fn write_configuration(folder: &Path, port: u16, server: SocketAddr) {
    let text = format!(
        "country: ua\nsip: {{ bind: \"127.0.0.1:{port}\" }}\naccounts:\n  peer:\n    server: \"sip:{server}\"\n    \
         username: \"21\"\n    password: \"none\"\n    register: false\nlines:\n  - name: bench\n    account: peer\n    \
         number: \"21\"\n    dial_plan: \"(x)\"\n    echo_canceller: false\n    interface: {{ driver: virtual, socket: {} }}\n",
        folder.join("line.sock").display()
    );
    std::fs::write(folder.join("tipring.yaml"), text).expect("the configuration is written");
}

fn start(folder: &Path) -> Process {
    let log = std::fs::File::create(folder.join("log")).expect("a log file");
    let child = Command::new(env!("CARGO_BIN_EXE_tipring"))
        .args(["run", "--config"])
        .arg(folder.join("tipring.yaml"))
        .arg("--state-dir")
        .arg(folder)
        .env("TIPRING_SOCKET", folder.join("control.sock"))
        .stderr(log)
        .spawn()
        .expect("tipring starts");
    Process(child)
}

fn start_to_dial_tone(folder: &Path, socket: &Path) -> f64 {
    // A socket left behind would be taken for the new one.
    let _ = std::fs::remove_file(socket);
    let began = Instant::now();
    let _tipring = start(folder);
    let telephone = Telephone::plug_in(socket);
    telephone.act(Act::Hook(true));
    ms(telephone.wait(Notice::Sound, 5 * SECOND).expect("dial tone") - began)
}

/// `tipring events --json`, followed.
struct Events {
    lines: std::sync::mpsc::Receiver<String>,
    _process: Process,
}

impl Events {
    /// The time of the next event whose line contains `wanted`, milliseconds since 1970, to the microsecond.
    fn wait_ms(&mut self, wanted: &str) -> f64 {
        loop {
            let line = self.lines.recv_timeout(3 * SECOND).expect("an event");
            if line.contains(wanted) {
                let event: serde_json::Value = serde_json::from_str(&line).expect("events are JSON");
                return event["time_us"].as_f64().expect("a time") / 1000.0;
            }
        }
    }
}

fn follow_events(folder: &Path) -> Events {
    let mut child = Command::new(env!("CARGO_BIN_EXE_tipring"))
        .args(["events", "--json", "--socket"])
        .arg(folder.join("control.sock"))
        .stdout(Stdio::piped())
        .spawn()
        .expect("tipring events starts");
    let output = BufReader::new(child.stdout.take().expect("piped"));
    let (sender, lines) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for line in output.lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    Events {
        lines,
        _process: Process(child),
    }
}

fn measure_baresip() -> Option<Theirs> {
    let modules = "/usr/lib/baresip/modules";
    if !Path::new(modules).join("aubridge.so").exists() {
        return None;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let port = free_port();
    // Its smallest jitter buffer; the bridge module feeds what is played straight back into the microphone.
    let config = format!(
        "poll_method epoll\nsip_listen 127.0.0.1:{port}\ncall_max_calls 4\naudio_player aubridge,loop\n\
         audio_source aubridge,loop\naudio_alert aubridge,alert\nausrc_srate 8000\nauplay_srate 8000\naudio_level no\n\
         audio_buffer 20-160\nrtp_ports 30000-30100\njitter_buffer_type fixed\njitter_buffer_delay 1-5\n\
         net_interface 127.0.0.1\nmodule_path {modules}\nmodule g711.so\nmodule aubridge.so\nmodule uuid.so\n\
         module_tmp account.so\nmodule_app menu.so\n"
    );
    std::fs::write(folder.path().join("config"), config).expect("written");
    let account = "<sip:bench@127.0.0.1>;regint=0;answermode=auto;audio_codecs=PCMA/8000/1;ptime=20\n";
    std::fs::write(folder.path().join("accounts"), account).expect("written");
    let child = Command::new("baresip")
        .arg("-f")
        .arg(folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let baresip = Process(child);
    let target: SocketAddr = format!("127.0.0.1:{port}").parse().expect("an address");
    let mut peer = Peer::new();
    let call = (0..20).find_map(|_| {
        peer.invite(target, "bench");
        peer.wait_answer(target, "bench", Duration::from_millis(300))
    })?;
    let mut loop_ms = Vec::new();
    let cpu_percent = baresip.cpu_percent(|| loop_ms = peer.loop_delays_ms(call.remote_rtp, 25));
    let resident_mb = baresip.resident_mb();
    peer.hang_up(&call);
    (!loop_ms.is_empty()).then_some(Theirs {
        loop_ms,
        cpu_percent,
        resident_mb,
    })
}

fn free_port() -> u16 {
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("a socket");
    socket.local_addr().expect("bound").port()
}

fn unix_ms() -> f64 {
    let since = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .expect("after 1970");
    since.as_secs_f64() * 1000.0
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

fn worst(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::NAN, f64::max)
}
