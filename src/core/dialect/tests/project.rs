//! `tranche.yaml`.

use super::{errors, file};
use crate::core::dialect::load;
use crate::core::health::Rules;
use crate::core::model::{ClusterRef, Limits, Project, Target};
use crate::core::object::KindRef;

#[test]
fn the_project_says_what_is_read_and_where_it_goes() {
    let text = "\
apiVersion: tranche.dev/v1alpha1
kind: Project
metadata: {name: shop}
spec:
  include: ['apps/**']
  remote: upstream
  limits: {documents: 1, outputBytes: 77}
  targets:
  - name: prod
    cluster: {context: prod-admin}
    namespace: shop
  - {name: ci, cluster: {inCluster: true}, record: tranche/x/ci}
  - {name: try, cluster: {sandbox: {}}}
";
    let map = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n";
    let loaded = load(vec![
        file("tranche.yaml", text),
        file("apps/b/a.yaml", map),
        file("apps/README.md", "# no: [yaml"),
        file("other.yaml", "not: [read"),
        file("templates/web.yaml.j2", "{{ x }}"),
    ])
    .unwrap();
    let target = |name: &str, cluster, namespace: &str, record: &str| Target {
        name: name.to_owned(),
        cluster,
        namespace: namespace.to_owned(),
        record_branch: record.to_owned(),
    };
    assert_eq!(
        loaded.project,
        Project {
            declared: true,
            include: vec!["apps/**".to_owned()],
            targets: vec![
                target(
                    "prod",
                    ClusterRef::Context("prod-admin".to_owned()),
                    "shop",
                    "tranche/prod"
                ),
                target("ci", ClusterRef::InCluster, "default", "tranche/x/ci"),
                target("try", ClusterRef::Sandbox, "default", "tranche/try"),
            ],
            remote: Some("upstream".to_owned()),
            limits: Limits { documents: 1, output_bytes: 77, ..Limits::default() },
            health: Rules::default(),
            overlays: Vec::new(),
            hook_hosts: Vec::new(),
        }
    );
    assert_eq!(
        (loaded.objects.len(), loaded.templates[0].path.as_str()),
        (1, "templates/web.yaml.j2")
    );
    let twice = format!("{map}---\n{map}");
    let found = load(vec![file("tranche.yaml", text), file("apps/a.yaml", &twice)]).unwrap_err();
    assert!(found.to_string().contains("more than 1 documents in one file"), "{found}");
}

#[test]
fn a_wrong_project_is_refused() {
    let wrong = |spec: &str| {
        let text = format!("apiVersion: tranche.dev/v1alpha1\nkind: Project\nspec:\n{spec}");
        load(vec![file("tranche.yaml", &text)]).unwrap_err().to_string()
    };
    let cases = [
        ("  includes: [a]\n", "did you mean `include`?"),
        ("  trust: {}\n", "`trust` in Project.spec is not supported yet"),
        ("  policy: {webhooks: {}}\n", "`hosts` is missing"),
        ("  include: [../x]\n", "has an empty, `.` or `..` part"),
        ("  targets: []\n", "Project.spec.targets is empty"),
        ("  targets: [{name: A, cluster: {sandbox: {}}}]\n", "expected a name of at most 63"),
        ("  targets: [{name: a, cluster: {}}]\n", "expected exactly one of `context: NAME`"),
        ("  targets: [{name: a, cluster: {inCluster: false}}]\n", "expected exactly one of"),
        (
            "  targets: [{name: a, cluster: {sandbox: {}}, record: main}]\n",
            "\"main\" cannot be a record branch",
        ),
        (
            "  targets: [{name: a, cluster: {sandbox: {}}}, {name: a, cluster: {sandbox: {}}}]\n",
            "two targets are named `a`",
        ),
        (
            "  targets: [{name: a, cluster: {sandbox: {}}}, {name: b, cluster: {sandbox: {}}, record: tranche/a}]\n",
            "the targets `a` and `b` have one record branch",
        ),
        ("  remote: --upload-pack=x\n", "cannot be a remote"),
        ("  health: []\n", "Project.spec.health is empty"),
        ("  health: [{apiVersion: v1, kind: Widget}]\n", "`current`"),
        (
            "  health: [{apiVersion: v1, kind: Widget, current: 'a ='}]\n",
            "tranche.yaml:4:52: `current`: not a CEL expression: ",
        ),
        (
            "  health: [{apiVersion: v1, kind: Widget, failed: \"a.matches('b')\", current: 'true'}]\n",
            "`failed`: `matches` is no function here",
        ),
        (
            "  health: [{apiVersion: a/v1, kind: W, current: a}, {apiVersion: a/v2, kind: W, current: a}]\n",
            "two rules are about W (a/v2)",
        ),
        ("  limits: {fuel: 0}\n", "expected a whole number from 1 to 1000000000"),
    ];
    for (spec, expected) in cases {
        let found = wrong(spec);
        assert!(found.contains(expected), "{found}");
    }
    let elsewhere = errors("apiVersion: tranche.dev/v1alpha1\nkind: Project\n");
    assert!(elsewhere.contains("a Project stands outside `tranche.yaml`"), "{elsewhere}");
    let empty = load(vec![file("tranche.yaml", "# none\n")]).unwrap_err().to_string();
    assert_eq!(empty, "tranche.yaml: the file is empty\n     = expected a Project");
}

#[test]
fn a_rule_of_health_counts_for_every_version_of_its_kind() {
    let text = "\
apiVersion: tranche.dev/v1alpha1
kind: Project
spec:
  health:
  - apiVersion: example.com/v1
    kind: Widget
    inProgress: status.phase == 'Rolling'
    failed: >-
      has(status.error)
    current: status.ready
";
    let rules = load(vec![file("tranche.yaml", text)]).unwrap().project.health;
    let kind = |version: &str, kind: &str| KindRef::new(version, kind);
    assert!(rules.cover(&kind("example.com/v1", "Widget")));
    assert!(rules.cover(&kind("example.com/v2", "Widget")));
    assert!(!rules.cover(&kind("example.org/v1", "Widget")));
    assert!(!rules.cover(&kind("v1", "Widget")) && !rules.cover(&kind("example.com/v1", "Gadget")));
    assert!(rules[0].failed.is_some() && rules[0].in_progress.is_some());
}
