//! The entities of a target: what the plan has and what the record knows. Owns
//! which there are and in which order they are worked on; it must never say
//! what happens to one.

use super::observe::Record;
use super::planned::{Loaded, RenderedApplication};
use super::reading::known;
use super::{Engine, Reading, RunError, Snapshot};
use crate::core::decide::DirectContent;
use crate::core::model::{Member, Naming, Rollout, TargetRevision};
use crate::core::object::{KindRef, ObjectRef, defines, is_namespaced};
use crate::core::render::ApplicationKey;
use crate::core::strategy::workload::set;
use crate::core::strategy::{EntityKey, EntityKind};
use crate::port::{Cluster, ClusterProblem, CommitId, Ports, Remote};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;

/// The entity name of a namespace's plain objects.
const OBJECTS: &str = "_objects";

impl<P: Ports> Engine<'_, P> {
    /// All entities, in the order in which they are worked on: what brings
    /// namespaces and kinds, plain objects, applications, rollouts. Those of one wave
    /// know nothing of each other.
    pub(super) fn waves(&self, reading: &Reading) -> Result<Vec<Vec<EntityKey>>, RunError> {
        let loaded = reading.loaded()?;
        let mut waves: Vec<(_, Vec<EntityKey>)> = Vec::new();
        for key in self.entities(reading)? {
            // What a rollout records is what its lane goes by, and the other way
            // round.
            let kind = if key.kind == EntityKind::Lane { EntityKind::Rollout } else { key.kind };
            let wave = (!Self::is_ground(loaded, &key), Self::is_left(loaded, &key), kind);
            match waves.last_mut() {
                Some((last, keys)) if *last == wave => keys.push(key),
                _ => waves.push((wave, vec![key])),
            }
        }
        Ok(waves.into_iter().map(|(_, keys)| keys).collect())
    }

    /// All entities: plain objects first, then applications, then rollouts.
    pub(super) fn entities(&self, reading: &Reading) -> Result<Vec<EntityKey>, RunError> {
        let loaded = reading.loaded()?;
        let mut keys = BTreeSet::new();
        keys.extend(loaded.plain.keys().map(|namespace| EntityKey {
            kind: EntityKind::Objects,
            namespace: namespace.clone(),
            name: OBJECTS.to_owned(),
        }));
        let snapshot = self.snapshot(reading);
        let driven = self.driven(loaded, &snapshot)?;
        for key in loaded.applications.keys().filter(|key| is_direct(loaded, &driven, key)) {
            let all = loaded.applications.get(key).map(|a| a.rendered.components.len());
            let held = self.held_back(loaded, &snapshot, key)?;
            if !held.is_empty() && all == Some(held.len()) {
                continue;
            }
            keys.insert(EntityKey {
                kind: EntityKind::Application,
                namespace: key.namespace.clone(),
                name: key.name.clone(),
            });
        }
        keys.extend(loaded.plan.lanes.iter().map(|lane| self.lane_key(lane)));
        keys.extend(loaded.plan.routes.iter().map(|route| self.route_key(route)));
        keys.extend(loaded.plan.rollouts.iter().map(|rollout| self.rollout_key(rollout)));
        keys.extend(self.left_behind(loaded, &snapshot, &driven)?);
        for key in snapshot.entities()? {
            let open =
                || Ok::<_, RunError>(snapshot.entity(&key)?.is_some_and(|r| r.open.is_some()));
            if key.kind == EntityKind::Rollout || open()? {
                keys.insert(key);
            }
        }
        let mut keys: Vec<EntityKey> = keys.into_iter().collect();
        // Namespaces before what lives in them, kinds before what is of them.
        keys.sort_by_key(|key| (!Self::is_ground(loaded, key), Self::is_left(loaded, key)));
        Ok(keys)
    }

    /// Whether an entity is an application that has left a plan with Routes: it
    /// comes last, once no client is led there any more.
    fn is_left(loaded: &Loaded, key: &EntityKey) -> bool {
        let of = ApplicationKey { namespace: key.namespace.clone(), name: key.name.clone() };
        key.kind == EntityKind::Application
            && !loaded.routes.is_empty()
            && !loaded.applications.contains_key(&of)
    }

    /// Whether an entity brings what others need to be created at all.
    fn is_ground(loaded: &Loaded, key: &EntityKey) -> bool {
        key.kind == EntityKind::Objects
            && loaded.plain.get(&key.namespace).is_some_and(|plain| plain.is_ground)
    }

    /// The applications that a rollout drives, or has driven: what it left
    /// stands at its final size, which is not what the application renders, so
    /// it is applied directly only once `tranche.dev/rollout: none` asks for it.
    /// True while the rollout is in the plan or under way.
    pub(super) fn driven(
        &self,
        loaded: &Loaded,
        snapshot: &Record<'_, P>,
    ) -> Result<BTreeMap<ApplicationKey, bool>, RunError> {
        let mut driven = BTreeMap::new();
        for rollout in &loaded.plan.rollouts {
            let namespace = self.rollout_key(rollout).namespace;
            let name = rollout.application().to_owned();
            driven.insert(ApplicationKey { namespace, name }, true);
        }
        for key in snapshot.entities()?.into_iter().filter(|k| k.kind == EntityKind::Rollout) {
            let Some(record) = snapshot.entity(&key)? else { continue };
            for revision in [&record.source, &record.target].into_iter().flatten() {
                let name = crate::core::decide::application_of(&revision.name).to_owned();
                let under_way = !record.removed && !record.status.rolling_state.terminal();
                let key = ApplicationKey { namespace: key.namespace.clone(), name };
                *driven.entry(key).or_default() |= under_way;
            }
        }
        Ok(driven)
    }

    /// The applications, or components of some, that nothing applies though the
    /// plan has them: a rollout that is over and has left the plan had them. In
    /// words, each with what lets go of it.
    pub(super) fn left_alone(&self, reading: &Reading) -> Result<Vec<String>, RunError> {
        let (loaded, snapshot) = (reading.loaded()?, self.snapshot(reading));
        let driven = self.driven(loaded, &snapshot)?;
        let mut told = Vec::new();
        for (key, application) in &loaded.applications {
            let Some(plan) = loaded.plan.applications.get(application.index) else { continue };
            let whole = driven.get(key) == Some(&false) && !plan.released && !plan.template_only;
            let what = match whole {
                true => String::new(),
                false => {
                    let held = self.held_back(loaded, &snapshot, key)?;
                    let names: Vec<String> = held.iter().map(|name| format!("`{name}`")).collect();
                    if names.is_empty() {
                        continue;
                    }
                    format!(", component {}", names.join(", "))
                }
            };
            told.push(format!(
                "{}: application {}/{}{what} stays as its rollout left it, since that has left \
                 the plan: `tranche.dev/rollout: none` on the application applies it as it stands",
                plan.place, key.namespace, key.name
            ));
        }
        Ok(told)
    }

    /// The rollouts that are over and that the plan has no more: what they have
    /// left is its owner's by the newest plan, whatever marks it carries.
    pub(super) fn rollouts_over(
        &self,
        reading: &Reading,
        snapshot: &Record<'_, P>,
    ) -> Result<BTreeSet<EntityKey>, RunError> {
        let loaded = reading.loaded()?;
        let mut gone = BTreeSet::new();
        for key in snapshot.entities()?.into_iter().filter(|k| k.kind == EntityKind::Rollout) {
            let Some(record) = snapshot.entity(&key)? else { continue };
            let over = record.removed || record.status.rolling_state.terminal();
            if over && record.open.is_none() && self.rollout_in(loaded, &key).is_none() {
                gone.insert(key);
            }
        }
        Ok(gone)
    }

    /// The entity of a rollout document.
    pub(super) fn rollout_key(&self, rollout: &Rollout) -> EntityKey {
        EntityKey {
            kind: EntityKind::Rollout,
            namespace: rollout.namespace.clone().unwrap_or_else(|| self.target.namespace.clone()),
            name: rollout.name.clone(),
        }
    }

    /// A rollout document of a plan, by its entity.
    pub(super) fn rollout_in<'l>(
        &self,
        loaded: &'l Loaded,
        key: &EntityKey,
    ) -> Option<&'l Rollout> {
        loaded.plan.rollouts.iter().find(|rollout| self.rollout_key(rollout) == *key)
    }

    /// What rollouts under way drive: their routes, and the workload that one has
    /// claimed, with its Services. What its rollout still names in the plan is no
    /// plain object anyway; this is for rollouts that have vanished, or name
    /// something else now. A new image on all pods at once is what they are there
    /// to prevent.
    pub(super) fn driven_objects(
        &self,
        plan: &Loaded,
        snapshot: &Record<'_, P>,
    ) -> Result<BTreeSet<ObjectRef>, RunError> {
        let mut objects = BTreeSet::new();
        for key in snapshot.entities()?.into_iter().filter(|k| k.kind == EntityKind::Rollout) {
            let Some(record) = snapshot.entity(&key)? else { continue };
            let Some(commit) = record
                .step_plan
                .clone()
                .filter(|_| !record.removed && !record.status.rolling_state.terminal())
            else {
                continue;
            };
            let loaded = self.loaded(&CommitId(commit))?;
            let Ok(loaded) = loaded.as_ref() else { continue };
            let Some(rollout) = self.rollout_in(loaded, &key) else { continue };
            objects.extend(rollout.drives(&key.namespace).into_iter().map(|driven| driven.object));
            let application = ApplicationKey {
                namespace: key.namespace.clone(),
                name: rollout.application().to_owned(),
            };
            if rollout.naming == Naming::Kept && !plan.applications.contains_key(&application) {
                let claimed = loaded.applications.get(&application);
                objects.extend(claimed.into_iter().flat_map(RenderedApplication::objects));
            }
        }
        Ok(objects)
    }

    /// What the plan in force says of an entity that is applied directly. What
    /// a rollout drives is the rollout's, even if the plan no longer says so: a
    /// decision rests on those records too.
    pub(super) async fn content_now(
        &self,
        reading: &Reading,
        snapshot: &Record<'_, P>,
        key: &EntityKey,
    ) -> Result<Option<Rc<DirectContent>>, RunError> {
        let loaded = reading.loaded()?;
        if key.kind == EntityKind::Objects {
            let driven = self.driven_objects(loaded, snapshot)?;
            return self.content(loaded, key, &[], &|object| !driven.contains(object)).await;
        }
        if key.kind == EntityKind::Lane {
            let members = self.members(loaded, snapshot, key)?;
            return Ok(self.lane_content(loaded, key, &members, &|_| true));
        }
        if key.kind == EntityKind::Route {
            return Ok(Self::route_content(loaded, key, &|_| true));
        }
        // Else it is an entity only because it is applied directly; with a step
        // it may have been given to a rollout since.
        if snapshot.entity(key)?.is_some_and(|record| record.open.is_some() || record.removed) {
            let application =
                ApplicationKey { namespace: key.namespace.clone(), name: key.name.clone() };
            if !is_direct(loaded, &self.driven(loaded, snapshot)?, &application) {
                return Ok(None);
            }
        }
        let application =
            ApplicationKey { namespace: key.namespace.clone(), name: key.name.clone() };
        let held = self.held_back(loaded, snapshot, &application)?;
        let of_held = loaded.applications.get(&application).map(|found| {
            let components = found.rendered.components.iter();
            let components = components.filter(|one| held.contains(&one.name));
            let bodies = components.flat_map(|c| std::iter::once(&c.workload).chain(&c.extras));
            bodies.filter_map(|body| ObjectRef::of(body)).collect::<BTreeSet<_>>()
        });
        let of_held = of_held.unwrap_or_default();
        self.content(loaded, key, &[], &|object| !of_held.contains(object)).await
    }

    /// What a plan says of an entity that is applied directly, as far as its
    /// objects are `wanted`; none if it does not have it. Of a lane it depends on
    /// who is in it.
    pub(super) async fn content(
        &self,
        loaded: &Loaded,
        key: &EntityKey,
        members: &[Member],
        wanted: &dyn Fn(&ObjectRef) -> bool,
    ) -> Result<Option<Rc<DirectContent>>, RunError> {
        if key.kind == EntityKind::Objects {
            return self.plain(loaded, key, wanted).await;
        }
        if key.kind == EntityKind::Lane {
            return Ok(self.lane_content(loaded, key, members, wanted));
        }
        if key.kind == EntityKind::Route {
            return Ok(Self::route_content(loaded, key, wanted));
        }
        let application =
            ApplicationKey { namespace: key.namespace.clone(), name: key.name.clone() };
        let Some(found) = loaded.applications.get(&application) else { return Ok(None) };
        let objects = found.bodies().filter_map(|b| Some((ObjectRef::of(b)?, Arc::clone(b))));
        let objects = objects.filter(|(object, _)| wanted(object)).collect();
        let content = DirectContent::rendered(
            &key.name,
            objects,
            found.digest.clone(),
            &loaded.plan.project.health,
        );
        Ok(Some(Rc::new(content.knowing(&found.rendered.workloads))))
    }

    async fn plain(
        &self,
        loaded: &Loaded,
        key: &EntityKey,
        wanted: &dyn Fn(&ObjectRef) -> bool,
    ) -> Result<Option<Rc<DirectContent>>, RunError> {
        let all = self.plain_of(loaded, &key.namespace).await?;
        if all.objects.iter().all(|(object, _)| wanted(object)) {
            return Ok((!all.objects.is_empty()).then_some(all));
        }
        let objects = all.objects.iter().filter(|(object, _)| wanted(object)).cloned().collect();
        let some = DirectContent::plain(objects, &loaded.plan.project.health);
        let some = some.knowing(&loaded.workloads);
        Ok((!some.objects.is_empty()).then(|| Rc::new(some)))
    }

    /// All plain objects of a namespace, put together once.
    async fn plain_of(
        &self,
        loaded: &Loaded,
        namespace: &str,
    ) -> Result<Rc<DirectContent>, RunError> {
        let Some(plain) = loaded.plain.get(namespace) else {
            return Ok(Rc::new(DirectContent::plain(Vec::new(), &loaded.plan.project.health)));
        };
        if let Some(known) = &*plain.content.borrow() {
            return Ok(Rc::clone(known));
        }
        let mut objects = Vec::new();
        for object in plain.objects.iter().filter_map(|place| loaded.plan.objects.get(*place)) {
            let Some(mut reference) = ObjectRef::of(&object.body) else { continue };
            let mut body = Arc::clone(&object.body);
            if !self.is_namespaced(loaded, &reference.kind_ref()).await? {
                reference.namespace = None;
            } else if reference.namespace.is_none() {
                reference.namespace = Some(namespace.to_owned());
                set(Arc::make_mut(&mut body), &["metadata", "namespace"], json!(namespace));
            }
            objects.push((reference, body));
        }
        let content = DirectContent::plain(objects, &loaded.plan.project.health);
        let content = Rc::new(content.knowing(&loaded.workloads));
        *plain.content.borrow_mut() = Some(Rc::clone(&content));
        Ok(content)
    }

    /// Whether objects of a kind live in namespaces. Of one that the cluster does
    /// not serve yet the plan's own definition tells.
    async fn is_namespaced(&self, loaded: &Loaded, kind: &KindRef) -> Result<bool, RunError> {
        match self.ports.cluster().namespaced(kind).await {
            Err(error) if matches!(error.problem, ClusterProblem::NoKind(_)) => {
                let mut bodies = loaded.plan.objects.iter().map(|object| &object.body);
                let Some(definition) = bodies.find(|body| defines(body, kind)) else {
                    return Err(error.into());
                };
                self.coming.borrow_mut().insert(kind.clone());
                Ok(is_namespaced(definition))
            }
            answer => Ok(answer?),
        }
    }

    /// The name of the revision that a rollout wants.
    pub(super) fn wanted_revision(
        &self,
        reading: &Reading,
        snapshot: &Snapshot<'_, <P::Remote as Remote>::Objects>,
        rollout: &Rollout,
    ) -> Result<Option<String>, RunError> {
        let name = match &rollout.target {
            TargetRevision::Named(name) => return Ok(Some(name.clone())),
            TargetRevision::Latest { application } => application,
        };
        let namespace = self.rollout_key(rollout).namespace;
        let key = ApplicationKey { namespace, name: name.clone() };
        let Some(application) = reading.loaded()?.applications.get(&key) else { return Ok(None) };
        let known = known(reading, snapshot, &key.namespace, &key.name)?;
        let same = known.into_iter().rev().find(|r| r.digest == application.content);
        Ok(same.map(|revision| revision.revision.clone()))
    }
}

/// Whether an application is applied directly; `driven` are those that rollouts
/// drive, and whether that is still so.
fn is_direct(
    loaded: &Loaded,
    driven: &BTreeMap<ApplicationKey, bool>,
    key: &ApplicationKey,
) -> bool {
    let index = loaded.applications.get(key).map(|application| application.index);
    let plan = index.and_then(|index| loaded.plan.applications.get(index));
    let template = plan.is_some_and(|application| application.template_only);
    let released = plan.is_some_and(|application| application.released);
    match driven.get(key) {
        Some(true) => false,
        Some(false) => released,
        None => released || !template,
    }
}
