//! `tipring check`

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;

use crate::config;
use crate::daemon::CONFIG_FILE;

/// Validates a configuration without touching hardware or network, and prints every problem with its line and
/// column. Exit status 0: valid (warnings allowed), 1: invalid.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Configuration file
    #[arg(default_value = CONFIG_FILE)]
    file: PathBuf,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let file = &arguments.file;
    let report = config::load(file).with_context(|| format!("cannot read {}", file.display()))?;
    write!(std::io::stdout().lock(), "{report}")?;
    Ok(match report.model {
        Some(_) => ExitCode::SUCCESS,
        None => ExitCode::FAILURE,
    })
}
