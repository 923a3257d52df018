//! `tipring dial explain`

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, anyhow, bail};

use super::client::Client;
use crate::config::{self, model};
use crate::daemon::{CONFIG_FILE, Request};
use crate::dial::explain;

/// Looks into the dial plan.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    Explain(Arguments),
}

/// Tells what the dial plan does with a number, rule by rule, and after which timer.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The digits, as they would be dialled
    number: String,
    /// The line whose plan it is; the first one's otherwise
    #[arg(long, value_name = "NAME")]
    line: Option<String>,
    /// Configuration file; otherwise that of the running daemon, or the usual one
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// As JSON, for programs: fields are added, never renamed
    #[arg(long)]
    json: bool,
}

pub fn run(command: &Command, socket: Option<PathBuf>) -> anyhow::Result<ExitCode> {
    let Command::Explain(arguments) = command;
    let file = match &arguments.config {
        Some(file) => file.clone(),
        None => file_of_daemon(socket).unwrap_or_else(|| PathBuf::from(CONFIG_FILE)),
    };
    let line = line(&file, arguments.line.as_deref())?;
    let explanation = explain(
        &line.dial_plan,
        &line.emergency_numbers,
        &line.timers,
        &arguments.number,
    );
    let mut out = std::io::stdout().lock();
    if arguments.json {
        writeln!(out, "{}", serde_json::to_string(&explanation)?)?;
    } else {
        writeln!(out, "{}", explanation.to_string().trim_end())?;
    }
    Ok(ExitCode::SUCCESS)
}

fn file_of_daemon(socket: Option<PathBuf>) -> Option<PathBuf> {
    let answer = Client::connect(socket).ok()?.ask(&Request::ConfigFile).ok()?;
    answer.as_str().map(PathBuf::from)
}

fn line(file: &Path, name: Option<&str>) -> anyhow::Result<model::Line> {
    let report = config::load(file)
        .with_context(|| format!("cannot read {}; name it with --config", file.display()))?;
    let Some(model) = report.model else {
        bail!("{} is not valid; `tipring check` says why", file.display());
    };
    let found = match name {
        Some(name) => model.line(name),
        None => model.lines.first(),
    };
    found.cloned().ok_or_else(|| {
        let names: Vec<&str> = model.lines.iter().map(|line| line.name.as_str()).collect();
        anyhow!(
            "no such line in {}; there are {}",
            file.display(),
            names.join(", ")
        )
    })
}
