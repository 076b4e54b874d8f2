//! The record at one commit. Owns the read set: whatever is read through it is
//! looked at again after a lost push. It must never look at another commit.

use super::forged::broken;
use super::{Memo, ReadSet, RunError};
use crate::core::record::{
    self, Decisions, EntityRecord, Inventory, RevisionRecord, decisions_path, entity_path,
    inventory_path,
};
use crate::core::strategy::{EntityKey, EntityKind};
use crate::port::{CommitId, Objects};
use serde::de::DeserializeOwned;
use std::cell::RefCell;
use std::rc::Rc;

/// An entity's record, and what people decided about it.
pub type Row = (Rc<EntityRecord>, Rc<Decisions>);

/// The record at one commit, read file by file as it is asked for; it keeps
/// what was looked at.
#[derive(Clone, Debug)]
pub struct Snapshot<'a, O> {
    objects: &'a O,
    commit: Option<CommitId>,
    memo: Rc<Memo>,
    looked_at: RefCell<ReadSet>,
}

impl<'a, O: Objects> Snapshot<'a, O> {
    /// The record at `commit`; none reads as an empty record.
    pub fn new(objects: &'a O, commit: Option<CommitId>) -> Self {
        Self::remembering(objects, commit, Rc::default())
    }

    /// The same, with a memory of what was read before.
    pub(super) fn remembering(objects: &'a O, commit: Option<CommitId>, memo: Rc<Memo>) -> Self {
        Self { objects, commit, memo, looked_at: RefCell::default() }
    }

    /// What was looked at so far.
    pub fn read_set(&self) -> ReadSet {
        self.looked_at.borrow().clone()
    }

    /// What lies at a path.
    fn entry(&self, path: &str) -> Result<Option<(&CommitId, String)>, RunError> {
        let found = match &self.commit {
            Some(commit) => self.objects.entry(commit, path)?.map(|id| (commit, id)),
            None => None,
        };
        let id = found.as_ref().map(|(_, id)| id.as_str());
        self.looked_at.borrow_mut().looked_at(path, id);
        Ok(found)
    }

    fn file<T: DeserializeOwned + 'static>(&self, path: &str) -> Result<Option<Rc<T>>, RunError> {
        let Some((commit, id)) = self.entry(path)? else { return Ok(None) };
        if let Some(known) = self.memo.file::<T>(&id) {
            return Ok(Some(known));
        }
        let Some(bytes) = self.objects.file(commit, path)? else { return Ok(None) };
        let read = record::read(path, &bytes);
        let file: Rc<T> = Rc::new(read.map_err(|e| broken(self.objects, commit, path, e))?);
        self.memo.keep_file(&id, &file);
        Ok(Some(file))
    }

    fn names(&self, directory: &str) -> Result<Rc<Vec<String>>, RunError> {
        let Some((commit, id)) = self.entry(directory)? else { return Ok(Rc::default()) };
        if let Some(known) = self.memo.file(&id) {
            return Ok(known);
        }
        let names = Rc::new(self.objects.names(commit, directory)?);
        self.memo.keep_file(&id, &names);
        Ok(names)
    }

    /// The record of an entity.
    ///
    /// # Errors
    /// Fails on a broken or newer file.
    pub fn entity(&self, key: &EntityKey) -> Result<Option<Rc<EntityRecord>>, RunError> {
        self.file(&entity_path(key))
    }

    /// What people decided about an entity.
    ///
    /// # Errors
    /// Fails on a broken or newer file.
    pub fn decisions(&self, key: &EntityKey) -> Result<Rc<Decisions>, RunError> {
        // Only rollouts are decided about; an application may share the name.
        if key.kind != EntityKind::Rollout {
            return Ok(Rc::default());
        }
        Ok(self.file(&decisions_path(key))?.unwrap_or_default())
    }

    /// The objects that an entity owns.
    ///
    /// # Errors
    /// Fails on a broken or newer file.
    pub fn inventory(&self, key: &EntityKey) -> Result<Rc<Inventory>, RunError> {
        Ok(self.file(&inventory_path(key))?.unwrap_or_default())
    }

    /// The published revisions of an application, by number.
    ///
    /// # Errors
    /// Fails on a broken or newer file.
    pub fn revisions(
        &self,
        namespace: &str,
        application: &str,
    ) -> Result<Vec<Rc<RevisionRecord>>, RunError> {
        let directory = format!("revisions/{namespace}/{application}");
        let mut all = Vec::new();
        for name in self.names(&directory)?.iter() {
            all.extend(self.file::<RevisionRecord>(&format!("{directory}/{name}"))?);
        }
        all.sort_by_key(|revision| revision.number);
        Ok(all)
    }

    /// Every application that has revisions, as namespace and name.
    ///
    /// # Errors
    /// Fails on a broken record.
    pub fn applications(&self) -> Result<Vec<(String, String)>, RunError> {
        let mut all = Vec::new();
        for namespace in self.names("revisions")?.iter() {
            for name in self.names(&format!("revisions/{namespace}"))?.iter() {
                all.push((namespace.clone(), name.clone()));
            }
        }
        Ok(all)
    }

    /// Every entity that has a record, tombstones included, by kind,
    /// namespace and name.
    ///
    /// # Errors
    /// Fails on a broken record.
    pub fn entities(&self) -> Result<Vec<EntityKey>, RunError> {
        let mut all = Vec::new();
        for (directory, kind) in [
            ("applications", EntityKind::Application),
            ("lanes", EntityKind::Lane),
            ("routes", EntityKind::Route),
            ("rollouts", EntityKind::Rollout),
        ] {
            for namespace in self.names(directory)?.iter() {
                for file in self.names(&format!("{directory}/{namespace}"))?.iter() {
                    let Some(name) = file.strip_suffix(".yaml") else { continue };
                    let kind = if name == "_objects" { EntityKind::Objects } else { kind };
                    let (namespace, name) = (namespace.clone(), name.to_owned());
                    all.push(EntityKey { kind, namespace, name });
                }
            }
        }
        all.sort();
        Ok(all)
    }

    /// Every entity's record and decisions: the rows of the dashboard.
    ///
    /// # Errors
    /// Fails on a broken record.
    pub fn rows(&self) -> Result<Vec<Row>, RunError> {
        let mut rows = Vec::new();
        for key in self.entities()? {
            if let Some(record) = self.entity(&key)? {
                rows.push((record, self.decisions(&key)?));
            }
        }
        Ok(rows)
    }
}
