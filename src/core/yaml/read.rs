//! Bytes to documents.

use super::build::{Builder, Step};
use super::node::Document;
use super::source::Source;
use crate::core::model::{InputError, Limits, Place};
use serde_saphyr::granit_parser::{Event, Marker, Options, Parser};
use std::sync::Arc;

/// Reads every document of a file; empty ones are skipped.
///
/// # Errors
/// Fails on the first thing that is no YAML of the profile, and on input
/// beyond the limits, before the memory for it is spent.
pub fn parse(file: &str, bytes: &[u8], limits: &Limits) -> Result<Vec<Document>, InputError> {
    let source = Arc::new(Source::new(file, decode(file, bytes, limits)?));
    let mut options = Options::default();
    options.set_emit_comments(false);
    let text = source.text();
    let mut parser = Parser::new_from_str_with_options(text, options);
    let mut builder = Builder::new(&source);
    let mut documents = Vec::new();
    let mut seen = 0_usize;
    while let Some(next) = parser.next_event() {
        let (event, span) = next.map_err(|error| {
            source.error(position(error.marker(), 1), format!("not valid YAML: {}", error.info()))
        })?;
        let at = position(&span.start, span.len());
        if let Event::DocumentStart(..) = event {
            seen += 1;
            if seen > limits.documents {
                let message = format!("more than {} documents in one file", limits.documents);
                return Err(source
                    .error(at, message)
                    .hint("`spec.limits.documents` of tranche.yaml raises it"));
            }
        }
        if let Step::Document(root) = builder.take(event, at)?
            && !root.is_null()
        {
            let place = source.place(root.line);
            documents.push(Document { place, root, source: Arc::clone(&source) });
        }
    }
    Ok(documents)
}

fn decode<'b>(file: &str, bytes: &'b [u8], limits: &Limits) -> Result<&'b str, InputError> {
    if bytes.len() > limits.file_bytes {
        let message = format!("{} bytes, more than the {} allowed", bytes.len(), limits.file_bytes);
        return Err(InputError::in_file(file, message)
            .hint("`spec.limits.fileBytes` of tranche.yaml raises it"));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let line = line_of(bytes, error.valid_up_to());
        InputError::at(&Place { file: file.to_owned(), line }, "not valid UTF-8")
            .hint("save the file as UTF-8")
    })?;
    if let Some(at) = bytes.iter().position(|byte| *byte == 0) {
        let line = line_of(bytes, at);
        let place = Place { file: file.to_owned(), line };
        return Err(InputError::at(&place, "a NUL byte in a text file"));
    }
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}

fn line_of(bytes: &[u8], at: usize) -> u32 {
    let newlines = bytes.iter().take(at).filter(|byte| **byte == b'\n').count();
    u32::try_from(newlines).map_or(u32::MAX, |lines| lines.saturating_add(1))
}

fn position(marker: &Marker, width: usize) -> (u32, u32, u32) {
    let narrow = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    (narrow(marker.line()), narrow(marker.col()).saturating_add(1), narrow(width))
}
