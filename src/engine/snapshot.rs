//! The record at one commit.

use super::RunError;
use crate::core::record::{
    self, Decisions, EntityRecord, Inventory, RevisionRecord, decisions_path, entity_path,
    inventory_path,
};
use crate::core::strategy::{EntityKey, EntityKind};
use crate::port::{CommitId, Objects};
use serde::de::DeserializeOwned;

/// The record at one commit, read file by file as it is asked for.
#[derive(Clone, Debug)]
pub struct Snapshot<'a, O> {
    objects: &'a O,
    commit: Option<CommitId>,
}

impl<'a, O: Objects> Snapshot<'a, O> {
    /// The record at `commit`; none reads as an empty record.
    pub fn new(objects: &'a O, commit: Option<CommitId>) -> Self {
        Self { objects, commit }
    }

    fn file<T: DeserializeOwned>(&self, path: &str) -> Result<Option<T>, RunError> {
        let Some(commit) = &self.commit else { return Ok(None) };
        let Some(bytes) = self.objects.file(commit, path)? else { return Ok(None) };
        Ok(Some(record::read(path, &bytes)?))
    }

    fn names(&self, directory: &str) -> Result<Vec<String>, RunError> {
        match &self.commit {
            Some(commit) => Ok(self.objects.names(commit, directory)?),
            None => Ok(Vec::new()),
        }
    }

    /// The record of an entity.
    ///
    /// # Errors
    /// Fails on a broken or newer file.
    pub fn entity(&self, key: &EntityKey) -> Result<Option<EntityRecord>, RunError> {
        self.file(&entity_path(key))
    }

    /// What people decided about an entity.
    ///
    /// # Errors
    /// Fails on a broken or newer file.
    pub fn decisions(&self, key: &EntityKey) -> Result<Decisions, RunError> {
        // Only rollouts are decided about; an application may share the name.
        if key.kind != EntityKind::Rollout {
            return Ok(Decisions::default());
        }
        Ok(self.file(&decisions_path(key))?.unwrap_or_default())
    }

    /// The objects that an entity owns.
    ///
    /// # Errors
    /// Fails on a broken or newer file.
    pub fn inventory(&self, key: &EntityKey) -> Result<Inventory, RunError> {
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
    ) -> Result<Vec<RevisionRecord>, RunError> {
        let directory = format!("revisions/{namespace}/{application}");
        let mut all = Vec::new();
        for name in self.names(&directory)? {
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
        for namespace in self.names("revisions")? {
            for name in self.names(&format!("revisions/{namespace}"))? {
                all.push((namespace.clone(), name));
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
        for (directory, kind) in
            [("applications", EntityKind::Application), ("rollouts", EntityKind::Rollout)]
        {
            for namespace in self.names(directory)? {
                for file in self.names(&format!("{directory}/{namespace}"))? {
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
    pub fn rows(&self) -> Result<Vec<(EntityRecord, Decisions)>, RunError> {
        let mut rows = Vec::new();
        for key in self.entities()? {
            if let Some(record) = self.entity(&key)? {
                rows.push((record, self.decisions(&key)?));
            }
        }
        Ok(rows)
    }
}
