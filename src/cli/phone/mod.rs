//! `tipring phone`: a telephone to plug into a virtual line, for people and for scripts.

mod display;
mod interactive;
mod script;
mod set;
mod terminal;

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{anyhow, bail};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde_json::Value;

pub use display::{Display, Shown, caller_text};

use super::client::Client;
use super::wav;
use crate::daemon::Request;
use crate::zone::Zone;
use script::Action;
use set::{Happening, Set, pulses};

/// Tones are named after this country's where none is given or known: 425 Hz and E.180's usual cadences.
const COUNTRY: &str = "de";

/// A telephone to plug into a `virtual` line: interactive in a terminal with no further words, scripted with them.
///
/// Words, done in sequence:
///   off-hook | on-hook           lift the handset, hang up
///   flash MS                     open the loop for MS milliseconds (if left out: as the line takes for a recall)
///   dial DIGITS [--pulse]        press keys, or dial by pulses
///   play FILE.wav                speak a recording, to its end
///   record FILE.wav | stop-record
///                                record what is heard, until the script ends or `stop-record`
///   echo                         from now on speak back what is heard, frame by frame
///   wait SECONDS
///   wait-ring | wait-ring-end | wait-caller-id | wait-tone NAME
///                                until it happens; exit status 1 where it doesn't in time
///   --timeout SECONDS            how long the waits from here on wait
///
/// What happens is printed with its time in milliseconds.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Arguments {
    /// The line's name, or the path of its socket
    line: String,
    /// Country whose tones are named; that of the line where the daemon can be asked
    #[arg(long, value_name = "CC")]
    country: Option<String>,
    /// How long a wait waits, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "30")]
    timeout: String,
    /// Print what happens as JSON, one object a line
    #[arg(long)]
    json: bool,
    /// What to do, in sequence
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "WORDS")]
    words: Vec<String>,
}

/// Runs the telephone until its script ends, or `q` is typed.
pub fn run(arguments: &Arguments, control: Option<PathBuf>) -> anyhow::Result<ExitCode> {
    let actions = script::parse(&arguments.words)?;
    let timeout = script::seconds(&arguments.timeout)?;
    let line = find_line(&arguments.line, control)?;
    let country = arguments
        .country
        .clone()
        .or(line.country)
        .unwrap_or_else(|| COUNTRY.to_owned());
    let zone: Zone = crate::zone::zone(&country).ok_or_else(|| anyhow!("no table for country {country}"))?;
    let flash = line
        .flash
        .unwrap_or_else(|| Duration::from_millis(zone.hook.recall_ms().into()));
    let set = Set::plug(&line.socket, &zone)?;
    if actions.is_empty() {
        if !std::io::stdin().is_terminal() {
            bail!("without a terminal, say what the telephone shall do: `tipring phone --help`");
        }
        return interactive::run(set, flash);
    }
    let mut scripted = Scripted {
        set,
        timeout,
        flash,
        json: arguments.json,
    };
    let result = actions.iter().try_for_each(|action| scripted.perform(action));
    scripted.set.stop_recording()?;
    result.map(|()| ExitCode::SUCCESS)
}

/// What is known of a line.
struct FoundLine {
    socket: PathBuf,
    country: Option<String>,
    /// A break that it takes for a recall.
    flash: Option<Duration>,
}

/// Looks for a line: a path is the socket itself, a name is asked of the daemon.
fn find_line(line: &str, control: Option<PathBuf>) -> anyhow::Result<FoundLine> {
    let request = Request::Socket {
        line: line.to_owned(),
    };
    if line.contains('/') {
        let answer = Client::connect(control).and_then(|mut client| client.ask(&request));
        let answer = answer.unwrap_or_default();
        return Ok(FoundLine::of(PathBuf::from(line), &answer));
    }
    let answer = Client::connect(control)?.ask(&request)?;
    let socket = answer["socket"]
        .as_str()
        .ok_or_else(|| anyhow!("the daemon is of another version; restart it"))?;
    Ok(FoundLine::of(PathBuf::from(socket), &answer))
}

impl FoundLine {
    fn of(socket: PathBuf, answer: &Value) -> Self {
        Self {
            socket,
            country: answer["country"].as_str().map(str::to_owned),
            flash: answer["flash_ms"].as_u64().map(Duration::from_millis),
        }
    }
}

/// A telephone that follows a script.
struct Scripted {
    set: Set,
    timeout: Duration,
    flash: Duration,
    json: bool,
}

impl Scripted {
    fn perform(&mut self, action: &Action) -> anyhow::Result<()> {
        match action {
            Action::OffHook => self.set.hook(true, Instant::now())?,
            Action::OnHook => self.set.hook(false, Instant::now())?,
            Action::Flash(length) => {
                let (start, length) = (Instant::now(), length.unwrap_or(self.flash));
                self.set.edge(false, start)?;
                self.pass(start + length)?;
                self.set.edge(true, start + length)?;
            }
            Action::Dial { keys, pulse: true } => {
                let start = Instant::now();
                let (edges, end) = pulses(keys);
                for (after, closed) in edges {
                    self.pass(start + after)?;
                    self.set.edge(closed, start + after)?;
                }
                self.pass(start + end)?;
            }
            Action::Dial { keys, pulse: false } => {
                self.set.press(keys);
                self.until_spoken()?;
            }
            Action::Play(path) => {
                self.set.speak(&wav::read(path)?);
                self.until_spoken()?;
            }
            Action::Record(path) => self.set.record(path)?,
            Action::StopRecord => self.set.stop_recording()?,
            Action::Echo => self.set.echo(),
            Action::Wait(length) => self.pass(Instant::now() + *length)?,
            Action::WaitRing => self.until("wait-ring: the telephone doesn't ring", Set::is_ringing)?,
            Action::WaitRingEnd => {
                self.until("wait-ring-end: the telephone rings on", |set| !set.is_ringing())?
            }
            Action::WaitCallerId => {
                self.until("wait-caller-id: no caller is announced", |set| {
                    set.caller().is_some()
                })?;
            }
            Action::WaitTone(tone) => {
                let gone = format!("wait-tone: no {} tone is heard", tone.name());
                self.until(&gone, |set| set.tone() == Some(*tone))?;
            }
            Action::Timeout(timeout) => self.timeout = *timeout,
        }
        self.tell()
    }

    fn until(&mut self, otherwise: &str, reached: impl Fn(&Set) -> bool) -> anyhow::Result<()> {
        let deadline = Instant::now() + self.timeout;
        while !reached(&self.set) {
            if Instant::now() >= deadline {
                bail!("{otherwise} within {} s", self.timeout.as_secs_f64());
            }
            self.turn(deadline)?;
        }
        Ok(())
    }

    fn until_spoken(&mut self) -> anyhow::Result<()> {
        while !self.set.is_silent() {
            // The line takes a frame every 10 ms; where it doesn't, it is dead.
            let stalled = Instant::now() + self.timeout;
            self.turn(stalled)?;
            if Instant::now() >= stalled {
                bail!("the line takes no audio");
            }
        }
        Ok(())
    }

    fn pass(&mut self, until: Instant) -> anyhow::Result<()> {
        while Instant::now() < until {
            self.turn(until)?;
        }
        Ok(())
    }

    /// Waits for the line, until `until` at most.
    fn turn(&mut self, until: Instant) -> anyhow::Result<()> {
        let left = until.saturating_duration_since(Instant::now());
        // Rounded up: a wait of 0 ms would spin through the last millisecond.
        let timeout = PollTimeout::try_from(left + Duration::from_micros(999)).unwrap_or(PollTimeout::MAX);
        let mut descriptors = [PollFd::new(self.set.descriptor(), PollFlags::POLLIN)];
        match poll(&mut descriptors, timeout) {
            Ok(0) | Err(nix::Error::EINTR) => {}
            Ok(_) => self.set.receive()?,
            Err(error) => return Err(error.into()),
        }
        self.tell()
    }

    fn tell(&mut self) -> anyhow::Result<()> {
        let mut out = std::io::stdout().lock();
        while let Some((at, happening)) = self.set.happening() {
            write_happening(&mut out, self.json, at, &happening)?;
        }
        Ok(())
    }
}

fn write_happening(
    out: &mut impl Write,
    json: bool,
    at: Duration,
    happening: &Happening,
) -> std::io::Result<()> {
    let (name, what) = happening.words();
    if json {
        let line = serde_json::json!({"at_ms": at.as_millis() as u64, "event": name, "value": what});
        writeln!(out, "{line}")
    } else {
        writeln!(out, "{:>8} ms  {name} {what}", at.as_millis())
    }
}
