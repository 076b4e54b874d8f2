//! The `tranche` binary: arguments in, exit code out.

use std::process::ExitCode;

fn main() -> ExitCode {
    tranche::cli::main()
}
