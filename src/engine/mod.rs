//! The run: reading, deciding, intent, effects, waiting, result. Owns the
//! order of things; it must hold no policy and know no strategy, and it sees
//! cluster, remote and clock through [`port`](crate::port) only.
//!
//! ```text
//! apply ─▶ read ─▶ publish ─▶ round ─▶ round ─▶ … until every entity rests
//!
//! round ─▶ survey (observe, decide, check)   every entity, at once
//!       ─▶ begin  (intents)                  one push
//!       ─▶ drive  (stamp, write, look)       every step, at once
//!       ─▶ tell   (facts)                    one push
//! ```
//!
//! [`read`](Engine::read) brings plan and record. Decisions and facts go onto
//! the record as chains of commits; a lost push leaves a decision standing
//! only if nothing that it looked at has changed.

mod adopt;
mod anchor;
mod apart;
mod apply;
mod approve;
mod assertion;
mod call;
mod capture;
mod chain;
mod check;
mod command;
mod concurrently;
mod course;
mod drive;
mod entities;
mod evict;
mod fact;
mod foresee;
mod forged;
mod health;
mod hold;
mod intent;
mod lanes;
mod logical;
mod look;
mod memo;
mod observe;
mod orphans;
mod outcome;
mod overlaid;
mod part;
mod planned;
mod preview;
mod prune;
mod publish;
mod read_set;
mod reading;
mod rebuild;
mod rebuild_rest;
mod released;
mod repeated;
mod reviewed;
mod round;
mod routes;
mod snapshot;
mod stamp;
mod survey;
mod sweep;
mod tally;
mod tree;
mod trial;
mod unlock;
mod unmoved;
mod versions;
mod watch;
mod whence;
mod work;
mod write;

pub use apply::Report;
pub use assertion::Word;
pub use command::{Commanded, Order, command};
pub use memo::Memo;
pub use outcome::{Class, Rest, RunError};
pub use planned::{
    Loaded, RenderedApplication, load_documents, load_files, load_plan, load_worktree, project,
};
pub use preview::{Preview, PreviewEntity};
pub use read_set::ReadSet;
pub use reading::{Reading, Tip};
pub use rebuild::Rebuilt;
pub use reviewed::{Approved, Seen};
pub use snapshot::Snapshot;
pub use tally::Round;
pub use unlock::{Unlocked, open_step};
pub use unmoved::unmoved;

use crate::core::model::Target;
use crate::core::object::KindRef;
use crate::core::release::Release;
use crate::port::{Access, Ports};
use jiff::Timestamp;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::Semaphore;
use versions::Pins;

/// For how long an intent lets its run write.
pub const WRITE_LEASE: Duration = Duration::from_secs(120);
/// How long before the end of its lease a run stops writing.
pub const WRITE_MARGIN: Duration = Duration::from_secs(15);
/// How long a run without `--wait` looks at each await.
pub const ROUND: Duration = Duration::from_secs(10);

/// How often a run reads everything anew after a lost race, before it leaves
/// the field to the others.
const MAX_LOSSES: u32 = 20;

/// How many writes of one run are under way at most.
const MOST_WRITES: usize = 16;

/// How a run goes about it.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// How long to wait for what is awaited; none for one round.
    pub wait: Option<Duration>,
    /// Take a plan that does not contain the last recorded plan commit.
    pub accept_rewind: bool,
    /// Delete even more than half of what an entity has applied.
    pub allow_prune: bool,
    /// Preview each patch value by value, and every state on the way.
    pub patches: bool,
    /// Begin nothing but what was reviewed.
    pub approved: Option<Rc<Approved>>,
    /// The versions of what renders revisions and makes steps.
    pub release: Release,
}

/// One run against one target.
pub struct Engine<'a, P: Ports> {
    ports: &'a P,
    target: &'a Target,
    options: Options,
    memo: Rc<Memo>,
    worktree: RefCell<Option<memo::LoadedPlan>>,
    rights: RefCell<BTreeMap<Access, bool>>,
    cluster_uid: RefCell<Option<String>>,
    until: Cell<Option<Timestamp>>,
    /// Of what earlier versions have published, which one.
    pins: RefCell<Rc<Pins>>,
    followed: Cell<bool>,
    tally: tally::Tally,
    labelled: RefCell<orphans::Labelled>,
    /// Kinds that the cluster does not serve yet, and the plan brings.
    coming: RefCell<BTreeSet<KindRef>>,
    /// How many writes may be under way.
    writing: Semaphore,
}

impl<'a, P: Ports> Engine<'a, P> {
    /// A run over `ports` against `target`.
    pub fn new(ports: &'a P, target: &'a Target, options: Options) -> Self {
        Self::remembering(ports, target, options, Rc::default())
    }

    /// A run that shares what it reads with others.
    pub fn remembering(ports: &'a P, target: &'a Target, options: Options, memo: Rc<Memo>) -> Self {
        Self {
            ports,
            target,
            options,
            memo,
            worktree: RefCell::default(),
            rights: RefCell::default(),
            cluster_uid: RefCell::default(),
            until: Cell::new(None),
            pins: RefCell::default(),
            followed: Cell::new(false),
            tally: tally::Tally::default(),
            labelled: RefCell::default(),
            coming: RefCell::default(),
            writing: Semaphore::new(MOST_WRITES),
        }
    }
}
