//! Where a step is gone on with: how far its record is believed, and which looks
//! a write rests on. Owns that arithmetic over places in a list; it must never
//! look at the cluster.

use crate::core::decide::{Act, Entry};
use crate::core::record::OpenStep;
use crate::core::strategy::Effect;

/// How far a record's cursor is believed. A write stands on the waits before
/// it, and a cursor that stands at one may have been edited to skip them: they
/// are looked at again. Writes that are done are known by their marks.
pub(super) fn believed(act: &Act) -> usize {
    let effects = &act.step.effects;
    let open = act.record.open.as_ref();
    if is_wait(effects, act.cursor) {
        return seen_from(act, open, act.cursor);
    }
    // Without the lock nothing is written, and the lock is taken from the wait
    // before.
    if act.entry != Entry::Takeover {
        return act.cursor;
    }
    let before = nearest_await(effects, act.cursor);
    if is_wait(effects, before) { first_of(effects, before) } else { 0 }
}

/// Where the looks begin that a wait rests on. What comes before it held when
/// somebody said to wait for it; if nobody has, the cursor was edited, or its
/// run died first.
pub(super) fn seen_from(act: &Act, open: Option<&OpenStep>, at: usize) -> usize {
    let first = first_of(&act.step.effects, at);
    let said = open.filter(|open| open.id == *act.step.id()).and_then(|open| open.waits_at);
    // A drain that was said to be waited for is not begun anew because of the
    // waits after it.
    said.filter(|said| (first..=at).contains(said)).unwrap_or(first)
}

/// Where a lock that is taken at a wait begins to look. While nobody had it, the
/// pods of another component, which was waited for just before, may have gone: no
/// look of an earlier lock tells. What has to hold for a while is not begun anew.
pub(super) fn seen_anew(effects: &[Effect], at: usize) -> usize {
    let untimed = |before: &usize| match effects.get(*before) {
        Some(Effect::Await { condition, .. }) => condition.holds_for().is_none(),
        _ => false,
    };
    (0..=at).rev().take_while(untimed).last().unwrap_or(at)
}

pub(super) fn is_wait(effects: &[Effect], at: usize) -> bool {
    matches!(effects.get(at), Some(Effect::Await { .. }))
}

/// The first of the waits that end right before an effect, or at it.
pub(super) fn first_of(effects: &[Effect], at: usize) -> usize {
    (0..at).rev().take_while(|before| is_wait(effects, *before)).last().unwrap_or(at)
}

/// The nearest await at or before an effect; else the effect itself.
pub(super) fn nearest_await(effects: &[Effect], cursor: usize) -> usize {
    (0..=cursor).rev().find(|at| is_wait(effects, *at)).unwrap_or(cursor)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::object::{KindRef, ObjectRef};
    use crate::core::strategy::Condition;

    #[test]
    fn going_on_repeats_the_nearest_await() {
        let object = ObjectRef::new(&KindRef::new("v1", "Service"), None, "a");
        let delete = Effect::Delete { object: object.clone(), uid: None };
        let wait = Effect::Await { object, condition: Condition::Healthy, deadline_seconds: 1 };
        let effects = [delete.clone(), wait, delete.clone(), delete];
        assert_eq!(nearest_await(&effects, 3), 1);
        assert_eq!(nearest_await(&effects, 1), 1);
        assert_eq!(nearest_await(&effects, 0), 0);
    }

    #[test]
    fn a_lock_looks_at_all_that_was_waited_for_but_begins_no_while_anew() {
        let kind = KindRef::new("apps/v1", "Deployment");
        let wait = |name: &str, condition: Condition| {
            let object = ObjectRef::new(&kind, None, name);
            Effect::Await { object, condition, deadline_seconds: 1 }
        };
        let ready = |name: &str| wait(name, Condition::Ready { at_least: 1 });
        let held = wait("c", Condition::ReadyFor { at_least: 1, updated: false, seconds: 9 });
        let object = ObjectRef::new(&kind, None, "a");
        let delete = Effect::Delete { object, uid: None };
        let effects = [ready("z"), delete, ready("a"), ready("b"), held, ready("d"), ready("e")];
        assert_eq!(seen_anew(&effects, 3), 2);
        assert_eq!(seen_anew(&effects, 2), 2);
        assert_eq!(seen_anew(&effects, 4), 4, "its while goes on");
        assert_eq!(seen_anew(&effects, 6), 5);
    }
}
