//! A plan commit, loaded and rendered whole, or not at all.

use super::apart::part;
use super::memo::LoadedPlan;
use super::outcome::Class;
use super::overlaid::{Overlaid, overlaid};
use super::routes::edges_of;
use super::versions::{Pins, Versions};
use super::{Engine, Memo, RunError};
use crate::core::decide::DirectContent;
use crate::core::dialect::{self, PROJECT_FILE};
use crate::core::digest::Digest;
use crate::core::model::{
    Application, InputError, Limits, Naming, Owner, Owners, Plan, PlanFile, Project, Rollout,
    Target,
};
use crate::core::object::{ObjectRef, at};
use crate::core::record::EntityRecord;
use crate::core::release::Release;
use crate::core::render::{
    ApplicationKey, Library, Overlays, RenderError, Rendered, content_digest, inputs_digest,
    render, rendered_digest,
};
use crate::core::strategy::workload::Workloads;
use crate::core::strategy::{
    BodyError, Edges, Held, Referrers, RevisionBodies, autoscalers, claim, staying,
};
use crate::core::yaml::{self, Document};
use crate::port::{CommitId, Objects, Ports, Remote};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

/// A plan whose applications all render.
#[derive(Debug)]
pub struct Loaded {
    /// The plan.
    pub plan: Plan,
    /// Its applications by namespace and name.
    pub applications: BTreeMap<ApplicationKey, RenderedApplication>,
    /// What its Routes are on the cluster, by namespace and name.
    pub(super) routes: BTreeMap<ApplicationKey, Edges>,
    /// Its plain objects by namespace.
    pub(super) plain: BTreeMap<String, Plain>,
    /// The git blob that each file would be, of a plan that is not committed.
    pub(super) blobs: BTreeMap<String, String>,
    /// The files of a plan that is not committed.
    files: Vec<PlanFile>,
    /// Who has each of its objects.
    owners: Arc<Owners>,
    /// The kinds of workload that its templates describe.
    pub(super) workloads: Workloads,
}

impl Loaded {
    /// What its Routes are on the cluster.
    pub fn route_objects(&self) -> impl Iterator<Item = &Value> {
        self.routes.values().flat_map(|edges| &edges.objects).map(|(_, body)| body.as_ref())
    }

    /// An application as the plan has it.
    pub(super) fn application(&self, key: &ApplicationKey) -> Option<&Application> {
        self.plan.applications.get(self.applications.get(key)?.index)
    }

    /// Whether anything in the plan renders an object.
    pub(super) fn has(&self, object: &ObjectRef) -> bool {
        self.owners.has(object)
    }
}

/// The plain objects of one namespace.
#[derive(Debug, Default)]
pub(super) struct Plain {
    /// Their places in the plan.
    pub(super) objects: Vec<usize>,
    /// Whether others need one of them to be created at all: a Namespace, or the
    /// definition of a kind.
    pub(super) is_ground: bool,
    /// All of them as they are applied, once that was asked for.
    pub(super) content: RefCell<Option<Rc<DirectContent>>>,
}

impl Loaded {
    /// Whether the plan has let go of an application that a rollout moves.
    #[must_use]
    pub fn releases(&self, key: &ApplicationKey) -> bool {
        self.plan.releases(&key.namespace, &key.name)
    }
}

/// The name of a plan that is not committed.
pub(super) const WORKTREE: &str = "worktree";

/// One rendered application, or a component that is rolled by itself.
#[derive(Clone, Debug)]
pub struct RenderedApplication {
    /// Its index in the plan.
    pub index: usize,
    /// Its objects.
    pub rendered: Rc<Rendered>,
    /// The digest over its rendering inputs: what numbers its revisions.
    pub content: Digest,
    /// The digest over its rendered objects.
    pub digest: Digest,
    /// Its ConfigMaps and Secrets that others in the plan refer to.
    pub(super) held: Held,
    /// The application whose component it is, where a rollout of its own drives
    /// that.
    pub(super) component_of: Option<String>,
    /// The overlays that touch it, of all targets.
    pub(super) overlays: Overlays,
    /// The version of the built-in types that it is rendered by.
    pub(super) version: &'static str,
    /// Revisions of it that were prepared already.
    pub(super) revisions: Prepared,
}

/// Revisions of a rendering, by component, name and number.
pub(super) type Prepared = Rc<RefCell<BTreeMap<RevisionKey, Arc<RevisionBodies>>>>;

/// What an application renders to, whatever plan it is in.
#[derive(Clone, Debug)]
pub(super) struct Rendering {
    rendered: Rc<Rendered>,
    digest: Digest,
    revisions: Prepared,
}

/// Component, further components, what the workload is called, revision name and
/// number, and what others refer to.
pub(super) type RevisionKey = (Option<String>, Vec<String>, Naming, String, u64, Held);

/// What of an application a rollout drives.
#[derive(Clone, Debug, Default)]
pub(super) struct Driving {
    /// The component, if one is named.
    pub(super) component: Option<String>,
    /// Those that are rolled together with it.
    pub(super) with: Vec<String>,
    /// What its workload is called.
    pub(super) naming: Naming,
}

impl Driving {
    /// As the plan has it.
    pub(super) fn planned(rollout: &Rollout) -> Self {
        let (component, with) = (rollout.component.clone(), rollout.with.clone());
        Self { component, with, naming: rollout.naming }
    }

    /// As it began.
    pub(super) fn recorded(record: &EntityRecord, naming: Naming) -> Self {
        let with = record.beside.iter().map(|one| one.component.clone()).collect();
        Self { component: record.component.clone(), with, naming }
    }
}

impl RenderedApplication {
    /// All that it renders.
    pub(super) fn bodies(&self) -> impl Iterator<Item = &Arc<Value>> {
        let components = self.rendered.components.iter();
        components.flat_map(|c| std::iter::once(&c.workload).chain(&c.extras))
    }

    /// The names of all that it renders.
    pub(super) fn objects(&self) -> impl Iterator<Item = ObjectRef> {
        self.bodies().filter_map(|body| ObjectRef::of(body))
    }

    /// Its objects as those of a revision, prepared once.
    ///
    /// # Errors
    /// See [`RevisionBodies::of`].
    pub(super) fn revision(
        &self,
        driving: &Driving,
        name: &str,
        number: u64,
    ) -> Result<Arc<RevisionBodies>, BodyError> {
        let Driving { component, with, naming } = driving;
        let held = self.held.clone();
        let key = (component.clone(), with.clone(), *naming, name.to_owned(), number, held);
        if let Some(known) = self.revisions.borrow().get(&key) {
            return Ok(Arc::clone(known));
        }
        let driven = (component.as_deref(), *naming);
        let bodies = RevisionBodies::of(&self.rendered, driven, name, number, &self.digest)?;
        let bodies = bodies.with(&self.rendered, with)?;
        let bodies = Arc::new(bodies.carrying(&self.rendered, &self.held)?);
        self.revisions.borrow_mut().insert(key, Arc::clone(&bodies));
        Ok(bodies)
    }
}

/// Loads a plan from files and renders all of it for a target.
///
/// # Errors
/// The text of everything that is wrong.
pub fn load_files(files: Vec<PlanFile>, target: &Target) -> Result<Loaded, String> {
    let (release, pins) = (Release::default(), Pins::default());
    let versions = Versions { release: &release, pins: &pins };
    load_remembering(files, target, &Memo::default(), &versions)
}

/// The same, with a memory of what was rendered before, and of what earlier
/// versions have rendered.
fn load_remembering(
    files: Vec<PlanFile>,
    target: &Target,
    memo: &Memo,
    versions: &Versions<'_>,
) -> Result<Loaded, String> {
    let memo_of_files = memo.has_room_for(files.iter().map(|file| file.bytes.len()).sum());
    let mut parse = |file: &PlanFile, limits: &Limits| match memo_of_files {
        true => parsed(file, limits, memo),
        false => yaml::parse(&file.path, &file.bytes, limits).map(Rc::new),
    };
    let mut plan = dialect::load_parsing(files, &mut parse).map_err(|errors| errors.to_string())?;
    let newest = Library::of(&plan.templates, versions.release.newest());
    let newest = newest.map_err(|error| error.to_string())?;
    plan.notices.extend(newest.notices().iter().cloned());
    let documents = (!versions.pins.is_empty()).then(|| plan.objects.clone());
    let (mut applications, mut errors) = rendered(&mut plan, &|_| &newest, target, memo);
    if let Some(documents) = documents {
        let mut parted = applications.clone();
        part(&plan, &newest, &mut parted, &target.namespace);
        let earlier = earlier(&plan, applications.iter().chain(&parted), versions)?;
        if !earlier.is_empty() {
            // Overlays are applied to the documents as they stand in the plan.
            plan.objects = documents;
            let of = |key: &ApplicationKey| earlier.get(key).unwrap_or(&newest);
            (applications, errors) = rendered(&mut plan, &of, target, memo);
        }
    }
    part(&plan, &newest, &mut applications, &target.namespace);
    hold(&plan, &mut applications, target);
    let (routes, unfit) = edges_of(&plan, &applications, &target.namespace);
    errors.extend(unfit);
    let (owners, twice) = owners(&plan, &applications, &routes, target);
    let library = newest;
    errors.extend(twice);
    let rendered = applications.iter().map(|(key, a)| (key.clone(), &*a.rendered)).collect();
    errors.extend(claim(&mut plan, &rendered, &library, &target.namespace));
    plan.notices.extend(autoscalers(&plan, &rendered, &target.namespace));
    let held = applications.iter().map(|(key, a)| (key.clone(), (&*a.rendered, &a.held)));
    let told = staying(&plan, &held.collect(), &target.namespace);
    plan.notices.extend(told);
    let owners = Arc::new(owners);
    for rollout in &mut plan.rollouts {
        rollout.owners = Arc::clone(&owners);
        rollout.health = plan.project.health.clone();
    }
    if !errors.is_empty() {
        return Err(errors.join("\n"));
    }
    let plain = plain_by_namespace(&plan, &target.namespace);
    let (blobs, files) = (BTreeMap::new(), Vec::new());
    let workloads = library.workloads();
    Ok(Loaded { plan, applications, routes, plain, owners, workloads, blobs, files })
}

/// The libraries of those applications whose content an earlier version has
/// published.
fn earlier<'a>(
    plan: &Plan,
    applications: impl Iterator<Item = (&'a ApplicationKey, &'a RenderedApplication)>,
    versions: &Versions<'_>,
) -> Result<BTreeMap<ApplicationKey, Library>, String> {
    let mut libraries: BTreeMap<&str, Library> = BTreeMap::new();
    let mut all = BTreeMap::new();
    for (key, application) in applications {
        let Some(version) = versions.pins.of(key, &application.content) else { continue };
        if !libraries.contains_key(version) {
            let Some(builtins) = versions.release.builtins(version) else {
                return Err(format!(
                    "application {}: its revision was rendered by {version}, which this version of \
                     tranche does not have: use a newer one",
                    key.name
                ));
            };
            let library = Library::of(&plan.templates, builtins);
            libraries.insert(version, library.map_err(|error| error.to_string())?);
        }
        // A component is rendered with the application that it is of.
        let name = application.component_of.as_ref().unwrap_or(&key.name).clone();
        let whole = ApplicationKey { namespace: key.namespace.clone(), name };
        all.extend(libraries.get(version).map(|library| (whole, library.clone())));
    }
    Ok(all)
}

/// Every application of a plan, each by the types of its library, with the
/// overlays of a target; and all that is wrong with them.
fn rendered<'l>(
    plan: &mut Plan,
    library_of: &dyn Fn(&ApplicationKey) -> &'l Library,
    target: &Target,
    memo: &Memo,
) -> (BTreeMap<ApplicationKey, RenderedApplication>, Vec<String>) {
    let mut errors = Vec::new();
    let mut renderings = Vec::with_capacity(plan.applications.len());
    let library = |application: &Application| library_of(&key_of(application, &target.namespace));
    for application in &plan.applications {
        let limits = &plan.project.limits;
        match rendering(application, library(application), &target.namespace, limits, memo) {
            Ok(made) => renderings.push(Some(made)),
            Err(error) => {
                renderings.push(None);
                errors.push(error.to_string());
            }
        }
    }
    let mut overlaid = Overlaid::default();
    if errors.is_empty() && !plan.project.overlays.is_empty() {
        match overlay(plan, &mut renderings, &library, target, memo) {
            Ok(made) => overlaid = made,
            Err(wrong) => errors.extend(wrong),
        }
    }
    let mut applications = BTreeMap::new();
    for (index, (application, made)) in plan.applications.iter().zip(renderings).enumerate() {
        let Some(Rendering { rendered, digest, revisions }) = made else { continue };
        let (namespace, name) = (rendered.namespace.clone(), application.name.clone());
        let overlays = overlaid.touched.remove(&index).unwrap_or_default();
        let content =
            content_digest(application, library(application), &rendered.workloads, &overlays);
        let held = Held::new();
        let (component_of, version) = (None, library(application).version());
        let made = RenderedApplication {
            index,
            rendered,
            content,
            digest,
            held,
            component_of,
            overlays,
            version,
            revisions,
        };
        applications.insert(ApplicationKey { namespace, name }, made);
    }
    (applications, errors)
}

fn key_of(application: &Application, namespace: &str) -> ApplicationKey {
    let namespace = application.namespace.as_deref().unwrap_or(namespace).to_owned();
    ApplicationKey { namespace, name: application.name.clone() }
}

/// Finds what of each application's ConfigMaps and Secrets anybody else in the
/// plan refers to.
fn hold(
    plan: &Plan,
    applications: &mut BTreeMap<ApplicationKey, RenderedApplication>,
    target: &Target,
) {
    let namespace_of = |body: &Value| {
        let named = at(body, "/metadata/namespace").and_then(Value::as_str);
        named.unwrap_or(&target.namespace).to_owned()
    };
    let is_config = |body: &Value| {
        let kind = body.get("kind").and_then(Value::as_str);
        matches!(kind, Some("ConfigMap" | "Secret"))
    };
    let configs = |application: &RenderedApplication| -> Vec<ObjectRef> {
        let own = application.bodies().filter(|body| is_config(body));
        own.filter_map(|body| ObjectRef::of(body)).collect()
    };
    if applications.values().all(|application| configs(application).is_empty()) {
        return;
    }
    let mut all: Referrers<Option<&ApplicationKey>> = Referrers::default();
    for object in &plan.objects {
        all.add(&None, &namespace_of(&object.body), &object.body);
    }
    for (key, application) in &*applications {
        for body in application.bodies() {
            all.add(&Some(key), &namespace_of(body), body);
        }
    }
    let held = |(key, application): (&ApplicationKey, &RenderedApplication)| -> Held {
        let own = configs(application).into_iter().filter_map(|object| {
            let who = all.other(&Some(key), &key.namespace, &object)?.to_string();
            Some((object, who))
        });
        own.collect()
    };
    let found: Vec<Held> = applications.iter().map(held).collect();
    drop(all);
    for (application, held) in applications.values_mut().zip(found) {
        application.held = held;
    }
}

fn plain_by_namespace(plan: &Plan, default: &str) -> BTreeMap<String, Plain> {
    let mut all: BTreeMap<String, Plain> = BTreeMap::new();
    for (place, object) in plan.objects.iter().enumerate() {
        let named = at(&object.body, "/metadata/namespace").and_then(Value::as_str);
        let namespace = named.unwrap_or(default);
        if !all.contains_key(namespace) {
            all.insert(namespace.to_owned(), Plain::default());
        }
        let Some(plain) = all.get_mut(namespace) else { continue };
        plain.objects.push(place);
        let kind = object.body.get("kind").and_then(Value::as_str);
        plain.is_ground |= matches!(kind, Some("Namespace" | "CustomResourceDefinition"));
    }
    all
}

/// Parses a file, unless the same file was parsed before: most commits of a
/// plan change one of many.
fn parsed(file: &PlanFile, limits: &Limits, memo: &Memo) -> Result<Rc<Vec<Document>>, InputError> {
    let key = format!("{} {} {limits:?}", file.path, Digest::of_bytes(&file.bytes));
    if let Some(known) = memo.file(&key) {
        return Ok(known);
    }
    let documents = Rc::new(yaml::parse(&file.path, &file.bytes, limits)?);
    memo.keep_file(&key, &documents);
    Ok(documents)
}

/// Renders an application, unless equal inputs were rendered before.
fn rendering(
    application: &Application,
    library: &Library,
    namespace: &str,
    limits: &Limits,
    memo: &Memo,
) -> Result<Rendering, RenderError> {
    let namespace = application.namespace.as_deref().unwrap_or(namespace);
    let inputs = inputs_digest(application, library);
    let key =
        format!("{inputs} {namespace} {limits:?} {} {:?}", library.version(), library.workloads());
    if let Some(known) = memo.rendering(&key) {
        return Ok(known);
    }
    let rendered = render(application, library, namespace, limits)?;
    let digest = rendered_digest(&rendered);
    let made = Rendering { rendered: Rc::new(rendered), digest, revisions: Rc::default() };
    memo.keep_rendering(key, &made);
    Ok(made)
}

/// Applies the overlays of all targets, and puts what those of `target` make in
/// the place of what was rendered.
fn overlay<'l>(
    plan: &mut Plan,
    renderings: &mut [Option<Rendering>],
    library: &dyn Fn(&Application) -> &'l Library,
    target: &Target,
    memo: &Memo,
) -> Result<Overlaid, Vec<String>> {
    let limits = &plan.project.limits;
    let render = |application: &Application, namespace: &str| {
        let made = rendering(application, library(application), namespace, limits, memo);
        made.map(|made| made.rendered).map_err(|error| error.to_string())
    };
    let mut made = overlaid(plan, target, &render)?;
    for (index, rendered) in std::mem::take(&mut made.applications) {
        let touched = made.touched.get(&index).and_then(|of| of.get(&target.name));
        let overlays = Digest::of("overlays", &json!(touched));
        let found = plan.applications.get(index).zip(renderings.get_mut(index));
        let Some((application, slot)) = found else { continue };
        let library = library(application);
        let inputs = inputs_digest(application, library);
        let (namespace, version) = (&rendered.namespace, library.version());
        let workloads = library.workloads();
        let key = format!("{inputs} {namespace} {limits:?} {version} {overlays} {workloads:?}");
        let patched = memo.rendering(&key).unwrap_or_else(|| {
            let digest = rendered_digest(&rendered);
            let patched = Rendering { rendered, digest, revisions: Rc::default() };
            memo.keep_rendering(key, &patched);
            patched
        });
        *slot = Some(patched);
    }
    for (index, body) in std::mem::take(&mut made.documents) {
        if let Some(document) = plan.objects.get_mut(index) {
            document.body = Arc::new(body);
        }
    }
    Ok(made)
}

/// Who has each object of the plan, and what is wrong where two documents
/// render the same one.
fn owners(
    plan: &Plan,
    applications: &BTreeMap<ApplicationKey, RenderedApplication>,
    routes: &BTreeMap<ApplicationKey, Edges>,
    target: &Target,
) -> (Owners, Vec<String>) {
    let mut met: BTreeMap<ObjectRef, (Owner, String)> = BTreeMap::new();
    let mut errors = Vec::new();
    let mut meet = |body: &Value, owner: Owner, origin: String| {
        let Some(mut object) = ObjectRef::of(body) else { return };
        object.namespace.get_or_insert_with(|| target.namespace.clone());
        let name = object.to_string();
        if let Some((_, first)) = met.insert(object, (owner, origin.clone())) {
            errors.push(format!("{origin}: {name} is rendered already by {first}"));
        }
    };
    for (key, application) in applications {
        let place = plan.applications.get(application.index).map(|a| a.place.to_string());
        let place = place.unwrap_or_default();
        for component in &application.rendered.components {
            for body in std::iter::once(&component.workload).chain(&component.extras) {
                let owner = Owner::Application(key.namespace.clone(), key.name.clone());
                meet(body, owner, format!("{place} (component {})", component.name));
            }
        }
    }
    for object in &plan.objects {
        meet(&object.body, Owner::Document, object.place.to_string());
    }
    for (key, edges) in routes {
        for (_, body) in &edges.objects {
            meet(body, Owner::Document, format!("Route {}", key.name));
        }
    }
    let of = met.into_iter().map(|(object, (owner, _))| (object, owner)).collect();
    (Owners::new(&target.namespace, of), errors)
}

/// The files of a plan commit that its project includes.
fn files<O: Objects>(objects: &O, commit: &CommitId) -> Result<Vec<PlanFile>, RunError> {
    let project = project(objects, commit)?;
    Ok(objects.files(commit, &mut |path, _| dialect::selects(&project, path))?)
}

/// `tranche.yaml` of a plan commit, or the defaults.
///
/// # Errors
/// Fails if it cannot be read or is wrong.
pub fn project<O: Objects>(objects: &O, commit: &CommitId) -> Result<Project, RunError> {
    let file = objects
        .file(commit, PROJECT_FILE)?
        .map(|bytes| PlanFile { path: PROJECT_FILE.to_owned(), bytes });
    dialect::load_project(file.as_ref()).map_err(|errors| invalid(&errors.to_string()))
}

fn invalid(message: &str) -> RunError {
    RunError::new(Class::Invalid, message, "mend the plan; nothing was written")
}

/// Loads a plan commit for a target.
///
/// # Errors
/// Fails if it cannot be read or is wrong.
pub fn load_plan<O: Objects>(
    objects: &O,
    commit: &CommitId,
    target: &Target,
) -> Result<Loaded, RunError> {
    load_files(files(objects, commit)?, target).map_err(|text| invalid(&text))
}

/// The documents of a plan commit, of which nothing is rendered: enough to know
/// what is in the plan, and its gates.
///
/// # Errors
/// Fails if it cannot be read or a document is wrong.
pub fn load_documents<O: Objects>(objects: &O, commit: &CommitId) -> Result<Plan, RunError> {
    dialect::load(files(objects, commit)?).map_err(|errors| invalid(&errors.to_string()))
}

/// Loads a plan from files that are not committed; `blob` tells the id of the
/// git blob that a file's bytes would be.
///
/// # Errors
/// Fails if it is wrong.
pub fn load_worktree(
    files: Vec<PlanFile>,
    target: &Target,
    blob: &dyn Fn(&[u8]) -> Option<String>,
) -> Result<Loaded, RunError> {
    let of = |file: &PlanFile| Some((file.path.clone(), blob(&file.bytes)?));
    let blobs = files.iter().filter_map(of).collect();
    let loaded = load_files(files.clone(), target).map_err(|text| invalid(&text))?;
    Ok(Loaded { blobs, files, ..loaded })
}

/// The same plan, with what earlier versions have published as they rendered it.
pub(super) fn reloaded(
    before: Loaded,
    target: &Target,
    memo: &Memo,
    versions: &Versions<'_>,
) -> Result<Loaded, RunError> {
    let Loaded { blobs, files, .. } = before;
    let loaded = load_remembering(files, target, memo, versions).map_err(|text| invalid(&text))?;
    Ok(Loaded { blobs, ..loaded })
}

impl<P: Ports> Engine<'_, P> {
    /// The plan of a commit, once per content. A plan that is wrong is kept as
    /// the text of what is wrong; only an unreadable repository is an error.
    pub(super) fn loaded(&self, commit: &CommitId) -> Result<LoadedPlan, RunError> {
        if let Some(worktree) = self.worktree.borrow().as_ref().filter(|_| commit.0 == WORKTREE) {
            return Ok(Rc::clone(worktree));
        }
        let objects = self.ports.remote().objects();
        let pins = Rc::clone(&self.pins.borrow());
        let versions = Versions { release: &self.options.release, pins: &pins };
        let tree = objects.tree_id(commit)? + pins.word();
        if let Some(found) = self.memo.plan(self.target, &tree) {
            return Ok(found);
        }
        let loaded = match files(objects, commit) {
            Ok(files) => load_remembering(files, self.target, &self.memo, &versions),
            Err(error) if error.class == Class::Invalid => Err(error.message),
            Err(error) => return Err(error),
        };
        let loaded = Rc::new(loaded);
        self.memo.keep_plan(self.target, &tree, &loaded);
        Ok(loaded)
    }
}
