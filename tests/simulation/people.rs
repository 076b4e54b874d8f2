//! People: they edit the plan, give commands, and meddle with the cluster and
//! the branches. Owns every deed; each tells the audit what it has disturbed.

use crate::plan::{App, Content, Kind, Roll, any_ready, other_batches};
use crate::remote::SimRemote;
use crate::run::target;
use crate::schedule::{Event, Sim};
use crate::waits::Wait;
use jiff::SignedDuration;
use std::collections::BTreeMap;
use std::rc::Rc;
use tranche::core::decide::Command;
use tranche::core::strategy::{EntityKey, EntityKind};
use tranche::engine::{Class, Commanded, Order, Report, command};
use tranche::port::{CommitId, Remote};

/// Something that somebody does; the number is an application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deed {
    NewTarget(usize),
    /// The application first, its rollout in a later commit.
    NewContent(usize),
    Follow(usize),
    Revert(usize),
    EditBatches(usize),
    Resize(usize, Option<u64>),
    Gate(usize, Option<u64>),
    Hold(usize, bool),
    /// What is waited for after a step.
    Wait(usize, usize, Wait),
    Remove(usize),
    Restore(usize),
    Break(bool),
    Note,
    Order(usize, Command),
    Scale(usize),
    Touch(usize),
    Unplug(usize),
    Replace(usize),
    Evict(usize),
    DropService(usize),
    /// A route's weights are edited by hand, and that is taken back.
    Weigh(usize),
    Unweigh(usize),
    DropRoute(usize),
    /// The Gateway's controller stops, and starts again.
    GatewayDown(usize),
    GatewayUp(usize),
    /// Somebody says that the holder of the open step is gone.
    Unlock(usize),
    RewindRecord,
    DropRecord,
    ForgeRecord,
    /// A commit whose number skips some.
    ForgeSeq,
    /// The file of a rollout is edited by hand, and put back.
    ForgeFile(usize),
    MendFile(usize),
    RewindPlan,
    /// Branches are put back to where they were.
    Mend(Option<CommitId>, Option<CommitId>),
    Clock(i64),
}

/// The workload kinds that applications of a seed have.
pub const WORKLOADS: [(&str, &str); 4] = [
    ("apps/v1", "Deployment"),
    ("apps.kruise.io/v1alpha1", "CloneSet"),
    ("apps/v1", "StatefulSet"),
    ("apps/v1", "DaemonSet"),
];

impl Sim {
    /// The deeds of a seed, over so many milliseconds.
    pub fn plan_deeds(&self, until: u64) {
        let apps = self.plans.borrow().model.apps.len() as u64;
        let pick = || usize::try_from(self.below(apps)).unwrap_or(0);
        // Every seed has an upgrade to do.
        let first = self.between(20_000, until / 2);
        self.at(first, Event::Deed(Deed::NewTarget(0)));
        let meddlesome = self.below(100);
        let count = if meddlesome < 30 { self.below(3) } else { self.between(1, 6) };
        for _ in 0..count {
            let at = self.between(10_000, until);
            let app = pick();
            let deed = match self.below(if meddlesome < 60 { 56 } else { 140 }) {
                0..=7 => Deed::NewTarget(app),
                8 => Deed::Resize(app, Some(2 + self.below(4))),
                9 => Deed::Resize(app, None),
                10..=13 => Deed::NewContent(app),
                14..=18 => Deed::Revert(app),
                19..=22 => Deed::EditBatches(app),
                23..=24 => Deed::Gate(app, Some(self.below(2))),
                25..=27 => Deed::Gate(app, None),
                28..=29 => Deed::Hold(app, true),
                30..=31 => Deed::Hold(app, false),
                32..=34 => Deed::Remove(app),
                35..=36 => Deed::Break(true),
                37..=38 => Deed::Note,
                39..=46 => Deed::Order(app, Command::Abort),
                47..=49 => Deed::Order(app, Command::Pause),
                50..=51 => Deed::Order(app, Command::Resume),
                52..=55 => Deed::Order(app, Command::Retry),
                56..=63 => Deed::Evict(app),
                64..=69 => Deed::Touch(app),
                70..=75 => Deed::Scale(app),
                76..=80 => Deed::Unplug(app),
                81..=83 => Deed::Replace(app),
                84..=86 => Deed::DropService(app),
                87..=88 => Deed::RewindRecord,
                89 => Deed::DropRecord,
                90..=91 => Deed::ForgeRecord,
                92..=93 => Deed::RewindPlan,
                94..=97 => Deed::ForgeSeq,
                98..=107 => Deed::ForgeFile(app),
                108..=114 => Deed::Unlock(app),
                115..=121 => Deed::Weigh(app),
                122..=127 => Deed::DropRoute(app),
                128..=134 => Deed::GatewayDown(app),
                _ => Deed::Clock(i64::try_from(self.below(400)).unwrap_or(0) - 200),
            };
            match &deed {
                Deed::NewContent(app) => {
                    self.at(at + self.between(100, 90_000), Event::Deed(Deed::Follow(*app)));
                }
                Deed::Remove(app) => {
                    self.at(at + self.between(60_000, 300_000), Event::Deed(Deed::Restore(*app)));
                }
                Deed::Break(_) => {
                    self.at(at + self.between(1_000, 120_000), Event::Deed(Deed::Break(false)));
                }
                Deed::Weigh(app) => {
                    self.at(at + self.between(30_000, 300_000), Event::Deed(Deed::Unweigh(*app)));
                }
                Deed::GatewayDown(app) => {
                    self.at(at + self.between(5_000, 200_000), Event::Deed(Deed::GatewayUp(*app)));
                }
                Deed::ForgeFile(app) => {
                    self.at(at + self.between(30_000, 240_000), Event::Deed(Deed::MendFile(*app)));
                }
                _ => {}
            }
            self.at(at, Event::Deed(deed));
        }
        self.plan_approvals(until);
    }

    /// Somebody does something.
    pub fn act(self: &Rc<Self>, deed: Deed) {
        self.say("people", || format!("{deed:?}"));
        let name = format!("{deed:?}");
        let name = name.split(['(', '{', ' ']).next().unwrap_or_default();
        self.hit(&format!("people: {name}"));
        match deed {
            Deed::Order(app, wanted) => self.order(app, wanted),
            Deed::Scale(app)
            | Deed::Touch(app)
            | Deed::Unplug(app)
            | Deed::Replace(app)
            | Deed::Evict(app)
            | Deed::DropService(app)
            | Deed::Weigh(app)
            | Deed::Unweigh(app)
            | Deed::DropRoute(app)
            | Deed::GatewayDown(app)
            | Deed::GatewayUp(app) => self.meddle(&deed, app),
            Deed::Unlock(app) => self.unlock(&self.entity(app)),
            Deed::ForgeFile(app) => self.forge_file(&self.entity(app)),
            Deed::MendFile(app) => self.mend_file(&self.entity(app)),
            Deed::RewindRecord
            | Deed::DropRecord
            | Deed::ForgeRecord
            | Deed::ForgeSeq
            | Deed::RewindPlan
            | Deed::Mend(..) => self.rewrite(&deed),
            Deed::Clock(by) => {
                let mut audit = self.audit.borrow_mut();
                audit.clocked = true;
                audit.before_clock = audit.before_clock.max(Some(self.target_time()));
                drop(audit);
                self.clock_off.set(self.clock_off.get() + by);
            }
            edit => self.edit(&edit),
        }
    }

    fn edit(&self, deed: &Deed) {
        let mut plans = self.plans.borrow_mut();
        // Nobody works on a plan that does not load, or on a branch that was
        // rewound, but to mend it: revisions are numbered by what loads.
        if (plans.model.broken && *deed != Deed::Break(false)) || plans.rewound {
            // What mends is done once it can be: a rollout that nobody puts back
            // is frozen for good, and that is no rest to judge.
            if matches!(deed, Deed::Restore(_) | Deed::Break(false)) {
                self.at(self.now.get() + 60_000, Event::Deed(deed.clone()));
            }
            return;
        }
        let mut random = self.random.borrow_mut();
        let apps = &mut plans.model.apps;
        match *deed {
            _ if unsaid(deed, apps) => return,
            Deed::NewTarget(i) | Deed::NewContent(i) => {
                let image = apps[i].contents.len() as u64 + 1;
                let content = Content { image, ready: any_ready(&mut random) };
                apps[i].contents.push(content);
                apps[i].now = apps[i].contents.len() - 1;
                if let (Deed::NewTarget(_), now, Some(roll)) =
                    (deed, apps[i].now, &mut apps[i].roll)
                {
                    roll.target = now;
                }
            }
            Deed::Follow(i) => {
                let now = apps[i].now;
                if let Some(roll) = &mut apps[i].roll {
                    roll.target = now;
                }
            }
            Deed::Revert(i) => {
                apps[i].now = apps[i].now.saturating_sub(1);
                let now = apps[i].now;
                if let Some(roll) = &mut apps[i].roll {
                    roll.target = now;
                }
            }
            Deed::EditBatches(i)
            | Deed::Resize(i, _)
            | Deed::Gate(i, _)
            | Deed::Hold(i, _)
            | Deed::Wait(i, ..) => {
                let draws = matches!(deed, Deed::EditBatches(_));
                let batches = draws.then(|| other_batches(&mut random));
                if let Some(roll) = &mut apps[i].roll {
                    rewrite(roll, deed, batches);
                }
            }
            Deed::Remove(i) => {
                if apps[i].kind != Kind::Direct {
                    apps[i].roll = None;
                }
            }
            Deed::Restore(i) => {
                let before = plans.commits.values().rev();
                let before: Vec<_> = before.filter_map(|model| model.apps[i].roll).collect();
                let app = &mut plans.model.apps[i];
                if app.roll.is_none()
                    && let Some(mut roll) = before.first().copied()
                {
                    roll.target = app.now;
                    app.roll = Some(roll);
                }
            }
            Deed::Break(broken) => plans.model.broken = broken,
            Deed::Note => {
                let model = &mut plans.model;
                model.note = Some(model.note.unwrap_or(0) + 1);
                // A third of them goes, and comes back.
                model.notes = match model.notes {
                    6 => 4,
                    4 => 6,
                    few => few,
                };
            }
            _ => return,
        }
        drop((plans, random));
        self.commit_plan(&format!("{deed:?}"));
    }

    /// The batches of rollouts under way, as their last step has them: an edit
    /// that contradicts the batches that are done is taken back, as the refusal
    /// of it says.
    fn begun(&self) -> BTreeMap<String, usize> {
        let (audit, plans) = (self.audit.borrow(), self.plans.borrow());
        let under_way = audit.entities().values().filter(|record| {
            record.entity.kind == EntityKind::Rollout && !record.status.rolling_state.terminal()
        });
        let batches = under_way.filter_map(|record| {
            let commit = CommitId(record.step_plan.clone()?);
            let app =
                plans.commits.get(&commit)?.apps.iter().find(|a| a.name == record.entity.name)?;
            Some((app.name.to_owned(), app.roll?.batches))
        });
        batches.collect()
    }

    /// People do what a refusal advises: a size that an upgrade cannot keep is
    /// taken out of the plan. True if there was one.
    pub fn heed(&self, report: &Report) -> bool {
        let advised = |key: &EntityKey| {
            report.entities.iter().any(|(of, rest)| {
                of == key && rest.class == Class::Invalid && rest.message.contains("targetSize")
            })
        };
        let mut plans = self.plans.borrow_mut();
        let mut heeded = false;
        for app in &mut plans.model.apps {
            let key = Self::rollout(app.name);
            if let Some(roll) =
                app.roll.as_mut().filter(|roll| roll.size.is_some() && advised(&key))
            {
                roll.size = None;
                heeded = true;
                self.hit("people: took a size out as advised");
            }
        }
        drop(plans);
        if heeded {
            self.commit_plan("sizes are left out, as advised");
        }
        heeded
    }

    /// At the end people want what they have begun: gates open, nothing held, and
    /// whatever waits for approval gets it ([`Sim::heed_gate`]).
    pub fn people_finish(self: &Rc<Self>) {
        let begun = self.begun();
        let mut plans = self.plans.borrow_mut();
        let before = plans.model.clone();
        plans.model.broken = false;
        for app in &mut plans.model.apps {
            if let Some(roll) = &mut app.roll {
                roll.partition = None;
                roll.paused = false;
                roll.batches = begun.get(app.name).copied().unwrap_or(roll.batches);
            }
        }
        let edited = before != plans.model;
        let apps = plans.model.apps.len();
        drop(plans);
        if edited {
            self.commit_plan("everything may go on");
        }
        for app in 0..apps {
            self.order(app, Command::Resume);
        }
    }

    fn entity(&self, app: usize) -> EntityKey {
        Self::rollout(self.plans.borrow().model.apps[app].name)
    }

    fn rollout(name: &str) -> EntityKey {
        EntityKey {
            kind: EntityKind::Rollout,
            namespace: "default".to_owned(),
            name: name.to_owned(),
        }
    }

    /// A command, by the code of the command line.
    fn order(self: &Rc<Self>, app: usize, wanted: Command) {
        if wanted == Command::Abort && self.below(6) == 0 && !self.armed.stopped() {
            // Who aborts in a hurry may also delete what the way back needs.
            let later = self.now.get() + self.between(500, 60_000);
            self.at(later, Event::Deed(Deed::Unplug(app)));
        }
        let key = self.entity(app);
        let at = self.time()
            + SignedDuration::from_secs(i64::try_from(self.below(600)).unwrap_or(0) - 300);
        self.spawn(format!("person-{}", self.now.get()), move |handle| {
            Box::pin(async move {
                let remote = SimRemote::new(handle.clone());
                let target = target();
                for _ in 0..20 {
                    let Ok(Some(tip)) = remote.fetch_record(&target.record_branch).await else {
                        return;
                    };
                    let order = Order { wanted, by: "somebody".to_owned(), at, reason: None };
                    let memo = &handle.sim.memo;
                    let done = command(&remote, &target, &key, &tip, &order, memo).await;
                    handle.say(|| format!("{wanted} {key}: {done:?}"));
                    match done {
                        Ok(Commanded::Lost) => {}
                        Ok(Commanded::Recorded(_)) => {
                            handle.sim.hit(&format!("order recorded: {wanted}"));
                            return;
                        }
                        _ => return,
                    }
                }
            })
        });
    }
}

/// Whether a deed is about what there are no words for where one is tried beside
/// itself.
fn unsaid(deed: &Deed, apps: &[App]) -> bool {
    match *deed {
        // What is no rollout's has no revisions, and these are counted.
        Deed::NewTarget(i) | Deed::NewContent(i) | Deed::Revert(i) => {
            apps[i].kind == Kind::Member && apps[i].roll.is_none()
        }
        // Several keep their sizes, and nodes are as many as they are.
        Deed::Resize(i, _) if apps[i].side.is_some() || apps[i].kind == Kind::Nodes => true,
        Deed::Resize(i, _) | Deed::Gate(i, _) | Deed::Hold(i, _) => apps[i].kind.keeps_its_name(),
        _ => false,
    }
}

/// A rollout's document with one field edited.
fn rewrite(roll: &mut Roll, deed: &Deed, batches: Option<usize>) {
    match *deed {
        Deed::Resize(_, size) => roll.size = size,
        Deed::Gate(_, partition) => roll.partition = partition,
        Deed::Hold(_, paused) => roll.paused = paused,
        Deed::Wait(_, after, wait) => roll.waits[after] = wait,
        _ => roll.batches = batches.unwrap_or(roll.batches),
    }
}
