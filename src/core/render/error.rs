//! What can be wrong with an application or a type. Owns the wording; it must
//! never carry a parameter's value that may be a secret.

use crate::core::model::Place;

/// Why something could not be rendered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// A type file is not a type.
    #[error("{place}: {message}")]
    Definition {
        /// Where in the type file.
        place: Place,
        /// What is wrong.
        message: String,
    },
    /// A component or trait names a type that does not exist.
    #[error("{place}: {owner}: there is no {what} `{name}`{hint}")]
    UnknownType {
        /// Where it is named.
        place: Place,
        /// The component, and the trait if it is one.
        owner: String,
        /// `component type` or `trait`.
        what: &'static str,
        /// The name that is not known.
        name: String,
        /// The closest name, as the end of the sentence.
        hint: String,
    },
    /// Parameters do not fit their type's schema.
    #[error("{place}: {owner}: {}", problems.join("; "))]
    Parameters {
        /// Where they are given.
        place: Place,
        /// The component, and the trait if it is one.
        owner: String,
        /// One fragment per parameter that is wrong.
        problems: Vec<String>,
    },
    /// A trait was put on a kind of workload that it does not know.
    #[error("{place}: {owner}: applies to {}, not to a {workload}", allowed.join(", "))]
    DoesNotApply {
        /// Where the trait stands.
        place: Place,
        /// The component and the trait.
        owner: String,
        /// The kind of the component's workload.
        workload: String,
        /// The kinds that the trait knows.
        allowed: Vec<String>,
    },
    /// A template failed.
    #[error("{place}: {owner}: {template}: {message}")]
    Template {
        /// Where the component or trait stands.
        place: Place,
        /// The component, and the trait if it is one.
        owner: String,
        /// Where in the type file.
        template: Place,
        /// What is wrong.
        message: String,
    },
    /// What was rendered is no acceptable object.
    #[error("{place}: {owner}: {message}")]
    Object {
        /// Where the component or trait stands.
        place: Place,
        /// The component, and the trait if it is one.
        owner: String,
        /// What is wrong.
        message: String,
    },
    /// Two parts of an application render the same object.
    #[error(
        "{place}: {owner}: renders {object}, which {first} renders as well; name one of them differently, or leave it out"
    )]
    Duplicate {
        /// Where the second one stands.
        place: Place,
        /// The second one.
        owner: String,
        /// The object.
        object: String,
        /// The first one.
        first: String,
    },
}

impl RenderError {
    /// The place in the plan to show first.
    #[must_use]
    pub fn place(&self) -> &Place {
        match self {
            Self::Definition { place, .. }
            | Self::UnknownType { place, .. }
            | Self::Parameters { place, .. }
            | Self::DoesNotApply { place, .. }
            | Self::Template { place, .. }
            | Self::Object { place, .. }
            | Self::Duplicate { place, .. } => place,
        }
    }
}

/// `, did you mean ...?` if a known name is close, else the list of all.
pub(super) fn hint<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> String {
    let mut names: Vec<&str> = known.collect();
    names.sort_unstable();
    let closest = names
        .iter()
        .map(|other| (strsim::damerau_levenshtein(name, other), *other))
        .filter(|(distance, other)| *distance <= 1 + other.len() / 3)
        .min();
    match closest {
        Some((_, other)) => format!(", did you mean `{other}`?"),
        None if names.is_empty() => String::new(),
        None => format!(", known are {}", names.join(", ")),
    }
}
