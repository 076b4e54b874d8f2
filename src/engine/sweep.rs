//! One look over the cluster for everything that is applied as it stands: long
//! lists, page by page, of which only what may differ is kept. Owns which
//! objects are read how; it must never decide, and it writes nothing.

use super::concurrently::concurrently;
use super::look::FEW;
use super::trial::Trial;
use super::{Engine, Reading, RunError};
use crate::core::decide::{Act, DirectContent, is_leaving, is_of_any};
use crate::core::object::{KindRef, Live, ObjectRef};
use crate::core::strategy::{
    Driven, Effect, EntityKey, EntityKind, LABEL_MANAGED_BY, MANAGED_BY, settled,
};
use crate::port::{Cluster, ClusterError, ClusterProblem, Ports};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// How often an object is looked at again that changes under its dry-run.
const MOST_LOOKS: u32 = 3;

/// What a sweep has shown. What is in none of the three was missing.
#[derive(Debug, Default)]
pub(super) struct Sweep {
    /// The entities whose objects were looked at.
    pub(super) entities: BTreeSet<EntityKey>,
    /// Objects that differ from what the plan says, as far as can be told.
    pub(super) live: Live,
    /// Objects that are what the plan says: by proof, or by a dry-run.
    pub(super) unchanged: BTreeSet<ObjectRef>,
    /// What the server said to the dry-run of each that differs.
    pub(super) tried: BTreeMap<ObjectRef, Trial>,
}

/// Objects of one kind in one namespace.
#[derive(Default)]
struct Group {
    /// Their rendered bodies by name.
    bodies: BTreeMap<String, Arc<Value>>,
    /// Whose they are.
    of: BTreeSet<EntityKey>,
}

type Groups = BTreeMap<(KindRef, Option<String>), Group>;

/// What is kept of one object.
enum Seen {
    Unchanged(ObjectRef),
    Differs(ObjectRef, Arc<Value>),
}

impl Seen {
    fn name(&self) -> &str {
        match self {
            Self::Unchanged(object) | Self::Differs(object, _) => &object.name,
        }
    }
}

impl Sweep {
    /// Whether the server would take the write of an object.
    pub(super) fn agreed(&self, object: &ObjectRef) -> bool {
        self.tried.get(object).is_some_and(|trial| trial.answer.is_ok())
    }

    /// Every object of a step that exists and may differ: what is as it should be
    /// was not kept.
    pub(super) fn live_of(&self, act: &Act) -> Live {
        let objects = act.step.effects.iter().map(Effect::object);
        objects.filter_map(|o| Some((o.clone(), self.live.shared(o)?))).collect()
    }
}

impl<P: Ports> Engine<'_, P> {
    /// Looks at the objects of all those entities that are applied as they
    /// stand and have no step under way. One that cannot be looked at is left
    /// out: its own decision says why, and holds up no other.
    pub(super) async fn sweep(
        &self,
        reading: &Reading,
        keys: impl IntoIterator<Item = &EntityKey>,
    ) -> Result<Sweep, RunError> {
        let mut sweep = Sweep::default();
        let mut groups = Groups::new();
        let snapshot = self.snapshot(reading);
        for key in keys.into_iter().filter(|key| key.kind != EntityKind::Rollout) {
            if snapshot.entity(key)?.is_some_and(|record| record.open.is_some()) {
                continue;
            }
            if let Ok(Some(content)) = self.content_now(reading, &snapshot, key).await {
                sort_into(&mut groups, key, &content);
                sweep.entities.insert(key.clone());
            }
        }
        let gone = &self.rollouts_over(reading, &snapshot)?;
        let looks = groups.iter().map(|((kind, namespace), group)| async move {
            (group, self.look_over(kind, namespace.as_deref(), group, gone).await)
        });
        for (group, seen) in concurrently(looks).await {
            let Ok(seen) = seen else {
                sweep.entities.retain(|key| !group.of.contains(key));
                continue;
            };
            for seen in seen {
                match seen {
                    Seen::Unchanged(object) => {
                        sweep.unchanged.insert(object);
                    }
                    Seen::Differs(object, live) => sweep.live.insert(object, live),
                }
            }
        }
        self.try_out(reading, &groups, gone, &mut sweep).await;
        Ok(sweep)
    }

    async fn look_over(
        &self,
        kind: &KindRef,
        namespace: Option<&str>,
        group: &Group,
        gone: &BTreeSet<EntityKey>,
    ) -> Result<Vec<Seen>, ClusterError> {
        let mut seen = Vec::new();
        if group.bodies.len() > FEW {
            // First what carries our label, which is nearly always all of it: the
            // namespace may be full of what is none of our business.
            let ours = [(LABEL_MANAGED_BY.to_owned(), MANAGED_BY.to_owned())];
            match self.scan_for((kind, namespace), group, &ours, gone).await {
                Ok(found) if group.bodies.len().saturating_sub(found.len()) > FEW => {
                    return self.scan_for((kind, namespace), group, &[], gone).await;
                }
                Ok(found) => seen = found,
                // A right to read by name is no right to list.
                Err(error) if matches!(error.problem, ClusterProblem::Forbidden(_)) => {}
                Err(error) if self.is_coming(kind, &error.problem) => {}
                Err(error) => return Err(error),
            }
        }
        let known: BTreeSet<&str> = seen.iter().map(Seen::name).collect();
        let rest = group.bodies.iter().filter(|(name, _)| !known.contains(name.as_str()));
        let rest = rest.map(|(name, body)| async move {
            let object = ObjectRef::new(kind, namespace, name);
            let live = self.read_by_name(&object).await?;
            Ok::<_, ClusterError>(live.map(|live| judged(object, live, body, gone)))
        });
        for found in concurrently(rest).await {
            seen.extend(found?);
        }
        Ok(seen)
    }

    async fn scan_for(
        &self,
        (kind, namespace): (&KindRef, Option<&str>),
        group: &Group,
        labels: &[(String, String)],
        gone: &BTreeSet<EntityKey>,
    ) -> Result<Vec<Seen>, ClusterError> {
        let mut look = |live: Arc<Value>| {
            let name = live.get("metadata")?.get("name")?.as_str()?;
            let body = group.bodies.get(name)?;
            Some(judged(ObjectRef::new(kind, namespace, name), live, body, gone))
        };
        self.ports.cluster().scan(kind, namespace, labels, &mut look).await
    }

    /// Asks the server about everything that may differ: only what it would
    /// change does. Of what is being deleted there is nothing to ask.
    async fn try_out(
        &self,
        reading: &Reading,
        groups: &Groups,
        gone: &BTreeSet<EntityKey>,
        sweep: &mut Sweep,
    ) {
        let asked = sweep.live.iter().filter(|(_, live)| !is_leaving(live));
        let known = asked.filter_map(|(object, live)| {
            let group = groups.get(&(object.kind_ref(), object.namespace.clone()))?;
            Some((object.clone(), Arc::clone(live), group, group.bodies.get(&object.name)?))
        });
        let asked = known.map(|(object, live, group, body)| async move {
            let (live, mut stored) = self.tried_newest(&object, live, body).await;
            if let Ok(trial) = &mut stored {
                self.remember(reading, &group.of, &object, trial).await;
            }
            (object, live, group, stored)
        });
        for (object, live, group, stored) in concurrently(asked).await {
            match stored {
                Ok(trial) if !trial.changes(&object, &live) && !is_of_any(&live, gone) => {
                    sweep.live.remove(&object);
                    sweep.unchanged.insert(object);
                }
                Ok(trial) => {
                    sweep.live.insert(object.clone(), live);
                    sweep.tried.insert(object, trial);
                }
                Err(_) => sweep.entities.retain(|key| !group.of.contains(key)),
            }
        }
    }

    /// A trial of what is live now: between a list and the dry-runs of what it
    /// brought some time may go by, and status is written all the time.
    async fn tried_newest(
        &self,
        object: &ObjectRef,
        mut live: Arc<Value>,
        body: &Value,
    ) -> (Arc<Value>, Result<Trial, RunError>) {
        let mut trial = self.tried((object, None), &live, body, &Driven::default()).await;
        for _ in 0..MOST_LOOKS {
            if !trial.as_ref().is_ok_and(Trial::is_stale) {
                break;
            }
            match self.ports.cluster().get(object).await {
                Ok(Some(newer)) => live = newer,
                Ok(None) => break,
                Err(error) => return (live, Err(error.into())),
            }
            trial = self.tried((object, None), &live, body, &Driven::default()).await;
        }
        (live, trial)
    }
}

fn sort_into(groups: &mut Groups, key: &EntityKey, content: &DirectContent) {
    for (object, body) in &content.objects {
        let group = groups.entry((object.kind_ref(), object.namespace.clone())).or_default();
        group.bodies.insert(object.name.clone(), Arc::clone(body));
        if !group.of.contains(key) {
            group.of.insert(key.clone());
        }
    }
}

/// Marks are no difference, unless they are those of an entity that is gone.
fn judged(object: ObjectRef, live: Arc<Value>, body: &Value, gone: &BTreeSet<EntityKey>) -> Seen {
    let is_known = !is_leaving(&live) && !is_of_any(&live, gone);
    if is_known && settled(Some(&live), (&object, None), body, &Driven::default()) {
        Seen::Unchanged(object)
    } else {
        Seen::Differs(object, live)
    }
}
