//! `tranche.yaml`.

use super::check::Check;
use super::health::{self, RULE};
use super::hook::{self, POLICY};
use super::overlay::{self, OVERLAY};
use super::select;
use super::shape::{Field, Kind, Shape};
use crate::core::model::{ClusterRef, DEFAULT_NAMESPACE, InputError, Limits, Project, Target};
use crate::core::yaml::{Node, Source};
use std::collections::{BTreeMap, BTreeSet};

pub(super) static PROJECT: Shape = Shape {
    doc: "A plan repository: what belongs to the plan and where it is rolled out.",
    fields: &[
        Field::required("apiVersion", Kind::OneOf(&["tranche.dev/v1alpha1"]), "The API version."),
        Field::required("kind", Kind::OneOf(&["Project"]), "The kind."),
        Field::optional("metadata", Kind::Object(&NAMED), "The project's name."),
        Field::optional("spec", Kind::Object(&SPEC), "The settings."),
    ],
};

static NAMED: Shape = Shape {
    doc: "The project's name.",
    fields: &[Field::optional("name", Kind::Name, "For people only.")],
};

static SPEC: Shape = Shape {
    doc: "The settings of a project.",
    fields: &[
        Field::optional(
            "include",
            Kind::SomeOf(&Kind::Text),
            "Globs of the files that are read: `*`, `**` and `?`.",
        ),
        Field::optional(
            "targets",
            Kind::SomeOf(&Kind::Object(&TARGET)),
            "The targets, in the order in which they are rolled out.",
        ),
        Field::optional(
            "remote",
            Kind::Text,
            "The git remote that holds plan and record; `origin`.",
        ),
        Field::optional("limits", Kind::Object(&LIMITS), "Bounds on inputs and on rendering."),
        Field::optional(
            "health",
            Kind::SomeOf(&Kind::Object(&RULE)),
            "How the health of further kinds is told.",
        ),
        Field::optional("policy", Kind::Object(&POLICY), "What the plan may do to the outside."),
        Field::unsupported("trust"),
    ],
};

static TARGET: Shape = Shape {
    doc: "One cluster, or a namespace of it.",
    fields: &[
        Field::required("name", Kind::Name, "The name."),
        Field::required(
            "cluster",
            Kind::Object(&CLUSTER),
            "How the cluster is reached; one of the three.",
        ),
        Field::optional("namespace", Kind::Name, "The namespace of objects that name none."),
        Field::optional("record", Kind::Text, "The record branch; `tranche/<name>` if left out."),
        Field::optional(
            "overlays",
            Kind::SomeOf(&Kind::Object(&OVERLAY)),
            "What is changed of rendered objects for this target alone, one after the other.",
        ),
        Field::unsupported("scope"),
    ],
};

static CLUSTER: Shape = Shape {
    doc: "How the cluster is reached; one of the three.",
    fields: &[
        Field::optional("context", Kind::Text, "A context of the operator's kubeconfig."),
        Field::optional("inCluster", Kind::Flag, "The service account of the pod one runs in."),
        Field::optional("sandbox", Kind::Object(&SANDBOX), "The embedded cluster."),
    ],
};

static SANDBOX: Shape = Shape { doc: "The embedded cluster.", fields: &[] };

static LIMITS: Shape = Shape {
    doc: "Bounds on inputs and on rendering.",
    fields: &[
        Field::optional(
            "fileBytes",
            Kind::Count { min: 1, max: 64 << 20 },
            "Bytes of one plan file.",
        ),
        Field::optional(
            "files",
            Kind::Count { min: 1, max: 1_000_000 },
            "Files that a plan may hold.",
        ),
        Field::optional(
            "documents",
            Kind::Count { min: 1, max: 100_000 },
            "Documents in one file.",
        ),
        Field::optional(
            "fuel",
            Kind::Count { min: 1, max: 1_000_000_000 },
            "Template instructions per rendered component or trait.",
        ),
        Field::optional(
            "outputBytes",
            Kind::Count { min: 1, max: 64 << 20 },
            "Bytes that one template may write.",
        ),
    ],
};

/// Translates the document of `tranche.yaml`.
pub(super) fn read(root: &Node, source: &Source) -> Result<Project, Vec<InputError>> {
    let mut check = Check::new(source);
    check.object(root, &PROJECT, "Project");
    let spec = root.get("spec");
    let nodes =
        |name: &str| spec.and_then(|spec| spec.get(name)).map(Node::items).unwrap_or_default();
    let include: Vec<String> =
        nodes("include").iter().filter_map(|n| glob(&mut check, n)).collect();
    let targets: Vec<Target> = nodes("targets").iter().map(|n| target(&mut check, n)).collect();
    distinct(&mut check, nodes("targets"), &targets);
    let overlays = nodes("targets").iter().flat_map(|n| overlay::read(&mut check, n)).collect();
    let remote = remote(&mut check, spec);
    let rules = health::rules(&mut check, nodes("health"));
    let hook_hosts = hook::hosts(&mut check, spec.and_then(|spec| spec.get("policy")));
    if !check.errors.is_empty() {
        return Err(check.errors);
    }
    let default = Project::default();
    Ok(Project {
        include,
        declared: !targets.is_empty(),
        targets: if targets.is_empty() { default.targets } else { targets },
        remote,
        limits: limits(spec.and_then(|spec| spec.get("limits"))),
        health: rules,
        overlays,
        hook_hosts,
    })
}

fn glob(check: &mut Check<'_>, node: &Node) -> Option<String> {
    let text = node.text()?;
    if let Err(why) = select::valid_glob(text) {
        let message = format!("the glob {text:?} {why}");
        check.wrong(node, message, "a path inside the repository with `*`, `**` or `?`");
    }
    Some(text.to_owned())
}

fn target(check: &mut Check<'_>, node: &Node) -> Target {
    let text = |name: &str| node.get(name).and_then(Node::text);
    let name = text("name").unwrap_or_default();
    if let (Some(at), Some(record)) = (node.get("record"), text("record"))
        && !valid_record(record)
    {
        let message = format!("{record:?} cannot be a record branch");
        check.wrong(
            at,
            message,
            "`tranche/` and then lower-case letters, digits, `-`, `_`, `.` or `/`",
        );
    }
    Target {
        name: name.to_owned(),
        cluster: cluster(check, node),
        namespace: text("namespace").unwrap_or(DEFAULT_NAMESPACE).to_owned(),
        record_branch: text("record").map_or_else(|| format!("tranche/{name}"), str::to_owned),
    }
}

fn cluster(check: &mut Check<'_>, node: &Node) -> ClusterRef {
    let Some(node) = node.get("cluster") else { return ClusterRef::Sandbox };
    let context = node.get("context").and_then(Node::text);
    let named = [context.is_some(), node.get("inCluster").is_some(), node.get("sandbox").is_some()];
    match (named, context) {
        ([true, false, false], Some(context)) => return ClusterRef::Context(context.to_owned()),
        ([false, true, false], _) if node.get("inCluster").and_then(Node::flag) == Some(true) => {
            return ClusterRef::InCluster;
        }
        ([false, false, true], _) => return ClusterRef::Sandbox,
        _ => {}
    }
    check.wrong(
        node,
        "a target is one cluster".to_owned(),
        "exactly one of `context: NAME`, `inCluster: true`, `sandbox: {}`",
    );
    ClusterRef::Sandbox
}

/// A subset of what git allows, so that a branch needs no escaping anywhere.
fn valid_record(branch: &str) -> bool {
    let Some(rest) = branch.strip_prefix("tranche/") else { return false };
    let good = |part: &str| {
        !part.is_empty()
            && !part.starts_with(['.', '-'])
            && !part.ends_with('.')
            && !part.ends_with(".lock")
            && !part.contains("..")
            && part
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_.".contains(&b))
    };
    branch.len() <= 200 && rest.split('/').all(good)
}

fn distinct(check: &mut Check<'_>, nodes: &[Node], targets: &[Target]) {
    let mut names = BTreeSet::new();
    let mut records = BTreeMap::new();
    for (node, target) in nodes.iter().zip(targets) {
        if !names.insert(target.name.as_str()) {
            check.wrong(node, format!("two targets are named `{}`", target.name), "another name");
        } else if let Some(other) = records.insert(target.record_branch.as_str(), &target.name) {
            let message =
                format!("the targets `{other}` and `{}` have one record branch", target.name);
            check.wrong(node, message, "a record branch of its own");
        }
    }
}

fn remote(check: &mut Check<'_>, spec: Option<&Node>) -> Option<String> {
    let node = spec?.get("remote")?;
    let text = node.text()?;
    let good = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    if !good || text.starts_with(['-', '.']) {
        check.wrong(
            node,
            format!("{text:?} cannot be a remote"),
            "the name of a git remote, such as `origin`",
        );
    }
    Some(text.to_owned())
}

fn limits(node: Option<&Node>) -> Limits {
    let default = Limits::default();
    let count = |name: &str| node.and_then(|n| n.get(name)).and_then(Node::count);
    let size = |name: &str, other: usize| {
        count(name).and_then(|n| usize::try_from(n).ok()).unwrap_or(other)
    };
    Limits {
        file_bytes: size("fileBytes", default.file_bytes),
        files: size("files", default.files),
        documents: size("documents", default.documents),
        fuel: count("fuel").unwrap_or(default.fuel),
        output_bytes: size("outputBytes", default.output_bytes),
    }
}
