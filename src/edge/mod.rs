//! The outside world: git and clusters. Owns every process, socket and file that
//! the engine uses; it must never decide.

pub mod cluster;
pub mod git;
