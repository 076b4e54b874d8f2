//! Whole renderings, from an application as it is written to its objects. The
//! golden files are under `testdata/render/`; `UPDATE_GOLDEN=1` writes them.
#![expect(clippy::disallowed_methods, reason = "golden files are read and, on request, written")]

use super::yaml_text::{parse_documents, write};
use super::*;
use crate::core::model::{
    Application, Component, Limits, Operation, Overlay, Place, Selected, TemplateSource, Trait,
};
use crate::core::strategy::workload::Workloads;
use serde_json::{Value, json};
use std::path::PathBuf;

mod cases;
mod objects;
mod parameters;
mod pods;
mod traits;

use cases::{cases, web};

fn place(line: u32) -> Place {
    Place { file: "plan/web.yaml".to_owned(), line }
}

/// An application of one component.
fn app(kind: &str, properties: Value, traits: &[(&str, Value)]) -> Application {
    let traits = traits
        .iter()
        .map(|(kind, properties)| Trait {
            kind: (*kind).to_owned(),
            properties: properties.clone(),
            place: place(9),
        })
        .collect();
    Application {
        namespace: None,
        name: "shop".to_owned(),
        labels: Default::default(),
        annotations: Default::default(),
        components: vec![Component {
            name: "web".to_owned(),
            kind: kind.to_owned(),
            properties,
            traits,
            place: place(5),
        }],
        template_only: false,
        publish_version: None,
        rolling_components: Vec::new(),
        released: false,
        place: place(1),
    }
}

fn user(text: &str) -> Vec<TemplateSource> {
    vec![TemplateSource { path: "templates/own.yaml".to_owned(), text: text.to_owned() }]
}

fn component_type(template: &str) -> Vec<TemplateSource> {
    let body: String = template.lines().map(|line| format!("    {line}\n")).collect();
    user(&format!(
        "apiVersion: tranche.dev/v1alpha1\nkind: ComponentType\nmetadata: {{name: own}}\nspec:\n  \
         workload: ConfigMap\n  parameters: {{additionalProperties: true}}\n  template: |\n{body}"
    ))
}

fn one(application: &Application, own: &[TemplateSource]) -> Result<Rendered, RenderError> {
    render(application, &Library::new(own)?, "default", &Limits::default())
}

/// What a template of one's own fails with.
fn failure(template: &str, properties: Value) -> String {
    let own = component_type(template);
    one(&app("own", properties, &[]), &own).unwrap_err().to_string()
}

fn seed() -> Application {
    let properties = json!({"cmd": ["./podinfo", "stress-cpu=1"],
        "image": "stefanprodan/podinfo:4.0.6", "port": 8080,
        "updateStrategyType": "InPlaceIfPossible", "replicas": 5});
    let mut application = app("clonesetservice", properties, &[]);
    application.name = "test-rolling".to_owned();
    application.components[0].name = "metrics-provider".to_owned();
    application
}

const QUEUEWORKER: &str = include_str!("../../../testdata/render/queueworker-type.yaml");

fn golden(name: &str, application: &Application, own: &[TemplateSource]) {
    let rendered = one(application, own).unwrap();
    let mut text = String::new();
    for component in &rendered.components {
        for object in std::iter::once(&component.workload).chain(&component.extras) {
            text.push_str(&format!("---\n{}\n", write(object)));
        }
    }
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "testdata", "render", name].iter().collect();
    if std::env::var("UPDATE_GOLDEN").is_ok() {
        std::fs::write(&path, &text).unwrap();
    }
    assert_eq!(text, std::fs::read_to_string(&path).unwrap(), "{name}");
}

#[test]
fn every_type_and_trait_renders_its_golden_file() {
    for (name, application) in cases() {
        golden(name, &application, &[]);
    }
    let queue = json!({"image": "q:1", "queue": "mail", "replicas": 2});
    golden("queueworker.yaml", &app("queueworker", queue, &[]), &user(QUEUEWORKER));
}

#[test]
fn the_seed_renders_a_cloneset_of_five_that_is_updated_in_place() {
    let rendered = one(&seed(), &[]).unwrap();
    let workload = &rendered.components[0].workload;
    assert_eq!(workload["apiVersion"], "apps.kruise.io/v1alpha1");
    assert_eq!(workload["kind"], "CloneSet");
    assert_eq!(workload["spec"]["replicas"], 5);
    assert_eq!(workload["spec"]["updateStrategy"], json!({"type": "InPlaceIfPossible"}));
    let container = &workload["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(container["ports"], json!([{"containerPort": 8080}]));
    assert!(rendered.components[0].extras.is_empty());
    let scaled = app("clonesetservice", json!({"image": "a"}), &[("scaler", json!({}))]);
    assert_eq!(one(&scaled, &[]).unwrap().components[0].workload["spec"]["replicas"], 1);
}

#[test]
fn strings_stay_strings_whatever_yaml_would_make_of_them() {
    for tag in ["1.10", "yes", "0644", "null", "~", "1e3", "a: b", "x # y", "12:30:45", "'\"\n"] {
        let properties = json!({"image": tag, "env": [{"name": "A", "value": tag}], "cmd": [tag]});
        for kind in ["webservice", "worker", "clonesetservice"] {
            let rendered = one(&app(kind, properties.clone(), &[]), &[]).unwrap();
            let container =
                rendered.components[0].workload["spec"]["template"]["spec"]["containers"][0]
                    .clone();
            assert_eq!(container["image"], tag, "{kind}");
            assert_eq!(container["env"][0]["value"], tag, "{kind}");
            assert_eq!(container["command"][0], tag, "{kind}");
        }
    }
}

/// An overlay that gives the seed three pods.
fn overlay() -> Overlay {
    let operation = json!({"op": "add", "path": "/spec/replicas", "value": 3});
    Overlay {
        target: "prod".to_owned(),
        object: Selected {
            group: None,
            kind: "CloneSet".to_owned(),
            name: "metrics-provider".to_owned(),
            namespace: None,
        },
        file: Some("prod.yaml".to_owned()),
        operations: vec![Operation {
            patch: serde_json::from_value(operation).unwrap(),
            place: place(3),
        }],
        place: place(2),
    }
}

#[test]
fn digests_are_what_they_always_were() {
    let library = Library::new(&[]).unwrap();
    let own = Library::new(&user(QUEUEWORKER)).unwrap();
    let mut versioned = seed();
    versioned.publish_version = Some("alpha".to_owned());
    let queue = app("queueworker", json!({"image": "q:1", "queue": "mail"}), &[]);
    let rendered = render(&seed(), &library, "default", &Limits::default()).unwrap();
    let none = Overlays::new();
    let overlays = Overlays::from([("prod".to_owned(), vec![overlay().inputs()])]);
    let found = [
        content_digest(&seed(), &library, Workloads::BUILT_IN, &none),
        content_digest(&versioned, &library, Workloads::BUILT_IN, &none),
        content_digest(&queue, &own, Workloads::BUILT_IN, &none),
        rendered_digest(&rendered),
        content_digest(&seed(), &library, Workloads::BUILT_IN, &overlays),
    ];
    let pinned = [
        "sha256:70dceb8af038ea16a8a64a288524b3fd6f25dd9d1f7e3250959a0d90eb9ee416",
        "sha256:401f5760c31850920ed621e6f3294e6663e607451562633ff62f760f10eacaf1",
        "sha256:b6e1c31e72d902c46fc02e06b966bc22270a493b14359a97dd21349d669def2e",
        "sha256:6abbc3602ae6f20c7e844a6ee27d58e28894d7e847b5b6c0571d06a8626c6dfd",
        "sha256:bb76a8a8c83d525569e74bd03e2a75ab84b6c7ec91d092fb4242a517843e8987",
    ];
    assert_eq!(found.each_ref().map(crate::core::digest::Digest::as_str), pinned);
}

#[test]
fn an_overlay_leaves_what_tranche_gives_an_object() {
    let rendered = one(&seed(), &[]).unwrap();
    let laid = |operation: Value| {
        let mut overlay = overlay();
        overlay.operations[0].patch = serde_json::from_value(operation).unwrap();
        overlay_rendered(&overlay, &rendered)
    };
    let three = laid(json!({"op": "replace", "path": "/spec/replicas", "value": 3}));
    let three = three.unwrap().unwrap();
    assert_eq!(three.components[0].workload["spec"]["replicas"], 3);
    assert_ne!(rendered_digest(&three), rendered_digest(&rendered));
    let null = laid(json!({"op": "add", "path": "/spec/paused", "value": null})).unwrap().unwrap();
    assert_eq!(null, rendered, "null is the same as absent");
    let label = "/metadata/labels/app.oam.dev~1name";
    let text = laid(json!({"op": "remove", "path": label})).unwrap_err();
    assert!(text.starts_with("plan/web.yaml:2: overlay of target prod: after it, "), "{text}");
    assert!(text.ends_with("a label by which Tranche knows its application"), "{text}");
    let label = "/spec/template/metadata/labels/app.oam.dev~1component";
    let text = laid(json!({"op": "replace", "path": label, "value": "x"})).unwrap_err();
    assert!(text.contains("selects `app.oam.dev/component`"), "{text}");
    let mut other = overlay();
    other.object.name = "other".to_owned();
    assert_eq!(overlay_rendered(&other, &rendered), Ok(None));
}

#[test]
fn only_inputs_make_another_revision() {
    let library = Library::new(&[]).unwrap();
    let digest = |application: &Application| {
        content_digest(application, &library, Workloads::BUILT_IN, &Overlays::new())
    };
    let mut moved = seed();
    moved.place = place(77);
    moved.components[0].place = place(78);
    moved.annotations.insert("note".to_owned(), "x".to_owned());
    assert_eq!(digest(&seed()), digest(&moved));
    let mut other = seed();
    other.components[0].properties["image"] = json!("stefanprodan/podinfo:5.0.2");
    assert_ne!(digest(&seed()), digest(&other));
    let (mut a, mut b) = (seed(), other);
    a.publish_version = Some("one".to_owned());
    b.publish_version = Some("one".to_owned());
    assert_eq!(digest(&a), digest(&b), "an unchanged publishVersion is the same revision");
    assert_ne!(inputs_digest(&a, &library), inputs_digest(&b, &library));
    b.publish_version = Some("two".to_owned());
    assert_ne!(digest(&a), digest(&b));
    let none = Overlays::new();
    let queue = app("queueworker", json!({"image": "q", "queue": "m"}), &[]);
    let plain = Library::new(&user(QUEUEWORKER)).unwrap();
    let edited = Library::new(&user(&QUEUEWORKER.replace("Takes", "Fetches"))).unwrap();
    let windows = Library::new(&user(&QUEUEWORKER.replace('\n', "\r\n"))).unwrap();
    assert_ne!(
        content_digest(&queue, &plain, Workloads::BUILT_IN, &none),
        content_digest(&queue, &edited, Workloads::BUILT_IN, &none)
    );
    assert_eq!(
        content_digest(&queue, &plain, Workloads::BUILT_IN, &none),
        content_digest(&queue, &windows, Workloads::BUILT_IN, &none)
    );
    assert_eq!(
        content_digest(&seed(), &plain, Workloads::BUILT_IN, &none),
        content_digest(&seed(), &edited, Workloads::BUILT_IN, &none)
    );
}

#[test]
fn wrong_parameters_are_named_with_what_was_expected() {
    let problem = |properties: Value| one(&app("webservice", properties, &[]), &[]).unwrap_err();
    let text = problem(json!({"imgae": "x"})).to_string();
    assert!(text.contains("plan/web.yaml:5: component web: "), "{text}");
    assert!(text.contains("no parameter `imgae`, did you mean `image`?"), "{text}");
    assert!(text.contains("parameter `image` is missing"), "{text}");
    let text = problem(json!({"image": 4, "ports": [{"port": 70000, "protocol": "TPC"}]}));
    let text = text.to_string();
    assert!(text.contains("`image` must be a string, not 4"), "{text}");
    assert!(text.contains("`ports[0].port` must be at most 65535, not 70000"), "{text}");
    assert!(text.contains("not \"TPC\", did you mean `TCP`?"), "{text}");
    let secret = json!({"image": "x", "env": [{"name": "A", "value": 1234567}]});
    let text = problem(secret).to_string();
    assert!(
        !text.contains("1234567") && text.contains("`env[0].value` must be a string"),
        "{text}"
    );
    let text = one(&app("webservise", json!({}), &[]), &[]).unwrap_err().to_string();
    assert!(text.contains("no component type `webservise`, did you mean `webservice`?"), "{text}");
    let traits = [("scaler", json!({"replicas": -1}))];
    let error = one(&app("worker", json!({"image": "x"}), &traits), &[]).unwrap_err();
    assert_eq!(error.place(), &place(9));
    assert!(error.to_string().contains("component web, trait scaler"), "{error}");
}

#[test]
fn bombs_run_out_of_fuel_or_space() {
    let loops = "{% for a in range(9999) %}{% for b in range(9999) %}{% for c in range(9999) %}\n\
                 {% endfor %}{% endfor %}{% endfor %}";
    assert!(failure(loops, json!({})).contains("(fuel)"));
    let long = "{% for a in range(9999) %}xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\
                xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx{% endfor %}";
    assert!(failure(long, json!({})).contains("renders more than 1048576 bytes"));
    let doubling = "{% set s = s | cat(s) %}\n".repeat(40);
    let text = failure(&format!("{{% set s = 'x' %}}\n{doubling}"), json!({}));
    assert!(text.contains("makes more text than limits allow"), "{text}");
    let replacing = format!("{{{{ 'aaaaaaaa'{} }}}}", "| replace('a', 'aaaaaaaa')".repeat(30));
    assert!(failure(&replacing, json!({})).contains("makes more text than limits allow"));
    let text = failure("a: b\nc: {{ parameter.x ~ parameter.x }}", json!({}));
    assert!(text.starts_with("templates/own.yaml:9: `~` is not part"), "{text}");
}

#[test]
fn template_errors_name_a_line_and_no_value() {
    let secret = json!({"password": "hunter2", "list": ["hunter2"]});
    let text = failure("a: b\nc: {{ parameter.passwort }}", secret.clone());
    assert!(text.contains("templates/own.yaml:9: undefined value: `parameter.passwort`"), "{text}");
    let text = failure("\n\nc: {{ none }}", secret.clone());
    assert!(text.contains("templates/own.yaml:10: prints none"), "{text}");
    let text = failure("c: {{ parameter.list }}", secret.clone());
    assert!(text.contains("| to_json"), "{text}");
    for template in [
        "{{ parameter.password | int }}",
        "{{ parameter.password - 1 }}",
        "{{ parameter.password | add(1) }}",
        "{{ parameter.list[parameter.password] }}",
        "{{ parameter[parameter.password] }}",
        "{{ parameter.password.x.y }}",
        "a: [{{ parameter.password }}",
        "kind: {{ parameter.password }}: x",
        "{{ parameter.password | to_json }}",
        "{{ now() }}",
        "{{ parameter.password | env }}",
    ] {
        let text = failure(template, secret.clone());
        assert!(!text.contains("hunter2"), "{text}");
    }
    let text = failure("{{ none | required('give a name') }}", json!({}));
    assert!(text.contains("own.yaml:8: give a name"), "{text}");
}

#[test]
fn printing_is_yaml() {
    let template = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata:\n  \
        t: {{ true }}\n  f: {{ 1.5 }}\n  i: {{ 7 | add(1) }}\n  b: {{ 'hi!!' | b64encode }}\n  \
        q: {{ 7 | quote }}\n  m:\n    {{ parameter.m | to_yaml | indent(4) }}\n  \
        s: {{ '' | sha256 }}\n  d: {{ none | default('x') }}\n  o: {{ null_free | default(1) }}\n";
    let template = template.replace("null_free", "none");
    let own = component_type(&template);
    let properties = json!({"m": {"b": ["yes", 1], "a": {"c": "x\ny", "n": null}}});
    let rendered = one(&app("own", properties, &[]), &own).unwrap();
    let data = &rendered.components[0].workload["data"];
    let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let expected = json!({"t": true, "f": 1.5, "i": 8, "b": "aGkhIQ==", "q": "7", "s": empty,
        "d": "x", "o": 1, "m": {"b": ["yes", 1], "a": {"c": "x\ny"}}});
    assert_eq!(data, &expected);
}

#[test]
fn a_user_type_replaces_a_built_in_one_and_says_so() {
    let own = user(&QUEUEWORKER.replace("name: queueworker", "name: worker"));
    let library = Library::new(&own).unwrap();
    let notice = &library.notices()[0];
    assert_eq!(notice.message, "replaces the built-in component type `worker`");
    assert_eq!(notice.place.file, "templates/own.yaml");
    let application = app("worker", json!({"image": "x", "queue": "q"}), &[]);
    let rendered = render(&application, &library, "ns", &Limits::default()).unwrap();
    assert_eq!(rendered.components[0].extras[0]["kind"], "ConfigMap");
    assert_eq!(rendered.components[0].workload["metadata"]["namespace"], "ns");
    let twice = [own.clone(), own].concat();
    assert!(Library::new(&twice).unwrap_err().to_string().contains("is already at"));
}

#[test]
fn wrong_type_files_are_refused_with_a_place() {
    let text = Library::new(&user("---\na: b\n")).unwrap_err().to_string();
    assert!(text.starts_with("templates/own.yaml:2: is no type: "), "{text}");
    let wrong = QUEUEWORKER.replace("type: integer", "type: int");
    let text = Library::new(&user(&wrong)).unwrap_err().to_string();
    assert!(text.contains("spec.parameters.properties.replicas.type must be one of"), "{text}");
    let text = Library::new(&component_type("a: b\n{% if %}")).unwrap_err().to_string();
    assert!(text.starts_with("templates/own.yaml:9: syntax error"), "{text}");
}

#[test]
fn objects_are_checked() {
    let exposed = json!({"image": "x", "ports": [{"port": 80, "expose": true}]});
    let traits = [("expose", json!({"port": [80]}))];
    let text = one(&app("webservice", exposed, &traits), &[]).unwrap_err().to_string();
    let first = "renders Service/default/web, which component web renders as well";
    assert!(text.contains(first), "{text}");
    let traits = [("labels", json!({"app.oam.dev/component": "other"}))];
    let text = one(&app("worker", json!({"image": "x"}), &traits), &[]).unwrap_err().to_string();
    assert!(text.contains("selects `app.oam.dev/component`"), "{text}");
    let bare = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n";
    let space = "---\napiVersion: v1\nkind: Namespace\nmetadata: {name: x}\n";
    let own = component_type(&format!("{bare}{space}"));
    let rendered = one(&app("own", json!({}), &[("labels", json!({"a": "b"}))]), &own).unwrap();
    let component = &rendered.components[0];
    assert_eq!(component.extras[0]["metadata"].get("namespace"), None);
    let labels = json!({"a": "b", "app.oam.dev/name": "shop", "app.oam.dev/component": "web"});
    assert_eq!(component.workload["metadata"]["labels"], labels);
    assert_eq!(component.workload.get("spec"), None);
    let text = one(&app("own", json!({}), &[("scaler", json!({}))]), &own).unwrap_err();
    assert!(text.to_string().contains("not to a ConfigMap"), "{text}");
    assert!(failure("apiVersion: v1\nkind: Secret\n", json!({})).contains("not its workload"));
    assert!(failure("apiVersion: v1\nkind: ConfigMap\n", json!({})).contains("metadata.name"));
}

#[test]
fn an_expose_without_ports_says_what_to_give() {
    let traits = [("expose", json!({"type": "NodePort"}))];
    let error = one(&app("worker", json!({"image": "x"}), &traits), &[]).unwrap_err();
    let text = error.to_string();
    assert!(text.starts_with("plan/web.yaml:9: component web, trait expose: builtin/"), "{text}");
    assert!(text.ends_with("give `ports`, or `port`"), "{text}");
}

#[test]
fn the_namespace_of_the_application_wins_over_the_targets() {
    let mut application = app("worker", json!({"image": "x"}), &[]);
    application.namespace = Some("own".to_owned());
    let rendered = one(&application, &[]).unwrap();
    assert_eq!(rendered.namespace, "own");
    assert_eq!(rendered.components[0].workload["metadata"]["namespace"], "own");
}

#[test]
fn kubernetes_scalars_are_read() {
    let read = parse_documents("a: yes\nb: 0644\nc: \"no\"\n---\n---\nd: 1\n").unwrap();
    assert_eq!(read, [json!({"a": true, "b": 420, "c": "no"}), json!({"d": 1})]);
    assert_eq!(parse_documents("a: 1\na: 2\n").unwrap_err().line, 2);
}
