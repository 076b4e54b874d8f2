//! Pauses between batches: a batch begins exactly when its gate is open,
//! whatever people decide and edit meanwhile.

use crate::decide::{Case, verdict};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use std::collections::BTreeSet;
use tranche::core::decide::{Decision, Idle};
use tranche::core::model::{OnDelete, Pause};
use tranche::core::record::Approval;
use tranche::core::strategy::StepKind;

/// What happens between two looks.
#[derive(Clone, Debug)]
enum Event {
    Pass(i64),
    /// The gate after a batch, in this attempt or in an earlier one.
    Approve(u32, bool),
    /// All gates of this attempt, or of an earlier one.
    ApproveAll(bool),
    Edit(usize, Option<Pause>),
    Pause(bool),
    Run,
}

fn pauses() -> impl Strategy<Value = Option<Pause>> {
    let until =
        |name: Option<&'static str>| Pause::UntilApproved { approved_for: name.map(str::to_owned) };
    prop_oneof![
        Just(None),
        (0_u32..200, any::<bool>())
            .prop_map(|(seconds, delay)| Some(Pause::For { seconds, delay })),
        prop::sample::select(vec![None, Some("web-v1"), Some("web-v2")])
            .prop_map(move |name| Some(until(name))),
    ]
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        (1_i64..120).prop_map(Event::Pass),
        (0_u32..2, any::<bool>()).prop_map(|(after, now)| Event::Approve(after, now)),
        any::<bool>().prop_map(Event::ApproveAll),
        (0_usize..2, pauses()).prop_map(|(after, pause)| Event::Edit(after, pause)),
        any::<bool>().prop_map(Event::Pause),
        Just(Event::Run),
        Just(Event::Run),
    ];
    prop::collection::vec(event, 1..24)
}

/// The rule as people know it.
fn open(pause: Option<&Pause>, done: Timestamp, now: Timestamp, approved: bool) -> bool {
    let by_plan = match pause {
        None => true,
        Some(Pause::For { seconds, .. }) => {
            now.duration_since(done).as_secs() >= i64::from(*seconds)
        }
        Some(Pause::UntilApproved { approved_for }) => approved_for.as_deref() == Some("web-v2"),
    };
    by_plan || approved
}

fn attempt(case: &Case) -> u32 {
    case.record.as_ref().unwrap().attempt
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_batch_begins_when_its_gate_is_open_and_never_before(
        first in pauses(), second in pauses(), events in events(),
    ) {
        let mut case = Case::upgrading();
        case.plan().pauses = vec![first, second];
        // Nothing is before the first batch.
        prop_assert_eq!(case.step(), StepKind::Batch(0));
        let mut done = vec![case.now];
        let (mut approved, mut all) = (BTreeSet::new(), false);
        for event in events {
            match event {
                Event::Pass(seconds) => case.now += SignedDuration::from_secs(seconds),
                Event::Approve(after_batch, now) => {
                    let verdict = verdict(attempt(&case) - u32::from(!now));
                    case.decisions.approve = Some(Approval { after_batch, verdict });
                    approved = if now { [after_batch].into() } else { BTreeSet::new() };
                }
                Event::ApproveAll(now) => {
                    let verdict = verdict(attempt(&case) - u32::from(!now));
                    case.decisions.approve_all = Some(verdict);
                    all = now;
                }
                Event::Edit(after, pause) => case.plan().pauses[after] = pause,
                Event::Pause(on) => case.decisions.paused = on.then(|| verdict(attempt(&case))),
                Event::Run => {
                    let after = done.len() - 1;
                    let gate = case.plan().pauses[after].clone();
                    let delay = matches!(gate, Some(Pause::For { delay: true, .. }));
                    let approved =
                        approved.contains(&u32::try_from(after).unwrap()) || (all && !delay);
                    let open = open(gate.as_ref(), done[after], case.now, approved);
                    let open = open && case.decisions.paused.is_none();
                    let before = case.record.clone();
                    match case.decide() {
                        Decision::Act(act) => {
                            prop_assert!(open, "{:?} begins behind {gate:?}", act.step.kind);
                            let next = StepKind::Batch(u32::try_from(done.len()).unwrap());
                            prop_assert_eq!(case.step(), next);
                            done.push(case.now);
                            if done.len() == 3 {
                                return Ok(());
                            }
                        }
                        Decision::Idle(Idle::Held { until, .. }) => {
                            prop_assert!(!open && until > case.now, "{gate:?} until {until}");
                        }
                        Decision::Idle(Idle::Waiting { .. }) => prop_assert!(!open, "{gate:?}"),
                        other => prop_assert!(false, "{other:?}"),
                    }
                    if !open {
                        prop_assert_eq!(&case.record, &before);
                    }
                }
            }
        }
    }

    /// A gate is in no step: neither its id nor what it does.
    #[test]
    fn an_edit_of_a_pause_changes_no_step(before in pauses(), after in pauses()) {
        let mut case = Case::upgrading();
        let plain = case.act();
        case.plan().pauses = vec![before, after];
        let gated = case.act();
        prop_assert_eq!(plain.step, gated.step);
        prop_assert_eq!(plain.upcoming, gated.upcoming);
        prop_assert_eq!(plain.record, gated.record);
    }
}

fn waits() -> Option<Pause> {
    Some(Pause::UntilApproved { approved_for: None })
}

#[test]
fn an_open_step_goes_on_whatever_is_put_before_it() {
    let mut case = Case::upgrading();
    case.step();
    let act = case.act();
    case.intend(&act);
    case.holder_dead = true;
    case.plan().pauses = vec![waits()];
    assert_eq!(case.act().step.id(), act.step.id());
}

#[test]
fn a_first_deploy_and_another_size_pass_every_gate() {
    let mut case = Case::new();
    case.plan().pauses = vec![waits(), waits()];
    case.finish();
    case.plan().plan.target_size = Some(8);
    case.finish();
    assert_eq!(case.size("web-v1"), Some(8));
}

#[test]
fn what_has_left_the_plan_and_is_promoted_waits_for_nobody() {
    let mut case = Case::upgrading();
    case.plan().on_delete = OnDelete::Promote;
    case.plan().pauses = vec![waits(), waits()];
    case.step();
    assert!(matches!(case.idle(), Idle::Waiting { .. }));
    case.plan = None;
    assert_eq!(case.step(), StepKind::Batch(1));
}

#[test]
fn a_hold_counts_from_the_result_though_the_record_says_something_later_since() {
    let mut case = Case::upgrading();
    case.plan().pauses = vec![Some(Pause::held(60))];
    case.step();
    let done = case.now;
    let record = case.record.as_mut().unwrap();
    record.last.as_mut().unwrap().at = done + SignedDuration::from_secs(50);
    let Idle::Held { until, .. } = case.idle() else { panic!("not held") };
    assert_eq!(until, done + SignedDuration::from_secs(60));
    // An earlier version records no boundary, and its last result is later.
    case.record.as_mut().unwrap().boundary = None;
    let Idle::Held { until, .. } = case.idle() else { panic!("not held") };
    assert_eq!(until, done + SignedDuration::from_secs(110));
}
