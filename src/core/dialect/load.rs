//! All files of a plan commit to one plan, or all their errors.

use super::document::Collected;
use super::select::{PROJECT_FILE, Role, role};
use super::{claimed, components, duplicates, hook, overlay, project, route};
use crate::core::model::{
    InputError, InputErrors, Limits, Notice, Operation, Place, Plan, PlanFile, Project,
    TemplateSource,
};
use crate::core::yaml::{self, Document};
use std::collections::BTreeMap;
use std::rc::Rc;

/// Reads `tranche.yaml`, or gives the defaults where there is none.
///
/// # Errors
/// Fails with every error of the file.
pub fn load_project(file: Option<&PlanFile>) -> Result<Project, InputErrors> {
    let Some(file) = file else { return Ok(Project::default()) };
    let documents = yaml::parse(&file.path, &file.bytes, &Limits::default())?;
    let first = match documents.as_slice() {
        [only] => only,
        [] => {
            return Err(InputError::in_file(&file.path, "the file is empty")
                .expected("a Project")
                .into());
        }
        [_, second, ..] => {
            let message = "a second document in `tranche.yaml`";
            return Err(second
                .root
                .error(&second.source, message)
                .expected("one Project and nothing else")
                .into());
        }
    };
    project::read(&first.root, &first.source).map_err(|errors| {
        InputErrors::collect(errors)
            .unwrap_or_else(|| InputError::in_file(&file.path, "the project cannot be read").into())
    })
}

/// Reads a whole plan. Files that do not belong to it are passed over.
///
/// # Errors
/// Fails with every error of every file, by place: a plan is taken whole or
/// not at all.
pub fn load(files: Vec<PlanFile>) -> Result<Plan, InputErrors> {
    let mut parse = |file: &PlanFile, limits: &Limits| {
        yaml::parse(&file.path, &file.bytes, limits).map(Rc::new)
    };
    load_parsing(files, &mut parse)
}

/// How a file becomes documents: by [`yaml::parse`], or from a memory of it.
pub type Parse<'a> = &'a mut dyn FnMut(&PlanFile, &Limits) -> Result<Rc<Vec<Document>>, InputError>;

/// As [`load`], with `parse` in the place of the parser.
///
/// # Errors
/// See [`load`].
pub fn load_parsing(mut files: Vec<PlanFile>, parse: Parse<'_>) -> Result<Plan, InputErrors> {
    files.sort_by(|a, b| a.path.cmp(&b.path));
    let project = load_project(files.iter().find(|file| file.path == PROJECT_FILE))?;
    files.retain(|file| role(&project, &file.path) != Role::Nothing);
    if files.len() > project.limits.files {
        let message =
            format!("{} files, more than the {} allowed", files.len(), project.limits.files);
        return Err(InputError::in_file(PROJECT_FILE, message)
            .hint("`spec.limits.files` raises it")
            .into());
    }
    let mut collected = Collected::default();
    let mut templates = Vec::new();
    let mut patches = BTreeMap::new();
    for file in files {
        match role(&project, &file.path) {
            Role::Overlay => match patch(&file, parse(&file, &project.limits)) {
                Ok(operations) => _ = patches.insert(file.path, operations),
                Err(errors) => {
                    collected.errors.extend(errors);
                    patches.insert(file.path, Vec::new());
                }
            },
            Role::Template => match template(file, &project.limits) {
                Ok(template) => templates.push(template),
                Err(error) => collected.errors.push(error),
            },
            _ => documents(parse(&file, &project.limits), &mut collected),
        }
    }
    let mut project = project;
    claimed::gather(&mut collected);
    components::gather(&mut collected);
    collected.errors.extend(fill(&mut project, &patches));
    collected.errors.extend(hook::strangers(&project, &collected.rollouts));
    collected.errors.extend(duplicates::find(&collected, &project.targets));
    collected.errors.extend(route::unknown(&collected));
    if let Some(errors) = InputErrors::collect(std::mem::take(&mut collected.errors)) {
        return Err(errors);
    }
    Ok(plan(project, collected, templates))
}

fn documents(parsed: Result<Rc<Vec<Document>>, InputError>, collected: &mut Collected) {
    match parsed {
        Err(error) => collected.errors.push(error),
        Ok(documents) => {
            for document in documents.iter() {
                collected.notices.extend(yaml::ambiguous(document));
                collected.take(&document.root, &document.source);
            }
        }
    }
}

fn patch(
    file: &PlanFile,
    parsed: Result<Rc<Vec<Document>>, InputError>,
) -> Result<Vec<Operation>, Vec<InputError>> {
    overlay::of_file(&file.path, &parsed.map_err(|error| vec![error])?)
}

/// Gives overlays the operations of the files that they name.
fn fill(project: &mut Project, patches: &BTreeMap<String, Vec<Operation>>) -> Vec<InputError> {
    let mut errors = Vec::new();
    for overlay in &mut project.overlays {
        let Some(file) = &overlay.file else { continue };
        match patches.get(file) {
            Some(operations) => overlay.operations.clone_from(operations),
            None => {
                let message =
                    format!("an overlay of target `{}`: there is no file {file}", overlay.target);
                errors.push(InputError::at(&overlay.place, message).hint(
                    "`path` is one from the root of the repository, committed like every plan file",
                ));
            }
        }
    }
    errors
}

fn template(file: PlanFile, limits: &Limits) -> Result<TemplateSource, InputError> {
    if file.bytes.len() > limits.file_bytes {
        let message =
            format!("{} bytes, more than the {} allowed", file.bytes.len(), limits.file_bytes);
        return Err(InputError::in_file(&file.path, message));
    }
    match String::from_utf8(file.bytes) {
        Ok(text) => Ok(TemplateSource { path: file.path, text }),
        Err(_) => {
            Err(InputError::in_file(&file.path, "not valid UTF-8").hint("save the file as UTF-8"))
        }
    }
}

fn plan(project: Project, collected: Collected, templates: Vec<TemplateSource>) -> Plan {
    let Collected { mut applications, mut rollouts, mut lanes, mut routes, mut objects, .. } =
        collected;
    let (mut notices, hints) = (collected.notices, collected.hints);
    applications.sort_by(|a, b| a.place.cmp(&b.place));
    if applications.is_empty() && rollouts.is_empty() && objects.is_empty() {
        let message = "the plan is empty: no file that `include` names holds a document, so \
                       nothing is rendered";
        let place = Place { file: PROJECT_FILE.to_owned(), line: 1 };
        notices.push(Notice { place, message: message.to_owned() });
    }
    rollouts.sort_by(|a, b| a.place.cmp(&b.place));
    lanes.sort_by(|a, b| a.place.cmp(&b.place));
    routes.sort_by(|a, b| a.place.cmp(&b.place));
    objects.sort_by(|a, b| a.place.cmp(&b.place));
    notices.sort_by(|a, b| (&a.place, &a.message).cmp(&(&b.place, &b.message)));
    Plan { project, applications, rollouts, lanes, routes, objects, templates, notices, hints }
}
