//! Objects as they are now, by name or by lists. Owns which of the two is asked
//! for; it must never leave an object out because a list did.

use super::concurrently::concurrently;
use super::{Engine, RunError};
use crate::core::decide::Act;
use crate::core::object::{KindRef, Live, ObjectRef};
use crate::core::strategy::{Effect, LABEL_MANAGED_BY, MANAGED_BY};
use crate::port::{Cluster, ClusterError, ClusterProblem, Ports};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Up to so many objects of one kind and namespace are read by name: the list
/// of them may be long for other reasons.
pub(super) const FEW: usize = 3;

impl<P: Ports> Engine<'_, P> {
    /// Reads objects, each once.
    pub(super) async fn look_at(
        &self,
        objects: impl IntoIterator<Item = &ObjectRef>,
        live: &mut Live,
    ) -> Result<(), ClusterError> {
        let mut groups: BTreeMap<(KindRef, Option<&str>), BTreeSet<&ObjectRef>> = BTreeMap::new();
        for object in objects.into_iter().filter(|object| !live.contains(object)) {
            let group = (object.kind_ref(), object.namespace.as_deref());
            groups.entry(group).or_default().insert(object);
        }
        let looks = groups.iter().map(|((kind, namespace), group)| async move {
            let listed = match group.len() > FEW {
                true => self.listed(kind, *namespace, group).await?,
                false => Vec::new(),
            };
            let known: BTreeSet<&ObjectRef> = listed.iter().map(|(object, _)| object).collect();
            let rest = group.iter().filter(|object| !known.contains(**object));
            let rest = rest.map(|object| async move {
                let found = self.read_by_name(object).await?;
                Ok::<_, ClusterError>(found.map(|found| ((*object).clone(), found)))
            });
            let named = concurrently(rest).await;
            let found = listed.into_iter().map(|found| Ok(Some(found))).chain(named);
            found.filter_map(Result::transpose).collect::<Result<Vec<_>, ClusterError>>()
        });
        for found in concurrently(looks).await {
            for (object, found) in found? {
                live.insert(object, found);
            }
        }
        Ok(())
    }

    /// Those of a kind in a namespace that carry our label, which is nearly
    /// always all of them.
    async fn listed(
        &self,
        kind: &KindRef,
        namespace: Option<&str>,
        wanted: &BTreeSet<&ObjectRef>,
    ) -> Result<Vec<(ObjectRef, Arc<Value>)>, ClusterError> {
        let ours = [(LABEL_MANAGED_BY.to_owned(), MANAGED_BY.to_owned())];
        let mut look = |live: Arc<Value>| {
            let name = live.get("metadata")?.get("name")?.as_str()?;
            let object = ObjectRef::new(kind, namespace, name);
            wanted.contains(&object).then_some((object, live))
        };
        match self.ports.cluster().scan(kind, namespace, &ours, &mut look).await {
            // A right to read by name is no right to list.
            Err(error) if matches!(error.problem, ClusterProblem::Forbidden(_)) => Ok(Vec::new()),
            Err(error) if self.is_coming(kind, &error.problem) => Ok(Vec::new()),
            found => found,
        }
    }

    /// An object by its name. Of a kind that is yet to come there is none.
    pub(super) async fn read_by_name(
        &self,
        object: &ObjectRef,
    ) -> Result<Option<Arc<Value>>, ClusterError> {
        match self.ports.cluster().get(object).await {
            Err(error) if self.is_coming(&object.kind_ref(), &error.problem) => Ok(None),
            found => found,
        }
    }

    /// Whether an answer only says that a kind is yet to come by this plan.
    pub(super) fn is_coming(&self, kind: &KindRef, problem: &ClusterProblem) -> bool {
        matches!(problem, ClusterProblem::NoKind(_)) && self.coming.borrow().contains(kind)
    }

    /// Every object of a step that exists.
    pub(super) async fn live_of(&self, act: &Act) -> Result<Live, RunError> {
        let mut live = Live::default();
        self.look_at(act.step.effects.iter().map(Effect::object), &mut live).await?;
        Ok(live)
    }
}
