//! The kinds that came last: blue-green, lanes, Istio's routes, and more trials
//! and matches than there were. Owns which applications of a seed are of them.
//!
//! It draws from a stream of its own, under a label by which every seed that
//! `regressions.txt` and the table of defects had by then keeps its
//! applications. Whoever adds a kind does the same under another label.

use crate::plan::{App, Kind, Model, Roll};
use crate::routes::Via;
use crate::seed::Random;
use crate::waits;

const LABEL: u64 = 2_135_986;

/// The stream of a seed.
pub fn stream(seed: u64) -> Random {
    Random::new(seed).fork(LABEL)
}

/// Makes some applications of a first plan another kind.
pub fn mix(apps: &mut Vec<App>, random: &mut Random) {
    let fed = random.chance(600);
    for app in apps.iter_mut() {
        app.fed = fed;
        let draw = random.below(1000);
        match (app.kind, draw) {
            (Kind::Pair, 0..100) => app.becomes(Kind::Switch, Via::Nothing),
            (Kind::Pair, 100..200) => {
                let via = *random.pick(&[Via::HttpRoute, Via::Ingress]);
                app.becomes(Kind::Member, via);
            }
            (Kind::Pair, 200..240) => {
                let via = *random.pick(&[Via::HttpRoute, Via::Ingress, Via::Nothing]);
                app.becomes(Kind::Beside, via);
                app.matched = true;
            }
            (Kind::Canary, 0..70) => app.via = Via::VirtualService,
            (Kind::Canary, 70..150) => app.via = Via::Subsets,
            (Kind::Canary | Kind::Beside, 150..240) => app.matched = true,
            _ => {}
        }
    }
    // One who shares the lane, reached by a route or behind who is.
    if let [first] = apps.as_slice()
        && first.kind == Kind::Member
        && random.chance(400)
    {
        let via = *random.pick(&[Via::HttpRoute, Via::Ingress, Via::Nothing, Via::Nothing]);
        let mut second = App { name: "api", via, replicas: random.between(2, 4), ..first.clone() };
        second.becomes(Kind::Member, via);
        apps.push(second);
    }
}

impl App {
    fn becomes(&mut self, kind: Kind, via: Via) {
        self.kind = kind;
        self.via = via;
        let Some(roll) = &mut self.roll else { return };
        if kind.keeps_its_name() {
            // There are no words for them.
            *roll = Roll { partition: None, size: None, ..*roll };
        }
        roll.waits = waits::first(kind, self.replicas, roll);
    }

    /// What it is counted as.
    fn counted(&self) -> Option<&'static str> {
        Some(match (self.kind, self.via) {
            (Kind::Switch, _) => "mix: blue-green",
            (Kind::Member, _) => "mix: a member of a lane",
            (Kind::Beside, _) => "mix: a trial beside",
            (_, Via::VirtualService) => "mix: a VirtualService",
            (_, Via::Subsets) => "mix: a DestinationRule's subsets",
            (_, Via::Ingress) => "mix: an Ingress",
            (_, Via::HttpRoute) => "mix: an HTTPRoute",
            (Kind::Spread, _) => "mix: a canary without a route",
            _ => return None,
        })
    }
}

impl Model {
    /// What a plan has, to be counted.
    pub fn counted(&self) -> impl Iterator<Item = &'static str> {
        let matched = self.apps.iter().filter(|app| !app.matches(0).is_empty());
        let later = self.apps.iter().flat_map(App::counted_later);
        let matched = matched.map(|_| "mix: matches");
        self.apps.iter().filter_map(App::counted).chain(matched).chain(later)
    }
}
