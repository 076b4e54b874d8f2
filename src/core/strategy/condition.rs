//! Whether what an await waits for has come. Owns what counts as ready, moved
//! and gone; it looks at what it is given, and must never ask for time.

use super::Condition;
use super::Pin;
use super::acceptance::{accepted, backends, followed, withdrawn};
use super::sound;
use super::workload::{WorkloadKind, Workloads};
use crate::core::health::{self, Around, Health, Rule};
use crate::core::object::{KindRef, ObjectRef};
use crate::core::traffic;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use std::sync::Arc;

/// What one look is taken at.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sight<'a> {
    /// The awaited object.
    pub live: Option<&'a Value>,
    /// What [`Condition::beside`] asks for, or [`Condition::class`].
    pub beside: &'a [Arc<Value>],
    /// The plan's rules of health.
    pub rules: &'a [Rule],
    /// The kinds of workload, as the plan of what was written has them.
    pub workloads: Option<&'a Workloads>,
    /// What the step has written there before the wait.
    pub written: Option<Written<'a>>,
    /// The target's time.
    pub now: Option<Timestamp>,
    /// How long everything before this wait has been known to be done.
    pub waited: SignedDuration,
}

/// The newest write of an awaited object before the wait.
#[derive(Clone, Copy, Debug)]
pub struct Written<'a> {
    /// The rendered body.
    pub body: &'a Value,
    /// The partition that was written, if not the rendered one.
    pub partition: Option<u32>,
    /// What was written over the rendered body of a route.
    pub fields: Option<&'a Value>,
}

/// Objects beside the awaited one, by kind and labels.
pub type Beside = (KindRef, Vec<(String, String)>);

/// One look at an awaited object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// The condition holds.
    pub met: bool,
    /// It cannot come by waiting: the object is missing, or was set lower, or
    /// its partition higher, than the step set it.
    pub set_back: bool,
    /// It has failed for good: nothing that the step could do again brings it.
    pub failed: bool,
    /// What is seen, in words.
    pub seen: String,
    /// Ready pods of what is rolled, where the condition counts them.
    pub ready: Option<u32>,
    /// What it stands on and does not seem to find. If any of that is missing,
    /// it cannot come by waiting either.
    pub in_doubt: Vec<ObjectRef>,
}

impl Condition {
    /// What has to be listed besides the awaited object, in its namespace.
    #[must_use]
    pub fn beside(&self, object: &ObjectRef) -> Option<Beside> {
        let service = match self {
            Self::Sound { pods, .. } => {
                let labels = pods.iter().map(|(name, value)| (name.clone(), value.clone()));
                return Some((sound::kind(), labels.collect()));
            }
            Self::Serving { .. } | Self::Capacity { .. } | Self::Reaches { .. } => {
                object.name.clone()
            }
            Self::Drained { split, .. } => split.moved_to(),
            _ => return None,
        };
        let (api_version, kind) = traffic::SLICES;
        let label = (traffic::SERVICE_LABEL.to_owned(), service);
        Some((KindRef::new(api_version, kind), vec![label]))
    }

    /// What has to be read besides the awaited object, by name.
    #[must_use]
    pub fn class(&self, object: &ObjectRef, live: &Value) -> Option<ObjectRef> {
        matches!(self, Self::Healthy).then(|| health::class_of(object, live))?
    }

    /// Whether it is about what a route says, or the selector of a Service.
    #[must_use]
    pub fn is_of_route(&self) -> bool {
        matches!(self, Self::RouteAccepted { .. } | Self::Drained { .. } | Self::Reaches { .. })
    }

    /// Whether it is about the endpoints of a Service, which stand on pods that
    /// were waited for before.
    #[must_use]
    pub fn counts_endpoints(&self) -> bool {
        matches!(self, Self::Serving { .. } | Self::Drained { .. } | Self::Reaches { .. })
    }

    /// The same without the time for which it has to hold.
    #[must_use]
    pub fn at_once(&self) -> Self {
        let mut once = self.clone();
        match &mut once {
            Self::ReadyFor { seconds, .. }
            | Self::Drained { seconds, .. }
            | Self::Withdrawn { seconds, .. }
            | Self::Reaches { seconds, .. } => *seconds = 0,
            _ => {}
        }
        once
    }

    /// Whether it is about the number of a workload's pods.
    #[must_use]
    pub fn counts_pods(&self) -> bool {
        matches!(
            self,
            Self::Ready { .. }
                | Self::UpdatedReady { .. }
                | Self::ReadyFor { .. }
                | Self::ScaledTo { .. }
        )
    }

    /// How long what came before must have been known to be done, in seconds.
    #[must_use]
    pub fn holds_for(&self) -> Option<u32> {
        match self {
            Self::Drained { seconds, .. } => Some(*seconds),
            Self::ReadyFor { seconds, .. } => Some(*seconds).filter(|seconds| *seconds > 0),
            Self::Withdrawn { seconds, .. } => Some(*seconds).filter(|seconds| *seconds > 0),
            Self::Reaches { seconds, .. } if *seconds > 0 => Some(*seconds),
            _ => None,
        }
    }
}

/// Looks at a condition.
#[must_use]
pub fn look(condition: &Condition, object: &ObjectRef, sight: &Sight<'_>) -> Look {
    let Some(live) = sight.live else { return absent(condition, object, sight) };
    match condition {
        Condition::Serving { at_least } | Condition::Capacity { at_least } => {
            return serving(*at_least, &object.to_string(), sight.beside);
        }
        Condition::RouteAccepted { split } => return accepted(split, object, live, sight),
        Condition::TakenOver => return followed(object, live, sight),
        Condition::Drained { split, seconds, at_least } => {
            let look = accepted(split, object, live, sight);
            let there = serving(*at_least, &format!("Service {}", split.moved_to()), sight.beside);
            return if look.met && !there.met {
                Look { in_doubt: backends(split, object), ..there }
            } else {
                drained(look, *seconds, sight.waited)
            };
        }
        Condition::Withdrawn { service, seconds } => {
            return drained(withdrawn(service, object, live, sight), *seconds, sight.waited);
        }
        Condition::Reaches { of, at_least, seconds } => {
            let look = reaching((of, *at_least), object, live, sight.beside);
            return drained(look, *seconds, sight.waited);
        }
        Condition::Healthy => return healthy(object, live, sight),
        Condition::Sound { restarts, .. } => {
            if let Some(wrong) = sound::wrong(sight.beside, *restarts) {
                let seen = format!("{object}: {wrong}");
                return Look { failed: true, seen, ..Look::default() };
            }
        }
        Condition::ReadyFor { at_least, updated, seconds } => {
            let condition = match *updated {
                true => Condition::UpdatedReady { at_least: *at_least },
                false => Condition::Ready { at_least: *at_least },
            };
            let look = look(&condition, object, sight);
            let words = ("before the next pod", *seconds);
            return held(look, words, sight.waited);
        }
        _ => {}
    }
    counted(condition, object, live, sight)
}

/// A look at what is not there.
fn absent(condition: &Condition, object: &ObjectRef, sight: &Sight<'_>) -> Look {
    // No pods are what a missing workload has.
    let met = matches!(
        condition,
        Condition::ScaledTo { .. }
            | Condition::Ready { at_least: 0 }
            | Condition::UpdatedReady { at_least: 0 }
            | Condition::ReadyFor { at_least: 0, .. }
    );
    let seen = format!("{object} is not there");
    if let Condition::Withdrawn { seconds, .. } = condition {
        return drained(Look { met: true, seen, ..Look::default() }, *seconds, sight.waited);
    }
    if let Condition::Capacity { .. } = condition {
        // Whoever brings it may not have come to it yet.
        return Look { seen, ..Look::default() };
    }
    let removed = |written: Written<'_>| health::removed_itself(written.body, sight.waited);
    if *condition == Condition::Healthy && is_job(object) && sight.written.is_some_and(removed) {
        let seen = format!("{object} has finished and removed itself");
        return Look { met: true, seen, ..Look::default() };
    }
    Look { met, set_back: !met, seen, ..Look::default() }
}

/// A look at the pods of a workload.
fn counted(condition: &Condition, object: &ObjectRef, live: &Value, sight: &Sight<'_>) -> Look {
    let Some(kind) = sight.kind(object) else {
        let seen = format!("{object} has no pods to count");
        return Look { seen, ..Look::default() };
    };
    let pods = kind.read(live);
    let (met, set_back, seen, ready) = match *condition {
        Condition::Ready { at_least } | Condition::Sound { at_least, .. } => (
            pods.ready >= at_least,
            pods.wanted < at_least,
            format!("{} of {at_least} pods ready", pods.ready),
            Some(pods.ready),
        ),
        Condition::UpdatedReady { at_least } => (
            pods.updated_ready >= at_least,
            // What the partition holds back is never updated.
            pods.wanted.saturating_sub(kind.held(live)) < at_least,
            format!("{} of {at_least} updated pods ready", pods.updated_ready),
            Some(pods.updated_ready),
        ),
        Condition::Replaced { at_most, unready } => {
            let (left, down) =
                (pods.wanted.saturating_sub(pods.updated), pods.wanted.saturating_sub(pods.ready));
            (
                left <= at_most && down <= unready,
                false,
                format!(
                    "{left} of an older template left, {} of {} ready",
                    pods.ready, pods.wanted
                ),
                Some(pods.updated_ready),
            )
        }
        Condition::ScaledTo { at_most } => (
            pods.replicas <= at_most,
            pods.wanted > at_most,
            format!("{} pods left, {at_most} wanted", pods.replicas),
            None,
        ),
        // Everything else is looked at above.
        _ => (false, false, String::new(), None),
    };
    let seen = if pods.observed { seen } else { format!("{seen}, the newest change unseen") };
    let (met, seen) = (met && pods.observed, format!("{object}: {seen}"));
    Look { met, set_back, seen, ready, ..Look::default() }
}

/// The health of an object, as its kind or a rule of the plan tells it. What no
/// rule knows is not healthy: its wait ends all the same, and the result says
/// so.
fn healthy(object: &ObjectRef, live: &Value, sight: &Sight<'_>) -> Look {
    let verdict = health::health_of(object, live, &sight.around(object));
    let pods = sight.kind(object).map(|kind| kind.read(live));
    Look {
        ready: pods.map(|pods| pods.updated_ready),
        met: verdict.health == Health::Current || verdict.unruled,
        failed: verdict.is_final,
        seen: format!("{object}: {}", verdict.words),
        ..Look::default()
    }
}

fn is_job(object: &ObjectRef) -> bool {
    object.api_version == "batch/v1" && object.kind == "Job"
}

impl<'a> Sight<'a> {
    fn kind(&self, object: &ObjectRef) -> Option<&'a WorkloadKind> {
        let workloads = self.workloads.unwrap_or(Workloads::BUILT_IN);
        workloads.of_object(object).map(|kind| &**kind)
    }

    pub(super) fn around(&self, object: &ObjectRef) -> Around<'a> {
        let kind = self.kind(object);
        let rendered = |written: Written<'_>| kind.map(|kind| kind.held(written.body));
        let partition = self.written.and_then(|w| w.partition.or_else(|| rendered(w)));
        let Self { rules, workloads, now, beside, .. } = *self;
        Around { rules, workloads, now, partition, beside }
    }
}

fn serving(at_least: u32, object: &str, slices: &[Arc<Value>]) -> Look {
    let ready = traffic::ready_addresses(slices);
    let seen = format!("{object}: {ready} of {at_least} endpoints ready");
    Look { met: ready >= at_least, seen, ..Look::default() }
}

/// Whether a Service reaches the pods of one revision and no others. Where its
/// selector says something else, somebody has written it since.
fn reaching(
    (of, at_least): (&Pin, u32),
    object: &ObjectRef,
    live: &Value,
    slices: &[Arc<Value>],
) -> Look {
    if let Err(other) = traffic::pinned(live, of.label()) {
        let seen = format!("{object} {other}, but it was pointed at {of}");
        return Look { set_back: true, seen, ..Look::default() };
    }
    let (follow, all, ready) = traffic::following(slices, of.label().1);
    if all == 0 || follow < all {
        let seen = format!("{object}: {follow} of {all} slices follow it to {of}");
        return Look { seen, ..Look::default() };
    }
    let seen = format!("{object}: {ready} of {at_least} endpoints ready, all of {of}");
    Look { met: ready >= at_least, seen, ..Look::default() }
}

fn drained(look: Look, seconds: u32, waited: SignedDuration) -> Look {
    held(look, ("draining", seconds), waited)
}

/// A look at what has to hold for some seconds, and what for.
fn held(look: Look, (what, seconds): (&str, u32), waited: SignedDuration) -> Look {
    if !look.met || waited >= SignedDuration::from_secs(i64::from(seconds)) {
        return look;
    }
    let seen = format!("{}; {what}, {} of {seconds} s", look.seen, waited.as_secs());
    Look { met: false, seen, ..look }
}

/// Kinds that are not awaited unless a rule of the plan is about them.
const PASSIVE: &[&str] = &[
    "ConfigMap",
    "Secret",
    "Service",
    "ServiceAccount",
    "Role",
    "RoleBinding",
    "ClusterRole",
    "ClusterRoleBinding",
    "NetworkPolicy",
    "Ingress",
    "PodDisruptionBudget",
    "Lease",
    "HorizontalPodAutoscaler",
    "HTTPRoute",
];

/// Whether a kind is awaited without a rule of the plan.
#[must_use]
pub fn has_health(kind: &str) -> bool {
    !PASSIVE.contains(&kind)
}

#[cfg(test)]
mod tests {
    use super::super::bodies::LABEL_REVISION;
    use super::*;
    use crate::core::object::KindRef;
    use crate::core::traffic::Split;
    use serde_json::json;

    fn deployment() -> ObjectRef {
        ObjectRef::new(&KindRef::new("apps/v1", "Deployment"), Some("default"), "web")
    }

    fn looked(condition: &Condition, live: Option<&Value>) -> Look {
        look(condition, &deployment(), &Sight { live, ..Sight::default() })
    }

    #[test]
    fn ready_pods_of_an_unseen_spec_do_not_count() {
        let mut live = json!({
            "metadata": {"generation": 2},
            "spec": {"replicas": 3},
            "status": {"observedGeneration": 1, "readyReplicas": 3, "replicas": 3},
        });
        let condition = Condition::Ready { at_least: 3 };
        assert!(!looked(&condition, Some(&live)).met);
        live["status"]["observedGeneration"] = json!(2);
        assert!(looked(&condition, Some(&live)).met);
    }

    #[test]
    fn missing_or_lowered_objects_cannot_come_by_waiting() {
        let condition = Condition::Ready { at_least: 3 };
        assert!(looked(&condition, None).set_back);
        let lowered = json!({"spec": {"replicas": 1}, "status": {"observedGeneration": 1}});
        assert!(looked(&condition, Some(&lowered)).set_back);
        assert!(looked(&Condition::ScaledTo { at_most: 0 }, None).met);
    }

    #[test]
    fn a_raised_partition_cannot_come_by_waiting() {
        let set = ObjectRef::new(&KindRef::new("apps/v1", "StatefulSet"), Some("default"), "db");
        let condition = Condition::UpdatedReady { at_least: 3 };
        let set_back = |partition: u32| {
            let held = json!({"rollingUpdate": {"partition": partition}});
            let live = json!({
                "spec": {"replicas": 5, "updateStrategy": held},
                "status": {"readyReplicas": 5, "updatedReplicas": 1, "replicas": 5},
            });
            look(&condition, &set, &Sight { live: Some(&live), ..Sight::default() }).set_back
        };
        assert!(!set_back(0) && !set_back(2));
        assert!(set_back(3) && set_back(9));
    }

    #[test]
    fn a_drain_ends_only_on_a_route_that_is_still_accepted() {
        let split = Split {
            service: traffic::Label::new("web").unwrap(),
            source: 1,
            target: 2,
            weight: traffic::Weight::new(20),
            matches: Vec::new(),
            headers: traffic::HeaderChange::default(),
            mixed: false,
            alike: false,
            apart: false,
        };
        let mut live = json!({
            "apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute",
            "metadata": {"name": "web", "namespace": "default", "generation": 4},
            "spec": {
                "parentRefs": [{"name": "edge"}],
                "rules": [{"backendRefs": [{"name": "web", "port": 80}]}],
            },
            "status": {"parents": [{
                "parentRef": {"name": "edge"},
                "conditions": [
                    {"type": "Accepted", "status": "True", "observedGeneration": 4},
                    {"type": "ResolvedRefs", "status": "True", "observedGeneration": 4},
                ],
            }]},
        });
        let route = traffic::route("default", "web");
        let slices = json!({"endpoints": [{"addresses": ["1"], "conditions": {"ready": true}}]});
        let slices = [Arc::new(slices)];
        let service =
            |name: &str| ObjectRef::new(&KindRef::new("v1", "Service"), Some("default"), name);
        let twins = [service("web-v1-traffic"), service("web-v2-traffic")];
        let drained = |live: &Value, seconds: i64| {
            let waited = SignedDuration::from_secs(seconds);
            let sight = Sight { live: Some(live), waited, beside: &slices, ..Sight::default() };
            let condition = Condition::Drained { split: split.clone(), seconds: 5, at_least: 1 };
            let gone = look(&condition, &route, &Sight { beside: &[], ..sight });
            assert!(!gone.met, "those who take the traffic are gone");
            let accepted =
                look(&Condition::RouteAccepted { split: split.clone() }, &route, &sight).met;
            assert_eq!(gone.in_doubt == twins, accepted, "their Service may be");
            let look = look(&condition, &route, &sight);
            (look.met, look.set_back)
        };
        assert_eq!(drained(&live, 9), (false, true), "not what was written");
        traffic::share(&mut live, &split);
        assert_eq!(drained(&live, 4), (false, false));
        assert_eq!(drained(&live, 5), (true, false));
        live["metadata"]["generation"] = json!(5);
        assert_eq!(drained(&live, 5), (false, false), "nobody has seen the newest change");
        let in_doubt = |live: &Value| {
            let sight = Sight { live: Some(live), ..Sight::default() };
            look(&Condition::RouteAccepted { split: split.clone() }, &route, &sight).in_doubt
        };
        assert!(in_doubt(&live).is_empty(), "nobody has looked for its Services");
        live["metadata"]["generation"] = json!(4);
        live["status"]["parents"][0]["conditions"][1]["status"] = json!("False");
        assert_eq!(in_doubt(&live), twins);
    }

    #[test]
    fn only_the_endpoints_of_the_service_itself_count() {
        let service = ObjectRef::new(&KindRef::new("v1", "Service"), Some("default"), "web");
        let condition = Condition::Serving { at_least: 1 };
        let (kind, labels) = condition.beside(&service).unwrap();
        assert_eq!(kind.to_string(), "EndpointSlice (discovery.k8s.io/v1)");
        assert_eq!(labels, [("kubernetes.io/service-name".to_owned(), "web".to_owned())]);
        let live = json!({});
        let slices = json!({"endpoints": [{"addresses": ["1"], "conditions": {"ready": true}}]});
        let slices = [Arc::new(slices)];
        let sight = Sight { live: Some(&live), beside: &slices, ..Sight::default() };
        assert!(look(&condition, &service, &sight).met);
        assert!(!look(&condition, &service, &Sight { beside: &[], ..sight }).met);
        assert!(look(&condition, &service, &Sight { live: None, ..sight }).set_back);
    }

    #[test]
    fn another_entitys_capacity_is_waited_for_and_nobodys_step_starts_over_for_it() {
        let service = ObjectRef::new(&KindRef::new("v1", "Service"), Some("default"), "web");
        let condition = Condition::Capacity { at_least: 1 };
        assert!(condition.is_of_another() && condition.beside(&service).is_some());
        let missing = look(&condition, &service, &Sight::default());
        assert!(!missing.met && !missing.set_back, "its owner may not have come to it yet");
        let live = json!({});
        let slices = json!({"endpoints": [{"addresses": ["1"], "conditions": {"ready": true}}]});
        let slices = [Arc::new(slices)];
        let sight = Sight { live: Some(&live), beside: &slices, ..Sight::default() };
        assert!(look(&condition, &service, &sight).met);
        assert!(!look(&condition, &service, &Sight { beside: &[], ..sight }).met);
    }

    #[test]
    fn a_route_that_proxies_have_not_taken_over_is_waited_for() {
        let kind = KindRef::new("networking.istio.io/v1", "VirtualService");
        let route = ObjectRef::new(&kind, Some("default"), "web");
        let met = |status: Value| {
            let live = json!({"apiVersion": kind.api_version, "kind": kind.kind,
                "metadata": {"name": "web", "generation": 2}, "status": status});
            look(&Condition::TakenOver, &route, &Sight { live: Some(&live), ..Sight::default() })
                .met
        };
        let said = |status: &str| json!({"observedGeneration": 2, "conditions": [{"type": "Reconciled", "status": status}]});
        assert!(met(json!({})) && met(said("True")) && !met(said("False")));
    }

    #[test]
    fn a_switch_is_over_once_every_slice_follows_it_and_not_before() {
        let service = ObjectRef::new(&KindRef::new("v1", "Service"), Some("default"), "web");
        let of = "web-v2".to_owned();
        let condition =
            Condition::Reaches { of: Pin::Revision(of.clone()), at_least: 2, seconds: 5 };
        let (_, labels) = condition.beside(&service).unwrap();
        assert_eq!(labels, [("kubernetes.io/service-name".to_owned(), "web".to_owned())]);
        let slice = |reaches: &str, ready: &[&str]| {
            let endpoint = |name: &&str| {
                let conditions = json!({"ready": true});
                json!({"addresses": ["1"], "conditions": conditions, "targetRef": {"uid": name}})
            };
            let endpoints: Vec<Value> = ready.iter().map(endpoint).collect();
            let labels = json!({"tranche.dev/reaches": reaches});
            Arc::new(json!({"metadata": {"labels": labels}, "endpoints": endpoints}))
        };
        let mut live = json!({"spec": {"selector": {"app": "web"}}});
        let seen = |live: &Value, slices: &[Arc<Value>], seconds: i64| {
            let waited = SignedDuration::from_secs(seconds);
            let sight = Sight { live: Some(live), beside: slices, waited, ..Sight::default() };
            let look = look(&condition, &service, &sight);
            (look.met, look.set_back)
        };
        let (old, new) = (slice("web-v1", &["a", "b"]), slice("web-v2", &["c", "d"]));
        assert_eq!(seen(&live, &[Arc::clone(&new)], 9), (false, true), "it selects them all");
        traffic::pin(&mut live, (LABEL_REVISION, "web-v1"));
        assert_eq!(seen(&live, &[Arc::clone(&new)], 9), (false, true), "somebody has switched it");
        traffic::pin(&mut live, (LABEL_REVISION, &of));
        assert_eq!(seen(&live, &[Arc::clone(&old)], 9), (false, false), "as ready as ever");
        assert_eq!(seen(&live, &[Arc::clone(&new), old], 9), (false, false), "one is behind");
        assert_eq!(
            seen(&live, &[slice("web-v2", &["c"])], 9),
            (false, false),
            "one pod is missing"
        );
        assert_eq!(seen(&live, &[], 9), (false, false), "nobody has looked at it yet");
        assert_eq!(seen(&live, &[Arc::clone(&new)], 4), (false, false), "for five seconds");
        assert_eq!(seen(&live, &[new], 5), (true, false));
    }

    fn health(kind: (&str, &str), sight: &Sight<'_>) -> Look {
        let name = ObjectRef::new(&KindRef::new(kind.0, kind.1), Some("default"), "web");
        look(&Condition::Healthy, &name, sight)
    }

    #[test]
    fn what_has_failed_for_good_fails_and_what_may_mend_itself_waits() {
        let job = |condition: &str| {
            let live = json!({"status": {"conditions": [{"type": condition, "status": "True"}]}});
            health(("batch/v1", "Job"), &Sight { live: Some(&live), ..Sight::default() })
        };
        assert!(job("Failed").failed && !job("Failed").met);
        assert!(job("Complete").met && !job("Complete").failed);
        assert!(!job("Suspended").met && !job("Suspended").failed);
        let late = json!({"status": {"observedGeneration": 1, "conditions": [
            {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}]}});
        let late =
            health(("apps/v1", "Deployment"), &Sight { live: Some(&late), ..Sight::default() });
        assert!(!late.failed && !late.met && !late.set_back);
    }

    #[test]
    fn what_no_rule_knows_ends_its_wait_unless_a_rule_of_the_plan_is_about_it() {
        let live = json!({"metadata": {"name": "web"}, "status": {"phase": "Up"}});
        let widget = ("example.com/v1", "Widget");
        let sight = Sight { live: Some(&live), ..Sight::default() };
        let unknown = health(widget, &sight);
        assert!(unknown.met);
        assert!(unknown.seen.contains("health unknown"), "{}", unknown.seen);
        let rule = |current: &str| Rule {
            kind: KindRef::new("example.com/v2", "Widget"),
            in_progress: None,
            failed: None,
            current: health::Expression::parse(current).unwrap(),
        };
        for (current, met) in
            [("status.phase == 'Up'", true), ("status.phase == 'x'", false), ("status.x", false)]
        {
            let rules = [rule(current)];
            assert_eq!(health(widget, &Sight { rules: &rules, ..sight }).met, met, "{current}");
        }
    }

    #[test]
    fn a_job_that_has_removed_itself_has_finished() {
        let body = json!({"spec": {"ttlSecondsAfterFinished": 5}});
        let stays = json!({});
        let gone = |kind, seconds, body| {
            let waited = SignedDuration::from_secs(seconds);
            let written = Some(Written { body, partition: None, fields: None });
            health(kind, &Sight { waited, written, ..Sight::default() })
        };
        let job = ("batch/v1", "Job");
        assert!(gone(job, 5, &body).met && !gone(job, 5, &body).set_back);
        assert!(gone(job, 4, &body).set_back, "somebody has deleted it");
        assert!(gone(job, 5, &stays).set_back, "it would have stayed");
        assert!(gone(("v1", "Pod"), 5, &body).set_back);
    }

    #[test]
    fn a_partition_that_the_step_has_not_written_holds_no_pods_back() {
        let held =
            |partition: u32| json!({"updateStrategy": {"rollingUpdate": {"partition": partition}}});
        let mut live =
            json!({"status": {"observedGeneration": 1, "replicas": 1, "readyReplicas": 1}});
        live["spec"] = held(1);
        let met = |body: &Value, partition| {
            let written = Some(Written { body, partition, fields: None });
            let sight = Sight { live: Some(&live), written, ..Sight::default() };
            health(("apps/v1", "StatefulSet"), &sight).met
        };
        assert!(met(&json!({"spec": held(1)}), None), "it is rendered so");
        assert!(!met(&json!({"spec": held(1)}), Some(0)), "the step drives it");
        assert!(!met(&json!({}), None), "somebody has raised it");
    }
}
