//! What a reviewer should know of one object's difference besides its lines.
//! Owns the kinds of notes; who finds one is no business of this module.

use std::fmt;

/// One thing to know. Fields are paths as the API server writes them in
/// conflicts: `.spec.template.spec.containers[name="web"].image`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Note {
    /// The object cannot be changed so: it has to be deleted and created again.
    Recreate {
        /// The fields that cannot be changed.
        fields: Vec<String>,
    },
    /// Another manager owns the field and wants another value.
    Conflict {
        /// The field.
        field: String,
        /// The other manager.
        manager: String,
        /// What happens to it.
        outcome: Outcome,
    },
    /// The object was applied by other means so far, and is taken over.
    Adopted {
        /// The tool, and what of its own it was part of, in words.
        tool: String,
        /// The field manager by which it is known, if it is known by one.
        manager: Option<String>,
    },
    /// The plan has let go of a field that others own too: its value stays.
    Released {
        /// The field.
        field: String,
        /// Those who still own it.
        managers: Vec<String>,
    },
    /// A field that the plan never sets, set by somebody else.
    Extra {
        /// The field.
        field: String,
        /// Who set it.
        manager: String,
    },
    /// More fields that the plan never sets than are named one by one.
    MoreExtra {
        /// How many.
        count: usize,
    },
    /// A field that is left to a controller, such as an autoscaler.
    LeftTo {
        /// The field.
        field: String,
        /// The controller's object, in words.
        owner: String,
    },
    /// The server could not say what it would store; the lines are a merge
    /// done here, without defaults and without webhooks.
    Unverified {
        /// Why.
        why: String,
    },
    /// The server refuses the object as the plan has it.
    Invalid {
        /// What it says.
        why: String,
    },
    /// Nothing but the order of list items differs.
    OrderOnly,
    /// Each revision has a copy of the object, under a name of its own.
    Copies {
        /// The copy that goes.
        from: String,
        /// The copy that comes.
        to: String,
    },
}

/// What becomes of a field that another manager owns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// It stays the other manager's, with its value.
    Kept,
    /// It becomes ours.
    Taken,
    /// The apply would be refused.
    Refused,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Recreate { fields } => {
                write!(f, "must be recreated: {} cannot be changed", fields.join(", "))
            }
            Self::Conflict { field, manager, outcome } => {
                let outcome = match outcome {
                    Outcome::Kept => "kept as it is",
                    Outcome::Taken => "taken over",
                    Outcome::Refused => "the apply would be refused",
                };
                write!(f, "{field} is owned by {manager:?}: {outcome}")
            }
            Self::Adopted { tool, manager } => {
                write!(f, "applied by {tool} so far")?;
                if let Some(manager) = manager {
                    write!(f, " (manager {manager:?})")?;
                }
                f.write_str("; the plan takes it over")
            }
            Self::Released { field, managers } => {
                write!(f, "{field} is released; its value stays with {}", managers.join(", "))
            }
            Self::Extra { field, manager } => {
                write!(f, "{field} was set by {manager:?}; the plan does not set it")
            }
            Self::LeftTo { field, owner } => write!(f, "{field} is left to {owner}"),
            Self::MoreExtra { count } => {
                write!(f, "{count} more fields were set by others; the plan does not set them")
            }
            Self::Unverified { why } => write!(f, "not verified by the server: {why}"),
            Self::Invalid { why } => write!(f, "the server refuses it: {why}"),
            Self::OrderOnly => write!(f, "only the order of list items differs"),
            Self::Copies { from, to } => write!(
                f,
                "written as {to} beside {from}, which goes with the last pods that refer to it"
            ),
        }
    }
}
