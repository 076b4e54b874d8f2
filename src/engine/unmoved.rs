//! Content that changed under a `publishVersion` which stayed: it makes no
//! revision, so nothing moves. Owns how that is found in the plan's history; it
//! must never look at a record.

use super::planned::{Loaded, load_plan};
use crate::core::digest::Digest;
use crate::core::model::{Notice, Target};
use crate::core::render::ApplicationKey;
use crate::port::{CommitId, Objects, RemoteError};
use std::collections::BTreeMap;

/// How far back the commit that brought a version is looked for.
const HISTORY: usize = 100;

/// A notice for each application whose content is no longer what it was when
/// its `publishVersion` came in.
///
/// # Errors
/// Fails on a missing or broken object of the repository.
pub fn unmoved<O: Objects>(
    objects: &O,
    tip: &CommitId,
    newest: &Loaded,
    target: &Target,
) -> Result<Vec<Notice>, RemoteError> {
    // Of each, the oldest rendering under the version that it has now.
    let mut oldest: BTreeMap<&ApplicationKey, Digest> = newest
        .applications
        .iter()
        .filter(|(key, _)| version(newest, key).is_some())
        .map(|(key, application)| (key, application.digest.clone()))
        .collect();
    let mut open: Vec<&ApplicationKey> = oldest.keys().copied().collect();
    let mut at = objects.info(tip)?.parent;
    for _ in 0..HISTORY {
        let (Some(commit), false) = (at, open.is_empty()) else { break };
        // A commit whose plan does not load is passed over, as it is when
        // revisions are published.
        if let Ok(then) = load_plan(objects, &commit, target) {
            open.retain(|key| {
                let same = version(&then, key) == version(newest, key);
                if let Some(application) = then.applications.get(*key).filter(|_| same) {
                    oldest.insert(key, application.digest.clone());
                }
                same
            });
        }
        at = objects.info(&commit)?.parent;
    }
    let changed = oldest.iter().filter(|(key, then)| {
        newest.applications.get(**key).is_some_and(|now| now.digest != **then)
    });
    let notice = |key: &ApplicationKey| {
        let index = newest.applications.get(key)?.index;
        let application = newest.plan.applications.get(index)?;
        let message = format!(
            "the content of application \"{}\" has changed, but not its publishVersion \"{}\": \
             nothing moves before that is another one",
            application.name,
            application.publish_version.as_deref().unwrap_or_default()
        );
        Some(Notice { place: application.place.clone(), message })
    };
    Ok(changed.filter_map(|(key, _)| notice(key)).collect())
}

fn version<'l>(loaded: &'l Loaded, key: &ApplicationKey) -> Option<&'l str> {
    let index = loaded.applications.get(key)?.index;
    loaded.plan.applications.get(index)?.publish_version.as_deref()
}
