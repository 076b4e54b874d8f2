//! A file's text, kept for error messages. Owns what of a line may be shown.

use crate::core::model::{Excerpt, InputError, Place};

/// Lines are cut to this many characters around the offending place.
const SHOWN: usize = 120;

const SECRET: &str = "Secret";

/// What stands for secret values where the kind Secret is not named: the trait
/// `storage`, JSON patches of overlays, and hooks, whose URLs may hold tokens.
const MARKS: [&str; 4] = ["stringData", "secret:", "/data/", "Webhooks:"];

/// The text of one file.
#[derive(Debug)]
pub struct Source {
    file: String,
    text: String,
    starts: Vec<usize>,
    secret: bool,
}

impl Source {
    /// Keeps a file's text.
    #[must_use]
    pub fn new(file: &str, text: &str) -> Self {
        // Coarse on purpose: one word too many only hides a value in an
        // excerpt, one too few would show it.
        let inside = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
        let secret = text.match_indices(SECRET).any(|(at, _)| {
            let (before, after) = (at.checked_sub(1), at + SECRET.len());
            let bytes = text.as_bytes();
            !inside(before.and_then(|before| bytes.get(before))) && !inside(bytes.get(after))
        });
        let secret = secret || MARKS.iter().any(|mark| text.contains(mark));
        let after_breaks = text.match_indices('\n').map(|(at, _)| at + 1);
        let starts = std::iter::once(0).chain(after_breaks).collect();
        Self { file: file.to_owned(), text: text.to_owned(), starts, secret }
    }

    /// The file's path.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The whole text, as it was parsed.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether a Secret may be in the file, so that no value of it is shown.
    #[must_use]
    pub fn secret(&self) -> bool {
        self.secret
    }

    /// A place in this file.
    #[must_use]
    pub fn place(&self, line: u32) -> Place {
        Place { file: self.file.clone(), line }
    }

    /// An error about `width` characters at `line` and `column`, both counted
    /// from 1, with that line shown.
    #[must_use]
    pub fn error(&self, (line, column, width): (u32, u32, u32), message: String) -> InputError {
        let error = InputError::at(&self.place(line), message);
        let Some(text) = self.line(line) else { return error };
        let column_index = usize::try_from(column).unwrap_or(usize::MAX).saturating_sub(1);
        error.excerpt(column, self.cut(text, column_index, usize::try_from(width).unwrap_or(1)))
    }

    /// Where a place begins in the text; its end if there is no such place.
    pub(super) fn offset(&self, line: u32, column: u32) -> usize {
        let index = |n: u32| usize::try_from(n).unwrap_or(usize::MAX).saturating_sub(1);
        let Some(start) = self.starts.get(index(line)).copied() else { return self.text.len() };
        let rest = self.text.get(start..).unwrap_or_default();
        let skipped: usize = rest.chars().take(index(column)).map(char::len_utf8).sum();
        start + skipped
    }

    fn line(&self, number: u32) -> Option<&str> {
        let at = usize::try_from(number).ok()?.checked_sub(1)?;
        let rest = self.text.get(*self.starts.get(at)?..)?;
        rest.lines().next()
    }

    fn cut(&self, line: &str, column: usize, width: usize) -> Excerpt {
        let shown = if self.secret { redacted(line) } else { line.trim_end().to_owned() };
        let total = shown.chars().count();
        let start = if total > SHOWN { column.saturating_sub(SHOWN / 2).min(total) } else { 0 };
        let text: String = shown
            .chars()
            .skip(start)
            .take(SHOWN)
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect();
        let length = text.chars().count();
        let offset = column.saturating_sub(start).min(length);
        Excerpt { text, offset, width: width.min(length.saturating_sub(offset)).max(1) }
    }
}

fn redacted(line: &str) -> String {
    match line.split_once(':') {
        Some((key, _)) => format!("{key}: …"),
        None => "…".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_value_of_a_file_with_a_secret_is_shown() {
        let source =
            Source::new("s.yaml", "kind: Secret\nstringData:\n  key: hunter2 [\n  hunter2\n");
        for line in 1..=4 {
            let shown = source.error((line, 8, 3), "broken".to_owned()).to_string();
            assert!(!shown.contains("hunter2"), "{shown}");
        }
        assert!(!Source::new("a.yaml", "imagePullSecrets: []").secret());
        for text in ["stringData: {a: b}", "secret:\n- data:", "- {op: add, path: /data/a}"] {
            assert!(Source::new("a.yaml", text).secret(), "{text}");
        }
    }

    #[test]
    fn long_lines_are_cut_and_control_characters_never_reach_a_terminal() {
        let source = Source::new("a.yaml", &format!("{}\u{1b}[31mX", "a".repeat(5_000)));
        let error = source.error((1, 5_006, 1), "bad".to_owned()).to_string();
        assert!(error.len() < 400 && !error.contains('\u{1b}'), "{error}");
        assert!(error.contains('X'));
    }
}
