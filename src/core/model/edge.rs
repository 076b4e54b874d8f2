//! Routes: which of several instances each client of a host reaches. Owns what
//! is compatible with what; it must never know how a request is sent there.

use super::Place;
use std::fmt;

/// A host that clients call by a name that never changes, and the instances
/// behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostRoute {
    /// The namespace if the document names one; else the target's.
    pub namespace: Option<String>,
    /// The name, unique in its namespace on a target.
    pub name: String,
    /// The Service that clients call.
    pub host: String,
    /// The port that is called; all of them if none.
    pub port: Option<u16>,
    /// The instances, in the order in which they follow each other.
    pub instances: Vec<Instance>,
    /// Who calls the host, and what each reaches.
    pub clients: Vec<Client>,
    /// Differences of APIs that people have accepted.
    pub acknowledged: Vec<Acknowledged>,
    /// The instance that the host itself is, once no application renders it.
    pub alias: Option<String>,
    /// How long an instance serves on after the last client has left it.
    pub drain_seconds: u32,
    /// Where it stands in the plan.
    pub place: Place,
}

/// One of several applications that can serve a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    /// The application.
    pub name: String,
    /// The Service by which it is reached.
    pub service: String,
    /// The HTTP APIs that it serves; none for one that speaks no HTTP.
    pub apis: Vec<Api>,
}

/// An HTTP API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Api {
    /// The path that it is under.
    pub context: String,
    /// Its version, such as `v1` or `1.2.0`.
    pub version: String,
}

/// An application that calls the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// The application.
    pub name: String,
    /// The instance that it depends on.
    pub to: String,
    /// The instance that a part of its requests goes to.
    pub next: Option<Next>,
}

/// The instance that follows, for one client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Next {
    /// The instance.
    pub instance: String,
    /// Its share of the client's requests.
    pub percent: u8,
    /// The header that carries a user's bucket, by which users stay on one side.
    pub sticky: Option<String>,
}

/// A difference that people have accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acknowledged {
    /// The instance that is left.
    pub from: String,
    /// The instance that is reached.
    pub to: String,
    /// The API's path.
    pub context: String,
    /// The version that is reached; none where there is no such API.
    pub version: Option<String>,
}

/// An API of one instance that another does not serve so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// The instance that is left.
    pub from: String,
    /// The instance that is reached.
    pub to: String,
    /// The API's path.
    pub context: String,
    /// Its version where it is left.
    pub has: String,
    /// Its version where it is reached; none where it is missing.
    pub offers: Option<String>,
}

impl Instance {
    /// What clients of this one would miss in another.
    #[must_use]
    pub fn misses(&self, other: &Self) -> Vec<Mismatch> {
        let fits = |api: &Api, found: &Api| major(&api.version) == major(&found.version);
        let missed = self.apis.iter().filter_map(|api| {
            let same = |found: &&Api| found.context == api.context;
            // An instance may serve an API in several versions.
            let all: Vec<&Api> = other.apis.iter().filter(same).collect();
            if all.iter().any(|found| fits(api, found)) {
                return None;
            }
            Some(Mismatch {
                from: self.name.clone(),
                to: other.name.clone(),
                context: api.context.clone(),
                has: api.version.clone(),
                offers: all.last().map(|found| found.version.clone()),
            })
        });
        missed.collect()
    }

    /// Whether it speaks no HTTP.
    #[must_use]
    pub fn is_mute(&self) -> bool {
        self.apis.is_empty()
    }
}

/// The part of a version before its first dot, without a `v` in front.
fn major(version: &str) -> &str {
    let bare = version.strip_prefix(['v', 'V']).unwrap_or(version);
    let end = bare.find(['.', '-', '+']).unwrap_or(bare.len());
    bare.get(..end).unwrap_or(bare)
}

impl HostRoute {
    /// An instance by its name.
    #[must_use]
    pub fn instance(&self, name: &str) -> Option<&Instance> {
        self.instances.iter().find(|instance| instance.name == name)
    }

    /// Whether a difference is accepted: that very one, of that very version.
    #[must_use]
    pub fn acknowledges(&self, mismatch: &Mismatch) -> bool {
        self.acknowledged.iter().any(|known| {
            (&known.from, &known.to) == (&mismatch.from, &mismatch.to)
                && known.context == mismatch.context
                && known.version == mismatch.offers
        })
    }

    /// What a move from one instance to another breaks, and nobody has accepted.
    #[must_use]
    pub fn breaks(&self, from: &str, to: &str) -> Vec<Mismatch> {
        let (Some(from), Some(to)) = (self.instance(from), self.instance(to)) else {
            return Vec::new();
        };
        from.misses(to).into_iter().filter(|missed| !self.acknowledges(missed)).collect()
    }

    /// The instance that a client has moved on from: the one it is leaving, or
    /// the one before its own as long as the plan has that.
    #[must_use]
    pub fn comes_from<'r>(&'r self, client: &'r Client) -> Option<(&'r str, &'r str)> {
        if let Some(next) = &client.next {
            return Some((&client.to, &next.instance));
        }
        let at = self.instances.iter().position(|instance| instance.name == client.to)?;
        let before = self.instances.get(at.checked_sub(1)?)?;
        Some((&before.name, &client.to))
    }

    /// Where the plan names an instance as one that is in use, in words; empty if
    /// nothing does.
    #[must_use]
    pub fn uses(&self, instance: &str) -> Vec<String> {
        let of = |client: &Client| {
            if client.to == instance {
                let share = client.next.as_ref().map_or(100, |next| 100 - next.percent);
                return Some(format!("{} ({share}% of its requests)", client.name));
            }
            let next = client.next.as_ref().filter(|next| next.instance == instance)?;
            Some(format!("{} ({}% of its requests)", client.name, next.percent))
        };
        self.clients.iter().filter_map(of).collect()
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { from, to, context, has, offers } = self;
        write!(f, "{from} serves {context} at {has}, but {to} ")?;
        match offers {
            Some(version) => write!(f, "at {version}"),
            None => f.write_str("does not serve it at all"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instance(name: &str, apis: &[(&str, &str)]) -> Instance {
        let api = |(context, version): &(&str, &str)| Api {
            context: (*context).to_owned(),
            version: (*version).to_owned(),
        };
        let service = format!("{name}--gateway");
        Instance { name: name.to_owned(), service, apis: apis.iter().map(api).collect() }
    }

    fn misses(old: &[(&str, &str)], new: &[(&str, &str)]) -> Vec<Option<String>> {
        let missed = instance("pet-be", old).misses(&instance("pet-be-v2", new));
        missed.into_iter().map(|missed| missed.offers).collect()
    }

    #[test]
    fn the_same_major_version_is_compatible_and_another_or_none_is_not() {
        for (old, new) in [("v1", "v1"), ("v1", "v1.2"), ("1.0.0", "v1"), ("v1.9", "1.10.3-rc.1")] {
            assert!(misses(&[("/pets", old)], &[("/pets", new)]).is_empty(), "{old} {new}");
        }
        for (old, new) in [("v1", "v2"), ("v1", "v10"), ("1.0", "0.1"), ("v1", "latest")] {
            let missed = misses(&[("/pets", old)], &[("/pets", new)]);
            assert_eq!(missed, [Some(new.to_owned())], "{old} {new}");
        }
        assert_eq!(misses(&[("/pets", "v1"), ("/carts", "v1")], &[("/pets", "v1")]), [None]);
        let both = [("/pets", "v2"), ("/pets", "v1.4")];
        assert!(misses(&[("/pets", "v1")], &both).is_empty(), "it serves the older one too");
        assert!(misses(&[], &[("/pets", "v1")]).is_empty(), "more is no difference");
    }
}
