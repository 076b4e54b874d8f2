//! Compilers from a plan to steps in one small language. Owns the step
//! language and what every strategy means in it; it must never look at a
//! cluster, and nothing behind it may know which strategy a step came from.
//!
//! A [`Step`] is the unit that is reviewed, executed and committed: an ordered
//! list of [`Effect`]s. An effect that writes carries the whole driven state
//! of its object ([`Driven`]) and says from which revision the rest comes
//! ([`Side`]), so every write is an apply of one complete desired state and
//! none depends on what an earlier one left out.

mod acceptance;
mod autoscaled;
mod back;
mod batches;
mod beside;
mod bodies;
mod by_hand;
mod canary;
mod carried;
mod claim;
mod compile;
mod compiler;
mod condition;
mod desired;
mod direct;
mod edges;
mod effect;
mod evicting;
mod hooks;
mod in_place;
mod joining;
mod lane;
mod member;
mod nodes;
mod paced;
mod pair;
mod passing;
mod pin;
mod pod_list;
mod ratio;
mod refers;
mod replay;
mod routed;
mod sound;
mod spread;
mod step;
mod switch;
mod switched;
mod together;
mod trial;
mod wave;
pub mod workload;
mod written;

pub use autoscaled::{AUTOSCALED_NEXT, autoscaled, autoscalers};
pub use back::begins_of_back;
pub use batches::{BatchError, Goals, goals};
pub use bodies::{Bodies, BodyError, BodyTable, RevisionBodies};
pub use by_hand::{BY_HAND_NEXT, by_hand};
pub use carried::Held;
pub use claim::{claim, staying};
pub use compile::{CompileError, Compiled, Movement, RolloutInput, Sizes};
pub use compiler::{COMPILER, Compiler, FIRST, compile, compile_back, compile_replay};
pub use condition::{Beside, Look, Sight, Written, look};
pub use desired::{
    ANNOTATION_ENTITY, ANNOTATION_EPOCH, ANNOTATION_PREFIX, ANNOTATION_REVISION, ANNOTATION_STEP,
    FIELD_MANAGER, LABEL_MANAGED_BY, MANAGED_BY, Stamp, beside_others, desired, entity_of,
    epoch_of, mark_of, restamped, revision_of, settled, unmarked,
};
pub use direct::{Around, compile_direct};
pub use edges::{Edges, LABEL_APPLICATION, edges};
pub use effect::{Condition, Driven, Effect, Side, Verb};
pub use evicting::{Evicting, evicting, holds_pods, holds_revisions};
pub use lane::lane_objects;
pub use member::Berth;
pub use pin::Pin;
pub use ratio::says;
pub use refers::Referrers;
pub use replay::Standing;
pub use routed::{RouteError, Routed, is_twin};
pub use spread::Sides;
pub use step::{EntityKey, EntityKind, Step, StepContext, StepId, StepKind};
pub use switched::{ServiceError, Switched};
pub use together::Part;
pub use wave::{Rank, wave};
pub use workload::OnNodes;
