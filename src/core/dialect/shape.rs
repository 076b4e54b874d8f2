//! Tables that describe what a kind may hold. Data only.

/// A mapping with named fields.
pub(super) struct Shape {
    /// What it is, for the schema.
    pub doc: &'static str,
    /// Its fields, in the order in which errors list them.
    pub fields: &'static [Field],
}

/// One field of a [`Shape`].
pub(super) struct Field {
    /// The name as written.
    pub name: &'static str,
    /// Whether it must or may be there.
    pub need: Need,
    /// What it holds.
    pub kind: Kind,
    /// What it means, for the schema.
    pub doc: &'static str,
}

/// Whether a field must or may be there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    Required,
    Optional,
    /// Known to the original and refused by name.
    Unsupported,
}

/// What a field holds.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    /// A string that is not empty.
    Text,
    /// A DNS label, as all names here are.
    Name,
    /// `<application>-vN`.
    Revision,
    /// `<application>-vN`, or empty where there is none.
    MaybeRevision,
    /// A boolean.
    Flag,
    /// A whole number in a range.
    Count { min: u64, max: u64 },
    /// A whole number of pods, or a percentage.
    Amount,
    /// Seconds, or a duration such as `1h30m`; none at all is one too.
    Duration,
    /// One of some words.
    OneOf(&'static [&'static str]),
    /// A mapping with named fields.
    Object(&'static Shape),
    /// A list.
    List(&'static Self),
    /// A list with at least one item.
    SomeOf(&'static Self),
    /// A mapping of strings to strings.
    Texts,
    /// Any mapping: somebody else's parameters.
    Parameters,
    /// Any value.
    Any,
}

impl Field {
    pub(super) const fn required(name: &'static str, kind: Kind, doc: &'static str) -> Self {
        Self { name, need: Need::Required, kind, doc }
    }

    pub(super) const fn optional(name: &'static str, kind: Kind, doc: &'static str) -> Self {
        Self { name, need: Need::Optional, kind, doc }
    }

    pub(super) const fn unsupported(name: &'static str) -> Self {
        Self { name, need: Need::Unsupported, kind: Kind::Parameters, doc: "" }
    }
}

/// The largest whole number that Kubernetes' int32 fields hold.
pub(super) const INT32: u64 = 2_147_483_647;
