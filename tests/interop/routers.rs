//! Routers that spoil calls through Asterisk: one that rewrites SIP, one that lets sound through in one direction only.
//! What is wrong is said in a sentence.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::Value;

use crate::lab::{SIP_PORT, address, wait_until};
use crate::peers::Asterisk;
use crate::tipring::{Account, DIAL_TONE_HZ, Tipring};

/// What the router does to what it forwards.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Habit {
    /// Puts its own address into Via and Contact and never takes it out again.
    Rewrites,
    /// Relays sound from the telephone, none to it.
    OneWay,
}

/// A router between the program and Asterisk, with an address towards each.
struct Router {
    inside: Ipv4Addr,
    stop: Arc<AtomicBool>,
}

impl Router {
    fn start(server: SocketAddr, habit: Habit) -> Self {
        let (inside, outside) = (address(), address());
        let bind = |ip: Ipv4Addr, port| {
            let socket = UdpSocket::bind((ip, port)).expect("an address of the test's own");
            socket
                .set_read_timeout(Some(Duration::from_millis(2)))
                .expect("a timeout can be set");
            socket
        };
        let (home, world) = (bind(inside, SIP_PORT), bind(outside, SIP_PORT));
        let sound = bind(inside, 0);
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        std::thread::spawn(move || {
            let mut relay = Relay {
                habit,
                outside,
                telephone: None,
                their_sound: None,
                sound_port: sound.local_addr().expect("bound").port(),
                inside,
            };
            let mut bytes = [0; 4096];
            while !stopped.load(Ordering::Relaxed) {
                if let Ok((length, from)) = home.recv_from(&mut bytes) {
                    relay.telephone = Some(from);
                    let message = relay.outward(&String::from_utf8_lossy(&bytes[..length]), from);
                    let _ = world.send_to(message.as_bytes(), server);
                }
                if let (Ok((length, _)), Some(telephone)) = (world.recv_from(&mut bytes), relay.telephone) {
                    let message = relay.inward(&String::from_utf8_lossy(&bytes[..length]));
                    let _ = home.send_to(message.as_bytes(), telephone);
                }
                // Asterisk sends its sound to where the telephone's comes from, which is here: it goes no further.
                if let (Ok((length, from)), Some(to)) = (sound.recv_from(&mut bytes), relay.their_sound)
                    && from != to
                {
                    let _ = sound.send_to(&bytes[..length], to);
                }
            }
        });
        Self { inside, stop }
    }

    fn uri(&self) -> String {
        format!("sip:{}:{SIP_PORT};transport=udp", self.inside)
    }
}

impl Drop for Router {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

struct Relay {
    habit: Habit,
    outside: Ipv4Addr,
    inside: Ipv4Addr,
    telephone: Option<SocketAddr>,
    their_sound: Option<SocketAddr>,
    sound_port: u16,
}

impl Relay {
    fn outward(&self, message: &str, telephone: SocketAddr) -> String {
        match self.habit {
            // As long as before or not: the header only, whose length nobody counts.
            Habit::Rewrites => {
                let (head, body) = message.split_once("\r\n\r\n").unwrap_or((message, ""));
                let own = format!("{}:{SIP_PORT}", self.outside);
                format!("{}\r\n\r\n{body}", head.replace(&telephone.to_string(), &own))
            }
            Habit::OneWay => message.to_owned(),
        }
    }

    /// Puts our own place for sound into the answer.
    fn inward(&mut self, message: &str) -> String {
        let Some((head, body)) = message
            .split_once("\r\n\r\n")
            .filter(|(_, body)| self.habit == Habit::OneWay && body.contains("m=audio"))
        else {
            return message.to_owned();
        };
        let mut changed = String::new();
        let mut ip = IpAddr::V4(Ipv4Addr::LOCALHOST);
        for line in body.lines() {
            let line = if let Some(named) = line.strip_prefix("c=IN IP4 ") {
                ip = named.trim().parse().expect("an address");
                format!("c=IN IP4 {}", self.inside)
            } else if let Some(audio) = line.strip_prefix("m=audio ") {
                let (port, rest) = audio.split_once(' ').expect("a media line");
                self.their_sound = Some(SocketAddr::new(ip, port.parse().expect("a port")));
                format!("m=audio {} {rest}", self.sound_port)
            } else {
                line.to_owned()
            };
            changed += &line;
            changed += "\r\n";
        }
        let head: Vec<&str> = head
            .lines()
            .filter(|line| !line.to_ascii_lowercase().starts_with("content-length"))
            .collect();
        format!(
            "{}\r\nContent-Length: {}\r\n\r\n{changed}",
            head.join("\r\n"),
            changed.len()
        )
    }
}

/// Where Asterisk listens.
fn sip_of(asterisk: &Asterisk) -> SocketAddr {
    let uri = asterisk.uri();
    let place = uri.trim_start_matches("sip:");
    let with_port = if place.contains(':') {
        place.to_owned()
    } else {
        format!("{place}:{SIP_PORT}")
    };
    with_port.parse().expect("an address")
}

fn call_through(router: &Router) -> (Tipring, crate::telephone::Telephone) {
    let tipring = Tipring::registered(&Account::line_one(router.uri()));
    let telephone = tipring.telephone();
    telephone.lift();
    telephone.wait_tone(DIAL_TONE_HZ, 2);
    telephone.press("600");
    tipring.wait_line("talking", 8);
    (tipring, telephone)
}

fn sentences(value: &Value) -> String {
    value["diagnosis"].to_string()
}

#[test]
fn a_router_that_rewrites_sip_is_named_in_status_log_and_record() {
    let Some(asterisk) = Asterisk::start() else { return };
    let router = Router::start(sip_of(&asterisk), Habit::Rewrites);
    let (tipring, telephone) = call_through(&router);
    let told = sentences(&tipring.status()["accounts"][0]);
    assert!(
        told.contains("rewrites SIP messages") && told.contains("SIP ALG"),
        "{told}"
    );
    tipring.wait_log("rewrites SIP messages", 2);
    telephone.hang_up();
    wait_until("the record", 5, || !tipring.calls().is_empty());
    let record = sentences(&tipring.calls()[0]);
    assert!(record.contains("rewrites SIP messages"), "{record}");
}

#[test]
fn sound_in_one_direction_is_told_within_seconds_and_in_the_record() {
    let Some(asterisk) = Asterisk::start() else { return };
    let router = Router::start(sip_of(&asterisk), Habit::OneWay);
    let (tipring, telephone) = call_through(&router);
    tipring.wait_log("The other side is not heard", 6);
    telephone.hang_up();
    wait_until("the record", 5, || !tipring.calls().is_empty());
    let record = sentences(&tipring.calls()[0]);
    assert!(record.contains("The other side is not heard"), "{record}");
    let told = sentences(&tipring.status()["accounts"][0]);
    assert_eq!(told, "[]", "nothing was rewritten that we could see");
}
