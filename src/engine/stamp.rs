//! The second act of a takeover: our epoch on every object of the intent that
//! was superseded, so that no late write of its holder can land. Owns that; it
//! must never change anything else of an object, nor decide.

use super::anchor::exactly;
use super::intent::Lock;
use super::outcome::{Class, Halt};
use super::watch::Watch;
use super::work::{Work, out_of_time};
use super::{Engine, RunError};
use crate::core::object::ObjectRef;
use crate::core::strategy::{epoch_of, restamped};
use crate::port::{Clock, Cluster, ClusterError, ClusterProblem, Ports, WriteMode};
use serde_json::{Value, json};

/// How often a stamping begins again.
const MAX_TRIES: u32 = 5;

impl<P: Ports> Engine<'_, P> {
    /// Stamps every object that the open intent names and that exists, by
    /// name, whatever its uid.
    pub(super) async fn stamp(&self, watch: &Watch, work: &mut Work) -> Result<(), Halt> {
        let open = work.record.open.iter();
        let names: Vec<ObjectRef> =
            open.flat_map(|open| &open.objects).map(|named| named.object.clone()).collect();
        let mut left = names;
        for _ in 0..MAX_TRIES {
            let mut found = Vec::new();
            let mut unseen = Vec::new();
            for object in &left {
                if let Some(live) = self.ports.cluster().get(object).await? {
                    found.push((object.clone(), live));
                } else if let Some(lock) = &work.lock
                    && !self.is_gone(object, lock).await?
                {
                    unseen.push(object.clone());
                }
            }
            // Whoever took over from us may have finished, and what stands
            // there now may be somebody else's.
            self.heed_now(watch, work).await?;
            left.clear();
            for (object, live) in found {
                if !self.stamp_one(work, &object, &live).await? {
                    left.push(object);
                }
            }
            left.append(&mut unseen);
            if left.is_empty() {
                return Ok(());
            }
        }
        let names: Vec<String> = left.iter().map(ToString::to_string).collect();
        let message = format!("{}: {} changed under every stamp", work.key, names.join(", "));
        let next = "`tranche apply` again; find out who else writes it (`kubectl get -o yaml \
                    --show-managed-fields`)";
        Err(RunError::new(Class::NotRecorded, message, next).into())
    }

    /// Whether what a GET does not show is not there.
    pub(super) async fn is_gone(
        &self,
        object: &ObjectRef,
        lock: &Lock,
    ) -> Result<bool, ClusterError> {
        let bare = restamped(object, &json!({}), lock.epoch);
        self.is_free(object, &bare).await
    }

    /// Whether nothing is stored under a name. A GET may answer an older state;
    /// of what it shows a write finds out by its precondition, and of what it
    /// does not show the dry-run of a create does: a server looks at what it
    /// stores before it says that nothing may be there, and before it looks at
    /// the content.
    pub(super) async fn is_free(
        &self,
        object: &ObjectRef,
        body: &Value,
    ) -> Result<bool, ClusterError> {
        match self.ports.cluster().apply(object, body, &WriteMode::CreateOnly, true).await {
            Ok(_) => Ok(true),
            Err(error) => match error.problem {
                ClusterProblem::Stale(_) | ClusterProblem::Conflict(_) => Ok(false),
                // A body is refused only where nothing is; and who may not write
                // here has the GET's word alone.
                ClusterProblem::Invalid(_)
                | ClusterProblem::Immutable(_)
                | ClusterProblem::Missing(_)
                | ClusterProblem::NoDryRun(_)
                | ClusterProblem::Forbidden(_) => Ok(true),
                _ => Err(error),
            },
        }
    }

    /// Whether a GET has shown what is stored: the dry-run of a write that
    /// changes nothing tells by its precondition.
    pub(super) async fn is_newest(
        &self,
        object: &ObjectRef,
        live: &Value,
    ) -> Result<bool, ClusterError> {
        let same = restamped(object, live, epoch_of(live).unwrap_or_default());
        match self.ports.cluster().apply(object, &same, &exactly(live), true).await {
            Ok(_) => Ok(true),
            Err(error) => match error.problem {
                // Owners are judged before the version, and what is stored
                // conflicts with nobody.
                ClusterProblem::Stale(_)
                | ClusterProblem::Missing(_)
                | ClusterProblem::Conflict(_) => Ok(false),
                // Who may not write here, or not dry-run, has the GET's word alone.
                ClusterProblem::Invalid(_)
                | ClusterProblem::Immutable(_)
                | ClusterProblem::NoDryRun(_)
                | ClusterProblem::Forbidden(_) => Ok(true),
                _ => Err(error),
            },
        }
    }

    /// One stamp. False if the object has to be looked at again.
    async fn stamp_one(&self, work: &Work, object: &ObjectRef, live: &Value) -> Result<bool, Halt> {
        let Some(lock) = &work.lock else { return Ok(true) };
        match epoch_of(live) {
            Some(newer) if newer > lock.epoch => {
                return Err(Halt::Superseded(format!(
                    "{object} carries epoch {newer}, newer than ours ({}): another run has taken \
                     over",
                    lock.epoch
                )));
            }
            Some(same) if same == lock.epoch => return Ok(true),
            _ => {}
        }
        if out_of_time(lock, self.ports.clock().now().await?) {
            let message = format!("{}: the write lease ended in a takeover", work.key);
            let next = "`tranche apply` again takes it over";
            return Err(RunError::new(Class::NotRecorded, message, next).into());
        }
        let state = restamped(object, live, lock.epoch);
        match self.ports.cluster().apply(object, &state, &exactly(live), false).await {
            Ok(_) => Ok(true),
            Err(error) => match error.problem {
                // What was read conflicts with nobody: it has changed since.
                ClusterProblem::Stale(_)
                | ClusterProblem::Conflict(_)
                | ClusterProblem::Unknown(_) => Ok(false),
                _ => Err(error.into()),
            },
        }
    }
}
