//! `apps.kruise.io` CloneSet.

use super::generic::unseen;
use super::{Around, Verdict, described};
use crate::core::object::KindRef;
use crate::core::strategy::workload;
use serde_json::Value;

pub(super) fn health(live: &Value, around: &Around<'_>) -> Verdict {
    if let Some(verdict) = unseen(live) {
        return verdict;
    }
    match workload::of(&KindRef::new("apps.kruise.io/v1alpha1", "CloneSet")) {
        Some(kind) => described::health(live, kind, around.partition),
        None => Verdict::unknown("no rule names its kind"),
    }
}
