//! `spec.strategy.replicaRatio` of an AppRollout: a second Deployment beside one
//! that runs on the cluster, behind the same Service. Owns how it is written.

use super::check::{Check, misspelt};
use super::duration;
use super::rollout_plan::number;
use super::shape::{Field, INT32, Kind, Shape};
use crate::core::model::{Pause, ReplicaRatio, Turns};
use crate::core::yaml::Node;

pub(super) static REPLICA_RATIO: Shape = Shape {
    doc: "Take a running Deployment over, and bring the next version up beside it, behind the \
          same Service; instead of a canary, and of `targetAppRevisionName`.",
    fields: &[
        Field::required(
            "service",
            Kind::Name,
            "The Service on the cluster whose label `version` says what is in production; it \
             selects the pods of every version.",
        ),
        Field::required(
            "deployment",
            Kind::Name,
            "What the Deployments are called before `-<version>`.",
        ),
        Field::required("newVersion", Kind::Text, "The version to reach."),
        Field::optional(
            "image",
            Kind::Text,
            "The image of the new version; if left out, the running one with the version in its \
             tag exchanged.",
        ),
        Field::optional(
            "container",
            Kind::Name,
            "The container whose image changes; if left out, the one whose tag has the version.",
        ),
        Field::optional(
            "increment",
            Kind::Count { min: 1, max: 100 },
            "After one pod, by how many per cent of production's pods each turn grows.",
        ),
        Field::optional(
            "steps",
            Kind::SomeOf(&Kind::Count { min: 1, max: INT32 }),
            "In the place of `increment`: pods of the new version after each turn but the last.",
        ),
        Field::optional("hold", Kind::Duration, "How long to wait between two turns."),
        Field::optional("health", Kind::Object(&HEALTH), "What a healthy new pod is."),
        Field::optional(
            "retain",
            Kind::Duration,
            "How long the old Deployment is kept without pods before it is deleted.",
        ),
    ],
};

static HEALTH: Shape = Shape {
    doc: "What a healthy new pod is, besides that it is ready.",
    fields: &[Field::optional(
        "restarts",
        Kind::Count { min: 0, max: INT32 },
        "How often the containers of one may have restarted; 0.",
    )],
};

const PATH: &str = "AppRollout.spec.strategy.replicaRatio";

/// Longer than this no name of a Kubernetes object is.
const LONGEST_NAME: usize = 253;

/// More turns than this are a slip of the hand.
const MOST_STEPS: usize = 1_000;

fn of(spec: &Node) -> Option<&Node> {
    spec.get("strategy").and_then(|strategy| strategy.get("replicaRatio"))
}

/// Whether it is this strategy, and so no revision of an application is named.
pub(super) fn is_meant(spec: Option<&Node>) -> bool {
    spec.and_then(of).is_some()
}

/// What the tables cannot say.
pub(super) fn check(check: &mut Check<'_>, spec: Option<&Node>) {
    let Some((spec, ratio)) = spec.and_then(|spec| Some((spec, of(spec)?))) else { return };
    for other in ["canary", "blueGreen"] {
        if let Some(node) = spec.get("strategy").and_then(|strategy| strategy.get(other)) {
            let message = format!("AppRollout.spec.strategy.{other} stands beside `replicaRatio`");
            let hint = "a rollout has one strategy: leave one of the two out";
            check.errors.push(node.error(check.source, message).hint(hint));
        }
    }
    for field in ["targetAppRevisionName", "sourceAppRevisionName", "componentList"] {
        if let Some(node) = spec.get(field) {
            let message = format!("AppRollout.spec.{field} stands beside `replicaRatio`");
            let hint = "what runs is read from the cluster, and `newVersion` says what is to be: \
                        leave it out";
            check.errors.push(node.error(check.source, message).hint(hint));
        }
    }
    let plan = spec.get("rolloutPlan");
    for field in ["rolloutBatches", "numBatches", "rolloutStrategy", "targetSize"] {
        if let Some(node) = plan.and_then(|plan| plan.get(field)) {
            let message =
                format!("AppRollout.spec.rolloutPlan.{field} stands beside `replicaRatio`");
            let hint = "the turns are the batches, of as many pods as production has: leave it out";
            check.errors.push(node.error(check.source, message).hint(hint));
        }
    }
    turns(check, ratio);
    let named = ratio.get("newVersion").and_then(|node| Some((node, node.text()?)));
    if let Some((node, version)) = named.filter(|(_, version)| !version.is_empty()) {
        let deployment = ratio.get("deployment").and_then(Node::text).unwrap_or_default();
        let whole = deployment.len() + 1 + version.len();
        if !is_version(version) || whole > LONGEST_NAME {
            let expected = "a version such as `v1.2.0` that a Deployment can be called after: at \
                            most 63 lower case letters, digits, `-` and `.`, of which the first \
                            and the last is no sign";
            check.wrong(node, format!("{PATH}.newVersion is {}", node.describe()), expected);
        }
    }
    if let Some(node) = ratio.get("image").filter(|node| node.text().is_some_and(has_space)) {
        check.wrong(node, format!("{PATH}.image is {}", node.describe()), "an image");
    }
}

fn has_space(text: &str) -> bool {
    text.contains(char::is_whitespace)
}

fn turns(check: &mut Check<'_>, ratio: &Node) {
    let (increment, steps) = (ratio.get("increment"), ratio.get("steps"));
    match (increment, steps) {
        (Some(_), Some(steps)) => {
            let message = format!("{PATH}.steps stands beside `increment`");
            let hint = "both say how it grows: leave one of the two out";
            check.errors.push(steps.error(check.source, message).hint(hint));
        }
        (None, None) => {
            let meant = |name| misspelt(ratio, &REPLICA_RATIO, name);
            if meant("increment") || meant("steps") {
                return;
            }
            let message = format!("{PATH} does not say how it grows");
            check.wrong(ratio, message, "`increment` or `steps`");
        }
        _ => {}
    }
    let items = steps.map(Node::items).unwrap_or_default();
    if let Some(node) = items.get(MOST_STEPS) {
        check.wrong(node, format!("{PATH}.steps has more than {MOST_STEPS}"), "fewer");
    }
    for (i, pair) in items.windows(2).enumerate() {
        if let [before, after] = pair
            && let (Some(less), Some(more)) = (before.count(), after.count())
            && more <= less
        {
            let message = format!("{PATH}.steps[{}] is {more} after {less}", i + 1);
            check.wrong(after, message, "more pods than the step before it");
        }
    }
}

/// Whether a label may have it, and a Deployment be called after it.
fn is_version(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let ends = [text.bytes().next(), text.bytes().last()];
    text.len() <= 63
        && ends.into_iter().all(|end| end.is_some_and(plain))
        && text.bytes().all(|byte| plain(byte) || byte == b'-' || byte == b'.')
        && !text.contains("..")
        && !text.contains(".-")
        && !text.contains("-.")
}

/// Translates what was checked.
pub(super) fn translate(spec: &Node) -> Option<ReplicaRatio> {
    let ratio = of(spec)?;
    let text = |field: &str| ratio.get(field).and_then(Node::text).map(str::to_owned);
    let turns = match number(ratio.get("increment")) {
        Some(percent) => Turns::By(percent),
        None => {
            let steps = ratio.get("steps").map(Node::items).unwrap_or_default();
            Turns::Pods(steps.iter().filter_map(|step| number(Some(step))).collect())
        }
    };
    let restarts = ratio.get("health").and_then(|health| number(health.get("restarts")));
    Some(ReplicaRatio {
        service: text("service")?,
        deployment: text("deployment")?,
        new_version: text("newVersion")?,
        image: text("image"),
        container: text("container"),
        turns,
        restarts: restarts.unwrap_or(0),
        retain: ratio.get("retain").and_then(duration::of).unwrap_or(0),
    })
}

/// What is waited for after each turn: people look between two of them, and the
/// old Deployment is kept for a while after the last.
pub(super) fn gates(spec: &Node, ratio: &ReplicaRatio) -> Vec<Option<Pause>> {
    let hold = of(spec).and_then(|node| node.get("hold")).and_then(duration::of).unwrap_or(0);
    let hold = (hold > 0).then(|| Pause::held(hold));
    let mut gates = vec![hold; ratio.count() - 1];
    gates.push((ratio.retain > 0).then_some(Pause::For { seconds: ratio.retain, delay: true }));
    while gates.last().is_some_and(Option::is_none) {
        gates.pop();
    }
    gates
}
