//! `adopt --rebuilt`: a person says that this cluster takes the place of the
//! one that the record was written on. Owns that one commit and the anchor
//! after it; it must never touch another object.

use super::anchor::{commit_of, seq_of};
use super::assertion::{Assertion, Word};
use super::chain::Pushed;
use super::course::crowded;
use super::outcome::Class;
use super::{Engine, MAX_LOSSES, Reading, RunError};
use crate::core::decide::adopted;
use crate::core::object::at;
use crate::core::record::{self, EntityRecord, FORMAT, Inventory, inventory_path};
use crate::port::{Change, Cluster, Ports};
use serde_json::Value;

impl<P: Ports> Engine<'_, P> {
    /// Adopts the cluster. Gives the entities whose objects are gone, as the
    /// record names them now.
    ///
    /// # Errors
    /// Fails if there is nothing to adopt, if the cluster is the recorded one,
    /// or if the cluster, the record or its remote do not answer.
    pub async fn adopt(&self, word: &Word) -> Result<Vec<EntityRecord>, RunError> {
        for _ in 0..MAX_LOSSES {
            let anchor = self.anchor_seen().await?;
            let mut reading = self.read_record().await?;
            self.may_adopt(&reading, anchor.as_deref()).await?;
            // The namespace must be there: else nothing could follow.
            self.write_anchor(&reading, 0, anchor.as_deref(), true).await?;
            let here = self.cluster_uid().await?;
            let gone = self.gone(&reading).await?;
            // A run of this command that did not come to its end is not said
            // twice.
            let said = reading.tip.as_ref().and_then(|tip| tip.trailers.cluster.as_ref());
            if said != Some(&here) {
                let assertion = self.adoption(&reading, &here, &gone)?;
                match self.assert(&mut reading, word, assertion).await? {
                    Pushed::Won => {}
                    Pushed::Lost => continue,
                }
            }
            let seq = reading.tip.as_ref().map_or(0, |tip| tip.trailers.seq);
            self.write_anchor(&reading, seq, anchor.as_deref(), false).await?;
            return Ok(gone);
        }
        Err(crowded())
    }

    async fn may_adopt(&self, reading: &Reading, anchor: Option<&Value>) -> Result<(), RunError> {
        if let Some(anchor) = anchor
            && self.is_here(reading, anchor).await?
        {
            let behind = seq_of(anchor)
                .filter(|seq| reading.tip.as_ref().is_none_or(|tip| tip.trailers.seq < *seq));
            return Err(match behind {
                Some(seq) => self.rewound(reading, seq, commit_of(anchor)),
                None => RunError::new(
                    Class::Refused,
                    format!(
                        "target {}: this is the cluster of the record, its anchor fits: there is \
                         nothing to adopt",
                        self.target.name
                    ),
                    "`tranche apply` goes on, and brings back what is missing",
                ),
            });
        }
        if self.snapshot(reading).entities()?.is_empty() {
            return Err(RunError::new(
                Class::Refused,
                format!(
                    "record branch {} holds no steps: there is nothing to adopt",
                    self.target.record_branch
                ),
                "`tranche apply` begins",
            ));
        }
        Ok(())
    }

    /// The entities of which nothing that the record knows by uid is there,
    /// as they are recorded from here on.
    async fn gone(&self, reading: &Reading) -> Result<Vec<EntityRecord>, RunError> {
        let snapshot = self.snapshot(reading);
        let mut gone = Vec::new();
        for (record, _) in snapshot.rows()? {
            if record.removed {
                continue;
            }
            let owned = snapshot.inventory(&record.entity)?;
            let owned = owned.objects.iter().map(|o| (o.object.clone(), o.uid.clone()));
            let named = record.open.iter().flat_map(|open| &open.objects);
            let named = named.filter_map(|n| Some((n.object.clone(), n.uid.clone()?)));
            let known: Vec<_> = owned.chain(named).collect();
            let mut found = false;
            for (object, uid) in known {
                let live = self.ports.cluster().get(&object).await?;
                let here = live.as_ref().and_then(|l| at(l, "/metadata/uid")?.as_str());
                found = here == Some(&uid);
                if found {
                    break;
                }
            }
            if !found {
                gone.push(adopted(&record));
            }
        }
        Ok(gone)
    }

    fn adoption(
        &self,
        reading: &Reading,
        here: &str,
        gone: &[EntityRecord],
    ) -> Result<Assertion, RunError> {
        let rows = self.snapshot(reading).rows()?;
        let mut changes = Vec::new();
        let mut body = String::new();
        for record in gone {
            let path = inventory_path(&record.entity);
            let empty = Inventory { format: FORMAT, objects: Vec::new() };
            changes.push(Change { bytes: Some(record::write(&path, &empty)?), path });
            let before = rows.iter().find(|row| row.0.entity == record.entity);
            let dropped = before.and_then(|row| row.0.open.as_ref());
            let step = dropped
                .map_or_else(String::new, |open| format!(", its open step {} is dropped", open.id));
            body.push_str(&format!("{}: its objects are gone{step}\n", record.entity));
        }
        Ok(Assertion {
            subject: format!("target {}: cluster {here} is adopted, rebuilt", self.target.name),
            body,
            records: gone.to_vec(),
            changes,
            cluster: Some(here.to_owned()),
            ..Assertion::default()
        })
    }
}
