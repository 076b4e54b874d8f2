//! The outside world: git, clusters, this process. Owns every process, socket
//! and file that the engine uses; it must never decide.

pub mod cluster;
pub mod git;
pub mod hook;
pub mod process;
pub mod signal;
