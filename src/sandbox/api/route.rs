//! From a path to what it names. Owns the API's URL space and the query
//! string; it must never look at the state.

use crate::sandbox::kinds::{self, Resource};

/// Where an object is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::sandbox) struct Place {
    pub namespace: Option<String>,
    pub name: String,
}

/// What a path names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Route {
    Version,
    Health,
    Core,
    Groups,
    Group(String),
    Resources(String, String),
    Access,
    Collection(&'static Resource, Option<String>),
    Object(&'static Resource, Place, Option<String>),
    Unknown,
}

impl Route {
    pub(super) fn of(path: &str) -> Self {
        let parts: Vec<String> =
            path.split('/').filter(|part| !part.is_empty()).map(decode).collect();
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        match parts.as_slice() {
            ["version"] => Self::Version,
            ["healthz" | "livez" | "readyz"] => Self::Health,
            ["api"] => Self::Core,
            ["apis"] => Self::Groups,
            ["api", version] => Self::Resources(String::new(), (*version).to_owned()),
            ["apis", group] => Self::Group((*group).to_owned()),
            ["apis", group, version] => Self::Resources((*group).to_owned(), (*version).to_owned()),
            ["apis", "authorization.k8s.io", "v1", "selfsubjectaccessreviews"] => Self::Access,
            ["api", version, rest @ ..] => Self::resource("", version, rest),
            ["apis", group, version, rest @ ..] => Self::resource(group, version, rest),
            _ => Self::Unknown,
        }
    }

    fn resource(group: &str, version: &str, rest: &[&str]) -> Self {
        let (namespace, rest) = match rest {
            ["namespaces", namespace, plural, more @ ..]
                if kinds::find(group, version, plural).is_some_and(|r| r.namespaced) =>
            {
                (Some((*namespace).to_owned()), [&[*plural], more].concat())
            }
            other => (None, other.to_vec()),
        };
        let Some((plural, rest)) = rest.split_first() else { return Self::Unknown };
        let Some(resource) = kinds::find(group, version, plural) else { return Self::Unknown };
        match rest {
            [] => Self::Collection(resource, namespace),
            [name, more @ ..] if more.len() < 2 && namespace.is_some() == resource.namespaced => {
                let place = Place { namespace, name: (*name).to_owned() };
                Self::Object(resource, place, more.first().map(|sub| (*sub).to_owned()))
            }
            _ => Self::Unknown,
        }
    }
}

/// The parameters of a request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::sandbox) struct Query(Vec<(String, String)>);

impl Query {
    /// Parameters as they are, for requests without a URL.
    pub(in crate::sandbox) fn of(pairs: &[(&str, &str)]) -> Self {
        Self(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    pub(super) fn parse(text: &str) -> Self {
        let pairs = text.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name), decode(&value.replace('+', " ")))
        });
        Self(pairs.collect())
    }

    /// A parameter's text; empty if it is not given.
    pub(super) fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }

    pub(super) fn yes(&self, name: &str) -> bool {
        matches!(self.get(name), "true" | "1")
    }
}

fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let hex = text.get(at + 1..at + 3).filter(|_| *byte == b'%');
        if let Some(code) = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            out.push(code);
            at += 3;
        } else {
            out.push(*byte);
            at += 1;
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_name_collections_objects_and_namespaces() {
        let Route::Object(namespaces, place, None) = Route::of("/api/v1/namespaces/shop") else {
            panic!("an object")
        };
        assert_eq!((namespaces.kind, place.name.as_str()), ("Namespace", "shop"));
        let Route::Collection(pods, Some(namespace)) = Route::of("/api/v1/namespaces/shop/pods")
        else {
            panic!("a collection")
        };
        assert_eq!((pods.kind, namespace.as_str()), ("Pod", "shop"));
        assert_eq!(Route::of("/apis/apps/v1/widgets"), Route::Unknown);
        assert_eq!(Route::of("/apis/apps/v1/deployments/web"), Route::Unknown);
        assert_eq!(Query::parse("a=x%3Dy+z&b").get("a"), "x=y z");
    }
}
