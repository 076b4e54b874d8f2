//! The compilers from plan to steps, by version. Owns what a version consists
//! of; it must never change what a released one makes: a step that is open was
//! made by it, and is made again by every run.

use super::compile::listed;
use super::{CompileError, Compiled, RolloutInput, Sides, Standing, Step, back, replay};
use std::fmt;

/// One version of all that makes steps of a rollout.
#[derive(Clone)]
pub struct Compiler {
    /// Its name on the record.
    pub version: &'static str,
    /// The whole list.
    pub list: fn(&RolloutInput<'_>) -> Result<Compiled, CompileError>,
    /// The way back from what stands.
    pub back: fn(&RolloutInput<'_>, Option<Sides>) -> Result<Step, CompileError>,
    /// What stood, brought back on a cluster that was rebuilt.
    pub replay: fn(&RolloutInput<'_>, Standing, u32) -> Result<Option<Step>, CompileError>,
}

/// What made the steps of attempts whose record names no compiler.
pub const FIRST: &str = "compiler-1";

/// The compiler of this version. What it makes of a plan changes only with its
/// name, and then the one before stays.
pub const COMPILER: Compiler =
    Compiler { version: FIRST, list: listed, back: back::from, replay: replay::standing };

/// The whole list of steps of a rollout.
///
/// # Errors
/// See [`CompileError`]; each is a fault of the plan.
pub fn compile(input: &RolloutInput<'_>) -> Result<Compiled, CompileError> {
    (input.context.compiler.list)(input)
}

/// The step back to the stable revision, from the sizes that stand as it
/// begins. Without them, and for strategies that have one way back from
/// everywhere, it is that of the compiled list.
///
/// # Errors
/// See [`CompileError`]; each is a fault of the plan.
pub fn compile_back(input: &RolloutInput<'_>, from: Option<Sides>) -> Result<Step, CompileError> {
    (input.context.compiler.back)(input, from)
}

/// The step that brings back what stood, or none if nothing did.
///
/// # Errors
/// See [`CompileError`]; each is a fault of the plan.
pub fn compile_replay(
    input: &RolloutInput<'_>,
    standing: Standing,
    round: u32,
) -> Result<Option<Step>, CompileError> {
    (input.context.compiler.replay)(input, standing, round)
}

impl fmt::Debug for Compiler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.version)
    }
}

impl PartialEq for Compiler {
    fn eq(&self, other: &Self) -> bool {
        self.version == other.version
    }
}

impl Eq for Compiler {}
