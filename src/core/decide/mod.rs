//! What to do next: KubeVela's state machine made total. Owns every decision
//! about an entity; it must never act.
//!
//! [`decide_rollout`] and [`decide_direct`] look at a view (plan, record,
//! decisions, live objects, the target's time) and answer with a [`Decision`].
//! `after` turns what was done into the next record.

mod adopt;
mod after;
mod candidates;
mod command;
mod content;
mod course;
mod decision;
mod direct;
mod gate;
mod lane;
mod leaf;
mod leaving;
mod machine;
mod member;
mod open;
mod orphan;
mod prune;
mod recognise;
mod removal;
mod replay;
mod rollout;
mod start;
mod terminal;
mod view;

pub use adopt::adopted;
pub use after::{
    Conclusion, Intended, Parked, StepVerdict, concluded, intended, parked, unwritten,
};
pub use command::{Answer, Command, Gate, Stance};
pub use content::{DirectContent, Object};
pub use course::{Passed, Progress, Wellbeing, course, wellbeing};
pub use decision::{Act, Decision, Entry, Idle, Refusal, RefusalKind};
pub use direct::{DirectView, decide_direct, decide_gone, is_of_any};
pub use gate::{Closed, gates_left, stands_after};
pub use lane::{LaneTraces, is_unproven, recognise_lane, restored};
pub use leaf::{Leaf, Stands};
pub use leaving::is_leaving;
pub use machine::{BatchState, Event, RollingState, State, Transition, transition};
pub use member::in_lane;
pub use orphan::{OrphanView, decide_orphans, inert};
pub use prune::{ANNOTATION_PRUNE, PruneView, Pruning, decide_prune};
pub use recognise::{Recognised, Traces, recognise};
pub use replay::heeds_abort;
pub use rollout::{decide_rollout, plan_gate};
pub use view::{RolloutView, application_of, wanted_revisions};
