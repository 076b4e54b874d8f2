//! Looking for orphans. Owns the complete list that they are found in; what
//! counts as one is decided elsewhere, and nothing is removed here.

use super::observe::Record;
use super::planned::Driving;
use super::{Engine, Reading, RunError};
use crate::core::decide::{Decision, OrphanView, RollingState, decide_orphans};
use crate::core::model::{Naming, Rollout};
use crate::core::object::{KindRef, ObjectRef};
use crate::core::record::{Ended, EntityRecord};
use crate::core::strategy::workload::Workloads;
use crate::core::strategy::{
    EntityKey, EntityKind, LABEL_MANAGED_BY, MANAGED_BY, entity_of, is_twin,
};
use crate::core::traffic::{Acceptance, acceptance, backends, takes_nothing};
use crate::port::{Cluster, ClusterProblem, CommitId, Ports, Progress};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;

/// The labelled objects of a kind in a namespace.
pub(super) type Labelled = BTreeMap<(KindRef, String), Rc<Vec<Arc<Value>>>>;

/// What an entity wants, what else says it is its own, and the kinds of workload
/// that its plans describe.
type Found = (BTreeSet<ObjectRef>, Vec<Arc<Value>>, Workloads);

impl<P: Ports> Engine<'_, P> {
    /// What is to be done about the orphans of a rollout or a lane at which
    /// nothing is due, if it has any.
    pub(super) async fn orphans(
        &self,
        reading: &Reading,
        snapshot: &Record<'_, P>,
        key: &EntityKey,
    ) -> Result<Option<Decision>, RunError> {
        let Some(record) = snapshot.entity(key)? else { return Ok(None) };
        if record.removed || record.open.is_some() {
            return Ok(None);
        }
        let found = match key.kind {
            EntityKind::Rollout => self.left_of_rollout(reading, snapshot, &record, key).await?,
            EntityKind::Lane => self.left_of_lane(reading, snapshot, &record, key).await?,
            EntityKind::Objects | EntityKind::Application | EntityKind::Route => None,
        };
        let Some((wanted, labelled, workloads)) = found else { return Ok(None) };
        let inventory = snapshot.inventory(key)?;
        Ok(decide_orphans(&OrphanView {
            key,
            project: &reading.project,
            target: &self.target.name,
            record: &record,
            inventory: &inventory,
            wanted: &wanted,
            labelled: &labelled,
            workloads: &workloads,
            plan_commit: &reading.plan_commit.0,
        }))
    }

    /// What a lane wants, and the second Ingresses that say they are its own and
    /// take nothing.
    async fn left_of_lane(
        &self,
        reading: &Reading,
        snapshot: &Record<'_, P>,
        record: &EntityRecord,
        key: &EntityKey,
    ) -> Result<Option<Found>, RunError> {
        // A removal would take the place of what the record says of the failure.
        if record.status.rolling_state == RollingState::RolloutFailed {
            return Ok(None);
        }
        let Some(content) = self.content_now(reading, snapshot, key).await? else {
            return Ok(None);
        };
        let wanted: BTreeSet<ObjectRef> =
            content.objects.iter().map(|(object, _)| object.clone()).collect();
        let left = self.left_routes(&wanted, key).await?;
        Ok(Some((wanted, left, Workloads::default())))
    }

    /// What a rollout wants, and what says it is its own of the kinds of that.
    async fn left_of_rollout(
        &self,
        reading: &Reading,
        snapshot: &Record<'_, P>,
        record: &EntityRecord,
        key: &EntityKey,
    ) -> Result<Option<Found>, RunError> {
        let (naming, routes) = self.driven_by(reading, record, key)?;
        let mut wanted = BTreeSet::new();
        let mut kinds = BTreeSet::new();
        let mut workloads = Workloads::default();
        for (reference, stays) in [(&record.target, false), (&record.stable, true)] {
            let Some(reference) = reference else { continue };
            let driving = Driving::recorded(record, naming);
            let found = self.revision(reading, snapshot, key, &reference.name, &driving)?;
            let Some(bodies) = found else { return Ok(None) };
            kinds.extend(bodies.rolled().map(|one| one.workload.kind_ref()));
            workloads.join(&bodies.workloads);
            let wants = |object: &&ObjectRef| stays || object.kind == "Service";
            wanted.extend(bodies.bodies.keys().filter(wants).cloned());
        }
        let mut labelled = Vec::new();
        for kind in kinds {
            for object in self.labelled(&kind, &key.namespace).await?.iter() {
                // The list may be older than what this run has done since.
                if entity_of(object).as_ref() == Some(key)
                    && let Some(reference) = ObjectRef::of(object)
                    && !wanted.contains(&reference)
                    && let Some(live) = self.ports.cluster().get(&reference).await?
                {
                    labelled.push(live);
                }
            }
        }
        labelled.extend(self.left_twins(routes, record, key).await?);
        Ok(Some((wanted, labelled, workloads)))
    }

    /// The Services of single revisions that say they are of a rollout at rest,
    /// and that its routes do not lead to; and the routes that it has no more.
    async fn left_twins(
        &self,
        routes: BTreeSet<ObjectRef>,
        record: &EntityRecord,
        key: &EntityKey,
    ) -> Result<Vec<Arc<Value>>, RunError> {
        // What a person gave up half-way is for people to mend.
        let abandoned = record.last.as_ref().is_some_and(|last| last.verdict == Ended::Abandoned);
        let mut twins = Vec::new();
        if routes.is_empty() || abandoned {
            return Ok(twins);
        }
        let left = self.left_routes(&routes, key).await?;
        let services = KindRef::new("v1", "Service");
        for object in self.labelled(&services, &key.namespace).await?.iter() {
            if entity_of(object).as_ref() == Some(key)
                && is_twin(object)
                && let Some(reference) = ObjectRef::of(object)
                && let Some(live) = self.ports.cluster().get(&reference).await?
                && is_twin(&live)
            {
                twins.push(live);
            }
        }
        for driven in routes {
            if twins.is_empty() {
                break;
            }
            let Some(live) = self.ports.cluster().get(&driven).await? else { continue };
            // Until it is taken over, the one before it may be followed.
            if acceptance(&live) != Acceptance::Accepted {
                return Ok(Vec::new());
            }
            let used = backends(&live);
            let name = |twin: &Value| ObjectRef::of(twin).map(|object| object.name);
            twins.retain(|twin| name(twin).is_some_and(|name| !used.contains(&name.as_str())));
        }
        twins.extend(left);
        Ok(twins)
    }

    /// Routes that are there only while traffic is shared, and take nothing.
    async fn left_routes(
        &self,
        routes: &BTreeSet<ObjectRef>,
        key: &EntityKey,
    ) -> Result<Vec<Arc<Value>>, RunError> {
        let kinds = routes.iter().map(ObjectRef::kind_ref);
        let kinds: BTreeSet<KindRef> = kinds.filter(|kind| kind.kind == "Ingress").collect();
        let mut left = Vec::new();
        for kind in kinds {
            for object in self.labelled(&kind, &key.namespace).await?.iter() {
                if entity_of(object).as_ref() == Some(key)
                    && takes_nothing(object)
                    && let Some(reference) = ObjectRef::of(object)
                    && let Some(live) = self.ports.cluster().get(&reference).await?
                    && takes_nothing(&live)
                {
                    left.push(live);
                }
            }
        }
        Ok(left)
    }

    /// What the workload of a rollout is called, and the routes that it drives,
    /// by the plan in force and by the one of its last step.
    fn driven_by(
        &self,
        reading: &Reading,
        record: &EntityRecord,
        key: &EntityKey,
    ) -> Result<(Naming, BTreeSet<ObjectRef>), RunError> {
        let then = record.step_plan.clone().map(|commit| self.loaded(&CommitId(commit)));
        let then = then.transpose()?;
        let then = then.as_ref().and_then(|then| then.as_ref().as_ref().ok());
        let plans = [Some(reading.loaded()?), then].into_iter().flatten();
        let rollouts: Vec<&Rollout> = plans.filter_map(|plan| self.rollout_in(plan, key)).collect();
        let naming = rollouts.first().map(|rollout| rollout.naming).unwrap_or_default();
        let reached = rollouts.iter().flat_map(|rollout| rollout.reached_by(&key.namespace));
        Ok((naming, reached.collect()))
    }

    /// Every object of a kind in a namespace that is labelled as ours, listed
    /// once a run.
    async fn labelled(
        &self,
        kind: &KindRef,
        namespace: &str,
    ) -> Result<Rc<Vec<Arc<Value>>>, RunError> {
        let place = (kind.clone(), namespace.to_owned());
        if let Some(known) = self.labelled.borrow().get(&place) {
            return Ok(Rc::clone(known));
        }
        let labels = [(LABEL_MANAGED_BY.to_owned(), MANAGED_BY.to_owned())];
        let found = match self.ports.cluster().list(kind, Some(namespace), &labels).await {
            Ok(found) => found,
            Err(error) => match error.problem {
                ClusterProblem::Forbidden(_) => {
                    let text = format!("{error}: leftovers of killed runs are not looked for");
                    self.ports.audience().hear(&Progress::Notice(text));
                    Vec::new()
                }
                _ => return Err(error.into()),
            },
        };
        let found = Rc::new(found);
        self.labelled.borrow_mut().insert(place, Rc::clone(&found));
        Ok(found)
    }
}
