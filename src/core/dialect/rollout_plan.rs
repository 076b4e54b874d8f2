//! KubeVela's RolloutPlan, in an AppRollout or embedded in an Application.

use super::check::{Check, misspelt};
use super::hook::{self, BATCH_HOOK, PLAN_HOOK};
use super::shape::{Field, INT32, Kind, Shape};
use crate::core::model::{
    Amount, Around, AroundBatch, Batch, Batches, InputError, RolloutPlan, RolloutStrategy,
};
use crate::core::yaml::{self, Node, Source};

/// More batches than this are a slip of the hand.
const MOST_BATCHES: u64 = 1_000;
/// As long as a duration may be.
const MOST_SECONDS: u64 = 604_800;

pub(super) static ROLLOUT_PLAN: Shape = Shape {
    doc: "The batches of a rollout and how to go through them.",
    fields: &[
        Field::optional(
            "rolloutStrategy",
            Kind::OneOf(&["IncreaseFirst", "DecreaseFirst"]),
            "Which side of a pair moves first inside a batch; IncreaseFirst if left out.",
        ),
        Field::optional(
            "targetSize",
            Kind::Count { min: 0, max: INT32 },
            "The number of pods to reach.",
        ),
        Field::optional(
            "rolloutBatches",
            Kind::SomeOf(&Kind::Object(&BATCH)),
            "The batches, in order.",
        ),
        Field::optional(
            "numBatches",
            Kind::Count { min: 1, max: MOST_BATCHES },
            "The number of batches; without rolloutBatches they are as even as pods allow.",
        ),
        Field::optional(
            "batchPartition",
            Kind::Count { min: 0, max: INT32 },
            "The last batch, counted from 0, that may run; all may if left out.",
        ),
        Field::optional("paused", Kind::Flag, "Hold before the next batch begins."),
        Field::optional(
            "rolloutWebhooks",
            Kind::List(&Kind::Object(&PLAN_HOOK)),
            "Requests before the first batch, and once the rollout is over.",
        ),
        Field::unsupported("canaryMetric"),
    ],
};

static BATCH: Shape = Shape {
    doc: "One batch.",
    fields: &[
        Field::optional(
            "replicas",
            Kind::Amount,
            "The pods in it: a number or a percentage; only the last batch may leave it out.",
        ),
        Field::optional(
            "maxUnavailable",
            Kind::Amount,
            "How many pods may be unready when the batch is verified; 0 if left out.",
        ),
        Field::optional(
            "podList",
            Kind::SomeOf(&Kind::Text),
            "The pods in it, by name, instead of `replicas`; they must be those that the batch \
             moves, as a StatefulSet tells beforehand.",
        ),
        Field::optional(
            "instanceInterval",
            Kind::Count { min: 0, max: MOST_SECONDS },
            "Seconds from one pod of the batch, once it is ready, to the next.",
        ),
        Field::optional(
            "batchRolloutWebhooks",
            Kind::List(&Kind::Object(&BATCH_HOOK)),
            "Requests before and after it.",
        ),
        Field::unsupported("canaryMetric"),
    ],
};

/// What the table cannot say.
pub(super) fn check(check: &mut Check<'_>, plan: &Node, path: &str) {
    let listed = plan.get("rolloutBatches");
    let number = plan.get("numBatches");
    let batches = listed.map(Node::items).unwrap_or_default();
    match (listed, number) {
        (None, None) => {
            let meant = |name| misspelt(plan, &ROLLOUT_PLAN, name);
            if meant("rolloutBatches") || meant("numBatches") {
                return;
            }
            let message = format!("{path} has no batches");
            check.wrong(plan, message, "`rolloutBatches` or `numBatches`");
        }
        (Some(_), Some(number)) => {
            let length = u64::try_from(batches.len()).unwrap_or(u64::MAX);
            if number.count().is_some_and(|count| count != length) {
                let message = format!("{path}.numBatches differs from rolloutBatches");
                check.wrong(number, message, &format!("{length}, the number of rolloutBatches"));
            }
        }
        _ => {}
    }
    for (i, batch) in batches.iter().enumerate() {
        if let (Some(pods), Some(_)) = (batch.get("podList"), batch.get("replicas")) {
            let message = format!("{path}.rolloutBatches[{i}] has both podList and replicas");
            check.wrong(pods, message, "one of the two");
        }
    }
    let but_last = batches.len().saturating_sub(1);
    for (i, batch) in batches.iter().take(but_last).enumerate() {
        let counted = batch.get("replicas").or(batch.get("podList")).is_some();
        if batch.is_map() && !counted {
            let message = format!("{path}.rolloutBatches[{i}] has no replicas");
            check.wrong(batch, message, "`replicas`: only the last batch may leave it out");
        }
    }
}

/// The plan of a rollout whose steps are a canary's: what there is no traffic
/// to shift for (a first deploy, another size) is one batch.
pub(super) fn at_once(plan: &RolloutPlan) -> RolloutPlan {
    RolloutPlan { batches: Batches::Even(1), ..plan.clone() }
}

/// The plan where none is written.
pub(super) fn unstated() -> RolloutPlan {
    RolloutPlan {
        strategy: RolloutStrategy::IncreaseFirst,
        target_size: None,
        batches: Batches::Even(1),
        batch_partition: None,
        paused: false,
        around: Around::default(),
    }
}

/// Translates a plan that was checked.
pub(super) fn translate(plan: &Node, source: &Source) -> Result<RolloutPlan, InputError> {
    let count = |name: &str| number(plan.get(name));
    let strategy = match plan.get("rolloutStrategy").and_then(Node::text) {
        Some("DecreaseFirst") => RolloutStrategy::DecreaseFirst,
        _ => RolloutStrategy::IncreaseFirst,
    };
    let batches = match (plan.get("rolloutBatches"), count("numBatches")) {
        (None, Some(number)) => Batches::Even(number),
        (listed, _) => {
            let items = listed.map(Node::items).unwrap_or_default();
            Batches::Listed(items.iter().map(|b| batch(b, source)).collect::<Result<_, _>>()?)
        }
    };
    Ok(RolloutPlan {
        strategy,
        target_size: count("targetSize"),
        batches,
        batch_partition: count("batchPartition"),
        paused: plan.get("paused").and_then(Node::flag).unwrap_or(false),
        around: around(plan, source)?,
    })
}

fn batch(node: &Node, source: &Source) -> Result<Batch, InputError> {
    let read = |name: &str| node.get(name).map(|n| amount(n, source, name)).transpose();
    let listed = node.get("podList").map(|pods| u32::try_from(pods.items().len()));
    let listed = listed.and_then(Result::ok).map(Amount::Count);
    Ok(Batch {
        replicas: read("replicas")?.or(listed),
        max_unavailable: read("maxUnavailable")?.unwrap_or(Amount::Count(0)),
    })
}

fn around(plan: &Node, source: &Source) -> Result<Around, InputError> {
    let batches = plan.get("rolloutBatches").map(Node::items).unwrap_or_default();
    let batches = batches.iter().map(|batch| around_batch(batch, source));
    let batches: Vec<AroundBatch> = batches.collect::<Result<_, _>>()?;
    let says = batches.iter().any(|batch| *batch != AroundBatch::default());
    Ok(Around {
        hooks: hook::translate(plan.get("rolloutWebhooks"), source)?,
        batches: if says { batches } else { Vec::new() },
    })
}

fn around_batch(batch: &Node, source: &Source) -> Result<AroundBatch, InputError> {
    let pods = batch.get("podList").map(Node::items).unwrap_or_default();
    Ok(AroundBatch {
        hooks: hook::translate(batch.get("batchRolloutWebhooks"), source)?,
        interval_seconds: number(batch.get("instanceInterval")).unwrap_or(0),
        pods: pods.iter().filter_map(Node::text).map(str::to_owned).collect(),
    })
}

/// A whole number that was checked.
pub(super) fn number(node: Option<&Node>) -> Option<u32> {
    node.and_then(Node::count).and_then(|number| u32::try_from(number).ok())
}

/// A number of pods or a percentage, as KubeVela's IntOrString takes them: a
/// string must end in `%`.
pub(super) fn amount(node: &Node, source: &Source, path: &str) -> Result<Amount, InputError> {
    if let Some(count) =
        node.count().and_then(|n| u32::try_from(n).ok()).filter(|n| u64::from(*n) <= INT32)
    {
        return Ok(Amount::Count(count));
    }
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let text = node.text().unwrap_or_default();
    if let Some(percent) = text.strip_suffix('%').filter(|p| digits(p)) {
        let plain = percent == "0" || !percent.starts_with('0');
        match percent.parse::<u32>() {
            Ok(percent) if percent <= 100 && plain => return Ok(Amount::Percent(percent)),
            _ => {}
        }
    }
    let written = match &node.kind {
        yaml::Kind::Scalar(_) => node.describe(),
        _ => format!("not a number but {}", node.describe()),
    };
    let error = node.error(source, format!("{path} is {written}")).expected(format!(
        "a whole number of pods from 0 to {INT32}, or a percentage from `0%` to `100%`"
    ));
    Err(if digits(text) { error.hint("take the quotes away") } else { error })
}
