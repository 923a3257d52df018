//! A telephone on a virtual line: it answers every frame at once, records both directions, and tells what it notices.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail};
use tipring::cli::phone::{Display, Shown};
use tipring::dsp::dtmf::Generator;
use tipring::dsp::tone_detector::ToneDetector;
use tipring::dsp::{FRAME, Key, SAMPLE_RATE_HZ};
use tipring::line::Caller;
use tipring::zone::{Tone, Zone};
use tipring_hw::virtual_line::wire::MAX_MESSAGE_BYTES;
use tipring_hw::virtual_line::{Decoder, Message, Receiver as End};

use crate::PATIENCE;
use crate::clock::Clock;

/// A key's tones, and the pause after them.
const KEY_MS: u32 = 80;

/// Level of each of a key's two tones (TBR 21: -11 and -9, here alike).
const KEY_DBM0: f32 = -10.0;

/// One frame's length.
pub const FRAME_TIME: Duration = Duration::from_millis(10);

/// What the person at the telephone does.
enum Act {
    Hook(bool),
    Say(Vec<i16>),
    Unplug,
}

/// What the person at the telephone notices.
#[derive(Clone, Debug, PartialEq)]
pub enum Notice {
    /// The handset was lifted, or put down.
    Hook(bool),
    /// Ringing voltage came or went.
    Ring(bool),
    /// A tone was recognised (after a burst and its pause, where it has bursts), or is over.
    Tone(Option<Tone>),
    /// The display shows who calls.
    Caller(Caller),
    /// All has been said.
    Spoken,
}

/// Everything a telephone heard, said and noticed.
#[derive(Debug, Default)]
pub struct Recording {
    /// When the first sample was heard, on the demonstration's clock.
    pub start_ms: f64,
    /// Heard, without a gap.
    pub heard: Vec<i16>,
    /// Said, sample by sample beside what was heard.
    pub said: Vec<i16>,
    /// Noticed, with the time in milliseconds.
    pub notices: Vec<(f64, Notice)>,
}

/// The telephone, served by a thread of its own.
pub struct Telephone {
    acts: Sender<Act>,
    noticed: Receiver<Notice>,
    thread: JoinHandle<anyhow::Result<Recording>>,
}

impl Telephone {
    /// Plugs it in.
    pub fn plug(socket: &Path, zone: &Zone, clock: Clock) -> anyhow::Result<Self> {
        let stream = UnixStream::connect(socket).with_context(|| socket.display().to_string())?;
        // Acts wait for a frame or for this long.
        stream.set_read_timeout(Some(Duration::from_millis(1)))?;
        let (acts, to_do) = channel();
        let (notices, noticed) = channel();
        let mut set = Set {
            stream,
            clock,
            ear: ToneDetector::new(),
            zone: zone.clone(),
            tone: None,
            display: Display::default(),
            off_hook: false,
            mouth: Vec::new(),
            spoken: 0,
            earliest_start: None,
            recording: Recording::default(),
            notices,
        };
        let thread = std::thread::spawn(move || {
            set.serve(&to_do)?;
            Ok(set.recording)
        });
        Ok(Self {
            acts,
            noticed,
            thread,
        })
    }

    /// Lifts the handset, or puts it down.
    pub fn hook(&mut self, off: bool) -> anyhow::Result<()> {
        self.act(Act::Hook(off))
    }

    /// Presses keys.
    pub fn press(&mut self, digits: &str) -> anyhow::Result<()> {
        let mut generator = Generator::new();
        let mut tones = Vec::new();
        for key in digits.chars().filter_map(Key::from_char) {
            let mut samples = vec![0; (2 * KEY_MS * SAMPLE_RATE_HZ / 1000) as usize];
            generator.play(key, KEY_DBM0, KEY_MS, KEY_MS);
            generator.fill(&mut samples);
            tones.extend(samples);
        }
        self.act(Act::Say(tones))?;
        self.wait_spoken()
    }

    /// Speaks.
    pub fn say(&mut self, samples: Vec<i16>) -> anyhow::Result<()> {
        self.act(Act::Say(samples))
    }

    /// Until all has been said.
    pub fn wait_spoken(&mut self) -> anyhow::Result<()> {
        self.wait("nothing can be said", |notice| *notice == Notice::Spoken)
    }

    /// Until it rings.
    pub fn wait_ring(&mut self) -> anyhow::Result<()> {
        self.wait("the telephone doesn't ring", |notice| {
            *notice == Notice::Ring(true)
        })
    }

    /// Until it shows who calls.
    pub fn wait_caller(&mut self) -> anyhow::Result<()> {
        self.wait("no caller is shown", |notice| matches!(notice, Notice::Caller(_)))
    }

    /// Until this tone is recognised.
    pub fn wait_tone(&mut self, tone: Tone) -> anyhow::Result<()> {
        self.wait(&format!("no {} tone is heard", tone.name()), |notice| {
            *notice == Notice::Tone(Some(tone))
        })
    }

    /// Pulls the plug.
    pub fn unplug(self) -> anyhow::Result<Recording> {
        // The line may have gone with the daemon.
        let _ = self.acts.send(Act::Unplug);
        self.thread
            .join()
            .map_err(|_| anyhow!("a telephone fell to the floor"))?
    }

    fn act(&self, act: Act) -> anyhow::Result<()> {
        self.acts.send(act).map_err(|_| anyhow!("the line is dead"))
    }

    fn wait(&mut self, otherwise: &str, is_it: impl Fn(&Notice) -> bool) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.noticed.recv_timeout(left) {
                Ok(notice) if is_it(&notice) => return Ok(()),
                Ok(_) => {}
                Err(_) => bail!("{otherwise} within {} s", PATIENCE.as_secs()),
            }
        }
    }
}

/// The thread's half.
struct Set {
    stream: UnixStream,
    clock: Clock,
    ear: ToneDetector,
    zone: Zone,
    /// The tone that is heard.
    tone: Option<Tone>,
    display: Display,
    off_hook: bool,
    mouth: Vec<i16>,
    /// How much of `mouth` has been said.
    spoken: usize,
    /// When the first frame came, by the frame that came least late.
    earliest_start: Option<Duration>,
    recording: Recording,
    notices: Sender<Notice>,
}

impl Set {
    fn serve(&mut self, to_do: &Receiver<Act>) -> anyhow::Result<()> {
        let mut decoder = Decoder::new(End::Telephone);
        let mut bytes = [0; 4096];
        loop {
            for act in to_do.try_iter() {
                match act {
                    Act::Hook(off) => self.hook(off)?,
                    Act::Say(samples) => (self.mouth, self.spoken) = (samples, 0),
                    Act::Unplug => return Ok(()),
                }
            }
            let length = match self.stream.read(&mut bytes) {
                Ok(0) => return Ok(()),
                Ok(length) => length,
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            let mut rest = &bytes[..length];
            while let Some(message) = decoder.decode(&mut rest)? {
                match message {
                    Message::Audio(frame) => self.talk(&frame)?,
                    Message::Ring { on } => self.notice(Notice::Ring(on)),
                    Message::Hook { .. } | Message::Polarity { .. } | Message::Battery { .. } => {}
                }
            }
        }
    }

    fn hook(&mut self, off: bool) -> anyhow::Result<()> {
        self.off_hook = off;
        self.notice(Notice::Hook(off));
        let clock_us = u64::try_from(self.clock.now().as_micros())?;
        self.send(&Message::Hook {
            closed: off,
            clock_us,
        })
    }

    /// One frame each way.
    fn talk(&mut self, heard: &[i16; FRAME]) -> anyhow::Result<()> {
        let now = self.clock.now();
        let said: [i16; FRAME] =
            std::array::from_fn(|index| self.mouth.get(self.spoken + index).copied().unwrap_or(0));
        self.send(&Message::Audio(said))?;

        let frames = u32::try_from(self.recording.heard.len() / FRAME)?;
        let start = now.saturating_sub(FRAME_TIME * frames);
        let earliest = self.earliest_start.map_or(start, |earliest| earliest.min(start));
        self.earliest_start = Some(earliest);
        self.recording.start_ms = earliest.as_secs_f64() * 1000.0;
        self.recording.heard.extend(heard);
        self.recording.said.extend(said);

        let before = self.spoken;
        self.spoken = (before + FRAME).min(self.mouth.len());
        if before < self.spoken && self.spoken == self.mouth.len() {
            self.notice(Notice::Spoken);
        }
        let mut measured = false;
        self.ear.process(heard, &mut |_| measured = true);
        if measured {
            let tone = self.ear.recognise(&self.zone);
            if tone != self.tone {
                self.tone = tone;
                self.notice(Notice::Tone(tone));
            }
        }
        let mut shown = None;
        self.display.hear(heard, !self.off_hook, |what| {
            if let Shown::Caller(caller) = what {
                shown = Some(caller);
            }
        });
        if let Some(caller) = shown {
            self.notice(Notice::Caller(caller));
        }
        Ok(())
    }

    fn notice(&mut self, notice: Notice) {
        let at_ms = self.clock.now().as_secs_f64() * 1000.0;
        self.recording.notices.push((at_ms, notice.clone()));
        // Nobody may be waiting any more.
        let _ = self.notices.send(notice);
    }

    fn send(&mut self, message: &Message) -> anyhow::Result<()> {
        let mut buffer = [0; MAX_MESSAGE_BYTES];
        match self.stream.write_all(message.encode(&mut buffer)) {
            // The daemon ended while a frame of its was on the way: the next read tells.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
            result => result.context("the line takes nothing any more"),
        }
    }
}
