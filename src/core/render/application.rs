//! An application to its objects. Owns the order: component, then its traits
//! in their written order, then the checks on every object.

use super::definition::{Definition, TypeKind};
use super::error::RenderError;
use super::expand::{expand, file_line};
use super::library::Library;
use super::object;
use super::operation;
use super::patch::merge;
use super::raw::raw;
use super::validate::complete;
use crate::core::model::{Application, Component, Limits, Place, Trait};
use crate::core::object::ObjectRef;
use crate::core::strategy::workload::Workloads;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What an application is on a cluster.
#[derive(Debug, Clone, PartialEq)]
pub struct Rendered {
    /// The application's name.
    pub application: String,
    /// The namespace of objects that name none.
    pub namespace: String,
    /// The components in their written order.
    pub components: Vec<RenderedComponent>,
    /// The plan's descriptors of kinds that are among its objects.
    pub workloads: Workloads,
}

/// What a component is on a cluster.
#[derive(Debug, Clone, PartialEq)]
pub struct RenderedComponent {
    /// The component's name.
    pub name: String,
    /// The object that a rollout drives.
    pub workload: Arc<Value>,
    /// Its other objects, those of its type before those of its traits.
    pub extras: Vec<Arc<Value>>,
}

/// Renders `application` into its own namespace, or into `namespace` if it
/// names none.
///
/// # Errors
/// Unknown types, parameters that do not fit, templates that fail or exceed
/// `limits`, and objects that no cluster would take.
pub fn render(
    application: &Application,
    library: &Library,
    namespace: &str,
    limits: &Limits,
) -> Result<Rendered, RenderError> {
    let namespace = application.namespace.as_deref().unwrap_or(namespace);
    let scene = Scene { application, library, namespace, limits };
    let mut components = Vec::with_capacity(application.components.len());
    let mut seen = BTreeMap::new();
    for component in &application.components {
        components.push(scene.component(component, &mut seen)?);
    }
    let workloads = library.workloads().used(seen.keys().map(ObjectRef::kind_ref));
    Ok(Rendered {
        application: application.name.clone(),
        namespace: namespace.to_owned(),
        components,
        workloads,
    })
}

/// What every part of one rendering needs.
struct Scene<'a> {
    application: &'a Application,
    library: &'a Library,
    namespace: &'a str,
    limits: &'a Limits,
}

/// A component, or a trait of one, as errors name it.
struct Owner<'a> {
    name: String,
    place: &'a Place,
}

impl Owner<'_> {
    fn refuse(&self, message: String) -> RenderError {
        RenderError::Object { place: self.place.clone(), owner: self.name.clone(), message }
    }
}

impl Scene<'_> {
    fn component(
        &self,
        component: &Component,
        seen: &mut BTreeMap<ObjectRef, String>,
    ) -> Result<RenderedComponent, RenderError> {
        let name = format!("component {}", component.name);
        let owner = Owner { name, place: &component.place };
        let (mut workload, mut extras) = match raw(component, self.library) {
            Some(objects) => objects.map_err(|why| owner.refuse(why))?,
            None => self.expanded(component, &owner)?,
        };
        self.finish(&mut workload, component, &owner, seen)?;
        for extra in &mut extras {
            self.finish(extra, component, &owner, seen)?;
        }
        for part in &component.traits {
            self.add_trait(part, component, &mut workload, &mut extras, seen)?;
        }
        object::check_selector(&workload).map_err(|message| owner.refuse(message))?;
        Ok(RenderedComponent {
            name: component.name.clone(),
            workload: Arc::new(workload),
            extras: extras.into_iter().map(Arc::new).collect(),
        })
    }

    /// What the template of a component's type makes: the workload, and more.
    fn expanded(
        &self,
        component: &Component,
        owner: &Owner<'_>,
    ) -> Result<(Value, Vec<Value>), RenderError> {
        let definition =
            self.library.require(TypeKind::Component, &component.kind, &owner.name, owner.place)?;
        let context = self.context(component);
        let parameter = self.parameters(definition, &component.properties, owner)?;
        let values = json!({"parameter": parameter, "context": context});
        let mut extras = self.part(definition, "template", &values, owner)?;
        extras.iter_mut().for_each(object::drop_nulls);
        if extras.is_empty() {
            return Err(owner.refuse("renders nothing".to_owned()));
        }
        let workload = extras.remove(0);
        let kind = workload.get("kind").and_then(Value::as_str).unwrap_or_default();
        if Some(kind) != definition.workload.as_deref() {
            let due = definition.workload.as_deref().unwrap_or_default();
            return Err(owner.refuse(format!("renders `{kind}` first, not its workload {due}")));
        }
        Ok((workload, extras))
    }

    fn add_trait(
        &self,
        part: &Trait,
        component: &Component,
        workload: &mut Value,
        extras: &mut Vec<Value>,
        seen: &mut BTreeMap<ObjectRef, String>,
    ) -> Result<(), RenderError> {
        let name = format!("component {}, trait {}", component.name, part.kind);
        let owner = Owner { name, place: &part.place };
        let definition =
            self.library.require(TypeKind::Trait, &part.kind, &owner.name, owner.place)?;
        let kind = workload.get("kind").and_then(Value::as_str).unwrap_or_default();
        if !definition.applies_to.is_empty() && !definition.applies_to.iter().any(|to| to == kind) {
            return Err(RenderError::DoesNotApply {
                place: owner.place.clone(),
                owner: owner.name,
                workload: kind.to_owned(),
                allowed: definition.applies_to.clone(),
            });
        }
        let mut context = self.context(component);
        context["output"] = workload.clone();
        let parameter = self.parameters(definition, &part.properties, &owner)?;
        let values = json!({"parameter": parameter, "context": context});
        for mut extra in self.part(definition, "template", &values, &owner)? {
            object::drop_nulls(&mut extra);
            self.finish(&mut extra, component, &owner, seen)?;
            extras.push(extra);
        }
        let identity = ObjectRef::of(workload);
        self.patch(definition, &values, workload, &owner)?;
        if ObjectRef::of(workload) != identity {
            return Err(owner.refuse("renames the workload, which a patch may not".to_owned()));
        }
        object::finish(workload, self.namespace, &self.application.name, &component.name)
            .map_err(|message| owner.refuse(message))
    }

    /// What the patches of a trait make of its workload: ours, which knows the
    /// keys of lists, then those that are as the RFCs have them.
    fn patch(
        &self,
        definition: &Definition,
        values: &Value,
        workload: &mut Value,
        owner: &Owner<'_>,
    ) -> Result<(), RenderError> {
        for patch in self.part(definition, "patch", values, owner)? {
            merge(workload, &patch);
        }
        for patch in self.part(definition, "mergePatch", values, owner)? {
            json_patch::merge(workload, &patch);
        }
        for operations in self.part(definition, "jsonPatch", values, owner)? {
            operation::apply_all(workload, &operations).map_err(|why| owner.refuse(why))?;
        }
        if definition.merge_patch.is_some() || definition.json_patch.is_some() {
            object::drop_nulls(workload);
        }
        Ok(())
    }

    fn context(&self, component: &Component) -> Value {
        json!({
            "name": component.name,
            "appName": self.application.name,
            "namespace": self.namespace,
        })
    }

    fn parameters(
        &self,
        definition: &Definition,
        given: &Value,
        owner: &Owner<'_>,
    ) -> Result<Value, RenderError> {
        complete(&definition.parameters, given).map_err(|problems| RenderError::Parameters {
            place: owner.place.clone(),
            owner: owner.name.clone(),
            problems,
        })
    }

    fn part(
        &self,
        definition: &Definition,
        part: &str,
        values: &Value,
        owner: &Owner<'_>,
    ) -> Result<Vec<Value>, RenderError> {
        let Some(block) = definition.part(part) else { return Ok(Vec::new()) };
        expand(self.library, definition, part, values, self.limits).map_err(|fault| {
            RenderError::Template {
                place: owner.place.clone(),
                owner: owner.name.clone(),
                template: Place {
                    file: definition.place.file.clone(),
                    line: file_line(block, fault.line),
                },
                message: fault.message,
            }
        })
    }

    fn finish(
        &self,
        body: &mut Value,
        component: &Component,
        owner: &Owner<'_>,
        seen: &mut BTreeMap<ObjectRef, String>,
    ) -> Result<(), RenderError> {
        object::finish(body, self.namespace, &self.application.name, &component.name)
            .map_err(|message| owner.refuse(message))?;
        let Some(reference) = ObjectRef::of(body) else {
            return Err(owner.refuse("renders an object without a name".to_owned()));
        };
        let object = reference.to_string();
        match seen.insert(reference, owner.name.clone()) {
            None => Ok(()),
            Some(first) => Err(RenderError::Duplicate {
                place: owner.place.clone(),
                owner: owner.name.clone(),
                object,
                first,
            }),
        }
    }
}
