//! The types that an application may use: the built-in ones and a user's own.
//! Owns which one a name means; it must never expand a template.

use super::builtin::{BUILTIN, Builtins};
use super::definition::{Block, Definition, read_file};
use super::environment;
use super::error::{RenderError, hint};
use super::profile;
use super::raw::WRITTEN;
use crate::core::model::{Notice, Place, TemplateSource};
use crate::core::strategy::workload::{self, Workloads};
use minijinja::Environment;
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

pub use super::definition::TypeKind;

/// A type as a person wants to see it listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypeSummary {
    /// Component type or trait.
    pub kind: TypeKind,
    /// The name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// The file that defines it; `builtin/...` for a built-in one.
    pub file: String,
}

/// All types, with their templates compiled.
#[derive(Debug, Clone)]
pub struct Library {
    types: BTreeMap<(TypeKind, String), Arc<Definition>>,
    version: &'static str,
    notices: Vec<Notice>,
    environment: Environment<'static>,
}

impl Library {
    /// The built-in types and those of `user`, which win.
    ///
    /// # Errors
    /// A file that is no type file, a template that does not compile or uses
    /// what the language does not have, two user types of one kind and name.
    pub fn new(user: &[TemplateSource]) -> Result<Self, RenderError> {
        Self::of(user, &BUILTIN)
    }

    /// The same with the built-in types of a version.
    ///
    /// # Errors
    /// See [`Self::new`].
    pub fn of(user: &[TemplateSource], builtins: &Builtins) -> Result<Self, RenderError> {
        let mut library =
            if *builtins == BUILTIN { Self::builtin()? } else { Self::compiled(builtins)? };
        for source in user {
            for definition in read_file(&source.path, &source.text)? {
                library.add(definition)?;
            }
        }
        Ok(library)
    }

    /// The built-in types, read and compiled once: they never change.
    fn builtin() -> Result<Self, RenderError> {
        static KNOWN: OnceLock<Library> = OnceLock::new();
        if let Some(known) = KNOWN.get() {
            return Ok(known.clone());
        }
        let library = Self::compiled(&BUILTIN)?;
        Ok(KNOWN.get_or_init(|| library).clone())
    }

    fn compiled(builtins: &Builtins) -> Result<Self, RenderError> {
        let mut library = Self {
            types: BTreeMap::new(),
            version: builtins.version,
            notices: Vec::new(),
            environment: environment::base(),
        };
        for (path, text) in builtins.files {
            for definition in read_file(path, text)? {
                library.add(Definition { source: None, ..definition })?;
            }
        }
        Ok(library)
    }

    /// The version of the built-in types.
    #[must_use]
    pub fn version(&self) -> &'static str {
        self.version
    }

    /// What a person should know: user types that replace built-in ones.
    #[must_use]
    pub fn notices(&self) -> &[Notice] {
        &self.notices
    }

    /// Every type, component types first, by name.
    #[must_use]
    pub fn summaries(&self) -> Vec<TypeSummary> {
        let summary = |definition: &Arc<Definition>| TypeSummary {
            kind: definition.kind,
            name: definition.name.clone(),
            description: definition.description.clone(),
            file: definition.place.file.clone(),
        };
        self.types.values().map(summary).collect()
    }

    /// The type of a name.
    pub(super) fn find(&self, kind: TypeKind, name: &str) -> Option<&Definition> {
        self.types.get(&(kind, name.to_owned())).map(Arc::as_ref)
    }

    /// The route type that applies to a kind, as route types name it.
    pub(super) fn route_type(&self, kind: &str) -> Option<Arc<Definition>> {
        let mut routes = self.types.values().filter(|known| known.kind == TypeKind::Route);
        routes.find(|known| known.applies_to.iter().any(|one| one == kind)).cloned()
    }

    /// The kinds of workload that rollouts of the plan can drive.
    #[must_use]
    pub fn workloads(&self) -> Workloads {
        let described = self.types.values().filter_map(|known| known.describes.clone());
        Workloads::new(described.collect())
    }

    /// The texts of the workload types that describe some kinds, by name.
    pub(super) fn descriptors<'l>(
        &'l self,
        used: &'l Workloads,
    ) -> impl Iterator<Item = (&'l str, &'l str)> {
        let known = self.types.values().filter(|known| {
            let described = known.describes.as_ref();
            described.is_some_and(|kind| used.described(&kind.of).is_some())
        });
        known.filter_map(|known| Some((known.name.as_str(), known.source.as_deref()?)))
    }

    /// The type of a name, or what to say of one that is not there.
    pub(super) fn require(
        &self,
        kind: TypeKind,
        name: &str,
        owner: &str,
        place: &Place,
    ) -> Result<&Definition, RenderError> {
        self.find(kind, name).ok_or_else(|| {
            let known = self.types.keys().filter(|(other, _)| *other == kind);
            let written = WRITTEN.into_iter().filter(|_| kind == TypeKind::Component);
            RenderError::UnknownType {
                place: place.clone(),
                owner: owner.to_owned(),
                what: kind.word(),
                name: name.to_owned(),
                hint: hint(name, known.map(|(_, name)| name.as_str()).chain(written)),
            }
        })
    }

    /// The environment that holds the compiled templates.
    pub(super) fn environment(&self) -> &Environment<'static> {
        &self.environment
    }

    fn add(&mut self, definition: Definition) -> Result<(), RenderError> {
        let (kind, name) = (definition.kind, definition.name.clone());
        for part in Definition::PARTS {
            if let Some(block) = definition.part(part) {
                self.compile(&definition, part, block)?;
            }
        }
        let place = definition.place.clone();
        if kind == TypeKind::Route
            && let Some((known, one)) = definition
                .applies_to
                .iter()
                .find_map(|one| Some((self.route_type(one).filter(|k| k.name != name)?, one)))
        {
            let message =
                format!("{} `{name}` applies to {one}, as {} does", kind.word(), known.place);
            return Err(RenderError::Definition { place, message });
        }
        if let Some(described) = &definition.describes {
            let of = &described.of;
            let mut known = self.types.values().filter(|known| known.name != name);
            let twice = known.find(|k| k.describes.as_ref().is_some_and(|kind| kind.of == *of));
            if let Some(known) = twice {
                let message =
                    format!("{} `{name}` describes {of}, as {} does", kind.word(), known.place);
                return Err(RenderError::Definition { place, message });
            }
            if workload::of(of).is_some() {
                let message = format!("describes {of} in place of the built-in {}", kind.word());
                self.notices.push(Notice { place: place.clone(), message });
            }
        }
        let Some(previous) = self.types.insert((kind, name.clone()), Arc::new(definition)) else {
            return Ok(());
        };
        if previous.source.is_some() {
            let message = format!("{} `{name}` is already at {}", kind.word(), previous.place);
            return Err(RenderError::Definition { place, message });
        }
        let message = format!("replaces the built-in {} `{name}`", kind.word());
        self.notices.push(Notice { place, message });
        Ok(())
    }

    fn compile(
        &mut self,
        definition: &Definition,
        part: &str,
        block: &Block,
    ) -> Result<(), RenderError> {
        let fail = |line: u32, message: String| {
            let place = Place { file: definition.place.file.clone(), line: block.line + line };
            RenderError::Definition { place, message }
        };
        profile::check(&block.text).map_err(|breach| fail(breach.line, breach.message))?;
        let name = template_name(definition, part);
        self.environment.add_template_owned(name, block.text.clone()).map_err(|error| {
            let line = error.line().and_then(|line| u32::try_from(line).ok()).unwrap_or(0);
            fail(line, environment::describe(&error))
        })
    }
}

/// The name of a template inside the environment.
pub(super) fn template_name(definition: &Definition, part: &str) -> String {
    format!("{}/{}/{part}", definition.kind.word(), definition.name)
}
