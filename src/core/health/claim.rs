//! PersistentVolumeClaim: bound, or left for its first pod to bind.

use super::conditions::{one_line, text};
use super::{Around, Verdict};
use crate::core::object::{KindRef, ObjectRef};
use serde_json::Value;

pub(super) fn health(live: &Value, around: &Around<'_>) -> Verdict {
    match text(live, "/status/phase") {
        "Bound" => Verdict::current("it is bound"),
        "Lost" => Verdict::failed("its volume is lost"),
        phase if around.beside.iter().any(|class| waits_for_pod(class)) => {
            Verdict::current(format!("it is {}, its first pod will bind it", one_line(phase)))
        }
        "" => Verdict::in_progress("it is not bound"),
        phase => Verdict::in_progress(format!("it is {}, not bound", one_line(phase))),
    }
}

fn waits_for_pod(class: &Value) -> bool {
    text(class, "/volumeBindingMode") == "WaitForFirstConsumer"
}

/// The StorageClass on which it depends whether a claim is bound at all before
/// a pod uses it.
#[must_use]
pub fn class_of(object: &ObjectRef, live: &Value) -> Option<ObjectRef> {
    let pending = object.api_version == "v1"
        && object.kind == "PersistentVolumeClaim"
        && text(live, "/status/phase") != "Bound";
    let class = text(live, "/spec/storageClassName");
    let kind = KindRef::new("storage.k8s.io/v1", "StorageClass");
    (pending && !class.is_empty()).then(|| ObjectRef::new(&kind, None, class))
}
