//! The tree that `status --tree` shows: each entity's objects below the revision
//! that they are of and the place where they are. Owns how it is printed; what an
//! object is, `core` has told.

use super::terminal::{Line, out, say};
use crate::core::decide::{Leaf, Stands};
use crate::core::escape::Paint;
use crate::core::model::{ClusterRef, Target};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The objects of one place, by revision; what is of none comes last.
type Branches<'l> = BTreeMap<(bool, &'l str), BTreeMap<&'l str, Vec<&'l Leaf>>>;

fn branches(leaves: &[Leaf]) -> Branches<'_> {
    let mut branches = Branches::new();
    for leaf in leaves {
        let revision = leaf.revision.as_deref();
        let namespace = leaf.object.namespace.as_deref().unwrap_or_default();
        let branch =
            branches.entry((revision.is_none(), revision.unwrap_or_default())).or_default();
        branch.entry(namespace).or_default().push(leaf);
    }
    branches
}

/// The tree for programs.
pub(super) fn json(target: &Target, leaves: &[Leaf]) -> Value {
    let objects = leaves.iter().map(|leaf| {
        let pods = leaf.pods.map(|pods| {
            json!({
                "wanted": pods.wanted,
                "replicas": pods.replicas,
                "updated": pods.updated,
                "ready": pods.ready,
            })
        });
        json!({
            "revision": leaf.revision,
            "cluster": cluster(target),
            "apiVersion": leaf.object.api_version,
            "kind": leaf.object.kind,
            "namespace": leaf.object.namespace,
            "name": leaf.object.name,
            "state": leaf.standing.to_string(),
            "onlyDuringRollout": leaf.passing,
            "pods": pods,
            "message": leaf.words,
        })
    });
    Value::Array(objects.collect())
}

/// Prints it below the lines of its entity.
pub(super) fn show(paint: Paint, target: &Target, leaves: &[Leaf]) {
    if leaves.is_empty() {
        out("  nothing of it is on the cluster");
        return;
    }
    let branches = branches(leaves);
    let name = |leaf: &Leaf| format!("{}/{}", leaf.object.kind, leaf.object.name);
    let width = leaves.iter().map(|leaf| name(leaf).chars().count()).max().unwrap_or(0);
    for (i, ((none, revision), places)) in branches.iter().enumerate() {
        let (turn, below) = bars(i + 1 == branches.len());
        let revision = if *none { "of no revision" } else { revision };
        out("  " + Line::ours(turn) + paint.bold(&say(revision)));
        for (j, (namespace, leaves)) in places.iter().enumerate() {
            let (turn, inner) = bars(j + 1 == places.len());
            let place = match *namespace {
                "" => format!("{}: {}", target.name, cluster(target)),
                namespace => format!("{}: {}, namespace {namespace}", target.name, cluster(target)),
            };
            out("  " + Line::ours(below) + Line::ours(turn) + say(place));
            for (k, leaf) in leaves.iter().enumerate() {
                let (turn, _) = bars(k + 1 == leaves.len());
                let name = format!("{:width$}", name(leaf));
                let bars = "  " + Line::ours(below) + Line::ours(inner) + Line::ours(turn);
                out(bars + say(name) + "  " + state(paint, leaf));
            }
        }
    }
}

/// What stands before a line, and before the lines below it.
fn bars(last: bool) -> (&'static str, &'static str) {
    if last { ("└─ ", "   ") } else { ("├─ ", "│  ") }
}

fn cluster(target: &Target) -> String {
    match &target.cluster {
        ClusterRef::Sandbox => "sandbox".to_owned(),
        ClusterRef::Context(context) => format!("context {context}"),
        ClusterRef::InCluster => "in cluster".to_owned(),
    }
}

fn state(paint: Paint, leaf: &Leaf) -> Line {
    let word = say(leaf.standing.to_string());
    let mut line = match leaf.standing {
        Stands::Updated => paint.green(&word),
        Stands::Outdated | Stands::Terminating => paint.yellow(&word),
        Stands::Missing | Stands::Foreign | Stands::Unread => paint.red(&word),
    };
    if let Some(pods) = &leaf.pods {
        line += say(format!(", {} of {} ready", pods.ready, pods.wanted));
        // Of one workload whose pods are replaced bit by bit.
        if pods.updated != pods.replicas {
            line += say(format!(", {} updated", pods.updated));
        }
    }
    if leaf.passing {
        line += ", only during the rollout";
    }
    if let Some(words) = &leaf.words {
        line += ": " + say(words);
    }
    line
}
