//! Objects without a rollout: one step that applies and awaits them.

use super::condition::has_health;
use super::{Condition, Driven, Effect, Side, Step, StepContext, StepKind, Verb};
use crate::core::health::Rules;
use crate::core::model::DEFAULT_DEADLINE_SECONDS;
use crate::core::object::ObjectRef;
use std::sync::Arc;

/// Compiles the one step of objects that are applied as they stand, in the
/// given order. What a rule of the plan is about is awaited, whatever its kind.
#[must_use]
pub fn compile_direct(context: &Arc<StepContext>, objects: &[ObjectRef], rules: &Rules) -> Step {
    let writes = objects.iter().map(|object| Effect::Write {
        verb: Verb::Apply,
        object: object.clone(),
        side: Side::Target,
        driven: Driven::default(),
    });
    let lively =
        objects.iter().filter(|object| has_health(&object.kind) || rules.cover(&object.kind_ref()));
    let awaits = lively.map(|object| Effect::Await {
        object: object.clone(),
        condition: Condition::Healthy,
        deadline_seconds: DEFAULT_DEADLINE_SECONDS,
    });
    context.step(StepKind::Settle, writes.chain(awaits).collect(), 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::digest::Digest;
    use crate::core::health::{Expression, Rule};
    use crate::core::object::KindRef;
    use crate::core::strategy::{EntityKey, EntityKind};

    #[test]
    fn a_rule_of_the_plan_adds_a_wait_and_none_changes_no_step() {
        let context = Arc::new(StepContext {
            project: "p".to_owned(),
            target: "t".to_owned(),
            entity: EntityKey {
                kind: EntityKind::Objects,
                namespace: "default".to_owned(),
                name: "_objects".to_owned(),
            },
            source: None,
            revision: Digest::of_bytes(b"x"),
            attempt: 1,
            round: 0,
        });
        let service = KindRef::new("v1", "Service");
        let objects = [ObjectRef::new(&service, Some("default"), "web")];
        let plain = compile_direct(&context, &objects, &Rules::default());
        assert_eq!(plain.effects.len(), 1);
        let rule = |kind: &KindRef| {
            Rules::new(vec![Rule {
                kind: kind.clone(),
                in_progress: None,
                failed: None,
                current: Expression::parse("has(status.loadBalancer.ingress)").unwrap(),
            }])
        };
        let other = rule(&KindRef::new("example.com/v1", "Service"));
        assert_eq!(compile_direct(&context, &objects, &other).id(), plain.id());
        let ruled = compile_direct(&context, &objects, &rule(&service));
        assert!(matches!(ruled.effects.last(), Some(Effect::Await { .. })));
    }
}
