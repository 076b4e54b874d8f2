//! `spec.health` of `tranche.yaml`: rules for kinds that no built-in rule
//! knows. Owns their fields, which are those of Flux's `healthCheckExprs`.

use super::check::Check;
use super::shape::{Field, Kind, Shape};
use crate::core::health::{Expression, Rule, Rules, rule_of};
use crate::core::object::KindRef;
use crate::core::yaml::Node;

pub(super) static RULE: Shape = Shape {
    doc: "How the health of one kind is told, by CEL expressions over the live object.",
    fields: &[
        Field::required(
            "apiVersion",
            Kind::Text,
            "The kind's API version; a rule counts for all versions of its group.",
        ),
        Field::required("kind", Kind::Text, "The kind."),
        Field::required("current", Kind::Text, "True once the object is healthy."),
        Field::optional("inProgress", Kind::Text, "True while it is on its way; asked first."),
        Field::optional("failed", Kind::Text, "True once it has failed for good; asked second."),
    ],
};

/// Reads the rules. An expression that is none is an error at its place.
pub(super) fn rules(check: &mut Check<'_>, nodes: &[Node]) -> Rules {
    let mut rules: Vec<Rule> = Vec::with_capacity(nodes.len());
    for node in nodes {
        let text = |name: &str| node.get(name).and_then(Node::text).unwrap_or_default();
        let kind = KindRef::new(text("apiVersion"), text("kind"));
        if rule_of(&rules, &kind).is_some() {
            let message = format!("two rules are about {kind}");
            check.wrong(node, message, "one rule for a kind, whatever its version");
        }
        let in_progress = expression(check, node, "inProgress");
        let failed = expression(check, node, "failed");
        if let Some(current) = expression(check, node, "current") {
            rules.push(Rule { kind, in_progress, failed, current });
        }
    }
    Rules::new(rules)
}

fn expression(check: &mut Check<'_>, node: &Node, name: &str) -> Option<Expression> {
    let node = node.get(name)?;
    match Expression::parse(node.text()?) {
        Ok(expression) => Some(expression),
        Err(error) => {
            check.wrong(node, format!("`{name}`: {}", error.why), error.expected);
            None
        }
    }
}
