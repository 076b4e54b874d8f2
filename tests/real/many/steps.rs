//! The record branch, by git alone: each step with its effects, the intents
//! under which it was written, and how it ended.

use crate::site::{RECORD, Site};
use git2::Sort;
use tranche::core::record::{CommitPhase, Trailers};

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// All its effects are done.
    Whole,
    /// It was given up, has failed, or another one took its place.
    Cut,
    /// It was closed before anything was written.
    Unwritten,
}

/// One step, from its first intent on.
#[derive(Clone, Debug)]
pub struct Step {
    pub id: String,
    /// As the trailer has it: `rollout shop/web`.
    pub entity: String,
    /// As the commit's body has them.
    pub effects: Vec<String>,
    /// The numbers of its intents.
    pub intents: Vec<u64>,
    /// None while it is open.
    pub end: Option<End>,
}

/// The whole record.
pub struct Record {
    /// In the order in which they began.
    pub steps: Vec<Step>,
    pub commits: usize,
    pub tip: String,
}

impl Record {
    /// Reads a site's record, which has to be one chain without gaps in which no
    /// entity has two steps at once.
    pub fn of(site: &Site<'_>) -> Self {
        let repository = site.repository();
        let mut walk = repository.revwalk().unwrap();
        walk.push_ref(RECORD).unwrap();
        walk.set_sorting(Sort::TOPOLOGICAL | Sort::REVERSE).unwrap();
        let mut record = Self { steps: Vec::new(), commits: 0, tip: site.tip() };
        for id in walk {
            let commit = repository.find_commit(id.unwrap()).unwrap();
            let message = commit.message().unwrap();
            let trailers = Trailers::parse(message).unwrap();
            record.commits += 1;
            assert_eq!(trailers.seq, record.commits as u64, "the numbers have a gap: {message}");
            assert!(commit.parent_count() <= 1, "no chain: {message}");
            record.add(&trailers, message);
        }
        record
    }

    fn add(&mut self, trailers: &Trailers, message: &str) {
        let (Some(id), Some(entity)) = (&trailers.step, &trailers.rollout) else { return };
        let mut open = self.steps.iter_mut().rev().filter(|step| step.end.is_none());
        let open = open.find(|step| step.entity == *entity);
        match (trailers.phase, open) {
            (CommitPhase::Intent, Some(step)) if step.id == *id => step.intents.push(trailers.seq),
            (CommitPhase::Intent, before) => {
                if let Some(before) = before {
                    before.end = Some(End::Cut);
                }
                self.steps.push(Step {
                    id: id.clone(),
                    entity: entity.clone(),
                    effects: effects(message),
                    intents: vec![trailers.seq],
                    end: None,
                });
            }
            (CommitPhase::Waiting | CommitPhase::Result, Some(step)) => {
                assert_eq!(step.id, *id, "it is not the step that is open: {message}");
                assert_eq!(step.effects, effects(message), "other effects: {message}");
                step.end = (trailers.phase == CommitPhase::Result).then(|| end(message));
            }
            (_, open) => panic!("{open:?} is open: {message}"),
        }
    }
}

/// The lines `0. apply …`, `1. await …` of a body, without their numbers.
fn effects(message: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in message.lines() {
        if let Some(effect) = line.strip_prefix(&format!("{}. ", found.len())) {
            found.push(effect.to_owned());
        }
    }
    found
}

fn end(message: &str) -> End {
    let subject = message.lines().next().unwrap();
    let says = |words: &str| subject.contains(words);
    if says(" not begun, nothing was written") {
        return End::Unwritten;
    }
    match says(" failed, ") || says(" stopped by an abort") || says(" abandoned where it stood") {
        true => End::Cut,
        false => End::Whole,
    }
}
