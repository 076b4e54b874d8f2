//! The step language: one write or wait.

use super::{OnNodes, Pin};
use crate::core::model::{Hook, HookType};
use crate::core::object::ObjectRef;
use crate::core::traffic::Split;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;

/// From which revision an object's rendered fields come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Side {
    /// The revision that the rollout leaves.
    Source,
    /// The revision that the rollout reaches.
    Target,
}

impl Side {
    /// The other one.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Source => Self::Target,
            Self::Target => Self::Source,
        }
    }
}

/// The fields of an object that the rollout drives; absent ones are rendered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Driven {
    /// `spec.replicas`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<u32>,
    /// The update strategy's partition: pods that stay on the old revision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<u32>,
    /// How the route's traffic is shared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split: Option<Split>,
    /// What the split makes of the route where its kind and the split alone do
    /// not say that: written over what is rendered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fields: Option<Value>,
    /// Whose pods alone a Service selects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pin: Option<Pin>,
    /// What the template of a workload with one pod a node reaches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nodes: Option<OnNodes>,
    /// What a Service's label says is in production.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The size of a workload, or the version that a Service's label says, is taken
    /// over from whoever has it: what is taken over is not in the plan, so nobody
    /// could give it to the rollout there.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub takes: bool,
}

/// What a write is for. The state it brings about is in [`Driven`] and
/// [`Side`]; the verb is for people and for the rules on order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Verb {
    /// Bring a rendered object to a revision's state.
    Apply,
    /// Set the number of replicas.
    Scale,
    /// Set how many pods stay on the old revision.
    Partition,
    /// Set how a route's traffic is shared.
    Route,
    /// Have a Service select the pods of one revision alone.
    Point,
    /// Have a Service's label say another version.
    Relabel,
}

/// One write or wait inside a step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Effect {
    /// A server-side apply of the object's whole desired state.
    Write {
        /// What it is for.
        verb: Verb,
        /// The object.
        object: ObjectRef,
        /// Where its rendered fields come from.
        side: Side,
        /// The fields that the rollout drives, as they are to be.
        driven: Driven,
    },
    /// Wait until a condition holds at two reads.
    Await {
        /// The object.
        object: ObjectRef,
        /// What must hold.
        condition: Condition,
        /// How long it may take, in seconds, counted from the first commit
        /// that says so.
        deadline_seconds: u32,
    },
    /// Evict pods of older templates of an object with one pod a node, until few
    /// enough are left. It says what is to be and not what to do: whoever comes
    /// by it once more evicts no more than it asks for.
    Evict {
        /// The object.
        object: ObjectRef,
        /// Pods of older templates that stay.
        at_most: u32,
        /// Nodes that may be without an available pod at a time, those included
        /// that are so for another reason.
        at_once: u32,
        /// How long it may take, in seconds, counted as that of a wait.
        deadline_seconds: u32,
    },
    /// Remove the object, by the uid that was read.
    Delete {
        /// The object.
        object: ObjectRef,
        /// The only uid it may have; none for whatever is there under the
        /// name and is ours.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        uid: Option<String>,
    },
    /// Tell somebody outside how far the rollout is, and wait for an answer
    /// that is expected. It is made at least once, with one key each time.
    Call {
        /// Whom, and what.
        hook: Hook,
        /// The workload that it is about.
        object: ObjectRef,
        /// How long an answer may take, in seconds, counted as a wait's.
        deadline_seconds: u32,
    },
}

/// What an [`Effect::Await`] waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Condition {
    /// At least so many ready pods.
    Ready {
        /// Pods.
        at_least: u32,
    },
    /// At least so many ready pods of the new revision of an in-place kind.
    UpdatedReady {
        /// Pods.
        at_least: u32,
    },
    /// At most so many pods of older templates are left on the nodes, and at most
    /// so many nodes are without an available pod. How many nodes there are is
    /// the cluster's: they come and go.
    Replaced {
        /// Pods of older templates.
        at_most: u32,
        /// Nodes without an available pod.
        unready: u32,
    },
    /// At most so many pods are left, ready or not.
    ScaledTo {
        /// Pods.
        at_most: u32,
    },
    /// So many ready pods once a while has gone by, of the new revision for an
    /// in-place kind: between one pod and the next.
    ReadyFor {
        /// Pods.
        at_least: u32,
        /// Whether they have to be of the new revision.
        updated: bool,
        /// How long, in seconds.
        seconds: u32,
    },
    /// The object is there and, as far as its kind tells, healthy.
    Healthy,
    /// The Service has at least so many ready endpoints.
    Serving {
        /// Endpoints.
        at_least: u32,
    },
    /// The route says what was written, and every parent of it has taken it
    /// over.
    RouteAccepted {
        /// What was written.
        split: Split,
    },
    /// The route was seen accepted so long ago, and still is, so whoever
    /// followed the old weights has had that time to finish; and those that
    /// traffic was moved to are still there to take it. All that taking pods
    /// away stands on, in one look.
    Drained {
        /// What was written.
        split: Split,
        /// How long.
        seconds: u32,
        /// Ready endpoints of the Service that traffic was moved to.
        at_least: u32,
    },
    /// The route, which is another entity's, sends nothing to a Service, and
    /// has not for so long.
    Withdrawn {
        /// The Service's name.
        service: String,
        /// How long, in seconds.
        seconds: u32,
    },
    /// The Service, which is another entity's, has at least so many ready
    /// endpoints.
    Capacity {
        /// Endpoints.
        at_least: u32,
    },
    /// Those who act on the route have taken it over, as far as its kind tells.
    TakenOver,
    /// The Service selects the pods of one revision alone, those who follow it
    /// have seen that, and it has been so for a while: whoever sends requests
    /// elsewhere has had that time to finish.
    Reaches {
        /// Of whose.
        of: Pin,
        /// Ready endpoints.
        at_least: u32,
        /// For how long, in seconds; at all if none.
        #[serde(default, skip_serializing_if = "is_zero")]
        seconds: u32,
    },
    /// At least so many ready pods, none of which has restarted more often than so,
    /// or waits for what does not come by waiting.
    Sound {
        /// Pods.
        at_least: u32,
        /// How often the containers of one may have restarted.
        restarts: u32,
        /// The labels of its pods.
        pods: BTreeMap<String, String>,
    },
}

impl Condition {
    /// Whether what is awaited is another entity's doing: the step then has no
    /// claim to the object.
    #[must_use]
    pub fn is_of_another(&self) -> bool {
        matches!(self, Self::Withdrawn { .. } | Self::Capacity { .. })
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_zero(seconds: &u32) -> bool {
    *seconds == 0
}

impl Effect {
    /// The object, unless it is another entity's and only looked at.
    #[must_use]
    pub fn claimed(&self) -> Option<&ObjectRef> {
        match self {
            Self::Await { condition, .. } if condition.is_of_another() => None,
            effect => Some(effect.object()),
        }
    }

    /// Whether it only tells somebody that all is done.
    #[must_use]
    pub fn tells_the_end(&self) -> bool {
        matches!(self, Self::Call { hook, .. } if hook.kind == HookType::FinalizeRollout)
    }

    /// The object that the effect is about.
    #[must_use]
    pub fn object(&self) -> &ObjectRef {
        match self {
            Self::Write { object, .. }
            | Self::Await { object, .. }
            | Self::Evict { object, .. }
            | Self::Delete { object, .. }
            | Self::Call { object, .. } => object,
        }
    }

    /// The same, where it is a wait, without the time for which it has to hold.
    #[must_use]
    pub fn at_once(self) -> Self {
        match self {
            Self::Await { object, condition, deadline_seconds } => {
                Self::Await { object, condition: condition.at_once(), deadline_seconds }
            }
            other => other,
        }
    }

    /// Whether the effect changes the cluster.
    #[must_use]
    pub fn writes(&self) -> bool {
        !matches!(self, Self::Await { .. } | Self::Call { .. })
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Apply => "apply",
            Self::Scale => "scale",
            Self::Partition => "partition",
            Self::Route => "route",
            Self::Point => "point",
            Self::Relabel => "relabel",
        })
    }
}

/// So many pods of older templates, in words.
struct Left(u32);

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => f.write_str("none of an older template is left"),
            1 => f.write_str("1 of an older template is left"),
            many => write!(f, "{many} of an older template are left"),
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ready { at_least } => write!(f, "until {at_least} ready"),
            Self::UpdatedReady { at_least } => write!(f, "until {at_least} updated and ready"),
            Self::Replaced { at_most, unready } => {
                write!(f, "until {}", Left(*at_most))?;
                match unready {
                    0 => f.write_str(", all ready"),
                    unready => write!(f, ", all but {unready} ready"),
                }
            }
            Self::ScaledTo { at_most } => write!(f, "until at most {at_most} left"),
            Self::ReadyFor { seconds, .. } => write!(f, "until ready for {seconds} s"),
            Self::Healthy => f.write_str("until healthy"),
            Self::Serving { at_least } | Self::Capacity { at_least } => {
                write!(f, "until it serves {at_least}")
            }
            Self::TakenOver => f.write_str("until accepted"),
            Self::RouteAccepted { split } => write!(f, "until accepted: {split}"),
            Self::Drained { seconds, .. } => write!(f, "until drained for {seconds} s"),
            Self::Withdrawn { service, seconds: 0 } => write!(f, "until nothing goes to {service}"),
            Self::Withdrawn { service, seconds } => {
                write!(f, "until nothing has gone to {service} for {seconds} s")
            }
            Self::Reaches { of, at_least, seconds } => {
                write!(f, "until it reaches {at_least} of {of} and no others")?;
                if *seconds > 0 { write!(f, ", for {seconds} s") } else { Ok(()) }
            }
            Self::Sound { at_least, restarts: 0, .. } => {
                write!(f, "until {at_least} ready and none restarted")
            }
            Self::Sound { at_least, restarts, .. } => {
                write!(f, "until {at_least} ready and none restarted more than {restarts} times")
            }
        }
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Write { verb, object, driven, .. } => {
                write!(f, "{verb} {object}")?;
                if let Some(split) = &driven.split {
                    return write!(f, " to {split}");
                }
                if let Some(pin) = &driven.pin {
                    return write!(f, " at {pin}");
                }
                if let Some(nodes) = driven.nodes {
                    return write!(f, " {nodes}");
                }
                if let Some(version) = &driven.version {
                    return write!(f, " to {version}");
                }
                match (verb, driven.replicas, driven.partition) {
                    (Verb::Scale, Some(replicas), _) => write!(f, " to {replicas}"),
                    (Verb::Partition, _, Some(partition)) => write!(f, " at {partition}"),
                    (Verb::Apply, Some(replicas), Some(partition)) => {
                        write!(f, " with {replicas} replicas, partition {partition}")
                    }
                    (Verb::Apply, Some(replicas), None) => write!(f, " with {replicas} replicas"),
                    (Verb::Route | Verb::Point, ..) => f.write_str(" as rendered"),
                    _ => Ok(()),
                }
            }
            Self::Await { object, condition, deadline_seconds } => {
                write!(f, "await {object} {condition}, at most {deadline_seconds} s")
            }
            Self::Evict { object, at_most, at_once, deadline_seconds } => write!(
                f,
                "evict from {object} until {}, {at_once} at a time, at most {deadline_seconds} s",
                Left(*at_most)
            ),
            Self::Delete { object, .. } => write!(f, "delete {object}"),
            Self::Call { hook, deadline_seconds, .. } => {
                write!(f, "call {hook}, until {}, at most {deadline_seconds} s", hook.expectation())
            }
        }
    }
}
