//! Plans from text to model, through the one door that all callers use.

mod applications;
mod blue_green;
mod documents;
mod errors;
mod hooks;
mod kruise;
mod networks;
mod overlays;
mod pauses;
mod project;
mod ratio;
mod rollouts;
mod routes;
mod seeds;

use crate::core::dialect::load;
use crate::core::model::{Amount, Batch, Batches, Place, Plan, PlanFile};

fn file(path: &str, text: &str) -> PlanFile {
    PlanFile { path: path.to_owned(), bytes: text.as_bytes().to_vec() }
}

fn plan(text: &str) -> Plan {
    load(vec![file("a.yaml", text)]).unwrap_or_else(|errors| panic!("{errors}"))
}

fn errors(text: &str) -> String {
    load(vec![file("a.yaml", text)]).unwrap_err().to_string()
}

fn place(file: &str, line: u32) -> Place {
    Place { file: file.to_owned(), line }
}

fn batches(replicas: &[Amount]) -> Batches {
    let batch = |r: &Amount| Batch { replicas: Some(*r), max_unavailable: Amount::Count(0) };
    Batches::Listed(replicas.iter().map(batch).collect())
}

/// An AppRollout whose spec ends with the given lines.
fn rollout(batches: &str) -> String {
    format!(
        "apiVersion: core.oam.dev/v1beta1\nkind: AppRollout\nmetadata: {{name: web}}\nspec:\n  \
         targetAppRevisionName: web-v2\n  rolloutPlan:\n{batches}"
    )
}
