//! The decision to begin an attempt: locate the target, verify, initialise.

use super::rollout::{act, begin_batch, gate};
use super::view::RolloutView;
use super::{Decision, Entry, Event, Refusal, State};
use crate::core::model::{Naming, Rollout};
use crate::core::object::at;
use crate::core::record::{EntityRecord, Further, RevisionRef, Status};
use crate::core::strategy::workload::{Shape, is_nowhere};
use crate::core::strategy::{
    AUTOSCALED_NEXT, BY_HAND_NEXT, Bodies, Compiled, FIRST, Movement, RevisionBodies, RolloutInput,
    Sizes, autoscaled, by_hand, compile,
};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Begins the next attempt.
pub(super) fn start(
    view: &RolloutView<'_>,
    previous: Option<&EntityRecord>,
    rollout: &Rollout,
) -> Result<Decision, Refusal> {
    let Some(name) = view.target_revision else {
        return Err(Refusal::plan(
            format!(
                "{}: {}: application \"{}\" has no published revision",
                rollout.place,
                view.key,
                rollout.application()
            ),
            "commit the application first",
        ));
    };
    let target = view.revision(name, "targetAppRevisionName")?;
    let unfit = autoscaled(target).map(|why| (why, AUTOSCALED_NEXT));
    if let Some((why, next)) = unfit.or_else(|| by_hand(target).map(|why| (why, BY_HAND_NEXT))) {
        return Err(Refusal::plan(format!("{}: {}: {why}", rollout.place, view.key), next));
    }
    let stable = previous.and_then(|p| p.stable.as_ref());
    let source = source(view, previous, rollout, target)?;
    for revision in source.into_iter().chain([target]).flat_map(|side| side.rolled()) {
        nobody_elses(view, revision)?;
    }
    let (movement, sizes) = sizes(view, rollout, stable, source.map(AsRef::as_ref), target)?;
    let beside = beside(view, rollout, stable, source.map(AsRef::as_ref), target)?;
    let further: Vec<Sizes> = beside.iter().map(|one| one.sizes).collect();
    let attempt = previous.map_or(0, |p| p.attempt) + 1;
    let mend = "mend the rollout plan";
    let bodies = Bodies { source: source.cloned(), target: target.clone() };
    let bodies = bodies.routed(rollout).map_err(|error| {
        Refusal::plan(format!("{}: {}: {error}", rollout.place, view.key), mend)
    })?;
    let compiler = view.release.compiler();
    let context =
        Arc::new(view.context(source.map(AsRef::as_ref), target, attempt, (0, compiler.clone())));
    let input = RolloutInput {
        rollout,
        context: &context,
        movement,
        sizes,
        bodies: &bodies,
        beside: &further,
    };
    let compiled = compile(&input).map_err(|error| {
        Refusal::plan(format!("{}: {}: {error}", rollout.place, view.key), mend)
    })?;
    if let Some(idle) = gate(view, rollout, 0) {
        return Ok(Decision::Idle(idle));
    }
    let mut record = fresh(view, previous, rollout, &bodies, movement, (sizes, beside));
    record.attempt = attempt;
    record.compiler = Some(compiler.version.to_owned()).filter(|version| version != FIRST);
    begin(view, record, compiled, &bodies)
}

fn begin(
    view: &RolloutView<'_>,
    mut record: EntityRecord,
    compiled: Compiled,
    bodies: &Bodies,
) -> Result<Decision, Refusal> {
    let first =
        [Event::TargetLocated, Event::SpecVerified, Event::Initialized, Event::BatchStarted];
    record.set_state(State::START.after(&first));
    let step_plan = view.plan_commit.to_owned();
    record.step_plan = Some(step_plan.clone());
    let still = record.movement == Some(Movement::Scale)
        && i64::from(record.status.rollout_original_size) == record.status.rollout_target_size;
    if still {
        // The target revision serves already, at this size: what is left is
        // to see that everything stands as it says.
        record.status.upgraded_replicas = record.status.rollout_original_size;
        let warnings = compiled.warnings;
        let step = (compiled.settle, Vec::new());
        return Ok(act(Entry::Fresh, step, 0, record, bodies, step_plan, warnings));
    }
    begin_batch(view, record, &compiled, bodies, 0, step_plan)
}

/// The revision to come from: what the record knows to serve, else what the
/// plan names.
fn source<'a>(
    view: &RolloutView<'a>,
    previous: Option<&EntityRecord>,
    rollout: &Rollout,
    target: &RevisionBodies,
) -> Result<Option<&'a Arc<RevisionBodies>>, Refusal> {
    let named =
        rollout.source.as_deref().map(|n| view.revision(n, "sourceAppRevisionName")).transpose()?;
    if rollout.ratio.is_some() {
        // What is taken over is what runs, whatever was rolled out before.
        return Ok(named);
    }
    let Some(stable) = previous.and_then(|p| p.stable.as_ref()) else {
        // What an aborted first deploy was on its way to is no source: it
        // never served, and nothing of it is left.
        let given_up = previous.and_then(|p| p.target.as_ref());
        return Ok(named.filter(|source| {
            let aborted = given_up.is_some_and(|given_up| view.is(given_up, source));
            source.digest != target.digest && !aborted
        }));
    };
    // The revision that an attempt was on its way to is accepted too: a
    // revert is written by swapping the two names.
    let left = previous.and_then(|p| p.target.as_ref());
    if let Some(named) = named {
        let fits = [Some(stable), left].into_iter().flatten().any(|known| view.is(known, named));
        if !fits {
            return Err(Refusal::plan(
                format!(
                    "{}: {} names {} \"{}\", but {} is what is rolled out",
                    rollout.place,
                    view.key,
                    if rollout.component_of.is_some() {
                        "sourceRevisionName"
                    } else {
                        "sourceAppRevisionName"
                    },
                    named.revision,
                    stable.name
                ),
                format!("name \"{}\" as the source, or leave it out", stable.name),
            ));
        }
    }
    if view.is(stable, target) {
        return Ok(None);
    }
    view.recorded(stable).map(Some)
}

/// The sizes of the further components. Each has to be there on both sides, or
/// to be new: what one side rolls and the other applies as it stands would have
/// two sizes.
fn beside(
    view: &RolloutView<'_>,
    rollout: &Rollout,
    stable: Option<&RevisionRef>,
    source: Option<&RevisionBodies>,
    target: &RevisionBodies,
) -> Result<Vec<Further>, Refusal> {
    let refuse = |component: &str, why: String, next: &str| {
        let message = format!("{}: {}: component {component} {why}", rollout.place, view.key);
        Err(Refusal::plan(message, next))
    };
    if let Some(unknown) = rollout.with.iter().find(|name| target.part(name).is_none()) {
        let why = format!("is not in revision {}", target.revision);
        return refuse(unknown, why, "take it out of `componentList`");
    }
    if let Some(source) = source {
        let left = source.parts.iter().map(|part| &part.revision.component);
        let gone = left.into_iter().find(|name| target.part(name).is_none());
        if let Some(gone) = gone {
            let why = format!("is rolled together with {} by now", source.component);
            return refuse(gone, why, "leave it in `componentList`");
        }
    }
    let mut all = Vec::with_capacity(target.parts.len());
    for part in &target.parts {
        let left = source.and_then(|source| source.part(&part.revision.component));
        let component = part.revision.component.clone();
        if left.is_none() && source.is_some_and(|source| source.bodies.contains_key(&part.plain)) {
            let why = format!("runs as {} so far, applied as it stands", part.plain);
            let next = "take it out of `componentList`, or give it a new name: then it is deployed \
                        batch by batch, and the old one goes with the last batch";
            return refuse(&component, why, next);
        }
        let sizes = match (source, left) {
            (Some(_), None) => {
                not_live(view, rollout, &part.revision)?;
                Sizes { original: 0, target: part.revision.replicas }
            }
            _ => sizes(view, rollout, stable, left.map(AsRef::as_ref), &part.revision)?.1,
        };
        all.push(Further { component, sizes });
    }
    Ok(all)
}

fn sizes(
    view: &RolloutView<'_>,
    rollout: &Rollout,
    stable: Option<&RevisionRef>,
    source: Option<&RevisionBodies>,
    target: &RevisionBodies,
) -> Result<(Movement, Sizes), Refusal> {
    let wanted = rollout.plan.target_size;
    let on_nodes = target.kind.shape == Shape::Nodes;
    if on_nodes && wanted.is_some() {
        return Err(sized(view, rollout, target));
    }
    if let Some(source) = source {
        let live = view.live_size(source).ok_or_else(|| missing(view, source))?;
        // A size of nothing is not taken for what people want: it is also what
        // a creation of ours looks like that nobody has scaled up yet. What
        // moves requests needs pods at both ends, on its way back too.
        // A workload with a pod on each node may have none: no node may fit.
        let unknown = !(on_nodes && fits_nowhere(view, source));
        if live == 0 && unknown && (wanted.is_none() || rollout.moves_requests()) {
            return Err(empty(view, rollout, source));
        }
        if source.workload != target.workload {
            not_live(view, rollout, target)?;
        }
        let wanted = wanted.or_else(|| kept_size(target));
        let sizes = Sizes { original: live, target: wanted.unwrap_or(live) };
        check_size(view, rollout, source, target, live)?;
        return Ok((Movement::Upgrade, sizes));
    }
    let serving = stable.is_some_and(|stable| view.is(stable, target));
    if serving {
        let live = view.live_size(target).ok_or_else(|| missing(view, target))?;
        let sizes = Sizes { original: live, target: wanted.unwrap_or(live) };
        return Ok((Movement::Scale, sizes));
    }
    if let Some(live) = view.live_size(target).filter(|_| target.naming == Naming::Kept) {
        untried(view, rollout, target, live)?;
        // What keeps its name may have run before: it is brought to what the
        // plan says as it stands, with all its pods.
        let size = wanted.or_else(|| kept_size(target)).unwrap_or(live);
        return Ok((Movement::Scale, Sizes { original: live, target: size }));
    }
    not_live(view, rollout, target)?;
    let sizes = Sizes { original: 0, target: wanted.unwrap_or(target.replicas) };
    Ok((Movement::Deploy, sizes))
}

/// A workload that runs already is taken over as it is: a new image that comes
/// with its first rollout would be on all its pods without having been tried.
fn untried(
    view: &RolloutView<'_>,
    rollout: &Rollout,
    target: &RevisionBodies,
    pods: u32,
) -> Result<(), Refusal> {
    let tries = rollout.canary.is_some() && !rollout.disabled && pods > 0;
    let rendered = target.bodies.get(&target.workload).filter(|_| tries);
    let Some((rendered, live)) = rendered.zip(view.live.get(&target.workload)) else {
        return Ok(());
    };
    let images = |workload| images(target.kind.template.of(workload));
    let (wanted, runs) = (images(rendered), images(live));
    let Some((name, image)) =
        wanted.iter().find(|(name, image)| runs.get(*name).is_some_and(|live| live != *image))
    else {
        return Ok(());
    };
    Err(Refusal::safety(
        format!(
            "{}: {} would take {} over, which runs already, and change container {name} from {} \
             to {image} on all its pods: there is no revision yet to come from",
            rollout.place,
            view.key,
            target.workload,
            runs.get(name).copied().unwrap_or_default(),
        ),
        "commit the rollout with the image that runs, `tranche apply`, and change the image after \
         that: then it is tried",
    ))
}

/// The images of a pod template's containers, by their names.
fn images(template: Option<&Value>) -> BTreeMap<&str, &str> {
    let containers = template.and_then(|pods| at(pods, "/spec/containers"));
    let containers = containers.and_then(Value::as_array);
    let named = |container| -> Option<(&str, &str)> {
        let container: &Value = container;
        Some((container.get("name")?.as_str()?, container.get("image")?.as_str()?))
    };
    containers.into_iter().flatten().filter_map(named).collect()
}

/// The size of a workload that keeps its name is its manifest's, where that
/// says one.
fn kept_size(target: &RevisionBodies) -> Option<u32> {
    (target.naming == Naming::Kept && target.sized).then_some(target.replicas)
}

/// A workload that a controller of another object has made is that one's: it
/// would be put back as soon as it was written.
fn nobody_elses(view: &RolloutView<'_>, revision: &RevisionBodies) -> Result<(), Refusal> {
    let live = view.live.get(&revision.workload);
    let owners = live.and_then(|live| at(live, "/metadata/ownerReferences"));
    let mut owners = owners.and_then(Value::as_array).into_iter().flatten();
    let controls = |owner: &&Value| owner.get("controller") == Some(&Value::Bool(true));
    let Some(owner) = owners.find(controls) else { return Ok(()) };
    let text = |name: &str| owner.get(name).and_then(Value::as_str).unwrap_or_default();
    Err(Refusal::safety(
        format!(
            "{}: {} is controlled by {} {} ({}), so no rollout may drive it",
            view.key,
            revision.workload,
            text("kind"),
            text("name"),
            text("apiVersion"),
        ),
        "roll out what controls it, or take the owner off it (`metadata.ownerReferences`), and \
         `tranche apply` again",
    ))
}

/// A workload that is to be created without pods must not have any: bringing
/// it to none first would take down what it serves.
fn not_live(
    view: &RolloutView<'_>,
    rollout: &Rollout,
    target: &RevisionBodies,
) -> Result<(), Refusal> {
    let live = view.live_size(target).unwrap_or(0);
    if live == 0 {
        return Ok(());
    }
    Err(Refusal::safety(
        format!(
            "{}: {} would create {}, but it is live with {live} pods",
            rollout.place, view.key, target.workload
        ),
        "if that is what should run, no rollout is needed: take this one out of the plan, and name \
         the revision as sourceAppRevisionName once the target is another one; if nothing needs \
         it, delete it by hand (`kubectl delete`), and `tranche apply` again",
    ))
}

fn check_size(
    view: &RolloutView<'_>,
    rollout: &Rollout,
    source: &RevisionBodies,
    target: &RevisionBodies,
    live: u32,
) -> Result<(), Refusal> {
    let Some(wanted) = rollout.plan.target_size else { return Ok(()) };
    let cause = if source.workload == target.workload {
        (wanted != live).then(|| {
            format!("{} has {live} pods, and an in-place upgrade keeps its size", source.workload)
        })
    } else {
        (wanted < live).then(|| format!("{live} pods are live, and an upgrade never shrinks them"))
    };
    cause.map_or(Ok(()), |cause| {
        Err(Refusal::plan(
            format!("{}: {} names targetSize {wanted}, but {cause}", rollout.place, view.key),
            "leave targetSize out for the upgrade, and scale before or after it",
        ))
    })
}

fn missing(view: &RolloutView<'_>, revision: &RevisionBodies) -> Refusal {
    Refusal::safety(
        format!(
            "{}: {} of revision {} is not on the cluster, so there is nothing to come from",
            view.key, revision.workload, revision.revision
        ),
        "restore it by hand, and `tranche apply` again; or start over under another rollout name \
         without a source",
    )
}

fn empty(view: &RolloutView<'_>, rollout: &Rollout, source: &RevisionBodies) -> Refusal {
    let next = if source.kind.shape == Shape::Nodes {
        "`kubectl get nodes` and the controller's own status show why; `tranche apply` again once \
         its pods are counted"
    } else if rollout.moves_requests() {
        "scale it up by hand (`kubectl scale`), and `tranche apply` again"
    } else {
        "scale it up by hand (`kubectl scale`), or name `targetSize` in the plan, and `tranche \
         apply` again"
    };
    Refusal::safety(
        format!(
            "{}: {} of revision {} has no pods, so there is nothing to come from",
            view.key, source.workload, source.revision
        ),
        next,
    )
}

/// Whether a workload with a pod on each node was seen to fit none, and is not
/// left on none by us.
pub(super) fn fits_nowhere(view: &RolloutView<'_>, source: &RevisionBodies) -> bool {
    let live = view.live.get(&source.workload);
    live.is_some_and(|live| !is_nowhere(live) && source.kind.read(live).settled)
}

fn sized(view: &RolloutView<'_>, rollout: &Rollout, target: &RevisionBodies) -> Refusal {
    Refusal::plan(
        format!(
            "{}: {} names `targetSize`, but {} has a pod on each node that it fits",
            rollout.place, view.key, target.workload
        ),
        "leave `targetSize` out; the workload's own node selection says where it runs",
    )
}

fn fresh(
    view: &RolloutView<'_>,
    previous: Option<&EntityRecord>,
    rollout: &Rollout,
    bodies: &Bodies,
    movement: Movement,
    (sizes, beside): (Sizes, Vec<Further>),
) -> EntityRecord {
    let reference = |revision: &RevisionBodies| RevisionRef {
        name: revision.revision.clone(),
        digest: revision.digest.clone(),
    };
    let source = bodies.source.as_deref().map(reference);
    let mut status = Status::fresh();
    let sum = |first: u32, of: fn(&Sizes) -> u32| {
        beside.iter().map(|one| of(&one.sizes)).fold(first, u32::saturating_add)
    };
    status.rollout_original_size = sum(sizes.original, |sizes| sizes.original);
    status.rollout_target_size = i64::from(sum(sizes.target, |sizes| sizes.target));
    bodies.target.digest.short().clone_into(&mut status.target_generation);
    bodies.target.revision.clone_into(&mut status.last_target_app_revision);
    status.last_source_app_revision =
        source.as_ref().map_or_else(String::new, |source| source.name.clone());
    let known = previous.filter(|_| rollout.ratio.is_none());
    EntityRecord {
        status,
        replays: previous.map_or(0, |p| p.replays),
        movement: Some(movement),
        component: Some(bodies.target.component.clone()),
        component_of: rollout.component_of.clone(),
        beside,
        target: Some(reference(&bodies.target)),
        // Without a record of it, the named source is what serves.
        stable: known.and_then(|p| p.stable.clone()).or_else(|| source.clone()),
        source,
        on_delete: rollout.on_delete,
        last: previous.and_then(|p| p.last.clone()),
        ..EntityRecord::fresh(view.key.clone(), 1)
    }
}
