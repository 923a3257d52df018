//! The telephone itself: a hook switch, a handset, a bell, on a virtual line's socket.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use tipring_hw::virtual_line::wire::MAX_MESSAGE_BYTES;
use tipring_hw::virtual_line::{Decoder, Message, Receiver};

use super::display::{Display, Shown, caller_text};
use crate::cli::wav;
use crate::dsp::dtmf::Generator;
use crate::dsp::level::rms_dbm0;
use crate::dsp::tone_detector::ToneDetector;
use crate::dsp::{FRAME, Key, SAMPLE_RATE_HZ};
use crate::line::Caller;
use crate::zone::{Tone, Zone};

/// Each tone of a key, and the pause after it.
const KEY_MS: u32 = 80;

/// Level of each of a key's two tones: what telephones send (TBR 21: -9 and -11, here both alike).
const KEY_DBM0: f32 = -9.0;

/// Dial pulses of 10 a second, 60 ms break and 40 ms make (EN 300 001), and the pause of a dial between digits.
const BREAK: Duration = Duration::from_millis(60);
const MAKE: Duration = Duration::from_millis(40);
const BETWEEN_DIGITS: Duration = Duration::from_millis(800);

/// Something the person at the telephone notices.
#[derive(Clone, Debug, PartialEq)]
pub enum Happening {
    /// The hook switch.
    Hook(bool),
    /// The bell.
    Ring(bool),
    /// The battery's polarity.
    Reversed(bool),
    /// The feed.
    Fed(bool),
    /// A tone began, or ended.
    Tone(Option<Tone>),
    /// Who calls.
    Caller(Caller),
    /// The message lamp.
    MessageWaiting(bool),
    /// A key was heard.
    Digit(Key),
}

impl Happening {
    /// Its name and what there is to say of it.
    pub fn words(&self) -> (&'static str, String) {
        let on = |on: &bool, yes: &str, no: &str| if *on { yes.to_owned() } else { no.to_owned() };
        match self {
            Self::Hook(off) => ("hook", on(off, "off", "on")),
            Self::Ring(ringing) => ("ring", on(ringing, "on", "off")),
            Self::Reversed(reversed) => ("polarity", on(reversed, "reversed", "normal")),
            Self::Fed(fed) => ("battery", on(fed, "on", "off")),
            Self::Tone(tone) => ("tone", tone.map_or("none", Tone::name).to_owned()),
            Self::Caller(caller) => ("caller_id", caller_text(caller)),
            Self::MessageWaiting(waiting) => ("message_waiting", on(waiting, "on", "off")),
            Self::Digit(key) => ("digit", key.to_string()),
        }
    }
}

/// The telephone.
pub struct Set {
    stream: UnixStream,
    decoder: Decoder,
    started: Instant,
    /// What is spoken next.
    mouth: VecDeque<i16>,
    echo: bool,
    recorder: Option<wav::Writer>,
    tones: ToneDetector,
    zone: Zone,
    /// The tone heard, as far as it is clear.
    named: Option<Tone>,
    display: Display,
    off_hook: bool,
    ringing: bool,
    caller: Option<Caller>,
    level_dbm0: f32,
    happenings: VecDeque<(Duration, Happening)>,
}

impl Set {
    /// Plugs a telephone into the line's socket.
    pub fn plug(socket: &Path, zone: &Zone) -> anyhow::Result<Self> {
        let stream = UnixStream::connect(socket)
            .with_context(|| format!("no line answers on {}; is the daemon running?", socket.display()))?;
        stream.set_nonblocking(true)?;
        Ok(Self {
            stream,
            decoder: Decoder::new(Receiver::Telephone),
            started: Instant::now(),
            mouth: VecDeque::new(),
            echo: false,
            recorder: None,
            tones: ToneDetector::new(),
            zone: zone.clone(),
            named: None,
            display: Display::default(),
            off_hook: false,
            ringing: false,
            caller: None,
            level_dbm0: f32::NEG_INFINITY,
            happenings: VecDeque::new(),
        })
    }

    /// To be waited for; call [`receive`](Self::receive) when it can be read.
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }

    /// Works off what the line has sent; each frame of audio is answered at once.
    pub fn receive(&mut self) -> anyhow::Result<()> {
        let mut received = [0; 4096];
        loop {
            let length = match self.stream.read(&mut received) {
                Ok(0) => bail!("the daemon has hung up the line (or another telephone is plugged in)"),
                Ok(length) => length,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error).context("the line is gone"),
            };
            let mut rest = &received[..length];
            while let Some(message) = self.decoder.decode(&mut rest)? {
                self.hear(&message)?;
            }
        }
    }

    /// What has happened, with its time since the start.
    pub fn happening(&mut self) -> Option<(Duration, Happening)> {
        self.happenings.pop_front()
    }

    /// Lifts or hangs up, at a moment of our choosing that the daemon is told exactly.
    pub fn hook(&mut self, off: bool, at: Instant) -> anyhow::Result<()> {
        if off != self.off_hook {
            self.off_hook = off;
            self.happen(Happening::Hook(off));
            if off {
                self.caller = None;
            }
        }
        self.edge(off, at)
    }

    /// An edge of the loop, not worth telling the person about.
    pub fn edge(&mut self, closed: bool, at: Instant) -> anyhow::Result<()> {
        let clock_us = at.saturating_duration_since(self.started).as_micros();
        self.send(&Message::Hook {
            closed,
            clock_us: u64::try_from(clock_us).unwrap_or(u64::MAX),
        })
    }

    /// Presses keys one after the other.
    pub fn press(&mut self, keys: &[Key]) {
        let mut generator = Generator::new();
        for key in keys {
            let mut samples = vec![0; (2 * KEY_MS * SAMPLE_RATE_HZ / 1000) as usize];
            generator.play(*key, KEY_DBM0, KEY_MS, KEY_MS);
            generator.fill(&mut samples);
            self.mouth.extend(samples);
        }
    }

    /// Speaks.
    pub fn speak(&mut self, samples: &[i16]) {
        self.mouth.extend(samples);
    }

    /// Whether all has been spoken.
    pub fn is_silent(&self) -> bool {
        self.mouth.is_empty()
    }

    /// From now on everything heard is spoken back in the same frame.
    pub fn echo(&mut self) {
        self.echo = true;
    }

    /// Records what is heard.
    pub fn record(&mut self, path: &Path) -> anyhow::Result<()> {
        self.stop_recording()?;
        self.recorder = Some(wav::create(path)?);
        Ok(())
    }

    /// Ends the recording.
    pub fn stop_recording(&mut self) -> anyhow::Result<()> {
        if let Some(recorder) = self.recorder.take() {
            recorder.finalize().context("the recording cannot be finished")?;
        }
        Ok(())
    }

    /// Whether the bell rings now.
    pub fn is_ringing(&self) -> bool {
        self.ringing
    }

    /// Whether the handset is lifted.
    pub fn is_off_hook(&self) -> bool {
        self.off_hook
    }

    /// The tone that sounds.
    pub fn tone(&self) -> Option<Tone> {
        self.named
    }

    /// The caller announced since the handset was last lifted.
    pub fn caller(&self) -> Option<&Caller> {
        self.caller.as_ref()
    }

    /// Level of the last frame heard.
    pub fn level_dbm0(&self) -> f32 {
        self.level_dbm0
    }

    fn hear(&mut self, message: &Message) -> anyhow::Result<()> {
        match message {
            Message::Audio(frame) => {
                // The answer first: the line is waiting.
                let answer = self.answer(frame);
                self.send(&Message::Audio(answer))?;
                self.listen(frame)?;
            }
            Message::Ring { on } => {
                self.ringing = *on;
                self.happen(Happening::Ring(*on));
            }
            Message::Polarity { reversed } => self.happen(Happening::Reversed(*reversed)),
            Message::Battery { fed } => self.happen(Happening::Fed(*fed)),
            // The decoder lets no daemon say this.
            Message::Hook { .. } => {}
        }
        Ok(())
    }

    fn answer(&mut self, heard: &[i16; FRAME]) -> [i16; FRAME] {
        if self.echo && self.mouth.is_empty() {
            return *heard;
        }
        std::array::from_fn(|_| self.mouth.pop_front().unwrap_or(0))
    }

    fn listen(&mut self, frame: &[i16; FRAME]) -> anyhow::Result<()> {
        if let Some(recorder) = &mut self.recorder {
            for sample in frame {
                recorder
                    .write_sample(*sample)
                    .context("the recording cannot be written")?;
            }
        }
        self.level_dbm0 = rms_dbm0(frame);
        let mut measured = false;
        self.tones.process(frame, &mut |_| measured = true);
        if measured {
            let named = self.tones.recognise(&self.zone);
            if named != self.named {
                self.named = named;
                self.happen(Happening::Tone(named));
            }
        }
        let mut shown = Vec::new();
        self.display.hear(frame, !self.off_hook, |what| shown.push(what));
        for what in shown {
            match what {
                Shown::Caller(caller) => {
                    self.caller = Some(caller.clone());
                    self.happen(Happening::Caller(caller));
                }
                Shown::MessageWaiting(waiting) => self.happen(Happening::MessageWaiting(waiting)),
                Shown::Digit(key) => self.happen(Happening::Digit(key)),
            }
        }
        Ok(())
    }

    fn happen(&mut self, happening: Happening) {
        self.happenings.push_back((self.started.elapsed(), happening));
    }

    fn send(&mut self, message: &Message) -> anyhow::Result<()> {
        let mut buffer = [0; MAX_MESSAGE_BYTES];
        let mut bytes = message.encode(&mut buffer);
        while !bytes.is_empty() {
            match self.stream.write(bytes) {
                Ok(written) => bytes = &bytes[written..],
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // A daemon that reads a few milliseconds late has room for seconds of audio: this one hangs.
                Err(error) => return Err(error).context("the line takes nothing any more"),
            }
        }
        Ok(())
    }
}

/// The edges of pulsed digits: each with its time after the beginning, and when all is over.
pub fn pulses(keys: &[Key]) -> (Vec<(Duration, bool)>, Duration) {
    let mut edges = Vec::new();
    let mut at = Duration::ZERO;
    for key in keys {
        let pulses = match key.event_code() {
            0 => 10,
            digit => digit,
        };
        for _ in 0..pulses {
            edges.push((at, false));
            edges.push((at + BREAK, true));
            at += BREAK + MAKE;
        }
        at += BETWEEN_DIGITS;
    }
    (edges, at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dial_sends_ten_pulses_for_zero() {
        let keys = [Key::from_char('0').unwrap(), Key::from_char('2').unwrap()];
        let (edges, end) = pulses(&keys);
        assert_eq!(edges.len(), 24);
        assert_eq!(edges[20].0, Duration::from_millis(1800));
        assert_eq!(end, Duration::from_millis(2800));
    }
}
