//! The cluster's whole state in memory, and the one way to change it. Owns
//! resourceVersions, uids, generations, ownership indexes and timers; it must
//! never touch files or read a clock.

use super::controllers;
use super::fields::{after, at, text};
use super::stored::{Stored, Update, add_managed, drop_managed};
use crate::core::digest::Digest;
use crate::core::object::{KindRef, ManagedEntry, ObjectRef, same_managed};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// One transaction of the journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    pub at: Timestamp,
    pub rv: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub put: Vec<Value>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub del: Vec<ObjectRef>,
}

/// The state.
#[derive(Debug)]
pub(super) struct World {
    seed: String,
    now: Timestamp,
    moved: bool,
    rv: u64,
    objects: BTreeMap<ObjectRef, Stored>,
    children: BTreeMap<String, BTreeSet<ObjectRef>>,
    timers: BTreeSet<(Timestamp, ObjectRef)>,
    armed: BTreeMap<ObjectRef, Timestamp>,
    /// What its controller has to look at, by the controllers' order.
    dirty: BTreeSet<(u8, ObjectRef)>,
    touched: BTreeSet<ObjectRef>,
}

/// A controller that keeps writing would never end; no real round comes near.
const MAX_ROUNDS: usize = 1_000_000;

impl World {
    pub(super) fn new(seed: &str, now: Timestamp) -> Self {
        Self {
            seed: seed.to_owned(),
            now,
            moved: false,
            rv: 0,
            objects: BTreeMap::new(),
            children: BTreeMap::new(),
            timers: BTreeSet::new(),
            armed: BTreeMap::new(),
            dirty: BTreeSet::new(),
            touched: BTreeSet::new(),
        }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.now
    }

    pub(super) fn rv(&self) -> u64 {
        self.rv
    }

    /// The whole object, as an answer has it.
    pub(super) fn get(&self, name: &ObjectRef) -> Option<&Value> {
        self.objects.get(name).map(|stored| stored.whole().as_ref())
    }

    /// The object without `managedFields`: all that a controller needs.
    pub(super) fn bare(&self, name: &ObjectRef) -> Option<&Arc<Value>> {
        self.objects.get(name).map(Stored::bare)
    }

    /// The object and its managers.
    pub(super) fn stored(&self, name: &ObjectRef) -> Option<&Stored> {
        self.objects.get(name)
    }

    /// The managers of an object.
    pub(super) fn managed(&self, name: &ObjectRef) -> &[ManagedEntry] {
        self.objects.get(name).map(Stored::managed).unwrap_or_default()
    }

    /// The short hash of a stored object's pod template, made by `hash`.
    pub(super) fn template_hash(
        &self,
        name: &ObjectRef,
        hash: impl FnOnce(&Value) -> String,
    ) -> Option<&str> {
        self.objects.get(name).map(|stored| stored.template_hash(hash))
    }

    /// The object as it is stored, to keep beyond the next write.
    pub(super) fn shared(&self, name: &ObjectRef) -> Option<Arc<Value>> {
        self.objects.get(name).map(|stored| Arc::clone(stored.whole()))
    }

    /// The names of all objects, in order.
    pub(super) fn names(&self) -> impl Iterator<Item = &ObjectRef> {
        self.objects.keys()
    }

    /// All objects of a kind, by namespace and name, without `managedFields`.
    pub(super) fn of_kind<'a>(
        &'a self,
        kind: &'a KindRef,
    ) -> impl Iterator<Item = (&'a ObjectRef, &'a Value)> {
        self.stored_of_kind(kind).map(|(name, object)| (name, object.bare().as_ref()))
    }

    /// The same, with their managers.
    pub(super) fn stored_of_kind(
        &self,
        kind: &KindRef,
    ) -> impl Iterator<Item = (&ObjectRef, &Stored)> + use<'_> {
        let from = ObjectRef::new(kind, None, "");
        let kind = kind.clone();
        self.objects.range(from..).take_while(move |(name, _)| {
            name.api_version == kind.api_version && name.kind == kind.kind
        })
    }

    /// The objects of `kind` that the object with this uid owns, without
    /// `managedFields`.
    pub(super) fn owned(&self, uid: &str, kind: &str) -> Vec<Arc<Value>> {
        let children = self.children.get(uid).into_iter().flatten();
        children
            .filter(|name| name.kind == kind)
            .filter_map(|name| self.bare(name).cloned())
            .collect()
    }

    /// Ten characters that no other call in this cluster returned.
    pub(super) fn unique(&self, salt: &str) -> String {
        let seed = json!([self.seed, self.rv, salt]);
        Digest::of("sandbox-name-v1", &seed).short().chars().take(10).map(safe).collect()
    }

    fn uid(&self, rv: u64) -> String {
        let digest = Digest::of("sandbox-uid-v1", &json!([self.seed, rv]));
        let hex = digest.as_str().trim_start_matches("sha256:");
        let part = |from: usize, to: usize| hex.get(from..to).unwrap_or("0");
        let (a, b, c, d, e) = (part(0, 8), part(8, 12), part(13, 16), part(17, 20), part(20, 32));
        format!("{a}-{b}-4{c}-8{d}-{e}")
    }

    /// Stores an object and its managers (none: those it has), fills in what
    /// the server fills in, and does nothing if nothing differs.
    pub(super) fn put(&mut self, mut object: Value, managed: Option<Vec<ManagedEntry>>) {
        let Some(name) = ObjectRef::of(&object) else { return };
        drop_managed(&mut object);
        let old = self.objects.get(&name);
        let same = old.is_some_and(|old| {
            **old.bare() == object
                && managed.as_ref().is_none_or(|managed| same_managed(managed, old.managed()))
        });
        if !same {
            let managed =
                managed.or_else(|| old.map(|old| old.managed().to_vec())).unwrap_or_default();
            self.put_as(name, object, true, |object| Stored::new(object, managed));
        }
    }

    /// With `counts` a new content is a new generation.
    fn put_as(
        &mut self,
        name: ObjectRef,
        mut object: Value,
        counts: bool,
        stored: impl FnOnce(Value) -> Stored,
    ) -> Arc<Value> {
        self.rv += 1;
        self.stamp(&name, &mut object, self.rv, counts);
        let stored = stored(object);
        let bare = Arc::clone(stored.bare());
        self.store(name, stored);
        bare
    }

    /// What `put` would store, with the version of what is stored.
    pub(super) fn preview(&self, mut object: Value, managed: &[ManagedEntry]) -> Value {
        let Some(name) = ObjectRef::of(&object) else { return object };
        let old = self.objects.get(&name);
        if old.is_some_and(|old| **old.bare() == object && same_managed(managed, old.managed())) {
            add_managed(&mut object, managed);
            return object;
        }
        self.stamp(&name, &mut object, u64::MAX - self.rv, true);
        // Nothing was stored, so a new object has no version yet.
        if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
            match old {
                Some(old) => {
                    let version = old.bare()["metadata"]["resourceVersion"].clone();
                    metadata.insert("resourceVersion".to_owned(), version)
                }
                None => metadata.remove("resourceVersion"),
            };
        }
        add_managed(&mut object, managed);
        object
    }

    fn stamp(&self, name: &ObjectRef, object: &mut Value, rv: u64, counts: bool) {
        let old = self.bare(name).map(Arc::as_ref);
        let generation = match old {
            None => 1,
            Some(old) => {
                let generation = at(old, "/metadata/generation").and_then(Value::as_i64);
                let another = counts && is_another_generation(old, object);
                generation.unwrap_or(1) + i64::from(another)
            }
        };
        let counted = object.get("spec").is_some() && !UNCOUNTED.contains(&name.kind.as_str());
        if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
            for field in ["uid", "creationTimestamp"] {
                let kept = old.and_then(|old| old.get("metadata")).and_then(|m| m.get(field));
                let value = match kept {
                    Some(kept) => kept.clone(),
                    None if field == "uid" => json!(self.uid(rv)),
                    None => json!(self.now),
                };
                metadata.insert(field.to_owned(), value);
            }
            if counted {
                metadata.insert("generation".to_owned(), json!(generation));
            }
            metadata.insert("resourceVersion".to_owned(), json!(rv.to_string()));
        }
    }

    /// Stores an object as written by a manager that does not apply. Returns
    /// what is stored.
    pub(super) fn write(&mut self, object: Value, manager: &str, sub: Option<&str>) -> Arc<Value> {
        let Some(name) = ObjectRef::of(&object) else { return Arc::new(object) };
        let old = self.objects.get(&name);
        if let Some(old) = old.filter(|old| **old.bare() == object) {
            return Arc::clone(old.bare());
        }
        let update = Update::of(name.kind_ref(), old, manager, sub, self.now.to_string());
        // A status is no generation, nor what its writer adds to the metadata.
        self.put_as(name, object, sub != Some("status"), |object| Stored::updated(object, update))
    }

    /// Stores a new status of an object that was read just now.
    pub(super) fn write_status(&mut self, object: &Value, status: Value, manager: &str) {
        if object.get("status") != Some(&status) {
            let mut new = object.clone();
            new["status"] = status;
            self.write(new, manager, Some("status"));
        }
    }

    /// Removes an object at once, whatever it owns.
    pub(super) fn remove(&mut self, name: &ObjectRef) {
        if let Some(old) = self.objects.remove(name) {
            self.rv += 1;
            self.unlink(name, old.bare());
            self.look_at(controllers::watchers(self, name, old.bare()));
            self.disarm(name);
            self.touched.insert(name.clone());
            let orphans = self.children.get(text(old.bare(), "/metadata/uid")).cloned();
            self.look_at(orphans.unwrap_or_default());
        }
    }

    fn store(&mut self, name: ObjectRef, mut object: Stored) {
        let mut watched = false;
        if let Some(old) = self.objects.get(&name).cloned() {
            self.unlink(&name, old.bare());
            // Who looks at an object goes by its name and its labels.
            watched = at(old.bare(), "/metadata/labels") == at(object.bare(), "/metadata/labels");
            self.look_at(controllers::watchers(self, &name, old.bare()));
            object = object.after(&old);
        }
        if !watched {
            self.look_at(controllers::watchers(self, &name, object.bare()));
        }
        for owner in owners(object.bare()) {
            self.children.entry(owner.1).or_default().insert(name.clone());
            self.look_at([owner.0]);
        }
        self.look_at([name.clone()]);
        self.touched.insert(name.clone());
        self.objects.insert(name, object);
    }

    fn unlink(&mut self, name: &ObjectRef, old: &Value) {
        for (owner, uid) in owners(old) {
            if let Some(children) = self.children.get_mut(&uid) {
                children.remove(name);
                if children.is_empty() {
                    self.children.remove(&uid);
                }
            }
            // A Deployment waits for the last old pod of its ReplicaSets.
            let above = self.bare(&owner).map(|owner| owners(owner)).unwrap_or_default();
            self.look_at(above.into_iter().map(|(name, _)| name));
            self.look_at([owner]);
        }
    }

    fn disarm(&mut self, name: &ObjectRef) {
        if let Some(at) = self.armed.remove(name) {
            self.timers.remove(&(at, name.clone()));
        }
    }

    fn arm(&mut self, name: &ObjectRef) {
        self.disarm(name);
        if let Some(at) = controllers::due(self, name).filter(|at| *at > self.now) {
            self.timers.insert((at, name.clone()));
            self.armed.insert(name.clone(), at);
        }
    }

    /// Has the controllers of objects look at them.
    fn look_at(&mut self, names: impl IntoIterator<Item = ObjectRef>) {
        let ranked = names.into_iter().map(|name| (controllers::rank(&name), name));
        self.dirty.extend(ranked);
    }

    /// Runs the controllers until nothing is left to do at this instant.
    pub(super) fn settle(&mut self) {
        for _ in 0..MAX_ROUNDS {
            let Some((_, name)) = self.dirty.pop_first() else { return };
            controllers::reconcile(self, &name);
            self.arm(&name);
        }
    }

    /// Lets time pass up to `to` without anything that happens by itself.
    pub(super) fn rest(&mut self, to: Timestamp) {
        self.dirty.clear();
        self.now = self.now.max(to);
    }

    /// The next instant at which something happens by itself.
    pub(super) fn next_event(&self) -> Option<Timestamp> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// Lets time pass up to `to`, event by event.
    pub(super) fn run_until(&mut self, to: Timestamp) {
        self.settle();
        while let Some(at) = self.next_event().filter(|at| *at <= to) {
            self.now = at;
            while let Some((_, name)) =
                self.timers.first().filter(|(first, _)| *first == at).cloned()
            {
                self.disarm(&name);
                self.look_at([name]);
            }
            self.settle();
        }
        self.now = self.now.max(to);
    }

    /// Time was asked to pass: the journal must say so even if nothing happened.
    pub(super) fn mark_moved(&mut self) {
        self.moved = true;
    }

    /// What has changed since the last call.
    pub(super) fn take_entry(&mut self) -> Option<Entry> {
        let touched = std::mem::take(&mut self.touched);
        if touched.is_empty() && !std::mem::take(&mut self.moved) {
            return None;
        }
        self.moved = false;
        let (there, gone): (Vec<_>, Vec<_>) =
            touched.into_iter().partition(|name| self.objects.contains_key(name));
        let put = there.iter().filter_map(|name| self.get(name).cloned()).collect();
        Some(Entry { at: self.now, rv: self.rv, put, del: gone })
    }

    /// What was touched since the last call, in order.
    pub(super) fn take_touched(&mut self) -> Vec<ObjectRef> {
        self.moved = false;
        std::mem::take(&mut self.touched).into_iter().collect()
    }

    /// Takes over a transaction from the journal.
    pub(super) fn replay(&mut self, entry: Entry) {
        for name in &entry.del {
            self.remove(name);
        }
        for object in entry.put {
            if let Some(name) = ObjectRef::of(&object) {
                self.store(name, Stored::read(object));
            }
        }
        self.rv = entry.rv;
        self.now = self.now.max(entry.at);
        self.touched.clear();
        // Its controllers have run already; only their timers are set again.
        for (_, name) in std::mem::take(&mut self.dirty) {
            self.arm(&name);
        }
    }

    /// The whole state as one transaction.
    pub(super) fn snapshot(&self) -> Entry {
        let put = self.objects.values().map(|object| Value::clone(object.whole())).collect();
        Entry { at: self.now, rv: self.rv, put, del: Vec::new() }
    }

    pub(super) fn seed(&self) -> &str {
        &self.seed
    }

    /// Now plus whole seconds.
    pub(super) fn later(&self, seconds: i64) -> Timestamp {
        after(self.now, seconds)
    }
}

/// Kinds with a spec that the real server keeps no generations of.
const UNCOUNTED: [&str; 4] = ["Lease", "Namespace", "PersistentVolumeClaim", "Service"];

/// A Deployment's annotations are copied to its ReplicaSets, so they count too.
fn is_another_generation(old: &Value, new: &Value) -> bool {
    fn annotations(object: &Value) -> Option<&Map<String, Value>> {
        let found = at(object, "/metadata/annotations").and_then(Value::as_object);
        found.filter(|annotations| !annotations.is_empty())
    }
    let leaving = |object: &Value| object["metadata"].get("deletionTimestamp").is_some();
    old.get("spec") != new.get("spec")
        || leaving(old) != leaving(new)
        || (old["kind"] == "Deployment" && annotations(old) != annotations(new))
}

/// Kubernetes' alphabet for generated names: no vowels, nothing that looks
/// like another character.
pub(super) fn safe(c: char) -> char {
    const ALPHABET: &[u8; 16] = b"bcdfghjklmnpqrst";
    let index = c.to_digit(16).unwrap_or(0) as usize;
    ALPHABET.get(index).copied().map_or('x', char::from)
}

/// The owners of an object and their uids.
pub(super) fn owners(object: &Value) -> Vec<(ObjectRef, String)> {
    let references = at(object, "/metadata/ownerReferences").and_then(Value::as_array);
    let namespace = at(object, "/metadata/namespace").and_then(Value::as_str);
    let owner = |reference: &Value| {
        let kind = KindRef::new(text(reference, "/apiVersion"), text(reference, "/kind"));
        let uid = text(reference, "/uid").to_owned();
        (ObjectRef::new(&kind, namespace, text(reference, "/name")), uid)
    };
    references.map(|list| list.iter().map(owner).collect()).unwrap_or_default()
}
