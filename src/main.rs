//! The program `tipring`: everything is in the library, so that tests reach it.

fn main() -> std::process::ExitCode {
    tipring::cli::main()
}
