//! The port without HTTP in between, over a cluster in memory.

use super::*;
use crate::core::object::{KindRef, ObjectRef};
use crate::port::{ClusterProblem, WriteMode};

fn web() -> ObjectRef {
    ObjectRef::new(&KindRef::new("apps/v1", "Deployment"), Some("default"), "web")
}

#[test]
fn in_memory_time_passes_only_when_told_and_changes_are_told_once() {
    let sandbox = Sandbox::volatile(wall());
    assert_eq!(sandbox.take_changes(), []);
    let cluster = sandbox.cluster();
    cluster.write(&web(), &deployment(2, "a:1"), &WriteMode::CreateOnly, false).unwrap();
    let changed = sandbox.take_changes();
    assert!(changed.contains(&web()), "{changed:?}");
    assert_eq!(changed.iter().filter(|name| name.kind == "Pod").count(), 2);
    assert_eq!(sandbox.take_changes(), []);
    assert_eq!(sandbox.now().unwrap(), wall());
    let event = sandbox.next_event().unwrap().unwrap();
    sandbox.advance(event).unwrap();
    assert!(!sandbox.take_changes().is_empty());
    let mut pods = 0;
    sandbox.visit(&KindRef::new("v1", "Pod"), &mut |_, _| pods += 1).unwrap();
    assert_eq!(pods, 2);
}

#[test]
fn somebody_else_takes_over_what_they_write() {
    let sandbox = Sandbox::volatile(wall());
    let ours = sandbox.cluster();
    ours.write(&web(), &deployment(2, "a:1"), &WriteMode::CreateOnly, false).unwrap();
    let mut theirs = deployment(1, "a:1");
    theirs["spec"].as_object_mut().unwrap().retain(|key, _| key == "replicas");
    sandbox.cluster_of("kubectl").write(&web(), &theirs, &WriteMode::Any, false).unwrap();
    let refused = ours.write(&web(), &deployment(2, "a:1"), &WriteMode::Any, false);
    let ClusterProblem::Conflict(fields) = refused.unwrap_err().problem else {
        panic!("an ownership conflict")
    };
    assert_eq!(
        (fields[0].field.as_str(), fields[0].manager.as_str()),
        (".spec.replicas", "kubectl")
    );
    sandbox.cluster_of("kubectl").remove(&web(), None).unwrap();
    assert_eq!(ours.read(&web()).unwrap(), None);
}
