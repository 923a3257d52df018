//! An ordinary telephone, byte by byte: it knows nothing of the daemon but the virtual line's protocol.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use super::{PATIENCE, wait};

/// What it has noticed.
#[derive(Default)]
pub struct Heard {
    /// Types in the order they came, the first hundred.
    pub types: Vec<u8>,
    /// When each frame of audio came.
    pub frames: Vec<Instant>,
    pub samples: Vec<i16>,
    pub ringing: bool,
    pub bursts: usize,
    pub reversed: bool,
    pub fed: bool,
    /// Whatever isn't in the table of the protocol.
    pub wrong: Vec<String>,
    pub closed: bool,
}

/// The telephone.
pub struct Telephone {
    stream: UnixStream,
    heard: Arc<Mutex<Heard>>,
    mouth: Arc<Mutex<VecDeque<i16>>>,
    /// Held while a message is written: a long one goes in pieces, and no answer may come between.
    pen: Arc<Mutex<()>>,
    clock: Instant,
    /// Added to its clock.
    pub clock_offset_us: u64,
}

impl Telephone {
    pub fn plug(socket: &Path) -> Self {
        let stream = UnixStream::connect(socket).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        let heard = Arc::new(Mutex::new(Heard::default()));
        let mouth = Arc::new(Mutex::new(VecDeque::new()));
        let reader = stream.try_clone().unwrap();
        let (ear, lips) = (Arc::clone(&heard), Arc::clone(&mouth));
        let pen = Arc::new(Mutex::new(()));
        let answering = Arc::clone(&pen);
        std::thread::spawn(move || listen(reader, &ear, &lips, &answering));
        let telephone = Self {
            stream,
            heard,
            mouth,
            pen,
            clock: Instant::now(),
            clock_offset_us: 0,
        };
        telephone.wait("battery, polarity and audio", |heard| !heard.frames.is_empty());
        telephone
    }

    /// Sends bytes as they are.
    pub fn send(&self, bytes: &[u8]) {
        let _pen = self.pen.lock().unwrap();
        (&self.stream).write_all(bytes).unwrap();
    }

    pub fn now_us(&self) -> u64 {
        self.clock_offset_us
            .wrapping_add(u64::try_from(self.clock.elapsed().as_micros()).unwrap())
    }

    /// An edge now.
    pub fn hook(&self, closed: bool) {
        self.send(&edge(closed, self.now_us()));
    }

    /// Lifted, until dial tone is heard.
    pub fn lift(&self) {
        self.forget();
        self.hook(true);
    }

    /// 80 ms of the key and 80 ms of silence, for each.
    pub fn press(&self, keys: &str) {
        const LOW: [f32; 4] = [697.0, 770.0, 852.0, 941.0];
        const HIGH: [f32; 4] = [1209.0, 1336.0, 1477.0, 1633.0];
        let mut samples = Vec::new();
        for key in keys.chars() {
            let position = "123A456B789C*0#D".find(key).unwrap();
            let sine = |hz: f32, index: usize| (std::f32::consts::TAU * hz * index as f32 / 8000.0).sin();
            samples.extend((0..640).map(|index| {
                (6000.0 * (sine(LOW[position / 4], index) + sine(HIGH[position % 4], index))) as i16
            }));
            samples.extend([0; 640]);
        }
        self.speak(samples);
    }

    pub fn speak(&self, samples: Vec<i16>) {
        self.mouth.lock().unwrap().extend(samples);
    }

    pub fn heard<T>(&self, look: impl FnOnce(&Heard) -> T) -> T {
        look(&self.heard.lock().unwrap())
    }

    /// The audio from now on only.
    pub fn forget(&self) {
        let mut heard = self.heard.lock().unwrap();
        heard.samples.clear();
        heard.frames.clear();
    }

    #[track_caller]
    pub fn wait(&self, what: &str, mut reached: impl FnMut(&Heard) -> bool) {
        wait(what, || self.heard(&mut reached));
    }

    /// Until `ms` of audio have come since the last [`forget`](Self::forget).
    #[track_caller]
    pub fn listen_ms(&self, ms: usize) {
        self.wait("audio", |heard| heard.samples.len() >= 8 * ms);
    }

    /// Until the last 100 ms heard are mostly this frequency (and, for two tones, the other).
    #[track_caller]
    pub fn wait_tone(&self, hz: f32) {
        self.wait(&format!("{hz} Hz"), |heard| {
            let last = &heard.samples[heard.samples.len().saturating_sub(800)..];
            last.len() == 800 && level_dbm0(last, hz) > -30.0
        });
    }

    pub fn unplug(self) {}
}

impl Drop for Telephone {
    fn drop(&mut self) {
        // The reading thread holds the socket, too.
        let _ = self.stream.shutdown(std::net::Shutdown::Both);
    }
}

/// A hook message.
pub fn edge(closed: bool, clock_us: u64) -> Vec<u8> {
    let mut bytes = vec![b'H', 9, 0, u8::from(closed)];
    bytes.extend(clock_us.to_le_bytes());
    bytes
}

/// The edges of pulsed digits from `start_us` on, and the clock after them: 60 ms break, 40 ms make, 800 ms between
/// digits.
pub fn pulse_train(start_us: u64, digits: &str) -> (Vec<u8>, u64) {
    let (mut bytes, mut at) = (Vec::new(), start_us);
    for digit in digits.chars() {
        let pulses = match digit.to_digit(10).unwrap() {
            0 => 10,
            digit => digit,
        };
        for _ in 0..pulses {
            bytes.extend(edge(false, at));
            bytes.extend(edge(true, at.wrapping_add(60_000)));
            at = at.wrapping_add(100_000);
        }
        at = at.wrapping_add(800_000);
    }
    (bytes, at)
}

/// Level of one frequency, dBm0.
pub fn level_dbm0(samples: &[i16], hz: f32) -> f32 {
    let (mut real, mut imaginary) = (0.0_f32, 0.0_f32);
    for (index, sample) in samples.iter().enumerate() {
        let angle = std::f32::consts::TAU * hz * index as f32 / 8000.0;
        real += f32::from(*sample) * angle.cos();
        imaginary += f32::from(*sample) * angle.sin();
    }
    20.0 * (2.0 * real.hypot(imaginary) / samples.len() as f32 / 22_827.0)
        .max(1e-6)
        .log10()
}

/// A sine at -10 dBm0.
pub fn sine(hz: f32, ms: usize) -> Vec<i16> {
    (0..8 * ms)
        .map(|index| (7218.0 * (std::f32::consts::TAU * hz * index as f32 / 8000.0).sin()) as i16)
        .collect()
}

fn listen(mut stream: UnixStream, heard: &Mutex<Heard>, mouth: &Mutex<VecDeque<i16>>, pen: &Mutex<()>) {
    let _ = stream.set_read_timeout(Some(PATIENCE * 3));
    let mut header = [0; 3];
    while stream.read_exact(&mut header).is_ok() {
        let mut payload = vec![0; usize::from(u16::from_le_bytes([header[1], header[2]]))];
        if stream.read_exact(&mut payload).is_err() {
            break;
        }
        if header[0] == b'A' {
            let mut mouth = mouth.lock().unwrap();
            let mut answer = vec![b'A', 160, 0];
            answer.extend((0..80).flat_map(|_| mouth.pop_front().unwrap_or(0).to_le_bytes()));
            drop(mouth);
            // In the middle of a flood of its own it has no breath to answer.
            if let Ok(_pen) = pen.try_lock() {
                let _ = stream.write_all(&answer);
            }
        }
        let mut heard = heard.lock().unwrap();
        if heard.types.len() < 100 {
            heard.types.push(header[0]);
        }
        match (header[0], payload.as_slice()) {
            (b'A', audio) if audio.len() == 160 => {
                heard.frames.push(Instant::now());
                let samples = audio
                    .chunks_exact(2)
                    .map(|pair| i16::from_le_bytes([pair[0], pair[1]]));
                heard.samples.extend(samples);
            }
            (b'R', [on @ (0 | 1)]) => {
                heard.ringing = *on == 1;
                heard.bursts += usize::from(*on == 1);
            }
            (b'P', [reversed @ (0 | 1)]) => heard.reversed = *reversed == 1,
            (b'B', [fed @ (0 | 1)]) => heard.fed = *fed == 1,
            (kind, payload) => heard.wrong.push(format!("{kind:#x} {payload:?}")),
        }
    }
    heard.lock().unwrap().closed = true;
}
