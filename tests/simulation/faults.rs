//! The faults. Owns which there are and which are armed; where each of them
//! fires is in the port that it is a fault of.
//!
//! A fault is armed for a whole seed or not at all, and an armed one fires with
//! a probability of its own at every call that it could hit: a seed in which
//! everything fails a little never gets anywhere interesting.

use crate::seed::Random;
use std::cell::Cell;

macro_rules! faults {
    ($($name:ident $row:literal $rate:literal $words:literal,)+) => {
        /// One kind of fault, and its number.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Fault { $(#[doc = $words] $name,)+ }

        impl Fault {
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// How often in a thousand an armed one fires.
            const fn rate(self) -> u64 {
                match self { $(Self::$name => $rate,)+ }
            }

            pub const fn armed(self) -> &'static str {
                match self { $(Self::$name => concat!("fault ", $row, " ", $words, ": armed"),)+ }
            }

            pub const fn fired(self) -> &'static str {
                match self { $(Self::$name => concat!("fault ", $row, " ", $words, ": fired"),)+ }
            }
        }
    };
}

faults! {
    KillBefore "A" 25 "killed before an effect",
    KillDuring "A" 25 "killed after an effect, before its answer",
    KillAfter "A" 25 "killed with the answer of an effect",
    KillReading "A" 2 "killed at a read",
    SuspendBefore "D4" 60 "suspended past the lease before an effect",
    SuspendAfter "D4" 50 "suspended past the lease after an effect",
    Signal "A14" 150 "a signal asks the run to stop",
    ReadForbidden "B1" 4 "a read is a 401 or 403",
    MayNot "B2" 40 "an access review says no",
    WriteForbidden "B2" 25 "a write is a 403",
    NoKind "B4" 4 "a kind is not served for a moment",
    Bumped "B5" 60 "somebody changes the object between read and write",
    Denied "B8" 25 "an admission webhook denies a write",
    ReadUnreachable "B9" 8 "a read is not answered (429, 5xx, reset, half a page)",
    WriteNotSent "B12" 25 "a write is not processed",
    AckLost "B13" 40 "a write is applied and its answer lost",
    WriteLost "B13" 25 "a write is lost and so is its answer",
    InFlight "B13" 70 "a write times out and lands later",
    Stale "B17" 40 "a read answers an older state",
    Odd "B19" 4 "an answer that makes no sense",
    FetchFails "C4" 15 "a fetch fails",
    PushFails "C4" 30 "a push does not arrive",
    PushAckLost "C8" 50 "a push is accepted and its answer lost",
    PushLands "C8" 40 "a push times out and lands later",
    Hook "C7" 30 "a hook refuses a push",
    Raced "C1" 60 "somebody pushes just before",
    Lag "C16" 50 "a fetch does not show this run's own push yet",
    StoreFull "C13" 10 "a commit cannot be written",
    HookFails "E1" 200 "a hook answers a failure",
    HookAway "E1" 100 "a hook is not reached",
    HookAnswerLost "E2" 150 "a hook is called and its answer lost",
    HookSlow "E2" 200 "a hook takes its time to answer",
}

/// The faults that every seed draws by its first stream; those that came later
/// have one of their own, so that a recorded seed stays what it was.
const FIRST: usize = 28;

/// The faults of one seed.
#[derive(Debug)]
pub struct Armed {
    rates: Vec<u64>,
    stopped: Cell<bool>,
}

impl Armed {
    /// Each fault is armed in a quarter of the seeds, with at least one. In
    /// some seeds little fails, but runs sleep and writes are late: what others
    /// finish meanwhile is finished well, and stands to be damaged.
    pub fn new(random: &mut Random, later: &mut Random) -> Self {
        let sleepy = random.chance(300);
        let share = if sleepy { 20 } else { *random.pick(&[60, 150, 250, 400]) };
        let drawn = |faults: &[Fault], random: &mut Random, share| -> Vec<u64> {
            let rates = faults.iter().map(|fault| {
                let rate = fault.rate() * *random.pick(&[1, 1, 2, 4]);
                if random.chance(share) { rate } else { 0 }
            });
            rates.collect()
        };
        let (first, last) = Fault::ALL.split_at(FIRST);
        let mut rates = drawn(first, random, share);
        if sleepy {
            for fault in [Fault::SuspendBefore, Fault::SuspendAfter, Fault::InFlight] {
                if random.chance(700) {
                    rates[fault as usize] = fault.rate() * *random.pick(&[1, 2, 4]);
                }
            }
        }
        if rates.iter().all(|rate| *rate == 0) {
            let fault = *random.pick(first);
            rates[fault as usize] = fault.rate() * 4;
        }
        rates.extend(drawn(last, later, 400));
        Self { rates, stopped: Cell::new(false) }
    }

    pub fn has(&self, fault: Fault) -> bool {
        self.rates[fault as usize] > 0
    }

    pub fn all(&self) -> impl Iterator<Item = Fault> {
        Fault::ALL.iter().copied().filter(|fault| self.has(*fault))
    }

    /// Whether an armed fault fires now.
    pub fn draws(&self, fault: Fault, random: &mut Random) -> bool {
        let rate = self.rates[fault as usize];
        rate > 0 && !self.stopped.get() && random.chance(rate)
    }

    pub fn stopped(&self) -> bool {
        self.stopped.get()
    }

    /// From now on nothing fails any more.
    pub fn stop(&self) {
        self.stopped.set(true);
    }
}
