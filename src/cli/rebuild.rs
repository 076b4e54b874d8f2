//! `tranche record rebuild`.

use super::args::{Common, Rebuild};
use super::exit::Failure;

/// Shows or writes it.
pub async fn run(_common: &Common, _options: &Rebuild) -> Result<u8, Failure> {
    Ok(0)
}
