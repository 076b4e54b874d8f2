//! The product on a real control plane: the program itself, a plan repository
//! of its own, and the API server, controllers and scheduler of Kubernetes.
//! One binary for everything that needs them, so that they start once.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and starts processes on files of its own"
)]

mod audit;
mod beside;
mod cellery;
mod changes;
mod components;
mod described;
#[path = "../trap/dice.rs"]
mod dice;
mod faults;
mod forge;
mod gateway;
mod health;
mod istio;
mod kills;
mod kruise_green;
mod lanes;
mod late;
#[path = "../product/listener.rs"]
mod listener;
mod many;
mod nodes;
mod race;
mod ratio;
mod reader;
mod rebuilt;
mod record;
mod runs;
mod shots;
mod sigkill;
mod site;
mod switch;
#[path = "../trap/mod.rs"]
mod trap;
mod watched;
mod webservice;
