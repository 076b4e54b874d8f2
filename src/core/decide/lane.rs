//! A lane as it stands, where its record is lost. Owns who is concluded to be
//! in it and what is recorded of that; it must never take a lane for open that
//! is only half so.

use super::{BatchState, DirectContent, RollingState, State};
use crate::core::health::Rules;
use crate::core::model::{Lane, Member};
use crate::core::object::Live;
use crate::core::record::{EntityRecord, Inventory};
use crate::core::strategy::{Driven, EntityKey, lane_objects, settled};

/// More rollouts than are told apart by what is live.
const MOST_MEMBERS: usize = 8;

/// A lane of which nothing but its plan and its objects is left.
#[derive(Clone, Debug)]
pub struct LaneTraces<'a> {
    /// The lane's name.
    pub key: &'a EntityKey,
    /// What the plan says of it.
    pub lane: &'a Lane,
    /// Who may be in it.
    pub may: &'a [Member],
    /// Its live objects.
    pub live: &'a Live,
    /// Those that say that they are its own.
    pub owned: &'a Inventory,
    /// The number that the cluster knew.
    pub seq: u64,
    /// The plan commit in force.
    pub plan_commit: &'a str,
}

/// The record of a lane, as far as its objects tell. One that stands between two
/// states has nobody in it: its next step brings it to the one that it is to have.
#[must_use]
pub fn recognise_lane(traces: &LaneTraces<'_>) -> EntityRecord {
    let members = members(traces);
    let objects = lane_objects(traces.lane, &traces.key.namespace, &members);
    let content = DirectContent::of_lane(&traces.key.name, objects, &Rules::default(), members);
    restored(&content, traces.key, traces.owned, traces.seq, traces.plan_commit)
}

/// The record of what is applied as it stands, where it is lost: over, with the
/// objects that say that they are its own. What differs from the plan is a step of
/// its own afterwards.
#[must_use]
pub fn restored(
    content: &DirectContent,
    key: &EntityKey,
    owned: &Inventory,
    seq: u64,
    plan_commit: &str,
) -> EntityRecord {
    // Higher than any that was: no step of it can have an old step's id.
    let attempt = u32::try_from(seq).unwrap_or(u32::MAX);
    let mut record = content.named(EntityRecord {
        step_plan: Some(plan_commit.to_owned()),
        owns: Some(owned.names()),
        ..EntityRecord::fresh(key.clone(), attempt)
    });
    record.stable.clone_from(&record.target);
    record
        .set_state(State { rolling: RollingState::RolloutSucceed, batch: BatchState::BatchReady });
    record
}

/// The most of those who may be in it with whom each of its objects is as it is.
fn members(traces: &LaneTraces<'_>) -> Vec<Member> {
    let may: Vec<&Member> = traces.may.iter().take(MOST_MEMBERS).collect();
    let mut sets: Vec<u32> = (0..1_u32 << may.len()).collect();
    sets.sort_by_key(|set| std::cmp::Reverse(set.count_ones()));
    let of = |set: u32| -> Vec<Member> {
        let all = may.iter().enumerate().filter(|(place, _)| set >> place & 1 == 1);
        all.map(|(_, member)| Member::clone(member)).collect()
    };
    let stands = |members: &Vec<Member>| {
        let objects = lane_objects(traces.lane, &traces.key.namespace, members);
        objects.iter().all(|(object, body)| {
            settled(traces.live.get(object), (object, None), body, &Driven::default())
        })
    };
    sets.into_iter().map(of).find(stands).unwrap_or_default()
}

/// Whether a rollout's step was found by the marks of its objects and nobody has
/// proven it yet: who was in a lane stays in it until then.
#[must_use]
pub fn is_unproven(record: &EntityRecord) -> bool {
    record.open.as_ref().is_some_and(|open| open.holder.run == super::recognise::LOST)
}
