//! `tipring run`

use std::path::PathBuf;
use std::process::ExitCode;

use super::client::{control_socket, named_socket};
use crate::daemon::{self, CONFIG_FILE, Options, default_state_directory};

/// Runs the daemon in the foreground, its log on stderr. SIGTERM ends it politely, SIGHUP has it read its
/// configuration again.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Configuration file
    #[arg(long, value_name = "FILE", default_value = CONFIG_FILE)]
    config: PathBuf,
    /// Where the call history is kept [default: /var/lib/tipring, under a user ~/.local/state/tipring]
    #[arg(long, value_name = "DIR")]
    state_dir: Option<PathBuf>,
}

pub fn run(arguments: &Arguments, socket: Option<PathBuf>) -> anyhow::Result<ExitCode> {
    daemon::run(&Options {
        config_file: arguments.config.clone(),
        state_directory: arguments
            .state_dir
            .clone()
            .unwrap_or_else(default_state_directory),
        control: named_socket(socket),
        control_default: control_socket(None),
    })?;
    Ok(ExitCode::SUCCESS)
}
