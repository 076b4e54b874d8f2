//! The trailers of a record commit, for machines.

use crate::core::render::FIRST_BUILTINS;
use std::fmt;

/// What a record commit is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommitPhase {
    /// A revision is published.
    Publish,
    /// A step is about to be written; winning its push is the lock.
    Intent,
    /// A step waits, and its lock is released.
    Waiting,
    /// A step's outcome.
    Result,
    /// What a person decided.
    Decision,
    /// The record was put together again from plan and cluster.
    Rebuild,
}

/// The trailers; empty ones are not written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trailers {
    /// The parent's number plus one; the first commit has 1.
    pub seq: u64,
    /// What the commit is.
    pub phase: CommitPhase,
    /// The entity, as `kind namespace/name`.
    pub rollout: Option<String>,
    /// The step.
    pub step: Option<String>,
    /// The source revision.
    pub source_revision: Option<String>,
    /// The target revision.
    pub target_revision: Option<String>,
    /// The newest plan commit accepted.
    pub plan_commit: String,
    /// The plan commit that the step is compiled from.
    pub step_plan: Option<String>,
    /// The digest over the step list.
    pub plan_digest: Option<String>,
    /// The run that wrote it.
    pub run: Option<String>,
    /// Who decided; on a batch's intent, who approved it.
    pub approved_by: Option<String>,
    /// The cluster that was adopted, as kube-system's uid.
    pub cluster: Option<String>,
    /// What a rebuilt record stands on: the tip it was found at, if any, and
    /// the sequence number that the cluster knew.
    pub rebuilt_from: Option<String>,
    /// The versions of the built-in types by which revisions on this record were
    /// rendered, with spaces between them; the first one alone if none.
    pub builtins: Option<String>,
}

impl fmt::Display for CommitPhase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Publish => "publish",
            Self::Intent => "intent",
            Self::Waiting => "waiting",
            Self::Result => "result",
            Self::Decision => "decision",
            Self::Rebuild => "rebuild",
        })
    }
}

impl CommitPhase {
    fn parse(text: &str) -> Option<Self> {
        [Self::Publish, Self::Intent, Self::Waiting, Self::Result, Self::Decision, Self::Rebuild]
            .into_iter()
            .find(|phase| phase.to_string() == text)
    }
}

impl Trailers {
    /// The trailers of the next commit after `previous`, of a phase, with the
    /// plan commit carried on.
    #[must_use]
    pub fn after(previous: Option<&Self>, phase: CommitPhase, plan_commit: &str) -> Self {
        Self {
            seq: previous.map_or(0, |p| p.seq) + 1,
            phase,
            rollout: None,
            step: None,
            source_revision: None,
            target_revision: None,
            plan_commit: plan_commit.to_owned(),
            step_plan: None,
            plan_digest: None,
            run: None,
            approved_by: None,
            cluster: None,
            rebuilt_from: None,
            builtins: previous.and_then(|p| p.builtins.clone()),
        }
    }

    /// The versions of the built-in types by which revisions on this record were
    /// rendered.
    #[must_use]
    pub fn rendered_by(&self) -> Vec<&str> {
        self.builtins.as_deref().unwrap_or(FIRST_BUILTINS).split(' ').collect()
    }

    /// Notes that a revision is rendered by a version.
    pub fn note_builtins(&mut self, version: &str) {
        if !self.rendered_by().contains(&version) {
            self.builtins = Some(match self.seq {
                // Nothing was published before the first commit.
                1 => version.to_owned(),
                _ => format!("{} {version}", self.rendered_by().join(" ")),
            });
        }
    }

    /// A whole commit message.
    #[must_use]
    pub fn message(&self, subject: &str, body: &str) -> String {
        let mut text = format!("{}\n\n", one_line(subject));
        if !body.is_empty() {
            text.push_str(body.trim_end());
            text.push_str("\n\n");
        }
        let phase = self.phase.to_string();
        let seq = self.seq.to_string();
        let lines = [
            ("Seq", Some(&seq)),
            ("Phase", Some(&phase)),
            ("Rollout", self.rollout.as_ref()),
            ("Step", self.step.as_ref()),
            ("Source-Revision", self.source_revision.as_ref()),
            ("Target-Revision", self.target_revision.as_ref()),
            ("Plan-Commit", Some(&self.plan_commit)),
            ("Step-Plan", self.step_plan.as_ref()),
            ("Plan-Digest", self.plan_digest.as_ref()),
            ("Run", self.run.as_ref()),
            ("Approved-By", self.approved_by.as_ref()),
            ("Cluster", self.cluster.as_ref()),
            ("Rebuilt-From", self.rebuilt_from.as_ref()),
            ("Builtins", self.builtins.as_ref()),
        ];
        for (key, value) in lines {
            if let Some(value) = value {
                text.push_str(&format!("{key}: {}\n", one_line(value)));
            }
        }
        text
    }

    /// Reads the trailers of a message; none if it is no record commit.
    #[must_use]
    pub fn parse(message: &str) -> Option<Self> {
        let block = message.trim_end().rsplit("\n\n").next()?;
        let lines: Vec<(&str, &str)> =
            block.lines().filter_map(|line| line.split_once(": ")).collect();
        let find = |key: &str| {
            let found = lines.iter().find(|(name, _)| *name == key)?;
            Some(found.1.trim().to_owned())
        };
        Some(Self {
            seq: find("Seq")?.parse().ok()?,
            phase: CommitPhase::parse(&find("Phase")?)?,
            rollout: find("Rollout"),
            step: find("Step"),
            source_revision: find("Source-Revision"),
            target_revision: find("Target-Revision"),
            plan_commit: find("Plan-Commit")?,
            step_plan: find("Step-Plan"),
            plan_digest: find("Plan-Digest"),
            run: find("Run"),
            approved_by: find("Approved-By"),
            cluster: find("Cluster"),
            rebuilt_from: find("Rebuilt-From"),
            builtins: find("Builtins"),
        })
    }
}

/// A trailer's value is one line: a name with a line break must not forge
/// another trailer.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_reads_back() {
        let mut trailers = Trailers::after(None, CommitPhase::Intent, "abc");
        trailers.step = Some("0123".to_owned());
        trailers.run = Some("r1\nSeq: 99".to_owned());
        let message = trailers.message("web: batch 1/3", "a line\n\nanother\n");
        let parsed = Trailers::parse(&message).unwrap();
        assert_eq!(parsed.seq, 1);
        assert_eq!(parsed.phase, CommitPhase::Intent);
        assert_eq!(parsed.run.as_deref(), Some("r1 Seq: 99"));
        assert_eq!(Trailers::after(Some(&parsed), CommitPhase::Result, "abc").seq, 2);
        assert_eq!(Trailers::parse("a person's commit\n"), None);
    }
}
