//! Generated rollouts of every kind, done by the engine on the embedded cluster to
//! their end, whatever runs and people do on the way: runs die at some effect, the
//! plan is edited, another revision is named, or the first one again, the rollout
//! is given up. However it goes, no component ever has fewer ready pods than its
//! floor, and what is left is one revision and nothing else. A new strategy is a
//! row of [`rows::ROWS`].

mod floors;
mod memory;
mod play;
mod rest;
mod routes;
mod rows;
mod stage;
mod story;
mod watch;
mod written;

use crate::{Corpse, Kill, Moment, block_on};
use play::{Told, told};
use rows::{ROWS, Row, Sized};
use std::collections::BTreeMap;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use story::{Stop, Story, Turn};
use written::{Gate, Plan};

/// What happened in rows, or in all of them.
#[derive(Default)]
struct Tally {
    reached: u32,
    back: u32,
    happened: BTreeMap<&'static str, u32>,
}

impl Tally {
    fn add(&mut self, told: &Told) {
        *(if told.reached { &mut self.reached } else { &mut self.back }) += 1;
        for (what, times) in &told.happened {
            *self.happened.entry(what).or_default() += times;
        }
    }

    fn words(&self) -> String {
        let happened = self.happened.iter().map(|(what, times)| format!(", {what} {times}"));
        let happened: String = happened.collect();
        format!("{} reached their target, {} went back{happened}", self.reached, self.back)
    }
}

/// What came of one seed; none if something was wrong, which has been said.
fn one(seed: u64) -> Option<(&'static str, Told)> {
    let story = Story::of(seed);
    let name = story.row.name;
    let words = format!("seed {seed}");
    catch_unwind(AssertUnwindSafe(|| (name, block_on(told(story, &words))))).ok()
}

#[expect(clippy::print_stdout, reason = "how much was looked at is worth knowing")]
fn all(seeds: Range<u64>, threads: u64) -> BTreeMap<&'static str, Tally> {
    let workers: Vec<_> = (0..threads)
        .map(|worker| {
            let seeds = seeds.clone().skip(usize::try_from(worker).unwrap());
            let seeds = seeds.step_by(usize::try_from(threads).unwrap());
            // One that fails, and says why, keeps none of the others from being done.
            std::thread::spawn(move || seeds.map(|seed| (seed, one(seed))).collect::<Vec<_>>())
        })
        .collect();
    let (mut rows, mut faults) = (BTreeMap::<_, Tally>::new(), Vec::new());
    let (mut whole, mut refused) = (Tally::default(), BTreeMap::<String, u32>::new());
    for (seed, done) in workers.into_iter().flat_map(|worker| worker.join().unwrap()) {
        let Some((name, told)) = done else {
            faults.push(seed);
            continue;
        };
        rows.entry(name).or_default().add(&told);
        whole.add(&told);
        for why in told.refused {
            *refused.entry(without_numbers(&why)).or_default() += 1;
        }
    }
    for (name, tally) in &rows {
        println!("{name}: {}", tally.words());
    }
    println!("all: {}", whole.words());
    for (why, times) in refused {
        println!("refused {times} times: {why}");
    }
    faults.sort_unstable();
    assert!(faults.is_empty(), "of these seeds something was wrong: {faults:?}");
    if seeds.end == seeds.start + 1 {
        return rows;
    }
    assert_eq!(rows.len(), ROWS.len(), "some kinds of rollouts were not done");
    assert!(whole.reached > (whole.reached + whole.back) / 4 && whole.back > 0);
    for what in
        ["killed", "batches edited", "sizes edited", "gates", "retargets", "reverts", "aborts"]
    {
        assert!(whole.happened.contains_key(what), "{what}: never");
    }
    rows
}

/// A refusal is the same whatever the numbers in it.
fn without_numbers(text: &str) -> String {
    let mut out = String::new();
    for letter in text.chars() {
        let letter = if letter.is_ascii_digit() { '#' } else { letter };
        if !(letter == '#' && out.ends_with('#')) {
            out.push(letter);
        }
    }
    out
}

/// The seed that `TRANCHE_SEED` names, alone, or else these.
fn seeds(all: Range<u64>) -> Range<u64> {
    let named: Option<u64> = std::env::var("TRANCHE_SEED").ok().and_then(|seed| seed.parse().ok());
    named.map_or(all, |seed| seed..seed + 1)
}

#[test]
fn generated_rollouts_come_to_their_end() {
    all(seeds(0..150), 1);
}

/// A small rollout of a kind that nothing happens to.
fn small(row: &'static Row, gate: Gate) -> Story {
    let seed = ROWS.iter().position(|other| std::ptr::eq(other, row)).unwrap();
    let story = Story::of(u64::try_from(seed).unwrap());
    let plan = Plan { pods: 2, shares: vec![50, 100], gate, never: false, ..story.plan };
    Story { plan, stop: Stop::Not, turns: Vec::new(), ..story }
}

/// Does one whose run dies right after the last effect of a name.
fn killed_after(row: &'static Row, last: &str) {
    // The effects of one that nobody disturbs say which one it is.
    let effects = block_on(play::effects(small(row, Gate::Open)));
    let at = effects.iter().rposition(|(_, what)| what == last).unwrap();
    let stop = Stop::Killed(Kill { at, moment: Moment::After }, Corpse::Dead);
    let told = block_on(told(Story { stop, ..small(row, Gate::Open) }, last));
    assert!(told.reached && told.happened.contains_key("killed"));
}

/// The pods that are tried stay the same beside another size, and what the plan
/// says of the next step is about them.
#[test]
fn a_gate_is_lifted_once_the_plan_has_another_size_too() {
    for row in ROWS.iter().filter(|row| row.sized == Sized::Manifest) {
        let turns = vec![(Turn::Size(4), Stop::Not)];
        let told = block_on(told(Story { turns, ..small(row, Gate::Paused) }, "another size"));
        assert!(told.reached && told.happened.contains_key("sizes edited"));
    }
}

/// The last step looks at the trial first, and deletes it in the end: done once
/// more, it knows that it has.
#[test]
fn a_trial_is_over_where_a_run_died_once_it_was_deleted() {
    for row in ROWS.iter().filter(|row| row.name.starts_with("a trial")) {
        killed_after(row, "delete Deployment/default/web-v2-canary");
    }
}

/// Emptied by the step that looks at it first, it has lost nothing.
#[test]
fn a_trial_is_over_where_a_run_died_once_it_was_emptied() {
    for row in ROWS.iter().filter(|row| row.name.starts_with("a trial")) {
        killed_after(row, "apply Deployment/default/web-v2-canary");
    }
}

/// The last step sends it everything first, and deletes it in the end.
#[test]
fn a_second_ingress_is_not_made_again_where_a_run_died_once_it_was_deleted() {
    let row = ROWS.iter().find(|row| row.name == "a canary by an Ingress").unwrap();
    killed_after(row, "delete Ingress/default/web-canary");
}

#[test]
#[ignore = "the long run: CONTRIBUTING.md"]
fn ten_thousand_generated_rollouts_come_to_their_end() {
    for (name, Tally { reached, back, .. }) in all(0..10_000, threads()) {
        assert!(reached > 20, "{name}: {reached} reached, {back} went back");
    }
}

fn threads() -> u64 {
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
    u64::try_from(cores).unwrap()
}
