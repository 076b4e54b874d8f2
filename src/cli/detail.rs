//! What `status` says of one entity that is asked for by its name: since when,
//! step by step, and what runs, with its traits. Owns the words and the layout;
//! it reads record and plan, and never a cluster.

use super::standing::Standing;
use super::terminal::{Line, out, say};
use crate::core::decide::{Passed, Progress, Wellbeing, application_of, course, wellbeing};
use crate::core::escape::Paint;
use crate::core::model::{Application, Client};
use crate::core::strategy::EntityKind;
use crate::engine::{Snapshot, load_documents};
use crate::port::{CommitId, Objects};
use jiff::Timestamp;
use serde_json::{Value, json};

/// What is known of one entity besides where it stands.
pub(super) struct Detail {
    created: Option<Timestamp>,
    updated: Option<Timestamp>,
    steps: Vec<Passed>,
    health: (Wellbeing, String),
    services: Vec<Service>,
    /// Of a Route: what each client reaches, in words.
    clients: Vec<String>,
    /// Whether a step is under way that brings it there.
    open: bool,
}

/// One component of an application.
struct Service {
    name: String,
    kind: String,
    traits: Vec<String>,
    /// Whether the rollout moves it.
    rolled: bool,
}

impl Detail {
    /// What record and plan have of an entity.
    pub(super) fn of<O: Objects>(
        objects: &O,
        snapshot: &Snapshot<'_, O>,
        standing: &Standing,
    ) -> Self {
        let record = &standing.record;
        let waiting = standing.waiting.as_ref().map(|waiting| waiting.reason.as_str());
        let key = &record.entity;
        let revision = match record.status.rolling_state.terminal() {
            true => record.stable.as_ref().or(record.target.as_ref()),
            false => record.target.as_ref().or(record.stable.as_ref()),
        };
        let revision = revision.filter(|_| key.kind == EntityKind::Rollout);
        let application =
            revision.map_or(key.name.as_str(), |revision| application_of(&revision.name));
        // What is applied as it stands has no numbers.
        let known = snapshot.revisions(&key.namespace, application).unwrap_or_default();
        let first = known.first().map(|revision| CommitId(revision.plan_commit.clone()));
        let created = first.and_then(|commit| objects.info(&commit).ok()).map(|info| info.time);
        let published =
            revision.and_then(|wanted| known.iter().find(|r| r.revision == wanted.name));
        let commit = match key.kind {
            EntityKind::Rollout => published.map(|published| published.plan_commit.clone()),
            EntityKind::Application | EntityKind::Route => record.step_plan.clone(),
            EntityKind::Lane | EntityKind::Objects => None,
        };
        let plan = commit.and_then(|commit| load_documents(objects, &CommitId(commit)).ok());
        let routes = plan.iter().filter(|_| key.kind == EntityKind::Route);
        let route = routes.flat_map(|plan| &plan.routes).find(|route| {
            let namespace = route.namespace.as_ref();
            route.name == key.name && namespace.is_none_or(|named| *named == key.namespace)
        });
        let clients = route.map(|route| route.clients.iter().map(reaches).collect());
        let plan = plan.filter(|_| key.kind != EntityKind::Route);
        let document = plan.and_then(|plan| {
            plan.applications.into_iter().find(|found| {
                let namespace = found.namespace.as_ref();
                let whole = record.component_of.as_deref().unwrap_or(application);
                found.name == whole && namespace.is_none_or(|named| *named == key.namespace)
            })
        });
        let last = record.last.as_ref().map(|last| last.at);
        let opened = record.open.as_ref().and_then(|open| open.since);
        let further = record.beside.iter().map(|one| &one.component);
        let rolled: Vec<&str> =
            record.component.iter().chain(further).map(String::as_str).collect();
        let services = document.iter().flat_map(|document| services(document, &rolled));
        // What is rolled by itself has nothing beside it.
        let alone = record.component_of.is_some();
        let services = services.filter(|service| service.rolled || !alone).collect();
        Self {
            created,
            updated: last.max(opened),
            steps: course(record, waiting),
            health: wellbeing(record),
            services,
            clients: clients.unwrap_or_default(),
            open: record.open.is_some(),
        }
    }

    /// The same for programs.
    pub(super) fn json(&self) -> Value {
        let (health, words) = &self.health;
        let steps = self.steps.iter().map(|step| {
            json!({
                "name": step.name,
                "state": step.progress.to_string(),
                "pods": step.pods,
                "message": step.why,
            })
        });
        let services = self.services.iter().map(|service| {
            json!({
                "name": service.name,
                "type": service.kind,
                "traits": service.traits,
                "rolled": service.rolled,
                "health": health.to_string(),
                "message": words,
            })
        });
        let mut told = json!({
            "created": self.created,
            "updated": self.updated,
            "steps": steps.collect::<Vec<Value>>(),
            "services": services.collect::<Vec<Value>>(),
        });
        if let (false, Some(told)) = (self.clients.is_empty(), told.as_object_mut()) {
            told.insert("clients".to_owned(), json!(self.clients));
        }
        told
    }

    /// Prints it below the lines of its entity.
    pub(super) fn show(&self, paint: Paint) {
        let instants = [("created", self.created), ("updated", self.updated)];
        let instants: Vec<String> =
            instants.into_iter().filter_map(|(word, at)| Some(format!("{word} {}", at?))).collect();
        if !instants.is_empty() {
            out("  " + say(instants.join(", ")));
        }
        if !self.steps.is_empty() {
            out("  " + paint.bold(&Line::ours("steps")));
        }
        let width = self.steps.iter().map(|step| step.name.len()).max().unwrap_or(0);
        for step in &self.steps {
            let name = say(format!("{:width$}", step.name));
            out("    " + name + "  " + progress(paint, step));
        }
        if !self.clients.is_empty() {
            let word = if self.open { "clients, once this is done" } else { "clients" };
            out("  " + paint.bold(&Line::ours(word)));
        }
        for client in &self.clients {
            out("    " + say(client));
        }
        if !self.services.is_empty() {
            out("  " + paint.bold(&Line::ours("services")));
        }
        let several = self.services.iter().filter(|service| service.rolled).count() > 1;
        let (health, words) = &self.health;
        for service in &self.services {
            let well = *health == Wellbeing::Healthy;
            let health = match health {
                Wellbeing::Healthy => paint.green(&say(health.to_string())),
                Wellbeing::Unhealthy => paint.red(&say(health.to_string())),
                _ => paint.yellow(&say(health.to_string())),
            };
            // Pods are counted of what is rolled, and of several together.
            let told = !words.is_empty() && service.rolled && !(several && well);
            let words = if told { ": " + say(words) } else { Line::empty() };
            out("    " + say(&service.name) + " (" + say(&service.kind) + "), " + health + words);
            if !service.traits.is_empty() {
                out("      traits: " + say(service.traits.join(", ")));
            }
        }
    }
}

/// Which instances a client's requests go to.
fn reaches(client: &Client) -> String {
    let Client { name, to, next } = client;
    let next = next.as_ref().filter(|next| next.percent > 0);
    let Some(next) = next else { return format!("{name}: {to}") };
    let users = next.sticky.as_ref().map(|header| format!(", users by {header}"));
    let stays = match 100 - next.percent {
        0 => String::new(),
        stays => format!("{to} {stays}%, "),
    };
    format!("{name}: {stays}{} {}%{}", next.instance, next.percent, users.unwrap_or_default())
}

fn services<'a>(
    application: &'a Application,
    rolled: &'a [&str],
) -> impl Iterator<Item = Service> + 'a {
    let only = application.components.len() == 1;
    application.components.iter().map(move |component| Service {
        name: component.name.clone(),
        kind: component.kind.clone(),
        traits: component.traits.iter().map(|each| each.kind.clone()).collect(),
        rolled: only || rolled.contains(&component.name.as_str()),
    })
}

fn progress(paint: Paint, step: &Passed) -> Line {
    let word = say(step.progress.to_string());
    let word = match step.progress {
        Progress::Done => paint.green(&word),
        Progress::Failed | Progress::Stopped => paint.red(&word),
        Progress::Running | Progress::Waiting => paint.yellow(&word),
        Progress::Ahead => paint.dim(&word),
    };
    let pods = match step.pods {
        Some(1) => say(", 1 pod"),
        Some(pods) => say(format!(", {pods} pods")),
        None => Line::empty(),
    };
    let why = if step.why.is_empty() { Line::empty() } else { ": " + say(&step.why) };
    word + pods + why
}
