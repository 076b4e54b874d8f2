//! Git: objects by libgit2, the network by the `git` program.
