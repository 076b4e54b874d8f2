//! The record branch, by git alone: what each step says that it wrote.

use crate::site::{RECORD, Site};
use git2::{Commit, Sort};

/// One write, as a line of the record names it and as the API server saw it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Write {
    /// `patch` or `delete`.
    pub verb: String,
    /// `Kind/namespace/name`.
    pub object: String,
}

impl Site<'_> {
    /// The newest record commit.
    pub fn tip(&self) -> String {
        self.repository().refname_to_id(RECORD).unwrap().to_string()
    }

    /// The writes that each result names, oldest result first.
    pub fn recorded_writes(&self) -> Vec<Vec<Write>> {
        let repository = self.repository();
        let mut walk = repository.revwalk().unwrap();
        walk.push_ref(RECORD).unwrap();
        walk.set_sorting(Sort::TOPOLOGICAL | Sort::REVERSE).unwrap();
        walk.map(|id| repository.find_commit(id.unwrap()).unwrap())
            .filter(|commit| trailer(commit, "Phase") == "result")
            .map(|commit| commit.message().unwrap().lines().filter_map(write).collect())
            .collect()
    }
}

fn trailer(commit: &Commit<'_>, key: &str) -> String {
    let message = commit.message().unwrap();
    let lines = git2::message_trailers_strs(message).unwrap();
    let found = lines.iter().find(|(name, _)| *name == key);
    found.map(|(_, value)| value.to_owned()).unwrap_or_default()
}

/// The write of a line such as `2. scale Deployment/shop/web-v2 to 1`. Every
/// write but a delete is an apply.
fn write(line: &str) -> Option<Write> {
    let (number, effect) = line.split_once(". ")?;
    number.parse::<u32>().ok()?;
    let mut words = effect.split(' ');
    let verb = match words.next()? {
        "await" => return None,
        "delete" => "delete",
        _ => "patch",
    };
    Some(Write { verb: verb.to_owned(), object: words.next()?.to_owned() })
}
