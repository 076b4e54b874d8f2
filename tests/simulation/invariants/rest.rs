//! Where a seed must come to rest once nothing fails any more.

use super::together::{sizes, staying, whole};
use super::{Audit, Violation};
use crate::plan::{App, Kind};
use crate::routes::Via;
use crate::schedule::Sim;
use crate::side::Component;
use serde_json::Value;
use tranche::core::decide::RollingState;
use tranche::core::object::{KindRef, ObjectRef, at};
use tranche::core::record::EntityRecord;
use tranche::core::strategy::{EntityKind, Movement, workload};
use tranche::engine::{Class, Report};

impl Audit {
    /// S13: every state change of ours belongs to a step that has a result, or
    /// that is open still.
    pub fn complete(&mut self) {
        let open: Vec<String> = self
            .entities
            .values()
            .filter_map(|record| record.open.as_ref().map(|open| open.id.to_string()))
            .collect();
        let told = |step: &str| self.results.contains(step) || open.iter().any(|id| id == step);
        let untold = self.changes.keys().map(|(effect, object)| {
            (effect.split('/').next().unwrap_or(effect).to_owned(), object.clone())
        });
        let untold: Vec<_> = untold.filter(|(step, _)| !told(step)).collect();
        // A step that waited and was replaced by the way back is told by that.
        let replaced = |step: &str| self.intents.values().any(|i| i.open.id.0 == step);
        if let Some((step, object)) = untold.into_iter().find(|(step, _)| !replaced(step))
            && !self.rewritten
        {
            self.broken("S13 complete audit", || {
                format!("step {step} changed {object}, and the record tells nothing of it")
            });
        }
    }
}

/// Whether a run's report is a good rest: done, rolled back, or a refusal that
/// says what to do next and that people have asked for.
pub fn settled(sim: &Sim, report: &Report) -> Result<(), Violation> {
    let violation = |invariant, text| Err(Violation { invariant, text });
    if let Some(error) = &report.error {
        if error.next.is_empty() {
            return violation("L29 every end names the next command", error.message.clone());
        }
        return violation("L23 converges", format!("{:?}: {}", error.class, error.message));
    }
    let audit = sim.audit.borrow();
    for (key, rest) in &report.entities {
        let disturbed = audit.disturbed.contains_key(&key.name);
        let vanished = sim.plans.borrow().model.apps.iter().any(|app| {
            app.name == key.name && app.roll.is_none() && key.kind == EntityKind::Rollout
        });
        match rest.class {
            Class::Done | Class::RolledBack => {}
            Class::Refused | Class::Invalid | Class::Failed
                if (disturbed || vanished) && rest.message.contains("next:") => {}
            _ => {
                return violation(
                    "L23 converges",
                    format!("{key} rests at {:?}: {}", rest.class, rest.message),
                );
            }
        }
    }
    for record in audit.entities().values() {
        let app = record.entity.name.clone();
        if !audit.disturbed.contains_key(&app) {
            equal(sim, &audit, record)?;
        }
    }
    pruned(sim)
}

/// L23: what the record knows as ours and plain is in the plan. What a run that
/// was superseded creates late is known to nobody.
fn pruned(sim: &Sim) -> Result<(), Violation> {
    let plans = sim.plans.borrow();
    let record = sim.refs.borrow().record.clone();
    let file = |tip| sim.store.borrow().file(tip, "inventory/default/_objects.yaml");
    let inventory = record.as_ref().and_then(file);
    let inventory = String::from_utf8_lossy(inventory.as_deref().unwrap_or_default()).into_owned();
    let is_known = |live: &Value| {
        let uid = at(live, "/metadata/uid").and_then(Value::as_str);
        uid.is_some_and(|uid| inventory.contains(uid))
    };
    let mut left = None;
    let _ = sim.sandbox.visit(&KindRef::new("v1", "ConfigMap"), &mut |object, live| {
        if is_known(live) && !plans.model.has_note(&object.name) {
            left = Some(object.clone());
        }
    });
    match left {
        Some(object) => Err(Violation {
            invariant: "L23 what the plan leaves out is gone",
            text: format!("{object} is still there"),
        }),
        None => Ok(()),
    }
}

/// L23: the cluster is what the record says.
fn equal(sim: &Sim, audit: &Audit, record: &EntityRecord) -> Result<(), Violation> {
    if record.entity.kind != EntityKind::Rollout || record.removed {
        return Ok(());
    }
    let app = record.entity.name.as_str();
    let model = sim.plans.borrow().model.apps.iter().find(|a| a.name == app).cloned();
    let kind = model.as_ref().map(|a| a.kind);
    let violation =
        |text: String| Err(Violation { invariant: "L23 the cluster equals the record", text });
    if let Some(open) = &record.open {
        return violation(format!("{app}: step {} is open still", open.id));
    }
    let revision = match record.status.rolling_state {
        RollingState::RolloutSucceed => record.target.as_ref(),
        RollingState::RolloutFailed => record.stable.as_ref(),
        other => return violation(format!("{app} rests in {other:?}")),
    };
    let Some(revision) = revision else { return Ok(()) };
    let mut size = 0;
    for component in model.iter().flat_map(App::components) {
        let Some(sizes) = sizes(record, &component.name(), component.is_second()) else {
            return violation(format!("{app}: the record has no size of {}", component.name()));
        };
        let failed = record.status.rolling_state == RollingState::RolloutFailed;
        let wanted = if failed { sizes.original } else { whole(&component, sizes) };
        stands(sim, &component, &revision.name, wanted).or_else(violation)?;
        if !component.is_second() {
            size = wanted;
        }
    }
    // What is routed to must be there.
    let service = ObjectRef::new(&KindRef::new("v1", "Service"), Some("default"), app);
    let there = sim.sandbox.cluster().read(&service).ok().flatten().is_some();
    if kind.is_some_and(Kind::pair) && size > 0 && !there {
        return violation(format!("{app}: its Service is gone"));
    }
    // A trial without pods is none that serves, but it is left over.
    let workloads = sim.workloads(app);
    let kept = kind.is_some_and(Kind::keeps_its_name);
    if kept && workloads.iter().any(|object| object.name != app) {
        return Err(Violation {
            invariant: "L23 nothing that is only there during a rollout is left",
            text: format!("{app}: {workloads:?}"),
        });
    }
    if record.movement == Some(Movement::Upgrade) {
        match kind {
            Some(Kind::Beside) => sim.hit("rest: tried beside"),
            Some(Kind::Switch) => sim.hit("rest: switched"),
            Some(Kind::Member) => sim.hit("rest: tried in a lane"),
            _ => {}
        }
    }
    super::switch::at_rest(sim, app)
        .map_err(|text| Violation { invariant: "L23 a Service is as rendered", text })?;
    let shared = kind == Some(Kind::Member) && super::lane::is_disturbed(sim, audit);
    if let Some(routed) = model.filter(|app| app.via != Via::Nothing && size > 0 && !shared) {
        super::traffic::at_rest(sim, &routed)
            .map_err(|text| Violation { invariant: "L23 the route is as rendered", text })?;
    }
    Ok(())
}

/// Of a component nothing serves but so many pods of a revision.
fn stands(sim: &Sim, component: &Component<'_>, revision: &str, size: u32) -> Result<(), String> {
    let (kind, own) = (component.kind(), component.name());
    let mut serving = Vec::new();
    for object in sim.workloads(&own) {
        let live = sim.sandbox.cluster().read(&object).ok().flatten().unwrap_or_default();
        let Some(kind) = workload::of(&object.kind_ref()) else { continue };
        let wanted = kind.read(&live).wanted;
        if wanted > 0 {
            serving.push((object.name.clone(), wanted));
        }
    }
    let number = revision.rsplit_once("-v").map_or("", |(_, number)| number);
    let name = match kind.pair() && !kind.keeps_its_name() {
        true => format!("{own}-v{number}"),
        false => own.clone(),
    };
    let fine = match serving.as_slice() {
        [] => size == 0,
        [(found, wanted)] => *found == name && *wanted == size,
        _ => false,
    };
    if !fine {
        return Err(format!(
            "{own}: the record says {name} with {size}, the cluster has {serving:?}"
        ));
    }
    let Some(wanted) = component.image(revision) else { return Ok(()) };
    match staying(sim, &own).into_iter().find(|pod| pod.image != wanted) {
        Some(pod) => Err(format!("{own}: {name} runs {}, which is another revision", pod.image)),
        None => Ok(()),
    }
}
