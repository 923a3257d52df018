//! `tipring tool tone`

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{anyhow, bail};

use super::{samples_of_ms, zone};
use crate::cli::wav;
use crate::dsp::tone::TonePlayer;
use crate::zone::Tone;

/// Longest file: an hour.
const SECONDS_MAX: f64 = 3600.0;

/// Writes a call-progress tone as the line would play it.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Country, ISO 3166-1 alpha-2: ua, de, us
    #[arg(long, value_name = "CC")]
    country: String,
    /// Tone: dial, ringback, busy, congestion, call_waiting, ...
    name: String,
    /// Length in seconds
    #[arg(long, value_name = "N", default_value_t = 5.0)]
    seconds: f64,
    /// The file to write: WAV, 8000 Hz, 16-bit, mono
    #[arg(short, long, value_name = "FILE.wav")]
    output: PathBuf,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let zone = zone(&arguments.country)?;
    let tone = Tone::from_name(&arguments.name.replace('-', "_")).ok_or_else(|| {
        let names = Tone::ALL.map(Tone::name);
        anyhow!("no tone {}; there are {}", arguments.name, names.join(", "))
    })?;
    if !(arguments.seconds > 0.0 && arguments.seconds <= SECONDS_MAX) {
        bail!("--seconds must be above 0 and at most {SECONDS_MAX}");
    }
    let mut samples = vec![0; samples_of_ms((arguments.seconds * 1000.0) as u64)];
    let mut player = TonePlayer::new();
    player.start(zone.tone(tone));
    player.fill(&mut samples);
    wav::write(&arguments.output, &samples)?;
    Ok(ExitCode::SUCCESS)
}
