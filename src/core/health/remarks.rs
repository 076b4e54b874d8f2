//! What a step's result says of objects that it did not see healthy although
//! their wait is over.

use super::{Around, health_of};
use crate::core::object::{Live, ObjectRef};

/// Objects that are named one by one.
const MOST_NAMED: usize = 5;

/// The remarks about awaited objects, on one line; none if there are none.
#[must_use]
pub fn remarks<'a>(
    awaited: impl Iterator<Item = &'a ObjectRef>,
    live: &Live,
    around: &Around<'_>,
) -> Option<String> {
    let said: Vec<String> = awaited
        .filter_map(|object| {
            let remark = health_of(object, live.get(object)?, around).remark?;
            Some(format!("{object}: {remark}"))
        })
        .collect();
    let mut line = said.iter().take(MOST_NAMED).cloned().collect::<Vec<_>>().join("; ");
    if said.len() > MOST_NAMED {
        line.push_str(&format!("; and {} more", said.len() - MOST_NAMED));
    }
    (!said.is_empty()).then_some(line)
}
