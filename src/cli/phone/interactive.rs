//! A telephone in the terminal.

use std::io::Write;
use std::os::fd::AsFd;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::set::Set;
use super::terminal::Terminal;
use crate::dsp::Key;
use crate::zone::Tone;

const HELP: &str = "space: lift and hang up   0-9 * # A-D: keys   f: flash   q: quit";

/// The level bar's ends.
const QUIETEST_DBM0: f32 = -45.0;
const LOUDEST_DBM0: f32 = 0.0;
const BAR: usize = 20;

const REDRAWN_EVERY: Duration = Duration::from_millis(100);

/// Runs until `q`; `flash` is how long a recall lasts.
pub fn run(mut set: Set, flash: Duration) -> anyhow::Result<ExitCode> {
    let terminal = Terminal::take_over()?;
    let mut out = std::io::stdout();
    writeln!(out, "{HELP}")?;
    let mut flash_ends: Option<Instant> = None;
    let mut redraw = Instant::now();
    let result = loop {
        let wake = flash_ends.map_or(redraw, |ends| ends.min(redraw));
        let (line, keys, signals) = wait(&set, &terminal, wake)?;
        if line && let Err(error) = set.receive() {
            break Err(error);
        }
        if signals || (keys && !type_keys(&mut set, &terminal, flash, &mut flash_ends)?) {
            break Ok(ExitCode::SUCCESS);
        }
        let now = Instant::now();
        if let Some(ends) = flash_ends
            && ends <= now
        {
            set.edge(true, ends)?;
            flash_ends = None;
        }
        while let Some((at, happening)) = set.happening() {
            let (name, what) = happening.words();
            writeln!(out, "\r\x1b[K{:>8} ms  {name} {what}", at.as_millis())?;
        }
        if redraw <= now {
            redraw = now + REDRAWN_EVERY;
            write!(out, "\r\x1b[K{}", status_line(&set))?;
            out.flush()?;
        }
    };
    writeln!(out)?;
    result
}

/// Until something can be read or it is time: the line, the keyboard, the signals.
fn wait(set: &Set, terminal: &Terminal, until: Instant) -> anyhow::Result<(bool, bool, bool)> {
    let stdin = std::io::stdin();
    let mut descriptors = [
        PollFd::new(set.descriptor(), PollFlags::POLLIN),
        PollFd::new(stdin.as_fd(), PollFlags::POLLIN),
        PollFd::new(terminal.signals(), PollFlags::POLLIN),
    ];
    let left = until.saturating_duration_since(Instant::now());
    let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
    match poll(&mut descriptors, timeout) {
        Ok(_) | Err(nix::Error::EINTR) => {}
        Err(error) => return Err(error.into()),
    }
    let [line, keys, signals] = descriptors.map(|descriptor| descriptor.any().unwrap_or(false));
    Ok((line, keys, signals))
}

/// `false`: quit.
fn type_keys(
    set: &mut Set,
    terminal: &Terminal,
    flash: Duration,
    flash_ends: &mut Option<Instant>,
) -> anyhow::Result<bool> {
    let mut typed = [0; 32];
    let length = terminal.typed(&mut typed);
    if length == 0 {
        // The terminal is gone.
        return Ok(false);
    }
    for byte in &typed[..length] {
        let now = Instant::now();
        match char::from(*byte) {
            // Control-C and control-D, since signals from the keyboard are off.
            'q' | 'Q' | '\x03' | '\x04' => return Ok(false),
            ' ' => set.hook(!set.is_off_hook(), now)?,
            'f' | 'F' if set.is_off_hook() && flash_ends.is_none() => {
                set.edge(false, now)?;
                *flash_ends = Some(now + flash);
            }
            character => {
                if let Some(key) = Key::from_char(character) {
                    set.press(&[key]);
                }
            }
        }
    }
    Ok(true)
}

fn status_line(set: &Set) -> String {
    let hook = if set.is_off_hook() { "off hook" } else { "on hook " };
    let share = (set.level_dbm0() - QUIETEST_DBM0) / (LOUDEST_DBM0 - QUIETEST_DBM0);
    // Clamped to the bar before the conversion.
    let filled = (share.clamp(0.0, 1.0) * BAR as f32) as usize;
    let bar = format!("{}{}", "█".repeat(filled), "·".repeat(BAR - filled));
    let heard = match (set.is_ringing(), set.tone()) {
        (true, _) => "*** RINGING ***".to_owned(),
        (false, Some(tone)) => tone_text(tone),
        (false, None) => String::new(),
    };
    format!("[{hook}] {bar} {heard}")
}

fn tone_text(tone: Tone) -> String {
    match tone {
        Tone::Ringback | Tone::Howler => tone.name().to_owned(),
        other => format!("{} tone", other.name().replace('_', " ")),
    }
}
