//! Applications.

use super::{errors, plan};
use crate::core::model::TargetRevision;
use serde_json::json;

#[test]
fn an_embedded_plan_becomes_a_rollout_of_the_newest_revision() {
    let text = "\
apiVersion: core.oam.dev/v1beta1
kind: Application
metadata: {name: web, annotations: {app.oam.dev/autoUpdate: 'true'}}
spec:
  components:
  - name: web
    type: webservice
    traits: [{type: scaler, properties: {replicas: 5}}]
  rolloutPlan:
    targetSize: 6
    rolloutBatches: [{replicas: 50%}, {replicas: 50%}]
";
    let loaded = plan(text);
    let rollout = &loaded.rollouts[0];
    assert_eq!(rollout.name, "web");
    assert_eq!(rollout.target, TargetRevision::Latest { application: "web".to_owned() });
    assert_eq!((rollout.plan.target_size, rollout.place.line), (Some(6), 10));
    let web = &loaded.applications[0].components[0];
    assert_eq!((&web.properties, web.place.line), (&json!({}), 6));
    assert_eq!(web.traits[0].properties, json!({"replicas": 5}));
    assert_eq!(
        loaded.notices[0].message,
        "the annotation `app.oam.dev/autoUpdate` has no effect here"
    );
}

#[test]
fn an_application_says_how_it_is_published_and_released() {
    let with = |annotations: &str| {
        format!(
            "apiVersion: core.oam.dev/v1beta1\nkind: Application\nmetadata:\n  name: web\n  \
             annotations:\n    {annotations}\nspec:\n  components: [{{name: web, type: worker}}]\n"
        )
    };
    let loaded = plan(&with("app.oam.dev/publishVersion: v1\n    tranche.dev/rollout: none"));
    let application = &loaded.applications[0];
    assert_eq!(application.publish_version.as_deref(), Some("v1"));
    assert!(application.released && !application.template_only);
    assert!(plan(&with("tranche.dev/on-delete: abort")).rollouts.is_empty());
    let cases = [
        ("tranche.dev/rollout: some", "expected `none`"),
        (
            "tranche.dev/progress-deadline: 10m",
            "unknown annotation `tranche.dev/progress-deadline`",
        ),
        ("app.oam.dev/rollout-template: 'yes'", "expected \"true\" or \"false\""),
        ("app.oam.dev/rolling-components: wbe", "did you mean `web`?"),
        ("app.oam.dev/rolling-components: web,web", "names `web` twice"),
    ];
    for (annotations, expected) in cases {
        let found = errors(&with(annotations));
        assert!(found.contains(expected), "{found}");
    }
    let embedded =
        with("app.oam.dev/rollout-template: 'false'") + "  rolloutPlan: {numBatches: 2}\n";
    assert!(errors(&embedded).contains("expected \"true\", since there is a rolloutPlan"));
}
