//! `tranche status`: where every rollout stands, from the record alone.

use super::args::{Common, Output, Status};
use super::connect::{open, targets};
use super::exit::Failure;
use super::terminal::{Paint, escaped, out};
use crate::core::record::{Decisions, EntityRecord, Phase};
use crate::core::strategy::{EntityKind, StepKind};
use crate::engine::Snapshot;
use crate::port::Remote;
use serde_json::{Value, json};

/// Shows every rollout and what is applied directly.
pub async fn run(common: &Common, options: &Status) -> Result<u8, Failure> {
    let repository = open(common).await?;
    let (mut rollouts, mut direct) = (Vec::new(), Vec::new());
    for target in targets(common, &repository.project)? {
        let tip = repository.remote.fetch_record(&target.record_branch).await?;
        let snapshot = Snapshot::new(repository.remote.objects(), tip);
        for (record, decisions) in snapshot.rows()? {
            if record.removed {
                continue;
            }
            let row = (target.name.clone(), record, decisions);
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
        out("nothing is rolled out yet; `tranche plan` shows what would be");
    }
    let paint = Paint::stdout();
    for (target, record, decisions) in &rollouts {
        show(paint, target, record, decisions);
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

type Row = (String, EntityRecord, Decisions);

/// What an open step, or a person's hold, waits for.
fn waiting(record: &EntityRecord, decisions: &Decisions) -> Value {
    match &record.open {
        Some(open) if open.phase == Phase::Waiting => json!({
            "reason": open.reason,
            "since": open.since,
            "until": open.deadline,
        }),
        Some(_) => Value::Null,
        None => decisions.paused.as_ref().map_or(Value::Null, |paused| {
            json!({"reason": format!("paused by {}", paused.by), "since": paused.at, "until": null})
        }),
    }
}

fn json_row((target, record, decisions): &Row) -> Value {
    let step = record.open.as_ref().map(|open| {
        let index = match open.kind {
            StepKind::Batch(index) => json!(index),
            StepKind::Abort => json!("abort"),
            StepKind::Settle => json!("settle"),
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
        "waiting": waiting(record, decisions),
    })
}

fn show(paint: Paint, target: &str, record: &EntityRecord, decisions: &Decisions) {
    let status = &record.status;
    let key = format!("{}/{}", record.entity.namespace, record.entity.name);
    let state = record.state().to_string();
    let state = match status.rolling_state {
        crate::core::decide::RollingState::RolloutSucceed => paint.green(&state),
        crate::core::decide::RollingState::RolloutFailed => paint.red(&state),
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
    if let Some(reason) = waiting(record, decisions).get("reason").and_then(Value::as_str) {
        out(&format!("  waiting: {}", escaped(reason)));
    }
}
