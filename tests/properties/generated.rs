//! Generated plans of every strategy, by the thousand: each is held to all the
//! rules of its kind, and to the way back from every one of its effects. A new
//! strategy is a row of `ROWS`.
//!
//! The suite does five hundred of each; the long run is ignored there, does a
//! hundred thousand in all, and with `--nocapture` says how many of each:
//! `cargo test --release --test properties -- --ignored generated`.

use crate::{beside, istio, member, nodes, spread, steps, switch, traffic};
use proptest::prelude::any;
use proptest::sample::Index;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

/// One strategy: makes a plan, holds it to the rules, and says how often it went
/// back; never, if it does not compile.
struct Row {
    name: &'static str,
    check: fn(&mut TestRunner) -> usize,
}

static ROWS: &[Row] = &[
    Row { name: "batches", check: in_batches },
    Row { name: "canaries with routes", check: by_routes },
    Row { name: "canaries without a route", check: by_pods },
    Row { name: "trials beside", check: tried_beside },
    Row { name: "blue-green", check: switched },
    Row { name: "canaries by Istio's objects", check: by_istio },
    Row { name: "canaries by a template's route", check: by_a_template },
    Row { name: "members of a lane", check: in_a_lane },
    Row { name: "batches over nodes", check: over_nodes },
];

fn one<T>(of: impl Strategy<Value = T>, runner: &mut TestRunner) -> T {
    of.new_tree(runner).unwrap().current()
}

/// After each number of effects that there is.
fn everywhere(count: usize) -> std::ops::Range<usize> {
    0..count
}

fn in_batches(runner: &mut TestRunner) -> usize {
    let plan = one(steps::plans(), runner);
    let compiles = steps::keeps_to_the_rules(&plan) && steps::has_ids_of_its_own(&plan);
    if compiles { steps::comes_back(&plan, everywhere) } else { 0 }
}

fn by_routes(runner: &mut TestRunner) -> usize {
    weighed(&one(traffic::plans(), runner))
}

fn by_a_template(runner: &mut TestRunner) -> usize {
    let plan = one(traffic::plans(), runner);
    weighed(&traffic::Plan { routes: traffic::Routes::Template, ..plan })
}

fn weighed(plan: &traffic::Plan) -> usize {
    let compiles = traffic::keeps_to_the_rules(plan);
    if compiles { traffic::comes_back(plan, everywhere) } else { 0 }
}

fn by_pods(runner: &mut TestRunner) -> usize {
    let good = one(0_u32..12, runner);
    let plan = one(spread::plans(), runner);
    spread::holds_everything(&plan, good);
    // It goes back from every effect by itself.
    spread::keeps_to_the_rules(&plan)
}

fn tried_beside(runner: &mut TestRunner) -> usize {
    let plan = one(traffic::plans(), runner);
    let compiles = beside::keeps_to_the_rules(&plan);
    if compiles { beside::comes_back(&plan, everywhere) } else { 0 }
}

fn switched(runner: &mut TestRunner) -> usize {
    let plan = one(switch::plans(), runner);
    switch::keeps_to_the_rules(&plan);
    switch::comes_back(&plan, everywhere)
}

fn by_istio(runner: &mut TestRunner) -> usize {
    let plan = one(istio::any_plan(), runner);
    let compiles = istio::keeps_to_the_rules(&plan);
    if compiles { istio::comes_back(&plan, everywhere) } else { 0 }
}

fn in_a_lane(runner: &mut TestRunner) -> usize {
    let again = one(any::<Index>(), runner);
    let plan = one(member::plans(), runner);
    member::keeps_to_the_rules(&plan);
    member::comes_back(&plan, everywhere, |count| again.index(count))
}

fn over_nodes(runner: &mut TestRunner) -> usize {
    let plan = one(nodes::plans(), runner);
    if nodes::keeps_to_the_rules(&plan) { nodes::comes_back(&plan, everywhere) } else { 0 }
}

/// So many plans of each row; the same number, the same plans.
#[expect(clippy::print_stdout, reason = "how much was looked at is worth knowing")]
fn all(plans: usize) {
    for (place, row) in ROWS.iter().enumerate() {
        let seed = [u8::try_from(place).unwrap(); 32];
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
        let mut runner = TestRunner::new_with_rng(Config::default(), rng);
        let (mut good, mut ways) = (0, 0);
        for plan in 0..plans {
            let held =
                std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| (row.check)(&mut runner)));
            match held {
                Ok(back) => {
                    good += usize::from(back > 0);
                    ways += back;
                }
                Err(fault) => {
                    let text = fault.downcast_ref::<String>().map_or("", String::as_str);
                    panic!("{}, plan {plan}: {text}", row.name);
                }
            }
        }
        println!("{}: {good} of {plans} plans compile, {ways} ways back", row.name);
        assert!(good > plans / 3, "{}: {good} of {plans} plans compile", row.name);
        assert!(ways > good, "{}: {ways} ways back of {good} plans", row.name);
    }
}

#[test]
fn four_thousand_generated_plans_keep_to_the_rules() {
    all(4_000 / ROWS.len());
}

#[test]
#[ignore = "the long run: CONTRIBUTING.md"]
fn a_hundred_thousand_generated_plans_keep_to_the_rules() {
    all(100_000 / ROWS.len());
}
