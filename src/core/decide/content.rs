//! What the plan says of objects that are applied directly. Owns their digest
//! and their name; it must never know what is live.

use crate::core::digest::Digest;
use crate::core::health::{Rules, rule_of};
use crate::core::model::Member;
use crate::core::object::ObjectRef;
use crate::core::record::{EntityRecord, RevisionRef};
use crate::core::render::digest_form;
use crate::core::strategy::workload::Workloads;
use crate::core::strategy::{Around, Edges};
use serde_json::Value;
use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::sync::Arc;

/// An object and its rendered body.
pub type Object = (ObjectRef, Arc<Value>);

/// Objects, in the order in which the plan has them, and what they are a
/// revision of.
#[derive(Clone, Debug)]
pub struct DirectContent {
    /// The objects.
    pub objects: Vec<Object>,
    /// The plan's rules of health.
    pub rules: Rules,
    /// The plan's descriptors of kinds.
    pub workloads: Workloads,
    /// The application's name; none for plain objects.
    application: Option<String>,
    /// What stands around some of them.
    pub around: BTreeMap<ObjectRef, Around>,
    /// The Route's name.
    route: Option<String>,
    /// The lane's name, and who is in it.
    lane: Option<(String, Vec<Member>)>,
    /// The digest over the objects, once it was asked for: where nothing is to
    /// be done nobody does.
    digest: OnceCell<Digest>,
}

impl DirectContent {
    /// The objects of a rendered application.
    #[must_use]
    pub fn rendered(
        application: &str,
        objects: Vec<Object>,
        digest: Digest,
        rules: &Rules,
    ) -> Self {
        let (application, rules) = (Some(application.to_owned()), rules.clone());
        let none = Self::plain(objects, &Rules::default());
        Self { rules, application, digest: OnceCell::from(digest), ..none }
    }

    /// Plain objects.
    #[must_use]
    pub fn plain(objects: Vec<Object>, rules: &Rules) -> Self {
        let (application, lane, route, digest) = (None, None, None, OnceCell::new());
        let (rules, around) = (rules.clone(), BTreeMap::new());
        let workloads = Workloads::default();
        Self { objects, rules, workloads, around, application, route, lane, digest }
    }

    /// The same, of a plan that describes kinds of workload.
    #[must_use]
    pub fn knowing(self, workloads: &Workloads) -> Self {
        Self { workloads: workloads.clone(), ..self }
    }

    /// The objects of a lane while `members` are in it.
    #[must_use]
    pub fn of_lane(name: &str, objects: Vec<Object>, rules: &Rules, members: Vec<Member>) -> Self {
        Self { lane: Some((name.to_owned(), members)), ..Self::plain(objects, rules) }
    }

    /// The objects of a Route.
    #[must_use]
    pub fn of_route(name: &str, edges: &Edges, rules: &Rules) -> Self {
        let (route, around) = (Some(name.to_owned()), edges.around.clone());
        Self { route, around, ..Self::plain(edges.objects.clone(), rules) }
    }

    /// Who is in the lane that it is the content of.
    #[must_use]
    pub fn members(&self) -> &[Member] {
        self.lane.as_ref().map_or(&[], |(_, members)| members)
    }

    /// Some of the objects. Those of an application keep the digest of its whole
    /// rendering; plain ones have one of their own, which binds a step to what it
    /// writes.
    #[must_use]
    pub fn part(&self, objects: Vec<Object>) -> Self {
        let part = match &self.application {
            Some(name) => Self::rendered(name, objects, self.digest().clone(), &self.rules),
            None => {
                let (lane, route) = (self.lane.clone(), self.route.clone());
                let around = self.around.clone();
                Self { lane, route, around, ..Self::plain(objects, &self.rules) }
            }
        };
        part.knowing(&self.workloads)
    }

    /// The digest over the objects.
    #[must_use]
    pub fn digest(&self) -> &Digest {
        self.digest.get_or_init(|| {
            let bodies = self.objects.iter().map(|(_, body)| match holds_secrets(body) {
                true => Cow::Owned(digest_form(body)),
                false => Cow::Borrowed(body.as_ref()),
            });
            Digest::of_all("tranche-objects-v1", bodies)
        })
    }

    /// What people read in the place of a revision's name.
    #[must_use]
    pub fn name(&self) -> String {
        if let Some((name, members)) = &self.lane {
            let names: Vec<&str> = members.iter().map(|member| member.rollout.as_str()).collect();
            let who = if names.is_empty() { "nobody".to_owned() } else { names.join(", ") };
            return format!("{name} with {who} ({})", self.digest().short());
        }
        if let Some(name) = &self.route {
            return format!("Route {name} ({})", self.digest().short());
        }
        let title = self.application.as_deref().unwrap_or("objects");
        format!("{title} ({})", self.digest().short())
    }

    /// A record, with this named as what it is of.
    #[must_use]
    pub fn named(&self, mut named: EntityRecord) -> EntityRecord {
        let (name, digest) = (self.name(), self.digest().clone());
        named.status.last_target_app_revision.clone_from(&name);
        digest.short().clone_into(&mut named.status.target_generation);
        named.members = self.members().to_vec();
        named.target = Some(RevisionRef { name, digest });
        named
    }

    /// Whether all objects of a step are among these, unchanged and judged by
    /// the same rules. A step has what differed when it began.
    #[must_use]
    pub fn has_all_of(&self, step: &Self) -> bool {
        let now: BTreeMap<&ObjectRef, &Arc<Value>> =
            self.objects.iter().map(|(object, body)| (object, body)).collect();
        step.objects.iter().all(|(object, body)| {
            let kind = object.kind_ref();
            now.get(object) == Some(&body)
                && rule_of(&self.rules, &kind) == rule_of(&step.rules, &kind)
        })
    }
}

/// Whether anything of an object may be left out of digests.
fn holds_secrets(body: &Value) -> bool {
    body.get("items").is_some() || body.get("kind").and_then(Value::as_str) == Some("Secret")
}
