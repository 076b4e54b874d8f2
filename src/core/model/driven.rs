//! What a rollout drives beside its workload, whatever its strategy: routes and
//! Services, each of which may be a document of the plan.

use super::Rollout;
use crate::core::object::ObjectRef;
use serde_json::Value;

/// An object that a rollout drives, and its document.
#[derive(Clone, Debug, PartialEq)]
pub struct DrivenObject<'a> {
    /// The object.
    pub object: ObjectRef,
    /// Its document; none where the application renders it.
    pub document: Option<&'a Value>,
    /// The file of that document.
    pub file: Option<&'a str>,
}

/// The same, to be given its document.
#[derive(Debug)]
pub struct Unclaimed<'a> {
    /// The object.
    pub object: ObjectRef,
    /// Its document.
    pub document: &'a mut Option<Value>,
    /// The file of that document.
    pub file: &'a mut Option<String>,
}

impl Rollout {
    /// The objects that are driven; `namespace` is the rollout's.
    #[must_use]
    pub fn drives(&self, namespace: &str) -> Vec<DrivenObject<'_>> {
        let routes = self.canary.iter().flat_map(|canary| &canary.traffic.routes);
        let routes = routes.map(|route| DrivenObject {
            object: route.object(namespace),
            document: route.document.as_ref(),
            file: route.document_file.as_deref(),
        });
        let services = self.blue_green.iter().flat_map(|blue_green| blue_green.services());
        let services = services.map(|service| DrivenObject {
            object: service.object(namespace),
            document: service.document.as_ref(),
            file: service.document_file.as_deref(),
        });
        routes.chain(services).collect()
    }

    /// All objects that may send requests to what is tried: those that are
    /// driven, and the routes of its lane.
    pub fn reached_by(&self, namespace: &str) -> impl Iterator<Item = ObjectRef> {
        let lane = self.canary.iter().filter_map(|canary| canary.lane.as_ref());
        let hops = lane.flat_map(|lane| &lane.hops).flat_map(|hop| &hop.routes);
        let here = |route: &ObjectRef| ObjectRef {
            namespace: Some(namespace.to_owned()),
            ..route.clone()
        };
        let mut all: Vec<ObjectRef> = hops.map(here).collect();
        all.extend(self.drives(namespace).into_iter().map(|driven| driven.object));
        all.into_iter()
    }

    /// The same, to be handed their documents.
    pub fn unclaimed(&mut self, namespace: &str) -> Vec<Unclaimed<'_>> {
        let routes = self.canary.iter_mut().flat_map(|canary| &mut canary.traffic.routes);
        let routes = routes.map(|route| Unclaimed {
            object: route.object(namespace),
            document: &mut route.document,
            file: &mut route.document_file,
        });
        let blue_green = self.blue_green.iter_mut();
        let services =
            blue_green.flat_map(|b| std::iter::once(&mut b.active).chain(&mut b.preview));
        let services = services.map(|service| Unclaimed {
            object: service.object(namespace),
            document: &mut service.document,
            file: &mut service.document_file,
        });
        routes.chain(services).collect()
    }

    /// Whether requests are moved between two revisions, however that is done.
    #[must_use]
    pub fn moves_requests(&self) -> bool {
        self.canary.is_some() || self.blue_green.is_some() || self.ratio.is_some()
    }
}
