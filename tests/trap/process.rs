//! A run that is a process in name only, so that a test decides whether it is
//! known to be dead.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use tranche::core::record::Holder;
use tranche::port::{Audience, Calling, HookAnswer, HookRequest, Hooks, Process, Progress};

/// The names of the runs that are known to be dead.
pub type Graveyard = Rc<RefCell<BTreeSet<String>>>;

/// One run's process.
pub struct NamedProcess {
    holder: Holder,
    buried: Graveyard,
}

impl NamedProcess {
    pub fn new(run: String, pid: u32, buried: &Graveyard) -> Self {
        let one = || "one".to_owned();
        let holder = Holder { run, boot: one(), pid_namespace: one(), pid, started: 1 };
        Self { holder, buried: Rc::clone(buried) }
    }
}

impl Process for NamedProcess {
    fn holder(&self) -> &Holder {
        &self.holder
    }

    fn provably_dead(&self, holder: &Holder) -> bool {
        self.buried.borrow().contains(&holder.run)
    }

    fn stopping(&self) -> bool {
        false
    }
}

pub struct Nobody;

impl Audience for Nobody {
    fn hear(&self, _: &Progress) {}
}

impl Hooks for Nobody {
    fn call<'a>(&'a self, _: HookRequest<'a>) -> Calling<'a> {
        Box::pin(async { HookAnswer::Status(200) })
    }
}
