//! The cases: reading them. Owns their notation, a file a case:
//!
//! ```yaml
//! case: what must be so
//! real only: why the embedded cluster cannot show it
//! as: admin                     # or `reader`: who runs the product; else `tranche`
//! todo: what the product lacks  # it is run, and must fail until it is there
//! got: part of how it fails     # and fail by that
//! never: [hunter2]              # texts that the product never says or records
//! steps:
//!   - apply: |                  # the plan; it is applied to its end
//!       kind: ConfigMap
//!   - apply: |                  # the plan; it is applied until it waits for
//!       kind: ConfigMap         # something, and says so
//!     waits for: [text]
//!   - plan: |                   # the plan; it is committed, nothing more
//!       kind: ConfigMap
//!   - as: reader                # from now on
//!   - install: |                # definitions of kinds, by the admin
//!       kind: CustomResourceDefinition
//!   - by: kubectl-edit          # an edit past the product: the field manager,
//!     MERGE v1/configmaps/a: {data: {k: v}}   # and a request as the admin
//!   - expect: none              # no difference, and an apply writes nothing
//!   - expect:                   # or these objects, and nothing else
//!       ConfigMap/a:
//!         update: |             # the lines that go and come, all of them
//!           -  k: v
//!           +  k: w
//!         notes: [what the reviewer is told, or how it begins*]
//!   - expect: {says: [text]}    # what the plan says where it has no objects
//! ```
//!
//! A request is `APPLY`, `MERGE`, `STRATEGIC`, `JSON`, `PUT`, `POST` or
//! `DELETE` of a path: `v1/configmaps/a` is in the case's namespace, one with a
//! leading slash is as it stands. `STORE` puts the body under a key of etcd, as
//! an older API server has left it. `{ns}` is the case's namespace, everywhere, and `{large}`
//! a text of 300,000 bytes.

use serde_json::Value;
use std::path::{Path, PathBuf};
use tranche_lab::User;

/// One case.
pub struct Case {
    /// What must be so.
    pub name: String,
    /// Why the embedded cluster cannot show it.
    pub real_only: Option<String>,
    /// Who runs the product.
    pub user: User,
    /// What the product lacks.
    pub todo: Option<String>,
    /// Part of how it fails until then.
    pub got: Option<String>,
    /// Texts that must not show.
    pub never: Vec<String>,
    /// What happens, in order.
    pub steps: Vec<Step>,
}

/// One step of a case.
#[derive(Clone, Debug)]
pub enum Step {
    /// The plan is this, and is applied: to its end, or until it waits for
    /// something and says these texts.
    Apply(String, Vec<String>),
    /// The plan is this.
    Plan(String),
    /// The admin installs definitions of kinds, or anything else.
    Install(String),
    /// From now on somebody else runs the product.
    As(User),
    /// Somebody sends a request.
    Edit {
        /// The field manager.
        manager: String,
        /// Method and path.
        request: String,
        /// The body.
        body: Value,
    },
    /// Nothing differs.
    ExpectNone,
    /// This differs.
    Expect(Expected),
}

/// What a plan must show.
#[derive(Clone, Debug, Default)]
pub struct Expected {
    /// The objects, as `Kind/name`.
    pub objects: Vec<ExpectedObject>,
    /// Parts of what is said besides.
    pub says: Vec<String>,
}

/// What a plan must show of one object.
#[derive(Clone, Debug)]
pub struct ExpectedObject {
    /// `Kind/name`.
    pub name: String,
    /// `create`, `update` or `delete`.
    pub change: String,
    /// The lines that go and come; none if any will do.
    pub lines: Option<Vec<String>>,
    /// The notes, as text.
    pub notes: Vec<String>,
}

/// More than the annotations of an object may be together.
const LARGE: usize = 300_000;

const KEYS: [&str; 7] = ["case", "real only", "as", "todo", "got", "never", "steps"];

/// Where the cases are.
pub fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/diff/cases")
}

impl Case {
    /// Reads a file, for a namespace.
    pub fn read(file: &str, namespace: &str) -> Self {
        let path = directory().join(file);
        let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{file}: {e}"));
        let text = text.replace("{ns}", namespace).replace("{large}", &"x".repeat(LARGE));
        let table: Value = serde_yaml::from_str(&text).unwrap_or_else(|e| panic!("{file}: {e}"));
        let map = table.as_object().unwrap_or_else(|| panic!("{file}: no case"));
        let unknown = map.keys().find(|key| !KEYS.contains(&key.as_str()));
        assert!(unknown.is_none(), "{file}: unknown key {unknown:?}");
        let reason = |key: &str| {
            let why = table.get(key).map(|why| why.as_str().unwrap().to_owned());
            assert!(why.as_ref().is_none_or(|why| why.len() > 10), "{file}: {key}: no reason");
            why
        };
        Self {
            name: table["case"].as_str().unwrap_or_else(|| panic!("{file}: no name")).to_owned(),
            real_only: reason("real only"),
            user: table.get("as").and_then(Value::as_str).map_or(User::Tranche, user),
            todo: reason("todo"),
            got: table.get("got").map(|text| text.as_str().unwrap().to_owned()),
            never: texts(&table["never"]),
            steps: table["steps"].as_array().unwrap().iter().map(step).collect(),
        }
    }
}

fn texts(list: &Value) -> Vec<String> {
    list.as_array().into_iter().flatten().map(|text| text.as_str().unwrap().to_owned()).collect()
}

fn user(who: &str) -> User {
    match who {
        "admin" => User::Admin,
        "reader" => User::Reader,
        _ => panic!("nobody is called {who}"),
    }
}

fn step(entry: &Value) -> Step {
    let map = entry.as_object().unwrap_or_else(|| panic!("no step: {entry}"));
    let text = |key: &str| map.get(key).map(|text| text.as_str().unwrap().to_owned());
    if let Some(manager) = text("by") {
        let mut requests = map.iter().filter(|(key, _)| *key != "by");
        let (request, body) = requests.next().unwrap_or_else(|| panic!("no request: {entry}"));
        assert!(requests.next().is_none(), "two requests in one step: {entry}");
        return Step::Edit { manager, request: request.clone(), body: body.clone() };
    }
    if let Some(plan) = text("apply") {
        let waits = texts(&entry["waits for"]);
        assert_eq!(
            map.len(),
            1 + usize::from(!waits.is_empty()),
            "two things in one step: {entry}"
        );
        return Step::Apply(plan, waits);
    }
    assert_eq!(map.len(), 1, "two things in one step: {entry}");
    let (key, value) = map.iter().next().unwrap();
    match key.as_str() {
        "plan" => Step::Plan(text(key).unwrap()),
        "as" => Step::As(user(&text(key).unwrap())),
        "install" => Step::Install(text(key).unwrap()),
        "expect" if value == "none" => Step::ExpectNone,
        "expect" => Step::Expect(expected(value)),
        other => panic!("no step: {other}"),
    }
}

fn expected(value: &Value) -> Expected {
    let mut found = Expected::default();
    for (key, value) in value.as_object().unwrap_or_else(|| panic!("no expectation: {value}")) {
        if key == "says" {
            found.says = texts(value);
            continue;
        }
        let map = value.as_object().unwrap_or_else(|| panic!("{key}: {value}"));
        let mut changes = map.iter().filter(|(key, _)| *key != "notes");
        let (change, lines) = changes.next().unwrap_or_else(|| panic!("{key}: no change"));
        let known = ["create", "update", "delete"].contains(&change.as_str());
        assert!(known && changes.next().is_none(), "{key}: {value}");
        let lines = lines.as_str().map(|text| text.lines().map(str::to_owned).collect());
        assert!(lines.is_some() || change != "update", "{key}: an update without its lines");
        found.objects.push(ExpectedObject {
            name: key.clone(),
            change: change.clone(),
            lines,
            notes: texts(&value["notes"]),
        });
    }
    found.objects.sort_by(|a, b| a.name.cmp(&b.name));
    found
}
