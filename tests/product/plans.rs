//! Plans that the tests commit.

/// The path of the application in a plan.
pub const APPLICATION: &str = "application.yaml";
/// The path of the rollout in a plan.
pub const ROLLOUT: &str = "approllout.yaml";

/// An application `web` over a Deployment, with a Service; its annotations
/// are those of the pods, such as `sandbox.tranche.dev/ready: never`.
pub fn web(tag: &str, replicas: u32, annotations: &[(&str, &str)]) -> String {
    let mut text = format!(
        "\
apiVersion: core.oam.dev/v1beta1
kind: Application
metadata:
  name: web
  annotations:
    app.oam.dev/rollout-template: \"true\"
spec:
  components:
    - name: web
      type: webservice
      properties:
        image: stefanprodan/podinfo:{tag}
        ports:
          - port: 9898
            expose: true
      traits:
        - type: scaler
          properties:
            replicas: {replicas}
"
    );
    if !annotations.is_empty() {
        text.push_str("        - type: annotations\n          properties:\n");
        for (name, value) in annotations {
            text.push_str(&format!("            {name}: \"{value}\"\n"));
        }
    }
    text
}

/// The application whose pods take half a minute to get ready.
pub fn slow_web(tag: &str) -> String {
    web(tag, 4, &[("sandbox.tranche.dev/ready-after", "25s")])
}

/// The application whose pods never get ready.
pub fn broken_web(tag: &str) -> String {
    web(tag, 4, &[("sandbox.tranche.dev/ready", "never")])
}

/// The rollout `web` to a revision in batches of 1, 1 and 2 of 4 pods; `more`
/// are lines of its `rolloutPlan`.
pub fn rollout(revision: &str, more: &[&str]) -> String {
    annotated(revision, &[], more)
}

/// The same with annotations of the rollout.
pub fn annotated(revision: &str, annotations: &[(&str, &str)], more: &[&str]) -> String {
    let mut text = "\
apiVersion: core.oam.dev/v1beta1
kind: AppRollout
metadata:
  name: web
"
    .to_owned();
    if !annotations.is_empty() {
        text.push_str("  annotations:\n");
        for (name, value) in annotations {
            text.push_str(&format!("    {name}: \"{value}\"\n"));
        }
    }
    text.push_str(&format!(
        "\
spec:
  targetAppRevisionName: {revision}
  rolloutPlan:
    rolloutBatches:
      - replicas: 25%
      - replicas: 25%
      - replicas: 50%
"
    ));
    for line in more {
        text.push_str(&format!("    {line}\n"));
    }
    text
}
