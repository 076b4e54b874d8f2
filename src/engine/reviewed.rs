//! What a saved plan permits, and where the values of its patches come from.
//! Owns that nothing else is begun under one; what is permitted is decided by
//! [`approval`](crate::core::approval).

use super::outcome::Halt;
use super::planned::WORKTREE;
use super::reading::known;
use super::{Class, Engine, Loaded, Reading, RunError};
use crate::core::approval::{SavedObject, Source, leads_back};
use crate::core::decide::{Act, application_of};
use crate::core::model::Member;
use crate::core::object::{KindRef, ObjectRef};
use crate::core::render::ApplicationKey;
use crate::core::secrecy::redacted;
use crate::core::strategy::{Effect, EntityKey, EntityKind, StepId};
use crate::port::{Clock, CommitId, Objects, Ports, Remote};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// What a person does about a plan that is stale.
pub(super) const REVIEW_AGAIN: &str =
    "`tranche plan --out FILE` again, have it reviewed, and apply that file";

/// The part of a saved plan that a run is held to.
#[derive(Clone, Debug, Default)]
pub struct Approved {
    /// The steps that were reviewed.
    pub steps: BTreeSet<StepId>,
    /// The plan commit that was compared with what was reviewed.
    pub plan: String,
    /// The blobs that the values of each object came from in that commit.
    pub sources: BTreeMap<ObjectRef, Vec<Source>>,
}

/// What a saved plan names besides steps and patches.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The project's id.
    pub project: String,
    /// The cluster's uid.
    pub cluster: String,
    /// The record's tip.
    pub record: Option<String>,
    /// The target's time.
    pub now: Timestamp,
}

/// Where the objects of an entity come from.
#[derive(Default)]
struct Origins {
    /// What all of them come from.
    common: BTreeSet<Source>,
    /// What one comes from, by kind and name.
    own: BTreeMap<(KindRef, String), BTreeSet<Source>>,
}

impl Origins {
    fn of(&self, object: &ObjectRef) -> Vec<Source> {
        let own = self.own.get(&(object.kind_ref(), object.name.clone()));
        self.common.iter().chain(own.into_iter().flatten()).cloned().collect()
    }

    fn add(&mut self, object: &ObjectRef, source: Source) {
        let of = self.own.entry((object.kind_ref(), object.name.clone())).or_default();
        of.insert(source);
    }
}

impl<P: Ports> Engine<'_, P> {
    /// The cluster's uid: what tells it from every other.
    ///
    /// # Errors
    /// Fails if it cannot be read.
    pub async fn cluster(&self) -> Result<String, RunError> {
        self.cluster_uid().await
    }

    pub(super) async fn seen(&self, reading: &Reading) -> Result<Seen, RunError> {
        Ok(Seen {
            project: reading.project.clone(),
            cluster: self.cluster_uid().await?,
            record: reading.tip.as_ref().map(|tip| tip.commit.0.clone()),
            now: self.ports.clock().now().await?,
        })
    }

    /// Refuses what was not reviewed. The way back after a failure or an abort
    /// needs no review.
    pub(super) fn was_reviewed(
        &self,
        reading: &Reading,
        key: &EntityKey,
        act: &Act,
    ) -> Result<(), Halt> {
        let Some(approved) = &self.options.approved else { return Ok(()) };
        if leads_back(act.step.kind, act.record.ending) {
            return Ok(());
        }
        // What a lane is follows from this very plan, and from what its members have
        // done by steps that were reviewed.
        if key.kind == EntityKind::Lane
            && (reading.plan_commit.0 == approved.plan || self.only_leaves(reading, key, act)?)
        {
            return Ok(());
        }
        let stale = |message| RunError::new(Class::Stale, message, REVIEW_AGAIN).into();
        if !approved.steps.contains(act.step.id()) {
            let id = act.step.id();
            return Err(stale(format!("{key}: step {id} is not in the plan that was reviewed")));
        }
        if reading.plan_commit.0 == approved.plan {
            return Ok(());
        }
        // The plan has moved on since it was compared. Ids cover all that a step
        // does but for what is not shown.
        let origins = self.origins(reading, key, act)?;
        for effect in &act.step.effects {
            let Effect::Write { object, side, .. } = effect else { continue };
            let Some((body, _)) = act.table.get(*side, object) else { continue };
            if redacted(&object.kind, body) == *body {
                continue;
            }
            let known = approved.sources.get(object).map(Vec::as_slice).unwrap_or_default();
            let other = origins.of(object).into_iter();
            let mut other = other.filter(|now| known.iter().all(|k| k.blob != now.blob));
            if let Some(source) = other.next() {
                return Err(stale(format!(
                    "{key}: {object} has values that are not shown, and {} has changed while this \
                     ran",
                    source.path
                )));
            }
        }
        Ok(())
    }

    /// Names the files that each patch comes from.
    pub(super) fn name_sources(
        &self,
        reading: &Reading,
        key: &EntityKey,
        act: &Act,
        patches: &mut [SavedObject],
    ) -> Result<(), RunError> {
        if patches.is_empty() {
            return Ok(());
        }
        let origins = self.origins(reading, key, act)?;
        for patch in patches {
            patch.sources = origins.of(&patch.object);
        }
        Ok(())
    }

    fn origins(&self, reading: &Reading, key: &EntityKey, act: &Act) -> Result<Origins, RunError> {
        let step_plan = CommitId(act.step_plan.clone());
        let application =
            |name: &str| ApplicationKey { namespace: key.namespace.clone(), name: name.to_owned() };
        let mut origins = Origins::default();
        match key.kind {
            EntityKind::Objects => self.of_documents(&step_plan, key, &mut origins)?,
            EntityKind::Lane => self.of_lane(&step_plan, key, &mut origins)?,
            // Nothing of a Route is secret.
            EntityKind::Route => {}
            EntityKind::Application => {
                self.of_application(&step_plan, &application(&key.name), &mut origins)?;
            }
            EntityKind::Rollout => {
                let snapshot = self.snapshot(reading);
                for revision in [&act.record.source, &act.record.target].into_iter().flatten() {
                    let name = application(application_of(&revision.name));
                    let all = known(reading, &snapshot, &name.namespace, &name.name)?;
                    let Some(found) = all.iter().find(|r| r.revision == revision.name) else {
                        continue;
                    };
                    let commit = CommitId(found.plan_commit.clone());
                    self.of_application(&commit, &name, &mut origins)?;
                }
                self.of_route(&step_plan, key, &mut origins)?;
            }
        }
        Ok(origins)
    }

    fn of_documents(
        &self,
        commit: &CommitId,
        key: &EntityKey,
        origins: &mut Origins,
    ) -> Result<(), RunError> {
        let loaded = self.loaded(commit)?;
        let Ok(loaded) = loaded.as_ref() else { return Ok(()) };
        let Some(plain) = loaded.plain.get(&key.namespace) else { return Ok(()) };
        // Many documents share a file.
        let mut known: BTreeMap<&str, Source> = BTreeMap::new();
        for object in plain.objects.iter().filter_map(|place| loaded.plan.objects.get(*place)) {
            let Some(reference) = ObjectRef::of(&object.body) else { continue };
            let file = object.place.file.as_str();
            let source = match known.get(file) {
                Some(source) => source.clone(),
                None => self.source(commit, file)?,
            };
            known.insert(file, source.clone());
            origins.add(&reference, source);
            for overlay in self.of_overlays(commit, loaded, &reference)? {
                origins.add(&reference, overlay);
            }
        }
        Ok(())
    }

    fn of_application(
        &self,
        commit: &CommitId,
        key: &ApplicationKey,
        origins: &mut Origins,
    ) -> Result<(), RunError> {
        let loaded = self.loaded(commit)?;
        let Ok(loaded) = loaded.as_ref() else { return Ok(()) };
        let found = loaded.made(key, None);
        let index = found.as_ref().map(|application| application.index);
        let plan = index.and_then(|index| loaded.plan.applications.get(index));
        let templates = loaded.plan.templates.iter().map(|template| &template.path);
        for path in plan.iter().map(|plan| &plan.place.file).chain(templates) {
            origins.common.insert(self.source(commit, path)?);
        }
        let rendered = found.as_ref().map(|application| &application.rendered);
        for component in rendered.iter().flat_map(|rendered| &rendered.components) {
            for body in std::iter::once(&component.workload).chain(&component.extras) {
                if let Some(object) = ObjectRef::of(body) {
                    origins.common.extend(self.of_overlays(commit, loaded, &object)?);
                }
            }
        }
        Ok(())
    }

    /// The files of the overlays onto an object.
    fn of_overlays(
        &self,
        commit: &CommitId,
        loaded: &Loaded,
        object: &ObjectRef,
    ) -> Result<Vec<Source>, RunError> {
        let mut placed = object.clone();
        placed.namespace.get_or_insert_with(|| self.target.namespace.clone());
        let overlays = loaded.plan.project.overlays.iter();
        let meant = overlays.filter(|o| o.target == self.target.name && o.object.is(&placed));
        meant.map(|overlay| self.source(commit, overlay.source())).collect()
    }

    /// Whether a lane's step does nothing but let go of members.
    fn only_leaves(&self, reading: &Reading, key: &EntityKey, act: &Act) -> Result<bool, RunError> {
        let Some(before) = self.snapshot(reading).entity(key)? else { return Ok(false) };
        let stays = |member: &Member| before.members.contains(member);
        let (before, after) = (&before.members, &act.record.members);
        Ok(after.len() < before.len() && after.iter().all(stays))
    }

    /// The documents of a lane and of its routes.
    fn of_lane(
        &self,
        commit: &CommitId,
        key: &EntityKey,
        origins: &mut Origins,
    ) -> Result<(), RunError> {
        let loaded = self.loaded(commit)?;
        let Ok(loaded) = loaded.as_ref() else { return Ok(()) };
        let lane = loaded.plan.lanes.iter().find(|lane| self.lane_key(lane) == *key);
        let Some(lane) = lane else { return Ok(()) };
        let files = lane.traffic.routes.iter().filter_map(|route| route.document_file.as_ref());
        for file in files.chain([&lane.place.file]) {
            origins.common.insert(self.source(commit, file)?);
        }
        for route in &lane.traffic.routes {
            let object = route.object(&key.namespace);
            origins.common.extend(self.of_overlays(commit, loaded, &object)?);
        }
        Ok(())
    }

    /// The document of the route that a rollout drives.
    fn of_route(
        &self,
        commit: &CommitId,
        key: &EntityKey,
        origins: &mut Origins,
    ) -> Result<(), RunError> {
        let loaded = self.loaded(commit)?;
        let Ok(loaded) = loaded.as_ref() else { return Ok(()) };
        let rollout = self.rollout_in(loaded, key).into_iter();
        for driven in rollout.flat_map(|rollout| rollout.drives(&key.namespace)) {
            let Some(file) = driven.file else { continue };
            let object = driven.object;
            origins.add(&object, self.source(commit, file)?);
            for overlay in self.of_overlays(commit, loaded, &object)? {
                origins.add(&object, overlay);
            }
        }
        Ok(())
    }

    fn source(&self, commit: &CommitId, path: &str) -> Result<Source, RunError> {
        let blob = if commit.0 == WORKTREE {
            let loaded = self.loaded(commit)?;
            loaded.as_ref().as_ref().ok().and_then(|loaded| loaded.blobs.get(path).cloned())
        } else {
            self.ports.remote().objects().entry(commit, path)?
        };
        Ok(Source { path: path.to_owned(), blob: blob.unwrap_or_default() })
    }
}
