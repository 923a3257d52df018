//! The command line: arguments, one file a subcommand, exit codes.
//!
//! 0: done. 1: it could not be done, with one sentence on stderr that says what to do. 2: unusable arguments.

#![expect(
    clippy::print_stderr,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the command line reads the clock, the environment and files, and prints"
)]

mod calls;
mod check;
mod client;
mod dial;
mod events;
pub mod phone;
mod reload;
mod run;
mod schema;
mod status;
mod tool;
mod wav;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// An analog telephone adapter: ordinary telephones on SIP.
#[derive(Debug, Parser)]
#[command(name = "tipring", version, propagate_version = true)]
struct Arguments {
    /// The daemon's control socket [env: TIPRING_SOCKET] [default: /run/tipring/control.sock, under a user
    /// $XDG_RUNTIME_DIR/tipring/control.sock]
    #[arg(long, global = true, value_name = "PATH")]
    socket: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::Arguments),
    Check(check::Arguments),
    Schema(schema::Arguments),
    Status(status::Arguments),
    Events(events::Arguments),
    Reload(reload::Arguments),
    Calls(calls::ListArguments),
    #[command(subcommand)]
    Call(calls::CallCommand),
    #[command(subcommand)]
    Dial(dial::Command),
    Phone(phone::Arguments),
    #[command(subcommand)]
    Tool(tool::Command),
}

/// The program: reads the arguments of this process and does what they say.
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version go to stdout with 0, complaints to stderr with 2.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    match dispatch(arguments) {
        Ok(code) => code,
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tipring: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let socket = arguments.socket;
    match arguments.command {
        Command::Run(arguments) => run::run(&arguments, socket),
        Command::Check(arguments) => check::run(&arguments),
        Command::Schema(arguments) => schema::run(&arguments),
        Command::Dial(command) => dial::run(&command, socket),
        Command::Status(arguments) => status::run(&arguments, socket),
        Command::Events(arguments) => events::run(&arguments, socket),
        Command::Reload(arguments) => reload::run(&arguments, socket),
        Command::Calls(arguments) => calls::list(&arguments, socket),
        Command::Call(command) => calls::call(&command, socket),
        Command::Phone(arguments) => phone::run(&arguments, socket),
        Command::Tool(command) => tool::run(&command),
    }
}

/// Somebody who has seen enough (`tipring events | head`) is no error.
fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<std::io::Error>())
        .any(|cause| cause.kind() == std::io::ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn arguments_are_consistent_and_every_command_has_help() {
        let mut command = Arguments::command();
        command.build();
        command.clone().debug_assert();
        for subcommand in command
            .get_subcommands()
            .filter(|command| command.get_name() != "help")
        {
            assert!(
                subcommand.get_about().is_some(),
                "{} has no help",
                subcommand.get_name()
            );
        }
    }
}
