//! One application of the repository: what it is rolled by, what stands when it
//! is at rest, and how many of its pods there have to be on the way.

use std::collections::BTreeMap;

/// What an application is rolled by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    /// A pair of Deployments, the new side first.
    Pair,
    /// A pair of Deployments, the old side first.
    Down,
    /// A pair with hooks around its batches.
    Hooked,
    /// A pair whose ConfigMap travels with it.
    Carried,
    /// A CloneSet.
    Clones,
    /// A StatefulSet.
    Stateful,
    /// A DaemonSet, node by node.
    Nodes,
    /// A pair and a StatefulSet, batch by batch together.
    Several,
    /// A canary by numbers of pods.
    Spread,
    /// A canary by an HTTPRoute.
    Routed,
    /// A canary by an Ingress.
    Ingressed,
    /// Blue-green.
    Green,
    /// `rolloutPlan` of the application.
    Embedded,
    /// KubeVela's trait `rollout`.
    Trait,
    /// KubeVela's Rollout of one component.
    Standard,
    /// OpenKruise's canary in a second Deployment.
    Kruise,
    /// OpenKruise's blue-green.
    KruiseGreen,
    /// OpenKruise's canary of a StatefulSet, in place.
    KruisePlace,
    /// KubeVela's trait `kruise-rollout`, with an Ingress.
    KruiseTrait,
    /// Codefresh's replica ratio, over a Deployment of kubectl's.
    Ratio,
    /// An application that is applied as it stands.
    Plain,
    /// Objects of the plan.
    Objects,
}

impl Sort {
    pub const ALL: [Self; 22] = [
        Self::Pair,
        Self::Down,
        Self::Hooked,
        Self::Carried,
        Self::Clones,
        Self::Stateful,
        Self::Nodes,
        Self::Several,
        Self::Spread,
        Self::Routed,
        Self::Ingressed,
        Self::Green,
        Self::Embedded,
        Self::Trait,
        Self::Standard,
        Self::Kruise,
        Self::KruiseGreen,
        Self::KruisePlace,
        Self::KruiseTrait,
        Self::Ratio,
        Self::Plain,
        Self::Objects,
    ];

    /// Whether there is no rollout: what is new is applied in one step.
    pub fn is_direct(self) -> bool {
        matches!(self, Self::Plain | Self::Objects)
    }
}

/// How many nodes a DaemonSet has for itself.
pub const NODES: u32 = 4;
/// The pods of the StatefulSet that is beside a pair.
pub const BESIDE: u32 = 3;

/// One application.
#[derive(Clone, Debug)]
pub struct App {
    pub sort: Sort,
    /// All that it has begins with this, and no other's does.
    pub name: String,
    pub namespace: String,
    pub size: u32,
    /// What is given up is given up by the plan, which says again what was
    /// before, or by `tranche abort`.
    pub by_plan: bool,
    /// In as few batches as there can be, with nothing to wait for but pods: the
    /// first of each kind, so that a repository with one of each is quick.
    pub quick: bool,
}

impl App {
    /// The `at`-th application of a repository over these namespaces.
    pub fn new(at: usize, namespaces: &[String]) -> Self {
        let (place, round) = (at % Sort::ALL.len(), at / Sort::ALL.len());
        let sort = Sort::ALL[place];
        let word = format!("{sort:?}").to_lowercase();
        Self {
            sort,
            name: format!("{word}{at:03}"),
            namespace: namespaces[(place + round) % namespaces.len()].clone(),
            size: 3 + u32::try_from((place / 2 + round) % 3).unwrap(),
            by_plan: sort.is_direct() || (place / 4 + round) % 3 == 0,
            quick: round == 0,
        }
    }

    /// The image of a release; its tag is what the replica ratio exchanges.
    pub fn image(release: u32) -> String {
        format!("podinfo:v{release}")
    }

    /// What a rollout of it is called.
    pub fn rollout(&self) -> String {
        match self.sort {
            Sort::Trait => format!("{}-web", self.name),
            _ => self.name.clone(),
        }
    }

    /// All its pods.
    pub fn pods(&self) -> u32 {
        match self.sort {
            Sort::Nodes => NODES,
            Sort::Several => self.size + BESIDE,
            _ => self.size,
        }
    }

    /// The batches of what is counted in pods.
    pub fn batches(&self) -> Vec<u32> {
        match (self.sort, self.quick) {
            (Sort::Nodes, true) => vec![2, NODES - 2],
            (Sort::Nodes, false) => vec![1, 1, NODES - 2],
            (_, true) => vec![self.size.div_ceil(2), self.size / 2],
            (_, false) => vec![1, 1, self.size - 2],
        }
    }

    /// The first share of the requests, in per cent.
    pub fn share(&self) -> u32 {
        if self.quick { 50 } else { 25 }
    }

    /// Whether a release can be held in its middle. What is applied as it stands
    /// has no gate, and is held by pods that do not come: a run waits for these.
    pub fn is_held(&self) -> bool {
        !(self.quick && self.sort == Sort::Objects)
    }

    /// How many pods the first batch of a release brings.
    pub fn tried(&self) -> u32 {
        let part = |of: u32| (of * self.share()).div_ceil(100);
        match self.sort {
            Sort::Several => part(self.size) + part(BESIDE),
            Sort::Routed | Sort::Ingressed | Sort::KruiseTrait => part(self.size),
            Sort::KruiseGreen => self.size.div_ceil(2),
            Sort::Spread | Sort::Kruise | Sort::Green | Sort::Ratio => 1,
            Sort::Objects if !self.is_held() => self.size,
            Sort::Plain | Sort::Objects => 0,
            _ => self.batches()[0],
        }
    }

    /// How many pods of the release before serve while the first batch stands.
    pub fn left(&self) -> u32 {
        match self.sort {
            // Beside all of them.
            Sort::Green | Sort::Kruise | Sort::KruiseGreen | Sort::KruiseTrait | Sort::Ratio => {
                self.size
            }
            // What the rest of the requests needs.
            Sort::Routed | Sort::Ingressed => (self.size * (100 - self.share())).div_ceil(100),
            // 3 and 1 are nearer to a quarter than 2 and 1; of four and five no pod
            // more than all is.
            Sort::Spread => self.size.max(4) - 1,
            // The Deployment's own update waits for what does not come.
            Sort::Plain | Sort::Objects if self.is_held() => self.floor(),
            _ => self.pods() - self.tried(),
        }
    }

    /// How many ready pods are promised at every moment.
    pub fn floor(&self) -> u32 {
        let largest = self.batches().into_iter().max().unwrap();
        match self.sort {
            Sort::Down | Sort::Clones | Sort::Stateful | Sort::KruisePlace | Sort::Nodes => {
                self.pods() - largest
            }
            // The StatefulSet's largest batch is half of three.
            Sort::Several => self.size + BESIDE - 2,
            // A quarter may be missing in a Deployment's own update.
            Sort::Kruise | Sort::KruiseGreen | Sort::KruiseTrait | Sort::Plain | Sort::Objects => {
                self.size - self.size / 4
            }
            _ => self.size,
        }
    }

    /// The objects that are there at rest, as `Kind/name`, and nothing else.
    pub fn objects(&self, release: u32) -> Vec<String> {
        let name = &self.name;
        let one = |kind: &str, more: &str| format!("{kind}/{name}{more}");
        let revision = one("Deployment", &format!("-v{release}"));
        let mut all = match self.sort {
            Sort::Clones => vec![one("CloneSet", "")],
            Sort::Stateful | Sort::KruisePlace => vec![one("StatefulSet", "")],
            Sort::Nodes => vec![one("DaemonSet", "")],
            Sort::Several | Sort::Trait | Sort::Standard => {
                vec![one("Deployment", &format!("-web-v{release}")), one("Service", "-web")]
            }
            Sort::Kruise | Sort::KruiseGreen | Sort::Plain => {
                vec![one("Deployment", ""), one("Service", "")]
            }
            Sort::KruiseTrait => {
                vec![one("Deployment", ""), one("Service", ""), one("Ingress", "")]
            }
            Sort::Objects => vec![one("Deployment", ""), one("ConfigMap", "-settings")],
            _ => vec![revision, one("Service", "")],
        };
        all.extend(match self.sort {
            Sort::Several => vec![one("StatefulSet", "-db")],
            Sort::Carried => vec![one("ConfigMap", "-settings")],
            Sort::Routed => vec![one("HTTPRoute", "")],
            Sort::Ingressed => vec![one("Ingress", "")],
            Sort::Green => vec![one("Service", "-preview")],
            _ => Vec::new(),
        });
        all.sort();
        all
    }

    /// Its pods at rest.
    pub fn images(&self, release: u32) -> BTreeMap<String, u32> {
        BTreeMap::from([(Self::image(release), self.pods())])
    }

    /// Its pods while the first batch of a release stands.
    pub fn images_between(&self, before: u32, release: u32) -> BTreeMap<String, u32> {
        let all = [(Self::image(before), self.left()), (Self::image(release), self.tried())];
        all.into_iter().filter(|(_, pods)| *pods > 0).collect()
    }
}

/// Whose something is by its name, which has to be an application's.
pub fn owner(name: &str) -> &str {
    name.split('-').next().unwrap_or(name)
}
