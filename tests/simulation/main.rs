//! Deterministic simulation: the real engine over a simulated cluster, git
//! remote and clock, with faults, people and many runs at once. One seed is one
//! world; the same seed is the same world, step by step, on every machine.
//!
//! ```text
//! cargo test --test simulation                                  a bounded set
//! cargo test --release --test simulation -- --seed 4711         replay, with its trace
//! cargo test --release --test simulation -- --seeds 0..1000000  a range
//! ```
//!
//! How it works, and how to add to it: `docs/simulation.md`.

#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a test target of its own, which prints what it finds and measures how fast it is"
)]

/// Half of a seed is small JSON values that come and go.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

mod arguments;
mod branches;
mod clock;
mod cluster;
mod coverage;
mod faults;
mod hooks;
mod invariants;
mod later;
mod meddle;
mod member;
mod mesh;
mod mix;
mod objects;
mod people;
mod plan;
mod remote;
mod routes;
mod run;
mod schedule;
mod seed;
mod shards;
mod side;
mod trace;
mod verdict;
mod waits;

use arguments::{Arguments, NAME};
use clap::Parser;
use coverage::{COMMON, MIX, RARE, RAREST};
use faults::Fault;
use shards::Outcome;
use std::ops::Range;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Instant;
use verdict::{Mode, judge};

/// Seeds that once broke an invariant.
const REGRESSIONS: &str = include_str!("regressions.txt");
/// The bounded set of a plain `cargo test`.
const BOUNDED: Range<u64> = 0..400;
/// From so many seeds on all but the rarest must have been reached.
const LONG: u64 = 10_000;
/// From so many seeds on everything that can be reached must have been.
const LONGEST: u64 = 500_000;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if arguments.lists() {
        println!("{NAME}: test");
        return ExitCode::SUCCESS;
    }
    if let Some(seed) = arguments.seed {
        return replay(seed, arguments.mode);
    }
    if let Some(range) = &arguments.seeds {
        let threads = arguments.threads.unwrap_or_else(cores);
        return many(range, &arguments, threads);
    }
    if arguments.filtered_out() {
        return ExitCode::SUCCESS;
    }
    let before = regressions();
    let bounded = many(&BOUNDED, &arguments, cores());
    if before == ExitCode::SUCCESS { bounded } else { before }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// Replays one seed and prints everything that happened.
fn replay(seed: u64, mode: Mode) -> ExitCode {
    let verdict = judge(seed, mode, true, &Rc::default());
    for line in &verdict.trace {
        println!("{line}");
    }
    match verdict.violation {
        Some(_) => ExitCode::FAILURE,
        None => {
            println!("seed {seed}: nothing was violated");
            ExitCode::SUCCESS
        }
    }
}

/// Runs every seed that once broke an invariant: seed, mode, why.
fn regressions() -> ExitCode {
    let memo = Rc::default();
    let mut code = ExitCode::SUCCESS;
    for line in REGRESSIONS.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let mut words = line.split_whitespace();
        let seed = words.next().and_then(|seed| seed.parse::<u64>().ok());
        let mode = words.next().and_then(|mode| clap::ValueEnum::from_str(mode, true).ok());
        let (Some(seed), Some(mode)) = (seed, mode) else {
            println!("regressions.txt: {line:?} is not SEED MODE WHY");
            code = ExitCode::FAILURE;
            continue;
        };
        if let Some(violation) = judge(seed, mode, false, &memo).violation {
            println!("regression {line}\n  {}: {}", violation.invariant, violation.text);
            code = ExitCode::FAILURE;
        }
    }
    code
}

fn many(range: &Range<u64>, arguments: &Arguments, threads: usize) -> ExitCode {
    let began = Instant::now();
    let outcome = shards::run(range, arguments.mode, threads, arguments.all);
    let seconds = began.elapsed().as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let rate = outcome.seeds as f64 / seconds;
    print!("{}", outcome.coverage.table());
    println!("{} seeds in {seconds:.1} s, {rate:.0} seeds/s on {threads} threads", outcome.seeds);
    let mode = clap::ValueEnum::to_possible_value(&arguments.mode);
    let mode = mode.as_ref().map_or("any", clap::builder::PossibleValue::get_name);
    for (invariant, (count, examples)) in &outcome.violations {
        println!("VIOLATED {invariant}: {count} of {} seeds", outcome.seeds);
        for (seed, violation) in examples {
            println!("  seed {seed}: {}", violation.text);
            println!("    cargo test --release --test simulation -- --seed {seed} --mode {mode}");
        }
    }
    if let Some((seed, _)) = outcome.violations.values().next().and_then(|(_, all)| all.first()) {
        let trace = judge(*seed, arguments.mode, true, &Rc::default()).trace;
        for line in trace.iter().skip(trace.len().saturating_sub(arguments.tail)) {
            println!("{line}");
        }
    }
    let missing = missing(range, arguments, &outcome);
    for what in &missing {
        println!("NEVER REACHED: {what}");
    }
    let whole = arguments.mode == Mode::Any && (*range == BOUNDED || outcome.seeds >= LONG);
    let rarer = if whole { outcome.coverage.rarer(MIX) } else { Vec::new() };
    for what in &rarer {
        println!("TOO RARELY: {what}");
    }
    if outcome.violations.is_empty() && missing.is_empty() && rarer.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// What this range should have reached and did not.
fn missing(range: &Range<u64>, arguments: &Arguments, outcome: &Outcome) -> Vec<&'static str> {
    let bounded = *range == BOUNDED && arguments.mode == Mode::Any;
    if outcome.seeds >= LONG {
        let faults = Fault::ALL.iter().map(|fault| fault.fired());
        let rarest = RAREST.iter().filter(|_| outcome.seeds >= LONGEST);
        let all = COMMON.iter().chain(RARE).chain(rarest).copied().chain(faults);
        let calm = |what: &&str| {
            arguments.mode != Mode::Safety || !(what.starts_with("rest:") || *what == "calm")
        };
        outcome.coverage.missing(all.filter(calm))
    } else if bounded {
        outcome.coverage.missing(COMMON.iter().copied())
    } else {
        Vec::new()
    }
}
