//! A generated story, told with the real engine to its end. Owns what people do
//! with what they are told, and what they may expect; the cluster is looked at by
//! its watch on the way, and by `rest` at the end.

use super::rest::at_rest;
use super::rows::Sized;
use super::stage::{Ended, Stage, said};
use super::story::{Stop, Story, Turn, gate, shares};
use super::watch::Watch;
use super::written::{Gate, Plan};
use crate::{Corpse, LEASE_OVER, Sort};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use tranche::core::decide::RollingState;
use tranche::core::record::EntityRecord;
use tranche::engine::Class;

/// More runs than any of these takes once nobody does anything any more.
const MOST_RUNS: u32 = 8;

/// What came of a story.
#[derive(Default)]
pub struct Told {
    pub reached: bool,
    /// What happened on the way, by its name, and how often.
    pub happened: BTreeMap<&'static str, u32>,
    /// Why plans were refused that were taken back then.
    pub refused: Vec<String>,
}

/// A story that is being told.
struct Teller {
    story: Story,
    stage: Stage,
    words: String,
    /// What the plan branch says.
    plan: Plan,
    /// What it said before each edit that may still be refused, and whether the
    /// rollout had been given up then.
    before: Vec<(Plan, bool)>,
    /// All plans that the rollout may still be under, the oldest first.
    plans: Vec<Plan>,
    /// The contents in the order of their revisions.
    contents: Vec<(u32, Option<u32>)>,
    /// It was given up, and nothing new was asked for since.
    aborted: bool,
    /// A size was asked for after that, which may count as something new.
    resized: bool,
    told: Told,
}

/// What a run does that nobody disturbs.
pub async fn effects(story: Story) -> Vec<(Sort, String)> {
    let mut teller = Teller::new(story, "undisturbed");
    teller.begun().await;
    teller.stage.run(None, true).await.effects
}

/// Tells one from its beginning, and looks at how it ends.
pub async fn told(story: Story, words: &str) -> Told {
    let mut teller = Teller::new(story, words);
    teller.begun().await;
    let mut stop = teller.story.stop;
    for (turn, next) in teller.story.turns.clone() {
        teller.stopped(stop).await;
        teller.turns(turn).await;
        stop = next;
    }
    teller.stopped(stop).await;
    teller.ends().await;
    teller.told
}

/// Each component's floor: of each size and each plan that it may be under what is
/// least.
fn floors(story: &Story, plans: &[&Plan]) -> Vec<(&'static str, u32)> {
    let parts = story.row.parts.iter().map(|part| {
        let sizes = plans.iter().flat_map(|plan| [plan.pods, plan.wanted()]);
        let sizes: BTreeSet<u32> = sizes.map(part.pods).collect();
        let least = sizes
            .iter()
            .flat_map(|size| plans.iter().map(|plan| size.saturating_sub((part.dip)(*size, plan))));
        (part.name, least.min().unwrap_or(0))
    });
    parts.collect()
}

impl Teller {
    fn new(story: Story, words: &str) -> Self {
        let plan = story.plan.clone();
        let Story { row, stop, turns, .. } = &story;
        let words = format!("{words}: {}, {plan:?}, {stop:?}, then {turns:?}", row.name);
        let stage = Stage::new(&floors(&story, &[&plan]));
        Self {
            story,
            stage,
            words,
            plan: plan.clone(),
            before: Vec::new(),
            plans: vec![plan],
            contents: Vec::new(),
            aborted: false,
            resized: false,
            told: Told::default(),
        }
    }

    /// The first revision serves, and the second one is in the plan.
    async fn begun(&mut self) {
        let second = self.story.plan.clone();
        let first =
            Plan { number: 1, gate: Gate::Open, never: false, first: true, ..second.clone() };
        self.begins(&first).await;
        self.stage.callee.stubborn.set(self.story.stubborn);
        self.commit(second);
    }

    async fn begins(&mut self, first: &Plan) {
        if let Some(running) = self.story.row.running {
            for document in running(first) {
                self.stage.put(&serde_yaml::from_str(&document).unwrap());
            }
            self.stage.advance(60);
            self.plan = first.clone();
            self.contents.push((1, None));
            return;
        }
        self.commit(first.clone());
        // Nothing is promised before anything stands.
        let nobody = Rc::new(Watch::new(&self.stage.sandbox, &[]));
        let ended = self.stage.watched(&nobody, None, true).await;
        let report = ended.report.unwrap();
        assert_eq!(report.class(), Class::Done, "{}, before: {report:?}", self.words);
    }

    fn commit(&mut self, plan: Plan) {
        let mut files = (self.story.row.written)(&plan);
        let beside = self.story.row.beside.iter();
        files.extend(beside.map(|(path, text)| (*path, (*text).to_owned())));
        self.stage.memory.commit_plan(&files, self.stage.sandbox.now().unwrap());
        let content = self.content(&plan);
        if !self.contents.contains(&content) {
            self.contents.push(content);
        }
        self.plan = plan;
    }

    /// What makes a revision of a plan.
    fn content(&self, plan: &Plan) -> (u32, Option<u32>) {
        (plan.number, (self.story.row.sized == Sized::Manifest).then(|| plan.wanted()))
    }

    /// Whether the record is about the revision that the plan names.
    fn is_newest(&self, record: &EntityRecord) -> bool {
        let content = self.content(&self.plan);
        record.target.as_ref().is_some_and(|target| self.contents[place(&target.name)] == content)
    }

    /// Other words about what is under way, or about what comes next.
    fn edited(&mut self, plan: Plan) {
        self.before.push((self.plan.clone(), self.aborted));
        if plan.number != self.plan.number {
            self.aborted = false;
        }
        self.plans.push(plan.clone());
        let all: Vec<&Plan> = self.plans.iter().collect();
        self.stage.watch.lower(&floors(&self.story, &all));
        self.commit(plan);
    }

    fn happened(&mut self, what: &'static str) {
        *self.told.happened.entry(what).or_default() += 1;
    }

    /// Runs until something stops them.
    async fn stopped(&mut self, stop: Stop) {
        match stop {
            Stop::Killed(kill, corpse) => {
                let ended = self.stage.run(Some(kill), true).await;
                if ended.report.is_none() {
                    self.happened("killed");
                    if corpse == Corpse::Dead {
                        self.stage.bury(ended.number);
                    }
                }
                self.heeded(&ended);
            }
            Stop::Short(runs) => {
                for _ in 0..runs {
                    let ended = self.stage.run(None, false).await;
                    self.heeded(&ended);
                }
            }
            Stop::Not => {
                let ended = self.stage.run(None, true).await;
                self.heeded(&ended);
            }
        }
    }

    /// What was edited last and is refused is taken back, as the refusal advises;
    /// whoever is busy is waited for.
    fn heeded(&mut self, ended: &Ended) {
        let Some(report) = &ended.report else { return };
        if report.class() == Class::Busy {
            // Who holds the lock is dead, and only the end of the lease says so.
            self.happened("waited for a lease");
            self.stage.advance(LEASE_OVER);
        }
        if report.class() != Class::Invalid {
            return;
        }
        let said = said(report);
        let Some((before, aborted)) = self.before.pop() else {
            panic!("{}: refused: {said}", self.words);
        };
        self.aborted = aborted;
        self.happened("edits refused");
        self.told.refused.push(said);
        self.plans.push(before.clone());
        self.commit(before);
    }

    async fn turns(&mut self, turn: Turn) {
        let plan = self.plan.clone();
        match turn {
            Turn::Batches => {
                let batch = self.stage.record().map_or(0, |record| record.status.current_batch);
                let done = usize::try_from(batch).unwrap() + 1;
                let mut kept: Vec<u32> = plan.shares.iter().take(done).copied().collect();
                let last = kept.last().copied().unwrap_or(0);
                if last < 100 {
                    kept.extend(shares(&mut self.story.dice, last));
                }
                self.happened("batches edited");
                self.edited(Plan { shares: kept, ..plan });
            }
            Turn::AllBatches => {
                let shares = shares(&mut self.story.dice, 0);
                self.happened("all batches edited");
                self.edited(Plan { shares, ..plan });
            }
            Turn::Size(size) => {
                self.happened("sizes edited");
                self.resized |= self.aborted;
                self.edited(Plan { size: Some(size), ..plan });
            }
            Turn::Hold => {
                let done = self.stage.record().map_or(0, |record| record.status.current_batch);
                let gate = gate(&mut self.story.dice, done);
                self.happened("gates");
                self.edited(Plan { gate, ..plan });
            }
            Turn::Retarget => {
                let number = self.contents.iter().map(|(number, _)| number).max().unwrap() + 1;
                self.aims(Plan { number, ..plan }, "retargets");
            }
            Turn::Revert => self.aims(Plan { number: 1, ..plan }, "reverts"),
            Turn::Abort => {
                if self.stage.abort().await {
                    self.happened("aborts");
                    // No run may have seen yet that the plan names another one.
                    let record = self.stage.record().unwrap();
                    self.aborted = self.is_newest(&record);
                    self.resized = false;
                }
            }
        }
    }

    /// The plan names another revision.
    fn aims(&mut self, plan: Plan, what: &'static str) {
        self.happened(what);
        self.edited(plan);
    }

    /// Gates are lifted, and runs come until there is nothing left to do.
    async fn ends(&mut self) {
        let (mut runs, mut last) = (0, String::new());
        loop {
            if self.plan.gate != Gate::Open {
                self.commit(Plan { gate: Gate::Open, ..self.plan.clone() });
            }
            for (plan, _) in &mut self.before {
                plan.gate = Gate::Open;
            }
            assert!(runs < MOST_RUNS, "{}: not at its end after {runs} runs: {last}", self.words);
            runs += 1;
            let ended = self.stage.run(None, true).await;
            let report = ended.report.as_ref().unwrap();
            if report.class() == Class::RolledBack && self.begins_again() {
                continue;
            }
            if matches!(report.class(), Class::Done | Class::RolledBack) {
                break;
            }
            let known = [Class::Invalid, Class::Waiting, Class::Busy].contains(&report.class());
            assert!(known, "{}: {}", self.words, said(report));
            last = said(report);
            self.heeded(&ended);
        }
        self.judged();
        let idle = self.stage.run(None, true).await;
        let moved = idle.effects.iter().any(|(sort, _)| *sort != Sort::Fetch);
        assert!(!moved, "{}: an idle run did {:?}", self.words, idle.effects);
    }

    /// What was given up while another revision was in the plan already begins with
    /// the next commit, as its refusal says: somebody makes one.
    fn begins_again(&mut self) -> bool {
        let other = self.stage.record().is_some_and(|record| !self.is_newest(&record));
        if other {
            self.happened("begun by another commit");
            self.commit(self.plan.clone());
        }
        other
    }

    /// It is where it has to be, and was never below its floor.
    fn judged(&mut self) {
        let words = &self.words;
        let record = self.stage.record();
        let state = record.as_ref().map(|record| record.status.rolling_state);
        // What runs and is wanted again before anything began was never taken over.
        let untouched = record.is_none() && self.story.row.running.is_some();
        let reached = state == Some(RollingState::RolloutSucceed) || untouched;
        let over = reached || state == Some(RollingState::RolloutFailed);
        assert!(over, "{words}: {state:?}");
        let open = record.as_ref().and_then(|record| record.open.as_ref());
        assert_eq!(open, None, "{words}");
        let never = self.plan.never && self.plan.number == 2;
        if never {
            assert!(!reached, "{words}: pods that are not ready count");
        } else if !self.aborted {
            assert!(reached, "{words}: {record:?}");
        } else if !self.resized {
            assert!(!reached, "{words}: it was given up");
        }
        let stands = record.as_deref().filter(|_| !reached);
        let number = stands.map_or(self.plan.number, |record| self.stands(record));
        self.stage.watch.holds(words);
        self.stage.log(words);
        if self.story.row.tolerates {
            self.stage.advance(60);
        }
        at_rest(&self.stage, self.story.row, number, &self.sizes(reached), words);
        let most = 1 + u32::try_from(self.story.turns.len()).unwrap();
        let most = if reached && most == 1 { 1 } else { most + 1 };
        if self.stage.watch.audit.changes() > 0 {
            self.stage.watch.audit.holds_with(words, most);
        }
        if reached && self.story.row.name.contains("hooks") {
            self.called();
        }
        self.told.reached = reached;
    }

    /// The image of the revision that was reached last, by the whole history.
    fn stands(&self, record: &EntityRecord) -> u32 {
        let history = self.stage.history();
        let over = |record: &&Rc<EntityRecord>| {
            record.status.rolling_state == RollingState::RolloutSucceed
        };
        let last = history.iter().rfind(over);
        let name = match last {
            Some(last) => last.target.as_ref().map(|target| target.name.clone()),
            // What was taken over has reached nothing yet.
            None => record.stable.as_ref().map(|stable| stable.name.clone()),
        };
        let name = name.unwrap_or_else(|| panic!("{}: nothing is stable", self.words));
        self.contents[place(&name)].0
    }

    /// The sizes that it may have in the end.
    fn sizes(&self, reached: bool) -> Vec<u32> {
        match (reached, self.plan.size, self.story.row.sized) {
            (true, Some(size), _) => vec![size],
            (_, None, _) if self.plans.iter().all(|plan| plan.size.is_none()) => {
                vec![self.plan.pods]
            }
            _ => self.plans.iter().flat_map(|plan| [plan.pods, plan.wanted()]).collect(),
        }
    }

    /// Each hook of the last attempt was answered, and none more often than runs
    /// were killed.
    fn called(&self) {
        let answered = self.stage.callee.answered.borrow();
        let mut times = BTreeMap::<&str, u32>::new();
        for (_, key) in answered.iter() {
            *times.entry(key).or_default() += 1;
        }
        let killed = self.told.happened.get("killed").copied().unwrap_or(0);
        let most = times.values().max().copied().unwrap_or(0);
        assert!(most <= 1 + killed, "{}: one call was answered {most} times", self.words);
        if self.plan.number == 2 {
            for name in ["begin", "end", "before-0", "after-0"] {
                let url = format!("https://hooks.example/{name}");
                let called = answered.iter().any(|(of, _)| *of == url);
                assert!(called, "{}: {name} was not called", self.words);
            }
        }
    }
}

/// The place of a revision among the contents.
fn place(revision: &str) -> usize {
    let number: usize = revision.rsplit("-v").next().unwrap().parse().unwrap();
    number - 1
}
