//! Kubernetes objects as plain JSON values: how they are named, what of them
//! a field manager owns, how an apply merges. Owns everything that is true of
//! any object; it must never know of rollouts.

mod reference;

pub use reference::{KindRef, ObjectRef};
