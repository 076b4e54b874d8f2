//! What a report has to say of a rollout. Owns the limits; must never be
//! content with too few requests to tell.

use std::fmt::Write as _;
use tranche_lab::traffic::{Report, Stage};

/// Fewer requests say nothing about a share.
pub const ENOUGH: u64 = 1_000;
/// How far a share may be from what it is to be, in points of a hundred.
const POINTS: f64 = 2.0;

/// Nothing, or what is wrong.
pub type Verdict = Result<(), String>;

/// All requests were answered well, and there were at least so many.
pub fn nothing_lost(report: &Report, least: u64) -> Verdict {
    enough(report.requests, least)?;
    only_failures_of(report, "no version at all")
}

/// What failed was answered by that version itself, with 500.
pub fn only_failures_of(report: &Report, tag: &str) -> Verdict {
    let lost = report.failures().filter(|(_, one)| one.tag != tag || one.status != 500);
    let (mut count, mut told) = (0, String::new());
    for (stage, one) in lost {
        count += one.count;
        let (second, by) = (one.second.unwrap_or_default(), &one.tag);
        let _ = write!(
            told,
            "\n  {} in second {second}, stage {:?}: {:?} {by}",
            one.count, stage.name, one.failed
        );
    }
    if count == 0 { Ok(()) } else { Err(format!("{count} of {} lost:{told}", report.requests)) }
}

/// Each version answered what it was to, and nobody else anything.
pub fn shares(report: &Report, stage: &str, expected: &[(&str, f64)]) -> Verdict {
    let stage = report.stage(stage).ok_or_else(|| format!("no stage {stage:?}"))?;
    enough(stage.requests, ENOUGH)?;
    for (tag, share) in expected {
        let is = stage.share(tag);
        if (is - share).abs() > POINTS {
            return Err(format!("{tag} has {is:.1}% of {:?}, not {share}%", stage.name));
        }
    }
    strangers(stage, expected)
}

fn strangers(stage: &Stage, expected: &[(&str, f64)]) -> Verdict {
    let known = |tag: &str| expected.iter().any(|(one, _)| *one == tag);
    match stage.answers.iter().find(|one| !known(&one.tag)) {
        None => Ok(()),
        Some(one) => Err(format!("{:?} has {one:?}", stage.name)),
    }
}

fn enough(requests: u64, least: u64) -> Verdict {
    if requests >= least { Ok(()) } else { Err(format!("only {requests} requests, not {least}")) }
}
