//! Components that a rollout of their own drives, by revisions of their own.
//! Owns that each is found in exactly one application, and that no two things of
//! a plan count revisions under one name.

use super::document::Collected;
use crate::core::model::{Application, InputError, Rollout};

/// Finds the applications of the components that are rolled by themselves, and
/// says what cannot be.
pub(super) fn gather(collected: &mut Collected) {
    for mut rollout in std::mem::take(&mut collected.components) {
        match owner(&collected.applications, &rollout) {
            Ok(name) => {
                rollout.component_of = Some(name);
                collected.rollouts.push(rollout);
            }
            Err(error) => collected.errors.push(error),
        }
    }
    let alone: Vec<&Rollout> =
        collected.rollouts.iter().filter(|rollout| rollout.component_of.is_some()).collect();
    let mut errors = Vec::new();
    for (i, rollout) in alone.iter().enumerate() {
        let earlier = alone.iter().take(i).find(|other| same(other, rollout));
        errors.extend(earlier.map(|first| twice(rollout, first)));
        errors.extend(unfit(collected, rollout));
    }
    for application in &collected.applications {
        errors.extend(nothing_left(collected, application));
    }
    collected.errors.extend(errors);
}

/// The one application that has a rollout's component.
fn owner(applications: &[Application], rollout: &Rollout) -> Result<String, InputError> {
    let component = rollout.component.as_deref().unwrap_or_default();
    let having: Vec<&Application> = applications
        .iter()
        .filter(|application| application.namespace == rollout.namespace)
        .filter(|application| has(application, component))
        .collect();
    match having.as_slice() {
        [one] => Ok(one.name.clone()),
        [] => {
            let message = format!("no application of this plan has a component `{component}`");
            let hint = "add the application that has it, in the rollout's namespace";
            Err(InputError::at(&rollout.place, message).hint(hint))
        }
        [first, second, ..] => {
            let message = format!(
                "two applications have a component `{component}`: {} ({}) and {} ({})",
                first.name, first.place, second.name, second.place
            );
            let hint = "its revisions are counted by its name: give one of them another one";
            Err(InputError::at(&rollout.place, message).hint(hint))
        }
    }
}

fn has(application: &Application, component: &str) -> bool {
    application.components.iter().any(|one| one.name == component)
}

fn same(one: &Rollout, other: &Rollout) -> bool {
    one.namespace == other.namespace && one.component == other.component
}

fn twice(rollout: &Rollout, first: &Rollout) -> InputError {
    let component = rollout.component.as_deref().unwrap_or_default();
    let message = format!(
        "component `{component}` has two rollouts: this one and the one at {}",
        first.place
    );
    InputError::at(&rollout.place, message).hint("a component has one: take one out")
}

/// What keeps a component from being rolled by itself.
fn unfit(collected: &Collected, rollout: &Rollout) -> Option<InputError> {
    let component = rollout.component.as_deref()?;
    let of = rollout.component_of.as_deref()?;
    let here = |namespace: &Option<String>| *namespace == rollout.namespace;
    let application = collected.applications.iter().find(|a| here(&a.namespace) && a.name == of)?;
    let refuse = |message: String, hint: &str| {
        Some(InputError::at(&rollout.place, message).hint(hint.to_owned()))
    };
    let alone = application.components.len() == 1;
    let called = collected.applications.iter().find(|a| here(&a.namespace) && a.name == component);
    if let Some(called) = called.filter(|called| called.name != of || !alone) {
        return refuse(
            format!(
                "revisions of component `{component}` would be called as those of application \
                 `{component}` ({}) are",
                called.place
            ),
            "give the component another name, or the application",
        );
    }
    if application.publish_version.is_some() {
        return refuse(
            format!(
                "component `{component}` has a rollout of its own, but what its application has \
                 counts only with another `app.oam.dev/publishVersion`"
            ),
            "take the annotation away: a component's revisions follow its content",
        );
    }
    if application.rolling_components.iter().any(|named| named == component) {
        return refuse(
            format!(
                "component `{component}` has a rollout of its own, and \
                 `app.oam.dev/rolling-components` names it too"
            ),
            "take it out of the annotation",
        );
    }
    let others = collected.rollouts.iter().filter(|other| other.component_of.is_none());
    let mut others =
        others.filter(|other| here(&other.namespace) && other.application() == of && !alone);
    let drives = |other: &&Rollout| {
        other.component.iter().chain(&other.with).any(|named| named == component)
    };
    others.find(drives).map(|other| twice(rollout, other))
}

/// What is rolled by itself is no part of its application's own rollout, of
/// which something has to be left.
fn nothing_left(collected: &Collected, application: &Application) -> Option<InputError> {
    let here = |rollout: &&Rollout| rollout.namespace == application.namespace;
    let alone: Vec<&Rollout> = collected
        .rollouts
        .iter()
        .filter(here)
        .filter(|rollout| rollout.component_of.as_ref() == Some(&application.name))
        .collect();
    let taken =
        |name: &String| alone.iter().any(|rollout| rollout.component.as_ref() == Some(name));
    if alone.is_empty() || !application.components.iter().all(|one| taken(&one.name)) {
        return None;
    }
    let whole = |rollout: &&Rollout| {
        rollout.component_of.is_none() && rollout.application() == application.name
    };
    let whole = collected.rollouts.iter().filter(here).find(whole)?;
    let message = format!(
        "each component of application `{}` has a rollout of its own: nothing is left for this one",
        application.name
    );
    Some(InputError::at(&whole.place, message).hint("a component has one rollout: take one out"))
}
