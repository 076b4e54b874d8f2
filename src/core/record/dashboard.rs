//! The page that forges show for the record branch.

use super::{Decisions, EntityRecord, Phase};
use crate::core::decide::{Closed, RollingState, stands_after};
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
    let rollouts: Vec<&Row<'_>> =
        rows.iter().filter(|(record, _)| is_rollout(record) && !record.removed).collect();
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
    let direct = rows.iter().filter(|(record, _)| !is_rollout(record) && !record.removed);
    page.push_str(&table_of("Applied directly", direct));
    let left = rows.iter().filter(|(record, _)| record.removed);
    page.push_str(&table_of("No longer in the plan, and left as they were", left));
    page
}

fn is_rollout(record: &EntityRecord) -> bool {
    record.entity.kind == EntityKind::Rollout
}

/// Name, revision and state of each; nothing if there is none.
fn table_of<'a>(title: &str, rows: impl Iterator<Item = &'a Row<'a>>) -> String {
    let mut table = String::new();
    for (record, _) in rows {
        if table.is_empty() {
            table = format!("\n## {title}\n\n| Namespace | Name | Revision | State |\n");
            table.push_str("|---|---|---|---|\n");
        }
        let revision = record.target.as_ref().map_or("", |target| target.name.as_str());
        table.push_str(&format!(
            "| {} | {} | {} | {} |\n",
            cell(&record.entity.namespace),
            cell(&record.entity.name),
            cell(revision),
            standing(record)
        ));
    }
    table
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
        Some(open) if open.phase == Phase::Waiting && !decisions.turn_back(record) => {
            open.reason.clone().unwrap_or_default()
        }
        _ if status.rolling_state == RollingState::RolloutFailed => {
            record.last.as_ref().map_or_else(String::new, |last| last.message.clone())
        }
        _ if status.rolling_state.terminal() => String::new(),
        _ => match decisions.standing(record.attempt) {
            Some((reason, _)) => reason,
            None => gate(record, decisions).unwrap_or_default(),
        },
    };
    format!(
        "| {}/{} | {} | {} | {} of {size}, {} ready | {batch} | {} | {} |\n",
        cell(&record.entity.namespace),
        cell(&record.entity.name),
        cell(&revision(&record.source)),
        cell(&revision(&record.target)),
        status.upgraded_replicas,
        status.upgraded_ready_replicas,
        standing(record),
        cell(&waiting)
    )
}

/// The gate that it stood at when that was recorded; an edit of the plan writes
/// no page.
fn gate(record: &EntityRecord, decisions: &Decisions) -> Option<String> {
    let pause = record.boundary.as_ref()?.pause.as_ref()?;
    let after = stands_after(record)?;
    let approved = decisions.approval(record.attempt, after, pause).is_some();
    Closed::at(pause, record, after).filter(|_| !approved).map(|closed| closed.reason(None))
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
            // Nobody is told of a page by its text.
            '@' => out.push_str("&#64;"),
            '|' | '<' | '>' | '`' | '*' | '_' | '[' | ']' | '#' | '&' | '\\' | '!' | '~' => {
                out.push('\\');
                out.push(c);
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
        assert_eq!(cell("a|b\n<img>"), r"a\|b \<img\>");
    }
}
