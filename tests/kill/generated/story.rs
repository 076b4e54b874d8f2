//! What becomes of a generated rollout. Owns the dice: which kind, size and
//! batches, where a run is stopped, and what people do then. It never plays.

use super::rows::{ROWS, Row, Sized};
use super::written::{Gate, Plan};
use crate::dice::Dice;
use crate::{Corpse, Kill, Moment};

/// How a run comes to stop before what it was to do is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// It dies, and the next one knows that or does not.
    Killed(Kill, Corpse),
    /// So many runs do not wait for anything.
    Short(u32),
    /// It does not: it goes to its end, or to a gate.
    Not,
}

/// What people do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Turn {
    /// Other batches after those that are done.
    Batches,
    /// Other batches, whatever is done: the plan may have to be taken back.
    AllBatches,
    /// Another size.
    Size(u32),
    /// A gate.
    Hold,
    /// A new revision, published and named at once.
    Retarget,
    /// The first revision again.
    Revert,
    Abort,
}

pub struct Story {
    pub row: &'static Row,
    /// The plan that it begins with.
    pub plan: Plan,
    pub stop: Stop,
    /// And how runs stop after each turn.
    pub turns: Vec<(Turn, Stop)>,
    /// Calls that fail before hooks answer.
    pub stubborn: u32,
    pub dice: Dice,
}

impl Story {
    pub fn of(seed: u64) -> Self {
        let mut dice = Dice::new(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        for _ in 0..8 {
            dice.roll(2);
        }
        let row = &ROWS[usize::try_from(seed).unwrap() % ROWS.len()];
        let mut plan = Plan {
            number: 2,
            pods: 1 + below(&mut dice, 7),
            size: None,
            shares: shares(&mut dice, 0),
            gate: Gate::Open,
            never: row.fails && below(&mut dice, 7) == 0,
            first: false,
        };
        if below(&mut dice, 6) == 0 {
            plan.gate = gate(&mut dice, 0);
        }
        let stop = match below(&mut dice, 10) {
            0..=5 => killed(&mut dice),
            6..=7 => Stop::Short(1 + below(&mut dice, 5)),
            _ => Stop::Not,
        };
        let count = match below(&mut dice, 10) {
            0..=1 => 0,
            2..=6 => 1,
            _ => 2,
        };
        let turns = (0..count).map(|_| (turn(&mut dice, row), again(&mut dice))).collect();
        let stubborn = if below(&mut dice, 3) == 0 { below(&mut dice, 4) } else { 0 };
        Self { row, plan, stop, turns, stubborn, dice }
    }
}

pub fn below(dice: &mut Dice, end: u32) -> u32 {
    u32::try_from(dice.roll(u64::from(end))).unwrap()
}

/// Where batches end, the first of them beyond a share that is done.
pub fn shares(dice: &mut Dice, done: u32) -> Vec<u32> {
    let mut shares: Vec<u32> =
        (0..below(dice, 4)).map(|_| 1 + below(dice, 99)).filter(|share| *share > done).collect();
    shares.sort_unstable();
    shares.dedup();
    shares.push(100);
    shares
}

/// A gate that lets so many batches pass at least.
pub fn gate(dice: &mut Dice, done: u32) -> Gate {
    match below(dice, 3) {
        0 => Gate::Paused,
        more => Gate::Partition(done + more - 1),
    }
}

fn killed(dice: &mut Dice) -> Stop {
    let moment = [Moment::Before, Moment::During, Moment::After][below(dice, 3) as usize];
    let corpse = if below(dice, 3) == 0 { Corpse::Gone } else { Corpse::Dead };
    Stop::Killed(Kill { at: below(dice, 45) as usize, moment }, corpse)
}

fn again(dice: &mut Dice) -> Stop {
    match below(dice, 6) {
        0..=1 => killed(dice),
        2 => Stop::Short(1 + below(dice, 3)),
        _ => Stop::Not,
    }
}

fn turn(dice: &mut Dice, row: &Row) -> Turn {
    match below(dice, 14) {
        0..=2 => Turn::Batches,
        3 => Turn::AllBatches,
        4..=5 if row.sized != Sized::Never => Turn::Size(1 + below(dice, 8)),
        4..=5 => Turn::Batches,
        6..=7 => Turn::Hold,
        8..=9 => Turn::Retarget,
        10..=11 => Turn::Revert,
        _ => Turn::Abort,
    }
}
