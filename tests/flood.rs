//! The real binary while 5 000 stray requests a second arrive from strangers: calls come in and are answered, a call in
//! progress loses nothing, and no stranger gets a byte.
//!
//! What is asserted holds on any machine; the figures are printed: `make bench`, or
//! `cargo test --release --test flood -- --nocapture`.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::expect_used,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "tests run by the clock on real files and sockets, and end at the first surprise"
)]
#![allow(dead_code, reason = "the peer and the telephone of the benches can do more")]

mod binary;
#[path = "../benches/whole/peer.rs"]
mod peer;
#[path = "../benches/whole/telephone.rs"]
mod telephone;

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use binary::{Daemon, json};
use peer::Peer;
use telephone::{Act, Notice, Telephone};
use tipring::sip::message::{Message, Response};

const STRAYS_A_SECOND: u32 = 5000;
const ROUNDS: u32 = 12;
const BETWEEN_ROUNDS: Duration = Duration::from_millis(120);
const SECOND: Duration = Duration::from_secs(1);

#[test]
fn calls_are_answered_and_talk_on_while_strangers_shout() {
    let mut talker = Peer::new();
    let daemon = Daemon::start(&configuration(talker.address()));
    let target = daemon.sip();
    let kitchen = Telephone::plug_in(&daemon.path("kitchen.sock"));
    let hall = Telephone::plug_in(&daemon.path("hall.sock"));

    talker.invite(target, "11");
    kitchen.wait(Notice::Ring(true), 5 * SECOND).expect("ringing");
    kitchen.act(Act::Hook(true));
    let call = talker.wait_answer(target, "11", 5 * SECOND).expect("200 OK");

    let stop = Arc::new(AtomicBool::new(false));
    let speech = speak(
        talker.rtp.try_clone().expect("cloned"),
        call.remote_rtp,
        Arc::clone(&stop),
    );
    let flood = shout(target, Arc::clone(&stop));
    // Another port of the account's server.
    let caller = Caller::new(target);
    let answered: Vec<Duration> = (1..=ROUNDS)
        .map(|round| {
            // Spread over the flood: not to wait for anything, but to meet it at many moments.
            std::thread::sleep(BETWEEN_ROUNDS);
            let took = caller.invite(round);
            hall.wait(Notice::Ring(true), 5 * SECOND).expect("the hall rings");
            caller.cancel(round);
            took
        })
        .collect();
    stop.store(true, Ordering::Relaxed);
    let strays = flood.join().expect("the strangers end");
    let heard = speech.join().expect("the speech ends");
    talker.hang_up(&call);
    let record = last_record(&daemon);

    let mut sorted = answered.clone();
    sorted.sort();
    println!(
        "INVITE → 180 beside {:.0} strays a second: median {:.1} ms, worst {:.1} ms (goal 50)",
        strays.rate,
        sorted[sorted.len() / 2].as_secs_f64() * 1000.0,
        sorted[sorted.len() - 1].as_secs_f64() * 1000.0,
    );
    println!(
        "talking call: {} RTP packets sent by tipring, {} lost; {} received, {} lost, {} late (goal 0 lost)",
        heard.packets, heard.gaps, record["received_packets"], record["lost_packets"], record["late_packets"],
    );
    assert_eq!(strays.answers, 0, "no stranger gets a byte");
    assert!(
        heard.packets > 20 && heard.gaps == 0,
        "the sequence of RTP is whole"
    );
    assert_eq!(record["lost_packets"], 0);
    assert_eq!(daemon.line_state(1), "idle");
}

fn configuration(server: SocketAddr) -> String {
    let line = |name: &str, number: &str| {
        format!(
            "- {{name: {name}, account: pbx, number: \"{number}\", interface: {{driver: virtual, socket: {{dir}}/{name}.sock}}}}\n"
        )
    };
    format!(
        "country: us\nsip: {{bind: \"127.0.0.1:0\"}}\naccounts:\n  \
         pbx: {{server: \"sip:{server}\", username: \"6001\", password: \"none\", register: false}}\nlines:\n{}{}",
        line("kitchen", "11"),
        line("hall", "12")
    )
}

/// Who calls the hall.
struct Caller {
    socket: UdpSocket,
    target: SocketAddr,
}

impl Caller {
    fn new(target: SocketAddr) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        Self { socket, target }
    }

    fn request(&self, method: &str, round: u32, to_tag: &str, body: &str) {
        let own = self.socket.local_addr().expect("bound");
        let kind = if body.is_empty() {
            ""
        } else {
            "Content-Type: application/sdp\r\n"
        };
        let target = self.target;
        let text = format!(
            "{method} sip:12@{target} SIP/2.0\r\nVia: SIP/2.0/UDP {own};branch=z9hG4bKf{round};rport\r\nMax-Forwards: 70\r\n\
             From: <sip:600@{own}>;tag=f{round}\r\nTo: <sip:12@{target}>{to_tag}\r\nCall-ID: flood{round}\r\n\
             CSeq: 1 {method}\r\nContact: <sip:600@{own}>\r\n{kind}Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.socket
            .send_to(text.as_bytes(), self.target)
            .expect("loopback");
    }

    /// How long until it rings.
    fn invite(&self, round: u32) -> Duration {
        let sent = Instant::now();
        let offer = binary::server::offer(40_000);
        self.request("INVITE", round, "", &offer);
        self.wait(|response| response.status.code() == 180);
        sent.elapsed()
    }

    fn cancel(&self, round: u32) {
        self.request("CANCEL", round, "", "");
        let refused = self.wait(|response| response.status.code() == 487);
        let to = refused.headers.to().expect("a To header");
        let tag = to.tag().map(|tag| format!(";tag={tag}")).unwrap_or_default();
        self.request("ACK", round, &tag, "");
    }

    fn wait(&self, wanted: impl Fn(&Response) -> bool) -> Response {
        let deadline = Instant::now() + 10 * SECOND;
        let mut bytes = [0; 4096];
        while let Some(left) = deadline.checked_duration_since(Instant::now()) {
            self.socket
                .set_read_timeout(Some(left.max(Duration::from_millis(1))))
                .expect("a timeout can be set");
            if let Ok((length, _)) = self.socket.recv_from(&mut bytes)
                && let Ok(Message::Response(response)) = Message::parse(&bytes[..length])
                && wanted(&response)
            {
                return response;
            }
        }
        panic!("no answer within 10 s");
    }
}

struct Strays {
    rate: f64,
    answers: usize,
}

/// Strangers at eight addresses send what scanners send, until told to stop or for 20 s.
fn shout(target: SocketAddr, stop: Arc<AtomicBool>) -> JoinHandle<Strays> {
    let strangers: Vec<UdpSocket> = (2..10)
        .map(|last| {
            let socket = UdpSocket::bind(format!("127.0.0.{last}:0")).expect("loopback");
            socket.set_nonblocking(true).expect("non-blocking");
            socket
        })
        .collect();
    std::thread::spawn(move || {
        let (began, mut sent) = (Instant::now(), 0_u32);
        let mut answers = 0;
        while !stop.load(Ordering::Relaxed) && began.elapsed() < 20 * SECOND {
            let due = (began.elapsed().as_secs_f64() * f64::from(STRAYS_A_SECOND)) as u32;
            while sent < due {
                let stranger = &strangers[sent as usize % strangers.len()];
                let method = ["OPTIONS", "INVITE", "REGISTER", "SUBSCRIBE"][sent as usize / 8 % 4];
                let text = format!(
                    "{method} sip:100@{target} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bKs{sent};rport\r\n\
                     Max-Forwards: 70\r\nFrom: <sip:scan@127.0.0.1>;tag=s{sent}\r\nTo: <sip:100@{target}>\r\n\
                     Call-ID: stray{sent}\r\nCSeq: 1 {method}\r\nContact: <sip:scan@127.0.0.1>\r\n\
                     User-Agent: friendly-scanner\r\nContent-Length: 0\r\n\r\n"
                );
                // A full buffer of the receiver's is a stray the less.
                let _ = stranger.send_to(text.as_bytes(), target);
                sent += 1;
            }
            let mut bytes = [0; 2048];
            answers += strangers
                .iter()
                .filter(|stranger| stranger.recv_from(&mut bytes).is_ok())
                .count();
            std::thread::sleep(Duration::from_millis(1));
        }
        Strays {
            rate: f64::from(sent) / began.elapsed().as_secs_f64(),
            answers,
        }
    })
}

struct Heard {
    packets: usize,
    gaps: usize,
}

/// Sends a packet each 20 ms and counts what comes.
fn speak(socket: UdpSocket, to: SocketAddr, stop: Arc<AtomicBool>) -> JoinHandle<Heard> {
    socket
        .set_read_timeout(Some(Duration::from_millis(2)))
        .expect("a timeout can be set");
    std::thread::spawn(move || {
        let (began, mut sent) = (Instant::now(), 0_u16);
        let mut sequence: Vec<u16> = Vec::new();
        let mut bytes = [0; 2048];
        while !stop.load(Ordering::Relaxed) {
            while began.elapsed() >= Duration::from_millis(20) * u32::from(sent) {
                let mut packet = vec![0x80, 8];
                packet.extend(sent.to_be_bytes());
                packet.extend((u32::from(sent) * 160).to_be_bytes());
                packet.extend(7_u32.to_be_bytes());
                packet.extend([0xd5; 160]);
                socket.send_to(&packet, to).expect("loopback");
                sent += 1;
            }
            if let Ok((length, _)) = socket.recv_from(&mut bytes)
                && length > 12
            {
                sequence.push(u16::from_be_bytes([bytes[2], bytes[3]]));
            }
        }
        let gaps = sequence
            .windows(2)
            .map(|pair| usize::from(pair[1].wrapping_sub(pair[0]).wrapping_sub(1)))
            .sum();
        Heard {
            packets: sequence.len(),
            gaps,
        }
    })
}

/// The record of the call that has just ended.
fn last_record(daemon: &Daemon) -> serde_json::Value {
    let talked = || {
        let records = json(&daemon.ask(&["calls", "--json"]));
        let records = records.as_array().cloned().unwrap_or_default();
        records
            .into_iter()
            .find(|record| record["cause"] == "remote_hangup")
    };
    binary::wait("the call's record", || talked().is_some());
    talked().expect("a record")
}
