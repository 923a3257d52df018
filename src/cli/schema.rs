//! `tipring schema`

use std::io::Write;
use std::process::ExitCode;

/// Prints the JSON Schema of the configuration: every key with its description, default, unit and range.
#[derive(Debug, clap::Args)]
pub struct Arguments {}

pub fn run(_: &Arguments) -> anyhow::Result<ExitCode> {
    let schema = serde_json::to_string_pretty(&crate::config::schema())?;
    writeln!(std::io::stdout().lock(), "{schema}")?;
    Ok(ExitCode::SUCCESS)
}
