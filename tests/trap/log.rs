//! The record branch, as one checks it: a chain without gaps.

use tranche::core::record::{CommitPhase, Trailers};
use tranche::port::{CommitId, Objects};

/// Reads the whole branch, oldest first, and checks that it is one chain of
/// record commits with contiguous numbers.
pub fn read(objects: &impl Objects, tip: &CommitId, case: &str) -> Vec<Trailers> {
    let mut log = Vec::new();
    let mut next = Some(tip.clone());
    while let Some(commit) = next {
        let info = objects.info(&commit).unwrap();
        let trailers = Trailers::parse(&info.message);
        log.push(trailers.unwrap_or_else(|| panic!("{case}: {commit} is no record commit")));
        next = info.parent;
    }
    log.reverse();
    for (index, trailers) in log.iter().enumerate() {
        assert_eq!(trailers.seq, index as u64 + 1, "{case}: the numbers have a gap");
    }
    log
}

/// Checks the steps on the way to a revision: each has one result, after an
/// intent, and none other comes in between. Returns how many results.
pub fn results(log: &[Trailers], revision: &str, case: &str) -> usize {
    let to = |t: &&Trailers| t.target_revision.as_deref() == Some(revision) && t.step.is_some();
    let mut done: Vec<&str> = Vec::new();
    let mut open: Option<&str> = None;
    for trailers in log.iter().filter(to) {
        let step = trailers.step.as_deref().unwrap_or_default();
        assert!(!done.contains(&step), "{case}: step {step} goes on after its result");
        match trailers.phase {
            CommitPhase::Intent => {
                assert!(open.is_none_or(|open| open == step), "{case}: two steps are open");
                open = Some(step);
            }
            CommitPhase::Waiting => assert_eq!(open, Some(step), "{case}: it waits unopened"),
            CommitPhase::Result => {
                assert_eq!(open, Some(step), "{case}: a result without an intent");
                open = None;
                done.push(step);
            }
            CommitPhase::Publish | CommitPhase::Decision | CommitPhase::Rebuild => {}
        }
    }
    assert_eq!(open, None, "{case}: a step is still open");
    done.len()
}
