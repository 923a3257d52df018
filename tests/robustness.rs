//! What bad input gets: a clear error, and nothing lost. Every test drives the real binary.

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test that cannot run its programs shall fail; it opens sockets and waits, and prints what it measures"
)]

mod binary;

use std::io::Write;
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};

use binary::server::{Manners, Server, offer};
use binary::telephone::{Telephone, edge, level_dbm0, sine};
use binary::{Daemon, Directory, json, one_account, text, two_lines, wait};

/// A call from the line of `daemon` to its server and back to silence.
fn a_call_works(daemon: &Daemon, server: &Server) {
    let byes = server.count("BYE ");
    let telephone = Telephone::plug(&daemon.path("kitchen.sock"));
    telephone.lift();
    telephone.wait_tone(440.0);
    telephone.press("600");
    daemon.wait_line(0, "talking");
    telephone.forget();
    telephone.speak(sine(700.0, 1000));
    telephone.wait("its own voice", |heard| {
        heard.samples.len() >= 800 && level_dbm0(&heard.samples[heard.samples.len() - 800..], 700.0) > -13.0
    });
    telephone.hook(false);
    daemon.wait_line(0, "idle");
    wait("BYE", || server.count("BYE ") > byes);
}

fn complaints(daemon: &Daemon) -> usize {
    daemon.log_lines(" WARN ") + daemon.log_lines("ERROR")
}

#[test]
fn garbage_over_udp_harms_nothing() {
    let server = Server::start(Manners::Polite);
    let daemon = Daemon::start(&one_account(server.address(), false));
    let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut random = StdRng::seed_from_u64(7);
    let whole = server.request("INVITE", daemon.sip(), "11", "half", "1 INVITE", "", &offer(4000));
    for round in 0..2000 {
        let mut bytes = match round % 4 {
            0 => vec![0; random.random_range(0..1500)],
            // As large as a datagram gets.
            1 if round % 100 == 1 => vec![b'A'; 65_507],
            // Cut off, and with a byte turned.
            _ => whole.as_bytes()[..random.random_range(0..whole.len())].to_vec(),
        };
        if round % 4 == 0 {
            random.fill_bytes(&mut bytes);
        } else if round % 4 == 3 && !bytes.is_empty() {
            let at = random.random_range(0..bytes.len());
            bytes[at] = random.random();
        }
        // From 2000 datagrams in a moment the kernel may drop some; it is no concern of ours.
        let _ = stranger.send_to(&bytes, daemon.sip());
    }
    a_call_works(&daemon, &server);
    assert!(complaints(&daemon) < 20, "garbage doesn't fill the log");
}

#[test]
fn garbage_over_tcp_and_a_thousand_connections_lock_nobody_out() {
    let server = Server::start(Manners::Polite);
    let daemon = Daemon::start(&one_account(server.address(), false));
    let mut random = StdRng::seed_from_u64(8);
    let whole = server.request("OPTIONS", daemon.sip(), "11", "o", "1 OPTIONS", "", "");
    let mut held = Vec::new();
    for round in 0..1000 {
        let Ok(mut stream) = TcpStream::connect(daemon.sip()) else {
            continue;
        };
        let mut garbage = vec![0; 200];
        random.fill_bytes(&mut garbage);
        let half = &whole.as_bytes()[..random.random_range(1..whole.len())];
        let _ = stream.write_all(match round % 3 {
            0 => garbage.as_slice(),
            1 => half,
            _ => &[],
        });
        // Held open, as whoever means ill does.
        held.push(stream);
    }
    // Somebody with an honest question is answered over TCP all the same.
    let mut honest = TcpStream::connect(daemon.sip()).unwrap();
    let question = whole.replace("SIP/2.0/UDP", "SIP/2.0/TCP");
    honest.write_all(question.as_bytes()).unwrap();
    honest.set_read_timeout(Some(binary::PATIENCE)).unwrap();
    let mut answer = [0; 4096];
    let length = std::io::Read::read(&mut honest, &mut answer).unwrap();
    assert!(
        text(&answer[..length]).starts_with("SIP/2.0 200"),
        "{}",
        text(&answer[..length])
    );
    a_call_works(&daemon, &server);
    assert!(
        complaints(&daemon) < 20,
        "{} complaints in the log",
        complaints(&daemon)
    );
    drop(held);
}

#[test]
fn an_endless_message_over_tcp_takes_no_memory() {
    let server = Server::start(Manners::Polite);
    let daemon = Daemon::start(&one_account(server.address(), false));
    let resident_kb = || {
        let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.pid())).unwrap();
        let line = status
            .lines()
            .find(|line| line.starts_with("VmRSS:"))
            .unwrap()
            .to_owned();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap()
    };
    let before = resident_kb();
    for start in [
        "INVITE sip:11@x SIP/2.0\r\nX: ",
        "OPTIONS sip:x SIP/2.0\r\nContent-Length: 4000000000\r\n\r\n",
    ] {
        let mut stream = TcpStream::connect(daemon.sip()).unwrap();
        let _ = stream.set_write_timeout(Some(Duration::from_secs(5)));
        let _ = stream.write_all(start.as_bytes());
        for _ in 0..400 {
            // 64 KiB 400 times: 25 MB, if anybody kept it.
            if stream.write_all(&[b'a'; 65_536]).is_err() {
                break;
            }
        }
    }
    a_call_works(&daemon, &server);
    assert!(
        resident_kb() < before + 8_000,
        "{before} kB before, {} after",
        resident_kb()
    );
}

#[test]
fn an_offer_that_makes_no_sense_is_488_and_the_line_stays_free() {
    let server = Server::start(Manners::Polite);
    let daemon = Daemon::start(&one_account(server.address(), false));
    for sdp in [
        "nonsense",
        "v=0\r\n",
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=video 4000 RTP/AVP 99\r\n",
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 18\r\n",
        "v=0\r\no=- 1 1 IN IP4 x\r\ns=-\r\nc=IN IP4 not-an-address\r\nt=0 0\r\nm=audio 99999 RTP/AVP 8\r\n",
    ] {
        let call = server.invite(daemon.sip(), "11", Some(sdp));
        let answer = server.final_response(&call);
        assert!(
            answer.starts_with("SIP/2.0 488") || answer.starts_with("SIP/2.0 400"),
            "{sdp}\n{answer}"
        );
    }
    assert_eq!(daemon.line_state(0), "idle");
    a_call_works(&daemon, &server);
}

#[test]
fn a_flood_of_hook_edges_costs_the_other_line_nothing() {
    let server = Server::start(Manners::Polite);
    let configuration = one_account(server.address(), false)
        + "- {name: flooded, number: \"12\", interface: {driver: virtual, socket: {dir}/flooded.sock}}\n";
    let mut daemon = Daemon::start(&configuration);
    let talking = Telephone::plug(&daemon.path("kitchen.sock"));
    talking.lift();
    talking.wait_tone(440.0);
    talking.press("600");
    daemon.wait_line(0, "talking");
    let flooded = Telephone::plug(&daemon.path("flooded.sock"));
    talking.forget();
    talking.speak(sine(700.0, 4000));
    let sent = |server: &Server| server.rtp_packets.load(Ordering::Relaxed);
    let (start, packets) = (Instant::now(), sent(&server));
    // 100,000 edges, 10 µs apart by its clock; the socket takes them as fast as the daemon reads.
    let mut edges = 0_u64;
    while edges < 100_000 && start.elapsed() < Duration::from_secs(5) {
        let mut burst = Vec::new();
        for _ in 0..500 {
            burst.extend(edge(edges.is_multiple_of(2), edges * 10));
            edges += 1;
        }
        flooded.send(&burst);
    }
    flooded.send(&edge(false, 5_000_000));
    let took = start.elapsed();
    println!("{edges} edges in {took:?}");
    talking.wait("two seconds and more", |heard| heard.samples.len() >= 8 * 2500);
    let (elapsed, passed) = (start.elapsed(), sent(&server) - packets);
    let expected = elapsed.as_millis() as u64 / 20;
    assert!(
        passed + 5 >= expected && passed <= expected + 5,
        "{passed} packets in {elapsed:?}"
    );
    // The other line's sine comes back without a hole: every 20 ms of it has its level.
    talking.heard(|heard| {
        let from = heard
            .samples
            .windows(160)
            .position(|piece| level_dbm0(piece, 700.0) > -12.0)
            .unwrap();
        let holes = heard.samples[from + 160..]
            .chunks_exact(160)
            .filter(|piece| level_dbm0(piece, 700.0) < -14.0)
            .count();
        assert_eq!(holes, 0, "of {} pieces", (heard.samples.len() - from) / 160);
    });
    assert!(daemon.is_running());
    let log = daemon.log().len();
    assert!(log < 2_000_000, "a log of {log} bytes");
    drop(flooded);
    // What it had sent before is worked off first.
    wait("the end of the flood", || {
        daemon.log_lines("the telephone is unplugged") == 1
    });
    daemon.wait_line(1, "idle");
    let again = Telephone::plug(&daemon.path("flooded.sock"));
    again.lift();
    again.wait_tone(440.0);
}

#[test]
fn a_server_that_never_answers_leaves_a_quiet_daemon_that_ends_in_time() {
    let server = Server::start(Manners::BlackHole);
    let mut daemon = Daemon::start(&one_account(server.address(), true));
    let cpu = daemon.cpu();
    wait("retransmissions", || server.count("REGISTER ") >= 3);
    let state = daemon.status()["accounts"][0]["state"].clone();
    assert!(state == "registering" || state == "failed", "{state}");
    assert!(
        daemon.cpu() - cpu < Duration::from_millis(400),
        "{:?} of processor time",
        daemon.cpu() - cpu
    );
    // 0.5, 1, 2 s apart (RFC 3261 17.1.2.2): no storm.
    assert!(server.count("REGISTER ") <= 4);
    // The telephone works, and says so with a tone.
    let telephone = Telephone::plug(&daemon.path("kitchen.sock"));
    telephone.lift();
    telephone.wait_tone(440.0);
    let (status, took) = daemon.terminate();
    assert_eq!(status.code(), Some(0));
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[test]
fn a_refused_registration_is_shown_with_its_reason() {
    let server = Server::start(Manners::Forbids);
    let daemon = Daemon::start(&one_account(server.address(), true));
    wait("the refusal", || {
        daemon.status()["accounts"][0]["state"] == "failed"
    });
    let account = daemon.status()["accounts"][0].clone();
    assert!(
        account["last_error"].as_str().unwrap().contains("403"),
        "{account}"
    );
    assert!(account["expires_s"].is_null(), "{account}");
}

#[test]
fn a_history_that_cannot_be_written_costs_one_warning_and_no_call() {
    let server = Server::start(Manners::Polite);
    let directory = Directory::new(&one_account(server.address(), false));
    std::fs::create_dir(directory.path("state")).unwrap();
    // Every write to it fails for want of space.
    std::os::unix::fs::symlink("/dev/full", directory.path("state/calls.jsonl")).unwrap();
    let daemon = Daemon::start_in(directory);
    for _ in 0..2 {
        a_call_works(&daemon, &server);
    }
    let calls = json(&daemon.ask(&["calls", "--json"]));
    assert_eq!(calls.as_array().unwrap().len(), 2, "the memory has them");
    assert_eq!(daemon.log_lines("the call history cannot be written"), 1);
    assert!(complaints(&daemon) <= 1);
}

#[test]
fn a_state_directory_that_is_a_file_costs_warnings_and_no_call() {
    let server = Server::start(Manners::Polite);
    let directory = Directory::new(&one_account(server.address(), false));
    std::fs::write(directory.path("state"), "precious").unwrap();
    let daemon = Daemon::start_in(directory);
    a_call_works(&daemon, &server);
    assert!((1..=2).contains(&complaints(&daemon)), "{}", complaints(&daemon));
    assert_eq!(std::fs::read(daemon.path("state")).unwrap(), b"precious");
}

/// The one sentence with which a daemon that cannot start ends.
fn refusal(directory: &Directory) -> String {
    let output = directory.daemon().output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    text(&output.stderr)
}

#[test]
fn a_port_in_use_says_which_over_both_transports() {
    for tcp in [false, true] {
        let (udp_holder, tcp_holder);
        let address: SocketAddr = if tcp {
            tcp_holder = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            tcp_holder.local_addr().unwrap()
        } else {
            udp_holder = UdpSocket::bind("127.0.0.1:0").unwrap();
            udp_holder.local_addr().unwrap()
        };
        let directory = Directory::new(&two_lines().replace("127.0.0.1:0", &address.to_string()));
        let said = refusal(&directory);
        let transport = if tcp { "TCP" } else { "UDP" };
        for part in [&address.to_string(), transport, &std::process::id().to_string()] {
            assert!(said.contains(part), "no {part} in {said}");
        }
        assert!(!directory.path("kitchen.sock").exists() && !directory.path("control.sock").exists());
    }
}

#[test]
fn a_missing_directory_and_an_unreadable_configuration_are_named() {
    let directory = Directory::new(&two_lines().replace("{dir}/office.sock", "{dir}/no/office.sock"));
    let said = refusal(&directory);
    assert!(
        said.contains("office") && said.contains(&format!("{} is missing", directory.name("no"))),
        "{said}"
    );
    std::fs::remove_file(directory.path("tipring.yaml")).unwrap();
    let said = refusal(&directory);
    assert!(
        said.contains(&directory.name("tipring.yaml")) && said.contains("--config"),
        "{said}"
    );
    std::fs::create_dir(directory.path("tipring.yaml")).unwrap();
    let said = refusal(&directory);
    assert!(said.contains(&directory.name("tipring.yaml")), "{said}");
    if !nix::unistd::geteuid().is_root() {
        std::fs::remove_dir(directory.path("tipring.yaml")).unwrap();
        directory.configure(&two_lines());
        let forbidden = std::fs::Permissions::from_mode(0o000);
        std::fs::set_permissions(directory.path("tipring.yaml"), forbidden).unwrap();
        assert!(refusal(&directory).contains("ermission denied"));
    }
}

#[test]
fn a_second_daemon_on_one_control_socket_is_refused_and_the_first_goes_on() {
    let daemon = Daemon::start(&two_lines());
    let other = Directory::new(&two_lines());
    let output = other
        .daemon()
        .env("TIPRING_SOCKET", daemon.path("control.sock"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr);
    assert!(said.contains(&daemon.directory().name("control.sock")), "{said}");
    assert_eq!(daemon.line_state(0), "idle");
}

#[test]
fn a_daemon_that_was_killed_leaves_nothing_in_the_way_of_the_next() {
    let mut daemon = Daemon::start(&two_lines());
    daemon.signal(Signal::SIGKILL);
    wait("its end", || !daemon.is_running());
    assert!(daemon.path("control.sock").exists());
    let again = Daemon::spawn(Directory::new(""), daemon.directory().daemon());
    let telephone = Telephone::plug(&daemon.path("kitchen.sock"));
    telephone.lift();
    telephone.wait_tone(440.0);
    drop(again);
}

#[test]
fn a_telephone_that_does_not_read_holds_nobody_up() {
    let daemon = Daemon::start(&two_lines());
    let _deaf = std::os::unix::net::UnixStream::connect(daemon.path("office.sock")).unwrap();
    let telephone = Telephone::plug(&daemon.path("kitchen.sock"));
    telephone.lift();
    telephone.wait_tone(440.0);
    telephone.forget();
    telephone.wait("two seconds of audio", |heard| heard.frames.len() > 200);
    let took = telephone.heard(|heard| heard.frames[200] - heard.frames[0]);
    assert!((1.9..2.2).contains(&took.as_secs_f64()), "200 frames in {took:?}");
}

#[test]
fn programs_that_misuse_the_control_socket_harm_nobody() {
    let daemon = Daemon::start(&two_lines());
    let mut held = Vec::new();
    for _ in 0..200 {
        let mut stream = std::os::unix::net::UnixStream::connect(daemon.path("control.sock")).unwrap();
        let _ = stream.write_all(b"{\"command\":\"events\"}\n");
        held.push(stream);
    }
    let mut endless = std::os::unix::net::UnixStream::connect(daemon.path("control.sock")).unwrap();
    let _ = endless.set_write_timeout(Some(Duration::from_secs(1)));
    let _ = endless.write_all(&[b'{'; 1_000_000]);
    let telephone = Telephone::plug(&daemon.path("kitchen.sock"));
    // Followers that never read: events pile up nowhere.
    for round in 0..100 {
        telephone.hook(round % 2 == 0);
        telephone.forget();
        telephone.listen_ms(20);
    }
    telephone.hook(false);
    daemon.wait_line(0, "idle");
}
