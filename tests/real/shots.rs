//! Where the runs of one rollout die: at an effect of each of its steps, told
//! by what it is, since a takeover has effects of its own.

use crate::trap::{Aim, Moment, Sort};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

/// Stands for the rollout's namespace in the names of effects.
pub const NAMESPACE: &str = "NAMESPACE";

/// One kill: at the n-th effect of a step that reads so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shot {
    pub what: String,
    pub nth: usize,
    pub moment: Moment,
}

/// The kills of one rollout, at most one for each step.
pub struct Script(Rc<RefCell<State>>);

struct State {
    namespace: String,
    /// One for each step; none once its run is dead.
    shots: Vec<Option<Shot>>,
    step: usize,
    /// How often each effect of this step was seen.
    seen: BTreeMap<String, usize>,
}

impl Script {
    pub fn new(namespace: &str, shots: Vec<Shot>) -> Self {
        Self(Rc::new(RefCell::new(State {
            namespace: namespace.to_owned(),
            shots: shots.into_iter().map(Some).collect(),
            step: 0,
            seen: BTreeMap::new(),
        })))
    }

    /// The aim of the next run.
    pub fn aim(&self) -> Aim {
        let state = Rc::clone(&self.0);
        Box::new(move |_, sort, what| state.borrow_mut().effect(sort, what))
    }

    /// Kills that no run came to.
    pub fn left(&self) -> Vec<Shot> {
        self.0.borrow().shots.iter().flatten().cloned().collect()
    }
}

impl State {
    fn effect(&mut self, sort: Sort, what: &str) -> Option<Moment> {
        let what = named(sort, &what.replace(&self.namespace, NAMESPACE))?;
        let seen = self.seen.entry(what.clone()).or_default();
        let nth = *seen;
        *seen += 1;
        let slot = self.shots.get_mut(self.step);
        let hit = slot.and_then(|slot| slot.take_if(|shot| shot.what == what && shot.nth == nth));
        let moment = hit.map(|shot| shot.moment);
        if is_result(&what) && moment != Some(Moment::Before) {
            self.step += 1;
            self.seen.clear();
        }
        moment
    }
}

/// The effects of each step of an undisturbed rollout, and the how-manieth of
/// its name each is.
pub fn steps(effects: &[(Sort, String)]) -> Vec<Vec<(String, usize)>> {
    let mut steps = vec![Vec::new()];
    let mut seen = BTreeMap::new();
    for (sort, what) in effects {
        let Some(what) = named(*sort, what) else { continue };
        let nth: &mut usize = seen.entry(what.clone()).or_default();
        steps.last_mut().unwrap().push((what.clone(), *nth));
        *nth += 1;
        if is_result(&what) {
            steps.push(Vec::new());
            seen.clear();
        }
    }
    steps.retain(|step| !step.is_empty());
    steps
}

/// An effect by its name: each write and push, but for waits, which come where
/// a machine is slow.
fn named(sort: Sort, what: &str) -> Option<String> {
    let counts = sort != Sort::Fetch && !what.starts_with("waiting: ");
    counts.then(|| what.to_owned())
}

fn is_result(what: &str) -> bool {
    what.starts_with("result: ")
}
