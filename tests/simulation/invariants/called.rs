//! S19: what hooks are asked, and that nothing goes on without their answer.

use super::{Audit, Intent};
use crate::hooks;
use crate::plan::Model;
use crate::schedule::Sim;
use std::collections::{BTreeMap, BTreeSet};
use tranche::core::strategy::{EntityKey, StepId, StepKind};

const NAME: &str = "S19 a batch goes on once its hooks have agreed";

/// The calls of a seed, by step and hook.
#[derive(Debug, Default)]
pub(super) struct Called {
    /// The hook that each key was for.
    keys: BTreeMap<String, String>,
    /// What was called, whatever came of it.
    tried: BTreeSet<(String, String)>,
    /// What has agreed, and was heard.
    agreed: BTreeSet<(String, String)>,
}

fn step_of(key: &str) -> &str {
    key.split_once('/').map_or(key, |(step, _)| step)
}

impl Audit {
    /// A run calls a hook, whatever comes of it.
    pub fn calls(&mut self, sim: &Sim, run: &str, hook: &str, key: &str) {
        self.untampered(run, &format!("a call of {hook}"));
        let step = step_of(key);
        let ours = |intent: &&Intent| intent.run == run && intent.open.id.0 == step;
        if !self.intents.values().any(|intent| ours(&intent)) {
            self.broken("S7 intent first", || {
                format!("{run} calls {hook} for step {step}, of which it has no intent")
            });
        }
        let known = self.called.keys.entry(key.to_owned()).or_insert_with(|| hook.to_owned());
        if known.as_str() != hook {
            let known = known.clone();
            self.broken("S19 one key, one call", || {
                format!("{run} calls {hook} with {key}, which was that of {known}")
            });
        }
        let call = (step.to_owned(), hook.to_owned());
        let again = !self.called.tried.insert(call.clone());
        if again {
            sim.hit("hook: called again");
        }
        let keys = || self.called.keys.iter().filter(|(_, of)| of.as_str() == hook);
        if keys().filter(|(key, _)| step_of(key) == step).count() > 1 {
            self.broken("S19 one call, one key", || {
                format!("{run} calls {hook} with {key}, and has before with another key")
            });
        }
        if self.called.agreed.contains(&call) {
            sim.hit("hook: called again, though it had agreed");
        }
    }

    /// A hook has agreed, and a run has heard it.
    pub fn agreed(&mut self, hook: &str, key: &str) {
        self.called.agreed.insert((step_of(key).to_owned(), hook.to_owned()));
    }

    /// Nothing of a batch is written before its hooks have agreed.
    pub(super) fn agreed_before(&mut self, sim: &Sim, run: &str, intent: &Intent, what: &str) {
        let StepKind::Batch(index) = intent.open.kind else { return };
        let mut due = vec![hooks::before(index)];
        if index == 0 {
            due.push(hooks::FIRST.to_owned());
        }
        if let Some(hook) =
            self.silent(sim, &intent.entity, (&intent.open.id, &intent.open.step_plan), &due)
        {
            self.broken(NAME, || format!("{run} writes {what}, and {hook} has not agreed"));
        } else if is_hooked(sim, &intent.entity, &intent.open.step_plan) {
            sim.hit("hook: a batch began");
        }
    }

    /// No batch is done before those after it have agreed.
    pub(super) fn agreed_after(
        &mut self,
        sim: &Sim,
        run: &str,
        entity: &EntityKey,
        (step, plan, kind): (&StepId, &str, StepKind),
    ) {
        let StepKind::Batch(index) = kind else { return };
        let due = [hooks::after(index)];
        if let Some(hook) = self.silent(sim, entity, (step, plan), &due) {
            self.broken(NAME, || {
                format!("{run} records batch {index} of {entity}, and {hook} has not agreed")
            });
        }
    }

    /// Whoever is to hear of the end was called at least.
    pub(super) fn told_of_the_end(
        &mut self,
        sim: &Sim,
        run: &str,
        entity: &EntityKey,
        (step, plan): (&StepId, &str),
    ) {
        if self.rewritten || !is_hooked(sim, entity, plan) {
            return;
        }
        let end = format!("{}/{}", entity.name, hooks::LAST);
        if self.called.tried.contains(&(step.0.clone(), end)) {
            sim.hit("hook: was told of the end");
        } else {
            self.broken("S19 somebody is told of the end", || {
                format!("{run} ends {entity} with {step}, and nobody was called")
            });
        }
    }

    /// A hook that has not agreed yet, of some that a step's plan has.
    fn silent(
        &self,
        sim: &Sim,
        entity: &EntityKey,
        (step, plan): (&StepId, &str),
        due: &[String],
    ) -> Option<String> {
        if self.rewritten || !is_hooked(sim, entity, plan) {
            return None;
        }
        let hooks = due.iter().map(|hook| format!("{}/{hook}", entity.name));
        hooks.into_iter().find(|hook| !self.called.agreed.contains(&(step.0.clone(), hook.clone())))
    }
}

/// Whether a plan has hooks around the rollout of an entity.
fn is_hooked(sim: &Sim, entity: &EntityKey, plan: &str) -> bool {
    let plans = sim.plans.borrow();
    let model = plans.commits.iter().find(|(id, _)| id.0 == plan).map(|(_, model)| model);
    let hooked = |model: &Model| {
        model.apps.iter().any(|app| app.name == entity.name && app.hooked && app.roll.is_some())
    };
    model.is_some_and(|model| hooked(model))
}
