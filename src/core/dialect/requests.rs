//! Requests by what is in them, and changes of their headers, in Gateway API's
//! words: what steps of a canary and lanes have in common.

use super::shape::{Field, Kind, Shape};
use crate::core::traffic::{
    Comparison, Header, HeaderChange, Match, PathComparison, PathMatch, ValueMatch,
};
use crate::core::yaml::Node;

pub(super) static MATCH: Shape = Shape {
    doc: "Requests of which all of this is true.",
    fields: &[
        Field::optional("path", Kind::Object(&PATH), "The path."),
        Field::optional("headers", Kind::SomeOf(&Kind::Object(&VALUE)), "Headers, all of them."),
        Field::optional(
            "queryParams",
            Kind::SomeOf(&Kind::Object(&VALUE)),
            "Query parameters, all of them.",
        ),
    ],
};

static PATH: Shape = Shape {
    doc: "A path.",
    fields: &[
        Field::optional(
            "type",
            Kind::OneOf(&["Exact", "PathPrefix", "RegularExpression"]),
            "How it is compared; `PathPrefix`.",
        ),
        Field::required("value", Kind::Text, "With what."),
    ],
};

static VALUE: Shape = Shape {
    doc: "A header or a query parameter.",
    fields: &[
        Field::optional(
            "type",
            Kind::OneOf(&["Exact", "RegularExpression"]),
            "How it is compared; `Exact`.",
        ),
        Field::required("name", Kind::Text, "Its name."),
        Field::required("value", Kind::Text, "With what it is compared."),
    ],
};

pub(super) static HEADERS: Shape = Shape {
    doc: "Changes of the headers of a request.",
    fields: &[
        Field::optional(
            "set",
            Kind::SomeOf(&Kind::Object(&HEADER)),
            "Headers that are set, whatever they were.",
        ),
        Field::optional(
            "add",
            Kind::SomeOf(&Kind::Object(&HEADER)),
            "Headers that are added to what is there.",
        ),
        Field::optional("remove", Kind::SomeOf(&Kind::Text), "Headers that are taken out."),
    ],
};

static HEADER: Shape = Shape {
    doc: "A header.",
    fields: &[
        Field::required("name", Kind::Text, "Its name."),
        Field::required("value", Kind::Text, "Its value."),
    ],
};

fn text(node: &Node, field: &str) -> String {
    node.get(field).and_then(Node::text).unwrap_or_default().to_owned()
}

fn items<T>(node: Option<&Node>, one: impl Fn(&Node) -> T) -> Vec<T> {
    node.map(Node::items).unwrap_or_default().iter().map(one).collect()
}

/// Translates a list that was checked.
pub(super) fn matches(node: Option<&Node>) -> Vec<Match> {
    items(node, |node| Match {
        path: node.get("path").map(path),
        headers: items(node.get("headers"), value),
        query_params: items(node.get("queryParams"), value),
    })
}

fn path(node: &Node) -> PathMatch {
    let comparison = match text(node, "type").as_str() {
        "Exact" => PathComparison::Exact,
        "RegularExpression" => PathComparison::RegularExpression,
        _ => PathComparison::PathPrefix,
    };
    PathMatch { comparison, value: text(node, "value") }
}

fn value(node: &Node) -> ValueMatch {
    let comparison = match text(node, "type").as_str() {
        "RegularExpression" => Comparison::RegularExpression,
        _ => Comparison::Exact,
    };
    ValueMatch { comparison, name: text(node, "name"), value: text(node, "value") }
}

/// Translates a change that was checked.
pub(super) fn headers(node: Option<&Node>) -> HeaderChange {
    let header = |node: &Node| Header { name: text(node, "name"), value: text(node, "value") };
    let field = |name: &str| node.and_then(|node| node.get(name));
    HeaderChange {
        set: items(field("set"), header),
        add: items(field("add"), header),
        remove: items(field("remove"), |node| node.text().unwrap_or_default().to_owned()),
    }
}
