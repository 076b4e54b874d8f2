//! Rules of the plan for kinds that no other rule knows, or knows otherwise.
//! Owns the order in which their expressions are asked, which is Flux's.

use super::Verdict;
use super::expression::Expression;
use crate::core::object::KindRef;
use serde_json::Value;
use std::ops::Deref;
use std::sync::Arc;

/// How the health of one kind is told.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// The kind, in whatever version it is served.
    pub kind: KindRef,
    /// True while it is on its way.
    pub in_progress: Option<Expression>,
    /// True once it has failed for good.
    pub failed: Option<Expression>,
    /// True once it is healthy.
    pub current: Expression,
}

/// All rules of a plan; cheap to hand on.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rules(Arc<Vec<Rule>>);

impl Rules {
    /// The rules of a plan.
    #[must_use]
    pub fn new(rules: Vec<Rule>) -> Self {
        Self(Arc::new(rules))
    }

    /// Whether any is about a kind.
    #[must_use]
    pub fn cover(&self, kind: &KindRef) -> bool {
        rule_of(self, kind).is_some()
    }
}

impl Deref for Rules {
    type Target = [Rule];

    fn deref(&self) -> &[Rule] {
        &self.0
    }
}

/// The rule about a kind, by group and kind.
#[must_use]
pub fn rule_of<'a>(rules: &'a [Rule], kind: &KindRef) -> Option<&'a Rule> {
    rules.iter().find(|rule| rule.kind.kind == kind.kind && group(&rule.kind) == group(kind))
}

fn group(kind: &KindRef) -> &str {
    kind.api_version.rsplit_once('/').map_or("", |(group, _)| group)
}

impl Rule {
    /// How an object is. An expression that cannot be evaluated says nothing:
    /// the object is waited for, and those after it are not asked.
    pub(super) fn health(&self, live: &Value) -> Verdict {
        type Means = fn(String) -> Verdict;
        let asked: [(&str, Option<&Expression>, Means); 3] = [
            ("inProgress", self.in_progress.as_ref(), Verdict::in_progress),
            ("failed", self.failed.as_ref(), Verdict::lost),
            ("current", Some(&self.current), Verdict::current),
        ];
        for (name, expression, verdict) in asked {
            let Some(expression) = expression else { continue };
            match expression.holds(live) {
                Ok(true) => return verdict(format!("its rule's `{name}` holds")),
                Ok(false) => {}
                Err(why) => return Verdict::unknown(format!("its rule's `{name}` {why}")),
            }
        }
        Verdict::in_progress("its rule's `current` does not hold yet")
    }
}
