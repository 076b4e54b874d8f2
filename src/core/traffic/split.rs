//! How a route's traffic is shared between two revisions.

use super::{HeaderChange, Label, Match};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A share of traffic in per cent.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(try_from = "u32", into = "u32")]
pub struct Weight(u8);

impl Weight {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// All of it.
    pub const ALL: Self = Self(100);

    /// A share from 0 to 100; none for more.
    #[must_use]
    pub fn new(percent: u32) -> Option<Self> {
        u8::try_from(percent).ok().filter(|percent| *percent <= 100).map(Self)
    }

    /// The share in per cent.
    #[must_use]
    pub fn percent(self) -> u32 {
        u32::from(self.0)
    }

    /// What is left for the other side.
    #[must_use]
    pub fn rest(self) -> Self {
        Self(100 - self.0.min(100))
    }

    /// How many of `total` pods must be ready to serve this share.
    #[must_use]
    pub fn needs(self, total: u32) -> u32 {
        let pods = (u64::from(total) * u64::from(self.0)).div_ceil(100);
        u32::try_from(pods).unwrap_or(u32::MAX)
    }
}

impl TryFrom<u32> for Weight {
    type Error = String;

    fn try_from(percent: u32) -> Result<Self, String> {
        Self::new(percent).ok_or_else(|| format!("a weight of {percent}, which is above 100"))
    }
}

impl From<Weight> for u32 {
    fn from(weight: Weight) -> Self {
        weight.percent()
    }
}

impl fmt::Display for Weight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Two revisions that a route is shared between, and how. The whole of what a
/// rollout drives on a route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Split {
    /// The user's Service, which the rendered route points at.
    pub service: Label,
    /// The number of the revision that is left.
    pub source: u64,
    /// The number of the revision that is reached.
    pub target: u64,
    /// The target's share; none where the route is as rendered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<Weight>,
    /// Requests that go to the target whatever its share.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub matches: Vec<Match>,
    /// What is changed in requests that go to the target.
    #[serde(default, skip_serializing_if = "HeaderChange::is_empty")]
    pub headers: HeaderChange,
    /// What is left goes to the user's Service, and so to the pods of every
    /// revision: while the workload that keeps its name is updated.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub mixed: bool,
    /// So does what is taken: while a lane's requests are told from others by
    /// their headers alone.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub alike: bool,
    /// The route shares nothing itself: it keeps the pods of both apart, for
    /// one that does.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub apart: bool,
}

impl Split {
    /// The name of the source's own Service.
    #[must_use]
    pub fn source_service(&self) -> String {
        twin_name(self.service.as_str(), self.source)
    }

    /// The name of the Service that what is left goes to.
    #[must_use]
    pub fn left_service(&self) -> String {
        if self.mixed { self.service.to_string() } else { self.source_service() }
    }

    /// The name of the target's own Service.
    #[must_use]
    pub fn target_service(&self) -> String {
        if self.alike {
            return self.service.to_string();
        }
        twin_name(self.service.as_str(), self.target)
    }

    /// The names of all Services that the route sends to: while one of them is
    /// missing no parent resolves it, whatever its weight.
    #[must_use]
    pub fn services(&self) -> Vec<String> {
        match self.weight {
            None => vec![self.service.to_string()],
            Some(_) => vec![self.left_service(), self.target_service()],
        }
    }

    /// The same with nothing for the target.
    #[must_use]
    pub fn nothing(self) -> Self {
        let (matches, headers) = (Vec::new(), HeaderChange::default());
        Self { weight: Some(Weight::NONE), matches, headers, ..self }
    }

    /// The same for a route that only keeps the pods of both apart: it says one
    /// thing as long as there is a share.
    #[must_use]
    pub fn keeping_apart(self) -> Self {
        if self.weight.is_none() {
            self
        } else {
            Self { mixed: false, apart: true, ..self.nothing() }
        }
    }

    /// The requests that go to the target whatever its share, in words.
    pub(super) fn told_matches(&self) -> String {
        let matches: Vec<String> = self.matches.iter().map(Match::to_string).collect();
        matches.join(" or ")
    }

    /// The Service that a shift to this split moves traffic to.
    #[must_use]
    pub fn moved_to(&self) -> String {
        match self.weight {
            None => self.service.to_string(),
            Some(Weight::NONE) if self.matches.is_empty() => self.left_service(),
            Some(_) => self.target_service(),
        }
    }
}

/// The name of one revision's Service. The ending keeps it from the names that
/// people give to Services.
#[must_use]
pub(super) fn twin_name(service: &str, number: u64) -> String {
    format!("{service}-v{number}-traffic")
}

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.weight {
            None => write!(f, "{} as rendered", self.service),
            Some(_) if self.apart => {
                write!(f, "revisions {} and {} of {} apart", self.source, self.target, self.service)
            }
            Some(weight) => {
                let (source, target) = (self.left_service(), self.target_service());
                write!(f, "{source} {}, {target} {weight}", weight.rest())?;
                if !self.matches.is_empty() {
                    write!(f, " and whatever has {}", self.told_matches())?;
                }
                if !self.headers.is_empty() {
                    write!(f, ", with {}", self.headers)?;
                }
                Ok(())
            }
        }
    }
}
