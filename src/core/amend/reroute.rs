//! Another instance for clients of a host. Owns what of a Route that changes;
//! whether the instances are compatible is `core::model`'s.

use super::{Amended, Amending, Fault, NOTHING, Unamended, candidates, into, split};
use crate::core::dialect::{mute, to_acknowledge};
use crate::core::model::{Client, HostRoute, Mismatch};
use crate::core::yaml::Seg;
use serde_json::{Value, json};

/// Where clients are to be led.
#[derive(Clone, Debug)]
pub struct Reroute {
    /// The instance that they depend on, its namespace in front if need be.
    pub dependency: String,
    /// The instance that is to follow.
    pub target: String,
    /// The clients; all that depend on it if none is named.
    pub sources: Vec<String>,
    /// The share of their requests.
    pub percent: u8,
    /// The header by which users stay on one side.
    pub sticky: Option<String>,
    /// Accept what differs between the APIs of both.
    pub acknowledge: bool,
}

/// Leads clients to another instance.
///
/// # Errors
/// Says what is named and not there, which difference nobody has accepted, or why
/// the plan cannot be changed.
pub fn reroute(mut amending: Amending<'_>, wanted: &Reroute) -> Result<Amended, Unamended> {
    let (namespace, from) = split(&wanted.dependency);
    let wanted = &Reroute { dependency: from.to_owned(), ..wanted.clone() };
    let here = |route: &HostRoute| {
        namespace.is_none_or(|wanted| amending.lies_in(route.namespace.as_deref(), wanted))
    };
    let routes: Vec<HostRoute> = amending.routes().into_iter().filter(here).collect();
    let to = wanted.target.as_str();
    if from == to {
        let message = format!("{from} is both the dependency and the target");
        return Err(Unamended::usage(message, "name two instances"));
    }
    let of: Vec<&HostRoute> =
        routes.iter().filter(|route| route.instance(from).is_some()).collect();
    if of.is_empty() {
        let known = routes.iter().flat_map(|route| &route.instances).map(|i| i.name.as_str());
        let known: Vec<&str> = known.collect();
        let message = format!("no Route of this plan has an instance \"{from}\"");
        return Err(Unamended::usage(message, candidates(from, &known)));
    }
    depend(&of, wanted)?;
    let of: Vec<&HostRoute> =
        of.into_iter().filter(|route| !chosen(route, wanted).is_empty()).collect();
    if of.windows(2).any(|pair| {
        matches!(pair, [a, b] if !amending.together(a.namespace.as_deref(), b.namespace.as_deref()))
    }) {
        let places: Vec<String> = of.iter().map(|route| route.place.to_string()).collect();
        let message =
            format!("Routes of several namespaces have clients of {from}: {}", places.join(", "));
        return Err(Unamended::usage(message, "name it as NAMESPACE/NAME"));
    }
    let mut said = Vec::new();
    for route in of {
        if route.instance(to).is_none() {
            let known: Vec<&str> = route.instances.iter().map(|i| i.name.as_str()).collect();
            let message = format!("{}: Route {} has no instance \"{to}\"", route.place, route.name);
            let next = format!(
                "add it to `spec.instances` with its Service and its APIs, or name another; {}",
                candidates(to, &known)
            );
            return Err(Unamended::usage(message, next));
        }
        said.extend(one(&mut amending, route, wanted)?);
    }
    amending.done(said)
}

/// Whether every client that is named depends on the instance, and any does.
fn depend(of: &[&HostRoute], wanted: &Reroute) -> Result<(), Unamended> {
    let from = &wanted.dependency;
    let on = |client: &Client| client.to == *from;
    let clients = || of.iter().flat_map(|route| &route.clients);
    let stands = || {
        let all: Vec<String> =
            clients().map(|client| format!("{} on {}", client.name, client.to)).collect();
        format!("the Route has {}", all.join(", "))
    };
    for source in &wanted.sources {
        if !clients().any(|client| client.name == *source && on(client)) {
            let message = format!("\"{source}\" is no client that depends on {from}");
            return Err(Unamended::usage(message, stands()));
        }
    }
    if !clients().any(on) {
        return Err(Unamended::usage(format!("no client depends on {from}"), stands()));
    }
    Ok(())
}

/// The clients that are led elsewhere, each with its place in the list.
fn chosen<'r>(route: &'r HostRoute, wanted: &Reroute) -> Vec<(usize, &'r Client)> {
    let named =
        |client: &Client| wanted.sources.is_empty() || wanted.sources.contains(&client.name);
    let on = |(_, client): &(usize, &Client)| client.to == wanted.dependency && named(client);
    route.clients.iter().enumerate().filter(on).collect()
}

fn one(
    amending: &mut Amending<'_>,
    route: &HostRoute,
    wanted: &Reroute,
) -> Result<Vec<String>, Unamended> {
    let (from, to, percent) = (&wanted.dependency, &wanted.target, wanted.percent);
    let (file, document, way) = amending.document(&route.place)?;
    for (_, client) in chosen(route, wanted) {
        let Some(next) = client.next.as_ref().filter(|next| next.instance != *to) else { continue };
        let (name, known) = (&client.name, &next.instance);
        let place = &route.place;
        let message = format!("{place}: client {name} is on its way from {from} to {known}");
        let next = format!(
            "finish that, or take it back first: `tranche route -s {name} -d {from} -t {known} -p 0`"
        );
        return Err(Unamended::usage(message, next));
    }
    let mut said = Vec::new();
    if percent > 0 {
        let accepted = compatible(route, wanted)?;
        let list = into(&way, &["spec", "acknowledge"]);
        for mismatch in accepted {
            let Mismatch { from, to, context, offers, .. } = &mismatch;
            let mut entry = json!({"from": from, "to": to, "context": context});
            if let (Some(version), Value::Object(entry)) = (offers, &mut entry) {
                entry.insert("version".to_owned(), json!(version));
            }
            let draft = amending.draft(&file)?;
            match draft.at(document, &list).is_some() {
                true => draft.push(document, &list, &entry)?,
                false => {
                    let spec = into(&way, &["spec"]);
                    draft.put(document, &spec, ("acknowledge", &json!([entry])), None)?;
                }
            }
            said.push(format!("accepted: {mismatch}"));
        }
    }
    for (index, client) in chosen(route, wanted) {
        let at = into(&way, &["spec", "clients", &index.to_string()]);
        let draft = amending.draft(&file)?;
        let next = into(&at, &["next"]);
        let has_next = client.next.is_some();
        match percent {
            0 => {
                if has_next {
                    draft.remove(document, &next)?;
                }
                said.push(format!("{} stays on {from} with all its requests", client.name));
            }
            100 => {
                if has_next {
                    draft.remove(document, &next)?;
                }
                draft.set(document, &into(&at, &["to"]), &json!(to))?;
                said.push(format!("{} depends on {to}, with all its requests", client.name));
            }
            share => {
                shared(draft, document, (&at, &next), wanted, has_next)?;
                let users = wanted.sticky.as_ref().map_or("requests", |_| "users");
                said.push(format!("{} sends {share}% of its {users} to {to}", client.name));
            }
        }
    }
    said.extend(alias(amending, route, wanted, (&file, document, &way))?);
    Ok(said)
}

/// What the clients that go there have to accept; an error if that is not asked for.
fn compatible(route: &HostRoute, wanted: &Reroute) -> Result<Vec<Mismatch>, Unamended> {
    let (from, to) = (&wanted.dependency, &wanted.target);
    if let Some(why) = mute(route, from, to) {
        let next = format!("state the HTTP APIs of {to} with `apis`; {NOTHING}");
        return Err(Unamended::plan(format!("{}: {why}", route.place), next));
    }
    let mut broken = route.breaks(from, to);
    if wanted.percent == 100 {
        // A client that has moved is compared with the instance before its own.
        let moved = Client { name: String::new(), to: to.clone(), next: None };
        let before = route.comes_from(&moved).map(|(before, _)| before);
        let other = before.filter(|before| *before != from.as_str());
        broken.extend(other.into_iter().flat_map(|before| route.breaks(before, to)));
    }
    match broken.first() {
        Some(_) if wanted.acknowledge => Ok(broken),
        None => Ok(broken),
        Some(first) => {
            let all: Vec<String> = broken.iter().map(ToString::to_string).collect();
            Err(Unamended {
                fault: Fault::Plan,
                message: format!("{}: {}", route.place, all.join("; ")),
                next: format!(
                    "{}; `--assume-yes` writes it. Nothing was written",
                    to_acknowledge(first)
                ),
            })
        }
    }
}

/// A share of a client's requests.
fn shared(
    draft: &mut crate::core::yaml::Draft,
    document: usize,
    (at, next): (&[Seg], &[Seg]),
    wanted: &Reroute,
    has_next: bool,
) -> Result<(), Unamended> {
    if !has_next {
        let mut value = json!({"instance": wanted.target, "percent": wanted.percent});
        if let (Some(header), Value::Object(value)) = (&wanted.sticky, &mut value) {
            value.insert("sticky".to_owned(), json!(header));
        }
        draft.put(document, at, ("next", &value), Some("to"))?;
        return Ok(());
    }
    draft.put(document, next, ("percent", &json!(wanted.percent)), Some("instance"))?;
    let sticky = into(next, &["sticky"]);
    match &wanted.sticky {
        Some(header) => draft.put(document, next, ("sticky", &json!(header)), Some("percent"))?,
        None if draft.at(document, &sticky).is_some() => draft.remove(document, &sticky)?,
        None => {}
    }
    Ok(())
}

/// Records which instance the host itself is once its own is gone: the one that
/// all clients depend on.
fn alias(
    amending: &mut Amending<'_>,
    route: &HostRoute,
    wanted: &Reroute,
    (file, document, way): (&str, usize, &[Seg]),
) -> Result<Option<String>, Unamended> {
    let moved = chosen(route, wanted);
    let stays = |(index, client): (usize, &Client)| {
        let moves = moved.iter().any(|(other, _)| *other == index);
        !moves && (client.to != wanted.target || client.next.is_some())
    };
    let all = wanted.percent == 100 && !route.clients.iter().enumerate().any(stays);
    let serves_host =
        route.instance(&wanted.target).is_some_and(|instance| instance.service == route.host);
    let known = route.alias.as_deref();
    if !all || known == Some(&wanted.target) || (known.is_none() && serves_host) {
        return Ok(None);
    }
    let spec = into(way, &["spec"]);
    let entry = ("alias", &json!(wanted.target));
    amending.draft(file)?.put(document, &spec, entry, Some("host"))?;
    Ok(Some(format!("{} is {} once {} is retired", route.host, wanted.target, wanted.dependency)))
}
