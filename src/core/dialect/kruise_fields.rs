//! The fields of OpenKruise's Rollout, v1alpha1 and v1beta1. Owns what is
//! accepted and what is refused by name; what they mean is `kruise`'s.

use super::kruise_route::ROUTING;
use super::metadata::METADATA;
use super::requests;
use super::shape::{Field, INT32, Kind, Shape};

/// The older version.
pub(super) const ALPHA: &str = "rollouts.kruise.io/v1alpha1";
/// The newer one.
pub(super) const BETA: &str = "rollouts.kruise.io/v1beta1";

/// A Rollout in one of the versions.
macro_rules! rollout {
    ($version:expr, $spec:expr, $doc:expr) => {
        Shape {
            doc: $doc,
            fields: &[
                Field::required("apiVersion", Kind::OneOf(&[$version]), "The API version."),
                Field::required("kind", Kind::OneOf(&["Rollout"]), "The kind."),
                Field::required("metadata", Kind::Object(&METADATA), "Standard object metadata."),
                Field::required("spec", Kind::Object($spec), "What to roll out, and how."),
                Field::unsupported("status"),
            ],
        }
    };
}

/// A canary: what both versions have of it, and what one has besides.
macro_rules! canary {
    ($step:expr $(, $more:expr)*) => {
        Shape {
            doc: "A canary.",
            fields: &[
                Field::required(
                    "steps",
                    Kind::SomeOf(&Kind::Object($step)),
                    "The steps, in order.",
                ),
                Field::optional(
                    "trafficRoutings",
                    Kind::List(&Kind::Object(&ROUTING)),
                    "What traffic is moved by.",
                ),
                Field::optional(
                    "patchPodTemplateMetadata",
                    Kind::Object(&PATCHED),
                    "What only the pods of the second workload have.",
                ),
                $($more,)*
                FAILURES,
                Field::unsupported("disableGenerateCanaryService"),
            ],
        }
    };
}

/// How many pods may fail.
const FAILURES: Field = Field::optional(
    "failureThreshold",
    Kind::Amount,
    "How many of the pods that a step has updated may be not ready for it to be done, a number or a \
     percentage of them; 0. Only where no requests are moved.",
);

/// A step, whose share the versions write in their own ways.
macro_rules! step {
    ($share:expr) => {
        Shape {
            doc: "One step.",
            fields: &[
                $share,
                Field::optional(
                    "replicas",
                    Kind::Amount,
                    "Its pods: a number, or a percentage of all; as many as the weight says if \
                     left out (v1alpha1).",
                ),
                Field::optional(
                    "pause",
                    Kind::Object(&PAUSE),
                    "What is waited for after it; somebody's approval where no duration is said.",
                ),
                Field::optional(
                    "matches",
                    Kind::SomeOf(&Kind::Object(&requests::MATCH)),
                    "Requests that the canary takes whatever its weight.",
                ),
                Field::optional(
                    "requestHeaderModifier",
                    Kind::Object(&requests::HEADERS),
                    "What is changed in the headers of the requests that it takes.",
                ),
            ],
        }
    };
}

pub(super) static ROLLOUT_ALPHA: Shape =
    rollout!(ALPHA, &SPEC_ALPHA, "OpenKruise's Rollout of a workload of this plan, v1alpha1.");
pub(super) static ROLLOUT_BETA: Shape =
    rollout!(BETA, &SPEC_BETA, "OpenKruise's Rollout of a workload of this plan, v1beta1.");

static SPEC_ALPHA: Shape = Shape {
    doc: "What to roll out, and how.",
    fields: &[
        Field::required("objectRef", Kind::Object(&OBJECT_REF), "What is rolled out."),
        Field::required("strategy", Kind::Object(&STRATEGY_ALPHA), "How."),
        Field::optional("disabled", Kind::Flag, "Apply changes without any steps; false."),
        Field::unsupported("rolloutID"),
    ],
};

static SPEC_BETA: Shape = Shape {
    doc: "What to roll out, and how.",
    fields: &[
        Field::required("workloadRef", Kind::Object(&WORKLOAD_REF), "What is rolled out."),
        Field::required("strategy", Kind::Object(&STRATEGY_BETA), "How."),
        Field::optional("disabled", Kind::Flag, "Apply changes without any steps; false."),
    ],
};

static OBJECT_REF: Shape = Shape {
    doc: "What is rolled out.",
    fields: &[Field::required("workloadRef", Kind::Object(&WORKLOAD_REF), "The workload.")],
};

static WORKLOAD_REF: Shape = Shape {
    doc: "A workload that is a document of this plan.",
    fields: &[
        Field::required("apiVersion", Kind::Text, "Its API version."),
        Field::required("kind", Kind::Text, "Its kind."),
        Field::required("name", Kind::Name, "Its name, in the rollout's namespace."),
    ],
};

static STRATEGY_ALPHA: Shape = Shape {
    doc: "How it is rolled out.",
    fields: &[
        Field::required("canary", Kind::Object(&CANARY_ALPHA), "The canary."),
        Field::optional("paused", Kind::Flag, "Hold before the next step; false."),
    ],
};

pub(super) static STRATEGY_BETA: Shape = Shape {
    doc: "How it is rolled out.",
    fields: &[
        Field::optional("canary", Kind::Object(&CANARY_BETA), "A canary."),
        Field::optional(
            "blueGreen",
            Kind::Object(&BLUE_GREEN),
            "All pods of a revision beside those that serve; in the place of a canary.",
        ),
        Field::optional("paused", Kind::Flag, "Hold before the next step; false."),
    ],
};

static CANARY_ALPHA: Shape = canary!(&STEP_ALPHA);
static CANARY_BETA: Shape = canary!(
    &STEP_BETA,
    Field::optional(
        "enableExtraWorkloadForCanary",
        Kind::Flag,
        "Try a revision in a second workload beside the first; implied by \
         `patchPodTemplateMetadata` and `trafficRoutingRef`.",
    ),
    Field::optional(
        "trafficRoutingRef",
        Kind::Name,
        "The TrafficRouting that it joins while it tries a revision.",
    )
);

static BLUE_GREEN: Shape = Shape {
    doc: "A revision that comes up beside the one that serves, in a second Deployment.",
    fields: &[
        Field::required("steps", Kind::SomeOf(&Kind::Object(&STEP_BETA)), "The steps, in order."),
        Field::optional(
            "trafficRoutings",
            Kind::List(&Kind::Object(&ROUTING)),
            "What traffic is moved by.",
        ),
        Field::optional(
            "trafficRoutingRef",
            Kind::Name,
            "The TrafficRouting that it joins while it tries a revision.",
        ),
        FAILURES,
        Field::unsupported("disableGenerateCanaryService"),
    ],
};

static PATCHED: Shape = Shape {
    doc: "What only the pods of the second workload have.",
    fields: &[
        Field::optional("labels", Kind::Texts, "Labels."),
        Field::optional("annotations", Kind::Texts, "Annotations."),
    ],
};

pub(super) static STEP_ALPHA: Shape = step!(Field::optional(
    "weight",
    Kind::Count { min: 1, max: 100 },
    "The canary's share of the traffic in per cent.",
));
pub(super) static STEP_BETA: Shape = step!(Field::optional(
    "traffic",
    Kind::Amount,
    "The new revision's share of the traffic, as a percentage such as `20%`; `0%` in \
     `blueGreen` only.",
));

static PAUSE: Shape = Shape {
    doc: "What is waited for after a step.",
    fields: &[Field::optional(
        "duration",
        Kind::Count { min: 0, max: INT32 },
        "Seconds; `0` goes on at once.",
    )],
};
