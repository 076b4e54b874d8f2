//! One document to the reader of its kind.

use super::check::one_of;
use super::claimed::Claim;
use super::component_rollout::{self, STANDARD};
use super::kruise_fields::{ALPHA, BETA};
use super::nearest::nearest;
use super::{application, approllout, kruise, kruise_route, plain, route};
use crate::core::model::{
    Application, HostRoute, InputError, Lane, Notice, Place, PlainObject, Rollout,
};
use crate::core::yaml::{Kind, Node, Source};

const OAM: &str = "core.oam.dev/v1beta1";
const OWN: &str = "tranche.dev/v1alpha1";

/// Groups of plan kinds: nothing of them is ever sent to a cluster.
const GROUPS: [&str; 4] = ["core.oam.dev", "tranche.dev", "standard.oam.dev", "rollouts.kruise.io"];

/// What all documents say together.
#[derive(Default)]
pub(super) struct Collected {
    pub applications: Vec<Application>,
    pub rollouts: Vec<Rollout>,
    pub claims: Vec<Claim>,
    /// Rollouts of components, whose application is not found yet.
    pub components: Vec<Rollout>,
    pub lanes: Vec<Lane>,
    pub routes: Vec<HostRoute>,
    pub objects: Vec<PlainObject>,
    pub notices: Vec<Notice>,
    pub hints: Vec<Notice>,
    pub errors: Vec<InputError>,
}

impl Collected {
    /// Reads a document, or each item of a list.
    pub(super) fn take(&mut self, root: &Node, source: &Source) {
        if let Err(errors) = self.read(root, source) {
            self.errors.extend(errors);
        }
    }

    fn read(&mut self, root: &Node, source: &Source) -> Result<(), Vec<InputError>> {
        let place = source.place(root.line);
        let (api_version, kind) = type_of(root, source).map_err(|error| vec![error])?;
        if let Some(items) = list_items(root, kind) {
            items.iter().for_each(|item| self.take(item, source));
            return Ok(());
        }
        match (api_version, kind) {
            (OAM | OWN, "Application") => self.application(root, source, &place),
            (OAM | OWN, "AppRollout") => {
                self.rollouts.push(approllout::read(root, source, &place)?);
                Ok(())
            }
            (STANDARD, "Rollout") => {
                self.components.push(component_rollout::read(root, source, &place)?);
                Ok(())
            }
            (ALPHA | BETA, "Rollout") => {
                let kruise::Read { rollout, workload, hints } = kruise::read(root, source, &place)?;
                self.claims.push(Claim { rollout, workload });
                self.hints.extend(hints);
                Ok(())
            }
            (ALPHA, "TrafficRouting") => {
                self.lanes.push(kruise_route::read(root, source, &place)?);
                Ok(())
            }
            (OWN, "Route") => {
                self.routes.push(route::read(root, source, &place)?);
                Ok(())
            }
            _ if GROUPS.contains(&group(api_version)) => {
                Err(vec![unsupported(root, source, api_version, kind)])
            }
            _ => {
                self.objects.push(plain::read(root, source, &place).map_err(|error| vec![error])?);
                Ok(())
            }
        }
    }

    fn application(
        &mut self,
        root: &Node,
        source: &Source,
        place: &Place,
    ) -> Result<(), Vec<InputError>> {
        let read = application::read(root, source, place)?;
        self.applications.push(read.application);
        self.rollouts.extend(read.rollouts);
        self.notices.extend(read.notices);
        Ok(())
    }
}

/// The API group; empty for the core group.
pub(super) fn group(api_version: &str) -> &str {
    api_version.split_once('/').map_or("", |(group, _)| group)
}

fn type_of<'n>(root: &'n Node, source: &Source) -> Result<(&'n str, &'n str), InputError> {
    if !root.is_map() {
        let message = format!("a document is {}", root.describe());
        let message = if source.secret() { "a document is no mapping".to_owned() } else { message };
        return Err(root.error(source, message).expected("a mapping with `apiVersion` and `kind`"));
    }
    let read = |name: &str| match root.get(name) {
        None => Err(root
            .error(source, format!("`{name}` is missing"))
            .hint("`spec.include` of tranche.yaml says which files belong to the plan")),
        Some(node) => node
            .text()
            .filter(|text| !text.is_empty())
            .ok_or_else(|| node.error(source, format!("`{name}` is no string"))),
    };
    Ok((read("apiVersion")?, read("kind")?))
}

/// `kubectl get -o yaml` writes lists; each item is a document of its own.
fn list_items<'n>(root: &'n Node, kind: &str) -> Option<&'n [Node]> {
    let items = root.get("items")?;
    let named = root.get("metadata").is_some_and(|metadata| metadata.get("name").is_some());
    match &items.kind {
        Kind::Seq(items) if kind.ends_with("List") && !named => Some(items),
        _ => None,
    }
}

fn unsupported(root: &Node, source: &Source, api_version: &str, kind: &str) -> InputError {
    let at = |name: &str| root.get(name).unwrap_or(root);
    let kinds: &[&str] = match group(api_version) {
        "rollouts.kruise.io" => &["Rollout", "TrafficRouting"],
        "tranche.dev" => &["Application", "AppRollout", "Route"],
        _ => &["Application", "AppRollout"],
    };
    let known = match (group(api_version), kind) {
        ("standard.oam.dev", "Rollout") => {
            let message = format!("{kind} of `{api_version}` is not supported");
            return at("apiVersion").error(source, message).expected(one_of(&[STANDARD]));
        }
        ("tranche.dev", "Project") if api_version == OWN => {
            return at("kind")
                .error(source, "a Project stands outside `tranche.yaml`")
                .hint("there is one project, and its file lies at the root of the repository");
        }
        ("core.oam.dev" | "tranche.dev", kind) if kinds.contains(&kind) => {
            let message = format!("{kind} of `{api_version}` is not supported");
            return at("apiVersion").error(source, message).expected(one_of(&[OAM, OWN]));
        }
        ("tranche.dev", "Route") => {
            let message = format!("Route of `{api_version}` is not supported");
            return at("apiVersion").error(source, message).expected(one_of(&[OWN]));
        }
        (_, kind) => nearest(kind, kinds),
    };
    let error = at("kind")
        .error(source, format!("{kind} of `{api_version}` is not supported yet"))
        .expected(one_of(kinds))
        .nearest(known);
    error.hint("take it out: no document is accepted and then ignored")
}
