//! A revision's objects, prepared for a rollout of one of its components. Owns
//! the names and labels that tell revisions apart; it must never say when an
//! object is written.

use super::routed::revision_number;
use super::workload::{Shape, WorkloadKind, Workloads, set};
use super::{Berth, Part, Routed, Side, Switched};
use crate::core::digest::Digest;
use crate::core::model::Naming;
use crate::core::object::ObjectRef;
use crate::core::render::Rendered;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The label that tells the two sides of a pair apart. Services select the
/// component only, so they never see it.
pub(super) const LABEL_REVISION: &str = "app.oam.dev/revision";

/// One revision's objects: the workload that is rolled and everything beside
/// it.
#[derive(Clone, Debug)]
pub struct RevisionBodies {
    /// The revision's name, `<app>-vN`.
    pub revision: String,
    /// The digest of the revision's rendered objects.
    pub digest: Digest,
    /// The component that is rolled.
    pub component: String,
    /// The workload that is rolled.
    pub workload: ObjectRef,
    /// Its kind.
    pub kind: Arc<WorkloadKind>,
    /// The plan's descriptors of kinds that are among its objects.
    pub workloads: Workloads,
    /// What the workload is called.
    pub naming: Naming,
    /// A digest over its pod template as rendered.
    pub template: Digest,
    /// Its replicas as rendered.
    pub replicas: u32,
    /// Whether the rendering says how many they are.
    pub sized: bool,
    /// The workload in which the revision is tried beside one that keeps its
    /// name.
    pub trial: Option<ObjectRef>,
    /// Every object by name, the workload included.
    pub bodies: BTreeMap<ObjectRef, Arc<Value>>,
    /// All but the workload, in rendered order; neither the route that a
    /// rollout drives nor the revision's own Service are among them.
    pub rest: Vec<ObjectRef>,
    /// Further components that are rolled with it, batch by batch.
    pub parts: Vec<Part>,
    /// What traffic reaches it by, where a rollout drives that.
    pub routed: Option<Routed>,
    /// Where a lane reaches the pods of its trial, where the rollout joins one.
    pub berth: Option<Berth>,
    /// The Services that a rollout switches, which are among the rest.
    pub switched: Option<Switched>,
    /// The ConfigMaps and Secrets that travel with it, and what people called
    /// each.
    pub carried: BTreeMap<ObjectRef, ObjectRef>,
}

/// A revision that cannot be rolled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// The component is not in the application.
    #[error("revision {revision} has no component \"{component}\"; it has {known}")]
    NoComponent {
        /// The revision.
        revision: String,
        /// The component that was asked for.
        component: String,
        /// The components that it has.
        known: String,
    },
    /// No component was named and there are several.
    #[error(
        "revision {revision} has several components ({known}): name the one to roll in \
         `componentList`, or by `app.oam.dev/rolling-components` on the application"
    )]
    WhichComponent {
        /// The revision.
        revision: String,
        /// The components that it has.
        known: String,
    },
    /// A kind that no strategy can drive.
    #[error(
        "component \"{component}\" of revision {revision} is a {kind}, which cannot be rolled; \
         kinds that can be: {known}; docs/templates.md says how a plan describes another one"
    )]
    Kind {
        /// The revision.
        revision: String,
        /// The component.
        component: String,
        /// Its workload's kind.
        kind: String,
        /// The kinds that can be rolled.
        known: String,
    },
    /// An object without a name, or two of one name.
    #[error("revision {revision} renders {what}")]
    Object {
        /// The revision.
        revision: String,
        /// What is wrong.
        what: String,
    },
}

/// Both sides of a rollout.
#[derive(Clone, Debug)]
pub struct Bodies {
    /// The revision that is left, if there is one.
    pub source: Option<Arc<RevisionBodies>>,
    /// The revision that is reached.
    pub target: Arc<RevisionBodies>,
}

impl Bodies {
    /// The revision of a side.
    #[must_use]
    pub fn side(&self, side: Side) -> Option<&RevisionBodies> {
        match side {
            Side::Source => self.source.as_deref(),
            Side::Target => Some(&self.target),
        }
    }
}

/// The one component to roll: the named one, or the only one.
///
/// # Errors
/// Fails if none or several come into question.
pub fn component_of(
    rendered: &Rendered,
    wanted: Option<&str>,
    revision: &str,
) -> Result<usize, BodyError> {
    let names: Vec<&str> = rendered.components.iter().map(|c| c.name.as_str()).collect();
    let known = names.join(", ");
    match wanted {
        Some(name) => names.iter().position(|n| *n == name).ok_or_else(|| BodyError::NoComponent {
            revision: revision.to_owned(),
            component: name.to_owned(),
            known,
        }),
        None if names.len() == 1 => Ok(0),
        None => Err(BodyError::WhichComponent { revision: revision.to_owned(), known }),
    }
}

impl RevisionBodies {
    /// Prepares a rendering for a rollout of `component`. The workload of a
    /// pair is renamed to `<component>-v<number>` and gets the revision label
    /// in selector and pod template; an in-place one stays as rendered, and so
    /// does one whose name is kept.
    ///
    /// # Errors
    /// See [`BodyError`].
    pub fn of(
        rendered: &Rendered,
        (component, naming): (Option<&str>, Naming),
        revision: &str,
        number: u64,
        digest: &Digest,
    ) -> Result<Self, BodyError> {
        let index = component_of(rendered, component, revision)?;
        let mut bodies = BTreeMap::new();
        let mut rest = Vec::new();
        let mut rolled = None;
        for (i, part) in rendered.components.iter().enumerate() {
            if i == index {
                rolled = Some(rolled_workload(
                    Value::clone(&part.workload),
                    &part.name,
                    revision,
                    (number, naming),
                    &rendered.workloads,
                )?);
            } else {
                keep(&mut bodies, &mut rest, &part.workload, revision)?;
            }
            for extra in &part.extras {
                keep(&mut bodies, &mut rest, extra, revision)?;
            }
        }
        let Some((workload, kind, body)) = rolled else {
            return Err(BodyError::Object {
                revision: revision.to_owned(),
                what: "no workload".to_owned(),
            });
        };
        let component =
            rendered.components.get(index).map_or_else(String::new, |part| part.name.clone());
        let replicas = kind.size(&body);
        let sized = kind.replicas.of(&body).is_some_and(|named| !named.is_null());
        let template = kind.template.of(&body).cloned().unwrap_or_default();
        let template = Digest::of("tranche-pod-template-v1", &template);
        bodies.insert(workload.clone(), Arc::new(body));
        Ok(Self {
            revision: revision.to_owned(),
            digest: digest.clone(),
            component,
            workload,
            kind,
            workloads: rendered.workloads.clone(),
            naming,
            template,
            replicas,
            sized,
            trial: None,
            bodies,
            rest,
            parts: Vec::new(),
            routed: None,
            berth: None,
            switched: None,
            carried: BTreeMap::new(),
        })
    }
}

impl RevisionBodies {
    /// Rolls further components together with the first one. What the rendering
    /// does not have is left out: whoever asks for it knows whether it has to.
    ///
    /// # Errors
    /// See [`BodyError`].
    pub fn with(mut self, rendered: &Rendered, names: &[String]) -> Result<Self, BodyError> {
        let number = revision_number(&self.revision);
        for name in names.iter().filter(|name| **name != self.component) {
            let Some(found) = rendered.components.iter().find(|part| part.name == *name) else {
                continue;
            };
            let plain = reference(&found.workload, &self.revision)?;
            let driven = (Some(name.as_str()), self.naming);
            let whole = Self::of(rendered, driven, &self.revision, number, &self.digest)?;
            let Some(body) = whole.bodies.get(&whole.workload).cloned() else { continue };
            self.rest.retain(|object| *object != plain);
            self.bodies.remove(&plain);
            self.bodies.insert(whole.workload.clone(), Arc::clone(&body));
            let bodies = BTreeMap::from([(whole.workload.clone(), body)]);
            let revision = Arc::new(Self { bodies, rest: Vec::new(), ..whole });
            self.parts.push(Part { revision, plain });
        }
        Ok(self)
    }
}

type Rolled = (ObjectRef, Arc<WorkloadKind>, Value);

fn rolled_workload(
    mut body: Value,
    component: &str,
    revision: &str,
    (number, naming): (u64, Naming),
    workloads: &Workloads,
) -> Result<Rolled, BodyError> {
    let object = reference(&body, revision)?;
    let Some(kind) = workloads.of_object(&object) else {
        return Err(BodyError::Kind {
            revision: revision.to_owned(),
            component: component.to_owned(),
            kind: object.kind_ref().to_string(),
            known: workloads.names(),
        });
    };
    if kind.shape == Shape::Pair && naming == Naming::Revision {
        let name = format!("{component}-v{number}");
        set(&mut body, &["metadata", "name"], json!(name));
        if let Some(selector) = &kind.selector {
            set(&mut body, &selector.to(&[LABEL_REVISION]), json!(name));
        }
        let labels = kind.template.to(&["metadata", "labels", LABEL_REVISION]);
        set(&mut body, &labels, json!(name));
    }
    Ok((reference(&body, revision)?, Arc::clone(kind), body))
}

fn keep(
    bodies: &mut BTreeMap<ObjectRef, Arc<Value>>,
    rest: &mut Vec<ObjectRef>,
    body: &Arc<Value>,
    revision: &str,
) -> Result<(), BodyError> {
    let object = reference(body, revision)?;
    if bodies.insert(object.clone(), Arc::clone(body)).is_some() {
        return Err(BodyError::Object {
            revision: revision.to_owned(),
            what: format!("{object} twice"),
        });
    }
    rest.push(object);
    Ok(())
}

fn reference(body: &Value, revision: &str) -> Result<ObjectRef, BodyError> {
    ObjectRef::of(body).ok_or_else(|| BodyError::Object {
        revision: revision.to_owned(),
        what: "an object without apiVersion, kind or name".to_owned(),
    })
}

/// Rendered bodies by side and object: all that a step's writes can refer to.
#[derive(Clone, Debug, Default)]
pub struct BodyTable {
    entries: BTreeMap<(Side, ObjectRef), (Arc<Value>, Digest)>,
    rolled: BTreeSet<ObjectRef>,
    moved: BTreeSet<ObjectRef>,
    uncounted: BTreeSet<ObjectRef>,
    tried: BTreeSet<ObjectRef>,
    workloads: BTreeMap<Side, Workloads>,
    carried: BTreeMap<ObjectRef, ObjectRef>,
}

impl BodyTable {
    /// The bodies of both sides of a rollout.
    #[must_use]
    pub fn of(bodies: &Bodies) -> Self {
        let mut table = Self::default();
        let before: Vec<&ObjectRef> =
            bodies.source.iter().flat_map(|one| one.rolled()).map(|one| &one.workload).collect();
        let on_nodes = bodies.target.rolled().filter(|one| one.kind.shape == Shape::Nodes);
        let new = on_nodes.map(|one| &one.workload).filter(|object| !before.contains(object));
        table.uncounted = new.cloned().collect();
        for side in [Side::Source, Side::Target] {
            let Some(revision) = bodies.side(side) else { continue };
            table.rolled.extend(revision.rolled().map(|one| one.workload.clone()));
            if side == Side::Target {
                table.moved.extend(revision.rolled().map(|one| one.workload.clone()));
            }
            table.rolled.extend(revision.trial.clone());
            table.tried.extend(revision.trial.clone());
            table.workloads.insert(side, revision.workloads.clone());
            table.carried.extend(revision.carried.clone());
            for (object, body) in &revision.bodies {
                let entry = (Arc::clone(body), revision.digest.clone());
                table.entries.insert((side, object.clone()), entry);
            }
        }
        table
    }

    /// The bodies of objects that are applied directly.
    #[must_use]
    pub fn direct(objects: &[(ObjectRef, Arc<Value>)], digest: &Digest) -> Self {
        let entries = objects
            .iter()
            .map(|(object, body)| {
                ((Side::Target, object.clone()), (Arc::clone(body), digest.clone()))
            })
            .collect();
        Self { entries, ..Self::default() }
    }

    /// The same, of objects that a plan's descriptors are about.
    #[must_use]
    pub fn knowing(mut self, workloads: &Workloads) -> Self {
        self.workloads.insert(Side::Target, workloads.clone());
        self
    }

    /// The kinds of workload as one side's plan has them.
    #[must_use]
    pub fn workloads(&self, side: Side) -> &Workloads {
        self.workloads.get(&side).unwrap_or(Workloads::BUILT_IN)
    }

    /// How an object is driven and read on a side, if it is a workload.
    #[must_use]
    pub fn kind(&self, side: Side, object: &ObjectRef) -> Option<&WorkloadKind> {
        self.workloads(side).of_object(object).map(|kind| &**kind)
    }

    /// Rendered body and revision digest of an object on a side.
    #[must_use]
    pub fn get(&self, side: Side, object: &ObjectRef) -> Option<(&Value, &Digest)> {
        self.entries.get(&(side, object.clone())).map(|(body, digest)| (&**body, digest))
    }

    /// What people called an object that travels with a revision.
    #[must_use]
    pub fn plain(&self, object: &ObjectRef) -> Option<&ObjectRef> {
        self.carried.get(object)
    }

    /// Whether an object is a workload whose pods a rollout moves.
    #[must_use]
    pub fn rolls(&self, object: &ObjectRef) -> bool {
        self.rolled.contains(object)
    }

    /// The workloads of the target revision that a rollout moves pods to.
    #[must_use]
    pub fn moved(&self) -> &BTreeSet<ObjectRef> {
        &self.moved
    }

    /// Those of them that have a pod on each node and were in no revision before:
    /// nobody knows how many pods they have until they stand.
    #[must_use]
    pub fn uncounted(&self) -> &BTreeSet<ObjectRef> {
        &self.uncounted
    }

    /// Whether an object is a workload in which a revision is only tried: its
    /// size is nobody's but the rollout's.
    #[must_use]
    pub fn tries(&self, object: &ObjectRef) -> bool {
        self.tried.contains(object)
    }

    /// Every object that either side renders.
    #[must_use]
    pub fn objects(&self) -> Vec<&ObjectRef> {
        let mut all: Vec<&ObjectRef> = self.entries.keys().map(|(_, object)| object).collect();
        all.sort();
        all.dedup();
        all
    }
}
