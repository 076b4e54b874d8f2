//! The overlays of a whole plan. Owns that those of every target are applied,
//! whichever is rolled out: a commit whose overlays do not apply is no plan
//! anywhere, and an application has the same revisions on all targets.

use crate::core::model::{Application, Overlay, Plan, Target};
use crate::core::object::ObjectRef;
use crate::core::render::{Overlays, Rendered, overlay_document, overlay_rendered};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// How many objects an error about an overlay names at most.
const MOST_NAMED: usize = 8;

/// What overlays make of a plan.
#[derive(Debug, Default)]
pub(super) struct Overlaid {
    /// The overlays that touch an application, of all targets, by its place.
    pub(super) touched: BTreeMap<usize, Overlays>,
    /// The applications that one of the own target's touches.
    pub(super) applications: BTreeMap<usize, Rc<Rendered>>,
    /// The documents that one of the own target's touches.
    pub(super) documents: BTreeMap<usize, Value>,
}

/// How an application renders in a namespace.
pub(super) type Render<'a> = &'a dyn Fn(&Application, &str) -> Result<Rc<Rendered>, String>;

/// Applies the overlays of all targets, and keeps what `target`'s make.
///
/// # Errors
/// Every overlay that is about nothing or does not apply.
pub(super) fn overlaid(
    plan: &Plan,
    target: &Target,
    render: Render<'_>,
) -> Result<Overlaid, Vec<String>> {
    let mut overlaid = Overlaid::default();
    let mut errors = Vec::new();
    for each in &plan.project.targets {
        let overlays: Vec<&Overlay> =
            plan.project.overlays.iter().filter(|overlay| overlay.target == each.name).collect();
        if overlays.is_empty() {
            continue;
        }
        // An earlier commit is rendered where the target is now.
        let own = each.name == target.name;
        let namespace = if own { &target.namespace } else { &each.namespace };
        let mut layers = Layers { plan, namespace, overlaid: Overlaid::default(), all: Vec::new() };
        let outcome = layers.base(render).and_then(|()| {
            let wrong: Vec<String> =
                overlays.into_iter().filter_map(|overlay| layers.lay(overlay).err()).collect();
            if wrong.is_empty() { Ok(()) } else { Err(wrong) }
        });
        errors.extend(outcome.err().into_iter().flatten());
        let made = layers.overlaid;
        for (index, of_target) in made.touched {
            overlaid.touched.entry(index).or_default().extend(of_target);
        }
        if own {
            (overlaid.applications, overlaid.documents) = (made.applications, made.documents);
        }
    }
    if errors.is_empty() { Ok(overlaid) } else { Err(errors) }
}

/// The objects of one target, with the overlays so far.
struct Layers<'a> {
    plan: &'a Plan,
    namespace: &'a str,
    overlaid: Overlaid,
    /// The applications without overlays.
    all: Vec<Rc<Rendered>>,
}

impl Layers<'_> {
    fn base(&mut self, render: Render<'_>) -> Result<(), Vec<String>> {
        let mut errors = Vec::new();
        for application in &self.plan.applications {
            match render(application, self.namespace) {
                Ok(rendered) => self.all.push(rendered),
                Err(error) => errors.push(error),
            }
        }
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }

    fn lay(&mut self, overlay: &Overlay) -> Result<(), String> {
        let mut met = false;
        for (index, base) in self.all.iter().enumerate() {
            let now = self.overlaid.applications.get(&index).unwrap_or(base);
            let Some(patched) = overlay_rendered(overlay, now)? else { continue };
            met = true;
            self.overlaid.applications.insert(index, Rc::new(patched));
            let touched = self.overlaid.touched.entry(index).or_default();
            touched.entry(overlay.target.clone()).or_default().push(overlay.inputs());
        }
        for (index, document) in self.plan.objects.iter().enumerate() {
            let now = self.overlaid.documents.get(&index).unwrap_or(&document.body);
            let Some(patched) = overlay_document(overlay, now, self.namespace)? else { continue };
            met = true;
            self.overlaid.documents.insert(index, patched);
        }
        if met { Ok(()) } else { Err(self.nothing(overlay)) }
    }

    /// What to say of an overlay that is about nothing.
    fn nothing(&self, overlay: &Overlay) -> String {
        let rendered = self.all.iter().flat_map(|rendered| &rendered.components);
        let rendered = rendered.flat_map(|c| std::iter::once(&c.workload).chain(&c.extras));
        let documents = self.plan.objects.iter().map(|document| &document.body);
        let all: Vec<ObjectRef> =
            rendered.chain(documents).filter_map(|body| ObjectRef::of(body)).collect();
        let kind = &overlay.object.kind;
        let of_kind = all.iter().filter(|object| object.kind == *kind);
        let mut names: BTreeSet<String> = of_kind.map(ObjectRef::to_string).collect();
        let mut known = String::new();
        if names.is_empty() {
            known = if all.is_empty() { "nothing".to_owned() } else { format!("no {kind}, but ") };
            names = all.into_iter().map(|object| object.kind).collect();
        }
        let shown: Vec<&str> = names.iter().map(String::as_str).take(MOST_NAMED).collect();
        known.push_str(&shown.join(", "));
        if names.len() > MOST_NAMED {
            known.push_str(&format!(" and {} more", names.len() - MOST_NAMED));
        }
        let (place, target, object) = (&overlay.place, &overlay.target, &overlay.object);
        format!("{place}: overlay of target {target}: nothing renders {object}; there is {known}")
    }
}

#[cfg(test)]
mod tests {
    use crate::core::model::{ClusterRef, PlanFile, Target};
    use crate::core::render::ApplicationKey;
    use crate::engine::{Loaded, load_files};

    const WEB: &str = "\
apiVersion: core.oam.dev/v1beta1
kind: Application
metadata: {name: web}
spec:
  components:
    - {name: web, type: worker, properties: {image: \"web:1\"}}
";

    /// The plan with an overlay of `prod`, loaded for a target.
    fn load(target: &str, overlay: &str) -> Result<Loaded, String> {
        let project = format!(
            "apiVersion: tranche.dev/v1alpha1\nkind: Project\nspec:\n  targets:\n  - {{name: try, \
             cluster: {{sandbox: {{}}}}}}\n  - name: prod\n    namespace: shop\n    cluster: \
             {{sandbox: {{}}}}\n    overlays:\n{overlay}"
        );
        let file = |path: &str, text: &str| PlanFile {
            path: path.to_owned(),
            bytes: text.as_bytes().to_vec(),
        };
        let namespace = if target == "prod" { "shop" } else { "default" };
        let target = Target {
            name: target.to_owned(),
            cluster: ClusterRef::Sandbox,
            namespace: namespace.to_owned(),
            record_branch: format!("tranche/{target}"),
        };
        load_files(vec![file("tranche.yaml", &project), file("web.yaml", WEB)], &target)
    }

    fn overlay(image: &str) -> String {
        format!(
            "    - target: {{kind: Deployment, name: web, namespace: shop}}\n      patch:\n      - \
             {{op: replace, path: /spec/template/spec/containers/0/image, value: \"{image}\"}}\n"
        )
    }

    /// The image that is rendered, and the digests of inputs and of objects.
    fn made(loaded: &Loaded, namespace: &str) -> (String, String, String) {
        let key = ApplicationKey { namespace: namespace.to_owned(), name: "web".to_owned() };
        let application = &loaded.applications[&key];
        let workload = &application.rendered.components[0].workload;
        let image = workload["spec"]["template"]["spec"]["containers"][0]["image"].as_str();
        let (content, digest) = (application.content.as_str(), application.digest.as_str());
        (image.unwrap().to_owned(), content.to_owned(), digest.to_owned())
    }

    #[test]
    fn all_targets_count_alike_and_render_apart() {
        let of = |target: &str, namespace: &str, image: &str| {
            made(&load(target, &overlay(image)).unwrap(), namespace)
        };
        let (other, prod) = (of("try", "default", "web:2"), of("prod", "shop", "web:2"));
        assert_eq!((other.0.as_str(), prod.0.as_str()), ("web:1", "web:2"));
        assert_eq!(other.1, prod.1, "one number on all targets");
        let (other_now, prod_now) = (of("try", "default", "web:3"), of("prod", "shop", "web:3"));
        assert_eq!(other_now.1, prod_now.1);
        assert_ne!(prod.1, prod_now.1, "a changed overlay is a changed input");
        assert_ne!(prod.2, prod_now.2);
        assert_eq!(other.2, other_now.2);
        assert_eq!(of("prod", "shop", "web:2"), prod, "and back is back");
    }

    #[test]
    fn an_overlay_about_nothing_names_what_there_is_on_every_target() {
        let wrong = overlay("web:2").replace("namespace: shop", "namespace: default");
        for target in ["try", "prod"] {
            let text = load(target, &wrong).unwrap_err();
            let due = "tranche.yaml:10: overlay of target prod: nothing renders \
                       Deployment/default/web; there is Deployment/shop/web";
            assert_eq!(text, due);
        }
        let text = load("try", &wrong.replace("kind: Deployment", "kind: Job")).unwrap_err();
        assert!(text.ends_with("nothing renders Job/default/web; there is no Job, but Deployment"));
    }

    #[test]
    fn overlays_lie_one_upon_the_other() {
        let second = overlay("web:3").replace("{op: replace", "{op: test");
        let text = load("try", &format!("{}{second}", overlay("web:2"))).unwrap_err();
        assert!(
            text.contains("tranche.yaml:15: overlay of target prod: Deployment/shop/web: `test")
        );
        let both = format!("{}{}", overlay("web:2"), second.replace("web:3", "web:2"));
        assert_eq!(made(&load("prod", &both).unwrap(), "shop").0, "web:2");
    }
}
