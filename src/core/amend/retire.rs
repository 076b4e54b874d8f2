//! An instance that nobody needs any more. Owns what of a plan goes with it, and
//! who still needs it.

use super::{Amended, Amending, Fault, Unamended, into};
use crate::core::model::{HostRoute, PlanFile};
use crate::core::yaml::Seg;

/// Takes applications out of a plan, one after the other.
///
/// # Errors
/// As [`retire`]; then none of them goes.
pub fn retire_all(files: &[PlanFile], wanted: &[String]) -> Result<Amended, Unamended> {
    let mut all = Amended { files: files.to_vec(), ..Amended::default() };
    for one in wanted {
        let amended = retire(Amending::of(&all.files)?, one)?;
        for (path, bytes) in amended.changed {
            all.changed.retain(|(known, _)| *known != path);
            all.changed.push((path, bytes));
        }
        all.files = amended.files;
        all.said.extend(amended.said);
    }
    Ok(all)
}

/// Takes an application out of the plan, and out of the Routes that have it as an
/// instance.
///
/// # Errors
/// Says which client still points at it, or why the plan cannot be changed.
pub fn retire(mut amending: Amending<'_>, wanted: &str) -> Result<Amended, Unamended> {
    let application = amending.application(wanted)?;
    let name = application.name.as_str();
    let namespace = application.namespace.as_deref();
    let here = |route: &HostRoute| amending.together(route.namespace.as_deref(), namespace);
    let routes: Vec<HostRoute> = amending.routes().into_iter().filter(here).collect();
    let mut used = Vec::new();
    for route in &routes {
        used.extend(route.uses(name).into_iter().map(|client| format!("client {client}")));
        if route.alias.as_deref() == Some(name) {
            used.push(format!("the alias of {}", route.host));
        }
    }
    if !used.is_empty() {
        return Err(Unamended {
            fault: Fault::Rule,
            message: format!("{name} is still used: {}", used.join(", ")),
            next: format!("lead them elsewhere first: `tranche route -d {wanted} -t INSTANCE`"),
        });
    }
    let rollout = amending.plan.rollouts.iter().find(|rollout| {
        rollout.application() == name && amending.together(rollout.namespace.as_deref(), namespace)
    });
    if let Some(rollout) = rollout {
        return Err(Unamended {
            fault: Fault::Rule,
            message: format!(
                "{name} is moved by the rollout {} at {}",
                rollout.name, rollout.place
            ),
            next: "take that out of the plan first".to_owned(),
        });
    }
    let mut said = Vec::new();
    for route in &routes {
        let (file, document, way) = amending.document(&route.place)?;
        let mut gone: Vec<(&str, usize)> = Vec::new();
        let lists: [(&str, Vec<bool>); 3] = [
            (
                "acknowledge",
                route.acknowledged.iter().map(|a| a.from == name || a.to == name).collect(),
            ),
            ("clients", route.clients.iter().map(|client| client.name == name).collect()),
            ("instances", route.instances.iter().map(|i| i.name == name).collect()),
        ];
        for (list, names) in &lists {
            let found = names.iter().enumerate().filter(|(_, is)| **is);
            gone.extend(found.map(|(index, _)| (*list, index)));
        }
        if gone.iter().any(|(list, _)| *list == "clients") && route.clients.len() == 1 {
            return Err(Unamended {
                fault: Fault::Rule,
                message: format!(
                    "{name} is the only client of Route {} at {}",
                    route.name, route.place
                ),
                next: "take that Route out of the plan first".to_owned(),
            });
        }
        // From the end, so that places stay what they are.
        for (list, index) in gone.iter().rev() {
            let item = into(&way, &["spec", list, &index.to_string()]);
            amending.draft(&file)?.remove(document, &item)?;
        }
        if !gone.is_empty() {
            said.push(format!("{}: {name} is taken out of Route {}", route.place.file, route.name));
        }
    }
    let (file, document, way) = amending.document(&application.place)?;
    match way.first() {
        // An item of a list of documents.
        Some(Seg::Key(_)) => amending.draft(&file)?.remove(document, &way)?,
        _ => {
            if !amending.draft(&file)?.remove_document(document)? {
                amending.gone.push(file.clone());
            }
        }
    }
    said.push(format!("{file}: application {name} is taken out"));
    amending.done(said)
}
