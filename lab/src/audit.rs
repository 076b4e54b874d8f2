//! What was asked of the API server. Owns the reading of its audit log; must
//! never count what the policy leaves out.

use serde_json::Value;

use crate::control_plane::{ControlPlane, User};
use crate::error::Error;

/// One request, as the audit log tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Who asked.
    pub user: String,
    /// The verb: `get`, `list`, `create`, `patch`, `delete` and so on.
    pub verb: String,
    /// The API group; empty for the core.
    pub group: String,
    /// The resource's plural, with `/status` or another subresource.
    pub resource: String,
    /// The namespace; empty for what has none.
    pub namespace: String,
    /// The name; empty for lists.
    pub name: String,
    /// The path with its query.
    pub uri: String,
    /// The status code of the answer.
    pub code: u16,
    /// The body; null for what is not a write of Tranche's.
    pub sent: Value,
    /// The object in the answer to a write of Tranche's, without its managed
    /// fields.
    pub answer: Value,
}

impl Request {
    /// Whether it changes something, were it to succeed. Reviews of one's own
    /// rights and dry-runs change nothing.
    #[must_use]
    pub fn is_write(&self) -> bool {
        let changes = !matches!(self.verb.as_str(), "get" | "list" | "watch");
        changes && self.group != "authorization.k8s.io" && !self.is_dry_run()
    }

    /// Whether it was a dry-run.
    #[must_use]
    pub fn is_dry_run(&self) -> bool {
        self.uri.split(['?', '&']).any(|part| part == "dryRun=All")
    }

    /// Whether the server did it.
    #[must_use]
    pub fn succeeded(&self) -> bool {
        (200..300).contains(&self.code)
    }

    fn read(line: &Value) -> Self {
        let text =
            |at: &str| line.pointer(at).and_then(Value::as_str).unwrap_or_default().to_owned();
        let mut resource = text("/objectRef/resource");
        let subresource = text("/objectRef/subresource");
        if !subresource.is_empty() {
            resource = format!("{resource}/{subresource}");
        }
        let code = line.pointer("/responseStatus/code").and_then(Value::as_u64);
        Self {
            user: text("/user/username"),
            verb: text("/verb"),
            group: text("/objectRef/apiGroup"),
            resource,
            namespace: text("/objectRef/namespace"),
            name: text("/objectRef/name"),
            uri: text("/requestURI"),
            code: code.and_then(|code| code.try_into().ok()).unwrap_or(0),
            sent: line.get("requestObject").cloned().unwrap_or_default(),
            answer: line.get("responseObject").cloned().unwrap_or_default(),
        }
    }
}

impl ControlPlane {
    /// What a user has asked so far, in the order of the answers. The server
    /// writes a line when it has answered: one that has just been answered may
    /// be missing for a moment.
    ///
    /// # Errors
    ///
    /// A log that cannot be read.
    pub fn requests(&self, user: User) -> Result<Vec<Request>, Error> {
        self.requests_of(user.name())
    }

    /// The same of whoever the log calls so, such as a service account.
    ///
    /// # Errors
    ///
    /// A log that cannot be read.
    pub fn requests_of(&self, name: &str) -> Result<Vec<Request>, Error> {
        let path = self.audit_log();
        let log = std::fs::read_to_string(&path).map_err(|cause| Error::file(&path, cause))?;
        // The last line may be half written.
        let whole = log.rfind('\n').and_then(|end| log.get(..end)).unwrap_or_default();
        let mut found = Vec::new();
        for line in whole.lines() {
            let line: Value =
                serde_json::from_str(line).map_err(|cause| Error::file(&path, cause))?;
            if line.pointer("/stage").and_then(Value::as_str) == Some("ResponseComplete") {
                let request = Request::read(&line);
                if request.user == name {
                    found.push(request);
                }
            }
        }
        Ok(found)
    }
}
