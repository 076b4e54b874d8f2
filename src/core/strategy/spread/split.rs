//! How many pods of each side come nearest to a weight. Owns that arithmetic,
//! in whole numbers; it must never know how the pods come there.
//!
//! The figures are those of Argo Rollouts' canary without a traffic router,
//! with one correction. Halves round up; there, the lower number is then no
//! candidate even where the upper one is none either, because it would leave
//! nothing to the old side. So at 75% of two pods the new side had none, and
//! at 90% of five fewer than at 89%. Here the lower number stands in that case.

use super::Sides;
use crate::core::traffic::Weight;

/// The pods of both sides at a weight: the share that is nearest to it, among
/// those of `total` pods and, where there may be one more, of that many. As
/// long as the weight leaves something to both sides, both have a pod; only a
/// single pod that must not become two is on one side.
pub(super) fn split(total: u32, weight: Weight, surges: bool) -> Sides {
    let share = u64::from(weight.percent());
    let one_sided = share == 0 || share == 100 || (total <= 1 && !surges);
    let most = u64::from(total) + u64::from(surges && total > 0);
    let mut best: Option<Candidate> = None;
    for of in u64::from(total)..=most {
        let (lower, rest) = (of * share / 100, of * share % 100);
        let upper = lower + u64::from(rest > 0);
        let rounds_up = upper < of || one_sided;
        let half = 2 * rest == 100;
        let stays = (lower > 0 || one_sided) && !(half && rounds_up);
        let found = [rounds_up.then_some(upper), stays.then_some(lower)];
        for new in found.into_iter().flatten() {
            let candidate = Candidate { new, of, off: (100 * new).abs_diff(share * of) };
            if best.is_none_or(|best| candidate.is_nearer(best)) {
                best = Some(candidate);
            }
        }
    }
    let pods = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
    best.map_or(Sides { old: total, new: 0 }, |best| Sides {
        old: pods(best.of - best.new),
        new: pods(best.new),
    })
}

#[derive(Clone, Copy)]
struct Candidate {
    new: u64,
    of: u64,
    /// How far the share is off, times a hundred times the pods.
    off: u64,
}

impl Candidate {
    /// Of equally near ones the first stands.
    fn is_nearer(self, other: Self) -> bool {
        u128::from(self.off) * u128::from(other.of) < u128::from(other.off) * u128::from(self.of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn number(value: &Value) -> u32 {
        u32::try_from(value.as_u64().unwrap()).unwrap()
    }

    #[test]
    fn vectors() {
        let text = include_str!("../../../../testdata/canary/split.json");
        let file: Value = serde_json::from_str(text).unwrap();
        let vectors = file["vectors"].as_array().unwrap();
        assert!(vectors.len() >= 45, "vectors are missing");
        for vector in vectors {
            let weight = Weight::new(number(&vector["weight"])).unwrap();
            let got = split(number(&vector["pods"]), weight, number(&vector["surge"]) > 0);
            let wanted = Sides { old: number(&vector["old"]), new: number(&vector["new"]) };
            assert_eq!(got, wanted, "{vector}");
        }
    }

    #[test]
    fn properties() {
        for surges in [false, true] {
            for total in 0..=100 {
                let mut before = split(total, Weight::NONE, surges);
                assert_eq!(before, Sides { old: total, new: 0 });
                for percent in 1..=100 {
                    let now = split(total, Weight::new(percent).unwrap(), surges);
                    let place = format!("{total} pods, {percent}%, surge {surges}: {now:?}");
                    assert!(now.new >= before.new && now.old <= before.old, "{place}");
                    let all = now.old + now.new;
                    assert!(all >= total && all <= total + u32::from(surges), "{place}");
                    if percent < 100 && total >= 2 {
                        assert!(now.old > 0 && now.new > 0, "{place}");
                    }
                    before = now;
                }
                assert_eq!(before, Sides { old: 0, new: total });
            }
        }
    }
}
