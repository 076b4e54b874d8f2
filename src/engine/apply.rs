//! One run over all entities of a target.

use super::outcome::{Class, Halt, Rest};
use super::turn::Turn;
use super::{Engine, Reading, RunError};
use crate::core::strategy::EntityKey;
use crate::port::{Clock, Ports, Progress};
use jiff::SignedDuration;

/// How a run ended.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Each entity, and where it rests.
    pub entities: Vec<(EntityKey, Rest)>,
    /// What ended the run as a whole, if anything did.
    pub error: Option<RunError>,
}

impl Report {
    /// The class that counts for the run: the first of all in their order.
    #[must_use]
    pub fn class(&self) -> Class {
        self.classes().min().unwrap_or(Class::Done)
    }

    /// The class of each entity, and of what ended the run.
    pub fn classes(&self) -> impl Iterator<Item = Class> + '_ {
        let entities = self.entities.iter().map(|(_, rest)| rest.class);
        entities.chain(self.error.iter().map(|error| error.class))
    }
}

/// How often a run reads everything anew after a lost race, before it leaves
/// the field to the others.
const MAX_LOSSES: u32 = 20;
/// How often objects are settled in one run before somebody else must be
/// changing them.
const MAX_SETTLES: u32 = 2;
/// More steps than any run takes for one entity.
const MAX_TURNS: u32 = 10_000;

impl<P: Ports> Engine<'_, P> {
    /// Takes every step that is due.
    pub async fn apply(&self) -> Report {
        let mut report = Report::default();
        if let Err(error) = self.run(&mut report).await {
            report.error = Some(error);
        }
        report
    }

    async fn run(&self, report: &mut Report) -> Result<(), RunError> {
        if let Some(wait) = self.options.wait {
            let now = self.ports.clock().now().await?;
            let wait = SignedDuration::try_from(wait).unwrap_or(SignedDuration::MAX);
            self.until.set(Some(now.saturating_add(wait).unwrap_or(now)));
        }
        let mut reading = self.published_reading().await?;
        self.tell_notices(&reading)?;
        for key in self.entities(&reading)? {
            let rest = self.rest_of(&mut reading, &key).await;
            report.entities.push((key, rest));
            if self.ports.process().stopping() {
                return Ok(());
            }
        }
        self.keep_waiting(&mut reading, report).await?;
        match reading.problem {
            Some(text) => Err(RunError::new(
                Class::Invalid,
                text,
                "mend the plan; what is under way went on under the last valid plan commit",
            )),
            None => Ok(()),
        }
    }

    async fn rest_of(&self, reading: &mut Reading, key: &EntityKey) -> Rest {
        match self.advance(reading, key).await {
            Ok(rest) => rest,
            Err(error) => error.into(),
        }
    }

    /// With `--wait`: looks again and again, a round each, at every entity
    /// that waits for something that comes by itself, so that one that never
    /// gets ready does not hold up the others.
    async fn keep_waiting(
        &self,
        reading: &mut Reading,
        report: &mut Report,
    ) -> Result<(), RunError> {
        let Some(until) = self.until.get() else { return Ok(()) };
        loop {
            let mut awaiting = false;
            for (key, rest) in &mut report.entities {
                if self.ports.process().stopping() || self.ports.clock().now().await? >= until {
                    return Ok(());
                }
                if rest.awaiting {
                    *rest = self.rest_of(reading, key).await;
                    awaiting |= rest.awaiting;
                }
            }
            if !awaiting {
                return Ok(());
            }
        }
    }

    /// Reads, and publishes what is new, until nobody else comes between. A
    /// record that was rewound is found out before anything is written on it.
    async fn published_reading(&self) -> Result<Reading, RunError> {
        for _ in 0..MAX_LOSSES {
            let anchor = self.anchor_seq().await?;
            let mut reading = self.read().await?;
            self.not_rewound(anchor, &mut reading).await?;
            match self.publish(&mut reading).await {
                Ok(()) => return Ok(reading),
                Err(Halt::Error(error)) => return Err(error),
                Err(_) => {}
            }
        }
        Err(crowded())
    }

    fn tell_notices(&self, reading: &Reading) -> Result<(), RunError> {
        for notice in &reading.loaded()?.plan.notices {
            let text = format!("{}: {}", notice.place, notice.message);
            self.ports.audience().hear(&Progress::Notice(text));
        }
        Ok(())
    }

    /// Takes an entity as far as it goes.
    async fn advance(&self, reading: &mut Reading, key: &EntityKey) -> Result<Rest, RunError> {
        let (mut lost, mut again, mut settled) = (0, 0, 0);
        self.won.set(false);
        for _ in 0..MAX_TURNS {
            match self.turn(reading, key).await {
                // Edits of the plan count from the next step.
                Ok(Turn::Moved) => *reading = self.published_reading().await?,
                Ok(Turn::Settled) if settled < MAX_SETTLES => {
                    settled += 1;
                    *reading = self.published_reading().await?;
                }
                Ok(Turn::Settled) => {
                    let message = format!(
                        "{key}: what was applied {MAX_SETTLES} times is changed back each time\n  \
                         next: find out who writes it (`kubectl get -o yaml \
                         --show-managed-fields`), and leave the field to one of you"
                    );
                    return Ok(Rest::of(Class::Failed, message));
                }
                Ok(Turn::Rest(rest)) => {
                    // What this run wanted to do, another one did.
                    let beaten = lost > 0 && !self.won.get() && rest.class >= Class::Waiting;
                    return Ok(if beaten {
                        Rest::of(Class::Busy, format!("{key}: another run won the race"))
                    } else {
                        rest
                    });
                }
                Err(Halt::Lost) => {
                    lost += 1;
                    if lost > MAX_LOSSES {
                        return Err(crowded());
                    }
                    *reading = self.published_reading().await?;
                }
                // An object changed between its look and its dry-run.
                Err(Halt::Again) if again < MAX_LOSSES => again += 1,
                Err(Halt::Again) => return Err(crowded()),
                Err(Halt::Aborted) => {}
                Err(Halt::Superseded(message)) => return Ok(Rest::of(Class::Busy, message)),
                Err(Halt::Error(error)) => return Err(error),
            }
        }
        Err(RunError::new(
            Class::Failed,
            format!("{key}: {MAX_TURNS} steps in one run"),
            "this is a fault of tranche: please report it with the record branch",
        ))
    }
}

fn crowded() -> RunError {
    RunError::new(
        Class::Busy,
        format!("{MAX_LOSSES} pushes were lost to other runs"),
        "run it again; the others make progress",
    )
}
