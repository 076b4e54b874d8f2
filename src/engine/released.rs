//! What a rollout has left that is over and that the plan has no more. Owns when
//! that may go; it must never let anything go before what takes its place stands.

use super::concurrently::concurrently;
use super::observe::Record;
use super::planned::{Loaded, RenderedApplication};
use super::prune::is_twin;
use super::{Engine, Reading, RunError};
use crate::core::decide::{PruneView, Pruning, RollingState, application_of, decide_prune};
use crate::core::health::{Around, Health, health_of};
use crate::core::object::ObjectRef;
use crate::core::record::{EntityRecord, Owned};
use crate::core::render::ApplicationKey;
use crate::core::strategy::{EntityKey, EntityKind, entity_of};
use crate::port::{Clock, Cluster, ClusterError, Ports};

/// Whose objects a rollout has moved.
struct Moved<'r> {
    /// The application, or the one whose component it is.
    application: ApplicationKey,
    /// The component, where it was rolled by itself.
    component: Option<&'r String>,
}

impl<'r> Moved<'r> {
    fn of(key: &EntityKey, record: &'r EntityRecord) -> Option<Self> {
        let component = record.component_of.as_ref().and(record.component.as_ref());
        let name = match (&record.component_of, &record.target) {
            (Some(of), _) if component.is_some() => of.clone(),
            (None, Some(target)) => application_of(&target.name).to_owned(),
            _ => return None,
        };
        let application = ApplicationKey { namespace: key.namespace.clone(), name };
        Some(Self { application, component })
    }
}

impl<P: Ports> Engine<'_, P> {
    /// What is to be deleted of a rollout that is over and has left the plan. Of a
    /// component that was rolled by itself it goes once neither is in the plan;
    /// and of any once the plan has let go of it and the application stands.
    pub(super) async fn pruning_of_rollout(
        &self,
        reading: &Reading,
        snapshot: &Record<'_, P>,
        key: &EntityKey,
        record: &EntityRecord,
    ) -> Result<Pruning, RunError> {
        let loaded = reading.loaded()?;
        let Some(moved) = Moved::of(key, record).filter(|_| record.removed) else {
            return Ok(Pruning::default());
        };
        let whole = loaded.applications.get(&moved.application);
        let renders = |whole: &&RenderedApplication| {
            let mut components = whole.rendered.components.iter();
            moved.component.is_none_or(|name| components.any(|one| one.name == *name))
        };
        // Whose place it takes; without one the rollout's own word counts.
        let heir = whole.filter(renders);
        let alone = moved.component.is_some_and(|name| {
            let own = ApplicationKey { name: name.clone(), ..moved.application.clone() };
            loaded.applications.contains_key(&own)
        });
        let applied = match heir {
            Some(heir) => self.is_applied(loaded, snapshot, &moved.application, heir)?,
            // With its application a whole rollout stays as it is.
            None => moved.component.is_some(),
        };
        if record.open.is_some() || alone || !applied {
            return Ok(Pruning::default());
        }
        let inventory = snapshot.inventory(key)?;
        let (kept, left): (Vec<&Owned>, Vec<&Owned>) =
            inventory.objects.iter().partition(|owned| loaded.has(&owned.object));
        let rendered: Vec<ObjectRef> =
            heir.into_iter().flat_map(RenderedApplication::objects).collect();
        let reads = left.into_iter().map(|owned| {
            let twins = rendered.iter().filter(|other| is_twin(other, &owned.object));
            (owned, twins.collect::<Vec<_>>())
        });
        let reads = reads.map(|(owned, twins)| async move { self.left(owned, &twins).await });
        let left_out = concurrently(reads).await.into_iter();
        let left_out: Vec<_> =
            left_out.filter_map(Result::transpose).collect::<Result<_, ClusterError>>()?;
        if left_out.is_empty() {
            return Ok(Pruning::default());
        }
        let handed = self.handed(key, kept.iter().copied()).await?;
        if let Some(heir) = heir {
            // A Service, or a route, that is still as the rollout has left it may lead
            // to what is about to go: all of it has to carry another owner's mark.
            let taken_over = handed.len() == kept.len();
            if !taken_over || !self.is_ready(loaded, &moved, heir).await? {
                return Ok(Pruning::default());
            }
        }
        Ok(decide_prune(&PruneView {
            key,
            project: &reading.project,
            target: &self.target.name,
            record,
            owned: inventory.objects.len(),
            left_out: &left_out,
            handed: &handed,
            plan_commit: &reading.plan_commit.0,
            allowed: self.options.allow_prune,
        }))
    }

    /// Whether the plan has let go of an application, no other rollout drives it,
    /// and it was applied as the plan has it.
    fn is_applied(
        &self,
        loaded: &Loaded,
        snapshot: &Record<'_, P>,
        application: &ApplicationKey,
        rendered: &RenderedApplication,
    ) -> Result<bool, RunError> {
        if !loaded.releases(application) {
            return Ok(false);
        }
        if self.driven(loaded, snapshot)?.get(application) == Some(&true) {
            return Ok(false);
        }
        Ok(snapshot.entity(&direct(application))?.is_some_and(|applied| {
            let target = applied.target.as_ref().map(|target| &target.digest);
            let over = applied.status.rolling_state == RollingState::RolloutSucceed;
            over && applied.open.is_none() && target == Some(&rendered.digest)
        }))
    }

    /// Whether the workloads that take the place are their application's, and
    /// healthy now: its record tells of the day on which it was applied, and that
    /// may have been before the rollout began.
    async fn is_ready(
        &self,
        loaded: &Loaded,
        moved: &Moved<'_>,
        heir: &RenderedApplication,
    ) -> Result<bool, RunError> {
        let around = Around {
            rules: &loaded.plan.project.health,
            workloads: Some(&heir.rendered.workloads),
            now: Some(self.ports.clock().now().await?),
            ..Around::default()
        };
        let components = heir.rendered.components.iter();
        let components = components.filter(|c| moved.component.is_none_or(|n| c.name == *n));
        let names: Vec<_> = components.filter_map(|c| ObjectRef::of(&c.workload)).collect();
        let reads = names.iter().map(|name| self.ports.cluster().get(name));
        for (name, live) in names.iter().zip(concurrently(reads).await) {
            let Some(live) = live? else { return Ok(false) };
            let verdict = health_of(name, &live, &around);
            let healthy = verdict.health == Health::Current || verdict.unruled;
            if !healthy || entity_of(&live) != Some(direct(&moved.application)) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// An application as an entity that is applied as it stands.
fn direct(application: &ApplicationKey) -> EntityKey {
    EntityKey {
        kind: EntityKind::Application,
        namespace: application.namespace.clone(),
        name: application.name.clone(),
    }
}
