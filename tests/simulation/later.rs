//! The kinds that came after those of `mix.rs`: two components that are rolled
//! together, DaemonSets, and hooks around batches. Owns which applications of a
//! seed are of them, by a stream of its own as there.

use crate::plan::{App, Kind, Roll};
use crate::seed::Random;
use crate::side::Side;

const LABEL: u64 = 56_297;
/// What draws the faults that came with them.
const FAULTS: u64 = 2;

/// The stream of a seed.
pub fn stream(seed: u64) -> Random {
    Random::new(seed).fork(LABEL)
}

/// The stream of a seed's later faults.
pub fn faults(seed: u64) -> Random {
    Random::new(seed).fork(FAULTS)
}

/// Makes some applications of a first plan another kind.
pub fn mix(apps: &mut [App], random: &mut Random) {
    for app in apps {
        let draw = random.below(1000);
        match (app.kind, draw) {
            (Kind::Pair, 0..120) => {
                let kind = *random.pick(&[Kind::Pair, Kind::CloneSet, Kind::StatefulSet]);
                app.joined_by(Side { kind, replicas: random.between(2, 4) });
                app.is_let_on(random);
                app.hooked = random.chance(200);
            }
            (Kind::Pair, 120..240) => {
                app.kind = Kind::Nodes;
                // There are five, and nobody asks for another number.
                app.replicas = 5;
                app.roll = app.roll.map(|roll| Roll { size: None, decrease: false, ..roll });
                app.is_let_on(random);
                app.budget = random.chance(400).then(|| random.between(2, 4));
                app.hooked = random.chance(200);
            }
            (Kind::Pair, 240..300) | (Kind::CloneSet | Kind::StatefulSet, 0..60) => {
                app.hooked = true;
                app.is_let_on(random);
            }
            _ => {}
        }
    }
}

impl App {
    /// Few of them stop at a gate: what is new about them is in later batches.
    fn is_let_on(&mut self, random: &mut Random) {
        if random.chance(700) {
            self.roll = self.roll.map(|roll| Roll { partition: None, ..roll });
        }
    }

    /// Whether it is one of them.
    pub fn came_later(&self) -> bool {
        self.side.is_some() || self.hooked || self.kind == Kind::Nodes
    }
    /// A disruption budget over its pods, with the file that it is in.
    pub fn disruptions(&self) -> Option<(String, String)> {
        let (name, least) = (self.name, self.budget?);
        let text = format!(
            "apiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: {{name: {name}}}\nspec:\n  \
             minAvailable: {least}\n  selector: {{matchLabels: {{app.oam.dev/component: {name}}}}}\n"
        );
        Some((format!("budget-{name}.yaml"), text))
    }

    /// What it is counted as besides.
    pub fn counted_later(&self) -> impl Iterator<Item = &'static str> {
        let side = self.side.map(|side| match side.kind {
            Kind::CloneSet => "mix: beside a CloneSet",
            Kind::StatefulSet => "mix: beside a StatefulSet",
            _ => "mix: beside a pair",
        });
        let all = [
            self.side.map(|_| "mix: two components"),
            side,
            (self.kind == Kind::Nodes).then_some("mix: a DaemonSet"),
            self.budget.map(|_| "mix: a disruption budget"),
            self.hooked.then_some("mix: hooks"),
        ];
        all.into_iter().flatten()
    }
}
