//! How two workloads come from one pair of sizes to another: pass by pass, each
//! as large as the bounds allow. Owns that arithmetic; what a pass is written
//! as is next door.
//!
//! The figures are those of one reconciliation of Argo Rollouts' canary without
//! a traffic router: what is missing is scaled up first, the old side before
//! the new one, as far as there may be pods; then what is too much is scaled
//! down as far as ready pods are not needed. Those of the side that is to go
//! are not asked whether they are ready: a pod that is not goes first.

use super::Sides;

/// How many pods there may be, and how many must be ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bounds {
    pub(super) most: u32,
    pub(super) least: u32,
}

impl Bounds {
    /// Both sides after the next pass; the same where nothing can move.
    pub(super) fn pass(self, from: Sides, ready: Sides, to: Sides) -> Sides {
        let mut next = from;
        let mut more = self.most.saturating_sub(from.all());
        for (side, goal) in [(&mut next.old, to.old), (&mut next.new, to.new)] {
            let up = goal.saturating_sub(*side).min(more);
            *side += up;
            more -= up;
        }
        let onward = to.new >= from.new;
        let counted = if onward {
            from.old.saturating_add(from.new.min(ready.new))
        } else {
            from.new.saturating_add(from.old.min(ready.old))
        };
        let mut spare = counted.saturating_sub(self.least);
        if spare == 0 {
            return next;
        }
        let (first, second) = if onward {
            ((&mut next.old, to.old), (&mut next.new, to.new))
        } else {
            ((&mut next.new, to.new), (&mut next.old, to.old))
        };
        let (mut sum, mut kept) = (0_u32, None);
        for (side, goal) in [first, second] {
            let down = side.saturating_sub(goal).min(spare);
            *side -= down;
            spare -= down;
            sum = sum.saturating_add(*side);
            kept = Some(side);
        }
        if let Some(kept) = kept {
            // More than there may be, whoever has brought them.
            *kept = kept.saturating_sub(sum.saturating_sub(self.most));
        }
        next
    }

    /// All passes from one pair of sizes to another, where every pod gets ready
    /// in between.
    pub(super) fn passes(self, from: Sides, to: Sides) -> impl Iterator<Item = Sides> {
        let next =
            move |from: &Sides| Some(self.pass(*from, *from, to)).filter(|next| next != from);
        std::iter::successors(next(&from), next)
    }
}

#[cfg(test)]
mod tests {
    use super::super::split::split;
    use super::*;
    use crate::core::traffic::Weight;
    use proptest::prelude::*;
    use serde_json::Value;

    fn number(value: &Value) -> u32 {
        u32::try_from(value.as_u64().unwrap()).unwrap()
    }

    fn sides(value: &Value) -> Sides {
        Sides { old: number(&value[0]), new: number(&value[1]) }
    }

    #[test]
    fn cases() {
        let text = include_str!("../../../../testdata/canary/pass.json");
        let file: Value = serde_json::from_str(text).unwrap();
        let cases = file["cases"].as_array().unwrap();
        assert!(cases.len() >= 17, "cases are missing");
        for case in cases {
            let (pods, surge) = (number(&case["pods"]), number(&case["surge"]));
            let bounds = Bounds { most: pods + surge, least: pods - number(&case["unavailable"]) };
            let to = split(pods, Weight::new(number(&case["weight"])).unwrap(), surge > 0);
            let got = bounds.pass(sides(&case["wanted"]), sides(&case["ready"]), to);
            assert_eq!(got, sides(&case["next"]), "{case}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

        /// From whatever stands: the way ends where it should, and no pass
        /// breaks a bound that held before it.
        #[test]
        fn every_way_keeps_within_the_bounds(
            pods in 0_u32..30, surge in 0_u32..6, below in 0_u32..6, percent in 0_u32..=100,
            old in 0_u32..40, new in 0_u32..40,
        ) {
            let below = below.max(u32::from(surge == 0));
            let bounds = Bounds { most: pods + surge, least: pods.saturating_sub(below) };
            let to = split(pods, Weight::new(percent).unwrap(), surge > 0);
            let mut from = Sides { old, new };
            for next in bounds.passes(from, to).take(500) {
                // Up first, then down.
                let between = from.old.max(next.old) + from.new.max(next.new);
                prop_assert!(between <= bounds.most.max(from.all()), "{:?} {:?}", from, next);
                prop_assert!(next.all() >= bounds.least.min(from.all()), "{:?} {:?}", from, next);
                from = next;
            }
            prop_assert_eq!(from, to);
        }
    }
}
