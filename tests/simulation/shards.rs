//! Many seeds: shards on threads, each seed on one of them alone. Owns counting;
//! what a seed does never depends on its shard.

use crate::coverage::Coverage;
use crate::invariants::Violation;
use crate::verdict::{Mode, judge};
use std::collections::BTreeMap;
use std::ops::Range;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// What a range of seeds came to.
#[derive(Debug, Default)]
pub struct Outcome {
    pub seeds: u64,
    pub coverage: Coverage,
    /// How often each invariant was broken, and the first seeds.
    pub violations: BTreeMap<&'static str, Broken>,
}

/// How often an invariant was broken, and the first seeds that did.
pub type Broken = (u64, Vec<(u64, Violation)>);

/// Examples that are kept of each broken invariant.
const EXAMPLES: usize = 5;
/// Seeds after which a shard forgets what it has rendered.
const FRESH: u64 = 200;

/// Runs a range on so many threads.
pub fn run(range: &Range<u64>, mode: Mode, threads: usize, all: bool) -> Outcome {
    let next = AtomicU64::new(range.start);
    let stop = AtomicBool::new(false);
    let mut outcome = Outcome::default();
    std::thread::scope(|scope| {
        let shards: Vec<_> = (0..threads.max(1))
            .map(|_| scope.spawn(|| shard(range, mode, all, &next, &stop)))
            .collect();
        for shard in shards {
            if let Ok(part) = shard.join() {
                outcome.merge(part);
            } else {
                let text = "a shard panicked".to_owned();
                outcome.broken(range.start, Violation { invariant: "the simulator", text });
            }
        }
    });
    outcome
}

fn shard(
    range: &Range<u64>,
    mode: Mode,
    all: bool,
    next: &AtomicU64,
    stop: &AtomicBool,
) -> Outcome {
    let mut outcome = Outcome::default();
    let mut memo = Rc::default();
    while !stop.load(Ordering::Relaxed) {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= range.end {
            break;
        }
        let verdict = judge(seed, mode, false, &memo);
        outcome.seeds += 1;
        outcome.coverage.add(&verdict.coverage);
        if let Some(violation) = verdict.violation {
            outcome.broken(seed, violation);
            if !all {
                stop.store(true, Ordering::Relaxed);
            }
        }
        if outcome.seeds % FRESH == 0 {
            memo = Rc::default();
        }
    }
    outcome
}

impl Outcome {
    fn broken(&mut self, seed: u64, violation: Violation) {
        let entry = self.violations.entry(violation.invariant).or_default();
        entry.0 += 1;
        if entry.1.len() < EXAMPLES {
            entry.1.push((seed, violation));
        }
    }

    fn merge(&mut self, part: Self) {
        self.seeds += part.seeds;
        self.coverage.add(&part.coverage);
        for (invariant, (count, examples)) in part.violations {
            let entry = self.violations.entry(invariant).or_default();
            entry.0 += count;
            entry.1.extend(examples);
            entry.1.sort_by_key(|(seed, _)| *seed);
            entry.1.truncate(EXAMPLES);
        }
    }
}
