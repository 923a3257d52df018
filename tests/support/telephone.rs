//! A model telephone: a contact that bounces, a dial, a keypad, a bell, an ear and a mouth.

use std::collections::VecDeque;
use std::f32::consts::TAU;
use std::time::{Duration, Instant};

const FRAME: usize = 80;

/// One telephone.
pub struct Telephone {
    /// Edges still to come, oldest first.
    edges: VecDeque<(Instant, bool)>,
    /// The loop is closed once all edges have passed.
    pub off_hook: bool,
    /// Ringing voltage is on the line now.
    pub ringing: bool,
    /// When ringing voltage came and went.
    pub bursts: Vec<(Instant, bool)>,
    pub reversed: bool,
    pub fed: bool,
    /// When the loop's feed changed.
    pub feed_changes: Vec<(Instant, bool)>,
    /// Everything heard since the last [`forget`](Self::forget).
    pub heard: Vec<i16>,
    /// What the mouth says: a sine of this frequency and peak, or the echo of the ear.
    pub voice: Voice,
    /// Keys being pressed: (low, high, samples left), (0, 0, n) for pauses.
    keys: VecDeque<(f32, f32, usize)>,
    phase: (f32, f32),
    /// Bounce after each change of the contact; 0 where a module's model makes it.
    pub bounce_ms: u64,
}

/// What the mouth does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Voice {
    Silent,
    Sine { frequency_hz: f32, peak: f32 },
    Echo,
}

impl Telephone {
    pub fn new() -> Self {
        Self {
            edges: VecDeque::new(),
            off_hook: false,
            ringing: false,
            bursts: Vec::new(),
            reversed: false,
            fed: true,
            feed_changes: Vec::new(),
            heard: Vec::new(),
            voice: Voice::Silent,
            keys: VecDeque::new(),
            phase: (0.0, 0.0),
            bounce_ms: 3,
        }
    }

    pub fn lift(&mut self, now: Instant) {
        let at = self.after_edges(now);
        self.contact(at, true);
    }

    pub fn hang_up(&mut self, now: Instant) {
        let at = self.after_edges(now);
        self.contact(at, false);
        self.keys.clear();
    }

    /// A register recall: the loop opens for so long.
    pub fn flash(&mut self, now: Instant, break_ms: u64) {
        let at = self.after_edges(now);
        self.contact(at, false);
        self.contact(at + Duration::from_millis(break_ms), true);
    }

    /// Dials with a dial of 10 pulses a second, 60 % break, 800 ms between digits.
    pub fn dial_pulses(&mut self, now: Instant, digits: &str) {
        let mut at = self.after_edges(now) + Duration::from_millis(400);
        for digit in digits.chars().filter_map(|digit| digit.to_digit(10)) {
            let pulses = if digit == 0 { 10 } else { digit };
            for _ in 0..pulses {
                self.contact(at, false);
                self.contact(at + Duration::from_millis(60), true);
                at += Duration::from_millis(100);
            }
            at += Duration::from_millis(800);
        }
    }

    /// Presses keys: 70 ms each, 70 ms between them.
    pub fn press(&mut self, keys: &str) {
        const LOW: [f32; 4] = [697.0, 770.0, 852.0, 941.0];
        const HIGH: [f32; 4] = [1209.0, 1336.0, 1477.0, 1633.0];
        for key in keys.chars() {
            let position = "123A456B789C*0#D".find(key).expect("a key of the keypad");
            self.keys.push_back((LOW[position / 4], HIGH[position % 4], 560));
            self.keys.push_back((0.0, 0.0, 560));
        }
    }

    /// A change of the contact, with bounce after it.
    fn contact(&mut self, at: Instant, closed: bool) {
        self.edges.push_back((at, closed));
        if self.bounce_ms > 0 {
            self.edges.push_back((at + Duration::from_millis(1), !closed));
            self.edges
                .push_back((at + Duration::from_millis(self.bounce_ms), closed));
        }
    }

    fn after_edges(&self, now: Instant) -> Instant {
        self.edges.back().map_or(now, |(at, _)| (*at).max(now))
    }

    pub fn next_edge(&self) -> Option<Instant> {
        self.edges.front().map(|(at, _)| *at)
    }

    pub fn edge_due(&mut self, now: Instant) -> Option<(Instant, bool)> {
        let (at, closed) = *self.edges.front()?;
        if at > now {
            return None;
        }
        self.edges.pop_front();
        self.off_hook = closed;
        Some((at, closed))
    }

    pub fn forget(&mut self) {
        self.heard.clear();
    }

    /// Hears one frame, and answers it.
    pub fn frame(&mut self, heard: &[i16; FRAME]) -> [i16; FRAME] {
        self.heard.extend_from_slice(heard);
        let mut said = [0i16; FRAME];
        if !self.off_hook {
            return said;
        }
        for (sample, ear) in said.iter_mut().zip(heard) {
            *sample = match self.voice {
                Voice::Silent => 0,
                Voice::Echo => *ear,
                Voice::Sine { frequency_hz, peak } => {
                    self.phase.0 = (self.phase.0 + frequency_hz / 8000.0).fract();
                    (peak * (TAU * self.phase.0).sin()) as i16
                }
            };
            if let Some((low, high, left)) = self.keys.front_mut() {
                if *low > 0.0 {
                    self.phase.0 = (self.phase.0 + *low / 8000.0).fract();
                    self.phase.1 = (self.phase.1 + *high / 8000.0).fract();
                    *sample = (5000.0 * ((TAU * self.phase.0).sin() + (TAU * self.phase.1).sin())) as i16;
                }
                *left -= 1;
                if *left == 0 {
                    self.keys.pop_front();
                }
            }
        }
        said
    }

    /// Level of `frequency_hz` over the last `window_ms` heard, dBm0 (a sine of peak 22,827 is 0).
    pub fn level_dbm0(&self, frequency_hz: f32, window_ms: usize) -> f32 {
        let samples = &self.heard[self.heard.len().saturating_sub(window_ms * 8)..];
        let (mut real, mut imaginary) = (0.0f32, 0.0f32);
        for (index, sample) in samples.iter().enumerate() {
            let angle = TAU * frequency_hz * index as f32 / 8000.0;
            real += f32::from(*sample) * angle.cos();
            imaginary += f32::from(*sample) * angle.sin();
        }
        let peak = 2.0 * real.hypot(imaginary) / samples.len().max(1) as f32;
        20.0 * (peak / 22_827.0).max(1e-6).log10()
    }

    /// The frequency is heard clearly over the last `window_ms`.
    pub fn hears(&self, frequency_hz: f32, window_ms: usize) -> bool {
        self.heard.len() >= window_ms * 8 && self.level_dbm0(frequency_hz, window_ms) > -30.0
    }

    /// Nothing above idle noise over the last `window_ms`.
    pub fn hears_silence(&self, window_ms: usize) -> bool {
        let samples = &self.heard[self.heard.len().saturating_sub(window_ms * 8)..];
        samples.len() >= window_ms * 8 && samples.iter().all(|sample| sample.unsigned_abs() < 100)
    }
}
