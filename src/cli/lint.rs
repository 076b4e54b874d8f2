//! `tranche lint`: is the plan valid, and what in it may surprise? Owns how
//! findings are printed; it must never need a cluster.

use super::args::{Common, Output, Source};
use super::exit::Failure;
use super::render::load_all;
use super::terminal::{out, say, say_json};
use serde_json::json;

fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

/// Checks the plan for every target.
pub(super) async fn run(common: &Common, options: &Source) -> Result<u8, Failure> {
    let mut notices = Vec::new();
    let mut counts = Vec::new();
    for (target, loaded) in load_all(common, options.worktree, true).await? {
        notices.extend(loaded.plan.notices.iter().chain(&loaded.plan.hints).cloned());
        let plan = &loaded.plan;
        let mut has = vec![
            counted(loaded.applications.len(), "application"),
            counted(plan.rollouts.len(), "rollout"),
        ];
        // Most plans have none of these.
        for (count, what) in [(plan.lanes.len(), "lane"), (plan.routes.len(), "route")] {
            if count > 0 {
                has.push(counted(count, what));
            }
        }
        has.push(counted(plan.objects.len(), "plain object"));
        counts.push(format!("target {target}: {}", has.join(", ")));
    }
    notices.sort_by(|a, b| a.place.cmp(&b.place));
    notices.dedup();
    match options.output {
        Output::Json => {
            let list: Vec<_> = notices
                .iter()
                .map(|n| json!({"file": n.place.file, "line": n.place.line, "message": n.message}))
                .collect();
            out(say_json(&json!({"notices": list})));
        }
        Output::Text => {
            for notice in &notices {
                out(say(format!("{}: {}", notice.place, notice.message)));
            }
            for count in counts {
                out(say(count));
            }
        }
    }
    Ok(0)
}
