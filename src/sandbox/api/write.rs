//! Create and server-side apply. Owns the order of the checks, which is the
//! real server's: body, fields, ownership, version, content.

use super::Answer;
use super::route::{Place, Query};
use crate::core::object::encoding;
use crate::core::object::{
    self, Applier, Conflict, ManagedEntry, ObjectRef, at, same_owners, schema,
};
use crate::sandbox::fields::{set, text};
use crate::sandbox::kinds::{Model, Resource};
use crate::sandbox::status::Refusal;
use crate::sandbox::stored::{Stored, drop_managed};
use crate::sandbox::world::World;
use crate::sandbox::{defaults, validate};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A code and an object that the cluster may still hold.
pub(in crate::sandbox) type Shared = Result<(u16, Arc<Value>), Refusal>;

pub(in crate::sandbox) fn create(
    world: &mut World,
    resource: &Resource,
    namespace: Option<&str>,
    mut body: Value,
    query: &Query,
) -> Answer {
    let dry_run = dry_run(query, "CreateOptions")?;
    refuse_unmodelled(resource, &body)?;
    let prefix = text(&body, "/metadata/generateName").to_owned();
    if text(&body, "/metadata/name").is_empty() {
        if prefix.is_empty() {
            let cause = (
                "metadata.name".to_owned(),
                "Required value: name or generateName is required".to_owned(),
            );
            return Err(Refusal::invalid(resource, "", &[cause]));
        }
        let suffix: String = world.unique(&prefix).chars().take(5).collect();
        set(&mut body, &["metadata", "name"], json!(format!("{prefix}{suffix}")));
    }
    let place = Place {
        namespace: namespace.map(str::to_owned),
        name: text(&body, "/metadata/name").to_owned(),
    };
    let name = address(resource, &place, &mut body)?;
    if query.get("fieldValidation") == "Strict" {
        refuse_unknown(&name, &body)?;
    }
    if !text(&body, "/metadata/resourceVersion").is_empty() {
        let message = "resourceVersion should not be set on objects to be created";
        return Err(Refusal::new(500, "", message));
    }
    namespace_exists(world, &place)?;
    if world.bare(&name).is_some() {
        return Err(Refusal::exists(resource, &place.name));
    }
    schema::prune(&name.kind_ref(), &mut body);
    drop_server_fields(resource, &mut body);
    fill(resource, &mut body);
    // Who creates a DaemonSet owns what the server counts on it.
    if resource.kind == "DaemonSet" {
        defaults::assign(world, resource.kind, None, &mut body);
    }
    let (kind, now) = (name.kind_ref(), world.now().to_string());
    let blank = encoding::blank(&kind);
    let owned = without_status(resource, &body);
    let managed = object::update(&kind, Some(&blank), &owned, manager(query), None, &now);
    store(world, resource, None, body, managed, dry_run).map(unshared)
}

/// An answer for bytes.
pub(super) fn unshared((code, object): (u16, Arc<Value>)) -> (u16, Value) {
    (code, Arc::unwrap_or_clone(object))
}

/// The field manager of a write that is no apply.
pub(super) fn manager(query: &Query) -> &str {
    match query.get("fieldManager") {
        "" => "unknown",
        manager => manager,
    }
}

pub(in crate::sandbox) fn apply(
    world: &mut World,
    resource: &Resource,
    place: &Place,
    mut body: Value,
    query: &Query,
) -> Shared {
    let dry_run = dry_run(query, "PatchOptions")?;
    refuse_unmodelled(resource, &body)?;
    let manager = query.get("fieldManager");
    refuse_manager(manager)?;
    if text(&body, "/metadata/name").is_empty() && body.get("kind").is_some() {
        return Err(Refusal::bad_request(format!(
            "the name of the object ({} based on URL) was undeterminable: name must be provided",
            place.name
        )));
    }
    let as_given = given(&body);
    let name = address(resource, place, &mut body)?;
    if at(&body, "/metadata/managedFields").is_some_and(|fields| !fields.is_null()) {
        return Err(Refusal::bad_request("metadata.managedFields must be nil"));
    }
    refuse_undeclared(&name, &as_given, &body)?;
    let stored = world.stored(&name).cloned();
    let live = stored.as_ref().map(|stored| stored.bare().as_ref());
    let uid = text(&body, "/metadata/uid").to_owned();
    let version = text(&body, "/metadata/resourceVersion").to_owned();
    if version.parse::<u64>().is_err() && !version.is_empty() {
        let message = format!("strconv.ParseUint: parsing {version:?}: invalid syntax");
        return Err(Refusal::new(500, "", message));
    }
    if live.is_none() {
        if !uid.is_empty() {
            let why = format!(
                "uid mismatch: the provided object specified uid {uid}, and no existing object was found"
            );
            return Err(Refusal::conflict(resource, &place.name, &why));
        }
        namespace_exists(world, place)?;
    }
    drop_server_fields(resource, &mut body);
    let now = world.now().to_string();
    let applier = Applier { manager, force: query.yes("force"), time: &now };
    let managed = stored.as_ref().map(|stored| managers(resource, stored, &now));
    let known = live.zip(managed.as_deref());
    let done = object::apply_to(&name.kind_ref(), known, &body, &applier)
        .map_err(|conflicts| ownership(&conflicts))?;
    if let Some(live) = live {
        if !version.is_empty() && version != text(live, "/metadata/resourceVersion") {
            return Err(Refusal::modified(resource, &place.name));
        }
        if !uid.is_empty() && uid != text(live, "/metadata/uid") {
            let why = format!("Invalid value: {uid:?}: field is immutable");
            let cause = ("metadata.uid".to_owned(), why);
            return Err(Refusal::invalid(resource, &place.name, &[cause]));
        }
    }
    if let Some(stored) = stored.as_ref().filter(|_| !done.changed) {
        return Ok((200, Arc::clone(stored.whole())));
    }
    let mut object = done.object;
    fill(resource, &mut object);
    store(world, resource, live, object, done.managed, dry_run)
}

/// Brings an object into the form that is stored, with its defaults.
pub(super) fn fill(resource: &Resource, object: &mut Value) {
    encoding::settle(&resource.kind_ref(), object);
    defaults::fill(resource.kind, object);
}

fn without_status(resource: &Resource, object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(object) = object.as_object_mut().filter(|_| resource.status) {
        object.remove("status");
    }
    object
}

/// An object that nobody applied belongs, at the first apply, to whoever was
/// there before.
fn managers(resource: &Resource, stored: &Stored, now: &str) -> Vec<ManagedEntry> {
    if !stored.managed().is_empty() {
        return stored.managed().to_vec();
    }
    let kind = resource.kind_ref();
    let (blank, owned) = (encoding::blank(&kind), without_status(resource, stored.bare()));
    object::update(&kind, Some(&blank), &owned, "before-first-apply", None, now)
}

/// Checks and stores; what differs from the live object in nothing but the
/// instants of its managers is no change.
pub(super) fn store(
    world: &mut World,
    resource: &Resource,
    live: Option<&Value>,
    mut object: Value,
    managed: Vec<ManagedEntry>,
    dry_run: bool,
) -> Shared {
    defaults::assign(world, resource.kind, live, &mut object);
    validate::check(resource, live, &object)?;
    drop_managed(&mut object);
    let name = ObjectRef::of(&object);
    let name = name.ok_or_else(|| Refusal::bad_request("the object has no name"))?;
    if let Some(live) = live
        && world.bare(&name).is_some_and(|stored| **stored == object)
        && same_owners(world.managed(&name), &managed)
    {
        return Ok((200, world.shared(&name).unwrap_or_else(|| Arc::new(live.clone()))));
    }
    let code = if live.is_some() { 200 } else { 201 };
    if dry_run {
        return Ok((code, Arc::new(world.preview(object, &managed))));
    }
    world.put(object, Some(managed));
    Ok((code, world.shared(&name).unwrap_or_default()))
}

/// Whether nothing is to be written.
pub(super) fn dry_run(query: &Query, options: &str) -> Result<bool, Refusal> {
    match query.get("dryRun") {
        "" => Ok(false),
        "All" => Ok(true),
        other => {
            let why = format!("Unsupported value: [{other:?}]: supported values: \"All\"");
            let cause = ("dryRun".to_owned(), why);
            Err(Refusal::invalid_as("meta.k8s.io", options, "", &[cause]))
        }
    }
}

fn refuse_manager(manager: &str) -> Result<(), Refusal> {
    let why = match manager.len() {
        0 => "Required value: is required for apply patch",
        1..=128 => return Ok(()),
        _ => "Too long: may not be more than 128 bytes",
    };
    let cause = ("fieldManager".to_owned(), why.to_owned());
    Err(Refusal::invalid_as("meta.k8s.io", "PatchOptions", "", &[cause]))
}

pub(super) fn refuse_unmodelled(resource: &Resource, body: &Value) -> Result<(), Refusal> {
    if resource.model == Model::Refused {
        return Err(Refusal::not_modelled(&format!("the kind {}", resource.qualified_kind())));
    }
    if at(body, "/metadata/finalizers").is_some_and(|f| f.as_array().is_some_and(|f| !f.is_empty()))
    {
        return Err(Refusal::not_modelled("metadata.finalizers"));
    }
    if resource.kind == "Service"
        && ["NodePort", "LoadBalancer"].contains(&text(body, "/spec/type"))
    {
        let kind = text(body, "/spec/type");
        return Err(Refusal::not_modelled(&format!("Services of the type {kind}")));
    }
    Ok(())
}

/// An object's version, kind and name as it gives them itself.
struct Given {
    namespace: String,
    name: String,
}

fn given(body: &Value) -> Given {
    Given {
        namespace: text(body, "/metadata/namespace").to_owned(),
        name: text(body, "/metadata/name").to_owned(),
    }
}

/// The object's full name, checked against the URL and put into the body.
pub(super) fn address(
    resource: &Resource,
    place: &Place,
    body: &mut Value,
) -> Result<ObjectRef, Refusal> {
    let kind = resource.kind_ref();
    let (version, given) = (text(body, "/apiVersion"), text(body, "/kind"));
    if (version, given) != (kind.api_version.as_str(), kind.kind.as_str()) {
        let slash = if version.contains('/') { "" } else { "/" };
        return Err(Refusal::bad_request(format!(
            "invalid object type: {slash}{version}, Kind={given}"
        )));
    }
    let named = text(body, "/metadata/name");
    if !named.is_empty() && named != place.name {
        return Err(Refusal::bad_request(format!(
            "the name of the object ({named}) does not match the name on the URL ({})",
            place.name,
        )));
    }
    let within = text(body, "/metadata/namespace");
    if !within.is_empty() && Some(within) != place.namespace.as_deref() {
        return Err(Refusal::bad_request(
            "the namespace of the provided object does not match the namespace sent on the request",
        ));
    }
    set(body, &["metadata", "name"], json!(place.name));
    if let Some(namespace) = &place.namespace {
        set(body, &["metadata", "namespace"], json!(namespace));
    }
    Ok(ObjectRef::new(&kind, place.namespace.as_deref(), &place.name))
}

/// A real server says this with a 500 and no reason, and tells the first
/// field only (measured, 1.36).
fn refuse_undeclared(name: &ObjectRef, given: &Given, body: &Value) -> Result<(), Refusal> {
    let slash = if name.api_version.contains('/') { "" } else { "/" };
    let kind = format!("{slash}{}, Kind={}", name.api_version, name.kind);
    let about = format!("({}/{}; {kind})", given.namespace, given.name);
    let message = match schema::undeclared(&name.kind_ref(), body).first() {
        Some((path, why)) => {
            format!("failed to create typed patch object {about}: {path}: {why}")
        }
        None => match encoding::misfit(&name.kind_ref(), body) {
            Some(why) => format!(
                "failed to convert new object {about} to proper version: unable to convert \
                 unstructured object to {kind}: {why}"
            ),
            None => return Ok(()),
        },
    };
    Err(Refusal::new(500, "", message))
}

/// The strict reading of a body that is no apply.
fn refuse_unknown(name: &ObjectRef, body: &Value) -> Result<(), Refusal> {
    let found = schema::undeclared(&name.kind_ref(), body);
    if found.is_empty() {
        return Ok(());
    }
    let fields: Vec<String> = found
        .iter()
        .map(|(path, _)| format!("unknown field {:?}", path.trim_start_matches('.')))
        .collect();
    let version = name.api_version.rsplit('/').next().unwrap_or_default();
    Err(Refusal::bad_request(format!(
        "{kind} in version {version:?} cannot be handled as a {kind}: strict decoding error: {}",
        fields.join(", "),
        kind = name.kind,
    )))
}

pub(super) fn namespace_exists(world: &World, place: &Place) -> Result<(), Refusal> {
    let Some(namespace) = &place.namespace else { return Ok(()) };
    let Some(resource) = crate::sandbox::kinds::find("", "v1", "namespaces") else { return Ok(()) };
    let name = ObjectRef::new(&resource.kind_ref(), None, namespace);
    world.bare(&name).map(|_| ()).ok_or_else(|| Refusal::not_found(resource, namespace))
}

/// Takes out what only the server writes. (Status is another subresource.)
pub(super) fn drop_server_fields(resource: &Resource, body: &mut Value) {
    if let Some(metadata) = body.get_mut("metadata").and_then(Value::as_object_mut) {
        for field in [
            "uid",
            "resourceVersion",
            "generation",
            "creationTimestamp",
            "managedFields",
            "selfLink",
            "deletionTimestamp",
            "deletionGracePeriodSeconds",
        ] {
            metadata.remove(field);
        }
    }
    if let Some(object) = body.as_object_mut().filter(|_| resource.status) {
        object.remove("status");
    }
}

/// A 409 in the words of the real server.
fn ownership(conflicts: &[Conflict]) -> Refusal {
    let causes = conflicts.iter().map(|conflict| {
        json!({
            "reason": "FieldManagerConflict",
            "message": format!("conflict with {}", conflict.owner.words()),
            "field": conflict.field(),
        })
    });
    let message = match conflicts {
        [one] => format!(
            "Apply failed with 1 conflict: conflict with {}: {}",
            one.owner.words(),
            one.field()
        ),
        many => {
            let mut by_owner: BTreeMap<String, Vec<String>> = BTreeMap::new();
            for conflict in many {
                by_owner.entry(conflict.owner.words()).or_default().push(conflict.field());
            }
            let lines: Vec<String> = by_owner
                .into_iter()
                .map(|(owner, fields)| {
                    format!("conflicts with {owner}:\n- {}", fields.join("\n- "))
                })
                .collect();
            format!("Apply failed with {} conflicts: {}", many.len(), lines.join("\n"))
        }
    };
    Refusal::new(409, "Conflict", message).with_causes(&causes.collect::<Vec<_>>())
}
