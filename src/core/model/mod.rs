//! What a plan means, whatever dialect it was written in. Owns the types that
//! dialects translate into and that everything behind them reads; it must
//! never know where a plan came from but for the [`Place`] shown in errors.

mod amount;
mod application;
mod around;
mod blue_green;
mod canary;
mod driven;
mod edge;
mod hook;
mod input_error;
mod lane;
mod outline;
mod overlay;
mod owners;
mod pause;
mod plan;
mod project;
mod ratio;
mod rollout;

pub use amount::Amount;
pub use application::{Application, Component, Trait};
pub use around::{Around, AroundBatch, PlacedHook};
pub use blue_green::{BlueGreen, DEFAULT_SCALE_DOWN_DELAY, DrivenService};
pub use canary::{
    Canary, CanaryStep, CapacityError, Custom, DEFAULT_DRAIN_SECONDS, Leeway, PodPatch,
    RouteProvider, Traffic, TrafficRoute,
};
pub use driven::{DrivenObject, Unclaimed};
pub use edge::{Acknowledged, Api, Client, HostRoute, Instance, Mismatch, Next};
pub use hook::{Address, AllowedHost, Hook, HookType};
pub use input_error::{Excerpt, InputError, InputErrors};
pub use lane::{Hop, Joined, Lane, Member};
pub use outline::{Hold, Outline};
pub use overlay::{Operation, Overlay, Selected};
pub use owners::{Owner, Owners};
pub use pause::Pause;
pub use plan::{Notice, Place, PlainObject, Plan, PlanFile, TemplateSource};
pub use project::{ClusterRef, DEFAULT_NAMESPACE, Limits, Project, Target};
pub use ratio::{ReplicaRatio, Turn, TurnError, Turns};
pub use rollout::{
    Batch, Batches, DEFAULT_DEADLINE_SECONDS, Naming, OnDelete, Rollout, RolloutPlan,
    RolloutStrategy, TargetRevision,
};
