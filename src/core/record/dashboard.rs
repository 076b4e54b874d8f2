//! The page that forges show for the record branch.

use super::{Decisions, EntityRecord, Phase};
use crate::core::strategy::EntityKind;

/// One line of the dashboard.
pub type Row<'a> = (&'a EntityRecord, &'a Decisions);

/// The whole page. The same rows give the same bytes: no clock is read.
#[must_use]
pub fn dashboard(target: &str, rows: &[Row<'_>]) -> String {
    let mut page = format!(
        "# {}\n\nWritten by Tranche after every step; edits here have no effect.\n",
        cell(target)
    );
    let rollouts: Vec<&Row<'_>> = rows.iter().filter(|r| is_rollout(r)).collect();
    page.push_str("\n## Rollouts\n\n");
    if rollouts.is_empty() {
        page.push_str("None yet.\n");
    } else {
        page.push_str("| Rollout | From | To | Pods | Batch | State | Waiting for |\n");
        page.push_str("|---|---|---|---|---|---|---|\n");
        for row in rollouts {
            page.push_str(&rollout_line(row));
        }
    }
    let direct: Vec<&Row<'_>> = rows.iter().filter(|r| !is_rollout(r)).collect();
    if !direct.is_empty() {
        page.push_str("\n## Applied directly\n\n| Namespace | Name | Revision | State |\n");
        page.push_str("|---|---|---|---|\n");
        for (record, _) in direct {
            let revision = record.target.as_ref().map_or("", |target| target.name.as_str());
            page.push_str(&format!(
                "| {} | {} | {} | {} |\n",
                cell(&record.entity.namespace),
                cell(&record.entity.name),
                cell(revision),
                standing(record)
            ));
        }
    }
    page
}

fn is_rollout(row: &Row<'_>) -> bool {
    row.0.entity.kind == EntityKind::Rollout && !row.0.removed
}

fn rollout_line((record, decisions): &Row<'_>) -> String {
    let status = &record.status;
    let revision =
        |r: &Option<super::RevisionRef>| r.as_ref().map_or("", |r| r.name.as_str()).to_owned();
    let of = record.steps.as_ref().map_or(0, |steps| steps.of);
    let batch =
        if of == 0 { String::new() } else { format!("{} of {of}", status.current_batch + 1) };
    let size = u32::try_from(status.rollout_target_size).unwrap_or(0);
    let waiting = match &record.open {
        Some(open) if open.phase == Phase::Waiting => open.reason.clone().unwrap_or_default(),
        _ => decisions.paused.as_ref().map_or_else(String::new, |p| format!("paused by {}", p.by)),
    };
    format!(
        "| {}/{} | {} | {} | {} of {size} | {batch} | {} | {} |\n",
        cell(&record.entity.namespace),
        cell(&record.entity.name),
        cell(&revision(&record.source)),
        cell(&revision(&record.target)),
        status.upgraded_ready_replicas,
        standing(record),
        cell(&waiting)
    )
}

fn standing(record: &EntityRecord) -> String {
    if record.status.rolling_state.terminal() {
        format!("**{}**", record.status.rolling_state)
    } else {
        record.state().to_string()
    }
}

/// Text as a table cell: nothing in it can end the cell or become markup.
fn cell(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '|' | '<' | '>' | '`' | '*' | '_' | '[' | ']' | '#' | '@' | '\\' | '!' => {
                out.push_str(&format!("&#{};", u32::from(c)));
            }
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_cannot_break_out_of_the_table() {
        assert_eq!(cell("a|b\n<img>"), "a&#124;b &#60;img&#62;");
    }
}
