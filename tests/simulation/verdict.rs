//! One seed from its first instant to its verdict. Owns the phases: a chaotic
//! one in which everything armed may fail, and a calm one that must end well.

use crate::coverage::Coverage;
use crate::faults::Armed;
use crate::invariants::{Violation, settled};
use crate::later;
use crate::mix;
use crate::plan::{App, Model, Plans};
use crate::run::{Start, any_start};
use crate::schedule::{Event, Sim};
use crate::seed::Random;
use crate::trace::Trace;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use tranche::engine::{Class, Memo, Report};

/// Which phases a seed goes through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Mode {
    /// One of the others, by the seed: mostly `safety`.
    Any,
    /// Faults all the time.
    Safety,
    /// Faults stop early, and everything must come to rest.
    Liveness,
    /// Faults for a long time, then rest.
    Both,
}

impl Mode {
    /// What a seed goes through, if it is free to choose.
    fn chosen(self, random: &mut Random) -> Self {
        if self != Self::Any {
            return self;
        }
        match random.below(1000) {
            below if below < SAFETY_OF_ANY => Self::Safety,
            below if below < SAFETY_OF_ANY + BOTH_OF_ANY => Self::Both,
            _ => Self::Liveness,
        }
    }
}

/// What became of a seed.
#[derive(Debug)]
pub struct Verdict {
    pub violation: Option<Violation>,
    pub coverage: Coverage,
    pub trace: Vec<String>,
}

/// More events than any seed needs; beyond it a run goes round in circles.
const MOST_EVENTS: u64 = 60_000;
/// So many seeds in a thousand are short.
const SHORT: u64 = 800;
/// The same where the seed chooses the mode.
const SHORT_OF_ANY: u64 = 960;
/// So many of a thousand such seeds end with their chaos.
const SAFETY_OF_ANY: u64 = 780;
/// And so many go through a long one before their calm; the others through one
/// that is soon over.
const BOTH_OF_ANY: u64 = 130;
/// Runs that may be needed once nothing fails any more.
const MOST_RUNS: usize = 14;

/// Runs one seed.
pub fn judge(seed: u64, mode: Mode, traced: bool, memo: &Rc<Memo>) -> Verdict {
    let mut random = Random::new(seed);
    let armed = Armed::new(&mut random.fork(1), &mut later::faults(seed));
    // Most stories are short: one rollout, a few runs. What goes wrong goes wrong
    // around one step, and more seeds see more of them.
    let share = if mode == Mode::Any { SHORT_OF_ANY } else { SHORT };
    let short = random.fork(4).chance(share);
    let mut model = Model::generate(&mut random.fork(2), &mut mix::stream(seed), short);
    later::mix(&mut model.apps, &mut later::stream(seed));
    let plans = Plans { model, commits: BTreeMap::new(), rewound: false };
    let sim = Sim::new(random.fork(3), armed, plans, Trace::new(traced), memo);
    sim.hit("seeds");
    for what in sim.plans.borrow().model.counted() {
        sim.hit(what);
    }
    for fault in sim.armed.all() {
        sim.hit(fault.armed());
        sim.say("world", || fault.armed().to_owned());
    }
    sim.say("world", || format!("{:?}", sim.plans.borrow().model));
    sim.sandbox.take_changes();
    sim.commit_plan("the first plan");
    let mut seed = Seed { sim: &sim, memo, short, runs: 0, events: 0 };
    let violation = seed.live(mode.chosen(&mut random.fork(5)));
    sim.finish();
    let coverage = sim.coverage.take();
    let mut trace = sim.trace.take();
    if let Some(Violation { invariant, text }) = &violation {
        trace.push(format!("VIOLATED {invariant}: {text}"));
    }
    Verdict { violation, coverage, trace }
}

struct Seed<'a> {
    sim: &'a Rc<Sim>,
    memo: &'a Rc<Memo>,
    short: bool,
    runs: usize,
    events: u64,
}

impl Seed<'_> {
    fn live(&mut self, mode: Mode) -> Option<Violation> {
        let sim = self.sim;
        let chaos = match mode {
            Mode::Liveness => sim.between(60_000, 300_000),
            _ if self.short => sim.between(60_000, 240_000),
            _ => sim.between(300_000, 1_200_000),
        };
        // What came later takes its time: a second version is to get somewhere.
        let later = sim.plans.borrow().model.apps.iter().any(App::came_later);
        let chaos = if later { chaos * 2 } else { chaos };
        sim.plan_deeds(chaos);
        let mut at = 0;
        let period =
            if self.short { sim.between(8_000, 40_000) } else { sim.between(15_000, 90_000) };
        while at < chaos && self.runs < 24 {
            sim.at(at, Event::Start);
            at += sim.between(period / 4, period * 2);
        }
        if let Some(violation) = self.until(chaos) {
            return Some(violation);
        }
        if mode == Mode::Safety {
            sim.audit.borrow_mut().complete();
            return sim.audit.borrow_mut().violation.take();
        }
        self.calm()
    }

    /// Goes through the events up to an instant.
    fn until(&mut self, until: u64) -> Option<Violation> {
        let sim = self.sim;
        while let Some(event) = sim.next(until) {
            self.observe();
            match event {
                Event::Wake(actor, pause) => sim.wake(actor, &pause),
                Event::Land(flying) => {
                    sim.hit("a write landed late");
                    let _ = sim.land(&flying.run, &flying.write);
                }
                Event::LandPush(push) => {
                    sim.hit("a push landed late");
                    sim.land_push(&push.run, push.expected.as_ref(), &push.new);
                }
                Event::Deed(deed) => sim.act(deed),
                Event::Start => {
                    if sim.alive() < 10 {
                        let start = any_start(sim);
                        self.start(start, |_, _, _| {});
                    }
                }
            }
            self.observe();
            if let Some(violation) = sim.audit.borrow_mut().violation.take() {
                return Some(violation);
            }
            self.events += 1;
            if self.events > MOST_EVENTS {
                return Some(Violation {
                    invariant: "L25 no livelock",
                    text: format!("{MOST_EVENTS} events, and no end"),
                });
            }
        }
        sim.pass(until);
        self.observe();
        sim.audit.borrow_mut().violation.take()
    }

    fn observe(&self) {
        let changed = self.sim.sandbox.take_changes();
        if !changed.is_empty() {
            self.sim.remember(&changed);
            self.sim.audit.borrow_mut().look(self.sim, &changed);
        }
    }

    fn start(&mut self, start: Start, end: impl FnOnce(&Sim, &str, &Report) + 'static) {
        self.runs += 1;
        self.sim.start_run(self.runs, start, self.memo, end);
    }

    /// Nothing fails any more: within a bounded number of runs everything
    /// rests, and the run after it does nothing.
    fn calm(&mut self) -> Option<Violation> {
        let sim = self.sim;
        sim.armed.stop();
        sim.say("world", || "nothing fails from here on".to_owned());
        sim.hit("calm");
        // Everything that was under way ends, and every late arrival arrives.
        let rest = sim.now.get() + 1_500_000;
        if let Some(violation) = self.until(rest) {
            return Some(violation);
        }
        sim.people_finish();
        if let Some(violation) = self.until(rest + 30_000) {
            return Some(violation);
        }
        let mut last = None;
        for _ in 0..MOST_RUNS {
            sim.unstick();
            let report = match self.calm_run() {
                Ok(report) => report,
                Err(violation) => return Some(violation),
            };
            let verdict = settled(sim, &report);
            if sim.heed(&report) {
                last = verdict.err();
                continue;
            }
            if verdict.is_ok() {
                sim.audit.borrow_mut().complete();
                let idle = self.idle(&report);
                // A refusal may be the end of one thing and the beginning of
                // another; what matters is that it comes to an end.
                if idle.is_err() && !matches!(report.class(), Class::Done | Class::RolledBack) {
                    last = idle.err();
                    continue;
                }
                return idle.err().or_else(|| sim.audit.borrow_mut().violation.take());
            }
            last = verdict.err();
            let later = sim.now.get() + 140_000;
            if let Some(violation) = self.until(later) {
                return Some(violation);
            }
        }
        last
    }

    fn calm_run(&mut self) -> Result<Report, Violation> {
        let end: Rc<RefCell<Option<Report>>> = Rc::default();
        let heard = Rc::clone(&end);
        let start = Start { wait: Some(900), accept_rewind: false, machine: 9, signal: None };
        self.start(start, move |_, _, report| *heard.borrow_mut() = Some(report.clone()));
        for _ in 0..20 {
            if let Some(report) = end.take() {
                return Ok(report);
            }
            let later = self.sim.now.get() + 120_000;
            if let Some(violation) = self.until(later) {
                return Err(violation);
            }
        }
        end.take().ok_or(Violation {
            invariant: "L23 converges",
            text: "a run does not end though nothing fails".to_owned(),
        })
    }

    /// L24: where everything rests, the next run writes and commits nothing.
    fn idle(&mut self, before: &Report) -> Result<(), Violation> {
        let sim = self.sim;
        let counts = || {
            let audit = sim.audit.borrow();
            (audit.writes, audit.commits)
        };
        let counted = counts();
        let report = self.calm_run()?;
        if counts() != counted {
            return Err(Violation {
                invariant: "L24 an idle run writes nothing",
                text: format!("writes and commits {counted:?} before, {:?} after", counts()),
            });
        }
        if report.class() == Class::Done {
            sim.hit("rest: done");
        } else {
            sim.hit(&format!("rest: {:?}", before.class()));
        }
        Ok(())
    }
}
