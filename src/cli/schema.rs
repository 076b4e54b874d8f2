//! `tranche schema`: JSON Schemas of the plan kinds and of outputs, for editors
//! and CI. Owns where they are written, not what they say.

#![expect(clippy::disallowed_methods, reason = "schemas are written where the caller says")]

use super::args::Schema;
use super::exit::Failure;
use super::terminal::{out, say};
use crate::core::dialect::schemas;
use crate::report::{json_schema, saved_schema};
use serde_json::Value;

/// Prints one schema, or writes all.
pub(super) fn run(options: &Schema) -> Result<u8, Failure> {
    let mut all = schemas();
    all.push(("plan.json", json_schema()));
    all.push(("saved-plan.json", saved_schema()));
    if let Some(dir) = &options.all {
        let failed = |error: std::io::Error| Failure::plain(&format!("{}: {error}", dir.display()));
        std::fs::create_dir_all(dir).map_err(failed)?;
        for (file, schema) in &all {
            std::fs::write(dir.join(file), text(schema)).map_err(failed)?;
        }
        return Ok(0);
    }
    let wanted = options.kind.clone().unwrap_or_default().to_lowercase();
    let names: Vec<&str> = all.iter().map(|(file, _)| file.trim_end_matches(".json")).collect();
    match names.iter().position(|name| *name == wanted).and_then(|i| all.get(i)) {
        Some((_, schema)) => {
            out(say(text(schema).trim_end()));
            Ok(0)
        }
        None => Err(Failure::usage(
            format!("there is no plan kind \"{wanted}\""),
            format!("name one of {}", names.join(", ")),
        )),
    }
}

fn text(schema: &Value) -> String {
    serde_json::to_string_pretty(schema).unwrap_or_default() + "\n"
}
