//! What tells the pods of two revisions apart where no Service does it.

/// A label of pods, and its values on both sides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Apart {
    /// The label.
    pub key: &'static str,
    /// Its value on pods of the revision that is left.
    pub left: String,
    /// Its value on pods of the revision that is reached.
    pub reached: String,
}
