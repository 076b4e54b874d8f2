//! Generated plans of every strategy, by the thousand: each is held to all the
//! rules of its kind, and to the way back from every one of its effects. A new
//! strategy is a row of `ROWS`.
//!
//! The suite does a few thousand; the long run is ignored there, and does a
//! hundred thousand: `cargo test --release --test properties -- --ignored`.

use crate::{beside, spread, steps, traffic};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use std::cell::Cell;

/// One strategy: makes a plan, and holds it to the rules; false if it does not
/// compile.
struct Row {
    name: &'static str,
    check: fn(&mut TestRunner) -> bool,
}

static ROWS: &[Row] = &[
    Row { name: "batches", check: in_batches },
    Row { name: "canaries with routes", check: by_routes },
    Row { name: "canaries without a route", check: by_pods },
    Row { name: "trials beside", check: tried_beside },
];

fn in_batches(runner: &mut TestRunner) -> bool {
    let plan = steps::plans().new_tree(runner).unwrap().current();
    steps::keeps_to_the_rules(&plan)
        && steps::has_ids_of_its_own(&plan)
        && from_everywhere(|cut| steps::comes_back(&plan, cut))
}

fn by_routes(runner: &mut TestRunner) -> bool {
    let plan = traffic::plans().new_tree(runner).unwrap().current();
    traffic::keeps_to_the_rules(&plan) && from_everywhere(|cut| traffic::comes_back(&plan, cut))
}

fn by_pods(runner: &mut TestRunner) -> bool {
    let good = (0_u32..12).new_tree(runner).unwrap().current();
    let plan = spread::plans().new_tree(runner).unwrap().current();
    // It goes back from every effect by itself.
    spread::keeps_to_the_rules(&plan) && spread::holds_everything(&plan, good)
}

fn tried_beside(runner: &mut TestRunner) -> bool {
    let plan = traffic::plans().new_tree(runner).unwrap().current();
    beside::keeps_to_the_rules(&plan) && from_everywhere(|cut| beside::comes_back(&plan, cut))
}

/// Goes back after each number of effects that there is.
fn from_everywhere(back: impl Fn(&dyn Fn(usize) -> usize) -> bool) -> bool {
    let count = Cell::new(1);
    let mut at = 0;
    while at < count.get() {
        let cut = |of: usize| {
            count.set(of);
            at.min(of.saturating_sub(1))
        };
        if !back(&cut) {
            return false;
        }
        at += 1;
    }
    true
}

/// So many plans of each row; the same number, the same plans.
fn all(plans: u32) {
    for (place, row) in ROWS.iter().enumerate() {
        let seed = [u8::try_from(place).unwrap(); 32];
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
        let mut runner = TestRunner::new_with_rng(Config::default(), rng);
        let mut good = 0;
        for plan in 0..plans {
            let held =
                std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| (row.check)(&mut runner)));
            match held {
                Ok(compiled) => good += u32::from(compiled),
                Err(fault) => {
                    let text = fault.downcast_ref::<String>().map_or("", String::as_str);
                    panic!("{}, plan {plan}: {text}", row.name);
                }
            }
        }
        assert!(good > plans / 3, "{}: {good} of {plans} plans compile", row.name);
    }
}

#[test]
fn four_thousand_generated_plans_keep_to_the_rules() {
    all(1_000);
}

#[test]
#[ignore = "the long run: CONTRIBUTING.md"]
fn a_hundred_thousand_generated_plans_keep_to_the_rules() {
    all(25_000);
}
