//! What a wait for a route sees: what the route says, and whether those who act
//! on it have taken that over. Owns what counts as accepted; it looks at what it
//! is given, and must never ask for time.

use super::condition::{Look, Sight};
use crate::core::health::{self, Health};
use crate::core::object::{KindRef, ObjectRef};
use crate::core::traffic::{self, Acceptance, Split};
use serde_json::Value;

/// Whether another entity's route sends nothing to a Service any more, and those
/// who follow it have taken that over.
pub(super) fn withdrawn(
    service: &str,
    object: &ObjectRef,
    live: &Value,
    sight: &Sight<'_>,
) -> Look {
    if traffic::backends(live).contains(&service) && !traffic::takes_nothing(live) {
        let seen = format!("{object} still sends to {service}");
        return Look { seen, ..Look::default() };
    }
    let (met, seen) = match taken_over(object, live, sight) {
        Acceptance::Accepted => (true, format!("{object} sends nothing to {service}")),
        Acceptance::Missing(why) | Acceptance::Refused(why) => {
            (false, format!("{object} is not accepted: {why}"))
        }
    };
    Look { met, seen, ..Look::default() }
}

/// Whether those who act on a route have it as it is.
pub(super) fn followed(object: &ObjectRef, live: &Value, sight: &Sight<'_>) -> Look {
    let (met, seen) = match taken_over(object, live, sight) {
        Acceptance::Accepted => (true, format!("{object} is accepted")),
        Acceptance::Missing(why) | Acceptance::Refused(why) => {
            (false, format!("{object} is not accepted: {why}"))
        }
    };
    Look { met, seen, ..Look::default() }
}

/// The Services that a route sends to.
pub(super) fn backends(split: &Split, route: &ObjectRef) -> Vec<ObjectRef> {
    let kind = KindRef::new("v1", "Service");
    let service = |name: &String| ObjectRef::new(&kind, route.namespace.as_deref(), name);
    split.services().iter().map(service).collect()
}

/// Whether a route says what was written and is accepted. Where it says
/// something else, somebody has written it since: that never comes right by
/// waiting, and nothing is written to it before all that the step stands on
/// was seen again.
pub(super) fn accepted(split: &Split, object: &ObjectRef, live: &Value, sight: &Sight<'_>) -> Look {
    let rendered = sight.written.map(|written| written.body);
    let fields = sight.written.and_then(|written| written.fields);
    if let Err(other) = traffic::confirms(live, split, rendered, fields) {
        let seen = format!("{object} sends {other}, but {split} was written");
        return Look { set_back: true, seen, ..Look::default() };
    }
    let (met, seen, in_doubt) = match taken_over(object, live, sight) {
        Acceptance::Accepted => (true, format!("{object} is accepted: {split}"), Vec::new()),
        Acceptance::Missing(why) => (false, format!("{object} is not accepted: {why}"), Vec::new()),
        // Before anybody has looked at it, that says nothing of its Services.
        Acceptance::Refused(why) => {
            (false, format!("{object} is not accepted: {why}"), backends(split, object))
        }
    };
    Look { met, seen, in_doubt, ..Look::default() }
}

/// Whether those who act on a route have taken it over: as its kind tells, or,
/// where that says nothing by itself, as a rule of the plan does.
fn taken_over(object: &ObjectRef, live: &Value, sight: &Sight<'_>) -> Acceptance {
    let ruled = health::rule_of(sight.rules, &object.kind_ref()).is_some();
    if traffic::has_status(object) || !ruled {
        return traffic::acceptance(live);
    }
    let verdict = health::health_of(object, live, &sight.around(object));
    match verdict.health {
        Health::Current => Acceptance::Accepted,
        _ if verdict.is_final => Acceptance::Refused(verdict.words),
        _ => Acceptance::Missing(verdict.words),
    }
}
