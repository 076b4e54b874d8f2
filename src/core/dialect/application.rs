//! KubeVela's Application, with its embedded `rolloutPlan`.

use super::approllout::{DEADLINE, ON_DELETE, annotations};
use super::check::Check;
use super::kruise_rollout;
use super::metadata::{self, METADATA, annotation};
use super::nearest::nearest;
use super::rollout_plan::{self, ROLLOUT_PLAN};
use super::rollout_trait;
use super::shape::{Field, Kind, Shape};
use crate::core::health::Rules;
use crate::core::model::{
    Application, Component, InputError, Naming, Notice, Place, Rollout, TargetRevision, Trait,
};
use crate::core::yaml::{Node, Source};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::Arc;

const TEMPLATE: &str = "app.oam.dev/rollout-template";
const PUBLISH: &str = "app.oam.dev/publishVersion";
const ROLLING: &str = "app.oam.dev/rolling-components";
const RELEASE: &str = "tranche.dev/rollout";

/// The trait that drives a rollout in the original, and is not supported.
const ROLLING_RELEASE: &str = "rolling-release";

pub(super) static APPLICATION: Shape = Shape {
    doc: "An application: components with traits.",
    fields: &[
        Field::required(
            "apiVersion",
            Kind::OneOf(&["core.oam.dev/v1beta1", "tranche.dev/v1alpha1"]),
            "The API version.",
        ),
        Field::required("kind", Kind::OneOf(&["Application"]), "The kind."),
        Field::required("metadata", Kind::Object(&METADATA), "Standard object metadata."),
        Field::required("spec", Kind::Object(&SPEC), "What the application consists of."),
        Field::unsupported("status"),
    ],
};

static SPEC: Shape = Shape {
    doc: "What the application consists of.",
    fields: &[
        Field::required("components", Kind::SomeOf(&Kind::Object(&COMPONENT)), "The components."),
        Field::optional(
            "rolloutPlan",
            Kind::Object(&ROLLOUT_PLAN),
            "Roll every new revision out in these batches.",
        ),
        Field::unsupported("policies"),
        Field::unsupported("workflow"),
    ],
};

static COMPONENT: Shape = Shape {
    doc: "One component.",
    fields: &[
        Field::required("name", Kind::Name, "The name, unique in the application."),
        Field::required("type", Kind::Text, "The component type."),
        Field::optional("properties", Kind::Parameters, "The type's parameters."),
        Field::optional("traits", Kind::List(&Kind::Object(&TRAIT)), "The traits, in order."),
        Field::unsupported("dependsOn"),
        Field::unsupported("inputs"),
        Field::unsupported("outputs"),
        Field::unsupported("scopes"),
        Field::unsupported("externalRevision"),
        Field::unsupported("replicaKey"),
    ],
};

static TRAIT: Shape = Shape {
    doc: "One trait of a component.",
    fields: &[
        Field::required("type", Kind::Text, "The trait type."),
        Field::optional("properties", Kind::Parameters, "The type's parameters."),
    ],
};

/// What one document says.
pub(super) struct Read {
    /// The application.
    pub application: Application,
    /// The rollouts of its embedded plan, and of traits.
    pub rollouts: Vec<Rollout>,
    /// Annotations without an effect.
    pub notices: Vec<Notice>,
}

/// Translates one document.
pub(super) fn read(root: &Node, source: &Source, place: &Place) -> Result<Read, Vec<InputError>> {
    let mut check = Check::new(source);
    check.object(root, &APPLICATION, "Application");
    let spec = root.get("spec");
    let plan = spec.and_then(|spec| spec.get("rolloutPlan"));
    // Without a plan `on-delete` still decides about a rollout that vanished
    // with it; a deadline would have nothing to bound.
    let components = spec.and_then(|s| s.get("components")).map(Node::items).unwrap_or_default();
    let of = |kind| components.iter().filter_map(move |component| driven(component, kind));
    let driven: Vec<(&Node, &Node)> = of(kruise_rollout::TRAIT).collect();
    let alone: Vec<(&Node, &Node)> = of(rollout_trait::TRAIT).collect();
    let known: &[&str] = match plan {
        None if driven.is_empty() && alone.is_empty() => &[RELEASE, ON_DELETE],
        _ => &[RELEASE, ON_DELETE, DEADLINE],
    };
    metadata::own_annotations(&mut check, root, known, "Application");
    check_components(&mut check, components);
    one_rollout(&mut check, plan, &driven);
    alone_checked(&mut check, plan, components, &alone);
    let template_only = template_only(&mut check, root, plan.is_some());
    let released = released(&mut check, root);
    let rolling_components = rolling_components(&mut check, root, components);
    let (on_delete, deadline_seconds) = annotations(&mut check, root);
    if let Some(plan) = plan {
        rollout_plan::check(&mut check, plan, "Application.spec.rolloutPlan");
    }
    if !check.errors.is_empty() {
        return Err(check.errors);
    }
    let meta = root.get("metadata");
    let application = Application {
        namespace: metadata::text(meta, "namespace"),
        name: metadata::text(meta, "name").unwrap_or_default(),
        labels: metadata::texts(meta, "labels"),
        annotations: metadata::texts(meta, "annotations"),
        components: components.iter().map(|node| component(node, source)).collect(),
        template_only,
        publish_version: annotation(root, PUBLISH).and_then(Node::text).map(str::to_owned),
        rolling_components,
        released,
        place: place.clone(),
    };
    let mut rollouts = Vec::new();
    let bare = Rollout {
        namespace: application.namespace.clone(),
        name: application.name.clone(),
        target: TargetRevision::Latest { application: application.name.clone() },
        source: None,
        component: None,
        component_of: None,
        with: Vec::new(),
        plan: kruise_rollout::plan(),
        pauses: Vec::new(),
        naming: Naming::Revision,
        canary: None,
        disabled: false,
        blue_green: None,
        ratio: None,
        on_delete: on_delete.unwrap_or_default(),
        deadline_seconds,
        owners: Arc::default(),
        health: Rules::default(),
        place: place.clone(),
    };
    if let Some(plan) = plan {
        let place = source.place(plan.line);
        let plan = rollout_plan::translate(plan, source).map_err(|error| vec![error])?;
        rollouts.push(Rollout { plan, place, ..bare.clone() });
    }
    for (component, one) in driven {
        let name = metadata::text(Some(component), "name").unwrap_or_default();
        let read = kruise_rollout::translate(one, source, &name).map_err(|error| vec![error])?;
        rollouts.push(Rollout {
            component: Some(name.clone()),
            name,
            naming: Naming::Kept,
            canary: Some(read.canary),
            pauses: read.pauses,
            place: source.place(one.line),
            ..bare.clone()
        });
    }
    rollouts.extend(alone.into_iter().map(|of| by_itself(of, &bare, source)));
    Ok(Read { application, rollouts, notices: without_effect(root, source) })
}

/// A component, and its trait of a kind that drives a rollout.
fn driven<'n>(component: &'n Node, kind: &str) -> Option<(&'n Node, &'n Node)> {
    let traits = component.get("traits").map(Node::items).unwrap_or_default();
    let one = traits.iter().find(|one| one.get("type").and_then(Node::text) == Some(kind))?;
    Some((component, one))
}

fn is_rollout(one: &Node) -> bool {
    let kind = one.get("type").and_then(Node::text);
    [Some(kruise_rollout::TRAIT), Some(rollout_trait::TRAIT)].contains(&kind)
}

/// The rollout of a component by revisions of its own.
fn by_itself((component, one): (&Node, &Node), bare: &Rollout, source: &Source) -> Rollout {
    let name = metadata::text(Some(component), "name").unwrap_or_default();
    Rollout {
        target: rollout_trait::target(one, &name),
        component: Some(name.clone()),
        component_of: Some(bare.name.clone()),
        plan: rollout_trait::plan(one),
        name,
        place: source.place(one.line),
        ..bare.clone()
    }
}

/// A component has one rollout; one of its own goes beside those of others, but
/// not beside a plan of the whole application.
fn alone_checked(
    check: &mut Check<'_>,
    plan: Option<&Node>,
    components: &[Node],
    alone: &[(&Node, &Node)],
) {
    for (component, one) in alone {
        let name = component.get("name").and_then(Node::text).unwrap_or_default();
        rollout_trait::check(check, one, name);
        if plan.is_some() {
            let message = "a rollout of its own beside the `rolloutPlan` of its application";
            let hint = "take one of them out: a component has one rollout";
            check.errors.push(one.error(check.source, message).hint(hint));
        }
    }
    for component in components {
        let traits = component.get("traits").map(Node::items).unwrap_or_default();
        if let Some(second) = traits.iter().filter(|one| is_rollout(one)).nth(1) {
            let message = "a second rollout of the same component";
            let hint = "one trait `rollout` or `kruise-rollout`: take one of them out";
            check.errors.push(second.error(check.source, message).hint(hint));
        }
    }
}

/// An application has one rollout: its revisions are of all its components.
fn one_rollout(check: &mut Check<'_>, plan: Option<&Node>, driven: &[(&Node, &Node)]) {
    for (component, one) in driven {
        let name = component.get("name").and_then(Node::text).unwrap_or_default();
        kruise_rollout::check(check, one, name);
    }
    let second = match (plan, driven) {
        (Some(_), [(_, one), ..]) | (None, [_, (_, one), ..]) => one,
        _ => return,
    };
    let message = "a second rollout of the same application";
    let hint = "one `rolloutPlan` or one trait `kruise-rollout`: split the application for more";
    check.errors.push(second.error(check.source, message).hint(hint));
}

fn check_components(check: &mut Check<'_>, components: &[Node]) {
    let mut first_lines = BTreeMap::new();
    for node in components {
        if let Some(at) = node.get("name")
            && let Some(name) = at.text()
            && let Some(line) = first_lines.insert(name, at.line)
        {
            let message = format!("the component `{name}` is written twice");
            let hint = format!("it is first written in line {line}");
            check.errors.push(at.error(check.source, message).hint(hint));
        }
        for one in node.get("traits").map(Node::items).unwrap_or_default() {
            let Some(at) = one.get("type") else { continue };
            let kind = at.text().unwrap_or_default();
            if kind == ROLLING_RELEASE {
                let message = format!("the trait `{kind}` is not supported yet");
                let hint = "use the trait `rollout`, `spec.rolloutPlan` or an AppRollout: no \
                            rollout is silently left out";
                check.errors.push(at.error(check.source, message).hint(hint));
            }
        }
    }
}

fn template_only(check: &mut Check<'_>, root: &Node, embedded: bool) -> bool {
    let Some(node) = annotation(root, TEMPLATE) else { return false };
    match node.text() {
        Some("true") => true,
        Some("false") if !embedded => false,
        _ => {
            let expected = if embedded {
                "\"true\", since there is a rolloutPlan"
            } else {
                "\"true\" or \"false\""
            };
            check.wrong(
                node,
                format!("the annotation {TEMPLATE} is {}", node.describe()),
                expected,
            );
            false
        }
    }
}

fn released(check: &mut Check<'_>, root: &Node) -> bool {
    let Some(node) = annotation(root, RELEASE) else { return false };
    if node.text() != Some("none") {
        check.wrong(node, format!("the annotation {RELEASE} is {}", node.describe()), "`none`");
    }
    true
}

fn rolling_components(check: &mut Check<'_>, root: &Node, components: &[Node]) -> Vec<String> {
    let Some(node) = annotation(root, ROLLING) else { return Vec::new() };
    let names: Vec<&str> =
        components.iter().filter_map(|c| c.get("name").and_then(Node::text)).collect();
    let text = node.text().unwrap_or_default();
    let rolling: Vec<&str> =
        text.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
    for (i, name) in rolling.iter().enumerate() {
        if rolling.iter().take(i).any(|other| other == name) {
            let message = format!("the annotation {ROLLING} names `{name}` twice");
            check.wrong(node, message, "each component once");
        }
        if !names.contains(name) {
            let error = node
                .error(
                    check.source,
                    format!("the annotation {ROLLING} names no component: `{name}`"),
                )
                .expected(super::check::one_of(&names))
                .nearest(nearest(name, &names));
            check.errors.push(error);
        }
    }
    rolling.into_iter().map(str::to_owned).collect()
}

fn component(node: &Node, source: &Source) -> Component {
    let traits = node.get("traits").map(Node::items).unwrap_or_default();
    // Not a part of what is rendered.
    let traits = traits.iter().filter(|one| !is_rollout(one));
    Component {
        name: metadata::text(Some(node), "name").unwrap_or_default(),
        kind: metadata::text(Some(node), "type").unwrap_or_default(),
        properties: properties(node),
        traits: traits
            .map(|one| Trait {
                kind: metadata::text(Some(one), "type").unwrap_or_default(),
                properties: properties(one),
                place: source.place(one.line),
            })
            .collect(),
        place: source.place(node.line),
    }
}

fn properties(node: &Node) -> Value {
    node.get("properties").map_or_else(|| Value::Object(Map::new()), Node::to_value)
}

fn without_effect(root: &Node, source: &Source) -> Vec<Notice> {
    let entries = root.get("metadata").and_then(|m| m.get("annotations")).map(Node::entries);
    let known = [TEMPLATE, PUBLISH, ROLLING];
    entries
        .unwrap_or_default()
        .iter()
        .filter(|e| e.key.text.starts_with("app.oam.dev/") && !known.contains(&e.key.text.as_str()))
        .map(|e| Notice {
            place: source.place(e.key.line),
            message: format!("the annotation `{}` has no effect here", e.key.text),
        })
        .collect()
}
