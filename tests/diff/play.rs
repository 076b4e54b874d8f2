//! Plays a case on one cluster. Owns what is checked at each expectation, and
//! that a case that is to be done fails until it is.

use crate::case::{Case, Expected, ExpectedObject, Step};
use crate::place::{At, Place};
use crate::ports::Wired;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;
use tranche::core::diff::{Change, ObjectDiff};
use tranche::core::object::ObjectRef;
use tranche::engine::{Class, Engine, Options, Preview, Report};
use tranche::port::Cluster as _;
use tranche_lab::User;

/// How long an apply waits for pods at most.
const WAIT: Duration = Duration::from_secs(60);

/// Plays the case of a file.
pub fn play(file: &str, place: &Place) {
    let case = Case::read(file, place.namespace());
    let there = matches!(place.at, At::Real(_)) || case.real_only.is_none();
    assert!(there, "{file} is of the real cluster alone: list it so");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let all = || {
        let (said, asked) = (String::new(), Vec::new());
        let played = Played { case: &case, user: case.user, place, said, asked };
        runtime.block_on(played.all());
    };
    let Some(todo) = &case.todo else { return all() };
    let Err(failure) = catch_unwind(AssertUnwindSafe(all)) else {
        panic!("{file}: it works: take out `todo: {todo}`");
    };
    let failure = failure.downcast_ref::<String>().map_or("", String::as_str);
    let got = case.got.as_deref().unwrap_or_else(|| panic!("{file}: `got:` says how it fails"));
    assert!(failure.contains(got), "{file}: it fails, but not by {got:?}:\n{failure}");
}

struct Played<'a> {
    case: &'a Case,
    /// Who runs the product.
    user: User,
    place: &'a Place,
    /// Everything that the product said so far.
    said: String,
    /// What the last preview asked the server about.
    asked: Vec<String>,
}

impl Played<'_> {
    async fn all(mut self) {
        for (number, step) in self.case.steps.iter().enumerate() {
            let at = format!("{}, step {}", self.case.name, number + 1);
            match step {
                Step::Plan(text) => self.place.commit(text),
                Step::Apply(text, waits) => {
                    self.place.commit(text);
                    let (report, _) = self.apply().await;
                    match waits.as_slice() {
                        [] => assert!(is_done(&report), "{at}: {report:#?}"),
                        texts => waits_for(&report, texts, &at),
                    }
                }
                Step::As(user) => self.user = *user,
                Step::Install(text) => self.install(text),
                Step::Edit { manager, request, body } => {
                    self.place.send(request, manager, body).await;
                }
                Step::ExpectNone => self.nothing(&at).await,
                Step::Expect(expected) => self.something(&at, expected).await,
            }
        }
        let said = format!("{}\n{}", self.said, self.place.record());
        for text in &self.case.never {
            assert!(!said.contains(text), "{}: {text:?} shows", self.case.name);
        }
    }

    fn install(&self, text: &str) {
        let At::Real(plane) = self.place.at else { panic!("{}: sandbox", self.case.name) };
        let path = plane.directory().join(format!("{}.yaml", self.place.namespace()));
        std::fs::write(&path, text).unwrap();
        match text.contains("kind: CustomResourceDefinition") {
            true => plane.install(&path).unwrap(),
            false => {
                let path = path.display().to_string();
                plane.kubectl(&["apply", "--server-side", "-f", &path]).unwrap();
            }
        }
    }

    async fn apply(&mut self) -> (Report, Wired) {
        let ports = self.place.wire(self.user).await;
        let options = Options { wait: Some(WAIT), ..Options::default() };
        let report = Engine::new(&ports, &self.place.target, options).apply().await;
        self.said.push_str(&format!("{report:#?}\n{:#?}\n", ports.cluster.heard.said.borrow()));
        (report, ports)
    }

    /// A preview: it writes nothing, and says the same when it is asked again.
    async fn preview(&mut self, at: &str) -> Result<Preview, String> {
        let ports = self.place.wire(self.user).await;
        let first = self.previewed(&ports).await;
        assert_eq!(*ports.cluster.heard.writes.borrow(), <Vec<String>>::new(), "{at}: writes");
        self.asked = ports.cluster.heard.dry_runs.borrow().clone();
        let again = self.previewed(&self.place.wire(self.user).await).await;
        let bytes = |preview: &Result<Preview, String>| match preview {
            Ok(preview) => format!("{:#?}", shown(preview)),
            Err(text) => text.clone(),
        };
        assert_eq!(bytes(&first), bytes(&again), "{at}: two plans differ");
        self.said.push_str(&bytes(&first));
        self.said.push_str(&format!("{:#?}\n", ports.cluster.heard.said.borrow()));
        first
    }

    fn asked_once(&self, at: &str) {
        let once: BTreeSet<&String> = self.asked.iter().collect();
        assert_eq!(self.asked.len(), once.len(), "{at}: asked twice: {:?}", self.asked);
    }

    async fn previewed(&self, ports: &Wired) -> Result<Preview, String> {
        let engine = Engine::new(ports, &self.place.target, Options::default());
        engine.preview(None).await.map_err(|error| format!("{} {}", error.message, error.next))
    }

    async fn nothing(&mut self, at: &str) {
        let before = self.versions().await;
        let preview = self.preview(at).await.unwrap_or_else(|error| panic!("{at}: {error}"));
        let found = shown(&preview);
        assert!(found.objects.is_empty() && !preview.changes(), "{at}: {found:#?}");
        self.asked_once(at);
        let tip = self.place.recorded();
        let (report, ports) = self.apply().await;
        assert!(is_done(&report), "{at}: {report:#?}");
        assert_eq!(*ports.cluster.heard.writes.borrow(), <Vec<String>>::new(), "{at}: writes");
        assert_eq!(self.place.recorded(), tip, "{at}: an idle apply records nothing");
        assert_eq!(self.versions().await, before, "{at}: versions of the plan's objects");
    }

    async fn something(&mut self, at: &str, expected: &Expected) {
        let before = self.versions().await;
        let preview = self.preview(at).await;
        assert_eq!(self.versions().await, before, "{at}: versions of the plan's objects");
        let said = match &preview {
            Ok(preview) => shown(preview).said.join("\n"),
            Err(text) => text.clone(),
        };
        for text in &expected.says {
            assert!(said.contains(text), "{at}: no {text:?} in {said}");
        }
        let wanted = expected.objects.iter().map(wanted).collect::<Vec<_>>().join("\n");
        let found = match &preview {
            Ok(preview) => found(&shown(preview).objects, expected),
            Err(_) if wanted.is_empty() => String::new(),
            Err(text) => text.clone(),
        };
        assert!(found == wanted, "{at}\n-- expected\n{wanted}\n-- got\n{found}\n-- said\n{said}");
        if let (Ok(preview), false) = (&preview, wanted.is_empty()) {
            assert!(preview.changes(), "{at}: the exit code would say that nothing changes");
        }
        self.asked_once(at);
    }

    /// The version of every object of the plan that no controller writes to.
    async fn versions(&self) -> BTreeMap<String, String> {
        let ports = self.place.wire(User::Admin).await;
        let mut versions = BTreeMap::new();
        for object in self.planned() {
            let Ok(Some(live)) = ports.cluster.get(&object).await else { continue };
            if live.get("status").is_none() {
                let version = live["metadata"]["resourceVersion"].as_str().unwrap();
                versions.insert(object.to_string(), version.to_owned());
            }
        }
        versions
    }

    /// The objects that the case ever plans.
    fn planned(&self) -> BTreeSet<ObjectRef> {
        let plans = self.case.steps.iter().filter_map(|step| match step {
            Step::Apply(text, _) | Step::Plan(text) => Some(text),
            _ => None,
        });
        let mut found = BTreeSet::new();
        for text in plans {
            for document in text.split("\n---\n") {
                let Ok(body) = serde_yaml::from_str::<Value>(document) else { continue };
                let Some(mut object) = ObjectRef::of(&body) else { continue };
                object.namespace.get_or_insert_with(|| self.place.namespace().to_owned());
                found.insert(object);
            }
        }
        found
    }
}

fn is_done(report: &Report) -> bool {
    report.error.is_none() && report.class() == Class::Done
}

/// It rests, nothing has failed, and it says for what.
fn waits_for(report: &Report, texts: &[String], at: &str) {
    assert!(report.error.is_none() && report.class() == Class::Waiting, "{at}: {report:#?}");
    let said: String = report.entities.iter().map(|(_, rest)| rest.message.as_str()).collect();
    for text in texts {
        assert!(said.contains(text), "{at}: no {text:?} in {said}");
    }
}

/// What a preview shows, in its order.
#[derive(Debug)]
struct Shown {
    objects: Vec<ObjectDiff>,
    /// Where entities rest, and what is said of them.
    said: Vec<String>,
}

fn shown(preview: &Preview) -> Shown {
    let mut shown = Shown { objects: Vec::new(), said: Vec::new() };
    for entity in &preview.entities {
        shown.objects.extend(entity.objects.iter().cloned());
        let notes = entity.objects.iter().flat_map(|o| o.notes.iter().map(move |n| (&o.object, n)));
        shown.said.extend(notes.map(|(object, note)| format!("{object}: {note}")));
        shown.said.extend(entity.warnings.iter().cloned());
        let rest = entity.rest.iter().map(|rest| format!("{:?}: {}", rest.class, rest.message));
        shown.said.extend(rest);
        shown.said.extend(entity.steps.iter().map(|step| format!("{:?}", step.effects)));
    }
    shown
}

fn wanted(object: &ExpectedObject) -> String {
    let lines = object.lines.clone().unwrap_or_default();
    text(&object.name, &object.change, &lines, &object.notes)
}

fn found(objects: &[ObjectDiff], expected: &Expected) -> String {
    let mut all: Vec<(String, String)> = Vec::new();
    for diff in objects {
        let name = format!("{}/{}", diff.object.kind, diff.object.name);
        let change = match diff.change {
            Change::Create => "create",
            Change::Update => "update",
            Change::Delete => "delete",
            Change::Temporary => "temporary",
            Change::None => "none",
        };
        let asked = expected.objects.iter().find(|e| e.name == name);
        let any = asked.is_some_and(|e| e.lines.is_none());
        let lines = diff.lines.iter().filter(|line| !any && line.starts_with(['+', '-']));
        let lines: Vec<String> = lines.map(|line| line.trim_end().to_owned()).collect();
        let notes: Vec<String> =
            diff.notes.iter().map(|note| as_asked(&note.to_string(), asked)).collect();
        all.push((name.clone(), text(&name, change, &lines, &notes)));
    }
    all.sort();
    all.into_iter().map(|(_, text)| text).collect::<Vec<_>>().join("\n")
}

/// A note; one that begins as a case wants it, the way the case writes it.
fn as_asked(note: &str, asked: Option<&ExpectedObject>) -> String {
    let mut wanted = asked.into_iter().flat_map(|object| &object.notes);
    let found = wanted.find(|wanted| wanted.strip_suffix('*').is_some_and(|w| note.starts_with(w)));
    found.map_or_else(|| note.to_owned(), Clone::clone)
}

fn text(name: &str, change: &str, lines: &[String], notes: &[String]) -> String {
    let notes = notes.iter().map(|note| format!("note: {note}"));
    let all = std::iter::once(format!("{change} {name}")).chain(lines.iter().cloned()).chain(notes);
    all.collect::<Vec<_>>().join("\n")
}
