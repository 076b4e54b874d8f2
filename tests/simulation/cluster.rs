//! The cluster as a run sees it: the embedded one, behind a network that
//! loses, delays and lies. Owns where the faults of requests fire.

use crate::faults::Fault;
use crate::schedule::{Event, Handle, Sim};
use serde_json::Value;
use std::sync::Arc;
use tranche::core::object::{KindRef, ObjectRef, at};
use tranche::core::strategy::workload;
use tranche::port::{Access, Cluster, ClusterError, ClusterProblem, WriteMode};

/// A write as it was sent.
#[derive(Clone, Debug)]
pub enum Write {
    Apply { object: ObjectRef, body: Value, mode: WriteMode },
    Delete { object: ObjectRef, uid: String, version: String },
}

/// A write that its sender has given up on, and that may still arrive.
pub struct Flying {
    pub run: String,
    pub write: Write,
}

impl Write {
    pub fn object(&self) -> &ObjectRef {
        match self {
            Self::Apply { object, .. } | Self::Delete { object, .. } => object,
        }
    }

    fn words(&self) -> String {
        match self {
            Self::Apply { object, body, mode } => {
                let mark = body.pointer("/metadata/annotations/tranche.dev~1step");
                let epoch = body.pointer("/metadata/annotations/tranche.dev~1epoch");
                let size = at(body, "/spec/replicas").map(ToString::to_string);
                let mode = match mode {
                    WriteMode::CreateOnly => "create".to_owned(),
                    WriteMode::Exactly { resource_version, .. } => format!("at {resource_version}"),
                    WriteMode::Taking { resource_version, .. } => {
                        format!("taking, at {resource_version}")
                    }
                    WriteMode::Any => "any".to_owned(),
                };
                format!(
                    "apply {object} {mode}, step {} epoch {} replicas {}",
                    mark.and_then(Value::as_str).unwrap_or("-"),
                    epoch.and_then(Value::as_str).unwrap_or("-"),
                    size.unwrap_or_else(|| "-".to_owned())
                )
            }
            Self::Delete { object, version, .. } => format!("delete {object} at {version}"),
        }
    }
}

impl Sim {
    /// Whether a write would still change something that is there: it was sent
    /// for the very state that the object is in. A creation does nothing yet,
    /// and whoever finds it missing creates it.
    pub fn could_land(&self, write: &Write) -> bool {
        let cluster = self.sandbox.cluster();
        let Some(live) = cluster.bare(write.object()) else { return false };
        let text = |key: &str| live.get("metadata")?.get(key)?.as_str();
        let stands = |of: &str, version: &str| {
            text("uid") == Some(of) && text("resourceVersion") == Some(version)
        };
        match write {
            Write::Delete { uid, version, .. } => stands(uid, version),
            Write::Apply { object, body, mode } => {
                let WriteMode::Exactly { uid, resource_version } = mode else { return false };
                stands(uid, resource_version)
                    && cluster.write(object, body, mode, true).is_ok_and(|after| {
                        let fields = |of: &Value| {
                            [of["spec"].clone(), of["metadata"]["annotations"].clone()]
                        };
                        fields(&after) != fields(&live)
                    })
            }
        }
    }

    /// A write arrives and is judged by its preconditions.
    pub fn land(&self, run: &str, write: &Write) -> Result<Arc<Value>, ClusterError> {
        let cluster = self.sandbox.cluster();
        let object = write.object();
        let before = cluster.bare(object);
        let done = match write {
            Write::Apply { body, mode, .. } => cluster.write(object, body, mode, false),
            Write::Delete { uid, version, .. } => {
                cluster.remove(object, Some((uid, version))).map(|()| Arc::new(Value::Null))
            }
        };
        self.say(run, || match &done {
            Ok(gone) if gone.is_null() => format!("   {}: gone", write.words()),
            Ok(stored) => format!("   {}: stored at {}", write.words(), version(stored)),
            Err(error) => format!("   {}: {}", write.words(), error.problem),
        });
        if done.is_ok() {
            let after = cluster.bare(object);
            self.audit.borrow_mut().written(self, run, write, before.as_deref(), after.as_deref());
        }
        done
    }

    /// Remembers what objects were, for reads that lag.
    pub fn remember(&self, changed: &[ObjectRef]) {
        if !self.armed.has(Fault::Stale) {
            return;
        }
        let mut history = self.history.borrow_mut();
        for object in changed.iter().filter(|object| object.kind != "ReplicaSet") {
            let now = self.sandbox.cluster().shared(object);
            // Of pods those are looked at one by one that a DaemonSet has.
            let known = history.contains_key(object);
            if object.kind == "Pod" && !known && !now.as_deref().is_some_and(is_on_node) {
                continue;
            }
            history.entry(object.clone()).or_default().push((self.now.get(), now));
        }
    }

    /// The pods of DaemonSets, or the revisions of their templates, that there were
    /// some seconds ago, and when that was.
    fn stale_all(&self, kind: &KindRef, labels: &[(String, String)]) -> (Vec<Arc<Value>>, u64) {
        let then = self.now.get().saturating_sub(self.between(200, 15_000));
        let history = self.history.borrow();
        let fits = |live: &Arc<Value>| {
            let own = at(live, "/metadata/labels");
            let has = |(key, value): &(String, String)| {
                own.and_then(|own| own.get(key)).and_then(Value::as_str) == Some(value)
            };
            labels.iter().all(has)
        };
        let of_kind = history.iter().filter(|(object, _)| object.kind_ref() == *kind);
        let stood = of_kind.filter_map(|(_, versions)| {
            versions.iter().rev().find(|(since, _)| *since <= then)?.1.clone()
        });
        (stood.filter(fits).collect(), then)
    }

    /// What an object was some seconds ago, and when that was.
    fn stale(&self, object: &ObjectRef) -> (Option<Arc<Value>>, u64) {
        let then = self.now.get().saturating_sub(self.between(200, 15_000));
        let history = self.history.borrow();
        let versions = history.get(object).map(Vec::as_slice).unwrap_or_default();
        let found = versions.iter().rev().find(|(since, _)| *since <= then);
        (found.and_then(|(_, state)| state.clone()), then)
    }
}

/// Whether an object is a pod that a DaemonSet has.
fn is_on_node(pod: &Value) -> bool {
    at(pod, "/metadata/ownerReferences/0/kind").and_then(Value::as_str) == Some("DaemonSet")
}

fn version(object: &Value) -> &str {
    at(object, "/metadata/resourceVersion").and_then(Value::as_str).unwrap_or("?")
}

/// What a trace says of a read object.
fn read_words(found: Option<&Value>) -> String {
    let Some(live) = found else { return "missing".to_owned() };
    let note = |key: &str| {
        let note = at(live, "/metadata/annotations").and_then(|all| all.get(key));
        note.and_then(Value::as_str).unwrap_or("-").to_owned()
    };
    let epoch = note("tranche.dev/epoch");
    match ObjectRef::of(live).and_then(|object| workload::of(&object.kind_ref())) {
        Some(kind) => {
            let pods = kind.read(live);
            let (wanted, ready) = (pods.wanted, pods.ready);
            format!("at {} epoch {epoch} wants {wanted}, ready {ready}", version(live))
        }
        None => format!("at {} epoch {epoch} seq {}", version(live), note("tranche.dev/seq")),
    }
}

pub struct SimCluster(pub Handle);

impl SimCluster {
    fn failed(subject: &impl ToString, problem: ClusterProblem) -> ClusterError {
        ClusterError { subject: subject.to_string(), problem }
    }

    /// The faults that any read can meet.
    async fn reading(&self, subject: &impl ToString) -> Result<(), ClusterError> {
        self.0.ask().await;
        let text = || "simulated".to_owned();
        let problem = if self.0.fires(Fault::ReadUnreachable) {
            ClusterProblem::Unreachable(text())
        } else if self.0.fires(Fault::ReadForbidden) {
            ClusterProblem::Forbidden(text())
        } else if self.0.fires(Fault::NoKind) {
            ClusterProblem::NoKind(text())
        } else if self.0.fires(Fault::Odd) {
            ClusterProblem::Other("<html>".to_owned())
        } else {
            return Ok(());
        };
        Err(Self::failed(subject, problem))
    }

    async fn send(&self, write: Write) -> Result<Arc<Value>, ClusterError> {
        // Where a run stops between a look and its write, or between a
        // creation and what fills it, its step is taken over under its feet.
        let creates = matches!(&write, Write::Apply { mode: WriteMode::CreateOnly, .. });
        self.0.before(write.object().kind != "Lease").await;
        let name = self.0.name();
        let sim = &self.0.sim;
        sim.hit("call: write");
        let object = write.object();
        sim.audit.borrow_mut().sends(sim, &name, &write);
        let text = || "simulated".to_owned();
        if self.0.fires(Fault::Bumped) {
            sim.bump(object);
        }
        let refused = if self.0.fires(Fault::WriteNotSent) {
            Some(ClusterProblem::Unreachable(text()))
        } else if self.0.fires(Fault::WriteForbidden) {
            Some(ClusterProblem::Forbidden(text()))
        } else if self.0.fires(Fault::Denied) {
            Some(ClusterProblem::Invalid("admission webhook denied the request".to_owned()))
        } else if self.0.fires(Fault::WriteLost) {
            Some(ClusterProblem::Unknown(text()))
        } else if self.0.fires(Fault::InFlight) {
            let later = sim.now.get() + sim.between(200, 300_000);
            let write = write.clone();
            sim.at(later, Event::Land(Flying { run: name.clone(), write }));
            sim.meanwhile(later - sim.now.get());
            Some(ClusterProblem::Unknown(text()))
        } else {
            None
        };
        if let Some(problem) = refused {
            self.0.after(creates).await;
            return Err(Self::failed(object, problem));
        }
        let done = sim.land(&name, &write);
        if let Err(error) = &done {
            sim.hit(match error.problem {
                ClusterProblem::Stale(_) => "answer: stale",
                ClusterProblem::Conflict(_) => "answer: ownership conflict",
                ClusterProblem::Invalid(_) => "answer: invalid",
                ClusterProblem::Missing(_) => "answer: missing",
                _ => "answer: another problem",
            });
        }
        let lost = self.0.fires(Fault::AckLost);
        self.0.after(creates).await;
        if lost {
            return Err(Self::failed(object, ClusterProblem::Unknown(text())));
        }
        if let (true, Ok(stored)) = (creates, &done) {
            sim.audit.borrow_mut().looked(&name, stored);
        }
        done
    }
}

impl Cluster for SimCluster {
    async fn namespaced(&self, kind: &KindRef) -> Result<bool, ClusterError> {
        Ok(!matches!(kind.kind.as_str(), "Namespace" | "ClusterRole" | "ClusterRoleBinding"))
    }

    async fn get(&self, object: &ObjectRef) -> Result<Option<Arc<Value>>, ClusterError> {
        // What never changes is not worth a turn.
        if object.kind == "Namespace" {
            return self.0.sim.sandbox.cluster().read(object);
        }
        self.reading(object).await?;
        // What a run has read is news of when it was so.
        let (found, then) = if self.0.fires(Fault::Stale) {
            self.0.sim.stale(object)
        } else {
            (self.0.sim.sandbox.cluster().read(object)?, self.0.sim.now.get())
        };
        self.0.say(|| format!("   get {object}: {}", read_words(found.as_deref())));
        self.0.sim.audit.borrow_mut().read(then, &self.0.name(), object, found.as_deref());
        if let Some(found) = &found {
            self.0.sim.audit.borrow_mut().looked(&self.0.name(), found);
        }
        self.0.pause(1).await;
        Ok(found)
    }

    async fn scan<T>(
        &self,
        kind: &KindRef,
        namespace: Option<&str>,
        labels: &[(String, String)],
        look: &mut dyn FnMut(Arc<Value>) -> Option<T>,
    ) -> Result<Vec<T>, ClusterError> {
        self.reading(kind).await?;
        let mut found = self.0.sim.sandbox.cluster().read_all(kind, namespace, labels)?;
        let mut then = self.0.sim.now.get();
        let listed = matches!(kind.kind.as_str(), "Pod" | "ControllerRevision");
        let stale = self.0.fires(Fault::Stale);
        if stale && listed {
            (found, then) = self.0.sim.stale_all(kind, labels);
        } else if stale {
            let names: Vec<ObjectRef> =
                found.iter().filter_map(|live| ObjectRef::of(live)).collect();
            let older: Vec<_> = names.iter().map(|object| self.0.sim.stale(object)).collect();
            then = older.iter().map(|(_, then)| *then).min().unwrap_or(then);
            found = older.into_iter().filter_map(|(state, _)| state).collect();
        }
        self.0.say(|| format!("   list {kind}: {} objects", found.len()));
        if kind.kind == "ConfigMap" && found.len() > 1 {
            self.0.sim.hit("answer: a list of plain objects");
        }
        let name = self.0.name();
        self.0.sim.audit.borrow_mut().endpoints(then, &name, labels, &found);
        for live in &found {
            if let Some(object) = ObjectRef::of(live) {
                self.0.sim.audit.borrow_mut().read(then, &name, &object, Some(live));
            }
            self.0.sim.audit.borrow_mut().looked(&name, live);
        }
        self.0.pause(1).await;
        Ok(found.into_iter().filter_map(look).collect())
    }

    async fn apply(
        &self,
        object: &ObjectRef,
        body: &Value,
        mode: &WriteMode,
        dry_run: bool,
    ) -> Result<Arc<Value>, ClusterError> {
        if dry_run {
            self.reading(object).await?;
            let done = self.0.sim.sandbox.cluster().write(object, body, mode, true);
            self.0.say(|| format!("   dry-run {object}: {}", done.is_ok()));
            return done;
        }
        let write = Write::Apply { object: object.clone(), body: body.clone(), mode: mode.clone() };
        self.send(write).await
    }

    async fn delete(
        &self,
        object: &ObjectRef,
        uid: &str,
        resource_version: &str,
    ) -> Result<(), ClusterError> {
        let write = Write::Delete {
            object: object.clone(),
            uid: uid.to_owned(),
            version: resource_version.to_owned(),
        };
        self.send(write).await.map(|_| ())
    }

    async fn evict(&self, pod: &ObjectRef, uid: &str, dry_run: bool) -> Result<(), ClusterError> {
        if dry_run {
            self.reading(pod).await?;
            let done = self.0.sim.sandbox.cluster().take_off(pod, uid, true);
            if matches!(&done, Err(error) if matches!(error.problem, ClusterProblem::Budget(_))) {
                self.0.sim.hit("evict: a budget is asked, and says no");
            }
            return done;
        }
        self.0.before(true).await;
        let text = || "simulated".to_owned();
        if self.0.fires(Fault::WriteNotSent) {
            return Err(Self::failed(pod, ClusterProblem::Unreachable(text())));
        }
        if self.0.fires(Fault::WriteLost) {
            return Err(Self::failed(pod, ClusterProblem::Unknown(text())));
        }
        let (name, sim) = (self.0.name(), &self.0.sim);
        let before = sim.sandbox.cluster().bare(pod);
        let done = sim.sandbox.cluster().take_off(pod, uid, false);
        self.0.say(|| match &done {
            Ok(()) => format!("   evict {pod}: gone"),
            Err(error) => format!("   evict {pod}: {}", error.problem),
        });
        match (&done, before) {
            (Ok(()), Some(before)) => sim.audit.borrow_mut().evicted(sim, &name, &before),
            (Err(error), _) => sim.hit(match error.problem {
                ClusterProblem::Budget(_) => "evict: held by a budget",
                _ => "evict: gone already",
            }),
            _ => {}
        }
        let lost = self.0.fires(Fault::AckLost);
        self.0.after(true).await;
        if lost {
            return Err(Self::failed(pod, ClusterProblem::Unknown(text())));
        }
        done
    }

    async fn may(&self, access: &Access) -> Result<bool, ClusterError> {
        self.reading(&access.kind).await?;
        Ok(!self.0.fires(Fault::MayNot))
    }
}
