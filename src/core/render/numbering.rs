//! Revision numbers. Owns that numbers never go back and that identical
//! content re-uses its revision (the original counts from the latest instead,
//! so that a return to v1 made the next v2 overwrite the old one).

use crate::core::digest::Digest;

/// A published revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// `<app>-vN`.
    pub name: String,
    /// N.
    pub number: u64,
    /// Its content digest.
    pub digest: Digest,
}

/// Which revision some content is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Numbered {
    /// One that exists.
    Reuse(Known),
    /// One that is to be published.
    New(Known),
}

impl Numbered {
    /// The revision, existing or not.
    #[must_use]
    pub fn revision(&self) -> &Known {
        match self {
            Self::Reuse(known) | Self::New(known) => known,
        }
    }
}

/// The name of an application's revision N.
#[must_use]
pub fn revision_name(application: &str, number: u64) -> String {
    format!("{application}-v{number}")
}

/// The revision of `content`, given every revision that `application` ever
/// had. Where several have the digest the newest is it.
#[must_use]
pub fn number(application: &str, history: &[Known], content: &Digest) -> Numbered {
    let same = history.iter().filter(|known| known.digest == *content);
    if let Some(known) = same.max_by_key(|known| known.number) {
        return Numbered::Reuse(known.clone());
    }
    let number = history.iter().map(|known| known.number).max().unwrap_or(0).saturating_add(1);
    let name = revision_name(application, number);
    Numbered::New(Known { name, number, digest: content.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(number: u64, content: &str) -> Known {
        let digest = Digest::of_bytes(content.as_bytes());
        Known { name: revision_name("web", number), number, digest }
    }

    #[test]
    fn numbers_grow_from_the_greatest_and_content_finds_its_revision() {
        let history = [known(1, "a"), known(4, "b")];
        assert_eq!(number("web", &[], &known(1, "a").digest), Numbered::New(known(1, "a")));
        assert_eq!(number("web", &history, &known(0, "a").digest), Numbered::Reuse(known(1, "a")));
        assert_eq!(number("web", &history, &known(0, "c").digest), Numbered::New(known(5, "c")));
    }
}
