//! The API server's clock. Owns the step from its `Date` headers to a time;
//! the local clocks only measure how long ago one was heard.

use super::observe::Observer;
use super::request::{Class, Patience, Sender};
use crate::port::{Clock, ClusterError, ClusterProblem};
use jiff::Timestamp;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// A `Date` older than this is asked for again.
const FRESH: Duration = Duration::from_secs(5);
/// The longest single sleep: something may change meanwhile.
const NAP: Duration = Duration::from_secs(1);

/// The clock of a real target, from the `Date` of its API server's answers.
pub struct ApiServerClock {
    sender: Sender,
    observer: Observer,
    /// The latest time that was told: API servers behind one address may
    /// differ, and recorded time never goes back.
    told: Mutex<Option<Timestamp>>,
}

impl ApiServerClock {
    /// A clock for a client in whose stack `observer` listens.
    #[must_use]
    pub fn new(client: kube::Client, observer: Observer) -> Self {
        let sender = Sender::new(client, Patience::default());
        Self { sender, observer, told: Mutex::new(None) }
    }

    fn tell(&self, time: Timestamp) -> Timestamp {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let time = told.map_or(time, |before| before.max(time));
        *told = Some(time);
        time
    }
}

impl Clock for ApiServerClock {
    async fn now(&self) -> Result<Timestamp, ClusterError> {
        if let Some(time) = self.observer.now(FRESH) {
            return Ok(self.tell(time));
        }
        let failed =
            |problem| ClusterError { subject: "the API server's clock".to_owned(), problem };
        let asked = self.sender.get("/version").await;
        // Any answer carries a Date, a refusal too.
        match self.observer.now(FRESH) {
            Some(time) => Ok(self.tell(time)),
            None => {
                asked.json(Class::Read, false).map_err(failed)?;
                let cause = "its answers carry no Date header".to_owned();
                Err(failed(ClusterProblem::Other(cause)))
            }
        }
    }

    async fn wait(&self, at_most: Duration, _may_jump: bool) -> Result<Timestamp, ClusterError> {
        tokio::time::sleep(at_most.min(NAP)).await;
        self.now().await
    }
}
