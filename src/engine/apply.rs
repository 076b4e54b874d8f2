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
        let entities = self.entities.iter().map(|(_, rest)| rest.class);
        let error = self.error.iter().map(|error| error.class);
        entities.chain(error).min().unwrap_or(Class::Done)
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
        let anchor = self.anchor_seq().await?;
        let mut reading = self.published_reading().await?;
        self.not_rewound(anchor, &mut reading).await?;
        self.tell_notices(&reading)?;
        let entities = self.entities(&reading)?;
        for key in entities {
            let rest = match self.advance(&mut reading, &key).await {
                Ok(rest) => rest,
                Err(error) => error.into(),
            };
            report.entities.push((key, rest));
            if self.ports.process().stopping() {
                break;
            }
        }
        match reading.problem {
            Some(text) => Err(RunError::new(
                Class::Invalid,
                text,
                "mend the plan; what is under way went on under the last valid plan commit",
            )),
            None => Ok(()),
        }
    }

    /// Reads, and publishes what is new, until nobody else comes between.
    async fn published_reading(&self) -> Result<Reading, RunError> {
        for _ in 0..MAX_LOSSES {
            let mut reading = self.read().await?;
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
        let (mut lost, mut settled, mut moved) = (0, 0, false);
        for _ in 0..MAX_TURNS {
            match self.turn(reading, key).await {
                Ok(Turn::Moved) => moved = true,
                Ok(Turn::Settled) if settled < MAX_SETTLES => {
                    moved = true;
                    settled += 1;
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
                    let beaten = lost > 0 && !moved && rest.class >= Class::Waiting;
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
