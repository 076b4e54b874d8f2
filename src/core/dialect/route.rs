//! Our own Route: a host that clients call by a name that never changes, and the
//! instances behind it. Owns how that is written, and which moves between
//! instances the stated APIs bear.

use super::check::{Check, one_of};
use super::document::Collected;
use super::metadata::{self, METADATA};
use super::nearest::nearest;
use super::rollout_plan::number;
use super::shape::{Field, Kind, Shape};
use crate::core::model::{
    Acknowledged, Api, Application, Client, DEFAULT_DRAIN_SECONDS, HostRoute, InputError, Instance,
    Mismatch, Next, Place,
};
use crate::core::yaml::{Node, Source};
use std::collections::BTreeMap;

pub(super) static ROUTE: Shape = Shape {
    doc: "A host that clients call by one name, and the instances behind it.",
    fields: &[
        Field::required("apiVersion", Kind::OneOf(&["tranche.dev/v1alpha1"]), "The API version."),
        Field::required("kind", Kind::OneOf(&["Route"]), "The kind."),
        Field::required("metadata", Kind::Object(&METADATA), "Standard object metadata."),
        Field::required("spec", Kind::Object(&SPEC), "Who calls what."),
        Field::unsupported("status"),
    ],
};

static SPEC: Shape = Shape {
    doc: "Who calls what.",
    fields: &[
        Field::required("host", Kind::Name, "The Service that clients call; it never changes."),
        Field::optional(
            "port",
            Kind::Count { min: 1, max: 65_535 },
            "The port that is called; needed where an instance's Service has several.",
        ),
        Field::required(
            "instances",
            Kind::SomeOf(&Kind::Object(&INSTANCE)),
            "The applications that can serve the host, each after the one that it follows.",
        ),
        Field::required(
            "clients",
            Kind::SomeOf(&Kind::Object(&CLIENT)),
            "The applications that call the host, and what each reaches.",
        ),
        Field::optional(
            "acknowledge",
            Kind::List(&Kind::Object(&ACKNOWLEDGED)),
            "Differences of APIs that are accepted.",
        ),
        Field::optional(
            "alias",
            Kind::Name,
            "The instance that the host itself is, once no application renders its Service; the \
             one that all clients depend on.",
        ),
        Field::optional(
            "drainSeconds",
            Kind::Count { min: 0, max: 3_600 },
            "How long an instance is seen without a client before it may go; 5.",
        ),
    ],
};

static INSTANCE: Shape = Shape {
    doc: "An application that can serve the host.",
    fields: &[
        Field::required("name", Kind::Name, "The application."),
        Field::required("service", Kind::Name, "The Service by which it is reached."),
        Field::optional(
            "apis",
            Kind::List(&Kind::Object(&API)),
            "The HTTP APIs that it serves; left out of one that speaks no HTTP.",
        ),
    ],
};

static API: Shape = Shape {
    doc: "An HTTP API.",
    fields: &[
        Field::required("context", Kind::Text, "The path that it is under, such as `/pets`."),
        Field::required("version", Kind::Text, "Its version, such as `v1` or `1.2.0`."),
    ],
};

static CLIENT: Shape = Shape {
    doc: "An application that calls the host.",
    fields: &[
        Field::required("name", Kind::Name, "The application."),
        Field::required("to", Kind::Name, "The instance that it depends on."),
        Field::optional("next", Kind::Object(&NEXT), "The instance that follows."),
    ],
};

static NEXT: Shape = Shape {
    doc: "The instance that follows, for one client.",
    fields: &[
        Field::required("instance", Kind::Name, "The instance."),
        Field::required(
            "percent",
            Kind::Count { min: 0, max: 100 },
            "Its share of the client's requests.",
        ),
        Field::optional(
            "sticky",
            Kind::Text,
            "The header that carries a user's bucket, 00 to 99: a bucket below `percent` goes to \
             the next instance.",
        ),
    ],
};

static ACKNOWLEDGED: Shape = Shape {
    doc: "A difference of APIs that is accepted.",
    fields: &[
        Field::required("from", Kind::Name, "The instance that is left."),
        Field::required("to", Kind::Name, "The instance that is reached."),
        Field::required("context", Kind::Text, "The API's path."),
        Field::optional(
            "version",
            Kind::Text,
            "The version that is reached; left out where there is no such API.",
        ),
    ],
};

/// Translates a Route.
pub(super) fn read(
    root: &Node,
    source: &Source,
    place: &Place,
) -> Result<HostRoute, Vec<InputError>> {
    let mut check = Check::new(source);
    check.object(root, &ROUTE, "Route");
    metadata::own_annotations(&mut check, root, &[], "Route");
    let Some(spec) = root.get("spec").filter(|_| check.errors.is_empty()) else {
        return Err(check.errors);
    };
    let meta = root.get("metadata");
    let list = |field: &str| spec.get(field).map(Node::items).unwrap_or_default();
    let route = HostRoute {
        namespace: metadata::text(meta, "namespace"),
        name: metadata::text(meta, "name").unwrap_or_default(),
        host: text(spec, "host"),
        port: spec.get("port").and_then(Node::count).and_then(|port| u16::try_from(port).ok()),
        instances: list("instances").iter().map(instance).collect(),
        clients: list("clients").iter().map(client).collect(),
        acknowledged: list("acknowledge").iter().map(acknowledged).collect(),
        alias: metadata::text(Some(spec), "alias"),
        drain_seconds: number(spec.get("drainSeconds")).unwrap_or(DEFAULT_DRAIN_SECONDS),
        place: place.clone(),
    };
    once(&mut check, list("instances"), &["name", "service"], "Route.spec.instances");
    once(&mut check, list("clients"), &["name"], "Route.spec.clients");
    spelled(&mut check, spec);
    named(&mut check, spec, &route);
    if check.errors.is_empty() {
        for (client, node) in route.clients.iter().zip(list("clients")) {
            check.errors.extend(unfit(&route, client, node, source));
        }
    }
    if check.errors.is_empty() { Ok(route) } else { Err(check.errors) }
}

fn text(node: &Node, name: &str) -> String {
    metadata::text(Some(node), name).unwrap_or_default()
}

fn instance(node: &Node) -> Instance {
    let apis = node.get("apis").map(Node::items).unwrap_or_default().iter();
    let api = |node: &Node| Api { context: text(node, "context"), version: text(node, "version") };
    Instance {
        name: text(node, "name"),
        service: text(node, "service"),
        apis: apis.map(api).collect(),
    }
}

fn client(node: &Node) -> Client {
    let next = node.get("next").map(|next| Next {
        instance: text(next, "instance"),
        percent: next
            .get("percent")
            .and_then(Node::count)
            .map_or(0, |p| u8::try_from(p).unwrap_or(0)),
        sticky: metadata::text(Some(next), "sticky"),
    });
    Client { name: text(node, "name"), to: text(node, "to"), next }
}

fn acknowledged(node: &Node) -> Acknowledged {
    Acknowledged {
        from: text(node, "from"),
        to: text(node, "to"),
        context: text(node, "context"),
        version: metadata::text(Some(node), "version"),
    }
}

/// Whether no two entries of a list have the same value of a field.
fn once(check: &mut Check<'_>, items: &[Node], fields: &[&str], path: &str) {
    for field in fields {
        let mut first: BTreeMap<&str, u32> = BTreeMap::new();
        for (i, node) in items.iter().enumerate() {
            let Some(node) = node.get(field) else { continue };
            let Some(value) = node.text() else { continue };
            if let Some(line) = first.insert(value, node.line) {
                let message = format!("{path}[{i}].{field} is `{value}`, as in line {line}");
                check.wrong(node, message, "each once");
            }
        }
    }
}

/// Whether paths and headers are ones.
fn spelled(check: &mut Check<'_>, spec: &Node) {
    let list = |node: &'_ Node, field: &str| -> Vec<Node> {
        node.get(field).map(Node::items).unwrap_or_default().to_vec()
    };
    let apis =
        list(spec, "instances").iter().flat_map(|node| list(node, "apis")).collect::<Vec<_>>();
    for node in apis.iter().chain(&list(spec, "acknowledge")) {
        if let Some(context) = node.get("context")
            && !context.text().is_some_and(|text| text.starts_with('/'))
        {
            let message = "an API's context is no path".to_owned();
            check.wrong(context, message, "a path that begins with `/`");
        }
    }
    for client in &list(spec, "clients") {
        let Some(sticky) = client.get("next").and_then(|next| next.get("sticky")) else { continue };
        let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if !sticky.text().is_some_and(|text| text.bytes().all(fits)) {
            let message = "`sticky` is no name of a header".to_owned();
            check.wrong(
                sticky,
                message,
                "lower-case letters, digits and `-`, such as `x-instance-id`",
            );
        }
    }
}

/// Whether every instance that is named is listed, and no client is led from one
/// instance to the same.
fn named(check: &mut Check<'_>, spec: &Node, route: &HostRoute) {
    let known: Vec<&str> = route.instances.iter().map(|instance| instance.name.as_str()).collect();
    let mut meet = |node: Option<&Node>| {
        let Some(node) = node else { return };
        let name = node.text().unwrap_or_default();
        if !known.contains(&name) {
            let error = node.error(check.source, format!("`{name}` is no instance of this Route"));
            check.errors.push(error.expected(one_of(&known)).nearest(nearest(name, &known)));
        }
    };
    meet(spec.get("alias"));
    for node in spec.get("acknowledge").map(Node::items).unwrap_or_default() {
        meet(node.get("from"));
        meet(node.get("to"));
    }
    for node in spec.get("clients").map(Node::items).unwrap_or_default() {
        meet(node.get("to"));
        meet(node.get("next").and_then(|next| next.get("instance")));
    }
    for node in spec.get("clients").map(Node::items).unwrap_or_default() {
        let next = node.get("next").and_then(|next| next.get("instance"));
        if let Some(next) = next.filter(|next| next.text() == node.get("to").and_then(Node::text)) {
            let message = "`next` is the instance that the client depends on already".to_owned();
            check.wrong(next, message, "another instance, or no `next`");
        }
    }
}

/// What a client's move breaks. Nothing that gets no requests does.
fn unfit(route: &HostRoute, client: &Client, node: &Node, source: &Source) -> Vec<InputError> {
    let next = node.get("next");
    if client.next.as_ref().is_some_and(|next| next.percent == 0) {
        return Vec::new();
    }
    let Some((from, to)) = route.comes_from(client) else { return Vec::new() };
    let at = next.and_then(|next| next.get("instance")).or_else(|| node.get("to")).unwrap_or(node);
    if let Some(why) = mute(route, from, to) {
        let hint = "state its HTTP APIs with `apis`, or leave the client where it is";
        return vec![at.error(source, format!("client {}: {why}", client.name)).hint(hint)];
    }
    let told = |mismatch: Mismatch| {
        let message = format!("client {}: {mismatch}", client.name);
        at.error(source, message).hint(to_acknowledge(&mismatch))
    };
    route.breaks(from, to).into_iter().map(told).collect()
}

/// Why nobody who speaks HTTP to one instance can be led to another.
#[must_use]
pub fn mute(route: &HostRoute, from: &str, to: &str) -> Option<String> {
    let (old, new) = (route.instance(from)?, route.instance(to)?);
    (new.is_mute() && !old.is_mute()).then(|| {
        format!(
            "{from} serves HTTP APIs, but {to} states none, so it speaks TCP alone: requests cannot \
             be led there"
        )
    })
}

/// How a difference is accepted, in the words of a plan.
#[must_use]
pub fn to_acknowledge(mismatch: &Mismatch) -> String {
    let Mismatch { from, to, context, offers, .. } = mismatch;
    let version = offers.as_ref().map(|version| format!(", version: {version}"));
    format!(
        "make {to} compatible, or accept it with an entry of `spec.acknowledge`: {{from: {from}, to: \
         {to}, context: {context}{}}}",
        version.unwrap_or_default()
    )
}

/// Instances and clients that are no application of the plan.
pub(super) fn unknown(collected: &Collected) -> Vec<InputError> {
    let mut errors = Vec::new();
    for route in &collected.routes {
        let here = |a: &&Application| {
            let (one, other) = (a.namespace.as_deref(), route.namespace.as_deref());
            one.is_none() || other.is_none() || one == other
        };
        let known = collected.applications.iter().filter(here).map(|a| a.name.as_str());
        let known: Vec<&str> = known.collect();
        let instances = route.instances.iter().map(|instance| ("instance", &instance.name));
        let clients = route.clients.iter().map(|client| ("client", &client.name));
        for (what, name) in instances.chain(clients) {
            if !known.contains(&name.as_str()) {
                let message =
                    format!("Route {}: {what} `{name}` is no application of this plan", route.name);
                let error = InputError::at(&route.place, message);
                errors.push(error.expected(one_of(&known)).nearest(nearest(name, &known)));
            }
        }
    }
    errors
}
