//! What plans wait for between the steps of a canary, and who opens it. Owns
//! which seeds have pauses, how they are written, and the deeds about them, all
//! without a draw of the seed's own: a seed without pauses stays what it was.

use crate::people::Deed;
use crate::plan::{App, Kind, Roll};
use crate::schedule::{Event, Sim};
use crate::seed::Random;
use tranche::core::decide::Command;
use tranche::core::strategy::EntityKey;
use tranche::engine::{Class, Rest};

/// What is waited for after a step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wait {
    #[default]
    Nothing,
    /// So many seconds.
    Hold(u64),
    Approval,
    /// Approved for a revision, by its number.
    ApprovedFor(usize),
}

impl Wait {
    /// As a field of a step.
    pub fn written(self, app: &str) -> String {
        match self {
            Self::Nothing => String::new(),
            Self::Hold(seconds) => format!(", pause: {{duration: {seconds}}}"),
            Self::Approval => ", pause: {}".to_owned(),
            Self::ApprovedFor(number) => format!(", pause: {{approvedFor: {app}-v{number}}}"),
        }
    }

    /// As a field of a step of the trait: what that leaves out is an approval.
    pub fn of_trait(self) -> String {
        match self {
            Self::Nothing => ", duration: 0".to_owned(),
            Self::Hold(seconds) => format!(", duration: {seconds}"),
            Self::Approval | Self::ApprovedFor(_) => String::new(),
        }
    }

    /// As a field of a step of OpenKruise's: what that leaves out is an approval.
    pub fn of_kruise(self) -> String {
        match self {
            Self::Nothing => ", pause: {duration: 0}".to_owned(),
            Self::Hold(seconds) => format!(", pause: {{duration: {seconds}}}"),
            Self::Approval | Self::ApprovedFor(_) => ", pause: {}".to_owned(),
        }
    }

    /// As fields of a blue-green rollout.
    pub fn of_switch(self, app: &str) -> Vec<String> {
        let by_hand = "autoPromotionEnabled: false".to_owned();
        match self {
            Self::Nothing => Vec::new(),
            Self::Hold(seconds) => vec![format!("autoPromotionSeconds: {seconds}")],
            Self::Approval => vec![by_hand],
            Self::ApprovedFor(number) => vec![by_hand, format!("approvedFor: {app}-v{number}")],
        }
    }

    fn any(random: &mut Random) -> Self {
        match random.below(5) {
            0 => Self::Nothing,
            1 => Self::Hold(random.between(1, 15)),
            2 => Self::Hold(random.between(20, 150)),
            _ => Self::Approval,
        }
    }
}

/// The pauses of a first plan: of half of the canaries, of switches and of those
/// beside.
pub fn first(kind: Kind, replicas: u64, roll: &Roll) -> [Wait; 2] {
    let number = replicas * 1_000 + roll.deadline * 10 + roll.drain;
    let mut random = Random::new(number + roll.batches as u64);
    let waits = kind == Kind::Canary || kind == Kind::Switch || kind.keeps_its_name();
    if waits && random.below(2) == 0 {
        [Wait::any(&mut random), Wait::any(&mut random)]
    } else {
        [Wait::Nothing; 2]
    }
}

impl App {
    /// What is waited for after a step of it; nothing is after the last one. One
    /// that is tried beside itself has another step at its end.
    pub fn wait(&self, after: usize) -> Wait {
        let Some(roll) = self.roll else { return Wait::Nothing };
        if self.kind == Kind::Switch {
            return match after {
                0 => roll.waits[0],
                1 if roll.drain > 0 => Wait::Hold(roll.drain),
                _ => Wait::Nothing,
            };
        }
        let beside = self.kind.keeps_its_name();
        let last = self.steps().len() - usize::from(!beside);
        match roll.waits.get(after).copied().filter(|_| after < last).unwrap_or_default() {
            // The trait has no words for it.
            Wait::ApprovedFor(_) if beside => Wait::Approval,
            wait => wait,
        }
    }
}

impl Sim {
    /// Who approves, and who edits, over so many milliseconds.
    pub fn plan_approvals(&self, until: u64) {
        let plans = self.plans.borrow();
        for (app, App { roll, replicas, .. }) in plans.model.apps.iter().enumerate() {
            let Some(roll) = roll.filter(|roll| roll.waits != [Wait::Nothing; 2]) else { continue };
            let mut random = Random::new(until * 10 + replicas + roll.deadline);
            // Too early and too late, most of them.
            for _ in 0..random.between(1, 4) {
                let at = random.between(20_000, until);
                self.at(at, Event::Deed(Deed::Order(app, Command::Approve)));
            }
            for _ in 0..random.below(3) {
                let at = random.between(20_000, until);
                let after = usize::try_from(random.below(2)).unwrap_or(0);
                let wait = match random.below(3) {
                    0 => Wait::ApprovedFor(usize::try_from(random.between(1, 3)).unwrap_or(1)),
                    _ => Wait::any(&mut random),
                };
                self.at(at, Event::Deed(Deed::Wait(app, after, wait)));
            }
        }
    }

    /// Most runs that say so find somebody who approves, soon after; at the end all
    /// of them do.
    pub fn heed_gate(&self, key: &EntityKey, rest: &Rest) {
        let mut random = Random::new(self.now.get());
        let waits = rest.class == Class::Waiting && rest.message.contains("waits for approval");
        if !waits || (!self.armed.stopped() && random.below(4) == 0) {
            return;
        }
        let app = self.plans.borrow().model.apps.iter().position(|app| app.name == key.name);
        if let Some(app) = app {
            let at = self.now.get() + random.between(500, 15_000);
            self.at(at, Event::Deed(Deed::Order(app, Command::Approve)));
        }
    }
}
