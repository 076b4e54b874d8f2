//! What a share makes of a route, by who acts on it. Owns which of the providers
//! says it by fields of the effect, and asks them; it must never say when a
//! route is written.

use super::canary::Shift;
use super::{CompileError, Driven, Side};
use crate::core::model::RouteProvider;
use crate::core::object::ObjectRef;
use crate::core::traffic::{self, Apart, Split, istio};
use serde_json::{Value, json};

impl RouteProvider {
    /// A rollout's share as it is one of this route.
    pub(super) fn split(&self, split: &Split) -> Split {
        match self {
            Self::DestinationRule { .. } => split.clone().keeping_apart(),
            _ => split.clone(),
        }
    }
}

/// The fields that a share writes over a rendered route; none where its kind and
/// the share say it all. `pods` are the labels of the revision's pods.
///
/// # Errors
/// In words that follow the route's name: what it has no words for.
pub(super) fn written(
    provider: &RouteProvider,
    rendered: &Value,
    split: &Split,
    apart: &Apart,
    pods: Option<&Value>,
) -> Result<Option<Value>, String> {
    if split.weight.is_none() {
        return Ok(None);
    }
    match provider {
        RouteProvider::HttpRoute => traffic::inexpressible(rendered, split).map_or(Ok(None), Err),
        RouteProvider::Ingress(class) => class.inexpressible(split).map_or(Ok(None), Err),
        RouteProvider::VirtualService { rules, .. } => {
            istio::shared(rendered, split, rules).map(Some)
        }
        RouteProvider::DestinationRule { subsets, .. } => {
            istio::pinned(rendered, subsets, apart, pods).map(Some)
        }
        RouteProvider::Custom(custom) => {
            let Some(template) = &custom.template else {
                return Err("has no template that applies to its kind".to_owned());
            };
            template.fields(&custom.properties, rendered, &shares(split, apart)).map(Some)
        }
    }
}

/// A share as templates see it.
fn shares(split: &Split, apart: &Apart) -> Value {
    let weight = split.weight.unwrap_or_default();
    let side = |service: String, weight: u32, label: &str| json!({"service": service, "weight": weight, "labels": {apart.key: label}});
    let mut stable = side(split.left_service(), weight.rest().percent(), &apart.left);
    if split.mixed {
        // The pods of every revision.
        stable["labels"] = json!({});
    }
    let headers = &split.headers;
    json!({
        "service": split.service,
        "stable": stable,
        "canary": side(split.target_service(), weight.percent(), &apart.reached),
        "matches": split.matches,
        "headers": {"set": headers.set, "add": headers.add, "remove": headers.remove},
    })
}

impl Shift<'_> {
    /// What is driven on a route at a share.
    pub(super) fn driven(
        &self,
        (route, side): (&ObjectRef, Side),
        split: &Split,
    ) -> Result<Driven, CompileError> {
        let split = self.split_of(route, split);
        let revision = if side == Side::Source { self.source } else { self.target };
        let mut driven = Driven { split: Some(split.clone()), ..Driven::default() };
        if let Some((provider, body)) = self.provider(route).zip(revision.bodies.get(route)) {
            let apart = self.source.apart(self.target);
            driven.fields = written(provider, body, &split, &apart, revision.pods())
                .map_err(|why| CompileError::Route { route: route.to_string(), why })?;
        }
        Ok(driven)
    }

    /// A share as it is one of a route.
    pub(super) fn split_of(&self, route: &ObjectRef, split: &Split) -> Split {
        self.provider(route).map_or_else(|| split.clone(), |provider| provider.split(split))
    }

    /// Who acts on a route; none of one that is there only for a while.
    pub(super) fn provider(&self, route: &ObjectRef) -> Option<&RouteProvider> {
        let at = self.reached.routes.iter().position(|known| known == route)?;
        self.reached.providers.get(at)
    }
}
