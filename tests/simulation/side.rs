//! Rollouts of two components, batch by batch together. Owns what the second one
//! is, how it is written, and which components an application has rolled.

use crate::plan::{App, Content, Kind, Model, Ready, Roll};
use std::fmt::Write as _;

/// What the second component's name ends in.
const SIDE: &str = "-job";

/// The component that goes through the same batches as the first one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Side {
    /// A pair, a CloneSet or a StatefulSet.
    pub kind: Kind,
    pub replicas: u64,
}

impl Side {
    /// What it is called in an application.
    pub fn name(self, app: &str) -> String {
        side_of(app)
    }
}

/// What the second component of an application is called, if it has one.
pub fn side_of(app: &str) -> String {
    format!("{app}{SIDE}")
}

/// A component that is rolled.
#[derive(Clone, Copy, Debug)]
pub struct Component<'a> {
    pub app: &'a App,
    /// It is the second one.
    side: Option<Side>,
}

impl Component<'_> {
    pub fn name(&self) -> String {
        match self.side {
            Some(side) => side.name(self.app.name),
            None => self.app.name.to_owned(),
        }
    }

    pub fn kind(&self) -> Kind {
        self.side.map_or(self.app.kind, |side| side.kind)
    }

    pub fn is_second(&self) -> bool {
        self.side.is_some()
    }

    /// The image of a revision of it, by the revision's name.
    pub fn image(&self, revision: &str) -> Option<String> {
        let number = revision.rsplit_once("-v")?.1.parse::<usize>().ok()?;
        let content = self.app.contents.get(number.checked_sub(1)?)?;
        Some(format!("{}:{}", self.name(), content.image))
    }
}

impl App {
    /// The components that it has rolled.
    pub fn components(&self) -> impl Iterator<Item = Component<'_>> {
        let second = self.side.map(|side| Component { app: self, side: Some(side) });
        std::iter::once(Component { app: self, side: None }).chain(second)
    }

    /// The second component, as it is written.
    pub fn further(&self) -> String {
        let mut text = String::new();
        let Some(side) = self.side else { return text };
        let (name, replicas) = (side.name(self.name), side.replicas);
        let content = self.contents[self.now];
        let kind = match side.kind {
            Kind::CloneSet => "clonesetservice",
            Kind::StatefulSet => "statefulset",
            _ => "worker",
        };
        let _ = writeln!(text, "    - name: {name}\n      type: {kind}");
        let _ = writeln!(text, "      properties:\n        image: \"{name}:{}\"", content.image);
        if side.kind == Kind::CloneSet {
            let _ = writeln!(text, "        replicas: {replicas}");
        }
        text.push_str("      traits:\n");
        if side.kind != Kind::CloneSet {
            let _ = writeln!(
                text,
                "        - type: scaler\n          properties: {{replicas: {replicas}}}"
            );
        }
        let (key, value) = self.ready(content, true).annotation();
        let _ = writeln!(
            text,
            "        - type: annotations\n          properties: {{sandbox.tranche.dev/{key}: \"{value}\"}}"
        );
        text
    }

    /// How the pods of one of its components get ready. Of two it is often one
    /// that the other one waits for.
    pub fn ready(&self, content: Content, second: bool) -> Ready {
        let slow = match content.image % 3 {
            0 => second,
            1 => !second,
            _ => true,
        };
        if self.side.is_none() || slow { content.ready } else { Ready::After(2) }
    }

    /// Becomes one of two components.
    pub fn joined_by(&mut self, side: Side) {
        self.side = Some(side);
        // Each keeps the size that it has.
        self.roll = self.roll.map(|roll| Roll { size: None, ..roll });
    }
}

impl Model {
    /// The application of a component, and which one of it that is.
    pub fn component(&self, name: &str) -> Option<Component<'_>> {
        let mut all = self.apps.iter().flat_map(App::components);
        all.find(|component| component.name() == name)
    }
}
