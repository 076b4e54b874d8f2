//! `tranche log`: the record branch, newest first. Owns how a record commit is
//! printed; it must never need a cluster.

use super::args::{Common, Log, Output};
use super::connect::{open, targets};
use super::exit::Failure;
use super::terminal::{out, paint, say, say_json};
use crate::core::escape::Paint;
use crate::core::record::Trailers;
use crate::port::{CommitInfo, Objects, Remote};
use serde_json::{Value, json};

/// Shows what happened.
pub(super) async fn run(common: &Common, options: &Log) -> Result<u8, Failure> {
    let repository = open(common).await?;
    let targets = targets(common, &repository.project)?;
    let several = targets.len() > 1;
    let mut rows = Vec::new();
    for target in targets {
        let mut next = repository.remote.fetch_record(&target.record_branch).await?;
        let mut shown = 0;
        while let Some(commit) = next.take() {
            if options.max_count.is_some_and(|most| shown >= most) {
                break;
            }
            let info = repository.remote.objects().info(&commit)?;
            next = info.parent.clone();
            let trailers = Trailers::parse(&info.message);
            let about = trailers.as_ref().and_then(|t| t.rollout.as_deref());
            if options.rollout.as_deref().is_some_and(|wanted| !is_about(about, wanted)) {
                continue;
            }
            shown += 1;
            rows.push((target.name.clone(), info, trailers));
        }
    }
    if options.output == Output::Json {
        let rows: Vec<Value> = rows.iter().map(json_row).collect();
        out(say_json(&json!({"format": 1, "commits": rows})));
        return Ok(0);
    }
    match &options.rollout {
        Some(rollout) if rows.is_empty() => {
            return Err(Failure::usage(
                format!("no commit on the record is about \"{rollout}\""),
                "`tranche status` lists the rollouts; `tranche log` alone shows every commit",
            ));
        }
        None if rows.is_empty() => out("the record is empty"),
        _ => {}
    }
    let paint = paint();
    for row in &rows {
        show(paint, several, row);
    }
    Ok(0)
}

type Row = (String, CommitInfo, Option<Trailers>);

/// Whether an entity (`rollout default/web`) is what was asked for.
fn is_about(entity: Option<&str>, wanted: &str) -> bool {
    let Some((_, key)) = entity.and_then(|entity| entity.rsplit_once(' ')) else { return false };
    key == wanted || key.rsplit_once('/').is_some_and(|(_, name)| name == wanted)
}

fn subject(info: &CommitInfo) -> &str {
    info.message.lines().next().unwrap_or_default()
}

fn json_row((target, info, trailers): &Row) -> Value {
    json!({
        "target": target,
        "commit": info.id.0,
        "time": info.time,
        "subject": subject(info),
        "seq": trailers.as_ref().map(|t| t.seq),
        "phase": trailers.as_ref().map(|t| t.phase.to_string()),
        "rollout": trailers.as_ref().and_then(|t| t.rollout.clone()),
        "step": trailers.as_ref().and_then(|t| t.step.clone()),
        "sourceRevision": trailers.as_ref().and_then(|t| t.source_revision.clone()),
        "targetRevision": trailers.as_ref().and_then(|t| t.target_revision.clone()),
        "planCommit": trailers.as_ref().map(|t| t.plan_commit.clone()),
        "run": trailers.as_ref().and_then(|t| t.run.clone()),
        "by": trailers.as_ref().and_then(|t| t.approved_by.clone()),
    })
}

fn show(paint: Paint, several: bool, (target, info, trailers): &Row) {
    let seq = trailers.as_ref().map_or(String::new(), |t| t.seq.to_string());
    let phase = trailers.as_ref().map_or(String::new(), |t| t.phase.to_string());
    let by = trailers.as_ref().and_then(|t| t.approved_by.as_deref());
    let by = by.map_or_else(String::new, |by| format!("  by {by}"));
    let target = if several { format!("{target}  ") } else { String::new() };
    let head = format!("{seq:>5}  {}  {phase:<8}", info.time);
    out(paint.dim(&say(head)) + "  " + say(target) + say(subject(info)) + say(by));
}
