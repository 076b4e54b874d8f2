//! Which kinds a cluster serves. Owns the run's memory of that; it must never
//! take an old answer for a kind's absence.

use super::answer::problem;
use super::path::{Resource, group_version};
use super::request::{Class, Sender};
use crate::core::object::KindRef;
use crate::port::ClusterProblem;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

type Served = BTreeMap<String, Resource>;

/// The kinds of each group and version that was asked for, one request each.
#[derive(Default)]
pub(super) struct Discovery(Mutex<BTreeMap<String, Served>>);

impl Discovery {
    /// How a kind is served. A kind that the memory does not hold is asked
    /// for again: its definition may have come since.
    ///
    /// # Errors
    /// [`ClusterProblem::NoKind`] where it is not served.
    pub(super) async fn find(
        &self,
        sender: &Sender,
        kind: &KindRef,
    ) -> Result<Resource, ClusterProblem> {
        let known =
            self.known().get(&kind.api_version).and_then(|all| all.get(&kind.kind)).cloned();
        if let Some(known) = known {
            return Ok(known);
        }
        let served = ask(sender, kind).await?;
        let found = served.get(&kind.kind).cloned();
        self.known().insert(kind.api_version.clone(), served);
        found.ok_or_else(|| ClusterProblem::NoKind(kind.to_string()))
    }

    /// Forgets a group and version.
    pub(super) fn forget(&self, kind: &KindRef) {
        self.known().remove(&kind.api_version);
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<String, Served>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn ask(sender: &Sender, kind: &KindRef) -> Result<Served, ClusterProblem> {
    let answer = sender.get(&group_version(kind)).await.answer(Class::Read)?;
    match answer.code {
        200 => {}
        404 => return Ok(Served::new()),
        _ => return Err(problem(&answer, Class::Read, false)),
    }
    let list: Value = serde_json::from_slice(&answer.body)
        .map_err(|_| ClusterProblem::Unreachable("the list of kinds is no JSON".to_owned()))?;
    let resources = list.get("resources").and_then(Value::as_array);
    Ok(resources.into_iter().flatten().filter_map(read).collect())
}

fn read(resource: &Value) -> Option<(String, Resource)> {
    let plural = resource.get("name")?.as_str()?;
    // `deployments/scale` and the like are no kinds of their own.
    if plural.contains('/') {
        return None;
    }
    let kind = resource.get("kind")?.as_str()?.to_owned();
    let namespaced = resource.get("namespaced")?.as_bool()?;
    Some((kind, Resource { plural: plural.to_owned(), namespaced }))
}
