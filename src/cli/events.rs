//! `tipring events`

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use serde_json::Value;

use super::client::Client;
use crate::daemon::{Request, event_line};

/// Follows what happens: hook, digits, ringing, calls, registrations; one event a line, until interrupted.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// As JSON, one object a line, for programs: fields are added, never renamed
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments, socket: Option<PathBuf>) -> anyhow::Result<ExitCode> {
    let mut client = Client::connect(socket)?;
    client.ask(&Request::Events)?;
    let started = Instant::now();
    let mut out = std::io::stdout().lock();
    while let Some(line) = client.next_line()? {
        if arguments.json {
            writeln!(out, "{line}")?;
        } else {
            let event: Value = serde_json::from_str(&line)?;
            writeln!(
                out,
                "{:>10.3} {}",
                started.elapsed().as_secs_f64(),
                event_line(&event)
            )?;
        }
        out.flush()?;
    }
    Ok(ExitCode::SUCCESS)
}
