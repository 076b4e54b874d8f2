//! Which strategy a Rollout of OpenKruise has, its canary or its blue-green.
//! Owns what the two have in common, what only one of them allows, and how many
//! pods of a step may fail.

use super::check::{Check, misspelt};
use super::kruise_fields::STRATEGY_BETA;
use crate::core::model::{Amount, InputError};
use crate::core::yaml::{Node, Source};

/// The strategy that a document has.
#[derive(Clone, Copy)]
pub(super) struct Strategy<'n> {
    /// Its fields.
    pub node: &'n Node,
    /// All pods of a revision come up beside those that serve, and shares from
    /// none to all are moved between them.
    pub blue_green: bool,
}

/// The one strategy of `spec.strategy`. Of two, or of none, there is an error.
pub(super) fn of<'n>(
    check: &mut Check<'_>,
    strategy: Option<&'n Node>,
    beta: bool,
) -> Option<Strategy<'n>> {
    let strategy = strategy?;
    let (canary, blue_green) = (strategy.get("canary"), strategy.get("blueGreen"));
    match (canary, blue_green.filter(|_| beta)) {
        (Some(_), Some(second)) => {
            let message = "Rollout.spec.strategy.blueGreen stands beside a canary";
            let hint = "a rollout has one strategy: leave one of the two out";
            check.errors.push(second.error(check.source, message).hint(hint));
            None
        }
        (Some(node), None) => Some(Strategy { node, blue_green: false }),
        (None, Some(node)) => Some(Strategy { node, blue_green: true }),
        (None, None) => {
            let meant = |name| misspelt(strategy, &STRATEGY_BETA, name);
            if beta && strategy.is_map() && !meant("canary") && !meant("blueGreen") {
                let message = "Rollout.spec.strategy names no strategy".to_owned();
                check.wrong(strategy, message, "`canary` or `blueGreen`");
            }
            None
        }
    }
}

impl Strategy<'_> {
    /// What messages call it.
    pub(super) fn path(self) -> &'static str {
        match self.blue_green {
            true => "Rollout.spec.strategy.blueGreen",
            false => "Rollout.spec.strategy.canary",
        }
    }

    /// The smallest share in per cent that a step may name.
    pub(super) fn least_share(self) -> u32 {
        u32::from(!self.blue_green)
    }

    /// Pods that fail are as good as not there for the requests of a route: a
    /// step that lets some fail would send a share to too few.
    pub(super) fn check_failures(self, check: &mut Check<'_>, joined: bool) {
        let Some(node) = self.node.get("failureThreshold") else { return };
        let routings = self.node.get("trafficRoutings");
        let routed = joined || routings.is_some_and(|routings| !routings.items().is_empty());
        let some = self.failures(check.source).is_ok_and(|failures| failures.of(100) > 0);
        if routed && some {
            let message =
                format!("{}.failureThreshold stands beside what moves requests", self.path());
            let hint = "a share of the requests is never more than ready pods can take: take it \
                        out, and give a step that may lose pods more of them than its share needs \
                        (`replicas`)";
            check.errors.push(node.error(check.source, message).hint(hint));
        }
    }

    /// How many of the updated pods may be not ready for a step to be done.
    pub(super) fn failures(self, source: &Source) -> Result<Amount, InputError> {
        let node = self.node.get("failureThreshold");
        node.map_or(Ok(Amount::default()), |node| {
            super::rollout_plan::amount(node, source, "failureThreshold")
        })
    }
}
