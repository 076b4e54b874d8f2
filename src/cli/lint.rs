//! `tranche lint`: is the plan valid, and what in it may surprise?

use super::args::{Common, Output, Source};
use super::exit::Failure;
use super::render::load_all;
use super::terminal::{escaped, out};
use serde_json::json;

/// Checks the plan for every target.
pub async fn run(common: &Common, options: &Source) -> Result<u8, Failure> {
    let mut notices = Vec::new();
    let mut counts = Vec::new();
    for (target, loaded) in load_all(common, options.worktree).await? {
        notices.extend(loaded.plan.notices.clone());
        counts.push(format!(
            "target {target}: {} applications, {} rollouts, {} plain objects",
            loaded.applications.len(),
            loaded.plan.rollouts.len(),
            loaded.plan.objects.len()
        ));
    }
    notices.sort_by(|a, b| a.place.cmp(&b.place));
    notices.dedup();
    match options.output {
        Output::Json => {
            let list: Vec<_> = notices
                .iter()
                .map(|n| json!({"file": n.place.file, "line": n.place.line, "message": n.message}))
                .collect();
            out(&serde_json::to_string_pretty(&json!({"notices": list})).unwrap_or_default());
        }
        Output::Text => {
            for notice in &notices {
                out(&escaped(&format!("{}: {}", notice.place, notice.message)));
            }
            for count in counts {
                out(&escaped(&count));
            }
        }
    }
    Ok(0)
}
