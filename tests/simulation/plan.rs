//! What people want: the plan of a seed and how it is written as files. Owns
//! the generator and each plan commit's meaning, which invariants ask for.

use crate::hooks;
use crate::mix;
use crate::routes::Via;
use crate::schedule::Sim;
use crate::seed::Random;
use crate::side::Side;
use crate::waits::{self, Wait};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::rc::Rc;
use tranche::core::model::{Amount, Batch, Batches, Leeway};
use tranche::port::{Change, CommitId};

/// How the pods of an application get ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ready {
    After(u64),
    Never,
}

/// What makes a revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Content {
    pub image: u64,
    pub ready: Ready,
}

/// What an application is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A webservice with a Service: a pair of Deployments while it rolls.
    Pair,
    /// The same behind a route, whose weight moves with the pods.
    Canary,
    /// The same without a route: the share of traffic is that of pods.
    Spread,
    /// A webservice that keeps its name, and is tried beside itself.
    Beside,
    /// A CloneSet behind a partition.
    CloneSet,
    /// A StatefulSet, which goes from the highest ordinal down.
    StatefulSet,
    /// A webservice that is applied directly.
    Direct,
    /// A pair whose Service is switched from one to the other at once.
    Switch,
    /// A Deployment as it stands, tried beside itself in a lane.
    Member,
    /// A DaemonSet, whose pods are evicted node by node.
    Nodes,
}

/// A rollout document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Roll {
    /// Index of the content that it targets; its revision is one more.
    pub target: usize,
    pub batches: usize,
    pub decrease: bool,
    pub partition: Option<u64>,
    pub paused: bool,
    pub deadline: u64,
    pub on_delete: usize,
    /// How many pods it asks for, if it does.
    pub size: Option<u64>,
    /// How long old pods serve on after a shift, in seconds.
    pub drain: u64,
    /// What is waited for after its first two steps, if it is a canary.
    pub waits: [Wait; 2],
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct App {
    pub name: &'static str,
    pub kind: Kind,
    pub replicas: u64,
    /// Every content it ever had, by revision number.
    pub contents: Vec<Content>,
    pub now: usize,
    pub roll: Option<Roll>,
    /// How long the Gateway takes to take a change of the route over.
    pub accept: u64,
    /// What its traffic is moved by.
    pub via: Via,
    /// Some requests go to the new side at its first step, whatever its share.
    pub matched: bool,
    /// Istio tells when proxies have taken a change over.
    pub fed: bool,
    /// A second component that goes through the same batches.
    pub side: Option<Side>,
    /// Its batches wait for those outside, whom hooks call.
    pub hooked: bool,
    /// So many of its pods have to be available for an eviction, if anybody says so.
    pub budget: Option<u64>,
}

/// One plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Model {
    pub apps: Vec<App>,
    /// The value in plain ConfigMaps, if there are any.
    pub note: Option<u64>,
    /// How many of them there are: one, or more than are read by name.
    pub notes: usize,
    /// It does not load.
    pub broken: bool,
}

/// What applications are, most of them pairs and canaries.
const KINDS: [Kind; 9] = [
    Kind::Pair,
    Kind::Pair,
    Kind::Pair,
    Kind::Canary,
    Kind::Canary,
    Kind::Canary,
    Kind::CloneSet,
    Kind::StatefulSet,
    Kind::Direct,
];

const GATEWAY: &str = "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata:\n  \
                       name: edge\nspec:\n  gatewayClassName: sandbox\n  listeners:\n    \
                       - {name: http, protocol: HTTP, port: 80}\n";

/// Where Istio tells, the plan knows how.
const TOLD: &str = "  health:\n    \
                    - apiVersion: networking.istio.io/v1\n      kind: VirtualService\n      \
                    current: >-\n        status.conditions.exists(c, c.type == \
                    'Reconciled' && c.status == 'True')\n    \
                    - apiVersion: networking.istio.io/v1\n      kind: DestinationRule\n      \
                    current: >-\n        status.conditions.exists(c, c.type == \
                    'Reconciled' && c.status == 'True')\n";

/// Batches as written: amounts in percent, and `maxUnavailable` of each.
const BATCHES: [(&[u32], u32); 6] = [
    (&[100], 0),
    (&[50, 50], 0),
    (&[25, 25, 50], 0),
    (&[40, 60], 0),
    (&[34, 33, 33], 1),
    (&[50, 50], 1),
];

/// The steps of canaries as written: weight and pods.
pub const STEPS: [&[(u32, Option<&str>)]; 6] = [
    &[(100, None)],
    &[(50, None), (100, None)],
    &[(20, None), (60, None), (100, None)],
    &[(0, Some("50%")), (100, None)],
    &[(10, Some("100%")), (50, Some("100%")), (100, None)],
    &[(25, Some("50%")), (50, Some("75%")), (100, Some("100%"))],
];

/// How far the pods of canaries without a route may be from their number:
/// beyond it, and below.
const LEEWAY: [(Amount, Amount); 6] = [
    (Amount::Percent(25), Amount::Percent(25)),
    (Amount::Count(1), Amount::Count(0)),
    (Amount::Count(0), Amount::Count(1)),
    (Amount::Count(0), Amount::Percent(50)),
    (Amount::Count(1), Amount::Count(1)),
    (Amount::Percent(100), Amount::Count(0)),
];

/// The pods of a blue-green rollout before its switch; all if none are named.
const PREVIEWED: [Option<u64>; 6] = [None, Some(1), Some(2), None, Some(1), Some(9)];

/// What happens to a rollout that vanishes.
pub const ON_DELETE: [&str; 3] = ["freeze", "abort", "promote"];

impl Roll {
    pub fn parsed_batches(&self) -> Batches {
        let (amounts, unavailable) = BATCHES[self.batches];
        let batch = |percent: &u32| Batch {
            replicas: Some(Amount::Percent(*percent)),
            max_unavailable: Amount::Count(unavailable),
        };
        Batches::Listed(amounts.iter().map(batch).collect())
    }

    pub fn leeway(&self) -> Leeway {
        let (surge, unavailable) = LEEWAY[self.batches];
        Leeway { surge, unavailable }
    }

    pub fn unavailable(&self) -> u32 {
        BATCHES[self.batches].1
    }
}

/// Other batches than before.
pub fn other_batches(random: &mut Random) -> usize {
    usize::try_from(random.below(BATCHES.len() as u64)).unwrap_or(0)
}

pub fn any_ready(random: &mut Random) -> Ready {
    match random.below(10) {
        0 => Ready::Never,
        1..=2 => Ready::After(40),
        3..=5 => Ready::After(12),
        _ => Ready::After(2),
    }
}

impl Ready {
    /// As an annotation of pods.
    pub fn annotation(self) -> (&'static str, String) {
        match self {
            Self::After(seconds) => ("ready-after", format!("{seconds}s")),
            Self::Never => ("ready", "never".to_owned()),
        }
    }
}

impl Kind {
    /// A workload for each revision, and a Service.
    pub fn pair(self) -> bool {
        matches!(self, Self::Pair | Self::Canary | Self::Spread | Self::Switch)
            || self.keeps_its_name()
    }

    /// Batches of pods, and nothing else.
    pub fn has_batches(self) -> bool {
        matches!(self, Self::Pair | Self::CloneSet | Self::StatefulSet | Self::Nodes)
    }

    /// A workload that keeps its name, and is tried beside itself.
    pub fn keeps_its_name(self) -> bool {
        matches!(self, Self::Beside | Self::Member)
    }
}

impl Model {
    /// The first plan of a seed; a short one is mostly about one application.
    pub fn generate(random: &mut Random, mix: &mut Random, short: bool) -> Self {
        let counts: &[usize] = if short { &[1, 1, 1, 1, 1, 1, 1, 2] } else { &[1, 1, 1, 2, 2, 3] };
        let count = *random.pick(counts);
        let names = ["web", "api", "shop"];
        let apps = names.iter().take(count).map(|name| {
            let kind = *random.pick(&KINDS);
            let mut roll = Roll {
                target: 0,
                batches: other_batches(random),
                decrease: random.chance(150),
                partition: random.chance(250).then(|| random.below(2)),
                paused: false,
                deadline: *random.pick(&[60, 120, 300]),
                on_delete: usize::try_from(random.below(3)).unwrap_or(0),
                size: random.chance(150).then(|| random.between(2, 5)),
                drain: *random.pick(&[0, 5, 5, 20]),
                waits: [Wait::Nothing; 2],
            };
            let replicas = random.between(2, 5);
            roll.waits = waits::first(kind, replicas, &roll);
            let mut app = App {
                name,
                kind,
                replicas,
                contents: vec![Content { image: 1, ready: Ready::After(2) }],
                now: 0,
                roll: (kind != Kind::Direct).then_some(roll),
                accept: *random.pick(&[1, 1, 3, 15]),
                via: Via::Nothing,
                matched: false,
                fed: false,
                side: None,
                hooked: false,
                budget: None,
            };
            // No draw of its own either: to a pair a drain means nothing.
            let shares = matches!((roll.drain, app.accept), (0, 15) | (20, 3));
            if kind == Kind::Pair && shares {
                app.kind = Kind::Spread;
            }
            app.choose_route();
            app
        });
        let mut apps: Vec<App> = apps.collect();
        // No draw of its own: seeds stay what they are.
        let notes = if apps.iter().any(|app| app.replicas % 2 == 1) { 6 } else { 1 };
        let note = random.chance(300).then_some(1);
        mix::mix(&mut apps, mix);
        Self { apps, note, notes, broken: false }
    }

    /// The files, by path.
    pub fn files(&self) -> BTreeMap<String, String> {
        let mut files = BTreeMap::new();
        for app in &self.apps {
            files.insert(format!("app-{}.yaml", app.name), app.document());
            if let Some(roll) = app.roll.as_ref().filter(|_| app.kind != Kind::Beside) {
                files.insert(format!("roll-{}.yaml", app.name), app.rollout(roll));
            }
            let preview = format!("{}-preview", app.name);
            for (has, name) in [(app.has_service(), app.name), (app.has_preview(), &preview)] {
                if has {
                    files.insert(format!("service-{name}.yaml"), app.service(name));
                }
            }
        }
        files.extend(self.lane().map(|lane| ("lane.yaml".to_owned(), lane)));
        files.extend(self.project().map(|text| ("tranche.yaml".to_owned(), text)));
        files.extend(self.apps.iter().filter_map(App::disruptions));
        for app in self.apps.iter().filter(|app| app.via != Via::Nothing) {
            files.insert(format!("route-{}.yaml", app.name), app.route());
            if app.via == Via::HttpRoute {
                files.insert("gateway.yaml".to_owned(), GATEWAY.to_owned());
            }
        }
        for place in self.note.map_or(0..0, |_| 0..self.notes) {
            let (note, name) = (self.note.unwrap_or(0), note_name(place));
            // Every third stays as it was: what differs is written, no more.
            let note = if place % 3 == 2 { 1 } else { note };
            let text = format!(
                "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\ndata:\n  text: \"{note}\"\n"
            );
            files.insert(format!("{name}.yaml"), text);
        }
        if self.broken {
            let text = "apiVersion: core.oam.dev/v1beta1\nkind: Application\nmetadata: {name: x}\n";
            files.insert("broken.yaml".to_owned(), text.to_owned());
        }
        files
    }
}

impl Model {
    /// What the project says, if it has anything to say.
    fn project(&self) -> Option<String> {
        let mut text = "apiVersion: tranche.dev/v1alpha1\nkind: Project\nspec:\n".to_owned();
        let empty = text.len();
        if self.apps.iter().any(App::is_told) {
            text.push_str(TOLD);
        }
        if self.apps.iter().any(|app| app.hooked) {
            text.push_str(hooks::POLICY);
        }
        (text.len() > empty).then_some(text)
    }

    /// Whether it has a plain object of that name.
    pub fn has_note(&self, name: &str) -> bool {
        self.note.is_some() && (0..self.notes).any(|place| note_name(place) == name)
    }
}

fn note_name(place: usize) -> String {
    if place == 0 { "note".to_owned() } else { format!("note-{place}") }
}

impl App {
    fn document(&self) -> String {
        if self.kind == Kind::Member {
            return self.workload();
        }
        let content = self.contents[self.now];
        let (key, value) = self.ready(content, false).annotation();
        let name = self.name;
        let mut text = String::from("apiVersion: core.oam.dev/v1beta1\nkind: Application\n");
        let _ = writeln!(text, "metadata:\n  name: {name}");
        match (self.kind, &self.roll) {
            (Kind::Direct, _) | (Kind::Beside, None) => {}
            (Kind::Beside, Some(roll)) => {
                let (deadline, on_delete) = (roll.deadline, ON_DELETE[roll.on_delete]);
                let _ = writeln!(
                    text,
                    "  annotations:\n    tranche.dev/progress-deadline: {deadline}s\n    \
                     tranche.dev/on-delete: {on_delete}"
                );
            }
            _ => text.push_str("  annotations:\n    app.oam.dev/rollout-template: \"true\"\n"),
        }
        let kind = match self.kind {
            Kind::CloneSet => "clonesetservice",
            Kind::StatefulSet => "statefulset",
            Kind::Nodes => "daemon",
            _ => "webservice",
        };
        let _ = writeln!(text, "spec:\n  components:\n    - name: {name}\n      type: {kind}");
        let _ = writeln!(text, "      properties:\n        image: \"{name}:{}\"", content.image);
        if self.kind == Kind::CloneSet {
            let _ = writeln!(text, "        replicas: {}", self.replicas);
        } else if !matches!(self.kind, Kind::StatefulSet | Kind::Nodes) && !self.has_service() {
            text.push_str("        ports: [{port: 80, expose: true}]\n");
        }
        text.push_str("      traits:\n");
        if !matches!(self.kind, Kind::CloneSet | Kind::Nodes) {
            let replicas = self.replicas;
            let _ = writeln!(
                text,
                "        - type: scaler\n          properties: {{replicas: {replicas}}}"
            );
        }
        text.push_str(&self.tried());
        let _ = writeln!(
            text,
            "        - type: annotations\n          properties: {{sandbox.tranche.dev/{key}: \"{value}\"}}"
        );
        text.push_str(&self.further());
        text
    }

    /// How long old pods serve on after a shift, as the plan says.
    pub fn drain(&self) -> u64 {
        self.roll.map_or(0, |roll| roll.drain)
    }

    /// The steps of a canary, as written.
    pub fn steps(&self) -> &'static [(u32, Option<&'static str>)] {
        self.roll.map_or(&[], |roll| STEPS[roll.batches])
    }

    /// Whether the Service that is switched is a document of its own.
    fn has_service(&self) -> bool {
        self.kind == Kind::Switch && self.accept > 1
    }

    /// Whether a second Service reaches the new side before the switch.
    fn has_preview(&self) -> bool {
        self.kind == Kind::Switch && self.replicas.is_multiple_of(2)
    }

    /// Whether its routes say when they are followed.
    pub fn is_told(&self) -> bool {
        self.fed && matches!(self.via, Via::VirtualService | Via::Subsets)
    }

    /// What its traffic is moved by, and whether some requests are picked out.
    /// No draw of its own: seeds of other kinds stay what they are.
    fn choose_route(&mut self) {
        let Some(roll) = self.roll else { return };
        if self.kind == Kind::Pair && matches!((roll.drain, self.accept), (20, 15) | (0, 3)) {
            self.kind = Kind::Beside;
            // The trait has no words for them.
            self.roll = Some(Roll { partition: None, size: None, ..roll });
        }
        self.via = match self.kind {
            Kind::Canary if (roll.drain, self.accept) == (5, 3) => Via::Ingress,
            Kind::Canary => Via::HttpRoute,
            Kind::Beside if self.replicas < 4 => Via::HttpRoute,
            Kind::Beside if self.replicas == 4 => Via::Ingress,
            _ => Via::Nothing,
        };
        self.matched = roll.deadline == 120 && self.replicas % 2 == 1;
        if let (Kind::Beside, Some(roll)) = (self.kind, &mut self.roll) {
            roll.waits = waits::first(self.kind, self.replicas, roll);
        }
    }

    fn rollout(&self, roll: &Roll) -> String {
        let name = self.name;
        match self.kind {
            Kind::Canary | Kind::Spread | Kind::Switch => return self.strategic(roll),
            Kind::Member => return self.joining(roll),
            _ => {}
        }
        let mut text = String::from("apiVersion: core.oam.dev/v1beta1\nkind: AppRollout\n");
        let _ = writeln!(
            text,
            "metadata:\n  name: {name}\n  annotations:\n    tranche.dev/progress-deadline: {}s\n    \
             tranche.dev/on-delete: {}",
            roll.deadline, ON_DELETE[roll.on_delete]
        );
        let _ = writeln!(text, "spec:\n  targetAppRevisionName: {name}-v{}", roll.target + 1);
        if let Some(side) = self.side {
            let _ = writeln!(text, "  componentList: [{name}, {}]", side.name(name));
        }
        let strategy = if roll.decrease && self.kind == Kind::Pair {
            "DecreaseFirst"
        } else {
            "IncreaseFirst"
        };
        let _ = writeln!(text, "  rolloutPlan:\n    rolloutStrategy: {strategy}");
        if let Some(partition) = roll.partition {
            let _ = writeln!(text, "    batchPartition: {partition}");
        }
        if roll.paused {
            text.push_str("    paused: true\n");
        }
        if let Some(size) = roll.size {
            let _ = writeln!(text, "    targetSize: {size}");
        }
        text.push_str(&self.around());
        text.push_str("    rolloutBatches:\n");
        let (amounts, unavailable) = BATCHES[roll.batches];
        for (batch, percent) in amounts.iter().enumerate() {
            let _ = writeln!(text, "      - replicas: {percent}%");
            if unavailable > 0 {
                let _ = writeln!(text, "        maxUnavailable: {unavailable}");
            }
            text.push_str(&self.around_batch(batch));
        }
        text
    }
}

impl App {
    /// A rollout with a strategy of its own.
    fn strategic(&self, roll: &Roll) -> String {
        let name = self.name;
        let mut text = String::from("apiVersion: tranche.dev/v1alpha1\nkind: AppRollout\n");
        let _ = writeln!(
            text,
            "metadata:\n  name: {name}\n  annotations:\n    tranche.dev/progress-deadline: {}s\n    \
             tranche.dev/on-delete: {}",
            roll.deadline, ON_DELETE[roll.on_delete]
        );
        let _ = writeln!(text, "spec:\n  targetAppRevisionName: {name}-v{}", roll.target + 1);
        let partition = roll.partition.map(|last| format!("batchPartition: {last}"));
        let paused = roll.paused.then(|| "paused: true".to_owned());
        let size = roll.size.map(|size| format!("targetSize: {size}"));
        let gates: Vec<String> = [partition, paused, size].into_iter().flatten().collect();
        if !gates.is_empty() {
            let _ = writeln!(text, "  rolloutPlan: {{{}}}", gates.join(", "));
        }
        if self.kind == Kind::Switch {
            let blue_green = self.blue_green(roll).join(", ");
            let _ = writeln!(text, "  strategy: {{blueGreen: {{{blue_green}}}}}");
            return text;
        }
        text.push_str("  strategy:\n    canary:\n");
        let _ = if self.kind == Kind::Canary {
            let (drain, via) = (roll.drain, self.named());
            writeln!(text, "      traffic: {{{via}, drainSeconds: {drain}}}")
        } else {
            let Leeway { surge, unavailable } = roll.leeway();
            writeln!(text, "      maxSurge: {surge}\n      maxUnavailable: {unavailable}")
        };
        text.push_str("      steps:\n");
        for (place, (weight, pods)) in self.steps().iter().enumerate() {
            let pods = pods.map(|pods| format!(", replicas: {pods}")).unwrap_or_default();
            let (pause, matches) = (self.wait(place).written(name), self.matches(place));
            let _ = writeln!(text, "        - {{weight: {weight}{pods}{pause}{matches}}}");
        }
        text
    }
}

impl App {
    /// The fields of its switch.
    fn blue_green(&self, roll: &Roll) -> Vec<String> {
        let name = self.name;
        let mut fields = vec![format!("activeService: {name}")];
        if self.has_preview() {
            fields.push(format!("previewService: {name}-preview"));
        }
        fields.extend(PREVIEWED[roll.batches].map(|pods| format!("previewReplicaCount: {pods}")));
        fields.extend(self.wait(0).of_switch(name));
        fields.push(format!("scaleDownDelaySeconds: {}", roll.drain));
        fields
    }
}

/// The plan as it stands, and what each of its commits says.
#[derive(Debug)]
pub struct Plans {
    pub model: Model,
    pub commits: BTreeMap<CommitId, Rc<Model>>,
    /// The branch stands before its newest commit.
    pub rewound: bool,
}

impl Sim {
    /// Commits the model onto the plan branch.
    pub fn commit_plan(&self, words: &str) {
        let model = self.plans.borrow().model.clone();
        let parent = self.refs.borrow().plan.clone();
        let files = model.files();
        let mut changes: Vec<Change> = files
            .iter()
            .map(|(path, text)| Change {
                path: path.clone(),
                bytes: Some(text.as_bytes().to_vec()),
            })
            .collect();
        if let Some(parent) = &parent {
            let gone = self.store.borrow().paths(parent).into_iter().map(|(path, _)| path);
            let gone = gone.filter(|path| !files.contains_key(path));
            changes.extend(gone.map(|path| Change { path, bytes: None }));
        }
        let message = format!("{words}\n");
        let done = self.store.borrow_mut().commit(
            parent.as_ref(),
            &changes,
            &message,
            "people",
            self.time(),
        );
        let Ok(commit) = done else { return };
        self.say("people", || format!("plan {}: {words}", commit.short()));
        self.plans.borrow_mut().commits.insert(commit.clone(), Rc::new(model));
        self.refs.borrow_mut().plan = Some(commit);
    }
}
