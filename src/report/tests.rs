//! Whole reviews in every form. The golden files are under `testdata/report/`;
//! `UPDATE_GOLDEN=1` writes them.
#![expect(clippy::disallowed_methods, reason = "golden files are read and, on request, written")]

use super::*;
use crate::core::approval::{
    SavedEntity, SavedObject, SavedPlan, SavedStep, SavedTarget, Sizes, Source, Standing, States,
};
use crate::core::diff::{Change, Halfway, Note, ObjectDiff, Outcome, diff};
use crate::core::escape::Paint;
use crate::core::object::ObjectRef;
use crate::core::secrecy::Veil;
use crate::core::strategy::{EntityKey, EntityKind, StepId};
use serde_json::{Value, json};
use std::path::PathBuf;

fn golden(name: &str, text: &str) {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "testdata", "report", name].iter().collect();
    if std::env::var("UPDATE_GOLDEN").is_ok() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
    }
    assert_eq!(text, std::fs::read_to_string(&path).unwrap(), "{name}");
}

fn deployment(name: &str, image: &str, replicas: u32, env: &[(&str, &str)]) -> Value {
    let env: Vec<Value> =
        env.iter().map(|(name, value)| json!({"name": name, "value": value})).collect();
    json!({"apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": name, "namespace": "shop", "labels": {"app": name}},
        "spec": {"replicas": replicas, "template": {"spec": {"containers":
            [{"name": "web", "image": image, "env": env}]}}}})
}

fn changed(old: Option<&Value>, new: Option<&Value>) -> ObjectDiff {
    diff(&ObjectRef::of(old.or(new).unwrap()).unwrap(), old, new)
}

fn objects() -> Vec<ObjectDiff> {
    let env = [("MODE", "fast"), ("API_TOKEN", "canary-one")];
    let turned = [("API_TOKEN", "canary-one"), ("MODE", "fast")];
    let newer = [("MODE", "fast"), ("API_TOKEN", "canary-two")];
    let web = deployment("web", "registry.example/web:1.0", 3, &env);
    let next = deployment("web", "registry.example/web:1.1", 3, &newer);
    let worker = deployment("worker", "registry.example/worker:7", 2, &env);
    let same = deployment("worker", "registry.example/worker:7", 2, &turned);
    let old = deployment("old", "registry.example/web:0.9", 1, &[]);
    let secret = |value: &str| {
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db", "namespace":
            "shop"}, "data": {"password": value, "user": "d2Vi"}})
    };
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings",
        "namespace": "shop"}, "data": {"mode": "fast", "text": "one\ntwo\n"}});
    let hpa = Note::LeftTo {
        field: ".spec.replicas".to_owned(),
        owner: "HorizontalPodAutoscaler shop/web".to_owned(),
    };
    let conflict = Note::Conflict {
        field: ".spec.template.spec.containers[name=\"web\"].image".to_owned(),
        manager: "kubectl-edit".to_owned(),
        outcome: Outcome::Refused,
    };
    let adopted = Note::Adopted {
        tool: "Helm, release shop/settings".to_owned(),
        manager: Some("helm".to_owned()),
    };
    let extra = Note::Extra { field: ".data.more".to_owned(), manager: "helm".to_owned() };
    let more = Note::MoreExtra { count: 2 };
    let taken = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "taken",
        "namespace": "shop"}, "data": {"mode": "fast"}});
    let mut ours = taken.clone();
    ours["metadata"]["labels"] = json!({"app.kubernetes.io/managed-by": "tranche"});
    let trial = deployment("web-v2-trial", "registry.example/web:1.1", 0, &newer);
    vec![
        routed(),
        changed(None, Some(&trial)).temporary((0, 1)),
        changed(Some(&web), Some(&next)).with_notes([conflict, hpa]),
        changed(Some(&taken), Some(&ours)).with_notes([more, extra, adopted]),
        changed(Some(&worker), Some(&same)),
        changed(Some(&old), None),
        changed(Some(&secret("b25l")), Some(&secret("dHdv"))),
        changed(None, Some(&map)),
    ]
}

/// A route that is as rendered in the end, and has other weights on the way.
fn routed() -> ObjectDiff {
    let route = |backends: &[(&str, u32)]| {
        let backends: Vec<Value> =
            backends.iter().map(|(name, weight)| json!({"name": name, "weight": weight})).collect();
        json!({"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata":
            {"name": "web", "namespace": "shop"}, "spec": {"rules": [{"backendRefs": backends}]}})
    };
    let rendered = route(&[("web", 1)]);
    let some = route(&[("web-v1-traffic", 80), ("web-v2-traffic", 20)]);
    let mut object = changed(Some(&rendered), Some(&rendered));
    let states = [(0, &some), (0, &some), (1, &rendered)];
    object.way = Halfway::all(&object.object, Some(&rendered), states);
    assert_eq!(object.way.iter().map(|halfway| halfway.step).collect::<Vec<_>>(), [0, 1]);
    object
}

fn entity(name: &str, objects: Vec<ObjectDiff>) -> EntityReport {
    let step = |i: u32, effects: &[&str]| StepReport {
        name: format!("batch {i}"),
        gate: (i > 1).then(|| "hold for 5m".to_owned()),
        id: format!("8eda84a0930{i}"),
        effects: effects.iter().map(|effect| (*effect).to_owned()).collect(),
    };
    EntityReport {
        entity: format!("rollout shop/{name}"),
        headline: format!("rollout shop/{name}: {name}-v1 to {name}-v2, 3 pods"),
        floor: Some(2),
        steps: vec![
            step(1, &["scale web-v2 to 1", "until 1 of web-v2 is ready", "scale web-v1 to 2"]),
            step(2, &["scale web-v2 to 3", "until 3 of web-v2 are ready", "delete web-v1"]),
        ],
        warnings: vec!["batch 3 would be empty, and takes the rest".to_owned()],
        rest: Resting::No,
        objects,
    }
}

fn review() -> Review {
    let waits = EntityReport {
        entity: "rollout shop/api".to_owned(),
        rest: Resting::Waits("paused by Operator".to_owned()),
        ..EntityReport::default()
    };
    let refused = EntityReport {
        entity: "application shop/mail".to_owned(),
        rest: Resting::Refused("application shop/mail: its record is newer".to_owned()),
        ..EntityReport::default()
    };
    let production = DiffReport {
        target: "production".to_owned(),
        plan: "3f1c0ffee5c0ffee5c0ffee5c0ffee5c0ffee500".to_owned(),
        publications: vec!["web-v2".to_owned()],
        entities: vec![waits, entity("web", objects()), refused],
    };
    let staging = DiffReport {
        target: "staging".to_owned(),
        plan: production.plan.clone(),
        ..DiffReport::default()
    };
    Review::of(vec![staging, production])
}

fn text(review: &Review) -> String {
    let veil = Veil::new();
    let form = TextForm { veil: &veil, paint: Paint::new(false), told_elsewhere: false };
    review.targets.iter().map(|t| form.target(t).as_str().to_owned()).collect()
}

fn markdown(review: &Review, limit: usize) -> String {
    let full = FullDiff { file: Some("plan.diff".to_owned()), sha256: "0123abcd".to_owned() };
    let form = MarkdownForm { veil: &Veil::new(), limit, full: &full, plan: None };
    form.comment(review).as_str().to_owned()
}

fn json_text(review: &Review) -> String {
    serde_json::to_string_pretty(json(review, &Veil::new()).as_value()).unwrap() + "\n"
}

#[test]
fn every_form_is_its_golden_file_and_holds_no_secret() {
    let review = review();
    let page = html(&review, &Veil::new()).as_str().to_owned();
    let comment = markdown(&review, Forge::GitHub.limit());
    for (name, form) in [
        ("review.txt", text(&review)),
        ("review.json", json_text(&review)),
        ("review.md", comment),
        ("review.html", page),
    ] {
        golden(name, &form);
        assert!(!form.contains("canary") && !form.contains("b25l"), "{name}");
        assert!(form.contains("order") && form.contains("kubectl-edit"), "{name}");
        assert!(form.contains("web-v2-trial") && form.contains("web-v2-traffic"), "{name}");
    }
}

#[test]
fn the_order_in_which_things_were_read_makes_no_difference() {
    let first = review();
    let mut targets = first.targets.clone();
    targets.reverse();
    for target in &mut targets {
        target.entities.reverse();
        for entity in &mut target.entities {
            entity.objects.reverse();
            entity.objects.iter_mut().for_each(|object| object.notes.reverse());
        }
    }
    let second = Review::of(targets);
    assert_eq!(text(&first), text(&second));
    assert_eq!(json_text(&first), json_text(&second));
    assert_eq!(markdown(&first, 65_536), markdown(&second, 65_536));
    assert_eq!(html(&first, &Veil::new()), html(&second, &Veil::new()));
}

#[test]
fn the_json_keeps_its_schema() {
    let (value, schema) = (json(&review(), &Veil::new()), json_schema());
    fits(value.as_value(), &schema, "");
    let mut wrong = value.as_value().clone();
    wrong["targets"][0]["more"] = json!(1);
    assert!(std::panic::catch_unwind(|| fits(&wrong, &schema, "")).is_err());
}

/// Checks what the schema uses of JSON Schema.
fn fits(value: &Value, schema: &Value, at: &str) {
    if let Some(allowed) = schema["enum"].as_array() {
        assert!(allowed.contains(value), "{at}: {value}");
    }
    if let Some(wanted) = schema.get("const") {
        assert_eq!(value, wanted, "{at}");
    }
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    match &schema["type"] {
        Value::String(wanted) => assert_eq!(kind, wanted, "{at}"),
        Value::Array(wanted) => assert!(wanted.contains(&json!(kind)), "{at}: {kind}"),
        _ => {}
    }
    for (i, item) in value.as_array().into_iter().flatten().enumerate() {
        fits(item, &schema["items"], &format!("{at}[{i}]"));
    }
    if let Value::Object(map) = value {
        for name in schema["required"].as_array().into_iter().flatten() {
            assert!(map.contains_key(name.as_str().unwrap()), "{at}: no {name}");
        }
        for (name, value) in map {
            let inner = &schema["properties"][name];
            assert!(!inner.is_null(), "{at}.{name} is in no schema");
            fits(value, inner, &format!("{at}.{name}"));
        }
    }
}

#[test]
fn a_diff_of_fifty_megabytes_is_cut_and_says_so() {
    let long = |value: char| {
        let lines: String = (0..1_000).map(|i| format!("{value} line {i} of a text\n")).collect();
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x", "namespace": "n"},
            "data": {"text": lines}})
    };
    let one = changed(Some(&long('a')), Some(&long('b')));
    let size: usize = one.lines.iter().map(String::len).sum();
    let many = 50_000_000 / size;
    let objects = (0..many).map(|i| {
        let name = format!("map-{i:06}");
        ObjectDiff { object: ObjectRef { name, ..one.object.clone() }, ..one.clone() }
    });
    let gone = deployment("gone", "a", 1, &[]);
    let objects = objects.chain([changed(Some(&gone), None)]).collect();
    let report = DiffReport {
        target: "t".to_owned(),
        entities: vec![entity("web", objects)],
        ..DiffReport::default()
    };
    let review = Review::of(vec![report]);
    for forge in [Forge::GitHub, Forge::GitLab, Forge::Gitea] {
        let comment = markdown(&review, forge.limit());
        assert!(comment.chars().count() <= forge.limit());
        assert!(comment.contains("objects not shown: not approvable from this comment."));
        assert!(
            comment.contains("0123abcd")
                && comment.contains("plan&#46;diff") | comment.contains("plan.diff")
        );
        // What is dangerous comes first, and is there.
        assert!(comment.contains("<code>Deployment/shop/gone</code> – <b>deletion</b>"));
        assert_eq!(comment.matches("<details>").count(), comment.matches("</details>").count());
    }
    let whole = markdown(&Review::of(vec![]), 65_536);
    assert!(!whole.contains("not approvable"), "{whole}");
}

#[test]
fn nothing_breaks_out_of_its_place() {
    let bad = "```\n</pre><script>alert(1)</script>\n@team Closes #1\n\
        <!-- tranche:plan target=production -->\n::error::x\n\u{1b}[2J\u{202e}\n";
    let map = |text: &str| {
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x", "namespace": "n"},
            "data": {"text": text, "@team": "##vso[x]"}})
    };
    let mut object = changed(Some(&map("a")), Some(&map(bad)));
    let note = format!("<b>@team</b> {bad}");
    object = object.with_notes([Note::Unverified { why: note.clone() }]);
    let mut worst = entity("web", vec![object]);
    worst.headline.clone_from(&note);
    worst.warnings = vec![note.clone()];
    worst.steps[0].effects = vec![note.clone()];
    let report = DiffReport {
        target: "a --> <!-- tranche:plan target=b".to_owned(),
        plan: "worktree".to_owned(),
        publications: vec![note],
        entities: vec![worst],
    };
    let review = Review::of(vec![report]);
    let comment = markdown(&review, 65_536);
    let mut fence: Option<String> = None;
    for (i, line) in comment.lines().enumerate() {
        let ticks: String = line.chars().take_while(|c| *c == '`').collect();
        match &fence {
            Some(open) if *open == line => fence = None,
            Some(_) => continue,
            None if ticks.len() >= 3 => fence = Some(ticks),
            None => {
                assert_eq!(line.contains("<!--"), i == 0, "{line}");
                let bare = line.trim_start_matches('#').replace("&#", "");
                assert!(!bare.contains("@team") && !bare.contains('#'), "{line}");
                assert!(!line.contains("<script") && !line.contains("<b>@"), "{line}");
            }
        }
    }
    assert_eq!(fence, None);
    let page = html(&review, &Veil::new()).as_str().to_owned();
    assert!(!page.contains("<script") && page.contains("&lt;script&gt;"));
    assert_eq!(page.matches("</pre>").count(), 1);
    for form in [text(&review), comment, page] {
        assert!(!form.contains(['\u{1b}', '\u{202e}']));
        assert!(!form.contains("##vso["));
        assert!(form.lines().all(|line| !line.trim_start().starts_with("::")), "{form}");
    }
}

#[test]
fn a_review_counts_and_names_what_changes() {
    let review = review();
    let counts = review.targets[0].counts();
    assert_eq!((counts.create, counts.update, counts.delete, counts.dangerous), (1, 4, 1, 4));
    assert_eq!(
        counts.to_string(),
        "1 to create, 4 to change, 1 to delete, 1 only during the rollout; 4 need a closer look"
    );
    assert!(review.targets[1].is_empty() && !review.targets[0].is_empty());
    let changes = |o: &&ObjectDiff| o.change == Change::Update && o.notes == [Note::OrderOnly];
    let reordered = review.targets[0].objects().map(|(_, o)| o).filter(changes).count();
    assert_eq!(reordered, 1);
}

#[test]
fn a_saved_plan_keeps_its_schema() {
    let live = serde_json::json!({"apiVersion": "v1", "kind": "Secret", "metadata":
        {"name": "s", "uid": "u"}, "data": {"password": "b2xk", "user": "YQ=="}});
    let mut last = live.clone();
    last["data"] = serde_json::json!({"password": "bmV3"});
    let object = ObjectRef::of(&live).unwrap();
    let between = [std::sync::Arc::new(serde_json::json!({}))];
    let states = States { live: Some(&live), last: Some(&last), between: &between, body: None };
    let mut object = SavedObject::of(&object, states, &[]);
    object.sources = vec![Source { path: "s.yaml".to_owned(), blob: "1".to_owned() }];
    object.conflicts = vec!["taken".to_owned()];
    object.unverified = true;
    object.diff = vec!["+a".to_owned()];
    let entity = SavedEntity {
        entity: EntityKey {
            kind: EntityKind::Rollout,
            namespace: "n".to_owned(),
            name: "w".to_owned(),
        },
        state: Standing::Steps,
        message: Some("m".to_owned()),
        open: true,
        sizes: Some(Sizes { from: 0, to: 4 }),
        steps: vec![SavedStep {
            id: StepId("a".to_owned()),
            name: "batch 1".to_owned(),
            effects: vec!["e".to_owned()],
        }],
        objects: vec![object],
    };
    let target = SavedTarget {
        target: "t".to_owned(),
        cluster: "c".to_owned(),
        plan: "p".to_owned(),
        record: Some("r".to_owned()),
        created: "2026-01-01T00:00:00Z".parse().unwrap(),
        expires: "2026-01-02T00:00:00Z".parse().unwrap(),
        digest: String::new(),
        publications: vec!["w-v1".to_owned()],
        entities: vec![entity],
    };
    let (tool, project) = ("tranche".to_owned(), "root".to_owned());
    let plan = SavedPlan { format: 1, tool, project, digest: String::new(), targets: vec![target] };
    let value = serde_json::to_value(plan.sealed()).unwrap();
    fits(&value, &saved_schema(), "");
    let mut wrong = value;
    wrong["targets"][0]["entities"][0]["objects"][0]["operation"] = "other".into();
    assert!(std::panic::catch_unwind(|| fits(&wrong, &saved_schema(), "")).is_err());
}

#[test]
fn the_schemas_in_the_repository_are_those_of_the_code() {
    for (file, schema) in [("plan.json", json_schema()), ("saved-plan.json", saved_schema())] {
        let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "schemas", file].iter().collect();
        let text = serde_json::to_string_pretty(&schema).unwrap() + "\n";
        assert_eq!(text, std::fs::read_to_string(path).unwrap(), "`tranche schema --all schemas`");
    }
}
