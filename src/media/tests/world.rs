//! Virtual time: a voice path whose audio thread turns every 10 ms, and links that delay, lose and double.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::SocketAddr;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::dsp::FRAME;
use crate::media::{
    Codec, Direction, DtmfRelay, SessionParams, TransmitKind, VoiceCommand, VoiceConfig, VoiceEvent,
    VoicePath,
};
use crate::testing::epoch;

pub type Micros = i64;

/// The instant at so many microseconds of virtual time.
pub fn at(us: Micros) -> Instant {
    static EPOCH: OnceLock<Instant> = OnceLock::new();
    *EPOCH.get_or_init(epoch) + Duration::from_micros(us as u64)
}

pub fn rtp_address(side: usize) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, side as u8 + 1], 4000))
}

pub fn rtcp_address(side: usize) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, side as u8 + 1], 4001))
}

pub fn params(remote: usize) -> SessionParams {
    SessionParams {
        remote_rtp: rtp_address(remote),
        remote_rtcp: rtcp_address(remote),
        codec: Codec::Pcma,
        payload_type: 8,
        telephone_event: Some(101),
        packet_time_ms: 20,
        direction: Direction::SendReceive,
        dtmf_relay: DtmfRelay::Rfc4733,
        rtp_timeout_ms: 30_000,
        awaits_path: false,
        rtcp_mux: false,
    }
}

/// What a link does to a packet.
#[derive(Clone, Copy, Debug, Default)]
pub struct Link {
    pub delay_us: Micros,
    /// Added evenly between 0 and this, each packet for itself: it reorders.
    pub jitter_us: Micros,
    pub loss: f64,
    pub doubled: f64,
}

/// The telephone: what it answers to a frame at a time of its line.
pub type Telephone = Box<dyn FnMut(Micros, &[i16; FRAME]) -> [i16; FRAME]>;

pub struct Side {
    pub path: VoicePath,
    pub telephone: Telephone,
    pub heard: Vec<i16>,
    pub events: Vec<(Micros, VoiceEvent)>,
    pub sent: Vec<(Micros, TransmitKind, Vec<u8>)>,
    pub link: Link,
    turn_us: f64,
    next_turn_us: f64,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Flying {
    at_us: Micros,
    number: u64,
    to: usize,
    rtcp: bool,
    bytes: Vec<u8>,
}

/// Two lines and the network between them.
pub struct World {
    pub sides: [Side; 2],
    pub now_us: Micros,
    random: StdRng,
    flying: BinaryHeap<Reverse<Flying>>,
    number: u64,
}

impl World {
    /// Side 0's audio thread turns at whole 10 ms, side 1's `phase_us` later, its clock `drift_ppm` slow.
    pub fn new(seed: u64, config: VoiceConfig, phase_us: Micros, drift_ppm: f64) -> Self {
        let side = |number: usize, phase_us: Micros, drift_ppm: f64| {
            let mut path = VoicePath::new(&config, seed.wrapping_mul(2) + number as u64);
            path.handle_command(at(0), VoiceCommand::OffHook(true));
            path.handle_command(at(0), VoiceCommand::Session(params(1 - number)));
            Side {
                path,
                telephone: Box::new(|_, _| [0; FRAME]),
                heard: Vec::new(),
                events: Vec::new(),
                sent: Vec::new(),
                link: Link::default(),
                turn_us: 10_000.0 * (1.0 + drift_ppm * 1e-6),
                next_turn_us: phase_us as f64,
            }
        };
        Self {
            sides: [side(0, 0, 0.0), side(1, phase_us, drift_ppm)],
            now_us: 0,
            random: StdRng::seed_from_u64(seed),
            flying: BinaryHeap::new(),
            number: 0,
        }
    }

    /// Side `number` has no crystal: its turns come when it wants them to.
    pub fn move_turns(&mut self, number: usize) {
        self.sides[number].path.move_turns();
    }

    /// Runs until `until_us`.
    pub fn run(&mut self, until_us: Micros) {
        loop {
            let (turn_us, side) = (0..2)
                .map(|side| (self.sides[side].next_turn_us as Micros, side))
                .min()
                .unwrap_or_default();
            let arrival_us = self
                .flying
                .peek()
                .map_or(Micros::MAX, |Reverse(flying)| flying.at_us);
            let next_us = turn_us.min(arrival_us);
            if next_us >= until_us {
                self.now_us = until_us;
                return;
            }
            self.now_us = next_us;
            if arrival_us <= turn_us {
                self.arrive();
            } else {
                self.turn(side);
            }
        }
    }

    pub fn command(&mut self, side: usize, command: VoiceCommand) {
        let now = at(self.now_us);
        self.sides[side].path.handle_command(now, command);
        self.drain(side);
    }

    /// Events of one kind that a side has reported.
    pub fn remote_keys(&self, side: usize) -> String {
        let keys = self.sides[side].events.iter();
        keys.filter_map(|(_, event)| match event {
            VoiceEvent::RemoteKey(key) => Some(key.as_char()),
            _ => None,
        })
        .collect()
    }

    fn turn(&mut self, number: usize) {
        let now = at(self.now_us);
        let side = &mut self.sides[number];
        let mut frame = [0; FRAME];
        side.path.playback(now, &mut frame);
        side.heard.extend_from_slice(&frame);
        let answer = (side.telephone)(self.now_us, &frame);
        side.path.capture(now, &answer);
        side.next_turn_us += side.turn_us - side.path.turn_sooner_by().as_micros() as f64;
        self.drain(number);
    }

    fn arrive(&mut self) {
        let Some(Reverse(flying)) = self.flying.pop() else {
            return;
        };
        let now = at(self.now_us);
        let path = &mut self.sides[flying.to].path;
        if flying.rtcp {
            path.handle_rtcp(now, rtcp_address(1 - flying.to), &flying.bytes);
        } else {
            path.handle_rtp(now, rtp_address(1 - flying.to), &flying.bytes);
        }
        self.drain(flying.to);
    }

    fn drain(&mut self, number: usize) {
        let side = &mut self.sides[number];
        while let Some(event) = side.path.poll_event() {
            side.events.push((self.now_us, event));
        }
        while let Some(packet) = side.path.poll_transmit() {
            side.sent.push((self.now_us, packet.kind, packet.bytes.to_vec()));
            if self.random.random_bool(side.link.loss) {
                continue;
            }
            let copies = 1 + usize::from(self.random.random_bool(side.link.doubled));
            for _ in 0..copies {
                let jitter_us = self.random.random_range(0..=side.link.jitter_us);
                self.number += 1;
                self.flying.push(Reverse(Flying {
                    at_us: self.now_us + side.link.delay_us + jitter_us,
                    number: self.number,
                    to: 1 - number,
                    rtcp: packet.kind == TransmitKind::Rtcp,
                    bytes: packet.bytes.to_vec(),
                }));
            }
        }
    }
}

/// Speech as far as a buffer is concerned: a voiced sound of 125 Hz with syllables and pauses.
pub fn talker() -> Telephone {
    let mut place = 0u32;
    Box::new(move |_, _| {
        std::array::from_fn(|_| {
            place += 1;
            let seconds = place as f32 / 8000.0;
            let syllable = (seconds * 3.0).fract() < 0.7 && (seconds * 0.4).fract() < 0.8;
            if !syllable {
                return 0;
            }
            let angle = seconds * 125.0 * std::f32::consts::TAU;
            (4000.0 * angle.sin() + 2000.0 * (3.0 * angle).sin() + 1000.0 * (7.0 * angle).sin()) as i16
        })
    })
}
