//! What was reached. Owns the counters and the list of what must be reached:
//! a fault that never fires tests nothing.

use std::collections::BTreeMap;

/// What even the bounded set reaches.
pub const COMMON: &[&str] = &[
    "a push landed late",
    "a write landed late",
    "answer: a list of plain objects",
    "answer: stale",
    "calm",
    "heard: an effect",
    "intent: a batch",
    "intent: a settling",
    "intent: goes on with a waiting step",
    "intent: takeover",
    "intent: the way back",
    "order recorded: abort",
    "people: NewTarget",
    "push: lost the race",
    "push: several commits",
    "recorded: intent",
    "recorded: publish",
    "recorded: result",
    "recorded: waiting",
    "rest: RolledBack",
    "rest: done",
    "result: failed",
    "result: succeeded",
    "result: succeeded, recovered",
    "rollout: RolloutFailed",
    "rollout: RolloutSucceed",
    "run ended: Busy",
    "run ended: Done",
    "run ended: Failed",
    "run ended: NotRecorded",
    "run ended: Refused",
    "run ended: RolledBack",
    "run ended: Waiting",
    "route: accepted",
    "route: an Ingress",
    "write: changed",
    "write: changed nothing but marks",
    "write: created inert",
    "write: delete",
    "write: scaled down by a batch",
    "write: scaled down by the way back",
    "write: weight moved",
];

/// What even the bounded set has, and reaches, so many times: a kind that the
/// generator no longer makes would be lost in silence.
pub const MIX: &[(&str, u64)] = &[
    ("mix: blue-green", 5),
    ("mix: a member of a lane", 5),
    ("mix: a VirtualService", 5),
    ("mix: a DestinationRule's subsets", 5),
    ("mix: a trial beside", 10),
    ("mix: an Ingress", 10),
    ("mix: an HTTPRoute", 50),
    ("mix: a canary without a route", 5),
    ("mix: matches", 20),
    ("intent: a lane", 5),
    ("lane: has members", 1),
    ("route: a VirtualService", 1),
    ("route: a lane's", 5),
    ("route: subsets", 1),
    ("service: follows a switch", 1),
    ("mix: two components", 5),
    ("batch: of two components", 1),
    ("mix: a DaemonSet", 5),
    ("mix: a disruption budget", 1),
    ("evict: in a batch", 3),
    ("mix: hooks", 5),
    ("call: a hook", 20),
    ("hook: a batch began", 5),
    ("hook: called again", 1),
    ("hook: was told of the end", 1),
];

/// What a long range reaches besides, every fault included.
pub const RARE: &[&str] = &[
    "answer: ownership conflict",
    "forged: an epoch to come",
    "forged: another cursor",
    "forged: another id",
    "forged: another kind",
    "gate: a hold was over",
    "evict: a budget is asked, and says no",
    "evict: gone already",
    "evict: held by a budget",
    "evict: on the way back",
    "gate: a person approved",
    "hook: called again, though it had agreed",
    "intent: sets a step back",
    "intent: replaces a waiting step",
    "lane: of two",
    "mix: beside a CloneSet",
    "mix: beside a StatefulSet",
    "mix: beside a pair",
    "order recorded: approve",
    "order recorded: pause",
    "order recorded: resume",
    "order recorded: retry",
    "people: Clock",
    "people: DropRecord",
    "people: DropRoute",
    "people: DropService",
    "people: EditBatches",
    "people: Evict",
    "people: ForgeFile",
    "people: ForgeRecord",
    "people: ForgeSeq",
    "people: GatewayDown",
    "people: Remove",
    "people: Replace",
    "people: Resize",
    "people: Revert",
    "people: RewindPlan",
    "people: RewindRecord",
    "people: Scale",
    "people: Unplug",
    "people: Wait",
    "people: Weigh",
    "people: unlocked a step",
    "rest: Refused",
    "rest: switched",
    "rest: tried beside",
    "rest: tried in a lane",
    "result: stopped",
    "result: stopped, recovered",
    "route: some requests",
    "run ended: Invalid",
    "write: a Service switched",
    "write: pruned",
];

/// What only hundreds of thousands of seeds reach for certain: less than once in
/// a thousand of them each.
pub const RAREST: &[&str] = &[
    "answer: missing",
    "gate: the plan approved",
    "people: deleted a broken pod",
    "people: took a size out as advised",
    "result: failed, recovered",
    "write: a late create where people have deleted",
];

/// Counts by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage(BTreeMap<String, u64>);

impl Coverage {
    pub fn hit(&mut self, what: &str) {
        if let Some(count) = self.0.get_mut(what) {
            *count += 1;
        } else {
            self.0.insert(what.to_owned(), 1);
        }
    }

    pub fn add(&mut self, other: &Self) {
        for (what, count) in &other.0 {
            *self.0.entry(what.clone()).or_default() += count;
        }
    }

    /// The names in `wanted` that were never hit.
    pub fn missing<'a>(&self, wanted: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
        wanted.filter(|what| !self.0.contains_key(*what)).collect()
    }

    /// Those of `wanted` that were hit less often than they should have been.
    pub fn rarer(&self, wanted: &[(&'static str, u64)]) -> Vec<String> {
        let count = |what: &str| self.0.get(what).copied().unwrap_or(0);
        let rare = wanted.iter().filter(|(what, least)| count(what) < *least);
        rare.map(|(what, least)| format!("{what}: {} times of {least}", count(what))).collect()
    }

    /// A table, one name a line.
    pub fn table(&self) -> String {
        let width = self.0.keys().map(String::len).max().unwrap_or(0);
        self.0.iter().map(|(what, count)| format!("  {what:<width$} {count:>12}\n")).collect()
    }
}
