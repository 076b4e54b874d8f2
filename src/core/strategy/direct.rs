//! Objects without a rollout: one step that applies and awaits them. Owns their
//! order; it must never leave one out.

use super::condition::has_health;
use super::{Condition, Driven, Effect, Rank, Side, Step, StepContext, StepKind, Verb};
use crate::core::health::Rules;
use crate::core::model::DEFAULT_DEADLINE_SECONDS;
use crate::core::object::ObjectRef;
use std::sync::Arc;

/// Compiles the one step of objects that are applied as they stand: by rank,
/// else in the given order. What a rule of the plan is about is awaited, whatever
/// its kind; a definition of a kind before anything that may be of it is written.
#[must_use]
pub fn compile_direct(context: &Arc<StepContext>, objects: &[ObjectRef], rules: &Rules) -> Step {
    let rank = |object: &ObjectRef| Rank::of(&object.kind_ref());
    let mut ordered: Vec<&ObjectRef> = objects.iter().collect();
    ordered.sort_by_cached_key(|object| rank(object));
    let first = ordered.partition_point(|object| rank(object) <= Rank::Kinds);
    let (ground, rest) = ordered.split_at(first);
    let kinds = ground.partition_point(|object| rank(object) < Rank::Kinds);
    let (spaces, kinds) = ground.split_at(kinds);
    let waits = |objects: &[&ObjectRef]| {
        let lively =
            |object: &&&ObjectRef| has_health(&object.kind) || rules.cover(&object.kind_ref());
        objects.iter().filter(lively).map(|object| wait(object)).collect::<Vec<_>>()
    };
    let writes = |objects: &[&ObjectRef]| objects.iter().map(|o| write(o)).collect::<Vec<_>>();
    let effects = [writes(ground), waits(kinds), writes(rest), waits(spaces), waits(rest)];
    context.step(StepKind::Settle, effects.concat(), 0)
}

fn write(object: &ObjectRef) -> Effect {
    Effect::Write {
        verb: Verb::Apply,
        object: object.clone(),
        side: Side::Target,
        driven: Driven::default(),
    }
}

fn wait(object: &ObjectRef) -> Effect {
    Effect::Await {
        object: object.clone(),
        condition: Condition::Healthy,
        deadline_seconds: DEFAULT_DEADLINE_SECONDS,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::digest::Digest;
    use crate::core::health::{Expression, Rule};
    use crate::core::object::KindRef;
    use crate::core::strategy::{COMPILER, EntityKey, EntityKind, wave};

    fn context() -> Arc<StepContext> {
        Arc::new(StepContext {
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
            compiler: COMPILER,
        })
    }

    fn named(version: &str, kind: &str, name: &str) -> ObjectRef {
        ObjectRef::new(&KindRef::new(version, kind), Some("default"), name)
    }

    #[test]
    fn a_rule_of_the_plan_adds_a_wait_and_none_changes_no_step() {
        let service = KindRef::new("v1", "Service");
        let objects = [ObjectRef::new(&service, Some("default"), "web")];
        let plain = compile_direct(&context(), &objects, &Rules::default());
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
        assert_eq!(compile_direct(&context(), &objects, &other).id(), plain.id());
        let ruled = compile_direct(&context(), &objects, &rule(&service));
        assert!(matches!(ruled.effects.last(), Some(Effect::Await { .. })));
    }

    #[test]
    fn what_others_lean_on_comes_first_and_kinds_are_awaited_before_what_may_be_of_them() {
        let objects = [
            named("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration", "judge"),
            named("example.com/v1", "Database", "db"),
            named("apps/v1", "Deployment", "web"),
            named("v1", "Service", "web"),
            named("rbac.authorization.k8s.io/v1", "RoleBinding", "web"),
            named("rbac.authorization.k8s.io/v1", "Role", "web"),
            named("v1", "ConfigMap", "b"),
            named("v1", "ConfigMap", "a"),
            named("apiextensions.k8s.io/v1", "CustomResourceDefinition", "databases"),
            named("v1", "Namespace", "other"),
        ];
        let step = compile_direct(&context(), &objects, &Rules::default());
        let said = |effect: &Effect| {
            let object = effect.object();
            format!("{}{}/{}", if effect.writes() { "" } else { "? " }, object.kind, object.name)
        };
        assert_eq!(
            step.effects.iter().map(said).collect::<Vec<_>>(),
            [
                "Namespace/other",
                "CustomResourceDefinition/databases",
                "? CustomResourceDefinition/databases",
                "Role/web",
                "ConfigMap/b",
                "ConfigMap/a",
                "RoleBinding/web",
                "Service/web",
                "Deployment/web",
                "Database/db",
                "ValidatingWebhookConfiguration/judge",
                "? Namespace/other",
                "? Deployment/web",
                "? Database/db",
                "? ValidatingWebhookConfiguration/judge",
            ]
        );
        assert_eq!(wave(&step, 0), 0..1);
        assert_eq!(wave(&step, 2), 2..3);
        assert_eq!(wave(&step, 3), 3..6);
        assert_eq!(wave(&step, 4), 4..6);
    }
}
