//! Objects without a rollout: one step that applies and awaits them.

use super::condition::has_health;
use super::{Condition, Driven, Effect, Side, Step, StepContext, StepKind, Verb};
use crate::core::model::DEFAULT_DEADLINE_SECONDS;
use crate::core::object::ObjectRef;
use std::sync::Arc;

/// Compiles the one step of objects that are applied as they stand, in the
/// given order.
#[must_use]
pub fn compile_direct(context: &Arc<StepContext>, objects: &[ObjectRef]) -> Step {
    let writes = objects.iter().map(|object| Effect::Write {
        verb: Verb::Apply,
        object: object.clone(),
        side: Side::Target,
        driven: Driven::default(),
    });
    let lively = objects.iter().filter(|object| has_health(&object.kind));
    let awaits = lively.map(|object| Effect::Await {
        object: object.clone(),
        condition: Condition::Healthy,
        deadline_seconds: DEFAULT_DEADLINE_SECONDS,
    });
    context.step(StepKind::Settle, writes.chain(awaits).collect(), 0)
}
