//! What reviewers are shown of a plan, whatever the form. Owns its order: the
//! same plan and cluster give the same review, however they were read.

use crate::core::diff::{Change, ObjectDiff};

/// What an apply would do, target by target.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Review {
    /// The targets.
    pub targets: Vec<DiffReport>,
}

/// What an apply would do to one target.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DiffReport {
    /// The target's name.
    pub target: String,
    /// The plan commit, or `worktree`.
    pub plan: String,
    /// Revisions that would be published.
    pub publications: Vec<String>,
    /// What owns objects, and what would happen to each.
    pub entities: Vec<EntityReport>,
}

/// What an apply would do to one rollout, application or set of objects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EntityReport {
    /// Its name.
    pub entity: String,
    /// What happens to it, in words; empty if it rests.
    pub headline: String,
    /// Fewest ready pods, where the steps go below the total.
    pub floor: Option<u32>,
    /// The steps to come, the next one first.
    pub steps: Vec<StepReport>,
    /// What a person should know.
    pub warnings: Vec<String>,
    /// Where it rests, if there is no step.
    pub rest: Resting,
    /// Its objects, as they are now and at the end.
    pub objects: Vec<ObjectDiff>,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepReport {
    /// Its name, such as `batch 1`.
    pub name: String,
    /// What is waited for before it and after the step above, in words.
    pub gate: Option<String>,
    /// Its id.
    pub id: String,
    /// Its effects, in words.
    pub effects: Vec<String>,
}

/// Why there is no step.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Resting {
    /// There are steps, or there is nothing to do.
    #[default]
    No,
    /// The record would be amended, without a step.
    Records(String),
    /// It waits.
    Waits(String),
    /// A safety rule refuses, or it has failed.
    Refused(String),
}

/// How many objects are created, changed and deleted, and how many of all need
/// a closer look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// To create.
    pub create: usize,
    /// To change.
    pub update: usize,
    /// To delete.
    pub delete: usize,
    /// To create and delete again.
    pub temporary: usize,
    /// Of these, dangerous.
    pub dangerous: usize,
}

impl Review {
    /// Puts targets in their order, and everything in them.
    #[must_use]
    pub fn of(mut targets: Vec<DiffReport>) -> Self {
        for target in &mut targets {
            target.publications.sort();
            target.entities.sort_by(|a, b| a.entity.cmp(&b.entity));
            for entity in &mut target.entities {
                entity.warnings.sort();
                entity.objects.retain(|object| object.change != Change::None || object.told());
                entity.objects.sort_by(|a, b| a.object.cmp(&b.object));
                for object in &mut entity.objects {
                    object.notes.sort();
                    object.notes.dedup();
                }
            }
        }
        targets.sort_by(|a, b| a.target.cmp(&b.target));
        Self { targets }
    }
}

impl ObjectDiff {
    /// Whether there is something to say though nothing changes.
    fn told(&self) -> bool {
        !self.notes.is_empty() || !self.way.is_empty()
    }
}

impl EntityReport {
    /// When a temporary object is there, in words.
    #[must_use]
    pub fn during(&self, object: &ObjectDiff) -> Option<String> {
        let (first, last) = object.during?;
        let (first, last) = (self.step(first), self.step(last));
        let steps = if first == last { first.to_owned() } else { format!("{first} to {last}") };
        Some(format!("only during the rollout ({steps})"))
    }

    /// The name of a step, by its place.
    #[must_use]
    pub fn step(&self, place: usize) -> &str {
        self.steps.get(place).map_or("a step", |step| step.name.as_str())
    }
}

impl DiffReport {
    /// Its objects, with the entity that each belongs to.
    pub fn objects(&self) -> impl Iterator<Item = (&EntityReport, &ObjectDiff)> {
        self.entities.iter().flat_map(|e| e.objects.iter().map(move |object| (e, object)))
    }

    /// How much there is.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for (_, object) in self.objects() {
            match object.change {
                Change::Create => counts.create += 1,
                Change::Update => counts.update += 1,
                Change::Delete => counts.delete += 1,
                Change::Temporary => counts.temporary += 1,
                Change::None => {}
            }
            counts.dangerous += usize::from(!super::dangers(object).is_empty());
        }
        counts
    }

    /// Whether an apply would do anything, or cannot.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let rests = |entity: &EntityReport| entity.steps.is_empty() && entity.rest == Resting::No;
        self.publications.is_empty() && self.entities.iter().all(rests)
    }
}

impl std::fmt::Display for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let parts = [
            (self.create, "to create"),
            (self.update, "to change"),
            (self.delete, "to delete"),
            (self.temporary, "only during the rollout"),
        ];
        let parts: Vec<String> = parts
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{count} {what}"))
            .collect();
        f.write_str(if parts.is_empty() { "no object changes" } else { "" })?;
        f.write_str(&parts.join(", "))?;
        match self.dangerous {
            0 => Ok(()),
            1 => f.write_str("; 1 needs a closer look"),
            many => write!(f, "; {many} need a closer look"),
        }
    }
}
