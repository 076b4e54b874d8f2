//! From the history of the plan branch to publications. Owns their order; it
//! must never read a commit: digests come in as values.

use super::numbering::{Known, Numbered, number};
use crate::core::digest::Digest;
use std::collections::BTreeMap;

/// An application by its namespace on the target and its name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ApplicationKey {
    /// The namespace.
    pub namespace: String,
    /// The name.
    pub name: String,
}

/// One commit of the first-parent history, oldest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WalkedCommit {
    /// The commit's id.
    pub id: String,
    /// The applications of its plan with their content digests; none where
    /// the plan did not load, and the commit is passed over.
    pub applications: Option<Vec<(ApplicationKey, Digest)>>,
}

/// A revision that has to be published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publication {
    /// The application.
    pub application: ApplicationKey,
    /// The revision.
    pub revision: Known,
    /// The first commit that has this content; it is rendered from there.
    pub commit: String,
}

/// What a walk finds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Walked {
    /// What is new, by commit, inside one by namespace and name.
    pub publications: Vec<Publication>,
    /// The revision that each application has at the last commit that loads;
    /// an application that this commit lacks is not in it.
    pub current: BTreeMap<ApplicationKey, Known>,
    /// The last commit that loads, if any does.
    pub last: Option<String>,
}

/// Walks `commits` and numbers what is new, after what is `published`.
#[must_use]
pub fn walk(commits: &[WalkedCommit], published: &BTreeMap<ApplicationKey, Vec<Known>>) -> Walked {
    let mut histories = published.clone();
    let mut walked = Walked::default();
    for commit in commits {
        let Some(applications) = &commit.applications else { continue };
        let mut ordered: Vec<&(ApplicationKey, Digest)> = applications.iter().collect();
        ordered.sort();
        walked.current.clear();
        walked.last = Some(commit.id.clone());
        for (application, content) in ordered {
            let history = histories.entry(application.clone()).or_default();
            let numbered = number(&application.name, history, content);
            walked.current.insert(application.clone(), numbered.revision().clone());
            if let Numbered::New(revision) = numbered {
                history.push(revision.clone());
                walked.publications.push(Publication {
                    application: application.clone(),
                    revision,
                    commit: commit.id.clone(),
                });
            }
        }
    }
    walked
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> ApplicationKey {
        ApplicationKey { namespace: "default".to_owned(), name: name.to_owned() }
    }

    fn commit(id: &str, applications: Option<&[(&str, &str)]>) -> WalkedCommit {
        let applications = applications.map(|list| {
            let digest = |text: &str| Digest::of_bytes(text.as_bytes());
            list.iter().map(|(name, text)| (key(name), digest(text))).collect()
        });
        WalkedCommit { id: id.to_owned(), applications }
    }

    #[test]
    fn broken_commits_are_passed_over_and_a_revert_returns_to_its_revision() {
        let commits = [
            commit("c1", Some(&[("web", "a"), ("api", "x")])),
            commit("c2", None),
            commit("c3", Some(&[("web", "b"), ("api", "x")])),
            commit("c4", Some(&[("web", "a")])),
            commit("c5", Some(&[("web", "c")])),
            commit("c6", None),
        ];
        let walked = walk(&commits, &BTreeMap::new());
        let seen: Vec<(&str, &str)> = walked
            .publications
            .iter()
            .map(|new| (new.commit.as_str(), new.revision.name.as_str()))
            .collect();
        let expected = [("c1", "api-v1"), ("c1", "web-v1"), ("c3", "web-v2"), ("c5", "web-v3")];
        assert_eq!(seen, expected);
        assert_eq!(walked.last.as_deref(), Some("c5"));
        let current: Vec<&str> = walked.current.values().map(|now| now.name.as_str()).collect();
        assert_eq!(current, ["web-v3"]);
    }

    #[test]
    fn walking_in_two_parts_is_walking_at_once() {
        let commits = [
            commit("c1", Some(&[("web", "a")])),
            commit("c2", Some(&[("web", "b")])),
            commit("c3", Some(&[("web", "a")])),
        ];
        let whole = walk(&commits, &BTreeMap::new());
        let first = walk(&commits[..2], &BTreeMap::new());
        let known = first.publications.iter().map(|new| new.revision.clone()).collect();
        let second = walk(&commits[2..], &BTreeMap::from([(key("web"), known)]));
        assert_eq!(second.publications, []);
        assert_eq!(second.current, whole.current);
        assert_eq!(second.current[&key("web")].name, "web-v1");
    }
}
