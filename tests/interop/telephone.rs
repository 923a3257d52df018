//! A telephone on a virtual line, played by a thread: it answers every frame at once and remembers all it hears.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tipring::dsp::Key;
use tipring::dsp::dtmf::Generator;
use tipring_hw::virtual_line::wire::{FRAME_SAMPLES, MAX_MESSAGE_BYTES};
use tipring_hw::virtual_line::{Decoder, Message, Receiver as End};

use crate::lab::{self, wait_until};
use crate::sound;

const SAMPLES_PER_MS: usize = 8;
/// Each key, and the pause after it.
const KEY_MS: u32 = 80;
/// Each of a key's two tones.
const KEY_DBM0: f32 = -9.0;

enum Act {
    Edge { closed: bool },
    Say(Vec<i16>),
}

#[derive(Default)]
struct State {
    ringing: bool,
    heard: Vec<i16>,
    /// Samples still to be said.
    unsaid: usize,
    plugged_in: bool,
}

/// The telephone.
pub struct Telephone {
    acts: Sender<Act>,
    state: Arc<Mutex<State>>,
}

impl Telephone {
    /// Plugs in as soon as the line is there.
    pub fn plug_in(socket: &Path) -> Self {
        let mut stream = None;
        wait_until("the line's socket answers", 10, || {
            stream = UnixStream::connect(socket).ok();
            stream.is_some()
        });
        let stream = stream.expect("waited for");
        // Hook changes wait no longer than this for the next frame.
        stream
            .set_read_timeout(Some(Duration::from_millis(1)))
            .expect("a timeout can be set");
        let (acts, to_do) = channel();
        let state = Arc::new(Mutex::new(State {
            plugged_in: true,
            ..State::default()
        }));
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            // A key that it stalls in is two keys, or none.
            lab::take_precedence();
            serve(stream, &to_do, &shared);
            shared.lock().expect("whole").plugged_in = false;
        });
        Self { acts, state }
    }

    pub fn lift(&self) {
        self.edge(true);
    }

    pub fn hang_up(&self) {
        self.edge(false);
    }

    /// Register recall: the loop opens for so long.
    pub fn flash(&self, milliseconds: u64) {
        self.edge(false);
        std::thread::sleep(Duration::from_millis(milliseconds));
        self.edge(true);
    }

    /// Presses keys, and returns when the last one was released.
    pub fn press(&self, keys: &str) {
        let mut generator = Generator::new();
        let mut samples = Vec::new();
        for key in keys.chars() {
            let mut tone = vec![0; 2 * KEY_MS as usize * SAMPLES_PER_MS];
            generator.play(Key::from_char(key).expect("a key"), KEY_DBM0, KEY_MS, KEY_MS);
            generator.fill(&mut tone);
            samples.extend(tone);
        }
        self.say(samples);
        self.wait_silent();
    }

    /// Dials with a dial of ten pulses a second, 60 ms break.
    pub fn pulse(&self, digits: &str) {
        for digit in digits.chars().map(|digit| digit.to_digit(10).expect("a digit")) {
            for _ in 0..(if digit == 0 { 10 } else { digit }) {
                self.edge(false);
                std::thread::sleep(Duration::from_millis(60));
                self.edge(true);
                std::thread::sleep(Duration::from_millis(40));
            }
            std::thread::sleep(Duration::from_millis(700));
        }
    }

    /// Speaks these samples after what is being spoken.
    pub fn say(&self, samples: Vec<i16>) {
        self.state.lock().expect("whole").unsaid += samples.len();
        self.acts.send(Act::Say(samples)).expect("the telephone runs");
    }

    /// Until all has been said.
    pub fn wait_silent(&self) {
        wait_until("all is said", 60, || {
            self.state.lock().expect("whole").unsaid == 0
        });
    }

    /// Says a tone over and over until the other one hears it.
    #[track_caller]
    pub fn reach(&self, other: &Self, hz: f32, bound_s: u64) {
        let mark = other.mark();
        wait_until(&format!("{hz} Hz is heard there"), bound_s, || {
            if self.state.lock().expect("whole").unsaid == 0 {
                self.say(sound::sine(hz, 1000));
            }
            let heard = other.heard_since(mark);
            heard.len() >= 1600 && sound::is_tone(&heard[heard.len() - 1600..], hz)
        });
        self.wait_silent();
    }

    pub fn is_ringing(&self) -> bool {
        self.state.lock().expect("whole").ringing
    }

    /// How much has been heard so far, samples: a mark for [`Self::heard_since`].
    pub fn mark(&self) -> usize {
        self.state.lock().expect("whole").heard.len()
    }

    /// What has been heard since a mark.
    pub fn heard_since(&self, mark: usize) -> Vec<i16> {
        self.state.lock().expect("whole").heard[mark..].to_vec()
    }

    /// Hears for so long, and returns it.
    pub fn listen(&self, milliseconds: usize) -> Vec<i16> {
        let mark = self.mark();
        wait_until("the line sends audio", 60, || {
            self.mark() >= mark + milliseconds * SAMPLES_PER_MS
        });
        self.heard_since(mark)
    }

    /// Until a tone has been heard for 200 ms on end.
    #[track_caller]
    pub fn wait_tone(&self, hz: f32, bound_s: u64) {
        let mark = self.mark();
        wait_until(&format!("a tone of {hz} Hz is heard"), bound_s, || {
            let heard = self.heard_since(mark);
            heard.len() >= 1600 && sound::is_tone(&heard[heard.len() - 1600..], hz)
        });
    }

    /// Until a burst of a tone has been heard that is so long, to 40 ms.
    #[track_caller]
    pub fn wait_cadence(&self, hz: f32, burst_ms: usize, bound_s: u64) {
        let mark = self.mark();
        let mut bursts = Vec::new();
        wait_until(&format!("bursts of {burst_ms} ms at {hz} Hz"), bound_s, || {
            bursts = sound::bursts_ms(&self.heard_since(mark), hz);
            bursts.iter().any(|burst| burst.abs_diff(burst_ms) <= 40)
        });
    }

    /// Until nothing has been heard for so long.
    #[track_caller]
    pub fn wait_quiet(&self, milliseconds: usize, bound_s: u64) {
        let mark = self.mark();
        let window = milliseconds * SAMPLES_PER_MS;
        wait_until("the line is quiet", bound_s, || {
            let heard = self.heard_since(mark);
            heard.len() >= window && sound::is_quiet(&heard[heard.len() - window..])
        });
    }

    #[track_caller]
    pub fn wait_ringing(&self, bound_s: u64) {
        wait_until("the telephone rings", bound_s, || self.is_ringing());
    }

    fn edge(&self, closed: bool) {
        assert!(
            self.state.lock().expect("whole").plugged_in,
            "the daemon has closed the line"
        );
        self.acts.send(Act::Edge { closed }).expect("the telephone runs");
    }
}

fn serve(mut stream: UnixStream, to_do: &Receiver<Act>, state: &Mutex<State>) {
    let began = Instant::now();
    let mut decoder = Decoder::new(End::Telephone);
    let mut mouth: VecDeque<i16> = VecDeque::new();
    let mut buffer = [0; MAX_MESSAGE_BYTES];
    let mut bytes = [0; 4096];
    loop {
        loop {
            match to_do.try_recv() {
                Ok(Act::Edge { closed }) => {
                    let clock_us = u64::try_from(began.elapsed().as_micros()).expect("a short test");
                    let message = Message::Hook { closed, clock_us };
                    if stream.write_all(message.encode(&mut buffer)).is_err() {
                        return;
                    }
                }
                Ok(Act::Say(samples)) => mouth.extend(samples),
                Err(std::sync::mpsc::TryRecvError::Empty) => break,
                // The test has dropped its telephone.
                Err(std::sync::mpsc::TryRecvError::Disconnected) => return,
            }
        }
        let length = match stream.read(&mut bytes) {
            Ok(0) => return,
            Ok(length) => length,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => continue,
            Err(_) => return,
        };
        let mut rest = &bytes[..length];
        while let Ok(Some(message)) = decoder.decode(&mut rest) {
            match message {
                Message::Audio(heard) => {
                    let spoken = mouth.len().min(FRAME_SAMPLES);
                    let said = std::array::from_fn(|_| mouth.pop_front().unwrap_or(0));
                    if stream
                        .write_all(Message::Audio(said).encode(&mut buffer))
                        .is_err()
                    {
                        return;
                    }
                    let mut state = state.lock().expect("whole");
                    state.heard.extend_from_slice(&heard);
                    state.unsaid -= spoken;
                }
                Message::Ring { on } => {
                    state.lock().expect("whole").ringing = on;
                }
                Message::Hook { .. } | Message::Polarity { .. } | Message::Battery { .. } => {}
            }
        }
    }
}
