//! Pseudo-random numbers of tests: the same seed, the same numbers.

/// Xorshift.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    pub fn roll(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % below
    }
}

/// The seed that `TRANCHE_SEED` names, else another one each time; shown, so
/// that a failure can be replayed.
#[expect(clippy::print_stdout, reason = "a failure is replayed by its seed")]
pub fn seeded() -> Dice {
    let seed: Option<u64> = std::env::var("TRANCHE_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed =
        seed.unwrap_or_else(|| std::time::UNIX_EPOCH.elapsed().unwrap().subsec_nanos().into());
    println!("TRANCHE_SEED={seed}");
    Dice::new(seed)
}
