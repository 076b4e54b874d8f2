//! One run over all entities of a target. Owns the order of rounds and of what
//! is done in one; what is due for an entity is `decide`'s.

use super::course::{Course, crowded};
use super::outcome::{Class, Halt, Rest};
use super::{Engine, MAX_LOSSES, Reading, Round, RunError};
use crate::core::strategy::{EntityKey, EntityKind};
use crate::port::{Clock, Ports, Progress};
use jiff::SignedDuration;
use std::collections::BTreeSet;

/// How a run ended.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Each entity, and where it rests.
    pub entities: Vec<(EntityKey, Rest)>,
    /// What ended the run as a whole, if anything did.
    pub error: Option<RunError>,
    /// The rounds in which anything was recorded.
    pub rounds: Vec<Round>,
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

impl<P: Ports> Engine<'_, P> {
    /// Takes every step that is due.
    pub async fn apply(&self) -> Report {
        let mut courses = Vec::new();
        let error = self.run(&mut courses).await.err();
        let rests = courses.into_iter().filter_map(|course| Some((course.key, course.rest?)));
        Report { entities: rests.collect(), error, rounds: self.tally.rounds() }
    }

    async fn run(&self, courses: &mut Vec<Course>) -> Result<(), RunError> {
        if let Some(wait) = self.options.wait {
            let now = self.ports.clock().now().await?;
            let wait = SignedDuration::try_from(wait).unwrap_or(SignedDuration::MAX);
            self.until.set(Some(now.saturating_add(wait).unwrap_or(now)));
        }
        self.tally.begin();
        let mut reading = self.published_reading().await?;
        self.tell_notices(&reading)?;
        let driven = self.driven_objects(reading.loaded()?, &self.snapshot(&reading))?;
        self.every_wave(&mut reading, courses).await?;
        self.keep_waiting(&mut reading, courses).await?;
        // What a rollout has given up in this run is the plan's again.
        let still = self.driven_objects(reading.loaded()?, &self.snapshot(&reading))?;
        if !still.is_superset(&driven) {
            let plain = courses.iter_mut().filter(|c| c.key.kind == EntityKind::Objects);
            plain.for_each(|course| *course = Course::new(course.key.clone()));
            self.rounds(&mut reading, courses).await?;
        }
        self.every_wave(&mut reading, courses).await?;
        match reading.problem {
            Some(text) => Err(RunError::new(
                Class::Invalid,
                text,
                "mend the plan; what is under way went on under the last valid plan commit",
            )),
            None => Ok(()),
        }
    }

    /// Every entity that this run has not met yet, wave after wave.
    async fn every_wave(
        &self,
        reading: &mut Reading,
        courses: &mut Vec<Course>,
    ) -> Result<(), RunError> {
        for wave in self.waves(reading)? {
            if self.ports.process().stopping() {
                return Ok(());
            }
            let new = wave.into_iter().filter(|key| courses.iter().all(|c| c.key != *key));
            let mut wave: Vec<Course> = new.map(Course::new).collect();
            let done = self.rounds(reading, &mut wave).await;
            courses.append(&mut wave);
            done?;
        }
        Ok(())
    }

    /// Round after round until every entity rests.
    async fn rounds(&self, reading: &mut Reading, courses: &mut [Course]) -> Result<(), RunError> {
        while courses.iter().any(|course| course.rest.is_none()) {
            let tip = reading.tip.clone();
            let at_work = courses.iter().filter(|c| is_lane(c) && c.rest.is_none());
            let mut wait = BTreeSet::new();
            for lane in at_work {
                wait.extend(self.waiting_for(reading, &lane.key)?);
            }
            let stale = self.round(reading, courses).await?;
            if self.ports.process().stopping() {
                break;
            }
            if reading.tip != tip {
                // A lane goes by what its rollouts record, and they wait for it.
                for course in &mut *courses {
                    if is_lane(course) || wait.contains(&course.key) {
                        course.reconsider();
                    }
                }
            }
            // Edits of the plan count from the next step.
            if stale && courses.iter().any(|course| course.rest.is_none()) {
                self.tally.begin();
                *reading = self.published_reading().await?;
            }
        }
        Ok(())
    }

    /// With `--wait`: looks again and again, a round each, at every entity
    /// that waits for something that comes by itself, and sleeps while that is
    /// nothing but time.
    async fn keep_waiting(
        &self,
        reading: &mut Reading,
        courses: &mut [Course],
    ) -> Result<(), RunError> {
        let Some(until) = self.until.get() else { return Ok(()) };
        loop {
            let now = self.ports.clock().now().await?;
            if self.ports.process().stopping() || now >= until {
                return Ok(());
            }
            let mut awake = false;
            for course in &mut *courses {
                awake |= course.wake(now);
            }
            if !awake {
                let slept = self.slept(reading, courses, until).await?;
                if !slept || self.ports.process().stopping() {
                    return Ok(());
                }
                // What was decided meanwhile counts: an edit, an approval, an
                // abort.
                self.tally.begin();
                *reading = self.published_reading().await?;
                courses.iter_mut().for_each(Course::rouse);
            }
            self.tally.begin();
            self.rounds(reading, courses).await?;
        }
    }

    /// Reads, and publishes what is new, until nobody else comes between. A
    /// record that was rewound is found out before anything is written on it.
    async fn published_reading(&self) -> Result<Reading, RunError> {
        for _ in 0..MAX_LOSSES {
            let anchor = self.anchor_seen().await?;
            let mut reading = self.read().await?;
            self.fits(anchor, &mut reading).await?;
            match self.publish(&mut reading).await {
                Ok(()) => return Ok(reading),
                Err(Halt::Error(error)) => return Err(error),
                Err(_) => {}
            }
        }
        Err(crowded())
    }

    /// What a person should know of the plan though nothing in it is wrong.
    pub(super) fn tell_notices(&self, reading: &Reading) -> Result<(), RunError> {
        let notices = reading.loaded()?.plan.notices.iter();
        let notices = notices.map(|notice| format!("{}: {}", notice.place, notice.message));
        for text in notices.chain(self.left_alone(reading)?) {
            self.ports.audience().hear(&Progress::Notice(text));
        }
        Ok(())
    }
}

fn is_lane(course: &Course) -> bool {
    course.key.kind == EntityKind::Lane
}
