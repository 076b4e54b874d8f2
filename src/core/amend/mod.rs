//! Changes of plan files that a command makes: which files, and which values in
//! them. Owns finding what is named and saying what is wrong with it; it must
//! never read or write a file, and leaves every byte that is not the change to
//! [`crate::core::yaml::Draft`].

mod image;
mod reroute;
mod retire;

pub use image::{Image, image};
pub use reroute::{Reroute, reroute};
pub use retire::{retire, retire_all};

use crate::core::dialect::{self, nearest};
use crate::core::model::{Application, HostRoute, InputErrors, Limits, Place, Plan, PlanFile};
use crate::core::yaml::{Document, Draft, Node, Seg};
use std::collections::BTreeMap;

/// A plan whose files are being changed.
#[derive(Debug)]
pub struct Amending<'f> {
    files: &'f [PlanFile],
    plan: Plan,
    drafts: BTreeMap<String, Draft>,
    gone: Vec<String>,
}

/// Files as they are to be, and what was done, in words.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Amended {
    /// The whole plan with the changes.
    pub files: Vec<PlanFile>,
    /// The paths of what changed: with the new bytes, or none where the file goes.
    pub changed: Vec<(String, Option<Vec<u8>>)>,
    /// What was done, a line each.
    pub said: Vec<String>,
}

/// Why nothing is changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unamended {
    /// What kind of fault it is.
    pub fault: Fault,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub next: String,
}

/// Whose fault it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The command's: it names what is not there.
    Usage,
    /// The plan's: it would be wrong, or cannot be changed at its place.
    Plan,
    /// A rule of safety keeps it.
    Rule,
}

impl Unamended {
    fn usage(message: impl Into<String>, next: impl Into<String>) -> Self {
        Self { fault: Fault::Usage, message: message.into(), next: next.into() }
    }

    fn plan(message: impl Into<String>, next: impl Into<String>) -> Self {
        Self { fault: Fault::Plan, message: message.into(), next: next.into() }
    }
}

impl From<InputErrors> for Unamended {
    fn from(errors: InputErrors) -> Self {
        Self::plan(errors.to_string(), NOTHING)
    }
}

impl From<crate::core::model::InputError> for Unamended {
    fn from(error: crate::core::model::InputError) -> Self {
        Self::plan(error.to_string(), NOTHING)
    }
}

const NOTHING: &str = "mend the plan; nothing was written";

/// Where a value stands in a plan: its file, its document there, and the way to it.
type At = (String, usize, Vec<Seg>);

impl<'f> Amending<'f> {
    /// Reads a plan.
    ///
    /// # Errors
    /// Fails if the plan is wrong.
    pub fn of(files: &'f [PlanFile]) -> Result<Self, Unamended> {
        let plan = dialect::load(files.to_vec())?;
        Ok(Self { files, plan, drafts: BTreeMap::new(), gone: Vec::new() })
    }

    /// The document that stands at a place, or the item of a list of documents.
    fn document(&mut self, place: &Place) -> Result<At, Unamended> {
        let file = place.file.clone();
        let draft = self.draft(&file)?;
        let found = draft
            .documents()
            .iter()
            .enumerate()
            .find_map(|(index, document)| Some((index, way_to(document, place.line)?)));
        match found {
            Some((index, way)) => Ok((file, index, way)),
            None => Err(Unamended::plan(format!("{place}: no document begins here"), NOTHING)),
        }
    }

    fn draft(&mut self, file: &str) -> Result<&mut Draft, Unamended> {
        let limits: &Limits = &self.plan.project.limits;
        if !self.drafts.contains_key(file) {
            let found = self.files.iter().find(|known| known.path == file);
            let bytes = found.map(|found| found.bytes.as_slice()).unwrap_or_default();
            self.drafts.insert(file.to_owned(), Draft::of(file, bytes, limits)?);
        }
        let missing = || Unamended::plan(format!("{file} is not there"), NOTHING);
        self.drafts.get_mut(file).ok_or_else(missing)
    }

    /// The value below a place, if there is one.
    fn node(&mut self, at: &At) -> Result<Option<Node>, Unamended> {
        let (file, index, way) = at;
        Ok(self.draft(file)?.at(*index, way).cloned())
    }

    /// The plan with all changes, which has to be a valid one.
    fn done(self, said: Vec<String>) -> Result<Amended, Unamended> {
        let mut amended = Amended { said, ..Amended::default() };
        for file in self.files {
            if self.gone.contains(&file.path) {
                amended.changed.push((file.path.clone(), None));
                continue;
            }
            let draft = self.drafts.get(&file.path).filter(|draft| draft.bytes() != file.bytes);
            let mut file = file.clone();
            if let Some(draft) = draft {
                file.bytes = draft.bytes().to_vec();
                amended.changed.push((file.path.clone(), Some(file.bytes.clone())));
            }
            amended.files.push(file);
        }
        dialect::load(amended.files.clone())?;
        Ok(amended)
    }

    /// Whether a document lies in a namespace; one that names none lies in that
    /// of each target.
    fn lies_in(&self, own: Option<&str>, namespace: &str) -> bool {
        let of_target = || self.plan.project.targets.iter().any(|t| t.namespace == namespace);
        own.map_or_else(of_target, |own| own == namespace)
    }

    /// Whether two documents lie in one namespace.
    fn together(&self, one: Option<&str>, other: Option<&str>) -> bool {
        match (one, other) {
            (None, None) => true,
            (Some(namespace), own) | (own, Some(namespace)) => self.lies_in(own, namespace),
        }
    }

    /// An application by its name, or by namespace and name.
    fn application(&self, wanted: &str) -> Result<Application, Unamended> {
        let (namespace, name) = split(wanted);
        let found = self.plan.applications.iter().filter(|application| {
            let lies = |namespace| self.lies_in(application.namespace.as_deref(), namespace);
            application.name == name && namespace.is_none_or(lies)
        });
        let found: Vec<&Application> = found.collect();
        match found.as_slice() {
            [only] => Ok((*only).clone()),
            [] => {
                let known = self.plan.applications.iter().map(|a| a.name.as_str());
                let known: Vec<&str> = known.collect();
                let message = format!("there is no application \"{wanted}\" in this plan");
                Err(Unamended::usage(message, candidates(name, &known)))
            }
            several => {
                let places: Vec<String> = several.iter().map(|a| a.place.to_string()).collect();
                let message =
                    format!("there are several applications \"{name}\": {}", places.join(", "));
                Err(Unamended::usage(message, "name it as NAMESPACE/NAME"))
            }
        }
    }

    fn routes(&self) -> Vec<HostRoute> {
        self.plan.routes.clone()
    }
}

/// The way to the document that begins at a line: the root, or an item of a list.
fn way_to(document: &Document, line: u32) -> Option<Vec<Seg>> {
    let items = document.root.get("items").map(Node::items).unwrap_or_default();
    if let Some(item) = items.iter().position(|item| item.line == line && item.is_map()) {
        return Some(vec!["items".into(), item.into()]);
    }
    (document.root.line == line).then(Vec::new)
}

/// A name, and the namespace before its slash.
fn split(wanted: &str) -> (Option<&str>, &str) {
    wanted.split_once('/').map_or((None, wanted), |(namespace, name)| (Some(namespace), name))
}

/// What a person may have meant.
fn candidates(wanted: &str, known: &[&str]) -> String {
    let mut known: Vec<&str> = known.to_vec();
    known.sort_unstable();
    known.dedup();
    match nearest(wanted, &known) {
        _ if known.is_empty() => "there is none".to_owned(),
        Some(near) => format!("did you mean {near}? There are: {}", known.join(", ")),
        None => format!("there are: {}", known.join(", ")),
    }
}

/// A way, one step further.
fn into(way: &[Seg], more: &[&str]) -> Vec<Seg> {
    let more =
        more.iter().map(|part| part.parse::<usize>().map_or_else(|_| (*part).into(), Seg::Index));
    way.iter().cloned().chain(more).collect()
}

#[cfg(test)]
mod tests;
