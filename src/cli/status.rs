//! `tranche status`: where every rollout stands, from the record alone.

use super::args::{Common, Output, Status};
use super::connect::{open, targets};
use super::exit::Failure;
use super::terminal::{Paint, escaped, out};
use crate::core::decide::{BatchState, RollingState, plan_gate};
use crate::core::model::{Rollout, Target};
use crate::core::record::{Decisions, EntityRecord, Phase};
use crate::core::strategy::{EntityKind, StepKind};
use crate::engine::{Loaded, Snapshot, load_plan};
use crate::port::Remote;
use serde_json::{Value, json};
use std::rc::Rc;

/// Shows every rollout and what is applied directly.
pub async fn run(common: &Common, options: &Status) -> Result<u8, Failure> {
    let repository = open(common).await?;
    let (mut rollouts, mut direct) = (Vec::new(), Vec::new());
    for target in targets(common, &repository.project)? {
        let tips = repository.remote.fetch(&target.record_branch).await?;
        let objects = repository.remote.objects();
        let snapshot = Snapshot::new(objects, tips.record);
        // Gates are in the plan. One that cannot be loaded says nothing here.
        let plan = load_plan(objects, &tips.plan, &target).ok();
        for (record, decisions) in snapshot.rows()? {
            if record.removed {
                continue;
            }
            let gate = plan.as_ref().and_then(|plan| gate(plan, &target, &record));
            let waiting = waiting(&record, &decisions, gate);
            let row = (target.name.clone(), record, waiting);
            if row.1.entity.kind == EntityKind::Rollout {
                rollouts.push(row);
            } else {
                direct.push(row);
            }
        }
    }
    if options.output == Output::Json {
        let rollouts: Vec<Value> = rollouts.iter().map(json_row).collect();
        let direct: Vec<Value> = direct.iter().map(json_row).collect();
        let status = json!({"format": 1, "rollouts": rollouts, "applications": direct});
        out(&serde_json::to_string_pretty(&status).unwrap_or_default());
        return Ok(0);
    }
    if rollouts.is_empty() && direct.is_empty() {
        out("nothing is recorded as rolled out; `tranche plan` shows what would be");
    }
    let paint = Paint::stdout();
    for (target, record, waiting) in &rollouts {
        show(paint, target, record, waiting);
    }
    for (target, record, _) in &direct {
        let revision = record.target.as_ref().map_or("", |t| t.name.as_str());
        let state = record.state();
        out(&escaped(&format!(
            "{}/{} on {target}: {revision}, {state}",
            record.entity.namespace, record.entity.name
        )));
    }
    Ok(0)
}

/// The target, the record, and what it waits for.
type Row = (String, Rc<EntityRecord>, Value);

/// Why the plan keeps the next batch back, if it does.
fn gate(plan: &Loaded, target: &Target, record: &EntityRecord) -> Option<String> {
    let state = record.state();
    let between =
        state.rolling == RollingState::RollingInBatches && state.batch == BatchState::BatchReady;
    let mine = |rollout: &&Rollout| {
        let namespace = rollout.namespace.as_ref().unwrap_or(&target.namespace);
        rollout.name == record.entity.name && *namespace == record.entity.namespace
    };
    let rollout = plan.plan.rollouts.iter().find(mine).filter(|_| between)?;
    plan_gate(rollout, record.status.current_batch + 1)
}

/// What an open step, a person's hold or a gate of the plan waits for.
fn waiting(record: &EntityRecord, decisions: &Decisions, gate: Option<String>) -> Value {
    match &record.open {
        Some(open) if open.phase == Phase::Waiting && !decisions.turn_back(record) => json!({
            "reason": open.reason,
            "since": open.since,
            "until": open.deadline,
        }),
        Some(open) if open.phase == Phase::Intent => json!({
            "reason": format!("step {}, run {} is writing", open.id, open.holder.run),
            "since": null,
            "until": open.lease_until,
        }),
        _ if record.status.rolling_state.terminal() => Value::Null,
        _ => match decisions.standing(record.attempt) {
            Some((reason, since)) => json!({"reason": reason, "since": since, "until": null}),
            None => gate.map_or(
                Value::Null,
                |reason| json!({"reason": reason, "since": null, "until": null}),
            ),
        },
    }
}

fn json_row((target, record, waiting): &Row) -> Value {
    let step = record.open.as_ref().map(|open| {
        let index = match open.kind {
            StepKind::Batch(index) => json!(index),
            StepKind::Abort => json!("abort"),
            StepKind::Settle => json!("settle"),
            StepKind::Orphans => json!("orphans"),
            StepKind::Replay(_) => json!("replay"),
        };
        json!({
            "index": index,
            "of": record.steps.as_ref().map_or(1, |steps| steps.of),
            "id": open.id,
        })
    });
    json!({
        "target": target,
        "namespace": record.entity.namespace,
        "name": record.entity.name,
        "attempt": record.attempt,
        "status": record.status,
        "step": step,
        "waiting": waiting,
    })
}

fn show(paint: Paint, target: &str, record: &EntityRecord, waiting: &Value) {
    let status = &record.status;
    let key = format!("{}/{}", record.entity.namespace, record.entity.name);
    let state = record.state().to_string();
    let state = match status.rolling_state {
        RollingState::RolloutSucceed => paint.green(&state),
        RollingState::RolloutFailed => paint.red(&state),
        _ => paint.yellow(&state),
    };
    out(&format!("{} on {}: {state}", paint.bold(&escaped(&key)), escaped(target)));
    let source = record.source.as_ref().map_or("nothing", |s| s.name.as_str());
    let goal = record.target.as_ref().map_or("", |t| t.name.as_str());
    out(&format!("  from {} to {}", escaped(source), escaped(goal)));
    let of = record.steps.as_ref().map_or(0, |steps| steps.of);
    out(&format!(
        "  batch {} of {of}, {} of {} pods upgraded, {} ready",
        status.current_batch + 1,
        status.upgraded_replicas,
        status.rollout_target_size.max(0),
        status.upgraded_ready_replicas
    ));
    if let Some(reason) = waiting.get("reason").and_then(Value::as_str) {
        out(&format!("  waiting: {}", escaped(reason)));
    }
    let failed = status.rolling_state == RollingState::RolloutFailed;
    if let Some(last) = record.last.as_ref().filter(|last| failed && !last.message.is_empty()) {
        out(&format!("  because: {}", escaped(&last.message)));
    }
}
