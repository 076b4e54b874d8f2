//! Objects without a rollout: one step that applies and awaits them. Owns their
//! order; it must never leave one out.

use super::condition::has_health;
use super::{Condition, Driven, Effect, Rank, Side, Step, StepContext, StepKind, Verb};
use crate::core::health::Rules;
use crate::core::model::DEFAULT_DEADLINE_SECONDS;
use crate::core::object::{KindRef, ObjectRef};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What has to be seen before an object is written and after it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Around {
    /// Services, of other owners, that have to serve before it is written.
    pub stands_on: Vec<ObjectRef>,
    /// Names of Services that it sends nothing to, so that those behind them may
    /// go once it has been so for a while.
    pub leaves: Vec<String>,
    /// For how long, in seconds.
    pub drain_seconds: u32,
}

/// Compiles the one step of objects that are applied as they stand: by rank,
/// else in the given order. What a rule of the plan is about is awaited, whatever
/// its kind; a definition of a kind before anything that may be of it is written;
/// and first of all what stands `around` some of them.
#[must_use]
pub fn compile_direct(
    context: &Arc<StepContext>,
    objects: &[ObjectRef],
    rules: &Rules,
    around: &BTreeMap<ObjectRef, Around>,
) -> Step {
    let (capacity, followed) = waits_around(objects, around);
    let rank = |object: &ObjectRef| Rank::of(&object.kind_ref());
    let mut ordered: Vec<&ObjectRef> = objects.iter().collect();
    ordered.sort_by_cached_key(|object| rank(object));
    let first = ordered.partition_point(|object| rank(object) <= Rank::Kinds);
    let (ground, rest) = ordered.split_at(first);
    let kinds = ground.partition_point(|object| rank(object) < Rank::Kinds);
    let (spaces, kinds) = ground.split_at(kinds);
    let waits = |objects: &[&ObjectRef]| {
        let ruled = |object: &ObjectRef| rules.cover(&object.kind_ref());
        let lively = |object: &&&ObjectRef| {
            has_health(&object.kind) && !around.contains_key(**object) || ruled(object)
        };
        objects.iter().filter(lively).map(|object| wait(object)).collect::<Vec<_>>()
    };
    let writes = |objects: &[&ObjectRef]| objects.iter().map(|o| write(o)).collect::<Vec<_>>();
    let effects = [
        capacity,
        writes(ground),
        waits(kinds),
        writes(rest),
        waits(spaces),
        waits(rest),
        followed,
    ];
    context.step(StepKind::Settle, effects.concat(), 0)
}

/// Capacity before anything is sent there, each Service once; and, after the
/// writes, that those who follow a route have it, and have had it for a while.
fn waits_around(
    objects: &[ObjectRef],
    around: &BTreeMap<ObjectRef, Around>,
) -> (Vec<Effect>, Vec<Effect>) {
    let here = || objects.iter().filter_map(|object| Some((object, around.get(object)?)));
    let stands_on: BTreeSet<&ObjectRef> = here().flat_map(|(_, a)| &a.stands_on).collect();
    let capacity = stands_on.into_iter();
    let capacity = capacity.map(|service| awaited(service, Condition::Capacity { at_least: 1 }));
    let taken = here().filter(|(object, _)| is_route(&object.kind_ref())).map(|(object, _)| object);
    let taken = taken.map(|object| awaited(object, Condition::TakenOver));
    let left = here().flat_map(|(object, around)| {
        let seconds = around.drain_seconds;
        let left = move |service: &String| {
            awaited(object, Condition::Withdrawn { service: service.clone(), seconds })
        };
        around.leaves.iter().map(left)
    });
    (capacity.collect(), taken.chain(left).collect())
}

fn is_route(kind: &KindRef) -> bool {
    kind.group() == "networking.istio.io"
}

fn awaited(object: &ObjectRef, condition: Condition) -> Effect {
    let deadline_seconds = DEFAULT_DEADLINE_SECONDS;
    Effect::Await { object: object.clone(), condition, deadline_seconds }
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
    awaited(object, Condition::Healthy)
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
        let plain = compile_direct(&context(), &objects, &Rules::default(), &BTreeMap::new());
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
        assert_eq!(compile_direct(&context(), &objects, &other, &BTreeMap::new()).id(), plain.id());
        let ruled = compile_direct(&context(), &objects, &rule(&service), &BTreeMap::new());
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
        let step = compile_direct(&context(), &objects, &Rules::default(), &BTreeMap::new());
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
