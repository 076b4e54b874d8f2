//! Rendering: what an application's components become on a cluster. Owns the
//! template format, its built-in types, and the identity of revisions; it must
//! never look at a cluster, a clock, the environment or a file, so that one
//! commit renders the same bytes everywhere.
//!
//! # The template format
//!
//! Built-in types and a user's own (`templates/*.yaml`, several documents per
//! file) are written alike; a user's type replaces a built-in one of its name.
//!
//! ```yaml
//! apiVersion: tranche.dev/v1alpha1
//! kind: ComponentType              # or TraitType, RouteType; a WorkloadType has
//!                                  # no template, see `strategy::workload`
//! metadata: {name: queueworker}
//! spec:
//!   description: Takes jobs off a queue.
//!   workload: Deployment           # ComponentType: the kind of the first object
//!   # appliesTo: [Deployment]      # TraitType: workload kinds; without it, any
//!                                  # RouteType: kinds of routes, as Kind.group
//!   parameters:                    # a small JSON Schema, see below
//!     type: object
//!     required: [image, queue]
//!     properties:
//!       image: {type: string}
//!       queue: {type: string, description: The queue to read.}
//!       replicas: {type: integer, minimum: 0, default: 1}
//!   template: |                    # component: the workload first, then more
//!     apiVersion: apps/v1          # trait: more objects
//!     kind: Deployment
//!     metadata: {name: {{ context.name | to_json }}}
//!   # patch: |                     # trait: a merge patch onto the workload
//!                                  # RouteType: fields over a rendered route
//!   # mergePatch: |                # trait: a merge patch of RFC 7396
//!   # jsonPatch: |                 # trait: a list of operations, RFC 6902
//! ```
//!
//! **Parameters** know `type` (one or a list), `properties`, `required`,
//! `default`, `enum`, `items`, `additionalProperties` (a boolean or a schema;
//! false unless said), `minimum`, `maximum`, `description` and `writeOnly`
//! (the value is never shown in an error). An unknown parameter is an error.
//! A declared parameter that is neither given nor defaulted is `none`.
//!
//! **A template sees** `parameter`, `context.name` (the component),
//! `context.appName` and `context.namespace`; a trait also `context.output`,
//! the workload as it is so far. That of a route sees `context.output`, the
//! route as rendered, and `traffic`: `service`, `stable` and `canary` (each with
//! `service`, `weight` and `labels`), `matches` and `headers`.
//!
//! **The language** is minijinja's, cut down so that every template ends soon
//! and in little memory: `{{ expression }}`, `if`/`elif`/`else`, `for`,
//! `set x = value` and comments. There are no macros, includes or block
//! captures, and no `~`, `+` or `*`: `name | cat("-svc")`, `port | add(1)`.
//! List and map literals hold constants. The one function is `range`.
//! Filters: `to_json`, `to_exact_json` (which keeps none as null), `to_yaml`,
//! `quote`, `indent`, `b64encode`, `sha256`, `required`, `fail`, `default`, `cat`, `add`, `replace`, `join`, `trim`, `lower`,
//! `upper`, `string`, `int`, `length`, `items`, `first`, `last`, `sort`,
//! `unique`, `map`, `select`, `reject`, `selectattr`, `rejectattr`.
//! An undefined name is an error, and so is printing `none`, a list or a map.
//! What is printed is read as YAML again: write every string as
//! `{{ x | to_json }}`, or a tag such as `1.10` becomes a number. `to_json`
//! and `to_yaml` leave out map entries that are none.
//!
//! **Patches** merge maps, delete what is `null`, and match the members of
//! `containers`, `initContainers`, `volumes`, `env`, `ports` and
//! `imagePullSecrets` by `name`, of `volumeMounts` by `mountPath` and of
//! `hostAliases` by `ip`; any other list is replaced. After them come a
//! `mergePatch`, which replaces every list, and the operations of a `jsonPatch`. A
//! patch may not rename the workload or part its selector from its pods' labels.
//!
//! **Every object** gets the namespace of the application (cluster-scoped
//! kinds none) and the labels `app.oam.dev/name` and `app.oam.dev/component`.

mod application;
mod builtin;
mod definition;
mod digest_form;
mod environment;
mod error;
mod expand;
mod filters;
mod identity;
mod library;
mod meter;
mod numbering;
mod object;
mod operation;
mod overlay;
mod patch;
mod profile;
mod raw;
mod route;
mod schema;
mod validate;
mod walk;
mod yaml_text;

#[cfg(test)]
mod tests;

pub use application::{Rendered, RenderedComponent, render};
pub use builtin::{BUILTIN, Builtins, FIRST_BUILTINS};
pub use digest_form::digest_form;
pub use error::RenderError;
pub use identity::{Overlays, component_digest, content_digest, inputs_digest, rendered_digest};
pub use library::{Library, TypeKind, TypeSummary};
pub use numbering::{Known, Numbered, number, revision_name};
pub use overlay::{overlay_document, overlay_rendered};
pub use raw::RAW;
pub use route::{RouteType, route_kind};
pub use walk::{ApplicationKey, Publication, Walked, WalkedCommit, walk};
