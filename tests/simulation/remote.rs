//! The git remote as a run sees it: two refs that move by compare-and-swap,
//! behind a network that fails. Owns the refs and where the faults of fetches
//! and pushes fire.

use crate::faults::Fault;
use crate::objects::SimObjects;
use crate::schedule::{Event, Handle, Sim};
use std::cell::RefCell;
use tranche::port::{CommitId, PushOutcome, Remote, RemoteError, Tips};

/// The refs of the remote.
#[derive(Clone, Debug, Default)]
pub struct Refs {
    pub plan: Option<CommitId>,
    pub record: Option<CommitId>,
}

/// A push that its sender has given up on, and that may still arrive.
pub struct FlyingPush {
    pub run: String,
    pub expected: Option<CommitId>,
    pub new: CommitId,
}

/// The one remote there is, in words.
pub fn unreachable() -> RemoteError {
    RemoteError::Unreachable {
        remote: "the simulated remote".to_owned(),
        cause: "simulated".to_owned(),
    }
}

impl Sim {
    /// A push arrives: it wins only if the branch is where it should be.
    pub fn land_push(&self, run: &str, expected: Option<&CommitId>, new: &CommitId) -> bool {
        let before = self.refs.borrow().record.clone();
        let wins = before.as_ref() == expected;
        self.say(run, || {
            let subject = self.store.borrow().message(new).unwrap_or_default();
            let subject = subject.lines().next().unwrap_or_default().to_owned();
            let how = if wins { "won" } else { "lost" };
            format!("   push {} \"{subject}\": {how}", new.short())
        });
        if wins {
            self.refs.borrow_mut().record = Some(new.clone());
            self.audit.borrow_mut().pushed(self, run, before.as_ref(), new);
        }
        wins
    }
}

pub struct SimRemote {
    handle: Handle,
    objects: SimObjects,
    /// The commit that this run pushed last, and what it replaced.
    own: RefCell<Option<(CommitId, Option<CommitId>)>>,
}

impl SimRemote {
    pub fn new(handle: Handle) -> Self {
        let objects = SimObjects(handle.clone());
        Self { handle, objects, own: RefCell::default() }
    }

    /// The record's tip as this fetch shows it: behind our own push only where
    /// a replica lags, which read-your-writes must find out.
    fn record(&self) -> Option<CommitId> {
        let tip = self.handle.sim.refs.borrow().record.clone();
        if let Some((ours, before)) = &*self.own.borrow()
            && tip.as_ref() == Some(ours)
            && self.handle.fires(Fault::Lag)
        {
            return before.clone();
        }
        tip
    }
}

impl Remote for SimRemote {
    type Objects = SimObjects;

    async fn fetch(&self, _record_branch: &str) -> Result<Tips, RemoteError> {
        self.handle.ask().await;
        if self.handle.fires(Fault::FetchFails) {
            return Err(unreachable());
        }
        let plan = self.handle.sim.refs.borrow().plan.clone();
        let Some(plan) = plan else {
            return Err(RemoteError::Missing {
                what: "branch main".to_owned(),
                remote: "the simulated remote".to_owned(),
            });
        };
        let tips = Tips { plan, record: self.record() };
        self.handle.sim.audit.borrow_mut().fetched(&self.handle.name());
        self.handle.say(|| {
            let record = tips.record.as_ref().map_or("none", CommitId::short);
            format!("   fetch: plan {}, record {record}", tips.plan.short())
        });
        self.handle.pause(1).await;
        Ok(tips)
    }

    async fn fetch_record(&self, _record_branch: &str) -> Result<Option<CommitId>, RemoteError> {
        self.handle.ask().await;
        if self.handle.fires(Fault::FetchFails) {
            return Err(unreachable());
        }
        let record = self.record();
        self.handle.sim.audit.borrow_mut().fetched(&self.handle.name());
        self.handle.say(|| {
            format!("   fetch: record {}", record.as_ref().map_or("none", CommitId::short))
        });
        self.handle.pause(1).await;
        Ok(record)
    }

    async fn push(
        &self,
        _record_branch: &str,
        expected: Option<&CommitId>,
        new: &CommitId,
    ) -> Result<PushOutcome, RemoteError> {
        self.handle.before(false).await;
        let sim = &self.handle.sim;
        let name = self.handle.name();
        sim.hit("call: push");
        if self.handle.fires(Fault::Raced) {
            sim.someone_pushes();
        }
        if self.handle.fires(Fault::PushFails) {
            self.handle.after(false).await;
            return Err(unreachable());
        }
        let moved = sim.refs.borrow().record.as_ref() != expected;
        if !moved && self.handle.fires(Fault::Hook) {
            self.handle.after(false).await;
            return Ok(PushOutcome::Refused("pre-receive hook declined".to_owned()));
        }
        if !moved && self.handle.fires(Fault::PushLands) {
            let later = sim.now.get() + sim.between(200, 240_000);
            let (expected, new) = (expected.cloned(), new.clone());
            sim.at(later, Event::LandPush(FlyingPush { run: name, expected, new }));
            let seen = sim.below(2) == 0;
            self.handle.after(false).await;
            // The branch was looked at again and had not moved, or nothing
            // could be read at all.
            let text = "the transport broke".to_owned();
            return if seen { Ok(PushOutcome::Refused(text)) } else { Err(unreachable()) };
        }
        let won = sim.land_push(&name, expected, new);
        let lost = self.handle.fires(Fault::PushAckLost);
        if won {
            *self.own.borrow_mut() = Some((new.clone(), expected.cloned()));
        } else {
            sim.hit("push: lost the race");
        }
        self.handle.after(false).await;
        if lost {
            return Err(unreachable());
        }
        Ok(if won { PushOutcome::Won } else { PushOutcome::Lost })
    }

    fn objects(&self) -> &SimObjects {
        &self.objects
    }
}
