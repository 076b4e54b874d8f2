//! Taking over what runs on the cluster and is not in the plan. Owns when the
//! cluster is read for that: before an attempt, never in the middle of one, when
//! the record says what there was. What is read is published as a revision like
//! any other, so all that follows comes from git.

use super::observe::Record;
use super::outcome::Halt;
use super::publish::Published;
use super::reading::known;
use super::{Engine, Reading, RunError};
use crate::core::captured::{
    CaptureError, Taken, capture, content, followed, label_of, rendered, workload,
};
use crate::core::decide::{Refusal, RollingState};
use crate::core::model::{ReplicaRatio, Rollout};
use crate::core::object::{KindRef, ObjectRef, at};
use crate::core::record::{Captured, EntityRecord, FORMAT, RevisionRecord};
use crate::core::render::{BUILTIN, Rendered, rendered_digest, revision_name};
use crate::core::strategy::EntityKey;
use crate::port::{Cluster, ClusterError, ClusterProblem, Ports, Progress};
use serde_json::Value;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

/// From where to where every rollout goes that takes over what runs, or why not, as
/// one reading has it. The end of a step is read anew, so none outlives it.
pub(super) type Takeovers = BTreeMap<EntityKey, Result<Way, Refusal>>;

/// Where a rollout goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// What is in production is what the plan says.
    There,
    /// From one revision to another, by their names.
    From { source: Option<String>, target: String },
}

/// Why it cannot be told.
enum Stuck {
    Refused(Refusal),
    Error(RunError),
}

impl From<Refusal> for Stuck {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<RunError> for Stuck {
    fn from(error: RunError) -> Self {
        Self::Error(error)
    }
}

/// One rollout, and what is known of it.
struct Case<'c> {
    key: &'c EntityKey,
    rollout: &'c Rollout,
    ratio: &'c ReplicaRatio,
    record: Option<&'c EntityRecord>,
    known: Vec<Rc<RevisionRecord>>,
    /// What has to be published for it.
    new: Vec<RevisionRecord>,
    plan_commit: &'c str,
}

impl<P: Ports> Engine<'_, P> {
    /// Publishes what the rollouts of a plan take over.
    pub(super) async fn take_over(&self, reading: &mut Reading) -> Result<(), Halt> {
        let (takeovers, new) = self.takeovers(reading).await?;
        reading.takeovers = takeovers;
        let commit = reading.plan_commit.0.clone();
        let published = new.into_iter().map(|record| Published { record, commit: commit.clone() });
        self.push_revisions(reading, published.collect()).await
    }

    /// Where the rollouts stand that take over what runs, and what would be
    /// published for them first.
    pub(super) async fn takeovers(
        &self,
        reading: &Reading,
    ) -> Result<(Takeovers, Vec<RevisionRecord>), RunError> {
        let loaded = reading.loaded()?;
        let snapshot = self.snapshot(reading);
        let (mut all, mut new) = (Takeovers::new(), Vec::new());
        for rollout in &loaded.plan.rollouts {
            let Some(ratio) = &rollout.ratio else { continue };
            let key = self.rollout_key(rollout);
            let record = snapshot.entity(&key)?;
            let record = record.as_deref();
            let known = known(reading, &snapshot, &key.namespace, &ratio.deployment)?;
            let plan_commit = reading.plan_commit.0.as_str();
            let (key, new_here) = (&key, Vec::new());
            let mut case = Case { key, rollout, ratio, record, known, new: new_here, plan_commit };
            let way = match self.way(reading, &snapshot, &mut case).await {
                Ok(way) => Ok(way),
                Err(Stuck::Refused(refusal)) => Err(refusal),
                Err(Stuck::Error(error)) => return Err(error),
            };
            if way.is_ok() {
                new.append(&mut case.new);
            }
            all.insert(key.clone(), way);
        }
        Ok((all, new))
    }

    async fn way(
        &self,
        reading: &Reading,
        snapshot: &Record<'_, P>,
        case: &mut Case<'_>,
    ) -> Result<Way, Stuck> {
        let decisions = snapshot.decisions(case.key)?;
        if let Some(record) = case.record.filter(|record| !record.removed) {
            let stands = Way::From {
                source: record.source.as_ref().map(|source| source.name.clone()),
                target: record.target.as_ref().map(|t| t.name.clone()).unwrap_or_default(),
            };
            let leaves = record.ending.is_some() || decisions.aborts(record.attempt);
            let state = record.status.rolling_state;
            let failed = state == RollingState::RolloutFailed
                && case.wants(record)
                && !decisions.retries(record.attempt);
            // An answer of another attempt would take the place of this one's.
            if record.open.is_some() && !is_under_way(Some(record))
                || is_under_way(Some(record)) && (leaves || case.wants(record))
                || record.undecided.is_some()
                || failed
            {
                return Ok(stands);
            }
            if is_under_way(Some(record)) {
                return case.turned(record);
            }
        }
        self.captured(reading, case).await
    }

    /// What runs now, and what is to follow it.
    async fn captured(&self, reading: &Reading, case: &mut Case<'_>) -> Result<Way, Stuck> {
        let (key, ratio) = (case.key, case.ratio);
        let kind = KindRef::new("v1", "Service");
        let service = ObjectRef::new(&kind, Some(&key.namespace), &ratio.service);
        let Some(live) = self.running(case, &service).await? else {
            return Err(case.refused(
                format!("{service} is not on the cluster"),
                "the Service that reaches what runs has to be there: name it as `service`",
            ));
        };
        let Some(version) = label_of(&live).map(str::to_owned) else {
            return Err(case.refused(
                format!("{service} has no label `version`"),
                format!(
                    "say which version is in production: `kubectl label service {} version=…`",
                    ratio.service
                ),
            ));
        };
        if version == ratio.new_version {
            return Ok(Way::There);
        }
        let object = workload(&key.namespace, &ratio.deployment, &version);
        let next = workload(&key.namespace, &ratio.deployment, &ratio.new_version);
        for object in [&service, &object, &next] {
            if reading.loaded()?.has(object) {
                return Err(case.refused(
                    format!("{object} is in this plan too, so it would have two owners"),
                    "take its document out of the plan: with the annotation `tranche.dev/prune: \
                     never` applied first, it stays on the cluster",
                ));
            }
        }
        let Some(deployment) = self.running(case, &object).await? else {
            return Err(case.refused(
                format!("{object} is not on the cluster, but {service} says `version: {version}`"),
                "the label has to say what runs: mend it, or `deployment` in the plan",
            ));
        };
        self.has_no_autoscaler(case, &object).await?;
        let running = capture(&live, &deployment, ratio).map_err(|error| case.unfit(error))?;
        let following =
            followed(&running, Some(&live), ratio).map_err(|error| case.unfit(error))?;
        let source = case.published(&running, None);
        let target = case.published(&following, Some(&source));
        Ok(Way::From { source: Some(source), target })
    }

    async fn running(
        &self,
        case: &Case<'_>,
        object: &ObjectRef,
    ) -> Result<Option<Arc<Value>>, Stuck> {
        self.ports.cluster().get(object).await.map_err(|error| unread(case, error))
    }

    /// An autoscaler of the Deployment would bring back what each turn takes away.
    async fn has_no_autoscaler(&self, case: &Case<'_>, object: &ObjectRef) -> Result<(), Stuck> {
        let kind = KindRef::new("autoscaling/v2", "HorizontalPodAutoscaler");
        let found = self.ports.cluster().list(&kind, object.namespace.as_deref(), &[]).await;
        let scalers = match found {
            Ok(scalers) => scalers,
            Err(ClusterError { problem: ClusterProblem::Forbidden(why), .. }) => {
                let text =
                    format!("{}: whether {object} has an autoscaler is not known: {why}", case.key);
                self.ports.audience().hear(&Progress::Notice(text));
                return Ok(());
            }
            // A cluster that does not serve them has none.
            Err(ClusterError {
                problem:
                    ClusterProblem::NoKind(_)
                    | ClusterProblem::NotImplemented(_)
                    | ClusterProblem::Other(_),
                ..
            }) => {
                return Ok(());
            }
            Err(error) => return Err(unread(case, error)),
        };
        let of = |scaler: &Value, field: &str, wanted: &str| {
            at(scaler, "/spec/scaleTargetRef").and_then(|of| of.get(field)?.as_str())
                == Some(wanted)
        };
        let scales = |scaler: &&Arc<Value>| {
            of(scaler, "kind", &object.kind) && of(scaler, "name", &object.name)
        };
        let Some(scaler) = scalers.iter().find(scales) else { return Ok(()) };
        let name = at(scaler, "/metadata/name").and_then(Value::as_str).unwrap_or_default();
        Err(case.refused(
            format!("HorizontalPodAutoscaler {name} drives the size of {object}"),
            format!(
                "it would bring back what each turn takes away: delete it for the rollout \
                 (`kubectl delete hpa {name}`), and make it for the new Deployment after it"
            ),
        ))
    }
}

/// Whether an attempt has begun and is not over.
fn is_under_way(record: Option<&EntityRecord>) -> bool {
    record.is_some_and(|record| {
        let state = record.status.rolling_state;
        !record.removed && !state.terminal() && state != RollingState::LocatingTargetApp
    })
}

fn unread(case: &Case<'_>, error: ClusterError) -> Stuck {
    match error.problem {
        ClusterProblem::Forbidden(_) | ClusterProblem::NoKind(_) => case.refused(
            error.to_string(),
            "what is taken over has to be read: grant `get` and `list` by a Role",
        ),
        _ => Stuck::Error(error.into()),
    }
}

impl Case<'_> {
    fn refused(&self, what: impl std::fmt::Display, next: impl Into<String>) -> Stuck {
        let message = format!("{}: {}: {what}", self.rollout.place, self.key);
        Refusal::safety(message, next).into()
    }

    fn unfit(&self, error: CaptureError) -> Stuck {
        self.refused(error.what, error.next)
    }

    fn revision(&self, name: &str) -> Option<&RevisionRecord> {
        self.known.iter().map(AsRef::as_ref).find(|revision| revision.revision == name)
    }

    /// Whether a revision's Service is the one that the plan names.
    fn is_behind(&self, revision: &RevisionRecord) -> bool {
        let service = revision.objects.get(1).and_then(|service| at(service, "/metadata/name"));
        service.and_then(Value::as_str) == Some(&self.ratio.service)
    }

    /// Whether what a record is on its way to is what the plan wants.
    fn wants(&self, record: &EntityRecord) -> bool {
        let target = record.target.as_ref().and_then(|target| self.revision(&target.name));
        let target = target.filter(|target| self.is_behind(target));
        target.and_then(|target| target.captured.as_ref()).is_some_and(|captured| {
            captured.version == self.ratio.new_version
                && captured.image == self.ratio.image
                && captured.container == self.ratio.container
        })
    }

    /// Another version in the plan in the middle of an attempt: it is one of what
    /// was taken over, as the record has it.
    fn turned(&mut self, record: &EntityRecord) -> Result<Way, Stuck> {
        let source = record.source.as_ref().or(record.stable.as_ref());
        let source = source.map(|source| source.name.clone()).unwrap_or_default();
        let found = self.revision(&source).filter(|revision| self.is_behind(revision));
        let found = found.and_then(|revision| {
            Some((taken_of(revision)?, revision.captured.as_ref()?.version.clone()))
        });
        let Some((rendered, version)) = found else {
            let (service, deployment) = (&self.ratio.service, &self.ratio.deployment);
            return Err(self.refused(
                format!(
                    "a rollout from {source} is under way, but the plan names Service {service} \
                     and Deployments {deployment}"
                ),
                "put `service` and `deployment` back as they were; or abort first",
            ));
        };
        if version == self.ratio.new_version {
            return Ok(Way::From { source: Some(source.clone()), target: source });
        }
        let running = Taken { version, rendered };
        let next = followed(&running, None, self.ratio).map_err(|error| self.unfit(error))?;
        let target = self.published(&next, Some(&source));
        Ok(Way::From { source: Some(source), target })
    }

    /// The name of a revision, which is published if there is none of this
    /// content.
    fn published(&mut self, taken: &Taken, after: Option<&str>) -> String {
        let digest = content(taken);
        let ratio = self.ratio;
        let made = after.is_some();
        let captured = Captured {
            version: taken.version.clone(),
            after: after.map(str::to_owned),
            image: ratio.image.clone().filter(|_| made),
            container: ratio.container.clone().filter(|_| made),
        };
        // What runs may be what was made once, and the other way round: who made it
        // says nothing of what it is, but what it was made by is asked for.
        let alike = |revision: &&RevisionRecord| {
            revision.digest == digest
                && revision.captured.as_ref().is_some_and(|known| {
                    !made
                        || (&known.image, &known.container)
                            == (&captured.image, &captured.container)
                })
        };
        let all = || self.known.iter().map(AsRef::as_ref).chain(&self.new);
        if let Some(same) = all().rfind(alike) {
            return same.revision.clone();
        }
        let number = all().map(|revision| revision.number).max().unwrap_or(0) + 1;
        let name = revision_name(&ratio.deployment, number);
        let components = taken.rendered.components.iter();
        let objects = components
            .flat_map(|part| std::iter::once(&part.workload).chain(&part.extras))
            .map(|body| Value::clone(body))
            .collect();
        self.new.push(RevisionRecord {
            format: FORMAT,
            application: ratio.deployment.clone(),
            namespace: self.key.namespace.clone(),
            revision: name.clone(),
            number,
            digest,
            rendered: rendered_digest(&taken.rendered),
            builtins: BUILTIN.version.to_owned(),
            plan_commit: self.plan_commit.to_owned(),
            objects,
            captured: Some(captured),
            component_of: None,
        });
        name
    }
}

/// The objects of a captured revision, if the record has them as they were.
pub(super) fn taken_of(revision: &RevisionRecord) -> Option<Rendered> {
    let of = (revision.application.as_str(), revision.namespace.as_str());
    rendered(of, &revision.objects, &revision.rendered)
}
