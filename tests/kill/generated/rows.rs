//! The kinds of rollouts that are generated: how each is written, what it may
//! miss on the way, and what it leaves. A new strategy is a row of [`ROWS`].

use super::floors::{Dip, largest, largest_step, none, one, quarter, tolerated};
use super::routes::{GATEWAY, INGRESS, LANE, RULES, SUBSETS, TEMPLATE, WEIGHTED};
use super::written::{
    Component, Files, Plan, application, batches, canary, counted, embedded, kruise, lone, named,
    nothing_more, of_one, ratio, rolled, running, switched, tried,
};

/// How one kind of rollout is written.
pub struct Row {
    pub name: &'static str,
    pub parts: &'static [Part],
    pub written: fn(&Plan) -> Files,
    /// What is in the plan besides.
    pub beside: Beside,
    /// What others have put on the cluster, in the place of a first plan.
    pub running: Option<fn(&Plan) -> Vec<String>>,
    /// Whether and how it may be given another size on the way.
    pub sized: Sized,
    /// Whether pods that never get ready end it.
    pub fails: bool,
    /// Whether its last pods may still get ready once it is over.
    pub tolerates: bool,
}

type Beside = &'static [(&'static str, &'static str)];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sized {
    /// It has no words for it.
    Never,
    /// The rollout names it.
    Target,
    /// The manifest has it, and a new one is a new revision.
    Manifest,
}

/// One component of it.
pub struct Part {
    pub name: &'static str,
    /// How many pods, if the whole is asked for so many.
    pub pods: fn(u32) -> u32,
    pub dip: Dip,
    /// What the workload of a revision is called.
    pub called: fn(u32) -> String,
    /// Whether it has a Service.
    pub serves: bool,
}

const fn part(dip: Dip, called: fn(u32) -> String, serves: bool) -> Part {
    Part { name: "web", pods: |pods| pods, dip, called, serves }
}

const fn row(name: &'static str, parts: &'static [Part], written: fn(&Plan) -> Files) -> Row {
    Row {
        name,
        parts,
        written,
        beside: &[],
        running: None,
        sized: Sized::Target,
        fails: true,
        tolerates: false,
    }
}

impl Row {
    const fn beside(self, beside: Beside) -> Self {
        Self { beside, ..self }
    }

    const fn sized(self, sized: Sized) -> Self {
        Self { sized, ..self }
    }

    /// What is started in order waits for a broken pod on its way back, too.
    const fn never_fails(self) -> Self {
        Self { fails: false, ..self }
    }

    /// One that never gets ready may be tolerated to the end.
    const fn tolerates(self) -> Self {
        Self { fails: false, tolerates: true, ..self }
    }
}

/// The nodes of the sandbox.
const NODES: u32 = 5;

const PAIR: &[Part] = &[part(none, by_revision, true)];
const TRIAL: &[Part] = &[part(quarter, by_name, true)];
const CLONES: &[Part] = &[part(largest, by_name, false)];
const DB: Part =
    Part { name: "db", pods: |pods| 1 + pods % 4, ..part(one, |_| "db".to_owned(), false) };
const MAIL: Part =
    Part { name: "mail", pods: |pods| 2 + pods % 5, ..part(largest, |_| "mail".to_owned(), false) };
const AGENT: Part =
    Part { name: "agent", pods: |_| NODES, ..part(largest, |_| "agent".to_owned(), false) };

pub static ROWS: &[Row] = &[
    row("a pair, increasing first", PAIR, |plan| pair(plan, "IncreaseFirst")),
    row("a pair, decreasing first", &[part(largest, by_revision, true)], |plan| {
        pair(plan, "DecreaseFirst")
    }),
    row("a pair by numbers of pods", PAIR, |plan| files(plan, "webservice", counted(plan))),
    row("a pair, pod by pod", PAIR, |plan| {
        let paced = |_| "instanceInterval: 4".to_owned();
        files(plan, "webservice", batches(plan, "", "", &paced))
    }),
    row("a pair, decreasing first, pod by pod", &[part(one, by_revision, true)], |plan| {
        let (first, paced) =
            ("    rolloutStrategy: DecreaseFirst\n", |_| "instanceInterval: 4".into());
        files(plan, "webservice", batches(plan, "", first, &paced))
    }),
    row("a pair that tolerates", &[part(tolerated, by_revision, true)], |plan| {
        let tolerant = |_| "maxUnavailable: 1".to_owned();
        files(plan, "webservice", batches(plan, "", "", &tolerant))
    })
    .tolerates(),
    row("a pair with hooks", PAIR, hooked).beside(&[("tranche.yaml", HOSTS)]),
    row("a CloneSet", CLONES, |plan| {
        files(plan, "clonesetservice", batches(plan, "", "", &nothing_more))
    }),
    row("a CloneSet that the plan describes", CLONES, |plan| {
        files(plan, "clonesetservice", batches(plan, "", "", &nothing_more))
    })
    .beside(&[("templates/cloneset.yaml", DESCRIBED)]),
    row("a StatefulSet", &[part(one, by_name, false)], |plan| {
        files(plan, "statefulset", batches(plan, "", "", &nothing_more))
    })
    .never_fails(),
    row("a StatefulSet, pods by name", &[part(one, by_name, false)], |plan| {
        // The first pods of all come in the other order.
        let rollout = if plan.first { counted(plan) } else { named(plan) };
        files(plan, "statefulset", rollout)
    })
    .sized(Sized::Never)
    .never_fails(),
    row("a DaemonSet", &[Part { pods: |_| NODES, ..part(largest, by_name, false) }], |plan| {
        files(plan, "daemon", batches(plan, "", "", &nothing_more))
    })
    .sized(Sized::Never),
    row("a pair and a StatefulSet", &[part(none, by_revision, true), DB], |plan| {
        together(plan, &[("web", "webservice"), ("db", "statefulset")])
    })
    .sized(Sized::Never)
    .never_fails(),
    row("a pair and a CloneSet", &[part(none, by_revision, true), MAIL], |plan| {
        together(plan, &[("web", "webservice"), ("mail", "clonesetservice")])
    })
    .sized(Sized::Never),
    row("a pair and a DaemonSet", &[part(none, by_revision, true), AGENT], |plan| {
        together(plan, &[("web", "webservice"), ("agent", "daemon")])
    })
    .sized(Sized::Never),
    row("a component by its own revisions", PAIR, |plan| {
        let components = [component("web", "webservice", plan.pods, String::new())];
        vec![
            ("application.yaml", application(plan, "shop", true, &components)),
            ("rollout.yaml", of_one(plan)),
        ]
    }),
    row("a component by the trait rollout", PAIR, |plan| {
        let one = component("web", "webservice", plan.pods, rolled(plan));
        vec![("application.yaml", application(plan, "shop", false, &[one]))]
    }),
    row("a plan in the application", PAIR, |plan| {
        let components = [component("web", "webservice", plan.pods, String::new())];
        let text = application(plan, "web", false, &components);
        vec![("application.yaml", embedded(plan, &text))]
    }),
    row("a canary by an HTTPRoute", PAIR, |plan| routed(plan, "httpRoute: {name: web}"))
        .beside(&[("route.yaml", GATEWAY)]),
    row("a canary by an Ingress", PAIR, |plan| routed(plan, "ingress: {name: web}"))
        .beside(&[("route.yaml", INGRESS)]),
    row("a canary without a route", PAIR, |plan| {
        let leeway = "      maxSurge: 1\n      maxUnavailable: 0\n";
        files(plan, "webservice", canary(plan, leeway))
    }),
    row("a canary without a route or a surge", &[part(tolerated, by_revision, true)], |plan| {
        let leeway = "      maxSurge: 0\n      maxUnavailable: 1\n";
        files(plan, "webservice", canary(plan, leeway))
    }),
    row("a trial behind an HTTPRoute", TRIAL, |plan| {
        trial(plan, "[{type: gateway, gracePeriodSeconds: 2}]")
    })
    .beside(&[("route.yaml", GATEWAY)])
    .sized(Sized::Manifest),
    row("a trial behind an Ingress", TRIAL, |plan| {
        trial(plan, "[{type: nginx, gracePeriodSeconds: 2}]")
    })
    .beside(&[("route.yaml", INGRESS)])
    .sized(Sized::Manifest),
    row("a trial without a route", TRIAL, |plan| trial(plan, "[]")).sized(Sized::Manifest),
    row("a canary by a VirtualService", PAIR, |plan| {
        routed(plan, "istio: {virtualService: {name: web}}")
    })
    .beside(&[("route.yaml", RULES)]),
    row("a canary by a DestinationRule's subsets", PAIR, |plan| {
        routed(
            plan,
            "istio: {virtualService: {name: web}, destinationRule: {name: web, stableSubsetName: \
             stable, canarySubsetName: canary}}",
        )
    })
    .beside(&[("route.yaml", SUBSETS)]),
    row("a canary by a template's route", PAIR, |plan| {
        routed(plan, "custom: [{apiVersion: traefik.io/v1alpha1, kind: TraefikService, name: web}]")
    })
    .beside(&[("route.yaml", WEIGHTED), ("templates/routes/traefik.yaml", TEMPLATE)]),
    row("blue-green", PAIR, |plan| files(plan, "webservice", switched(plan))),
    row("a member of a lane", TRIAL, |plan| {
        standing(plan, DEPLOYMENT, "canary", "trafficRoutingRef: testers, ")
    })
    .beside(&[("route.yaml", INGRESS), ("lane.yaml", LANE)])
    .sized(Sized::Manifest),
    row("OpenKruise's blue-green", TRIAL, |plan| standing(plan, DEPLOYMENT, "blueGreen", ""))
        .sized(Sized::Manifest),
    row("OpenKruise's steps of a CloneSet", &[part(largest_step, by_name, true)], |plan| {
        standing(plan, ("apps.kruise.io/v1alpha1", "CloneSet"), "canary", "")
    })
    .sized(Sized::Never),
    Row {
        running: Some(running),
        ..row("a Deployment that is taken over", PAIR, |plan| {
            vec![("approllout.yaml", ratio(plan))]
        })
        .sized(Sized::Never)
        // The next version's pods are made like those that run.
        .never_fails()
    },
];

const DEPLOYMENT: (&str, &str) = ("apps/v1", "Deployment");

/// Who may be called.
const HOSTS: &str = "\
apiVersion: tranche.dev/v1alpha1
kind: Project
spec: {policy: {webhooks: {hosts: [{host: hooks.example}]}}}
";

/// The same that is built in, in the words of a plan.
const DESCRIBED: &str = include_str!("../../../src/core/strategy/workload/cloneset.yaml");

fn by_revision(number: u32) -> String {
    format!("web-v{number}")
}

fn by_name(_: u32) -> String {
    "web".to_owned()
}

fn component(name: &'static str, kind: &'static str, pods: u32, traits: String) -> Component {
    Component { name, kind, pods, traits }
}

/// An application of one component, and its rollout.
fn files(plan: &Plan, kind: &'static str, rollout: String) -> Files {
    let components = [component("web", kind, plan.pods, String::new())];
    vec![
        ("application.yaml", application(plan, "web", true, &components)),
        ("approllout.yaml", rollout),
    ]
}

fn pair(plan: &Plan, strategy: &str) -> Files {
    let strategy = format!("    rolloutStrategy: {strategy}\n");
    files(plan, "webservice", batches(plan, "", &strategy, &nothing_more))
}

fn routed(plan: &Plan, by: &str) -> Files {
    let traffic = format!("      traffic: {{{by}, drainSeconds: 2}}\n");
    files(plan, "webservice", canary(plan, &traffic))
}

/// A component whose rollout is a trait, at the size that its manifest has.
fn trial(plan: &Plan, routings: &str) -> Files {
    let one = component("web", "webservice", plan.wanted(), tried(plan, routings));
    vec![("application.yaml", application(plan, "web", false, &[one]))]
}

/// A workload as it stands, and OpenKruise's Rollout of it.
fn standing(plan: &Plan, of: (&str, &str), strategy: &str, more: &str) -> Files {
    let (api, kind) = of;
    let workload = format!("apiVersion: {api}, kind: {kind}");
    vec![
        ("application.yaml", lone(plan, of)),
        ("rollout.yaml", kruise(plan, &workload, strategy, more)),
    ]
}

/// Several components of sizes of their own, as [`ROWS`] has them.
fn together(plan: &Plan, kinds: &[(&'static str, &'static str)]) -> Files {
    let size = |name: &str| match name {
        "db" => (DB.pods)(plan.pods),
        "mail" => (MAIL.pods)(plan.pods),
        _ => plan.pods,
    };
    let components: Vec<Component> =
        kinds.iter().map(|(name, kind)| component(name, kind, size(name), String::new())).collect();
    let names: Vec<&str> = kinds.iter().map(|(name, _)| *name).collect();
    vec![
        ("application.yaml", application(plan, "web", true, &components)),
        ("approllout.yaml", batches(plan, &names.join(", "), "", &nothing_more)),
    ]
}

/// A call before and after everything, and around each batch.
fn hooked(plan: &Plan) -> Files {
    let hook = |kind: &str, name: &str| {
        format!("{{type: {kind}, name: {name}, url: 'https://hooks.example/{name}'}}")
    };
    let whole = format!(
        "    rolloutWebhooks: [{}, {}]\n",
        hook("initialize-rollout", "begin"),
        hook("finalize-rollout", "end")
    );
    let each = |i: usize| {
        format!(
            "batchRolloutWebhooks: [{}, {}]",
            hook("pre-batch-rollout", &format!("before-{i}")),
            hook("post-batch-rollout", &format!("after-{i}"))
        )
    };
    files(plan, "webservice", batches(plan, "", &whole, &each))
}
