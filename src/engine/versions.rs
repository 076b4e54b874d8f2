//! What earlier versions of this program have published. Owns which applications
//! are rendered by the built-in types of an earlier version; it must never let a
//! newer program change what stands by being newer.
//!
//! A revision is known by its content, not by how it is rendered. So whatever
//! has the content of a revision is rendered as that one was, in every plan
//! commit, and only other content by what this program has newest.

use super::planned::{Loaded, reloaded};
use super::{Engine, RunError, Tip};
use crate::core::digest::Digest;
use crate::core::release::Release;
use crate::core::render::ApplicationKey;
use crate::port::Ports;
use serde_json::json;
use std::collections::BTreeMap;
use std::rc::Rc;

/// Content that an earlier version has published, and which one.
#[derive(Clone, Debug, Default)]
pub(super) struct Pins {
    all: BTreeMap<(ApplicationKey, Digest), String>,
    /// Tells one set of them from another.
    word: String,
}

/// What applications are rendered by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Versions<'a> {
    pub(super) release: &'a Release,
    pub(super) pins: &'a Pins,
}

impl Pins {
    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// The version that has published a content, if it is an earlier one.
    pub(super) fn of(&self, key: &ApplicationKey, content: &Digest) -> Option<&str> {
        if self.all.is_empty() {
            return None;
        }
        self.all.get(&(key.clone(), content.clone())).map(String::as_str)
    }

    /// Tells one set of them from another; empty for none.
    pub(super) fn word(&self) -> &str {
        &self.word
    }

    fn new(all: BTreeMap<(ApplicationKey, Digest), String>) -> Self {
        if all.is_empty() {
            return Self::default();
        }
        let told = all
            .iter()
            .map(|((key, content), version)| json!([key.namespace, key.name, content, version]));
        let word = Digest::of("pins", &told.collect()).to_string();
        Self { all, word }
    }
}

impl<P: Ports> Engine<'_, P> {
    /// Finds out what earlier versions have published. Where the tip says that
    /// none has, nothing more is read.
    pub(super) fn pin(&self, tip: Option<&Tip>) -> Result<(), RunError> {
        let newest = self.options.release.newest().version;
        let earlier = |tip: &&Tip| tip.trailers.rendered_by().iter().any(|one| *one != newest);
        let mut pins = BTreeMap::new();
        if let Some(tip) = tip.filter(earlier) {
            let snapshot = self.snapshot_at(Some(tip.commit.clone()));
            for (namespace, name) in snapshot.applications()? {
                for revision in snapshot.revisions(&namespace, &name)? {
                    if revision.builtins != newest {
                        let key =
                            ApplicationKey { namespace: namespace.clone(), name: name.clone() };
                        pins.insert((key, revision.digest.clone()), revision.builtins.clone());
                    }
                }
            }
        }
        *self.pins.borrow_mut() = Rc::new(Pins::new(pins));
        Ok(())
    }

    /// A plan that is not committed, rendered as far as it is published by what
    /// has published it.
    pub(super) fn pinned(&self, loaded: Loaded) -> Result<Loaded, RunError> {
        let pins = Rc::clone(&self.pins.borrow());
        if pins.is_empty() {
            return Ok(loaded);
        }
        let versions = Versions { release: &self.options.release, pins: &pins };
        reloaded(loaded, self.target, &self.memo, &versions)
    }
}
