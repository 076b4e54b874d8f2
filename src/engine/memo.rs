//! What was read and understood already, by content: plans and folders by tree
//! id, applications by their inputs, record files by blob id, trailers and rows
//! by commit id, plan files by digest. Equal ids mean equal content, so nothing
//! here is ever stale; it must never hold anything that depends on more than its
//! key.

use super::Loaded;
use super::planned::Rendering;
use crate::core::model::Target;
use crate::core::record::EntityRecord;
use std::any::{Any, TypeId};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

/// A plan that loaded, or the text of everything that is wrong with it.
pub(super) type LoadedPlan = Rc<Result<Loaded, String>>;

/// More files of record and plan than one run looks at; beyond it all are
/// forgotten, and read again.
const MOST_FILES: usize = 50_000;
/// The longest plan, in bytes of text, whose parsed files are kept: some ten
/// times that.
const MOST_PARSED: usize = 2 << 20;
/// More plans than one run walks over without a change of content.
const MOST_PLANS: usize = 2_000;

/// A memory that runs may share.
#[derive(Debug, Default)]
pub struct Memo {
    plans: RefCell<BTreeMap<(String, String, String), LoadedPlan>>,
    renderings: RefCell<BTreeMap<String, Rendering>>,
    files: RefCell<BTreeMap<(TypeId, String), Rc<dyn Any>>>,
}

impl Memo {
    pub(super) fn plan(&self, target: &Target, tree: &str) -> Option<LoadedPlan> {
        self.plans.borrow().get(&key(target, tree)).cloned()
    }

    pub(super) fn keep_plan(&self, target: &Target, tree: &str, plan: &LoadedPlan) {
        let mut plans = self.plans.borrow_mut();
        if plans.len() >= MOST_PLANS {
            plans.clear();
        }
        plans.insert(key(target, tree), Rc::clone(plan));
    }

    /// The record of an entity, if a run has written or read the file.
    pub fn entity(&self, blob: &str) -> Option<Rc<EntityRecord>> {
        self.file(blob)
    }

    pub(super) fn rendering(&self, inputs: &str) -> Option<Rendering> {
        self.renderings.borrow().get(inputs).cloned()
    }

    pub(super) fn keep_rendering(&self, inputs: String, made: &Rendering) {
        let mut renderings = self.renderings.borrow_mut();
        if renderings.len() >= MOST_PLANS {
            renderings.clear();
        }
        renderings.insert(inputs, made.clone());
    }

    /// What was made of the content that `key` names: a blob, a tree, a commit,
    /// or a digest.
    pub(super) fn file<T: 'static>(&self, key: &str) -> Option<Rc<T>> {
        let found = self.files.borrow().get(&(TypeId::of::<T>(), key.to_owned())).cloned();
        found.and_then(|found| found.downcast().ok())
    }

    /// Whether files of a plan, `bytes` long as text, may be kept as they were
    /// parsed. What is read of a large plan is kept as the plan alone.
    pub(super) fn has_room_for(&self, bytes: usize) -> bool {
        bytes <= MOST_PARSED
    }

    pub(super) fn keep_file<T: 'static>(&self, key: &str, file: &Rc<T>) {
        let mut files = self.files.borrow_mut();
        if files.len() >= MOST_FILES {
            files.clear();
        }
        let file: Rc<dyn Any> = Rc::<T>::clone(file);
        files.insert((TypeId::of::<T>(), key.to_owned()), file);
    }
}

/// A plan is rendered for a target: its namespace is the default one.
fn key(target: &Target, tree: &str) -> (String, String, String) {
    (target.name.clone(), target.namespace.clone(), tree.to_owned())
}
