//! `tipring calls` and `tipring call show`

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, anyhow};
use serde_json::Value;

use super::client::Client;
use crate::call::CallRecord;
use crate::daemon::{Request, default_state_directory, read_history};

/// Lists the call history, oldest first.
#[derive(Debug, clap::Args)]
pub struct ListArguments {
    /// As JSON, one array, for programs: fields are added, never renamed
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    store: Store,
}

/// Shows one call.
#[derive(Debug, clap::Subcommand)]
pub enum CallCommand {
    Show(ShowArguments),
}

/// Shows one call's record: times, cause, codec, loss, jitter, delay, MOS estimate.
#[derive(Debug, clap::Args)]
pub struct ShowArguments {
    /// The call's identifier, as `tipring calls` lists it
    id: String,
    /// As JSON, for programs: fields are added, never renamed
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    store: Store,
}

#[derive(Debug, clap::Args)]
struct Store {
    /// Read the history in DIR; without it the running daemon is asked, or its usual directory read
    #[arg(long, value_name = "DIR")]
    state_dir: Option<PathBuf>,
}

pub fn list(arguments: &ListArguments, socket: Option<PathBuf>) -> anyhow::Result<ExitCode> {
    let records = arguments.store.records(socket)?;
    let mut out = std::io::stdout().lock();
    if arguments.json {
        writeln!(out, "{}", serde_json::to_string(&records)?)?;
    } else {
        for record in &records {
            writeln!(out, "{}", summary(record))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

pub fn call(command: &CallCommand, socket: Option<PathBuf>) -> anyhow::Result<ExitCode> {
    let CallCommand::Show(arguments) = command;
    let records = arguments.store.records(socket)?;
    let record = records
        .iter()
        .rev()
        .find(|record| record.id == arguments.id)
        .ok_or_else(|| {
            anyhow!(
                "there is no call {}; `tipring calls` lists those there are",
                arguments.id
            )
        })?;
    let json = serde_json::to_value(record)?;
    let mut out = std::io::stdout().lock();
    if arguments.json {
        writeln!(out, "{json}")?;
    } else if let Value::Object(fields) = json {
        for (name, value) in fields.iter().filter(|(_, value)| !value.is_null()) {
            writeln!(
                out,
                "{name:<20} {}",
                value.as_str().map_or_else(|| value.to_string(), str::to_owned)
            )?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

impl Store {
    fn records(&self, socket: Option<PathBuf>) -> anyhow::Result<Vec<CallRecord>> {
        if let Some(directory) = &self.state_dir {
            return Ok(read_history(directory));
        }
        match Client::connect(socket) {
            Ok(mut client) => {
                let records = client.ask(&Request::Calls)?;
                serde_json::from_value(records).context("the daemon is of another version; restart it")
            }
            Err(_) => Ok(read_history(&default_state_directory())),
        }
    }
}

fn summary(record: &CallRecord) -> String {
    format!(
        "{}  {}  {:<12} {} {:<16} {:>6.0} s  {}",
        record.id,
        utc(record.started_ms),
        record.line,
        if record.direction == "outgoing" {
            "→"
        } else {
            "←"
        },
        record.remote,
        record.duration_s,
        record.cause
    )
}

/// `2026-11-23 03:54:07Z`, by the civil-from-days rule of the proleptic Gregorian calendar.
fn utc(unix_ms: i64) -> String {
    let seconds = unix_ms.div_euclid(1000);
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Days since 0000-03-01: years that begin in March have their leap day last.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    format!(
        "{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02}Z",
        second / 3600,
        second / 60 % 60,
        second % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (unix_s, text) in [
            (0, "1970-01-01 00:00:00Z"),
            (951_782_400, "2000-02-29 00:00:00Z"),
            (1_709_251_199, "2024-02-29 23:59:59Z"),
            (4_107_542_400, "2100-03-01 00:00:00Z"),
        ] {
            assert_eq!(utc(unix_s * 1000), text);
        }
    }
}
