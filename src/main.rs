//! The `tranche` binary.

fn main() {}
