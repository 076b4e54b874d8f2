//! Health of kinds that the sandbox does not model, as the real controllers
//! tell it.

use crate::site::Site;

const WORKLOADS: &str = "\
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: everywhere}
spec:
  selector: {matchLabels: {app: everywhere}}
  template:
    metadata: {labels: {app: everywhere}}
    spec: {containers: [{name: everywhere, image: everywhere}]}
---
apiVersion: v1
kind: Pod
metadata: {name: alone}
spec: {containers: [{name: alone, image: alone}]}
---
apiVersion: batch/v1
kind: Job
metadata: {name: now}
spec:
  template:
    spec: {restartPolicy: Never, containers: [{name: now, image: now}]}
---
apiVersion: batch/v1
kind: Job
metadata: {name: later}
spec:
  suspend: true
  template:
    spec: {restartPolicy: Never, containers: [{name: later, image: later}]}
";

/// No node has the label, so its pod never runs.
const NEVER: &str = "\
apiVersion: batch/v1
kind: Job
metadata: {name: never}
spec:
  activeDeadlineSeconds: 1
  template:
    spec:
      restartPolicy: Never
      nodeSelector: {nowhere: \"true\"}
      containers: [{name: never, image: never}]
";

#[test]
fn what_the_controllers_bring_is_healthy_and_a_job_that_fails_ends_its_step() {
    let site = Site::new("health");
    site.commit(&[("workloads.yaml", WORKLOADS)]);
    site.apply_wait().ends(0).says("later: it is suspended and has not completed");
    let set = &site.get(&["daemonset", "everywhere"])["status"];
    assert_eq!(set["numberReady"], set["desiredNumberScheduled"]);
    assert_eq!(site.get(&["job", "now"])["status"]["succeeded"], 1);
    site.commit(&[("job.yaml", NEVER)]);
    let told = site.apply_wait().ends(4).says("it failed (DeadlineExceeded");
    assert!(told.out.contains("failed, not healthy"), "{told}");
}
