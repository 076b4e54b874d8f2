//! `tranche adopt --rebuilt`: a person says that this cluster takes the place
//! of the recorded one. Owns its words; what is adopted is `engine`'s.

use super::args::{Adopt, Common};
use super::connect::{only_target, open, wire};
use super::exit::Failure;
use super::settings;
use super::terminal::{hidden, out, say};
use crate::engine::{Engine, Options, Word};

/// Adopts the cluster of one target.
pub(super) async fn run(common: &Common, options: &Adopt) -> Result<u8, Failure> {
    let repository = open(common).await?;
    let target = only_target(common, &repository.project, "the one whose cluster was rebuilt")?;
    let ports = wire(common, &repository, &target).await?;
    let engine = Engine::new(&ports, &target, Options::default());
    let word = Word { by: settings::person(), reason: options.reason.as_deref().map(hidden) };
    for record in engine.adopt(&word).await? {
        out(say(format!("{}: nothing of it is on this cluster", record.entity)));
    }
    let name = &target.name;
    out(say(format!("target {name}: the cluster is adopted; `tranche apply` fills it")));
    Ok(0)
}
