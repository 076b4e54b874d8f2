//! The `tranche` binary: arguments in, exit code out.

use std::process::ExitCode;

/// Most of the work is small JSON values that come and go.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    tranche::cli::main()
}
