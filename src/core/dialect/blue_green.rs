//! `spec.strategy.blueGreen` of an AppRollout: all requests at once, by the
//! selector of a Service. The names are those of Argo Rollouts; `approvedFor` is
//! ours.

use super::check::{Check, misspelt, revision_of};
use super::duration;
use super::rollout_plan::number;
use super::shape::{Field, INT32, Kind, Shape};
use crate::core::model::{BlueGreen, DEFAULT_SCALE_DOWN_DELAY, DrivenService, Pause};
use crate::core::yaml::Node;

pub(super) static BLUE_GREEN: Shape = Shape {
    doc: "Bring the new revision up beside the old one, then switch a Service to it.",
    fields: &[
        Field::required(
            "activeService",
            Kind::Name,
            "The Service of this plan that requests reach the component by; it is switched.",
        ),
        Field::optional(
            "previewService",
            Kind::Name,
            "A second Service of this plan, which reaches the new revision before the switch.",
        ),
        Field::optional(
            "previewReplicaCount",
            Kind::Count { min: 1, max: INT32 },
            "Pods of the new revision before the switch; all of them if left out. For the switch \
             it has all.",
        ),
        Field::optional(
            "autoPromotionEnabled",
            Kind::Flag,
            "Switch without anybody's approval; true.",
        ),
        Field::optional(
            "autoPromotionSeconds",
            Kind::Duration,
            "How long the new revision is held before the switch: seconds, or such as `5m`.",
        ),
        Field::optional(
            "approvedFor",
            Kind::Revision,
            "The target revision whose switch this plan approves; only with \
             `autoPromotionEnabled: false`.",
        ),
        Field::optional(
            "scaleDownDelaySeconds",
            Kind::Duration,
            "How long the old pods run on after the switch; 30.",
        ),
        Field::unsupported("abortScaleDownDelaySeconds"),
        Field::unsupported("activeMetadata"),
        Field::unsupported("antiAffinity"),
        Field::unsupported("maxUnavailable"),
        Field::unsupported("postPromotionAnalysis"),
        Field::unsupported("prePromotionAnalysis"),
        Field::unsupported("previewMetadata"),
        Field::unsupported("scaleDownDelayRevisionLimit"),
    ],
};

const PATH: &str = "AppRollout.spec.strategy.blueGreen";

/// What the tables cannot say; whether it is a canary's turn no more.
pub(super) fn check(
    check: &mut Check<'_>,
    strategy: &Node,
    spec: Option<&Node>,
    plan: Option<&Node>,
) -> bool {
    let canary = strategy.get("canary");
    let Some(blue_green) = strategy.get("blueGreen") else {
        let meant = |name: &&str| misspelt(strategy, &super::canary::STRATEGY, name);
        let meant = ["canary", "blueGreen", "replicaRatio"].iter().any(meant);
        if canary.is_none() && strategy.is_map() && !meant {
            let message = "AppRollout.spec.strategy names no strategy".to_owned();
            check.wrong(strategy, message, "`canary`, `blueGreen` or `replicaRatio`");
        }
        return canary.is_none();
    };
    if canary.is_some() {
        let message = format!("{PATH} stands beside a canary");
        let hint = "a rollout has one strategy: leave one of the two out";
        check.errors.push(blue_green.error(check.source, message).hint(hint));
        return true;
    }
    if let Some(node) = plan.and_then(|plan| plan.get("rolloutStrategy"))
        && node.text() == Some("DecreaseFirst")
    {
        let message = "DecreaseFirst takes pods away that the Service still sends requests to";
        check.wrong(node, message.to_owned(), "`IncreaseFirst`, or leave it out");
    }
    let (active, preview) = (blue_green.get("activeService"), blue_green.get("previewService"));
    if let (Some(active), Some(preview)) = (active, preview)
        && active.text().is_some()
        && active.text() == preview.text()
    {
        let message = format!("{PATH}.previewService is the active Service");
        check.wrong(preview, message, "another Service, or leave it out");
    }
    promotion(check, blue_green, spec);
    true
}

/// Who lets the switch happen.
fn promotion(check: &mut Check<'_>, blue_green: &Node, spec: Option<&Node>) {
    let by_hand = blue_green.get("autoPromotionEnabled").and_then(Node::flag) == Some(false);
    if let Some(node) = blue_green.get("autoPromotionSeconds").filter(|_| by_hand) {
        let message = format!("{PATH}.autoPromotionSeconds stands beside an approval");
        let hint = "with `autoPromotionEnabled: false` no time lets the switch happen: leave one \
                    of the two out";
        check.errors.push(node.error(check.source, message).hint(hint));
    }
    let Some(approved) = blue_green.get("approvedFor") else { return };
    if !by_hand {
        let message = format!("{PATH}.approvedFor approves what nobody is asked for");
        let hint = "write `autoPromotionEnabled: false`, or leave it out";
        check.errors.push(approved.error(check.source, message).hint(hint));
    }
    let target = spec.and_then(|spec| spec.get("targetAppRevisionName"));
    let target = target.and_then(Node::text).and_then(revision_of);
    let named = approved.text().and_then(revision_of);
    if let (Some(target), Some(named)) = (target, named)
        && target != named
    {
        let message = format!("{PATH}.approvedFor approves a revision of `{named}`");
        check.wrong(approved, message, &format!("one of `{target}`, such as the target"));
    }
}

fn of(spec: &Node) -> Option<&Node> {
    spec.get("strategy").and_then(|strategy| strategy.get("blueGreen"))
}

/// Translates what was checked.
pub(super) fn translate(spec: &Node) -> Option<BlueGreen> {
    let node = of(spec)?;
    let service = |field: &str| Some(DrivenService::named(node.get(field)?.text()?));
    let delay = node.get("scaleDownDelaySeconds").and_then(duration::of);
    Some(BlueGreen {
        active: service("activeService")?,
        preview: service("previewService"),
        preview_replicas: number(node.get("previewReplicaCount")),
        scale_down_delay: delay.unwrap_or(DEFAULT_SCALE_DOWN_DELAY),
    })
}

/// What is waited for before the switch, and after it.
pub(super) fn gates(spec: &Node, blue_green: &BlueGreen) -> Vec<Option<Pause>> {
    let field = |name: &str| of(spec).and_then(|node| node.get(name));
    let held = |seconds: u32| (seconds > 0).then(|| Pause::held(seconds));
    let delay = |seconds: u32| (seconds > 0).then_some(Pause::For { seconds, delay: true });
    let before = match field("autoPromotionEnabled").and_then(Node::flag) {
        Some(false) => {
            let approved_for = field("approvedFor").and_then(Node::text).map(str::to_owned);
            Some(Pause::UntilApproved { approved_for })
        }
        _ => field("autoPromotionSeconds").and_then(duration::of).and_then(held),
    };
    let mut gates = vec![before, delay(blue_green.scale_down_delay)];
    while gates.last().is_some_and(Option::is_none) {
        gates.pop();
    }
    gates
}
