//! The `pause` of a step: what is waited for between it and the next one. Owns
//! how that is written; the names are those of Argo Rollouts and OpenKruise,
//! and `approvedFor` is ours.

use super::check::{Check, revision_of};
use super::duration;
use super::shape::{Field, Kind, Shape};
use crate::core::model::Pause;
use crate::core::yaml::{Entry, Node};

pub(super) static PAUSE: Shape = Shape {
    doc: "What is waited for after the step; nothing but `{}` is an approval.",
    fields: &[
        Field::optional(
            "duration",
            Kind::Duration,
            "How long, counted from the end of the step: seconds, or such as `30s`, `5m`, `1h`; \
             `0` goes on at once.",
        ),
        Field::optional(
            "approvedFor",
            Kind::Revision,
            "The target revision that this plan approves; for any other one it is waited for.",
        ),
    ],
};

/// What the table cannot say.
pub(super) fn check(check: &mut Check<'_>, spec: &Node) {
    let steps = steps(spec);
    let target = spec.get("targetAppRevisionName").and_then(Node::text).and_then(revision_of);
    for (i, step) in steps.iter().enumerate() {
        let path = format!("AppRollout.spec.strategy.canary.steps[{i}].pause");
        let Some(Entry { key, value: pause }) =
            step.entries().iter().find(|entry| entry.key.text == "pause")
        else {
            continue;
        };
        // Elsewhere null is the same as absent. Here that would let through what
        // somebody may have meant to hold.
        if pause.is_null() {
            let hint = "write `pause: {}` to wait for approval, or take it out";
            let message = format!("{path} is null");
            check.errors.push(key.error(check.source, message).hint(hint));
            continue;
        }
        // What is left of the traffic is a step of its own.
        let rest = step.get("weight").and_then(Node::count) != Some(100);
        if i + 1 == steps.len() && !rest {
            let message = format!("{path} stands after the last step");
            let hint = "nothing is left that it could hold back: take it out, or put it on the \
                        step that it is to follow";
            check.errors.push(key.error(check.source, message).hint(hint));
        }
        let Some(approved) = pause.get("approvedFor") else { continue };
        if pause.get("duration").is_some() {
            let message = format!("{path} has a duration and `approvedFor`");
            let hint = "what time opens needs no approval: leave one of the two out";
            check.errors.push(approved.error(check.source, message).hint(hint));
        }
        let named = approved.text().and_then(revision_of);
        if let (Some(target), Some(named)) = (target, named)
            && target != named
        {
            let message = format!("{path} approves a revision of `{named}`");
            check.wrong(approved, message, &format!("one of `{target}`, such as the target"));
        }
    }
}

/// By step, what is waited for after it; of a document that was checked.
pub(super) fn translate(spec: &Node) -> Vec<Option<Pause>> {
    let mut pauses: Vec<Option<Pause>> =
        steps(spec).iter().map(|step| step.get("pause").and_then(one)).collect();
    while pauses.last().is_some_and(Option::is_none) {
        pauses.pop();
    }
    pauses
}

fn one(pause: &Node) -> Option<Pause> {
    match pause.get("duration") {
        Some(duration) => {
            let seconds = duration::of(duration)?;
            (seconds > 0).then_some(Pause::held(seconds))
        }
        None => {
            let approved_for = pause.get("approvedFor").and_then(Node::text).map(str::to_owned);
            Some(Pause::UntilApproved { approved_for })
        }
    }
}

fn steps(spec: &Node) -> &[Node] {
    let canary = spec.get("strategy").and_then(|strategy| strategy.get("canary"));
    canary.and_then(|canary| canary.get("steps")).map(Node::items).unwrap_or_default()
}
