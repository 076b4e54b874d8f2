//! Replica ratio: a rollout that takes a running Deployment over from the
//! cluster, and moves requests to a second one by the numbers of their pods. Owns
//! how far each turn goes; it must never know an object.

/// The new pods of the first turn, unless the plan lists the turns.
const FIRST: u32 = 1;

/// `spec.strategy.replicaRatio`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplicaRatio {
    /// The Service that selects the pods of every version; its label `version`
    /// says which one is in production.
    pub service: String,
    /// What the Deployments are called before `-<version>`.
    pub deployment: String,
    /// The version to reach.
    pub new_version: String,
    /// The image of that version, where it is not the running one with another
    /// tag.
    pub image: Option<String>,
    /// The container whose image changes, where its tag does not tell.
    pub container: Option<String>,
    /// How it grows.
    pub turns: Turns,
    /// How often a pod of the new version may have restarted.
    pub restarts: u32,
    /// How long the old Deployment is kept without pods at the end, in seconds.
    pub retain: u32,
}

/// How the new version grows, before it is all there is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Turns {
    /// One pod first, then by so many per cent of production at a time.
    By(u32),
    /// Its pods after each turn.
    Pods(Vec<u32>),
}

/// Both sides after one turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// Pods of the version that is left.
    pub old: u32,
    /// Pods of the version that is reached.
    pub new: u32,
}

impl Turn {
    /// The new version's share of all pods, and so of the requests, in per cent.
    #[must_use]
    pub fn share(self) -> u32 {
        let (new, all) = (u64::from(self.new), u64::from(self.new) + u64::from(self.old));
        u32::try_from((200 * new + all) / (2 * all).max(1)).unwrap_or(100)
    }

    /// Whether its share is nearer than another's to one in per cent.
    fn is_nearer(self, other: Self, share: u64) -> bool {
        // Without division: how far each is off, in parts of both sums of pods.
        let all = |turn: Self| u64::from(turn.old) + u64::from(turn.new);
        let off = |turn: Self| (100 * u64::from(turn.new)).abs_diff(share * all(turn));
        off(self) * all(other) < off(other) * all(self)
    }
}

/// Turns that do not fit the pods that there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "spec.strategy.replicaRatio.steps[{index}] says {pods} pods, but production has {total}: the \
     last turn brings all of them, so a step is less than that"
)]
pub struct TurnError {
    /// Which step, from 0.
    pub index: usize,
    /// What it says.
    pub pods: u32,
    /// Pods of production.
    pub total: u32,
}

impl ReplicaRatio {
    /// How many turns there are, the last one, which brings all, included.
    #[must_use]
    pub fn count(&self) -> usize {
        match &self.turns {
            Turns::By(percent) => {
                1 + usize::try_from(100_u32.div_ceil((*percent).max(1))).unwrap_or(1)
            }
            Turns::Pods(steps) => steps.len() + 1,
        }
    }

    /// Both sides after each turn, of `total` pods in production.
    ///
    /// The first turn takes nothing from production, and production falls only by
    /// what has grown beside it, so there are never fewer pods than at the start.
    /// A turn that needs no further pod takes one of production's only where that
    /// comes nearer to the share that it asks for.
    /// Before the last turn a pod of each version is left at least.
    ///
    /// # Errors
    /// Fails where a step names as many pods as there are, or more.
    pub fn turns(&self, total: u32) -> Result<Vec<Turn>, TurnError> {
        let mut all: Vec<Turn> = Vec::with_capacity(self.count());
        for index in 0..self.count() {
            let share = match &self.turns {
                Turns::By(percent) => {
                    u64::try_from(index).unwrap_or(u64::MAX).saturating_mul((*percent).into())
                }
                Turns::Pods(_) => 100,
            };
            let before = all.last().copied().unwrap_or(Turn { old: total, new: 0 });
            let new = match &self.turns {
                _ if index + 1 == self.count() => total,
                Turns::By(_) if index == 0 => FIRST,
                Turns::By(_) => {
                    let pods = u64::from(total).saturating_mul(share.min(100)).div_ceil(100);
                    let most = total.saturating_sub(1).max(FIRST);
                    u32::try_from(pods).unwrap_or(total).min(most).max(before.new)
                }
                Turns::Pods(steps) => {
                    let pods = steps.get(index).copied().unwrap_or(total);
                    if pods >= total.max(2) {
                        return Err(TurnError { index, pods, total });
                    }
                    pods
                }
            };
            let fewer = Turn { old: total.saturating_sub(new).max(1).min(before.old), new };
            all.push(match (index, index + 1 == self.count()) {
                (_, true) => Turn { old: 0, new },
                (0, _) => Turn { old: total, new },
                _ if new == before.new && !fewer.is_nearer(before, share) => before,
                _ => fewer,
            });
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ratio(turns: Turns) -> ReplicaRatio {
        ReplicaRatio {
            service: "web".to_owned(),
            deployment: "web".to_owned(),
            new_version: "v2".to_owned(),
            image: None,
            container: None,
            turns,
            restarts: 0,
            retain: 0,
        }
    }

    fn told(turns: Turns, total: u32) -> String {
        let all = ratio(turns).turns(total).unwrap();
        let told: Vec<String> = all.iter().map(|t| format!("{}+{}", t.old, t.new)).collect();
        told.join(" ")
    }

    #[test]
    fn turns_grow_as_the_increment_says_and_end_with_all() {
        assert_eq!(told(Turns::By(25), 3), "3+1 3+1 1+2 1+2 0+3");
        assert_eq!(told(Turns::By(20), 10), "10+1 8+2 6+4 4+6 2+8 0+10");
        assert_eq!(told(Turns::By(35), 5), "5+1 3+2 1+4 0+5");
        assert_eq!(told(Turns::By(20), 3), "3+1 3+1 1+2 1+2 1+2 0+3");
        assert!(told(Turns::By(10), 5).ends_with(" 0+5"));
        assert_eq!(told(Turns::By(50), 3), "3+1 1+2 0+3", "half is not all");
        assert_eq!(told(Turns::By(50), 1), "1+1 1+1 0+1");
        assert_eq!(told(Turns::By(50), 2), "2+1 1+1 0+2", "half is half where pods can say so");
        assert_eq!(told(Turns::By(20), 5), "5+1 4+1 3+2 2+3 1+4 0+5");
        assert!(
            told(Turns::By(10), 5).starts_with("5+1 5+1 4+1 3+2 "),
            "17% is nearer to 10 than 20"
        );
        assert_eq!(told(Turns::By(100), 3), "3+1 0+3");
        assert_eq!(told(Turns::Pods(vec![1, 3]), 5), "5+1 2+3 0+5");
    }

    #[test]
    fn there_are_never_fewer_pods_than_production_had() {
        for total in 1..60 {
            for percent in 1..=100 {
                let turns = ratio(Turns::By(percent)).turns(total).unwrap();
                assert_eq!(turns.len(), ratio(Turns::By(percent)).count());
                let mut before = Turn { old: total, new: 0 };
                for (i, turn) in turns.iter().enumerate() {
                    let last = i + 1 == turns.len();
                    assert!(turn.old + turn.new >= total, "{percent}% of {total}: {turns:?}");
                    assert!(turn.new >= before.new && turn.old <= before.old);
                    // What falls, falls once what has grown is there.
                    assert!(before.old + turn.new >= total);
                    assert_eq!(turn.old == 0, last, "{percent}% of {total}: {turns:?}");
                    assert_eq!(turn.share() == 100, last, "{percent}% of {total}: {turns:?}");
                    before = *turn;
                }
                assert_eq!(before.new, total);
            }
        }
    }

    #[test]
    fn steps_that_name_all_pods_are_refused() {
        let error = ratio(Turns::Pods(vec![1, 3])).turns(3).unwrap_err();
        assert_eq!(error, TurnError { index: 1, pods: 3, total: 3 });
        assert_eq!(told(Turns::Pods(vec![1]), 1), "1+1 0+1");
    }

    #[test]
    fn one_of_four_pods_is_a_quarter() {
        assert_eq!(Turn { old: 3, new: 1 }.share(), 25);
        assert_eq!(Turn { old: 1, new: 2 }.share(), 67);
        assert_eq!(Turn { old: 0, new: 3 }.share(), 100);
    }
}
