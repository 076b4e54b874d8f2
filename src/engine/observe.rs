//! Everything that a decision about one entity looks at. Owns which objects are
//! read for it; it must not judge them, and writes nothing.

use super::capture::{Way, taken_of};
use super::concurrently::concurrently;
use super::planned::Driving;
use super::reading::known;
use super::sweep::Sweep;
use super::{Engine, Reading, RunError, Snapshot};
use crate::core::decide::{
    Decision, DirectContent, DirectView, Entry, Idle, RolloutView, application_of, decide_direct,
    decide_gone, decide_rollout, wanted_revisions,
};
use crate::core::model::{Naming, Rollout};
use crate::core::object::{Live, ObjectRef};
use crate::core::record::{EntityRecord, RevisionRecord};
use crate::core::render::ApplicationKey;
use crate::core::strategy::workload::WorkloadKind;
use crate::core::strategy::{
    Driven, Effect, EntityKey, EntityKind, RevisionBodies, StepKind, settled,
};
use crate::port::{Clock, Cluster, CommitId, Ports, Remote};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The record that one decision looks at.
pub(super) type Record<'a, P> = Snapshot<'a, <<P as Ports>::Remote as Remote>::Objects>;

/// What a decision about directly applied objects is to look at.
#[derive(Clone, Copy)]
enum Looked<'s> {
    /// What a sweep has shown.
    Swept(&'s Sweep),
    /// Each object by its name; of these the server has said that nothing would
    /// change.
    Asked(&'s BTreeSet<ObjectRef>),
}

impl<P: Ports> Engine<'_, P> {
    /// Observes an entity and decides about it.
    pub(super) async fn decide(
        &self,
        reading: &Reading,
        snapshot: &Record<'_, P>,
        key: &EntityKey,
        sweep: &Sweep,
    ) -> Result<Decision, RunError> {
        let decision = self.decide_asking(reading, snapshot, key, sweep).await?;
        // Also where only the server could tell that nothing differs: of a route
        // that is always so.
        if let Decision::Idle(Idle::Done | Idle::Failed { .. }) = &decision
            && let Some(orphans) = self.orphans(reading, snapshot, key).await?
        {
            return Ok(orphans);
        }
        // Nothing goes before what the plan has stands.
        if let Decision::Idle(Idle::Done) = &decision {
            let pruning = self.pruning(reading, snapshot, key, None).await?;
            return Ok(pruning.decision().unwrap_or(decision));
        }
        Ok(decision)
    }

    async fn decide_asking(
        &self,
        reading: &Reading,
        snapshot: &Record<'_, P>,
        key: &EntityKey,
        sweep: &Sweep,
    ) -> Result<Decision, RunError> {
        if sweep.entities.contains(key) {
            return self.decide_direct(reading, snapshot, key, Looked::Swept(sweep)).await;
        }
        let mut unchanged = BTreeSet::new();
        let first = self.decide_knowing(reading, snapshot, key, &unchanged).await?;
        let Decision::Act(act) = &first else { return Ok(first) };
        if act.entry != Entry::Fresh || act.step.kind != StepKind::Settle {
            return Ok(first);
        }
        // Something may differ. Before anything is written for it, the server
        // says whether it really does.
        let writes = act.step.effects.iter().filter_map(|effect| match effect {
            Effect::Write { object, side, driven, .. } => {
                let named = (object, act.table.kind(*side, object));
                Some((named, act.table.get(*side, object)?.0, driven))
            }
            _ => None,
        });
        let asked = writes.map(|(named, body, driven)| async move {
            let object = named.0;
            let Some(live) = self.ports.cluster().get(object).await? else { return Ok(None) };
            let changes = self.would_change(named, &live, body, driven).await?;
            Ok::<_, RunError>((!changes).then(|| object.clone()))
        });
        for answer in concurrently(asked).await {
            unchanged.extend(answer?);
        }
        if unchanged.is_empty() {
            return Ok(first);
        }
        self.decide_knowing(reading, snapshot, key, &unchanged).await
    }

    async fn decide_knowing(
        &self,
        reading: &Reading,
        snapshot: &Record<'_, P>,
        key: &EntityKey,
        unchanged: &BTreeSet<ObjectRef>,
    ) -> Result<Decision, RunError> {
        match key.kind {
            EntityKind::Rollout => self.decide_rollout(reading, snapshot, key, unchanged).await,
            EntityKind::Application
            | EntityKind::Lane
            | EntityKind::Objects
            | EntityKind::Route => {
                self.decide_direct(reading, snapshot, key, Looked::Asked(unchanged)).await
            }
        }
    }

    /// Whether a write would change a live object, our marks aside: by proof
    /// where there is one, else by a dry-run.
    pub(super) async fn would_change(
        &self,
        named: (&ObjectRef, Option<&WorkloadKind>),
        live: &Value,
        body: &Value,
        driven: &Driven,
    ) -> Result<bool, RunError> {
        if settled(Some(live), named, body, driven) {
            return Ok(false);
        }
        Ok(self.tried(named, live, body, driven).await?.changes(named.0, live))
    }

    async fn decide_direct(
        &self,
        reading: &Reading,
        snapshot: &Record<'_, P>,
        key: &EntityKey,
        looked: Looked<'_>,
    ) -> Result<Decision, RunError> {
        let record = snapshot.entity(key)?;
        let Some(content) = self.content_now(reading, snapshot, key).await? else {
            let now = self.ports.clock().now().await?;
            let holder_dead = self.holder_dead(record.as_deref());
            let of = (reading.project.as_str(), self.target.name.as_str());
            return Ok(decide_gone(of, record.as_deref(), now, holder_dead));
        };
        let mut step_content = None;
        if let Some((record, open)) = record.as_deref().and_then(|r| Some((r, r.open.as_ref()?))) {
            let then = self.loaded(&CommitId(open.step_plan.clone()))?;
            if let Ok(then) = then.as_ref() {
                let named = |o: &ObjectRef| open.objects.iter().any(|named| named.object == *o);
                step_content = self.content(then, key, &record.members, &named).await?;
            }
        }
        let mut read = Live::default();
        let (live, unchanged) = match looked {
            Looked::Swept(sweep) => (&sweep.live, &sweep.unchanged),
            Looked::Asked(unchanged) => {
                let then = step_content.iter().flat_map(|content| &content.objects);
                let both = content.objects.iter().chain(then).map(|(object, _)| object);
                self.look_at(both, &mut read).await?;
                (&read, unchanged)
            }
        };
        Ok(decide_direct(&DirectView {
            key,
            project: &reading.project,
            target: &self.target.name,
            plan_commit: &reading.plan_commit.0,
            content: &content,
            step_content: step_content.as_deref(),
            record: record.as_deref(),
            live,
            unchanged,
            gone: &self.rollouts_over(reading, snapshot)?,
            now: self.ports.clock().now().await?,
            holder_dead: self.holder_dead(record.as_deref()),
        }))
    }

    /// What would be done for a lane if it were this, as far as by-name reads tell.
    pub(super) async fn foreseen(
        &self,
        reading: &Reading,
        snapshot: &Record<'_, P>,
        key: &EntityKey,
        content: &DirectContent,
    ) -> Result<Decision, RunError> {
        let record = snapshot.entity(key)?;
        let mut live = Live::default();
        self.look_at(content.objects.iter().map(|(object, _)| object), &mut live).await?;
        Ok(decide_direct(&DirectView {
            key,
            project: &reading.project,
            target: &self.target.name,
            plan_commit: &reading.plan_commit.0,
            content,
            step_content: None,
            record: record.as_deref(),
            live: &live,
            unchanged: &BTreeSet::new(),
            gone: &BTreeSet::new(),
            now: self.ports.clock().now().await?,
            holder_dead: false,
        }))
    }

    async fn decide_rollout(
        &self,
        reading: &Reading,
        snapshot: &Record<'_, P>,
        key: &EntityKey,
        unchanged: &BTreeSet<ObjectRef>,
    ) -> Result<Decision, RunError> {
        let record = snapshot.entity(key)?;
        let decisions = snapshot.decisions(key)?;
        let loaded = reading.loaded()?;
        let rollout = self.rollout_in(loaded, key);
        let mut target_revision = match rollout {
            Some(rollout) => self.wanted_revision(reading, snapshot, rollout)?,
            None => None,
        };
        // What was captured has no names in the plan.
        let taken = rollout.filter(|rollout| rollout.ratio.is_some());
        let taken = taken.and_then(|rollout| Some((rollout, reading.takeovers.get(key)?)));
        let named = match taken {
            None => None,
            Some((_, Err(refusal))) => return Ok(Decision::Refuse(refusal.clone())),
            Some((_, Ok(Way::There))) => return Ok(Decision::Idle(Idle::Done)),
            Some((rollout, Ok(Way::From { source, target }))) => {
                target_revision = Some(target.clone());
                Some(Rollout { source: source.clone(), ..rollout.clone() })
            }
        };
        let rollout = named.as_ref().or(rollout);
        let then = match record.as_ref().and_then(|r| r.step_plan.clone()) {
            Some(commit) => Some(self.loaded(&CommitId(commit))?),
            None => None,
        };
        let step_rollout = then
            .as_ref()
            .and_then(|then| then.as_ref().as_ref().ok())
            .and_then(|then| self.rollout_in(then, key));
        let application = application_key(key, rollout.or(step_rollout), record.as_deref());
        let names = wanted_revisions(
            target_revision.as_deref(),
            rollout.and_then(|r| r.source.as_deref()),
            record.as_deref(),
        );
        let naming = rollout.or(step_rollout).map(|rollout| rollout.naming).unwrap_or_default();
        let mut revisions = BTreeMap::new();
        for name in names {
            let driving = driving(&name, rollout, record.as_deref(), naming);
            if let Some(bodies) = self.revision(reading, snapshot, key, &name, &driving)? {
                revisions.insert(name, bodies);
            }
        }
        let known = match &application {
            Some(a) => known(reading, snapshot, &a.namespace, &a.name)?,
            None => Vec::new(),
        };
        let known: Vec<String> = known.iter().map(|r| r.revision.clone()).collect();
        let mut live = Live::default();
        let rollouts = [rollout, step_rollout].into_iter().flatten();
        let driven = rollouts.flat_map(|rollout| rollout.drives(&key.namespace));
        let driven: Vec<ObjectRef> = driven.map(|driven| driven.object).collect();
        let objects = revisions.values().flat_map(|r| r.bodies.keys());
        self.look_at(objects.chain(&driven), &mut live).await?;
        Ok(decide_rollout(&RolloutView {
            key,
            project: &reading.project,
            target: &self.target.name,
            plan_commit: &reading.plan_commit.0,
            rollout,
            target_revision: target_revision.as_deref(),
            step_rollout,
            released: application.is_some_and(|a| loaded.releases(&a)),
            record: record.as_deref(),
            decisions: &decisions,
            revisions: &revisions,
            known: &known,
            live: &live,
            unchanged,
            now: self.ports.clock().now().await?,
            holder_dead: self.holder_dead(record.as_deref()),
            release: &self.options.release,
        }))
    }

    /// The bodies of a published revision, rendered again from the plan commit
    /// that it was published from; none if there is no such revision, and the
    /// decision says so.
    pub(super) fn revision(
        &self,
        reading: &Reading,
        snapshot: &Record<'_, P>,
        key: &EntityKey,
        name: &str,
        driving: &Driving,
    ) -> Result<Option<Arc<RevisionBodies>>, RunError> {
        let application = ApplicationKey {
            namespace: key.namespace.clone(),
            name: application_of(name).to_owned(),
        };
        let known = known(reading, snapshot, &application.namespace, &application.name)?;
        let Some(revision) = known.iter().find(|r| r.revision == *name) else { return Ok(None) };
        if revision.captured.is_some() {
            return captured(revision).map(Some);
        }
        let loaded = self.loaded(&CommitId(revision.plan_commit.clone()))?;
        let Ok(loaded) = loaded.as_ref() else { return Ok(None) };
        let Some(found) = loaded.made(&application, Some(&revision.digest)) else {
            return Ok(None);
        };
        let Some(plan) = loaded.plan.applications.get(found.index) else { return Ok(None) };
        let component = driving.component.clone().or_else(|| {
            let names: Vec<_> = found.rendered.components.iter().map(|one| &one.name).collect();
            // What a plan says of it numbers no revision: the newest word counts.
            let newest = reading.loaded().ok().and_then(|now| now.application(&application));
            let mut said = newest.into_iter().chain([plan]);
            let rolling = said.find_map(|plan| {
                plan.rolling_components.first().filter(|name| names.contains(name))
            });
            rolling.filter(|_| names.len() > 1).cloned()
        });
        let driving = Driving { component, ..driving.clone() };
        let bodies = found.revision(&driving, name, revision.number);
        bodies.map(Some).map_err(|error| {
            let message = format!("{}: {error}", plan.place);
            RunError::new(super::Class::Invalid, message, "mend the plan")
        })
    }

    fn holder_dead(&self, record: Option<&EntityRecord>) -> bool {
        let open = record.and_then(|r| r.open.as_ref());
        open.is_some_and(|open| self.ports.process().provably_dead(&open.holder))
    }
}

/// The bodies of a revision that was captured: the record is all there is of it,
/// so nothing of it is believed that its digest does not say.
fn captured(revision: &RevisionRecord) -> Result<Arc<RevisionBodies>, RunError> {
    let RevisionRecord { revision: name, number, rendered: digest, .. } = revision;
    let broken = |why: &dyn std::fmt::Display| {
        RunError::new(
            super::Class::Refused,
            format!("revision {name}, which was taken over from the cluster, {why}"),
            "`tranche log` shows who wrote the record; take that commit off the branch",
        )
    };
    let rendered =
        taken_of(revision).ok_or_else(|| broken(&"is not what its digest says: it was edited"))?;
    let driven = (None, Naming::Captured);
    let bodies = RevisionBodies::of(&rendered, driven, name, *number, digest);
    bodies.map(Arc::new).map_err(|error| broken(&error))
}

/// What of a revision is driven. What is under way keeps the components that it
/// began with.
fn driving(
    revision: &str,
    rollout: Option<&Rollout>,
    record: Option<&EntityRecord>,
    naming: Naming,
) -> Driving {
    match record.filter(|record| is_recorded(record, revision)) {
        Some(record) => Driving::recorded(record, naming),
        None => Driving { naming, ..rollout.map(Driving::planned).unwrap_or_default() },
    }
}

/// Whether a record names a revision.
fn is_recorded(record: &EntityRecord, name: &str) -> bool {
    [&record.source, &record.target, &record.stable].into_iter().flatten().any(|r| r.name == name)
}

fn application_key(
    key: &EntityKey,
    rollout: Option<&Rollout>,
    record: Option<&EntityRecord>,
) -> Option<ApplicationKey> {
    let recorded = record.and_then(|r| r.target.as_ref());
    let recorded = recorded.map(|t| application_of(&t.name));
    let name = rollout.map(Rollout::application).or(recorded)?.to_owned();
    Some(ApplicationKey { namespace: key.namespace.clone(), name })
}
