//! A telephone on a virtual line, in a thread of its own: it answers every frame at once and notes when things happen.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use tipring_hw::virtual_line::wire::MAX_MESSAGE_BYTES;
use tipring_hw::virtual_line::{Decoder, Message, Receiver as End};

/// What the telephone does from now on.
#[derive(Clone, Copy, Debug)]
pub enum Act {
    /// Change the hook switch.
    Hook(bool),
    /// Say back what is heard, or be silent.
    Echo(bool),
    /// Press a key for 70 ms.
    Press(char),
}

/// What the telephone noticed, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The first audible sample after silence.
    Sound,
    /// Ringing voltage came or went.
    Ring(bool),
}

/// The other end of the thread.
pub struct Telephone {
    acts: Sender<Act>,
    notices: Receiver<(Instant, Notice)>,
}

impl Telephone {
    /// Plugs in as soon as the socket is there.
    pub fn plug_in(socket: &Path) -> Self {
        let deadline = Instant::now() + Duration::from_secs(5);
        let stream = loop {
            match UnixStream::connect(socket) {
                Ok(stream) => break stream,
                Err(error) if Instant::now() > deadline => panic!("{}: {error}", socket.display()),
                Err(_) => std::thread::sleep(Duration::from_millis(1)),
            }
        };
        let (acts, to_do) = channel();
        let (noted, notices) = channel();
        std::thread::spawn(move || serve(stream, &to_do, &noted));
        Self { acts, notices }
    }

    pub fn act(&self, act: Act) {
        self.acts.send(act).expect("the telephone runs");
    }

    /// When this is noticed; everything noticed before it is forgotten.
    pub fn wait(&self, wanted: Notice, bound: Duration) -> Option<Instant> {
        let deadline = Instant::now() + bound;
        loop {
            let left = deadline.checked_duration_since(Instant::now())?;
            let (at, notice) = self.notices.recv_timeout(left).ok()?;
            if notice == wanted {
                return Some(at);
            }
        }
    }

    pub fn forget(&self) {
        while self.notices.try_recv().is_ok() {}
    }
}

fn serve(mut stream: UnixStream, to_do: &Receiver<Act>, noted: &Sender<(Instant, Notice)>) {
    let began = Instant::now();
    let mut decoder = Decoder::new(End::Telephone);
    let mut buffer = [0; MAX_MESSAGE_BYTES];
    let mut bytes = [0; 4096];
    let (mut echo, mut quiet, mut key) = (false, true, None);
    // Hook changes must not wait for the next frame: 1 ms at most.
    stream
        .set_read_timeout(Some(Duration::from_millis(1)))
        .expect("a timeout can be set");
    loop {
        for act in to_do.try_iter() {
            match act {
                Act::Hook(closed) => {
                    let clock_us = began.elapsed().as_micros() as u64;
                    let message = Message::Hook { closed, clock_us };
                    if stream.write_all(message.encode(&mut buffer)).is_err() {
                        return;
                    }
                }
                Act::Echo(on) => echo = on,
                Act::Press(character) => key = Some((character, 0u32)),
            }
        }
        let length = match stream.read(&mut bytes) {
            Ok(0) => return,
            Ok(length) => length,
            Err(error) if matches!(error.kind(), std::io::ErrorKind::WouldBlock) => continue,
            Err(_) => return,
        };
        let now = Instant::now();
        let mut rest = &bytes[..length];
        while let Ok(Some(message)) = decoder.decode(&mut rest) {
            match message {
                Message::Audio(heard) => {
                    let sounds = heard.iter().any(|sample| sample.unsigned_abs() > 50);
                    if sounds && quiet && noted.send((now, Notice::Sound)).is_err() {
                        return;
                    }
                    quiet = !sounds;
                    let mut said = if echo { heard } else { [0; 80] };
                    press(&mut key, &mut said);
                    if stream
                        .write_all(Message::Audio(said).encode(&mut buffer))
                        .is_err()
                    {
                        return;
                    }
                }
                Message::Ring { on } => {
                    if noted.send((now, Notice::Ring(on))).is_err() {
                        return;
                    }
                }
                Message::Hook { .. } | Message::Polarity { .. } | Message::Battery { .. } => {}
            }
        }
    }
}

fn press(key: &mut Option<(char, u32)>, said: &mut [i16; 80]) {
    let Some((character, position)) = key else { return };
    let row_and_column = "123A456B789C*0#D".find(*character).expect("a key");
    let low = [697.0, 770.0, 852.0, 941.0][row_and_column / 4];
    let high = [1209.0, 1336.0, 1477.0, 1633.0][row_and_column % 4];
    for sample in said.iter_mut() {
        let seconds = f64::from(*position) / 8000.0;
        let wave = |hz: f64| (std::f64::consts::TAU * hz * seconds).sin();
        *sample = (5000.0 * (wave(low) + wave(high))) as i16;
        *position += 1;
    }
    if *position >= 560 {
        *key = None;
    }
}
