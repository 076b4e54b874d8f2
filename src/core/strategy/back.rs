//! The way back to the stable revision, where it depends on what stands when it
//! begins. Owns which strategies those are, so that nobody else needs to know;
//! it must never look at a cluster itself.

use super::compile::listed;
use super::{CompileError, RolloutInput, Sides, Step, StepKind, hooks, spread, switch};
use crate::core::model::Canary;

/// The way back, from the sizes that stand as it begins.
pub(super) fn from(input: &RolloutInput<'_>, from: Option<Sides>) -> Result<Step, CompileError> {
    let compiled = listed(input)?;
    let Some(from) = from else { return Ok(compiled.abort) };
    let effects = match (input.blue_green(), alone(input)) {
        (Some(blue_green), _) => switch::late_back(input, blue_green, from)?,
        (None, Some(canary)) => Some(spread::back(input, canary, from)?),
        (None, None) => None,
    };
    let back =
        effects.map(|effects| input.context.step(StepKind::Abort, hooks::back(input, effects), 0));
    Ok(back.unwrap_or(compiled.abort))
}

/// Sizes that a way back may have begun at, if that makes a difference. A list
/// of more than `most` is none.
#[must_use]
pub fn begins_of_back(input: &RolloutInput<'_>, most: usize) -> Vec<Sides> {
    let begins = match (input.blue_green(), alone(input)) {
        (Some(_), _) => vec![switch::late(input)],
        (None, Some(canary)) => spread::begins(input, canary),
        (None, None) => Vec::new(),
    };
    if begins.len() > most { Vec::new() } else { begins }
}

fn alone<'a>(input: &'a RolloutInput<'_>) -> Option<&'a Canary> {
    input.canary().filter(|_| input.rollout.spreads())
}
