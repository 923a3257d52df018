//! `tipring status`

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::Value;

use super::client::Client;
use crate::daemon::Request;

/// Shows lines, accounts and calls in progress of the running daemon.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// As JSON, for programs: fields are added, never renamed
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments, socket: Option<PathBuf>) -> anyhow::Result<ExitCode> {
    let status = Client::connect(socket)?.ask(&Request::Status)?;
    let mut out = std::io::stdout().lock();
    if arguments.json {
        writeln!(out, "{status}")?;
    } else {
        write!(out, "{}", for_people(&status))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn for_people(status: &Value) -> String {
    let uptime_s = status["uptime_s"].as_f64().unwrap_or(0.0);
    let mut text = format!("tipring {}, up {uptime_s:.0} s\n", word(&status["version"]));
    for account in rows(status, "accounts") {
        text.push_str(&format!(
            "account {:<12} {:<12} {}",
            word(&account["name"]),
            word(&account["state"]),
            word(&account["server"])
        ));
        if let Some(error) = account["last_error"].as_str() {
            text.push_str(&format!("  ({error})"));
        }
        text.push('\n');
    }
    for line in rows(status, "lines") {
        text.push_str(&format!(
            "line    {:<12} {:<12} {} hook",
            word(&line["name"]),
            word(&line["state"]),
            word(&line["hook"])
        ));
        if let Some(fault) = line["fault"].as_str() {
            text.push_str(&format!("  ({fault})"));
        }
        match line["xruns"].as_u64() {
            None | Some(0) => {}
            Some(count) => text.push_str(&format!("  sound interrupted {count} times")),
        }
        text.push('\n');
    }
    for call in rows(status, "calls") {
        text.push_str(&format!(
            "call    {:<12} {:<12} {} {}, {} {:.0} s, {}\n",
            word(&call["line"]),
            word(&call["state"]),
            word(&call["direction"]),
            word(&call["remote"]),
            word(&call["codec"]),
            call["seconds"].as_f64().unwrap_or(0.0),
            word(&call["id"])
        ));
    }
    text
}

fn rows<'v>(status: &'v Value, name: &str) -> impl Iterator<Item = &'v Value> {
    status[name].as_array().into_iter().flatten()
}

fn word(value: &Value) -> &str {
    value.as_str().unwrap_or("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_see_names_states_and_errors() {
        let status = serde_json::json!({
            "version": "0.1.0", "uptime_s": 12.5,
            "accounts": [{"name": "office", "state": "failed", "server": "sip:pbx", "last_error": "403 Forbidden"}],
            "lines": [{"name": "kitchen", "state": "idle", "hook": "on", "fault": null}],
            "calls": []
        });
        let text = for_people(&status);
        assert!(
            text.contains("office       failed       sip:pbx  (403 Forbidden)"),
            "{text}"
        );
        assert!(text.contains("kitchen      idle         on hook"), "{text}");
    }
}
