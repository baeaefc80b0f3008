//! Runs the command line; nothing else.

use std::process::ExitCode;

fn main() -> ExitCode {
    idp_multicloud::cli::main()
}
