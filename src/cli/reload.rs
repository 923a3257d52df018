//! `tipring reload`

use std::path::PathBuf;
use std::process::ExitCode;

use super::client::Client;
use crate::daemon::Request;

/// Applies the changed configuration file without dropping calls in progress. An invalid one is refused whole, and
/// the running one stays.
#[derive(Debug, clap::Args)]
pub struct Arguments {}

pub fn run(_: &Arguments, socket: Option<PathBuf>) -> anyhow::Result<ExitCode> {
    Client::connect(socket)?.ask(&Request::Reload)?;
    Ok(ExitCode::SUCCESS)
}
