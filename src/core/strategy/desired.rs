//! The one desired state of an object: rendered fields, driven fields, and
//! our marks. Owns the annotations under `tranche.dev/`; they are never a
//! difference.

use super::workload::{self, VERSION, WorkloadKind, rendered_replicas, set};
use super::{Driven, EntityKey, EntityKind, StepId, StepKind};
use crate::core::diff::Outcome;
use crate::core::digest::Digest;
use crate::core::object::{ObjectRef, at, extract, owned_by, proven, unchanged};
use crate::core::ownership::{Contested, Yielded, yielded};
use crate::core::traffic;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// The prefix of all our annotations.
pub const ANNOTATION_PREFIX: &str = "tranche.dev/";
/// `<step id>/<effect>` of the last write.
pub const ANNOTATION_STEP: &str = "tranche.dev/step";
/// The fencing token: the sequence number of the intent that wrote last.
pub const ANNOTATION_EPOCH: &str = "tranche.dev/epoch";
/// The rendered digest (short) of the revision the object is of.
pub const ANNOTATION_REVISION: &str = "tranche.dev/revision";
/// The entity that owns the object.
pub const ANNOTATION_ENTITY: &str = "tranche.dev/entity";
/// Where a workload's size is, unless its kind says otherwise.
const REPLICAS: &[&str] = &["spec", "replicas"];

/// Every mark that a write leaves.
const MARKS: [&str; 4] =
    [ANNOTATION_STEP, ANNOTATION_EPOCH, ANNOTATION_REVISION, ANNOTATION_ENTITY];
/// The label by which objects of ours are found.
pub const LABEL_MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// Its value.
pub const MANAGED_BY: &str = "tranche";

/// What a write leaves on the object besides its state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp<'a> {
    /// The step.
    pub step: &'a StepId,
    /// The effect's index in it.
    pub effect: usize,
    /// The fencing token.
    pub epoch: u64,
    /// The owner.
    pub entity: &'a EntityKey,
    /// The rendered digest of the revision.
    pub revision: &'a Digest,
}

/// The field manager of every write.
pub const FIELD_MANAGER: &str = "tranche";

/// The state that a write would bring about, with the marks that the live
/// object has: what is left is what the write is about.
#[must_use]
pub fn unmarked(live: &Value, kind: Option<&WorkloadKind>, body: &Value, driven: &Driven) -> Value {
    let mut state = encoded(body);
    workload::drive(&mut state, kind, driven);
    let mut metadata = state.get_mut("metadata").map(Value::take).unwrap_or_default();
    mark(&mut metadata, live);
    set(&mut state, &["metadata"], metadata);
    state
}

/// Whether a live object certainly is what a write would make of it, our marks
/// aside. Where it cannot be proven (the server fills in fields inside a list
/// that is replaced whole) the answer is no, and a dry-run tells.
#[must_use]
pub fn settled(
    live: Option<&Value>,
    (object, kind): (&ObjectRef, Option<&WorkloadKind>),
    body: &Value,
    driven: &Driven,
) -> bool {
    live.is_some_and(|live| {
        if as_applied(live, object, body, driven) {
            return true;
        }
        let state = unmarked(live, kind, body, driven);
        unchanged(live, &state, FIELD_MANAGER) || {
            let beside = beside_others((object, kind), live, state, driven, StepKind::Settle);
            let kept = |field: &Contested| field.outcome == Outcome::Kept;
            !beside.contested.is_empty()
                && beside.contested.iter().all(kept)
                && unchanged(live, &beside.state, FIELD_MANAGER)
        }
    })
}

/// A rendered body; of a Secret with its `stringData` in `data`, as the server
/// keeps it. Who applies `stringData` owns nothing of what is kept, and so could
/// take no key away again. What is no text there is left to the server to refuse.
fn encoded(body: &Value) -> Value {
    let mut state = body.clone();
    let secret = ["kind", "apiVersion"].map(|name| body.get(name).and_then(Value::as_str));
    if secret != [Some("Secret"), Some("v1")] {
        return state;
    }
    let Some(plain) = body.get("stringData").and_then(Value::as_object) else { return state };
    let data = body.get("data").is_none_or(|data| data.is_null() || data.is_object());
    if !data || !plain.values().all(Value::is_string) {
        return state;
    }
    if let Some(state) = state.as_object_mut() {
        state.remove("stringData");
    }
    for (name, value) in plain {
        let text = value.as_str().unwrap_or_default();
        set(&mut state, &["data", name], json!(STANDARD.encode(text)));
    }
    state
}

/// What of a desired state is applied over a live object: see [`yielded`]. The
/// way back takes the size of what it brings back over: whoever has made it
/// smaller meant another rollout than the one that is given up.
#[must_use]
pub fn beside_others(
    (object, kind): (&ObjectRef, Option<&WorkloadKind>),
    live: &Value,
    state: Value,
    driven: &Driven,
    step: StepKind,
) -> Yielded {
    let size = kind.map_or_else(|| REPLICAS.to_vec(), |kind| kind.replicas.keys());
    let partition = kind.and_then(|kind| kind.partition.as_ref()).map(|path| path.keys());
    let pods =
        [driven.replicas.and(Some(size.as_slice())), driven.partition.and(partition.as_deref())];
    let mut fields: Vec<&[&str]> = pods.into_iter().flatten().collect();
    if driven.nodes.is_some() {
        fields.push(&["spec", "updateStrategy", "type"]);
    }
    if driven.split.is_some() {
        fields.extend(traffic::driven_fields(object));
    }
    if driven.pin.is_some() {
        fields.extend(traffic::PINNED_FIELDS);
    }
    if driven.version.is_some() {
        fields.push(VERSION);
    }
    let replicas = kind.map_or_else(|| rendered_replicas(live), |kind| kind.size(live));
    let grows = driven.replicas.is_some_and(|wanted| wanted > replicas);
    let restored: &[&[&str]] = match step {
        _ if driven.takes => &[&size, VERSION],
        StepKind::Abort if grows => &[&size],
        _ => &[],
    };
    yielded(object, live, state, FIELD_MANAGER, (&fields, restored))
}

/// The short way, for what nothing drives: most of what is looked at is as it
/// was applied, and putting its state together is most of the work.
fn as_applied(live: &Value, object: &ObjectRef, body: &Value, driven: &Driven) -> bool {
    if *driven != Driven::default() || ObjectRef::of(live).as_ref() != Some(object) {
        return false;
    }
    let mut metadata = body.get("metadata").cloned().unwrap_or_default();
    mark(&mut metadata, live);
    proven(&object.kind_ref(), live, body, &metadata, FIELD_MANAGER)
}

/// Gives metadata our label and the marks that a live object has.
fn mark(metadata: &mut Value, live: &Value) {
    let marks = at(live, "/metadata/annotations").and_then(Value::as_object);
    for (key, value) in marks.into_iter().flatten() {
        if MARKS.contains(&key.as_str()) {
            set(metadata, &["annotations", key], value.clone());
        }
    }
    set(metadata, &["labels", LABEL_MANAGED_BY], json!(MANAGED_BY));
}

/// The whole desired state of an object at one effect.
#[must_use]
pub fn desired(
    kind: Option<&WorkloadKind>,
    body: &Value,
    driven: &Driven,
    stamp: &Stamp<'_>,
) -> Value {
    let mut state = encoded(body);
    workload::drive(&mut state, kind, driven);
    let entity = format!("{}/{}/{}", stamp.entity.kind, stamp.entity.namespace, stamp.entity.name);
    let annotations = [
        (ANNOTATION_STEP, format!("{}/{}", stamp.step, stamp.effect)),
        (ANNOTATION_EPOCH, stamp.epoch.to_string()),
        (ANNOTATION_REVISION, stamp.revision.short().to_owned()),
        (ANNOTATION_ENTITY, entity),
    ];
    for (key, value) in annotations {
        set(&mut state, &["metadata", "annotations", key], json!(value));
    }
    set(&mut state, &["metadata", "labels", LABEL_MANAGED_BY], json!(MANAGED_BY));
    state
}

/// A live object with another fencing token and nothing else changed: the live
/// values of all fields that we own there. An apply of it makes every write
/// that was conditional on what is live now fail, and does nothing besides.
#[must_use]
pub fn restamped(object: &ObjectRef, live: &Value, epoch: u64) -> Value {
    let mut state = extract(live, &owned_by(live, FIELD_MANAGER));
    for (field, value) in [("apiVersion", &object.api_version), ("kind", &object.kind)] {
        set(&mut state, &[field], json!(value));
    }
    set(&mut state, &["metadata", "name"], json!(object.name));
    if let Some(namespace) = &object.namespace {
        set(&mut state, &["metadata", "namespace"], json!(namespace));
    }
    set(&mut state, &["metadata", "annotations", ANNOTATION_EPOCH], json!(epoch.to_string()));
    state
}

fn annotation<'a>(live: &'a Value, key: &str) -> Option<&'a str> {
    live.get("metadata")?.get("annotations")?.get(key)?.as_str()
}

/// The fencing token on a live object; none on one that is not ours.
#[must_use]
pub fn epoch_of(live: &Value) -> Option<u64> {
    annotation(live, ANNOTATION_EPOCH)?.parse().ok()
}

/// The entity that a live object says it belongs to.
#[must_use]
pub fn entity_of(live: &Value) -> Option<EntityKey> {
    let mut parts = annotation(live, ANNOTATION_ENTITY)?.splitn(3, '/');
    let kind = match parts.next()? {
        "objects" => EntityKind::Objects,
        "application" => EntityKind::Application,
        "route" => EntityKind::Route,
        "lane" => EntityKind::Lane,
        "rollout" => EntityKind::Rollout,
        _ => return None,
    };
    let (namespace, name) = (parts.next()?.to_owned(), parts.next()?.to_owned());
    Some(EntityKey { kind, namespace, name })
}

/// Step and effect of the last write of ours on a live object.
#[must_use]
pub fn mark_of(live: &Value) -> Option<(StepId, usize)> {
    let (step, effect) = annotation(live, ANNOTATION_STEP)?.split_once('/')?;
    Some((StepId(step.to_owned()), effect.parse().ok()?))
}

/// The short rendered digest of the revision a live object is of.
#[must_use]
pub fn revision_of(live: &Value) -> Option<&str> {
    annotation(live, ANNOTATION_REVISION)
}
