//! The product from end to end: the program itself, on a bare plan repository
//! and the embedded cluster.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and starts processes on files of its own"
)]

mod all_gates;
mod at_odds;
mod beside;
mod canary;
mod care;
mod carried;
mod cellery;
mod contested;
#[path = "../trap/dice.rs"]
mod dice;
mod direct;
mod edits;
mod foreseen;
mod gates;
mod health;
mod hold;
mod hooks;
mod idle;
mod istio;
mod kruise;
mod kruise_events;
mod kruise_failures;
mod kruise_green;
mod kruise_steps;
mod kubevela;
mod kubevela_components;
mod kubevela_embedded;
mod kubevela_rules;
mod kubevela_traits;
mod lane_members;
mod lanes;
mod let_go;
mod listener;
mod locks;
mod midway;
mod nearby;
mod nodes;
mod overlays;
mod owners;
mod paced;
mod pair;
mod people;
mod plans;
mod prune;
mod race;
mod ratio;
mod rebuild;
mod record;
mod recover;
mod requests;
mod reviewed;
mod rounds;
mod routes;
mod seeds;
mod sigkill;
mod signals;
mod spread;
mod stage;
mod status;
mod styles;
mod switch;
mod together;
mod traffic;
mod traits;
mod traps;
mod tree;
mod world;
