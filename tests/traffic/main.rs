//! The product under load: the program itself, pods that are processes, a real
//! proxy, and every request accounted for. One binary, so that the laboratory
//! starts once; its scenarios take turns, so that their figures are true.
//!
//! A new scenario is a function that makes a `Scene`, begins a load, does
//! something, and holds the report against `verdict`. A provider of its own is
//! a file with its plan, beside `plans.rs`.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and waits for what really takes time"
)]

mod beside;
mod by_hand;
mod canary;
#[path = "../real/changes.rs"]
mod changes;
#[path = "../trap/dice.rs"]
mod dice;
mod figures;
mod lane;
mod plans;
mod scene;
mod sigkill;
#[expect(dead_code, reason = "tests of another binary use the rest")]
#[path = "../real/site.rs"]
mod site;
mod switch;
mod verdict;
