//! Where a cluster's state lives: in a journal's directory, or in memory alone.
//! Owns the order of a transaction, which is the same for both; it must never
//! look into an object.

use super::journal::Journal;
use super::world::World;
use jiff::Timestamp;
use std::io;

/// The state behind a handle.
#[derive(Debug)]
pub(super) enum Store {
    /// In a directory that other processes may share.
    File(Box<Journal>),
    /// In this process alone.
    Memory(Box<World>),
}

impl Store {
    #[cfg(test)]
    pub(super) fn journal(&mut self) -> &mut Journal {
        match self {
            Self::File(journal) => journal,
            Self::Memory(_) => panic!("this cluster has no journal"),
        }
    }

    /// One transaction: lock, read what others wrote, let time pass, work, run
    /// the controllers, write; only then answer.
    pub(super) fn transact<T>(
        &mut self,
        wall: Timestamp,
        still: bool,
        work: impl FnOnce(&mut World) -> T,
    ) -> io::Result<T> {
        match self {
            Self::File(journal) => {
                let _lock = journal.lock()?;
                journal.transact(wall, |world| turn(world, wall, still, work))
            }
            Self::Memory(world) => Ok(turn(world, wall, still, work)),
        }
    }
}

fn turn<T>(
    world: &mut World,
    wall: Timestamp,
    still: bool,
    work: impl FnOnce(&mut World) -> T,
) -> T {
    let whole = Timestamp::from_second(wall.as_second()).unwrap_or(wall);
    if still {
        world.rest(whole);
        let out = work(world);
        world.rest(whole);
        return out;
    }
    world.run_until(whole.max(world.now()));
    let out = work(world);
    world.settle();
    out
}
