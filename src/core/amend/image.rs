//! Another image for one component, and values of its environment. Owns where
//! a container's image stands in an application; it must never look into a
//! template.

use super::{Amended, Amending, At, Unamended, candidates, into};
use crate::core::model::{Application, Component};
use crate::core::render::RAW;
use crate::core::yaml::Seg;
use serde_json::{Value, json};

/// What is to run in a component.
#[derive(Clone, Debug)]
pub struct Image {
    /// The application.
    pub instance: String,
    /// The component, with or without the application's name in front.
    pub component: String,
    /// The image.
    pub image: String,
    /// The container; the component's own if none.
    pub container: Option<String>,
    /// Values of its environment.
    pub env: Vec<(String, String)>,
}

/// A container of a component: its name, and the way to the mapping that its
/// image is in.
struct Container {
    name: String,
    way: Vec<Seg>,
}

/// Changes the image of a component at its place.
///
/// # Errors
/// Says what is named and not there, or why it cannot be changed.
pub fn image(mut amending: Amending<'_>, wanted: &Image) -> Result<Amended, Unamended> {
    let application = amending.application(&wanted.instance)?;
    let (index, component) = component(&application, &wanted.component)?;
    if component.kind == RAW {
        let message = format!("{} is a workload that stands in the plan as it is", component.name);
        let next = format!("change its containers at {}", application.place);
        return Err(Unamended::plan(message, next));
    }
    let (file, document, way) = amending.document(&application.place)?;
    let way = into(&way, &["spec", "components", &index.to_string()]);
    let container = container(component, &way, wanted.container.as_deref())?;
    let mut said = Vec::new();
    let at_image = into(&container.way, &["image"]);
    let was = amending.node(&(file.clone(), document, at_image.clone()))?;
    if was.as_ref().and_then(|node| node.text()) != Some(&wanted.image) {
        amending.draft(&file)?.set(document, &at_image, &json!(wanted.image))?;
        said.push(format!(
            "{}: container {} runs {}",
            component.name, container.name, wanted.image
        ));
    }
    let at: At = (file, document, container.way);
    for (name, value) in &wanted.env {
        if set_env(&mut amending, &at, (name, value))? {
            said.push(format!("{}: container {} has {name}", component.name, container.name));
        }
    }
    amending.done(said)
}

fn component<'a>(
    application: &'a Application,
    wanted: &str,
) -> Result<(usize, &'a Component), Unamended> {
    let long = format!("{}--{wanted}", application.name);
    let components = || application.components.iter().enumerate();
    let exact = components().find(|(_, component)| component.name == wanted);
    exact.or_else(|| components().find(|(_, component)| component.name == long)).ok_or_else(|| {
        let known: Vec<&str> = components().map(|(_, component)| component.name.as_str()).collect();
        let message = format!("application {} has no component \"{wanted}\"", application.name);
        Unamended::usage(message, candidates(&long, &known))
    })
}

/// The container that is meant: the component's own, one of its list, or one that
/// a trait brings.
fn container(
    component: &Component,
    way: &[Seg],
    wanted: Option<&str>,
) -> Result<Container, Unamended> {
    let named = |value: &Value| Some(value.get("name")?.as_str()?.to_owned());
    let mut all = Vec::new();
    if component.properties.get("image").is_some_and(Value::is_string) {
        all.push(Container { name: component.name.clone(), way: into(way, &["properties"]) });
    }
    let listed = component.properties.get("containers").and_then(Value::as_array);
    for (i, one) in listed.into_iter().flatten().enumerate() {
        if let (Some(name), true) = (named(one), one.get("image").is_some_and(Value::is_string)) {
            let way = into(way, &["properties", "containers", &i.to_string()]);
            all.push(Container { name, way });
        }
    }
    for (i, one) in component.traits.iter().enumerate() {
        let has_image = one.properties.get("image").is_some_and(Value::is_string);
        if let (Some(name), true) = (named(&one.properties), has_image) {
            all.push(Container { name, way: into(way, &["traits", &i.to_string(), "properties"]) });
        }
    }
    let known: Vec<String> = all.iter().map(|container| container.name.clone()).collect();
    let found = match wanted {
        None => all.into_iter().next(),
        Some(name) => all.into_iter().find(|container| container.name == name),
    };
    found.ok_or_else(|| {
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        let name = &component.name;
        match wanted {
            Some(wanted) => Unamended::usage(
                format!(
                    "component {name} has no container \"{wanted}\" whose image the plan states"
                ),
                candidates(wanted, &known),
            ),
            None => Unamended::usage(
                format!("component {name} of type {} states no image", component.kind),
                "its type's template says which of its properties is one: change that by hand",
            ),
        }
    })
}

/// Sets one value of an environment; what else is in it stays. False if it is so
/// already.
fn set_env(
    amending: &mut Amending<'_>,
    (file, document, way): &At,
    (name, value): (&str, &str),
) -> Result<bool, Unamended> {
    let list = into(way, &["env"]);
    let node = amending.node(&(file.clone(), *document, list.clone()))?;
    let draft = amending.draft(file)?;
    let item = json!({"name": name, "value": value});
    let Some(node) = node.filter(|node| !node.is_null()) else {
        draft.put(*document, way, ("env", &json!([item])), Some("image"))?;
        return Ok(true);
    };
    let known = node
        .items()
        .iter()
        .enumerate()
        .find(|(_, item)| item.get("name").and_then(|known| known.text()) == Some(name));
    let Some((index, known)) = known else {
        draft.push(*document, &list, &item)?;
        return Ok(true);
    };
    if known.get("valueFrom").is_some() {
        let place = format!("{file}:{}", known.line);
        let message = format!("{place}: {name} comes from elsewhere, by `valueFrom`");
        let next = "a value in its place would lose that: take it out by hand if that is meant";
        return Err(Unamended::plan(message, next));
    }
    if known.get("value").and_then(|known| known.text()) == Some(value) {
        return Ok(false);
    }
    let item = into(&list, &[&index.to_string()]);
    draft.put(*document, &item, ("value", &json!(value)), Some("name"))?;
    Ok(true)
}
