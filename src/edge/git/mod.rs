//! Git: the object store by libgit2, the network by the `git` program. Owns
//! the cache directory, its refs and every child process; it must never check
//! anything out, write to a checkout, or decide from a server's wording.

mod access;
mod ahead;
mod borrow;
mod cache;
mod call;
mod child;
mod diagnose;
mod directory;
mod history;
mod kept;
mod locate;
mod maintain;
mod nearby;
mod path;
mod push;
mod read;
mod remote;
mod run;
mod store;
mod text;
mod url;
mod worktree;
mod write;

pub use access::Access;
pub use ahead::{Ahead, ahead};
pub use locate::{Location, checkout, default_branch, locate};
pub use remote::GitRemote;
pub use store::{GitStore, Identity};
pub use url::RemoteUrl;
pub use worktree::{blob_id, worktree_files};
