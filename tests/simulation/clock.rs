//! The target's clock as a run sees it: virtual, and never running back inside
//! one run.

use crate::faults::Fault;
use crate::schedule::Handle;
use jiff::Timestamp;
use std::cell::Cell;
use std::time::Duration;
use tranche::port::{Clock, ClusterError, ClusterProblem};

/// How long a wait may sleep before it looks again.
const NAPS: [u64; 3] = [1_000, 4_000, 10_000];

pub struct SimClock {
    pub handle: Handle,
    pub told: Cell<Option<Timestamp>>,
}

impl SimClock {
    fn tell(&self) -> Timestamp {
        let time = self.handle.sim.target_time();
        let time = self.told.get().map_or(time, |told| told.max(time));
        self.told.set(Some(time));
        time
    }
}

impl Clock for SimClock {
    async fn now(&self) -> Result<Timestamp, ClusterError> {
        if self.handle.fires(Fault::Odd) {
            return Err(ClusterError {
                subject: "the API server's clock".to_owned(),
                problem: ClusterProblem::Unreachable("simulated".to_owned()),
            });
        }
        Ok(self.tell())
    }

    async fn wait(&self, at_most: Duration, _may_jump: bool) -> Result<Timestamp, ClusterError> {
        let nap = *self.handle.sim.random.borrow_mut().pick(&NAPS);
        let at_most = u64::try_from(at_most.as_millis()).unwrap_or(nap);
        self.handle.pause(at_most.clamp(1, nap)).await;
        Ok(self.tell())
    }
}
