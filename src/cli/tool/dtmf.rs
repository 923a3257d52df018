//! `tipring tool dtmf`

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use serde::Serialize;

use crate::cli::wav;
use crate::dsp::SAMPLE_RATE_HZ;
use crate::dsp::dtmf::{Detector, DtmfReport};

/// Samples given to the detector at once: what the audio thread gives it.
const STEP: usize = crate::dsp::FRAME;

/// Runs the line's DTMF detector over a recording and lists the digits it reports.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Recording: WAV, 8000 Hz, 16-bit, mono
    file: PathBuf,
    /// As JSON: [{"digit":"5","start_ms":120,"end_ms":171,"reported_ms":158}]
    #[arg(long)]
    json: bool,
}

/// One digit; times from the start of the recording.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Digit {
    digit: char,
    start_ms: u64,
    end_ms: u64,
    reported_ms: u64,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let digits = detect(&wav::read(&arguments.file)?);
    let mut out = std::io::stdout().lock();
    if arguments.json {
        writeln!(out, "{}", serde_json::to_string(&digits)?)?;
    } else {
        for digit in &digits {
            writeln!(
                out,
                "{}  {:>7} ms to {:>7} ms, reported at {:>7} ms",
                digit.digit, digit.start_ms, digit.end_ms, digit.reported_ms
            )?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn detect(samples: &[i16]) -> Vec<Digit> {
    let mut detector = Detector::new();
    let mut digits: Vec<Digit> = Vec::new();
    let mut sink = |report| match report {
        DtmfReport::Down {
            key,
            start_sample,
            at_sample,
            ..
        } => digits.push(Digit {
            digit: key.as_char(),
            start_ms: ms(start_sample),
            end_ms: ms(at_sample),
            reported_ms: ms(at_sample),
        }),
        DtmfReport::Up { end_sample, .. } => {
            if let Some(digit) = digits.last_mut() {
                digit.end_ms = ms(end_sample);
            }
        }
    };
    for step in samples.chunks(STEP) {
        detector.process(step, &mut sink);
    }
    detector.finish(&mut sink);
    digits
}

fn ms(samples: u64) -> u64 {
    samples * 1000 / u64::from(SAMPLE_RATE_HZ)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dsp::{Key, dtmf::Generator};

    #[test]
    fn digits_are_listed_with_their_times() {
        let mut generator = Generator::new();
        let mut samples = vec![0; 800];
        for digit in ['5', '#'] {
            generator.play(Key::from_char(digit).unwrap(), -10.0, 60, 60);
            let start = samples.len();
            samples.resize(start + 960, 0);
            generator.fill(&mut samples[start..]);
        }
        let digits = detect(&samples);
        assert_eq!(digits.iter().map(|digit| digit.digit).collect::<String>(), "5#");
        for (digit, start_ms) in digits.iter().zip([100, 220]) {
            assert!(digit.start_ms.abs_diff(start_ms) <= 5, "{digit:?}");
            assert!(digit.end_ms.abs_diff(start_ms + 60) <= 10, "{digit:?}");
            assert!(
                (start_ms..=start_ms + 60).contains(&digit.reported_ms),
                "{digit:?}"
            );
        }
    }
}
