//! Generated rollouts of every strategy, done by the engine on the embedded
//! cluster to their end: undisturbed, with pods that never get ready, killed at
//! some effect, or killed and then given up. A new strategy is a row of `ROWS`.

use crate::audit::Audit;
use crate::dice::Dice;
use crate::scenario::Scenario;
use crate::trap::plans::GATEWAY;
use crate::world::World;
use crate::{Kill, Moment, block_on};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::rc::Rc;
use tranche::core::decide::RollingState;
use tranche::core::object::KindRef;
use tranche::core::strategy::workload;
use tranche::engine::Class;
use tranche::port::Cluster as _;

/// More runs than any of these takes.
const MOST_RUNS: u32 = 6;

/// How one kind of rollout is written.
struct Row {
    name: &'static str,
    /// Of which type; a Deployment as it stands, if of none.
    component: &'static str,
    /// The application's trait and the rollout's document, from the replicas, the
    /// shares of its steps and the revision.
    written: fn(u32, &[u32], u32) -> (String, String),
    /// What is in the plan besides.
    beside: &'static [(&'static str, &'static str)],
    /// Ready pods that may be missing.
    dip: fn(u32, &[u32]) -> u32,
    /// What the workload of a revision is called.
    called: fn(u32) -> String,
}

static ROWS: &[Row] = &[
    Row {
        name: "a pair, increasing first",
        component: "webservice",
        written: |_, shares, number| (String::new(), batches("IncreaseFirst", shares, number)),
        beside: &[],
        dip: |_, _| 0,
        called: by_revision,
    },
    Row {
        name: "a pair, decreasing first",
        component: "webservice",
        written: |_, shares, number| (String::new(), batches("DecreaseFirst", shares, number)),
        beside: &[],
        dip: largest,
        called: by_revision,
    },
    Row {
        name: "a CloneSet",
        component: "clonesetservice",
        written: |_, shares, number| (String::new(), batches("IncreaseFirst", shares, number)),
        beside: &[],
        dip: largest,
        called: by_name,
    },
    Row {
        name: "a StatefulSet",
        component: "statefulset",
        written: |_, shares, number| (String::new(), batches("IncreaseFirst", shares, number)),
        beside: &[],
        dip: largest,
        called: by_name,
    },
    Row {
        name: "a canary by an HTTPRoute",
        component: "webservice",
        written: |_, shares, number| {
            let traffic = "      traffic: {httpRoute: {name: web}, drainSeconds: 2}\n";
            (String::new(), canary(traffic, shares, number))
        },
        beside: &[("route.yaml", GATEWAY)],
        dip: |_, _| 0,
        called: by_revision,
    },
    Row {
        name: "a canary by an Ingress",
        component: "webservice",
        written: |_, shares, number| {
            let traffic = "      traffic: {ingress: {name: web}, drainSeconds: 2}\n";
            (String::new(), canary(traffic, shares, number))
        },
        beside: &[("route.yaml", INGRESS)],
        dip: |_, _| 0,
        called: by_revision,
    },
    Row {
        name: "a canary without a route",
        component: "webservice",
        written: |_, shares, number| {
            let leeway = "      maxSurge: 1\n      maxUnavailable: 0\n";
            (String::new(), canary(leeway, shares, number))
        },
        beside: &[],
        dip: |_, _| 0,
        called: by_revision,
    },
    Row {
        name: "a trial behind an HTTPRoute",
        component: "webservice",
        written: |_, shares, _| {
            (tried("[{type: gateway, gracePeriodSeconds: 2}]", shares), String::new())
        },
        beside: &[("route.yaml", GATEWAY)],
        dip: |pods, _| pods / 4,
        called: by_name,
    },
    Row {
        name: "a trial behind an Ingress",
        component: "webservice",
        written: |_, shares, _| {
            (tried("[{type: nginx, gracePeriodSeconds: 2}]", shares), String::new())
        },
        beside: &[("route.yaml", INGRESS)],
        dip: |pods, _| pods / 4,
        called: by_name,
    },
    Row {
        name: "a trial without a route",
        component: "webservice",
        written: |_, shares, _| (tried("[]", shares), String::new()),
        beside: &[],
        dip: |pods, _| pods / 4,
        called: by_name,
    },
    Row {
        name: "a canary by a VirtualService",
        component: "webservice",
        written: |_, shares, number| {
            let traffic =
                "      traffic: {istio: {virtualService: {name: web}}, drainSeconds: 2}\n";
            (String::new(), canary(traffic, shares, number))
        },
        beside: &[("route.yaml", RULES)],
        dip: |_, _| 0,
        called: by_revision,
    },
    Row {
        name: "a canary by a DestinationRule's subsets",
        component: "webservice",
        written: |_, shares, number| {
            let traffic = "      traffic: {istio: {virtualService: {name: web}, destinationRule: \
                 {name: web, stableSubsetName: stable, canarySubsetName: canary}}, drainSeconds: 2}\n";
            (String::new(), canary(traffic, shares, number))
        },
        beside: &[("route.yaml", SUBSETS)],
        dip: |_, _| 0,
        called: by_revision,
    },
    Row {
        name: "a canary by a template's route",
        component: "webservice",
        written: |_, shares, number| {
            let traffic = "      traffic: {custom: [{apiVersion: traefik.io/v1alpha1, kind: \
                           TraefikService, name: web}], drainSeconds: 2}\n";
            (String::new(), canary(traffic, shares, number))
        },
        beside: &[("route.yaml", WEIGHTED), ("templates/routes/traefik.yaml", TEMPLATE)],
        dip: |_, _| 0,
        called: by_revision,
    },
    Row {
        name: "blue-green",
        component: "webservice",
        written: |_, shares, number| (String::new(), switched(shares, number)),
        beside: &[],
        dip: |_, _| 0,
        called: by_revision,
    },
    Row {
        name: "a member of a lane",
        component: "",
        written: |_, shares, _| (String::new(), member(shares)),
        beside: &[("route.yaml", INGRESS), ("lane.yaml", LANE)],
        // Whatever the lane leaves to everybody is updated by the Deployment.
        dip: |pods, _| pods / 4,
        called: by_name,
    },
];

const INGRESS: &str = "\
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web}
spec:
  rules:
    - http:
        paths:
          - {path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}
";

const RULES: &str = "\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web}
spec:
  hosts: [web]
  http: [{route: [{destination: {host: web}}]}]
";

const SUBSETS: &str = "\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web}
spec:
  hosts: [web]
  http:
    - route:
        - {destination: {host: web, subset: stable}, weight: 100}
        - {destination: {host: web, subset: canary}, weight: 0}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: web}
spec:
  host: web
  subsets:
    - {name: stable, labels: {app.oam.dev/component: web}}
    - {name: canary, labels: {app.oam.dev/component: web}}
";

const WEIGHTED: &str = "\
apiVersion: traefik.io/v1alpha1
kind: TraefikService
metadata: {name: web}
spec: {weighted: {services: [{name: web, port: 80, weight: 100}]}}
";

const TEMPLATE: &str = "\
apiVersion: tranche.dev/v1alpha1
kind: RouteType
metadata: {name: traefik}
spec:
  appliesTo: [TraefikService.traefik.io]
  patch: |
    spec:
      weighted:
        services:
          - {name: {{ traffic.stable.service }}, port: 80, weight: {{ traffic.stable.weight }}}
          - {name: {{ traffic.canary.service }}, port: 80, weight: {{ traffic.canary.weight }}}
";

const LANE: &str = "\
apiVersion: rollouts.kruise.io/v1alpha1
kind: TrafficRouting
metadata: {name: testers}
spec:
  objectRef: [{service: web, gracePeriodSeconds: 2, ingress: {name: web}}]
  strategy: {matches: [{headers: [{name: x-user, value: tester}]}]}
";

fn by_revision(number: u32) -> String {
    format!("web-v{number}")
}

fn by_name(_: u32) -> String {
    "web".to_owned()
}

/// The most pods of one batch, or one where pods are updated in place.
fn largest(pods: u32, shares: &[u32]) -> u32 {
    // Each batch's own percentage is rounded up.
    let (mut before, mut moved, mut most) = (0, 0, 1);
    for (i, share) in shares.iter().enumerate() {
        let left = pods - moved;
        let last = i + 1 == shares.len();
        let batch = if last { left } else { (pods * (share - before)).div_ceil(100).min(left) };
        (before, moved, most) = (*share, moved + batch, most.max(batch));
    }
    most
}

/// Batches whose pods come to these shares.
fn batches(strategy: &str, shares: &[u32], number: u32) -> String {
    let mut text = format!(
        "apiVersion: core.oam.dev/v1beta1\nkind: AppRollout\nmetadata:\n  name: web\n  annotations: \
         {{tranche.dev/progress-deadline: 60s}}\nspec:\n  targetAppRevisionName: web-v{number}\n  \
         rolloutPlan:\n    rolloutStrategy: {strategy}\n    rolloutBatches:\n"
    );
    for (i, share) in shares.iter().enumerate() {
        let before = i.checked_sub(1).map_or(0, |i| shares[i]);
        if i + 1 == shares.len() {
            // The last one takes the rest.
            text.push_str("      - {}\n");
        } else {
            let _ = writeln!(text, "      - replicas: {}%", share - before);
        }
    }
    text
}

fn canary(more: &str, shares: &[u32], number: u32) -> String {
    let steps: Vec<String> = shares.iter().map(|share| format!("{{weight: {share}}}")).collect();
    format!(
        "apiVersion: tranche.dev/v1alpha1\nkind: AppRollout\nmetadata:\n  name: web\n  annotations: \
         {{tranche.dev/progress-deadline: 60s}}\nspec:\n  targetAppRevisionName: web-v{number}\n  \
         strategy:\n    canary:\n{more}      steps: [{}]\n",
        steps.join(", ")
    )
}

/// As many pods are previewed as there are shares.
fn switched(shares: &[u32], number: u32) -> String {
    format!(
        "apiVersion: tranche.dev/v1alpha1\nkind: AppRollout\nmetadata:\n  name: web\n  annotations: \
         {{tranche.dev/progress-deadline: 60s}}\nspec:\n  targetAppRevisionName: web-v{number}\n  \
         strategy:\n    blueGreen: {{activeService: web, previewReplicaCount: {}, \
         scaleDownDelaySeconds: 2}}\n",
        shares.len()
    )
}

fn member(shares: &[u32]) -> String {
    let steps: Vec<String> = shares
        .iter()
        .map(|share| format!("{{replicas: {share}%, pause: {{duration: 0}}}}"))
        .collect();
    format!(
        "apiVersion: rollouts.kruise.io/v1beta1\nkind: Rollout\nmetadata:\n  name: web\n  annotations: \
         {{tranche.dev/progress-deadline: 60s}}\nspec:\n  workloadRef: {{apiVersion: apps/v1, kind: \
         Deployment, name: web}}\n  strategy: {{canary: {{trafficRoutingRef: testers, steps: [{}]}}}}\n",
        steps.join(", ")
    )
}

/// A Deployment and its Service.
fn lone(pods: u32, number: u32, ready: &str) -> String {
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: web}}\nspec:\n  replicas: {pods}\n  \
         selector: {{matchLabels: {{app: web}}}}\n  template:\n    metadata: {{labels: {{app: web}}, \
         annotations: {{sandbox.tranche.dev/{ready}}}}}\n    spec: {{containers: [{{name: web, image: \
         'podinfo:{number}'}}]}}\n---\napiVersion: v1\nkind: Service\nmetadata: {{name: web}}\nspec: \
         {{selector: {{app: web}}, ports: [{{port: 80}}]}}\n"
    )
}

fn tried(routings: &str, shares: &[u32]) -> String {
    let steps: Vec<String> =
        shares.iter().map(|share| format!("{{weight: {share}, duration: 0}}")).collect();
    format!(
        "        - type: kruise-rollout\n          properties: {{canary: {{trafficRoutings: \
         {routings}, steps: [{}]}}}}\n",
        steps.join(", ")
    )
}

/// What becomes of the rollout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Undisturbed,
    /// Its pods never get ready.
    Fails,
    Killed(Kill),
    /// And then it is given up.
    Aborted(Kill),
}

struct Case {
    row: &'static Row,
    pods: u32,
    shares: Vec<u32>,
    fate: Fate,
}

impl Case {
    fn of(seed: u64) -> Self {
        let mut dice = Dice::new(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        for _ in 0..8 {
            dice.roll(2);
        }
        let mut below = |end: u32| u32::try_from(dice.roll(u64::from(end))).unwrap();
        let row = &ROWS[usize::try_from(seed).unwrap() % ROWS.len()];
        let mut shares: Vec<u32> = (0..below(4)).map(|_| 1 + below(99)).collect();
        shares.sort_unstable();
        shares.dedup();
        shares.push(100);
        let moment = [Moment::Before, Moment::During, Moment::After][below(3) as usize];
        let kill = Kill { at: below(60) as usize, moment };
        let fate = match below(4) {
            0 => Fate::Undisturbed,
            // What is started in order waits for a broken pod on its way back, too.
            1 if row.component != "statefulset" => Fate::Fails,
            1 => Fate::Undisturbed,
            2 => Fate::Killed(kill),
            _ => Fate::Aborted(kill),
        };
        Self { row, pods: 1 + below(6), shares, fate }
    }

    fn files(&self, number: u32) -> Vec<(&'static str, String)> {
        let (one, rollout) = (self.row.written)(self.pods, &self.shares, number);
        let never = self.fate == Fate::Fails && number == 2;
        let ready = if never { "ready: never" } else { "ready-after: 3s" };
        let text = match self.row.component {
            "" => lone(self.pods, number, ready),
            _ => self.application(number, ready, &one),
        };
        let mut files = vec![("application.yaml", text)];
        if !rollout.is_empty() {
            files.push(("approllout.yaml", rollout));
        }
        files.extend(self.row.beside.iter().map(|(path, text)| (*path, (*text).to_owned())));
        files
    }

    fn application(&self, number: u32, ready: &str, one: &str) -> String {
        let kind = self.row.component;
        let mut text = String::from(
            "apiVersion: core.oam.dev/v1beta1\nkind: Application\nmetadata:\n  name: web\n  annotations:\n",
        );
        text.push_str(match one.is_empty() {
            true => "    app.oam.dev/rollout-template: \"true\"\n",
            false => "    tranche.dev/progress-deadline: 60s\n",
        });
        let ports = if kind == "webservice" { ", ports: [{port: 80, expose: true}]" } else { "" };
        let pods = self.pods;
        let replicas =
            if kind == "clonesetservice" { format!(", replicas: {pods}") } else { String::new() };
        let _ = write!(
            text,
            "spec:\n  components:\n    - name: web\n      type: {kind}\n      properties: {{image: \
             'podinfo:{number}'{ports}{replicas}}}\n      traits:\n"
        );
        if kind != "clonesetservice" {
            let _ = writeln!(
                text,
                "        - type: scaler\n          properties: {{replicas: {pods}}}"
            );
        }
        let _ = writeln!(
            text,
            "        - type: annotations\n          properties: {{sandbox.tranche.dev/{ready}}}"
        );
        text.push_str(one);
        text
    }

    fn commit(&self, world: &World, number: u32) {
        let files = self.files(number);
        let files: Vec<(&str, &str)> =
            files.iter().map(|(path, text)| (*path, text.as_str())).collect();
        world.commit(&files);
    }
}

/// The rollout that all of these are of.
static WEB: Scenario = Scenario {
    name: "a generated rollout",
    running: &[],
    before: &[],
    change: &[],
    rollout: "web",
    revision: "web-v2",
    changes: 0,
    floor: 0,
    ends: &[],
};

/// One whose first revision is there, and whose second is in the plan.
async fn begun(case: &Case, words: &str) -> World {
    let world = World::new();
    case.commit(&world, 1);
    world.finish(&WEB, words).await;
    case.commit(&world, 2);
    world
}

/// Does one, and says whether it reached the new revision.
async fn done(case: &Case, from: &str) -> bool {
    let words = format!(
        "{from}, {} of {} pods by {:?}, {:?}",
        case.row.name, case.pods, case.shares, case.fate
    );
    let world = begun(case, &words).await;
    let floor = case.pods.saturating_sub((case.row.dip)(case.pods, &case.shares));
    let audit = Rc::new(Audit::new(floor));
    let kill = match case.fate {
        Fate::Killed(kill) | Fate::Aborted(kill) => Some(kill),
        Fate::Undisturbed | Fate::Fails => None,
    };
    let mut ended = world.run(2, kill, &audit).await;
    if ended.report.is_none() {
        world.bury(2);
    }
    if matches!(case.fate, Fate::Aborted(_)) {
        world.abort(&WEB).await;
    }
    let over = |class: Class| matches!(class, Class::Done | Class::RolledBack);
    let mut number = 3;
    while !ended.report.as_ref().is_some_and(|report| over(report.class())) || number == 3 {
        assert!(number < 3 + MOST_RUNS, "{words}: not at its end: {:?}", ended.report);
        ended = world.run(number, None, &audit).await;
        number += 1;
    }
    let (record, ..) = world.record(&WEB).await.unwrap();
    let reached = record.status.rolling_state == RollingState::RolloutSucceed;
    if reached {
        audit.holds(&words);
    } else if audit.changes() > 0 || !matches!(case.fate, Fate::Aborted(_)) {
        // What is given up before its first write has nothing to take back.
        audit.holds_back(&words);
    }
    match case.fate {
        Fate::Undisturbed | Fate::Killed(_) => assert!(reached, "{words}: {record:?}"),
        Fate::Fails => assert!(!reached, "{words}: pods that are not ready count"),
        // It may have been over by then.
        Fate::Aborted(_) => {}
    }
    at_rest(&world, case, if reached { 2 } else { 1 }, &words).await;
    let idle = world.run(100, None, &audit).await;
    let moved = idle.effects.iter().any(|(sort, _)| *sort != crate::Sort::Fetch);
    assert!(!moved, "{words}: an idle run did {:?}", idle.effects);
    reached
}

/// Where requests go.
const ROUTES: &[(&str, &str)] = &[
    ("networking.k8s.io/v1", "Ingress"),
    ("gateway.networking.k8s.io/v1", "HTTPRoute"),
    ("networking.istio.io/v1", "VirtualService"),
    ("networking.istio.io/v1", "DestinationRule"),
    ("traefik.io/v1alpha1", "TraefikService"),
];

/// One workload with all its pods of one image, one Service, the route as it is
/// rendered, and nothing that is only there during a rollout.
async fn at_rest(world: &World, case: &Case, number: u32, words: &str) {
    let cluster = world.cluster();
    let list = async |api: &str, kind: &str| {
        let kind = KindRef::new(api, kind);
        cluster.list(&kind, Some("default"), &[]).await.unwrap()
    };
    let mut workloads = BTreeMap::new();
    for kind in workload::built_in() {
        for live in list(&kind.of.api_version, &kind.of.kind).await {
            let image = live["spec"]["template"]["spec"]["containers"][0]["image"].clone();
            let pods = kind.read(&live);
            let name = live["metadata"]["name"].as_str().unwrap().to_owned();
            workloads.insert(name, (pods.wanted, pods.ready, image));
        }
    }
    let image = serde_json::json!(format!("podinfo:{number}"));
    let wanted = BTreeMap::from([((case.row.called)(number), (case.pods, case.pods, image))]);
    assert_eq!(workloads, wanted, "{words}");
    let services = list("v1", "Service").await.len();
    assert_eq!(services, usize::from(["webservice", ""].contains(&case.row.component)), "{words}");
    let mut routes = 0;
    for (api, kind) in ROUTES {
        for route in list(api, kind).await {
            let text = route["spec"].to_string();
            let narrow = text.contains("-traffic") || text.contains("app.oam.dev/revision");
            assert!(text.contains("\"web\"") && !narrow, "{words}: {text}");
            routes += 1;
        }
    }
    // As many as their files have: Gateways have another name.
    let files = case.row.beside.iter().filter(|(path, _)| *path == "route.yaml");
    let wanted: usize = files.map(|(_, text)| text.matches("{name: web}\nspec").count()).sum();
    assert_eq!(routes, wanted, "{words}");
}

/// How many of one row's reached the new revision, and how many did not.
type Tally = BTreeMap<&'static str, (u32, u32)>;

#[expect(clippy::print_stdout, reason = "how much was looked at is worth knowing")]
fn all(seeds: std::ops::Range<u64>) -> Tally {
    let (mut tally, mut faults) = (Tally::new(), Vec::new());
    for seed in seeds {
        // One that fails, and says why, keeps none of the others from being done.
        let Ok(reached) =
            std::panic::catch_unwind(|| block_on(done(&Case::of(seed), &format!("seed {seed}"))))
        else {
            faults.push(seed);
            continue;
        };
        let of = tally.entry(Case::of(seed).row.name).or_default();
        *(if reached { &mut of.0 } else { &mut of.1 }) += 1;
    }
    for (name, (reached, back)) in &tally {
        println!("{name}: {reached} reached their target, {back} went back");
    }
    assert!(faults.is_empty(), "of these seeds something was wrong: {faults:?}");
    assert_eq!(tally.len(), ROWS.len(), "some kinds of rollouts were not done: {tally:?}");
    let (reached, back) = tally.values().fold((0, 0), |(a, b), of| (a + of.0, b + of.1));
    assert!(reached > (reached + back) / 4 && back > 0, "{reached} reached, {back} went back");
    tally
}

#[test]
fn thirty_generated_rollouts_come_to_their_end() {
    all(0..30);
}

#[test]
fn thirty_more_generated_rollouts_come_to_their_end() {
    all(30..60);
}

/// Does one whose run dies right after a deletion.
fn killed_after(row: &'static Row, deletion: &str) {
    let case = |fate| Case { row, pods: 2, shares: vec![50, 100], fate };
    let at = block_on(async {
        let world = begun(&case(Fate::Undisturbed), row.name).await;
        let effects = world.run(2, None, &Rc::new(Audit::new(0))).await.effects;
        effects.iter().position(|(_, what)| what == deletion).unwrap()
    });
    let case = case(Fate::Killed(Kill { at, moment: Moment::After }));
    assert!(block_on(done(&case, "after the deletion")));
}

/// The last step looks at the trial first, and deletes it in the end: done once
/// more, it knows that it has.
#[test]
fn a_trial_is_over_where_a_run_died_once_it_was_deleted() {
    for row in ROWS.iter().filter(|row| row.name.starts_with("a trial")) {
        killed_after(row, "delete Deployment/default/web-v2-canary");
    }
}

/// The last step sends it everything first, and deletes it in the end.
#[test]
fn a_second_ingress_is_not_made_again_where_a_run_died_once_it_was_deleted() {
    let row = ROWS.iter().find(|row| row.name == "a canary by an Ingress").unwrap();
    killed_after(row, "delete Ingress/default/web-canary");
}

#[test]
#[ignore = "the long run: CONTRIBUTING.md"]
fn a_thousand_generated_rollouts_come_to_their_end() {
    for (name, (reached, back)) in all(0..1_000) {
        // A StatefulSet has no pods that never get ready: see `Case::of`.
        assert!(reached > 10 && back > 3, "{name}: {reached} reached, {back} went back");
    }
}
