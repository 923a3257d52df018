//! Audio files: WAV, 8000 Hz, 16-bit, mono.

use std::path::Path;

use anyhow::{Context, bail};

use crate::dsp::SAMPLE_RATE_HZ;

/// Samples of a file of the only format we read.
pub fn read(path: &Path) -> anyhow::Result<Vec<i16>> {
    let mut reader =
        hound::WavReader::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    let spec = reader.spec();
    let wanted = spec_of_line();
    if spec != wanted {
        bail!(
            "{} has {} Hz, {} bits, {} channels; convert it to 8000 Hz, 16 bits, mono (sox IN -r 8000 -b 16 -c 1 OUT)",
            path.display(),
            spec.sample_rate,
            spec.bits_per_sample,
            spec.channels
        );
    }
    let samples: Result<Vec<i16>, hound::Error> = reader.samples::<i16>().collect();
    samples.with_context(|| format!("{} is damaged", path.display()))
}

/// Writes a whole file.
pub fn write(path: &Path, samples: &[i16]) -> anyhow::Result<()> {
    let mut file = create(path)?;
    for sample in samples {
        file.write_sample(*sample)?;
    }
    file.finalize()
        .with_context(|| format!("cannot write {}", path.display()))
}

/// A file to be written sample by sample.
pub type Writer = hound::WavWriter<std::io::BufWriter<std::fs::File>>;

/// Begins a file.
pub fn create(path: &Path) -> anyhow::Result<Writer> {
    hound::WavWriter::create(path, spec_of_line()).with_context(|| format!("cannot write {}", path.display()))
}

fn spec_of_line() -> hound::WavSpec {
    hound::WavSpec {
        channels: 1,
        sample_rate: SAMPLE_RATE_HZ,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    }
}
