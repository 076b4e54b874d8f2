//! An error in what people wrote: where it is, what stands there, what was
//! expected. Owns the wording's frame; it must never show a value of a Secret
//! (whoever cuts the excerpt sees to that).

use super::Place;
use std::fmt;

/// One error in a plan, with its place and what would have been right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputError(Box<Detail>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Detail {
    file: String,
    line: u32,
    column: u32,
    message: String,
    excerpt: Option<Excerpt>,
    expected: Option<String>,
    nearest: Option<String>,
    hint: Option<String>,
}

/// The offending line and what of it is underlined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excerpt {
    /// The line as it may be shown.
    pub text: String,
    /// Characters of `text` before the underline.
    pub offset: usize,
    /// Characters underlined; at least one is drawn.
    pub width: usize,
}

impl InputError {
    /// An error about a place, without column and excerpt.
    #[must_use]
    pub fn at(place: &Place, message: impl Into<String>) -> Self {
        Self(Box::new(Detail {
            file: place.file.clone(),
            line: place.line,
            column: 0,
            message: message.into(),
            excerpt: None,
            expected: None,
            nearest: None,
            hint: None,
        }))
    }

    /// An error about a whole file.
    #[must_use]
    pub fn in_file(file: &str, message: impl Into<String>) -> Self {
        Self::at(&Place { file: file.to_owned(), line: 0 }, message)
    }

    /// Adds the column, counted from 1, and the line itself.
    #[must_use]
    pub fn excerpt(mut self, column: u32, excerpt: Excerpt) -> Self {
        self.0.column = column;
        self.0.excerpt = Some(excerpt);
        self
    }

    /// Adds what was expected instead, as in "expected ...".
    #[must_use]
    pub fn expected(mut self, expected: impl Into<String>) -> Self {
        self.0.expected = Some(expected.into());
        self
    }

    /// Adds the closest valid name.
    #[must_use]
    pub fn nearest(mut self, name: Option<&str>) -> Self {
        self.0.nearest = name.map(str::to_owned);
        self
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// The file's path inside the repository.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.0.file
    }

    /// The line, counted from 1; 0 where the whole file is meant.
    #[must_use]
    pub fn line(&self) -> u32 {
        self.0.line
    }

    /// The column, counted from 1; 0 where the whole line is meant.
    #[must_use]
    pub fn column(&self) -> u32 {
        self.0.column
    }

    /// What is wrong, in one line without the place.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The offending text's line, as far as it may be shown.
    #[must_use]
    pub fn source_line(&self) -> Option<&str> {
        self.0.excerpt.as_ref().map(|excerpt| excerpt.text.as_str())
    }

    /// The closest valid name, if one is close.
    #[must_use]
    pub fn nearest_name(&self) -> Option<&str> {
        self.0.nearest.as_deref()
    }

    fn notes(&self) -> String {
        let mut notes = Vec::new();
        if let Some(expected) = &self.0.expected {
            notes.push(format!("expected {expected}"));
        }
        if let Some(nearest) = &self.0.nearest {
            notes.push(format!("did you mean `{nearest}`?"));
        }
        notes.join("; ")
    }
}

impl fmt::Display for InputError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let detail = &self.0;
        f.write_str(&detail.file)?;
        if detail.line > 0 {
            write!(f, ":{}", detail.line)?;
        }
        if detail.column > 0 {
            write!(f, ":{}", detail.column)?;
        }
        write!(f, ": {}", detail.message)?;
        let notes = self.notes();
        if let Some(excerpt) = &detail.excerpt {
            let underline = "^".repeat(excerpt.width.max(1));
            let gap = " ".repeat(excerpt.offset);
            let number = detail.line.to_string();
            let margin = number.len().max(4);
            write!(f, "\n{number:>margin$} | {}", excerpt.text)?;
            let below = format!("{gap}{underline} {notes}");
            write!(f, "\n{:margin$} | {}", "", below.trim_end())?;
        } else if !notes.is_empty() {
            write!(f, "\n     = {notes}")?;
        }
        if let Some(hint) = &detail.hint {
            write!(f, "\n     = {hint}")?;
        }
        Ok(())
    }
}

impl std::error::Error for InputError {}

/// All errors of a plan, by file, line and column; at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputErrors(Vec<InputError>);

impl InputErrors {
    /// Puts errors into their order and drops repeated ones; none if there
    /// are none.
    #[must_use]
    pub fn collect(mut errors: Vec<InputError>) -> Option<Self> {
        errors.sort_by(|a, b| {
            let key =
                |e: &InputError| (e.0.file.clone(), e.0.line, e.0.column, e.0.message.clone());
            key(a).cmp(&key(b))
        });
        errors.dedup();
        (!errors.is_empty()).then_some(Self(errors))
    }

    /// The errors.
    #[must_use]
    pub fn all(&self) -> &[InputError] {
        &self.0
    }
}

impl From<InputError> for InputErrors {
    fn from(error: InputError) -> Self {
        Self(vec![error])
    }
}

impl fmt::Display for InputErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, error) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for InputErrors {}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(line: u32) -> Place {
        Place { file: "a.yaml".to_owned(), line }
    }

    #[test]
    fn the_underline_stands_below_the_text_whatever_the_line_number() {
        let excerpt = Excerpt { text: "a: b".to_owned(), offset: 3, width: 1 };
        let error = InputError::at(&place(123_456), "no").excerpt(4, excerpt).nearest(Some("c"));
        assert_eq!(
            error.hint("try c").to_string(),
            "a.yaml:123456:4: no\n123456 | a: b\n       |    ^ did you mean `c`?\n     = try c"
        );
    }

    #[test]
    fn errors_are_sorted_and_said_once() {
        let error = |line, message: &str| InputError::at(&place(line), message);
        let all = vec![error(2, "b"), error(1, "z"), error(2, "a"), error(2, "b")];
        let sorted = InputErrors::collect(all).unwrap();
        assert_eq!(sorted.to_string(), "a.yaml:1: z\na.yaml:2: a\na.yaml:2: b");
        assert_eq!(InputErrors::collect(Vec::new()), None);
        assert_eq!(InputError::in_file("b.yaml", "x").to_string(), "b.yaml: x");
    }
}
