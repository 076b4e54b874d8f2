//! `tranche status`: where every rollout stands, from the record alone unless
//! the tree is asked for. Owns how that is printed; why something rests is
//! `standing`'s.

use super::args::{Common, Output, Status};
use super::connect::{Repository, open, targets, wire};
use super::detail::Detail;
use super::exit::Failure;
use super::outlined::outline;
use super::standing::{Left, Standing};
use super::terminal::{Line, out, paint, say, say_json};
use super::tree;
use crate::core::decide::{Leaf, RollingState};
use crate::core::escape::Paint;
use crate::core::model::Target;
use crate::core::record::{Ended, EntityRecord};
use crate::core::strategy::{EntityKey, EntityKind, StepKind};
use crate::engine::{Engine, Options, Snapshot};
use crate::port::Remote;
use serde_json::{Value, json};

/// One entity, and what is shown of it.
struct Row {
    standing: Standing,
    /// Of one that was asked for by its name.
    detail: Option<Detail>,
    /// Its objects, and where they are, if the tree was asked for.
    tree: Option<(Target, Vec<Leaf>)>,
}

/// Shows every rollout, what is applied directly, and what is left of others.
pub(super) async fn run(common: &Common, options: &Status) -> Result<u8, Failure> {
    let repository = open(common).await?;
    let mut rows = Vec::new();
    for target in targets(common, &repository.project)? {
        let tips = repository.remote.fetch(&target.record_branch).await?;
        let objects = repository.remote.objects();
        let snapshot = Snapshot::new(objects, tips.record);
        // Gates are in the plan. One that cannot be read says nothing here.
        let plan = outline(&repository.remote, &tips.plan);
        let mut of_target = Vec::new();
        for (record, decisions) in snapshot.rows()? {
            let standing = Standing::of(&snapshot, plan.as_ref(), &target, record, &decisions)?;
            if options.rollout.as_ref().is_none_or(|wanted| standing.is_named(wanted)) {
                let named = options.rollout.is_some();
                let detail = named.then(|| Detail::of(objects, &snapshot, &standing));
                of_target.push(Row { standing, detail, tree: None });
            }
        }
        if options.tree {
            grow(common, &repository, &target, &mut of_target).await?;
        }
        rows.extend(of_target);
    }
    if let Some(wanted) = options.rollout.as_ref().filter(|_| rows.is_empty()) {
        return Err(Failure::usage(
            format!("the record has nothing of the name \"{wanted}\""),
            "`tranche status` alone lists everything that it has",
        ));
    }
    let (left, here): (Vec<Row>, Vec<Row>) =
        rows.into_iter().partition(|row| row.standing.left.is_some());
    let (rollouts, direct): (Vec<Row>, Vec<Row>) =
        here.into_iter().partition(|row| row.standing.record.entity.kind == EntityKind::Rollout);
    if options.output == Output::Json {
        let all = |rows: &[Row]| rows.iter().map(json_row).collect::<Vec<Value>>();
        let status = json!({
            "format": 1,
            "rollouts": all(&rollouts),
            "applications": all(&direct),
            "left": all(&left),
        });
        out(say_json(&status));
        return Ok(0);
    }
    if rollouts.is_empty() && direct.is_empty() && left.is_empty() {
        out("nothing is recorded as rolled out; `tranche plan` shows what would be");
    }
    let paint = paint();
    for row in rollouts.iter().chain(&direct).chain(&left) {
        show(paint, &row.standing);
        if let Some(detail) = &row.detail {
            detail.show(paint);
        }
        if let Some((target, leaves)) = &row.tree {
            tree::show(paint, target, leaves);
        }
    }
    Ok(0)
}

/// Looks at the objects of these entities.
async fn grow(
    common: &Common,
    repository: &Repository,
    target: &Target,
    rows: &mut [Row],
) -> Result<(), Failure> {
    let keys: Vec<EntityKey> = rows.iter().map(|row| row.standing.record.entity.clone()).collect();
    if keys.is_empty() {
        return Ok(());
    }
    let ports = wire(common, repository, target).await?;
    let mut grown = Engine::new(&ports, target, Options::default()).tree(&keys).await?;
    for row in rows {
        let leaves = grown.remove(&row.standing.record.entity).unwrap_or_default();
        row.tree = Some((target.clone(), leaves));
    }
    Ok(())
}

fn json_row(row: &Row) -> Value {
    let (detail, tree, row) = (&row.detail, &row.tree, &row.standing);
    let record = &row.record;
    let step = record.open.as_ref().map(|open| {
        let index = match open.kind {
            StepKind::Batch(index) => json!(index),
            StepKind::Abort => json!("abort"),
            StepKind::Settle => json!("settle"),
            StepKind::Orphans => json!("orphans"),
            StepKind::Prune => json!("prune"),
            StepKind::Replay(_) => json!("replay"),
        };
        json!({
            "index": index,
            "of": record.steps.as_ref().map_or(1, |steps| steps.of),
            "id": open.id,
        })
    });
    let waiting = row.waiting.as_ref().map(
        |waiting| json!({"reason": waiting.reason, "since": waiting.since, "until": waiting.until}),
    );
    let mut told = json!({
        "target": row.target,
        "namespace": record.entity.namespace,
        "name": record.entity.name,
        "attempt": record.attempt,
        "status": record.status,
        "step": step,
        "waiting": waiting,
        "frozen": row.frozen,
    });
    if let (Some(left), Some(told)) = (&row.left, told.as_object_mut()) {
        told.insert("objects".to_owned(), json!(left.objects));
        told.insert("inventory".to_owned(), json!(left.inventory));
    }
    if let (Some(detail), Some(told)) = (detail, told.as_object_mut()) {
        told.insert("detail".to_owned(), detail.json());
    }
    if let (Some((target, leaves)), Some(told)) = (tree, told.as_object_mut()) {
        told.insert("tree".to_owned(), tree::json(target, leaves));
    }
    told
}

fn show(paint: Paint, row: &Standing) {
    let record = &row.record;
    let key = format!("{}/{}", record.entity.namespace, record.entity.name);
    let head = paint.bold(&say(key)) + " on " + say(&row.target);
    let goal = say(record.target.as_ref().map_or("", |target| target.name.as_str()));
    let state = state(paint, record);
    let failed = record.status.rolling_state == RollingState::RolloutFailed;
    if let Some(left) = &row.left {
        // What serves, not what was on its way there.
        let back = record.last.as_ref().is_some_and(|last| last.kind == StepKind::Abort);
        let goal = match &record.stable {
            Some(stable) if back && failed => " back at " + say(&stable.name) + ",",
            _ if goal.is_empty() => goal,
            _ => " " + goal + ",",
        };
        out(head + ":" + goal + " " + state);
        out("  no longer in the plan; " + say(remains(left)));
        return;
    }
    if record.entity.kind == EntityKind::Rollout {
        out(head + ": " + state);
        let source = record.source.as_ref().map_or("nothing", |s| s.name.as_str());
        out("  from " + say(source) + " to " + goal);
        out("  " + say(progress(record)));
    } else {
        let goal = if goal.is_empty() { goal } else { goal + ", " };
        out(head + ": " + goal + state);
    }
    if let Some(reason) = &row.frozen {
        out("  frozen: " + say(reason));
    }
    if let Some(last) = record.last.as_ref().filter(|last| !last.message.is_empty()) {
        if failed {
            out("  because: " + say(&last.message));
        } else if last.verdict == Ended::Succeeded && last.kind != StepKind::Abort {
            out("  note: " + say(&last.message));
        }
    }
    if let Some(waiting) = &row.waiting {
        out("  waiting: " + say(&waiting.reason));
    }
}

fn state(paint: Paint, record: &EntityRecord) -> Line {
    let state = say(record.state().to_string());
    match record.status.rolling_state {
        RollingState::RolloutSucceed => paint.green(&state),
        RollingState::RolloutFailed => paint.red(&state),
        _ => paint.yellow(&state),
    }
}

/// How far a rollout has come. After the way back it is in no batch.
fn progress(record: &EntityRecord) -> String {
    let status = &record.status;
    let back = record.last.as_ref().is_some_and(|last| last.kind == StepKind::Abort);
    let batch = match &record.steps {
        _ if back && status.rolling_state.terminal() => String::new(),
        steps => {
            let of = steps.as_ref().map_or(0, |steps| steps.of);
            format!("batch {} of {of}, ", status.current_batch + 1)
        }
    };
    let share = match status.rolling_state.terminal() {
        true => String::new(),
        false => record.share_after(status.current_batch),
    };
    format!(
        "{batch}{} of {} pods upgraded, {} ready{share}",
        status.upgraded_replicas,
        status.rollout_target_size.max(0),
        status.upgraded_ready_replicas
    )
}

fn remains(left: &Left) -> String {
    match left.objects {
        0 => "nothing of it is left".to_owned(),
        1 => format!("its object stays: {} on the record branch", left.inventory),
        many => format!("its {many} objects stay: {} on the record branch", left.inventory),
    }
}
