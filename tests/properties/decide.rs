//! What is decided when: a rollout is taken through its situations by the
//! pure half of a run alone.

use crate::plan::{counts, key, revision, rollout};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tranche::core::decide::{
    Act, BatchState, Conclusion, Decision, Entry, Idle, Intended, Parked, RefusalKind,
    RollingState, RolloutView, StepVerdict, concluded, decide_rollout, intended, parked,
};
use tranche::core::digest::Digest;
use tranche::core::model::{Batches, OnDelete, Rollout, RolloutStrategy, TargetRevision};
use tranche::core::object::ObjectRef;
use tranche::core::record::{Decisions, EntityRecord, Holder, Verdict};
use tranche::core::release::Release;
use tranche::core::strategy::workload::Shape;
use tranche::core::strategy::{Effect, EntityKey, Part, RevisionBodies, StepKind};

/// A plan, a record and a cluster that does at once what it is told.
pub struct Case {
    key: EntityKey,
    pub plan: Option<Rollout>,
    step_plan: Option<Rollout>,
    plan_commit: String,
    released: bool,
    pub record: Option<EntityRecord>,
    pub decisions: Decisions,
    revisions: BTreeMap<String, Arc<RevisionBodies>>,
    live: BTreeMap<ObjectRef, Value>,
    pub now: Timestamp,
    pub holder_dead: bool,
}

impl Case {
    /// Four pods in batches of 1, 1 and 2, over a pair of Deployments.
    pub fn new() -> Self {
        let revisions = (1..=3).map(|n| (format!("web-v{n}"), revision(Shape::Pair, n, 4)));
        let plan = rollout(RolloutStrategy::IncreaseFirst, counts(&[(1, 0), (1, 0), (2, 0)]));
        let mut case = Self {
            key: key(),
            plan: Some(plan),
            step_plan: None,
            plan_commit: "c1".to_owned(),
            released: false,
            record: None,
            decisions: Decisions::default(),
            revisions: revisions.collect(),
            live: BTreeMap::new(),
            now: Timestamp::from_second(1_790_000_000).unwrap(),
            holder_dead: false,
        };
        case.aim("web-v1", "c1");
        case
    }

    /// The same together with one pod on each of so many nodes.
    fn on_nodes(nodes: u32) -> Self {
        let mut case = Self::new();
        case.plan().with = vec!["agent".to_owned()];
        case.plan().plan.strategy = RolloutStrategy::DecreaseFirst;
        case.plan().plan.batches = Batches::Even(2);
        for (number, bodies) in (1..).zip(case.revisions.values_mut()) {
            let mut all = RevisionBodies::clone(bodies);
            let agent = revision(Shape::Nodes, number, 0);
            let object = agent.workload.clone();
            all.bodies.extend(agent.bodies.get(&object).map(|it| (object.clone(), Arc::clone(it))));
            let agent = RevisionBodies {
                component: "agent".to_owned(),
                bodies: BTreeMap::new(),
                rest: Vec::new(),
                ..RevisionBodies::clone(&agent)
            };
            all.parts = vec![Part { revision: Arc::new(agent), plain: object }];
            *bodies = Arc::new(all);
        }
        case.finish();
        case.have_nodes(nodes);
        case
    }

    fn have_nodes(&mut self, nodes: u32) {
        let agent = self.revisions["web-v1"].parts[0].revision.workload.clone();
        let status = json!({"observedGeneration": 0, "desiredNumberScheduled": nodes,
            "currentNumberScheduled": nodes, "numberReady": nodes, "numberAvailable": nodes,
            "updatedNumberScheduled": nodes});
        self.live.insert(agent, json!({"status": status}));
    }

    /// Its pair is gone, and what brings it back waits; so many pods are there.
    fn being_mended(&mut self, revision: &str, pods: u32) {
        let web = self.revisions[revision].workload.clone();
        self.live.remove(&web);
        let act = self.act();
        assert_eq!(act.step.kind, StepKind::Settle);
        self.intend(&act);
        self.park();
        self.live.insert(web, json!({"spec": {"replicas": pods}}));
    }

    /// Version 1 rolled out, and the plan at version 2.
    pub fn upgrading() -> Self {
        let mut case = Self::new();
        case.finish();
        case.aim("web-v2", "c2");
        case
    }

    pub fn plan(&mut self) -> &mut Rollout {
        self.plan.as_mut().unwrap()
    }

    /// A plan commit that names a target.
    fn aim(&mut self, revision: &str, commit: &str) {
        self.plan().target = TargetRevision::Named(revision.to_owned());
        self.plan_commit = commit.to_owned();
    }

    pub fn decide(&self) -> Decision {
        let known: Vec<String> = self.revisions.keys().cloned().collect();
        let target = self.plan.as_ref().map(|plan| match &plan.target {
            TargetRevision::Named(name) => name.clone(),
            TargetRevision::Latest { .. } => panic!("these plans name their targets"),
        });
        decide_rollout(&RolloutView {
            key: &self.key,
            project: "0123456789",
            target: "sandbox",
            plan_commit: &self.plan_commit,
            rollout: self.plan.as_ref(),
            target_revision: target.as_deref(),
            step_rollout: self.step_plan.as_ref(),
            released: self.released,
            record: self.record.as_ref(),
            decisions: &self.decisions,
            revisions: &self.revisions,
            known: &known,
            live: &self.live.iter().map(|(o, v)| (o.clone(), Arc::new(v.clone()))).collect(),
            unchanged: &self.live.keys().cloned().collect::<BTreeSet<_>>(),
            now: self.now,
            holder_dead: self.holder_dead,
            release: &Release::default(),
        })
    }

    pub fn act(&self) -> Act {
        match self.decide() {
            Decision::Act(act) => *act,
            other => panic!("not a step: {other:?}"),
        }
    }

    pub fn idle(&self) -> Idle {
        match self.decide() {
            Decision::Idle(idle) => idle,
            other => panic!("not idle: {other:?}"),
        }
    }

    fn refused(&self) -> (RefusalKind, String) {
        match self.decide() {
            Decision::Refuse(refusal) => (refusal.kind, refusal.message),
            other => panic!("not refused: {other:?}"),
        }
    }

    fn state(&self) -> RollingState {
        self.record.as_ref().unwrap().status.rolling_state
    }

    /// Records the intent of a step.
    pub fn intend(&mut self, act: &Act) {
        let holder = Holder {
            run: "r1".to_owned(),
            boot: String::new(),
            pid_namespace: String::new(),
            pid: 1,
            started: 1,
        };
        let lease_until = self.now + SignedDuration::from_secs(120);
        let intent = Intended {
            cursor: act.cursor,
            step_plan: &act.step_plan,
            epoch: 7,
            holder: &holder,
            lease_until,
            objects: Vec::new(),
        };
        self.record = Some(intended(&act.record, &act.step, intent));
        if matches!(act.step.kind, StepKind::Batch(_)) {
            self.step_plan.clone_from(&self.plan);
        }
    }

    fn park(&mut self) {
        let park = Parked {
            cursor: 1,
            now: self.now,
            waits: true,
            rolled: true,
            deadline_seconds: Some(600),
            reason: "pods",
            ready: Some(0),
            objects: Vec::new(),
        };
        self.record = Some(parked(self.record.as_ref().unwrap(), park));
    }

    fn conclude(&mut self, act: &Act, verdict: StepVerdict) {
        let aborting = self.decisions.aborts(self.record.as_ref().unwrap().attempt);
        let end = Conclusion {
            verdict,
            now: self.now,
            plan_commit: &self.plan_commit,
            pause: act.pause_after(),
            aborting,
            recovered: false,
            message: "seen",
            ready: None,
            on_nodes: 0,
        };
        self.record = Some(concluded(self.record.as_ref().unwrap(), &act.step, &end));
    }

    /// Does the step that is due.
    pub fn step(&mut self) -> StepKind {
        let act = self.act();
        self.intend(&act);
        for effect in &act.step.effects {
            match effect {
                Effect::Write { object, driven, .. } => {
                    let replicas = driven.replicas.unwrap_or(0);
                    self.live.insert(object.clone(), json!({"spec": {"replicas": replicas}}));
                }
                Effect::Delete { object, .. } => {
                    self.live.remove(object);
                }
                Effect::Await { .. } | Effect::Evict { .. } | Effect::Call { .. } => {}
            }
        }
        self.conclude(&act, StepVerdict::Succeeded);
        act.step.kind
    }

    pub fn finish(&mut self) {
        for _ in 0..10 {
            if matches!(self.decide(), Decision::Idle(Idle::Done)) {
                return;
            }
            self.step();
        }
        panic!("no end in ten steps");
    }

    pub fn size(&self, revision: &str) -> Option<u64> {
        let object = &self.revisions.get(revision).unwrap().workload;
        self.live.get(object)?.pointer("/spec/replicas")?.as_u64()
    }
}

pub fn verdict(attempt: u32) -> Verdict {
    Verdict { attempt, by: "operator".to_owned(), at: Timestamp::UNIX_EPOCH, reason: None }
}

#[test]
fn a_first_deploy_goes_batch_by_batch_to_the_rendered_size() {
    let mut case = Case::new();
    let first = case.act();
    assert_eq!((first.entry, first.step.kind), (Entry::Fresh, StepKind::Batch(0)));
    assert_eq!(first.upcoming.len(), 2);
    for (batch, pods) in [(0, 1), (1, 2), (2, 4)] {
        assert_eq!(case.step(), StepKind::Batch(batch));
        assert_eq!(case.size("web-v1"), Some(pods));
    }
    assert_eq!(case.state(), RollingState::RolloutSucceed);
    assert_eq!(case.idle(), Idle::Done);
}

#[test]
fn an_upgrade_takes_the_source_away_with_its_last_batch() {
    let mut case = Case::upgrading();
    for (batch, new, old) in [(0, 1, Some(3)), (1, 2, Some(2)), (2, 4, None)] {
        assert_eq!(case.step(), StepKind::Batch(batch));
        assert_eq!((case.size("web-v2"), case.size("web-v1")), (Some(new), old));
    }
    assert_eq!(case.idle(), Idle::Done);
}

#[test]
fn a_partition_stops_after_its_batch() {
    let mut case = Case::upgrading();
    case.plan().plan.batch_partition = Some(1);
    case.step();
    case.step();
    let Idle::Waiting { reason } = case.idle() else { panic!("not waiting") };
    assert!(reason.contains("batchPartition is 1"), "{reason}");
    case.plan().plan.batch_partition = Some(2);
    assert_eq!(case.step(), StepKind::Batch(2));
}

#[test]
fn a_pause_holds_the_next_batch() {
    let mut case = Case::upgrading();
    case.step();
    case.decisions.paused = Some(verdict(0));
    assert!(matches!(case.idle(), Idle::Waiting { .. }));
    case.decisions.paused = None;
    case.plan().plan.paused = true;
    assert!(matches!(case.idle(), Idle::Waiting { .. }));
    case.plan().plan.paused = false;
    assert_eq!(case.step(), StepKind::Batch(1));
}

#[test]
fn another_target_goes_all_the_way_back_first() {
    let mut case = Case::upgrading();
    case.step();
    case.aim("web-v3", "c3");
    assert_eq!(case.act().record.status.rolling_state, RollingState::RolloutAbandoning);
    assert_eq!(case.step(), StepKind::Abort);
    assert_eq!((case.size("web-v1"), case.size("web-v2")), (Some(4), None));
    assert_eq!(case.state(), RollingState::LocatingTargetApp);
    assert_eq!(case.act().record.attempt, 3);
    case.finish();
    assert_eq!((case.size("web-v3"), case.size("web-v1")), (Some(4), None));
}

/// An upgrade takes its size from what it finds.
#[test]
fn nodes_that_have_joined_make_up_for_no_pods_of_another_component() {
    let mut case = Case::on_nodes(9);
    case.being_mended("web-v1", 0);
    case.aim("web-v2", "c2");
    let act = case.act();
    assert_eq!((act.entry, act.step.kind), (Entry::Resume, StepKind::Settle));
}

#[test]
fn nodes_that_have_left_are_missing_to_no_new_target() {
    let mut case = Case::on_nodes(5);
    case.aim("web-v2", "c2");
    case.finish();
    case.have_nodes(5);
    assert_eq!(case.record.as_ref().unwrap().beside[0].sizes.target, 5);
    case.being_mended("web-v2", 4);
    case.have_nodes(3);
    case.aim("web-v3", "c3");
    let act = case.act();
    assert_eq!((act.entry, act.step.kind), (Entry::Fresh, StepKind::Batch(0)));
    // What is on no node yet is not whole.
    case.have_nodes(0);
    let agent = case.revisions["web-v1"].parts[0].revision.workload.clone();
    case.live.get_mut(&agent).unwrap()["status"]["observedGeneration"] = Value::Null;
    assert_eq!(case.act().step.kind, StepKind::Settle);
}

#[test]
fn a_revert_is_the_way_back_and_succeeds() {
    let mut case = Case::upgrading();
    case.step();
    case.aim("web-v1", "c3");
    assert_eq!(case.step(), StepKind::Abort);
    assert_eq!(case.state(), RollingState::RolloutSucceed);
    assert_eq!((case.size("web-v1"), case.size("web-v2")), (Some(4), None));
    assert_eq!(case.idle(), Idle::Done);
}

#[test]
fn a_rollout_that_vanishes_freezes_goes_back_or_goes_on() {
    for policy in [OnDelete::Freeze, OnDelete::Abort, OnDelete::Promote] {
        let mut case = Case::upgrading();
        case.plan().on_delete = policy;
        case.plan().plan.batch_partition = Some(0);
        case.step();
        case.plan = None;
        match policy {
            OnDelete::Freeze => {
                let (kind, message) = case.refused();
                assert_eq!(kind, RefusalKind::Safety);
                assert!(message.contains("frozen"), "{message}");
            }
            OnDelete::Abort => {
                assert_eq!(case.step(), StepKind::Abort);
                assert_eq!(case.size("web-v1"), Some(4));
                assert!(case.record.as_ref().unwrap().removed);
            }
            OnDelete::Promote => {
                assert_eq!(case.act().step.kind, StepKind::Batch(1));
            }
        }
    }
}

#[test]
fn a_finished_or_released_rollout_that_vanishes_is_buried() {
    let mut done = Case::new();
    done.finish();
    done.plan = None;
    assert!(matches!(done.decide(), Decision::Amend(..)));
    let mut released = Case::upgrading();
    released.step();
    released.plan = None;
    released.released = true;
    assert!(matches!(released.decide(), Decision::Amend(..)));
}

#[test]
fn an_abort_holds_until_a_retry_or_a_newer_commit() {
    let mut case = Case::upgrading();
    case.step();
    let attempt = case.record.as_ref().unwrap().attempt;
    case.decisions.abort = Some(verdict(attempt));
    assert_eq!(case.step(), StepKind::Abort);
    assert_eq!(case.state(), RollingState::RolloutFailed);
    assert!(matches!(case.idle(), Idle::Failed { .. }));
    // A newer commit with the same target starts nothing by itself.
    case.plan_commit = "c3".to_owned();
    assert!(matches!(case.idle(), Idle::Failed { .. }));
    case.decisions.retry = Some(verdict(attempt));
    assert_eq!(case.act().record.attempt, attempt + 1);
    assert_eq!(case.step(), StepKind::Batch(0));
}

#[test]
fn an_abort_holds_back_the_newer_target_of_its_commit() {
    let mut case = Case::upgrading();
    case.step();
    case.decisions.abort = Some(verdict(case.record.as_ref().unwrap().attempt));
    case.aim("web-v3", "c3");
    assert_eq!(case.step(), StepKind::Abort);
    assert!(matches!(case.idle(), Idle::Failed { .. }));
    case.plan_commit = "c4".to_owned();
    assert_eq!(case.act().step.kind, StepKind::Batch(0));
}

#[test]
fn a_batch_that_misses_its_deadline_goes_back() {
    let mut case = Case::upgrading();
    let act = case.act();
    case.intend(&act);
    case.park();
    case.conclude(&act, StepVerdict::Failed);
    assert_eq!(case.state(), RollingState::RolloutFailing);
    assert_eq!(
        case.record.as_ref().unwrap().status.batch_rolling_state,
        BatchState::BatchVerifyFailed
    );
    assert_eq!(case.step(), StepKind::Abort);
    assert!(matches!(case.idle(), Idle::Failed { .. }));
}

#[test]
fn an_open_step_is_left_to_its_holder_while_it_may_live() {
    let mut case = Case::upgrading();
    let act = case.act();
    case.intend(&act);
    assert!(matches!(case.idle(), Idle::Busy { .. }));
    case.holder_dead = true;
    assert_eq!((case.act().entry, case.act().step.id()), (Entry::Takeover, act.step.id()));
    case.holder_dead = false;
    case.now += SignedDuration::from_secs(120);
    assert_eq!(case.act().entry, Entry::Takeover);
    case.park();
    assert_eq!((case.act().entry, case.act().cursor), (Entry::Resume, 1));
}

#[test]
fn an_open_step_goes_on_from_the_plan_it_began_with() {
    let mut case = Case::upgrading();
    let act = case.act();
    case.intend(&act);
    case.park();
    case.plan().plan.batches = counts(&[(2, 0), (2, 0)]);
    case.plan_commit = "c3".to_owned();
    assert_eq!(case.act().step.id(), act.step.id());
    // Without that plan the step cannot be compiled again, and nothing moves.
    case.step_plan = None;
    assert_eq!(case.refused().0, RefusalKind::Record);
}

#[test]
fn later_batches_may_be_edited_and_done_ones_may_not() {
    let mut case = Case::upgrading();
    case.step();
    case.plan().plan.batches = counts(&[(1, 0), (3, 0)]);
    assert_eq!(case.act().upcoming.len(), 0);
    case.plan().plan.batches = counts(&[(2, 0), (2, 0)]);
    let (kind, message) = case.refused();
    assert_eq!(kind, RefusalKind::Plan);
    assert!(message.contains("has done batches up to 1 pods"), "{message}");
}

#[test]
fn what_the_plan_names_must_exist_and_fit() {
    let mut case = Case::upgrading();
    case.aim("web-v9", "c3");
    let (kind, message) = case.refused();
    assert_eq!(kind, RefusalKind::Plan);
    assert!(message.contains("web-v9") && message.contains("web-v1, web-v2"), "{message}");
    let mut case = Case::upgrading();
    case.plan().source = Some("web-v3".to_owned());
    let (kind, message) = case.refused();
    assert_eq!(kind, RefusalKind::Plan);
    assert!(message.contains("web-v1 is what is rolled out"), "{message}");
    let mut case = Case::upgrading();
    case.live.clear();
    assert_eq!(case.refused().0, RefusalKind::Safety);
}

#[test]
fn a_recorded_revision_that_renders_otherwise_is_refused() {
    let mut case = Case::upgrading();
    case.step();
    Arc::make_mut(case.revisions.get_mut("web-v1").unwrap()).digest =
        Digest::of_bytes(b"rewritten");
    let (kind, message) = case.refused();
    assert_eq!(kind, RefusalKind::Record);
    assert!(message.contains("but the record says"), "{message}");
}

#[test]
fn a_finished_rollout_is_scaled_by_its_target_size_and_an_upgrade_never_shrinks() {
    let mut case = Case::new();
    case.finish();
    case.plan().plan.target_size = Some(6);
    case.plan().plan.batches = counts(&[(1, 0), (1, 0)]);
    case.finish();
    assert_eq!(case.size("web-v1"), Some(6));
    case.aim("web-v2", "c3");
    case.plan().plan.target_size = Some(5);
    assert_eq!(case.refused().0, RefusalKind::Plan);
    case.plan().plan.target_size = Some(8);
    case.plan().plan.batches = counts(&[(4, 0), (4, 0)]);
    case.finish();
    assert_eq!((case.size("web-v2"), case.size("web-v1")), (Some(8), None));
}
