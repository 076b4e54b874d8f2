//! The record against the audit log: what each step says that it wrote was
//! written, once and in that order, and nothing else was.

use super::steps::{End, Record, Step};
use super::writes::{Did, What, Written};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use tranche_lab::Request;

/// The object of an effect that writes.
fn object_of(effect: &str) -> Option<&str> {
    let mut words = effect.split(' ');
    match words.next()? {
        "await" | "call" => None,
        "evict" => words.nth(1),
        _ => words.next(),
    }
}

/// What there is, as the writes so far have made it.
pub struct Standing {
    objects: BTreeSet<String>,
    /// What the Services of a replica ratio say.
    versions: BTreeMap<String, String>,
}

impl Standing {
    /// Before the first run: what somebody else had applied, as `Kind/ns/name`.
    pub fn before(objects: BTreeSet<String>, versions: BTreeMap<String, String>) -> Self {
        Self { objects, versions }
    }
}

/// Holds all writes against all steps.
pub fn agree(
    record: &Record,
    requests: &[Request],
    namespaces: &[String],
    mut standing: Standing,
) -> Written {
    let mut written = Written::default();
    let mut owners: BTreeMap<&str, &str> = BTreeMap::new();
    for step in &record.steps {
        for object in step.effects.iter().filter_map(|effect| object_of(effect)) {
            let owner = owners.entry(object).or_insert(&step.entity);
            assert_eq!(*owner, step.entity, "{object} is of two entities");
        }
    }
    let mut left: BTreeMap<&str, VecDeque<Did>> = BTreeMap::new();
    for did in written.read(requests, namespaces) {
        let owner = owners.get(did.object.as_str());
        let owner = owner.unwrap_or_else(|| panic!("no step has {did:?}"));
        left.entry(owner).or_default().push_back(did);
    }
    for step in &record.steps {
        let queue = left.entry(&step.entity).or_default();
        if !step.entity.starts_with("rollout ") {
            in_waves(step, queue);
        }
        standing.follow(step, queue);
    }
    for (entity, queue) in left {
        assert!(queue.is_empty(), "{entity}: written by no step: {queue:#?}");
    }
    written
}

/// Neighbours of one kind among what is applied as it stands are under way at
/// once: their writes are brought into the order of the step.
fn in_waves(step: &Step, queue: &mut VecDeque<Did>) {
    let mut wave = 0;
    let mut waves = Vec::new();
    for (at, effect) in step.effects.iter().enumerate() {
        let kind = |effect: &str| object_of(effect).map(|o| o.split('/').next().map(str::to_owned));
        if at > 0 && kind(effect) != kind(&step.effects[at - 1]) {
            wave += 1;
        }
        waves.push(wave);
    }
    let place = |did: &Did| match &did.what {
        What::Applied { mark: (id, effect), .. } if *id == step.id => Some(*effect),
        _ => None,
    };
    let mine = queue.iter().take_while(|did| place(did).is_some()).count();
    let mut first: Vec<Did> = queue.drain(..mine).collect();
    let before: Vec<_> = first.iter().filter_map(place).map(|effect| waves[effect]).collect();
    assert!(before.is_sorted(), "{}: kinds out of their order: {first:#?}", step.entity);
    first.sort_by_key(place);
    for did in first.into_iter().rev() {
        queue.push_front(did);
    }
}

impl Standing {
    /// Takes a step's writes from the front of its entity's.
    fn follow(&mut self, step: &Step, queue: &mut VecDeque<Did>) {
        assert!(step.end.is_some(), "it is open at the end: {step:#?}");
        if step.end == Some(End::Unwritten) {
            return;
        }
        for (at, effect) in step.effects.iter().enumerate() {
            let Some(object) = object_of(effect) else { continue };
            if let Err(why) = self.effect(step, at, object, queue) {
                // What comes after it is written by no step.
                let cut = step.end == Some(End::Cut);
                assert!(
                    cut,
                    "effect {at}, {effect}: {why} of {step:#?}\nnext: {:#?}",
                    queue.front()
                );
                return;
            }
        }
    }

    fn effect(
        &mut self,
        step: &Step,
        at: usize,
        object: &str,
        queue: &mut VecDeque<Did>,
    ) -> Result<(), String> {
        let effect = step.effects[at].as_str();
        let stood = self.objects.contains(object);
        if effect.starts_with("delete ") {
            if !stood {
                return Ok(());
            }
            if !next(queue, |did| matches!(did.what, What::Deleted) && did.object == object) {
                return Err("nothing was deleted".to_owned());
            }
            self.objects.remove(object);
            return Ok(());
        }
        if effect.starts_with("evict ") {
            while next(queue, |did| matches!(did.what, What::Evicted) && did.object == object) {}
            return Ok(());
        }
        let mut made = Vec::new();
        while let Some(did) = queue.front() {
            let What::Applied { mark, epoch, made: new } = &did.what else { break };
            if *mark != (step.id.clone(), at) || did.object != object {
                break;
            }
            assert!(
                step.intents.contains(epoch),
                "{did:?} was written under no intent of {step:#?}"
            );
            made.push(*new);
            queue.pop_front();
        }
        let wanted = effect.strip_prefix("relabel ").and_then(|rest| rest.split_once(" to "));
        let says = wanted.is_some_and(|(_, to)| self.versions.get(object).is_some_and(|v| v == to));
        let fits = match made.as_slice() {
            [] => says || (!stood && effect.starts_with("scale ")),
            // What is there is written once.
            [false] => stood && !says,
            // What is not is made without pods, and the same effect goes on to its state.
            [true] | [true, false] => !stood,
            _ => false,
        };
        if !fits {
            return Err(format!("it was there: {stood}; its writes made it: {made:?}"));
        }
        if let Some((_, to)) = wanted {
            self.versions.insert(object.to_owned(), to.to_owned());
        }
        if !made.is_empty() {
            self.objects.insert(object.to_owned());
        }
        Ok(())
    }
}

/// Takes the next write, if it is that.
fn next(queue: &mut VecDeque<Did>, is: impl Fn(&Did) -> bool) -> bool {
    let found = queue.front().is_some_and(is);
    if found {
        queue.pop_front();
    }
    found
}

/// What hooks were asked, by key, against the calls that the record has.
pub fn calls_agree(record: &Record, keys: &[String]) -> usize {
    let mut wanted = BTreeSet::new();
    for step in record.steps.iter().filter(|step| step.end == Some(End::Whole)) {
        let calls = step.effects.iter().enumerate().filter(|(_, e)| e.starts_with("call "));
        wanted.extend(calls.map(|(at, _)| format!("{}/{at}", step.id)));
    }
    let asked: BTreeSet<String> = keys.iter().cloned().collect();
    assert_eq!(asked.len(), keys.len(), "nobody is called twice: {keys:?}");
    assert_eq!(asked, wanted);
    asked.len()
}
