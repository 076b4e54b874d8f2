//! A template and its values to text. Owns the limits of one expansion.

use super::definition::{Block, Definition};
use super::environment::describe;
use super::filters;
use super::library::{Library, template_name};
use super::meter::{Bounded, Meter};
use super::yaml_text::parse_documents;
use crate::core::model::Limits;
use minijinja::value::Value as TemplateValue;
use serde_json::Value;
use std::collections::BTreeMap;

/// How often the text that filters make on the way may exceed the output.
const FILTER_SHARE: usize = 16;

/// Why an expansion failed: a line of the template, counted from 1, and what.
#[derive(Debug)]
pub(super) struct ExpandFault {
    pub(super) line: u32,
    pub(super) message: String,
}

/// The documents that one part of a type renders.
pub(super) fn expand(
    library: &Library,
    definition: &Definition,
    part: &str,
    context: &Value,
    limits: &Limits,
) -> Result<Vec<Value>, ExpandFault> {
    let text = expand_text(library, definition, part, context, limits)?;
    // The parser's own message may quote the text, and with it a secret.
    parse_documents(&text).map_err(|fault| ExpandFault {
        line: 0,
        message: format!("renders what is no YAML, at line {} of its output", fault.line),
    })
}

fn expand_text(
    library: &Library,
    definition: &Definition,
    part: &str,
    context: &Value,
    limits: &Limits,
) -> Result<String, ExpandFault> {
    let fault = |error: &minijinja::Error| ExpandFault {
        line: error.line().and_then(|line| u32::try_from(line).ok()).unwrap_or(0),
        message: describe(error),
    };
    let mut env = library.environment().clone();
    env.set_fuel(Some(limits.fuel));
    filters::install(&mut env, &Meter::new(limits.output_bytes.saturating_mul(FILTER_SHARE)));
    let name = template_name(definition, part);
    let template = env.get_template(&name).map_err(|error| fault(&error))?;
    let mut out = Bounded::new(limits.output_bytes);
    let outcome = template.render_captured_to(to_template(context), &mut out).map(|_| ());
    if out.full {
        let message = format!("renders more than {} bytes", limits.output_bytes);
        return Err(ExpandFault { line: 0, message });
    }
    outcome.map_err(|error| fault(&error))?;
    String::from_utf8(out.bytes)
        .map_err(|_| ExpandFault { line: 0, message: "renders no text".to_owned() })
}

/// The values with maps in key order, whatever order they were written in.
fn to_template(value: &Value) -> TemplateValue {
    match value {
        Value::Object(map) => {
            let sorted: BTreeMap<String, TemplateValue> =
                map.iter().map(|(key, inner)| (key.clone(), to_template(inner))).collect();
            TemplateValue::from(sorted)
        }
        Value::Array(items) => items.iter().map(to_template).collect(),
        Value::String(text) => TemplateValue::from(text.as_str()),
        Value::Bool(flag) => TemplateValue::from(*flag),
        Value::Null => TemplateValue::from(()),
        Value::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(number), _, _) => TemplateValue::from(number),
            (_, Some(number), _) => TemplateValue::from(number),
            (_, _, number) => TemplateValue::from(number.unwrap_or_default()),
        },
    }
}

/// The line of the file that line `line` of a block is on.
pub(super) fn file_line(block: &Block, line: u32) -> u32 {
    block.line + line
}
