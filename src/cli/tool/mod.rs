//! `tipring tool`: the line's signal functions on audio files.

mod callerid;
mod dtmf;
mod tone;

use std::process::ExitCode;

/// Runs the line's signal functions on audio files (WAV, 8000 Hz, 16-bit, mono).
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    Dtmf(dtmf::Arguments),
    Tone(tone::Arguments),
    Callerid(callerid::Arguments),
}

pub fn run(command: &Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Dtmf(arguments) => dtmf::run(arguments),
        Command::Tone(arguments) => tone::run(arguments),
        Command::Callerid(arguments) => callerid::run(arguments),
    }
}

/// The zone of a country code, or which there are.
fn zone(country: &str) -> anyhow::Result<crate::zone::Zone> {
    crate::zone::zone(country).ok_or_else(|| {
        let codes: Vec<&str> = crate::zone::codes().collect();
        anyhow::anyhow!("no table for country {country}; there are {}", codes.join(", "))
    })
}

fn samples_of_ms(ms: u64) -> usize {
    // Seconds of audio, not years: bounded by the callers.
    (ms * u64::from(crate::dsp::SAMPLE_RATE_HZ) / 1000) as usize
}
