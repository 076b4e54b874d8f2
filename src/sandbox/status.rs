//! Refusals as the API server words them. Owns the `Status` object; it must
//! never invent a reason that Kubernetes does not have.

use super::kinds::Resource;
use serde_json::{Value, json};

/// A request that is refused.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Refusal {
    pub code: u16,
    reason: &'static str,
    pub message: String,
    pub details: Value,
}

impl Refusal {
    pub(super) fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self { code, reason, message: message.into(), details: Value::Null }
    }

    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    /// What the embedded cluster does not model.
    pub(super) fn not_modelled(what: &str) -> Self {
        Self::new(501, "NotImplemented", format!("the sandbox does not model {what}"))
    }

    /// A path that names nothing.
    pub(super) fn unknown() -> Self {
        let mut out =
            Self::new(404, "NotFound", "the server could not find the requested resource");
        out.details = json!({});
        out
    }

    /// A method that a path does not have.
    pub(super) fn not_allowed() -> Self {
        let why = "the server does not allow this method on the requested resource";
        let mut out = Self::new(405, "MethodNotAllowed", why);
        out.details = json!({});
        out
    }

    /// A body of a type that no server takes.
    pub(super) fn unsupported_media() -> Self {
        let mut out = Self::new(415, "UnsupportedMediaType", "415: Unsupported Media Type");
        out.details = json!({});
        out
    }

    pub(super) fn not_found(resource: &Resource, name: &str) -> Self {
        let message = format!("{} \"{name}\" not found", resource.qualified());
        Self::new(404, "NotFound", message).about(resource, name, Vec::new())
    }

    pub(super) fn conflict(resource: &Resource, name: &str, why: &str) -> Self {
        let what = resource.qualified();
        let message = format!("Operation cannot be fulfilled on {what} \"{name}\": {why}");
        Self::new(409, "Conflict", message).about(resource, name, Vec::new())
    }

    pub(super) fn modified(resource: &Resource, name: &str) -> Self {
        let why = "the object has been modified; please apply your changes to the latest version \
                   and try again";
        Self::conflict(resource, name, why)
    }

    /// A precondition of a delete that does not hold; here the kind is named,
    /// not the resource.
    pub(super) fn precondition(resource: &Resource, name: &str, why: &str) -> Self {
        let what = resource.qualified_kind();
        let message = format!("Operation cannot be fulfilled on {what} \"{name}\": {why}");
        let mut out = Self::new(409, "Conflict", message).about(resource, name, Vec::new());
        out.details["kind"] = json!(resource.kind);
        out
    }

    /// A pod that its disruption budget does not let go.
    pub(super) fn over_budget(message: &str) -> Self {
        let why = "Cannot evict pod as it would violate the pod's disruption budget.";
        let cause = json!({"reason": "DisruptionBudget", "message": message});
        Self::new(429, "TooManyRequests", why).with_causes(&[cause])
    }

    /// What is not allowed, whoever asks.
    pub(super) fn forbidden(resource: &Resource, name: &str, why: &str) -> Self {
        let message = format!("{} \"{name}\" is forbidden: {why}", resource.qualified());
        Self::new(403, "Forbidden", message).about(resource, name, Vec::new())
    }

    pub(super) fn exists(resource: &Resource, name: &str) -> Self {
        let message = format!("{} \"{name}\" already exists", resource.qualified());
        Self::new(409, "AlreadyExists", message).about(resource, name, Vec::new())
    }

    /// Fields that are not valid: path and message, such as
    /// `spec.selector` and `Invalid value: ...: field is immutable`.
    pub(super) fn invalid(resource: &Resource, name: &str, causes: &[(String, String)]) -> Self {
        Self::invalid_as(resource.group, resource.kind, name, causes)
    }

    /// As [`Self::invalid`], of a kind that is no resource, such as options.
    pub(super) fn invalid_as(
        group: &str,
        kind: &str,
        name: &str,
        causes: &[(String, String)],
    ) -> Self {
        let texts: Vec<String> = causes.iter().map(|(f, m)| format!("{f}: {m}")).collect();
        let listed = match texts.as_slice() {
            [one] => one.clone(),
            many => format!("[{}]", many.join(", ")),
        };
        let what = if group.is_empty() { kind.to_owned() } else { format!("{kind}.{group}") };
        let message = format!("{what} \"{name}\" is invalid: {listed}");
        let causes: Vec<Value> = causes
            .iter()
            .map(|(field, message)| {
                json!({"reason": cause(message), "message": message, "field": field})
            })
            .collect();
        let mut out = Self::new(422, "Invalid", message);
        out.details = json!({"kind": kind, "causes": causes});
        for (field, text) in [("group", group), ("name", name)] {
            if !text.is_empty() {
                out.details[field] = json!(text);
            }
        }
        out
    }

    pub(super) fn with_causes(mut self, causes: &[Value]) -> Self {
        self.details = json!({"causes": causes});
        self
    }

    fn about(mut self, resource: &Resource, name: &str, causes: Vec<Value>) -> Self {
        self.details = json!({"name": name, "kind": resource.plural});
        if !resource.group.is_empty() {
            self.details["group"] = json!(resource.group);
        }
        if !causes.is_empty() {
            self.details["causes"] = Value::Array(causes);
        }
        self
    }

    /// The whole `Status` object.
    pub(super) fn status(&self) -> Value {
        let mut out = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "code": self.code,
        });
        if !self.reason.is_empty() {
            out["reason"] = json!(self.reason);
        }
        if !self.details.is_null() {
            out["details"] = self.details.clone();
        }
        out
    }
}

/// The reason of a cause, by how it begins.
fn cause(message: &str) -> &'static str {
    const BEGINNINGS: [(&str, &str); 6] = [
        ("Not found", "FieldValueNotFound"),
        ("Required", "FieldValueRequired"),
        ("Forbidden", "FieldValueForbidden"),
        ("Unsupported", "FieldValueNotSupported"),
        ("Duplicate", "FieldValueDuplicate"),
        ("Too long", "FieldValueTooLong"),
    ];
    let found = BEGINNINGS.iter().find(|(beginning, _)| message.starts_with(beginning));
    found.map_or("FieldValueInvalid", |(_, reason)| reason)
}
