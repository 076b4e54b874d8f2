//! Documents that are no plan kind: applied as they stand.

use super::check::one_of;
use super::metadata::annotation;
use super::nearest::nearest;
use crate::core::model::{InputError, Place, PlainObject};
use crate::core::ownership::{ANNOTATION_CONFLICTS, Policy};
use crate::core::yaml::{Node, Source};
use std::sync::Arc;

/// Takes one object; its content is the API server's business.
pub(super) fn read(root: &Node, source: &Source, place: &Place) -> Result<PlainObject, InputError> {
    if let Some(entry) = root.entries().iter().find(|entry| entry.key.text == "sops") {
        let message = "documents encrypted with `sops` are not supported yet";
        return Err(entry.key.error(source, message).hint("the plan is read as it lies in git"));
    }
    let Some(metadata) = root.get("metadata") else {
        return Err(root.error(source, "`metadata` is missing").expected("an object with a name"));
    };
    if let Some(entry) = metadata.entries().iter().find(|e| e.key.text == "generateName") {
        let message = "`generateName` cannot be used: every run would create another object";
        return Err(entry.key.error(source, message).expected("`name`"));
    }
    match metadata.get("name").map(|node| (node, node.text())) {
        None => return Err(metadata.error(source, "`metadata.name` is missing")),
        Some((node, None | Some(""))) => {
            return Err(node
                .error(source, "`metadata.name` is no string")
                .expected("a name; put it in quotes"));
        }
        Some(_) => {}
    }
    if let Some(node) =
        metadata.get("namespace").filter(|node| node.text().is_none_or(str::is_empty))
    {
        return Err(node
            .error(source, "`metadata.namespace` is no string")
            .expected("a name; put it in quotes"));
    }
    if let Some(node) = annotation(root, ANNOTATION_CONFLICTS)
        && node.text().and_then(Policy::parse).is_none()
    {
        return Err(node
            .error(source, format!("`{ANNOTATION_CONFLICTS}` is no policy"))
            .expected(one_of(&Policy::WORDS))
            .nearest(node.text().and_then(|word| nearest(word, &Policy::WORDS))));
    }
    Ok(PlainObject { body: Arc::new(root.to_value()), place: place.clone() })
}
