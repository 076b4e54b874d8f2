//! Applications: components and their traits.

use super::Place;
use serde_json::Value;
use std::collections::BTreeMap;

/// An application as in KubeVela: named components with traits.
#[derive(Clone, Debug, PartialEq)]
pub struct Application {
    /// The namespace if the document names one; else the target's.
    pub namespace: Option<String>,
    /// The name; its revisions are `<name>-vN`.
    pub name: String,
    /// `metadata.labels`.
    pub labels: BTreeMap<String, String>,
    /// `metadata.annotations`.
    pub annotations: BTreeMap<String, String>,
    /// The components in their written order; at least one.
    pub components: Vec<Component>,
    /// `app.oam.dev/rollout-template: "true"`: publish revisions only.
    pub template_only: bool,
    /// `app.oam.dev/publishVersion`: a new value always makes a new revision,
    /// an unchanged one never does.
    pub publish_version: Option<String>,
    /// `app.oam.dev/rolling-components`: the component a rollout drives when
    /// it names none.
    pub rolling_components: Vec<String>,
    /// `tranche.dev/rollout: none`: this application is applied directly from
    /// now on, and a frozen rollout of it is let go.
    pub released: bool,
    /// Where it stands in the plan.
    pub place: Place,
}

/// One component of an application.
#[derive(Clone, Debug, PartialEq)]
pub struct Component {
    /// The name, unique in the application.
    pub name: String,
    /// The component type, such as `webservice`.
    pub kind: String,
    /// The type's parameters, as written.
    pub properties: Value,
    /// The traits in their written order.
    pub traits: Vec<Trait>,
    /// Where it stands in the plan.
    pub place: Place,
}

/// One trait of a component.
#[derive(Clone, Debug, PartialEq)]
pub struct Trait {
    /// The trait type, such as `scaler`.
    pub kind: String,
    /// The type's parameters, as written.
    pub properties: Value,
    /// Where it stands in the plan.
    pub place: Place,
}
