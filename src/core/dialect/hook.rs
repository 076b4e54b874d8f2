//! Webhooks of a RolloutPlan and of its batches, and the hosts that they may
//! call. Owns what is refused of them when a plan is loaded; no message of it
//! may show a URL, or the line that one stands on.

use super::check::Check;
use super::shape::{Field, Kind, Shape};
use crate::core::model::{
    Address, AllowedHost, Hook, HookType, InputError, PlacedHook, Project, Rollout,
};
use crate::core::yaml::{Node, Source};

const METHOD: Kind = Kind::OneOf(&["POST", "PUT", "GET"]);
const STATUS: Kind = Kind::SomeOf(&Kind::Count { min: 100, max: 599 });
const NAME: &str = "Its name, for people.";
const URL: &str =
    "Where to; the host has to be one of `spec.policy.webhooks.hosts` of tranche.yaml.";
const METHODS: &str = "The method of the request; POST if left out.";
const STATUSES: &str = "The answers that count as success; any 2xx if left out.";
const METADATA: &str = "What is sent along.";

/// A hook of a whole rollout.
pub(super) static PLAN_HOOK: Shape = Shape {
    doc: "A request before the first batch, or once the rollout is over.",
    fields: &[
        Field::required(
            "type",
            Kind::OneOf(&["initialize-rollout", "finalize-rollout"]),
            "When it is called.",
        ),
        Field::required("name", Kind::Text, NAME),
        Field::required("url", Kind::Text, URL),
        Field::optional("method", METHOD, METHODS),
        Field::optional("expectedStatus", STATUS, STATUSES),
        Field::optional("metadata", Kind::Texts, METADATA),
    ],
};

/// A hook of a batch.
pub(super) static BATCH_HOOK: Shape = Shape {
    doc: "A request before or after the batch.",
    fields: &[
        Field::required(
            "type",
            Kind::OneOf(&["pre-batch-rollout", "post-batch-rollout"]),
            "When it is called.",
        ),
        Field::required("name", Kind::Text, NAME),
        Field::required("url", Kind::Text, URL),
        Field::optional("method", METHOD, METHODS),
        Field::optional("expectedStatus", STATUS, STATUSES),
        Field::optional("metadata", Kind::Texts, METADATA),
    ],
};

/// What of a plan's settings people have agreed to beforehand.
pub(super) static POLICY: Shape = Shape {
    doc: "What a plan may do to the outside.",
    fields: &[Field::optional("webhooks", Kind::Object(&WEBHOOKS), "The hooks of its rollouts.")],
};

static WEBHOOKS: Shape = Shape {
    doc: "The hooks of a plan's rollouts.",
    fields: &[Field::required(
        "hosts",
        Kind::SomeOf(&Kind::Object(&HOST)),
        "The hosts that they may call; none without it.",
    )],
};

static HOST: Shape = Shape {
    doc: "A host that hooks may call.",
    fields: &[
        Field::required(
            "host",
            Kind::Text,
            "A name, an address, or `*.` and a domain; with `:` and a port if it is no usual one.",
        ),
        Field::optional("allowInsecure", Kind::Flag, "Whether http will do."),
    ],
};

/// Translates a list that was checked against its table.
pub(super) fn translate(
    list: Option<&Node>,
    source: &Source,
) -> Result<Vec<PlacedHook>, InputError> {
    list.map(Node::items).unwrap_or_default().iter().map(|node| hook(node, source)).collect()
}

fn hook(node: &Node, source: &Source) -> Result<PlacedHook, InputError> {
    let text = |name: &str| node.get(name).and_then(Node::text).unwrap_or_default().to_owned();
    let url = text("url");
    if let Err(why) = Address::of(&url) {
        let place = source.place(node.get("url").map_or(node.line, |url| url.line));
        let message = format!("the url of hook {:?} {why}", text("name"));
        return Err(InputError::at(&place, message)
            .expected("an URL such as `https://hooks.example.com/smoke`"));
    }
    let statuses = node.get("expectedStatus").map(Node::items).unwrap_or_default();
    let metadata = node.get("metadata").map(Node::entries).unwrap_or_default();
    let pair = |(key, value): (&str, &Node)| Some((key.to_owned(), value.text()?.to_owned()));
    let hook = Hook {
        // Which types there are the table has said.
        kind: HookType::of(&text("type")).unwrap_or(HookType::InitializeRollout),
        name: text("name"),
        url,
        method: node.get("method").and_then(Node::text).unwrap_or("POST").to_owned(),
        expected: statuses
            .iter()
            .filter_map(Node::count)
            .filter_map(|status| u16::try_from(status).ok())
            .collect(),
        metadata: metadata
            .iter()
            .filter_map(|entry| pair((&entry.key.text, &entry.value)))
            .collect(),
    };
    Ok(PlacedHook { hook, place: source.place(node.get("url").map_or(node.line, |url| url.line)) })
}

/// The hosts of `spec.policy`.
pub(super) fn hosts(check: &mut Check<'_>, policy: Option<&Node>) -> Vec<AllowedHost> {
    let listed = policy.and_then(|policy| policy.get("webhooks")).and_then(|all| all.get("hosts"));
    let mut hosts = Vec::new();
    for node in listed.map(Node::items).unwrap_or_default() {
        let Some(at) = node.get("host") else { continue };
        let insecure = node.get("allowInsecure").and_then(Node::flag).unwrap_or(false);
        match AllowedHost::of(at.text().unwrap_or_default(), insecure) {
            Ok(host) => hosts.push(host),
            Err(why) => check.wrong(
                at,
                format!("the host {} {why}", at.describe()),
                "`hooks.example.com`, `*.example.com` or `127.0.0.1:8080`",
            ),
        }
    }
    hosts
}

/// Hooks whose host the project does not allow.
pub(super) fn strangers(project: &Project, rollouts: &[Rollout]) -> Vec<InputError> {
    let all = rollouts.iter().flat_map(|rollout| rollout.plan.around.all_hooks());
    let refused = all.filter_map(|PlacedHook { hook, place }| {
        let at = Address::of(&hook.url).ok()?;
        if project.hook_hosts.iter().any(|host| host.admits(&at)) {
            return None;
        }
        let usual = if at.secure { 443 } else { 80 };
        let bare = if at.host.contains(':') { format!("[{}]", at.host) } else { at.host.clone() };
        let named = if at.port == usual { bare } else { format!("{bare}:{}", at.port) };
        let insecure = if at.secure || at.is_loopback() { "" } else { ", allowInsecure: true" };
        let message = format!("hook {:?} calls {at}, which tranche.yaml does not allow", hook.name);
        Some(InputError::at(place, message).hint(format!(
            "`spec: {{policy: {{webhooks: {{hosts: [{{host: \"{named}\"{insecure}}}]}}}}}}` of \
             tranche.yaml allows it"
        )))
    });
    refused.collect()
}
