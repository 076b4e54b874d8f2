//! Texts made fit for the place where they are shown. Owns what each place
//! takes for a command, and how that is made plain text; it must never decide
//! what is secret: only a text that has passed a veil can be escaped.

mod html;
mod json;
mod markdown;
mod paint;
mod terminal;

use crate::core::secrecy::Redacted;
use std::fmt;
use std::iter::Sum;
use std::marker::PhantomData;
use std::ops::{Add, AddAssign};

pub use html::Html;
pub use markdown::Markdown;
pub use paint::Paint;
pub use terminal::{CiCommand, Terminal};

/// A place where texts are shown.
pub trait Sink {
    /// A text from outside as plain text of this place.
    fn escape(text: &str) -> String;
}

/// A text that is safe to show at one place. It is made from what has passed
/// a veil, and from texts of the program itself.
pub struct Escaped<S> {
    text: String,
    place: PhantomData<S>,
}

impl<S> Escaped<S> {
    fn passed(text: String) -> Self {
        Self { text, place: PhantomData }
    }

    /// A text of the program itself, as it is.
    #[must_use]
    pub fn ours(text: &'static str) -> Self {
        Self::passed(text.to_owned())
    }

    /// A number.
    #[must_use]
    pub fn number(number: usize) -> Self {
        Self::passed(number.to_string())
    }

    /// Nothing.
    #[must_use]
    pub fn empty() -> Self {
        Self::passed(String::new())
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Its length in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.text.len()
    }

    /// Its lines.
    pub fn lines(&self) -> impl Iterator<Item = Self> {
        self.text.lines().map(|line| Self::passed(line.to_owned()))
    }

    /// Whether it is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }
}

impl<S: Sink> Escaped<S> {
    /// A text from outside, escaped.
    #[must_use]
    pub fn of(text: &Redacted) -> Self {
        Self::passed(S::escape(text.as_str()))
    }
}

impl<S> Clone for Escaped<S> {
    fn clone(&self) -> Self {
        Self::passed(self.text.clone())
    }
}

impl<S> fmt::Debug for Escaped<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

impl<S> PartialEq for Escaped<S> {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl<S> From<&'static str> for Escaped<S> {
    fn from(text: &'static str) -> Self {
        Self::ours(text)
    }
}

impl<S, T: Into<Self>> AddAssign<T> for Escaped<S> {
    fn add_assign(&mut self, other: T) {
        self.text.push_str(&other.into().text);
    }
}

impl<S, T: Into<Self>> Add<T> for Escaped<S> {
    type Output = Self;

    fn add(mut self, other: T) -> Self {
        self += other;
        self
    }
}

impl<S> Add<Escaped<S>> for &'static str {
    type Output = Escaped<S>;

    fn add(self, other: Escaped<S>) -> Escaped<S> {
        Escaped::ours(self) + other
    }
}

impl<S> Sum for Escaped<S> {
    fn sum<I: Iterator<Item = Self>>(parts: I) -> Self {
        parts.fold(Self::empty(), |all, part| all + part)
    }
}

/// Whether a character does something else than stand there: controls, and
/// what reorders or hides the text around it.
fn is_control(c: char) -> bool {
    let hides = matches!(
        c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}'
    );
    c.is_control() || hides
}

/// A text with its controls shown as `\u{..}`; line breaks and tabs stay.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c == '\n' || c == '\t' || !is_control(c) {
            out.push(c);
        } else {
            out.extend(c.escape_unicode());
        }
    }
    out
}
