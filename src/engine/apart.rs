//! Components that a rollout of their own drives. Owns how one is parted from
//! its application: it is rendered with it, labels and all, and then counted,
//! rolled and kept as an application of the component's name would be.

use super::observe::Record;
use super::planned::{Loaded, RenderedApplication};
use super::{Engine, Reading, RunError};
use crate::core::decide::application_of;
use crate::core::digest::Digest;
use crate::core::model::{Application, Plan};
use crate::core::object::ObjectRef;
use crate::core::render::{
    ApplicationKey, Library, Overlays, Rendered, RenderedComponent, WalkedCommit, component_digest,
    rendered_digest,
};
use crate::core::strategy::{EntityKind, Held, Referrers};
use crate::port::{CommitId, Ports};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// Parts components that are rolled by themselves from their applications. An
/// application of which nothing is left goes; one that has nothing else, and the
/// same name, is its component.
pub(super) fn part(
    plan: &Plan,
    library: &Library,
    applications: &mut BTreeMap<ApplicationKey, RenderedApplication>,
    default: &str,
) {
    for rollout in &plan.rollouts {
        let (Some(of), Some(component)) = (&rollout.component_of, &rollout.component) else {
            continue;
        };
        let namespace = rollout.namespace.as_deref().unwrap_or(default).to_owned();
        let key = ApplicationKey { namespace: namespace.clone(), name: component.clone() };
        let of = ApplicationKey { namespace, name: of.clone() };
        if key == of {
            continue;
        }
        let Some(whole) = applications.get(&of) else { continue };
        let Some(made) = component_of(plan, library, whole, component) else { continue };
        let mut rest = Rendered::clone(&whole.rendered);
        rest.components.retain(|one| one.name != *component);
        if rest.components.is_empty() {
            applications.remove(&of);
        } else if let Some(whole) = applications.get_mut(&of) {
            whole.digest = rendered_digest(&rest);
            whole.rendered = Rc::new(rest);
            whole.revisions = Rc::default();
        }
        applications.insert(key, made);
    }
}

/// A component of an application, as it would be by itself; who refers to its
/// configuration is found where that is asked for.
fn component_of(
    plan: &Plan,
    library: &Library,
    whole: &RenderedApplication,
    name: &str,
) -> Option<RenderedApplication> {
    let application: &Application = plan.applications.get(whole.index)?;
    let component = application.components.iter().find(|one| one.name == *name)?;
    let rendered = whole.rendered.components.iter().find(|one| one.name == *name)?;
    let overlays = about(&whole.overlays, rendered);
    let bodies = std::iter::once(&rendered.workload).chain(&rendered.extras);
    let kinds = bodies.filter_map(|body| Some(ObjectRef::of(body)?.kind_ref()));
    let workloads = whole.rendered.workloads.used(kinds);
    let content = component_digest(application, component, library, &workloads, &overlays);
    let rendered = Rendered {
        application: name.to_owned(),
        namespace: whole.rendered.namespace.clone(),
        components: vec![rendered.clone()],
        workloads,
    };
    Some(RenderedApplication {
        index: whole.index,
        digest: rendered_digest(&rendered),
        rendered: Rc::new(rendered),
        content,
        component_of: Some(application.name.clone()),
        overlays,
        version: whole.version,
        held: Held::new(),
        revisions: Rc::default(),
    })
}

/// What others refer to, the other components of its application among them: by
/// itself they are others too.
fn held_beside(whole: &RenderedApplication, name: &str, namespace: &str) -> Held {
    let mut held = whole.held.clone();
    let mut all: Referrers<&str> = Referrers::default();
    for component in &whole.rendered.components {
        for body in std::iter::once(&component.workload).chain(&component.extras) {
            all.add(&component.name.as_str(), namespace, body);
        }
    }
    let own = whole.rendered.components.iter().filter(|component| component.name == name);
    for object in own.flat_map(|one| &one.extras).filter_map(|body| ObjectRef::of(body)) {
        if let Some(who) = all.other(&name, namespace, &object) {
            held.insert(object, who.to_string());
        }
    }
    held
}

/// The overlays that are about a component's objects. Names and kinds are those
/// of all targets.
fn about(overlays: &Overlays, component: &RenderedComponent) -> Overlays {
    let bodies = std::iter::once(&component.workload).chain(&component.extras);
    let objects: Vec<ObjectRef> = bodies.filter_map(|body| ObjectRef::of(body)).collect();
    let meant = |overlay: &Value| {
        let text = |field: &str| overlay.get(field).and_then(Value::as_str);
        objects.iter().any(|one| text("kind") == Some(&one.kind) && text("name") == Some(&one.name))
    };
    let of_target = |all: &Vec<Value>| -> Vec<Value> {
        all.iter().filter(|overlay| meant(overlay)).cloned().collect()
    };
    let all = overlays.iter().map(|(target, all)| (target.clone(), of_target(all)));
    all.filter(|(_, all)| !all.is_empty()).collect()
}

impl Loaded {
    /// What a revision's name stands for at this commit: an application, or a
    /// component, whether or not a rollout of its own drives it here. Where both
    /// could be meant `content` tells.
    pub(super) fn made(
        &self,
        key: &ApplicationKey,
        content: Option<&Digest>,
    ) -> Option<RenderedApplication> {
        let found = self.applications.get(key);
        if let Some(found) = found.filter(|f| content.is_none_or(|due| f.content == *due)) {
            return Some(found.clone());
        }
        let here = self.applications.keys().filter(|of| of.namespace == key.namespace);
        let mut made = here.filter_map(|of| Some((of, self.component(of, &key.name)?)));
        let meant = made.find(|(_, made)| content.is_none_or(|due| made.content == *due));
        let meant = meant.and_then(|(of, made)| {
            let held = held_beside(self.applications.get(of)?, &key.name, &key.namespace);
            Some(RenderedApplication { held, ..made })
        });
        meant.or_else(|| found.cloned())
    }

    /// A component that no rollout of its own drives here, as it would be by
    /// itself; none of an application whose content does not count.
    fn component(&self, of: &ApplicationKey, name: &str) -> Option<RenderedApplication> {
        let whole = self.applications.get(of).filter(|whole| whole.component_of.is_none())?;
        whole.rendered.components.iter().find(|one| one.name == *name)?;
        let application = self.plan.applications.get(whole.index)?;
        if application.publish_version.is_some() {
            return None;
        }
        let library = Library::new(&self.plan.templates).ok()?;
        component_of(&self.plan, &library, whole, name)
    }
}

/// Components that are counted by themselves, and of which application.
pub(super) type Counted = BTreeMap<ApplicationKey, ApplicationKey>;

impl<P: Ports> Engine<'_, P> {
    /// The components that have revisions of their own on the record. Once
    /// counted they are counted on, with a rollout or without: the record could
    /// not be made again else.
    pub(super) fn counted(&self, reading: &Reading) -> Result<Counted, RunError> {
        let snapshot = self.snapshot(reading);
        let mut counted = Counted::new();
        for (namespace, name) in snapshot.applications()? {
            let revisions = snapshot.revisions(&namespace, &name)?;
            let of = revisions.iter().find_map(|revision| revision.component_of.clone());
            if let Some(of) = of.filter(|of| *of != name) {
                let of = ApplicationKey { namespace: namespace.clone(), name: of };
                counted.insert(ApplicationKey { namespace, name }, of);
            }
        }
        Ok(counted)
    }

    /// What a walk is to see of components that are counted by themselves: at
    /// each commit their content, and before all of them that of the published
    /// revisions of their application, for those whose first rollout is `fresh`.
    pub(super) fn parted(
        &self,
        reading: &Reading,
        walked: &mut Vec<WalkedCommit>,
        fresh: &Counted,
        counted: &Counted,
    ) -> Result<(), RunError> {
        for commit in walked.iter_mut() {
            let Some(applications) = &mut commit.applications else { continue };
            let loaded = self.loaded(&CommitId(commit.id.clone()))?;
            let Ok(loaded) = loaded.as_ref() else { continue };
            for (key, of) in fresh.iter().chain(counted) {
                if !applications.iter().any(|(known, _)| known == key)
                    && let Some(made) = loaded.component(of, &key.name)
                {
                    applications.push((key.clone(), made.content));
                }
            }
        }
        let mut before = Vec::new();
        let snapshot = self.snapshot(reading);
        for (key, of) in fresh {
            for revision in snapshot.revisions(&of.namespace, &of.name)? {
                let loaded = self.loaded(&CommitId(revision.plan_commit.clone()))?;
                let Ok(loaded) = loaded.as_ref() else { continue };
                let Some(made) = loaded.component(of, &key.name) else { continue };
                before.push(WalkedCommit {
                    id: revision.plan_commit.clone(),
                    applications: Some(vec![(key.clone(), made.content)]),
                });
            }
        }
        walked.splice(0..0, before);
        Ok(())
    }

    /// The components of an application of which a rollout that the plan has no
    /// more has objects on the cluster. They are not applied as they stand
    /// before `tranche.dev/rollout: none` asks for it: their names, and their
    /// sizes, are others.
    pub(super) fn held_back(
        &self,
        loaded: &Loaded,
        snapshot: &Record<'_, P>,
        key: &ApplicationKey,
    ) -> Result<BTreeSet<String>, RunError> {
        let mut held = BTreeSet::new();
        let Some(application) = loaded.applications.get(key) else { return Ok(held) };
        let plan = loaded.plan.applications.get(application.index);
        if plan.is_none_or(|plan| plan.released) {
            return Ok(held);
        }
        let mut candidates = BTreeSet::new();
        for component in &application.rendered.components {
            let counted = snapshot.revisions(&key.namespace, &component.name)?;
            if counted.iter().any(|revision| revision.component_of.as_ref() == Some(&key.name)) {
                candidates.insert(component.name.as_str());
            }
        }
        if candidates.is_empty() {
            return Ok(held);
        }
        for rollout in snapshot.entities()?.into_iter().filter(|k| k.kind == EntityKind::Rollout) {
            let Some(record) = snapshot.entity(&rollout)? else { continue };
            let target = record.target.as_ref().map(|target| application_of(&target.name));
            let Some(component) = target.filter(|name| candidates.contains(name)) else { continue };
            let here = rollout.namespace == key.namespace
                && record.component_of.as_ref() == Some(&key.name);
            if here && !snapshot.inventory(&rollout)?.objects.is_empty() {
                held.insert(component.to_owned());
            }
        }
        Ok(held)
    }
}
